//! A request head that is accepted is forwarded as one that nobody can read in another way.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringgate_core::answer::Reject;
use ringgate_core::forward::{self, Peer, ToServer};
use ringgate_core::framing::Framing;
use ringgate_core::head::{RequestHead, Version};
use ringgate_core::method::Method;
use ringgate_core::node::Node;
use ringgate_core::pool::Server;
use ringgate_core::target::normalise;
use ringgate_core::tolerance::Tolerance;
use ringgate_fuzz::{LINES, Line, head, is_within_limits, lines, may_be_read_as, nominated, text};

const SERVER: &str = "127.0.0.1:9001";
const CLIENT: &str = "192.0.2.7";
const NODE_ID: &str = "gateway";
const REQUEST_ID: &str = "0123456789abcdef";

/// What a client may not say of itself, or what is answered here.
const OURS: [&str; 27] = [
    "cf-connecting-ip",
    "client-ip",
    "expect",
    "fastly-client-ip",
    "forwarded",
    "front-end-https",
    "host",
    "proxy",
    "true-client-ip",
    "x-azure-clientip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "x-forwarded",
    "x-host",
    "x-original-forwarded-for",
    "x-original-host",
    "x-original-method",
    "x-original-url",
    "x-proxyuser-ip",
    "x-real-host",
    "x-real-ip",
    "x-remote-user",
    "x-request-id",
    "x-rewrite-url",
    "x-scheme",
    "x-url-scheme",
];

fuzz_target!(|input: &[u8]| {
    let Some(bytes) = head(input, is_accepted) else { return };
    let request = parsed(bytes);
    check_path(request.path(bytes));
    let out = forwarded(&request, bytes);
    assert_eq!(text(&out), text(&forwarded(&parsed_after_another(bytes), bytes)), "the last request shows");
    check_fields(&request, bytes, &out);
    check_by_httparse(&out);
    if is_within_limits(&out, lines(&out).len()) {
        check_by_ourselves(&request, bytes, &out);
    }
});

fn node() -> Node {
    Node::new(NODE_ID).expect("a token")
}

fn is_accepted(bytes: &[u8]) -> bool {
    let mut head = RequestHead::default();
    head.parse(bytes, Tolerance::ALL).and_then(|()| head.check(bytes, &node())).is_ok()
}

fn parsed(bytes: &[u8]) -> RequestHead {
    let mut head = RequestHead::default();
    head.parse(bytes, Tolerance::ALL).expect("the same bytes were accepted");
    head
}

/// Heads are reused, so nothing of one request may be left in the next.
fn parsed_after_another(bytes: &[u8]) -> RequestHead {
    let another = b"POST http://other/%7e//?q=1 HTTP/1.1\r\nHost: a\r\nConnection: close, x, accept, via\r\n\
        Transfer-Encoding: chunked\r\n\r\n";
    let mut head = parsed(another);
    head.parse(bytes, Tolerance::ALL).expect("the same bytes were accepted");
    head
}

fn forwarded(head: &RequestHead, bytes: &[u8]) -> Vec<u8> {
    let server = Server::new(SERVER, ([127, 0, 0, 1], 9001).into());
    let mut out = Vec::new();
    forward::request(
        &mut out,
        head,
        bytes,
        ToServer {
            server: &server,
            peer: Peer { address: CLIENT, is_trusted: false },
            request_id: REQUEST_ID,
            upgrade: None,
            node: &node(),
            trace: None,
            shape: None,
        },
    )
    .expect("nothing is reshaped");
    out
}

fn check_path(path: &str) {
    assert!(
        path == "*"
            || normalise(path.as_bytes(), Tolerance::ALL).is_ok_and(|normal| *normal == *path.as_bytes()),
        "{path}"
    );
}

