//! Who asks: an identity that has been proved, what it may do, and how services are told.
//!
//! Owns: roles, scopes and claims of a caller, the fields by which a service learns of them ([`Identity`]) and what a route
//! asks of a caller ([`Requirement`]).
//! Refuses: to tell a service anything that could be read as more than it is. A control character, or a comma inside one member
//! of a list, is escaped.
//! Assumes: whoever makes a [`Caller`] has checked the credential.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Claims by name (RFC 7519 section 4).
pub type Claims = Map<String, Value>;

/// Somebody who has proved who they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// What limits, logs and services call them.
    pub user: Box<str>,
    /// What they are.
    pub roles: Vec<Box<str>>,
    /// What they may do, or what was granted to the one who asks for them.
    pub scopes: Vec<Box<str>>,
    /// What else is known.
    pub claims: Claims,
}

/// What a field tells a service of a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// [`Caller::user`].
    User,
    /// [`Caller::roles`], with commas in between.
    Roles,
    /// [`Caller::scopes`], with spaces in between, as OAuth writes them (RFC 6749 section 3.3).
    Scopes,
    /// A claim, by the names on the way to it.
    Claim(Vec<Box<str>>),
}

impl Fact {
    /// Reads `user`, `roles`, `scopes` or `claim.NAME`, where a dot leads into a claim that is an object.
    pub fn parse(text: &str) -> Option<Fact> {
        Some(match text {
            "user" => Fact::User,
            "roles" => Fact::Roles,
            "scopes" => Fact::Scopes,
            _ => Fact::Claim(path(text.strip_prefix("claim.")?)?),
        })
    }
}

/// The names on the way to a claim; none of them empty.
pub fn path(text: &str) -> Option<Vec<Box<str>>> {
    let names: Vec<Box<str>> = text.split('.').map(Box::from).collect();
    names.iter().all(|name| !name.is_empty()).then_some(names)
}

/// Which fields tell services who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Names of fields, and what they say.
    pub fields: Vec<(Box<str>, Fact)>,
}

impl Default for Identity {
    fn default() -> Identity {
        let fields =
            [("X-User-Id", Fact::User), ("X-User-Roles", Fact::Roles), ("X-User-Scopes", Fact::Scopes)];
        Identity { fields: fields.map(|(name, fact)| (name.into(), fact)).into() }
    }
}

impl Identity {
    /// The lines that tell a service of this caller; a fact that is not known has none.
    pub fn lines(&self, caller: &Caller) -> Box<[u8]> {
        let mut lines = Vec::new();
        for (name, fact) in &self.fields {
            if let Some(value) =
                caller.fact(fact).filter(|value| !value.is_empty() && value.len() <= VALUE_BYTES)
            {
                lines.extend_from_slice(name.as_bytes());
                lines.extend_from_slice(b": ");
                lines.extend_from_slice(value.as_bytes());
                lines.extend_from_slice(b"\r\n");
            }
        }
        lines.into()
    }
}

/// Bytes of one value that a service is told: more would be refused by many, as a head that is too large. Of a list the members that
/// fit are told; another value that is longer is not told at all, since a part of it is something else.
const VALUE_BYTES: usize = 4096;

