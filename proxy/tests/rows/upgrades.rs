//! The rows of upgrades: what asks for one, what grants it, and what passes then.

use crate::message::Kind;
use crate::origin::{BYE, OK, Script, Then};
use crate::stage::{Client, Stage};
use crate::stories::Story;
use std::time::Duration;

/// All of them.
pub const ALL: &[Story] = &[
    (60, "an allowed protocol is asked for anew", an_allowed_protocol),
    (60, "a route that allows none", a_route_that_allows_none),
    (60, "what cannot be upgraded", what_cannot_be_upgraded),
    (61, "bytes behind the request are held until 101", bytes_behind_the_request),
    (62, "101 to a request for another protocol", another_protocol),
    (62, "200 to an upgrade is an ordinary answer", an_ordinary_answer),
    (63, "a tunnel's connection is not used again", a_tunnel_is_not_used_again),
    (64, "h2c is never asked for, whatever else is", h2c_is_never_asked_for),
    (65, "both ways, and what the handshake says", both_ways),
    (65, "an idle tunnel ends, a busy one does not", an_idle_tunnel_ends),
    (65, "a side that does not read holds the other one back", back_pressure),
    (66, "the client ends first", the_client_ends_first),
    (66, "the server ends first", the_server_ends_first),
    (66, "a client that resets takes the server along", a_client_that_resets),
];

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
                      Sec-WebSocket-Accept: key\r\nContent-Length: 3\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: key\r\nUpgrade: websocket\r\n\
                        Connection: upgrade\r\n\r\n";
const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// A request on the route that allows `websocket` and `chat`, with these fields behind Host.
fn handshake(fields: &str) -> String {
    format!("GET /ws HTTP/1.1\r\nHost: h\r\n{fields}\r\n")
}

fn websocket() -> String {
    handshake("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: k\r\n")
}

/// A client whose connection has been upgraded, to an origin that does `then`.
fn upgraded(stage: &Stage, then: Then) -> Client {
    stage.origin.expect(Script::new(SWITCH, then));
    let mut client = stage.connect();
    client.say(websocket());
    let answer = client.hear(Kind::Answer { to_head: false });
    assert_eq!(answer.status(), 101, "{}", answer.text());
    client
}

fn an_allowed_protocol(stage: &Stage) {
    for (asked, sent) in [
        ("Upgrade: websocket\r\nConnection: Upgrade\r\n", "Upgrade: websocket\r\nConnection: upgrade\r\n"),
        (
            "Upgrade: other, WebSocket\r\nConnection: close, upgrade\r\n",
            "Upgrade: websocket\r\nConnection: upgrade\r\n",
        ),
        (
            "Upgrade: other\r\nUpgrade: chat\r\nConnection: x\r\nConnection: upgrade\r\nX: 1\r\n",
            "Upgrade: chat\r\nConnection: upgrade\r\n",
        ),
        (
            "TE: trailers\r\nUpgrade: chat\r\nConnection: te, upgrade\r\n",
            "TE: trailers\r\nUpgrade: chat\r\nConnection: te, upgrade\r\n",
        ),
    ] {
        stage.connect().ask(handshake(asked));
        assert_eq!(stage.requests(), [format!("GET /ws HTTP/1.1\r\n{sent}\r\n")]);
    }
}

fn a_route_that_allows_none(stage: &Stage) {
    let answer = stage.connect().ask(websocket().replace("/ws", "/"));
    assert_eq!(answer.status(), 200);
    assert_eq!(stage.requests(), ["GET / HTTP/1.1\r\nSec-WebSocket-Key: k\r\n\r\n"]);
}

fn what_cannot_be_upgraded(stage: &Stage) {
    let cases = [
        (handshake("Upgrade: websocket\r\n"), "no Connection names it"),
        (handshake("Upgrade: other\r\nConnection: upgrade\r\n"), "a protocol that is not allowed"),
        (handshake("Connection: upgrade\r\n"), "no protocol"),
        (websocket().replace("HTTP/1.1", "HTTP/1.0"), "HTTP/1.0 knows none"),
        (
            handshake("Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 2\r\n") + "ab",
            "a body comes first",
        ),
    ];
    for (request, why) in cases {
        assert_eq!(stage.connect().ask(request).status(), 200, "{why}");
        let requests = stage.requests();
        assert!(!requests[0].contains("pgrade"), "{why}: {requests:?}");
    }
}

fn bytes_behind_the_request(stage: &Stage) {
    stage.origin.expect(Script::new("", Then::Keep));
    let mut client = stage.connect();
    client.say(websocket() + "early");
    assert!(stage.origin.has_received(1));
    for _ in 0..3 {
        assert_eq!(stage.connect().ask(GET).status(), 200); // by now the one worker has read all of it
    }
    client.reset();
    let received = stage.received();
    assert!(received.torn.is_empty(), "{received:?}");
    stage.origin.expect(Script::new(SWITCH, Then::Echo));
    let mut client = stage.connect();
    client.say(websocket() + "early");
    assert_eq!(client.hear(Kind::Answer { to_head: false }).status(), 101);
    assert_eq!(client.hear_bytes(5), b"early");
}

