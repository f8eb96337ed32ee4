//! What the gateway answers itself: every refusal and every upstream failure, and the one table that turns them into
//! status, code and words.
//!
//! A [`Reject`] is our refusal; its variant [`Reject::Fault`] says that the upstream failed. Bodies are
//! `application/problem+json` (RFC 9457).

use crate::forward;
use crate::head::NoHead;
use crate::method::MethodSet;
use crate::stages::Stages;
use crate::token;

/// What is wrong with a request's bytes: all of them 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "`detail` has the words for each")]
pub enum Malformed {
    RequestLine,
    LineEnd,
    Method,
    Target,
    Path,
    Host,
    FieldName,
    FieldValue,
    ContentLength,
    TransferEncoding,
    BothFramings,
    MaxForwards,
    Chunk,
    Credentials,
}

impl Malformed {
    fn detail(self) -> &'static str {
        match self {
            Malformed::RequestLine => "The request line is not `METHOD target HTTP/1.1`.",
            Malformed::LineEnd => "Lines have to end in CR LF, and neither may stand alone.",
            Malformed::Method => "The method is too long.",
            Malformed::Target => "The request target is not an absolute path or an absolute URI.",
            Malformed::Path => {
                "The path holds bytes, escapes or dot segments that cannot be read in one way only."
            }
            Malformed::Host => "Exactly one valid Host field is needed.",
            Malformed::FieldName => {
                "A field name is empty, is not a token, or has white space before its colon."
            }
            Malformed::FieldValue => "A field value holds a control character or is folded.",
            Malformed::ContentLength => "Content-Length is not one plain number.",
            Malformed::TransferEncoding => "Transfer-Encoding has to be `chunked`, once, in HTTP/1.1.",
            Malformed::BothFramings => "Content-Length and Transfer-Encoding exclude each other.",
            Malformed::MaxForwards => "Max-Forwards is not one plain number.",
            Malformed::Chunk => "The chunked body is malformed.",
            Malformed::Credentials => "A credential may stand in one field only, once.",
        }
    }
}

/// What is wrong with an upstream's bytes: all of them 502.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadReply {
    /// Not a response head of HTTP/1.0 or 1.1.
    Head,
    /// A head over the bound, or too many interim responses.
    TooLarge,
    /// A body whose end cannot be told for sure.
    Framing,
    /// A body that ended early or broke its framing.
    Body,
    /// 101 although no upgrade was asked for.
    Switch,
}

/// How an upstream failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No connection could be made: refused, unreachable, timed out while connecting. Nothing was sent.
    Unreachable,
    /// The connection ended before the answer did.
    Reset,
    /// As [`Reset`](Self::Reset), before the first byte and on a connection kept from an earlier request: mostly that
    /// the server closed it as we wrote.
    ReusedReset,
    /// The answer was not HTTP.
    BadReply(BadReply),
    /// Nothing came within the deadline.
    Timeout,
    /// All connections that may be made to the servers are in use. Nothing was sent.
    Full,
    /// The gateway has no descriptor left for a connection. Nothing was sent.
    Exhausted,
}

/// Why nobody knows who asks: all of them 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unauthorized {
    /// There is no credential.
    Missing,
    /// The token is not taken.
    Token(token::Refusal),
    /// The key is nobody's.
    Key,
    /// The name and the password do not belong together.
    Password,
    /// The service that was asked says no.
    Refused,
}

impl Unauthorized {
    /// What is wrong with the credential, in a sentence.
    pub fn detail(self) -> &'static str {
        match self {
            Unauthorized::Missing => "A credential is needed here.",
            Unauthorized::Token(refusal) => refusal.description(),
            Unauthorized::Key => "The API key is not valid.",
            Unauthorized::Password => "The user name or the password is not right.",
            Unauthorized::Refused => "The credential is not accepted.",
        }
    }

    /// Whether it counts against the address that it came from.
    pub fn counts(self) -> bool {
        match self {
            Unauthorized::Missing => false,
            Unauthorized::Token(refusal) => refusal.is_forged(),
            Unauthorized::Key | Unauthorized::Password | Unauthorized::Refused => true,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Unauthorized::Missing => "missing_credentials",
            Unauthorized::Token(_) => "invalid_token",
            Unauthorized::Key | Unauthorized::Password | Unauthorized::Refused => "invalid_credentials",
        }
    }
}

