//! The rows about requests: bytes from a client, and what the client and the origin get.

use crate::stage::{After, AtOrigin, Request};
use crate::targets;

/// The section "Repeated by others, not by us", which has no numbers.
pub const REPEATED: u8 = 0;

/// Refused with this status, and the connection ends; the origin gets nothing.
pub fn refused(row: u8, name: &str, sent: impl AsRef<[u8]>, status: u16) -> Request {
    let (sent, name) = (sent.as_ref().to_vec(), name.into());
    Request { row, name, sent, status, origin: AtOrigin::Nothing, after: After::Ends }
}

/// Refused, though the origin may have got a beginning.
fn torn(row: u8, name: &str, sent: impl AsRef<[u8]>) -> Request {
    Request { origin: AtOrigin::Torn, ..refused(row, name, sent, 400) }
}

/// Answered by the gateway itself; the connection goes on.
pub fn answered(row: u8, name: &str, sent: impl AsRef<[u8]>, status: u16) -> Request {
    Request { after: After::GoesOn, ..refused(row, name, sent, status) }
}

/// As [`answered`], whether or not its body has arrived by then.
fn answered_early(row: u8, name: &str, sent: impl AsRef<[u8]>, status: u16) -> Request {
    Request { after: After::MayEnd, ..refused(row, name, sent, status) }
}

/// Forwarded as `received`.
pub fn passed(row: u8, name: &str, sent: impl AsRef<[u8]>, received: &str) -> Request {
    Request { origin: AtOrigin::This(received.into()), ..answered(row, name, sent, 200) }
}

/// Forwarded as `received`; the connection ends.
fn passed_last(row: u8, name: &str, sent: impl AsRef<[u8]>, received: &str) -> Request {
    Request { after: After::Ends, ..passed(row, name, sent, received) }
}

fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n")
}

fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}")
}

fn options(fields: &str) -> String {
    format!("OPTIONS / HTTP/1.1\r\nHost: h\r\n{fields}\r\n")
}

