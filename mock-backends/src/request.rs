//! The head of a request: bytes to meaning, no IO.
//!
//! httparse tokenises; what it lets pass although a gateway must never send it (bare line feeds, doubtful framing, a
//! missing Host) is refused here, so that a test sees the gateway's mistake as a 400.

use std::mem::MaybeUninit;

use httparse::Status;

use crate::body::Framing;
use crate::journal::Field;
use crate::order;
use crate::refusal::Refusal;

/// Longest head in bytes: as long as the longest a gateway may be configured to let through.
pub(crate) const HEAD_BYTES: usize = 64 * 1024;
/// Most fields in a head; they are parsed on the stack, 32 bytes each.
pub(crate) const HEAD_FIELDS: usize = 128;

/// One request's head. Reused from request to request, so that reading one allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    /// 0 or 1, as in HTTP/1.1.
    pub(crate) minor_version: u8,
    /// Empty unless they were asked for.
    pub(crate) headers: Vec<Field>,
    pub(crate) framing: Framing,
    /// Whether the client will send another request on this connection.
    pub(crate) persistent: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
    /// What the field `x-mock` orders; several of them are taken together.
    pub(crate) orders: String,
    /// `X-Request-Id`, empty if there is none that is text.
    pub(crate) id: String,
    /// Whether `x-mock-instants: 1` asks for the instants of this exchange.
    pub(crate) wants_instants: bool,
}

impl Request {
    /// Reads the head at the front of `input`: how long it is, or `None` if more bytes must come.
    pub(crate) fn read(&mut self, input: &[u8], keep_headers: bool) -> Result<Option<usize>, Refusal> {
        let mut room = [const { MaybeUninit::uninit() }; HEAD_FIELDS];
        let mut head = httparse::Request::new(&mut []);
        match head.parse_with_uninit_headers(input, &mut room).map_err(unreadable)? {
            Status::Complete(length) if length <= HEAD_BYTES => {
                require_line_ends(&input[..length])?;
                self.take(&head, keep_headers)?;
                Ok(Some(length))
            }
            Status::Partial if input.len() < HEAD_BYTES => Ok(None),
            _ => Err(Refusal::head_too_large(format!(
                "the head is longer than {HEAD_BYTES} bytes; send fewer or shorter fields"
            ))),
        }
    }

    fn take(&mut self, head: &httparse::Request<'_, '_>, keep_headers: bool) -> Result<(), Refusal> {
        copy(&mut self.method, head.method);
        copy(&mut self.target, head.path);
        self.minor_version = head.version.unwrap_or(1);
        self.headers.clear();
        if keep_headers {
            self.headers
                .extend(head.headers.iter().map(|field| (field.name.to_owned(), field.value.to_vec())));
        }
        let said = Said::by(head.headers)?;
        self.framing = said.framing(self.minor_version)?;
        self.persistent = said.persistent(self.minor_version);
        self.expects_continue = said.expects_continue && self.minor_version > 0; // RFC 9110 section 10.1.1
        self.orders.clear();
        if said.orders > 0 {
            take_orders(head.headers, &mut self.orders)?;
        }
        copy(&mut self.id, std::str::from_utf8(said.id).ok());
        self.wants_instants = said.wants_instants;
        Ok(())
    }

    /// Whether it asks for nothing but a usual answer in HTTP/1.1, whole and with another to follow.
    pub(crate) fn is_plain(&self) -> bool {
        let is_usual = self.minor_version > 0 && self.persistent && self.method != "HEAD";
        let is_silent = self.orders.is_empty() && !self.wants_instants && !self.expects_continue;
        is_usual && is_silent && !order::is_in(self.query())
    }

    /// The target's path: without scheme, authority and query.
    pub(crate) fn path(&self) -> &str {
        let target = self.path_and_query();
        memchr::memchr(b'?', target.as_bytes()).map_or(target, |end| &target[..end])
    }

    /// The target's query, empty if there is none.
    pub(crate) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// RFC 9112 section 3.2.2: a server must accept the absolute form, though only proxies should receive it.
    fn path_and_query(&self) -> &str {
        if self.target.starts_with('/') {
            return &self.target; // nearly always, and without a search
        }
        match self.target.split_once("://") {
            Some((scheme, rest)) if !scheme.contains(['/', '?']) => {
                rest.find(['/', '?']).map_or("", |at| &rest[at..])
            }
            _ => &self.target,
        }
    }
}

