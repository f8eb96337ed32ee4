//! What takes too long, what is too much, and who has to make room: over real sockets, on every driver.

#![allow(unreachable_pub, reason = "a test file is a crate of its own")]
#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use support::{Client, PATIENCE, TestGateway, anything, gateway, list, until_some};

/// A server that takes whatever is sent and says nothing; it tells when a connection to it has ended.
fn silent_server() -> (SocketAddr, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, (ended, ends)) = (listener.local_addr().unwrap(), channel());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let ended = ended.clone();
            thread::spawn(move || {
                let _ = std::io::copy(&mut &stream, &mut std::io::sink());
                let _ = ended.send(());
            });
        }
    });
    (address, ends)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")
}

/// How long the answer to a request took, and its status.
fn ask(gateway: &TestGateway, request: &str) -> (u16, Duration) {
    let mut client = gateway.connect();
    let begun = Instant::now();
    client.say(request);
    (client.hear().status, begun.elapsed())
}

/// Asks until an answer comes in time, a few times: others use this machine, too.
fn ask_in_time(gateway: &TestGateway, request: &str, status: u16, deadline: Duration) {
    let mut took = Vec::new();
    for _ in 0..5 {
        let (answered, time) = ask(gateway, request);
        assert_eq!(answered, status);
        assert!(time >= deadline, "{time:?} is too early");
        took.push(time);
        if time < deadline + Duration::from_millis(50) {
            return;
        }
    }
    panic!("never within 50 ms of the deadline: {took:?}");
}

