//! The gateway between a client that says any bytes and an origin that records them, and how one case is played on it.
//!
//! Owns: what every forwarded message has to carry of the gateway's own. It is checked here and taken off, so that the
//! tables show only what each case is about.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

use ringgate_io::Rung;

use crate::message::{Kind, Message};
use crate::origin::{Origin, Received, Script, Then};
use crate::support::{self, PATIENCE, TestGateway};

/// Asked behind each case: when it is answered, everything the case has caused has reached the origin's queue.
const FENCE: &str = "GET /fence HTTP/1.1\r\nHost: h\r\n\r\n";
/// Said behind whatever ends a connection: if this is ever served, a parser has gone on after an error.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
/// Messages are cut at every byte up to this length; longer ones, which are padding, in as many places.
const CUTS: usize = 400;

/// What becomes of the client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It serves the next request.
    GoesOn,
    /// It ends, in good order, after the whole answer.
    Ends,
    /// One or the other, and the answer says which: that depends on how much had arrived.
    MayEnd,
}

/// What the origin gets of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AtOrigin {
    /// Not a byte.
    Nothing,
    /// Never a whole request; what was begun is broken off.
    Torn,
    /// Exactly this, the gateway's own fields aside.
    This(String),
}

/// Bytes from a client, and what they have to lead to.
#[derive(Debug, Clone)]
pub struct Request {
    pub row: u8,
    pub name: String,
    pub sent: Vec<u8>,
    pub status: u16,
    pub origin: AtOrigin,
    pub after: After,
}

/// What a client gets of an origin's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Exactly these messages, the gateway's own fields aside.
    These(String),
    /// 502, and the connection to the origin is used no more.
    BadGateway,
    /// A beginning that cannot be taken for a whole answer.
    Truncated,
    /// 502 as long as that can be said, and else a beginning.
    Broken,
}

/// Bytes from an origin, and what they have to lead to.
#[derive(Debug, Clone)]
pub struct Response {
    pub row: u8,
    pub name: String,
    pub request: String,
    pub answer: Vec<u8>,
    pub then: Then,
    pub heard: Heard,
    pub after: After,
}

/// A client's connection.
pub struct Client {
    stream: TcpStream,
    left: Vec<u8>,
    ended: bool,
}

impl Client {
    /// Says as much of it as is still taken: a refusal may come before the end.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// The next message, 100 included.
    pub fn hear(&mut self, kind: Kind) -> Message {
        loop {
            if let Some((message, length)) = Message::first(&self.left, kind, self.ended) {
                self.left.drain(..length);
                return message;
            }
            assert!(!self.ended, "ended behind {:?}", String::from_utf8_lossy(&self.left));
            self.receive();
        }
    }

    /// The next answer that is not 100: whether the gateway says 100 depends on how much had arrived.
    pub fn hear_answer(&mut self, kind: Kind) -> Message {
        loop {
            let message = self.hear(kind);
            if message.status() != 100 {
                return message;
            }
        }
    }

    /// Says a request without a body and hears its answer.
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> Message {
        self.say(request);
        self.hear(Kind::Answer { to_head: false })
    }

    fn receive(&mut self) {
        let mut bytes = [0; 16 * 1024];
        let count = self.stream.read(&mut bytes).expect("an answer in time, and no reset");
        self.left.extend_from_slice(&bytes[..count]);
        self.ended = count == 0;
    }

    /// The connection ends in good order with nothing more said.
    pub fn expect_end(&mut self) {
        while !self.ended {
            self.receive();
        }
        assert!(self.left.is_empty(), "more was said: {:?}", String::from_utf8_lossy(&self.left));
    }

    /// Exactly so many bytes, whatever they are.
    pub fn hear_bytes(&mut self, count: usize) -> Vec<u8> {
        while self.left.len() < count {
            assert!(!self.ended, "ended behind {:?}", String::from_utf8_lossy(&self.left));
            self.receive();
        }
        self.left.drain(..count).collect()
    }

    /// Says as much as is taken within `patience`; how much that was.
    pub fn say_until_full(&mut self, bytes: &[u8], patience: std::time::Duration) -> usize {
        self.stream.set_write_timeout(Some(patience)).unwrap();
        let mut said = 0;
        while let Ok(count) = self.stream.write(&bytes[said..]) {
            said += count;
            if said == bytes.len() {
                break;
            }
        }
        self.stream.set_write_timeout(None).unwrap();
        said
    }

    /// Whatever comes until the connection ends in whatever way.
    pub fn hear_all(mut self) -> Vec<u8> {
        let _ = self.stream.read_to_end(&mut self.left);
        self.left
    }

    /// Whether nothing has been said that was not heard.
    pub fn is_silent(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let silent =
            self.stream.peek(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        self.stream.set_nonblocking(false).unwrap();
        silent && self.left.is_empty()
    }

    pub fn end_sending(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Breaks the connection off with a reset.
    pub fn reset(self) {
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(std::time::Duration::ZERO)).unwrap();
    }
}

/// An origin and a gateway in front of it.
pub struct Stage {
    pub driver: Rung,
    pub origin: Origin,
    pub gateway: TestGateway,
}

impl Stage {
    pub fn start(driver: Rung) -> Stage {
        Stage::with(driver, "")
    }

