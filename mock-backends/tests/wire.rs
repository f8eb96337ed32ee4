//! HTTP/1.1 on the wire: framing, connection life, and what is refused.

mod common;

use std::io::Write;
use std::net::Shutdown;

use common::{Client, PATIENCE, chunked, get, mock, pattern, posts};
use ringmock::{Kind, Mock, Options, hash};

const LARGE: usize = 10 * 1024 * 1024;

#[test]
fn requests_sent_together_are_answered_in_order() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    let requests: String = (0..500).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    client.send(requests);
    for n in 0..500 {
        assert!(client.answer().text().contains(&format!("\"path\":\"/{n}\"")), "answer {n}");
    }
    assert_eq!((server.connections(), server.requests()), (1, 500));
}

#[test]
fn a_request_behind_a_body_is_the_next_request() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    client.send("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    client.send("POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    client.send("GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    for path in ["/1", "/2", "/3"] {
        assert!(client.answer().text().contains(path));
    }
}

#[test]
fn a_request_cut_at_any_byte_gets_the_same_answer() {
    let server = mock(Kind::Any, "any-1");
    let request = b"\r\nPOST /x?echo=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                    5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nSum: 6\r\n\r\n";
    let (mut client, mut other) = (Client::connect(server.address()), Client::connect(server.address()));
    for cut in 1..request.len() {
        client.send(&request[..cut]);
        other.get("/"); // answered by the same loop, which has seen the first part by then
        client.send(&request[cut..]);
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (200, "hello!"), "cut at {cut}");
    }
    for received in server.received().iter().filter(|received| received.method == "POST") {
        assert_eq!(received.trailers, [("Sum".to_owned(), b"6".to_vec())]);
    }
}

#[test]
fn a_request_sent_byte_by_byte_is_understood() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    for byte in b"POST /x?echo=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" {
        client.send([*byte]);
    }
    assert_eq!(client.answer().text(), "abc");
}

#[test]
fn large_bodies_by_length_are_read_to_their_end_and_not_kept() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    let body = pattern(LARGE);
    client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n"));
    client.send(&body);
    assert_eq!(client.answer().status, 200);
    let received = &server.received()[0];
    assert_eq!((received.body_bytes, received.body_hash), (LARGE as u64, hash(&body)));
}

#[test]
fn large_bodies_in_chunks_are_read_to_their_end() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    let body = pattern(LARGE);
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(chunked(&body, 70_001));
    assert_eq!(client.answer().status, 200);
    let received = &server.received()[0];
    assert_eq!((received.body_bytes, received.body_hash), (LARGE as u64, hash(&body)));
}

