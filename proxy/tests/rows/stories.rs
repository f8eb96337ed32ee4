//! The rows that take more than one message to tell.

use std::time::Duration;

use crate::message::Kind;
use crate::origin::{OK, Script, Then};
use crate::requests::REPEATED;
use crate::stage::{Stage, time};

/// One story: the row it tells of, its name, and how it goes.
pub type Story = (u8, &'static str, fn(&Stage));

/// All of them.
pub const ALL: &[Story] = &[
    (14, "an end before the last chunk", an_end_before_the_last_chunk),
    (19, "an end before the whole body", an_end_before_the_whole_body),
    (47, "a slow head is told, an idle connection is not", slow_heads),
    (48, "a body that stalls", a_body_that_stalls),
    (49, "a server that does not answer in time", a_late_answer),
    (50, "a server that is away", a_server_that_is_away),
    (51, "one byte per segment", one_byte_per_segment),
    (52, "any prefix, then silence", any_prefix_then_silence),
    (67, "a client waits for 100", a_client_waits_for_100),
    (67, "an expectation that is refused", an_expectation_that_is_refused),
    (68, "no 100 behind a final status", no_late_100),
    (75, "fifty requests at once", fifty_requests_at_once),
    (77, "an early answer, the rest of the body later", an_early_answer),
    (77, "an early answer, the rest of the body never", an_early_answer_and_no_body),
    (79, "half a connection is enough", half_a_connection_is_enough),
    (80, "a client resets while its answer is awaited", a_client_resets),
    (81, "a server speaks while it is idle", a_server_speaks_while_idle),
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