    /// With more configuration, to stand before the routes. Everything goes to the origin, except where nobody is at home:
    /// `/guarded`, and `/narrow` of two hosts.
    pub fn with(driver: Rung, settings: &str) -> Stage {
        let origin = Origin::start();
        let here = origin.address();
        let text = format!(
            r#"workers = 1
            {settings}
            [[routes]]
            prefix = "/"
            servers = ["{here}"]
            [[routes]]
            prefix = "/ws"
            servers = ["{here}"]
            upgrade = ["websocket", "chat"]
            [[routes]]
            prefix = "/narrow-pool"
            pool = "narrow"
            [pools.narrow]
            servers = ["{here}"]
            connections = 1
            [[routes]]
            prefix = "/guarded"
            servers = ["127.0.0.1:1"]
            [[routes]]
            host = "narrow.example"
            prefix = "/narrow"
            servers = ["127.0.0.1:1"]
            [[routes]]
            host = "[::1]"
            prefix = "/narrow"
            servers = ["127.0.0.1:1"]"#
        );
        Stage { driver, origin, gateway: support::gateway(driver, &text) }
    }

    pub fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.gateway.gateway.address()).expect("the gateway accepts");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, left: Vec::new(), ended: false }
    }

    /// What the origin has received since the last call, and nothing that this call causes.
    pub fn received(&self) -> Received {
        assert_eq!(self.connect().ask(FENCE).status(), 200, "the gateway serves on");
        assert!(self.origin.comes_down_to(1), "a connection to the origin was left open");
        let mut received = self.origin.take();
        let fence = received.messages.pop().expect("the fence");
        assert!(fence.head.starts_with("GET /fence "), "{fence:?}");
        received
    }

    /// The requests that the origin has received whole, in plain form without the gateway's own fields.
    pub fn requests(&self) -> Vec<String> {
        self.received().messages.iter().map(|message| self.of_client(message)).collect()
    }

    /// The plain form of a forwarded request without what the gateway adds; what it fails to add shows.
    pub fn of_client(&self, message: &Message) -> String {
        let host = self.origin.address().to_string();
        let is_id = |value: &str| value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_node = |id: &str| id.strip_prefix("ringgate-").is_some_and(|digits| digits.len() == 16);
        let is_via = |via: &str| via.strip_prefix("1.1 ").or(via.strip_prefix("1.0 ")).is_some_and(is_node);
        let own: [Own<'_>; 6] = [
            ("Host", &|value| value == host),
            ("X-Request-Id", &is_id),
            ("X-Forwarded-For", &|value| value == "127.0.0.1"),
            ("X-Forwarded-Proto", &|value| value == "http"),
            ("X-Forwarded-Host", &|value| value == "h"),
            ("Via", &is_via),
        ];
        without(message, &own)
    }

    /// Plays a request whole and, if asked to, cut at every byte.
    pub fn play_request(&self, case: &Request, is_cut: bool) {
        let mut client = self.connect();
        let whole = match case.after {
            After::GoesOn | After::MayEnd => case.sent.clone(),
            After::Ends => [&case.sent, SMUGGLED.as_bytes()].concat(),
        };
        self.play(&mut client, case, &[&whole]);
        let mut runs = 1;
        let count = if is_cut { case.sent.len().min(CUTS) } else { 1 };
        for cut in (1..count).map(|part| case.sent.len() * part / count) {
            let (begin, end) = case.sent.split_at(cut);
            self.play(&mut client, case, &[begin, end]);
            runs += 1;
        }
        if case.after != After::Ends {
            assert_eq!(client.ask("GET /next HTTP/1.1\r\nHost: h\r\n\r\n").status(), 200, "it goes on");
        }
        self.check_received(case, runs);
    }

    fn play(&self, client: &mut Client, case: &Request, pieces: &[&[u8]]) {
        pieces.iter().for_each(|piece| client.say(piece));
        let to_head = case.sent.starts_with(b"HEAD ");
        let answer = client.hear_answer(Kind::Answer { to_head });
        assert_eq!(answer.status(), case.status, "to {} pieces: {}", pieces.len(), answer.text());
        let says_end = answer.field("connection") == Some("close");
        assert!(case.after == After::MayEnd || says_end == (case.after == After::Ends), "{}", answer.text());
        if says_end {
            client.expect_end();
            *client = self.connect();
        }
    }

    fn check_received(&self, case: &Request, runs: usize) {
        let received = self.received();
        let mut messages: Vec<String> =
            received.messages.iter().map(|message| self.of_client(message)).collect();
        if case.after != After::Ends {
            assert_eq!(messages.pop().as_deref(), Some("GET /next HTTP/1.1\r\n\r\n"));
        }
        match &case.origin {
            AtOrigin::Torn => assert!(messages.is_empty(), "whole at the origin: {messages:?}"),
            expected => {
                let (expected, count) = match expected {
                    AtOrigin::This(text) => (text.as_str(), runs),
                    _ => ("nothing", 0),
                };
                for message in &messages {
                    assert_eq!(message, expected, "at the origin");
                }
                assert_eq!(messages.len(), count, "requests at the origin");
                assert!(received.torn.is_empty(), "torn at the origin: {:?}", received.torn);
            }
        }
    }

    /// Plays an answer whole and, if asked to, cut at every byte.
    pub fn play_response(&self, case: &Response, is_cut: bool) {
        // What an origin says too much, and late, meets the next exchange as its answer: nobody can tell whose it is.
        let is_cut = is_cut && case.row != 81;
        let count = if is_cut { case.answer.len().clamp(1, CUTS) } else { 1 };
        for cut in (0..count).map(|part| case.answer.len() * part / count) {
            self.origin.expect(Script { cut, ..Script::new(case.answer.clone(), case.then) });
            let mut client = self.connect();
            client.say(&case.request);
            match &case.heard {
                Heard::These(expected) => hear_these(&mut client, case, expected),
                Heard::BadGateway => hear_bad_gateway(&mut client),
                Heard::Truncated | Heard::Broken => {
                    expect_truncated(client, case.heard == Heard::Broken);
                    continue;
                }
            }
            match case.after {
                After::GoesOn => assert_eq!(client.ask(FENCE).status(), 200, "it goes on"),
                After::Ends | After::MayEnd => client.expect_end(),
            }
            self.expect_fresh_if(case.heard == Heard::BadGateway);
        }
        drop(self.received());
    }

    /// A connection on which the origin spoke nonsense is not left open.
    fn expect_fresh_if(&self, is_bad: bool) {
        if is_bad {
            assert!(self.origin.comes_down_to(1), "a bad connection to the origin was left open");
        }
        drop(self.origin.take());
    }
}

