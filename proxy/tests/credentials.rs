//! Passwords, and services that judge credentials: both take time, and neither may take the gateway's.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ringgate_io::Rung;
use ringmock::Mock;
use support::{Answer, TestGateway, anything, gateway, list, nobody};

fn ask(gateway: &TestGateway, target: &str, fields: &str) -> Answer {
    let mut client = gateway.connect();
    client.say(format!("GET {target} HTTP/1.1\r\nHost: api.example.com\r\n{fields}\r\n"));
    client.hear()
}

fn basic(pair: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(pair))
}

on_every_driver! {
    fn a_password_proves_its_owner_and_is_checked_beside_the_workers(driver: Rung) {
        let server = anything("one");
        let hash = bcrypt::hash("open sesame", 6).unwrap(); // a low cost, as tests are many
        let text = format!(
            "policy = \"staff\"\nauth_failures = \"none\"\n[auth.staff.basic]\nusers = [{{ user = \"ada\", password = '{hash}', roles = [\"staff\"] }}]\n\
             [policies.staff]\nauth = [\"staff\"]\n[[routes]]\nprefix = \"/\"\nservers = {}\n",
            list(&[&server])
        );
        let gateway = gateway(driver, &text);
        assert_eq!(ask(&gateway, "/a", &basic("ada:open sesame")).status, 200);
        let received = server.received();
        assert_eq!((received[0].header("x-user-id"), received[0].header("authorization")), (Some("ada"), None));
        assert_eq!(received[0].header("x-user-roles"), Some("staff"));
        for wrong in ["ada:Open sesame", "ada:", "eve:open sesame", "ada", ""] {
            let answer = ask(&gateway, "/a", &basic(wrong));
            assert_eq!(answer.status, 401, "{wrong}");
            assert_eq!(answer.field("www-authenticate"), Some("Basic realm=\"ringgate\", charset=\"UTF-8\""));
        }
        let begun = Instant::now();
        for _ in 0..50 {
            assert_eq!(ask(&gateway, "/a", &basic("ada:open sesame")).status, 200);
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "it is remembered that it was right");
        assert_eq!(ask(&gateway, "/a", "Authorization: Basic !!!\r\n").status, 401);
    }
}

/// Answers each question with what `judge` makes of its head; keeps them.
struct Judge {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Judge {
    fn start(judge: fn(&str) -> Option<&'static str>) -> Judge {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let judging = Judge { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let asked = judging.asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, asked) = (stream.unwrap(), asked.clone());
                std::thread::spawn(move || answer(&stream, judge, &asked));
            }
        });
        judging
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(stream: &TcpStream, judge: fn(&str) -> Option<&'static str>, asked: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        asked.lock().unwrap().push(head.clone());
        let Some(said) = judge(&head) else { continue };
        let _ = (&mut &*stream).write_all(format!("HTTP/1.1 {said}\r\n").as_bytes());
    }
}

fn judged(driver: Rung, server: &Mock, judge: SocketAddr, settings: &str) -> TestGateway {
    gateway(
        driver,
        &format!(
            "policy = \"p\"\nallow = [\"single-server\"]\n[pools.AUTH]\nservers = [\"{judge}\"]\n[auth.service.external]\npool = \"AUTH\"\npath = \"/verify\"\n{settings}\n\
             [policies.p]\nauth = [\"service\"]\n[[routes]]\nprefix = \"/customers\"\nroles = [\"customer\"]\nservers = {0}\n\
             [[routes]]\nprefix = \"/\"\nservers = {0}\n",
            list(&[server])
        ),
    )
}

fn says_who_it_is(head: &str) -> Option<&'static str> {
    Some(match () {
        () if head.contains("authorization: good") => {
            "200 OK\r\nX-User-Id: 12345\r\nX-User-Roles: customer, vip\r\nContent-Length: 0\r\n"
        }
        () if head.contains("authorization: other") => "204 No Content\r\nX-User-Id: 7\r\n",
        () if head.contains("authorization: broken") => "500 Internal Server Error\r\nContent-Length: 0\r\n",
        () if head.contains("authorization: slow") => return None,
        () if head.contains("authorization: unnamed") => {
            "103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
        }
        () if head.contains("authorization: too much") => {
            "431 Request Header Fields Too Large\r\nContent-Length: 0\r\n"
        }
        () => "401 Unauthorized\r\nContent-Length: 0\r\n",
    })
}

