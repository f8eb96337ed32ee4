//! What browsers may do with answers of this gateway for pages of other origins (Fetch standard, "HTTP-CORS protocol").
//!
//! Owns: the fields `Access-Control-*` of all answers, the gateway's own refusals among them; what services say of it is dropped.
//! Refuses: to let any origin in with credentials, and to repeat what a client has sent before it was compared or checked.

use std::time::Duration;

use crate::chunked::is_token;
use crate::field::list;
use crate::head::Fields;
use crate::method::Method;

/// The rules for all routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    origins: Origins,
    headers: Option<Vec<Box<str>>>,
    has_credentials: bool,
    /// Lines of every answer to an origin that is let in, but for those that depend on it,
    exposed: Box<str>,
    /// and those that only the answer to a preflight has.
    methods: Box<str>,
    max_age: Box<str>,
}

/// Whose pages are let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Everybody's.
    Any,
    /// Those of these origins, `scheme://host[:port]` in lower case; `*.` before a host stands for one label or more.
    These(Vec<Box<str>>),
}

/// What is written of it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whose pages are let in.
    pub origins: Origins,
    /// With which methods.
    pub methods: Vec<Box<str>>,
    /// With which fields; with any that are asked for if there is no list.
    pub headers: Option<Vec<Box<str>>>,
    /// Which fields of answers pages may read.
    pub expose: Vec<Box<str>>,
    /// Whether requests may carry cookies and other credentials of the browser.
    pub credentials: bool,
    /// How long a browser may remember what it was told.
    pub max_age: Duration,
}

/// Why rules cannot hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadCors {
    /// Everybody's pages, with credentials: any page could act for whoever visits it.
    AnyWithCredentials,
    /// Not an origin.
    Origin(Box<str>),
    /// Not the name of a method or a field.
    Name(Box<str>),
}

/// Fields that a page may ask for by name, and bytes of all these names: more is no page's need.
const ASKED_FIELDS: usize = 64;
const ASKED_BYTES: usize = 1024;

impl Cors {
    /// Compiles rules.
    ///
    /// # Errors
    /// They cannot hold.
    pub fn new(settings: Settings) -> Result<Cors, BadCors> {
        let Settings { origins, methods, headers, expose, credentials, max_age } = settings;
        if origins == Origins::Any && credentials {
            return Err(BadCors::AnyWithCredentials);
        }
        if let Origins::These(these) = &origins {
            these.iter().try_for_each(|origin| check_origin(origin))?;
        }
        let names = methods.iter().chain(headers.iter().flatten()).chain(&expose);
        let is_bad = |name: &str| name.is_empty() || !name.bytes().all(is_token);
        if let Some(name) = names.into_iter().find(|name| is_bad(name)) {
            return Err(BadCors::Name(name.clone()));
        }
        let line = |name: &str, members: &[Box<str>]| match members {
            [] => "".into(),
            members => format!("{name}: {}\r\n", members.join(", ")).into(),
        };
        Ok(Cors {
            origins,
            headers,
            has_credentials: credentials,
            exposed: line("Access-Control-Expose-Headers", &expose),
            methods: line("Access-Control-Allow-Methods", &methods),
            max_age: format!("Access-Control-Max-Age: {}\r\n", max_age.as_secs()).into(),
        })
    }

    /// Whether a request asks what may be asked: it has no credential, and goes to no service.
    pub fn is_preflight(method: Method<'_>, fields: Fields<'_>) -> bool {
        method == Method::Options
            && single(fields, b"origin").is_some()
            && single(fields, b"access-control-request-method").is_some()
    }

    /// Appends what the answer to a preflight says.
    pub fn put_preflight(&self, out: &mut Vec<u8>, fields: Fields<'_>) {
        if let Some(origin) = self.admitted(fields) {
            self.put_origin(out, origin);
            out.extend_from_slice(self.methods.as_bytes());
            self.put_headers(out, fields);
            out.extend_from_slice(self.max_age.as_bytes());
        }
        // Whatever was answered, a cache must not give it to somebody else who asks for something else.
        out.extend_from_slice(
            b"Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers\r\n",
        );
    }

    /// Appends what any other answer says.
    pub fn put_answer(&self, out: &mut Vec<u8>, fields: Fields<'_>) {
        if let Some(origin) = self.admitted(fields) {
            self.put_origin(out, origin);
            out.extend_from_slice(self.exposed.as_bytes());
        }
        if self.origins != Origins::Any {
            out.extend_from_slice(b"Vary: Origin\r\n");
        }
    }

