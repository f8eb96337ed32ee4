//! What is requested: a URL with method, fields and body, rendered to bytes once before the run.
//!
//! Refuses: `https` (no TLS yet), user names in URLs, and anything the grammars of RFC 3986 and RFC 9110 refuse: what
//! leaves here is a well-formed request.

use std::fmt::Display;

use http::{HeaderName, HeaderValue, Method, Uri, header};

use crate::Error;

const USER_AGENT: &str = concat!("ringload/", env!("CARGO_PKG_VERSION"));

/// One kind of request of a run, and its share of it. In the report it is known by its URL.
#[derive(Debug, Clone)]
pub struct Target {
    uri: Uri,
    weight: u32,
    method: Method,
    fields: Vec<(HeaderName, HeaderValue)>,
    body: Vec<u8>,
}

impl Target {
    /// A GET of `url`: `http://host[:port]/path?query`, or `WEIGHT@http://...` for a share of the requests in proportion
    /// to a whole number from 1 on (1 if not given).
    ///
    /// # Errors
    /// What is wrong with the URL or the weight.
    pub fn get(url: &str) -> Result<Target, Error> {
        let (weight, url) = split_weight(url)?;
        let uri: Uri =
            url.parse().map_err(|error| refuse(url, format!("{error}; write http://host:port/path")))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(refuse(url, "https is not supported yet, use http")),
            _ => return Err(refuse(url, "write http://host:port/path")),
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            return Err(refuse(url, "send credentials as a header, not in the URL"));
        }
        if !names_its_port(authority) {
            return Err(refuse(url, "a port is a number from 1 to 65535; without one it is 80"));
        }
        Ok(Target { uri, weight, method: Method::GET, fields: Vec::new(), body: Vec::new() })
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
            .ok_or_else(|| refuse(method, "not a method that can be sent; write for example POST"))?;
        Ok(self)
    }

    /// The same with one more header field, `Name: value`. A `Host` or `User-Agent` replaces ours.
    ///
    /// # Errors
    /// No colon, bytes that a name or value cannot hold, or a field that says where the body ends: the request would be
    /// another one than is counted.
    pub fn header(mut self, field: &str) -> Result<Target, Error> {
        let (name, value) =
            field.split_once(':').ok_or_else(|| refuse(field, "write a header as `Name: value`"))?;
        let name = name.trim().parse::<HeaderName>().map_err(|error| refuse(field, error))?;
        if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(&name) {
            return Err(refuse(field, "the body decides its framing; give a body, or none"));
        }
        let value = value.trim().parse::<HeaderValue>().map_err(|error| refuse(field, error))?;
        self.fields.push((name, value));
        Ok(self)
    }

    /// The same with this body.
    pub fn body(mut self, body: Vec<u8>) -> Target {
        self.body = body;
        self
    }

    /// The URL.
    pub fn url(&self) -> String {
        self.uri.to_string()
    }

    /// The share of the requests, relative to those of the other targets.
    pub fn weight(&self) -> u32 {
        self.weight
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

    /// The bytes of the request.
    pub(crate) fn render(&self) -> Vec<u8> {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let slash = if path.starts_with('/') { "" } else { "/" }; // RFC 9112 section 3.2.1: an empty path is "/"
        let mut bytes = format!("{} {slash}{path} HTTP/1.1\r\n", self.method).into_bytes();
        if let Some(authority) = self.uri.authority() {
            self.render_default(&mut bytes, header::HOST, authority.as_str());
        }
        self.render_default(&mut bytes, header::USER_AGENT, USER_AGENT);
        for (name, value) in &self.fields {
            render_field(&mut bytes, name, value.as_bytes());
        }
        if !self.body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(&self.method) {
            self.render_default(&mut bytes, header::CONTENT_LENGTH, &self.body.len().to_string());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    fn render_default(&self, bytes: &mut Vec<u8>, name: HeaderName, value: &str) {
        if !self.fields.iter().any(|(own, _)| *own == name) {
            render_field(bytes, &name, value.as_bytes());
        }
    }
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
            Ok((weight.ok_or_else(|| refuse(url, "a weight is a whole number from 1 on"))?, rest))
        }
        _ => Ok((1, url)),
    }
}

fn render_field(bytes: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    bytes.extend_from_slice(name.as_str().as_bytes());
    bytes.extend_from_slice(b": ");
    bytes.extend_from_slice(value);
    bytes.extend_from_slice(b"\r\n");
}

fn refuse(what: &str, reason: impl Display) -> Error {
    Error::Plan(format!("`{what}`: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(target: Target) -> String {
        String::from_utf8(target.render()).unwrap()
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
}
