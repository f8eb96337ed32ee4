//! What one request costs in the sans-IO core, step by step and as a whole. `cargo bench -p ringgate-benches`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ringgate_core::chunked::Chunked;
use ringgate_core::forward::{self, Peer, ToClient, ToServer};
use ringgate_core::head::{HeadScanner, RequestHead, ResponseHead};
use ringgate_core::method::{Method, MethodSet};
use ringgate_core::node::Node;
use ringgate_core::policy::Policy;
use ringgate_core::pool::Server;
use ringgate_core::route::{Pattern, Request, Route, Routes};
use ringgate_core::tolerance::Tolerance;

/// A browser's request, somewhat shortened.
const REQUEST: &[u8] = b"GET /api/v1/posts/list?page=2&sort=new HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\
    Connection: keep-alive\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Date: Sun, 22 Nov 2026 18:00:00 GMT\r\n\
    Content-Type: application/json\r\n\
    Content-Length: 128\r\n\
    Cache-Control: no-store\r\n\
    Connection: keep-alive\r\n\r\n";

fn heads(criterion: &mut Criterion) {
    let mut head = RequestHead::default();
    criterion.bench_function("request head: find, parse, check", |bencher| {
        bencher.iter(|| {
            let bounds = HeadScanner::default().scan(black_box(REQUEST));
            let parsed = head.parse(black_box(REQUEST), Tolerance::NONE);
            (bounds.is_ok(), parsed.is_ok())
        });
    });
    let mut head = ResponseHead::default();
    criterion.bench_function("response head: find, parse, frame", |bencher| {
        bencher.iter(|| {
            let bounds = HeadScanner::default().scan(black_box(RESPONSE));
            let parsed = head.parse(black_box(RESPONSE));
            (bounds.is_ok(), parsed.is_ok(), head.framing(Method::Get, RESPONSE))
        });
    });
}

fn forwarding(criterion: &mut Criterion) {
    let mut head = RequestHead::default();
    head.parse(REQUEST, Tolerance::NONE).expect("a request");
    let mut out = Vec::with_capacity(1024);
    let server = Server::new(0, "127.0.0.1:9001", ([127, 0, 0, 1], 9001).into());
    let node = Node::new("gateway").expect("an id");
    criterion.bench_function("request head: write for the server", |bencher| {
        bencher.iter(|| {
            out.clear();
            let peer = Peer { address: "127.0.0.1", is_trusted: false };
            let to = ToServer {
                server: &server,
                peer,
                request_id: "0123456789abcdef",
                upgrade: None,
                node: &node,
            };
            forward::request(&mut out, black_box(&head), REQUEST, to);
            out.len()
        });
    });
    let mut answer = ResponseHead::default();
    answer.parse(RESPONSE).expect("a response");
    let framing = answer.framing(Method::Get, RESPONSE).expect("a framing");
    criterion.bench_function("response head: write for the client", |bencher| {
        bencher.iter(|| {
            out.clear();
            let to = ToClient {
                request_id: "0123456789abcdef",
                date: "Sun, 22 Nov 2026 18:00:00 GMT",
                method: Method::Get,
                version: head.version(),
                framing,
                persists: true,
            };
            forward::response(&mut out, black_box(&answer), RESPONSE, to)
        });
    });
}

fn routing(criterion: &mut Criterion) {
    for count in [10, 1_000, 100_000] {
        let paths: Vec<String> = (0..count).map(|number| format!("/service{number}/items")).collect();
        let route = |path: &String| Route {
            name: path.as_str().into(),
            host: None,
            pattern: Pattern::prefix(path).expect("a pattern"),
            methods: MethodSet::any(),
            fields: Vec::new(),
            pool: 0,
            policy: Policy::default(),
        };
        let routes = Routes::new(paths.iter().map(route).collect()).expect("a table");
        let mut head = RequestHead::default();
        head.parse(REQUEST, Tolerance::NONE).expect("a request");
        let mut next = 0usize;
        criterion.bench_function(&format!("route: one of {count}, at random"), |bencher| {
            bencher.iter(|| {
                next = next.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let path = &paths[(next >> 33) % count];
                let fields = head.fields(REQUEST);
                routes.find(&Request { authority: None, path, method: Method::Get, fields }).is_ok()
            });
        });
    }
}

fn chunks(criterion: &mut Criterion) {
    let mut coded = Vec::new();
    for _ in 0..16 {
        coded.extend_from_slice(b"1000\r\n");
        coded.resize(coded.len() + 4096, b'x');
        coded.extend_from_slice(b"\r\n");
    }
    coded.extend_from_slice(b"0\r\n\r\n");
    let mut bytes = coded.clone();
    criterion.bench_function("chunked: decode 64 KiB in 16 chunks", |bencher| {
        bencher.iter(|| {
            bytes.copy_from_slice(&coded);
            Chunked::new().decode(black_box(&mut bytes))
        });
    });
}

criterion_group!(benches, heads, forwarding, routing, chunks);
criterion_main!(benches);
