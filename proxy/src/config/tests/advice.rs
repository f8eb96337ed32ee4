//! Whoever does what a message says is not refused again.

use super::*;

/// Keys of one route that are wrong, what the help says, and the same keys after doing it.
const ROUTES: [(&str, &str, &str); 39] = [
    ("path = 'a'", "write `/a`", "path = '/a'"),
    ("path = 'a//b'", "write `/path`", "path = '/path'"),
    ("path = '/a//b'", "write `/a/b`", "path = '/a/b'"),
    ("path = '/%61'", "write `/a`", "path = '/a'"),
    ("path = '/a|b'", "write `/a%7Cb`", "path = '/a%7Cb'"),
    ("path = '/a b'", "other bytes than visible ASCII as `%XX`", "path = '/a%20b'"),
    ("path = '/50%'", "the percent sign itself as `%25`", "path = '/50%25'"),
    ("path = '/{a}//b'", "write it without `//`", "path = '/{a}/b'"),
    ("path = '/a/*'", "write `prefix = \"/a\"`", "prefix = '/a'"),
    ("prefix = '/*'", "write `prefix = \"/\"`", "prefix = '/'"),
    ("prefix = '/a/{id}/**'", "write `prefix = \"/a/{id}\"`", "prefix = '/a/{id}'"),
    ("path = '/a/*/b'", "write a parameter for one whole segment, as in `/users/{id}`", "path = '/a/{id}/b'"),
    ("path = '/v{id}'", "write it as in `/users/{id}/posts`", "path = '/users/{id}/posts'"),
    ("path = '/{a}/{a}'", "give each parameter its own name", "path = '/{a}/{b}'"),
    ("path = '/a?b=c'", "leave the rest out", "path = '/a'"),
    ("prefix = '/'\nmethods = []", "leave `methods` out", "prefix = '/'"),
    ("prefix = '/'\nmethods = ['*']", "leave `methods` out", "prefix = '/'"),
    ("prefix = '/'\nmethods = ['GET', 'trace']", "leave it out", "prefix = '/'\nmethods = ['GET']"),
    ("prefix = '/'\nmethods = ['get']", "write methods in upper case", "prefix = '/'\nmethods = ['GET']"),
    ("prefix = '/'\nmethods = 'GET'", "put the values in brackets", "prefix = '/'\nmethods = ['GET']"),
    ("prefix = '/'\nhost = 'A.example.:80'", "write `a.example`", "prefix = '/'\nhost = 'a.example'"),
    ("prefix = '/'\nhost = '[::0]:80'", "write `[::]`", "prefix = '/'\nhost = '[::]'"),
    ("prefix = '/'\nhost = '::0:1'", "`[::1]`", "prefix = '/'\nhost = '[::1]'"),
    ("prefix = '/'\nhost = 'https://a'", "write only the name", "prefix = '/'\nhost = 'a'"),
    ("prefix = '/'\nhost = '*.a'", "leave `host` out", "prefix = '/'"),
    (
        "prefix = '/'\nheaders = { Host = 'A:80' }",
        "write `host = \"a\"` in the route itself",
        "prefix = '/'\nhost = 'a'",
    ),
    (
        "prefix = '/'\nheaders = { Host = 'a/b' }",
        "write `host = \"api.example.com\"`",
        "prefix = '/'\nhost = 'api.example.com'",
    ),
    ("prefix = '/'\nheaders = { te = 'a' }", "leave it out", "prefix = '/'\nheaders = {}"),
    ("prefix = '/'\nheaders = 'a'", "as in `{ name = \"value\" }`", "prefix = '/'\nheaders = { a = '1' }"),
    ("prefix = '/'\nheaders = { a = ' 1' }", "without white space", "prefix = '/'\nheaders = { a = '1' }"),
    ("prefix = '/'\nupgrade = ['h2c']", "leave it out", "prefix = '/'\nupgrade = []"),
    ("prefix = '/'\nupgrade = ['a b']", "as in `websocket`", "prefix = '/'\nupgrade = ['websocket']"),
    ("prefix = '/'\ntimeouts.total = '2day'", "up to `1day`", "prefix = '/'\ntimeouts.total = '1day'"),
    (
        "prefix = '/'\ntimeouts.total = '2day'",
        "`total` may be `none`",
        "prefix = '/'\ntimeouts.total = 'none'",
    ),
    ("prefix = '/'\ntimeouts.stall = '0s'", "from `1ms`", "prefix = '/'\ntimeouts.stall = '1ms'"),
    ("prefix = '/'\ntimeouts.stall = '10'", "as in `250ms`", "prefix = '/'\ntimeouts.stall = '250ms'"),
    (
        "prefix = '/'\nlimits.body = -1",
        "from 0 to 9223372036854775807",
        "prefix = '/'\nlimits.body = 9223372036854775807",
    ),
    ("prefix = '/'\nlimits.rate = '2GiB'", "from 1 to 1073741824", "prefix = '/'\nlimits.rate = 1073741824"),
    ("prefix = '/'\nlimits.rate = 'no'", "or \"none\"", "prefix = '/'\nlimits.rate = \"none\""),
];