fn chunks(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

pub fn target(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
}

pub fn host(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

const GET: &str = "GET / HTTP/1.1\r\n\r\n";
const OPTIONS_LAST: &str = "OPTIONS / HTTP/1.1\r\nMax-Forwards: 0\r\n\r\n";
const CHUNKED_ABC: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
const POST_ABC: &str = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";

/// All of them.
pub fn all() -> Vec<Request> {
    [framing(), chunk_framing(), lines(), targets::all(), limits(), forwarding(), repeated()].concat()
}

fn framing() -> Vec<Request> {
    let mut rows = vec![
        refused(
            1,
            "length, then chunked",
            post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            400,
        ),
        refused(
            1,
            "chunked, then length",
            post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
            400,
        ),
        refused(2, "chunked twice", post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), 400),
        refused(
            2,
            "in two fields",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            400,
        ),
        refused(3, "chunked is not last", post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"), 400),
        refused(4, "a coding we do not speak", post("Transfer-Encoding: gzip\r\n", "0\r\n\r\n"), 501),
        refused(4, "in front of chunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 400),
        refused(
            6,
            "chunked in HTTP/1.0",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        refused(7, "two lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), 400),
        refused(7, "in one field", post("Content-Length: 5, 6\r\n", "hello"), 400),
        passed(8, "equal lengths", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), POST_ABC),
        passed(8, "equal in one field", post("Content-Length: 3, 3\r\n", "abc"), POST_ABC),
        passed(
            16,
            "GET with a length",
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
            "GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        ),
        passed(
            16,
            "DELETE with chunks",
            "DELETE / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "DELETE / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ),
        passed(
            16,
            "HEAD with a length",
            "HEAD / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
            "HEAD / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        ),
        passed(17, "POST without either", post("", ""), "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
        passed_last(
            18,
            "bytes behind a body",
            post("Connection: close\r\nContent-Length: 3\r\n", "abc"),
            POST_ABC,
        ),
        passed_last(
            18,
            "bytes behind chunks",
            post("Connection: close\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
            CHUNKED_ABC,
        ),
        refused(
            76,
            "a framing error before a whole request",
            post("Content-Length: x\r\n", "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"),
            400,
        ),
    ];
    for coding in [
        "xchunked",
        "chunked\x0b",
        "\"chunked\"",
        "chunked;q=1",
        ",chunked",
        "chunked,",
        "identity",
        "",
        "chunked chunked",
        "\x0cchunked",
    ] {
        rows.push(refused(5, coding, post(&format!("Transfer-Encoding: {coding}\r\n"), "0\r\n\r\n"), 400));
    }
    for length in [
        "+5",
        "-5",
        "0x5",
        "\"5 \"",
        "5 5",
        "5_0",
        "",
        ",5",
        "5,",
        "5.0",
        "\u{665}",
        "18446744073709551616",
        "99999999999999999999999",
    ] {
        rows.push(refused(9, length, post(&format!("Content-Length: {length}\r\n"), "hello"), 400));
    }
    rows
}

fn chunk_framing() -> Vec<Request> {
    let mut rows = vec![
        torn(11, "more than its size", chunks("3\r\nabcd\r\n0\r\n\r\n")),
        torn(11, "less than its size", chunks("5\r\nabc\r\n0\r\n\r\n")),
        torn(11, "no line end", chunks("3\r\nabc0\r\n\r\n")),
        passed(
            13,
            "extensions are dropped",
            chunks("3;a=b;c;d=\"e;f\"\r\nabc\r\n0;last\r\n\r\n"),
            CHUNKED_ABC,
        ),
        torn(13, "too many of them", chunks(&format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(10_000)))),
        passed(
            15,
            "harmless trailers pass, others do not",
            chunks(
                "3\r\nabc\r\n0\r\nChecksum: 1\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\nHost: evil\r\nAuthorization: x\r\nCookie: x\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nX-Forwarded-Prefix: /a\r\nTrue-Client-IP: 6.6.6.6\r\nX_Original_URL: /a\r\nConnection: close\r\nProxy-Authorization: x\r\n\r\n",
            ),
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nChecksum: 1\r\n\r\n",
        ),
        torn(15, "too large", chunks(&format!("0\r\n{}\r\n", "X: y\r\n".repeat(2_000)))),
        torn(15, "not field lines", chunks("3\r\nabc\r\n0\r\nnonsense\r\n\r\n")),
        torn(15, "white space before the colon", chunks("3\r\nabc\r\n0\r\nX : y\r\n\r\n")),
    ];
    for size in
        ["0x3", "+3", "-3", "3 ", " 3", "3\t", "3 3", "", "3h", "00000000000000003", "fffffffffffffffff"]
    {
        rows.push(torn(10, size, chunks(&format!("{size}\r\nabc\r\n0\r\n\r\n"))));
    }
    for body in [
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabc\r\n0\n\r\n",
        "3\r\nabc\r\n0\r\n\n",
        "3\r\nabc\r\n0\r\nX: y\n\r\n",
        "3\rabc\r\n0\r\n\r\n",
    ] {
        rows.push(torn(12, body, chunks(body)));
    }
    for extension in
        [";", ";;a", ";=b", "; ", ";a=", ";a b", ";a\x01", ";a=\"\x01\"", ";a=\"b\"c", ";(", ";a=b\n0"]
    {
        rows.push(torn(13, extension, chunks(&format!("3{extension}\r\nabc\r\n0\r\n\r\n"))));
    }
    rows
}

fn lines() -> Vec<Request> {
    let mut rows = vec![
        refused(20, "in a value", get("X: a\rb\r\n"), 400),
        refused(20, "before a line end", get("X: a\r\r\n"), 400),
        refused(20, "in the request line", "GET /\r HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        refused(21, "everywhere", "GET / HTTP/1.1\nHost: h\n\n", 400),
        refused(21, "behind one field", "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", 400),
        refused(21, "for the empty line", "GET / HTTP/1.1\r\nHost: h\r\n\n", 400),
        passed(
            22,
            "bytes over 127 are no controls",
            get("X: \u{e9}\r\n"),
            "GET / HTTP/1.1\r\nX: \u{e9}\r\n\r\n",
        ),
        refused(23, "a blank", "GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
        refused(23, "a tab", get("Content-Length\t: 3\r\n"), 400),
        refused(24, "a blank", get("X: a\r\n b\r\n"), 400),
        refused(24, "a tab", get("X: a\r\n\tb\r\n"), 400),
        refused(24, "of nothing", get("X: a\r\n \r\n"), 400),
        refused(25, "a blank", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400),
        refused(26, "no name", get(": x\r\n"), 400),
        refused(26, "no token", get("X(y): x\r\n"), 400),
        refused(26, "no colon", get("X\r\n"), 400),
        passed(27, "one", format!("\r\n{}", get("")), GET),
        passed(27, "three", format!("\r\n\r\n\r\n{}", get("")), GET),
        refused(29, "a simple request", "GET /\r\n\r\n", 400),
        refused(29, "said in full", "GET / HTTP/0.9\r\n\r\n", 505),
        passed(
            30,
            "never forwarded",
            get(
                "Content_Length: 5\r\nTransfer.Encoding: chunked\r\nX_Forwarded_For: 6\r\nx.real_ip: 6\r\nX_Request_Id: 6\r\nHo_st: a\r\n",
            ),
            "GET / HTTP/1.1\r\nHo_st: a\r\n\r\n",
        ),
        passed(
            31,
            "the order of a name",
            get("A: 1\r\nB: 2\r\na: 3\r\nA: 1\r\n"),
            "GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\na: 3\r\nA: 1\r\n\r\n",
        ),
        passed(
            32,
            "blanks and tabs",
            "POST / HTTP/1.1\r\nHost: \th \t\r\nContent-Length:\t 3\t \r\n\r\nabc",
            POST_ABC,
        ),
        refused(32, "vertical tab", post("Content-Length: \x0b3\r\n", "abc"), 400),
        refused(32, "form feed", post("Content-Length: 3\x0c\r\n", "abc"), 400),
        refused(32, "no-break space", post("Content-Length: \u{a0}3\r\n", "abc"), 400),
    ];
    for control in ["\0", "\x01", "\x08", "\x0b", "\x1b", "\x7f"] {
        rows.push(refused(22, &control.escape_debug().to_string(), get(&format!("X: a{control}b\r\n")), 400));
    }
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / http/1.1",
        "GET / HTTP/1.9",
        "GET / HTTP/1.10",
        "GET / HTTP/01.1",
        "GET / HTTP/1,1",
        "GET / HTTP/1",
        "GET / HTTP 1.1",
        "GET /",
        "GET / / HTTP/1.1",
        "G(T / HTTP/1.1",
    ] {
        rows.push(refused(28, line, format!("{line}\r\nHost: h\r\n\r\n"), 400));
    }
    for version in ["HTTP/2.0", "HTTP/3.0", "HTTP/0.9"] {
        rows.push(refused(28, version, format!("GET / {version}\r\nHost: h\r\n\r\n"), 505));
    }
    rows
}

fn limits() -> Vec<Request> {
    vec![
        refused(43, "a long target", target(&format!("/{}", "x".repeat(10_000))), 414),
        passed(
            43,
            "8,000 bytes are taken",
            target(&format!("/{}", "x".repeat(7_999))),
            &format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(7_999)),
        ),
        refused(44, "one field", get(&format!("X: {}\r\n", "x".repeat(50_000))), 431),
        refused(44, "all fields", get(&format!("X: {}\r\n", "x".repeat(1_000)).repeat(50)), 431),
        refused(45, "101 fields", get(&"X: y\r\n".repeat(100)), 431),
    ]
}

fn forwarding() -> Vec<Request> {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    vec![
        refused(36, "CONNECT", "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", 405),
        passed(
            53,
            "nominated",
            get("Connection: X-Mine, keep-alive\r\nX-Mine: 1\r\nx-mine: 2\r\nOther: 3\r\n"),
            "GET / HTTP/1.1\r\nOther: 3\r\n\r\n",
        ),
        passed(
            53,
            "as many as anybody needs",
            get(&format!("Connection: {}\r\nX-Mine: 1\r\n", "x-mine,".repeat(64))),
            GET,
        ),
        refused(
            53,
            "more than anybody needs",
            get(&format!("Connection: {}\r\n", "x-mine,".repeat(65))),
            431,
        ),
        refused(53, "in many fields", get(&"Connection: a,b,c,d,e,f,g,h\r\n".repeat(9)), 431),
        passed(
            54,
            "what cannot be",
            get(
                "Connection: host, authorization, x-forwarded-for, X-FORWARDED-HOST, x-forwarded-proto, x-request-id, via\r\nAuthorization: x\r\n",
            ),
            "GET / HTTP/1.1\r\nAuthorization: x\r\n\r\n",
        ),
        passed(
            54,
            "nor the framing",
            post("Connection: content-length\r\nContent-Length: 3\r\n", "abc"),
            POST_ABC,
        ),
        passed(
            55,
            "of the connection only",
            get(
                "Keep-Alive: 5\r\nProxy-Connection: x\r\nUpgrade: x\r\nHTTP2-Settings: x\r\nTrailer: x\r\nX: y\r\n",
            ),
            "GET / HTTP/1.1\r\nX: y\r\n\r\n",
        ),
        passed(
            55,
            "TE is rebuilt",
            get("TE: trailers, deflate\r\nConnection: te\r\n"),
            "GET / HTTP/1.1\r\nTE: trailers\r\nConnection: te\r\n\r\n",
        ),
        passed(
            56,
            "a proxy's credential",
            get("Proxy-Authorization: x\r\nAuthorization: y\r\n"),
            "GET / HTTP/1.1\r\nAuthorization: y\r\n\r\n",
        ),
        passed(
            57,
            "others are no loop",
            get("Via: 1.1 other, 1.0 ringgate (Ringgate)\r\n"),
            "GET / HTTP/1.1\r\nVia: 1.1 other, 1.0 ringgate (Ringgate)\r\n\r\n",
        ),
        passed(
            57,
            "what came by HTTP/1.0",
            "GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
            GET,
        ),
        answered(58, "no further", options("Max-Forwards: 0\r\n"), 204),
        answered_early(
            58,
            "no further, with a body",
            options("Max-Forwards: 0\r\nContent-Length: 3\r\n") + "abc",
            204,
        ),
        passed(58, "once more", options("Max-Forwards: 1\r\n"), OPTIONS_LAST),
        passed(58, "nominated", options("Connection: max-forwards\r\nMax-Forwards: 1\r\n"), OPTIONS_LAST),
        passed(
            58,
            "more than can be counted",
            options("Max-Forwards: 99999999999999999999\r\n"),
            "OPTIONS / HTTP/1.1\r\nMax-Forwards: 18446744073709551614\r\n\r\n",
        ),
        passed(
            58,
            "of another method",
            get("Max-Forwards: 0\r\n"),
            "GET / HTTP/1.1\r\nMax-Forwards: 0\r\n\r\n",
        ),
        refused(58, "not a number", options("Max-Forwards: x\r\n"), 400),
        refused(58, "two numbers", options("Max-Forwards: 1\r\nMax-Forwards: 1\r\n"), 400),
        refused(
            58,
            "TRACE is refused, whatever it says",
            "TRACE / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n",
            405,
        ),
        refused(59, "TRACE", "TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", 405),
        passed(
            64,
            "h2c",
            get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"),
            GET,
        ),
        passed(
            67,
            "100-continue with its body",
            post("Expect: 100-Continue\r\nContent-Length: 3\r\n", "abc"),
            POST_ABC,
        ),
        refused(67, "something unknown", post("Expect: miracles\r\nContent-Length: 3\r\n", "abc"), 417),
        refused(
            67,
            "in a second field",
            post("Expect: 100-continue\r\nExpect: miracles\r\nContent-Length: 3\r\n", "abc"),
            417,
        ),
        passed(
            74,
            "spoofed",
            get(
                "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nX-Real-IP: 6.6.6.6\r\n",
            ),
            GET,
        ),
        refused(70, "a HEAD that cannot be read", "HEAD /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        passed(
            74,
            "spoofed by names that some proxy uses",
            get(
                "X-Forwarded: 6\r\nX-Forwarded-Prefix: /a\r\nX_Forwarded_Ssl: on\r\nX.Forwarded-User: me\r\nX-Original-URL: /a\r\nX-Original-Host: a\r\nX-Rewrite-URL: /a\r\nX-Client-IP: 6\r\nTrue-Client-IP: 6\r\nTRUE_CLIENT_IP: 6\r\nX-Cluster-Client-IP: 6\r\nCF-Connecting-IP: 6\r\nClient-IP: 6\r\nClient.IP: 6\r\nX-HTTP-Method-Override: PUT\r\n",
            ),
            "GET / HTTP/1.1\r\nX-HTTP-Method-Override: PUT\r\n\r\n",
        ),
        answered_early(
            78,
            "a refusal with its body",
            format!(
                "POST /guarded HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{smuggled}",
                smuggled.len()
            ),
            503,
        ),
        passed_last(84, "a client's close", get("Connection: close\r\n"), GET),
        passed_last(84, "in any case and company", get("Connection: x, CLOSE\r\n"), GET),
        passed(88, "an id that cannot go into a field", get("X-Request-Id: a\" b\r\n"), GET),
    ]
}

fn repeated() -> Vec<Request> {
    let mut rows = vec![
        refused(REPEATED, "`:x`, then a field that denies", get(":x\r\nX-Deny: 1\r\n"), 400),
        refused(
            REPEATED,
            "an empty length before a real one",
            post("Content-Length:\r\nContent-Length: 3\r\n", "abc"),
            400,
        ),
        refused(REPEATED, "a comma in Host", host("h,evil"), 400),
        passed(
            REPEATED,
            "a nomination of what the gateway adds",
            get("Connection: x-user, x-request-id\r\nX-User: me\r\n"),
            GET,
        ),
        answered_early(
            REPEATED,
            "a refusal with an unread body",
            "POST /guarded HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
            503,
        ),
        Request {
            after: After::Ends,
            ..answered(
                REPEATED,
                "the same with chunks",
                "POST /guarded HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                503,
            )
        },
    ];
    for length in [255, 256, 257, 258, 270, 300] {
        let field = format!("{}: y\r\n", "x".repeat(length));
        rows.push(passed(
            REPEATED,
            &format!("a name of {length} bytes"),
            get(&field),
            &format!("GET / HTTP/1.1\r\n{field}\r\n"),
        ));
    }
    for path in ["/x/..%2fguarded", "/x/..%5Cguarded", "/x%2f..%2fguarded", "/x%2f..;x=/guarded"] {
        rows.push(refused(REPEATED, path, target(path), 400));
    }
    rows
}
