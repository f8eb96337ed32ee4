//! What a request gets back: decided here, sent by [`connection`](crate::connection).

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use crate::Server;
use crate::body::Framing;
use crate::order::Order;
use crate::refusal::Refusal;
use crate::request::Request;

/// An answer, all but its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    status: u16,
    /// As the head announces it; `None` where the status has no body.
    framing: Option<Framing>,
    pub(crate) content: Content,
    /// Whether the head stands for a body that is not sent, or that the status cannot have.
    pub(crate) head_only: bool,
    pub(crate) delay: Duration,
    /// Whether the connection stays open behind it.
    pub(crate) persistent: bool,
    /// HTTP/1.0 must be told that it does.
    says_keep_alive: bool,
}

/// Where the bytes of the body come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// The text that was written when the answer was decided.
    Text,
    /// So many bytes of the pattern.
    Pattern(u64),
    /// The request's body.
    Echo,
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

impl Answer {
    /// The answer to a request that can be told from what follows it. Its text, if it has one, replaces `text`.
    pub(crate) fn to(request: &Request, server: &Server, text: &mut Vec<u8>) -> io::Result<Answer> {
        let mut answer = match order(request, server) {
            Ok(order) => Answer::ordered(&order, request, server, text)?,
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
            delay: Duration::ZERO,
            persistent: true,
            says_keep_alive: false,
        }
    }

    /// Whether both are the same, but for what is sent of them.
    pub(crate) fn looks_like(&self, other: &Answer) -> bool {
        *self == Answer { head_only: self.head_only, ..*other }
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.framing == Some(Framing::Chunked)
    }

    fn ordered(order: &Order, request: &Request, server: &Server, text: &mut Vec<u8>) -> io::Result<Answer> {
        let mut answer = match order.bytes.or(server.body_bytes()) {
            _ if order.echo => Answer { framing: Some(request.framing), ..Answer::plain(Content::Echo, 0) },
            Some(bytes) => Answer::plain(Content::Pattern(bytes), bytes),
            None => Answer::plain(Content::Text, write_text(None, request, server, text)?),
        };
        if order.chunked && request.minor_version > 0 {
            answer.framing = Some(Framing::Chunked);
        }
        Ok(Answer {
            status: order.status.unwrap_or(200),
            delay: order.delay,
            persistent: !order.close,
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
    }

    /// Appends the head, in which the server named `name` names itself.
    pub(crate) fn write_head(&self, name: &str, to: &mut Vec<u8>) -> io::Result<()> {
        write!(to, "HTTP/1.1 {} {}\r\nx-served-by: {name}\r\n", self.status, phrase(self.status))?;
        if self.framing.is_some() {
            write!(to, "content-type: {}\r\n", self.content.media_type())?;
        }
        match self.framing {
            Some(Framing::Length(length)) => write!(to, "content-length: {length}\r\n")?,
            Some(Framing::Chunked) => to.extend_from_slice(b"transfer-encoding: chunked\r\n"),
            None => {}
        }
        if self.status == 405 {
            to.extend_from_slice(b"allow:\r\n"); // RFC 9110 section 10.2.1: empty, for there is no method that would do
        }
        if !self.persistent {
            to.extend_from_slice(b"connection: close\r\n");
        } else if self.says_keep_alive {
            to.extend_from_slice(b"connection: keep-alive\r\n");
        }
        to.extend_from_slice(b"\r\n");
        Ok(())
    }
}

impl Content {
    fn media_type(self) -> &'static str {
        match self {
            Content::Text => "application/json",
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

fn order(request: &Request, server: &Server) -> Result<Order, Refusal> {
    match server.kind().root() {
        Some(root) if !server.kind().serves(request.path()) => Err(Refusal::not_served(root)),
        _ => Order::parse(request.query()),
    }
}

/// The reason phrase: for people, so the ones that this server means by itself.
fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        _ => "As Ordered",
    }
}
