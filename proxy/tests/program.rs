//! The program as its users meet it: exit codes, messages, signals, and too few descriptors.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod support;

use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};

use rustix::process::Signal;
use support::running::{PROGRAM, Running, file, get};
use support::{Client, PATIENCE, anything};

fn run_to_end(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = Command::new(PROGRAM).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).expect("it speaks text");
    (status.code().expect("it ends by itself"), text(stdout), text(stderr))
}

#[test]
fn the_demonstration_serves_its_table_and_ends_well() {
    let mut command = Command::new(PROGRAM);
    command.arg("--no-load");
    let mut demonstration = Running::start(command);
    let address = demonstration.address();
    demonstration.line_with("Serving.");
    for (path, status, server) in [
        ("/api/v1/posts/list", 200, "post-1"),
        ("/api/v1/users/profile", 200, "user-1"),
        ("/api/v1/posts/list", 200, "post-2"),
        ("/api/v1/orders", 404, "nobody"),
        ("/misrouted/posts", 405, "user-1"),
    ] {
        let answer = get(address, path);
        assert_eq!((answer.status, answer.served_by()), (status, server), "{path}");
    }
    assert!(demonstration.line_with("/misrouted/posts").contains("answered by the upstream"));
    demonstration.signal(Signal::INT);
    assert_eq!(demonstration.exit_code(), Some(0));
}

#[test]
fn run_serves_a_file_and_a_termination_drains() {
    let server = anything("one");
    let text =
        format!("listen = \"127.0.0.1:0\"\n[[routes]]\nprefix = \"/\"\nservers = [\"{}\"]", server.address());
    let mut command = Command::new(PROGRAM);
    command.arg("run").arg("-c").arg(file("run.toml", &text));
    let mut gateway = Running::start(command);
    let address = gateway.address();
    let mut busy = Client::connect(address);
    busy.say("GET /?delay_ms=200 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(server.wait_for_requests(1, PATIENCE));
    gateway.signal(Signal::TERM);
    assert_eq!(busy.hear().status, 200, "what has begun is finished");
    assert_eq!(gateway.exit_code(), Some(0));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_bad_file_is_explained_and_ends_with_2() {
    let path = file("bad.toml", "listen = \"127.0.0.1:0\"\n[[routes]]\nprefx = \"/\"\n");
    for command in ["run", "check"] {
        let (code, _, errors) = run_to_end(&[command, "-c", path.to_str().unwrap()]);
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains("bad.toml:3:1") && errors.contains("did you mean `prefix`"), "{errors}");
    }
    let (code, _, errors) = run_to_end(&["run", "-c", "/nowhere/at-all.toml"]);
    assert!(code == 2 && errors.contains("/nowhere/at-all.toml"), "{errors}");
}

#[test]
fn a_port_in_use_is_said_with_what_to_do_and_ends_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let path = file(
        "taken.toml",
        &format!("listen = \"{address}\"\n[[routes]]\nprefix = \"/\"\nservers = [\"127.0.0.1:1\"]"),
    );
    let (code, _, errors) = run_to_end(&["run", "-c", path.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(errors.contains(&address.to_string()) && errors.contains("change `listen`"), "{errors}");
}

#[test]
fn check_and_explain_tell_what_the_data_plane_would_do() {
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/demo.toml");
    let (code, table, _) = run_to_end(&["check", "-c", demo]);
    assert!(code == 0 && table.contains("/misrouted/posts/*"), "{table}");
    let explain = |method, path| run_to_end(&["explain", "-c", demo, method, path]).1;
    let misrouted = explain("GET", "/misrouted/posts");
    assert!(misrouted.contains("answered by: the upstream (pool USER_SERVICE)"), "{misrouted}");
    let refused = explain("DELETE", "/api/v1/users/1");
    assert!(refused.contains("the gateway, 405 method_not_allowed, Allow: GET, HEAD"), "{refused}");
    assert!(explain("GET", "/nothing").contains("the gateway, 404 no_route"));
}

#[test]
fn too_few_descriptors_cost_connections_but_not_the_gateway() {
    let server = anything("one");
    let text = format!(
        "listen = \"127.0.0.1:0\"\nworkers = 1\n[[routes]]\nprefix = \"/\"\nservers = [\"{}\"]",
        server.address()
    );
    let path = file("few.toml", &text);
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -n 40; exec {PROGRAM} run -c {}", path.display()));
    let mut gateway = Running::start(command);
    gateway.line_with("warning: only 40 open files are allowed");
    let address = gateway.address();
    let many: Vec<Client> = (0..60).map(|_| Client::connect(address)).collect(); // by the kernel: it has a queue
    gateway.line_with("raise LimitNOFILE");
    drop(many);
    assert_eq!(get(address, "/").status, 200, "it serves again as soon as it can");
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.exit_code(), Some(0));
}
