//! The binary: exit codes, JSON, signals.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::server::Server;

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringload"));
    command.arg("run").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn run(arguments: &[&str]) -> Output {
    start(arguments).wait_with_output().unwrap()
}

/// The JSON object on standard output; the exit code must be that of its verdict.
fn report(output: Output) -> serde_json::Value {
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let failed = ["bad_status", "invalid_body", "transport_error", "timeout", "shed"];
    let has_failed = failed.iter().any(|place| report["requests"][place] != 0);
    let expected = match report["verdict"].as_str().unwrap() {
        "valid" if has_failed => 1,
        "valid" => 0,
        "client_limited" => 10,
        "target_missed" => 11,
        "too_few_samples" => 12,
        "unsteady" => 13,
        other => panic!("unknown verdict {other}"),
    };
    assert_eq!(output.status.code(), Some(expected), "{report}");
    report
}

#[test]
fn json_is_one_object_with_durations_in_nanoseconds() {
    let server = Server::always(HELLO);
    let report = report(run(&["--json", "-c", "8", "-n", "2000", &server.url("/")]));
    assert_eq!(report["requests"]["ok"], 2000);
    assert_eq!(report["census_holds"], true);
    assert_eq!(report["statuses"]["200"], 2000);
    assert!(report["latency"]["response"]["p99_ns"].as_u64().unwrap() > 0);
    assert!(report["latency"]["response"]["p9999_ns"].is_null());
    assert_eq!(report["setting"]["timeout_ns"], 10_000_000_000_u64);
}

#[test]
fn failed_requests_show_in_the_exit_code() {
    let server = Server::always("HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n");
    let report = report(run(&["--json", "-c", "8", "-n", "2000", &server.url("/")]));
    assert_eq!(report["requests"]["bad_status"], 2000);
}

#[test]
fn people_get_a_table() {
    let server = Server::always(HELLO);
    let table = String::from_utf8(run(&["-n", "100", "-c", "2", &server.url("/")]).stdout).unwrap();
    for part in ["response", "100 planned = 100 ok", "n/a (needs 1000)", "CPU per request", "2 opened"] {
        assert!(table.contains(part), "no `{part}` in:\n{table}");
    }
}

#[test]
fn an_interrupt_ends_the_run_with_its_report() {
    let server = Server::always(HELLO);
    let child = start(&["--json", "--rate", "500", "--duration", "60s", &server.url("/")]);
    server.wait_for_requests(10);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let report = report(child.wait_with_output().unwrap());
    assert!(report["requests"]["ok"].as_u64().unwrap() >= 10);
    assert_eq!(report["census_holds"], true);
}

#[test]
fn a_terminal_that_is_closed_ends_the_run_as_an_interrupt_does() {
    let server = Server::always(HELLO);
    let child = start(&["--json", "--rate", "500", "--duration", "60s", &server.url("/")]);
    server.wait_for_requests(10);
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    assert!(report(child.wait_with_output().unwrap())["requests"]["ok"].as_u64().unwrap() >= 10);
}

#[test]
fn who_asked_for_hangups_to_be_ignored_is_not_ended_by_one() {
    let server = Server::always(HELLO);
    let mut command = Command::new("nohup");
    command.args([
        env!("CARGO_BIN_EXE_ringload"),
        "run",
        "--json",
        "-d",
        "1s",
        "-r",
        "2000",
        &server.url("/"),
    ]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    server.wait_for_requests(10);
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    let output = child.wait_with_output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["requests"]["planned"], 2000);
}

#[test]
fn readers_that_leave_change_nothing_but_what_is_read() {
    let (server, free) = (Server::always(HELLO), "http://127.0.0.1:1/");
    let compare = ["compare", "--a", "exit 3", "--b", "exit 3", "--url", free];
    let verdicts = [0, 10, 11, 13];
    for (arguments, codes) in [
        (&["run", "-n", "2000", "-c", "8", &server.url("/")][..], &verdicts[..]),
        (&["run", "https://h/"], &[2]),
        (&compare, &[4]),
        (&["--help"], &[0]),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringload"));
        let command = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        let code = child.wait().unwrap().code().unwrap();
        assert!(codes.contains(&code), "{arguments:?}: {code}");
    }
}

#[test]
fn mistakes_and_absent_servers_have_codes_and_advice() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (arguments, code, advice) in [
        (vec![format!("http://{free}/")], 4, "start the server"),
        (vec!["https://localhost/".to_owned()], 2, "https is not supported"),
        (vec!["-c".to_owned(), "99999999".to_owned(), format!("http://{free}/")], 4, "ulimit -n"),
        (vec!["--pin".to_owned(), "65000".to_owned(), format!("http://{free}/")], 2, "core 65000"),
        (vec![], 2, "URL"),
    ] {
        let output = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(advice), "{arguments:?}: {said}");
    }
}

#[test]
fn a_run_that_cannot_be_saved_is_still_told() {
    let server = Server::always(HELLO);
    let folder = std::env::temp_dir().join(format!("ringload-lost-{}", std::process::id()));
    let path = folder.to_str().unwrap();
    let child = start(&["--json", "--rate", "500", "--duration", "1s", "--save", path, &server.url("/")]);
    server.wait_for_requests(10);
    std::fs::remove_dir_all(&folder).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["requests"]["planned"], 500);
}

#[test]
fn an_argument_that_is_no_text_does_not_cost_the_report() {
    let server = Server::always(HELLO);
    let mut name = std::env::temp_dir().join(format!("ringload-{}", std::process::id())).into_os_string();
    name.push(OsStr::from_bytes(b"-\xff"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringload"));
    command.args(["run", "--json", "-n", "2000", "--save"]).arg(&name).arg(server.url("/"));
    assert_eq!(report(command.output().unwrap())["requests"]["ok"], 2000);
    std::fs::remove_dir_all(name).unwrap();
}

#[test]
fn what_may_be_secret_is_not_repeated_in_an_error() {
    for arguments in
        [["-H", "Authorization Bearer hunter2", "http://h/"], ["-c", "1", "http://user:hunter2@h/"]]
    {
        let output = run(&arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_run_can_be_saved_and_is_not_written_over() {
    let server = Server::always(HELLO);
    let folder = std::env::temp_dir().join(format!("ringload-saved-{}", std::process::id()));
    let arguments = ["--json", "-n", "2000", "--save", folder.to_str().unwrap(), &server.url("/")];
    let printed = report(run(&arguments));
    let saved: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("run.json")).unwrap()).unwrap();
    assert_eq!(saved, printed);
    let log = std::fs::read_to_string(folder.join("run.hlog")).unwrap();
    let log = ringload::interchange::hlog::read(&log).unwrap();
    assert_eq!(log.total("response").unwrap().len(), 2000, "the beats together are the whole");
    assert_eq!(log.total("service").unwrap().len(), 2000);
    assert!(
        std::fs::read_to_string(folder.join("run.hgrm")).unwrap().contains("Total count    =         2000")
    );
    let again = run(&arguments);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8(again.stderr).unwrap().contains("another folder"));
    std::fs::remove_dir_all(folder).unwrap();
}
