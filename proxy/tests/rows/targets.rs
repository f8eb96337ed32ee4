//! The rows about the target and the host of a request.

use crate::requests::{answered, host, passed, refused, target};
use crate::stage::Request;

/// All of them.
pub fn all() -> Vec<Request> {
    [hosts(), targets()].concat()
}

fn hosts() -> Vec<Request> {
    let absolute = "GET / HTTP/1.1\r\nX-Forwarded-Host: other:81\r\n\r\n";
    let mut rows = vec![
        refused(33, "none", "GET / HTTP/1.1\r\n\r\n", 400),
        refused(33, "two", "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400),
        refused(33, "none with an absolute target", "GET http://h/ HTTP/1.1\r\n\r\n", 400),
        refused(33, "two in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        passed(34, "replaces Host", "GET http://other:81/ HTTP/1.1\r\nHost: h\r\n\r\n", absolute),
        passed(34, "without a path", "GET HTTP://other:81 HTTP/1.1\r\nHost: h\r\n\r\n", absolute),
        passed(
            34,
            "with a query only",
            "GET http://h?q HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /?q HTTP/1.1\r\n\r\n",
        ),
        refused(34, "with user information", target("http://u@h/"), 400),
        refused(34, "without a host", target("http:///x"), 400),
        refused(34, "of another scheme", target("ftp://h/"), 400),
        answered(41, "an IPv6 literal", "GET /narrow HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 503),
        passed(41, "another host", target("/narrow"), "GET /narrow HTTP/1.1\r\n\r\n"),
        answered(
            41,
            "of an absolute target",
            "GET http://narrow.example/narrow HTTP/1.1\r\nHost: h\r\n\r\n",
            503,
        ),
    ];
    for name in
        ["", "u@h", "u:p@h", "h/x", "a,b", "h\0", "h i", "h:80:80", "h:x", "[::1", "[::g]", "h?", "h#", "h\\"]
    {
        rows.push(refused(33, &format!("host {name:?}"), host(name), 400));
    }
    for name in
        ["narrow.example", "narrow.example:8080", "NARROW.example", "narrow.example.", "narrow.example.:80"]
    {
        rows.push(answered(41, name, format!("GET /narrow HTTP/1.1\r\nHost: {name}\r\n\r\n"), 503));
    }
    rows
}

fn targets() -> Vec<Request> {
    let mut rows = vec![
        passed(35, "OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "OPTIONS * HTTP/1.1\r\n\r\n"),
        passed(
            35,
            "OPTIONS of a whole server",
            "OPTIONS http://h HTTP/1.1\r\nHost: h\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\n\r\n",
        ),
        passed(
            35,
            "OPTIONS of its root",
            "OPTIONS http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
            "OPTIONS / HTTP/1.1\r\n\r\n",
        ),
        passed(
            35,
            "OPTIONS with a query",
            "OPTIONS http://h?q HTTP/1.1\r\nHost: h\r\n\r\n",
            "OPTIONS /?q HTTP/1.1\r\n\r\n",
        ),
        refused(35, "GET *", target("*"), 400),
        refused(37, "authority form", target("h:80"), 400),
        refused(37, "a bare word", target("x"), 400),
        refused(38, "a fragment", target("/a#b"), 400),
        refused(38, "in the query", target("/a?b#c"), 400),
        refused(40, "a control", target("/a\x01"), 400),
        refused(40, "a DEL", target("/a\x7f"), 400),
        refused(40, "not ASCII", target("/\u{e9}"), 400),
        refused(40, "not ASCII in the query", target("/?\u{e9}"), 400),
        passed(42, "lower case", "get / HTTP/1.1\r\nHost: h\r\n\r\n", "get / HTTP/1.1\r\n\r\n"),
        passed(42, "an unknown one", "BREW / HTTP/1.1\r\nHost: h\r\n\r\n", "BREW / HTTP/1.1\r\n\r\n"),
        refused(42, "an endless one", format!("{} / HTTP/1.1\r\nHost: h\r\n\r\n", "X".repeat(33)), 400),
    ];
    for (path, normal) in [
        ("/a/../b", "/b"),
        ("/a/./b", "/a/b"),
        ("/a//b", "/a/b"),
        ("/%61", "/a"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%252fb", "/a%252fb"),
        ("/a%3b", "/a%3B"),
        ("/a?b;x=1", "/a?b;x=1"),
        ("/a?%00%01", "/a?%00%01"),
        ("/a%20b", "/a%20b"),
        ("/...", "/..."),
        ("/a/..?q=/../", "/?q=/../"),
        ("//a", "/a"),
        ("/a/.", "/a/"),
        ("/guarded/../b", "/b"),
        ("/guardedx", "/guardedx"),
    ] {
        rows.push(passed(39, path, target(path), &format!("GET {normal} HTTP/1.1\r\n\r\n")));
    }
    for path in [
        "/guarded",
        "/guarded/x",
        "/x/../guarded",
        "/x/%2e%2e/guarded",
        "/x/.%2e/guarded",
        "//guarded",
        "/./guarded",
        "/%67uarded",
        "/guarded?q",
        "/x/..//guarded",
    ] {
        rows.push(answered(39, path, target(path), 503));
    }
    for path in [
        "/../guarded",
        "/%2e%2e/guarded",
        "/x/..;/guarded",
        "/x/..;x=1/guarded",
        "/x/%2e%2e;/guarded",
        "/.;/guarded",
        "/x\\guarded",
        "/x%00",
        "/x%0",
        "/x%",
        "/x%zz",
        "/guarded;x=1",
        "/;/guarded",
        "/x/..%20/guarded",
        "/x/.%09/y",
        "/x/%20../guarded",
        "/x/..%20%2e/guarded",
        "/x%01",
        "/x%0d%0aGET%20/",
        "/x%1F",
        "/x%7f",
    ] {
        let is_escape = path.starts_with("/x%") && path != "/x%00";
        let row = if is_escape { 40 } else { 39 };
        rows.push(refused(row, path, target(path), 400));
    }
    rows
}
