//! What a run can be told to do, seen from the server: schedules, drawn requests, connections, expectations.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringload::plan::{Expect, Profile, Spacing};
use ringload::{Load, Plan, Report, Schedule, Target};

use crate::server::{Reply, Request, Server};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mix.toml");
const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn closed(target: Target, requests: u64) -> Plan {
    let load = Load::Closed { requests: Some(requests) };
    Plan { duration: Duration::from_secs(60), connections: 4, ..Plan::new([target], load) }
}

/// `ringload run`, to its end.
fn command(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringload")).arg("run").args(arguments).output().unwrap()
}

#[track_caller]
fn run(plan: &Plan) -> Report {
    let report = ringload::run(plan).unwrap();
    assert!(report.census_holds, "{report}");
    report
}

/// A server that answers `hello` and remembers what `look` finds in each request.
fn looking(look: impl Fn(&Request) -> String + Send + Sync + 'static) -> (Server, Arc<Mutex<Vec<String>>>) {
    let found = Arc::new(Mutex::new(Vec::new()));
    let finds = found.clone();
    let server = Server::start(move |request| {
        finds.lock().unwrap().push(look(request));
        Reply::Bytes(HELLO.into())
    });
    (server, found)
}

fn field(request: &Request, name: &str) -> String {
    let of_name = |line: &String| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned());
    request.head.iter().find_map(of_name).unwrap_or_default()
}

#[test]
fn every_schedule_is_played_as_it_was_counted() {
    let server = Server::always(HELLO);
    let second = Duration::from_secs(1);
    let profiles = [
        Profile::ramp(50, 350, second),
        Profile::steps(&[(100, second / 2), (300, second / 2)]),
        Profile::sine(200, 100, second / 2),
    ];
    for profile in profiles.map(Result::unwrap) {
        let load = Load::Open { schedule: Schedule::new(profile, Spacing::Constant) };
        let target = Target::get(&server.url("/")).unwrap();
        let report = run(&Plan { load, duration: second, threads: 2, ..closed(target, 1) });
        assert_eq!(report.requests.planned, 200, "{report}");
    }
    let poisson = Schedule::new(Profile::constant(200).unwrap(), Spacing::Poisson);
    let planned = |threads| {
        let target = Target::get(&server.url("/")).unwrap();
        let load = Load::Open { schedule: poisson.clone() };
        run(&Plan { load, duration: second, threads, ..closed(target, 1) }).requests.planned
    };
    assert_eq!(planned(1), planned(3));
}

#[test]
fn numbers_in_the_url_differ_from_request_to_request_and_not_from_run_to_run() {
    let (server, lines) = looking(|request| request.head[0].clone());
    let target = Target::get(&server.url("/items/{0..99999}?page={1..3}")).unwrap();
    let mut runs = Vec::new();
    for threads in [1, 2] {
        run(&Plan { threads, ..closed(target.clone(), 100) });
        let mut lines = std::mem::take(&mut *lines.lock().unwrap());
        lines.sort();
        runs.push(lines);
    }
    assert_eq!(runs[0], runs[1]);
    assert!(BTreeSet::from_iter(&runs[0]).len() > 95, "{:?}", runs[0]);
    assert!(runs[0].iter().all(|line| line.starts_with("GET /items/") && !line.contains('{')));
}

#[test]
fn tokens_are_used_in_turn() {
    let (server, fields) = looking(|request| field(request, "authorization"));
    let tokens = vec!["one".to_owned(), "two".to_owned(), "three".to_owned()];
    let target = Target::get(&server.url("/")).unwrap().tokens(tokens).unwrap();
    run(&closed(target, 30));
    let fields = fields.lock().unwrap();
    for token in ["Bearer one", "Bearer two", "Bearer three"] {
        assert_eq!(fields.iter().filter(|field| *field == token).count(), 10, "{fields:?}");
    }
}