#[test]
fn head_is_answered_like_get_without_the_body() {
    let server = mock(Kind::Any, "any-1");
    for target in ["/x", "/x?bytes=1000", "/x?bytes=1000&chunked=1", "/x?status=503"] {
        let mut client = Client::connect(server.address());
        let mut expect = client.get(target);
        client.send(format!("HEAD {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let head = client.head();
        let length = expect.headers.iter().position(|(name, _)| name == "content-length");
        if !target.contains("bytes") {
            expect.headers[length.unwrap()].1 = (expect.body.len() + 1).to_string(); // the text says HEAD, not GET
        }
        assert_eq!((head.status, head.headers), (expect.status, expect.headers), "{target}");
        client.send("GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(client.answer().text().contains("/next"), "{target}");
        assert!(client.is_closed());
    }
}

#[test]
fn a_client_that_waits_for_continue_gets_it() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    for target in ["/x", "/x?echo=1"] {
        client.send(format!(
            "PUT {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n"
        ));
        assert_eq!(client.head().status, 100);
        client.send("abc");
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn continue_is_not_sent_where_nobody_waits_for_it() {
    let server = mock(Kind::Any, "any-1");
    for rest in [
        "HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        "HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
        "HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
    ] {
        let mut client = Client::connect(server.address());
        client.send(format!("PUT / {rest}"));
        assert_eq!(client.answer().status, 200, "{rest}");
    }
}

#[test]
fn the_connection_closes_when_the_client_says_so() {
    let server = mock(Kind::Any, "any-1");
    for (version, fields, said) in [
        ("1.1", "Host: a\r\nConnection: close\r\n", Some("close")),
        ("1.0", "", Some("close")),
        ("1.0", "Connection: foo\r\n", Some("close")),
    ] {
        let mut client = Client::connect(server.address());
        client.send(format!("GET / HTTP/{version}\r\n{fields}\r\nGET /ignored HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.answer().header("connection"), said, "{version} {fields}");
        assert!(client.is_closed(), "{version} {fields}");
    }
}

#[test]
fn a_client_of_http_1_0_may_keep_its_connection_and_never_sees_chunks() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    for _ in 0..2 {
        client.send("GET /?bytes=5&chunked=1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.answer();
        assert_eq!(answer.header("connection"), Some("keep-alive"));
        assert_eq!(answer.header("transfer-encoding"), None);
        assert_eq!(answer.body, pattern(5));
    }
}

#[test]
fn a_client_that_ends_its_side_after_a_request_is_still_answered() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    client.send("GET /?delay_ms=20 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.stream().shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.answer().status, 200);
    assert!(client.is_closed());
}

#[test]
fn what_is_not_http_is_answered_with_400_and_the_connection_closed() {
    let server = mock(Kind::Any, "any-1");
    let garbage: [&[u8]; 8] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client",
        b"\0\0\0\0",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    ];
    for bytes in garbage {
        let mut client = Client::connect(server.address());
        client.send(bytes);
        let answer = client.answer();
        assert_eq!(answer.status, 400, "{}", bytes.escape_ascii());
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(answer.text().contains("\"error\":"), "{}", answer.text());
        assert!(client.is_closed());
    }
    assert_eq!(server.journal().malformed(), garbage.len() as u64);
    assert_eq!(get(&server, "/").status, 200);
}

#[test]
fn nothing_behind_a_refused_request_is_served() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    client.send("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 400);
    assert!(client.is_closed());
    assert_eq!(server.requests(), 0);
}

#[test]
fn a_head_without_end_is_answered_with_431_that_arrives() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}", "y".repeat(100_000)));
    assert_eq!(client.answer().status, 431);
    assert!(client.is_closed());
}

#[test]
fn random_bytes_never_stop_a_server() {
    let posts = posts();
    for seed in 0..200 {
        let mut bytes = [0; 300];
        ringmock::pattern(seed * 4096, &mut bytes);
        let mut client = Client::connect(posts.address());
        client.send(b"POST /api/v1/posts?echo=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send(&bytes[..seed as usize]);
        let _ = client.stream().write_all(&bytes); // refused already, perhaps
    }
    assert_eq!(get(&posts, "/api/v1/posts").status, 200);
}

#[test]
fn a_body_that_stops_short_is_recorded_as_incomplete() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    drop(client);
    assert!(server.wait_for_requests(1, PATIENCE));
    let received = &server.received()[0];
    assert_eq!((received.complete, received.body_bytes, received.body_hash), (false, 3, hash(b"abc")));
}

#[test]
fn an_answer_made_ready_in_advance_is_the_same_for_every_path() {
    let server = Mock::start(Options { body_bytes: Some(128), record: false, ..Options::default() }).unwrap();
    let mut client = Client::connect(server.address());
    let first = client.get("/a");
    assert_eq!(first.body, pattern(128));
    assert_eq!(client.get("/b"), first);
    client.send("HEAD /c HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().header("content-length"), Some("128"));
    assert_eq!(client.get("/d?bytes=3").body, pattern(3));
    client.send("PUT /e HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc");
    assert_eq!(client.answer().body, pattern(128));
    assert!(client.is_closed());
    assert_eq!((server.requests(), server.received().len()), (5, 0));
}
