//! Text with holes: fields, paths and queries that are made from a request.
//!
//! Owns: the language of templates, and how each of their values is made harmless where it goes. No value can end a line, leave its
//! segment of a path or add a parameter to a query: it is encoded for the place it stands in, whatever it says.
//! Refuses: a variable that there is not, and a path that is not in normal form once it is filled in (a `..` from a claim).

use std::borrow::Cow;

use crate::caller::{self, Caller};
use crate::field::trim;
use crate::head::RequestHead;
use crate::route::Pattern;
use crate::target;
use crate::tolerance::Tolerance;

/// What a template makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The value of a field.
    Field,
    /// A path, which begins with `/`.
    Path,
    /// A query, without the `?`.
    Query,
}

/// Text with holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    kind: Kind,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Value(Variable, Option<Box<str>>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Variable {
    /// A segment of the path, by the name of the route's parameter,
    Parameter(Box<str>),
    /// or all that is below the route's prefix.
    Below,
    Path,
    Query,
    /// The first value of a parameter in the query.
    QueryParameter(Box<str>),
    Field(Box<str>),
    User,
    Claim(Vec<Box<str>>),
    RequestId,
    Client,
    Host,
    Method,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadTemplate {
    /// There is no such variable.
    Variable(Box<str>),
    /// The route has no parameter of that name.
    Parameter(Box<str>),
    /// A brace that neither begins nor ends a variable.
    Braces,
    /// Text that cannot stand where it is to go.
    Text,
}

/// What it is filled in from.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The request,
    pub head: &'a RequestHead,
    /// and its bytes.
    pub bytes: &'a [u8],
    /// The paths of its route.
    pub pattern: &'a Pattern,
    /// Who asks, if that is known.
    pub caller: Option<&'a Caller>,
    /// What it is called.
    pub request_id: &'a str,
    /// Where it comes from.
    pub client: &'a str,
}

/// What was filled in cannot be sent: no path in normal form came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadRendering;

/// Bytes that a value may have; a longer one is none, since a part of it is something else.
const VALUE_BYTES: usize = 4096;