/// A request that gets no answer from an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reject {
    /// 400
    Malformed(Malformed),
    /// 401: nobody knows who asks.
    Unauthorized(Unauthorized),
    /// 403: who asks may not.
    Forbidden,
    /// 404: no route has the path.
    NoRoute,
    /// 405: routes have the path, none with this method.
    MethodNotAllowed(MethodSet),
    /// 408: the head or the body came too slowly.
    TooSlow,
    /// 413
    BodyTooLarge,
    /// 414
    TargetTooLong,
    /// 417
    Expectation,
    /// 429: whoever asks has asked often enough; after so many seconds there is some left.
    RateLimited(u64),
    /// 429: too many credentials from this address were wrong; after so many seconds another one is looked at.
    TooManyFailures(u64),
    /// 431
    HeadTooLarge,
    /// 501: a transfer coding we do not speak.
    UnknownCoding,
    /// 503: the keys that would verify the token cannot be had.
    NoKeys,
    /// 503: the service that would judge the credential does not.
    NoJudge,
    /// 503: the gateway is about to end, and the request has had its time.
    Draining,
    /// 505
    Version,
    /// 508: this gateway has forwarded the request before.
    Loop,
    /// 204: OPTIONS that must not be forwarded any further (RFC 9110 section 7.6.2), so that it is for the gateway. No refusal.
    LastStop,
    /// 204: a browser asks what it may ask for from another origin (Fetch, CORS protocol). No refusal.
    Preflight,
    /// 499, in the log only: the client left before its answer.
    ClientGone,
    /// 502, 503 or 504: the upstream failed, or none could be had.
    Fault(Fault),
}

impl Reject {
    /// 405 for a method that no route can allow: a proxy that answers CONNECT or TRACE gives away more than it should.
    pub fn method_never_allowed() -> Reject {
        Reject::MethodNotAllowed(MethodSet::default())
    }

    /// One of each kind, for whoever lists them; of kinds with several details the first.
    pub fn all() -> Vec<Reject> {
        vec![
            Malformed::RequestLine.into(),
            Unauthorized::Missing.into(),
            Unauthorized::Token(token::Refusal::Malformed).into(),
            Unauthorized::Key.into(),
            Reject::Forbidden,
            Reject::NoRoute,
            Reject::MethodNotAllowed(MethodSet::default()),
            Reject::TooSlow,
            Reject::BodyTooLarge,
            Reject::TargetTooLong,
            Reject::Expectation,
            Reject::RateLimited(1),
            Reject::TooManyFailures(1),
            Reject::HeadTooLarge,
            Reject::UnknownCoding,
            Fault::Reset.into(),
            Fault::BadReply(BadReply::Head).into(),
            Fault::Unreachable.into(),
            Fault::Full.into(),
            Fault::Exhausted.into(),
            Reject::NoKeys,
            Reject::NoJudge,
            Reject::Draining,
            Fault::Timeout.into(),
            Reject::Version,
            Reject::Loop,
            Reject::Preflight,
            Reject::LastStop,
            Reject::ClientGone,
        ]
    }

