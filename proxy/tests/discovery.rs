//! Servers that are found: by names in a real DNS server, which changes, is silent and lies, and in files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use ringmock::{Kind, Mock, Options};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::running::{PROGRAM, Running, file, get};
use support::{Client, until_some};

/// dnsmasq on a port of its own, ended with the test.
struct Dns {
    child: Child,
    address: SocketAddr,
    hosts: PathBuf,
    options: Vec<String>,
}

impl Dns {
    /// Answers for the names in `hosts` (hosts(5)) and what the options say, each for a second, and knows no others. None where
    /// there is no dnsmasq, unless `RINGGATE_TESTS_NEED` names it: a newcomer's machine may lack it, the one that judges may not.
    fn start(name: &str, hosts: &str, options: &[&str]) -> Option<Dns> {
        let hosts = file(&format!("{name}.hosts"), hosts);
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        until_some("a port for dnsmasq", || {
            let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            match Dns::spawn(address, &hosts, &options) {
                Some(child) => Some(Some(Dns {
                    child: Dns::answering(child, address)?,
                    address,
                    hosts: hosts.clone(),
                    options: options.clone(),
                })),
                None => Some(None),
            }
        })
    }

    fn spawn(address: SocketAddr, hosts: &Path, options: &[String]) -> Option<Child> {
        let mut command = Command::new("dnsmasq");
        command.args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--pid-file",
        ]);
        command.args(["--listen-address=127.0.0.1", "--bind-interfaces", "--local-ttl=1", "--local=/test/"]);
        command.arg(format!("--port={}", address.port())).arg(format!("--addn-hosts={}", hosts.display()));
        command.arg(format!("--user={}", user())).arg("--log-facility=/dev/null").args(options);
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let needed =
                    std::env::var("RINGGATE_TESTS_NEED").is_ok_and(|needed| needed.contains("dnsmasq"));
                assert!(!needed, "dnsmasq is missing: apt-get install dnsmasq-base");
                eprintln!("left out, since there is no dnsmasq: apt-get install dnsmasq-base");
                None
            }
            child => Some(child.unwrap()),
        }
    }

    /// It, as soon as it answers; none if it has ended, since somebody else has the port.
    fn answering(mut child: Child, address: SocketAddr) -> Option<Child> {
        until_some("dnsmasq", || match child.try_wait().unwrap() {
            Some(_) => Some(false),
            None => std::net::TcpStream::connect(address).ok().map(|_| true),
        })
        .then_some(child)
    }

    /// Answers by these hosts from now on.
    fn know(&self, hosts: &str) {
        self.know_later(hosts);
        self.signal(Signal::HUP);
    }

    /// Answers by these hosts from its next start on.
    fn know_later(&self, hosts: &str) {
        std::fs::write(&self.hosts, hosts).unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Starts it again, where it was, with these options.
    fn restart(&mut self, options: &[&str]) {
        self.stop();
        self.options = options.iter().map(ToString::to_string).collect();
        self.child = until_some("the port to be free again", || {
            Dns::answering(Dns::spawn(self.address, &self.hosts, &self.options).unwrap(), self.address)
        });
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.stop();
    }
}

/// As whom dnsmasq shall run: whoever runs the test.
fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap().stdout;
    String::from_utf8(output).unwrap().trim().to_owned()
}

/// Servers at 127.0.0.1, 127.0.0.2 and so on that share a port, so that addresses tell them apart; each is called by its last
/// number.
fn servers(count: u8) -> Vec<Mock> {
    let start = |number: u8, port: u16| {
        let listen = ([127, 0, 0, number], port).into();
        Mock::start(Options { kind: Kind::Any, name: number.to_string(), listen, ..Options::default() })
    };
    until_some("a port that is free at all of them", || {
        let first = start(1, 0).unwrap();
        let port = first.address().port();
        let others = (2..=count).map(|number| start(number, port)).collect::<Result<Vec<_>, _>>().ok()?;
        Some(std::iter::once(first).chain(others).collect())
    })
}

/// A gateway of two workers whose pool `P` is this.
struct Discovering {
    running: Running,
    address: SocketAddr,
    admin: SocketAddr,
}

fn text(dns: Option<&Dns>, pool: &str) -> String {
    let resolver = dns.map_or(String::new(), |dns| {
        format!("discovery = {{ resolvers = [\"{}\"], timeout = \"300ms\", min_ttl = \"20ms\", max_ttl = \"50ms\" }}\n", dns.address)
    });
    format!(
        "listen = \"127.0.0.1:0\"\nworkers = 2\nlog.requests = \"off\"\nadmin.listen = \"127.0.0.1:0\"\n{resolver}\
         [pools.P]\n{pool}\n[[routes]]\nprefix = \"/\"\npool = \"P\"\n"
    )
}