impl Template {
    /// Reads `text {variable} {variable|default}`; `{{` and `}}` are braces. The variables: `path.NAME`, `path.*`, `path`, `query`,
    /// `query.NAME`, `header.NAME`, `user`, `claim.NAME`, `request_id`, `client`, `host`, `method`.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str, kind: Kind) -> Result<Template, BadTemplate> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(place) = rest.find(['{', '}']) {
            plain.push_str(&rest[..place]);
            let brace = &rest[place..place + 1];
            rest = &rest[place + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let (inner, after) = rest.split_once('}').filter(|_| brace == "{").ok_or(BadTemplate::Braces)?;
            parts.extend(text_part(&mut plain));
            let (name, default) =
                inner.split_once('|').map_or((inner, None), |(name, default)| (name, Some(default)));
            let variable = Variable::parse(name).ok_or_else(|| BadTemplate::Variable(name.into()))?;
            parts.push(Part::Value(variable, default.map(Box::from)));
            rest = after;
        }
        plain.push_str(rest);
        parts.extend(text_part(&mut plain));
        let template = Template { kind, parts };
        template.texts().all(|text| kind.takes(text)).then_some(()).ok_or(BadTemplate::Text)?;
        match kind == Kind::Path && !text.starts_with('/') {
            true => Err(BadTemplate::Text),
            false => Ok(template),
        }
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(&**text),
            Part::Value(_, default) => default.as_deref(),
        })
    }

    /// Whether the route has all parameters that it names.
    ///
    /// # Errors
    /// It has not.
    pub fn check(&self, pattern: &Pattern) -> Result<(), BadTemplate> {
        let has = |name: &str| pattern.parameters().any(|(_, own)| own == name);
        let missing = self.parts.iter().find_map(|part| match part {
            Part::Value(Variable::Parameter(name), _) if !has(name) => Some(name.clone()),
            Part::Value(Variable::Below, _) if pattern.below().is_none() => Some("*".into()),
            _ => None,
        });
        missing.map_or(Ok(()), |name| Err(BadTemplate::Parameter(name)))
    }

    /// Appends it, filled in. Whether there is anything: a template that is one variable without a value says nothing at all.
    ///
    /// # Errors
    /// It is a path, and what came of it is none in normal form.
    pub fn put(&self, out: &mut Vec<u8>, facts: Facts<'_>) -> Result<bool, BadRendering> {
        let before = out.len();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Value(variable, default) => {
                    let value = variable.value(facts).filter(|value| value.len() <= variable.most_bytes());
                    match (value, default) {
                        (Some(value), _) => self.put_value(out, variable, &value),
                        (None, Some(default)) => out.extend_from_slice(default.as_bytes()),
                        (None, None) if self.kind == Kind::Path => return Err(BadRendering), // it would be another path
                        (None, None) if self.parts.len() == 1 => return Ok(false),
                        (None, None) => {}
                    }
                }
            }
        }
        if self.kind == Kind::Path {
            let normal = target::normalise(&out[before..], Tolerance::ALL);
            if !normal.is_ok_and(|normal| *normal == out[before..]) {
                return Err(BadRendering);
            }
        }
        Ok(true)
    }

    fn put_value(&self, out: &mut Vec<u8>, variable: &Variable, value: &[u8]) {
        match (self.kind, variable) {
            // Of the request's own target: they are in the form in which it is forwarded.
            (Kind::Path, Variable::Path) if out.ends_with(b"/") => {
                out.extend_from_slice(value.strip_prefix(b"/").unwrap_or(value));
            }
            (Kind::Path, Variable::Path) => out.extend_from_slice(value),
            (Kind::Path, Variable::Below | Variable::Parameter(_)) | (Kind::Query, Variable::Query) => {
                out.extend_from_slice(value);
            }
            (Kind::Path | Kind::Query, _) => put_encoded(out, value),
            (Kind::Field, _) => out.extend(trim(value).iter().filter(|byte| is_harmless(**byte))),
        }
    }
}

fn text_part(plain: &mut String) -> Option<Part> {
    (!plain.is_empty()).then(|| Part::Text(std::mem::take(plain).into()))
}

/// Whether a byte can stand in a field's value and ends nothing (RFC 9110 section 5.5).
fn is_harmless(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f
}

impl Kind {
    /// Whether text can stand there as it is.
    fn takes(self, text: &str) -> bool {
        let is_visible = |byte: u8| byte.is_ascii_graphic();
        match self {
            Kind::Field => text.bytes().all(is_harmless),
            Kind::Path => text.bytes().all(|byte| is_visible(byte) && !b"?#".contains(&byte)),
            Kind::Query => text.bytes().all(|byte| is_visible(byte) && byte != b'#'),
        }
    }
}

