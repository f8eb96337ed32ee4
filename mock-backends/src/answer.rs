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
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    /// As the head announces it; `None` where the status has no body.
    pub(crate) framing: Option<Framing>,
    pub(crate) content: Content,
    pub(crate) delay: Duration,
    /// Whether the connection stays open behind it.
    pub(crate) persistent: bool,
    /// HTTP/1.0 must be told that it does.
    says_keep_alive: bool,
}

/// Where the bytes of the body come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// The head stands alone.
    Nothing,
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
            Err(refusal) => Answer::explained(200, Some(&refusal), request, server, text)?,
        };
        answer.suit(request);
        Ok(answer)
    }

    /// The last answer on a connection whose bytes cannot be understood any more.
    pub(crate) fn refusing(refusal: &Refusal, server: &Server, text: &mut Vec<u8>) -> io::Result<Answer> {
        let mut answer = Answer::explained(200, Some(refusal), &Request::default(), server, text)?;
        answer.persistent = false;
        Ok(answer)
    }

    fn ordered(order: &Order, request: &Request, server: &Server, text: &mut Vec<u8>) -> io::Result<Answer> {
        let status = order.status.unwrap_or(200);
        let mut answer = match order.bytes.or(server.body_bytes()) {
            _ if order.echo => Answer::with(status, request.framing, Content::Echo),
            Some(bytes) => Answer::with(status, Framing::Length(bytes), Content::Pattern(bytes)),
            None => Answer::explained(status, None, request, server, text)?,
        };
        if order.chunked && request.minor_version > 0 {
            answer.framing = Some(Framing::Chunked);
        }
        answer.delay = order.delay;
        answer.persistent = !order.close;
        Ok(answer)
    }

    fn explained(
        status: u16,
        refusal: Option<&Refusal>,
        request: &Request,
        server: &Server,
        text: &mut Vec<u8>,
    ) -> io::Result<Answer> {
        let body = Text {
            server: server.name(),
            kind: server.kind().name(),
            method: &request.method,
            path: request.path(),
            error: refusal.map(|refusal| refusal.reason.as_ref()),
        };
        text.clear();
        serde_json::to_writer(&mut *text, &body)?;
        text.push(b'\n');
        let status = refusal.map_or(status, |refusal| refusal.status);
        Ok(Answer::with(status, Framing::Length(text.len() as u64), Content::Text))
    }

    pub(crate) fn with(status: u16, framing: Framing, content: Content) -> Answer {
        Answer {
            status,
            framing: Some(framing),
            content,
            delay: Duration::ZERO,
            persistent: true,
            says_keep_alive: false,
        }
    }

    fn suit(&mut self, request: &Request) {
        self.persistent &= request.persistent;
        self.says_keep_alive = self.persistent && request.minor_version == 0;
        if matches!(self.status, 204 | 304) {
            self.framing = None; // RFC 9110 section 8.6: no Content-Length in a 204, and none is needed in a 304
        }
        if self.framing.is_none() || request.method == "HEAD" {
            self.content = Content::Nothing;
        }
    }

    /// Appends the head, in which the server named `name` names itself.
    pub(crate) fn write_head(&self, name: &str, to: &mut Vec<u8>) -> io::Result<()> {
        write!(to, "HTTP/1.1 {} {}\r\nx-served-by: {name}\r\n", self.status, phrase(self.status))?;
        to.extend_from_slice(match self.content {
            Content::Text => b"content-type: application/json\r\n".as_slice(),
            _ => b"content-type: application/octet-stream\r\n".as_slice(),
        });
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