on_every_driver! {
    fn a_service_says_who_asks(driver: Rung) {
        let (server, judge) = (anything("one"), Judge::start(says_who_it_is));
        let gateway = judged(driver, &server, judge.address, "timeout = \"300ms\"");
        let answer = ask(&gateway, "/customers/1?x=2", "Authorization: good\r\nX-Request-Id: id-1\r\n");
        assert_eq!(answer.status, 200, "{answer:?}");
        let told = &judge.asked()[0];
        for line in ["GET /verify HTTP/1.1", "authorization: good", "X-Forwarded-Method: GET", "X-Forwarded-Host: api.example.com",
                     "X-Forwarded-Uri: /customers/1?x=2", "X-Forwarded-For: 127.0.0.1", "X-Request-Id: id-1"] {
            assert!(told.lines().any(|own| own == line), "{line} in {told}");
        }
        let received = server.received();
        assert_eq!((received[0].header("x-user-id"), received[0].header("x-user-roles")), (Some("12345"), Some("customer,vip")));
        assert_eq!(received[0].header("authorization"), None);
        assert_eq!(ask(&gateway, "/customers/1", "Authorization: other\r\n").status, 403, "known, and no customer");
        assert_eq!(ask(&gateway, "/a", "Authorization: bad\r\n").status, 401);
        assert_eq!(ask(&gateway, "/a", "").status, 401);
        let asked = judge.asked().len();
        assert_eq!(ask(&gateway, "/a", "").status, 401);
        assert_eq!(judge.asked().len(), asked, "who shows nothing is not asked about");
        for credential in ["broken", "slow"] {
            let begun = Instant::now();
            let answer = ask(&gateway, "/a", &format!("Authorization: {credential}\r\n"));
            assert_eq!((answer.status, answer.field("retry-after")), (503, Some("5")), "{credential}");
            assert!(answer.text().contains("auth_unavailable") && begun.elapsed() < Duration::from_secs(2));
        }
        assert_eq!(server.received().len(), 1);
        assert_eq!(ask(&gateway, "/a", "Authorization: unnamed\r\n").status, 200, "it passes, as nobody in particular");
        assert_eq!(server.received()[1].header("x-user-id"), None);
        assert_eq!(ask(&gateway, "/customers/1", "Authorization: unnamed\r\n").status, 403);
    }

    fn no_client_can_make_an_open_gate_of_a_service_that_answers(driver: Rung) {
        let (server, judge) = (anything("one"), Judge::start(says_who_it_is));
        let gateway = judged(driver, &server, judge.address, "on_failure = \"allow\"");
        assert_eq!(ask(&gateway, "/a", "Authorization: too much\r\n").status, 401);
        assert_eq!(ask(&gateway, "/a", "Authorization: broken\r\n").status, 200, "which is what was asked for");
        assert_eq!(server.received().len(), 1);
    }

    fn a_service_that_is_away_closes_the_gate_or_opens_it(driver: Rung) {
        let server = anything("one");
        let closed = judged(driver, &server, nobody(), "");
        assert_eq!(ask(&closed, "/a", "Authorization: good\r\n").status, 503);
        let open = judged(driver, &server, nobody(), "on_failure = \"allow\"");
        assert_eq!(ask(&open, "/a", "Authorization: good\r\nX-User-Id: 1\r\n").status, 200);
        let received = server.received();
        assert_eq!((received[0].header("x-user-id"), received[0].header("authorization")), (None, None), "it passes for nobody");
        assert_eq!(ask(&open, "/customers/1", "Authorization: good\r\n").status, 503, "who is a customer, nobody knows");
        assert_eq!(ask(&open, "/a", "").status, 401, "a service that is not asked has not failed");
    }

    fn what_a_service_said_holds_for_a_while_and_for_the_same_request_only(driver: Rung) {
        let (server, judge) = (anything("one"), Judge::start(says_who_it_is));
        let gateway = judged(driver, &server, judge.address, "cache = \"1m\"\nheaders = [\"authorization\", \"cookie\"]\n");
        let mut client = gateway.connect(); // on one worker, which remembers
        let mut ask = |target: &str, fields: &str| {
            client.say(format!("GET {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n"));
            client.hear().status
        };
        for _ in 0..5 {
            assert_eq!(ask("/a", "Authorization: good\r\n"), 200);
        }
        assert_eq!(judge.asked().len(), 1);
        for (target, fields) in [("/b", "Authorization: good\r\n"), ("/a?x", "Authorization: good\r\n"), ("/a", "Authorization: good\r\nCookie: c\r\n")] {
            let asked = judge.asked().len();
            assert_eq!(ask(target, fields), 200);
            assert_eq!(judge.asked().len(), asked + 1, "{target} {fields}");
        }
        assert_eq!(ask("/a", "Authorization: bad\r\n"), 401);
        assert_eq!(ask("/a", "Authorization: good\r\n"), 200);
    }
}