/// Everything but unreserved characters becomes `%XX` (RFC 3986 section 2.3), so that it is one segment or one value.
fn put_encoded(out: &mut Vec<u8>, value: &[u8]) {
    for byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(*byte);
        } else {
            let digit = |value: u8| if value < 10 { b'0' + value } else { b'A' + value - 10 };
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

impl Variable {
    /// What comes from the target is as long as a target may be.
    fn most_bytes(&self) -> usize {
        match self {
            Variable::Path | Variable::Below | Variable::Query | Variable::Parameter(_) => {
                crate::limits::TARGET_BYTES
            }
            _ => VALUE_BYTES,
        }
    }

    fn parse(name: &str) -> Option<Variable> {
        let named = |prefix: &str| name.strip_prefix(prefix).filter(|rest| !rest.is_empty());
        Some(match name {
            "path" => Variable::Path,
            "path.*" => Variable::Below,
            "query" => Variable::Query,
            "user" => Variable::User,
            "request_id" => Variable::RequestId,
            "client" => Variable::Client,
            "host" => Variable::Host,
            "method" => Variable::Method,
            _ => {
                if let Some(name) = named("path.") {
                    Variable::Parameter(name.into())
                } else if let Some(name) = named("query.") {
                    Variable::QueryParameter(name.into())
                } else if let Some(name) = named("header.") {
                    Variable::Field(name.into())
                } else {
                    Variable::Claim(caller::path(named("claim.")?)?)
                }
            }
        })
    }

    fn value<'a>(&'a self, facts: Facts<'a>) -> Option<Cow<'a, [u8]>> {
        let Facts { head, bytes, pattern, caller, .. } = facts;
        let text = |text: &'a str| Some(Cow::Borrowed(text.as_bytes()));
        match self {
            Variable::Path => text(head.path(bytes)),
            Variable::Parameter(name) => {
                let place = pattern.parameters().find(|(_, own)| own == &&**name)?.0;
                text(head.path(bytes)[1..].split('/').nth(place)?)
            }
            Variable::Below => text(below(head.path(bytes), pattern.below()?)),
            Variable::Query => text(head.query(bytes)?),
            Variable::QueryParameter(name) => query_value(head.query(bytes)?, name),
            Variable::Field(name) => head.fields(bytes).named(name.as_bytes()).next().map(Cow::Borrowed),
            Variable::User => text(&caller?.user),
            Variable::Claim(path) => caller?.claim(path).map(|claim| match claim {
                Cow::Borrowed(claim) => Cow::Borrowed(claim.as_bytes()),
                Cow::Owned(claim) => Cow::Owned(claim.into_bytes()),
            }),
            Variable::RequestId => text(facts.request_id),
            Variable::Client => text(facts.client),
            Variable::Host => {
                head.authority(bytes).map(|authority| Cow::Borrowed(target::host_name(authority)))
            }
            Variable::Method => text(head.method(bytes).name()),
        }
    }
}

/// What is left of a path behind so many segments.
fn below(path: &str, segments: usize) -> &str {
    let mut rest = &path[1..];
    for _ in 0..segments {
        rest = rest.split_once('/').map_or("", |(_, rest)| rest);
    }
    rest
}

/// The first value of a name in a query, decoded as forms are (`+` is a space).
fn query_value<'a>(query: &'a str, name: &str) -> Option<Cow<'a, [u8]>> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let value = pairs.into_iter().find(|(key, _)| *decoded(key) == *name.as_bytes())?.1;
    Some(decoded(value))
}

fn decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text.as_bytes());
    }
    let (bytes, mut out, mut place) = (text.as_bytes(), Vec::new(), 0);
    while place < bytes.len() {
        let digits = bytes.get(place + 1..place + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped =
            digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| bytes[place] == b'%');
        out.push(escaped.unwrap_or(if bytes[place] == b'+' { b' ' } else { bytes[place] }));
        place += if escaped.is_some() { 3 } else { 1 };
    }
    Cow::Owned(out)
}

/// What becomes of the fields of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transform {
    set: Vec<(Box<str>, Template)>,
    /// Names of what is set, which replaces what was there, and of what is removed; in lower case.
    dropped: Vec<Box<str>>,
}

impl Transform {
    /// These are set, and these removed.
    pub fn new(set: Vec<(Box<str>, Template)>, removed: impl IntoIterator<Item = Box<str>>) -> Transform {
        let names = set.iter().map(|(name, _)| name.clone()).chain(removed);
        Transform { dropped: names.map(|name| name.to_ascii_lowercase().into()).collect(), set }
    }

    /// The same, and after it another one, which has the last word.
    pub fn then(&self, other: &Transform) -> Transform {
        let is_overruled = |name: &str| other.drops(name.as_bytes());
        let own = self.set.iter().filter(|(name, _)| !is_overruled(name)).cloned();
        let mut dropped = self.dropped.clone();
        dropped.extend(other.dropped.iter().filter(|name| !self.dropped.contains(name)).cloned());
        Transform { set: own.chain(other.set.iter().cloned()).collect(), dropped }
    }