/// The same for servers.
const SERVERS: [(&str, &str, &str); 9] = [
    ("a", "as in `a:80`", "a:80"),
    ("127.0.0.1", "as in `127.0.0.1:80`", "127.0.0.1:80"),
    ("127.0.0.1:0", "as in `127.0.0.1:3000`", "127.0.0.1:3000"),
    ("::1", "`[::1]:3000`", "[::1]:3000"),
    ("http://a:3000/", "as in `a:3000`", "a:3000"),
    ("http://a:3000/b/c", "as in `a:3000`", "a:3000"),
    ("http://a", "`a:80`", "a:80"),
    ("https://a/", "`a:80`", "a:80"),
    ("http://[::1]:3000", "`[::1]:3000`", "[::1]:3000"),
];

/// The same for whole files.
const FILES: [(&str, &str, &str); 9] = [
    (
        "",
        "[[routes]]\nprefix = \"/\"\nservers = [\"127.0.0.1:3000\"]",
        "[[routes]]\nprefix = \"/\"\nservers = [\"127.0.0.1:3000\"]",
    ),
    (
        "routes = [{ path = '/', pool = 'a.b' }]",
        "declare it: `[pools.\"a.b\"]` with `servers = [\"127.0.0.1:3000\"]`",
        "routes = [{ path = '/', pool = 'a.b' }]\n[pools.\"a.b\"]\nservers = [\"127.0.0.1:3000\"]",
    ),
    ("routes = ['/']", "as in `[[routes]]`", "[[routes]]\nprefix = '/'\nservers = ['a:1']"),
    ("routes = 1", "put the values in brackets", "[[routes]]\nprefix = '/'\nservers = ['a:1']"),
    (
        "listen = ':80'",
        "`0.0.0.0:8080`",
        "listen = '0.0.0.0:8080'\nroutes = [{ path = '/', servers = ['a:1'] }]",
    ),
    ("workers = '2'", "digits without quotes", "workers = 2\nroutes = [{ path = '/', servers = ['a:1'] }]"),
    ("workers = 2.0", "without a point", "workers = 2\nroutes = [{ path = '/', servers = ['a:1'] }]"),
    (
        "pools = 1",
        "under `[pools.NAME]`",
        "routes = [{ path = '/', pool = 'NAME' }]\n[pools.NAME]\nservers = ['a:1']",
    ),
    (
        "routes = [{ path = '/', servers = ['a:1'], timeouts = { idle = '1s' } }]",
        "put it under `[timeouts]`",
        "timeouts = { idle = '1s' }\nroutes = [{ path = '/', servers = ['a:1'] }]",
    ),
];

fn check(wrong: &str, help: &str, mended: &str) {
    let message = compile(wrong, "f.toml", WORLD).expect_err(wrong).to_string();
    let unfolded = message.replace("\n          ", "\n");
    assert!(unfolded.contains(help), "{message}\ndoes not say: {help}");
    if let Err(again) = compile(mended, "f.toml", WORLD) {
        panic!("{message}\nwas heeded, and:\n{again}");
    }
}

#[test]
fn a_route_mended_as_the_help_says_is_accepted() {
    for (wrong, help, mended) in ROUTES {
        let file = |keys: &str| route(&format!("servers = ['a:1']\n{keys}"));
        check(&file(wrong), help, &file(mended));
    }
}

#[test]
fn a_server_mended_as_the_help_says_is_accepted() {
    for (wrong, help, mended) in SERVERS {
        let file = |server: &str| route(&format!("prefix = '/'\nservers = ['{server}']"));
        check(&file(wrong), help, &file(mended));
    }
}

#[test]
fn a_file_mended_as_the_help_says_is_accepted() {
    for (wrong, help, mended) in FILES {
        check(wrong, help, mended);
    }
}