#[test]
fn a_connection_carries_as_many_requests_as_it_was_given() {
    let server = Server::always(HELLO);
    let target = Target::get(&server.url("/")).unwrap();
    let plan = Plan { requests_per_connection: NonZeroU64::new(5), ..closed(target, 100) };
    let report = run(&Plan { connections: 1, ..plan });
    assert_eq!((report.requests.ok, server.requests()), (100, 100), "{report}");
    // The last one finds out only after it is made that nothing is left to do.
    assert!((20..=21).contains(&report.connections.opened), "{report}");
}

#[test]
fn requests_that_close_say_so_and_have_a_connection_each() {
    let (server, fields) = looking(|request| field(request, "connection"));
    let target = Target::get(&server.url("/")).unwrap();
    let report = run(&Plan { close: true, ..closed(target, 40) });
    assert_eq!(report.requests.ok, 40, "{report}");
    assert!(report.connections.opened >= 40, "{report}");
    assert!(fields.lock().unwrap().iter().all(|field| field == "close"));
}

#[test]
fn bodies_that_are_not_the_expected_one_are_invalid() {
    let server = Server::start(|request| {
        let body = ["hello", "hallo", "hello!"][request.number as usize % 3];
        Reply::Bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into())
    });
    let target = Target::get(&server.url("/")).unwrap().expecting(Expect::default().body(b"hello"));
    let report = run(&Plan { connections: 1, ..closed(target, 30) });
    assert_eq!((report.requests.ok, report.requests.invalid_body), (10, 20), "{report}");
    let reasons: BTreeSet<&str> = report.failures.iter().map(|failure| &*failure.reason).collect();
    assert!(reasons.iter().any(|reason| reason.contains("6 bytes, where 5 were expected")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("XXH3")), "{reasons:?}");
    assert!(report.to_string().contains("failure     invalid_body"), "{report}");
}

#[test]
fn large_bodies_are_hashed_as_they_stream() {
    let body = vec![b'x'; 1 << 20];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let answer = [head.into_bytes(), body.clone()].concat();
    let server = Server::start(move |_| Reply::Bytes(answer.clone()));
    let target = Target::get(&server.url("/")).unwrap().expecting(Expect::default().body(&body));
    let report = run(&closed(target, 20));
    assert_eq!(report.requests.ok, 20, "{report}");
}

#[test]
fn failed_exchanges_are_shown_without_their_secrets() {
    let server = Server::start(|request| {
        let body = format!("you sent {}", field(request, "authorization"));
        let head = "HTTP/1.1 500 Oops\r\nSet-Cookie: id=hidden\r\nContent-Length";
        Reply::Bytes(format!("{head}: {}\r\n\r\n{body}", body.len()).into())
    });
    let target = Target::get(&server.url("/{7..7}")).unwrap().tokens(vec!["hidden".into()]).unwrap();
    let report = run(&closed(target.name("seven").unwrap(), 100));
    assert_eq!((report.requests.bad_status, report.failures.len()), (100, 16), "{report}");
    for failure in &report.failures {
        assert_eq!((&*failure.kind, &*failure.target), ("bad_status", "seven"));
        assert!(failure.request.starts_with("GET /7 HTTP/1.1\r\n"), "{failure:?}");
        assert!(failure.head.starts_with("HTTP/1.1 500 Oops\r\nSet-Cookie: ***"), "{failure:?}");
        assert_eq!(failure.body, "you sent Bearer ***");
        let first_byte_ns = failure.first_byte_ns.unwrap();
        assert!(failure.planned_ns <= failure.sent_ns && failure.sent_ns <= first_byte_ns);
        assert!(first_byte_ns <= failure.ended_ns);
    }
    assert!(!serde_json::to_string(&report).unwrap().contains("hidden"));
}

