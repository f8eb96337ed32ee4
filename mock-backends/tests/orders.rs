//! What a request may ask of the server that answers it.

mod common;

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use common::{Client, chunked, get, mock, pattern, users};
use ringmock::Kind;

const LARGE: usize = 10 * 1024 * 1024;

#[test]
fn a_body_of_any_size_has_the_pattern_and_its_length() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    for bytes in [0, 1, 7, 8, 65_535, 65_536, 65_537, LARGE] {
        let answer = client.get(&format!("/?bytes={bytes}"));
        assert_eq!(answer.header("content-length"), Some(bytes.to_string().as_str()));
        assert!(answer.body == pattern(bytes), "{bytes} bytes");
    }
}

#[test]
fn the_same_body_comes_in_chunks_on_demand() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    for bytes in [0, 1, 65_537, LARGE] {
        let answer = client.get(&format!("/?bytes={bytes}&chunked=1"));
        assert_eq!(answer.header("content-length"), None);
        assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
        assert!(answer.body == pattern(bytes), "{bytes} bytes");
    }
    assert!(client.get("/text?chunked=1").text().contains("/text"));
}

#[test]
fn an_echo_by_length_returns_the_body_by_length() {
    let server = mock(Kind::Any, "any-1");
    let body = pattern(LARGE);
    let mut client = Client::connect(server.address());
    let mut sender = client.stream().try_clone().unwrap();
    let answer = thread::scope(|scope| {
        scope.spawn(|| {
            write!(sender, "PUT /?echo=1 HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n").unwrap();
            sender.write_all(&body).unwrap();
        });
        client.answer()
    });
    assert_eq!(answer.header("content-length"), Some(LARGE.to_string().as_str()));
    assert!(answer.body == body);
}

#[test]
fn an_echo_in_chunks_returns_the_body_in_chunks() {
    let server = mock(Kind::Any, "any-1");
    let body = pattern(LARGE);
    let mut client = Client::connect(server.address());
    let mut sender = client.stream().try_clone().unwrap();
    let answer = thread::scope(|scope| {
        scope.spawn(|| {
            sender
                .write_all(b"PUT /?echo=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
                .unwrap();
            sender.write_all(&chunked(&body, 10_007)).unwrap();
        });
        client.answer()
    });
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert!(answer.body == body);
}

#[test]
fn an_echo_comes_back_while_the_body_still_arrives() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    client.send("PUT /?echo=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    assert_eq!(client.head().status, 200);
    let mut body = Vec::new();
    for next in ["3\r\ntwo\r\n", "5\r\nthree\r\n", "0\r\n\r\n"] {
        assert!(client.chunk(&mut body)); // before the next one is sent
        client.send(next);
    }
    assert!(!client.chunk(&mut body));
    assert_eq!(body, b"onetwothree");
}

#[test]
fn an_echo_by_length_comes_back_while_the_body_still_arrives() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    client.send("PUT /?echo=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\none");
    assert_eq!(client.head().status, 200);
    assert_eq!(client.take(3), b"one");
    client.send("two");
    assert_eq!(client.take(3), b"two");
    assert_eq!(server.received()[0].body_bytes, 6);
}

#[test]
fn an_echo_of_nothing_is_nothing() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    assert_eq!(client.get("/?echo=1").header("content-length"), Some("0"));
    client.send("PUT /?echo=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_eq!(client.answer().body, b"");
    client.send("HEAD /?echo=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(client.head().header("content-length"), Some("3"));
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn an_echo_of_a_malformed_body_stops_short() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    client.send("PUT /?echo=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\nx\r\n");
    assert_eq!(client.head().status, 200);
    assert!(client.chunk(&mut Vec::new()));
    assert!(client.is_closed());
    assert_eq!(server.journal().malformed(), 1);
}

#[test]
fn every_status_can_be_had_and_the_connection_stays_usable() {
    let users = users();
    let mut client = Client::connect(users.address());
    for status in [200, 201, 204, 304, 404, 429, 503, 599] {
        let answer = client.get(&format!("/api/v1/users?status={status}"));
        assert_eq!(answer.status, status);
        let bodiless = matches!(status, 204 | 304);
        assert_eq!(answer.body.is_empty(), bodiless, "{status}");
        assert_eq!(answer.header("content-length").is_none(), bodiless, "{status}");
    }
    assert_eq!(client.get("/api/v1/users?status=204&bytes=5&chunked=1").header("transfer-encoding"), None);
    assert_eq!(client.get("/api/v1/users").status, 200);
}

#[test]
fn a_delayed_answer_is_late_but_its_request_is_recorded_at_once() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    let begin = Instant::now();
    client.send("GET /?delay_ms=300 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(server.wait_for_requests(1, Duration::from_millis(250)));
    assert!(begin.elapsed() < Duration::from_millis(300));
    assert_eq!(client.answer().status, 200);
    assert!(begin.elapsed() >= Duration::from_millis(300));
}

#[test]
fn what_is_owed_is_not_delayed_by_the_next_request() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    let begin = Instant::now();
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2?delay_ms=1000 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.answer();
    assert!(begin.elapsed() < Duration::from_millis(1000));
    client.answer();
}

#[test]
fn the_connection_closes_after_an_answer_that_says_so() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    let begin = Instant::now();
    let answer = client.get("/?close=1&bytes=100000");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(answer.body == pattern(100_000));
    assert!(client.is_closed());
    assert!(begin.elapsed() < Duration::from_millis(900), "closed only after the second of lingering");
}

#[test]
fn an_order_that_makes_no_sense_is_explained() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    let answer = client.get("/?bytes=many");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("`bytes=many`: give a whole number"), "{}", answer.text());
    assert_eq!(client.get("/").status, 200);
    assert_eq!(get(&server, "/?echo=2").status, 400);
}
