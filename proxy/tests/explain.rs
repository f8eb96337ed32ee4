//! What `ringgate explain` says is what happens: random configurations and requests, played on the real gateway.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use ringgate::config::{self, Config};
use ringgate::explain::{Question, explain};
use ringgate::gateway::Gateway;
use serde_json::Value;
use support::{Answer, Client, LogLines};

const CONFIGURATIONS: u64 = 60;
const REQUESTS: usize = 40;

/// The generator of Knuth's MMIX.
struct Random(Cell<u64>);

impl Random {
    fn below(&self, bound: usize) -> usize {
        self.0.set(self.0.get().wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407));
        (self.0.get() >> 33) as usize % bound
    }

    fn one_in(&self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<'a, T>(&self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// What a server was sent: which one, and the head.
type Told = Arc<Mutex<Vec<(SocketAddr, String)>>>;

/// A server that notes each head and answers 200.
fn origin(told: &Told) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let told = told.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, told) = (stream.unwrap(), told.clone());
            std::thread::spawn(move || answer_all(&stream, address, &told));
        }
    });
    address
}

fn answer_all(stream: &TcpStream, address: SocketAddr, told: &Told) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body).unwrap();
        if head.contains("Transfer-Encoding: chunked") {
            let mut line = String::new();
            while !line.ends_with("0\r\n\r\n") {
                reader.read_line(&mut line).unwrap();
            }
        }
        told.lock().unwrap().push((address, head));
        let _ = (&*stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
}

fn path(random: &Random) -> String {
    let segments: String = (0..random.below(4)).map(|_| *random.of(&["/a", "/b", "/{p}", "/c;d"])).collect();
    if segments.is_empty() { "/".into() } else { segments }
}

/// A configuration, most of which make sense.
fn configuration(random: &Random, servers: &[SocketAddr]) -> String {
    let mut text = "listen = \"127.0.0.1:0\"\nworkers = 1\nnode_id = \"gate\"\n".to_owned();
    if random.one_in(3) {
        text.push_str("trusted_proxies = [\"127.0.0.0/8\"]\n");
    }
    if random.one_in(2) {
        text.push_str("tolerate = [\"path-parameters\"]\n");
    }
    for pool in 0..3 {
        let first = random.below(servers.len());
        let list =
            (first..=first + random.below(3)).map(|place| format!("\"{}\"", servers[place % servers.len()]));
        text.push_str(&format!("[pools.p{pool}]\nservers = [{}]\n", list.collect::<Vec<_>>().join(", ")));
    }
    for route in 0..1 + random.below(8) {
        let kind = random.of(&["path", "prefix"]);
        text.push_str(&format!(
            "[[routes]]\n{kind} = \"{}\"\npool = \"p{}\"\n",
            path(random),
            random.below(3)
        ));
        let mut maybe = |chance: usize, line: &str| {
            if random.one_in(chance) {
                text.push_str(&format!("{line}\n"));
            }
        };
        maybe(2, &format!("host = \"{}\"", random.of(&["h.test", "x.test"])));
        maybe(
            2,
            &format!(
                "methods = [{}]",
                random.of(&["\"GET\"", "\"POST\", \"PURGE\"", "\"GET\", \"HEAD\"", "\"OPTIONS\""])
            ),
        );
        maybe(3, "headers = { x-0 = \"1\" }");
        maybe(4, "headers.x-1 = \"2\"");
        maybe(3, "limits.body = \"8B\"");
        maybe(3, "upgrade = [\"websocket\"]");
        maybe(4, "server_timing = true");
        maybe(3, &format!("name = \"route-{route}\""));
    }
    if !random.one_in(3) {
        text.push_str("[[routes]]\nprefix = \"/\"\npool = \"p0\"\nname = \"rest\"\n");
    }
    text
}

/// A request: its lines, and what comes behind them.
struct Asked {
    method: &'static str,
    target: String,
    fields: Vec<String>,
    body: &'static str,
}

fn request(random: &Random, id: &str) -> Asked {
    const METHODS: [&str; 8] = ["GET", "GET", "HEAD", "POST", "PURGE", "OPTIONS", "DELETE", "TRACE"];
    const TARGETS: [&str; 16] = [
        "*",
        "//a",
        "/a/../b",
        "/a/./b?x=1",
        "/%61/b",
        "/a%2Fb",
        "/a%00",
        "/c;d",
        "/a/..%2f..",
        "/../a",
        "http://x.test/a",
        "http://h.test:80",
        "/a?b#c",
        "a",
        "/ä",
        "/%zz",
    ];
    const FIELDS: [&str; 14] = [
        "x-0: 1",
        "x-0: 1",
        "x-0: 2",
        "x-1: 2",
        "Connection: x-0, close",
        "TE: trailers",
        "Expect: nonsense",
        "Max-Forwards: 0",
        "Max-Forwards: 3",
        "Via: 1.1 gate",
        "X-Forwarded-For: 1.1.1.1",
        "X-Forwarded-Proto: https",
        "Forwarded: for=1.1.1.1",
        "Cookie: a=b",
    ];
    let (method, fields) = (*random.of(&METHODS), random.below(3));
    let target = match random.below(4) {
        0 => (*random.of(&TARGETS)).to_owned(),
        _ => path(random).replace("{p}", ["a", "7", "x.y"][random.below(3)]),
    };
    let host = *random.of(&["h.test", "x.test", "X.test:80", "other", "localhost"]);
    let mut fields: Vec<String> = (0..fields).map(|_| (*random.of(&FIELDS)).to_owned()).collect();
    fields.insert(0, format!("Host: {host}"));
    if random.one_in(6) {
        fields.extend(["Upgrade: websocket".to_owned(), "Connection: upgrade".to_owned()]);
    }
    let (framing, body) = *random.of(&[
        ("", ""),
        ("", ""),
        ("Content-Length: 5", "five!"),
        ("Content-Length: 9", "nine---!!"),
        ("Transfer-Encoding: chunked", "0\r\n\r\n"),
    ]);
    fields.extend((!framing.is_empty()).then(|| framing.to_owned()));
    fields.extend((!id.is_empty()).then(|| format!("X-Request-Id: {id}")));
    Asked { method, target, fields, body }
}

