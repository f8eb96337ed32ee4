use std::cell::RefCell;

use super::*;

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
trusted_proxies = ["10.0.0.0/8", "::1", "::ffff:1.2.3.4"]
tolerate = ["path-parameters", "raw-utf8"]
log.requests = "off"
timeouts = { head = "1s", idle = "2m", connect = "250ms", response = "1m30s", stall = "1day", upstream_idle = "5s" }

[pools.a]
servers = ["127.0.0.1:1", "upstream.example:2"]

[[routes]]
path = "/users/{id}"
methods = ["GET", "PURGE"]
host = "API.Example.com."
headers = { X-Version = "2" }
pool = "a"
name = "user"

[[routes]]
prefix = "/"
servers = ["[::1]:3"]
"#;

/// A network where names have addresses of both kinds, IPv6 first, unless they say that they have none.
fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match host {
        "nobody" => Err(io::Error::other("unknown")),
        "empty" => Ok(Vec::new()),
        "six" => Ok(vec![([0, 0, 0, 0, 0, 0, 0, 6], port).into()]),
        _ => Ok(vec![([0, 0, 0, 0, 0, 0, 0, 1], port).into(), ([10, 0, 0, 1], port).into()]),
    }
}

fn compiled(text: &str) -> Config {
    compile(text, "f.toml", &resolve).unwrap_or_else(|diagnostic| panic!("{diagnostic}"))
}

/// The first line of what is said about a text that is refused.
fn refusal(text: &str) -> String {
    let diagnostic = compile(text, "f.toml", &resolve).expect_err(text);
    diagnostic.to_string().lines().next().unwrap_or_default().to_owned()
}

/// A file with one route, whose keys these are.
fn route(keys: &str) -> String {
    format!("[[routes]]\n{keys}\n")
}

#[test]
fn what_is_not_said_has_a_default() {
    let config = compiled(EXAMPLES[0].1);
    assert_eq!(config.listen, SocketAddr::from(([127, 0, 0, 1], 8080)));
    assert_eq!((config.workers, config.driver, config.log), (None, None, RequestLog::Json));
    assert_eq!(config.snapshot.clients, Clients::default());
    assert_eq!(config.snapshot.routes.all()[0].policy, ringgate_core::policy::Policy::default());
    assert_eq!(config.warnings, []);
    let node = |config: &Config| config.snapshot.node.id().to_owned();
    assert!(node(&config).starts_with("ringgate-") && node(&config) != node(&compiled(EXAMPLES[0].1)));
    let [route] = config.snapshot.routes.all() else { panic!("one route") };
    assert_eq!((&*route.name, &route.host, route.methods.is_any(), route.pool), ("/*", &None, true, 0));
}

#[test]
fn everything_that_is_said_is_heard() {
    let config = compiled(EVERYTHING);
    let seconds = std::time::Duration::from_secs;
    assert_eq!(config.listen, "[::1]:8080".parse().unwrap());
    assert_eq!((config.workers, config.driver), (Some(3), Some(Rung::Coop)));
    assert_eq!(config.log, RequestLog::Off);
    let clients = &config.snapshot.clients;
    assert_eq!((clients.head_timeout, clients.idle_timeout), (seconds(1), seconds(120)));
    let is_trusted = |address: &str| clients.trusted.has(address.parse().unwrap());
    assert!(["10.9.9.9", "::ffff:10.9.9.9", "::1", "1.2.3.4"].into_iter().all(is_trusted));
    assert!(!["11.0.0.1", "::2", "1.2.3.5"].into_iter().any(is_trusted));
    let tolerance = clients.tolerance;
    assert!(tolerance.path_parameters && tolerance.raw_utf8 && !tolerance.encoded_controls);
    assert_eq!(config.snapshot.node.id(), "gate-1");
    let timeouts = config.snapshot.routes.all()[0].policy.timeouts;
    assert_eq!(
        (timeouts.connect.as_millis(), timeouts.response, timeouts.stall),
        (250, seconds(90), seconds(86_400))
    );
    assert_eq!(config.snapshot.kept.idle, seconds(5));
    let [user, rest] = config.snapshot.routes.all() else { panic!("two routes") };
    assert_eq!((&*user.name, &*user.pattern.to_string(), user.pool), ("user", "/users/{id}", 0));
    assert_eq!(user.methods.to_string(), "GET, PURGE");
    assert_eq!(user.host.as_deref(), Some("api.example.com"));
    assert_eq!(user.fields, [("x-version".into(), "2".into())]);
    assert_eq!((&*rest.name, rest.pool), ("/*", 1));
}

