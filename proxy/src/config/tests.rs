mod advice;
mod schema;

use std::cell::RefCell;
use std::fmt::Debug;
use std::time::Duration;

use ringgate_core::policy::Timeouts;
use ringgate_core::pool::Server;
use ringgate_core::redact::HiddenSegments;

use super::*;
use crate::log::{Form, Shape};

const EXAMPLES: [(&str, &str); 2] = [
    ("smallest.toml", include_str!("../../examples/smallest.toml")),
    ("demo.toml", include_str!("../../examples/demo.toml")),
];

/// Every key there is, with values that have to be read.
const EVERYTHING: &str = r#"
listen = "[::1]:8080"
workers = 3
driver = "io_uring-coop"
node_id = "gate-1"
trusted_proxies = ["10.0.0.0/8", "::1", "::ffff:1.2.3.4", "::ffff:9.8.0.0/112"]
tolerate = ["path-parameters", "raw-utf8"]
log.requests = "combined"
log.file = "/var/log/ringgate/access.log"
log.query = ["page", "Sort By", "page"]
log.fields = ["User-Agent"]
log.sample = 0.25
server_timing = true
timeouts = { head = "1s", idle = "2m", connect = "250ms", response = "1m30s", stall = "1day", total = "1h", tunnel = "3s", upstream_idle = "5s", upstream_age = "6s", drain = "7s" }
limits = { connections = 20_000, body = "64KiB", rate = 1000 }

[pools.a]
servers = ["127.0.0.1:1", "upstream.example:2"]
connections = 7

[[routes]]
path = "/users/{id}"
methods = ["GET", "PURGE"]
host = "API.Example.com."
headers = { X-Version = "2" }
pool = "a"
name = "user"
timeouts = { response = "2s", total = "none" }
limits = { body = "none" }
upgrade = ["WebSocket", "irc/6.9", "websocket"]
redact = ["id"]
server_timing = false

[[routes]]
prefix = "/"
servers = ["[::1]:3"]
"#;

/// A network where names have an address, unless they say that they have none or several; a service has two servers.
fn ask(discovery: &Discovery, questions: &[Question]) -> Vec<Result<Answer, String>> {
    let found = |address: &str, host: &str| Found { address: address.parse().unwrap(), host: host.into() };
    let answer = |question: &Question| {
        let named =
            |addresses: &[String], host: &str| addresses.iter().map(|address| found(address, host)).collect();
        let found = match question {
            Question::Host(host, _) if &**host == "nobody" => return Err("unknown".into()),
            Question::Host(host, _) if &**host == "empty" => Vec::new(),
            Question::Host(host, port) if &**host == "two" => {
                named(&[format!("10.0.0.1:{port}"), format!("10.0.0.2:{port}")], &format!("{host}:{port}"))
            }
            Question::Host(host, port) => {
                named(&[format!("10.0.0.{}:{port}", host.len())], &format!("{host}:{port}"))
            }
            Question::Service(_) => {
                vec![found("10.1.0.1:81", "a.example:81"), found("10.1.0.2:82", "b.example:82")]
            }
            Question::File(_) => panic!("files are read"),
        };
        Answer::new(found, Duration::from_secs(60), discovery)
    };
    questions.iter().map(answer).collect()
}

/// An environment where `A` is `a`, and there is a token.
fn variable(name: &str) -> Option<std::ffi::OsString> {
    let values = [("A", "a"), ("RINGGATE_ADMIN_TOKEN", "0123456789abcdef")];
    values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
}

/// What a text is compiled in: that network, and that environment.
const WORLD: Surroundings<'static> =
    Surroundings { ask: &ask, answers: &Answers::new(), variable: &variable, earlier: None };

fn compiled(text: &str) -> Config {
    compile(text, "f.toml", WORLD).unwrap_or_else(|diagnostic| panic!("{diagnostic}"))
}

/// The first line of what is said about a text that is refused, without the name of the message.
fn refusal(text: &str) -> String {
    let message = compile(text, "f.toml", WORLD).expect_err(text).to_string();
    let (_, title) = message.lines().next().unwrap_or_default().split_once("]: ").expect(text);
    format!("error: {title}")
}

/// A file with one route, whose keys these are.
fn route(keys: &str) -> String {
    format!("[[routes]]\n{keys}\n")
}

