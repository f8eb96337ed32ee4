//! What is forwarded: request heads to a server and response heads to a client, written in one pass that copies untouched
//! runs of fields and leaves out what must not pass.
//!
//! Own fields are written after the client's were stripped, so that no nomination and no spelling can remove or forge them.

use std::time::Duration;

use crate::field::{Name, list};
use crate::framing::{self, Framing};
use crate::head::{Field, Fields, RequestHead, ResponseHead, Version};
use crate::method::Method;
use crate::node::Node;
use crate::policy::Policy;
use crate::pool::Server;
use crate::stages::{Stage, Stages};
use crate::template::{BadRendering, Facts};
use crate::trace::TRACEPARENT_BYTES;

/// What the gateway says to a server of its own.
#[derive(Clone, Copy)]
pub struct ToServer<'a> {
    /// The server.
    pub server: &'a Server,
    /// Who connected to us.
    pub peer: Peer<'a>,
    /// Names the request everywhere.
    pub request_id: &'a str,
    /// The protocol that the client may go on in.
    pub upgrade: Option<&'a str>,
    /// Who forwards it.
    pub node: &'a Node,
    /// What is said of its trace instead of what the client says; nothing if it is not traced here.
    pub trace: Option<Traced>,
    /// What its route's policy makes of it; nothing if that leaves it as it is.
    pub shape: Option<Shape<'a>>,
}

/// What a policy makes of a message.
#[derive(Clone, Copy)]
pub struct Shape<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// What its templates are filled in from.
    pub facts: Facts<'a>,
    /// The lines that tell a service who asks.
    pub identity: &'a [u8],
}

/// What a server is told of the trace that a request belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Traced {
    /// The value of the field.
    pub traceparent: [u8; TRACEPARENT_BYTES],
    /// Whether the client's `tracestate` goes with it: it does so only where the client's trace goes on.
    pub keeps_state: bool,
}

/// The other end of a client's connection: the client, or a proxy in front of us.
#[derive(Debug, Clone, Copy)]
pub struct Peer<'a> {
    /// Its address.
    pub address: &'a str,
    /// Whether it is a proxy whose word about its clients is taken.
    pub is_trusted: bool,
}

