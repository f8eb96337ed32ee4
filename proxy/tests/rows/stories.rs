//! The rows that take more than one message to tell.

use std::net::SocketAddr;
use std::time::Duration;

use ringgate::config;
use ringgate::gateway::Gateway;
use ringgate_io::Rung;

use crate::message::Kind;
use crate::origin::{OK, Script, Then};
use crate::requests::REPEATED;
use crate::stage::{Stage, time};
use crate::support::{self, TestGateway};

/// One story: the row it tells of, its name, and how it goes.
pub type Story = (u8, &'static str, fn(&Stage));

/// All of them.
pub const ALL: &[Story] = &[
    (14, "an end before the last chunk", an_end_before_the_last_chunk),
    (19, "an end before the whole body", an_end_before_the_whole_body),
    (46, "too large by its length, before it is read", too_large_by_its_length),
    (46, "too large by its chunks, when it is crossed", too_large_by_its_chunks),
    (47, "a slow head is told, an idle connection is not", slow_heads),
    (48, "a body that stalls", a_body_that_stalls),
    (48, "a body that dribbles", a_body_that_dribbles),
    (48, "an answer that is read too slowly", an_answer_that_is_read_too_slowly),
    (49, "a pool that is full", a_pool_that_is_full),
    (49, "a server that does not answer in time", a_late_answer),
    (50, "a server that is away", a_server_that_is_away),
    (51, "one byte per segment", one_byte_per_segment),
    (52, "any prefix, then silence", any_prefix_then_silence),
    (39, "path parameters where they are tolerated", path_parameters_tolerated),
    (40, "encoded controls where they are tolerated", encoded_controls_tolerated),
    (40, "raw UTF-8 where it is tolerated", raw_utf8_tolerated),
    (57, "two gateways that point at each other", a_loop),
    (57, "two gateways in a row", a_chain),
    (67, "a client waits for 100", a_client_waits_for_100),
    (67, "an expectation that is refused", an_expectation_that_is_refused),
    (68, "no 100 behind a final status", no_late_100),
    (74, "what a trusted proxy says", a_trusted_proxy),
    (74, "what a trusted proxy passes on of nonsense", nonsense_by_a_trusted_proxy),
    (75, "fifty requests at once", fifty_requests_at_once),
    (77, "an early answer, the rest of the body later", an_early_answer),
    (77, "an early answer, the rest of the body never", an_early_answer_and_no_body),
    (79, "half a connection is enough", half_a_connection_is_enough),
    (80, "a client resets while its answer is awaited", a_client_resets),
    (81, "a server speaks while it is idle", a_server_speaks_while_idle),
    (81, "a body announced where there can be none", an_announced_body),
    (82, "a kept connection closes, GET", a_kept_connection_closes),
    (83, "a kept connection closes, POST", a_kept_connection_closes_on_post),
    (83, "a head went down", a_head_went_down),
    (REPEATED, "a chunk of more than 4 GiB", a_chunk_of_more_than_4_gib),
    (REPEATED, "64 KiB of each delimiter", floods_of_delimiters),
];

const ANSWER: Kind = Kind::Answer { to_head: false };
const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// A gateway whose patience is short, on the same driver.
fn impatient(stage: &Stage) -> Stage {
    Stage::with(
        stage.driver,
        "timeouts = { head = \"200ms\", idle = \"400ms\", response = \"200ms\", stall = \"200ms\" }",
    )
}

fn end_early(stage: &Stage, request: &str) {
    let client = {
        let mut client = stage.connect();
        client.say(request);
        client
    };
    client.end_sending();
    drop(client.hear_all());
    let received = stage.received();
    assert!(received.messages.is_empty(), "whole at the origin: {:?}", received.messages);
}

fn an_end_before_the_last_chunk(stage: &Stage) {
    for body in ["", "3", "3\r\nab", "3\r\nabc\r\n", "3\r\nabc\r\n0\r\n", "3\r\nabc\r\n0\r\nX: y\r\n"] {
        end_early(stage, &format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
    }
}

fn an_end_before_the_whole_body(stage: &Stage) {
    for body in ["", "hal"] {
        end_early(stage, &format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n{body}"));
    }
}

fn too_large_by_its_length(stage: &Stage) {
    let stage = Stage::with(stage.driver, "limits = { body = 3 }");
    let mut client = stage.connect();
    assert_eq!(client.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc").status(), 200);
    for expect in ["", "Expect: 100-continue\r\n"] {
        let mut client = stage.connect();
        let request = format!("POST / HTTP/1.1\r\nHost: h\r\n{expect}Content-Length: 4\r\n\r\n");
        assert_eq!(client.ask(request).status(), 413, "and not 100");
        client.expect_end();
    }
    assert_eq!(stage.requests().len(), 1);
}

fn too_large_by_its_chunks(stage: &Stage) {
    let stage = Stage::with(stage.driver, "limits = { body = 3 }");
    let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = stage.connect();
    assert_eq!(client.ask(format!("{head}2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")).status(), 200);
    for body in ["4\r\nabcd\r\n", "2\r\nab\r\n2\r\ncd\r\n"] {
        let mut client = stage.connect();
        client.say(format!("{head}{body}"));
        assert_eq!(client.hear_answer(ANSWER).status(), 413);
        client.expect_end();
        let mut client = stage.connect(); // the same, when some of it has gone up
        client.say(format!("{head}1\r\nx\r\n"));
        assert!(client.is_silent());
        client.say(body);
        assert_eq!(client.hear_answer(ANSWER).status(), 413);
        client.expect_end();
    }
    assert_eq!(stage.requests().len(), 1, "the others were broken off");
}

/// Fast enough not to stall, too slow for the rate.
fn a_body_that_dribbles(stage: &Stage) {
    let stage = Stage::with(
        stage.driver,
        "limits = { rate = \"1KB\" }\ntimeouts = { stall = \"300ms\", response = \"10s\" }",
    );
    let mut client = stage.connect();
    client.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
    let mut said = 0;
    while client.is_silent() && said < 1000 {
        client.say("x");
        said += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(client.hear_answer(ANSWER).status(), 408, "behind {said} bytes");
    let received = stage.received();
    assert!(received.messages.is_empty() && received.torn.len() == 1, "{received:?}");
}

/// More than the socket buffers on the way hold.
const LARGE: usize = 32 << 20;

fn an_answer_that_is_read_too_slowly(stage: &Stage) {
    let settings = "limits = { rate = \"100KB\" }\ntimeouts = { stall = \"300ms\" }";
    let stage = Stage::with(stage.driver, settings);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n");
    stage.origin.expect(Script::new([head.as_bytes(), &vec![7; LARGE]].concat(), Then::Keep));
    let mut client = stage.connect();
    client.say("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
    drop(client.hear_bytes(100));
    let line = stage.gateway.log.line_with("\"path\":\"/slow\"");
    assert!(line.contains("\"cause\":\"CS\""), "{line}");
    assert!(client.hear_all().len() < LARGE);
}

fn a_pool_that_is_full(stage: &Stage) {
    let stage = Stage::with(stage.driver, "");
    stage.origin.expect(Script::new("", Then::Keep));
    let mut busy = stage.connect();
    busy.say("GET /narrow-pool HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(stage.origin.has_received(1));
    let answer = stage.connect().ask("GET /narrow-pool HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(answer.status(), 503);
    assert!(answer.field("retry-after").is_some());
    stage.gateway.log.line_with("\"cause\":\"PF\"");
    busy.reset();
    assert!(stage.origin.comes_down_to(0));
    assert_eq!(stage.connect().ask("GET /narrow-pool HTTP/1.1\r\nHost: h\r\n\r\n").status(), 200);
}

fn slow_heads(stage: &Stage) {
    let stage = impatient(stage);
    let (mut slow, mut idle) = (stage.connect(), stage.connect());
    assert_eq!(slow.ask("GET / HTTP/1.1\r\nHo").status(), 408);
    slow.expect_end();
    idle.expect_end();
}

fn a_body_that_stalls(stage: &Stage) {
    let stage = impatient(stage);
    let mut client = stage.connect();
    let answer = client.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
    assert_eq!(answer.status(), 408);
    client.expect_end();
    let received = stage.received();
    assert!(received.messages.is_empty() && received.torn.len() == 1, "{received:?}");
}

fn a_late_answer(stage: &Stage) {
    let stage = impatient(stage);
    stage.origin.expect(Script::new("", Then::Keep));
    let mut client = stage.connect();
    assert_eq!(client.ask(GET).status(), 504);
    assert_eq!(client.ask(GET).status(), 200, "the connection serves on");
}

fn a_server_that_is_away(stage: &Stage) {
    let answer = stage.connect().ask("GET /guarded HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(answer.status(), 503);
    let seconds = answer.field("retry-after").expect("when to come back");
    assert!(seconds.parse::<u32>().is_ok(), "{seconds}");
}

fn one_byte_per_segment(stage: &Stage) {
    let mut client = stage.connect();
    for byte in
        b"POST /slow HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n"
    {
        client.say([*byte]);
    }
    assert_eq!(client.hear_answer(ANSWER).status(), 200);
    let expected = "POST /slow HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n";
    assert_eq!(stage.requests(), [expected]);
}

fn any_prefix_then_silence(stage: &Stage) {
    let stage = Stage::start(stage.driver); // one with as many connections to the origin is of no use to others
    let request =
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n";
    let mut clients: Vec<_> = (1..request.len()).map(|cut| (cut, stage.connect())).collect();
    for (cut, client) in &mut clients {
        client.say(&request[..*cut]);
    }
    for _ in 0..3 {
        assert_eq!(stage.connect().ask(GET).status(), 200); // by now the one worker has read all of them
    }
    for (cut, client) in &mut clients {
        assert!(client.is_silent(), "an answer to {cut} bytes");
        client.say(&request[*cut..]);
        assert_eq!(client.hear_answer(ANSWER).status(), 200, "cut at {cut}");
    }
}

fn a_client_waits_for_100(stage: &Stage) {
    let mut client = stage.connect();
    let go_on = client.ask("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(go_on.status(), 100);
    assert_eq!(client.ask("abc").status(), 200);
    assert_eq!(stage.requests(), ["POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"]);
}

fn an_expectation_that_is_refused(stage: &Stage) {
    let mut client = stage.connect();
    let refusal =
        client.ask("POST /guarded HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(refusal.status(), 503, "and not 100");
    client.expect_end();
}

fn no_late_100(stage: &Stage) {
    stage.origin.expect(Script::new(OK, Then::Keep).at_head());
    let mut client = stage.connect();
    client.say("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(client.hear_answer(ANSWER).status(), 200);
    client.say("abc");
    client.end_sending();
    client.expect_end();
    drop(stage.received());
}

fn fifty_requests_at_once(stage: &Stage) {
    let requests: Vec<String> = (0..50).map(|number| format!("GET /{number} HTTP/1.1\r\n\r\n")).collect();
    for request in &requests {
        let body = request.split(' ').nth(1).unwrap();
        stage.origin.expect(Script::new(
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
            Then::Keep,
        ));
    }
    let mut client = stage.connect();
    client.say(requests.concat().replace("\r\n\r\n", "\r\nHost: h\r\n\r\n"));
    for number in 0..50 {
        assert_eq!(client.hear(ANSWER).body, format!("/{number}").into_bytes());
    }
    assert_eq!(stage.requests(), requests);
}

/// A body that looks like a request must stay a body.
fn an_early_answer(stage: &Stage) {
    stage.origin.expect(Script::new("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", Then::Keep).at_head());
    let mut client = stage.connect();
    let body = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    let answer = client.ask(format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len()));
    assert_eq!(answer.status(), 403);
    client.say(body);
    client.say(GET);
    client.end_sending();
    let heard = String::from_utf8(client.hear_all()).unwrap();
    assert!(heard.matches("HTTP/1.1 ").count() <= 1, "{heard}");
    let requests = stage.requests();
    assert!(requests.iter().all(|request| !request.starts_with("GET /smuggled")), "{requests:?}");
}

fn an_early_answer_and_no_body(stage: &Stage) {
    stage.origin.expect(Script::new("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", Then::Keep).at_head());
    let mut client = stage.connect();
    assert_eq!(client.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\n\r\nsome").status(), 403);
    client.expect_end();
    let received = stage.received();
    assert!(received.messages.is_empty(), "{received:?}");
}

fn half_a_connection_is_enough(stage: &Stage) {
    for request in
        [GET, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"]
    {
        let mut client = stage.connect();
        client.say(request);
        client.end_sending();
        assert_eq!(client.hear(ANSWER).status(), 200);
        client.expect_end();
    }
    assert_eq!(stage.requests().len(), 2);
}

fn a_client_resets(stage: &Stage) {
    let stage = Stage::with(stage.driver, "timeouts = { response = \"1s\" }"); // if nobody looks, that ends it: 504
    stage.origin.expect(Script::new("", Then::Keep));
    let mut client = stage.connect();
    client.say("GET /left HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(stage.origin.has_received(1));
    client.reset();
    let line = stage.gateway.log.line_with("\"path\":\"/left\"");
    assert!(line.contains("\"status\":499"), "{line}");
    assert_eq!(stage.requests().len(), 1);
}

fn a_server_speaks_while_idle(stage: &Stage) {
    let mut client = stage.connect();
    for _ in 0..5 {
        stage.origin.expect(Script::new(
            format!("{OK}HTTP/1.1 200 Evil\r\nContent-Length: 4\r\n\r\nevil"),
            Then::Keep,
        ));
        assert_eq!(client.ask(GET).body, b"ok");
        assert_eq!(client.ask(GET).body, b"ok");
    }
    drop(stage.received());
}

/// What the origin gets of `sent` where `settings` hold, each case with what is refused in spite of them.
fn tolerated(stage: &Stage, name: &str, cases: &[(&str, &str)], still_refused: &[&str]) {
    let stage = Stage::with(stage.driver, &format!("tolerate = [\"{name}\"]"));
    for (target, forwarded) in cases {
        let request = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(stage.connect().ask(request).status(), 200, "{target}");
        assert_eq!(stage.requests(), [format!("GET {forwarded} HTTP/1.1\r\n\r\n")]);
    }
    for target in still_refused {
        let request = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(stage.connect().ask(request).status(), 400, "{target}");
    }
    let guarded = stage.connect().ask("GET /x/%2e%2e/guarded HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(guarded.status(), 503, "it is routed by the normal form still");
}

fn path_parameters_tolerated(stage: &Stage) {
    let cases = [("/a;x=1", "/a;x=1"), ("/%61;x=%31/./b", "/a;x=1/b")];
    tolerated(stage, "path-parameters", &cases, &["/a/..;/b", "/a/..;x=1/b", "/.;/", "/a%01", "/\u{e9}"]);
}

fn encoded_controls_tolerated(stage: &Stage) {
    let cases = [("/a%01%1f%7f", "/a%01%1F%7F"), ("/a%0d%0a", "/a%0D%0A")];
    tolerated(stage, "encoded-controls", &cases, &["/a%00", "/a/..%0a/b", "/a\x01", "/a;x=1", "/\u{e9}"]);
}

fn raw_utf8_tolerated(stage: &Stage) {
    let cases = [("/\u{e9}", "/%C3%A9"), ("/a?\u{e9}=%c3", "/a?%C3%A9=%c3"), ("/\u{e9}/../b", "/b")];
    tolerated(stage, "raw-utf8", &cases, &["http://\u{e9}/", "/a%01", "/a;x=1"]);
    let stage = Stage::with(stage.driver, "tolerate = [\"raw-utf8\"]");
    let half = b"GET /\xc3 HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(stage.connect().ask(half).status(), 400, "half a character");
}

/// A gateway of that id in front of `server`.
fn node(driver: Rung, id: &str, server: SocketAddr) -> TestGateway {
    let text = format!("node_id = \"{id}\"\n[[routes]]\nprefix = \"/\"\nservers = [\"{server}\"]");
    support::gateway(driver, &text)
}

fn a_loop(stage: &Stage) {
    let port = support::nobody(); // the second gateway's, which the first one has to know before it is there
    let first = node(stage.driver, "first", port);
    let text = format!(
        "listen = \"{port}\"\nnode_id = \"second\"\n[[routes]]\nprefix = \"/\"\nservers = [\"{}\"]",
        first.gateway.address()
    );
    let second = config::parse(&text, "second.toml").unwrap();
    let _second = Gateway::start(second, Box::new(std::io::sink())).unwrap();
    let answer = first.get("/");
    assert_eq!(answer.status, 508);
    assert!(answer.text().contains("\"code\":\"loop_detected\""), "{}", answer.text());
    assert!(first.log.line_with("\"cause\":\"LD\"").contains("\"status\":508"));
    assert_eq!(first.get("/").status, 508, "and it serves on");
}

fn a_chain(stage: &Stage) {
    let inner = node(stage.driver, "inner", stage.origin.address());
    let outer = node(stage.driver, "outer", inner.gateway.address());
    assert_eq!(outer.get("/").status, 200);
    let via: Vec<String> = stage.origin.take().messages[0].head.lines().map(String::from).collect();
    let via: Vec<&str> = via.iter().filter_map(|line| line.strip_prefix("Via: ")).collect();
    assert_eq!(via, ["1.1 outer", "1.1 inner"]);
    drop((outer, inner));
}

/// What the origin gets of such fields from a proxy at 127.0.0.1, and the client's address in the log.
fn from_a_trusted_proxy(stage: &Stage, networks: &str, path: &str, fields: &str) -> (String, String) {
    let stage = Stage::with(stage.driver, &format!("trusted_proxies = [{networks}]"));
    let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    assert_eq!(stage.connect().ask(request).status(), 200);
    let head = stage.origin.take().messages[0].head.clone();
    let line = stage.gateway.log.line_with(&format!("\"path\":\"{path}\""));
    let (_, client) = line.split_once("\"client\":\"").unwrap();
    (head, client.split('"').next().unwrap().to_owned())
}

fn a_trusted_proxy(stage: &Stage) {
    let fields = "X-Forwarded-For: 6.6.6.6, 1.1.1.1, 10.0.0.2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: e\r\n\
                  X-Forwarded-Port: 443\r\nForwarded: for=1.1.1.1\r\nX-Real-IP: 6.6.6.6\r\n";
    let (head, client) = from_a_trusted_proxy(stage, "\"127.0.0.1\", \"10.0.0.0/8\"", "/trusted", fields);
    assert_eq!(client, "1.1.1.1");
    for line in [
        "X-Forwarded-For: 6.6.6.6, 1.1.1.1, 10.0.0.2, 127.0.0.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: e",
        "X-Forwarded-Port: 443",
        "Forwarded: for=1.1.1.1, for=127.0.0.1;host=\"h\";proto=http",
    ] {
        let name = line.split(": ").next().unwrap();
        let lines: Vec<&str> = head.lines().filter(|line| line.starts_with(&format!("{name}:"))).collect();
        assert_eq!(lines, [line]);
    }
    assert!(!head.contains("X-Real-IP"), "{head}");
    let (head, client) = from_a_trusted_proxy(stage, "\"10.0.0.0/8\", \"::1\"", "/untrusted", fields);
    assert_eq!(client, "127.0.0.1");
    assert!(head.contains("X-Forwarded-For: 127.0.0.1\r\n") && !head.contains("X-Forwarded-Port"), "{head}");
}

fn nonsense_by_a_trusted_proxy(stage: &Stage) {
    let stage = Stage::with(stage.driver, "trusted_proxies = [\"127.0.0.0/8\"]");
    for (index, (said, expected)) in [
        ("unknown", "127.0.0.1"),
        ("6.6.6.6, \u{e9}", "127.0.0.1"),
        ("6.6.6.6, 1.1.1, 127.0.0.9", "127.0.0.9"),
        (",,,", "127.0.0.1"),
        ("1.1.1.1\"", "127.0.0.1"),
    ]
    .into_iter()
    .enumerate()
    {
        let request = format!("GET /{index} HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {said}\r\n\r\n");
        assert_eq!(stage.connect().ask(request).status(), 200);
        let line = stage.gateway.log.line_with(&format!("\"path\":\"/{index}\""));
        assert!(line.contains(&format!("\"client\":\"{expected}\"")), "{said}: {line}");
    }
    assert!(stage.connect().ask("GET /a\x01 HTTP/1.1\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n").status() == 400);
    let line = stage.gateway.log.line_with("\"status\":400");
    assert!(line.contains("\"client\":\"127.0.0.1\""), "nothing is left of the request before: {line}");
}

/// A server that announces a body where there can be none, and would send it as the answer to whoever comes next.
fn an_announced_body(stage: &Stage) {
    for (request, answer) in [
        (GET, "HTTP/1.1 204 No Content\r\nContent-Length: 50\r\n\r\n"),
        (GET, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (GET, "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ] {
        let stage = Stage::start(stage.driver);
        let mut client = stage.connect();
        stage.origin.expect(Script::new(answer, Then::Keep));
        client.say(request);
        client.hear(Kind::Answer { to_head: true });
        assert!(stage.origin.comes_down_to(0), "it may still come: {answer}");
        assert_eq!(client.ask(GET).body, b"ok", "the client's own connection is as good as before");
    }
}

/// The next request finds a kept connection, on which the origin then closes without a word.
fn on_a_kept_connection_that_closes(stage: &Stage, request: &str) -> (u16, usize) {
    let mut client = stage.connect();
    assert_eq!(client.ask(GET).status(), 200);
    stage.origin.expect(Script::new("", Then::Close));
    let status = client.ask(request).status();
    (status, stage.requests().len() - 1)
}

fn a_kept_connection_closes(stage: &Stage) {
    assert_eq!(on_a_kept_connection_that_closes(stage, GET), (200, 2), "one retry");
    let put = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(on_a_kept_connection_that_closes(stage, put), (200, 2), "one retry");
}

fn a_kept_connection_closes_on_post(stage: &Stage) {
    for method in ["POST", "PATCH", "BREW"] {
        let request = format!("{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
        assert_eq!(on_a_kept_connection_that_closes(stage, &request), (502, 1), "no retry of {method}");
    }
}

fn a_head_went_down(stage: &Stage) {
    assert_eq!(stage.connect().ask(GET).status(), 200); // the next one finds a kept connection
    stage.origin.expect(Script::new("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", Then::Close));
    let mut client = stage.connect();
    client.say(GET);
    let heard = String::from_utf8(client.hear_all()).unwrap();
    assert!(!heard.ends_with("ok"), "{heard}");
    assert_eq!(stage.requests().len(), 2, "no retry");
}

fn a_chunk_of_more_than_4_gib(stage: &Stage) {
    // Read into 32 bits it would be a chunk of three bytes, and the rest a request.
    let chunk = "100000003\r\nabc\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    end_early(stage, &format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}"));
}

/// Work in proportion to the square of the length would be four thousand million steps: seconds, on any machine.
const QUICK: Duration = Duration::from_millis(250);

fn floods_of_delimiters(stage: &Stage) {
    let flood = |text: &str| text.repeat(64 * 1024 / text.len());
    for text in [
        "\r\n", "\r", "\n", ":", ",", ";", "/", "../", "/../", "%2e", "?", "&", "=", " ", "\t", "\"", "\\",
        "X:\r\n",
    ] {
        let flood = flood(text);
        for request in [
            flood.clone(),
            format!("GET /{flood} HTTP/1.1\r\nHost: h\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: {flood}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: {flood}\r\n\r\n"),
            format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: {flood}\r\n\r\n"),
            format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1{flood}"),
            format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{flood}"),
        ] {
            let (status, took) = time(stage, format!("{request}\r\n\r\n").as_bytes());
            assert!(
                took < QUICK,
                "{status} to 64 KiB of {text:?} took {took:?}: {}",
                &request[..request.len().min(80)]
            );
        }
    }
    drop(stage.received());
}
