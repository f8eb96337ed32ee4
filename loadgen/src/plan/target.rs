//! What is requested: a URL with method, fields and body, checked before the run.
//!
//! Refuses: `https` (no TLS yet), user names in URLs, and anything the grammars of RFC 3986 and RFC 9110 refuse: what
//! leaves here is a well-formed request.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, Uri, header};

use crate::plan::template::{Piece, Template, pieces};
use crate::secret;
use crate::{Error, Expect};

const USER_AGENT: &str = concat!("ringload/", env!("CARGO_PKG_VERSION"));
/// Bytes of a name: it is repeated in every report.
const NAME_BYTES: usize = 64;

/// One kind of request of a run, and its share of it.
#[derive(Clone)]
pub struct Target {
    name: Option<String>,
    /// As it was written, without the weight.
    url: String,
    /// One of the URLs it stands for.
    uri: Uri,
    path: Vec<Piece>,
    weight: u32,
    method: Method,
    fields: Vec<(HeaderName, HeaderValue)>,
    tokens: Option<Tokens>,
    body: Arc<[u8]>,
    expect: Option<Expect>,
}

/// Bearer tokens, used in turn. They are never printed.
#[derive(Clone)]
pub(crate) struct Tokens(Arc<[String]>);

impl Tokens {
    /// That of request `number`.
    pub(crate) fn of(&self, number: u64) -> &str {
        &self.0[(number % self.0.len() as u64) as usize]
    }
}

impl fmt::Debug for Target {
    /// Without fields and body, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Target");
        shown.field("name", &self.name).field("url", &self.url()).field("method", &self.method);
        shown.field("weight", &self.weight).field("tokens", &self.tokens).finish_non_exhaustive()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

impl Target {
    /// A GET of `url`: `http://host[:port]/path?query`, or `WEIGHT@http://...` for a share of the requests in proportion
    /// to a whole number from 1 on (1 if not given). In path and query, `{FIRST..LAST}` stands for a number drawn for each
    /// request.
    ///
    /// # Errors
    /// What is wrong with the URL or the weight.
    pub fn get(url: &str) -> Result<Target, Error> {
        let (weight, url) = split_weight(url)?;
        let sample = sample(url)?;
        let uri: Uri = sample
            .parse()
            .map_err(|error| refuse(format!("the URL is none ({error}); write http://host:port/path")))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(refuse("https is not supported yet, use http")),
            _ => return Err(refuse("the URL does not begin with http://; write http://host:port/path")),
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            return Err(refuse(
                "the URL has credentials; write them as a header, such as `Authorization: Basic ...`",
            ));
        }
        if !names_its_port(authority) {
            return Err(refuse(
                "the port in the URL is none: a port is a number from 1 to 65535; without one it is 80",
            ));
        }
        Ok(Target {
            name: None,
            path: path(url)?,
            url: url.to_owned(),
            uri,
            weight,
            method: Method::GET,
            fields: Vec::new(),
            tokens: None,
            body: Arc::default(),
            expect: None,
        })
    }

    /// The same with a name, by which reports know it. Without one that is the URL.
    ///
    /// # Errors
    /// Not 1 to 64 bytes, or bytes that would end a field of a log or a table: commas, white space, control characters.
    pub fn name(mut self, name: &str) -> Result<Target, Error> {
        let is_plain = |c: char| !c.is_control() && !c.is_whitespace() && c != ',';
        if !(1..=NAME_BYTES).contains(&name.len()) || !name.chars().all(is_plain) {
            return Err(refuse("a name has 1 to 64 bytes, and no commas or spaces"));
        }
        self.name = Some(name.to_owned());
        Ok(self)
    }

    /// The same on another server, `host:port`.
    ///
    /// # Errors
    /// That is no host and port.
    pub fn on(self, server: &str) -> Result<Target, Error> {
        if server.contains(['/', '?', '#', '@']) {
            return Err(refuse("write a server as host:port, without http://, credentials and path"));
        }
        let moved = Target::get(&format!("http://{server}{}", split_path(&self.url).1))?;
        Ok(Target { url: moved.url, uri: moved.uri, ..self })
    }