    /// The status, and the words that go with it.
    pub fn answer(&self) -> Answer {
        match self {
            Reject::Malformed(what) => {
                Answer::new(400, "malformed_request", Cause::BadRequest, what.detail())
            }
            Reject::Unauthorized(why) => Answer::new(401, why.code(), Cause::Unauthorized, why.detail()),
            Reject::Forbidden => {
                Answer::new(403, "forbidden", Cause::Forbidden, "The caller may not do this.")
            }
            Reject::RateLimited(_) => {
                Answer::new(429, "rate_limited", Cause::RateLimited, "Too many requests. Please slow down.")
            }
            Reject::TooManyFailures(_) => Answer::new(
                429,
                "too_many_failures",
                Cause::TooManyFailures,
                "Too many credentials from this address were wrong. Please try again later.",
            ),
            Reject::NoKeys => Answer::new(
                503,
                "keys_unavailable",
                Cause::NoKeys,
                "The keys of the token's issuer cannot be had right now. Please try again in a few moments.",
            ),
            Reject::NoJudge => Answer::new(
                503,
                "auth_unavailable",
                Cause::NoJudge,
                "The credential cannot be checked right now. Please try again in a few moments.",
            ),
            Reject::Preflight => Answer::new(
                204,
                "preflight",
                Cause::Preflight,
                "What a browser may ask for from another origin.",
            ),
            Reject::NoRoute => Answer::new(404, "no_route", Cause::NoRoute, "No route takes this request."),
            Reject::MethodNotAllowed(allowed) => {
                let nowhere = *allowed == MethodSet::default();
                let detail = if nowhere {
                    "No path has this method."
                } else {
                    "The path exists, but not with this method."
                };
                Answer::new(405, "method_not_allowed", Cause::Method, detail)
            }
            Reject::TooSlow => {
                Answer::new(408, "request_timeout", Cause::RequestTimeout, "The request came too slowly.")
            }
            Reject::BodyTooLarge => {
                Answer::new(413, "body_too_large", Cause::BadRequest, "The request body is too large.")
            }
            Reject::TargetTooLong => {
                Answer::new(414, "target_too_long", Cause::BadRequest, "The request target is too long.")
            }
            Reject::Expectation => Answer::new(
                417,
                "expectation_failed",
                Cause::BadRequest,
                "Only 100-continue can be expected.",
            ),
            Reject::HeadTooLarge => {
                Answer::new(431, "head_too_large", Cause::BadRequest, "The header section is too large.")
            }
            Reject::UnknownCoding => Answer::new(
                501,
                "unknown_transfer_coding",
                Cause::BadRequest,
                "The only transfer coding understood is chunked.",
            ),
            Reject::Version => Answer::new(
                505,
                "http_version",
                Cause::BadRequest,
                "Only HTTP/1.1 and HTTP/1.0 are spoken here.",
            ),
            Reject::Draining => Answer::new(
                503,
                "draining",
                Cause::Draining,
                "The gateway is being shut down. Please try again in a few moments.",
            ),
            Reject::Loop => Answer::new(
                508,
                "loop_detected",
                Cause::Loop,
                "The request came back to the gateway that had forwarded it.",
            ),
            Reject::LastStop => Answer::new(
                204,
                "last_stop",
                Cause::LastStop,
                "Max-Forwards makes the gateway the recipient of the request.",
            ),
            Reject::ClientGone => Answer::new(499, "client_gone", Cause::ClientGone, "The client left."),
            Reject::Fault(fault) => fault.answer(),
        }
    }

    /// Whether the client's connection is of no use any more: where its next request begins is not known, or it may not be
    /// a request.
    pub fn closes(&self) -> bool {
        match self {
            Reject::Unauthorized(_)
            | Reject::Forbidden
            | Reject::RateLimited(_)
            | Reject::TooManyFailures(_)
            | Reject::NoKeys
            | Reject::NoJudge
            | Reject::Preflight
            | Reject::NoRoute
            | Reject::Loop
            | Reject::LastStop
            | Reject::Fault(_) => false,
            Reject::MethodNotAllowed(allowed) => *allowed == MethodSet::default(), // a tunnel was asked for
            _ => true,
        }
    }
}

impl Fault {
    /// Whether not a byte of the request was sent, so that another server may be asked whatever it is.
    pub fn sent_nothing(self) -> bool {
        matches!(self, Fault::Unreachable | Fault::Full | Fault::Exhausted)
    }

    fn answer(self) -> Answer {
        match self {
            Fault::Unreachable => Answer::new(
                503,
                "service_unavailable",
                Cause::Unreachable,
                "The service is temporarily down. Please try again in a few moments.",
            ),
            Fault::Reset | Fault::ReusedReset => Answer::new(
                502,
                "upstream_reset",
                Cause::UpstreamReset,
                "The service ended the connection before it answered.",
            ),
            Fault::BadReply(_) => Answer::new(
                502,
                "bad_upstream_answer",
                Cause::UpstreamBroken,
                "The service sent an answer that is not valid HTTP.",
            ),
            Fault::Timeout => Answer::new(
                504,
                "upstream_timeout",
                Cause::UpstreamTimeout,
                "The request took too long. Please try again.",
            ),
            Fault::Full => Answer::new(
                503,
                "pool_full",
                Cause::PoolFull,
                "The service has as many requests as it can take. Please try again in a few moments.",
            ),
            Fault::Exhausted => Answer::new(
                503,
                "gateway_exhausted",
                Cause::Exhausted,
                "The gateway has as many connections as it can have. Please try again in a few moments.",
            ),
        }
    }
}