/// Appends the head of the request as the server gets it.
///
/// # Errors
/// The policy's template for its path makes none of what the request says.
pub fn request(
    out: &mut Vec<u8>,
    head: &RequestHead,
    bytes: &[u8],
    to: ToServer<'_>,
) -> Result<(), BadRendering> {
    let method = head.method(bytes);
    put(out, &[method.name(), " "]);
    put_target(out, head, bytes, to.shape)?;
    out.extend_from_slice(&to.server.version_and_host);
    copy(out, head.fields(bytes), |field, name| match field.known {
        known if to.shape.as_ref().is_some_and(|shape| shape.keeps(known, name)) => true,
        Name::XForwardedHost | Name::XForwardedPort | Name::XForwardedProto => !to.peer.is_trusted,
        Name::MaxForwards if method == Method::Options => true, // written anew
        Name::Traceparent if to.trace.is_some() => true,        // written anew
        Name::Tracestate if to.trace.as_ref().is_some_and(|trace| !trace.keeps_state) => true,
        known => request_drops(known) || nominated(head, name, bytes),
    });
    put(out, &["X-Request-Id: ", to.request_id, "\r\n"]);
    if let Some(trace) = &to.trace {
        put(out, &["traceparent: "]);
        out.extend_from_slice(&trace.traceparent);
        put(out, &["\r\n"]);
    }
    if let Some(shape) = &to.shape {
        out.extend_from_slice(shape.identity);
        shape.policy.request.fields.put(out, shape.facts);
    }
    put_forwarding(out, head, bytes, to.peer, to.shape);
    put(out, &[to.node.via(head.version())]);
    if let Ok(Some(left)) = head.max_forwards(bytes) {
        put_number(out, "Max-Forwards: ", left.saturating_sub(1));
    }
    put_request_framing(out, head.framing(), method);
    match (wants_trailers(head.fields(bytes)), to.upgrade) {
        // RFC 9110 sections 10.1.4 and 7.8: both fields speak of this connection only.
        (true, Some(protocol)) => {
            put(out, &["TE: trailers\r\nUpgrade: ", protocol, "\r\nConnection: te, upgrade\r\n"]);
        }
        (true, None) => out.extend_from_slice(b"TE: trailers\r\nConnection: te\r\n"),
        (false, Some(protocol)) => put(out, &["Upgrade: ", protocol, "\r\nConnection: upgrade\r\n"]),
        (false, None) => {}
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// The path and the query, as they are or as the policy makes them.
fn put_target(
    out: &mut Vec<u8>,
    head: &RequestHead,
    bytes: &[u8],
    shape: Option<Shape<'_>>,
) -> Result<(), BadRendering> {
    let reshape = shape.map(|shape| (&shape.policy.request, shape.facts));
    match reshape.and_then(|(reshape, facts)| Some((reshape.path.as_ref()?, facts))) {
        Some((path, facts)) => drop(path.put(out, facts)?),
        None => put(out, &[head.path(bytes)]),
    }
    match reshape.and_then(|(reshape, facts)| Some((reshape.query.as_ref()?, facts))) {
        Some((query, facts)) => {
            let before = out.len();
            put(out, &["?"]);
            query.put(out, facts)?;
            if out.len() == before + 1 {
                out.truncate(before);
            }
        }
        None => head.query(bytes).into_iter().for_each(|query| put(out, &["?", query])),
    }
    Ok(())
}

impl Shape<'_> {
    /// Whether a field of a request does not pass: a credential, or one that is set anew or removed.
    fn keeps(&self, known: Name, name: &[u8]) -> bool {
        let may_be_ours = matches!(known, Name::Other | Name::Authorization);
        self.policy.request.fields.drops(name) || may_be_ours && self.policy.access.keeps(name)
    }
}

fn wants_trailers(fields: Fields<'_>) -> bool {
    fields.all(Name::Te).flat_map(list).any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

/// Hop-by-hop fields; those written anew; what a client may not say of itself; what a service could take for either.
fn request_drops(known: Name) -> bool {
    let is_ours = matches!(
        known,
        Name::Host
            | Name::Expect // answered here
            | Name::Forwarded
            | Name::XForwardedFor
            | Name::Claim
            | Name::XRequestId
            | Name::Identity
            | Name::Alias
    );
    is_ours || known.is_hop_by_hop()
}

/// Says whom the request is forwarded for: what a trusted peer has said, and what we know of the peer itself.
fn put_forwarding(
    out: &mut Vec<u8>,
    head: &RequestHead,
    bytes: &[u8],
    peer: Peer<'_>,
    shape: Option<Shape<'_>>,
) {
    // What the policy sets is said already, and what it removes is not said at all.
    let is_ruled =
        |name: &str| shape.as_ref().is_some_and(|shape| shape.policy.request.fields.drops(name.as_bytes()));
    let theirs = |known: Name| head.fields(bytes).all(known).filter(move |_| peer.is_trusted);
    let has_said = |known: Name| theirs(known).next().is_some();
    put_members(out, "X-Forwarded-For: ", theirs(Name::XForwardedFor));
    put(out, &[peer.address, "\r\n"]);
    if !has_said(Name::XForwardedProto) && !is_ruled("x-forwarded-proto") {
        put(out, &["X-Forwarded-Proto: http\r\n"]);
    }
    if let Some(authority) =
        head.authority(bytes).filter(|_| !has_said(Name::XForwardedHost) && !is_ruled("x-forwarded-host"))
    {
        put(out, &["X-Forwarded-Host: "]);
        out.extend_from_slice(authority);
        put(out, &["\r\n"]);
    }
    if has_said(Name::Forwarded) {
        put_members(out, "Forwarded: ", theirs(Name::Forwarded));
        put_forwarded_element(out, head.authority(bytes), peer);
    }
}

/// The beginning of a list field, up to where the next member goes.
fn put_members<'a>(out: &mut Vec<u8>, name: &str, values: impl Iterator<Item = &'a [u8]>) {
    put(out, &[name]);
    for value in values.filter(|value| !value.is_empty()) {
        out.extend_from_slice(value);
        put(out, &[", "]);
    }
}

/// Our own element of Forwarded (RFC 7239 section 4). Neither an address nor a valid authority has a quote or a backslash.
fn put_forwarded_element(out: &mut Vec<u8>, authority: Option<&[u8]>, peer: Peer<'_>) {
    match peer.address.contains(':') {
        true => put(out, &["for=\"[", peer.address, "]\""]),
        false => put(out, &["for=", peer.address]),
    }
    if let Some(authority) = authority {
        put(out, &[";host=\""]);
        out.extend_from_slice(authority);
        put(out, &["\""]);
    }
    put(out, &[";proto=http\r\n"]);
}

/// A client may nominate fields of its own, not the credential that a service relies on.
fn nominated(head: &RequestHead, name: &[u8], bytes: &[u8]) -> bool {
    head.nominates(name, bytes) && !name.eq_ignore_ascii_case(b"authorization")
}

fn put_request_framing(out: &mut Vec<u8>, framing: Framing, method: Method<'_>) {
    // RFC 9110 section 8.6: a method that expects content says so when there is none.
    let expects_content = matches!(method, Method::Post | Method::Put | Method::Patch);
    match framing {
        Framing::Length(0) if !expects_content => {}
        Framing::Length(length) => put_length(out, length),
        Framing::Chunked | Framing::UntilClose => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
    }
}

/// What the gateway says to a client of its own.
#[derive(Clone, Copy)]
pub struct ToClient<'a> {
    /// Names the request everywhere.
    pub request_id: &'a str,
    /// For a response without Date.
    pub date: &'a str,
    /// The request's method.
    pub method: Method<'a>,
    /// The client's version.
    pub version: Version,
    /// How the body comes in.
    pub framing: Framing,
    /// Whether the client's connection goes on.
    pub persists: bool,
    /// Where the time went so far, if the client is told.
    pub timing: Option<&'a Stages>,
    /// What else the gateway has to do with it.
    pub own: Own<'a>,
}

