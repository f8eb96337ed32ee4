//! Heads of requests and responses: found, checked and taken apart into spans of the read buffer, without a copy.
//!
//! Owns: line discipline (CR LF and nothing else), tokens (by httparse), the bounds on a head, the authority and the
//! normal path of a request, and which fields speak of the connection only.
//! Refuses: what RFC 9112 allows a recipient to be lenient about.
//! Assumes: a parsed head is asked only together with the bytes it was parsed from.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use crate::answer::{BadReply, Malformed, Reject};
use crate::field::{Name, list};
use crate::framing::{self, Framing};
use crate::limits;
use crate::method::Method;
use crate::node::Node;
use crate::target::{self, Target};
use crate::tolerance::Tolerance;

/// A piece of a head, by its place in the bytes the head was parsed from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    start: u16,
    end: u16,
}

impl Span {
    /// The bytes of the span.
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start()..self.end()]
    }

    /// First byte.
    pub fn start(self) -> usize {
        usize::from(self.start)
    }

    /// One past the last byte.
    pub fn end(self) -> usize {
        usize::from(self.end)
    }

    /// Where `piece`, a slice of `bytes`, lies in it. Both were bounded by `limits::HEAD_BYTES`.
    fn find(piece: &[u8], bytes: &[u8]) -> Span {
        let start = piece.as_ptr() as usize - bytes.as_ptr() as usize;
        debug_assert!(start + piece.len() <= bytes.len());
        Span { start: start as u16, end: (start + piece.len()) as u16 }
    }
}

/// HTTP/1.0 or HTTP/1.1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
}

/// One field line.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// What the name means to a gateway.
    pub known: Name,
    /// The name as sent.
    pub name: Span,
    /// The value without white space around it.
    pub value: Span,
}

/// The fields of a head, with the bytes they were parsed from.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    /// The head's bytes.
    pub bytes: &'a [u8],
    /// Its field lines in order.
    pub lines: &'a [Field],
}

impl<'a> Fields<'a> {
    /// The values of all fields of that meaning, in order.
    pub fn all(self, known: Name) -> impl Iterator<Item = &'a [u8]> {
        self.lines
            .iter()
            .filter(move |field| field.known == known)
            .map(move |field| field.value.of(self.bytes))
    }

    /// The value of the first such field.
    pub fn first(self, known: Name) -> Option<&'a [u8]> {
        self.all(known).next()
    }

    /// The values of all fields of that name, in any case.
    pub fn named(self, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
        let lines =
            self.lines.iter().filter(move |field| field.name.of(self.bytes).eq_ignore_ascii_case(name));
        lines.map(move |field| field.value.of(self.bytes))
    }

    /// Where the line of field `index` starts; one past the last field gives the end of the last line.
    pub fn line_start(self, index: usize) -> usize {
        match self.lines.get(index) {
            Some(field) => field.name.start(),
            None => self.bytes.len() - 2, // before the empty line
        }
    }
}

/// Looks for the end of a head as bytes arrive, each byte once, and refuses what cannot become one. By default the head of a
/// request.
#[derive(Debug, Default)]
pub struct HeadScanner {
    /// Bytes looked at.
    scanned: usize,
    /// Where the line being read starts.
    line: usize,
    /// Where the head starts: after leading empty lines.
    start: usize,
    /// How many of the empty lines that are allowed before it have come.
    empty_lines: usize,
}

/// Where a whole head lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadBounds {
    /// Its first byte: after leading empty lines.
    pub start: usize,
    /// One past its final empty line.
    pub end: usize,
}

/// Why bytes cannot become a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoHead {
    /// A line ends in something else than CR LF.
    LineEnd,
    /// The first byte cannot begin a request or status line.
    Garbage,
    /// The first line exceeds the bound.
    FirstLine,
    /// The whole exceeds the bound.
    TooLarge,
}

impl HeadScanner {
    /// For the head of a response, which no empty line may precede: it would be a rest of the response before.
    pub fn of_response() -> HeadScanner {
        HeadScanner { empty_lines: limits::LEADING_EMPTY_LINES, ..HeadScanner::default() }
    }

    /// Whether any byte of a head (leading empty lines aside) has been seen.
    pub fn has_begun(&self) -> bool {
        self.scanned > self.start
    }

