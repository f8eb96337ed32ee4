//! `ringload slo` against a server whose capacity is known: one connection, ten milliseconds for each request.

use std::process::{Command, Output};
use std::time::Duration;

use crate::server::{Reply, Server};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn slo(server: &Server, arguments: &[&str]) -> Output {
    let quick =
        "--duration 400ms --warmup 0s --pause 0s --confirm 1 --resolution 25% --lateness-limit 1s -c 1";
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringload"));
    command.arg("slo").args(quick.split(' ')).args(arguments).arg(server.url("/")).output().unwrap()
}

fn found(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_answer_is_just_below_what_the_server_can_do_and_every_run_is_shown() {
    let server = Server::start(|_| Reply::Late(Duration::from_millis(10), HELLO.into()));
    let output = slo(&server, &["--p50", "30ms", "--first", "50", "--json"]);
    let found = found(&output);
    assert_eq!(output.status.code(), Some(0), "{found:#}");
    let rate = found["answer"]["rate"].as_u64().unwrap();
    assert!((25..=110).contains(&rate), "{found:#}");
    assert!(found["answer"]["ceiling"]["rate"].as_u64().unwrap() > rate, "{found:#}");
    assert_eq!(found["answer"]["conclusion"], "found");
    let runs = found["runs"].as_array().unwrap();
    assert_eq!(runs.last().unwrap()["phase"], "confirm");
    assert!(runs.iter().all(|run| run["requests"]["planned"].as_u64() > Some(0)), "{found:#}");
}

#[test]
fn an_objective_that_no_rate_keeps_has_an_exit_code_of_its_own() {
    let server = Server::start(|_| Reply::Late(Duration::from_millis(10), HELLO.into()));
    let output = slo(&server, &["--p50", "1ms", "--first", "100", "--lowest", "80"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(30), "{said}");
    assert!(said.contains("even 80 requests/s miss it"), "{said}");
    assert_eq!(said.matches("bracket").count(), 4, "{said}"); // each rate twice
}

#[test]
fn failed_requests_miss_the_objective_however_quick_they_are() {
    let server = Server::always("HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n");
    let output = slo(&server, &["--p50", "1s", "--first", "100", "--lowest", "100"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(30), "{said}");
    assert!(said.contains("errors 100 % > 0.100 %"), "{said}");
}
