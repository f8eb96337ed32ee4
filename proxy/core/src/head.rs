//! Heads of requests and responses: found, checked and taken apart into spans of the read buffer, without a copy.
//!
//! Owns: tokens (by httparse), the authority and the normal path of a request, and which fields speak of the connection
//! only. Where a head ends is `scanner`'s, and what is particular to responses is `response`'s.
//! Refuses: what RFC 9112 allows a recipient to be lenient about.
//! Assumes: a parsed head is asked only together with the bytes it was parsed from.

mod response;
mod scanner;

use std::borrow::Cow;
use std::mem::MaybeUninit;

use crate::answer::{Malformed, Reject};
use crate::field::{Name, NameSet, list};
use crate::framing::{self, Framing};
use crate::limits;
use crate::method::Method;
use crate::node::Node;
use crate::target::{self, Target};
use crate::tolerance::Tolerance;

pub use self::response::ResponseHead;
pub use self::scanner::{HeadBounds, HeadScanner, NoHead};

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
#[derive(Debug, Clone, Copy, Default)]
pub struct Fields<'a> {
    /// The head's bytes.
    pub bytes: &'a [u8],
    /// Its field lines in order.
    pub lines: &'a [Field],
    known: NameSet,
}

/// The field lines of a head, without its bytes.
#[derive(Debug, Default)]
struct Lines {
    fields: Vec<Field>,
    known: NameSet,
}

impl Lines {
    fn read(&mut self, parsed: &[httparse::Header<'_>], bytes: &[u8]) {
        self.known = NameSet::default();
        self.fields.clear();
        self.fields.extend(parsed.iter().map(|header| {
            let name = header.name.as_bytes();
            // httparse trims white space from values, and gives an empty value no place of its own.
            let value =
                if header.value.is_empty() { Span::default() } else { Span::find(header.value, bytes) };
            let known = Name::of(name);
            self.known.insert(known);
            Field { known, name: Span::find(name, bytes), value }
        }));
    }

    fn of<'a>(&'a self, bytes: &'a [u8]) -> Fields<'a> {
        Fields { bytes, lines: &self.fields, known: self.known }
    }
}

impl<'a> Fields<'a> {
    /// The values of all fields of that meaning, in order.
    pub fn all(self, known: Name) -> impl Iterator<Item = &'a [u8]> {
        let lines = if self.known.has(known) { self.lines } else { &[] };
        lines.iter().filter(move |field| field.known == known).map(move |field| field.value.of(self.bytes))
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
                self.close |= option.eq_ignore_ascii_case(b"close");
                if option.eq_ignore_ascii_case(b"keep-alive") {
                    self.keep_alive = true;
                    continue; // that field is dropped anyway, and nearly every browser sends this
                }
                if self.nominated.len() == limits::NOMINATIONS {
                    return Err(TooManyNominations);
                }
                self.nominated.push(Span::find(option, fields.bytes)); // a field called `close`, too (RFC 9110 section 7.6.1)
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
    /// What the method means, unless it is a token that we know nothing of.
    known_method: Option<Method<'static>>,
    target: Span,
    lines: Lines,
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
        text(self.bytes(bytes))
    }

    fn bytes<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        self.verbatim.map_or(&self.rewritten, |span| span.of(bytes))
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
        self.known_method = parsed.method.and_then(Method::known);
        self.target = Span::find(target, bytes);
        self.lines.read(parsed.headers, bytes);
        if method.len() > limits::METHOD_BYTES {
            return Err(Malformed::Method.into());
        }
        if target.len() > limits::TARGET_BYTES {
            return Err(Reject::TargetTooLong);
        }
        let fields = self.lines.of(bytes);
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
        let mut hosts = self.fields(bytes).all(Name::Host);
        match (hosts.next(), hosts.next()) {
            (None, _) if self.version == Version::Http10 => Ok(None),
            (Some(host), None) if target::is_host(host) => Ok(Some(Span::find(host, bytes))),
            _ => Err(Malformed::Host),
        }
    }

    /// HTTP/1.0 or 1.1.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The method.
    pub fn method<'a>(&self, bytes: &'a [u8]) -> Method<'a> {
        self.known_method.unwrap_or_else(|| Method::Other(text(self.method.of(bytes))))
    }

    /// All field lines.
    pub fn fields<'a>(&'a self, bytes: &'a [u8]) -> Fields<'a> {
        self.lines.of(bytes)
    }

    /// What the client calls us: the authority of an absolute target, else Host.
    pub fn authority<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        self.authority.map(|authority| authority.of(bytes))
    }

    /// The path in its normal form; `*` for an asterisk target.
    pub fn path<'a>(&'a self, bytes: &'a [u8]) -> &'a str {
        self.path.of(bytes)
    }

    /// The same as bytes, which takes no second look at them.
    pub fn path_bytes<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        self.path.bytes(bytes)
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

    /// Refuses a body that says it is larger than `most` bytes.
    ///
    /// # Errors
    /// 413
    pub fn check_length(&self, most: u64) -> Result<(), Reject> {
        match self.framing() {
            Framing::Length(length) if length > most => Err(Reject::BodyTooLarge),
            _ => Ok(()),
        }
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

    /// The protocol the client wants to go on in, if it is one of `allowed` and the request can ask for it: HTTP/1.1, no
    /// body, and Upgrade named by Connection (RFC 9110 section 7.8).
    pub fn upgrade<'a>(&self, bytes: &[u8], allowed: &'a [Box<str>]) -> Option<&'a str> {
        let asks = !allowed.is_empty() && self.version == Version::Http11 && self.framing() == Framing::EMPTY;
        if !asks || !self.nominates(b"upgrade", bytes) {
            return None;
        }
        chosen(self.fields(bytes), allowed)
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
    pub fn request_id<'a>(&'a self, bytes: &'a [u8]) -> Option<&'a str> {
        self.fields(bytes).first(Name::XRequestId).and_then(crate::request_id::acceptable)
    }
}

/// The first protocol of an Upgrade field that is one of `allowed`, which are in lower case.
fn chosen<'a>(fields: Fields<'_>, allowed: &'a [Box<str>]) -> Option<&'a str> {
    let named = |protocol: &[u8]| allowed.iter().find(|own| own.as_bytes().eq_ignore_ascii_case(protocol));
    fields.all(Name::Upgrade).flat_map(list).find_map(named).map(|own| &**own)
}

/// Asked for every field of a message; nearly none nominates anything, and the look at those that do stays out of the way.
#[inline]
fn nominates(connection: &ConnectionOptions, name: &[u8], bytes: &[u8]) -> bool {
    !connection.nominated.is_empty() && is_among(&connection.nominated, name, bytes)
}

#[inline(never)]
fn is_among(nominated: &[Span], name: &[u8], bytes: &[u8]) -> bool {
    nominated.iter().any(|nominated| nominated.of(bytes).eq_ignore_ascii_case(name))
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
    use crate::answer::BadReply;

    /// Each field of a head is compared with each nomination, so this bounds the work for any head that is accepted.
    #[test]
    fn nominations_are_few_whoever_makes_them() {
        const { assert!(limits::FIELDS * limits::NOMINATIONS <= 10_000) };
        let heads = |count: usize| {
            let names = "a, ,".repeat(count); // empty members are no names
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
}
