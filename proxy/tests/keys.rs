//! Keys of issuers as these publish them: fetched, changed, withdrawn and out of reach, while requests come.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ringmock::Mock;
use support::running::{PROGRAM, Running, file};
use support::tokens::{Issuer, IssuerKey, bearer, now, token};
use support::{Answer, Client, anything, list, until_some};

/// The program with an issuer.
struct Gate {
    running: Running,
    address: SocketAddr,
    config: PathBuf,
    server: Mock,
}

impl Gate {
    fn start(name: &str, jwt: &str) -> Gate {
        let server = anything("one");
        let config = file(name, &text(&server, jwt));
        let mut command = Command::new(PROGRAM);
        command.args(["run", "-c"]).arg(&config);
        let running = Running::start(command);
        let address = running.address();
        Gate { running, address, config, server }
    }

    fn get(&self, fields: &str) -> Answer {
        let mut client = Client::connect(self.address);
        client.say(format!("GET /x HTTP/1.1\r\nHost: h\r\n{fields}Connection: close\r\n\r\n"));
        client.hear()
    }

    fn status(&self, token: &str) -> u16 {
        self.get(&bearer(token)).status
    }

    fn until(&self, token: &str, status: u16) {
        until_some(&format!("{status}"), || (self.status(token) == status).then_some(()));
    }
}

fn text(server: &Mock, jwt: &str) -> String {
    let servers = list(&[server]);
    format!(
        "listen = \"127.0.0.1:0\"\nworkers = 2\nlog.requests = \"off\"\nauth_failures = \"none\"\npolicy = \"p\"\nallow = [\"missing-audience\"]\n\
         [rate_limits.quota]\nquota = \"100/1m\"\n[auth.users.jwt]\n{jwt}\n[policies.p]\nauth = [\"users\"]\n\
         [[routes]]\nprefix = \"/limited\"\npolicy = \"limited\"\nservers = {servers}\n[policies.limited]\nauth = [\"users\"]\nrate_limits = [\"quota\"]\n\
         [[routes]]\nprefix = \"/\"\nservers = {servers}\n"
    )
}

fn jwks(issuer: &Issuer, refresh: &str, cooldown: &str) -> String {
    format!("jwks = \"{}\"\nrefresh = \"{refresh}\"\ncooldown = \"{cooldown}\"", issuer.url())
}

#[test]
fn a_key_that_is_new_is_fetched_while_its_first_request_waits() {
    let (first, second, never) = (IssuerKey::new("first"), IssuerKey::new("second"), IssuerKey::new("never"));
    let issuer = Issuer::start(&[&first]);
    let gate = Gate::start("new-keys.toml", &jwks(&issuer, "1h", "50ms"));
    gate.until(&first.token("ada"), 200);
    issuer.publish(&[&first, &second]);
    std::thread::sleep(Duration::from_millis(60)); // the time between two fetches
    assert_eq!(gate.status(&second.token("ada")), 200, "it was fetched for this very request");
    let asked = issuer.asked();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(500) {
        assert_eq!(gate.status(&never.token("ada")), 401);
    }
    let more = issuer.asked() - asked;
    assert!((1..=11).contains(&more), "{more} fetches in half a second, one for each 50 ms at most");
    assert_eq!(gate.status(&first.token("bob")), 200);
}

#[test]
fn each_of_two_issuers_is_asked_for_keys_that_are_new() {
    let keys: Vec<IssuerKey> = ["a-1", "b-1", "b-2"].map(IssuerKey::new).into();
    let (first, second) = (Issuer::start(&[&keys[0]]), Issuer::start(&[&keys[1]]));
    let server = anything("one");
    let other = format!("[auth.others.jwt]\n{}\n[policies.p]\n", jwks(&second, "1h", "50ms"));
    let text = text(&server, &jwks(&first, "1h", "50ms")).replace("[policies.p]\n", &other);
    let text = text.replace(
        "auth = [\"users\"]\n[[routes]]\nprefix = \"/limited\"",
        "auth = [\"users\", \"others\"]\n[[routes]]\nprefix = \"/limited\"",
    );
    let mut command = Command::new(PROGRAM);
    let config = file("two-issuers.toml", &text);
    command.args(["run", "-c"]).arg(&config);
    let running = Running::start(command);
    let gate = Gate { address: running.address(), running, config, server };
    gate.until(&keys[0].token("ada"), 200);
    gate.until(&keys[1].token("bob"), 200);
    second.publish(&[&keys[1], &keys[2]]);
    std::thread::sleep(Duration::from_millis(60)); // the time between two fetches
    assert_eq!(gate.status(&keys[2].token("eve")), 200);
}

