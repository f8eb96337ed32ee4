//! A whole request as the data plane serves it, without its sockets, its log line and its clock.
//!
//! Assumes: the same calls in the same order as in `client.rs`, `session.rs` and `pipeline.rs` of the gateway. Who changes
//! them there changes them here.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ringgate_core::answer::{BadReply, Fault, Malformed, Reject};
use ringgate_core::body::BodyReader;
use ringgate_core::forward::{self, Own, Peer, ToClient, ToServer};
use ringgate_core::head::{HeadScanner, RequestHead, ResponseHead};
use ringgate_core::node::Node;
use ringgate_core::request_id;
use ringgate_core::snapshot::{Clients, Snapshot};

use crate::Case;
use crate::messages::{Message, browser, crowded, plain};
use crate::routing;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// One client's connection and one server's: what is kept from request to request.
pub struct Exchange {
    snapshot: Snapshot,
    message: Message,
    request: RequestHead,
    response: ResponseHead,
    request_id: String,
    out: Vec<u8>,
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("whole request/plain", || serve(plain())),
        Case::new("whole request/browser", || serve(browser())),
        Case::new("whole request/crowded", || serve(crowded())),
    ]
}

fn serve(message: Message) -> impl FnMut() -> usize {
    let mut exchange = Exchange::new(message);
    move || exchange.ask().len() + exchange.answer().len()
}

impl Exchange {
    /// Of this message, again and again, through a table of 1,000 routes.
    pub fn new(message: Message) -> Exchange {
        let pools = vec![Arc::new(routing::pool(4))];
        let node = Node::new("gateway").expect("an id");
        let snapshot = Snapshot::new(routing::prefixes_and("/api/v1", 1_000), pools, node);
        Exchange {
            snapshot,
            message,
            request: RequestHead::default(),
            response: ResponseHead::default(),
            request_id: String::new(),
            out: Vec::new(),
        }
    }

    /// From the bytes of a request to those of its head for a server.
    ///
    /// # Panics
    /// The request is refused.
    pub fn ask(&mut self) -> &[u8] {
        self.forward().expect("a request that is forwarded");
        &self.out
    }

    fn forward(&mut self) -> Result<(), Reject> {
        let Exchange { snapshot, request: head, request_id, out, .. } = self;
        let Clients { tolerance, trusted, .. } = &snapshot.clients;
        let bounds = HeadScanner::default().scan(black_box(&self.message.request))?.expect("a whole head");
        let bytes = &self.message.request[bounds.start..bounds.end];
        head.parse(bytes, *tolerance)?;
        let is_trusted = trusted.has(PEER);
        request_id.clear();
        match head.request_id(bytes) {
            Some(id) => request_id.push_str(id),
            None => request_id::generate(request_id, black_box([1, 2])),
        }
        head.check(bytes, &snapshot.node)?;
        let route = snapshot.routes.find(&head.route_request(bytes))?.route;
        head.check_length(route.policy.body_bytes)?;
        let upgrade = head.upgrade(bytes, &route.policy.upgrades);
        let server = snapshot.pool(route).turn().next().expect("a pool has servers");
        let peer = Peer { address: "192.0.2.1", is_trusted };
        out.clear();
        forward::request(
            out,
            head,
            bytes,
            ToServer { server, peer, request_id, upgrade, node: &snapshot.node, trace: None, shape: None },
        )
        .map_err(|_| Malformed::Path)?;
        Ok(())
    }

    /// From the bytes of the server's answer to that request to those of its head for the client, the body read.
    ///
    /// # Panics
    /// The answer is not passed on.
    pub fn answer(&mut self) -> &[u8] {
        self.pass_on().expect("an answer that is passed on");
        &self.out
    }

    fn pass_on(&mut self) -> Result<(), Fault> {
        let Exchange {
            message: Message { request: asked, response: bytes, body },
            request,
            response: head,
            ..
        } = self;
        let bounds = HeadScanner::of_response().scan(black_box(bytes)).map_err(BadReply::from)?;
        let bounds = bounds.expect("a whole head");
        let bytes = &bytes[bounds.start..bounds.end];
        head.parse(bytes)?;
        let method = request.method(asked);
        let framing = head.framing(method, bytes)?;
        let to = ToClient {
            request_id: &self.request_id,
            date: "Sun, 22 Nov 2026 18:00:00 GMT",
            method,
            version: request.version(),
            framing,
            persists: request.persists() && head.persists(method),
            timing: None,
            own: Own::default(),
        };
        self.out.clear();
        forward::response(&mut self.out, head, bytes, to);
        let mut reader = BodyReader::new(framing);
        reader.read(body.arrive()).map_err(|_| BadReply::Body)?;
        assert!(reader.is_done(), "the whole body was there");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_a_request_that_is_served() {
        for message in [plain(), browser(), crowded()] {
            let mut exchange = Exchange::new(message);
            for _ in 0..2 {
                let asked = String::from_utf8(exchange.ask().to_vec()).unwrap();
                assert!(asked.starts_with("GET /api/v1/posts/"), "{asked}");
                assert!(asked.contains("\r\nHost: 192.0.2.9:9001\r\n"), "{asked}");
                assert!(asked.ends_with("Via: 1.1 gateway\r\n\r\n"), "{asked}");
                let answered = String::from_utf8(exchange.answer().to_vec()).unwrap();
                assert!(answered.starts_with("HTTP/1.1 200 OK\r\n"), "{answered}");
                assert!(!answered.contains("Connection"), "{answered}");
            }
        }
    }
}