/// Appends text as a field can hold it: controls, `%`, what is in `also` and spaces at either end become `%XX`.
fn put_escaped(out: &mut Vec<u8>, text: &str, also: &str) {
    let is_plain = |byte: u8| byte > b' ' && byte != 0x7f && byte != b'%' && !also.as_bytes().contains(&byte);
    for (place, byte) in text.bytes().enumerate() {
        let is_inner = place > 0 && place + 1 < text.len();
        if is_plain(byte) || byte == b' ' && is_inner && !also.contains(' ') {
            out.push(byte);
        } else {
            let digit = |value: u8| if value < 10 { b'0' + value } else { b'A' + value - 10 };
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

/// Text as a field can hold it.
fn escaped(text: &str) -> String {
    let mut out = Vec::new();
    put_escaped(&mut out, text, "");
    String::from_utf8(out).unwrap_or_default() // only ASCII was replaced
}

/// Members of a list with `separator` in between, which none of them can forge.
fn listed(members: &[Box<str>], separator: char) -> String {
    let mut out = Vec::new();
    for member in members {
        let before = out.len();
        if before > 0 {
            out.push(separator as u8);
        }
        put_escaped(&mut out, member, if separator == ',' { "," } else { " " });
        if out.len() > VALUE_BYTES {
            out.truncate(before);
            break;
        }
    }
    String::from_utf8(out).unwrap_or_default() // only ASCII was replaced
}

impl Caller {
    /// Somebody of whom nothing else is known.
    pub fn named(user: &str) -> Caller {
        Caller { user: user.into(), roles: Vec::new(), scopes: Vec::new(), claims: Claims::new() }
    }

    fn fact(&self, fact: &Fact) -> Option<Cow<'_, str>> {
        Some(match fact {
            Fact::User => Cow::Owned(escaped(&self.user)),
            Fact::Roles => Cow::Owned(listed(&self.roles, ',')),
            Fact::Scopes => Cow::Owned(listed(&self.scopes, ' ')),
            Fact::Claim(path) => match lookup(&self.claims, path)? {
                Value::Array(_) => self.claim(path)?, // whose members are escaped
                value => Cow::Owned(escaped(&plain(value)?)),
            },
        })
    }

    /// A claim as text: text, a number, a truth value, or a list of these with commas in between.
    pub fn claim(&self, path: &[Box<str>]) -> Option<Cow<'_, str>> {
        match lookup(&self.claims, path)? {
            Value::Array(members) => {
                let members: Option<Vec<Box<str>>> =
                    members.iter().map(|member| Some(plain(member)?.into())).collect();
                Some(Cow::Owned(listed(&members?, ',')))
            }
            value => plain(value),
        }
    }
}

/// What a claim is called in full, or where a name leads: a claim whose own name has a dot comes first, as in
/// `https://example.com/roles`.
fn lookup<'a>(claims: &'a Claims, path: &[Box<str>]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let whole = || claims.get(&path.join("."));
    let found = match rest {
        [] => claims.get(&**first),
        rest => claims.get(&**first).and_then(Value::as_object).and_then(|inner| lookup(inner, rest)),
    };
    found.or_else(whole)
}

fn plain(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(truth) => Some(Cow::Borrowed(if *truth { "true" } else { "false" })),
        _ => None,
    }
}

/// The texts of a claim: a list of texts, or one text with spaces in between (RFC 8693 section 4.2).
pub fn texts(claims: &Claims, path: &[Box<str>]) -> Vec<Box<str>> {
    match lookup(claims, path) {
        Some(Value::String(text)) => text.split_ascii_whitespace().map(Box::from).collect(),
        Some(Value::Array(members)) => members.iter().filter_map(Value::as_str).map(Box::from).collect(),
        _ => Vec::new(),
    }
}

/// A claim that is text, or a number as text.
pub fn text(claims: &Claims, path: &[Box<str>]) -> Option<Box<str>> {
    match lookup(claims, path)? {
        value @ (Value::String(_) | Value::Number(_)) => plain(value).map(Into::into),
        _ => None,
    }
}

/// The way to a claim, and the values of which it has to have one.
pub type ClaimValues = (Vec<Box<str>>, Vec<Box<str>>);

/// What a route asks of whoever may use it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirement {
    /// One of these roles; any caller if there are none.
    pub roles: Vec<Box<str>>,
    /// All of these scopes.
    pub scopes: Vec<Box<str>>,
    /// Each of these claims, with one of these values.
    pub claims: Vec<ClaimValues>,
}

impl Requirement {
    /// Whether it asks for nothing.
    pub fn is_none(&self) -> bool {
        self.roles.is_empty() && self.scopes.is_empty() && self.claims.is_empty()
    }

    /// Whether a caller meets it.
    pub fn is_met_by(&self, caller: &Caller) -> bool {
        let has_role = || self.roles.iter().any(|role| caller.roles.contains(role));
        (self.roles.is_empty() || has_role())
            && self.scopes.iter().all(|scope| caller.scopes.contains(scope))
            && self.claims.iter().all(|(path, values)| has(&caller.claims, path, values))
    }
}