#[test]
fn servers_are_numbered_through_all_pools_and_names_are_resolved_to_ipv4_first() {
    let config = compiled(EVERYTHING);
    let servers = config.snapshot.pools.iter().flat_map(|pool| &pool.servers);
    let servers: Vec<_> =
        servers.map(|server| (server.index, &*server.name, server.address.to_string())).collect();
    let expected = [
        (0, "127.0.0.1:1", "127.0.0.1:1"),
        (1, "upstream.example:2", "10.0.0.1:2"),
        (2, "[::1]:3", "[::1]:3"),
    ];
    assert_eq!(servers, expected.map(|(index, name, address)| (index, name, address.to_owned())));
    let six = compiled(&route("prefix = \"/\"\nservers = [\"six:1\"]"));
    assert_eq!(six.snapshot.pools[0].servers[0].address, "[::6]:1".parse().unwrap());
}

#[test]
fn routes_that_list_the_same_servers_share_a_pool() {
    let text = "routes = [
        { path = '/a', servers = ['a:1', 'a:2'] },
        { path = '/b', servers = ['a:1', 'a:2'] },
        { path = '/c', servers = ['a:1'] },
    ]";
    let config = compiled(text);
    let pools: Vec<usize> = config.snapshot.routes.all().iter().map(|route| route.pool).collect();
    assert_eq!(pools, [0, 0, 1]);
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
        ("nobody:1", "the name `nobody` has no address: unknown"),
        ("empty:1", "the name `empty` has no address: the answer was empty"),
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
        ("methods = ['Get']", "`Get` is another method than it looks like: case matters"),
        ("host = 'a:80'", "`a:80` has a port"),
        ("host = '[::1]:80'", "`[::1]:80` has a port"),
        ("host = '*.a'", "`*.a` has a wildcard, which hosts cannot have"),
        ("host = 'a/b'", "`a/b` is not the name of a host"),
        ("host = ''", "`` is not the name of a host"),
        ("headers = { 'a b' = '' }", "`a b` is not the name of a header field"),
        ("headers = { Host = 'a' }", "the host of a request is not matched as a header field"),
        ("headers = { a = ' 1' }", "no request has a field `a` with this value"),
        ("headers = { a = \"1\\n\" }", "no request has a field `a` with this value"),
        ("headers = { a = '1', A = '2' }", "the field `a` stands here twice"),
        ("name = ''", "this cannot be a name"),
        ("name = 'a\"b'", "this cannot be a name"),
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
        compile(&format!("{}{}", one(first), one(second)), "f.toml", &resolve).map(drop)
    };
    for (first, second) in [
        ("prefix = '/a'", "prefix = '/a/'"),
        ("path = '/a/{id}'", "path = '/a/{name}'"),
        ("path = '/a'\nmethods = ['GET', 'PUT']", "path = '/a'\nmethods = ['PUT', 'POST']"),
        ("path = '/a'\nhost = 'A'", "path = '/a'\nhost = 'a.'"),
        ("path = '/a'\nheaders = { a = '1', B = '2' }", "path = '/a'\nheaders = { b = '2', A = '1' }"),
    ] {
        let diagnostic = both(first, second).expect_err(second).to_string();
        assert!(diagnostic.starts_with("error: two routes claim the same requests"), "{diagnostic}");
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
        let text = format!("timeouts.head = '{timeout}'\n{}", EXAMPLES[0].1);
        assert_eq!(refusal(&text), format!("error: {why}"));
    }
}

#[test]
fn a_byte_order_mark_shifts_no_column() {
    let diagnostic = compile("\u{feff}lisen = 1", "f.toml", &resolve).unwrap_err().to_string();
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
        if let Err(diagnostic) = compile(&text, "f.toml", &resolve) {
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
