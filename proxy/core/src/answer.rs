//! What the gateway answers itself: every refusal and every upstream failure, and the one table that turns them into
//! status, code and words.
//!
//! A [`Reject`] is our refusal; its variant [`Reject::Fault`] says that the upstream failed. Bodies are
//! `application/problem+json` (RFC 9457).

use std::fmt::Write;

use crate::forward;
use crate::head::NoHead;
use crate::method::MethodSet;
use crate::stages::Stages;

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

/// A request that gets no answer from an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reject {
    /// 400
    Malformed(Malformed),
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
    /// 431
    HeadTooLarge,
    /// 501: a transfer coding we do not speak.
    UnknownCoding,
    /// 503: the gateway is about to end, and the request has had its time.
    Draining,
    /// 505
    Version,
    /// 508: this gateway has forwarded the request before.
    Loop,
    /// 204: OPTIONS that must not be forwarded any further (RFC 9110 section 7.6.2), so that it is for the gateway. No refusal.
    LastStop,
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

    /// The status, and the words that go with it.
    pub fn answer(&self) -> Answer {
        match self {
            Reject::Malformed(what) => {
                Answer::new(400, "malformed_request", Cause::BadRequest, what.detail())
            }
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
            Reject::NoRoute | Reject::Loop | Reject::LastStop | Reject::Fault(_) => false,
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
const RETRY_AFTER_SECONDS: u32 = 5;

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
}

/// Appends the whole response for a refusal; returns how many bytes of it are its body.
pub fn write(out: &mut Vec<u8>, reject: &Reject, delivery: Delivery<'_>) -> usize {
    let answer = reject.answer();
    let body = if answer.status == 204 { String::new() } else { problem(answer, delivery.request_id) };
    let mut head =
        format!("HTTP/1.1 {} {}\r\nDate: {}\r\n", answer.status, reason(answer.status), delivery.date);
    let content = match body.len() {
        0 => Ok(()), // a 204 has no length, either (RFC 9110 section 8.6)
        length => write!(head, "Content-Type: application/problem+json\r\nContent-Length: {length}\r\n"),
    };
    let extra = match reject {
        Reject::MethodNotAllowed(allowed) => write!(head, "Allow: {allowed}\r\n"),
        _ if answer.status == 503 => write!(head, "Retry-After: {RETRY_AFTER_SECONDS}\r\n"),
        _ => Ok(()),
    };
    debug_assert!(content.and(extra).is_ok(), "writing to a string does not fail");
    head.push_str("X-Request-Id: ");
    head.push_str(delivery.request_id);
    head.push_str("\r\n");
    out.extend_from_slice(head.as_bytes());
    delivery.timing.into_iter().for_each(|stages| forward::put_server_timing(out, stages));
    out.extend_from_slice(if delivery.close { b"Connection: close\r\n\r\n" } else { b"\r\n" });
    let body = if delivery.head_only { "" } else { &body };
    out.extend_from_slice(body.as_bytes());
    body.len()
}

/// The body of an answer (RFC 9457).
fn problem(answer: Answer, request_id: &str) -> String {
    let Answer { status, code, detail, .. } = answer;
    let title = reason(status);
    format!(
        "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{status},\"detail\":\"{detail}\",\
         \"code\":\"{code}\",\"request_id\":\"{request_id}\"}}\n"
    )
}

/// The reason phrase of the statuses the gateway makes (RFC 9110 section 15).
fn reason(status: u16) -> &'static str {
    match status {
        204 => "No Content",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
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
        write(&mut out, reject, Delivery { request_id: "id", date: "now", close, head_only, timing: None });
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