#[test]
fn a_key_that_is_withdrawn_is_withdrawn_for_tokens_that_were_seen() {
    let (first, second) = (IssuerKey::new("first"), IssuerKey::new("second"));
    let issuer = Issuer::start(&[&first, &second]);
    let gate = Gate::start("withdrawn.toml", &jwks(&issuer, "100ms", "50ms"));
    let (old, new) = (first.token("ada"), second.token("ada"));
    gate.until(&old, 200);
    assert_eq!((gate.status(&old), gate.status(&new)), (200, 200));
    issuer.publish(&[&second]);
    gate.until(&old, 401);
    assert_eq!(gate.status(&new), 200);
    gate.running.line_with("keys of users: 1 (there were 2)");
}

#[test]
fn while_the_provider_is_down_known_keys_hold_and_unknown_ones_are_nobodys_fault() {
    let (first, second) = (IssuerKey::new("first"), IssuerKey::new("second"));
    let issuer = Issuer::start(&[&first]);
    let gate = Gate::start("down.toml", &jwks(&issuer, "100ms", "50ms"));
    gate.until(&first.token("ada"), 200);
    issuer.goes_down(true);
    gate.running.line_with("warning: keys of users cannot be fetched");
    assert_eq!(gate.status(&first.token("bob")), 200, "the last good ones hold");
    let answer = gate.get(&bearer(&second.token("ada")));
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("5")));
    assert!(answer.text().contains("keys_unavailable"), "{answer:?}");
    issuer.say("<html>no keys</html>");
    issuer.goes_down(false);
    gate.running.line_with("its answer is of no use");
    assert_eq!(gate.status(&first.token("eve")), 200);
    issuer.publish(&[&first, &second]);
    gate.until(&second.token("ada"), 200);
    gate.running.line_with("keys of users: they can be fetched again");
}

#[test]
fn a_gateway_whose_provider_is_down_at_the_start_says_so_and_asks_again() {
    let key = IssuerKey::new("only");
    let issuer = Issuer::start(&[&key]);
    issuer.goes_down(true);
    let gate = Gate::start("down-at-start.toml", &jwks(&issuer, "100ms", "50ms"));
    assert_eq!(gate.status(&key.token("ada")), 503, "it may be a good one");
    issuer.goes_down(false);
    gate.until(&key.token("ada"), 200);
}

/// Keys rotate each second under load; each is published two seconds before it signs, and stays for two seconds after; the provider is
/// down now and then. No token of a key that was fetched and not withdrawn is refused, none of a withdrawn one is taken for long.
#[test]
fn keys_rotate_under_load_and_no_good_token_is_refused() {
    const SECONDS: usize = 8;
    let keys: Vec<IssuerKey> =
        (0..SECONDS + 4).map(|number| IssuerKey::new(&format!("key-{number}"))).collect();
    let published =
        |second: usize| -> Vec<&IssuerKey> { keys[second.saturating_sub(2)..second + 3].iter().collect() };
    let issuer = Issuer::start(&published(0));
    let gate = Gate::start("rotation.toml", &jwks(&issuer, "500ms", "200ms"));
    gate.until(&keys[0].token("ada"), 200);
    let (second, is_over, asked) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (address, keys, second, is_over, asked) = (gate.address, &keys, &second, &is_over, &asked);
            scope.spawn(move || {
                let mut client = Client::connect(address);
                let mut number = 0;
                while !is_over.load(Ordering::SeqCst) {
                    let token =
                        keys[second.load(Ordering::SeqCst)].token(&format!("user-{thread}-{}", number % 50));
                    for _ in 0..3 {
                        client.say(format!("GET /x HTTP/1.1\r\nHost: h\r\n{}\r\n", bearer(&token)));
                        assert_eq!(client.hear().status, 200, "in second {}", second.load(Ordering::SeqCst));
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                    number += 1;
                }
            });
        }
        for next in 1..=SECONDS {
            issuer.goes_down(next % 3 == 0); // for a second, which the two seconds of notice outlast
            std::thread::sleep(Duration::from_secs(1));
            issuer.publish(&published(next));
            second.store(next, Ordering::SeqCst);
        }
        is_over.store(true, Ordering::SeqCst);
    });
    issuer.goes_down(false);
    assert!(asked.load(Ordering::Relaxed) > 500, "{asked:?}");
    gate.until(&keys[0].token("ada"), 401); // withdrawn long ago
    let last = keys[SECONDS].token("ada");
    assert_eq!(gate.status(&last), 200);
    issuer.publish(&[&keys[SECONDS + 1]]);
    let withdrawn = Instant::now();
    gate.until(&last, 401);
    assert!(withdrawn.elapsed() < Duration::from_secs(2), "a refresh is 500 ms");
}