    /// Goes on where the last call ended; `bytes` has to begin with what it saw then.
    ///
    /// # Errors
    /// The bytes can no longer become a head.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<HeadBounds>, NoHead> {
        while let Some(offset) = memchr::memchr(b'\n', &bytes[self.scanned..]) {
            let feed = self.scanned + offset;
            if feed == self.line || bytes[feed - 1] != b'\r' {
                return Err(NoHead::LineEnd);
            }
            let line_is_empty = feed == self.line + 1;
            self.scanned = feed + 1;
            self.within_bounds(feed + 1)?; // while `line` still tells whether it is the first
            if line_is_empty && self.line == self.start {
                self.skip_empty_line()?;
            } else if line_is_empty {
                return self
                    .within_bounds(feed + 1)
                    .map(|()| Some(HeadBounds { start: self.start, end: feed + 1 }));
            }
            self.line = feed + 1;
        }
        self.scanned = bytes.len();
        match bytes.get(self.start) {
            Some(&first) if !(crate::chunked::is_token(first) || first == b'\r') => Err(NoHead::Garbage),
            _ => self.within_bounds(bytes.len()).map(|()| None),
        }
    }

    fn skip_empty_line(&mut self) -> Result<(), NoHead> {
        self.start = self.scanned;
        self.empty_lines += 1;
        if self.empty_lines > limits::LEADING_EMPTY_LINES { Err(NoHead::Garbage) } else { Ok(()) }
    }

    fn within_bounds(&self, end: usize) -> Result<(), NoHead> {
        let first_line_open = self.line == self.start;
        // The target is the only long part of a first line: method, version and blanks fit into the rest.
        if first_line_open && end - self.start > limits::TARGET_BYTES + limits::METHOD_BYTES + 16 {
            return Err(NoHead::FirstLine);
        }
        if end - self.start > limits::HEAD_BYTES { Err(NoHead::TooLarge) } else { Ok(()) }
    }
}

/// What the Connection field says (RFC 9110 section 7.6.1).
#[derive(Debug, Default)]
struct ConnectionOptions {
    close: bool,
    keep_alive: bool,
    /// Names of further fields that speak of the connection only.
    nominated: Vec<Span>,
}

/// More than [`limits::NOMINATIONS`].
struct TooManyNominations;

impl ConnectionOptions {
    fn read(&mut self, fields: Fields<'_>) -> Result<(), TooManyNominations> {
        (self.close, self.keep_alive) = (false, false);
        self.nominated.clear();
        for value in fields.all(Name::Connection) {
            for option in list(value) {
                match () {
                    () if option.eq_ignore_ascii_case(b"close") => self.close = true,
                    () if option.eq_ignore_ascii_case(b"keep-alive") => self.keep_alive = true,
                    () if self.nominated.len() == limits::NOMINATIONS => return Err(TooManyNominations),
                    () => self.nominated.push(Span::find(option, fields.bytes)),
                }
            }
        }
        Ok(())
    }

    /// RFC 9112 section 9.3.
    fn persists(&self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }
}

/// A parsed request head. Reused from request to request, so that parsing allocates nothing once it is warm.
#[derive(Debug, Default)]
pub struct RequestHead {
    version: Version,
    method: Span,
    target: Span,
    fields: Vec<Field>,
    connection: ConnectionOptions,
    authority: Option<Span>,
    path: Piece,
    query: Option<Piece>,
    framing: Option<Framing>,
}

/// A part of the target, as it is forwarded.
#[derive(Debug, Default)]
struct Piece {
    /// Where it stands if it was sent like that.
    verbatim: Option<Span>,
    /// What it was made otherwise.
    rewritten: Vec<u8>,
}

impl Piece {
    /// `piece` came from `bytes`, unless it had to be rewritten.
    fn new(piece: Cow<'_, [u8]>, bytes: &[u8]) -> Piece {
        match piece {
            Cow::Borrowed(piece) => Piece { verbatim: Some(Span::find(piece, bytes)), rewritten: Vec::new() },
            Cow::Owned(rewritten) => Piece { verbatim: None, rewritten },
        }
    }

    fn of<'a>(&'a self, bytes: &'a [u8]) -> &'a str {
        text(self.verbatim.map_or(&self.rewritten, |span| span.of(bytes)))
    }
}

