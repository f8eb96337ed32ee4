//! The line of a request in the access log: facts in, bytes out, in three forms.
//!
//! Owns: what a line says and in which order, and the escapes of each form ([`escape`]). What must not stand in it is
//! [`redact`]'s; which facts there are is the caller's.
//! Assumes: names of routes, pools and servers, request ids and addresses were checked where they came in: they hold neither
//! quotes nor backslashes nor control characters, and neither does a path in normal form. Values of fields and queries are
//! whatever a client sent.

mod combined;
pub mod escape;
mod json;
mod text;

use std::borrow::Cow;
use std::time::Duration;

use crate::answer::Cause;
use crate::head::{RequestHead, Version};
use crate::method::Method;
use crate::redact;
use crate::route::{Route, Routes};
use crate::stages::Stages;
use crate::trace::{self, Parent, TraceId};

/// What lines look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A JSON object.
    Json,
    /// The combined format of Apache and nginx, which many tools read.
    Combined,
    /// For people.
    Text,
}

/// What lines may say of requests beyond what is in every one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// Names in a query whose values are shown; without any, nothing is said of queries.
    pub query: Vec<Box<str>>,
    /// Names of header fields, in lower case, whose values are shown.
    pub fields: Vec<Box<str>>,
    /// The share of requests that are logged, as a JSON number, if not all are.
    pub sample: Option<Box<str>>,
}

/// What is known of a request when it is over.
#[derive(Debug)]
pub struct Facts<'a> {
    /// When it ended, as the form writes it: [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339) with milliseconds for JSON,
    /// `23/Nov/2026:08:31:28 +0000` for combined; text says no time.
    pub time: &'a [u8],
    /// Its id.
    pub request_id: &'a str,
    /// The address of its client.
    pub client: &'a str,
    /// Who asked, if that was proved.
    pub user: Option<&'a str>,
    /// Its head, with its bytes; none if it could not be read.
    pub head: Option<(&'a RequestHead, &'a [u8])>,
    /// Where the paths of requests without a route are looked up.
    pub routes: &'a Routes,
    /// Its route.
    pub route: Option<&'a Route>,
    /// The name of the pool that this leads to.
    pub pool: Option<&'a str>,
    /// The server that was asked last.
    pub server: Option<&'a str>,
    /// How often a server was asked, or tried to be reached.
    pub attempts: u32,
    /// The status of its answer.
    pub status: u16,
    /// Who made the answer.
    pub source: &'static str,
    /// Why it did not go well.
    pub cause: Option<Cause>,
    /// Bytes handed over to the client for it: heads, body, framing.
    pub bytes_sent: u64,
    /// Those of them behind the final head.
    pub body_bytes_sent: u64,
    /// Bytes of the client's that were its own: head, body, framing.
    pub bytes_received: u64,
    /// Where its time went.
    pub stages: &'a Stages,
    /// The trace it belongs to, if it is traced here; else what the client says is shown.
    pub trace: Option<TraceId>,
    /// Whether it stands for others that were not logged.
    pub is_sampled: bool,
}

/// Appends a line with its end.
pub fn write(out: &mut Vec<u8>, form: Form, shape: &Shape, facts: &Facts<'_>) {
    match form {
        Form::Json => json::write(out, shape, facts),
        Form::Combined => combined::write(out, shape, facts),
        Form::Text => text::write(out, facts),
    }
}

impl<'a> Facts<'a> {
    /// The method, if a client could not have made it up.
    pub fn method(&self) -> Option<&'a str> {
        let (head, bytes) = self.head?;
        let is_named = |method| {
            self.route.is_some_and(|route| !route.methods.is_any() && route.methods.contains(method))
        };
        match head.method(bytes) {
            method @ Method::Other(_) if !is_named(method) => Some("_OTHER"), // as OpenTelemetry calls it
            method => Some(method.name()),
        }
    }

    /// Who asked, and only so much of the name: an issuer chooses it.
    fn logged_user(&self) -> Option<&'a [u8]> {
        let user = self.user?.as_bytes();
        Some(&user[..user.len().min(crate::limits::LOGGED_USER_BYTES)])
    }

    /// The path, but for what is hidden of it.
    pub fn path(&self) -> Option<Cow<'a, [u8]>> {
        let (head, bytes) = self.head?;
        let path = match self.route {
            Some(route) if route.policy.hidden.is_none() => {
                return Some(Cow::Borrowed(head.path_bytes(bytes)));
            }
            Some(route) => route.policy.hidden.redact(head.path(bytes)),
            None => self.routes.redacted_path(&head.route_request(bytes)),
        };
        Some(Cow::Owned(path.into_owned().into_bytes()))
    }

    /// The query, as far as it is allowed; `None` if nothing is or there is none.
    fn query(&self, shape: &'a Shape) -> Option<impl Iterator<Item = &'a str>> {
        let (head, bytes) = self.head.filter(|_| !shape.query.is_empty())?;
        redact::query(head.query(bytes)?, &shape.query)
    }

    /// The values of the fields that are allowed, those that it has, and only so much of each.
    fn fields(&self, shape: &'a Shape) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        shape.fields.iter().filter_map(|name| Some((&**name, self.field(name)?)))
    }

    fn field(&self, name: &str) -> Option<&'a [u8]> {
        let (head, bytes) = self.head?;
        let value = head.fields(bytes).named(name.as_bytes()).next()?;
        let value = if name == "referer" { redact::referer(value) } else { value };
        Some(&value[..value.len().min(crate::limits::LOGGED_FIELD_BYTES)])
    }

    /// The value of a field, if it is allowed.
    fn allowed_field(&self, shape: &Shape, name: &str) -> Option<&'a [u8]> {
        shape.fields.iter().any(|allowed| **allowed == *name).then(|| self.field(name)).flatten()
    }

    /// The trace it belongs to, in digits.
    fn trace_id(&self) -> Option<[u8; 32]> {
        let told = || {
            let (head, bytes) = self.head?;
            Parent::of(head.fields(bytes)).map(|parent| parent.trace_id)
        };
        self.trace.or_else(told).map(|id| trace::hex(&id))
    }

    fn version(&self) -> &'static str {
        match self.head.map(|(head, _)| head.version()) {
            Some(Version::Http10) => "HTTP/1.0",
            _ => "HTTP/1.1",
        }
    }
}

/// Appends a whole number.
fn put_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends seconds with six decimals, rounded down.
fn put_seconds(out: &mut Vec<u8>, duration: Duration) {
    match duration.as_secs() {
        0 => out.push(b'0'), // of nearly every request
        seconds => put_number(out, seconds),
    }
    let micros = duration.subsec_micros();
    let [a, b] = two_digits(micros / 10_000);
    let [c, d] = two_digits(micros / 100 % 100);
    let [e, f] = two_digits(micros % 100);
    out.extend_from_slice(&[b'.', a, b, c, d, e, f]);
}

/// The digits of a number below 100.
fn two_digits(number: u32) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

#[cfg(test)]
mod tests;