#[test]
fn an_issuer_is_asked_over_tls_and_has_to_be_who_it_says() {
    let key = IssuerKey::new("only");
    let body = key_set(&key);
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let address = serve_over_tls(&certified, body);
    let authority = file("tls-authority.pem", &certified.cert.pem());
    let jwt = |ca: &str| {
        format!(
            "jwks = \"https://localhost:{}/keys\"\nrefresh = \"100ms\"\ncooldown = \"50ms\"\n{ca}",
            address.port()
        )
    };
    let gate = Gate::start("tls.toml", &jwt(&format!("jwks_ca_file = \"{}\"", authority.display())));
    gate.until(&key.token("ada"), 200);
    let gate = Gate::start("tls-unknown.toml", &jwt(""));
    gate.running.line_with(
        "warning: keys of users cannot be fetched: the provider cannot be reached (invalid peer certificate",
    );
    assert_eq!(gate.status(&key.token("ada")), 503);
}

fn key_set(key: &IssuerKey) -> String {
    let issuer = Issuer::start(&[key]);
    let mut client = Client::connect(issuer.address);
    client.say("GET / HTTP/1.1\r\n\r\n");
    client.hear().text()
}

/// Answers everybody with this.
fn serve_over_tls(certified: &rcgen::CertifiedKey<rcgen::KeyPair>, body: String) -> SocketAddr {
    use rustls::pki_types::PrivateKeyDer;
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let settings =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let settings =
        settings.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
    let (settings, listener) = (Arc::new(settings), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut connection = rustls::ServerConnection::new(settings.clone()).unwrap();
            let mut stream = stream.unwrap();
            let mut tls = rustls::Stream::new(&mut connection, &mut stream);
            let mut head = [0; 4096];
            if tls.read(&mut head).is_ok_and(|count| count > 0) {
                let length = body.len();
                let _ = write!(
                    tls,
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        }
    });
    address
}

#[test]
fn a_reload_keeps_counts_and_verified_tokens_and_takes_up_other_numbers() {
    let key = IssuerKey::new("only");
    let issuer = Issuer::start(&[&key]);
    let jwt = jwks(&issuer, "1h", "50ms");
    let gate = Gate::start("reload-counts.toml", &jwt);
    let ada = key.token("ada");
    gate.until(&ada, 200);
    let ask = || {
        let mut client = Client::connect(gate.address);
        client.say(format!("GET /limited HTTP/1.1\r\nHost: h\r\n{}Connection: close\r\n\r\n", bearer(&ada)));
        let answer = client.hear();
        (answer.status, answer.field("x-ratelimit-remaining").map(|left| left.parse::<u64>().unwrap()))
    };
    for used in 1..=40 {
        assert_eq!(ask(), (200, Some(100 - used)));
    }
    let fetched = issuer.asked();
    let change = |from: &str, to: &str| {
        let text = std::fs::read_to_string(&gate.config).unwrap().replace(from, to);
        std::fs::write(&gate.config, text).unwrap();
        gate.running.line_with("reloaded");
    };
    change("100/1m", "200/1m");
    assert_eq!(ask(), (200, Some(159)), "what was used stays used");
    change("200/1m", "41/1m");
    assert_eq!(ask(), (429, Some(0)));
    assert_eq!(gate.status(&ada), 200, "and keys need not be fetched before the first request");
    // And one that the first request, which came before the keys, may have asked for.
    assert!(issuer.asked() <= fetched + 3, "a configuration fetches its keys once");
}

/// Ten thousand tokens that are none: each is refused, and nothing of them stays.
#[test]
fn malformed_tokens_leave_nothing_behind() {
    let key = IssuerKey::new("only");
    let issuer = Issuer::start(&[&key]);
    let gate = Gate::start("malformed.toml", &jwks(&issuer, "1h", "1h"));
    gate.until(&key.token("ada"), 200);
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", gate.running.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<i64>().unwrap()
    };
    let flood = |from: usize| {
        let mut client = Client::connect(gate.address);
        for number in from..from + 5000 {
            let text = match number % 4 {
                0 => format!("{number}.{number}.{number}"),
                1 => format!("{}x", token("ada", serde_json::json!({ "jti": number.to_string() }))),
                2 => "A".repeat(number % 8000),
                _ => key.token("ada").replace('.', ".e"),
            };
            client.say(format!("GET /x HTTP/1.1\r\nHost: h\r\n{}\r\n", bearer(&text)));
            assert_eq!(client.hear().status, 401, "{number} at {}", now());
        }
    };
    flood(0);
    let before = resident();
    flood(5000);
    let grown = resident() - before;
    assert!(grown < 1024, "{grown} KiB more after five thousand more");
    assert_eq!(gate.server.received().iter().filter(|request| request.target == "/x").count(), 1);
}
