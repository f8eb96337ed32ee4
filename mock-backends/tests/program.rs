//! The program: its one line, its signals, its exit codes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use common::Client;

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmock"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts the program and reads the address off its first line.
fn start(arguments: &[&str]) -> (Child, SocketAddr) {
    let mut child = program(arguments).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).and_then(|rest| rest.split(',').next());
    (child, address.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap())
}

fn signal(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn it_serves_and_ends_with_0_on_either_signal() {
    for name in ["-INT", "-TERM"] {
        let (mut child, address) = start(&["--kind", "post", "--name", "post-9", "--listen", "127.0.0.1:0"]);
        let mut client = Client::connect(address);
        assert_eq!(client.get("/api/v1/posts/list").header("x-served-by"), Some("post-9"));
        assert_eq!(client.get("/api/v1/users/list").status, 405);
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{name}");
    }
}

#[test]
fn it_serves_a_fixed_body_with_several_workers() {
    let (mut child, address) = start(&["--body-bytes", "128", "--workers", "2", "--listen", "127.0.0.1:0"]);
    for _ in 0..16 {
        assert_eq!(Client::connect(address).get("/x").body, common::pattern(128));
    }
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn bad_input_is_explained_and_ends_with_2() {
    for (arguments, message) in [
        (["--kind", "order"], "no kind `order`; there are post, user, any"),
        (["--workers", "0"], "give a whole number from 1 to 256"),
        (["--driver", "uring"], "no driver `uring`"),
        (["--name", "a b"], "cannot be in a header"),
        (["--body-bytes", "100000000"], "cannot be kept ready"),
        (["--core", "100000"], "core 100000 is not among those this process may use"),
    ] {
        let output = program(&arguments).args(["--listen", "127.0.0.1:0"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(message), "{arguments:?}: {said}");
    }
}

#[test]
fn an_address_in_use_ends_with_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = program(&["--listen", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("choose another address"));
}

#[test]
fn help_shows_examples() {
    let output = program(&["--help"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("ringmock --kind post --listen"));
}
