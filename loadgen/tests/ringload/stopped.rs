//! Either side is stopped for a while (SIGSTOP): whose time it was has to show.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ringload::report::{Blob, Limiter};
use ringload::{Report, Verdict};
use rustix::process::{Pid, Signal, kill_process};

use crate::server::Server;

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
/// How long a side is stopped: 100 requests of 500 a second.
const STOP: Duration = Duration::from_millis(200);
/// Half of it: of the requests that the stop touched, half took longer, and on a machine that is merely busy none does.
const HALF_NS: u64 = 100_000_000;
/// The lateness limit: a response time is at most this much longer than its service time in a run that is valid.
const LATENESS_NS: u64 = 50_000_000;

/// 500 requests a second for four seconds. A machine that is merely busy stays below the lateness limit.
const DENSE: &str = "--rate 500 --duration 4s --lateness-limit 50ms --connections";

fn start(load: &str, connections: &str, url: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringload"));
    command.args(["run", "--json"]).args(load.split(' ')).args([connections, url]);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn stop_for_a_while(process: &Child) {
    kill_process(Pid::from_child(process), Signal::STOP).unwrap();
    std::thread::sleep(STOP); // the length of the stop is what is tested
    kill_process(Pid::from_child(process), Signal::CONT).unwrap();
}

#[track_caller]
fn report(generator: Child) -> (Report, i32) {
    let output = generator.wait_with_output().unwrap();
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report.census_holds, "{report}");
    (report, output.status.code().unwrap())
}

/// The report of a generator that was stopped itself.
#[track_caller]
fn report_of_a_stopped(generator: Child) -> Report {
    let (report, exit) = report(generator);
    assert_eq!((report.verdict, exit), (Verdict::ClientLimited, 10), "{report}");
    report
}

fn longer_than(ns: u64, times: &Blob) -> u64 {
    times.0.count_between(ns, u64::MAX)
}

#[test]
fn a_generator_that_was_stopped_says_so_and_blames_nobody_else() {
    let server = Server::always(HELLO);
    let generator = start(DENSE, "4", &server.url("/"));
    server.wait_for_requests(500);
    stop_for_a_while(&generator);
    let report = report_of_a_stopped(generator);
    assert_eq!(report.requests.planned, 2000, "{report}");
    assert_eq!(report.limiter, Limiter::Generator, "{report}");
    let response = longer_than(HALF_NS, &report.histograms.response);
    assert!(response >= 30, "only {response} requests felt the stop: {report}");
    let service = longer_than(HALF_NS, &report.histograms.service);
    assert!(
        service <= 4,
        "{service} service times include the stop, and 4 can have been in flight: {report}"
    );
}

/// Nothing was due while it was away, or nothing is ever due: that it was away shows all the same.
#[test]
fn a_generator_that_was_stopped_says_so_without_a_schedule_and_between_requests() {
    for (load, seen) in [("--duration 2s -c", 500), ("--rate 1 --duration 3s -c", 2)] {
        let server = Server::always(HELLO);
        let generator = start(load, "4", &server.url("/"));
        server.wait_for_requests(seen);
        stop_for_a_while(&generator);
        let report = report_of_a_stopped(generator);
        assert!(report.reason.contains("away for"), "{load}: {report}");
    }
}

#[test]
fn a_server_that_was_stopped_shows_in_response_times_and_not_in_lateness() {
    // A machine that is busy enough limits the generator too, or makes times unsteady, which such a run then says: it is made again.
    let mut runs = (0..5).map(|_| run_against_a_server_that_is_stopped());
    let (report, _) = runs.find(|(_, exit)| *exit == 0).expect("none of five runs was valid");
    assert_eq!(report.requests.planned, 2000, "{report}");
    assert_eq!(report.verdict, Verdict::Valid, "{report}");
    let response = longer_than(HALF_NS, &report.histograms.response);
    assert!(response >= 30, "only {response} requests felt the stop: {report}");
    let service = longer_than(HALF_NS - LATENESS_NS, &report.histograms.service);
    assert!(service >= response, "{service} of {response} were in service during the stop: {report}");
    assert_eq!(longer_than(HALF_NS, &report.histograms.lateness), 0, "{report}");
    assert_eq!((report.generator.sending.waited, report.generator.sending.late), (0, 0), "{report}");
}

fn run_against_a_server_that_is_stopped() -> (Report, i32) {
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "stopped::the_server_of_another_process", "--ignored", "--nocapture"])
        .env(SERVES, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let url = lines.map_while(Result::ok).find_map(|line| Some(line[line.find("http://")?..].to_owned()));
    let generator = start(DENSE, "200", &url.unwrap()); // more than are due in the stop: none waits for a connection
    std::thread::sleep(Duration::from_secs(2)); // the middle of the run
    stop_for_a_while(&server);
    let run = report(generator);
    server.kill().unwrap();
    server.wait().unwrap();
    eprintln!("{}", run.0); // shown when the test fails
    run
}

const SERVES: &str = "RINGLOAD_TEST_SERVES";

#[test]
#[ignore = "no test: it serves for another one that stops its process"]
fn the_server_of_another_process() {
    if std::env::var_os(SERVES).is_some() {
        let server = Server::always(HELLO);
        println!("{}", server.url("/"));
        std::thread::sleep(Duration::from_secs(60)); // killed before
    }
}