on_every_driver! {
    fn a_slow_server_is_a_504_in_time_its_work_is_cancelled_and_nobody_else_notices(driver: Rung) {
        let ((slow, ends), fast) = (silent_server(), anything("fast"));
        let gateway = gateway(driver, &format!(r#"
            [[routes]]
            prefix = "/slow"
            servers = ["{slow}"]
            timeouts = {{ response = "1s" }}
            [[routes]]
            prefix = "/"
            servers = {}"#, list(&[&fast])));
        let mut waiting = gateway.connect();
        waiting.say(get("/slow"));
        for _ in 0..20 {
            assert_eq!(gateway.get("/other").status, 200);
        }
        assert_eq!(waiting.hear().status, 504);
        ends.recv_timeout(PATIENCE).expect("the server's connection is ended");
        ask_in_time(&gateway, &get("/slow"), 504, Duration::from_secs(1));
    }

    fn the_whole_exchange_has_a_deadline_whatever_its_steps_have(driver: Rung) {
        let (slow, ends) = silent_server();
        let gateway = gateway(driver, &format!(r#"
            timeouts = {{ response = "20s", stall = "20s", total = "300ms" }}
            [[routes]]
            prefix = "/"
            servers = ["{slow}"]"#));
        ask_in_time(&gateway, &get("/"), 504, Duration::from_millis(300));
        let half = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf";
        ask_in_time(&gateway, half, 504, Duration::from_millis(300));
        for _ in 0..2 {
            ends.recv_timeout(PATIENCE).expect("the server's connection is ended");
        }
    }

    fn an_idle_connection_of_another_worker_makes_room_in_a_full_pool(driver: Rung) {
        let server = anything("only");
        let gateway = gateway(driver, &format!(r#"
            workers = 2
            [pools.narrow]
            servers = {}
            connections = 1
            [[routes]]
            prefix = "/"
            pool = "narrow""#, list(&[&server])));
        let mut clients: Vec<Client> = (0..16).map(|_| gateway.connect()).collect();
        until_some("clients on both workers", || gateway.gateway.loads().all(|load| load > 0).then_some(()));
        for turn in 0..32 {
            let client = &mut clients[turn % 16];
            client.say(get("/"));
            assert_eq!(client.hear().status, 200);
        }
        assert!(gateway.gateway.counters().all(|worker| worker.answered.get() > 0), "each needed the one place");
    }

    fn a_connection_to_a_server_is_not_kept_beyond_its_age(driver: Rung) {
        let (listener, (opened, opens)) = (TcpListener::bind("127.0.0.1:0").unwrap(), channel());
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                opened.send(()).unwrap();
                thread::spawn(move || {
                    let mut bytes = [0; 4096];
                    while stream.read(&mut bytes).is_ok_and(|count| count > 0) {
                        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
                    }
                });
            }
        });
        let gateway = gateway(driver, &format!(r#"
            workers = 1
            timeouts.upstream_age = "100ms"
            [[routes]]
            prefix = "/"
            servers = ["{address}"]"#));
        let begun = Instant::now();
        let mut asked = 0;
        while begun.elapsed() < Duration::from_millis(350) {
            assert_eq!(gateway.get("/").status, 200);
            asked += 1;
        }
        let opened = opens.try_iter().count();
        assert!(opened >= 3 && opened < asked, "{opened} connections for {asked} requests");
    }

    fn connections_are_spread_over_the_workers(driver: Rung) {
        let server = anything("any");
        let gateway = gateway(driver, &format!("workers = 2\n[[routes]]\nprefix = \"/\"\nservers = {}", list(&[&server])));
        let mut clients: Vec<Client> = (0..40).map(|_| gateway.connect()).collect();
        for client in &mut clients {
            client.say(get("/"));
            assert_eq!(client.hear().status, 200, "wherever it landed");
        }
        let loads: Vec<usize> = gateway.gateway.loads().collect();
        assert!(loads.iter().sum::<usize>() == 40 && loads[0].abs_diff(loads[1]) <= 5, "{loads:?}");
        drop(clients);
        until_some("no connection", || gateway.gateway.loads().all(|load| load == 0).then_some(()));
    }

    fn who_is_idle_makes_room_for_who_asks(driver: Rung) {
        let server = anything("any");
        let gateway = gateway(driver, &format!(r#"
            workers = 2
            limits.connections = 8
            [[routes]]
            prefix = "/"
            servers = {}"#, list(&[&server])));
        let idle: Vec<Client> = (0..8).map(|_| gateway.connect()).collect();
        until_some("a full house", || (gateway.gateway.loads().sum::<usize>() == 8).then_some(()));
        for _ in 0..3 {
            assert_eq!(gateway.get("/").status, 200);
        }
        assert!(gateway.gateway.counters().any(|worker| worker.full.get() > 0));
        drop(idle);
    }

    fn one_place_serves_many_one_after_the_other(driver: Rung) {
        let server = anything("any");
        let gateway = gateway(driver, &format!(r#"
            workers = 1
            limits.connections = 1
            [[routes]]
            prefix = "/"
            servers = {}"#, list(&[&server])));
        let mut clients: Vec<Client> = (0..6).map(|_| gateway.connect()).collect();
        clients.iter_mut().for_each(|client| client.say(get("/")));
        let begun = Instant::now();
        for client in &mut clients {
            assert_eq!(client.hear().status, 200);
        }
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(4), "a pause of 50 ms each, not seconds: {took:?}");
    }

    fn a_full_house_waits_in_peace(driver: Rung) {
        let (slow, _ends) = silent_server();
        let gateway = gateway(driver, &format!(r#"
            workers = 2
            limits.connections = 8
            [[routes]]
            prefix = "/"
            servers = ["{slow}"]"#));
        let mut busy: Vec<Client> = (0..8).map(|_| gateway.connect()).collect();
        busy.iter_mut().for_each(|client| client.say(get("/")));
        until_some("a full house", || (gateway.gateway.loads().sum::<usize>() == 8).then_some(()));
        let _waiting: Vec<Client> = (0..40).map(|_| gateway.connect()).collect();
        let looks = || gateway.gateway.counters().map(|worker| worker.full.get()).sum::<u64>();
        let before = until_some("a look", || Some(looks()).filter(|&looks| looks > 0));
        thread::sleep(Duration::from_secs(1));
        let per_second = looks() - before;
        assert!(per_second < 100, "two workers that pause 50 ms look 40 times a second, not {per_second}");
    }

    fn a_tunnel_that_a_drain_ends_is_logged_as_such(driver: Rung) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            stream.write_all(b"HTTP/1.1 101 Switching\r\nUpgrade: chat\r\nConnection: upgrade\r\n\r\n").unwrap();
            let _ = std::io::copy(&mut &stream, &mut std::io::sink());
        });
        let gateway = gateway(driver, &format!(r#"
            timeouts.drain = "100ms"
            [[routes]]
            prefix = "/"
            servers = ["{address}"]
            upgrade = ["chat"]"#));
        let mut client = gateway.connect();
        client.say("GET /cut HTTP/1.1\r\nHost: h\r\nUpgrade: chat\r\nConnection: upgrade\r\n\r\n");
        assert_eq!(client.hear().status, 101);
        let log = gateway.log.clone();
        gateway.gateway.drain().unwrap();
        assert!(client.is_over());
        assert!(log.line_with("/cut").contains("\"cause\":\"DR\",\"status\":101"));
    }

    fn a_client_that_resets_while_its_upload_is_answered_slowly_is_gone(driver: Rung) {
        let (slow, ends) = silent_server();
        let gateway = gateway(driver, &format!("[[routes]]\nprefix = \"/\"\nservers = [\"{slow}\"]"));
        let mut client = gateway.connect();
        client.say("POST /left HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
        rustix::net::sockopt::set_socket_linger(&client.stream, Some(Duration::ZERO)).unwrap();
        drop(client);
        ends.recv_timeout(PATIENCE).expect("the server's connection is ended");
        assert!(gateway.log.line_with("/left").contains("\"status\":499"));
        until_some("a count", || gateway.gateway.counters().any(|worker| worker.departed.get() == 1).then_some(()));
    }

    fn a_drain_waits_for_the_first_request_of_who_has_just_connected(driver: Rung) {
        let server = anything("any");
        let gateway = gateway(driver, &format!("[[routes]]\nprefix = \"/\"\nservers = {}", list(&[&server])));
        let mut used = gateway.connect();
        used.say(get("/"));
        assert_eq!(used.hear().status, 200);
        let mut fresh: Vec<Client> = (0..10).map(|_| gateway.connect()).collect();
        until_some("eleven connections", || (gateway.gateway.loads().sum::<usize>() == 11).then_some(()));
        let draining = thread::spawn(move || gateway.gateway.drain());
        assert!(used.is_over(), "idle, and no answer is owed");
        for client in &mut fresh {
            client.say(get("/"));
            let answer = client.hear();
            assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
        }
        draining.join().unwrap().unwrap();
    }

    fn a_request_that_comes_as_its_idle_connection_ends_is_served_to_its_last_byte(driver: Rung) {
        let server = anything("any");
        let gateway = gateway(driver, &format!("[[routes]]\nprefix = \"/\"\nservers = {}", list(&[&server])));
        let mut client = gateway.connect();
        client.say(get("/"));
        assert_eq!(client.hear().status, 200);
        client.say("POST /late HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"); // it is read, or about to be
        let draining = thread::spawn(move || gateway.gateway.drain());
        thread::sleep(Duration::from_millis(100));
        client.say("body");
        assert_eq!(client.hear().status, 200);
        draining.join().unwrap().unwrap();
    }

    fn an_answer_that_a_drain_cuts_ends_in_a_reset(driver: Rung) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nthe end of the connection ends this").unwrap();
            let _ = std::io::copy(&mut &stream, &mut std::io::sink());
        });
        let gateway = gateway(driver, &format!("timeouts.drain = \"100ms\"\n[[routes]]\nprefix = \"/cut\"\nservers = [\"{address}\"]"));
        let mut stream = TcpStream::connect(gateway.gateway.address()).unwrap();
        stream.write_all(b"GET /cut HTTP/1.0\r\n\r\n").unwrap();
        let mut bytes = [0; 4096];
        stream.peek(&mut bytes).unwrap();
        let log = gateway.log.clone();
        gateway.gateway.drain().unwrap();
        let ended = loop {
            match stream.read(&mut bytes) {
                Ok(0) => break "in order",
                Ok(_) => {}
                Err(_) => break "by a reset",
            }
        };
        assert_eq!(ended, "by a reset");
        assert!(log.line_with("/cut").contains("\"cause\":\"DR\""));
        let _ = stream.shutdown(Shutdown::Both);
    }
}