impl RequestHead {
    /// Parses and checks a whole head; `bytes` is exactly what [`HeadScanner`] delimited.
    ///
    /// # Errors
    /// 400, 414, 431, 501 or 505, never a guess.
    pub fn parse(&mut self, bytes: &[u8], tolerance: Tolerance) -> Result<(), Reject> {
        let mut space = [const { MaybeUninit::uninit() }; limits::FIELDS];
        let mut parsed = httparse::Request::new(&mut []);
        let config = httparse::ParserConfig::default();
        match config.parse_request_with_uninit_headers(&mut parsed, bytes, &mut space) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(Malformed::RequestLine.into()),
            Err(error) => return Err(why_not_a_request(error, bytes)),
        }
        let (method, target) = (parsed.method.unwrap_or("").as_bytes(), parsed.path.unwrap_or("").as_bytes());
        self.version = if parsed.version == Some(0) { Version::Http10 } else { Version::Http11 };
        self.method = Span::find(method, bytes);
        self.target = Span::find(target, bytes);
        read_fields(&mut self.fields, parsed.headers, bytes);
        if method.len() > limits::METHOD_BYTES {
            return Err(Malformed::Method.into());
        }
        if target.len() > limits::TARGET_BYTES {
            return Err(Reject::TargetTooLong);
        }
        let fields = Fields { bytes, lines: &self.fields };
        self.connection.read(fields).map_err(|TooManyNominations| Reject::HeadTooLarge)?;
        self.read_target(bytes, tolerance)?;
        self.framing = Some(framing::of_request(self.version, self.fields(bytes))?);
        Ok(())
    }

    fn read_target(&mut self, bytes: &[u8], tolerance: Tolerance) -> Result<(), Reject> {
        (self.authority, self.query) = (self.host(bytes)?, None);
        match (target::parse(self.target.of(bytes), tolerance)?, self.method(bytes)) {
            (Target::Authority, Method::Connect) => {
                self.path = Piece::new(Cow::Borrowed(self.target.of(bytes)), bytes); // for the log; `check` refuses it
                Ok(())
            }
            (Target::Authority, _) => Err(Malformed::Target.into()),
            (Target::Asterisk, Method::Options) => {
                self.path = Piece::new(Cow::Borrowed(self.target.of(bytes)), bytes);
                Ok(())
            }
            (Target::Asterisk, _) => Err(Malformed::Target.into()),
            (Target::Origin { authority: Some(authority), path: [], query: None }, Method::Options) => {
                self.authority = Some(Span::find(authority, bytes));
                self.path = Piece::new(Cow::Owned(b"*".to_vec()), bytes); // RFC 9112 section 3.2.4
                Ok(())
            }
            (Target::Origin { authority, path, query }, _) => {
                self.authority = authority.map(|authority| Span::find(authority, bytes)).or(self.authority);
                // An absolute form without a path means the root (RFC 9112 section 3.2.2).
                let path = if path.is_empty() {
                    Cow::Owned(b"/".to_vec())
                } else {
                    target::normalise(path, tolerance)?
                };
                self.path = Piece::new(path, bytes);
                self.query = query.map(|query| Piece::new(target::encode_query(query), bytes));
                Ok(())
            }
        }
    }

    /// The one Host field; HTTP/1.0 may do without (RFC 9112 section 3.2).
    fn host(&self, bytes: &[u8]) -> Result<Option<Span>, Malformed> {
        let mut hosts = self.fields.iter().filter(|field| field.known == Name::Host);
        match (hosts.next(), hosts.next()) {
            (None, _) if self.version == Version::Http10 => Ok(None),
            (Some(host), None) if target::is_host(host.value.of(bytes)) => Ok(Some(host.value)),
            _ => Err(Malformed::Host),
        }
    }

    /// HTTP/1.0 or 1.1.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The method.
    pub fn method<'a>(&self, bytes: &'a [u8]) -> Method<'a> {
        Method::from_token(text(self.method.of(bytes)))
    }

    /// All field lines.
    pub fn fields<'a>(&'a self, bytes: &'a [u8]) -> Fields<'a> {
        Fields { bytes, lines: &self.fields }
    }

    /// What the client calls us: the authority of an absolute target, else Host.
    pub fn authority<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        self.authority.map(|authority| authority.of(bytes))
    }

    /// The path in its normal form; `*` for an asterisk target.
    pub fn path<'a>(&'a self, bytes: &'a [u8]) -> &'a str {
        self.path.of(bytes)
    }

    /// What follows `?`, as sent but for bytes outside ASCII, which are encoded.
    pub fn query<'a>(&'a self, bytes: &'a [u8]) -> Option<&'a str> {
        self.query.as_ref().map(|query| query.of(bytes))
    }

    /// Whether a Connection field names this field as one of the connection only.
    pub fn nominates(&self, name: &[u8], bytes: &[u8]) -> bool {
        nominates(&self.connection, name, bytes)
    }

    /// Whether the client wants the connection kept (RFC 9112 section 9.3).
    pub fn persists(&self) -> bool {
        self.connection.persists(self.version)
    }

    /// How the body is delimited.
    pub fn framing(&self) -> Framing {
        self.framing.unwrap_or(Framing::EMPTY)
    }

    /// Refuses what no route may serve.
    ///
    /// # Errors
    /// 405 for CONNECT and TRACE, 508 for what `node` has forwarded before, 417 for any expectation but 100-continue; 204 for
    /// OPTIONS that is to go no further, which is an answer but no server's.
    pub fn check(&self, bytes: &[u8], node: &Node) -> Result<(), Reject> {
        if matches!(self.method(bytes), Method::Connect | Method::Trace) {
            return Err(Reject::method_never_allowed());
        }
        if node.has_signed(self.fields(bytes)) {
            return Err(Reject::Loop);
        }
        if self.max_forwards(bytes)? == Some(0) {
            return Err(Reject::LastStop);
        }
        let is_known = |value: &[u8]| value.eq_ignore_ascii_case(b"100-continue");
        if self.fields(bytes).all(Name::Expect).all(is_known) { Ok(()) } else { Err(Reject::Expectation) }
    }

    /// How many more times an OPTIONS request may be forwarded, if it says; without a meaning for other methods (RFC 9110
    /// section 7.6.2). More than 64 bits is as many as we can count.
    ///
    /// # Errors
    /// Not one number: it cannot be counted down, and passing it on as it is would make its sender wait for an answer that
    /// comes from somewhere else.
    pub fn max_forwards(&self, bytes: &[u8]) -> Result<Option<u64>, Malformed> {
        if self.method(bytes) != Method::Options {
            return Ok(None);
        }
        let mut values = self.fields(bytes).all(Name::MaxForwards);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(digits), None) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
                Ok(framing::number(digits).or(Some(u64::MAX)))
            }
            _ => Err(Malformed::MaxForwards),
        }
    }

    /// Whether the client waits for a 100 before it sends the body (RFC 9110 section 10.1.1); HTTP/1.0 has none to wait for.
    pub fn expects_continue(&self, bytes: &[u8]) -> bool {
        self.version == Version::Http11 && self.fields(bytes).first(Name::Expect).is_some()
    }

    /// What routing looks at.
    pub fn route_request<'a>(&'a self, bytes: &'a [u8]) -> crate::route::Request<'a> {
        crate::route::Request {
            authority: self.authority(bytes),
            path: self.path(bytes),
            method: self.method(bytes),
            fields: self.fields(bytes),
        }
    }

    /// The id the request brought along, if it can be taken over.
    pub fn request_id<'a>(&self, bytes: &'a [u8]) -> Option<&'a str> {
        let id = self.fields.iter().find(|field| field.known == Name::XRequestId)?;
        crate::request_id::acceptable(id.value.of(bytes))
    }
}

