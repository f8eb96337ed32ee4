//! Starting, stopping, starting again; and what a server remembers of its life.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use common::{Client, PATIENCE, get, mock, posts};
use ringgate_io::Rung;
use ringmock::{Kind, Mock, Options};

fn rungs() -> impl Iterator<Item = Rung> {
    Rung::ALL.into_iter().filter(|rung| rung.probe().is_ok())
}

#[test]
fn a_stopped_server_can_be_started_again_on_its_address() {
    for driver in rungs() {
        let options = Options { driver: Some(driver), ..Options::default() };
        let mut server = Mock::start(options.clone()).unwrap();
        let address = server.address();
        for round in 1..=5 {
            let mut client = Client::connect(address);
            assert_eq!(client.get("/").status, 200, "{driver}, round {round}");
            server.stop();
            assert!(client.is_closed(), "{driver}, round {round}");
            assert!(TcpStream::connect(address).is_err(), "{driver}, round {round}");
            server = Mock::start(Options { listen: address, ..options.clone() }).unwrap();
        }
    }
}

#[test]
fn stopping_ends_connections_whatever_they_are_doing() {
    for driver in rungs() {
        let mut server = Mock::start(Options { driver: Some(driver), ..Options::default() }).unwrap();
        let clients = [
            "",                                                                 // has said nothing
            "GET / HT",                                                         // is within a head
            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",        // is within a body
            "GET /?delay_ms=3600000 HTTP/1.1\r\nHost: a\r\n\r\n",               // waits for its answer
            "GET /?bytes=1000000000000 HTTP/1.1\r\nHost: a\r\n\r\n",            // does not read its answer
            "PUT /?echo=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", // is answered within its body
        ]
        .map(|bytes| {
            let mut client = Client::connect(server.address());
            client.send(bytes);
            client
        });
        get(&server, "/"); // accepted last: the others are being served
        let begin = Instant::now();
        server.stop();
        assert!(begin.elapsed() < Duration::from_secs(2), "{driver}: {:?}", begin.elapsed());
        for client in clients {
            let end = std::io::copy(&mut client.stream(), &mut std::io::sink());
            assert!(
                end.is_ok() || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset),
                "{driver}"
            );
        }
    }
}

