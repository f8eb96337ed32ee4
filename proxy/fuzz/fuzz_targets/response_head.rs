//! A response head that is accepted is passed on as one that the client cannot delimit in another way than we do.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringgate_core::forward::{self, Own, ToClient};
use ringgate_core::framing::Framing;
use ringgate_core::head::{ResponseHead, Version};
use ringgate_core::method::Method;
use ringgate_fuzz::{LINES, Line, head, is_hop_by_hop, is_within_limits, lines, nominated, text};

const REQUEST_ID: &str = "0123456789abcdef";
const DATE: &str = "Sun, 22 Nov 2026 18:00:00 GMT";

fuzz_target!(|input: &[u8]| {
    let Some(bytes) = head(input, |bytes| ResponseHead::default().parse(bytes).is_ok()) else { return };
    let response = parsed(bytes);
    if response.status() < 200 {
        return check_interim(&response, bytes);
    }
    for method in [Method::Get, Method::Head] {
        let Ok(framing) = response.framing(method, bytes) else { continue };
        for (version, persists) in
            [(Version::Http11, true), (Version::Http11, false), (Version::Http10, true)]
        {
            let to = ToClient {
                request_id: REQUEST_ID,
                date: DATE,
                method,
                version,
                framing,
                persists,
                timing: None,
                own: Own::default(),
            };
            check_final(&response, bytes, to);
        }
    }
});

fn parsed(bytes: &[u8]) -> ResponseHead {
    let mut head = ResponseHead::default();
    head.parse(bytes).expect("the same bytes were accepted");
    head
}

fn check_interim(head: &ResponseHead, bytes: &[u8]) {
    let mut out = Vec::new();
    forward::interim(&mut out, head, bytes);
    assert_eq!(lines(&out), passing(bytes));
    check_start(head, bytes, &out);
}

fn check_final(head: &ResponseHead, bytes: &[u8], to: ToClient<'_>) {
    let mut out = Vec::new();
    let sent = forward::response(&mut out, head, bytes, to);
    check_start(head, bytes, &out);
    let (got, passed) = (lines(&out), passing(bytes));
    assert!(got.starts_with(&passed), "{got:?} does not begin with {passed:?}");
    check_own(&got[passed.len()..], &passed, to, sent);
    if is_within_limits(&out, got.len()) {
        let again = parsed(&out);
        assert_eq!(again.framing(to.method, &out), Ok(sent), "{:?}", text(&out));
        assert_eq!(again.persists(to.method), to.persists && sent != Framing::UntilClose, "{:?}", text(&out));
    }
}

/// The server's fields that are the client's business.
fn passing(bytes: &[u8]) -> Vec<Line<'_>> {
    let all = lines(bytes);
    let nominated = nominated(&all);
    let passes = |line: &Line<'_>| {
        let name = line.name.to_ascii_lowercase();
        !is_hop_by_hop(line) && name != "x-request-id" && !nominated.contains(&name)
    };
    all.into_iter().filter(passes).collect()
}

fn check_start(head: &ResponseHead, bytes: &[u8], out: &[u8]) {
    let mut space = [httparse::EMPTY_HEADER; LINES];
    let mut again = httparse::Response::new(&mut space);
    assert_eq!(again.parse(out), Ok(httparse::Status::Complete(out.len())), "{:?}", text(out));
    assert_eq!((again.version, again.code), (Some(1), Some(head.status())));
    assert_eq!((reason(out), head.reason(bytes)), (reason(bytes), reason(bytes)), "{:?}", text(out));
}

/// What follows the status; httparse leaves out what is not ASCII.
fn reason(head: &[u8]) -> &[u8] {
    let end = head.windows(2).position(|two| two == b"\r\n").expect("a head has lines");
    head[..end].get("HTTP/1.1 200 ".len()..).unwrap_or_default()
}

/// What we say behind the server's fields: each field once, and only what this client can understand.
fn check_own(own: &[Line<'_>], passed: &[Line<'_>], to: ToClient<'_>, sent: Framing) {
    let all = |name: &str| own.iter().filter(|line| line.name == name).map(|line| text(line.value)).collect();
    let [dates, ids, lengths, codings, options]: [Vec<String>; 5] =
        ["Date", "X-Request-Id", "Content-Length", "Transfer-Encoding", "Connection"].map(all);
    assert_eq!(own.len(), dates.len() + ids.len() + lengths.len() + codings.len() + options.len(), "{own:?}");
    let is_dated = passed.iter().any(|line| line.name.eq_ignore_ascii_case("date"));
    assert_eq!((dates.len(), ids.as_slice()), (usize::from(!is_dated), &[REQUEST_ID.to_owned()][..]));
    assert!(options.len() <= 1 && lengths.len() + codings.len() <= 1, "{own:?}");
    // RFC 9110 section 8.6: a list of equal lengths is refused, or replaced by one of them.
    assert!(lengths.iter().all(|length| length.bytes().all(|byte| byte.is_ascii_digit())), "{own:?}");
    assert_eq!(!codings.is_empty(), sent == Framing::Chunked, "{own:?}");
    assert!(codings.is_empty() || to.version == Version::Http11, "{own:?}");
}
