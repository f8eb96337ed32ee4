//! What must not stand in a log, wherever a client puts it.
//!
//! | where | what is logged | what is not |
//! |---|---|---|
//! | method | those with a meaning of their own, and those that the route names | any other: `_OTHER` |
//! | path of a route | all segments but those its pattern calls by a name that looks like a credential's ([`looks_secret`]), or by one the route lists | those: `{name}` |
//! | path without a route | what all routes on that path let through; where there are none, the segments that lead to a pattern | the rest: `{redacted}` |
//! | query | values of the names that are allowed one by one | everything else, names too: `redacted` |
//! | header fields | the first of each that is allowed by name, which no credential can be | all others |
//! | `Referer`, if allowed | up to its query | query, fragment; all of it if it holds user information |
//! | a head that could not be read | nothing | all of it |
//!
//! Owns: this table. The words that make a name look secret are the same for parameters, queries and fields.
//! Refuses: to guess from values. A secret does not look like one; its name does.

use std::borrow::Cow;
use std::fmt;

/// What stands for something that is not said. Neither brace can stand in the normal form of a path.
const REDACTED_SEGMENT: &str = "{redacted}";
/// The same in a query.
const REDACTED_QUERY: &str = "redacted";

/// Parts of a name that give it away wherever they stand.
const PARTS: [&str; 15] = [
    "token",
    "secret",
    "passw",
    "passphrase",
    "credential",
    "signature",
    "apikey",
    "accesskey",
    "privatekey",
    "cookie",
    "session",
    "jwt",
    "bearer",
    "authoriz",
    "authenticat",
];

/// Words that do so only on their own: `key` in `api-key`, not in `monkey`.
const WORDS: [&str; 13] =
    ["key", "keys", "sig", "hmac", "auth", "pass", "pwd", "pin", "otp", "totp", "sid", "code", "saml"];

/// Names in which such a word means something else.
const HARMLESS: [&str; 2] = ["idempotency-key", "sec-websocket-key"];

/// Whether something of that name may be a credential: a path parameter, a value in a query, a header field. Rather too
/// often than too rarely: a parameter that is none can be given another name.
pub fn looks_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    if HARMLESS.contains(&&*lower) {
        return false;
    }
    let plain: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    PARTS.iter().any(|part| plain.contains(part)) || words(name).any(|word| WORDS.contains(&&*word))
}

/// The words of `api-key`, `api_key` and `apiKey`, in lower case.
fn words(name: &str) -> impl Iterator<Item = String> {
    let separated = name.split(|c: char| !c.is_ascii_alphanumeric());
    separated.flat_map(|part| {
        let is_start = |&(at, c): &(usize, char)| at > 0 && c.is_ascii_uppercase();
        let starts: Vec<usize> = part.char_indices().filter(is_start).map(|(at, _)| at).collect();
        let ends = starts.clone().into_iter().chain([part.len()]);
        let starts = std::iter::once(0).chain(starts);
        let word = |(start, end): (usize, usize)| part[start..end].to_ascii_lowercase();
        starts.zip(ends).map(word).chain([part.to_ascii_lowercase()]).collect::<Vec<_>>()
    })
}

/// The segments of a route's paths that are not logged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HiddenSegments {
    /// Places, counted from 0, and what stands there instead.
    segments: Vec<(usize, Box<str>)>,
    /// From which segment on nothing is said.
    rest_from: Option<usize>,
}

impl HiddenSegments {
    /// None of them.
    pub const NONE: HiddenSegments = HiddenSegments { segments: Vec::new(), rest_from: None };

    /// The parameter `name` at this place, too.
    pub fn hide(&mut self, place: usize, name: &str) {
        self.segments.push((place, format!("{{{name}}}").into()));
    }

    /// Everything from this place on, too.
    pub fn hide_from(&mut self, place: usize) {
        self.rest_from = Some(self.rest_from.map_or(place, |other| other.min(place)));
    }

    /// What `other` hides, too.
    pub fn extend(&mut self, other: &HiddenSegments) {
        self.segments.extend_from_slice(&other.segments);
        other.rest_from.into_iter().for_each(|place| self.hide_from(place));
    }

    /// Whether every path may be logged as it is.
    pub fn is_none(&self) -> bool {
        self.segments.is_empty() && self.rest_from.is_none()
    }

    /// The path as it may be logged.
    pub fn redact<'a>(&self, path: &'a str) -> Cow<'a, str> {
        if self.is_none() {
            return Cow::Borrowed(path);
        }
        let mut shown = String::with_capacity(path.len());
        for (place, segment) in path.split('/').skip(1).enumerate() {
            shown.push('/');
            if self.rest_from.is_some_and(|rest| place >= rest) {
                shown.push_str(REDACTED_SEGMENT);
                break;
            }
            let hidden = self.segments.iter().find(|(hidden, _)| *hidden == place);
            shown.push_str(hidden.map_or(segment, |(_, name)| name));
        }
        Cow::Owned(shown)
    }
}

/// What is hidden, in the order in which paths have it.
impl fmt::Display for HiddenSegments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.segments.iter().map(|(_, name)| &**name);
        let all: Vec<&str> = names.chain(self.rest_from.map(|_| "*")).collect();
        f.write_str(&all.join(" "))
    }
}

/// A path that no route has, of which the first `known` bytes, whole segments, are in the routing table.
pub fn unknown_path(path: &str, known: usize) -> Cow<'_, str> {
    match path.split_at_checked(known) {
        Some((_, "" | "/")) => Cow::Borrowed(path),
        Some((known, _)) => Cow::Owned(format!("{known}/{REDACTED_SEGMENT}")),
        None => Cow::Borrowed(""),
    }
}