/// Whether a claim has one of these values, or is a list that holds one of them.
fn has(claims: &Claims, path: &[Box<str>], values: &[Box<str>]) -> bool {
    let is_one = |value: &Value| plain(value).is_some_and(|text| values.iter().any(|value| **value == *text));
    match lookup(claims, path) {
        Some(Value::Array(members)) => members.iter().any(is_one),
        Some(value) => is_one(value),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn caller(claims: Value) -> Caller {
        let Value::Object(claims) = claims else { panic!("an object") };
        Caller { roles: texts(&claims, &path("roles").unwrap()), claims, ..Caller::named("12345") }
    }

    fn names(text: &str) -> Vec<Box<str>> {
        text.split(' ').map(Box::from).collect()
    }

    #[test]
    fn services_are_told_what_is_known_and_nothing_that_reads_as_more() {
        let said = |caller: &Caller| String::from_utf8(Identity::default().lines(caller).into()).unwrap();
        let known = caller(json!({ "roles": ["customer", "a,admin", "b\r\nX-User-Id: 1"] }));
        assert_eq!(
            said(&known),
            "X-User-Id: 12345\r\nX-User-Roles: customer,a%2Cadmin,b%0D%0AX-User-Id: 1\r\n"
        );
        assert_eq!(said(&Caller::named("a\r\nX-Evil: 1\u{7f}")), "X-User-Id: a%0D%0AX-Evil: 1%7F\r\n");
        assert_eq!(said(&Caller::named("admin\u{a0}")), "X-User-Id: admin\u{a0}\r\n");
        assert_eq!(said(&Caller::named(" a b%0A ")), "X-User-Id: %20a b%250A%20\r\n");
        assert_eq!(said(&Caller::named(&"x".repeat(9000))), "", "a part of it is somebody else");
        let roles = (0..2000).map(|number| format!("role-{number}").into()).collect();
        let many = said(&Caller { roles, ..Caller::named("a") });
        let told: Vec<&str> = many.trim_end().rsplit_once(": ").unwrap().1.split(',').collect();
        assert!(
            told.len() > 300
                && told.iter().enumerate().all(|(number, role)| *role == format!("role-{number}"))
        );
    }

    #[test]
    fn claims_are_found_by_their_way_and_by_their_whole_name() {
        let claims = caller(json!({
            "address": { "country": "NO" }, "a.b": "dotted", "tier": 3, "vip": true, "groups": ["x", "y,z"], "odd": {},
        }));
        let claim = |name: &str| claims.claim(&path(name).unwrap()).map(Cow::into_owned);
        let table = [
            ("address.country", Some("NO")),
            ("a.b", Some("dotted")),
            ("tier", Some("3")),
            ("vip", Some("true")),
            ("groups", Some("x,y%2Cz")),
            ("odd", None),
            ("none", None),
            ("tier.inner", None),
        ];
        for (name, value) in table {
            assert_eq!(claim(name).as_deref(), value, "{name}");
        }
        assert_eq!((path("a..b"), path("")), (None, None));
    }

    #[test]
    fn a_requirement_asks_for_one_role_all_scopes_and_each_claim() {
        let mut caller = caller(json!({ "roles": ["customer"], "tenant": "acme", "groups": ["x", "y"] }));
        caller.scopes = names("read write");
        let met = |requirement: Requirement| requirement.is_met_by(&caller);
        let none = Requirement::default();
        assert!(none.is_none() && met(none.clone()));
        assert!(met(Requirement { roles: names("admin customer"), ..none.clone() }));
        assert!(!met(Requirement { roles: names("admin"), ..none.clone() }));
        assert!(met(Requirement { scopes: names("write read"), ..none.clone() }));
        assert!(!met(Requirement { scopes: names("read delete"), ..none }));
        let claim = |name: &str, values: &str| Requirement {
            claims: vec![(path(name).unwrap(), names(values))],
            ..Requirement::default()
        };
        assert!(met(claim("tenant", "other acme")) && met(claim("groups", "y")));
        assert!(!met(claim("tenant", "acm")) && !met(claim("missing", "x")));
    }
}