    /// The same with this share of the requests.
    ///
    /// # Errors
    /// A weight of 0.
    pub fn weigh(mut self, weight: u32) -> Result<Target, Error> {
        if weight == 0 {
            return Err(refuse("a weight is a whole number from 1 on; leave out what is not wanted"));
        }
        self.weight = weight;
        Ok(self)
    }

    /// The same with another method.
    ///
    /// # Errors
    /// Not a method's name, or CONNECT, which is a tunnel and not a request.
    pub fn method(mut self, method: &str) -> Result<Target, Error> {
        self.method = method
            .parse()
            .ok()
            .filter(|method| method != Method::CONNECT)
            .ok_or_else(|| refuse("the method is none that can be sent; write for example POST"))?;
        Ok(self)
    }

    /// The same with one more header field, `Name: value`. A `Host` or `User-Agent` replaces ours.
    ///
    /// # Errors
    /// No colon, bytes that a name or value cannot hold, or a field that says where the body ends: the request would be
    /// another one than is counted.
    pub fn header(self, field: &str) -> Result<Target, Error> {
        let (name, value) = field
            .split_once(':')
            .ok_or_else(|| refuse("a header has no colon; write it as `Name: value`"))?;
        self.field(name.trim(), value.trim())
    }

    /// The same with one more header field; as [`header`](Self::header).
    ///
    /// # Errors
    /// As [`header`](Self::header).
    pub fn field(mut self, name: &str, value: &str) -> Result<Target, Error> {
        let name: HeaderName =
            name.parse().map_err(|_| refuse("invalid HTTP header name; write a header as `Name: value`"))?;
        let refuse_field = |reason: &str| refuse(format!("header `{name}`: {reason}"));
        if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(&name) {
            return Err(refuse_field("the body decides its framing; give a body, or none"));
        }
        let no_value = |_| refuse_field("its value has bytes that none can hold; write visible characters");
        let value: HeaderValue = value.parse().map_err(no_value)?;
        self.fields.push((name, value));
        Ok(self)
    }

    /// The same with `Authorization: Bearer` and one of these tokens, in turn: request `k` of the run has the token
    /// `k` modulo their number.
    ///
    /// # Errors
    /// There are none, or one has bytes that a field cannot hold. No token is repeated in the message.
    pub fn tokens(mut self, tokens: Vec<String>) -> Result<Target, Error> {
        let is_token =
            |token: &String| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        if let Some(wrong) = tokens.iter().position(|token| !is_token(token)) {
            let reason = format!("token {} is empty or has bytes that a header cannot hold", wrong + 1);
            return Err(refuse(reason));
        }
        if tokens.is_empty() {
            return Err(refuse("there is no token; write one per line"));
        }
        self.tokens = Some(Tokens(tokens.into()));
        Ok(self)
    }

    /// The same with this body.
    pub fn body(mut self, body: Vec<u8>) -> Target {
        self.body = body.into();
        self
    }

    /// The same, and this counts as a success, whatever the plan says of the others.
    pub fn expecting(mut self, expect: Expect) -> Target {
        self.expect = Some(expect);
        self
    }

    /// The URL, as it was written but for its secrets.
    pub fn url(&self) -> String {
        secret::shown_url(&self.url)
    }