fn copy(to: &mut String, from: Option<&str>) {
    to.clear();
    to.push_str(from.unwrap_or_default());
}

fn take_orders(fields: &[httparse::Header<'_>], to: &mut String) -> Result<(), Refusal> {
    for field in fields.iter().filter(|field| field.name.eq_ignore_ascii_case("x-mock")) {
        let text = std::str::from_utf8(field.value)
            .map_err(|_| Refusal::malformed("the field x-mock is no text; write `name=value; name=value`"))?;
        to.push_str(text);
        to.push(';');
    }
    Ok(())
}

fn unreadable(error: httparse::Error) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => {
            Refusal::head_too_large(format!("there are more than {HEAD_FIELDS} fields; send fewer"))
        }
        error => Refusal::malformed(format!(
            "the head is not HTTP/1.0 or HTTP/1.1 ({error}); see RFC 9112 section 2"
        )),
    }
}

/// RFC 9112 section 2.2 lets a recipient take a bare LF for a line end. Two recipients in a row that differ about it can
/// be made to see different requests, so a gateway must not pass one on.
pub(crate) fn require_line_ends(lines: &[u8]) -> Result<(), Refusal> {
    match memchr::memchr_iter(b'\n', lines).all(|at| at > 0 && lines[at - 1] == b'\r') {
        true => Ok(()),
        false => Err(Refusal::malformed("a line ends with LF alone; end every line with CRLF")),
    }
}

/// What the fields say about framing and connection, and to this server.
#[derive(Default)]
struct Said<'a> {
    length: Option<u64>,
    chunked: bool,
    hosts: usize,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    orders: usize,
    id: &'a [u8],
    wants_instants: bool,
}

impl<'a> Said<'a> {
    fn by(fields: &[httparse::Header<'a>]) -> Result<Said<'a>, Refusal> {
        let mut said = Said::default();
        for field in fields {
            said.hear(field.name, field.value)?;
        }
        Ok(said)
    }

    fn hear(&mut self, name: &str, value: &'a [u8]) -> Result<(), Refusal> {
        if name.eq_ignore_ascii_case("host") {
            self.hosts += 1;
        } else if name.eq_ignore_ascii_case("content-length") {
            self.hear_length(value)?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            self.hear_coding(value)?;
        } else if name.eq_ignore_ascii_case("connection") {
            self.close |= lists(value, b"close");
            self.keep_alive |= lists(value, b"keep-alive");
        } else if name.eq_ignore_ascii_case("expect") {
            self.expects_continue |= value.eq_ignore_ascii_case(b"100-continue");
        } else if name.eq_ignore_ascii_case("x-request-id") {
            self.id = value;
        } else if name.eq_ignore_ascii_case("x-mock") {
            self.orders += 1;
        } else if name.eq_ignore_ascii_case("x-mock-instants") {
            self.wants_instants = value == b"1";
        }
        Ok(())
    }

    fn hear_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(Refusal::malformed("there are two Content-Length fields; send one"));
        }
        let digits = value.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(value).ok()).flatten();
        self.length = digits.and_then(|digits| digits.parse().ok());
        match self.length {
            Some(_) => Ok(()),
            None => Err(Refusal::malformed("the Content-Length is not a number of bytes; send digits only")),
        }
    }

    fn hear_coding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::malformed("the Transfer-Encoding is not `chunked`, once; send no other"));
        }
        self.chunked = true;
        Ok(())
    }

    /// RFC 9112 section 6.3; where it leaves a choice the stricter one.
    fn framing(&self, minor_version: u8) -> Result<Framing, Refusal> {
        match (self.length, self.chunked) {
            _ if self.hosts > 1 || (self.hosts == 0 && minor_version > 0) => {
                Err(Refusal::malformed("there must be exactly one Host field"))
            }
            (Some(_), true) => Err(Refusal::malformed("send Content-Length or Transfer-Encoding, not both")),
            (None, true) if minor_version == 0 => {
                Err(Refusal::malformed("HTTP/1.0 has no Transfer-Encoding"))
            }
            (None, true) => Ok(Framing::Chunked),
            (length, false) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }

    /// RFC 9112 section 9.3.
    fn persistent(&self, minor_version: u8) -> bool {
        !self.close && (minor_version > 0 || self.keep_alive)
    }
}

