//! The program where its outputs fail: full, closed, or read by nobody. It serves all the same, says so, and ends when told.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod support;

use std::fs::OpenOptions;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

use ringgate::operator;
use ringmock::Mock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use rustix::process::Signal;
use support::running::{PROGRAM, Running, file, get};
use support::{Client, PATIENCE, anything, nobody, until_some};

/// `ringgate run` at an address, in front of a server.
fn run(name: &str, address: SocketAddr, server: &Mock) -> Command {
    let text = format!(
        "listen = \"{address}\"\nworkers = 1\n[[routes]]\nprefix = \"/\"\nservers = [\"{}\"]",
        server.address()
    );
    let mut command = Command::new(PROGRAM);
    command.arg("run").arg("-c").arg(file(name, &text));
    command
}

/// Any free port, which standard error then tells.
fn anywhere() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// A pipe that holds all it can, and whose reader does not read.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    let has_room = |writer: &PipeWriter| {
        let mut polled = [PollFd::new(writer, PollFlags::OUT)];
        poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0
    };
    while has_room(&writer) {
        writer.write_all(&[b'\n'; 4096]).unwrap();
    }
    (reader, writer)
}

fn serve_and_end(mut gateway: Running, address: SocketAddr) {
    until_some("its listening", || TcpStream::connect(address).ok());
    assert_eq!(get(address, "/").status, 200);
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.exit_code(), Some(0));
}

#[test]
fn a_log_that_nobody_reads_keeps_nothing_from_ending_and_its_loss_is_told() {
    let server = anything("one");
    let (_unread, full) = full_pipe();
    let mut command = run("stuck-log.toml", anywhere(), &server);
    command.stdout(full).stderr(Stdio::piped());
    let mut gateway = Running::spawn(command);
    assert_eq!(get(gateway.address(), "/").status, 200);
    gateway.signal(Signal::TERM);
    gateway.line_with("warning: 1 request log lines are lost: standard output took them too slowly");
    assert_eq!(gateway.exit_code(), Some(0));
}

#[test]
fn outputs_that_nobody_reads_or_that_are_closed_change_nothing() {
    let server = anything("one");
    let (_unread, full) = full_pipe();
    let address = nobody();
    let mut command = run("stuck.toml", address, &server);
    command.stdout(full.try_clone().unwrap()).stderr(full);
    serve_and_end(Running::spawn(command), address);

    let address = nobody();
    let run = run("closed.toml", address, &server);
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$@\" >&- 2>&-", "sh"]).arg(run.get_program()).args(run.get_args());
    serve_and_end(Running::spawn(command), address);
}

#[test]
fn a_failure_to_start_ends_with_1_even_if_nobody_reads_why() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_unread, full) = full_pipe();
    let mut command = run("stuck-start.toml", taken.local_addr().unwrap(), &anything("one"));
    command.stderr(full);
    assert_eq!(Running::spawn(command).exit_code(), Some(1));
}

#[test]
fn the_demonstration_ends_even_if_nobody_looks() {
    let (_unread, full) = full_pipe();
    let mut command = Command::new(PROGRAM);
    command.arg("--no-load").stdout(full.try_clone().unwrap()).stderr(full);
    let mut demonstration = Running::spawn(command);
    until_some("its handling of signals", || takes_terminations(&demonstration).then_some(()));
    demonstration.signal(Signal::TERM);
    assert_eq!(demonstration.exit_code(), Some(0));
}

/// Whether the process has a handler for SIGTERM, which the kernel tells as a bit of a mask.
fn takes_terminations(running: &Running) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << (Signal::TERM.as_raw() - 1)) != 0
}

#[test]
fn a_full_disk_costs_log_lines_which_are_told_and_nothing_else() {
    let server = anything("one");
    let mut command = run("full.toml", anywhere(), &server);
    command.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap()).stderr(Stdio::piped());
    let mut gateway = Running::spawn(command);
    let address = gateway.address();
    assert_eq!(get(address, "/").status, 200);
    let warning = gateway.line_with("warning: 1 request log lines could not be written");
    assert!(warning.contains("No space left on device") && warning.contains("make room"), "{warning}");
    assert_eq!(get(address, "/").status, 200);
    gateway.signal(Signal::TERM);
    gateway.line_with("warning: 1 request log lines could not be written"); // those of the drain are told, too
    assert_eq!(gateway.exit_code(), Some(0));
}

#[test]
fn a_reader_of_the_log_that_ends_is_missed_but_not_needed() {
    let server = anything("one");
    let (reader, writer) = pipe().unwrap();
    let mut command = run("closed-pipe.toml", anywhere(), &server);
    command.stdout(writer).stderr(Stdio::piped());
    let mut gateway = Running::spawn(command);
    let address = gateway.address();
    drop(reader);
    assert_eq!(get(address, "/").status, 200);
    gateway.line_with("whoever read them has ended");
    assert_eq!(get(address, "/").status, 200);
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.exit_code(), Some(0));
}

#[test]
fn a_second_signal_ends_what_nobody_wants_to_wait_for_with_130() {
    let server = anything("one");
    let mut command = run("second.toml", anywhere(), &server);
    let (_unread, full) = full_pipe();
    command.stdout(full).stderr(Stdio::piped());
    let mut gateway = Running::spawn(command);
    let mut busy = Client::connect(gateway.address());
    busy.say("GET /?delay_ms=15000 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(server.wait_for_requests(1, PATIENCE));
    gateway.signal(Signal::TERM);
    gateway.line_with("draining");
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.exit_code(), Some(130));
}

#[test]
#[ignore = "run by the test below, in a process of its own"]
fn a_worker_that_panics() {
    operator::report_panics();
    let secret = String::from("token=secret");
    let worker = std::thread::Builder::new().name("worker-0".to_owned());
    let ended = worker.spawn(move || panic!("{secret}")).unwrap().join();
    operator::farewell();
    assert!(ended.is_err());
}

#[test]
fn a_panic_waits_for_nobody_and_tells_no_secret() {
    let panicking = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "a_worker_that_panics", "--ignored", "--nocapture"]);
        command
    };
    let output = panicking().output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("panic of thread worker-0 at proxy/tests/faults.rs:"), "{errors}");
    assert!(output.status.success() && !errors.contains("secret"), "{errors}");

    let (_unread, full) = full_pipe();
    let mut command = panicking();
    command.stdout(Stdio::null()).stderr(full);
    assert_eq!(Running::spawn(command).exit_code(), Some(0));
}

#[test]
fn lines_stay_whole_in_a_pipe_that_somebody_has_made_non_blocking() {
    const REQUESTS: usize = 600; // their lines are more than a pipe holds
    let server = anything("one");
    let (mut reader, writer) = pipe().unwrap();
    ioctl_fionbio(&writer, true).unwrap();
    let mut command = run("non-blocking.toml", anywhere(), &server);
    command.stdout(writer).stderr(Stdio::piped());
    let gateway = Running::spawn(command);
    let mut client = Client::connect(gateway.address());
    for _ in 0..REQUESTS {
        client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.hear().status, 200);
    }
    assert!(server.wait_for_requests(REQUESTS as u64, PATIENCE));
    drop(client);
    gateway.signal(Signal::TERM);
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    assert_eq!(log.lines().count(), REQUESTS);
    for line in log.lines() {
        let _: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}
