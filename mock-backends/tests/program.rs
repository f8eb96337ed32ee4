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
fn a_second_signal_ends_it_at_once() {
    let (mut child, address) = start(&["--listen", "127.0.0.1:0"]);
    assert_eq!(Client::connect(address).get("/").status, 200);
    // Both are there before it can do anything about the first.
    ["-STOP", "-TERM", "-INT", "-CONT"].into_iter().for_each(|name| signal(&child, name));
    assert_eq!(child.wait().unwrap().code(), Some(130));
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
        (["--order", "/a b=1"], "there is no order `b`"),
        (["--truth", "100000000"], "cannot be kept"),
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
fn orders_come_from_the_command_line_and_from_a_file() {
    let folder = std::env::temp_dir().join(format!("ringmock-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("mock.toml");
    std::fs::write(
        &file,
        "[[routes]]\nprefix = \"/file\"\nstatus = 503\n[[routes]]\nprefix = \"/both\"\nstatus = 503\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let arguments = [
        "--config",
        file,
        "--order",
        "/both status=404",
        "--order",
        "bytes=3",
        "--truth",
        "9",
        "--listen",
        "127.0.0.1:0",
    ];
    let (mut child, address) = start(&arguments);
    let mut client = Client::connect(address);
    for (target, status) in
        [("/file", 503), ("/both", 404), ("/", 200), ("/__truth", 200), ("/__behaviour", 404)]
    {
        assert_eq!(client.get(target).status, status, "{target}");
    }
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));

    std::fs::write(file, "[[routes]]\nlatnecy = \"none\"\n").unwrap();
    let output = program(&["--config", file, "--listen", "127.0.0.1:0"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("mock.toml:2:1: there is no order `latnecy`; did you mean `latency`?"), "{said}");
    assert_eq!(output.status.code(), Some(2));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn all_orders_are_explained_on_demand() {
    let output = program(&["--orders"]).output().unwrap();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("| `fifo(D)`"));
}

#[test]
fn help_shows_examples() {
    let output = program(&["--help"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("ringmock --kind post --listen"));
}
