//! What a server tells of its own times.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Client, mock};
use ringmock::{Kind, Mock, Options};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

/// As the server numbers instants; what the conversion may be wrong by is taken off on both sides.
fn monotonic_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
const SLACK_NS: u64 = 20_000;

fn truthful(truth: usize) -> Mock {
    Mock::start(Options { truth, ..Options::default() }).unwrap()
}

/// The exchanges, and how many were overwritten.
fn truth(server: &Mock) -> (Vec<Value>, String) {
    let answer = common::get(server, "/__truth");
    assert_eq!(answer.status, 200);
    let exchanges = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (exchanges, answer.header("x-mock-overwritten").unwrap().to_owned())
}

fn ask(client: &mut Client, target: &str, id: &str) {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\nX-Request-Id: {id}\r\n\r\n"));
}

#[test]
fn each_exchange_is_told_by_its_request_id() {
    let server = truthful(100);
    let mut client = Client::connect(server.address());
    let before = monotonic_ns() - SLACK_NS;
    ask(&mut client, "/?bytes=1000&status=201&latency=fixed(20ms)", "first");
    assert_eq!(client.answer().status, 201);
    let after = monotonic_ns() + SLACK_NS;
    ask(&mut client, "/?bytes=100000&truncate=70000", "second");
    client.head();
    client.rest();

    let (exchanges, overwritten) = truth(&server);
    let [first, second] = &exchanges[..] else { panic!("{exchanges:?}") };
    assert_eq!(overwritten, "0");
    assert_eq!((&first["request_id"], &first["status"]), (&"first".into(), &201.into()));
    assert_eq!((&first["connection"], &first["body_bytes"]), (&1.into(), &1000.into()));
    let (arrived, departed) = (first["arrived_ns"].as_u64().unwrap(), first["departed_ns"].as_u64().unwrap());
    assert!(
        before <= arrived && arrived + 20_000_000 <= departed && departed <= after,
        "{before} {first} {after}"
    );
    assert_eq!((&second["request_id"], &second["body_bytes"]), (&"second".into(), &70_000.into()));
    assert!(second["arrived_ns"].as_u64() >= Some(departed));
}

#[test]
fn faults_are_part_of_the_truth() {
    let server = truthful(100);
    for (fault, status) in
        [("reset_before", Value::Null), ("reset_body", 200.into()), ("half_close", Value::Null)]
    {
        let mut client = Client::connect(server.address());
        ask(&mut client, &format!("/?fault={fault}"), fault);
        client.rest();
        let last = truth(&server).0.pop().unwrap();
        assert_eq!(
            (&last["request_id"], &last["status"], &last["body_bytes"]),
            (&fault.into(), &status, &0.into())
        );
    }
}

#[test]
fn the_last_exchanges_are_kept_until_they_are_forgotten() {
    let server = truthful(700); // more than are written at a time
    let mut client = Client::connect(server.address());
    for number in 0..1000 {
        ask(&mut client, "/", &number.to_string());
        client.answer();
    }
    let (exchanges, overwritten) = truth(&server);
    let ids: Vec<&str> = exchanges.iter().filter_map(|exchange| exchange["request_id"].as_str()).collect();
    let expect: Vec<String> = (300..1000).map(|number| number.to_string()).collect();
    assert_eq!((ids, overwritten.as_str()), (expect.iter().map(String::as_str).collect(), "300"));

    client.send("DELETE /__truth HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    assert_eq!(truth(&server), (Vec::new(), "0".to_owned()));
}

#[test]
fn workers_have_one_truth() {
    let workers = Mock::start_workers(&Options { truth: 100, ..Options::default() }, 2).unwrap();
    for _ in 0..32 {
        common::get(&workers[0], "/");
    }
    assert_eq!(truth(&workers[1]).0.len(), 32);
}

#[test]
fn an_answer_tells_its_instants_to_those_who_ask() {
    let server = mock(Kind::Any, "any-1");
    let all = Mock::start(Options { instants: true, body_bytes: Some(128), ..Options::default() }).unwrap();
    for (server, target, fields) in [
        (&server, "/?latency=fifo(5ms)", "x-mock-instants: 1\r\n"),
        (&server, "/?latency=fifo(5ms)&instants=1&bytes=100000", ""),
        (&server, "/?latency=fifo(5ms)&echo=1", "x-mock: instants=1\r\n"),
        (&all, "/?latency=fifo(5ms)", ""),
    ] {
        let mut client = Client::connect(server.address());
        let before = monotonic_ns() - SLACK_NS;
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        let answer = client.answer();
        let after = monotonic_ns() + SLACK_NS;
        let (arrived, departed) = answer.header("x-mock-instants").unwrap().split_once(',').unwrap();
        let (arrived, departed): (u64, u64) = (arrived.parse().unwrap(), departed.parse().unwrap());
        assert!(
            before <= arrived && arrived + 5_000_000 <= departed && departed <= after,
            "{target} {fields}"
        );
    }
    assert_eq!(common::get(&server, "/").header("x-mock-instants"), None);
}
