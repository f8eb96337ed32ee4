//! HTTP/1.1 through the real gateway over real sockets: connections, bodies in both directions, and what is not HTTP.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::thread;
use std::time::Duration;

use ringgate_io::Rung;
use support::{Client, TestGateway, anything, gateway, in_front_of, pattern};

/// A server that says `answer` to whatever arrives first on each connection, and ends it.
fn scripted(answer: impl Into<Vec<u8>>) -> String {
    let (listener, answer) = (TcpListener::bind("127.0.0.1:0").unwrap(), answer.into());
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(&answer);
                let _ = stream.shutdown(Shutdown::Write);
                let _ = stream.read_to_end(&mut Vec::new());
            });
        }
    });
    address.to_string()
}

fn in_front_of_script(driver: Rung, answer: &str) -> TestGateway {
    gateway(driver, &format!("[[routes]]\nprefix = \"/\"\nservers = [\"{}\"]", scripted(answer)))
}

/// A server that gives `answers` one after the other, each as soon as a head has come, and counts the connections it got.
/// When they are used up it ends each connection without a word.
fn scripted_in_turn(answers: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                for answer in answers {
                    let mut seen = Vec::new();
                    while !seen.windows(4).any(|four| four == b"\r\n\r\n") {
                        let mut bytes = [0; 4096];
                        match stream.read(&mut bytes) {
                            Ok(count @ 1..) => seen.extend_from_slice(&bytes[..count]),
                            _ => return,
                        }
                    }
                    let _ = stream.write_all(answer.as_bytes());
                }
            });
        }
    });
    address.to_string()
}

/// A gateway whose patience is short.
fn impatient(driver: Rung, server: &str) -> TestGateway {
    let timeouts =
        "[timeouts]\nhead = \"200ms\"\nidle = \"400ms\"\nresponse = \"200ms\"\nstall = \"200ms\"\n";
    gateway(driver, &format!("{timeouts}[[routes]]\nprefix = \"/\"\nservers = [\"{server}\"]"))
}

const TEN_MIB: usize = 10 * 1024 * 1024;

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    for chunk in body.chunks(40_000) {
        write!(coded, "{:x}\r\n", chunk.len()).unwrap();
        coded.extend_from_slice(chunk);
        coded.extend_from_slice(b"\r\n");
    }
    coded.extend_from_slice(b"0\r\n\r\n");
    coded
}