impl From<Malformed> for Reject {
    fn from(malformed: Malformed) -> Reject {
        Reject::Malformed(malformed)
    }
}

impl From<Unauthorized> for Reject {
    fn from(why: Unauthorized) -> Reject {
        Reject::Unauthorized(why)
    }
}

impl From<Fault> for Reject {
    fn from(fault: Fault) -> Reject {
        Reject::Fault(fault)
    }
}

impl From<NoHead> for Reject {
    fn from(why: NoHead) -> Reject {
        match why {
            NoHead::LineEnd => Malformed::LineEnd.into(),
            NoHead::Garbage => Malformed::RequestLine.into(),
            NoHead::FirstLine => Reject::TargetTooLong,
            NoHead::TooLarge => Reject::HeadTooLarge,
        }
    }
}

impl From<NoHead> for BadReply {
    fn from(why: NoHead) -> BadReply {
        match why {
            NoHead::LineEnd | NoHead::Garbage => BadReply::Head,
            NoHead::FirstLine | NoHead::TooLarge => BadReply::TooLarge,
        }
    }
}

impl From<BadReply> for Fault {
    fn from(bad: BadReply) -> Fault {
        Fault::BadReply(bad)
    }
}

/// Why a request did not go as it should, for logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The request is malformed or over a limit.
    BadRequest,
    /// Nobody knows who asks.
    Unauthorized,
    /// Who asks may not.
    Forbidden,
    /// A rate limit is used up.
    RateLimited,
    /// Too many wrong credentials from one address.
    TooManyFailures,
    /// The keys of a token's issuer cannot be had.
    NoKeys,
    /// The service that judges credentials cannot be asked.
    NoJudge,
    /// A browser has asked what it may.
    Preflight,
    /// No route.
    NoRoute,
    /// No route with this method.
    Method,
    /// The request came too slowly.
    RequestTimeout,
    /// The client left.
    ClientGone,
    /// The client takes its answer too slowly.
    ClientSlow,
    /// No server could be connected to.
    Unreachable,
    /// The server broke the connection.
    UpstreamReset,
    /// The server broke the protocol.
    UpstreamBroken,
    /// The server was too slow.
    UpstreamTimeout,
    /// All connections that may be made to the servers are in use.
    PoolFull,
    /// The gateway ran out of descriptors.
    Exhausted,
    /// The gateway was shut down.
    Draining,
    /// The request came back to where it had been.
    Loop,
    /// The request was to be forwarded no further.
    LastStop,
}

impl Cause {
    /// Two letters, stable once published.
    pub fn code(self) -> &'static str {
        match self {
            Cause::BadRequest => "BR",
            Cause::Unauthorized => "AU",
            Cause::Forbidden => "AF",
            Cause::RateLimited => "RL",
            Cause::TooManyFailures => "AL",
            Cause::NoKeys => "AK",
            Cause::NoJudge => "AX",
            Cause::Preflight => "CP",
            Cause::NoRoute => "NR",
            Cause::Method => "MA",
            Cause::RequestTimeout => "RT",
            Cause::ClientGone => "CG",
            Cause::ClientSlow => "CS",
            Cause::Unreachable => "UC",
            Cause::UpstreamReset => "UR",
            Cause::UpstreamBroken => "UB",
            Cause::UpstreamTimeout => "UT",
            Cause::PoolFull => "PF",
            Cause::Exhausted => "GE",
            Cause::Draining => "DR",
            Cause::Loop => "LD",
            Cause::LastStop => "LS",
        }
    }
}

/// Seconds after which a client may try again when the upstream is down: about the time a restart takes.
const RETRY_AFTER_SECONDS: u64 = 5;

/// An answer of the gateway's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// A name for programs, stable once published.
    pub code: &'static str,
    /// For logs and metrics.
    pub cause: Cause,
    /// A sentence for people.
    pub detail: &'static str,
}

impl Answer {
    fn new(status: u16, code: &'static str, cause: Cause, detail: &'static str) -> Answer {
        Answer { status, code, cause, detail }
    }
}