/// What the gateway does with an answer beyond passing it on.
#[derive(Clone, Copy, Default)]
pub struct Own<'a> {
    /// Lines that go with whatever answers the request.
    pub lines: &'a [u8],
    /// Whether the gateway says what browsers may do, so that the service does not.
    pub has_cors: bool,
    /// Whether it says how often the client may ask.
    pub has_limits: bool,
    /// The servers of the pool, whose names nobody outside is to see.
    pub servers: &'a [Server],
    /// What the policy makes of it.
    pub shape: Option<Shape<'a>>,
}

/// Appends the head of the response as the client gets it; returns how the body has to be sent.
pub fn response(out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8], to: ToClient<'_>) -> Framing {
    let fields = head.fields(bytes);
    put_status_line(out, head, bytes);
    let own = &to.own;
    copy(out, fields, |field, name| {
        response_drops(field.known)
            || own.concerns(field.known) && own.keeps(field, name, bytes)
            || head.nominates(name, bytes)
    });
    for (known, name) in [(Name::Location, "Location: "), (Name::ContentLocation, "Content-Location: ")] {
        let reference = fields.first(known).filter(|_| !own.rules(name.trim_end_matches(": ").as_bytes()));
        if let Some(outside) = reference.and_then(|value| own.outside(value)) {
            put(out, &[name]);
            out.extend_from_slice(outside);
            put(out, &["\r\n"]);
        }
    }
    if fields.first(Name::Date).is_none() || head.nominates(b"date", bytes) {
        put(out, &["Date: ", to.date, "\r\n"]);
    }
    put(out, &["X-Request-Id: ", to.request_id, "\r\n"]);
    own.put(out);
    to.timing.into_iter().for_each(|stages| put_server_timing(out, stages));
    let framing = client_framing(to);
    match framing {
        _ if head.status() == 204 => {}
        Framing::Length(0) if to.method == Method::Head || head.status() == 304 => {
            // The length a GET would have had (RFC 9110 section 9.3.2).
            framing::stated_length(fields).into_iter().for_each(|length| put_length(out, length));
        }
        Framing::Length(length) => put_length(out, length),
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::UntilClose => {}
    }
    match (to.version, to.persists && framing != Framing::UntilClose) {
        (_, false) => out.extend_from_slice(b"Connection: close\r\n"),
        (Version::Http10, true) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        (Version::Http11, true) => {}
    }
    out.extend_from_slice(b"\r\n");
    framing
}