#[test]
fn every_way_to_fail_leaves_an_example() {
    for (reply, kind, seen) in [
        (Reply::Bytes(b"+PONG\r\n".to_vec()), "malformed", "+PONG"),
        (
            Reply::Last(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell".to_vec()),
            "closed_early",
            "HTTP/1.1 200",
        ),
        (Reply::Silence, "timeout", ""),
    ] {
        let server = Server::start(move |_| reply.clone());
        let target = Target::get(&server.url("/")).unwrap();
        let report = run(&Plan { timeout: Duration::from_millis(50), ..closed(target, 8) });
        assert_eq!(report.failures.len(), 8, "{report}");
        let failure = &report.failures[0];
        assert!(failure.kind == kind && failure.head.starts_with(seen), "{failure:?}");
        assert_eq!(failure.body, if kind == "closed_early" { "hell" } else { "" });
    }
}

#[test]
fn the_example_scenario_runs_against_any_server_and_prints_no_token() {
    let (server, found) =
        looking(|request| format!("{} {}", request.head[0], field(request, "authorization")));
    let output =
        command(&["--scenario", EXAMPLE, "--server", &server.address.to_string(), "--json", "-d", "1s"]);
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report.census_holds, "{report}");
    let targets: Vec<(Option<&str>, bool)> =
        report.targets.iter().map(|target| (target.name.as_deref(), target.requests.ok > 0)).collect();
    assert_eq!(targets, [(Some("item"), true), (Some("order"), true), (Some("health"), false)], "{report}");
    // 100..300 over a second: 200 requests, give or take four standard deviations of a Poisson number.
    assert!(report.requests.planned.abs_diff(200) < 57, "{report}");
    assert!(
        report.failures.iter().all(|failure| failure.target == "health" && failure.kind == "invalid_body")
    );
    let found = found.lock().unwrap();
    for part in ["GET /items/", "POST /orders HTTP/1.1 Bearer example-token-of-bob", "GET /health HTTP/1.1 "]
    {
        assert!(found.iter().any(|line| line.starts_with(part)), "{part}: {found:?}");
    }
    let told = [output.stdout, output.stderr].concat();
    assert!(!String::from_utf8(told).unwrap().contains("example-token"));
}

#[test]
fn bad_input_is_answered_with_a_code_and_advice() {
    let folder = std::env::temp_dir().join(format!("ringload-inputs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).unwrap();
        folder.join(name).display().to_string()
    };
    let slip = file("slip.toml", "seed = 1\n\n[[requests]]\nurl = \"http://h/\"\nwieght = 2\n");
    let torn = file("torn.toml", "seed = \n");
    let trace = file("trace.txt", "0.5\n0.25\n");
    for (arguments, code, advice) in [
        (&["http://no-such-host.invalid/"][..], 4, "no-such-host.invalid"),
        (&["https://localhost/"], 2, "https is not supported yet, use http"),
        (&["--rate", "0", "http://localhost/"], 2, "between 1 and"),
        (&["--rate", "5", "--steps", "1x1s", "http://localhost/"], 2, "keep one of them"),
        (&["--trace", &trace, "http://localhost/"], 2, "trace.txt:2: `0.25` is before"),
        (&["--scenario", &slip], 2, "slip.toml:5:1"),
        (&["--scenario", &slip], 2, "did you mean `weight`?"),
        (&["--scenario", &torn], 2, "torn.toml:1:"),
        (&["--scenario", "no/such.toml"], 2, "give a file that exists"),
        (&["--close", "--requests-per-connection", "5", "http://localhost/"], 2, "leave out one"),
    ] {
        let output = command(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(advice), "{arguments:?}: {said}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_server_that_answers_garbage_is_shown() {
    let server = Server::always("+PONG\r\n");
    let output = command(&["-n", "20", "-c", "2", &server.url("/")]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(12), "{table}");
    for part in
        ["20 transport error", "do not begin with HTTP/1.0 or HTTP/1.1", "failure     malformed", "+PONG"]
    {
        assert!(table.contains(part), "no `{part}` in:\n{table}");
    }
}

#[test]
fn schedules_and_expectations_are_options_too() {
    let server = Server::always(HELLO);
    let url = server.url("/{1..9}");
    let arguments =
        ["--steps", "200x300ms,100x400ms", "--arrivals", "gamma:1000", "--expect-body-bytes", "5"];
    let rest = ["--expect-body-hash", "9555e8555c62dcfd", "--requests-per-connection", "3", "--json", &url];
    let output = command(&[&arguments[..], &rest[..]].concat());
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report.requests.planned.abs_diff(100) <= 2 && report.requests.failed() == 0, "{report}");
    assert!(report.connections.opened >= report.requests.ok / 3, "{report}");
}