    /// All that nobody may read of its requests.
    pub(crate) fn secrets(&self) -> Vec<Vec<u8>> {
        let mut secrets = secret::values_in(self.url.as_bytes());
        let fields = self
            .fields
            .iter()
            .map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes()].concat());
        secrets.extend(fields.flat_map(|field| secret::values_in(&field)));
        let tokens = self.tokens.iter().flat_map(|tokens| tokens.0.iter());
        secrets.extend(tokens.map(|token| token.clone().into_bytes()));
        secrets.extend(secret::values_in_body(&self.body));
        secrets
    }

    /// Its name, if it has one.
    pub fn known_as(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The share of the requests, relative to those of the other targets.
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// What counts as a success here; nothing if the plan decides.
    pub(crate) fn expect(&self) -> Option<&Expect> {
        self.expect.as_ref()
    }

    /// What contradicts itself, if anything.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.tokens.is_some() && self.has_field(&header::AUTHORIZATION) {
            return Err(refuse(
                "a request has a token and an `Authorization` header; leave out one of the two",
            ));
        }
        Ok(())
    }

    /// Host without brackets, and port.
    pub(crate) fn server(&self) -> (&str, u16) {
        let host = self.uri.host().unwrap_or_default();
        (host.trim_start_matches('[').trim_end_matches(']'), self.uri.port_u16().unwrap_or(80))
    }

    /// Whether the answer has no body whatever it announces.
    pub(crate) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    /// The bytes of the request; `close` adds `Connection: close`.
    pub(crate) fn render(&self, close: bool) -> Template {
        let mut head = Head(vec![Piece::Fixed(format!("{} ", self.method).into())]);
        self.path.iter().for_each(|piece| head.piece(piece.clone()));
        head.text(b" HTTP/1.1\r\n");
        if let Some(authority) = self.uri.authority() {
            self.render_default(&mut head, header::HOST, authority.as_str());
        }
        self.render_default(&mut head, header::USER_AGENT, USER_AGENT);
        if close {
            self.render_default(&mut head, header::CONNECTION, "close");
        }
        if let Some(tokens) = &self.tokens {
            head.text(b"authorization: Bearer ");
            head.piece(match &tokens.0[..] {
                [only] => Piece::Fixed(only.clone().into()),
                _ => Piece::Token(tokens.clone()),
            });
            head.text(b"\r\n");
        }
        for (name, value) in &self.fields {
            head.text(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        if !self.body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(&self.method) {
            self.render_default(&mut head, header::CONTENT_LENGTH, &self.body.len().to_string());
        }
        head.text(b"\r\n");
        Template::new(head.0, self.body.to_vec())
    }

    fn render_default(&self, head: &mut Head, name: HeaderName, value: &str) {
        if !self.has_field(&name) {
            head.text(format!("{name}: {value}\r\n").as_bytes());
        }
    }

    fn has_field(&self, name: &HeaderName) -> bool {
        self.fields.iter().any(|(own, _)| own == name)
    }
}

/// A head as it is put together.
struct Head(Vec<Piece>);

impl Head {
    fn text(&mut self, text: &[u8]) {
        self.piece(Piece::Fixed(text.into()));
    }

    /// Text after text is one piece.
    fn piece(&mut self, piece: Piece) {
        match (self.0.last_mut(), piece) {
            (Some(Piece::Fixed(before)), Piece::Fixed(text)) => before.extend_from_slice(&text),
            (_, piece) => self.0.push(piece),
        }
    }
}

/// One of the URLs that a URL with ranges stands for: that of the first numbers.
fn sample(url: &str) -> Result<String, Error> {
    let text = |piece: &Piece| match piece {
        Piece::Number(range) => range.start().to_string(),
        Piece::Fixed(text) => String::from_utf8_lossy(text).into_owned(),
        Piece::Token(_) => String::new(),
    };
    let (before, _) = split_path(url);
    if before.contains(['{', '}']) {
        return Err(refuse(
            "a range of numbers belongs into the path or the query of the URL; write it there",
        ));
    }
    Ok(pieces(url).map_err(refuse)?.iter().map(text).collect())
}

/// Path and query, without the fragment, which is never sent.
fn path(url: &str) -> Result<Vec<Piece>, Error> {
    let path = split_path(url).1.split('#').next().unwrap_or_default();
    let slash = if path.starts_with('/') { "" } else { "/" }; // RFC 9112 section 3.2.1: an empty path is "/"
    pieces(&format!("{slash}{path}")).map_err(refuse)
}

/// What stands before the path, and the path with all that follows.
fn split_path(url: &str) -> (&str, &str) {
    let authority = url.find("://").map_or(0, |scheme| scheme + 3);
    let path = url[authority..].find(['/', '?', '#']).map_or(url.len(), |path| authority + path);
    url.split_at(path)
}

/// Whether the port is one that can be connected to, or is left out (RFC 3986 section 3.2.3 allows the colon alone).
fn names_its_port(authority: &str) -> bool {
    let after_host = authority.rsplit_once(']').map_or(authority, |(_, port)| port);
    match after_host.rsplit_once(':') {
        None | Some((_, "")) => true,
        Some((_, port)) => port.parse::<std::num::NonZeroU16>().is_ok() && !port.starts_with('+'),
    }
}

fn split_weight(url: &str) -> Result<(u32, &str), Error> {
    match url.split_once('@') {
        Some((weight, rest)) if weight.bytes().all(|byte| byte.is_ascii_digit()) => {
            let weight = weight.parse().ok().filter(|&weight| weight > 0);
            Ok((
                weight.ok_or_else(|| {
                    refuse("the weight before the URL is none; write a whole number from 1 on")
                })?,
                rest,
            ))
        }
        _ => Ok((1, url)),
    }
}

/// Says what is wrong and not with which value: that may be a secret, or a part of one in the wrong place.
fn refuse(reason: impl Into<String>) -> Error {
    Error::Plan(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::draw::Draw;
    use crate::secret::Secrets;

    fn rendered(target: Target) -> String {
        String::from_utf8(target.render(false).fixed().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn a_get_is_three_lines() {
        let expected =
            format!("GET /a?b=c HTTP/1.1\r\nhost: example:8080\r\nuser-agent: {USER_AGENT}\r\n\r\n");
        assert_eq!(rendered(Target::get("http://example:8080/a?b=c").unwrap()), expected);
        assert!(rendered(Target::get("http://example").unwrap()).starts_with("GET / HTTP/1.1\r\n"));
        assert!(rendered(Target::get("http://example?q").unwrap()).starts_with("GET /?q HTTP/1.1\r\n"));
    }

    #[test]
    fn bodies_are_announced_and_own_fields_replace_the_defaults() {
        let target = Target::get("http://example/").unwrap().method("POST").unwrap();
        assert!(rendered(target.clone()).ends_with("content-length: 0\r\n\r\n"));
        let target =
            target.header("HOST: other").unwrap().header("user-agent: me").unwrap().body(b"hello".to_vec());
        let expected = "POST / HTTP/1.1\r\nhost: other\r\nuser-agent: me\r\ncontent-length: 5\r\n\r\nhello";
        assert_eq!(rendered(target), expected);
    }

    #[test]
    fn weights_stand_before_the_url() {
        let target = Target::get("3@http://[::1]:8080/a@b").unwrap();
        assert_eq!((target.weight(), target.url()), (3, "http://[::1]:8080/a@b".to_owned()));
        assert_eq!(target.server(), ("::1", 8080));
        assert_eq!(Target::get("http://h/a@b").unwrap().weight(), 1);
        for url in ["http://h", "http://h:", "http://h:80/a:b"] {
            assert_eq!(Target::get(url).unwrap().server(), ("h", 80));
        }
        assert_eq!(Target::get("http://[::1]").unwrap().server(), ("::1", 80));
    }

    #[test]
    fn what_cannot_be_requested_is_refused_with_the_reason() {
        for (url, reason) in [
            ("https://example/", "https is not supported"),
            ("example/", "write http://"),
            ("/path", "write http://"),
            ("ftp://example/", "write http://"),
            ("http://me:secret@example/", "credentials"),
            ("0@http://example/", "weight"),
            ("http://exa mple/", "invalid"),
            ("http://h:80801/", "port"),
            ("http://h:0/", "port"),
            ("http://[::1]:65536/", "port"),
            ("http://h:+80/", "port"),
            ("http://h:abc/", "port"),
            ("2@http://h:-1", "port"),
            ("http://h/{1..}", "no range"),
            ("http://h{1..2}/", "path or the query"),
            ("http://h:{1..2}/", "path or the query"),
        ] {
            let error = Target::get(url).unwrap_err().to_string();
            assert!(error.contains(reason), "{url}: {error}");
        }
        let target = Target::get("http://example/").unwrap();
        assert!(target.clone().method("GE T").is_err());
        assert!(target.clone().method("CONNECT").is_err());
        assert!(target.clone().header("no colon").is_err());
        assert!(target.clone().header("Name: a\r\nInjected: b").is_err());
        for framing in ["Content-Length: 5", "transfer-encoding: chunked"] {
            let error = target.clone().header(framing).unwrap_err().to_string();
            assert!(error.contains("give a body"), "{error}");
        }
    }

    #[test]
    fn numbers_and_tokens_are_drawn_for_each_request() {
        let target = Target::get("http://h?id={10..19}#part").unwrap();
        let target = target.tokens(vec!["one".into(), "two".into()]).unwrap().body(b"!".to_vec());
        let template = target.render(true);
        let mut bytes = Vec::new();
        for number in 0..10 {
            template.render(Draw { seed: 1, number }, &mut bytes);
            let text = std::str::from_utf8(&bytes).unwrap();
            let token = ["one", "two"][number as usize % 2];
            let rest = format!(
                " HTTP/1.1\r\nhost: h\r\nuser-agent: {USER_AGENT}\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
                 content-length: 1\r\n\r\n!"
            );
            let (line, has_rest) = (text.strip_suffix(&rest), text.ends_with(&rest));
            assert!(has_rest && line.unwrap().len() == "GET /?id=10".len(), "{text}");
        }
        assert_eq!(target.url(), "http://h?id={10..19}#part");
    }

    #[test]
    fn secrets_are_shown_to_nobody() {
        let target = Target::get("http://h/").unwrap().tokens(vec!["hidden".into()]).unwrap();
        let shown = |target: &Target| {
            let head = target.render(false).head(Draw { seed: 0, number: 0 });
            format!("{target:?} {}", Secrets::new(target.secrets()).hide(head))
        };
        assert!(!shown(&target).contains("hidden"));
        assert!(rendered(target).contains("authorization: Bearer hidden\r\n"));
        let target = Target::get("http://h/").unwrap().header("Cookie: a=hidden").unwrap();
        let target =
            target.header("Authorization: Basic hidden").unwrap().header("X-Api-Key: hidden").unwrap();
        assert!(!shown(&target).contains("hidden"), "{}", shown(&target));
        assert!(shown(&target).contains("authorization: Basic ***\r\n"));
        assert!(
            rendered(target)
                .contains("cookie: a=hidden\r\nauthorization: Basic hidden\r\nx-api-key: hidden\r\n")
        );
        let error = Target::get("http://h/").unwrap().tokens(vec!["a".into(), "hid den".into()]).unwrap_err();
        assert!(error.to_string().contains("token 2") && !error.to_string().contains("hid"), "{error}");
    }

    #[test]
    fn names_fit_into_logs_and_two_credentials_are_one_too_many() {
        let target = Target::get("http://h/").unwrap();
        assert_eq!(target.clone().name("list-items").unwrap().known_as(), Some("list-items"));
        for wrong in ["", "a b", "a,b", "a\nb", &"x".repeat(65)] {
            assert!(target.clone().name(wrong).is_err(), "{wrong}");
        }
        let both = target.tokens(vec!["x".into()]).unwrap().header("authorization: Basic y").unwrap();
        assert!(both.check().unwrap_err().to_string().contains("leave out one"));
    }
}
