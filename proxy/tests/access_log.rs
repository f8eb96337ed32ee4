//! The access log over real sockets: what its lines say, what they never say, and where they go.

#![allow(unreachable_pub, reason = "a test file is a crate of its own")]
#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod support;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{fs, thread};

use ringmock::Mock;
use rustix::process::Signal;
use serde_json::Value;
use support::running::{PROGRAM, Running, file, get};
use support::{Client, anything, gateway, in_front_of, list, nobody, until_some};

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))
}

/// The stages of a line, in order, with their seconds.
fn stages(line: &Value) -> Vec<(String, f64)> {
    let stages = line["stages"].as_object().expect("stages");
    stages.iter().map(|(name, seconds)| (name.clone(), seconds.as_f64().unwrap())).collect()
}

on_every_driver! {
    fn a_line_says_who_asked_what_became_of_it_and_where_its_time_went(driver: Rung) {
        let server = anything("one");
        let gateway = in_front_of(driver, &[&server]);
        let mut client = gateway.connect();
        let head = "POST /first?delay_ms=30 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n";
        client.say(&head[..20]);
        thread::sleep(std::time::Duration::from_millis(20)); // what the stage `head` is about
        client.say(format!("{}hello", &head[20..]));
        let answer = client.hear();
        let line = json(&gateway.log.line_with("\"path\":\"/first\""));
        assert_eq!((&line["method"], &line["status"], &line["source"]), (&"POST".into(), &200.into(), &"upstream".into()));
        assert_eq!((&line["route"], &line["client"]), (&"/*".into(), &"127.0.0.1".into()));
        assert_eq!((&line["attempts"], &line["server"]), (&1.into(), &server.address().to_string().into()));
        assert_eq!(line["bytes_received"], head.len() + 5);
        assert_eq!(line["bytes_sent"], answer.head.len() + answer.body.len());
        assert!(line["query"].is_null() && line["fields"].is_null(), "{line}");
        let duration = line["duration_s"].as_f64().unwrap();
        let of = |name: &str| stages(&line).into_iter().find(|(stage, _)| stage == name).map_or(0.0, |(_, time)| time);
        assert!(of("head") >= 0.01 && of("first_byte") >= 0.03 && of("connect") > 0.0, "{line}");
        let parts: f64 = stages(&line).iter().filter(|(stage, _)| stage != "accept").map(|(_, time)| time).sum();
        assert!((duration - parts).abs() < 1e-5, "each stage is rounded to a microsecond: {line}");

        client.say("GET /second HTTP/1.1\r\nHost: h\r\n\r\n");
        client.hear();
        let line = json(&gateway.log.line_with("/second"));
        let names: Vec<String> = stages(&line).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["first_byte", "policy", "transfer"], "a kept connection needs neither queue nor connect");
        assert_eq!(line["bytes_received"], "GET /second HTTP/1.1\r\nHost: h\r\n\r\n".len());
    }

    fn bytes_are_counted_for_the_request_they_belong_to(driver: Rung) {
        let gateway = in_front_of(driver, &[&anything("one")]);
        let mut client = gateway.connect();
        let requests = ["/a", "/bb", "/ccc"].map(|path| format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let chunked = "POST /dddd HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        client.say(format!("{}{chunked}", requests.concat()));
        let heard: Vec<usize> = (0..4).map(|_| client.hear()).map(|answer| answer.head.len() + answer.body.len()).collect();
        let lines = ["/a\"", "/bb\"", "/ccc\"", "/dddd\""].map(|path| json(&gateway.log.line_with(path)));
        let received = lines.each_ref().map(|line| line["bytes_received"].as_u64().unwrap() as usize);
        assert_eq!(received, [requests[0].len(), requests[1].len(), requests[2].len(), chunked.len()]);
        let sent: Vec<usize> = lines.iter().map(|line| line["bytes_sent"].as_u64().unwrap() as usize).collect();
        assert_eq!(sent, heard);
    }

    fn what_is_allowed_is_shown_and_every_attempt_is_counted(driver: Rung) {
        let server = anything("one");
        let gateway = gateway(driver, &format!(r#"
            log.query = ["page"]
            log.fields = ["user-agent"]
            [[routes]]
            prefix = "/"
            servers = ["{}", "{}"]"#, nobody(), server.address()));
        let mut client = gateway.connect();
        client.say(
            "GET /a?page=2&token=S3CRET HTTP/1.1\r\nHost: h\r\nUser-Agent: \"me\"\r\n\
             traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n",
        );
        assert_eq!(client.hear().status, 200);
        let line = json(&gateway.log.line_with("/a"));
        assert_eq!((&line["query"], &line["attempts"]), (&"page=2&redacted".into(), &2.into()));
        assert_eq!(line["fields"]["user-agent"], "\"me\"");
        assert_eq!(line["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    }

    fn answers_tell_where_their_time_went_if_they_are_to(driver: Rung) {
        let server = anything("one");
        let gateway = gateway(driver, &format!(r#"
            server_timing = true
            [[routes]]
            prefix = "/told"
            servers = {0}
            [[routes]]
            prefix = "/untold"
            servers = {0}
            server_timing = false
            [[routes]]
            prefix = "/down"
            servers = ["{1}"]"#, list(&[&server]), nobody()));
        let timing = |path: &str| {
            let field = gateway.get(path).field("server-timing")?.to_owned();
            let duration = |part: &str| part.split_once(";dur=").map(|(name, time)| (name.to_owned(), time.parse::<f64>().unwrap()));
            Some(field.split(", ").map(|part| duration(part).expect("a duration")).collect::<Vec<_>>())
        };
        let told = timing("/told?delay_ms=30").expect("a field");
        assert_eq!(told.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["gateway", "connect", "upstream"]);
        assert!(told[2].1 >= 30.0, "{told:?}");
        assert!(timing("/down").is_some() && timing("/nowhere").is_some(), "answers of the gateway's own, too");
        assert_eq!(timing("/untold"), None);
    }

    fn a_sample_is_the_same_requests_everywhere_and_all_that_failed(driver: Rung) {
        let server = anything("one");
        let sampled = |share: f64| gateway(driver, &format!(r#"
            log.sample = {share}
            [[routes]]
            prefix = "/up"
            servers = {}
            [[routes]]
            prefix = "/down"
            servers = ["{}"]"#, list(&[&server]), nobody()));
        let ids = |share: f64| {
            let gateway = sampled(share);
            let mut client = gateway.connect();
            for number in 0..400 {
                let path = if number % 40 == 0 { "/down" } else { "/up" };
                client.say(format!("GET {path} HTTP/1.1\r\nHost: h\r\nX-Request-Id: id-{number}\r\n\r\n"));
                client.hear();
            }
            client.say("GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n");
            client.hear();
            gateway.log.line_with("\"cause\":\"NR\"");
            let text = gateway.log.text();
            let lines: Vec<Value> = text.lines().map(json).collect();
            let (failed, fine): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| !line["cause"].is_null());
            assert_eq!(failed.len(), 11);
            assert!(failed.iter().all(|line| line["sample"].is_null()), "they stand for themselves only");
            assert!(fine.iter().all(|line| line["sample"] == share), "and these for others");
            fine.into_iter().map(|line| line["request_id"].to_string()).collect::<Vec<_>>()
        };
        let some = ids(0.25);
        assert!((50..150).contains(&some.len()), "{} of 390", some.len());
        assert_eq!(ids(0.25), some, "whichever gateway logs them");
        assert!(ids(0.5).len() > some.len() && ids(0.0).is_empty());
    }
}

/// Stands in all that a client can make up.
const SECRET: &str = "S3CRET";

/// What a client may send that holds secrets, in good order and otherwise; the place of `$` is the secret's.
const REQUESTS: [&str; 30] = [
    "GET /users/7 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer $\r\nCookie: session=$\r\n\r\n",
    "GET /users/7 HTTP/1.1\r\nHost: h\r\nX-Api-Key: $\r\nProxy-Authorization: Basic $\r\nX-Anything: $\r\n\r\n",
    "GET /users/7 HTTP/1.1\r\nHost: $.example\r\nX-Forwarded-For: $\r\nForwarded: for=$\r\n\r\n",
    "GET /users/7?token=$&page=2 HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /users/7?$ HTTP/1.1\r\nHost: h\r\nReferer: http://h/?code=$\r\n\r\n",
    "GET /users/7?page=2;token=$&$=1 HTTP/1.1\r\nHost: h\r\nReferer: http://u:$@h/\r\n\r\n",
    "GET http://$.example/users/7?%74oken=$ HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /users/7 HTTP/1.1\r\nHost: h\r\nX-Request-Id: $ $\r\ntraceparent: 00-$-$-01\r\n\r\n",
    "GET /reset/$ HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /reset/$?token=$ HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
    "GET /x/../reset/%40$ HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /down/$ HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST /reset/$ HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n$",
    "GET /$ HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /files/$/more?$ HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST /anything HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n$\r\n0\r\nX-Trailer: $\r\n\r\n",
    "$ /anything HTTP/1.1\r\nHost: h\r\n\r\n",
    "OPTIONS /reset/$ HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n",
    // From here on the connection ends.
    "$\r\n\r\n",
    "GET /users/$ HTTP/9.9\r\nHost: h\r\n\r\n",
    "GET  /$ HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /users/7 HTTP/1.1\r\nHost: h\r\nAuthorization Bearer $\r\n\r\n",
    "GET /users/7 HTTP/1.1\r\nHost: h\r\nCookie: $\n\r\n",
    "GET /%zz$ HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /users/7 HTTP/1.1\r\nHost: $@h\r\n\r\n",
    "CONNECT $:443 HTTP/1.1\r\nHost: h\r\n\r\n",
    "TRACE /reset/$ HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /users/7 HTTP/1.1\r\nHost: h\r\nExpect: $\r\n\r\n",
    "POST /users/7 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: $\r\n\r\n",
    "POST /anything HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n$\r\n",
];

/// Those of them after which the connection goes on.
const ORDERLY: usize = 18;

const TEN_THOUSAND: usize = 10_000;

/// Sends all of them, again and again: the first one in forty rounds only, since each costs a connection.
fn tell_secrets(address: SocketAddr) -> usize {
    let say = |client: &mut Client, request: &str| {
        client.say(request.replace('$', SECRET));
        assert!(client.hear().status >= 200, "{request}");
    };
    let mut client = Client::connect(address);
    let mut told = 0;
    for round in 0.. {
        REQUESTS[..ORDERLY].iter().for_each(|request| say(&mut client, request));
        told += ORDERLY;
        if round % 40 == 0 {
            REQUESTS[ORDERLY..].iter().for_each(|request| say(&mut Client::connect(address), request));
            told += REQUESTS.len() - ORDERLY;
        }
        if told >= TEN_THOUSAND {
            break;
        }
    }
    told
}

/// `ringgate run` with a log of its own, in front of a server.
struct Logging {
    gateway: Running,
    address: SocketAddr,
    path: PathBuf,
}

/// The path of a log that is not there yet.
fn no_log(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.log"));
    let _ = fs::remove_file(&path);
    path
}

impl Logging {
    fn start(name: &str, path: PathBuf, server: &Mock, settings: &str) -> Logging {
        let text = format!(
            "listen = \"127.0.0.1:0\"\nworkers = 1\nlog.file = \"{}\"\n{settings}\n\
             [[routes]]\nprefix = \"/users/{{id}}\"\nservers = [\"{1}\"]\n\
             [[routes]]\npath = \"/reset/{{token}}\"\nmethods = [\"GET\"]\nservers = [\"{1}\"]\n\
             [[routes]]\npath = \"/down/{{token}}\"\nservers = [\"{2}\"]\n\
             [[routes]]\nprefix = \"/files\"\nredact = [\"*\"]\nservers = [\"{1}\"]\n\
             [[routes]]\nprefix = \"/anything\"\nservers = [\"{1}\"]\n",
            path.display(),
            server.address(),
            nobody()
        );
        let mut command = Command::new(PROGRAM);
        command.arg("run").arg("-c").arg(file(&format!("{name}.toml"), &text));
        let gateway = Running::start(command);
        let address = gateway.address();
        Logging { gateway, address, path }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    fn lines(&self, count: usize) -> String {
        until_some("the lines", || Some(self.log()).filter(|log| log.lines().count() >= count))
    }

    /// Ends it; what it has said on standard error, and standard output, meanwhile.
    fn end(mut self) -> String {
        self.gateway.signal(Signal::TERM);
        assert_eq!(self.gateway.exit_code(), Some(0));
        self.gateway.rest()
    }
}

#[test]
fn ten_thousand_requests_that_carry_secrets_everywhere_leave_none_in_any_log() {
    let server = anything("one");
    for form in ["json", "combined", "text"] {
        let settings = format!(
            "log.requests = \"{form}\"\nlog.query = [\"page\"]\nlog.fields = [\"referer\", \"user-agent\"]"
        );
        let name = format!("secrets-{form}");
        let logging = Logging::start(&name, no_log(&name), &server, &settings);
        let told = tell_secrets(logging.address);
        let path = logging.path.clone();
        let said = logging.end();
        let log = fs::read_to_string(path).unwrap();
        let telltale = log.lines().chain(said.lines()).find(|line| line.contains(SECRET));
        assert_eq!(telltale, None, "{form}");
        match form {
            "text" => assert!(log.lines().count() >= 10 && log.contains("more within a second")),
            _ => assert_eq!(log.lines().count(), told, "{form}"),
        }
        assert!(log.contains("/reset/{token}") && log.contains("/users/7"), "it tells the rest");
    }
}

#[test]
fn a_log_file_is_appended_to_readable_by_its_group_and_by_nobody_else() {
    let (server, path) = (anything("one"), no_log("appended"));
    for count in 1..=2 {
        let logging = Logging::start("appended", path.clone(), &server, "");
        get(logging.address, "/users/7");
        logging.lines(count);
        logging.end();
    }
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");
}

#[test]
fn a_log_without_a_folder_is_an_error_at_the_start_that_says_what_to_do() {
    let path = no_log("nowhere").join("access.log");
    let text = format!(
        "listen = \"127.0.0.1:0\"\nlog.file = \"{}\"\n[[routes]]\nprefix = \"/\"\nservers = [\"127.0.0.1:1\"]",
        path.display()
    );
    let mut command = Command::new(PROGRAM);
    command.arg("run").arg("-c").arg(file("nowhere.toml", &text));
    let mut gateway = Running::start(command);
    let error = gateway.line_with("error:");
    assert!(
        error.contains("cannot write the request log") && error.contains("nowhere.log/access.log"),
        "{error}"
    );
    gateway.line_with("create the folder it is to be in, or change `log.file`");
    assert_eq!(gateway.exit_code(), Some(1));
}

#[test]
fn a_rotated_log_goes_on_in_a_new_file_and_in_the_old_one_if_there_cannot_be_a_new_one() {
    let (server, path) = (anything("one"), no_log("rotated"));
    let logging = Logging::start("rotated", path.clone(), &server, "");
    let rotated = path.with_extension("log.1");
    get(logging.address, "/users/1");
    logging.lines(1);
    fs::rename(&path, &rotated).unwrap();
    logging.gateway.signal(Signal::USR1);
    logging.gateway.line_with("request log: reopened");
    get(logging.address, "/users/2");
    assert!(logging.lines(1).contains("/users/2"));
    assert!(!fs::read_to_string(&rotated).unwrap().contains("/users/2"));

    fs::remove_file(&rotated).unwrap();
    fs::rename(&path, &rotated).unwrap();
    fs::create_dir(&path).unwrap();
    logging.gateway.signal(Signal::USR1);
    let warning = logging.gateway.line_with("cannot reopen the request log");
    assert!(warning.contains("it goes on in the file it had"), "{warning}");
    get(logging.address, "/users/3");
    until_some("the line", || fs::read_to_string(&rotated).unwrap().contains("/users/3").then_some(()));
    logging.end();
    fs::remove_dir(&path).unwrap();
}

#[test]
fn a_full_disk_costs_the_lines_that_it_has_no_room_for_and_they_are_counted() {
    let server = anything("one");
    let logging = Logging::start("full", "/dev/full".into(), &server, "");
    for _ in 0..3 {
        assert_eq!(get(logging.address, "/users/7").status, 200);
    }
    let mut failed = 0;
    while failed < 3 {
        let warning = logging.gateway.line_with("request log lines could not be written to `/dev/full`");
        assert!(warning.contains("make room, and the log goes on"), "{warning}");
        let count = warning.split("warning: ").nth(1).unwrap().split(' ').next().unwrap();
        failed += count.parse::<u32>().unwrap();
    }
    assert_eq!(failed, 3);
    logging.end();
}

/// Reads a pipe into a file, as a collector of logs does.
fn collector(pipe: &Path, into: &Path) -> Child {
    let into = fs::OpenOptions::new().create(true).append(true).open(into).unwrap();
    Command::new("cat").arg(pipe).stdin(Stdio::null()).stdout(into).spawn().unwrap()
}

#[test]
fn a_collector_that_is_killed_costs_lines_and_no_request_and_the_next_one_gets_those_that_follow() {
    let (server, pipe, collected) = (anything("one"), no_log("pipe"), no_log("collected"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut first = collector(&pipe, &collected);
    let held_open = fs::OpenOptions::new().write(true).open(&pipe).unwrap(); // waits for the reader, which ends with the last writer
    let logging = Logging::start("piped", pipe.clone(), &server, "");
    drop(held_open);
    let text = || fs::read_to_string(&collected).unwrap_or_default();
    get(logging.address, "/users/1");
    until_some("the first line", || text().contains("/users/1").then_some(()));
    first.kill().unwrap(); // SIGKILL
    first.wait().unwrap();
    assert_eq!(get(logging.address, "/users/2").status, 200);
    let warning = logging.gateway.line_with("1 request log lines could not be written to");
    assert!(warning.contains("whoever read them has ended"), "{warning}");
    let mut second = collector(&pipe, &collected);
    until_some("a line for the next one", || {
        assert_eq!(get(logging.address, "/users/3").status, 200);
        text().contains("/users/3").then_some(())
    });
    logging.end();
    second.wait().unwrap();
}