/// Whoever always has room for more, or more to say, keeps the server's thread from ever waiting by itself.
#[test]
fn a_client_that_is_never_waited_for_leaves_the_thread_to_others() {
    const CONTENT: u64 = 1_000_000_000_000;
    for driver in rungs() {
        let server = Mock::start(Options { driver: Some(driver), ..Options::default() }).unwrap();
        let mut reader = Client::connect(server.address());
        reader.ask(&format!("/?bytes={CONTENT}"));
        let mut reader = reader.stream().try_clone().unwrap();
        let mut writer = TcpStream::connect(server.address()).unwrap();
        write!(writer, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {CONTENT}\r\n\r\n").unwrap();
        thread::scope(|scope| {
            scope.spawn(move || while reader.read(&mut vec![0; 1 << 20]).is_ok_and(|count| count > 0) {});
            scope.spawn(move || while writer.write_all(&vec![0; 1 << 20]).is_ok() {});
            (0..20).for_each(|_| assert_eq!(get(&server, "/").status, 200, "{driver}"));
            drop(server); // which the two clients notice
        });
    }
}

/// A minute of the processor's time was ordered, which nobody has to wait for.
#[test]
fn a_stop_is_heard_by_a_thread_that_computes() {
    for driver in rungs() {
        let mut server = Mock::start(Options { driver: Some(driver), ..Options::default() }).unwrap();
        let mut clients: Vec<Client> = (0..60).map(|_| Client::connect(server.address())).collect();
        clients.iter_mut().for_each(|client| client.ask("/?latency=compute(1s)"));
        assert!(server.wait_for_requests(1, PATIENCE)); // from here on the thread computes
        let begin = Instant::now();
        server.stop();
        assert!(begin.elapsed() < Duration::from_secs(30), "{driver}: {:?}", begin.elapsed());
    }
}

/// Requests that arrive together, to whose answers nobody listens.
#[test]
fn what_a_client_does_not_read_is_not_gathered() {
    const REQUESTS: u64 = 50;
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    let request = "GET /?status=204&head_bytes=1000000 HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(request.repeat(REQUESTS as usize));
    assert!(server.wait_for_requests(1, PATIENCE));
    assert!(!server.wait_for_requests(REQUESTS, Duration::from_secs(1)), "50 MB are held for a client");
}

#[test]
fn a_stop_under_load_costs_connections_and_nothing_else() {
    let mut server = mock(Kind::Any, "any-1");
    let address = server.address();
    let answered = |mut stream: TcpStream| -> std::io::Result<u64> {
        let mut answers = 0;
        loop {
            stream.write_all(b"GET /?status=204 HTTP/1.1\r\nHost: a\r\n\r\n")?;
            match stream.read(&mut [0; 1024])? {
                0 => return Ok(answers),
                _ => answers += 1,
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            scope.spawn(move || answered(stream));
        }
        assert!(server.wait_for_requests(100, PATIENCE));
        server.stop();
    });
    let again = Mock::start(Options { listen: address, ..Options::default() }).unwrap();
    assert_eq!(get(&again, "/").status, 200);
}

#[test]
fn a_server_is_stopped_by_dropping_it() {
    let server = mock(Kind::Any, "any-1");
    let address = server.address();
    drop(server);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn an_address_in_use_is_refused_with_advice() {
    let server = mock(Kind::Any, "any-1");
    let taken = Options { listen: server.address(), ..Options::default() };
    let refused = Mock::start(taken.clone()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AddrInUse);
    assert!(refused.to_string().contains("choose another address"), "{refused}");
    assert_eq!(Mock::start_workers(&taken, 2).unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[test]
fn workers_share_an_address_and_a_name() {
    let options = Options { name: "any-3".into(), ..Options::default() };
    let workers = Mock::start_workers(&options, 2).unwrap();
    assert_eq!(workers[0].address(), workers[1].address());
    for _ in 0..64 {
        assert_eq!(get(&workers[0], "/").header("x-served-by"), Some("any-3"));
    }
    let requests = workers.iter().map(Mock::requests).sum::<u64>();
    assert_eq!(requests, 64);
}

#[test]
fn a_core_that_does_not_exist_is_refused() {
    let options = Options { core: Some(100_000), ..Options::default() };
    assert_eq!(Mock::start_workers(&options, 1).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(Mock::start(options).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn what_was_received_can_be_read_while_the_server_runs_and_after() {
    let mut posts = posts();
    let mut client = Client::connect(posts.address());
    client.send(
        "POST /api/v1/posts?a=b HTTP/1.1\r\nHost: internal\r\nX-User-Id: 12345\r\nx-twice: 1\r\nX-Twice: 2\r\n\
         Content-Length: 5\r\n\r\nhello",
    );
    client.answer();
    client.send("GET /api/v1/posts HTTP/1.1\r\nHost: a\r\n\r\n");
    client.answer();
    let _ = get(&posts, "/nowhere");

    let received = posts.received();
    let [first, second, third] = &received[..] else { panic!("{received:?}") };
    assert_eq!(first.server.as_ref(), "post-1");
    assert_eq!((first.method.as_str(), first.target.as_str()), ("POST", "/api/v1/posts?a=b"));
    assert_eq!((first.minor_version, first.complete), (1, true));
    assert_eq!(first.header("x-user-id"), Some("12345"));
    let spelled: Vec<&str> = first.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(spelled, ["Host", "X-User-Id", "x-twice", "X-Twice", "Content-Length"]);
    assert_eq!((first.body_bytes, first.body_hash), (5, ringmock::hash(b"hello")));
    assert_eq!((second.headers.len(), second.body_bytes, second.body_hash), (1, 0, ringmock::hash(b"")));
    assert_eq!((first.connection, second.connection, third.connection), (1, 1, 2));
    assert_eq!(third.target, "/nowhere");

    posts.stop();
    assert_eq!(posts.received(), received);
}

#[test]
fn a_large_record_keeps_the_last_requests() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    for n in 0..5000 {
        client.get(&format!("/{n}"));
    }
    let received = server.received();
    assert_eq!((received.len(), server.journal().dropped()), (4096, 5000 - 4096));
    assert_eq!(received.last().unwrap().target, "/4999");
}
