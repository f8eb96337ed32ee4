//! The rows about answers: bytes from the origin, and what the client gets.

use crate::origin::Then;
use crate::stage::{After, Heard, Response};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const GET_1_0: &str = "GET / HTTP/1.0\r\nHost: h\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: h\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n";

/// To a GET: the client hears `heard`, and its connection goes on.
fn passed(row: u8, name: &str, answer: impl Into<Vec<u8>>, heard: &str) -> Response {
    let (answer, name, heard) = (answer.into(), name.into(), Heard::These(heard.into()));
    Response { row, name, request: GET.into(), answer, then: Then::Keep, heard, after: After::GoesOn }
}

fn bad(row: u8, name: &str, answer: impl Into<Vec<u8>>) -> Response {
    Response { heard: Heard::BadGateway, ..passed(row, name, answer, "") }
}

/// The origin ends the connection behind `answer`, which is not the whole one.
fn truncated(row: u8, name: &str, answer: &str) -> Response {
    Response {
        heard: Heard::Truncated,
        then: Then::Close,
        after: After::Ends,
        ..passed(row, name, answer, "")
    }
}

fn to(request: &str, response: Response) -> Response {
    Response { request: request.into(), ..response }
}

fn ends(response: Response) -> Response {
    Response { after: After::Ends, ..response }
}

fn closed(response: Response) -> Response {
    Response { then: Then::Close, ..response }
}

fn ok(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok")
}

/// All of them.
pub fn all() -> Vec<Response> {
    [fields(), framing(), nonsense()].concat()
}

