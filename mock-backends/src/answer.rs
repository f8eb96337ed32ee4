//! What a request gets back: decided here, sent by [`connection`](crate::connection).

use std::io::{self, Write};

use serde::Serialize;

use crate::Server;
use crate::body::Framing;
use crate::order::{self, Dribble, Fault, Mix, Order, Service};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::station::Lane;

/// An answer, all but its bytes.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// As the head announces it; `None` where the status has no body.
    framing: Option<Framing>,
    pub(crate) content: Content,
    /// Whether the head stands for a body that is not sent, or that the status cannot have.
    pub(crate) head_only: bool,
    /// When it leaves.
    pub(crate) service: Service,
    /// Whether the connection stays open behind it.
    pub(crate) persistent: bool,
    /// HTTP/1.0 must be told that it does.
    says_keep_alive: bool,
    pub(crate) quirks: Quirks,
}

/// Where the bytes of the body come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// The text that was written when the answer was decided.
    Text,
    /// The same, for people.
    Lines,
    /// So many bytes of the pattern.
    Pattern(u64),
    /// The request's body.
    Echo,
}

/// What only a mock server does, because it was ordered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quirks {
    pub(crate) fault: Fault,
    /// Whether the hash of the request's body is told.
    pub(crate) hash: bool,
    pub(crate) instants: bool,
    pub(crate) dribble: Option<Dribble>,
    pub(crate) truncate: Option<u64>,
    pub(crate) announce: Option<u64>,
    pub(crate) hints: usize,
    pub(crate) continues: usize,
    /// Whether the connection ends behind it, although it does not say so.
    pub(crate) quits: bool,
    head_bytes: usize,
}

impl Quirks {
    const NONE: Quirks = Quirks {
        fault: Fault::None,
        hash: false,
        instants: false,
        dribble: None,
        truncate: None,
        announce: None,
        hints: 0,
        continues: 0,
        quits: false,
        head_bytes: 0,
    };
}

/// What is known of an answer only when it leaves.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Facts {
    /// The hash of the request's body.
    pub(crate) body_hash: Option<u64>,
    /// Arrival and departure, in nanoseconds of CLOCK_MONOTONIC.
    pub(crate) instants: Option<(u64, u64)>,
}

/// The text body: who answered, and to what.
#[derive(Serialize)]
struct Text<'a> {
    server: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    method: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// Who asks whom.
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a Request,
    pub(crate) server: &'a Server,
    /// The number of this request on its connection, the first being 1.
    pub(crate) number: u64,
}

impl Answer {
    /// The answer to a request that can be told from what follows it. Its text, if it has one, replaces `text`.
    pub(crate) fn to(asked: &Asked<'_>, lane: &Lane, text: &mut Vec<u8>) -> io::Result<Answer> {
        let mut answer = match own_order(asked, lane) {
            Ok(None) => Answer::ordered(lane.order(), asked, lane, text)?,
            Ok(Some(order)) => Answer::ordered(&order, asked, lane, text)?,
            Err(refusal) => Answer::refusing(&refusal, asked.request, asked.server, text)?,
        };
        answer.suit(asked.request);
        Ok(answer)
    }

    /// The answer of an endpoint: `text`, or why there is none.
    pub(crate) fn of_endpoint(
        outcome: Result<(), Refusal>,
        request: &Request,
        server: &Server,
        text: &mut Vec<u8>,
    ) -> io::Result<Answer> {
        let mut answer = match outcome {
            Ok(()) => Answer::plain(Content::Lines, text.len() as u64),
            Err(refusal) => Answer::refusing(&refusal, request, server, text)?,
        };
        answer.suit(request);
        Ok(answer)
    }

    /// The last answer on a connection whose bytes cannot be understood any more.
    pub(crate) fn last(refusal: &Refusal, server: &Server, text: &mut Vec<u8>) -> io::Result<Answer> {
        let answer = Answer::refusing(refusal, &Request::default(), server, text)?;
        Ok(Answer { persistent: false, ..answer })
    }

    /// 200, to a client of HTTP/1.1 that keeps its connection.
    pub(crate) fn plain(content: Content, length: u64) -> Answer {
        Answer {
            status: 200,
            framing: Some(Framing::Length(length)),
            content,
            head_only: false,
            service: Service::Immediate,
            persistent: true,
            says_keep_alive: false,
            quirks: Quirks::NONE,
        }
    }

    /// Whether its head announces more than the `length` bytes there are.
    pub(crate) fn promises_over(&self, length: u64) -> bool {
        !self.is_chunked() && self.quirks.announce.is_some_and(|announced| announced > length)
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.framing == Some(Framing::Chunked)
    }

    fn ordered(order: &Order, asked: &Asked<'_>, lane: &Lane, text: &mut Vec<u8>) -> io::Result<Answer> {
        let request = asked.request;
        let mut answer = match order.bytes.or(asked.server.body_bytes()) {
            _ if order.echo => Answer { framing: Some(request.framing), ..Answer::plain(Content::Echo, 0) },
            Some(bytes) => Answer::plain(Content::Pattern(bytes), bytes),
            None => Answer::plain(Content::Text, write_text(None, request, asked.server, text)?),
        };
        if (order.chunked || (order.echo && order.hash)) && request.minor_version > 0 {
            answer.framing = Some(Framing::Chunked);
        }
        let reached = |bound: Option<u64>| bound.is_some_and(|bound| asked.number >= bound);
        Ok(Answer {
            status: order.status.as_ref().map_or(200, |status| status.draw(&lane.random)),
            service: order.latency.draw(&lane.random),
            persistent: !order.close && !reached(order.close_after),
            quirks: Quirks {
                instants: order.instants || request.wants_instants || asked.server.instants(),
                quits: reached(order.quit_after),
                ..Quirks::ordered(order, lane)
            },
            ..answer
        })
    }

