//! The heads of responses: checked as strictly as those of requests, since a server may be somebody else's proxy.

use std::mem::MaybeUninit;

use super::{ConnectionOptions, Fields, Lines, Span, TooManyNominations, Version, nominates};
use crate::answer::BadReply;
use crate::field::Name;
use crate::framing::{self, Framing};
use crate::limits;
use crate::method::Method;

/// A parsed response head, reused like [`super::RequestHead`].
#[derive(Debug, Default)]
pub struct ResponseHead {
    version: Version,
    status: u16,
    reason: Span,
    lines: Lines,
    connection: ConnectionOptions,
    hint: Hint,
}

/// What the framing fields say of a response that has no body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Hint {
    /// Nothing that such a response may not say.
    #[default]
    Nothing,
    /// A transfer coding, which only the answer to a HEAD may have, and which its sender seldom writes without chunks.
    Coding,
    /// A body where the status allows none.
    Body,
}

impl ResponseHead {
    /// Parses and checks a whole head; `bytes` is exactly what [`super::HeadScanner`] delimited.
    ///
    /// # Errors
    /// The upstream sent something that is not HTTP/1.0 or 1.1.
    pub fn parse(&mut self, bytes: &[u8]) -> Result<(), BadReply> {
        let mut space = [const { MaybeUninit::uninit() }; limits::FIELDS];
        let mut parsed = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        match config.parse_response_with_uninit_headers(&mut parsed, bytes, &mut space) {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => return Err(BadReply::TooLarge),
            _ => return Err(BadReply::Head),
        }
        self.version = if parsed.version == Some(0) { Version::Http10 } else { Version::Http11 };
        self.status = parsed.code.filter(|code| (100..600).contains(code)).ok_or(BadReply::Head)?;
        self.reason = reason(bytes);
        self.lines.read(parsed.headers, bytes);
        let fields = self.lines.of(bytes);
        self.connection.read(fields).map_err(|TooManyNominations| BadReply::TooLarge)?;
        self.hint =
            match (self.status, fields.first(Name::TransferEncoding), fields.first(Name::ContentLength)) {
                (204 | 304, Some(_), _) => Hint::Body,
                (204, None, Some(length)) if length != b"0" => Hint::Body,
                (_, Some(_), _) => Hint::Coding,
                _ => Hint::Nothing,
            };
        Ok(())
    }

    /// The status code, 100 to 599.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// HTTP/1.0 or 1.1.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The reason phrase as sent, possibly empty.
    pub fn reason<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        self.reason.of(bytes)
    }

    /// All field lines.
    pub fn fields<'a>(&'a self, bytes: &'a [u8]) -> Fields<'a> {
        self.lines.of(bytes)
    }

    /// Whether a Connection field names this field as one of the connection only.
    pub fn nominates(&self, name: &[u8], bytes: &[u8]) -> bool {
        nominates(&self.connection, name, bytes)
    }

    /// Whether the upstream's connection can take another request after this answer to `method`: it is kept (RFC 9112 section
    /// 9.3), and no body is announced where there can be none. Such a body may still come, and would be read as the answer to
    /// somebody else. The Content-Length of an answer to HEAD announces nothing (RFC 9110 section 8.6).
    pub fn persists(&self, method: Method<'_>) -> bool {
        let announces_body = match self.hint {
            Hint::Nothing => false,
            Hint::Coding => method == Method::Head,
            Hint::Body => true,
        };
        !announces_body && self.connection.persists(self.version)
    }

    /// Whether this 101 switches to `protocol`.
    pub fn switches_to(&self, protocol: &str, bytes: &[u8]) -> bool {
        self.status == 101 && super::chosen(self.fields(bytes), &[protocol.into()]).is_some()
    }

    /// How the body of this final response to `method` is delimited.
    ///
    /// # Errors
    /// It cannot be told for sure.
    pub fn framing(&self, method: Method<'_>, bytes: &[u8]) -> Result<Framing, BadReply> {
        framing::of_response(method, self.status, self.version, self.fields(bytes))
    }
}

/// What follows `HTTP/1.1 200 ` in the first line. httparse has checked it, and leaves it out if it is not ASCII, which RFC
/// 9112 section 4 allows.
fn reason(bytes: &[u8]) -> Span {
    const START: usize = "HTTP/1.1 200 ".len();
    let end = memchr::memchr(b'\r', bytes).unwrap_or(0);
    if end < START { Span::default() } else { Span { start: START as u16, end: end as u16 } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_of_no_use_after_an_answer_that_announces_what_it_cannot_have() {
        let chunked = "Transfer-Encoding: chunked\r\n";
        for (method, status, fields, persists) in [
            (Method::Get, 204, "", true),
            (Method::Get, 204, "Content-Length: 0\r\n", true),
            (Method::Get, 204, "Content-Length: 5\r\n", false),
            (Method::Get, 204, "Content-Length: 0, 5\r\n", false),
            (Method::Get, 204, chunked, false),
            (Method::Get, 304, "Content-Length: 5\r\n", true),
            (Method::Get, 304, chunked, false),
            (Method::Head, 200, "Content-Length: 5\r\n", true),
            (Method::Head, 200, chunked, false),
            (Method::Get, 200, chunked, true),
            (Method::Get, 200, "Connection: close\r\n", false),
        ] {
            let text = format!("HTTP/1.1 {status} \r\n{fields}\r\n");
            let mut head = ResponseHead::default();
            head.parse(text.as_bytes()).unwrap();
            assert_eq!(head.persists(method), persists, "{method:?} {text}");
        }
    }
}
