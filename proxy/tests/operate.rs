//! The gateway as its operators meet it: changed while it serves, and asked over its admin API.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use command_fds::{CommandFdExt, FdMapping};
use ringmock::Mock;
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::running::{PROGRAM, Running, file, get};
use support::{Answer, Client, PATIENCE, anything, pattern, until_some};

const TOKEN: &str = "an-admin-token-for-tests";

/// A gateway with an admin API, and the file that it reads.
struct Operated {
    running: Running,
    config: PathBuf,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Operated {
    fn start(name: &str, routes: &str) -> Operated {
        Operated::start_with(name, "", routes)
    }

    fn start_with(name: &str, head: &str, routes: &str) -> Operated {
        let config = file(name, &format!("{head}{}", text(routes)));
        let mut command = Command::new(PROGRAM);
        command.args(["run", "--workers", "2", "-c"]).arg(&config);
        let running = Running::start(command);
        let admin = address_in(&running.line_with("admin API on"));
        let address = address_in(&running.line_with("listening on"));
        Operated { running, config, address, admin }
    }

    /// Writes other routes into the file as editors do: beside it, then in its place.
    fn write(&self, text: &str) {
        let beside = self.config.with_extension("new");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, &self.config).unwrap();
    }

    /// Has it read its file anew over the admin API.
    fn reload(&self) -> Answer {
        self.order("/v1/reload")
    }

    fn order(&self, path: &str) -> Answer {
        let fields =
            format!("Host: {}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n", self.admin);
        ask(self.admin, &format!("POST {path} HTTP/1.1\r\n{fields}"))
    }

    fn question(&self, path: &str) -> Answer {
        ask(self.admin, &format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.admin))
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.question(path).body).unwrap()
    }
}

fn text(routes: &str) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\nlog.requests = \"off\"\nadmin = {{ listen = \"127.0.0.1:0\", token = \"{TOKEN}\" }}\n{routes}"
    )
}

fn route(prefix: &str, server: &Mock) -> String {
    format!("[[routes]]\nprefix = \"{prefix}\"\nservers = [\"{}\"]\n", server.address())
}

fn address_in(line: &str) -> SocketAddr {
    let rest = line.split("http://").nth(1).unwrap();
    rest.split([',', ' ']).next().unwrap().parse().unwrap()
}

/// One request with these first lines, on a connection of its own.
fn ask(address: SocketAddr, lines: &str) -> Answer {
    let mut client = Client::connect(address);
    client.say(format!("{lines}Connection: close\r\n\r\n"));
    client.hear()
}

