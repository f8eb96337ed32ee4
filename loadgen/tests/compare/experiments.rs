//! Experiments from start to end.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use ringload::compare::{Comparison, Outcome, Pass, SavedComparison, Side};
use rustix::process::{Pid, Signal, kill_process};

use crate::server::{command, command_of_fresh_threads, free_address};

/// As short as an experiment can be.
const SHORT: [&str; 11] = [
    "--pairs",
    "6",
    "--turns",
    "1",
    "--duration",
    "100ms",
    "--warmup",
    "20ms",
    "--connections",
    "4",
    "--json",
];

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringload"));
    command.arg("compare").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn run(arguments: &[&str]) -> Output {
    start(arguments).wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringload-compare-{}-{name}", std::process::id()))
}

fn is_served(address: &str) -> bool {
    TcpStream::connect(address).is_ok()
}

#[test]
fn a_side_that_costs_many_times_more_is_found_and_every_run_is_kept() {
    let (address, folder) = (free_address(), folder("kept"));
    let (a, b) = (command(&address, 0), command(&address, 500));
    let (url, path) = (format!("http://{address}/"), folder.display().to_string());
    let idle = format!("exec sleep 1{}", std::process::id()); // a backend that nobody needs, and a name of its own
    let more = ["--a", &a, "--b", &b, "--url", &url, "--save", &path, "--backend", &idle];
    let output = run(&[&SHORT[..], &more].concat());
    assert_eq!(output.status.code(), Some(20), "{}", said(&output));

    let found = Comparison::parse(&String::from_utf8(output.stdout).unwrap()).unwrap();
    assert_eq!(found.conclusion.outcome, Outcome::Difference);
    assert!(found.effects[0].decides && found.effects[0].ratio.unwrap().value > 2.0, "{found}");
    assert!(found.runs.len() >= 24 && found.responses.iter().all(|blob| !blob.0.is_empty()));
    let counted = found.runs.iter().filter(|run| run.discarded.is_none());
    let costs = counted.map(|run| run.observation.costs);
    assert!(costs.clone().all(|costs| costs.proxy_ns > Some(0.0) && costs.generator_ns > Some(0.0)));
    assert!(costs.clone().all(|costs| costs.backend_ns.is_some() && costs.machine_ns.is_some()));
    assert!(found.to_string().contains("verdict     difference: B costs"), "{found}");
    assert!(found.markdown().contains("| floor 1.1 A' |"), "{}", found.markdown());

    let kept = std::fs::read_to_string(folder.join("comparison.json")).unwrap();
    assert_eq!(Comparison::parse(&kept).unwrap(), found);
    let lines = std::fs::read_to_string(folder.join("runs.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), found.runs.len());
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["run"]["pass"], "floor");
    assert_eq!(first["report"]["format"], 2);
    std::fs::remove_dir_all(folder).unwrap();
    assert!(!is_served(&address), "a server was left behind");
    assert!(!runs(&idle["exec ".len()..]), "a backend was left behind");
}

#[test]
fn threads_that_end_in_the_middle_of_a_run_cost_what_they_did() {
    let address = free_address();
    let (line, url) = (command_of_fresh_threads(&address, 1000), format!("http://{address}/"));
    let output = run(&[&SHORT[..], &["--a", &line, "--b", &line, "--url", &url]].concat());
    let found = Comparison::parse(&String::from_utf8(output.stdout).unwrap()).unwrap();
    let mut costs: Vec<f64> = found.runs.iter().filter_map(|run| run.observation.costs.proxy_ns).collect();
    costs.sort_by(f64::total_cmp);
    // A millisecond by the clock, of which a thread may not have had its core for all; by the middle of 24 runs.
    assert!(costs[costs.len() / 2] > 500_000.0, "{costs:?}");
}

/// Whether a process of this command line is there.
fn runs(line: &str) -> bool {
    let lines = std::fs::read_dir("/proc").unwrap().flatten();
    let arguments =
        |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
    lines.map(arguments).any(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " ").trim() == line)
}