on_every_driver! {
    fn requests_sent_ahead_are_answered_in_order(driver: Rung) {
        let server = anything("one");
        let gateway = in_front_of(driver, &[&server]);
        let mut client = gateway.connect();
        let requests: String = (0..50).map(|number| format!("GET /{number} HTTP/1.1\r\nHost: h\r\n\r\n")).collect();
        client.say(requests);
        for number in 0..50 {
            let answer = client.hear();
            assert!(answer.text().contains(&format!("/{number}\"")), "{number}: {}", answer.text());
        }
    }

    fn a_request_cut_at_every_byte_is_the_same_request(driver: Rung) {
        let server = anything("one");
        let gateway = in_front_of(driver, &[&server]);
        let request = b"POST /cut HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let mut client = gateway.connect();
        for cut in 1..request.len() {
            client.say(&request[..cut]);
            client.say(&request[cut..]);
            assert_eq!(client.hear().status, 200, "cut at {cut}");
        }
        assert!(server.received().iter().all(|seen| seen.body_bytes == 3 && seen.complete));
    }

    fn ten_mebibytes_come_down_whole_by_length_and_chunked_to_slow_and_fast_readers(driver: Rung) {
        let server = anything("one");
        let gateway = in_front_of(driver, &[&server]);
        let body = pattern(TEN_MIB);
        for chunks in ["", "&chunked=1"] {
            for pause in [Duration::ZERO, Duration::from_millis(30)] {
                let mut client = gateway.connect();
                client.say(format!("GET /?bytes={TEN_MIB}{chunks} HTTP/1.1\r\nHost: h\r\n\r\n"));
                thread::sleep(pause); // lets every buffer on the way fill up
                let answer = client.hear();
                assert_eq!(answer.status, 200);
                assert_eq!(answer.field("transfer-encoding").is_some(), !chunks.is_empty());
                assert!(answer.body == body, "the body came changed");
            }
        }
    }

    fn ten_mebibytes_go_up_and_come_back_at_the_same_time(driver: Rung) {
        let server = anything("one");
        let gateway = in_front_of(driver, &[&server]);
        let body = pattern(TEN_MIB);
        for (framing, message) in [
            (format!("Content-Length: {TEN_MIB}"), body.clone()),
            ("Transfer-Encoding: chunked".into(), chunked(&body)),
        ] {
            let mut client = gateway.connect();
            client.say(format!("POST /?echo=1 HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n"));
            let mut upload = client.stream.try_clone().unwrap();
            let sender = thread::spawn(move || upload.write_all(&message));
            let answer = client.hear(); // far more than all buffers hold: one direction alone would block
            sender.join().unwrap().expect("all of it was read");
            assert!(answer.body == body, "the body came back changed");
            client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            assert_eq!(client.hear().status, 200, "the connection serves on");
        }
        let uploads: Vec<_> = server.received().into_iter().filter(|seen| seen.method == "POST").collect();
        assert!(uploads.len() == 2 && uploads.iter().all(|seen| seen.body_hash == ringmock::hash(&body)));
    }

    fn an_answer_that_comes_before_the_body_is_passed_on_at_once(driver: Rung) {
        let gateway = in_front_of_script(driver, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n");
        let mut client = gateway.connect();
        client.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nsome of it");
        let answer = client.hear(); // the client still owes the rest
        assert_eq!((answer.status, answer.text().as_str()), (413, "no\n"));
        assert!(client.is_over(), "what would follow cannot be told from the body");
    }

    fn head_204_and_304_have_no_body_and_the_connection_goes_on(driver: Rung) {
        let server = anything("one");
        let gateway = in_front_of(driver, &[&server]);
        let mut client = gateway.connect();
        client.say("HEAD /?bytes=1000 HTTP/1.1\r\nHost: h\r\n\r\n");
        let answer = client.hear_for("HEAD");
        assert_eq!((answer.status, answer.field("content-length")), (200, Some("1000")));
        for status in [204, 304] {
            client.say(format!("GET /?status={status} HTTP/1.1\r\nHost: h\r\n\r\n"));
            assert_eq!(client.hear().status, status);
        }
        client.say("HEAD /?bytes=5&chunked=1 HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.hear_for("HEAD").status, 200);
        client.say("GET /last HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(client.hear().text().contains("/last"));
    }

    fn a_client_that_expects_100_is_told_to_go_on(driver: Rung) {
        let server = anything("one");
        let gateway = in_front_of(driver, &[&server]);
        let mut client = gateway.connect();
        client.say("POST /?echo=1 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(client.hear().status, 100);
        client.say("hello");
        let answer = client.hear();
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
        client.say("POST / HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(client.hear().status, 417);
        assert!(client.is_over());
    }

    fn http_1_0_clients_are_served_without_chunks(driver: Rung) {
        let server = anything("one");
        let gateway = in_front_of(driver, &[&server]);
        let mut client = gateway.connect();
        client.say("GET /?bytes=100000&chunked=1 HTTP/1.0\r\n\r\n");
        let answer = client.hear();
        assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
        assert!(answer.body == pattern(100_000));
        let mut client = gateway.connect();
        for _ in 0..2 {
            client.say("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
            assert_eq!(client.hear().field("connection"), Some("keep-alive"));
        }
    }

    fn a_connection_ends_when_the_client_asks_for_it(driver: Rung) {
        let server = anything("one");
        let gateway = in_front_of(driver, &[&server]);
        let mut client = gateway.connect();
        client.say("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert_eq!(client.hear().field("connection"), Some("close"));
        assert!(client.is_over());
        let mut client = gateway.connect();
        client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        client.stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.hear().status, 200, "half a connection is enough for an answer");
        assert!(client.is_over());
    }

    fn connections_to_servers_are_used_again(driver: Rung) {
        let server = anything("one");
        let gateway = gateway(driver, &format!("workers = 1\n[[routes]]\nprefix = \"/\"\nservers = [\"{}\"]", server.address()));
        for _ in 0..20 {
            assert_eq!(gateway.get("/").status, 200);
        }
        assert_eq!(server.connections(), 1);
    }

    fn what_is_not_http_is_refused_and_never_reaches_a_server(driver: Rung) {
        let server = anything("one");
        let gateway = in_front_of(driver, &[&server]);
        let long_field = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
        let many_fields = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(200));
        let long_target = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(10_000));
        let cases: &[(&[u8], u16)] = &[
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400), // TLS to a port without
            (b"\0\0\0\0", 400),
            (b"hello\r\n\r\n", 400),
            (b"GET / HTTP/1.1\nHost: h\n\n", 400),
            (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
            (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
            (b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", 405),
            (b"GET /../x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET /../x HTTP/1.1\r\nHost: h\r\nX-Request-Id: x\r\n\r\n", 400),
            (long_field.as_bytes(), 431),
            (many_fields.as_bytes(), 431),
            (long_target.as_bytes(), 414),
        ];
        for (request, status) in cases {
            let mut client = gateway.connect();
            let _ = client.stream.write_all(request); // may be cut short by the refusal
            let answer = client.hear();
            assert_eq!(answer.status, *status, "{}", String::from_utf8_lossy(&request[..request.len().min(60)]));
            assert!(client.is_over(), "nothing is parsed behind it");
        }
        assert_eq!(server.requests(), 0);
        assert!(gateway.gateway.counters().all(|counters| counters.panics.get() == 0));
    }

    fn a_malformed_chunk_ends_the_request_and_the_server_sees_it_torn(driver: Rung) {
        let server = anything("one");
        let gateway = in_front_of(driver, &[&server]);
        let mut client = gateway.connect();
        client.say("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        support::until_some("the first of it at the server", || (server.connections() > 0).then_some(()));
        client.say("X\r\n");
        assert_eq!(client.hear().status, 400);
        assert!(client.is_over());
        support::until_some("its end at the server", || server.received().first().filter(|seen| !seen.complete).map(drop));
    }

    fn what_follows_an_early_answer_is_never_taken_for_a_request(driver: Rung) {
        let server = scripted_in_turn(&["HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"; 8]);
        let gateway = gateway(driver, &format!("[[routes]]\nprefix = \"/\"\nservers = [\"{server}\"]"));
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
        for framing in ["length", "chunked"] {
            let mut client = gateway.connect();
            let (head, rest) = match framing {
                "length" => (format!("Content-Length: {}\r\n\r\n", 2 * smuggled.len()), smuggled.repeat(2)),
                _ => (
                    "Transfer-Encoding: chunked\r\n\r\n".into(),
                    format!("{:x}\r\n{smuggled}\r\n{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len(), smuggled.len()),
                ),
            };
            client.say(format!("POST /early HTTP/1.1\r\nHost: h\r\n{head}"));
            assert_eq!(client.hear().status, 401);
            client.say(&rest[..20]);
            client.say(&rest[20..]);
            client.say("GET /honest HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
            let _ = client.hear_for("GET /honest");
            assert!(client.is_over());
        }
        gateway.log.line_with("/honest");
        assert!(!gateway.log.text().contains("smuggled"), "{}", gateway.log.text());
    }

    fn an_answer_may_take_longer_than_a_body_may_stall(driver: Rung) {
        let server = anything("one");
        let timeouts = "[timeouts]\nstall = \"150ms\"\nresponse = \"5s\"\n";
        let gateway = gateway(driver, &format!("{timeouts}[[routes]]\nprefix = \"/\"\nservers = [\"{}\"]", server.address()));
        let mut client = gateway.connect();
        for _ in 0..2 {
            client.say("POST /?delay_ms=400 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
            assert_eq!(client.hear().status, 100, "so the body comes by itself");
            client.say("body");
            assert_eq!(client.hear().status, 200);
        }
    }

    fn a_kept_connection_that_the_server_closed_in_silence_costs_no_request(driver: Rung) {
        let server = scripted_in_turn(&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]);
        let gateway = gateway(driver, &format!("workers = 1\n[[routes]]\nprefix = \"/\"\nservers = [\"{server}\"]"));
        let mut client = gateway.connect();
        for _ in 0..50 {
            client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n"); // some find the connection closed, some as they write
            assert_eq!(client.hear().status, 200);
        }
    }

    fn a_request_behind_the_last_one_does_not_destroy_its_answer(driver: Rung) {
        let server = anything("one");
        let gateway = in_front_of(driver, &[&server]);
        for _ in 0..20 {
            let mut client = gateway.connect();
            client.say("GET /?bytes=100000 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
            assert_eq!(client.hear().body.len(), 100_000);
            assert!(client.is_over());
        }
    }

    fn a_drain_serves_whoever_was_accepted(driver: Rung) {
        let server = anything("one");
        let gateway = gateway(driver, &format!("workers = 1\n[[routes]]\nprefix = \"/\"\nservers = [\"{}\"]", server.address()));
        let mut clients: Vec<Client> = (0..300).map(|_| gateway.connect()).collect();
        for client in &mut clients {
            client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        }
        let drain = thread::spawn(move || gateway.gateway.drain());
        for client in &mut clients {
            assert_eq!(client.hear().status, 200);
        }
        drain.join().unwrap().expect("a clean end");
    }

    fn slow_clients_are_told_and_idle_ones_are_not(driver: Rung) {
        let server = anything("one");
        let gateway = impatient(driver, &server.address().to_string());
        let mut half_a_head = gateway.connect();
        half_a_head.say("GET / HTTP/1.1\r\nHo");
        let answer = half_a_head.hear();
        assert_eq!(answer.status, 408);
        assert!(half_a_head.is_over());
        let mut half_a_body = gateway.connect();
        half_a_body.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
        assert_eq!(half_a_body.hear().status, 408);
        assert!(gateway.connect().hear_everything().is_empty(), "an idle connection ends without a word");
    }

    fn a_slow_server_is_504_and_a_broken_one_502(driver: Rung) {
        let server = anything("one");
        let gateway = impatient(driver, &server.address().to_string());
        let answer = gateway.get("/?delay_ms=60000");
        assert_eq!(answer.status, 504);
        assert!(answer.text().contains("took too long"), "{}", answer.text());
        for answer in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "garbage\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 099 Low\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        ] {
            let gateway = in_front_of_script(driver, answer);
            assert_eq!(gateway.get("/").status, 502, "{answer:?}");
        }
    }

    fn a_truncated_answer_looks_truncated(driver: Rung) {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nX\r\n",
        ] {
            let gateway = in_front_of_script(driver, answer);
            let mut client = gateway.connect();
            client.say("GET /torn HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
            let mut heard = Vec::new();
            let _ = client.stream.read_to_end(&mut heard); // a reset, or an early end
            let heard = String::from_utf8_lossy(&heard).into_owned();
            assert!(!heard.ends_with("0\r\n\r\n"), "{heard}");
            assert!(gateway.log.line_with("/torn").contains("\"cause\":\"U"));
        }
    }

    // A reset would throw away what the client has not read yet of the answer before.
    fn a_truncated_answer_leaves_the_whole_one_before_it_alone(driver: Rung) {
        const BYTES: usize = 262_000;
        let server = anything("one");
        let gateway = in_front_of(driver, &[&server]);
        let mut client = gateway.connect();
        let torn = "GET /torn?bytes=100&truncate=50 HTTP/1.1\r\nHost: h\r\n\r\n";
        client.say(format!("GET /whole?bytes={BYTES} HTTP/1.1\r\nHost: h\r\n\r\n{torn}"));
        gateway.log.line_with("/torn"); // both are over, and most of the first one is still with the kernel
        assert!(client.hear().body == pattern(BYTES));
    }

    fn interim_answers_and_trailers_pass(driver: Rung) {
        let answer = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
                      HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nChecksum: 1\r\nHost: x\r\n\r\n";
        let gateway = in_front_of_script(driver, answer);
        let mut client = gateway.connect();
        client.say("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let hints = client.hear();
        assert_eq!((hints.status, hints.field("link")), (103, Some("</a>")));
        let heard = String::from_utf8(client.hear_everything()).unwrap();
        assert!(heard.starts_with("HTTP/1.1 200 OK\r\n"), "{heard}");
        assert!(heard.ends_with("2\r\nok\r\n0\r\nChecksum: 1\r\n\r\n"), "{heard}");
    }

    fn a_kept_connection_that_the_server_closed_costs_no_request(driver: Rung) {
        let server = anything("one");
        let gateway = in_front_of(driver, &[&server]);
        let mut client = gateway.connect();
        for _ in 0..20 {
            client.say("GET /?close=1 HTTP/1.1\r\nHost: h\r\n\r\n");
            assert_eq!(client.hear().status, 200);
        }
    }

    fn a_drain_finishes_what_has_begun(driver: Rung) {
        let server = anything("one");
        let gateway = in_front_of(driver, &[&server]);
        let (mut busy, mut idle) = (gateway.connect(), gateway.connect());
        idle.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(idle.hear().status, 200);
        busy.say("GET /?delay_ms=300 HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(server.wait_for_requests(2, support::PATIENCE));
        let TestGateway { gateway, .. } = gateway;
        let address = gateway.address();
        let drain = thread::spawn(move || gateway.drain());
        assert!(idle.is_over(), "an idle connection ends at once");
        let answer = busy.hear();
        assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
        drain.join().unwrap().expect("a clean end");
        assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
    }
}

#[test]
fn a_port_in_use_is_said_to_be() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "listen = \"{}\"\n[[routes]]\nprefix = \"/\"\nservers = [\"127.0.0.1:1\"]",
        taken.local_addr().unwrap()
    );
    let config =
        ringgate::config::parse(&text, "test.toml").unwrap_or_else(|diagnostic| panic!("{diagnostic}"));
    let error =
        ringgate::gateway::Gateway::start(config, Box::new(std::io::sink())).err().expect("it is taken");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn a_slow_reader_that_never_stalls_gets_all_of_it() {
    const BYTES: usize = 12 * 1024 * 1024;
    let server = anything("one");
    let text = format!(
        "[timeouts]\nstall = \"300ms\"\n[[routes]]\nprefix = \"/\"\nservers = [\"{}\"]",
        server.address()
    );
    let gateway = gateway(support::drivers()[0], &text);
    let mut client = gateway.connect();
    client.say(format!("GET /?bytes={BYTES} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    let mut heard = 0;
    let mut piece = vec![0; 192 * 1024];
    loop {
        thread::sleep(Duration::from_millis(40)); // slowness is the point: some 2 s for megabytes of buffers
        match client.stream.read(&mut piece).expect("no reset") {
            0 => break,
            count => heard += count,
        }
    }
    assert!(heard > BYTES, "{heard}");
}

#[test]
fn both_workers_serve() {
    let server = anything("one");
    let gateway = in_front_of(support::drivers()[0], &[&server]);
    let clients: Vec<Client> = (0..64)
        .map(|_| {
            let mut client = gateway.connect();
            client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            client.hear();
            client
        })
        .collect();
    let shares: Vec<u64> = gateway.gateway.counters().map(|counters| counters.connections.get()).collect();
    assert_eq!(shares.iter().sum::<u64>(), clients.len() as u64);
    assert!(shares.iter().all(|&share| share >= 8), "{shares:?}"); // by hash: less than 8 of 64 has odds of 1e-10
}