/// The pairs of a query whose names are among `allowed`, in order and as they were sent; behind them one word for all others.
/// `None` if nothing is allowed. Names are compared as a service would read them: decoded.
pub fn query<'a>(query: &'a str, allowed: &'a [Box<str>]) -> Option<impl Iterator<Item = &'a str>> {
    // Some services take `;` for `&`: what they would take for the next pair is not this one's value.
    let pairs = move || query.split(['&', ';']).filter(|pair| !pair.is_empty());
    let is_allowed = move |pair: &&str| {
        let (name, _) = pair.split_once('=').unwrap_or((pair, ""));
        allowed.iter().any(|allowed| decoded(name).eq(allowed.bytes()))
    };
    let others = pairs().any(|pair| !is_allowed(&pair)).then_some(REDACTED_QUERY);
    (!allowed.is_empty()).then(|| pairs().filter(is_allowed).chain(others))
}

/// The bytes that a name in a query stands for; `%` without two digits stands for itself.
fn decoded(name: &str) -> impl Iterator<Item = u8> {
    let mut bytes = name.bytes();
    std::iter::from_fn(move || match bytes.next()? {
        b'+' => Some(b' '),
        b'%' => {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let mut ahead = bytes.clone();
            match (digit(ahead.next()), digit(ahead.next())) {
                (Some(high), Some(low)) => {
                    bytes = ahead;
                    Some((high * 16 + low) as u8)
                }
                _ => Some(b'%'),
            }
        }
        byte => Some(byte),
    })
}

/// As much of a Referer as may be logged (RFC 9110 section 10.1.3 lets it have neither fragment nor user information).
pub fn referer(value: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b'?', b'#', value).unwrap_or(value.len());
    if memchr::memchr(b'@', &value[..end]).is_some() { b"" } else { &value[..end] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_credentials_are_known_however_they_are_spelt() {
        for name in [
            "token",
            "accessToken",
            "reset_token",
            "x-csrf-token",
            "api_key",
            "apiKey",
            "apikey",
            "X-Api-Key",
            "key",
            "secret",
            "client_secret",
            "password",
            "passwd",
            "sig",
            "X-Amz-Signature",
            "Authorization",
            "Proxy-Authorization",
            "Cookie",
            "Set-Cookie",
            "sid",
            "sessionId",
            "jwt",
            "code",
            "invite_code",
            "otp",
            "PIN",
        ] {
            assert!(looks_secret(name), "{name}");
        }
        for name in
            ["id", "user", "page", "monkey", "keyboard", "postcode_area", "design", "author", "user-agent"]
        {
            assert!(!looks_secret(name), "{name}");
        }
        assert!(HARMLESS.iter().all(|name| !looks_secret(name)));
    }

    #[test]
    fn segments_are_hidden_by_their_place() {
        let mut hidden = HiddenSegments::NONE;
        assert!(matches!(hidden.redact("/reset/S3CRET"), Cow::Borrowed("/reset/S3CRET")));
        hidden.hide(1, "token");
        for (path, shown) in [
            ("/reset/S3CRET", "/reset/{token}"),
            ("/reset/S3CRET/", "/reset/{token}/"),
            ("/reset/S3CRET/now", "/reset/{token}/now"),
            ("/reset", "/reset"),
        ] {
            assert_eq!(hidden.redact(path), shown);
        }
        hidden.hide_from(2);
        assert_eq!(hidden.redact("/reset/S3CRET/S3CRET/S3CRET"), "/reset/{token}/{redacted}");
    }

    #[test]
    fn of_an_unknown_path_only_what_the_table_knows_is_said() {
        for (path, known, shown) in [
            ("/S3CRET", 0, "/{redacted}"),
            ("/api/S3CRET/a", 4, "/api/{redacted}"),
            ("/api", 4, "/api"),
            ("/api/", 4, "/api/"),
            ("/", 0, "/"),
        ] {
            assert_eq!(unknown_path(path, known), shown);
        }
    }

    #[test]
    fn a_query_shows_what_is_allowed_and_not_even_the_names_of_the_rest() {
        let allowed: Vec<Box<str>> = vec!["page".into(), "a b".into()];
        for (sent, shown) in [
            ("page=2", "page=2"),
            ("page=2&token=S3CRET", "page=2&redacted"),
            ("token=S3CRET&page=2&page=3", "page=2&page=3&redacted"),
            ("S3CRET", "redacted"),
            ("S3CRET=1&&", "redacted"),
            ("p%61ge=2", "p%61ge=2"),
            ("a+b=1&a%20b=2", "a+b=1&a%20b=2"),
            ("p%2561ge=S3CRET&p%6=S3CRET&page%=S3CRET", "redacted"),
            ("page=2;token=S3CRET", "page=2&redacted"),
            ("pages=S3CRET&Page=S3CRET", "redacted"),
            ("page", "page"),
            ("", ""),
        ] {
            let pairs: Vec<&str> = query(sent, &allowed).unwrap().collect();
            assert_eq!(pairs.join("&"), shown, "{sent}");
        }
        assert!(query("page=2", &[]).is_none());
    }

    #[test]
    fn a_referer_ends_before_its_query_and_has_no_user() {
        for (value, shown) in [
            ("https://a.example/b", "https://a.example/b"),
            ("https://a.example/b?token=S3CRET", "https://a.example/b"),
            ("https://a.example/b#S3CRET", "https://a.example/b"),
            ("https://user:S3CRET@a.example/b?c", ""),
        ] {
            assert_eq!(referer(value.as_bytes()), shown.as_bytes());
        }
    }
}
