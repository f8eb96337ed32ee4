//! `--watch`: what other processes cost, and when that cannot be told.

use std::process::{Child, Command, Output, Stdio};

use ringload::Report;

use crate::server::Server;

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn run(arguments: &[&str]) -> Output {
    let server = Server::always(HELLO);
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringload"));
    let fixed = ["run", "--json", "--progress", "off", "-c", "2", "-d", "500ms"];
    command.args(fixed).args(arguments).arg(server.url("/")).output().unwrap()
}

/// A process of the shell, ended with the test.
struct Shell(Child);

impl Shell {
    fn new(line: &str) -> Shell {
        Shell(Command::new("/bin/sh").args(["-c", line]).stdin(Stdio::piped()).spawn().unwrap())
    }

    fn watched_as(&self, name: &str) -> String {
        format!("{name}={}", self.0.id())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn refuses(arguments: &[&str], code: i32, words: &str) {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(words), "{said}");
}

#[test]
fn a_process_that_is_not_there_is_refused_at_the_start() {
    let mut shell = Shell::new("exit 0");
    shell.0.wait().unwrap();
    let watched = shell.watched_as("proxy");
    refuses(&["--watch", &watched], 4, &format!("no process {} is there", shell.0.id()));
}

#[test]
fn a_name_stands_for_one_thing() {
    let shell = Shell::new("read line");
    let (proxy, machine) = (shell.watched_as("proxy"), shell.watched_as("machine"));
    refuses(&["--watch", &proxy, "--watch", &proxy], 2, "a name of its own");
    refuses(&["--watch", &machine], 2, "other than `machine`");
}

#[test]
fn an_assertion_about_somebody_who_is_not_watched_is_refused_at_the_start() {
    let shell = Shell::new("read line");
    let backend = shell.watched_as("backend");
    refuses(&["--watch", &backend, "--assert", "cpu.proxy<1ms"], 2, "add --watch proxy=PID");
}

#[test]
fn a_process_that_ends_in_the_middle_is_unknown_and_says_so() {
    let shell = Shell::new("sleep 0.25");
    let watched = shell.watched_as("proxy");
    let output = run(&["--watch", &watched, "--assert", "cpu.proxy<1s", "--assert", "cpu.machine<1s"]);
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report.cost("proxy").is_none() && report.cost("machine").is_some(), "{report}");
    assert!(report.why_uncounted("proxy").unwrap().contains("ended during the run"), "{report}");
    assert!(report.to_string().contains("proxy       CPU unknown: "), "{report}");
    let [proxy, machine] = &report.assertions[..] else { panic!("{report}") };
    assert!(!proxy.holds && proxy.measured.contains("ended during the run") && machine.holds, "{report}");
}

#[test]
fn what_a_process_has_started_is_its_own_too() {
    // The worker works through the whole run; the shell that is watched only waits.
    let shell = Shell::new("(while :; do :; done) & worker=$!; read line; kill $worker");
    let output = run(&["--watch", &shell.watched_as("proxy")]);
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    let cost = report.cost("proxy").unwrap();
    // It shares the machine with the run and with other tests: some of the half second is enough.
    assert!(cost.cpu_ns > 20_000_000 && cost.busiest > Some(0.04), "{report}");
    end(shell);
}

/// Lets the line that the shell reads come, so that it ends its worker.
fn end(mut shell: Shell) {
    drop(shell.0.stdin.take());
    shell.0.wait().unwrap();
}