    /// The origin of a request, if it is let in.
    fn admitted<'a>(&self, fields: Fields<'a>) -> Option<&'a [u8]> {
        let origin = single(fields, b"origin")?;
        let is_admitted = match &self.origins {
            Origins::Any => true,
            Origins::These(these) => these.iter().any(|pattern| has(pattern.as_bytes(), origin)),
        };
        is_admitted.then_some(origin)
    }

    fn put_origin(&self, out: &mut Vec<u8>, origin: &[u8]) {
        out.extend_from_slice(b"Access-Control-Allow-Origin: ");
        match self.origins {
            Origins::Any => out.push(b'*'),
            Origins::These(_) => out.extend_from_slice(origin), // which equals what we have
        }
        out.extend_from_slice(b"\r\n");
        if self.has_credentials {
            out.extend_from_slice(b"Access-Control-Allow-Credentials: true\r\n");
        }
    }

    fn put_headers(&self, out: &mut Vec<u8>, fields: Fields<'_>) {
        const NAME: &[u8] = b"Access-Control-Allow-Headers: ";
        let asked = single(fields, b"access-control-request-headers").unwrap_or_default();
        let before = out.len();
        out.extend_from_slice(NAME);
        match &self.headers {
            Some(headers) => out.extend_from_slice(headers.join(", ").as_bytes()),
            None if are_names(asked) => {
                list(asked).for_each(|name| {
                    out.extend_from_slice(name);
                    out.extend_from_slice(b", ");
                });
                out.truncate(out.len() - 2); // of the name's colon, if nothing was asked for
            }
            None => {}
        }
        match out.len() <= before + NAME.len() {
            true => out.truncate(before),
            false => out.extend_from_slice(b"\r\n"),
        }
    }
}

/// The value of a field that is there once.
fn single<'a>(fields: Fields<'a>, name: &[u8]) -> Option<&'a [u8]> {
    let mut values = fields.named(name);
    values.next().filter(|_| values.next().is_none())
}

fn are_names(asked: &[u8]) -> bool {
    asked.len() <= ASKED_BYTES
        && list(asked).count() <= ASKED_FIELDS
        && list(asked).all(|name| name.iter().copied().all(is_token))
}

/// Whether a pattern has this very origin. A `*.` stands for labels: text without `/`, `:`, `@` and the like, that ends in a dot.
fn has(pattern: &[u8], origin: &[u8]) -> bool {
    let star = pattern.windows(5).position(|bytes| bytes == b"://*.").map(|place| place + 3);
    let Some(star) = star else { return pattern == origin };
    let (scheme, host) = (&pattern[..star], &pattern[star + 1..]);
    let labels = origin.strip_prefix(scheme).and_then(|rest| rest.strip_suffix(host));
    let is_label = |label: &[u8]| {
        !label.is_empty()
            && label.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
    };
    labels.is_some_and(|labels| labels.split(|byte| *byte == b'.').all(is_label))
}