/// All of it, to be compared.
fn said(value: &impl Debug) -> String {
    format!("{value:?}")
}

#[test]
fn what_is_not_said_has_a_default() {
    let config = compiled(EXAMPLES[0].1);
    assert_eq!(config.listen, SocketAddr::from(([127, 0, 0, 1], 8080)));
    assert_eq!((config.workers, config.driver, &config.log), (None, None, &RequestLog::default()));
    let clients = Clients { failures: None, ..config.snapshot.clients.clone() };
    assert_eq!(said(&clients), said(&Clients::default()));
    assert!(config.snapshot.clients.failures.is_some());
    assert_eq!(said(&config.snapshot.routes.all()[0].policy), said(&Policy::default()));
    assert_eq!(config.warnings, []);
    let node = |config: &Config| config.snapshot.node.id().to_owned();
    assert!(node(&config).starts_with("ringgate-") && node(&config) != node(&compiled(EXAMPLES[0].1)));
    let [route] = config.snapshot.routes.all() else { panic!("one route") };
    assert_eq!((&*route.name, &route.host, route.methods.is_any(), route.pool), ("/*", &None, true, 0));
}

#[test]
fn everything_that_is_said_is_heard() {
    let config = compiled(EVERYTHING);
    let seconds = Duration::from_secs;
    assert_eq!(config.listen, "[::1]:8080".parse().unwrap());
    assert_eq!((config.workers, config.driver), (Some(3), Some(Rung::Coop)));
    let log = RequestLog {
        form: Some(Form::Combined),
        file: Some("/var/log/ringgate/access.log".into()),
        shape: Shape {
            query: vec!["page".into(), "Sort By".into()],
            fields: vec!["user-agent".into()],
            sample: Some("0.25".into()),
        },
        sample: 0.25,
    };
    assert_eq!(config.log, log);
    let clients = &config.snapshot.clients;
    assert_eq!((clients.head_timeout, clients.idle_timeout), (seconds(1), seconds(120)));
    assert_eq!(clients.drain_timeout, seconds(7));
    assert_eq!(clients.connections, Some(20_000));
    let is_trusted = |address: &str| clients.trusted.has(address.parse().unwrap());
    assert!(["10.9.9.9", "::ffff:10.9.9.9", "::1", "1.2.3.4", "9.8.7.6"].into_iter().all(is_trusted));
    assert!(!["11.0.0.1", "::2", "1.2.3.5"].into_iter().any(is_trusted));
    let tolerance = clients.tolerance;
    assert!(tolerance.path_parameters && tolerance.raw_utf8 && !tolerance.encoded_controls);
    assert_eq!(config.snapshot.node.id(), "gate-1");
    let kept = config.snapshot.kept;
    assert_eq!((kept.idle, kept.age), (seconds(5), seconds(6)));
    let timeouts = Timeouts {
        connect: Duration::from_millis(250),
        response: seconds(90),
        stall: seconds(86_400),
        total: Some(seconds(3600)),
        tunnel: seconds(3),
    };
    let policy =
        Policy { timeouts, body_bytes: 65_536, client_rate: 1000, server_timing: true, ..Policy::default() };
    assert!(config.snapshot.strangers.server_timing);
    assert_eq!(said(&config.policy), said(&policy));
    let [user, rest] = config.snapshot.routes.all() else { panic!("two routes") };
    assert_eq!((&*user.name, &*user.pattern.to_string(), user.pool), ("user", "/users/{id}", 0));
    assert_eq!(user.methods.to_string(), "GET, PURGE");
    assert_eq!(user.host.as_deref(), Some("api.example.com"));
    assert_eq!(user.fields, [("x-version".into(), "2".into())]);
    let own = Timeouts { response: seconds(2), total: None, ..timeouts };
    let upgrades = vec!["websocket".into(), "irc/6.9".into()];
    let mut hidden = HiddenSegments::NONE;
    hidden.hide(1, "id");
    let own = Policy {
        timeouts: own,
        body_bytes: u64::MAX,
        client_rate: 1000,
        upgrades,
        hidden,
        server_timing: false,
        ..Policy::default()
    };
    assert_eq!(said(&user.policy), said(&own));
    assert_eq!((&*rest.name, rest.pool, said(&rest.policy)), ("/*", 1, said(&policy)));
    let most = |pool: usize| config.snapshot.pools[pool].servers[0].capacity.most();
    assert_eq!((most(0), most(1)), (7, 1024));
}

