//! The configuration as a person meets it: what is said about a file, and what a request would meet.
//!
//! Messages are compared as a whole. Whoever changes one reads here what it looks like.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use ringgate::config::{self, Config, Veil};
use ringgate::explain;

const DEMO: &str = include_str!("../examples/demo.toml");
const SMALLEST: &str = include_str!("../examples/smallest.toml");

/// What is said about a text that is refused.
fn refusal(text: &str) -> String {
    config::parse(text, "ringgate.toml").expect_err(text).to_string()
}

fn parsed(text: &str) -> Config {
    config::parse(text, "ringgate.toml").unwrap_or_else(|diagnostic| panic!("{diagnostic}"))
}

/// `$text` is refused with exactly these lines.
macro_rules! refused {
    ($($name:ident: $text:literal => $message:literal;)*) => {
        $(#[test]
        fn $name() {
            let (message, expected) = (refusal($text), $message.trim_matches('\n'));
            assert_eq!(message, expected, "\n{message}\n");
        })*
    };
}

refused! {
text_that_is_not_toml: "listen = 127.0.0.1:8080" => r#"
error: this is not TOML: invalid float, expected nothing
 --> ringgate.toml:1:15
  |
1 | listen = 127.0.0.1:8080
  |               ^^^^^^^^^
  |
  = help: write `key = value`; text stands in quotes, lists in brackets (https://toml.io)
"#;

text_that_ends_too_early: "[[routes]]\nprefix = \"/" => r#"
error: this is not TOML: invalid basic string, expected `"`
 --> ringgate.toml:2:12
  |
2 | prefix = "/
  |            ^
  |
  = help: write `key = value`; text stands in quotes, lists in brackets (https://toml.io)
"#;

a_file_without_routes: "" => r#"
error: the file has no routes: every request would be answered 404
 --> ringgate.toml:1:1
  |
1 |
  | ^
  |
  = help: add one:
          [[routes]]
          prefix = "/"
          servers = ["127.0.0.1:3000"]
"#;

an_unknown_key: "[[routes]]\nprefx = '/'" => r#"
error: there is no key `prefx` here
 --> ringgate.toml:2:1
  |
2 | prefx = '/'
  | ^^^^^ did you mean `prefix`?
  |
  = help: what can stand here: `prefix`, `path`, `methods`, `host`, `headers`, `pool`, `servers`, `name`, `timeouts`, `limits` and `upgrade`
"#;

a_timeout_that_no_route_can_have: "[[routes]]\nprefix = '/'\ntimeouts = { head = '1s' }" => r#"
error: `head` does not belong here: it holds before a route is known; put it under `[timeouts]`
 --> ringgate.toml:3:14
  |
3 | timeouts = { head = '1s' }
  |              ^^^^
  |
  = help: what can stand here: `connect`, `response`, `stall`, `total` and `tunnel`
"#;

a_limit_that_no_route_can_have: "[[routes]]\nprefix = '/'\nlimits.connections = 5" => r#"
error: `connections` does not belong here: put it under `[limits]` for all clients together, or under `[pools.NAME]` for each server of a pool
 --> ringgate.toml:3:8
  |
3 | limits.connections = 5
  |        ^^^^^^^^^^^
  |
  = help: what can stand here: `body` and `rate`
"#;

a_bad_size: "limits.body = \"64 blocks\"" => r#"
error: `64 blocks` is not a size
 --> ringgate.toml:1:15
  |
1 | limits.body = "64 blocks"
  |               ^^^^^^^^^^^
  |
  = help: write a number of bytes, or text with a unit as in "64KiB" and "10MB", or "none"
"#;

an_upgrade_past_the_gateway: "[[routes]]\nprefix = '/'\nservers = ['127.0.0.1:1']\nupgrade = ['h2c']" => r#"
error: requests would bypass the gateway through `h2c`
 --> ringgate.toml:4:12
  |
4 | upgrade = ['h2c']
  |            ^^^^^
  |
  = help: leave it out: what is asked for after an upgrade is not routed, limited or logged
"#;

a_field_of_the_connection: "[[routes]]\nprefix = '/'\nheaders = { connection = 'close' }" => r#"
error: `connection` speaks of one connection, not of what is asked for
 --> ringgate.toml:3:13
  |
3 | headers = { connection = 'close' }
  |             ^^^^^^^^^^
  |
  = help: leave it out: anybody on the way may add or remove it
"#;

columns_count_characters: "pools = { \"日本\" = { server = [] } }" => r#"
error: there is no key `server` here
 --> ringgate.toml:1:20
  |
1 | pools = { "日本" = { server = [] } }
  |                      ^^^^^^ did you mean `servers`?
  |
  = help: what can stand here: `servers` and `connections`
"#;

a_value_of_the_wrong_type: "workers = \"2\"" => r#"
error: expected a whole number, found string "2"
 --> ringgate.toml:1:11
  |
1 | workers = "2"
  |           ^^^
  |
  = help: write digits without quotes and without a point
"#;

a_table_where_a_list_of_tables_belongs: "[routes]\nprefix = \"/\"" => r#"
error: expected a list, found a table
 --> ringgate.toml:1:1
  |
1 | [routes]
  | ^^^^^^^^
  |
  = help: a list of tables has two brackets, as in `[[routes]]`
"#;

an_unknown_driver: "driver = \"uring\"" => r#"
error: there is no driver `uring`
 --> ringgate.toml:1:10
  |
1 | driver = "uring"
  |          ^^^^^^^ did you mean `io_uring`?
  |
  = help: the drivers are `io_uring-defer`, `io_uring-coop`, `io_uring` and `epoll`; leave it out for the best that works
"#;

an_unknown_pool: r#"
[pools.USER_SERVICE]
servers = ["127.0.0.1:9003"]

[[routes]]
prefix = "/"
pool = "USER_SERVCE"
"# => r#"
error: there is no pool `USER_SERVCE`
 --> ringgate.toml:7:8
  |
7 | pool = "USER_SERVCE"
  |        ^^^^^^^^^^^^^ did you mean `USER_SERVICE`?
  |
  = help: declared under `[pools]`: `USER_SERVICE`
"#;

a_bad_address_to_listen_on: "listen = \"localhost:8080\"" => r#"
error: `localhost:8080` is not an IP address with a port
 --> ringgate.toml:1:10
  |
1 | listen = "localhost:8080"
  |          ^^^^^^^^^^^^^^^^
  |
  = help: write `127.0.0.1:8080` for this machine only, or `0.0.0.0:8080` for every IPv4 address it has
"#;

a_server_without_its_port: "[pools.a]\nservers = [\n    \"127.0.0.1\",\n]" => r#"
error: `127.0.0.1` is not the address of a server
 --> ringgate.toml:3:5
  |
3 |     "127.0.0.1",
  |     ^^^^^^^^^^^
  |
  = help: add the port it listens on, as in `127.0.0.1:80`
"#;

a_server_with_a_scheme: "[pools.a]\nservers = [\"http://127.0.0.1:3000/\"]" => r#"
error: `http://127.0.0.1:3000/` is not the address of a server
 --> ringgate.toml:2:12
  |
2 | servers = ["http://127.0.0.1:3000/"]
  |            ^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: leave out `http://` and any path: write host and port, as in `127.0.0.1:3000`
"#;

a_node_id_that_cannot_go_into_a_field: "node_id = \"gate 1\"" => r#"
error: `gate 1` cannot be the id of a node
 --> ringgate.toml:1:11
  |
1 | node_id = "gate 1"
  |           ^^^^^^^^
  |
  = help: write 1 to 64 letters, digits or `-`, and let no gateway before or behind this one have the same; leave it out for a random one
"#;

a_trusted_proxy_by_name: "trusted_proxies = [\"10.0.0.0/8\", \"proxy.example\"]" => r#"
error: `proxy.example` is neither an IP address nor a network
 --> ringgate.toml:1:34
  |
1 | trusted_proxies = ["10.0.0.0/8", "proxy.example"]
  |                                  ^^^^^^^^^^^^^^^
  |
  = help: write `10.0.0.7` for one proxy, or `10.0.0.0/8` or `fd00::/8` for a network of them
"#;

an_address_with_a_prefix: "trusted_proxies = [\"10.1.2.3/8\"]" => r#"
error: `10.1.2.3/8` is an address in a network, not the network
 --> ringgate.toml:1:20
  |
1 | trusted_proxies = ["10.1.2.3/8"]
  |                    ^^^^^^^^^^^^
  |
  = help: write `10.0.0.0/8` for the network, or `10.1.2.3` for that address
"#;

an_unknown_tolerance: "tolerate = [\"path-parameter\"]" => r#"
error: there is no tolerance called `path-parameter`
 --> ringgate.toml:1:13
  |
1 | tolerate = ["path-parameter"]
  |             ^^^^^^^^^^^^^^^^ did you mean `path-parameters`?
  |
  = help: what can be tolerated: `path-parameters`, `encoded-controls` and `raw-utf8`
"#;

a_bad_duration: "timeouts.response = \"10\"" => r#"
error: `10` is not a duration
 --> ringgate.toml:1:21
  |
1 | timeouts.response = "10"
  |                     ^^^^
  |
  = help: write a number with its unit, as in `250ms`, `10s` or `1m30s`
"#;

a_path_out_of_its_normal_form: "[[routes]]\nprefix = \"/api/../b\"" => r#"
error: `/api/../b` is not a path pattern: no request would match it
 --> ringgate.toml:2:10
  |
2 | prefix = "/api/../b"
  |          ^^^^^^^^^^^
  |
  = help: requests are matched in normal form: write `/b`
"#;

both_kinds_of_path: "[[routes]]\nprefix = \"/a\"\npath = \"/a\"" => r#"
error: a route has either `prefix` or `path`, not both
 --> ringgate.toml:3:8
  |
2 | prefix = "/a"
  |          ---- the other one
3 | path = "/a"
  |        ^^^^
  |
  = help: keep `prefix` for a path and everything below it, or `path` for exactly that one
"#;

no_kind_of_path: "\n[[routes]]\nservers = [\"127.0.0.1:3000\"]" => r#"
error: this route does not say which paths it takes
 --> ringgate.toml:2:1
  |
2 | [[routes]]
  | ^^^^^^^^^^
  |
  = help: add `prefix = "/"` for a path and everything below it, or `path = "/exact"`
"#;

nobody_to_serve_a_route: "[[routes]]\nprefix = \"/\"" => r#"
error: this route does not say who serves its requests
 --> ringgate.toml:1:1
  |
1 | [[routes]]
  | ^^^^^^^^^^
  |
  = help: add `servers = ["127.0.0.1:3000"]`, or `pool` with a name declared under `[pools]`
"#;

an_empty_pool: "[pools.a]\nservers = []" => r#"
error: a pool has at least one server
 --> ringgate.toml:2:11
  |
2 | servers = []
  |           ^^
  |
  = help: list where it listens, as in `servers = ["127.0.0.1:3000"]`
"#;

a_server_twice: "[pools.a]\nservers = [\"127.0.0.1:1\", \"127.0.0.1:1\"]" => r#"
error: the server `127.0.0.1:1` is in this pool already
 --> ringgate.toml:2:27
  |
2 | servers = ["127.0.0.1:1", "127.0.0.1:1"]
  |            -------------  ^^^^^^^^^^^^^ again here
  |            |
  |            first here
  |
  = help: list each server once; every server gets the same share of the requests
"#;

two_routes_for_the_same_requests: r#"
[[routes]]
prefix = "/api"
methods = ["GET", "POST"]
servers = ["127.0.0.1:3000"]

[[routes]]
prefix = "/api/"
methods = ["POST"]
servers = ["127.0.0.1:4000"]
"# => r#"
error: two routes claim the same requests: POST /api/*
 --> ringgate.toml:8:10
  |
3 | prefix = "/api"
  |          ------ first here
...
8 | prefix = "/api/"
  |          ^^^^^^^ again here
  |
  = help: remove one of them, or tell them apart by `methods`, `host` or `headers`
"#;

a_method_in_the_wrong_case: "[[routes]]\nprefix = \"/\"\nmethods = [\"get\"]" => r#"
error: `get` is another method than it looks like: case matters
 --> ringgate.toml:3:12
  |
3 | methods = ["get"]
  |            ^^^^^ did you mean `GET`?
  |
  = help: write methods in upper case
"#;

a_host_with_a_port: "[[routes]]\nprefix = \"/\"\nhost = \"Example.com:80\"" => r#"
error: `Example.com:80` has a port
 --> ringgate.toml:3:8
  |
3 | host = "Example.com:80"
  |        ^^^^^^^^^^^^^^^^
  |
  = help: write `example.com`: a route takes requests for a host whatever port they name
"#;
}

#[test]
fn a_pool_that_no_route_uses_is_a_warning() {
    let config = parsed(&format!("{SMALLEST}\n[pools.OLD]\nservers = [\"127.0.0.1:1\"]\n"));
    let expected = r#"
warning: no route uses the pool `OLD`
 --> ringgate.toml:5:8
  |
5 | [pools.OLD]
  |        ^^^
  |
  = help: remove it, or send a route there with `pool = "OLD"`
"#;
    assert_eq!(config.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected.trim()]);
}

#[test]
fn a_route_out_of_reach_is_a_warning() {
    let route = |keys: &str| format!("[[routes]]\nservers = [\"127.0.0.1:1\"]\n{keys}\n");
    let text =
        ["prefix = \"/a\"", "path = \"/a\"", "path = \"/a/\"", "prefix = \"/a/{x}\""].map(route).concat();
    let expected = r#"
warning: no request can reach the route `/a/*`
 --> ringgate.toml:3:10
  |
3 | prefix = "/a"
  |          ^^^^ all are taken by `/a`, `/a/` and `/a/{x}/*`
  |
  = help: remove it, or let it ask for something that no other route takes
"#;
    let warnings: Vec<String> = parsed(&text).warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, [expected.trim()]);
}

#[test]
fn a_route_that_needs_a_tolerance_is_a_warning_without_it() {
    let route = "[[routes]]\nprefix = \"/a;b\"\nservers = [\"127.0.0.1:1\"]\n";
    let [warning] = &parsed(route).warnings[..] else { panic!("one warning") };
    assert!(warning.to_string().contains("the gateway itself refuses all that it asks for"), "{warning}");
    assert_eq!(parsed(&format!("tolerate = [\"path-parameters\"]\n{route}")).warnings, []);
}

/// A folder for one test, removed when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    /// What is said about a file with this content.
    fn refusal(&self, file: &str, content: &[u8]) -> String {
        let path = self.0.join(file);
        std::fs::write(&path, content).unwrap();
        config::load(&path).unwrap_err().to_string()
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
    assert!(latin.starts_with("error: the file is not text in UTF-8") && latin.contains(":1:6\n"), "{latin}");
}

#[test]
fn a_file_that_can_be_read_is_compiled() {
    let folder = Folder::new("readable");
    let path = folder.0.join("ringgate.toml");
    std::fs::write(&path, SMALLEST).unwrap();
    assert_eq!(config::load(&path).unwrap().snapshot.routes.all().len(), 1);
}

#[test]
fn the_smallest_useful_file_has_at_most_five_lines() {
    assert!(SMALLEST.lines().count() <= 5);
    assert_eq!(parsed(SMALLEST).warnings, []);
}

#[test]
fn a_timeout_that_never_comes_to_bear_is_a_warning() {
    let text = format!("{SMALLEST}timeouts = {{ response = \"30s\", total = \"2s\" }}\n");
    let expected = r#"
warning: this timeout never comes to bear: `total` ends after 2s
 --> ringgate.toml:4:25
  |
4 | timeouts = { response = "30s", total = "2s" }
  |                         ^^^^^          ---- ends first
  |
  = help: let `total` be the longer one, or leave this one out
"#;
    let warnings: Vec<String> = parsed(&text).warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, [expected.trim()]);
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
    explain::explain(&parsed(&text).snapshot, &Veil::default(), method, target, &fields).to_string()
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
    let explanation = explain::explain(&parsed(text).snapshot, &Veil::default(), "GET", "/a/b", &fields);
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
fn programs_get_the_explanation_as_json() {
    let explain = |method, target| {
        serde_json::to_value(explain::explain(&parsed(DEMO).snapshot, &Veil::default(), method, target, &[])).unwrap()
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