fn fields() -> Vec<Response> {
    let early = "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: b\r\n\r\n";
    let reason = "long ".repeat(200);
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    vec![
        passed(
            31,
            "Set-Cookie is never merged",
            ok("Set-Cookie: a=1\r\nX: 1\r\nSet-Cookie: b=2\r\n"),
            &ok("Set-Cookie: a=1\r\nX: 1\r\nSet-Cookie: b=2\r\n"),
        ),
        passed(
            53,
            "nominated by the server",
            ok("Connection: x-mine\r\nX-Mine: 1\r\nOther: 2\r\n"),
            &ok("Other: 2\r\n"),
        ),
        passed(
            54,
            "a nomination of the date and the length",
            ok(&format!("Connection: date, content-length, x-request-id\r\n{date}")),
            &ok(""),
        ),
        passed(
            55,
            "of the server's connection only",
            ok("Keep-Alive: 5\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nX: y\r\n"),
            &ok("X: y\r\n"),
        ),
        passed(
            56,
            "Proxy-Authenticate",
            ok("Proxy-Authenticate: Basic\r\nProxy-Authentication-Info: x\r\nX: y\r\n"),
            &ok("X: y\r\n"),
        ),
        bad(
            62,
            "a switch nobody asked for",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        ),
        passed(69, "in order, several", format!("{early}{}", ok("")), &format!("{early}{}", ok(""))),
        passed(69, "a 100 is not passed on", format!("HTTP/1.1 100 Continue\r\n\r\n{}", ok("")), &ok("")),
        ends(to(
            GET_1_0,
            passed(
                69,
                "none to HTTP/1.0",
                format!("{early}{}", ok("")),
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
            ),
        )),
        to(
            HEAD,
            passed(
                70,
                "the length as for GET",
                "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
            ),
        ),
        to(
            HEAD,
            passed(
                70,
                "folded as for GET",
                "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            ),
        ),
        to(
            HEAD,
            passed(
                70,
                "chunked",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                "HTTP/1.1 200 OK\r\n\r\n",
            ),
        ),
        passed(
            71,
            "204",
            "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
        ),
        passed(
            71,
            "304",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 5\r\n\r\n",
        ),
        passed(73, "kept", ok(date), &ok(date)),
        passed(73, "added", ok(""), &ok("")),
        passed(84, "the server's close is its own affair", ok("Connection: close\r\n"), &ok("")),
        passed(90, "two of a name", ok("X: 1\r\nX: 1\r\n"), &ok("X: 1\r\nX: 1\r\n")),
        passed(
            90,
            "an empty reason",
            "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
        ),
        passed(
            90,
            "a long reason",
            format!("HTTP/1.1 200 {reason}\r\nContent-Length: 0\r\n\r\n"),
            &format!("HTTP/1.1 200 {reason}\r\nContent-Length: 0\r\n\r\n"),
        ),
        passed(
            90,
            "a reason beyond ASCII",
            "HTTP/1.1 200 \u{e9}t\u{e9}\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 \u{e9}t\u{e9}\r\nContent-Length: 0\r\n\r\n",
        ),
    ]
}

fn framing() -> Vec<Response> {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let until_close = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok";
    vec![
        passed(
            8,
            "equal lengths of an answer",
            "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nok",
            &ok(""),
        ),
        passed(
            13,
            "extensions of an answer",
            format!("{chunked}2;a=b\r\nok\r\n0\r\n\r\n"),
            &format!("{chunked}2\r\nok\r\n0\r\n\r\n"),
        ),
        passed(
            15,
            "trailers of an answer",
            format!("{chunked}2\r\nok\r\n0\r\nChecksum: 1\r\nSet-Cookie: a\r\nContent-Length: 3\r\n\r\n"),
            &format!("{chunked}2\r\nok\r\n0\r\nChecksum: 1\r\n\r\n"),
        ),
        ends(to(GET_1_0, passed(72, "chunks", format!("{chunked}2\r\nok\r\n0\r\n\r\n"), until_close))),
        ends(closed(to(
            GET_1_0,
            passed(72, "the end of a connection", "HTTP/1.0 200 OK\r\n\r\nok", until_close),
        ))),
        closed(passed(
            72,
            "an answer of HTTP/1.0",
            "HTTP/1.0 200 OK\r\n\r\nok",
            &format!("{chunked}2\r\nok\r\n0\r\n\r\n"),
        )),
        Response {
            heard: Heard::Broken,
            ..truncated(85, "a bad chunk behind a good one", &format!("{chunked}2\r\nok\r\nX\r\n\r\n"))
        },
        truncated(86, "by length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        truncated(86, "in a chunk", &format!("{chunked}5\r\nhal")),
        truncated(86, "before the last chunk", &format!("{chunked}4\r\nhalf\r\n")),
        truncated(86, "in the trailers", &format!("{chunked}4\r\nhalf\r\n0\r\nX: y\r\n")),
    ]
}

fn nonsense() -> Vec<Response> {
    let mut rows = vec![
        bad(87, "a blank", ok("X: a\r\n b\r\n")),
        bad(89, "a large field", ok(&format!("X: {}\r\n", "x".repeat(50_000)))),
        bad(89, "many fields", ok(&"X: y\r\n".repeat(200))),
        bad(89, "a long first line", format!("HTTP/1.1 200 {}\r\n\r\n", "x".repeat(20_000))),
        bad(89, "endless 1xx", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(50)),
        closed(to(POST, bad(49, "no answer", ""))), // to a GET this could be a kept connection that closes: row 82
        closed(bad(49, "half a head", "HTTP/1.1 200 OK\r\nContent-")),
    ];
    rows.push(bad(
        53,
        "more nominations than anybody needs",
        ok(&format!("Connection: {}\r\n", "x,".repeat(65))),
    ));
    rows.push(bad(85, "an empty line first", format!("\r\n{}", ok(""))));
    rows.push(bad(85, "behind an interim answer", format!("HTTP/1.1 103 Early Hints\r\n\r\n\r\n{}", ok(""))));
    for fields in [
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: 2, 3",
        "Content-Length: +2",
        "Content-Length:",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, chunked",
        "Content-Length: 18446744073709551616",
    ] {
        rows.push(bad(85, fields, format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nok")));
    }
    for field in ["A b: x", "A(: x", ": x", "A : x", "A", "X: a\rb", "X: a\0b", "X: a\x01b", "X: a\nY: b"] {
        rows.push(bad(85, field, ok(&format!("{field}\r\n"))));
    }
    for line in [
        "HTTP/1.1 099 Low",
        "HTTP/1.1 20 Short",
        "HTTP/1.1 2000 Long",
        "HTTP/1.1 2x0 No",
        "HTTP/1.1  200 OK",
        "HTTP/2.0 200 OK",
        "http/1.1 200 OK",
        "HTTP/1.1",
        "200 OK",
        "HTTP/1.1 200 O\0K",
        "ICY 200 OK",
        "HTTP/1.1\t200 OK",
    ] {
        rows.push(bad(85, line, format!("{line}\r\nContent-Length: 2\r\n\r\nok")));
    }
    rows.push(closed(bad(85, "HTTP/0.9", "<html>hello</html>")));
    rows.push(to(
        HEAD,
        Response {
            heard: Heard::These("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n".into()),
            ..passed(81, "a body to a HEAD", ok(""), "")
        },
    ));
    rows.push(passed(81, "an answer behind the answer", format!("{}{}", ok(""), ok("Evil: 1\r\n")), &ok("")));
    rows.push(passed(
        81,
        "a body behind a 204",
        "HTTP/1.1 204 No Content\r\n\r\nevil",
        "HTTP/1.1 204 No Content\r\n\r\n",
    ));
    rows
}