/// How an answer is sent.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Names the request in logs and in the body.
    pub request_id: &'a str,
    /// The value of the Date field.
    pub date: &'a str,
    /// Whether the connection ends after it.
    pub close: bool,
    /// Whether the request was a HEAD: everything but the body is sent.
    pub head_only: bool,
    /// Where the time went so far, if the client is told.
    pub timing: Option<&'a Stages>,
    /// Further lines that go with whatever answers the request.
    pub lines: &'a [u8],
    /// Whether the client has asked for text rather than JSON.
    pub is_text: bool,
}

/// Appends the whole response for a refusal; returns how many bytes of it are its body. Pieces are copied, nothing is put together
/// elsewhere first: whoever floods a gateway is refused at the price of a few hundred bytes.
pub fn write(out: &mut Vec<u8>, reject: &Reject, delivery: Delivery<'_>) -> usize {
    let answer = reject.answer();
    let mut number = itoa::Buffer::new();
    let status = number.format(answer.status);
    put(out, &["HTTP/1.1 ", status, " ", reason(answer.status), "\r\nDate: ", delivery.date, "\r\n"]);
    let mut pieces = [""; PIECES];
    if answer.status != 204 {
        // A 204 has neither content nor a length (RFC 9110 section 8.6).
        pieces = if delivery.is_text { text(answer, delivery) } else { problem(answer, status, delivery) };
        let kind = if delivery.is_text { TEXT } else { PROBLEM };
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        put(
            out,
            &["Content-Type: ", kind, "\r\nContent-Length: ", itoa::Buffer::new().format(length), "\r\n"],
        );
    }
    match reject {
        Reject::MethodNotAllowed(allowed) => put(out, &["Allow: ", &allowed.to_string(), "\r\n"]),
        Reject::RateLimited(seconds) | Reject::TooManyFailures(seconds) => put_retry_after(out, *seconds),
        _ if answer.status == 503 => put_retry_after(out, RETRY_AFTER_SECONDS),
        _ => {}
    }
    put(out, &["X-Request-Id: ", delivery.request_id, "\r\n"]);
    out.extend_from_slice(delivery.lines);
    delivery.timing.into_iter().for_each(|stages| forward::put_server_timing(out, stages));
    out.extend_from_slice(if delivery.close { b"Connection: close\r\n\r\n" } else { b"\r\n" });
    let before = out.len();
    if !delivery.head_only {
        put(out, &pieces);
    }
    out.len() - before
}

/// How a refusal is said to programs (RFC 9457), and to people who ask for text.
const PROBLEM: &str = "application/problem+json";
const TEXT: &str = "text/plain; charset=utf-8";
/// Pieces that a body is made of, at most.
const PIECES: usize = 11;

fn put(out: &mut Vec<u8>, pieces: &[&str]) {
    pieces.iter().for_each(|piece| out.extend_from_slice(piece.as_bytes()));
}

fn put_retry_after(out: &mut Vec<u8>, seconds: u64) {
    put(out, &["Retry-After: ", itoa::Buffer::new().format(seconds), "\r\n"]);
}

/// The body of an answer (RFC 9457). Nothing in it needs an escape: our own words, and an id that was checked.
fn problem<'a>(answer: Answer, status: &'a str, delivery: Delivery<'a>) -> [&'a str; PIECES] {
    let Answer { code, detail, .. } = answer;
    let title = reason(answer.status);
    let (before, after) = ("{\"type\":\"about:blank\",\"title\":\"", "\"}\n");
    let (status_is, detail_is, code_is) = ("\",\"status\":", ",\"detail\":\"", "\",\"code\":\"");
    let id_is = "\",\"request_id\":\"";
    [before, title, status_is, status, detail_is, detail, code_is, code, id_is, delivery.request_id, after]
}

/// The same for people.
fn text<'a>(answer: Answer, delivery: Delivery<'a>) -> [&'a str; PIECES] {
    let Answer { code, detail, .. } = answer;
    [detail, "\n", "code: ", code, "\n", "request id: ", delivery.request_id, "\n", "", "", ""]
}