/// An origin as browsers write it (RFC 6454 section 6.2), or a pattern for several.
fn check_origin(origin: &str) -> Result<(), BadCors> {
    let bad = || BadCors::Origin(origin.into());
    let (scheme, authority) = origin.split_once("://").ok_or_else(bad)?;
    let host = authority.strip_prefix("*.").unwrap_or(authority);
    let is_scheme =
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || b"+-.".contains(&byte));
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:[]".contains(&byte);
    match is_scheme && !host.is_empty() && host.bytes().all(is_plain) {
        true => Ok(()),
        false => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::RequestHead;
    use crate::tolerance::Tolerance;

    fn names(text: &str) -> Vec<Box<str>> {
        text.split_whitespace().map(Box::from).collect()
    }

    fn settings(origins: &str) -> Settings {
        Settings {
            origins: if origins == "*" { Origins::Any } else { Origins::These(names(origins)) },
            methods: names("GET PUT"),
            headers: Some(names("authorization content-type")),
            expose: names("x-request-id"),
            credentials: false,
            max_age: Duration::from_secs(600),
        }
    }

    fn said(cors: &Cors, lines: &str, put: fn(&Cors, &mut Vec<u8>, Fields<'_>)) -> String {
        let text = format!("OPTIONS / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
        let mut head = RequestHead::default();
        head.parse(text.as_bytes(), Tolerance::NONE).unwrap();
        let mut out = Vec::new();
        put(cors, &mut out, head.fields(text.as_bytes()));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_preflight_is_told_what_may_be_asked() {
        let own = Cors::new(Settings { credentials: true, ..settings("https://app.example.com") }).unwrap();
        let ask = "Origin: https://app.example.com\r\nAccess-Control-Request-Method: PUT\r\n";
        assert_eq!(
            said(&own, ask, Cors::put_preflight),
            "Access-Control-Allow-Origin: https://app.example.com\r\nAccess-Control-Allow-Credentials: true\r\n\
             Access-Control-Allow-Methods: GET, PUT\r\nAccess-Control-Allow-Headers: authorization, content-type\r\n\
             Access-Control-Max-Age: 600\r\nVary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers\r\n"
        );
        let any = Cors::new(Settings { headers: None, ..settings("*") }).unwrap();
        for (asked, echoed) in [
            ("X-A, x-b", Some("X-A, x-b")),
            ("", None),
            ("x a", None),
            ("x-a\u{e9}", None),
            (&"a,".repeat(65), None),
            (&"a".repeat(1025), None),
        ] {
            let said =
                said(&any, &format!("{ask}Access-Control-Request-Headers: {asked}\r\n"), Cors::put_preflight);
            let line = said.lines().find_map(|line| line.strip_prefix("Access-Control-Allow-Headers: "));
            assert_eq!(line, echoed, "{asked}");
            assert!(
                said.starts_with("Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods"),
                "{said}"
            );
        }
    }

    #[test]
    fn an_origin_is_let_in_or_hears_nothing() {
        let cors = Cors::new(settings("https://app.example.com https://*.example.org http://localhost:3000"))
            .unwrap();
        let is_let_in = |lines: &str| {
            let said = said(&cors, lines, Cors::put_answer);
            assert!(said.ends_with("Vary: Origin\r\n"), "{said}");
            said.contains("Access-Control-Allow-Origin") && said.contains("Expose-Headers: x-request-id")
        };
        for origin in [
            "https://app.example.com",
            "https://a.example.org",
            "https://a.b-1.example.org",
            "http://localhost:3000",
        ] {
            assert!(is_let_in(&format!("Origin: {origin}\r\n")), "{origin}");
        }
        for origin in [
            "http://app.example.com",
            "https://app.example.com.evil.org",
            "https://evilapp.example.com",
            "https://app.example.com:443",
            "https://APP.example.com",
            "https://app.example.com.",
            "https://app.example.com/",
            "null",
            "",
            "https://example.org",
            "https://.example.org",
            "https://evil.com/.example.org",
            "https://evil.com#.example.org",
            "https://u@a.example.org",
            "https://evilexample.org",
            "https://a..example.org",
            "https://a.example.org:8443",
            "http://localhost",
        ] {
            assert!(!is_let_in(&format!("Origin: {origin}\r\n")), "{origin}");
        }
        assert!(!is_let_in("Origin: https://app.example.com\r\nOrigin: https://app.example.com\r\n"));
        assert!(!is_let_in(""));
        let any = Cors::new(settings("*")).unwrap();
        assert!(
            said(&any, "Origin: https://x\r\n", Cors::put_answer)
                .starts_with("Access-Control-Allow-Origin: *\r\n")
        );
    }

    #[test]
    fn rules_that_cannot_hold_are_refused() {
        assert_eq!(
            Cors::new(Settings { credentials: true, ..settings("*") }),
            Err(BadCors::AnyWithCredentials)
        );
        for bad in [
            "example.com",
            "https://",
            "https://a/",
            "https://A.com",
            "null",
            "https://a b",
            "://a",
            "https://a*.com",
        ] {
            let origins = Origins::These(vec![bad.into()]);
            assert_eq!(Cors::new(Settings { origins, ..settings("") }), Err(BadCors::Origin(bad.into())));
        }
        let methods = vec!["GET\r\nX: y".into()];
        assert!(matches!(Cors::new(Settings { methods, ..settings("*") }), Err(BadCors::Name(_))));
    }

    #[test]
    fn only_a_question_of_a_browser_is_a_preflight() {
        let is = |method: &str, lines: &str| {
            let text = format!("{method} / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
            let mut head = RequestHead::default();
            head.parse(text.as_bytes(), Tolerance::NONE).unwrap();
            Cors::is_preflight(head.method(text.as_bytes()), head.fields(text.as_bytes()))
        };
        let both = "Origin: https://a\r\nAccess-Control-Request-Method: PUT\r\n";
        assert!(is("OPTIONS", both));
        assert!(!is("GET", both) && !is("OPTIONS", "") && !is("OPTIONS", "Origin: https://a\r\n"));
        assert!(!is("OPTIONS", &format!("{both}Origin: https://b\r\n")));
    }
}
