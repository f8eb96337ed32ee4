//! Heads and bodies: taken apart, and written for the other side.

use std::hint::black_box;

use ringgate_core::body::BodyReader;
use ringgate_core::forward::{self, Own, Peer, ToClient, ToServer};
use ringgate_core::framing::Framing;
use ringgate_core::head::{HeadScanner, RequestHead, ResponseHead};
use ringgate_core::method::Method;
use ringgate_core::node::Node;
use ringgate_core::pool::Server;
use ringgate_core::tolerance::Tolerance;

use crate::Case;
use crate::messages::{Body, Message, browser, crowded, plain};

/// Finding the end of a head, and taking it apart.
pub(crate) fn parsing() -> Vec<Case> {
    vec![
        Case::new("parse request/plain", || parse_request(plain())),
        Case::new("parse request/browser", || parse_request(browser())),
        Case::new("parse request/crowded", || parse_request(crowded())),
        Case::new("parse response/plain", || parse_response(plain())),
        Case::new("parse response/browser", || parse_response(browser())),
    ]
}

/// Writing a parsed head for the other side.
pub(crate) fn writing() -> Vec<Case> {
    let client = Peer { address: "192.0.2.1", is_trusted: false };
    let proxy = Peer { address: "192.0.2.1", is_trusted: true };
    vec![
        Case::new("write request/plain", move || write_request(plain(), client)),
        Case::new("write request/browser", move || write_request(browser(), client)),
        Case::new("write request/crowded", move || write_request(crowded(), client)),
        Case::new("write request/crowded, from a trusted proxy", move || write_request(crowded(), proxy)),
        Case::new("write response/plain", || write_response(plain())),
        Case::new("write response/browser", || write_response(browser())),
    ]
}

/// Reading bodies.
pub(crate) fn bodies() -> Vec<Case> {
    vec![
        Case::new("decode chunks/256 of 16 bytes", || decode(Body::chunked(256, 16))),
        Case::new("decode chunks/16 of 4 KiB", || decode(Body::chunked(16, 4096))),
    ]
}

fn parse_request(message: Message) -> impl FnMut() -> usize {
    let mut head = RequestHead::default();
    move || {
        let bytes = black_box(&message.request[..]);
        let bounds = HeadScanner::default().scan(bytes).ok().flatten().expect("a whole head");
        head.parse(bytes, Tolerance::NONE).expect("a request");
        bounds.end
    }
}

fn parse_response(message: Message) -> impl FnMut() -> usize {
    let mut head = ResponseHead::default();
    move || {
        let bytes = black_box(&message.response[..]);
        let bounds = HeadScanner::of_response().scan(bytes).ok().flatten().expect("a whole head");
        let bytes = &bytes[bounds.start..bounds.end];
        head.parse(bytes).expect("a response");
        let framing = head.framing(Method::Get, bytes).expect("a framing");
        usize::from(head.persists(Method::Get)) + usize::from(framing == Framing::Chunked)
    }
}

fn write_request(message: Message, peer: Peer<'static>) -> impl FnMut() -> usize {
    let mut head = RequestHead::default();
    head.parse(&message.request, Tolerance::NONE).expect("a request");
    let server = Server::new("192.0.2.9:9001", ([192, 0, 2, 9], 9001).into());
    let node = Node::new("gateway").expect("an id");
    let mut out = Vec::new();
    move || {
        out.clear();
        let request_id = "0123456789abcdef0123456789abcdef";
        let to = ToServer {
            server: &server,
            peer,
            request_id,
            upgrade: None,
            node: &node,
            trace: None,
            shape: None,
        };
        let written = forward::request(&mut out, black_box(&head), &message.request, to);
        written.map_or(0, |()| out.len())
    }
}

fn write_response(message: Message) -> impl FnMut() -> usize {
    let bytes = message.response;
    let mut head = ResponseHead::default();
    head.parse(&bytes).expect("a response");
    let framing = head.framing(Method::Get, &bytes).expect("a framing");
    let mut out = Vec::new();
    move || {
        out.clear();
        let to = ToClient {
            request_id: "0123456789abcdef0123456789abcdef",
            date: "Sun, 22 Nov 2026 18:00:00 GMT",
            method: Method::Get,
            version: Default::default(),
            framing,
            persists: true,
            timing: None,
            own: Own::default(),
        };
        forward::response(&mut out, black_box(&head), &bytes, to);
        out.len()
    }
}

fn decode(mut body: Body) -> impl FnMut() -> usize {
    move || {
        let mut reader = BodyReader::new(Framing::Chunked);
        let decoded = reader.read(black_box(body.arrive())).expect("chunks");
        assert!(reader.is_done(), "the whole body was there");
        decoded.data
    }
}