impl Discovering {
    fn start(name: &str, dns: Option<&Dns>, pool: &str) -> Discovering {
        Discovering::of(name, &text(dns, pool))
    }

    fn of(name: &str, text: &str) -> Discovering {
        let mut command = Command::new(PROGRAM);
        command.args(["run", "-c"]).arg(file(name, text));
        let running = Running::start(command);
        let (admin, address) = (running.address(), running.address());
        Discovering { running, address, admin }
    }

    fn asked(&self, path: &str) -> String {
        let mut client = Client::connect(self.admin);
        client.say(format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin));
        client.hear().text()
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.asked(path)).unwrap()
    }

    /// The last numbers of the addresses of the pool's servers.
    fn has(&self) -> String {
        let pools = self.json("/v1/pools");
        let servers = pools[0]["servers"].as_array().unwrap().iter();
        let address = |server: &Value| server["address"].as_str().unwrap().parse::<SocketAddr>().unwrap();
        let last = |address: SocketAddr| address.ip().to_string().split('.').next_back().unwrap().to_owned();
        servers.map(|server| last(address(server))).collect()
    }

    /// Waits until these are the servers, and both workers go by that; meanwhile every request is answered.
    fn until_it_has(&self, numbers: &str) {
        until_some(&format!("servers {numbers}"), || {
            assert_eq!(get(self.address, "/").status, 200);
            (self.has() == numbers).then_some(())
        });
        until_some("all workers to know", || {
            let generation = self.json("/v1/config")["generation"].clone();
            let workers = self.json("/v1/workers");
            workers.as_array().unwrap().iter().all(|worker| worker["generation"] == generation).then_some(())
        });
        let answers: String =
            (0..2 * numbers.len()).map(|_| get(self.address, "/").served_by().to_owned()).collect();
        assert!(answers.chars().all(|number| numbers.contains(number)), "{answers} of {numbers}");
        assert!(numbers.chars().all(|number| answers.contains(number)), "{answers} of {numbers}");
    }

    /// The state of what the pool asks for.
    fn source(&self) -> Value {
        self.json("/v1/pools")[0]["sources"][0].clone()
    }
}

#[test]
fn a_name_stands_for_all_its_addresses_and_changes_with_them() {
    let servers = servers(3);
    let Some(dns) = Dns::start("changing", "127.0.0.1 posts.test\n", &[]) else { return };
    let pool = format!("servers = [\"posts.test:{}\"]", servers[0].address().port());
    let gateway = Discovering::start("changing.toml", Some(&dns), &pool);
    gateway.until_it_has("1");
    dns.know("127.0.0.1 posts.test\n127.0.0.3 posts.test\n");
    gateway.until_it_has("13");
    gateway.running.line_with("discovery: pool P: 2 servers (it had 1)");
    dns.know("127.0.0.2 posts.test\n");
    gateway.until_it_has("2");
    let source = gateway.source();
    assert_eq!((&source["kind"], &source["error"]), (&"host".into(), &Value::Null), "{source}");
    assert!(source["name"].as_str().unwrap().starts_with("posts.test:"), "{source}");
    let metrics = gateway.asked("/metrics");
    assert!(
        metrics.contains("ringgate_discovery_answers_total{pool=\"P\",outcome=\"answered\"}"),
        "{metrics}"
    );
    let server = servers[1].address();
    assert!(metrics.contains(&format!("pool=\"P\",server=\"{server}\"")), "{metrics}");
}

/// dnsmasq says that an answer holds for a second.
#[test]
fn a_question_is_asked_again_when_its_time_to_live_is_over_and_not_before() {
    let servers = servers(2);
    let Some(dns) = Dns::start("living", "127.0.0.1 posts.test\n", &[]) else { return };
    let port = servers[0].address().port();
    let text =
        text(Some(&dns), &format!("servers = [\"posts.test:{port}\"]")).replace(", max_ttl = \"50ms\"", "");
    let gateway = Discovering::of("living.toml", &text);
    let (begun, answers) = (Instant::now(), || gateway.source()["answers"].as_u64().unwrap());
    until_some("the third answer", || (answers() >= 3).then_some(()));
    let took = begun.elapsed();
    assert!(
        (Duration::from_millis(900)..Duration::from_secs(5)).contains(&took),
        "{took:?} for two seconds to live"
    );
}