    fn refusing(
        refusal: &Refusal,
        request: &Request,
        server: &Server,
        text: &mut Vec<u8>,
    ) -> io::Result<Answer> {
        let length = write_text(Some(&refusal.reason), request, server, text)?;
        Ok(Answer { status: refusal.status, ..Answer::plain(Content::Text, length) })
    }

    fn suit(&mut self, request: &Request) {
        self.persistent &= request.persistent;
        self.says_keep_alive = self.persistent && request.minor_version == 0;
        if matches!(self.status, 204 | 304) {
            self.framing = None; // RFC 9110 section 8.6: no Content-Length in a 204, and none is needed in a 304
        }
        self.head_only = self.framing.is_none() || request.method == "HEAD";
        if request.minor_version == 0 {
            (self.quirks.hints, self.quirks.continues) = (0, 0); // RFC 9110 section 15.2
        }
    }

    /// Appends the head, in which the server named `name` names itself.
    pub(crate) fn write_head(&self, name: &str, facts: &Facts, to: &mut Vec<u8>) -> io::Result<()> {
        let start = to.len();
        write!(to, "HTTP/1.1 {} {}\r\nx-served-by: {name}\r\n", self.status, phrase(self.status))?;
        self.write_framing(to)?;
        if self.status == 405 {
            to.extend_from_slice(b"allow:\r\n"); // RFC 9110 section 10.2.1: empty, for there is no method that would do
        }
        if !self.persistent {
            to.extend_from_slice(b"connection: close\r\n");
        } else if self.says_keep_alive {
            to.extend_from_slice(b"connection: keep-alive\r\n");
        }
        if self.quirks != Quirks::NONE {
            self.write_facts(facts, to)?;
            fill(to, start + self.quirks.head_bytes);
        }
        to.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn write_framing(&self, to: &mut Vec<u8>) -> io::Result<()> {
        if self.framing.is_some() {
            write!(to, "content-type: {}\r\n", self.content.media_type())?;
        }
        match self.framing {
            Some(Framing::Length(length)) => {
                write!(to, "content-length: {}\r\n", self.quirks.announce.unwrap_or(length))
            }
            Some(Framing::Chunked) => to.write_all(b"transfer-encoding: chunked\r\n"),
            None => Ok(()),
        }
    }

    fn write_facts(&self, facts: &Facts, to: &mut Vec<u8>) -> io::Result<()> {
        match facts.body_hash {
            Some(hash) => write!(to, "x-body-hash: {hash:016x}\r\n")?,
            None if self.quirks.hash && self.is_chunked() => {
                to.extend_from_slice(b"trailer: x-body-hash\r\n");
            }
            None => {}
        }
        match facts.instants {
            Some((arrived, departed)) => write!(to, "x-mock-instants: {arrived},{departed}\r\n"),
            None => Ok(()),
        }
    }
}

/// Fills a head that wants only its last line end up to `end`, if it can.
fn fill(head: &mut Vec<u8>, end: usize) {
    const FIELD: (&[u8], &[u8]) = (b"x-filling: ", b"\r\n");
    let frame = FIELD.0.len() + FIELD.1.len() + b"\r\n".len();
    if let Some(filling) = end.checked_sub(head.len() + frame) {
        head.extend_from_slice(FIELD.0);
        head.resize(head.len() + filling, b'x');
        head.extend_from_slice(FIELD.1);
    }
}

impl Quirks {
    /// What does not depend on the request.
    fn ordered(order: &Order, lane: &Lane) -> Quirks {
        Quirks {
            fault: order.fault.as_ref().map_or(Fault::None, |fault| Mix::draw(fault, &lane.random)),
            hash: order.hash,
            dribble: order.dribble,
            truncate: order.truncate,
            announce: order.announce,
            hints: order.hints,
            continues: order.continues,
            head_bytes: order.head_bytes,
            ..Quirks::NONE
        }
    }
}

impl Content {
    fn media_type(self) -> &'static str {
        match self {
            Content::Text => "application/json",
            Content::Lines => "text/plain",
            Content::Pattern(_) | Content::Echo => "application/octet-stream",
        }
    }
}

/// Replaces `text`; its length in bytes.
fn write_text(
    error: Option<&str>,
    request: &Request,
    server: &Server,
    text: &mut Vec<u8>,
) -> io::Result<u64> {
    let body = Text {
        server: server.name(),
        kind: server.kind().name(),
        method: &request.method,
        path: request.path(),
        error,
    };
    text.clear();
    serde_json::to_writer(&mut *text, &body)?;
    text.push(b'\n');
    Ok(text.len() as u64)
}

/// The standing orders and those of the request; `None` if it has none of its own.
fn own_order(asked: &Asked<'_>, lane: &Lane) -> Result<Option<Order>, Refusal> {
    let (request, kind) = (asked.request, asked.server.kind());
    if let Some(root) = kind.root().filter(|_| !kind.serves(request.path())) {
        return Err(Refusal::not_served(root));
    }
    let query = request.query();
    if request.orders.is_empty() && !order::is_in(query) {
        return Ok(None);
    }
    let mut order = lane.order().clone();
    order.add_query(query).and_then(|()| order.add_text(&request.orders)).map_err(Refusal::malformed)?;
    Ok(Some(order))
}

/// The reason phrase: for people, so the ones that this server means by itself.
fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        _ => "As Ordered",
    }
}