#[test]
fn a_reload_changes_routes_and_cuts_nothing() {
    let (first, second) = (anything("first"), anything("second"));
    let gateway = Operated::start("reload.toml", &route("/", &first));
    let mut idle = Client::connect(gateway.address);
    idle.say("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(idle.hear().served_by(), "first");
    let mut busy = Client::connect(gateway.address);
    busy.say("GET /slow?delay_ms=300 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(first.wait_for_requests(2, PATIENCE));
    gateway.write(&text(&route("/", &second)));
    let applied: Value = serde_json::from_slice(&gateway.reload().body).unwrap();
    assert_eq!((&applied["generation"], &applied["routes"]), (&2.into(), &1.into()), "{applied}");
    assert_eq!(applied["workers"], serde_json::json!({ "adopted": 2, "of": 2 }));
    idle.say("GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(idle.hear().served_by(), "second", "a connection from before goes by what holds now");
    assert_eq!(busy.hear().served_by(), "first", "a request from before is finished");
    assert_eq!(get(gateway.address, "/c").served_by(), "second");
}

/// A download that goes on does not keep the configurations of its time: else an hour of them would be kept by one client.
#[test]
fn a_long_download_survives_reloads_and_keeps_no_configuration() {
    const BYTES: usize = 4_000_000;
    let server = anything("one");
    let gateway = Operated::start("download.toml", &route("/", &server));
    let mut client = Client::connect(gateway.address);
    client.say(format!("GET /?bytes={BYTES} HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert!(server.wait_for_requests(1, PATIENCE));
    for generation in 2..=20 {
        gateway.write(&text(&format!(
            "{}{}",
            route("/", &server),
            route(&format!("/{generation}"), &server)
        )));
        assert_eq!(gateway.reload().status, 200);
    }
    until_some("all earlier configurations to be freed", || {
        (gateway.json("/v1/config")["retired"] == 0).then_some(())
    });
    assert_eq!(gateway.json("/v1/config")["generation"], 20);
    let answer = client.hear();
    assert!(answer.body == pattern(BYTES), "{} bytes came", answer.body.len());
}

#[test]
fn a_bad_file_changes_nothing_and_says_why() {
    let server = anything("one");
    let gateway = Operated::start("bad-reload.toml", &route("/", &server));
    gateway.write(&text("[[routes]]\nprefx = \"/\"\n"));
    let refused = gateway.reload();
    assert_eq!((refused.status, refused.field("content-type")), (422, Some("application/problem+json")));
    let problem: Value = serde_json::from_slice(&refused.body).unwrap();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("bad-reload.toml:5:1") && detail.contains("did you mean `prefix`?"), "{detail}");
    gateway.running.signal(Signal::HUP);
    gateway.running.line_with("did you mean `prefix`?");
    gateway.running.line_with("not reloaded (SIGHUP): the configuration that held goes on to hold");
    assert_eq!(get(gateway.address, "/").status, 200);
    let reloads = gateway.json("/v1/config")["reloads"].clone();
    assert_eq!(reloads["applied"], 0);
}

#[test]
fn sighup_and_a_changed_file_reload_and_what_needs_a_restart_is_said() {
    let (first, second) = (anything("first"), anything("second"));
    let gateway = Operated::start("hangup.toml", &route("/", &first));
    gateway.write(
        &text(&route("/", &second)).replace("listen = \"127.0.0.1:0\"\nlog", "listen = \"127.0.0.1:1\"\nlog"),
    );
    gateway.running.signal(Signal::HUP);
    gateway.running.line_with("warning: `listen` has changed; that takes effect with the next start");
    gateway.running.line_with("reloaded (SIGHUP): generation 2, 1 routes, 2 of 2 workers");
    assert_eq!(get(gateway.address, "/").served_by(), "second");
    gateway.write(&text(&route("/", &first)));
    gateway.running.line_with("reloaded (the file has changed)");
    assert_eq!(get(gateway.address, "/").served_by(), "first");
}

#[test]
fn an_included_file_that_changes_is_noticed_too() {
    let (first, second) = (anything("first"), anything("second"));
    file("included-routes.toml", &route("/", &first));
    let gateway = Operated::start_with("including.toml", "include = [\"included-routes.toml\"]\n", "");
    assert_eq!(get(gateway.address, "/").served_by(), "first");
    file("included-routes.toml", &route("/", &second));
    gateway.running.line_with("reloaded (the file has changed)");
    assert_eq!(get(gateway.address, "/").served_by(), "second");
}

#[test]
fn a_file_that_comes_to_match_a_pattern_is_noticed_too() {
    let (first, second) = (anything("first"), anything("second"));
    let gateway =
        Operated::start_with("pattern.toml", "include = [\"pattern-*.toml\"]\n", &route("/", &first));
    let late = file("pattern-late.toml", &route("/late", &second));
    gateway.running.line_with("reloaded (the file has changed)");
    assert_eq!(get(gateway.address, "/late").served_by(), "second");
    std::fs::remove_file(late).unwrap();
    gateway.running.line_with("reloaded (the file has changed)");
    assert_eq!(get(gateway.address, "/late").served_by(), "first");
}

#[test]
fn a_reload_that_nobody_waits_for_is_carried_out() {
    let (first, second) = (anything("first"), anything("second"));
    let gateway = Operated::start("left.toml", &route("/", &first));
    gateway.write(&text(&route("/", &second)));
    let mut client = Client::connect(gateway.admin);
    let fields = format!("Host: {}\r\nAuthorization: Bearer {TOKEN}\r\n", gateway.admin);
    client.say(format!("POST /v1/reload HTTP/1.1\r\n{fields}Content-Length: 0\r\n\r\n"));
    drop(client);
    until_some("the reload", || (get(gateway.address, "/").served_by() == "second").then_some(()));
}

/// As one on a file system that does not answer: here it is a pipe that nobody writes to.
#[test]
fn a_file_that_cannot_be_read_to_its_end_keeps_nobody_waiting() {
    let server = anything("one");
    let included = file("hanging-routes.toml", &route("/", &server));
    let mut gateway = Operated::start_with("hanging.toml", "include = [\"hanging-routes.toml\"]\n", "");
    std::fs::remove_file(&included).unwrap();
    assert!(Command::new("mkfifo").arg(&included).status().unwrap().success());
    gateway.running.signal(Signal::HUP);
    let mut writing = OpenOptions::new();
    writing.write(true).custom_flags(OFlags::NONBLOCK.bits() as i32);
    let silent = until_some("a reader of the pipe", || writing.open(&included).ok());
    assert_eq!(gateway.question("/alive").status, 200);
    assert_eq!(get(gateway.address, "/").served_by(), "one");
    gateway.running.signal(Signal::TERM);
    assert_eq!(gateway.running.exit_code(), Some(0));
    drop(silent);
    std::fs::remove_file(&included).unwrap();
}

#[test]
fn turns_and_connections_go_on_across_a_reload() {
    let servers = [anything("a"), anything("b")];
    let list = format!("[\"{}\", \"{}\"]", servers[0].address(), servers[1].address());
    let routes = |cap: u32| {
        format!(
            "[pools.p]\nservers = {list}\nconnections = {cap}\n[[routes]]\nprefix = \"/\"\npool = \"p\"\n"
        )
    };
    let gateway = Operated::start("turns.toml", &routes(8));
    let mut client = Client::connect(gateway.address); // one for all: another could meet another worker
    let mut ask = || {
        client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        client.hear().served_by().to_owned()
    };
    assert_eq!(ask(), "a");
    gateway.write(&text(&routes(9)));
    assert_eq!(gateway.reload().status, 200);
    assert_eq!([ask(), ask()], ["b", "a"], "the turn goes on");
    let pools = gateway.json("/v1/pools");
    let server = &pools[0]["servers"][0];
    assert_eq!((&server["most_connections"], &server["connections"]), (&9.into(), &1.into()), "{pools}");
}

#[test]
fn orders_need_the_token_and_questions_a_name_of_this_machine() {
    let server = anything("one");
    let gateway = Operated::start("guard.toml", &route("/", &server));
    let local = format!("Host: {}\r\n", gateway.admin);
    for (line, fields, status) in [
        ("GET /v1/routes", "", 200),
        ("GET /ready", "", 200),
        ("POST /v1/reload", "Content-Length: 0\r\n", 401),
        ("POST /v1/drain", "Content-Length: 0\r\nAuthorization: Bearer wrong-wrong-wrong-wrong\r\n", 401),
        ("GET /v1/routes", "Origin: http://evil.example\r\n", 403),
        ("GET /v1/nothing", "", 404),
        ("PUT /v1/reload", &format!("Content-Length: 0\r\nAuthorization: Bearer {TOKEN}\r\n"), 405),
    ] {
        let answer = ask(gateway.admin, &format!("{line} HTTP/1.1\r\n{local}{fields}"));
        assert_eq!(answer.status, status, "{line} {fields}: {}", answer.text());
    }
    let foreign = ask(gateway.admin, "GET /v1/routes HTTP/1.1\r\nHost: evil.example\r\n");
    assert_eq!(foreign.status, 421, "{}", foreign.text());
    assert!(!gateway.question("/v1/config").text().contains(TOKEN), "the token is not shown");
}

#[test]
fn the_unix_socket_is_its_owners_alone_and_needs_no_token() {
    let server = anything("one");
    let socket = Path::new(env!("CARGO_TARGET_TMPDIR")).join("admin.sock");
    let text =
        format!("listen = \"127.0.0.1:0\"\nadmin.socket = \"{}\"\n{}", socket.display(), route("/", &server));
    for _ in 0..2 {
        let mut command = Command::new(PROGRAM);
        command.args(["run", "-c"]).arg(file("socket.toml", &text));
        let mut gateway = Running::start(command);
        gateway.line_with("listening on");
        assert_eq!(std::fs::metadata(&socket).unwrap().mode() & 0o777, 0o600);
        let mut asked = UnixStream::connect(&socket).unwrap();
        asked
            .write_all(
                b"POST /v1/drain HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            )
            .unwrap();
        let mut answer = String::new();
        asked.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
        assert_eq!(gateway.exit_code(), Some(0));
        assert!(!socket.exists(), "it goes with the gateway");
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap()); // left behind, as by one that was killed
    }
    std::fs::remove_file(&socket).unwrap();
}

#[test]
fn a_draining_gateway_is_alive_and_not_ready() {
    let server = anything("one");
    let mut gateway = Operated::start("drain.toml", &route("/", &server));
    assert_eq!((gateway.question("/alive").status, gateway.question("/ready").status), (200, 200));
    let mut busy = Client::connect(gateway.address);
    busy.say("GET /?delay_ms=500 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(server.wait_for_requests(1, PATIENCE));
    assert_eq!(gateway.order("/v1/drain").status, 202);
    gateway.running.line_with("draining");
    assert_eq!((gateway.question("/alive").status, gateway.question("/ready").status), (200, 503));
    assert_eq!(busy.hear().status, 200);
    assert_eq!(gateway.running.exit_code(), Some(0));
}

#[test]
fn which_requests_are_logged_can_be_ordered() {
    let server = anything("one");
    let text = text(&route("/", &server)).replace("\"off\"", "\"json\"");
    let config = file("log-level.toml", &text);
    let mut command = Command::new(PROGRAM);
    command.args(["run", "-c"]).arg(&config);
    let running = Running::start(command);
    let admin = address_in(&running.line_with("admin API on"));
    let address = address_in(&running.line_with("listening on"));
    let order = |body: &str| {
        let fields =
            format!("Host: {admin}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n", body.len());
        let mut client = Client::connect(admin);
        client.say(format!("PUT /v1/log HTTP/1.1\r\n{fields}Connection: close\r\n\r\n{body}"));
        client.hear()
    };
    let next_line = || running.line_with("\"request_id\"");
    get(address, "/first");
    assert!(next_line().contains("/first"));
    assert_eq!(order("{\"level\":\"failures\"}").status, 200);
    running.line_with("request log: {\"level\":\"failures\"}, by the admin API");
    get(address, "/second");
    get(address, "/third?status=500");
    assert!(next_line().contains("/third"), "a failure");
    assert_eq!(order("{\"level\":\"off\"}").status, 200);
    get(address, "/fourth?status=500");
    for bad in ["", "{}", "{\"level\":\"loud\"}", "{\"level\":\"all\",\"more\":1}", "[]"] {
        let refused = order(bad);
        assert_eq!((refused.status, refused.text().contains("\"bad_order\"")), (400, true), "{bad}");
    }
    assert_eq!(order(&format!("{{\"level\":\"all\"{}}}", " ".repeat(2000))).status, 413);
    let asked = ask(admin, &format!("GET /v1/log HTTP/1.1\r\nHost: {admin}\r\n")).text();
    assert!(asked.contains("\"level\":\"off\""), "{asked}");
    assert_eq!(order("{\"level\":\"all\"}").status, 200);
    get(address, "/fifth");
    assert!(next_line().contains("/fifth"));
    let silent = Operated::start("log-is-off.toml", &route("/", &server));
    let fields = format!("Host: {}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 15\r\n", silent.admin);
    let mut client = Client::connect(silent.admin);
    client.say(format!("PUT /v1/log HTTP/1.1\r\n{fields}Connection: close\r\n\r\n{{\"level\":\"all\"}}"));
    assert_eq!(client.hear().status, 409);
}

/// Every text of a configuration can come from the environment, and may be a secret.
#[test]
fn what_came_from_the_environment_is_shown_to_nobody() {
    let server = anything("one");
    let routes = format!(
        "node_id = \"${{NODE}}\"\nlisten = \"127.0.0.1:0\"\nadmin = {{ listen = \"127.0.0.1:0\", token = \"{TOKEN}\" }}\n\
         [pools.p]\nservers = [\"${{HOST}}:{0}\"]\n[[routes]]\nprefix = \"/\"\nhost = \"${{AUTHORITY}}\"\n\
         headers = {{ x-key = \"${{KEY}}\" }}\nname = \"of ${{NAME}}\"\npool = \"p\"\n[[routes]]\nprefix = \"/${{BASE}}\"\n\
         servers = [\"${{HOST}}:{0}\", \"127.0.0.1:{0}\"]\n",
        server.address().port()
    );
    let mut command = Command::new(PROGRAM);
    command.args(["run", "-c"]).arg(file("environment.toml", &routes));
    let secrets = [
        ("NODE", "s3cret-node"),
        ("HOST", "localhost"),
        ("AUTHORITY", "s3cret-authority"),
        ("KEY", "s3cret-key"),
        ("NAME", "s3cret-name"),
        ("BASE", "s3cret-base"),
    ];
    command.envs(secrets);
    let running = Running::start(command);
    let admin = address_in(&running.line_with("admin API on"));
    let address = address_in(&running.line_with("listening on"));
    let mut client = Client::connect(address);
    client.say("GET /a HTTP/1.1\r\nHost: s3cret-authority\r\nx-key: s3cret-key\r\n\r\n");
    assert_eq!(client.hear().served_by(), "one", "they count for what they are");
    let line = running.line_with("\"request_id\"");
    assert!(line.contains("\"route\":\"of ${NAME}\""), "{line}");
    let fields = format!("Host: {admin}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n");
    let mut said = vec![line, ask(admin, &format!("POST /v1/reload HTTP/1.1\r\n{fields}")).text()];
    for path in ["/v1/config", "/v1/routes", "/v1/pools", "/v1/workers", "/v1/log", "/metrics"] {
        let answer = ask(admin, &format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\n"));
        assert_eq!(answer.status, 200, "{path}");
        said.push(format!("{path} {}", answer.text()));
    }
    running.signal(Signal::TERM);
    said.push(running.rest());
    for (name, secret) in secrets {
        for text in &said {
            assert!(!text.contains(secret), "{name}: {text}");
        }
    }
    assert!(said.iter().any(|text| text.contains("route=\"of ${NAME}\"")), "a label");
}

/// Neither does traffic notice, nor do others who ask; and who has the socket is never locked out.
#[test]
fn stalled_scrapes_and_slow_askers_cost_nobody_else() {
    const ROUTES: usize = 300;
    let server = anything("one");
    let socket = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stalled.sock");
    let routes: String = (0..ROUTES).map(|number| route(&format!("/{number}"), &server)).collect();
    let head = format!(
        "listen = \"127.0.0.1:0\"\nlog.requests = \"off\"\nadmin = {{ listen = \"127.0.0.1:0\", socket = \"{}\" }}\n",
        socket.display()
    );
    let mut command = Command::new(PROGRAM);
    command.args(["run", "--workers", "1", "-c"]).arg(file("stalled.toml", &format!("{head}{routes}")));
    let mut running = Running::start(command);
    let admin = address_in(&running.line_with("admin API on"));
    let address = address_in(&running.line_with("listening on"));
    let mut client = Client::connect(address);
    let mut ask_all = || {
        for number in 0..ROUTES {
            client.say(format!("GET /{number} HTTP/1.1\r\nHost: h\r\n\r\n"));
            assert_eq!(client.hear().status, 200);
        }
    };
    ask_all();
    let scrape = format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\n");
    let stalled: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = Client::connect(admin);
            client.say(format!("{scrape}\r\n"));
            client
        })
        .collect();
    let whole = ask(admin, &scrape);
    assert!(
        whole.status == 200 && whole.body.len() > 1_000_000,
        "{} bytes fill any socket",
        whole.body.len()
    );
    let slow: Vec<Client> = (0..40)
        .map(|_| {
            let mut client = Client::connect(admin);
            client.say("GET /alive HTTP/1.1\r\nHost: ");
            client
        })
        .collect();
    ask_all();
    let mut asked = UnixStream::connect(&socket).unwrap();
    asked.write_all(b"GET /alive HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    asked.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(
        ask(admin, &format!("GET /alive HTTP/1.1\r\nHost: {admin}\r\n")).status,
        200,
        "once the slow ones are cut off"
    );
    running.signal(Signal::TERM);
    assert_eq!(running.exit_code(), Some(0), "nobody who stalls keeps the end waiting");
    drop((stalled, slow));
}

#[test]
fn metrics_count_what_was_asked_by_route_and_by_server() {
    let server = anything("one");
    let routes = format!("{}name = \"orders\"\n", route("/orders", &server));
    let gateway = Operated::start("metrics.toml", &routes);
    for path in ["/orders/1", "/orders/2?status=500", "/nowhere"] {
        get(gateway.address, path);
    }
    let name = server.address();
    for needle in [
        "ringgate_requests_total{route=\"orders\",source=\"upstream\",class=\"2xx\"} 1\n",
        "ringgate_requests_total{route=\"orders\",source=\"upstream\",class=\"5xx\"} 1\n",
        "ringgate_requests_total{route=\"\",source=\"gateway\",class=\"4xx\"} 1\n",
        "ringgate_request_duration_seconds_count{route=\"orders\"} 2\n",
        "ringgate_request_duration_seconds_bucket{le=\"+Inf\",route=\"orders\"} 2\n",
        &format!("ringgate_upstream_requests_total{{pool=\"{name}\",server=\"{name}\"}} 2\n"),
        &format!("ringgate_upstream_response_seconds_count{{pool=\"{name}\",server=\"{name}\"}} 2\n"),
        "ringgate_generation 1\n",
        "# EOF",
    ] {
        until_some(needle, || gateway.question("/metrics").text().contains(needle).then_some(()));
    }
}

/// Every connection that was made is answered by one process or the other, and what was under way is finished.
#[test]
fn an_upgrade_refuses_nobody_and_cuts_nothing() {
    const BYTES: usize = 1_000_000;
    let server = anything("one");
    let mut gateway = Operated::start("upgrade.toml", &route("/", &server));
    let mut busy = Client::connect(gateway.address);
    busy.say(format!("GET /?bytes={BYTES}&delay_ms=700 HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert!(server.wait_for_requests(1, PATIENCE));
    gateway.running.signal(Signal::USR2);
    let successor = loop {
        assert_eq!(get(gateway.address, "/").status, 200);
        if let Some(line) = gateway.running.any_line().filter(|line| line.contains("has taken over")) {
            break line.split(' ').nth(1).unwrap().parse().unwrap();
        }
    };
    assert!(busy.hear().body == pattern(BYTES));
    assert_eq!(gateway.running.exit_code(), Some(0), "the old process has ended");
    assert_eq!(get(gateway.address, "/").status, 200, "and the new one serves");
    assert_eq!(nice(successor), nice(std::process::id() as i32), "and goes behind nobody");
    kill_process(Pid::from_raw(successor).unwrap(), Signal::TERM).unwrap();
    until_some("its end", || std::net::TcpStream::connect(gateway.address).is_err().then_some(()));
}

/// The nice value of a process (proc_pid_stat(5)).
fn nice(process: i32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().split(' ').nth(17).unwrap().to_owned()
}

#[test]
fn an_upgrade_to_what_does_not_serve_is_none() {
    let server = anything("one");
    let gateway = Operated::start("no-upgrade.toml", &route("/", &server));
    gateway.write("listen = nonsense");
    gateway.running.signal(Signal::USR2);
    gateway.running.line_with("not upgraded: the new process ended before it served");
    assert_eq!(get(gateway.address, "/").status, 200);
}

/// As systemd starts it: one socket that listens already.
#[test]
fn a_socket_that_was_passed_on_is_used() {
    let server = anything("one");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = Client::connect(address);
    client.say("GET /before HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut command = Command::new(PROGRAM);
    command
        .args(["run", "-c"])
        .arg(file("activated.toml", &text(&route("/", &server))))
        .env("LISTEN_FDS", "1");
    let mapping = FdMapping { parent_fd: listener.into(), child_fd: 3 };
    command.fd_mappings(vec![mapping]).unwrap();
    let _gateway = Running::start(command);
    assert_eq!(client.hear().served_by(), "one", "it had connected before there was a gateway");
    assert_eq!(get(address, "/").status, 200);
}