impl Own<'_> {
    /// Whether anything is to be decided about a field: about most there is nothing.
    fn concerns(&self, known: Name) -> bool {
        use Name::{AccessControl, ContentLocation, Location, RateLimit};
        self.shape.is_some() || matches!(known, AccessControl | ContentLocation | Location | RateLimit)
    }

    /// Whether a field of an answer does not pass as it is.
    #[inline(never)]
    fn keeps(&self, field: &Field, name: &[u8], bytes: &[u8]) -> bool {
        let is_ruled = self.rules(name);
        match field.known {
            Name::AccessControl => is_ruled || self.has_cors,
            Name::RateLimit => is_ruled || self.has_limits,
            Name::Location | Name::ContentLocation => {
                is_ruled || self.outside(field.value.of(bytes)).is_some()
            }
            _ => is_ruled,
        }
    }

    /// Whether the policy sets or removes a field.
    fn rules(&self, name: &[u8]) -> bool {
        self.shape.as_ref().is_some_and(|shape| shape.policy.response.drops(name))
    }

    /// Appends what the gateway says of its own accord.
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.lines);
        if let Some(shape) = &self.shape {
            shape.policy.response.put(out, shape.facts);
        }
    }

    /// What a reference says to the outside, if it names one of our servers: path and query, which mean the same here (RFC 3986
    /// section 5.2). `None` if it may stay as it is.
    fn outside<'a>(&self, reference: &'a [u8]) -> Option<&'a [u8]> {
        let is_of_scheme = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let scheme = reference.iter().take_while(is_of_scheme).count();
        let authority = match &reference[scheme..] {
            [b':', b'/', b'/', ..] if scheme > 0 => scheme + 3,
            [b'/', b'/', ..] if scheme == 0 => 2,
            _ => return None,
        };
        let rest = &reference[authority..];
        let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
        let host = rest[..end].rsplit(|byte| *byte == b'@').next().unwrap_or_default();
        let is_ours = self.servers.iter().any(|server| server.is_called(host));
        match &rest[end..] {
            _ if !is_ours => None,
            // All of it would read as another host, to browsers that take a backslash for a slash, too.
            [b'/', b'/' | b'\\' | b'\t', ..] => Some(b"/"),
            path @ [b'/', ..] => Some(path),
            _ => Some(b"/"),
        }
    }
}

/// Appends what the client may know of where the time went, up to now (W3C Server Timing, in milliseconds): in the gateway
/// itself, for a connection to a server, for that server's answer.
pub(crate) fn put_server_timing(out: &mut Vec<u8>, stages: &Stages) {
    out.extend_from_slice(b"Server-Timing: ");
    let spent = |stage| stages.spent(stage);
    put_milliseconds(out, "gateway;dur=", spent(Stage::Policy));
    put_milliseconds(out, ", connect;dur=", spent(Stage::Queue) + spent(Stage::Connect));
    put_milliseconds(out, ", upstream;dur=", spent(Stage::FirstByte));
    out.extend_from_slice(b"\r\n");
}

fn put_milliseconds(out: &mut Vec<u8>, name: &str, duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let thousandths = [micros / 100, micros / 10, micros].map(|digits| b'0' + (digits % 10) as u8);
    put(out, &[name, itoa::Buffer::new().format(micros / 1000), "."]);
    out.extend_from_slice(&thousandths);
}

/// Appends the 101 by which the connection goes on in `protocol` (RFC 9110 section 15.2.2).
pub fn switching(
    out: &mut Vec<u8>,
    head: &ResponseHead,
    bytes: &[u8],
    protocol: &str,
    request_id: &str,
    own: Own<'_>,
) {
    put_status_line(out, head, bytes);
    copy(out, head.fields(bytes), |field, name| {
        response_drops(field.known)
            || own.concerns(field.known) && own.keeps(field, name, bytes)
            || head.nominates(name, bytes)
    });
    own.put(out);
    put(out, &["X-Request-Id: ", request_id, "\r\nUpgrade: ", protocol, "\r\nConnection: upgrade\r\n\r\n"]);
}

/// Appends an interim response (RFC 9110 section 15.2), which has no body and ends nothing.
pub fn interim(out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8]) {
    put_status_line(out, head, bytes);
    copy(out, head.fields(bytes), |field, name| response_drops(field.known) || head.nominates(name, bytes));
    out.extend_from_slice(b"\r\n");
}

fn response_drops(known: Name) -> bool {
    known == Name::XRequestId || known.is_hop_by_hop()
}

/// A body of unknown length is chunked for HTTP/1.1, and ends with the connection for HTTP/1.0 (RFC 9112 section 6.1).
fn client_framing(to: ToClient<'_>) -> Framing {
    match (to.framing, to.version) {
        (Framing::Length(length), _) => Framing::Length(length),
        (_, Version::Http11) => Framing::Chunked,
        (_, Version::Http10) => Framing::UntilClose,
    }
}