#[test]
fn while_nobody_answers_or_what_is_answered_cannot_be_the_last_answer_holds() {
    let servers = servers(2);
    let Some(mut dns) = Dns::start("silent", "127.0.0.1 posts.test\n", &[]) else { return };
    let pool = format!("servers = [\"posts.test:{}\"]", servers[0].address().port());
    let gateway = Discovering::start("silent.toml", Some(&dns), &pool);
    let fails = |why: &str| {
        gateway.running.line_with(&format!(
            "`posts.test:{}`: {why}; the last answer goes on to hold",
            servers[0].address().port()
        ));
        assert_eq!((gateway.has().as_str(), get(gateway.address, "/").served_by()), ("1", "1"));
        assert_eq!(gateway.source()["error"], why);
    };
    let recovers = |number: &str| {
        gateway.until_it_has(number);
        gateway.running.line_with("is answered again");
        assert_eq!(gateway.source()["error"], Value::Null);
    };
    dns.signal(Signal::STOP);
    fails("no answer within 0.3 s");
    dns.signal(Signal::CONT);
    recovers("1");
    dns.know("0.0.0.0 posts.test\n224.0.0.1 posts.test\n");
    fails("the answer holds no address that a server can have");
    dns.know("127.0.0.1 posts.test\n");
    recovers("1");
    dns.know("127.0.0.2 others.test\n");
    fails("there is no such name (NXDOMAIN)");
    dns.stop();
    gateway.running.line_with("the last answer goes on to hold"); // in which words depends on the kernel's
    assert_eq!((gateway.has().as_str(), get(gateway.address, "/").served_by()), ("1", "1"));
    dns.know_later("127.0.0.2 posts.test\n");
    dns.restart(&[]);
    recovers("2");
    let failed = gateway.asked("/metrics");
    let failed = failed.lines().find(|line| line.contains("outcome=\"failed\"")).unwrap().to_owned();
    assert!(failed.rsplit(' ').next().unwrap().parse::<f64>().unwrap() >= 4.0, "{failed}");
}

#[test]
fn a_service_has_its_targets_of_the_best_priority_with_their_ports() {
    let servers = servers(3);
    let port = servers[0].address().port();
    let hosts = "127.0.0.1 a.test\n127.0.0.2 b.test\n127.0.0.3 c.test\n";
    let targets = |targets: &[(&str, u16)]| -> Vec<String> {
        let target = |(name, priority): &(&str, u16)| {
            format!("--srv-host=_http._tcp.posts.test,{name}.test,{port},{priority}")
        };
        targets.iter().map(target).collect()
    };
    let first = targets(&[("a", 1), ("b", 1), ("c", 2)]);
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    let Some(mut dns) = Dns::start("service", hosts, &first) else { return };
    let gateway = Discovering::start("service.toml", Some(&dns), "srv = \"_http._tcp.posts.test\"");
    gateway.until_it_has("12");
    let second = targets(&[("c", 1), ("gone", 0)]);
    let second: Vec<&str> = second.iter().map(String::as_str).collect();
    dns.restart(&second);
    gateway.until_it_has("3");
}

#[test]
fn a_reload_needs_no_resolver_for_what_is_known_and_an_upgrade_does() {
    let servers = servers(1);
    let Some(mut dns) = Dns::start("reload-known", "127.0.0.1 posts.test\n", &[]) else { return };
    let pool = format!("servers = [\"posts.test:{}\"]", servers[0].address().port());
    let gateway = Discovering::start("reload-known.toml", Some(&dns), &pool);
    dns.stop();
    gateway.running.signal(Signal::HUP);
    gateway.running.line_with("reloaded (SIGHUP)");
    gateway.until_it_has("1");
    gateway.running.signal(Signal::USR2);
    gateway.running.line_with("has no address");
    gateway.running.line_with("not upgraded: the new process ended before it served");
    gateway.until_it_has("1");
    file("reload-known.toml", &text(Some(&dns), &pool.replace("posts", "others")));
    gateway.running.signal(Signal::HUP);
    gateway.running.line_with("has no address");
    gateway.running.line_with("not reloaded (SIGHUP): the configuration that held goes on to hold");
    gateway.until_it_has("1");
}

#[test]
fn a_file_of_servers_is_followed_and_a_bad_one_changes_nothing() {
    let servers = servers(2);
    let at = |number: usize| format!("{}\n", servers[number - 1].address());
    let path = file("followed.servers", &at(1));
    let gateway = Discovering::start("followed.toml", None, "file = \"followed.servers\"");
    gateway.until_it_has("1");
    std::fs::write(&path, format!("# two\n{}\n{}", at(2), at(1))).unwrap();
    gateway.until_it_has("12");
    std::fs::write(&path, format!("{}posts.test:80\n", at(2))).unwrap();
    gateway.running.line_with("warning: discovery: `followed.servers`: line 2 is no server");
    gateway.until_it_has("12");
    std::fs::remove_file(&path).unwrap();
    gateway.running.line_with("warning: discovery: `followed.servers`: No such file or directory");
    gateway.until_it_has("12");
    std::fs::write(&path, at(2)).unwrap();
    gateway.until_it_has("2");
    gateway.running.line_with("discovery: `followed.servers` is answered again");
    assert_eq!(gateway.source()["kind"], "file");
}