fn ask(address: SocketAddr, asked: &Asked) -> Answer {
    let mut client = Client::connect(address);
    client.say(format!(
        "{} {} HTTP/1.1\r\n{}\r\n\r\n{}",
        asked.method,
        asked.target,
        asked.fields.join("\r\n"),
        asked.body
    ));
    client.hear_for(asked.method)
}

/// Holds what was said of a request against what has become of it; the route and the pool if a server answered.
fn compare(said: &Value, answer: &Answer, told: &Told, asked: &Asked) -> Option<String> {
    let outcome = &said["answer"];
    let told = std::mem::take(&mut *told.lock().unwrap());
    if outcome["source"] == "gateway" {
        assert_eq!(outcome["status"], answer.status, "{}", answer.head);
        assert_eq!(
            outcome["allow"].as_str().unwrap_or_default(),
            answer.field("allow").unwrap_or_default(),
            "{}",
            answer.head
        );
        if asked.method != "HEAD" && answer.status != 204 {
            assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap()["code"], outcome["code"]);
        }
        assert_eq!(told, [], "nobody else was asked");
        return None;
    }
    assert_eq!(answer.status, 200, "{} {}", answer.head, answer.text());
    let [(server, head)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(outcome["servers"][0], server.to_string(), "the server that is first");
    let expected = outcome["head"].as_str().unwrap();
    let expected = expected.replace("<new request id>", answer.field("x-request-id").unwrap());
    assert_eq!(*head, expected);
    for (list, has) in [("added", true), ("removed", false)] {
        for name in outcome[list].as_array().unwrap() {
            let name = name.as_str().unwrap();
            let is_there = head.lines().any(|line| {
                line.split(':').next() == Some(name) && !asked.fields.iter().any(|own| own == line)
            });
            assert!(is_there || !has, "{list} {name}");
        }
    }
    let winner = said["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .find(|candidate| candidate["verdict"] == "wins")
        .unwrap();
    Some(format!("{} {}", winner["route"].as_str().unwrap(), winner["pool"].as_str().unwrap()))
}

fn json(config: &Config, asked: &Asked) -> Value {
    let peer = Some(Ipv4Addr::LOCALHOST.into());
    let question = Question { method: asked.method, target: &asked.target, fields: &asked.fields, peer };
    serde_json::to_value(explain(config, question)).unwrap()
}

#[test]
fn what_is_said_of_a_request_is_what_becomes_of_it() {
    let told = Told::default();
    let servers: Vec<SocketAddr> = (0..3).map(|_| origin(&told)).collect();
    let (mut played, mut by_servers, mut statuses) = (0, 0, HashMap::<u16, usize>::new());
    for seed in 0.. {
        if played == CONFIGURATIONS {
            break;
        }
        let random = Random(Cell::new(seed));
        let text = configuration(&random, &servers);
        // Two that know nothing of each other, so that their turns are the same ones as long as both see the same requests.
        let (Ok(explained), Ok(served)) = (config::parse(&text, "said"), config::parse(&text, "done")) else {
            continue;
        };
        let log = LogLines::default();
        let gateway = Gateway::start(served, Box::new(log.clone())).unwrap();
        let mut routes = HashMap::new();
        for number in 0..REQUESTS {
            let id = if random.one_in(5) { String::new() } else { format!("r-{number}") };
            let asked = request(&random, &id);
            let (said, answer) = (json(&explained, &asked), ask(gateway.address(), &asked));
            let about =
                format!("seed {seed}, {} {} {:?} through\n{text}", asked.method, asked.target, asked.fields);
            let way = std::panic::catch_unwind(|| compare(&said, &answer, &told, &asked));
            let way = way.unwrap_or_else(|_| panic!("{about}\n{said:#}"));
            *statuses.entry(answer.status).or_default() += 1;
            if let Some(way) = way {
                by_servers += 1;
                routes.insert(id, way);
            }
        }
        gateway.drain().unwrap();
        for line in log.text().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            if let Some(way) = routes.get(line["request_id"].as_str().unwrap()) {
                let logged =
                    format!("{} {}", line["route"].as_str().unwrap(), line["pool"].as_str().unwrap());
                assert_eq!(logged, *way, "seed {seed}\n{text}");
            }
        }
        played += 1;
    }
    assert!(by_servers > 600, "{by_servers} {statuses:?}");
    for status in [200, 204, 400, 404, 405, 413, 417, 508] {
        assert!(statuses.contains_key(&status), "no {status} among {statuses:?}");
    }
}