/// Whether a comma-separated list names `token`.
fn lists(value: &[u8], token: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> Result<Request, Refusal> {
        let mut request = Request::default();
        request.read(head.as_bytes(), true)?.map(|length| assert_eq!(length, head.len())).unwrap();
        Ok(request)
    }

    #[test]
    fn no_part_of_a_head_is_taken_for_the_whole() {
        let head = b"\r\nPOST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
        let mut request = Request::default();
        for end in 0..head.len() {
            assert_eq!(request.read(&head[..end], true), Ok(None), "{end} bytes");
        }
        assert_eq!(request.read(head, true), Ok(Some(head.len())));
    }

    #[test]
    fn the_framing_follows_from_the_fields() {
        for (fields, expect) in [
            ("Host: a", Framing::Length(0)),
            ("Host: a\r\nContent-Length: 18446744073709551615", Framing::Length(u64::MAX)),
            ("host: a\r\nTRANSFER-ENCODING: Chunked", Framing::Chunked),
        ] {
            let request = read(&format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n")).unwrap();
            assert_eq!(request.framing, expect, "{fields}");
        }
    }

    #[test]
    fn what_a_gateway_must_not_send_is_refused() {
        for head in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET / HTTP/1.1\r\nHost: a\r\nx: y\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert_eq!(read(head).map_err(|refusal| refusal.status).err(), Some(400), "{head:?}");
        }
    }

    #[test]
    fn heads_over_the_bounds_are_refused_even_before_they_end() {
        let mut request = Request::default();
        let endless = format!("GET /{} ", "a".repeat(HEAD_BYTES));
        assert_eq!(request.read(endless.as_bytes(), false).map_err(|refusal| refusal.status), Err(431));
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a: b\r\n".repeat(HEAD_FIELDS));
        assert_eq!(request.read(many.as_bytes(), false).map_err(|refusal| refusal.status), Err(431));
    }

    #[test]
    fn persistence_follows_version_and_connection_field() {
        for (version, connection, expect) in [
            ("1.1", "", true),
            ("1.1", "Connection: x, Close\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
        ] {
            let request = read(&format!("GET / HTTP/{version}\r\nHost: a\r\n{connection}\r\n")).unwrap();
            assert_eq!(request.persistent, expect, "{version} {connection}");
        }
    }

    #[test]
    fn what_is_said_to_this_server_is_heard() {
        let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Mock: bytes=1\r\nx-request-id: 7\r\nx-mock: echo=1\r\n\
                       X-Mock-Instants: 1\r\n\r\n";
        let request = read(request).unwrap();
        assert_eq!((request.orders.as_str(), request.id.as_str()), ("bytes=1;echo=1;", "7"));
        assert!(request.wants_instants);
        let request =
            read("GET / HTTP/1.1\r\nHost: a\r\nx-mock-instants: 0\r\nx-request-id: \u{e4}\r\n\r\n").unwrap();
        assert_eq!((request.orders.as_str(), request.wants_instants), ("", false));
        let bad = b"GET / HTTP/1.1\r\nHost: a\r\nx-mock: \xff\r\nx-request-id: \xff\r\n\r\n";
        assert!(
            Request::default().read(bad, false).is_err_and(|refusal| refusal.reason.contains("is no text"))
        );
    }

    #[test]
    fn path_and_query_are_found_in_every_form_of_target() {
        for (target, path, query) in [
            ("/a/b?c=d?e", "/a/b", "c=d?e"),
            ("/a", "/a", ""),
            ("/a?u=http://b/c", "/a", "u=http://b/c"),
            ("http://b:1/a?c", "/a", "c"),
            ("http://b?c", "", "c"),
            ("*", "*", ""),
        ] {
            let request = Request { target: target.into(), ..Request::default() };
            assert_eq!((request.path(), request.query()), (path, query), "{target}");
        }
    }
}
