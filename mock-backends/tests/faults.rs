//! What may go wrong with bodies, heads and connections when it is ordered to.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use common::{Client, get, mock, ordered, pattern};
use ringmock::{Kind, hash};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_reset_comes_before_inside_or_after_the_head() {
    let server = mock(Kind::Any, "any-1");
    for (fault, begins, has_whole_head) in
        [("reset_before", false, false), ("reset_head", true, false), ("reset_body", true, true)]
    {
        let mut client = Client::connect(server.address());
        client.ask(&format!("/?bytes=1000&fault={fault}"));
        let (rest, is_reset) = client.rest();
        assert!(is_reset, "{fault}");
        let rest = text(&rest);
        assert_eq!(
            (!rest.is_empty(), rest.ends_with("\r\n\r\n")),
            (begins, has_whole_head),
            "{fault}: {rest}"
        );
        assert!(!begins || rest.starts_with("HTTP/1.1 200 OK\r\n"), "{fault}: {rest}");
    }
    assert_eq!((server.requests(), server.journal().malformed()), (3, 0));
}

#[test]
fn a_half_closed_connection_says_nothing_and_reads_on() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    client.ask("/?fault=half_close");
    assert_eq!(client.rest(), (Vec::new(), false));
    for _ in 0..100 {
        client.send(pattern(100_000)); // were it closed, a reset would come back
    }
    client.stream().shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), (Vec::new(), false));
}

#[test]
fn garbage_is_no_http_and_ends_in_order() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    client.ask("/?fault=garbage");
    let (rest, is_reset) = client.rest();
    assert!(!rest.is_empty() && !rest.starts_with(b"HTTP") && !is_reset);
}

/// Whether the server's side stops taking bytes: the buffers in between fill.
fn is_unread(client: &Client) -> bool {
    client.stream().set_nonblocking(true).unwrap();
    let bytes = pattern(1 << 20);
    let deadline = Instant::now() + Duration::from_millis(300);
    let mut taken = 0;
    while Instant::now() < deadline {
        match client.stream().write(&bytes) {
            Ok(count) => taken += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(client.stream().read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
    taken < 64 << 20
}

#[test]
fn a_connection_can_be_accepted_and_never_read() {
    let mut server = ordered(&["fault=unread"]);
    let mut client = Client::connect(server.address());
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    assert!(is_unread(&client));
    assert_eq!((server.connections(), server.requests()), (1, 0));
    server.stop(); // in spite of it
}

#[test]
fn a_connection_can_be_left_unread_from_one_request_on() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    assert_eq!(client.get("/").status, 200);
    client.send("PUT /?fault=unread HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    assert!(is_unread(&client));
    assert_eq!(get(&server, "/").status, 200);
}

#[test]
fn faults_come_as_often_as_their_weights_say() {
    let server = ordered(&["fault=none:1,reset_before:1"]);
    let outcome = |_| {
        let mut client = Client::connect(server.address());
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        client.rest().1
    };
    let resets = (0..200).map(outcome).filter(|is_reset| *is_reset).count();
    assert!((60..140).contains(&resets), "{resets} of 200");
}

#[test]
fn a_truncated_body_is_announced_whole() {
    let server = mock(Kind::Any, "any-1");
    for (target, announced, sent) in [
        ("/?bytes=200000&truncate=100000", Some("200000"), pattern(100_000)),
        ("/?bytes=10&truncate=0", Some("10"), Vec::new()),
    ] {
        let mut client = Client::connect(server.address());
        client.ask(target);
        let head = client.head();
        assert_eq!((head.header("content-length"), head.header("connection")), (announced, None));
        assert_eq!(client.rest(), (sent, false), "{target}");
    }
    let mut client = Client::connect(server.address());
    client.ask("/?bytes=10&truncate=5&chunked=1");
    client.head();
    assert_eq!(client.rest(), ([b"5\r\n", &pattern(5)[..], b"\r\n"].concat(), false), "no last chunk");
    let mut client = Client::connect(server.address());
    assert_eq!(client.get("/?bytes=10&truncate=10").body, pattern(10), "nothing was cut off");
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn a_body_may_be_of_another_length_than_announced() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    client.ask("/?bytes=10&announce=4");
    assert_eq!(client.head().header("content-length"), Some("4"));
    assert_eq!(client.take(10), pattern(10));
    assert_eq!(client.get("/").status, 200, "the connection stays open behind the surplus");
    client.ask("/?bytes=10&announce=11");
    assert_eq!(client.head().header("content-length"), Some("11"));
    assert_eq!(client.rest(), (pattern(10), false));
    let mut client = Client::connect(server.address());
    client.send("PUT /?echo=1&announce=7 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.head().header("content-length"), Some("7"));
    assert_eq!(client.rest(), (b"hello".to_vec(), false));
}

#[test]
fn a_dribbled_body_comes_in_pieces_with_pauses() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    for (target, pauses) in [("/?bytes=50&dribble=10/20ms", 4), ("/?bytes=25&dribble=10/20ms&chunked=1", 2)] {
        let begin = Instant::now();
        client.ask(target);
        client.head();
        let mut body = Vec::new();
        match target.contains("chunked") {
            true => while client.chunk(&mut body) {},
            false => body = client.take(50),
        }
        assert_eq!(body, pattern(body.len()), "{target}");
        assert!(begin.elapsed() >= Duration::from_millis(20) * pauses, "{target}");
    }
}

#[test]
fn the_hash_of_what_was_received_comes_back() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    let expect = format!("{:016x}", hash(b"hello"));
    client.send("PUT /?hash=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.answer().header("x-body-hash"), Some(expect.as_str()));
    client.send(
        "PUT /?hash=1&echo=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    );
    let head = client.head();
    assert_eq!((head.header("trailer"), head.header("x-body-hash")), (Some("x-body-hash"), None));
    assert_eq!(text(&client.rest().0), format!("5\r\nhello\r\n0\r\nx-body-hash: {expect}\r\n\r\n"));
}

#[test]
fn a_head_is_as_large_as_ordered() {
    let server = mock(Kind::Any, "any-1");
    for bytes in [1000, 100_000] {
        let mut client = Client::connect(server.address());
        client.send(format!(
            "GET /?bytes=0&head_bytes={bytes} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        ));
        assert_eq!(client.rest().0.len(), bytes);
    }
    assert_eq!(get(&server, "/?head_bytes=10").status, 200, "a head that is longer anyway");
}

#[test]
fn interim_answers_go_before_the_final_one_and_do_not_wait_for_it() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    client.ask("/?hints=2&continues=1&latency=fixed(1h)");
    let interim: Vec<u16> = (0..3).map(|_| client.head().status).collect();
    assert_eq!(interim, [100, 103, 103]);
    let mut client = Client::connect(server.address());
    client.ask("/?hints=1");
    assert_eq!((client.head().status, client.answer().status), (103, 200));
    client.send("GET /?hints=2 HTTP/1.0\r\n\r\n");
    assert_eq!(client.answer().status, 200, "HTTP/1.0 knows no interim answers");
}

#[test]
fn a_connection_closes_after_so_many_requests_with_or_without_notice() {
    let server = ordered(&["/polite close_after=3", "/rude quit_after=3"]);
    for (target, said) in [("/polite", Some("close")), ("/rude", None)] {
        let mut client = Client::connect(server.address());
        for _ in 0..2 {
            assert_eq!(client.get(target).header("connection"), None);
        }
        let last = client.get(target);
        assert_eq!((last.status, last.header("connection")), (200, said), "{target}");
        assert!(client.is_closed(), "{target}");
    }
}
