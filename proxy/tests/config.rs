//! The configuration as a person meets it: what is said about a file, and what a request would meet.
//!
//! Messages are compared as a whole, in the tables beside `messages/table.rs`. Whoever changes one reads there what it
//! looks like.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "messages/table.rs"]
mod table;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ringgate::config::{self, Config};
use ringgate::explain::{self, Question};

const DEMO: &str = include_str!("../examples/demo.toml");
const SMALLEST: &str = include_str!("../examples/smallest.toml");

fn parsed(text: &str) -> Config {
    config::parse(text, "ringgate.toml").unwrap_or_else(|diagnostic| panic!("{diagnostic}"))
}

#[test]
fn a_route_that_needs_a_tolerance_is_a_warning_without_it() {
    let route = "[[routes]]\nprefix = \"/a;b\"\nservers = [\"127.0.0.1:1\"]\n";
    let [warning] = &parsed(route).warnings[..] else { panic!("one warning") };
    assert!(warning.to_string().contains("the gateway itself refuses all that it asks for"), "{warning}");
    assert_eq!(parsed(&format!("tolerate = [\"path-parameters\"]\n{route}")).warnings, []);
}

fn question<'a>(method: &'a str, target: &'a str, fields: &'a [String]) -> Question<'a> {
    Question { method, target, fields, peer: None }
}