/// The server gets its own Host, what may pass of the client's fields in order and unchanged, and what we say.
fn check_fields(head: &RequestHead, bytes: &[u8], out: &[u8]) {
    let sent = lines(bytes);
    let nominated = nominated(&sent);
    let passes = |line: &&Line<'_>| {
        let name = line.name.to_ascii_lowercase();
        let is_ours =
            may_be_read_as(line, &OURS) || name.replace(['_', '.'], "-").starts_with("x-forwarded-");
        let is_counted = name == "max-forwards" && head.method(bytes) == Method::Options;
        !is_ours && !is_counted && (name == "authorization" || !nominated.contains(&name))
    };
    let mut expected = vec![line("Host", SERVER.as_bytes())];
    expected.extend(sent.iter().filter(passes));
    expected.push(line("X-Request-Id", REQUEST_ID.as_bytes()));
    expected.push(line("X-Forwarded-For", CLIENT.as_bytes()));
    expected.push(line("X-Forwarded-Proto", b"http"));
    expected.extend(head.authority(bytes).map(|authority| line("X-Forwarded-Host", authority)));
    expected
        .push(line("Via", if head.version() == Version::Http10 { b"1.0 gateway" } else { b"1.1 gateway" }));
    let left = head.max_forwards(bytes).expect("it was checked").map(|count| (count - 1).to_string());
    expected.extend(left.as_ref().map(|left| line("Max-Forwards", left.as_bytes())));
    let got = lines(out);
    let (fields, rest) = got.split_at(expected.len().min(got.len()));
    assert_eq!(fields, expected);
    // RFC 9110 section 10.1.4: of our own connection, hence said anew.
    let trailers = [line("TE", b"trailers"), line("Connection", b"te")];
    let framing = if wants_trailers(&sent) { rest.strip_suffix(&trailers) } else { Some(rest) };
    let framing = framing.unwrap_or_else(|| panic!("no {trailers:?} in {rest:?}"));
    assert_eq!(plain_framing(framing), Some(head.framing()), "{framing:?}");
}

fn has_encoded_control(path: &str) -> bool {
    path.split('%').skip(1).any(|escape| escape.starts_with(['0', '1']) || escape.starts_with("7F"))
}

fn line<'a>(name: &'a str, value: &'a [u8]) -> Line<'a> {
    Line { name, value }
}

fn wants_trailers(lines: &[Line<'_>]) -> bool {
    let mut values =
        lines.iter().filter(|line| line.name.eq_ignore_ascii_case("te")).map(|line| text(line.value));
    values.any(|value| {
        value.split(',').any(|coding| coding.trim_matches([' ', '\t']).eq_ignore_ascii_case("trailers"))
    })
}

/// The one framing field that is there, if it is in its plainest form.
fn plain_framing(lines: &[Line<'_>]) -> Option<Framing> {
    match lines {
        [] => Some(Framing::EMPTY),
        [Line { name: "Transfer-Encoding", value: b"chunked" }] => Some(Framing::Chunked),
        [Line { name: "Content-Length", value }] => text(value).parse().ok().map(Framing::Length),
        _ => None,
    }
}

fn check_by_httparse(out: &[u8]) {
    let mut space = [httparse::EMPTY_HEADER; LINES];
    let end = httparse::Request::new(&mut space).parse(out);
    assert_eq!(end, Ok(httparse::Status::Complete(out.len())), "{:?}", text(out));
}

fn check_by_ourselves(request: &RequestHead, bytes: &[u8], out: &[u8]) {
    let input = [&[u8::MAX], out].concat();
    let parses = |bytes: &[u8]| RequestHead::default().parse(bytes, Tolerance::NONE).is_ok();
    let is_strict = !request.path(bytes).contains(';') && !has_encoded_control(request.path(bytes));
    assert_eq!(head(&input, parses), is_strict.then_some(out), "{:?}", text(out));
    assert_eq!(parsed(out).check(out, &node()), Err(Reject::Loop), "{:?}", text(out));
    let again = parsed(out);
    assert_eq!((again.version(), again.authority(out)), (Version::Http11, Some(SERVER.as_bytes())));
    assert_eq!(again.method(out), request.method(bytes));
    assert_eq!((again.path(out), again.query(out)), (request.path(bytes), request.query(bytes)));
    assert_eq!(again.framing(), request.framing());
}