fn another_protocol(stage: &Stage) {
    for answer in [SWITCH.replace("WebSocket", "other"), SWITCH.replace("Upgrade: WebSocket\r\n", "")] {
        stage.origin.expect(Script::new(answer, Then::Keep));
        let mut client = stage.connect();
        assert_eq!(client.ask(websocket()).status(), 502);
        assert_eq!(client.ask(GET).status(), 200, "it goes on");
        assert!(stage.origin.comes_down_to(1), "a connection that has switched was left open");
    }
    drop(stage.received());
}

fn an_ordinary_answer(stage: &Stage) {
    let mut client = stage.connect();
    assert_eq!(client.ask(websocket() + GET).status(), 200);
    assert_eq!(
        client.hear(Kind::Answer { to_head: false }).status(),
        200,
        "what was held is the next request"
    );
    assert_eq!(stage.requests().len(), 2);
    stage.origin.expect(Script::new(OK.replace("200 OK", "426 No"), Then::Keep));
    assert_eq!(stage.connect().ask(websocket()).status(), 426);
    drop(stage.received());
}

fn a_tunnel_is_not_used_again(stage: &Stage) {
    let mut client = upgraded(stage, Then::Echo);
    client.say("hello");
    assert_eq!(client.hear_bytes(5), b"hello");
    assert_eq!(stage.connect().ask(GET).status(), 200, "on another connection");
    client.end_sending();
    assert_eq!(client.hear_bytes(BYE.len()), BYE.as_bytes());
    client.expect_end();
    let line = stage.gateway.log.line_with("\"status\":101");
    assert!(line.contains("\"source\":\"upstream\"") && !line.contains("cause"), "{line}");
    drop(stage.received()); // it checks that no more than one connection is open
}

fn h2c_is_never_asked_for(stage: &Stage) {
    let fields = "Upgrade: h2c, websocket\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMA\r\n";
    stage.connect().ask(handshake(fields));
    stage.connect().ask(handshake(&fields.replace(", websocket", "")));
    let sent =
        ["GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", "GET /ws HTTP/1.1\r\n\r\n"];
    assert_eq!(stage.requests(), sent);
}

fn both_ways(stage: &Stage) {
    stage.origin.expect(Script::new(format!("{SWITCH}first"), Then::Echo));
    let mut client = stage.connect();
    client.say(websocket());
    let answer = client.hear(Kind::Answer { to_head: false });
    assert_eq!(crate::stage::without_id(&answer), SWITCHED);
    assert_eq!(client.hear_bytes(5), b"first", "what came with the 101");
    let bytes: Vec<u8> = (0..300_000u32).map(|number| (number * 7) as u8).collect();
    for part in bytes.chunks(50_000) {
        client.say(part);
        assert_eq!(client.hear_bytes(part.len()), part);
    }
    drop(client);
    assert_eq!(
        stage.requests()[0],
        "GET /ws HTTP/1.1\r\nSec-WebSocket-Key: k\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
    );
}

fn an_idle_tunnel_ends(stage: &Stage) {
    let stage =
        Stage::with(stage.driver, "timeouts = { tunnel = \"300ms\", stall = \"50ms\", response = \"50ms\" }");
    let mut client = upgraded(&stage, Then::Echo);
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_millis(600) {
        client.say("x");
        assert_eq!(client.hear_bytes(1), b"x", "a busy tunnel goes on");
        std::thread::sleep(Duration::from_millis(20)); // what passes, passes now and then
    }
    client.expect_end();
    assert!(stage.origin.comes_down_to(0));
}

/// More than all socket buffers on the way together.
const FLOOD: usize = 64 << 20;

fn back_pressure(stage: &Stage) {
    let mut client = upgraded(stage, Then::Echo); // it stops reading when nobody reads what it gives back
    let flood = vec![7; FLOOD];
    let said = client.say_until_full(&flood, Duration::from_millis(500));
    assert!(said < FLOOD, "somebody has kept {said} bytes");
    assert!(client.hear_bytes(said) == flood[..said], "and all of it comes back");
}

fn the_client_ends_first(stage: &Stage) {
    let mut client = upgraded(stage, Then::Echo);
    client.say("last");
    client.end_sending();
    assert_eq!(client.hear_bytes(4 + BYE.len()), [b"last", BYE.as_bytes()].concat());
    client.expect_end();
    drop(stage.received());
}

fn the_server_ends_first(stage: &Stage) {
    let mut client = upgraded(stage, Then::Close);
    client.expect_end();
    let rest = vec![7; 8 << 20]; // more than is on the way at once
    client.say(&rest);
    client.end_sending();
    assert!(stage.origin.comes_down_to(0));
    let torn = stage.origin.take().torn;
    assert!(torn == [rest], "all of it: {:?}", torn.iter().map(Vec::len).collect::<Vec<_>>());
}

fn a_client_that_resets(stage: &Stage) {
    let client = upgraded(stage, Then::Echo);
    client.reset();
    assert!(stage.origin.comes_down_to(0));
    stage.gateway.log.line_with("\"cause\":\"CG\",\"status\":101");
}