#[test]
fn a_backend_that_dies_is_quoted() {
    let address = free_address();
    let (line, url) = (command(&address, 0), format!("http://{address}/"));
    let more = ["--a", &line, "--b", &line, "--url", &url, "--backend", "echo 'no port' >&2; exit 1"];
    let output = run(&[&SHORT[..], &more].concat());
    assert_eq!(output.status.code(), Some(4));
    let said = said(&output);
    assert!(said.contains("the backend ended by itself") && said.contains("no port"), "{said}");
    assert!(!is_served(&address), "a server was left behind");
}

#[test]
fn a_port_that_somebody_listens_on_is_refused() {
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = stranger.local_addr().unwrap().to_string();
    let (line, url) = (command(&address, 0), format!("http://{address}/"));
    let output = run(&[&SHORT[..], &["--a", &line, "--b", &line, "--url", &url]].concat());
    assert_eq!(output.status.code(), Some(4));
    assert!(said(&output).contains(&format!("somebody listens on {address}")), "{}", said(&output));
}

#[test]
fn a_side_that_dies_at_its_start_is_quoted() {
    let url = format!("http://{}/", free_address());
    let line = "echo 'no such file: a.toml' >&2; exit 3";
    let output = run(&[&SHORT[..], &["--a", line, "--b", line, "--url", &url]].concat());
    assert_eq!(output.status.code(), Some(4));
    let said = said(&output);
    assert!(said.contains("A ended by itself") && said.contains("no such file: a.toml"), "{said}");
}

#[test]
fn a_side_that_fails_all_requests_is_not_ready() {
    let address = free_address();
    let (line, url) = (command(&address, 0), format!("http://{address}/"));
    let wrong = ["--a", &line, "--b", &line, "--url", &url, "--expect-status", "404"];
    let output = run(&[&SHORT[..], &wrong].concat());
    assert_eq!(output.status.code(), Some(4));
    assert!(said(&output).contains("not the expected one (statuses: {200: 1})"), "{}", said(&output));
    assert!(!is_served(&address), "a server was left behind");
}

/// Starts a long experiment and sends it so many interrupts once the first run has been told.
fn interrupted(count: usize) -> (Output, String) {
    let address = free_address();
    let (line, url) = (command(&address, 0), format!("http://{address}/"));
    let long = ["--pairs", "100", "--duration", "300ms", "--json"];
    let mut child = start(&[&long[..], &["--a", &line, "--b", &line, "--url", &url]].concat());
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("floor        1.1 A")), "it never began");
    let begun = Instant::now();
    for _ in 0..count {
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        std::thread::sleep(Duration::from_millis(20)); // two at once are one signal
    }
    let rest = std::thread::spawn(move || lines.for_each(drop));
    let output = child.wait_with_output().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    rest.join().unwrap();
    (output, address)
}

#[test]
fn an_interrupt_ends_the_experiment_undecided_and_leaves_nothing_behind() {
    let (output, address) = interrupted(1);
    assert_eq!(output.status.code(), Some(21));
    let found = Comparison::parse(&String::from_utf8(output.stdout).unwrap()).unwrap();
    assert_eq!(found.conclusion.outcome, Outcome::Undecided);
    assert!(found.conclusion.reason.contains("interrupted"));
    assert_eq!((found.runs[0].pass, found.runs[0].side), (Pass::Floor, Side::A));
    assert!(!is_served(&address), "a server was left behind");
}

#[test]
fn a_server_behind_is_compared_directly_with_what_stands_before_it() {
    let (behind, before) = (free_address(), free_address());
    let [url, url_b] = [&behind, &before].map(|address| format!("http://{address}/"));
    let (server, slow) = (command(&behind, 0), command(&before, 2000));
    let lines = ["--a", "direct", "--url", &url, "--b", &slow, "--url-b", &url_b, "--backend", &server];
    let output = run(&[&SHORT[..], &lines, &["--metric", "machine"]].concat());
    assert_eq!(output.status.code(), Some(20), "{}", said(&output));
    let found = Comparison::parse(&String::from_utf8(output.stdout).unwrap()).unwrap();
    assert_eq!(found.conditions.commands[0], "direct");
    let told = |side| {
        let runs = found.runs.iter().filter(move |run| run.pass == Pass::Comparison && run.side == side);
        runs.map(|run| run.observation.costs)
    };
    assert!(told(Side::A).all(|costs| costs.proxy_ns.is_none() && costs.backend_ns > Some(0.0)));
    assert!(told(Side::B).all(|costs| costs.proxy_ns > Some(0.0)));
    let output = run(&[&SHORT[..], &lines].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("has no process whose CPU could decide"), "{}", said(&output));
}