/// Names and addresses of the servers of each pool.
fn servers(config: &Config) -> Vec<Vec<(String, String)>> {
    let server = |server: &Server| (server.name.to_string(), server.address.to_string());
    config.snapshot.pools.iter().map(|pool| pool.servers.iter().map(server).collect()).collect()
}

#[test]
fn servers_are_called_as_they_are_written_or_by_the_address_that_was_found() {
    let config = compiled(EVERYTHING);
    let expected =
        [vec![("127.0.0.1:1", "127.0.0.1:1"), ("10.0.0.16:2", "10.0.0.16:2")], vec![("[::1]:3", "[::1]:3")]];
    let expected = expected.map(|pool| {
        pool.into_iter().map(|(name, address)| (name.to_owned(), address.to_owned())).collect::<Vec<_>>()
    });
    assert_eq!(servers(&config), expected);
}

#[test]
fn a_name_stands_for_all_its_addresses_and_a_service_for_its_targets() {
    let text =
        "discovery = { resolvers = [\"[::1]:53\"], timeout = \"1s\", min_ttl = \"2s\", max_ttl = \"30s\" }
        pools = { a = { servers = [\"10.0.0.1:1\", \"two:1\"] }, b = { srv = \"_http._tcp.B.example.\" } }
        routes = [{ prefix = \"/\", pool = \"a\" }, { prefix = \"/b\", pool = \"b\" }]";
    let config = compiled(text);
    let named = |pool: usize| servers(&config)[pool].iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(named(0), ["10.0.0.1:1", "10.0.0.2:1"], "each address once");
    assert_eq!(named(1), ["10.1.0.1:81", "10.1.0.2:82"]);
    let discovery = &config.origins.discovery;
    assert_eq!((discovery.resolvers.len(), discovery.max_ttl), (1, Duration::from_secs(30)));
    let asked = |pool: usize| {
        config.origins.pools[pool]
            .questions()
            .map(|(question, shown)| (question.clone(), shown.to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(asked(0), [(Question::Host("two".into(), 1), "two:1".to_owned())]);
    assert_eq!(
        asked(1),
        [(Question::Service("_http._tcp.b.example".into()), "_http._tcp.B.example.".to_owned())]
    );
}

#[test]
fn what_is_known_is_not_asked_again() {
    let text = route("prefix = \"/\"\nservers = [\"two:1\"]");
    let answers = compiled(&text).answers;
    let nobody: Ask<'_> = &|_, _| panic!("somebody is asked");
    let config = compile(&text, "f.toml", Surroundings { ask: nobody, answers: &answers, ..WORLD }).unwrap();
    assert_eq!(config.snapshot.pools[0].servers.len(), 2);
    assert_eq!(config.answers, answers);
}

#[test]
fn routes_that_list_the_same_servers_share_a_pool() {
    let text = "routes = [
        { path = '/a', servers = ['a:1', 'a:2'] },
        { path = '/b', servers = ['a:1', 'a:2'] },
        { path = '/c', servers = ['a:1'] },
    ]";
    let config = compiled(text);
    let routes = config.snapshot.routes.all().iter();
    assert_eq!(routes.map(|route| route.pool).collect::<Vec<_>>(), [0, 0, 1]);
    assert_eq!(&*config.snapshot.pools[0].name, "a:1, a:2");
}

#[test]
fn addresses_of_servers_are_checked() {
    for (server, why) in [
        ("", "`` is not the address of a server"),
        ("127.0.0.1", "`127.0.0.1` is not the address of a server"),
        ("127.0.0.1:0", "`127.0.0.1:0` is not the address of a server"),
        ("127.0.0.256:1", "`127.0.0.256:1` is not the address of a server"),
        ("::1:80", "`::1:80` is not the address of a server"),
        ("a:65536", "`a:65536` is not the address of a server"),
        ("a:+1", "`a:+1` is not the address of a server"),
        ("a b:1", "`a b:1` is not the address of a server"),
        ("http://a:1/", "`http://a:1/` is not the address of a server"),
        ("nobody:1", "the name in `nobody:1` has no address: unknown"),
        ("empty:1", "the name in `empty:1` has no address: the answer is empty"),
    ] {
        let text = route(&format!("prefix = \"/\"\nservers = [\"{server}\"]"));
        assert_eq!(refusal(&text), format!("error: {why}"), "{server}");
    }
}

#[test]
fn no_server_is_in_a_pool_twice() {
    for servers in ["'127.0.0.1:1', '127.0.0.1:01'", "'a:1', 'b:1', 'A:1'", "'[::1]:1', '[0:0::1]:1'"] {
        let refusal = refusal(&route(&format!("prefix = '/'\nservers = [{servers}]")));
        assert!(refusal.ends_with("is in this pool already"), "{servers}: {refusal}");
    }
    compiled(&route("prefix = '/'\nservers = ['a:1', 'a:2', 'b:1']"));
}

#[test]
fn patterns_that_no_request_can_match_are_refused() {
    for (paths, why) in [
        ("prefix = 'a'", "it does not begin with `/`"),
        ("prefix = '/a/*'", "it has a `*`"),
        ("path = '/{a}b'", "braces hold the name of one whole segment"),
        ("path = '/{a}/{a}'", "`{a}` stands twice in it"),
        ("path = '/a//b'", "no request would match it"),
        ("path = '/a/../b'", "no request would match it"),
        ("path = '/\u{e9}'", "no request would match it"),
        ("path = '/a?b=c'", "a path ends before `?` or `#`"),
    ] {
        let refusal = refusal(&route(&format!("{paths}\nservers = ['a:1']")));
        assert!(refusal.ends_with(&format!("is not a path pattern: {why}")), "{paths}: {refusal}");
    }
}

#[test]
fn conditions_that_no_request_can_meet_are_refused() {
    for (condition, why) in [
        ("methods = []", "a route without any method takes no requests"),
        ("methods = ['']", "`` is not a method"),
        ("methods = ['GET POST']", "`GET POST` is not a method"),
        ("methods = ['*']", "`*` is not a method"),
        ("methods = ['CONNECT']", "`CONNECT` is never forwarded"),
        ("methods = ['TRACE']", "`TRACE` is never forwarded"),
        ("methods = ['connect']", "`connect` is never forwarded"),
        ("methods = ['Get']", "`Get` is another method than it looks like: case matters"),
        ("host = 'a:80'", "`a:80` has a port"),
        ("host = '[::1]:80'", "`[::1]:80` has a port"),
        ("host = '*.a'", "`*.a` has a wildcard, which hosts cannot have"),
        ("host = 'a/b'", "`a/b` is not the name of a host"),
        ("host = ''", "`` is not the name of a host"),
        ("host = '.'", "`.` is not the name of a host"),
        ("host = '.:80'", "`.:80` is not the name of a host"),
        ("host = 'a..b'", "`a..b` is not the name of a host"),
        ("host = '::1'", "`::1` is not the name of a host"),
        ("headers = { 'a b' = '' }", "`a b` is not the name of a header field"),
        ("headers = { Host = 'a' }", "the host of a request is not matched as a header field"),
        (
            "headers = { Content-Length = '1' }",
            "`Content-Length` speaks of one connection, not of what is asked for",
        ),
        (
            "headers = { connection = 'close' }",
            "`connection` speaks of one connection, not of what is asked for",
        ),
        ("headers = { expect = '100-continue' }", "the gateway itself answers what a request expects"),
        ("headers = { a = ' 1' }", "no request has a field `a` with this value"),
        ("headers = { a = \"1\\n\" }", "no request has a field `a` with this value"),
        ("headers = { a = '1', A = '2' }", "the field `a` stands here twice"),
        ("name = ''", "this cannot be a name"),
        ("name = 'a\"b'", "this cannot be a name"),
        ("upgrade = ['h2c']", "requests would bypass the gateway through `h2c`"),
        ("upgrade = ['HTTP/2.0']", "requests would bypass the gateway through `HTTP/2.0`"),
        ("upgrade = ['TLS/1.3']", "requests would bypass the gateway through `TLS/1.3`"),
        ("upgrade = ['']", "`` is not the name of a protocol"),
        ("upgrade = ['a b']", "`a b` is not the name of a protocol"),
        ("upgrade = ['a/']", "`a/` is not the name of a protocol"),
        ("upgrade = ['a/1/2']", "`a/1/2` is not the name of a protocol"),
    ] {
        let text = route(&format!("prefix = '/'\nservers = ['a:1']\n{condition}"));
        assert_eq!(refusal(&text), format!("error: {why}"), "{condition}");
    }
    compiled(&route("prefix = '/'\nservers = ['a:1']\nhost = '[::1]'\nheaders = { a = 'b\tc', b = '' }"));
}

#[test]
fn routes_that_claim_the_same_requests_contradict_each_other() {
    let both = |first: &str, second: &str| {
        let one = |keys| format!("[[routes]]\nservers = ['a:1']\n{keys}\n");
        compile(&format!("{}{}", one(first), one(second)), "f.toml", WORLD).map(drop)
    };
    for (first, second) in [
        ("prefix = '/a'", "prefix = '/a/'"),
        ("path = '/a/{id}'", "path = '/a/{name}'"),
        ("path = '/a'\nmethods = ['GET', 'PUT']", "path = '/a'\nmethods = ['PUT', 'POST']"),
        ("path = '/a'\nhost = 'A'", "path = '/a'\nhost = 'a.'"),
        ("path = '/a'\nhost = '[::1]'", "path = '/a'\nhost = '[0:0:0:0:0:0:0:1]'"),
        ("path = '/a'\nheaders = { a = '1', B = '2' }", "path = '/a'\nheaders = { b = '2', A = '1' }"),
    ] {
        let diagnostic = both(first, second).expect_err(second).to_string();
        assert!(
            diagnostic.starts_with("error[conflicting-routes]: two routes claim the same requests"),
            "{diagnostic}"
        );
        let places = ["again here", "first here"];
        assert!(places.iter().all(|place| diagnostic.contains(place)), "{diagnostic}");
    }
    for (first, second) in [
        ("prefix = '/a'", "path = '/a'"),
        ("path = '/a'", "path = '/a'\nmethods = ['GET']"),
        ("path = '/a'\nmethods = ['GET']", "path = '/a'\nmethods = ['HEAD']"),
        ("path = '/a'", "path = '/a'\nhost = 'a'"),
        ("path = '/a'\nheaders = { a = '1' }", "path = '/a'\nheaders = { a = '2' }"),
    ] {
        assert_eq!(both(first, second), Ok(()), "{first} and {second}");
    }
}

#[test]
fn numbers_and_durations_have_bounds() {
    for workers in ["0", "-1", "1025", "9223372036854775807"] {
        let text = format!("workers = {workers}\n{}", EXAMPLES[0].1);
        assert_eq!(refusal(&text), format!("error: there cannot be {workers} workers"));
    }
    for (timeout, why) in [
        ("0s", "`0s` is no time to wait for"),
        ("999us", "`999us` is no time to wait for"),
        ("25h", "`25h` is no time to wait for"),
        ("10", "`10` is not a duration"),
        ("", "`` is not a duration"),
        ("ten seconds", "`ten seconds` is not a duration"),
        ("18446744073709551615s1000ms", "`18446744073709551615s1000ms` is not a duration"),
    ] {
        for key in ["head", "upstream_age", "total", "tunnel"] {
            let text = format!("timeouts.{key} = '{timeout}'\n{}", EXAMPLES[0].1);
            assert_eq!(refusal(&text), format!("error: {why}"));
        }
    }
    assert_eq!(
        refusal(&route("prefix = '/'\nservers = ['a:1']\ntimeouts.stall = 'none'")),
        "error: `none` is not a duration"
    );
    for (limit, why) in [
        ("connections = 0", "there cannot be 0 connections"),
        ("connections = 10000001", "there cannot be 10000001 connections"),
        ("connections = -1", "there cannot be -1 connections"),
        ("body = -1", "`-1` is out of range"),
        ("body = '8EiB'", "`8EiB` is out of range"),
        ("body = '99999999999999999999999EiB'", "`99999999999999999999999EiB` is out of range"),
        ("body = 'many'", "`many` is not a size"),
        ("body = '1.2.3MB'", "`1.2.3MB` is not a size"),
        ("body = true", "expected a size, found boolean `true`"),
        ("rate = 0", "`0` is out of range"),
        ("rate = '2GiB'", "`2GiB` is out of range"),
        ("rate = '240B/s'", "`240B/s` is not a size"),
    ] {
        let text = format!("limits.{limit}\n{}", EXAMPLES[0].1);
        assert_eq!(refusal(&text), format!("error: {why}"), "{limit}");
    }
    let text = format!("pools.a = {{ servers = ['a:1'], connections = 0 }}\n{}", EXAMPLES[0].1);
    assert_eq!(refusal(&text), "error: there cannot be 0 connections");
    let many = |list: &str, element: &str, count: usize| {
        let all: Vec<String> = (0..count).map(|index| format!("'{element}{index}'")).collect();
        route(&format!("prefix = '/'\nservers = ['a:1']\n{list} = [{}]", all.join(",")))
    };
    compiled(&many("upgrade", "a", 16));
    compiled(&many("methods", "A", 64));
    assert_eq!(refusal(&many("upgrade", "a", 17)), "error: this route upgrades to too many protocols");
    assert_eq!(refusal(&many("methods", "A", 65)), "error: a route names at most 64 methods");
    let fields = (0..101).map(|index| format!("a{index} = '1'")).collect::<Vec<_>>().join(",");
    let text = route(&format!("prefix = '/'\nservers = ['a:1']\nheaders = {{ {fields} }}"));
    assert_eq!(refusal(&text), "error: no request has as many fields as this route asks for");
    let deep = route(&format!("prefix = '{}'\nservers = ['a:1']", "/a".repeat(5000)));
    assert!(refusal(&deep).ends_with("is not a path pattern: it is too large"));
}

#[test]
fn sizes_are_read_as_people_write_them() {
    for (size, bytes) in [
        ("512", 512),
        ("'512'", 512),
        ("'64KiB'", 65_536),
        ("'64 kib'", 65_536),
        ("'10MB'", 10_000_000),
        ("'1.5MiB'", 1_572_864),
        ("0", 0),
        ("'none'", u64::MAX),
    ] {
        let config = compiled(&route(&format!("prefix = '/'\nservers = ['a:1']\nlimits.body = {size}")));
        assert_eq!(config.snapshot.routes.all()[0].policy.body_bytes, bytes, "{size}");
    }
    let config = compiled(&format!("limits.rate = 'none'\n{}", EXAMPLES[0].1));
    assert_eq!(config.policy.client_rate, 0);
}

#[test]
fn only_a_timeout_beside_a_shorter_total_is_warned_of() {
    let warnings = |timeouts: &str| {
        let config =
            compiled(&route(&format!("prefix = '/'\nservers = ['a:1']\ntimeouts = {{ {timeouts} }}")));
        config.warnings.len()
    };
    assert_eq!(warnings("total = '2s', response = '3s'"), 1);
    assert_eq!(warnings("total = '2s', connect = '3s', stall = '1m'"), 1);
    for timeouts in ["total = '2s'", "total = 'none', response = '3s'", "total = '3s', response = '3s'"] {
        assert_eq!(warnings(timeouts), 0, "{timeouts}");
    }
}

#[test]
fn of_many_warnings_some_are_shown_and_the_others_counted() {
    let pools = |count: usize| {
        let pools =
            (0..count).map(|index| format!("pools.p{index}.servers = ['a{index}:1', 'b{index}:1']\n"));
        compiled(&format!("{}{}", pools.collect::<String>(), EXAMPLES[0].1)).warnings
    };
    let warnings = pools(WARNINGS + 7);
    assert_eq!(warnings.len(), WARNINGS + 1);
    assert!(warnings[WARNINGS].to_string().starts_with("warning: 7 more warnings are not shown"));
    assert_eq!(pools(WARNINGS).len(), WARNINGS);
}

#[test]
fn a_byte_order_mark_shifts_no_column() {
    let diagnostic = compile("\u{feff}lisen = 1", "f.toml", WORLD).unwrap_err().to_string();
    assert!(diagnostic.contains("f.toml:1:1\n"), "{diagnostic}");
}

/// The message names a line that the text has, or none at all.
fn check_place(text: &str, diagnostic: &str) {
    let place = diagnostic.lines().find_map(|line| line.trim_start().strip_prefix("--> f.toml:"));
    let line = place.and_then(|place| place.split(':').next()?.parse::<usize>().ok());
    let lines = text.split('\n').count();
    assert!(
        line.is_some_and(|line| (1..=lines).contains(&line)),
        "{diagnostic}\nfor a text of {lines} lines"
    );
}

/// Bytes that mean something to TOML, and some that mean nothing at all.
const BYTES: &[u8] = b"\0\n\r\"'#=.,:/{}[]\\ 09aZ~\x7f\x80\xff";

/// Whatever the text, the answer is a configuration or a place in it.
#[test]
fn no_text_is_answered_by_a_panic() {
    let refused = RefCell::new(0);
    let check = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        if let Err(diagnostic) = compile(&text, "f.toml", WORLD) {
            check_place(&text, &diagnostic.to_string());
            *refused.borrow_mut() += 1;
        }
    };
    for text in EXAMPLES.map(|(_, text)| text).into_iter().chain([EVERYTHING]) {
        for end in 0..=text.len() {
            check(&text.as_bytes()[..end]);
        }
        for at in 0..text.len() {
            for turn in 0..3 {
                let mut mutated = text.as_bytes().to_vec();
                mutated[at] = BYTES[(at + turn * 8) % BYTES.len()];
                check(&mutated);
            }
        }
    }
    assert!(refused.take() > 1000, "the texts are really broken");
}

#[test]
fn what_looks_like_a_credential_is_not_logged_by_any_configuration() {
    for (log, why) in [
        (
            "query = ['page', 'token']",
            "a value in a query called `token` may be a credential, which is never logged",
        ),
        (
            "fields = ['Authorization']",
            "a field called `Authorization` may be a credential, which is never logged",
        ),
        ("fields = ['cookie']", "a field called `cookie` may be a credential, which is never logged"),
        ("fields = ['Set-Cookie']", "a field called `Set-Cookie` may be a credential, which is never logged"),
        (
            "fields = ['proxy-authorization']",
            "a field called `proxy-authorization` may be a credential, which is never logged",
        ),
        ("fields = ['X-Api-Key']", "a field called `X-Api-Key` may be a credential, which is never logged"),
        ("fields = ['a b']", "`a b` is not the name of a header field"),
        ("fields = ['']", "a field has a name"),
        ("query = ['']", "a value in a query has a name"),
        ("file = ''", "`` is not the path of a file"),
        ("file = '/var/log/'", "`/var/log/` is a folder"),
        ("sample = 1.5", "`1.5` is no share of all requests"),
        ("sample = -0.1", "`-0.1` is no share of all requests"),
        ("sample = nan", "`NaN` is no share of all requests"),
        ("requests = 'jsonl'", "there is no form of the request log called `jsonl`"),
    ] {
        assert_eq!(refusal(&format!("log.{log}\n{}", EXAMPLES[0].1)), format!("error: {why}"), "{log}");
    }
    let log = |keys: &str| compiled(&format!("log.{keys}\n{}", EXAMPLES[0].1)).log;
    assert_eq!(log("sample = 1"), RequestLog::default());
    assert_eq!((log("sample = 0").sample, log("sample = 0").shape.sample), (0.0, Some("0".into())));
    assert_eq!(log("requests = 'off'"), RequestLog::off());
}

#[test]
fn parameters_are_hidden_by_their_names_or_because_the_route_says_so() {
    let shown = |keys: &str, path: &str| {
        let config = compiled(&route(&format!("{keys}\nservers = ['a:1']")));
        config.snapshot.routes.all()[0].policy.hidden.redact(path).into_owned()
    };
    assert_eq!(shown("path = '/{user}/{reset_token}'", "/a/b"), "/a/{reset_token}");
    assert_eq!(shown("path = '/{user}/{token}'\nredact = ['user']", "/a/b"), "/{user}/{token}");
    assert_eq!(shown("prefix = '/files/{id}'\nredact = ['*']", "/files/1/b/c"), "/files/1/{redacted}");
    for (keys, name) in [
        ("path = '/a/{id}'\nredact = ['ID']", "ID"),
        ("path = '/a'\nredact = ['id']", "id"),
        ("path = '/a'\nredact = ['*']", "*"),
    ] {
        let text = route(&format!("{keys}\nservers = ['a:1']"));
        assert_eq!(refusal(&text), format!("error: the path of this route has no parameter `{name}`"));
    }
}