    /// Whether it leaves everything as it is.
    pub fn is_none(&self) -> bool {
        self.dropped.is_empty()
    }

    /// Whether a field of this name does not pass as it is, in whatever spelling: some services take `_` and `.` for `-`.
    pub fn drops(&self, name: &[u8]) -> bool {
        !self.dropped.is_empty() && self.dropped.iter().any(|own| is_spelling_of(name, own))
    }

    /// Appends the lines of what it sets.
    pub fn put(&self, out: &mut Vec<u8>, facts: Facts<'_>) {
        for (name, template) in &self.set {
            let before = out.len();
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            match template.put(out, facts) {
                Ok(true) => out.extend_from_slice(b"\r\n"),
                _ => out.truncate(before),
            }
        }
    }

    /// Its templates.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.set.iter().map(|(_, template)| template)
    }

    /// The names that it sets, and all that do not pass.
    pub fn names(&self) -> (impl Iterator<Item = &str>, &[Box<str>]) {
        (self.set.iter().map(|(name, _)| &**name), &self.dropped)
    }
}

/// Whether two names are the same to a service that folds separators; `known` is in lower case.
pub fn is_spelling_of(name: &[u8], known: &str) -> bool {
    let plain = |byte: u8| if matches!(byte, b'_' | b'.') { b'-' } else { byte.to_ascii_lowercase() };
    name.len() == known.len()
        && name.iter().zip(known.bytes()).all(|(byte, known)| plain(*byte) == plain(known))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(
        text: &str,
        kind: Kind,
        target: &str,
        pattern: &Pattern,
        caller: Option<&Caller>,
    ) -> Result<Option<String>, BadRendering> {
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: api.example.com:8080\r\nX-Odd: \u{e9}\ttab\r\n\r\n");
        let mut head = RequestHead::default();
        head.parse(request.as_bytes(), Tolerance::NONE).unwrap();
        let facts = Facts {
            head: &head,
            bytes: request.as_bytes(),
            pattern,
            caller,
            request_id: "id",
            client: "9.9.9.9",
        };
        let mut out = Vec::new();
        let is_said = Template::parse(text, kind).unwrap().put(&mut out, facts)?;
        Ok(is_said.then(|| String::from_utf8(out).unwrap()))
    }

    fn caller() -> Caller {
        let serde_json::Value::Object(claims) = json!({
            "tenant": "acme", "evil": "a\r\nX-Admin: 1\u{0}", "up": "../..", "slash": "a/b?c#d", "amp": "1&admin=2", "n": 7,
        }) else {
            panic!("an object")
        };
        Caller { claims, ..Caller::named("12345") }
    }

    #[test]
    fn holes_are_filled_from_the_request() {
        let (caller, pattern) = (caller(), Pattern::prefix("/v1/{id}").unwrap());
        let field = |text: &str| {
            filled(text, Kind::Field, "/v1/7/a/b?x=1&y=%C3%A9+z&x=2", &pattern, Some(&caller)).unwrap()
        };
        for (text, expected) in [
            ("{user}", Some("12345")),
            ("u-{user}-{claim.tenant}", Some("u-12345-acme")),
            ("{path.id} {path.*} {path} {query}", Some("7 a/b /v1/7/a/b x=1&y=%C3%A9+z&x=2")),
            ("{query.x} {query.y}", Some("1 \u{e9} z")),
            ("{header.x-odd}", Some("\u{e9}tab")),
            ("{request_id} {client} {host} {method}", Some("id 9.9.9.9 api.example.com GET")),
            ("{claim.none}", None),
            ("{claim.none|nobody}", Some("nobody")),
            ("a{claim.none}b", Some("ab")),
            ("{{user}} {claim.n}", Some("{user} 7")),
            ("{claim.evil}", Some("aX-Admin: 1")),
        ] {
            assert_eq!(field(text).as_deref(), expected, "{text}");
        }
        assert_eq!(filled("{user}", Kind::Field, "/v1/7", &pattern, None), Ok(None));
    }

    #[test]
    fn no_value_leaves_its_place() {
        let (caller, pattern) = (caller(), Pattern::prefix("/v1/{id}").unwrap());
        let fill = |text: &str, kind| filled(text, kind, "/v1/7/a%2Fb", &pattern, Some(&caller));
        for (text, kind, expected) in [
            ("/v2/{path.id}/{path.*}", Kind::Path, Ok("/v2/7/a%2Fb")),
            ("/t/{claim.slash}", Kind::Path, Ok("/t/a%2Fb%3Fc%23d")),
            ("/t/{claim.up}/x", Kind::Path, Err(BadRendering)),
            ("/{path}", Kind::Path, Ok("/v1/7/a%2Fb")),
            ("/v2{path}", Kind::Path, Ok("/v2/v1/7/a%2Fb")),
            ("/t/{claim.none}", Kind::Path, Err(BadRendering)), // the whole of what is below
            ("/t/{claim.up|x}x/..", Kind::Path, Err(BadRendering)),
            ("/t/{claim.none}/x", Kind::Path, Err(BadRendering)), // a segment that is empty
            ("q={claim.amp}&u={user}", Kind::Query, Ok("q=1%26admin%3D2&u=12345")),
            ("q={claim.evil}", Kind::Query, Ok("q=a%0D%0AX-Admin%3A%201%00")),
        ] {
            let expected = expected.map(|text| Some(text.to_owned()));
            assert_eq!(fill(text, kind), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for (text, kind, expected) in [
            ("{nothing}", Kind::Field, BadTemplate::Variable("nothing".into())),
            ("{claim.}", Kind::Field, BadTemplate::Variable("claim.".into())),
            ("{claim.a..b}", Kind::Field, BadTemplate::Variable("claim.a..b".into())),
            ("{user", Kind::Field, BadTemplate::Braces),
            ("user}", Kind::Field, BadTemplate::Braces),
            ("a\r\nb", Kind::Field, BadTemplate::Text),
            ("{user|a\nb}", Kind::Field, BadTemplate::Text),
            ("v2/{path.*}", Kind::Path, BadTemplate::Text),
            ("/a?b", Kind::Path, BadTemplate::Text),
            ("/a b", Kind::Path, BadTemplate::Text),
            ("a=b#c", Kind::Query, BadTemplate::Text),
        ] {
            assert_eq!(Template::parse(text, kind), Err(expected), "{text}");
        }
        let template = Template::parse("{path.id}{path.*}", Kind::Field).unwrap();
        assert_eq!(template.check(&Pattern::prefix("/{id}").unwrap()), Ok(()));
        assert_eq!(
            template.check(&Pattern::exact("/{id}").unwrap()),
            Err(BadTemplate::Parameter("*".into()))
        );
        assert_eq!(
            template.check(&Pattern::prefix("/{x}").unwrap()),
            Err(BadTemplate::Parameter("id".into()))
        );
    }

    #[test]
    fn what_is_set_or_removed_does_not_pass_in_any_spelling() {
        let set = |name: &str| vec![(name.into(), Template::parse("1", Kind::Field).unwrap())];
        let first = Transform::new(set("X-A"), ["X-Old".into()]);
        for (name, drops) in [("x-a", true), ("X_A", true), ("X.OLD", true), ("x-ab", false), ("x", false)] {
            assert_eq!(first.drops(name.as_bytes()), drops, "{name}");
        }
        let both = first.then(&Transform::new(set("x-b"), ["x-a".into()]));
        assert_eq!(both.names().0.collect::<Vec<_>>(), ["x-b"], "the last word");
        assert!(both.drops(b"x-a") && both.drops(b"x-old") && both.drops(b"x-b"));
    }
}