fn hear_these(client: &mut Client, case: &Response, expected: &str) {
    let kind = Kind::Answer { to_head: case.request.starts_with("HEAD ") };
    let mut heard = String::new();
    loop {
        let message = client.hear(kind);
        heard.push_str(&of_origin(&message));
        if message.status() >= 200 {
            return assert_eq!(heard, *expected);
        }
    }
}

fn hear_bad_gateway(client: &mut Client) {
    loop {
        let message = client.hear(Kind::Answer { to_head: false });
        if message.status() >= 200 {
            return assert_eq!(message.status(), 502, "{}", message.text());
        }
    }
}

fn expect_truncated(client: Client, may_be_told: bool) {
    let _ = client.stream.shutdown(Shutdown::Write); // behind a 502 the connection would go on
    let heard = client.hear_all();
    let whole = Message::first(&heard, Kind::Answer { to_head: false }, false);
    let is_told = |(message, _): &(Message, usize)| may_be_told && message.status() == 502;
    assert!(whole.as_ref().is_none_or(is_told), "it looks whole: {whole:?}");
}

/// A field of the gateway's own: its name, and whether a value is the usual one.
type Own<'a> = (&'a str, &'a dyn Fn(&str) -> bool);

/// The plain form of an answer without what the gateway adds: its id and, if the origin gave none, the date.
pub fn of_origin(message: &Message) -> String {
    if message.status() < 200 {
        return message.text();
    }
    let is_id = |value: &str| value.len() == 32;
    let is_now = |value: &str| value.len() == 29 && !value.contains("1994"); // the year of the origin's own dates
    without(message, &[("X-Request-Id", &is_id), ("Date", &is_now)])
}

fn without(message: &Message, own: &[Own<'_>]) -> String {
    let mut rest = message.clone();
    for (name, is_usual) in own {
        let count = message.head.lines().filter(|line| names(line, name)).count();
        let is_own = |line: &&str| names(line, name) && is_usual(line[name.len() + 1..].trim());
        let found = rest.head.lines().find(is_own).map(String::from);
        match found {
            Some(line) => rest.head = rest.head.replacen(&format!("{line}\r\n"), "", 1),
            None if count == 0 => rest.head.push_str(&format!("(without {name})\r\n")),
            None => {}
        }
    }
    rest.text()
}

/// The plain form of an interim answer without the gateway's id.
pub fn without_id(message: &Message) -> String {
    without(message, &[("X-Request-Id", &|value| value.len() == 32)])
}

fn names(line: &str, name: &str) -> bool {
    line.split_once(':').is_some_and(|(field, _)| field.eq_ignore_ascii_case(name))
}

/// How long the answer to one request took.
pub fn time(stage: &Stage, request: &[u8]) -> (u16, std::time::Duration) {
    let (mut client, begun) = (stage.connect(), Instant::now());
    client.say(request);
    (client.hear(Kind::Answer { to_head: false }).status(), begun.elapsed())
}