/// A folder for one test, removed when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    fn write(&self, file: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// What is said about a file with this content.
    fn refusal(&self, file: &str, content: &[u8]) -> String {
        config::load(&self.write(file, content)).unwrap_err().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_that_cannot_be_read_says_what_to_do() {
    let folder = Folder::new("unreadable");
    let missing = config::load(&folder.0.join("missing.toml")).unwrap_err().to_string();
    assert!(missing.contains("missing.toml`: No such file") && missing.contains("[[routes]]"), "{missing}");
    let directory = config::load(&folder.0).unwrap_err().to_string();
    assert!(
        directory.contains("Is a directory") && directory.contains("path of a file in it"),
        "{directory}"
    );
    let large = folder.refusal("large.toml", &vec![b'\n'; 64 * 1024 * 1024 + 1]);
    assert!(large.contains("file too large") && large.contains("64 MiB"), "{large}");
    let latin = folder.refusal("latin.toml", b"# caf\xe9\n");
    assert!(
        latin.starts_with("error[not-utf8]: the file is not text in UTF-8") && latin.contains(":1:6\n"),
        "{latin}"
    );
}

#[test]
fn a_file_that_can_be_read_is_compiled() {
    let folder = Folder::new("readable");
    let path = folder.write("ringgate.toml", SMALLEST);
    let config = config::load(&path).unwrap();
    assert_eq!(
        (config.snapshot.routes.all().len(), config.files.paths().collect::<Vec<_>>()),
        (1, vec![&*path])
    );
}

/// A file with a route for this path.
fn file(path: &str) -> String {
    format!("[[routes]]\npath = \"{path}\"\nservers = [\"127.0.0.1:1\"]\n")
}

#[test]
fn included_files_are_read_once_each_in_the_order_of_the_list_and_of_their_names() {
    let folder = Folder::new("included");
    let include =
        "include = [\"last.toml\", \"routes/*.toml\", \"./routes/../*.toml\", \"routes/**/[ab].toml\"]\n";
    let main = folder.write("ringgate.toml", format!("{include}{}", file("/main")));
    let names = [
        "last.toml",
        "routes/b.toml",
        "routes/a.toml",
        "routes/.hidden.toml",
        "routes/c.txt",
        "routes/deep/a.toml",
    ];
    names.iter().for_each(|name| drop(folder.write(name, file(&format!("/{name}")))));
    std::fs::create_dir_all(folder.0.join("routes/folder.toml")).unwrap();
    let config = config::load(&main).unwrap();
    let paths: Vec<String> =
        config.snapshot.routes.all().iter().map(|route| route.pattern.to_string()).collect();
    assert_eq!(paths, ["/main", "/last.toml", "/routes/a.toml", "/routes/b.toml", "/routes/deep/a.toml"]);
    assert_eq!(config.warnings, []);
}

/// A reload has to notice them.
#[test]
fn a_file_that_changes_goes_or_comes_to_match_a_pattern_looks_different() {
    let folder = Folder::new("looks");
    let main = folder.write("ringgate.toml", "include = [\"routes/*.toml\", \"./*.toml\"]\n");
    let first = folder.write("routes/a.toml", file("/a"));
    let files = config::load(&main).unwrap().files;
    assert_eq!(files.look(), *files.read(), "nothing has changed");
    let second = folder.write("routes/b.toml", file("/b"));
    assert_ne!(files.look(), *files.read(), "one that would be included");
    std::fs::remove_file(second).unwrap();
    std::fs::create_dir_all(folder.0.join("routes/folder.toml")).unwrap();
    assert_eq!(files.look(), *files.read(), "nothing that could be read has come");
    folder.write("routes/a.toml", file("/longer"));
    assert_ne!(files.look(), *files.read(), "another content");
    let files = config::load(&main).unwrap().files;
    assert_eq!(files.look(), *files.read());
    std::fs::remove_file(first).unwrap();
    assert_ne!(files.look(), *files.read(), "none");
}

/// So that a reload can wait for it to be mended.
#[test]
fn a_refusal_names_the_files_that_were_read() {
    let folder = Folder::new("refused");
    let main = folder.write("ringgate.toml", "include = [\"a.toml\", \"b.toml\", \"c.toml\"]\n");
    let wrong = folder.write("a.toml", "[[routes]]\n");
    let missing = folder.0.join("b.toml");
    let files = config::load(&main).unwrap_err().files;
    assert_eq!(files.paths().collect::<Vec<_>>(), [wrong, missing, main]);
    assert_eq!(files.look(), *files.read());
}

#[test]
fn a_configuration_includes_a_bounded_number_of_files() {
    let folder = Folder::new("many");
    let main = folder.write("ringgate.toml", "include = [\"*/*.toml\"]\n");
    (0..1025)
        .for_each(|index| drop(folder.write(&format!("routes/{index}.toml"), file(&format!("/{index}")))));
    let refusal = config::load(&main).unwrap_err().to_string();
    assert!(
        refusal.starts_with("error[too-many-files]: a configuration includes at most 1024 files"),
        "{refusal}"
    );
    std::fs::remove_file(folder.0.join("routes/7.toml")).unwrap();
    assert_eq!(config::load(&main).unwrap().snapshot.routes.all().len(), 1024);
}

#[test]
fn the_files_of_a_configuration_are_bounded_together() {
    let folder = Folder::new("together");
    let main = folder.write("ringgate.toml", format!("include = [\"a.toml\"]\n{SMALLEST}"));
    folder.write("a.toml", vec![b'\n'; 64 * 1024 * 1024 - 20]);
    let refusal = config::load(&main).unwrap_err().to_string();
    assert!(
        refusal.contains("a.toml`: file too large") && refusal.contains("ringgate.toml:1:12"),
        "{refusal}"
    );
}

#[test]
fn a_text_that_is_no_file_includes_none() {
    let refusal = config::parse("include = [\"a.toml\"]", "posted.toml").unwrap_err().to_string();
    assert!(
        refusal.starts_with("error[include-without-file]:") && refusal.contains("posted.toml:1:12"),
        "{refusal}"
    );
}

/// What the program prints on both outputs where these variables are set.
fn run(folder: &Folder, arguments: &[&str], variables: &[(&str, &OsStr)]) -> (String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringgate"));
    command.args(arguments).env_clear().envs(variables.iter().copied()).current_dir(&folder.0);
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (said.concat(), output.status.code())
}

#[test]
fn what_the_environment_fills_in_counts_and_is_shown_as_it_is_written() {
    let folder = Folder::new("environment");
    let text =
        "listen = \"${LISTEN:-127.0.0.1:8080}\"\nnode_id = \"${NODE}\"\ntimeouts.connect = \"${CONNECT}\"\n
        [[routes]]\nprefix = \"/${BASE}/v1\"\nhost = \"${HOST}\"\nheaders = { x-origin = \"${KEY}\" }\n
        name = \"of ${HOST}\"\nservers = [\"${SERVER}:1\", \"127.0.0.1:2\"]\nlimits.body = \"${BODY}\"\n";
    folder.write("ringgate.toml", text);
    let secrets = [
        ("NODE", "node-7"),
        ("BASE", "base-7"),
        ("HOST", "Host-7"),
        ("KEY", "key 7"),
        ("SERVER", "localhost"),
    ];
    let numbers = [("CONNECT", "250ms"), ("BODY", "1KiB"), ("LISTEN", "")];
    let variables: Vec<_> =
        secrets.iter().chain(&numbers).map(|(name, value)| (*name, OsStr::new(*value))).collect();
    let (summary, code) = run(&folder, &["check", "-c", "ringgate.toml"], &variables);
    let row = "any      ${HOST}  /${BASE}/v1 with x-origin: ${KEY} (of ${HOST})  -> ${SERVER}:1, 127.0.0.1:2  body 1 KiB";
    assert!(code == Some(0) && summary.contains(row) && summary.contains("connect 250ms"), "{summary}");
    let explain = ["explain", "-c", "ringgate.toml", "GET", "/base-7/v1/a", "-H", "host: host-7", "-H"];
    for (field, answer) in
        [("x-origin: key 7", "Host: ${SERVER}:1\n"), ("x-origin: no", "asks for `x-origin: ${KEY}`")]
    {
        let said = run(&folder, &[&explain[..], &[field]].concat(), &variables).0;
        assert!(
            said.contains(answer) && said.contains(" of ${HOST}") || said.contains("(of ${HOST})"),
            "{said}"
        );
        let asked = said
            .replace("/base-7/v1/a", "")
            .replace("X-Forwarded-Host: host-7", "")
            .replace("x-origin: key 7", "");
        assert!(secrets.iter().all(|(_, secret)| !asked.contains(secret)), "{said}");
        let json = run(&folder, &[&explain[..], &[field, "--json"]].concat(), &variables).0;
        assert!(
            !json.contains("localhost") && !json.contains("Host-7") && !json.contains("node-7"),
            "{json}"
        );
    }
}

#[test]
fn a_variable_of_bytes_is_no_text() {
    let folder = Folder::new("bytes");
    folder.write("ringgate.toml", format!("node_id = \"${{NODE}}\"\n{SMALLEST}"));
    let (said, code) =
        run(&folder, &["check", "-c", "ringgate.toml"], &[("NODE", OsStr::from_bytes(b"\xff"))]);
    assert!(said.starts_with("error[variable-not-utf8]: the environment variable `NODE`"), "{said}");
    assert!(code == Some(2) && said.contains("ringgate.toml:1:12"), "{said}");
}

#[test]
fn the_program_tells_its_language() {
    let folder = Folder::new("language");
    let (schema, code) = run(&folder, &["schema"], &[]);
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!((schema, code), (config::schema(), Some(0)));
    let (page, code) = run(&folder, &["schema", "--markdown"], &[]);
    assert_eq!((page, code), (include_str!("../docs/configuration.md").to_owned(), Some(0)));
}

#[test]
fn a_pipeline_can_refuse_warnings() {
    let folder = Folder::new("deny");
    let check = |content: &str| {
        folder.write("ringgate.toml", content);
        let codes = [&["--deny-warnings"][..], &[]].map(|more| {
            let arguments = [&["check", "-c", "ringgate.toml"][..], more].concat();
            run(&folder, &arguments, &[]).1
        });
        codes.map(Option::unwrap)
    };
    assert_eq!(check(SMALLEST), [0, 0]);
    assert_eq!(check(&format!("trusted_proxies = [\"::/0\"]\n{SMALLEST}")), [2, 0]);
}

/// Each lint, allowed where it may be.
#[test]
fn a_lint_can_be_allowed_for_the_file_a_route_or_a_pool() {
    let route = |keys: &str| format!("[[routes]]\nservers = [\"127.0.0.1:1\"]\n{keys}\n");
    let pool =
        |keys: &str| format!("{SMALLEST}[pools.a]\nservers = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n{keys}\n");
    let warnings = |text: String| parsed(&text).warnings.len();
    for (lint, text) in [
        ("ineffective-timeout", route("prefix = '/'\ntimeouts = { connect = '3s', total = '2s' }\n#")),
        ("missing-deadline", route("prefix = '/'\ntimeouts.response = '1h'\n#")),
        (
            "overlapping-routes",
            route("path = '/'\nheaders = { a = '1' }") + &route("path = '/'\nheaders = { b = '2' }\n#"),
        ),
        (
            "overlapping-routes",
            route("path = '/'\nheaders = { a = '1' }\n#") + &route("path = '/'\nheaders = { b = '2' }"),
        ),
        ("shadowed-route", route("prefix = '/'\n#") + &route("prefix = '/{a}'") + &route("path = '/'")),
        ("unreachable-route", route("path = '/a;b'\n#")),
        ("unused-pool", pool("#")),
        (
            "single-server",
            pool("#").replace(", \"127.0.0.1:2\"", "")
                + &route("path = '/a'").replace("servers = [\"127.0.0.1:1\"]", "pool = 'a'"),
        ),
        (
            "shared-server",
            pool("#")
                + &route("path = '/a'").replace("servers = [\"127.0.0.1:1\"]", "pool = 'a'")
                + &route("path = '/b'"),
        ),
    ] {
        assert_eq!(warnings(text.clone()), 1, "{lint}: {text}");
        let allow = format!("allow = ['{lint}']\n");
        assert_eq!(warnings(format!("{allow}{text}")), 0, "{lint} in the file");
        assert_eq!(warnings(text.replace('#', &allow)), 0, "{lint} in its part: {text}");
        assert_eq!(
            warnings(text.replace('#', "allow = ['empty-include']")),
            1,
            "another in its part: {text}"
        );
    }
    assert_eq!(warnings(format!("trusted_proxies = ['::/0']\n{SMALLEST}")), 1);
    assert_eq!(warnings(format!("allow = ['trusted-internet']\ntrusted_proxies = ['::/0']\n{SMALLEST}")), 0);
}

/// What is fine draws no warning.
#[test]
fn a_file_as_people_write_it_is_not_nagged_about() {
    let route = |keys: &str| format!("[[routes]]\nservers = [\"127.0.0.1:1\"]\n{keys}\n");
    for text in [
        format!("listen = '127.0.0.1:80'\n{SMALLEST}"),
        format!("listen = '0.0.0.0:80'\n{SMALLEST}policy = 'none'\n"),
        format!("trusted_proxies = ['10.0.0.0/8', '::1']\n{SMALLEST}"),
        format!("timeouts.total = 'none'\n{SMALLEST}"),
        format!(
            "timeouts = {{ response = '2h', total = '1m' }}\nallow = ['ineffective-timeout']\n{SMALLEST}"
        ),
        route("prefix = '/'\nheaders = { a = '1' }") + &route("prefix = '/'\nheaders = { a = '2' }"),
        route("prefix = '/'\nheaders = { a = '1' }") + &route("prefix = '/'\nheaders = { a = '2', b = '1' }"),
        route("prefix = '/'\nheaders = { a = '1' }")
            + &route("prefix = '/'\nheaders = { b = '1' }\nmethods = ['GET']"),
        route("path = '/'\nheaders = { a = '1' }")
            + &route("path = '/'\nheaders = { b = '1' }")
            + &route("path = '/'\nheaders = { a = '1', b = '1' }"),
        route("prefix = '/'\nheaders = { a = '1' }\nhost = 'a'")
            + &route("prefix = '/'\nheaders = { b = '1' }"),
    ] {
        assert_eq!(parsed(&text).warnings, [], "{text}");
    }
}

#[test]
fn the_smallest_useful_file_has_at_most_five_lines() {
    assert!(SMALLEST.lines().count() <= 5);
    assert_eq!(parsed(SMALLEST).warnings, []);
}

#[test]
fn a_summary_shows_every_setting_and_the_routes_in_order() {
    let text = "log.requests = 'off'\nworkers = 2\ndriver = 'epoll'\ntimeouts.connect = '250ms'\nlimits.connections = 9\n
        [[routes]]\nprefix = '/'\nservers = ['127.0.0.1:1']\n
        [[routes]]\npath = '/users/{id}'\nmethods = ['GET']\nhost = 'API.example.com'\nservers = ['127.0.0.1:2']\n
        timeouts = { connect = '250ms', response = '1s' }\nlimits.body = '1MiB'\nupgrade = ['websocket']\n
        [[routes]]\npath = '/users/{id}'\nheaders = { X-Version = '2' }\nname = 'user'\npool = 'a'\n
        [pools.a]\nservers = ['127.0.0.1:3', '[::1]:3']\nconnections = 16\n";
    let expected = "  listen    127.0.0.1:8080
  workers   2
  driver    epoll
  requests  off
  timeouts  head 10s, idle 1m 15s, upstream_idle 30s, upstream_age 1h, drain 8s, connect 250ms, response 30s, stall 30s, total none, tunnel 10m
  limits    connections 9, body 64 MiB, rate 240 B/s

routes, in order of precedence:
  methods  host             path                                  pool
  GET      api.example.com  /users/{id}                           -> 127.0.0.1:2  response 1s, body 1 MiB, upgrade websocket
  any      any              /users/{id} with x-version: 2 (user)  -> a (127.0.0.1:3, [::1]:3, 16 connections each)
  any      any              /*                                    -> 127.0.0.1:1
";
    let summary = explain::summary(&parsed(text));
    assert_eq!(summary, expected, "\n{summary}");
}

#[test]
fn one_wide_route_widens_no_other_line_without_end() {
    let wide = format!("[[routes]]\nprefix = '/{}'\nservers = ['127.0.0.1:1']\n", "a".repeat(8000));
    let table = explain::table(&parsed(&format!("{wide}{SMALLEST}")));
    let lengths: Vec<usize> = table.lines().map(str::len).collect();
    assert!(lengths[1] > 8000 && lengths[2] < 200, "{lengths:?}");
}

#[test]
fn of_a_large_pool_a_table_names_some_servers_and_counts_the_others() {
    let servers: Vec<String> = (1..=10).map(|port| format!("'127.0.0.1:{port}'")).collect();
    let text = format!("[[routes]]\nprefix = '/'\nservers = [{}]", servers.join(", "));
    let table = explain::table(&parsed(&text));
    assert!(table.ends_with("-> 127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:3, 127.0.0.1:4, 127.0.0.1:5, 127.0.0.1:6, 127.0.0.1:7, 127.0.0.1:8, 2 more\n"), "{table}");
}

#[test]
fn the_demonstration_has_the_table_it_speaks_of() {
    let config = parsed(DEMO);
    assert_eq!(config.warnings, []);
    let expected = "  methods    host  path                pool
  GET, POST  any   /api/v1/posts/*     -> POST_SERVICE (127.0.0.1:9001, 127.0.0.1:9002)
  GET        any   /api/v1/users/*     -> USER_SERVICE (127.0.0.1:9003)
  GET        any   /misrouted/posts/*  -> USER_SERVICE (127.0.0.1:9003)
";
    assert_eq!(explain::table(&config), expected);
}

/// What is said about a request to the demonstration.
fn explained(method: &str, target: &str, fields: &[&str]) -> String {
    let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
    let text = format!("node_id = \"ringgate\"\n{DEMO}");
    explain::explain(&parsed(&text), question(method, target, &fields)).to_string()
}

#[test]
fn a_request_that_is_forwarded_is_explained_with_the_head_that_is_sent() {
    let expected = r#"request:     GET /api//v1/posts/../posts/list?page=2
normal form: /api/v1/posts/list (what routes match, and what is sent on)

routes with this path, in order of precedence:
  GET, POST  any  /api/v1/posts/*  -> POST_SERVICE  takes it

timeouts:    connect 3s, response 30s, stall 30s, total none, tunnel 10m
limits:      body 64 MiB, rate 240 B/s, 1024 connections to a server
upgrade:     none

sent to:     127.0.0.1:9001, or else to 127.0.0.1:9002
    GET /api/v1/posts/list?page=2 HTTP/1.1
    Host: 127.0.0.1:9001
    Accept: */*
    X-Request-Id: <new request id>
    X-Forwarded-For: <address of the client>
    X-Forwarded-Proto: http
    X-Forwarded-Host: example.com
    Via: 1.1 ringgate

added:       Host, X-Request-Id, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Via
removed:     Host, Connection, X-Forwarded-For

answered by: the upstream (pool POST_SERVICE); whatever status it sends is passed on and logged with "source":"upstream"
"#;
    let fields = ["Host: example.com", "Accept: */*", "Connection: close", "X-Forwarded-For: 1.2.3.4"];
    let explanation = explained("GET", "/api//v1/posts/../posts/list?page=2", &fields);
    assert_eq!(explanation, expected, "{explanation}");
}

#[test]
fn posts_sent_to_the_user_service_are_answered_by_the_upstream() {
    let explanation = explained("GET", "/misrouted/posts/1", &[]);
    assert!(explanation.contains("answered by: the upstream (pool USER_SERVICE)"), "{explanation}");
}

#[test]
fn requests_that_the_gateway_answers_itself_say_so() {
    let cases = [
        ("GET", "/nothing", "404 no_route\n             No route takes this request."),
        ("DELETE", "/api/v1/users/me", "405 method_not_allowed, Allow: GET, HEAD\n"),
        ("TRACE", "/api/v1/users/me", "405 method_not_allowed\n"),
        ("GET", "/a b", "400 malformed_request\n             The request line is not"),
        (
            "GET",
            "/a/../..",
            "400 malformed_request\n             The path holds bytes, escapes or dot segments",
        ),
        ("", "", "400 malformed_request\n"),
    ];
    for (method, target, answer) in cases {
        let explanation = explained(method, target, &[]);
        assert!(explanation.contains(&format!("\nanswered by: the gateway, {answer}")), "{explanation}");
    }
    for (field, answer) in [
        ("Content-Length: a", "400 malformed_request\n             Content-Length is not one plain number."),
        ("Transfer-Encoding: gzip", "501 unknown_transfer_coding\n"),
        ("Expect: miracles", "417 expectation_failed\n"),
        ("no colon", "400 malformed_request\n             A field name is empty"),
    ] {
        let explanation = explained("GET", "/api/v1/posts", &[field]);
        assert!(explanation.contains(&format!("\nanswered by: the gateway, {answer}")), "{explanation}");
    }
}

#[test]
fn every_candidate_says_why_it_won_or_lost() {
    let text = "
        [[routes]]\nprefix = '/'\nservers = ['127.0.0.1:1']\n
        [[routes]]\nprefix = '/a'\nmethods = ['POST']\nservers = ['127.0.0.1:2']\n
        [[routes]]\npath = '/a/b'\nheaders = { x-version = '2' }\nservers = ['127.0.0.1:3']\n
        [[routes]]\npath = '/a/b'\nheaders = { x-canary = '1' }\nservers = ['127.0.0.1:4']\n
        [[routes]]\npath = '/a/b'\nhost = 'api.example.com'\nservers = ['127.0.0.1:5']\n
        [[routes]]\nprefix = '/a'\nservers = ['127.0.0.1:6']\n";
    let fields = ["X-Version: 1".to_owned()];
    let explanation = explain::explain(&parsed(text), question("GET", "/a/b", &fields));
    let expected = "routes with this path, in order of precedence:
  any   any              /a/b with x-version: 2  -> 127.0.0.1:3  asks for `x-version: 2`, and the request has `1`
  any   any              /a/b with x-canary: 1   -> 127.0.0.1:4  asks for `x-canary: 1`, which the request does not have
  POST  any              /a/*                    -> 127.0.0.1:2  does not serve GET
  any   any              /a/*                    -> 127.0.0.1:6  takes it
  any   any              /*                      -> 127.0.0.1:1  would take it if no route before it did
  any   api.example.com  /a/b                    -> 127.0.0.1:5  is only for the host api.example.com
";
    let shown = explanation.to_string();
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn what_came_from_the_environment_is_shown_as_written_in_whatever_is_made_of_it() {
    let folder = Folder::new("veiled-templates");
    let path = folder.write(
        "ringgate.toml",
        "[auth.id.jwt]\nsecret = \"0123456789abcdef0123456789abcdef\"\naudience = \"api\"\n[policies.p]\nauth = [\"id\"]\nroles = [\"${PATH}\"]\n\
         [[routes]]\nprefix = \"/\"\nservers = [\"127.0.0.1:1\"]\nrewrite_query = \"key=${PATH}&{query}\"\npolicy = \"none\"\n\
         request.set = { cookie = \"k=${PATH};u={request_id}\" }\n[[routes]]\nprefix = \"/p\"\nservers = [\"127.0.0.1:1\"]\npolicy = \"p\"\n",
    );
    let config = config::load(&path).unwrap();
    let secret = std::env::var("PATH").unwrap();
    let explanation = explain::explain(&config, question("GET", "/a?b=c", &[]));
    let json = serde_json::to_string(&explanation).unwrap();
    for shown in [explanation.to_string(), json, explain::summary(&config)] {
        assert!(!shown.contains(&secret), "{shown}");
    }
    assert!(explanation.to_string().contains("cookie: k=${PATH};u="), "{explanation}");
}

#[test]
fn programs_get_the_explanation_as_json() {
    let explain = |method, target| {
        serde_json::to_value(explain::explain(&parsed(DEMO), question(method, target, &[]))).unwrap()
    };
    let forwarded = explain("GET", "/api/v1/users/me");
    assert_eq!(forwarded["path"], "/api/v1/users/me");
    assert_eq!(forwarded["candidates"][0]["verdict"], "wins");
    assert_eq!(forwarded["candidates"][0]["host"], serde_json::Value::Null);
    assert_eq!(forwarded["answer"]["source"], "upstream");
    assert_eq!(forwarded["answer"]["servers"], serde_json::json!(["127.0.0.1:9003"]));
    let policy = serde_json::json!({
        "connect_seconds": 3.0,
        "response_seconds": 30.0,
        "stall_seconds": 30.0,
        "total_seconds": null,
        "tunnel_seconds": 600.0,
        "body_bytes": 64 << 20,
        "rate_bytes_per_second": 240,
        "upgrade": [],
        "auth": [],
        "roles": [],
        "scopes": [],
        "rate_limits": [],
        "cost": 1,
    });
    assert_eq!(forwarded["answer"]["policy"], policy);
    assert_eq!(forwarded["answer"]["connections"], 1024);
    let refused = explain("DELETE", "/api/v1/users/me");
    let answer = serde_json::json!({
        "source": "gateway",
        "status": 405,
        "code": "method_not_allowed",
        "cause": "MA",
        "detail": "The path exists, but not with this method.",
        "allow": "GET, HEAD",
    });
    assert_eq!(refused["answer"], answer);
}