fn put_status_line(out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8]) {
    let status = head.status();
    let digits = [status / 100, status / 10 % 10, status % 10].map(|digit| b'0' + digit as u8);
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(&digits);
    out.push(b' ');
    out.extend_from_slice(head.reason(bytes));
    out.extend_from_slice(b"\r\n");
}

/// Trailers that may pass on: not framing, routing, credentials or anything else that has to be known before the body
/// (RFC 9110 section 6.5.1). `None` if they are not field lines at all.
pub fn trailers(out: &mut Vec<u8>, section: &[u8]) -> Option<()> {
    let mut space = [httparse::EMPTY_HEADER; crate::limits::FIELDS];
    let mut text = section.to_vec();
    text.extend_from_slice(b"\r\n");
    let httparse::Status::Complete((_, fields)) = httparse::parse_headers(&text, &mut space).ok()? else {
        return None;
    };
    for field in fields {
        let known = Name::of(field.name.as_bytes());
        let has_to_come_first =
            ["authorization", "cookie", "set-cookie", "content-type", "content-encoding", "content-range"];
        if known == Name::Other && !has_to_come_first.iter().any(|name| field.name.eq_ignore_ascii_case(name))
        {
            put(out, &[field.name, ": "]);
            out.extend_from_slice(field.value);
            out.extend_from_slice(b"\r\n");
        }
    }
    Some(())
}

/// Copies the field lines that `drops` does not name, in runs as long as possible, byte for byte.
fn copy(out: &mut Vec<u8>, fields: Fields<'_>, drops: impl Fn(&Field, &[u8]) -> bool) {
    let mut run = fields.line_start(0);
    for (index, field) in fields.lines.iter().enumerate() {
        if drops(field, field.name.of(fields.bytes)) {
            out.extend_from_slice(&fields.bytes[run..field.name.start()]);
            run = fields.line_start(index + 1);
        }
    }
    out.extend_from_slice(&fields.bytes[run..fields.line_start(fields.lines.len())]);
}