/// A parsed response head, reused like [`RequestHead`].
#[derive(Debug, Default)]
pub struct ResponseHead {
    version: Version,
    status: u16,
    reason: Span,
    fields: Vec<Field>,
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
    /// Parses and checks a whole head; `bytes` is exactly what [`HeadScanner`] delimited.
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
        read_fields(&mut self.fields, parsed.headers, bytes);
        let fields = Fields { bytes, lines: &self.fields };
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
        Fields { bytes, lines: &self.fields }
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

    /// How the body of this final response to `method` is delimited.
    ///
    /// # Errors
    /// It cannot be told for sure.
    pub fn framing(&self, method: Method<'_>, bytes: &[u8]) -> Result<Framing, BadReply> {
        framing::of_response(method, self.status, self.version, self.fields(bytes))
    }
}

fn nominates(connection: &ConnectionOptions, name: &[u8], bytes: &[u8]) -> bool {
    connection.nominated.iter().any(|nominated| nominated.of(bytes).eq_ignore_ascii_case(name))
}

fn read_fields(fields: &mut Vec<Field>, parsed: &[httparse::Header<'_>], bytes: &[u8]) {
    fields.clear();
    fields.extend(parsed.iter().map(|header| {
        let name = header.name.as_bytes();
        // httparse trims white space from values, and gives an empty value no place of its own.
        let value = if header.value.is_empty() { Span::default() } else { Span::find(header.value, bytes) };
        Field { known: Name::of(name), name: Span::find(name, bytes), value }
    }));
}

/// What follows `HTTP/1.1 200 ` in the first line. httparse has checked it, and leaves it out if it is not ASCII, which RFC
/// 9112 section 4 allows.
fn reason(bytes: &[u8]) -> Span {
    const START: usize = "HTTP/1.1 200 ".len();
    let end = memchr::memchr(b'\r', bytes).unwrap_or(0);
    if end < START { Span::default() } else { Span { start: START as u16, end: end as u16 } }
}

fn why_not_a_request(error: httparse::Error, bytes: &[u8]) -> Reject {
    match error {
        httparse::Error::TooManyHeaders => Reject::HeadTooLarge,
        httparse::Error::HeaderName => Malformed::FieldName.into(),
        httparse::Error::HeaderValue => Malformed::FieldValue.into(),
        httparse::Error::Version if names_another_major_version(bytes) => Reject::Version,
        _ => Malformed::RequestLine.into(),
    }
}

/// `HTTP/2.0` and its like at the end of the first line; `HTTP/1.9` or `http/1.1` are just malformed.
fn names_another_major_version(bytes: &[u8]) -> bool {
    let line = &bytes[..memchr::memchr(b'\r', bytes).unwrap_or(bytes.len())];
    match line.rsplit(|&byte| byte == b' ').next() {
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]) => {
            major.is_ascii_digit() && minor.is_ascii_digit() && *major != b'1'
        }
        _ => false,
    }
}