/// The reason phrase of the statuses the gateway makes (RFC 9110 section 15).
fn reason(status: u16) -> &'static str {
    match status {
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        508 => "Loop Detected",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(reject: &Reject, close: bool, head_only: bool) -> String {
        let mut out = Vec::new();
        write(
            &mut out,
            reject,
            Delivery {
                request_id: "id",
                date: "now",
                close,
                head_only,
                timing: None,
                lines: b"",
                is_text: false,
            },
        );
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_answer_is_a_whole_response_with_a_problem_body() {
        let text = render(&Reject::NoRoute, false, false);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
        assert!(!head.contains("Connection"), "{head}");
        assert!(body.contains("\"code\":\"no_route\"") && body.contains("\"request_id\":\"id\""), "{body}");
    }

    #[test]
    fn fields_go_with_their_status() {
        let mut get = MethodSet::default();
        get.insert("GET");
        get.insert("HEAD");
        assert!(render(&Reject::MethodNotAllowed(get), false, false).contains("\r\nAllow: GET, HEAD\r\n"));
        assert!(render(&Fault::Unreachable.into(), false, false).contains("\r\nRetry-After: 5\r\n"));
        for reject in [Fault::Full.into(), Fault::Exhausted.into(), Reject::Draining] {
            assert!(render(&reject, false, false).contains("\r\nRetry-After: 5\r\n"), "{reject:?}");
        }
        assert!(render(&Malformed::Host.into(), true, false).contains("\r\nConnection: close\r\n"));
        assert!(render(&Reject::NoRoute, false, true).ends_with("\r\n\r\n"));
    }

    /// `RINGGATE_BLESS=1 cargo test -p ringgate-core errors` writes the page.
    #[test]
    fn the_page_of_errors_is_what_the_gateway_answers() {
        let beginning = include_str!("answer.md");
        let row = |reject: &Reject| {
            let Answer { status, code, cause, detail } = reject.answer();
            format!("| {status} | `{code}` | `{}` | {detail} |\n", cause.code())
        };
        let page: String =
            std::iter::once(beginning.to_owned()).chain(Reject::all().iter().map(row)).collect();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors.md");
        if std::env::var_os("RINGGATE_BLESS").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), page, "write it again, see above");
        for reject in Reject::all() {
            let answer = reject.answer();
            assert!(answer.status == 499 || reason(answer.status) != "Error", "{reject:?} has no phrase");
            assert_eq!(
                Reject::all().iter().filter(|other| other.answer().code == answer.code).count(),
                1,
                "{reject:?}"
            );
        }
    }

    #[test]
    fn a_refusal_is_said_as_text_where_that_is_asked_for() {
        let mut out = Vec::new();
        let delivery = Delivery {
            request_id: "id",
            date: "now",
            close: false,
            head_only: false,
            timing: None,
            lines: b"X: 1\r\n",
            is_text: true,
        };
        let bytes = write(&mut out, &Reject::RateLimited(7), delivery);
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "Too many requests. Please slow down.\ncode: rate_limited\nrequest id: id\n");
        assert_eq!(bytes, body.len());
        assert!(head.contains("\r\nRetry-After: 7\r\n") && head.contains("\r\nX: 1"), "{head}");
        assert!(
            head.contains(&format!("Content-Length: {bytes}\r\n"))
                && head.contains("Content-Type: text/plain"),
            "{head}"
        );
    }

    #[test]
    fn an_answer_without_content_says_nothing_of_its_length() {
        let text = "HTTP/1.1 204 No Content\r\nDate: now\r\nX-Request-Id: id\r\n\r\n";
        assert_eq!(render(&Reject::LastStop, false, false), text);
        assert!(!Reject::LastStop.closes());
    }

    #[test]
    fn refusals_for_want_of_room_are_told_apart() {
        let table = [
            (Reject::BodyTooLarge, 413, "body_too_large", "BR", true),
            (Reject::Draining, 503, "draining", "DR", true),
            (Fault::Full.into(), 503, "pool_full", "PF", false),
            (Fault::Exhausted.into(), 503, "gateway_exhausted", "GE", false),
            (Reject::Loop, 508, "loop_detected", "LD", false),
        ];
        for (reject, status, code, cause, closes) in table {
            let answer = reject.answer();
            assert_eq!((answer.status, answer.code, answer.cause.code()), (status, code, cause));
            assert_eq!(reject.closes(), closes, "{code}");
            assert_ne!(reason(status), "Error", "{code}");
        }
    }
}