fn put(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

fn put_length(out: &mut Vec<u8>, length: u64) {
    put_number(out, "Content-Length: ", length);
}

fn put_number(out: &mut Vec<u8>, name: &str, number: u64) {
    put(out, &[name, itoa::Buffer::new().format(number), "\r\n"]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerance::Tolerance;

    fn forwarded(text: &str) -> String {
        forwarded_for(text, Peer { address: "9.9.9.9", is_trusted: false })
    }

    fn forwarded_for(text: &str, peer: Peer<'_>) -> String {
        forwarded_in(text, peer, None)
    }

    fn forwarded_in(text: &str, peer: Peer<'_>, trace: Option<Traced>) -> String {
        let mut head = RequestHead::default();
        head.parse(text.as_bytes(), Tolerance::NONE).unwrap();
        let mut out = Vec::new();
        request(
            &mut out,
            &head,
            text.as_bytes(),
            ToServer {
                server: &Server::new("s:1", ([127, 0, 0, 1], 1).into()),
                peer,
                request_id: "id",
                upgrade: None,
                node: &Node::new("ringgate").unwrap(),
                trace,
                shape: None,
            },
        )
        .unwrap();
        String::from_utf8(out).unwrap()
    }

    const OWN: &str = "X-Request-Id: id\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n\
                       Via: 1.1 ringgate\r\n";

    #[test]
    fn a_request_keeps_its_fields_in_order_and_gets_ours() {
        let text = "GET /a?b HTTP/1.1\r\nHost: h\r\nA:  1 \r\nCookie: c\r\nA: 2\r\n\r\n";
        assert_eq!(
            forwarded(text),
            format!("GET /a?b HTTP/1.1\r\nHost: s:1\r\nA:  1 \r\nCookie: c\r\nA: 2\r\n{OWN}\r\n")
        );
    }

    #[test]
    fn what_a_client_must_not_say_does_not_pass() {
        let fields = "Connection: close, X-Own, Authorization\r\nX-Own: 1\r\nKeep-Alive: 1\r\nX-Forwarded-For: 1.1.1.1\r\n\
                      x_forwarded_for: 2\r\nContent_Length: 5\r\nForwarded: for=1\r\nX-Request-Id: forged\r\nTE: gzip\r\n\
                      Upgrade: h2c\r\nProxy-Authorization: p\r\nExpect: 100-continue\r\nAuthorization: a\r\n";
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        assert_eq!(forwarded(&text), format!("GET / HTTP/1.1\r\nHost: s:1\r\nAuthorization: a\r\n{OWN}\r\n"));
    }

    #[test]
    fn an_absolute_target_replaces_host_and_the_normal_path_is_sent() {
        let text = "GET http://h/a/%2e%2e/%62 HTTP/1.1\r\nHost: other\r\n\r\n";
        assert_eq!(forwarded(text), format!("GET /b HTTP/1.1\r\nHost: s:1\r\n{OWN}\r\n"));
    }

    #[test]
    fn a_trace_that_is_recorded_here_replaces_what_the_client_says_of_it() {
        let text =
            "GET / HTTP/1.1\r\nHost: h\r\nTraceParent: a\r\nX: 1\r\ntraceparent: b\r\nTracestate: c\r\n\r\n";
        let peer = Peer { address: "9.9.9.9", is_trusted: false };
        let traced = |keeps_state| Traced { traceparent: [b'7'; TRACEPARENT_BYTES], keeps_state };
        let (id, rest) = OWN.split_at("X-Request-Id: id\r\n".len());
        for (trace, kept, own) in [
            (None, "TraceParent: a\r\nX: 1\r\ntraceparent: b\r\nTracestate: c\r\n", String::new()),
            (Some(traced(true)), "X: 1\r\nTracestate: c\r\n", format!("traceparent: {}\r\n", "7".repeat(55))),
            (Some(traced(false)), "X: 1\r\n", format!("traceparent: {}\r\n", "7".repeat(55))),
        ] {
            let expected = format!("GET / HTTP/1.1\r\nHost: s:1\r\n{kept}{id}{own}{rest}\r\n");
            assert_eq!(forwarded_in(text, peer, trace), expected);
        }
    }

    #[test]
    fn framing_is_written_anew() {
        let body = |fields: &str, method: &str| {
            let text = forwarded(&format!("{method} / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"));
            text.split_once("ringgate\r\n").unwrap().1.to_string()
        };
        assert_eq!(body("", "GET"), "\r\n");
        assert_eq!(body("", "POST"), "Content-Length: 0\r\n\r\n");
        assert_eq!(body("Content-Length: 5, 5\r\n", "GET"), "Content-Length: 5\r\n\r\n");
        assert_eq!(body("Transfer-Encoding: CHUNKED\r\n", "DELETE"), "Transfer-Encoding: chunked\r\n\r\n");
    }

    #[test]
    fn what_a_trusted_proxy_says_is_kept_and_added_to() {
        let said = "Connection: x-forwarded-proto, forwarded\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: e\r\n\
                    X-Forwarded-Port: 443\r\n";
        let chains = "X-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\nX-Forwarded-For:\r\n\
                      X-Forwarded-For: 2.2.2.2, 3.3.3.3\r\nForwarded: for=2.2.2.2\r\nX-Real-IP: 1.1.1.1\r\n";
        let text = format!("GET / HTTP/1.1\r\nHost: h:80\r\n{said}{chains}\r\n");
        let kept = said.split_once("\r\n").unwrap().1;
        for (address, element) in [("9.9.9.9", "for=9.9.9.9"), ("::1", "for=\"[::1]\"")] {
            let expected = format!(
                "GET / HTTP/1.1\r\nHost: s:1\r\n{kept}X-Request-Id: id\r\n\
                 X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, {address}\r\n\
                 Forwarded: for=1.1.1.1, for=2.2.2.2, {element};host=\"h:80\";proto=http\r\nVia: 1.1 ringgate\r\n\r\n"
            );
            assert_eq!(forwarded_for(&text, Peer { address, is_trusted: true }), expected);
        }
    }

    #[test]
    fn a_trusted_proxy_that_says_nothing_is_a_client() {
        let text = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        assert_eq!(forwarded_for(text, Peer { address: "9.9.9.9", is_trusted: true }), forwarded(text));
    }

    #[test]
    fn max_forwards_counts_down_on_options_only() {
        for (method, sent, expected) in [
            ("OPTIONS", "5", "4"),
            ("OPTIONS", "007", "6"),
            ("OPTIONS", "99999999999999999999", "18446744073709551614"),
            ("GET", "5", "5"),
            ("GET", "x", "x"),
        ] {
            let text = forwarded(&format!("{method} / HTTP/1.1\r\nHost: h\r\nMax-Forwards: {sent}\r\n\r\n"));
            assert!(text.contains(&format!("\r\nMax-Forwards: {expected}\r\n")), "{text}");
            assert_eq!(text.matches("Max-Forwards").count(), 1, "{text}");
        }
    }

    #[test]
    fn what_came_by_http_1_0_says_so() {
        assert!(forwarded("GET / HTTP/1.0\r\n\r\n").contains("\r\nVia: 1.0 ringgate\r\n"));
    }

    fn returned(text: &str, method: Method<'_>, version: Version, persists: bool) -> (String, Framing) {
        let mut head = ResponseHead::default();
        head.parse(text.as_bytes()).unwrap();
        let framing = head.framing(method, text.as_bytes()).unwrap();
        let mut out = Vec::new();
        let to = ToClient {
            request_id: "id",
            date: "now",
            method,
            version,
            framing,
            persists,
            timing: None,
            own: Own::default(),
        };
        let framing = response(&mut out, &head, text.as_bytes(), to);
        (String::from_utf8(out).unwrap(), framing)
    }

    #[test]
    fn a_response_keeps_its_fields_and_is_framed_for_the_client() {
        let cases = [
            ("Content-Length: 5\r\n", Version::Http11, true, "Content-Length: 5\r\n", Framing::Length(5)),
            (
                "Content-Length: 5\r\n",
                Version::Http11,
                false,
                "Content-Length: 5\r\nConnection: close\r\n",
                Framing::Length(5),
            ),
            (
                "Content-Length: 5\r\n",
                Version::Http10,
                true,
                "Content-Length: 5\r\nConnection: keep-alive\r\n",
                Framing::Length(5),
            ),
            (
                "Transfer-Encoding: chunked\r\n",
                Version::Http11,
                true,
                "Transfer-Encoding: chunked\r\n",
                Framing::Chunked,
            ),
            (
                "Transfer-Encoding: chunked\r\n",
                Version::Http10,
                true,
                "Connection: close\r\n",
                Framing::UntilClose,
            ),
            ("", Version::Http11, true, "Transfer-Encoding: chunked\r\n", Framing::Chunked),
            ("", Version::Http10, true, "Connection: close\r\n", Framing::UntilClose),
        ];
        for (fields, version, persists, own, framing) in cases {
            let text = format!(
                "HTTP/1.1 200 Fine\r\nA: 1\r\n{fields}Date: d\r\nKeep-Alive: 5\r\nX-Request-Id: u\r\n\r\n"
            );
            let expected = format!("HTTP/1.1 200 Fine\r\nA: 1\r\nDate: d\r\nX-Request-Id: id\r\n{own}\r\n");
            assert_eq!(
                returned(&text, Method::Get, version, persists),
                (expected, framing),
                "{fields} {version:?}"
            );
        }
    }

    #[test]
    fn responses_without_a_body_say_no_more_than_they_may() {
        let length = "Content-Length: 5\r\n";
        for (status, method, kept) in
            [(200, Method::Head, length), (304, Method::Get, length), (204, Method::Get, "")]
        {
            let text = format!("HTTP/1.1 {status} \r\nDate: d\r\n{length}\r\n");
            let expected = format!("HTTP/1.1 {status} \r\nDate: d\r\nX-Request-Id: id\r\n{kept}\r\n");
            assert_eq!(
                returned(&text, method, Version::Http11, true),
                (expected, Framing::EMPTY),
                "{status}"
            );
        }
    }

    #[test]
    fn a_missing_date_is_added() {
        let (text, _) =
            returned("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Method::Get, Version::Http11, true);
        assert!(text.contains("\r\nDate: now\r\n"), "{text}");
    }

    #[test]
    fn trailers_pass_unless_they_have_to_come_first() {
        let mut out = Vec::new();
        let section = b"Checksum: 1\r\nContent-Length: 5\r\nHost: h\r\nAuthorization: a\r\nX-B:2\r\n";
        assert_eq!(trailers(&mut out, section), Some(()));
        assert_eq!(String::from_utf8(out).unwrap(), "Checksum: 1\r\nX-B: 2\r\n");
        assert_eq!(trailers(&mut Vec::new(), b"no field\r\n"), None);
    }
}