/// Methods, targets and normal paths are ASCII by the time they are kept.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
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

    /// Each field of a head is compared with each nomination, so this bounds the work for any head that is accepted.
    #[test]
    fn nominations_are_few_whoever_makes_them() {
        const { assert!(limits::FIELDS * limits::NOMINATIONS <= 10_000) };
        let heads = |count: usize| {
            let names = "close, a, ,".repeat(count); // options and empty members are no names
            let fields = format!("Connection: {names}\r\nHost: h\r\n\r\n");
            [format!("GET / HTTP/1.1\r\n{fields}"), format!("HTTP/1.1 200 OK\r\n{fields}")]
        };
        let (mut request, mut response) = (RequestHead::default(), ResponseHead::default());
        let [asked, answered] = heads(limits::NOMINATIONS);
        assert_eq!(request.parse(asked.as_bytes(), Tolerance::NONE), Ok(()));
        assert_eq!(response.parse(answered.as_bytes()), Ok(()));
        assert_eq!(request.connection.nominated.len(), limits::NOMINATIONS);
        let [asked, answered] = heads(limits::NOMINATIONS + 1);
        assert_eq!(request.parse(asked.as_bytes(), Tolerance::NONE), Err(Reject::HeadTooLarge));
        assert_eq!(response.parse(answered.as_bytes()), Err(BadReply::TooLarge));
    }

    #[test]
    fn an_empty_line_may_precede_a_request_and_no_response() {
        for bytes in [&b"\r\n"[..], b"\r\nHTTP/1.1 200 OK\r\n\r\n"] {
            assert_eq!(HeadScanner::of_response().scan(bytes), Err(NoHead::Garbage));
            assert!(HeadScanner::default().scan(bytes).is_ok());
        }
        assert!(
            HeadScanner::of_response().scan(b"HTTP/1.1 200 OK\r\n\r\n").is_ok_and(|found| found.is_some())
        );
    }

    type Found = Result<Option<HeadBounds>, NoHead>;

    /// What scanning in pieces of `step` bytes comes to.
    fn scan(bytes: &[u8], step: usize) -> Found {
        let mut scanner = HeadScanner::default();
        let ends = (step..bytes.len()).step_by(step).chain([bytes.len()]);
        ends.map(|end| scanner.scan(&bytes[..end])).find(|found| *found != Ok(None)).unwrap_or(Ok(None))
    }

    #[test]
    fn a_head_is_found_or_refused_alike_however_it_is_cut() {
        let long = |count: usize| format!("HTTP/1.1 200 {}\r\n\r\n", "a".repeat(count)).into_bytes();
        let whole = |start, end| Ok(Some(HeadBounds { start, end }));
        let cases: [(Vec<u8>, Found); 8] = [
            (b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest".to_vec(), whole(0, 24)),
            (b"\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_vec(), whole(4, 22)),
            (b"GET / HTTP/1.1\r\nA: b".to_vec(), Ok(None)),
            (b"GET / HTTP/1.1\nA: b\r\n\r\n".to_vec(), Err(NoHead::LineEnd)),
            (b"\r\n".repeat(limits::LEADING_EMPTY_LINES + 1), Err(NoHead::Garbage)),
            (long(100), whole(0, 117)),
            (long(9000), Err(NoHead::FirstLine)),
            ([b"GET / HTTP/1.1\r\n".to_vec(), b"A: b\r\n".repeat(6000)].concat(), Err(NoHead::TooLarge)),
        ];
        for (bytes, expected) in cases {
            for step in [1, 2, 3, 7, 255, 100_000] {
                assert_eq!(
                    scan(&bytes, step),
                    expected,
                    "{} by {step}",
                    String::from_utf8_lossy(&bytes[..20.min(bytes.len())])
                );
            }
        }
    }
}