/// A sleep of a length that no other process has.
fn sleep_of_its_own(part: &str) -> String {
    format!("sleep 60.{}{part}", std::process::id())
}

#[test]
fn what_puts_itself_into_the_background_is_ended_and_spoils_the_account() {
    let (address, sleep) = (free_address(), sleep_of_its_own("1"));
    let (line, url) = (command(&address, 0), format!("http://{address}/"));
    let line = format!("(setsid {sleep} &); {line}");
    let output = run(&[&SHORT[..], &["--a", &line, "--b", &line, "--url", &url]].concat());
    assert!(!runs(&sleep), "a process in the background was left behind");
    assert_eq!(output.status.code(), Some(21), "{}", said(&output));
    assert!(said(&output).contains("went into the background"), "{}", said(&output));
}

#[test]
fn an_interrupt_while_a_side_gets_ready_is_heard_soon_whatever_the_side_does_about_it() {
    let (address, sleep) = (free_address(), sleep_of_its_own("2"));
    let url = format!("http://{address}/");
    let line = format!("trap '' TERM; while :; do {sleep}; done");
    let more = ["--a", &line, "--b", &line, "--url", &url, "--backend", &line];
    let mut child = start(&[&SHORT[..], &more].concat());
    let until = Instant::now() + Duration::from_secs(10);
    while !runs(&sleep) {
        assert!(Instant::now() < until, "it never began");
    }
    let begun = Instant::now();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    child.wait().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(!runs(&sleep), "a process was left behind");
}

#[test]
fn a_second_interrupt_ends_everything_at_once() {
    let (output, address) = interrupted(2);
    assert!(matches!(output.status.code(), Some(130 | 21)), "{output:?}");
    let until = Instant::now() + Duration::from_secs(10);
    while is_served(&address) {
        assert!(Instant::now() < until, "a server was left behind");
    }
}

/// A saved run.
fn saved_run(folder: &std::path::Path, name: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || crate::server::answer(stream.unwrap(), Duration::ZERO));
        }
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringload"));
    let output = command.args(["run", "--json", "-c", "4", "-n", "3000", &url]).output().unwrap();
    let file = folder.join(name);
    std::fs::write(&file, output.stdout).unwrap();
    file.display().to_string()
}

#[test]
fn two_saved_runs_are_shown_side_by_side_without_a_verdict() {
    let folder = folder("saved");
    std::fs::create_dir_all(&folder).unwrap();
    let (a, b) = (saved_run(&folder, "a.json"), saved_run(&folder, "b.json"));
    let output = run(&["--json", &a, &b]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let compared: SavedComparison = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(compared.names, [a.clone(), b.clone()]);
    let ratio =
        compared.ratios.iter().find(|told| told.clock == "response" && told.quantile == "p50").unwrap();
    let [from, to] = ratio.value_ns.map(|value| value as f64);
    assert!((ratio.ratio.value - to / from).abs() < 1e-9);
    assert!(ratio.ratio.low <= ratio.ratio.value && ratio.ratio.value <= ratio.ratio.high);

    let text = String::from_utf8(run(&[&a, &b]).stdout).unwrap();
    assert!(text.contains("response p99") && text.contains("Two runs are two observations"), "{text}");
    let wrong = run(&[&a, "nowhere.json"]);
    assert!(wrong.status.code() == Some(60) && said(&wrong).contains("nowhere.json"), "{}", said(&wrong));
    std::fs::remove_dir_all(folder).unwrap();
}
