//! The request target (RFC 9112 section 3.2), its authority and the one normal form of its path.
//!
//! Routing, policy and forwarding all see the same bytes: the normal form made here. Two spellings that a service may
//! take for one another become one spelling, or are refused where that cannot be known.

use std::borrow::Cow;

use crate::answer::Malformed;
use crate::tolerance::Tolerance;

/// A target in one of its forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// `/path?query`, with the authority if it came in absolute form (which then replaces Host, RFC 9112 section 3.2.2).
    Origin {
        /// Of an absolute form.
        authority: Option<&'a [u8]>,
        /// From the first `/` to the `?`; empty only in an absolute form.
        path: &'a [u8],
        /// After the `?`, if there is one.
        query: Option<&'a [u8]>,
    },
    /// `*`
    Asterisk,
    /// `host:port`, the form of CONNECT.
    Authority,
}

/// Takes a target apart.
///
/// # Errors
/// Not one of the four forms, a fragment (which never belongs on the wire), or bytes outside ASCII that are not tolerated.
pub fn parse(target: &[u8], tolerance: Tolerance) -> Result<Target<'_>, Malformed> {
    let is_barred = |byte: u8| byte <= b' ' || byte == 0x7f || byte == b'#';
    // To the end even if one is found, which lets the compiler look at many bytes at once.
    if target.iter().fold(false, |any, &byte| any | is_barred(byte)) {
        return Err(Malformed::Target);
    }
    let is_text = target.is_ascii() || tolerance.raw_utf8 && std::str::from_utf8(target).is_ok();
    if !is_text {
        return Err(Malformed::Target);
    }
    match target {
        b"*" => Ok(Target::Asterisk),
        [b'/', ..] => Ok(origin(None, target)),
        _ => match strip_scheme(target) {
            Some(rest) => absolute(rest),
            None if is_host(target) => Ok(Target::Authority),
            None => Err(Malformed::Target),
        },
    }
}

fn origin<'a>(authority: Option<&'a [u8]>, target: &'a [u8]) -> Target<'a> {
    match memchr::memchr(b'?', target) {
        Some(mark) => Target::Origin { authority, path: &target[..mark], query: Some(&target[mark + 1..]) },
        None => Target::Origin { authority, path: target, query: None },
    }
}

fn strip_scheme(target: &[u8]) -> Option<&[u8]> {
    let end = target.windows(3).position(|three| three == b"://")?;
    let scheme = &target[..end];
    (scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https"))
        .then(|| &target[end + 3..])
}

fn absolute(rest: &[u8]) -> Result<Target<'_>, Malformed> {
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    if !is_host(authority) {
        return Err(Malformed::Host);
    }
    Ok(origin(Some(authority), target))
}

/// Whether a byte may stand in a `reg-name` (RFC 3986 section 3.2.2): `unreserved` and `sub-delims` but for the comma, which
/// would look like a list of hosts.
const IN_NAMES: [bool; 256] = {
    let mut in_names = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        in_names[byte] = is_unreserved(byte as u8)
            || matches!(byte as u8, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=');
        byte += 1;
    }
    in_names
};

/// Whether `value` is `uri-host [":" port]` without user information (RFC 9110 section 7.2): a name, an IPv4 address or a
/// bracketed IPv6 address. Escapes are refused: no name that DNS knows needs them, and two readers may undo them or not.
pub fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value {
        [b'[', rest @ ..] => match memchr::memchr(b']', rest) {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => return false,
        },
        _ => value.split_at(memchr::memchr(b':', value).unwrap_or(value.len())),
    };
    let is_literal = value.first() == Some(&b'[');
    let host_is_valid = if is_literal {
        std::str::from_utf8(host).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok())
    } else {
        !host.is_empty() && host.iter().all(|&byte| IN_NAMES[usize::from(byte)])
    };
    let port_is_valid = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    host_is_valid && port_is_valid
}

/// The host of an authority that [`is_host`] accepted, without port and without the dot of a fully qualified name.
pub fn host_name(authority: &[u8]) -> &[u8] {
    let end = match authority.first() {
        Some(b'[') => memchr::memchr(b']', authority).map_or(authority.len(), |end| end + 1),
        _ => memchr::memchr(b':', authority).unwrap_or(authority.len()),
    };
    let host = &authority[..end];
    host.strip_suffix(b".").unwrap_or(host)
}

/// The one spelling of a host, from an authority that [`is_host`] accepted: [`host_name`] in lower case, an IPv6 address in
/// the form of RFC 5952. Borrowed if it is a name in lower case already, as nearly every client writes it.
pub fn canonical_host(authority: &[u8]) -> Option<Cow<'_, str>> {
    let host = std::str::from_utf8(host_name(authority)).ok()?;
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => {
            let address: std::net::Ipv6Addr = address.parse().ok()?;
            Some(format!("[{address}]").into())
        }
        None if host.bytes().any(|byte| byte.is_ascii_uppercase()) => Some(host.to_ascii_lowercase().into()),
        None => Some(host.into()),
    }
}

/// What a byte of a path means for its normal form.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Stands for itself.
    Plain,
    /// `/` `.`: plain, unless two of them meet.
    Structure,
    /// `%`, and what may only appear encoded (RFC 3986 section 2) though browsers send it raw.
    Encode,
    /// `;`, where a parameter begins.
    Parameter,
    /// A byte outside ASCII, which may only appear encoded, too.
    Foreign,
    /// A control, what ends a path, or `\`, which some services take for `/`.
    Refuse,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Refuse; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        classes[byte] = match byte as u8 {
            b'\\' | b'?' | b'#' => Class::Refuse,
            b'/' | b'.' => Class::Structure,
            b';' => Class::Parameter,
            b'%' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | b'[' | b']' => Class::Encode,
            _ => Class::Plain,
        };
        byte += 1;
    }
    while byte < 0xff {
        byte += 1;
        classes[byte] = Class::Foreign;
    }
    classes
};

/// The normal form of a path: unreserved characters decoded, other escapes in upper case (`%2F` stays distinct from `/`),
/// empty segments merged, `.` and `..` resolved (RFC 3986 section 6.2.2). Borrowed if that can be seen without decoding.
///
/// # Errors
/// Bad or NUL escapes, bytes that may not appear in a path, `..` above the root, dot segments in disguise (`..;x=1`,
/// `..%20`), and what `tolerance` does not name of the rest.
pub fn normalise(path: &[u8], tolerance: Tolerance) -> Result<Cow<'_, [u8]>, Malformed> {
    debug_assert_eq!(path.first(), Some(&b'/'));
    let mut previous = 0;
    let mut is_normal = true;
    for &byte in path {
        is_normal &= match CLASSES[byte as usize] {
            Class::Plain => true,
            Class::Structure => previous != b'/',
            Class::Encode => false,
            Class::Parameter if tolerance.path_parameters => true,
            Class::Foreign if tolerance.raw_utf8 => false,
            Class::Parameter | Class::Foreign | Class::Refuse => return Err(Malformed::Path),
        };
        previous = byte;
    }
    if is_normal { Ok(Cow::Borrowed(path)) } else { rewrite(path, tolerance).map(Cow::Owned) }
}

fn rewrite(path: &[u8], tolerance: Tolerance) -> Result<Vec<u8>, Malformed> {
    let decoded = decode(path, tolerance)?;
    let mut normal = Vec::with_capacity(decoded.len());
    let mut segments = decoded[1..].split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            b"." | b"" => {}
            b".." => {
                let parent = memchr::memrchr(b'/', &normal).ok_or(Malformed::Path)?;
                normal.truncate(parent);
            }
            name if hides_dots(name) => return Err(Malformed::Path),
            name => {
                normal.push(b'/');
                normal.extend_from_slice(name);
            }
        }
        if is_last && matches!(segment, b"." | b".." | b"") {
            normal.push(b'/'); // a directory stays one
        }
    }
    Ok(normal)
}

/// Whether a service that decodes `%2F` or `%5C`, cuts off `;parameters`, or trims blanks would find a `.` or `..` in the segment.
fn hides_dots(segment: &[u8]) -> bool {
    let mut rest = segment;
    loop {
        let end = rest.windows(3).position(|three| matches!(three, b"%2F" | b"%5C"));
        let part = &rest[..end.unwrap_or(rest.len())];
        let plain = part.windows(3).position(|three| three == b"%3B").map_or(part, |end| &part[..end]);
        let plain = plain.split(|&byte| byte == b';').next().unwrap_or(plain);
        let is_whole = end.is_none() && plain.len() == segment.len(); // `.` and `..` themselves are resolved
        match end {
            _ if is_dots(plain) && !is_whole || is_dots_and_blanks(plain) => return true,
            Some(end) => rest = &rest[end + 3..],
            None => return false,
        }
    }
}

fn is_dots(part: &[u8]) -> bool {
    matches!(part, b"." | b"..")
}

/// Dots, with blanks or controls that many languages trim off (`%20`, `%09` and whatever lies below a blank), and nothing else.
fn is_dots_and_blanks(part: &[u8]) -> bool {
    let (mut dots, mut blanks, mut rest) = (0, 0, part);
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'.', _) => {
                dots += 1;
                tail
            }
            (b'%', [b'0' | b'1', _, tail @ ..] | [b'2', b'0', tail @ ..]) => {
                blanks += 1;
                tail
            }
            _ => return false,
        }
    }
    dots > 0 && blanks > 0
}

/// Escapes of unreserved characters become those characters, all others upper case; what must be escaped is.
fn decode(path: &[u8], tolerance: Tolerance) -> Result<Vec<u8>, Malformed> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.iter();
    while let Some(&byte) = rest.next() {
        let (byte, escaped) = match byte {
            b'%' => (hex(rest.next())? << 4 | hex(rest.next())?, true),
            _ => (byte, matches!(CLASSES[byte as usize], Class::Encode | Class::Foreign)),
        };
        match byte {
            0 => return Err(Malformed::Path),
            _ if byte.is_ascii_control() && !tolerance.encoded_controls => return Err(Malformed::Path),
            _ if escaped && !is_unreserved(byte) => push_escape(&mut decoded, byte),
            _ => decoded.push(byte),
        }
    }
    Ok(decoded)
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    out.push(b'%');
    out.push(b"0123456789ABCDEF"[usize::from(byte >> 4)]);
    out.push(b"0123456789ABCDEF"[usize::from(byte & 15)]);
}

/// The query as it is forwarded: as sent, except that bytes outside ASCII, which only a tolerant [`parse`] lets through, are
/// encoded.
pub fn encode_query(query: &[u8]) -> Cow<'_, [u8]> {
    if query.is_ascii() {
        return Cow::Borrowed(query);
    }
    let mut encoded = Vec::with_capacity(query.len() * 2);
    for &byte in query {
        match byte.is_ascii() {
            true => encoded.push(byte),
            false => push_escape(&mut encoded, byte),
        }
    }
    Cow::Owned(encoded)
}

fn hex(digit: Option<&u8>) -> Result<u8, Malformed> {
    digit.and_then(|&digit| (digit as char).to_digit(16)).map(|value| value as u8).ok_or(Malformed::Path)
}

/// RFC 3986 section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_normal_form() {
        let cases = [
            ("/", "/"),
            ("/a/b.c/d", "/a/b.c/d"),
            ("/a//b", "/a/b"),
            ("//a", "/a"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/a/%2e%2E/b", "/b"),
            ("/%61dmin", "/admin"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%252fb", "/a%252fb"),
            ("/a%5cb", "/a%5Cb"),
            ("/a|b{c}", "/a%7Cb%7Bc%7D"),
            ("/.hidden", "/.hidden"),
            ("/...", "/..."),
            ("/a/", "/a/"),
            ("/a//", "/a/"),
            ("/%7Euser", "/~user"),
            ("/a%3bx", "/a%3Bx"),
            ("/a..%20b", "/a..%20b"),
            ("/%20", "/%20"),
            ("/%c3%a9", "/%C3%A9"),
        ];
        for (path, normal) in cases {
            assert_normal(path, normal, Tolerance::NONE);
        }
    }

    fn assert_normal(path: &str, normal: &str, tolerance: Tolerance) {
        let once = normalise(path.as_bytes(), tolerance).unwrap();
        assert_eq!(String::from_utf8_lossy(&once), normal, "{path}");
        let twice = normalise(&once, tolerance).unwrap();
        assert_eq!(twice, once, "the normal form of {path} is its own normal form");
    }

    #[test]
    fn what_is_tolerated_has_one_normal_form_too() {
        let switch = |name: &str| Tolerance::NONE.with(name).unwrap();
        for (name, path, normal) in [
            ("path-parameters", "/a;x=1/b", "/a;x=1/b"),
            ("path-parameters", "/a/../%62;", "/b;"),
            ("encoded-controls", "/a%0ab%7f%1F", "/a%0Ab%7F%1F"),
            ("raw-utf8", "/\u{e9}/../\u{e8}%c3%a9", "/%C3%A8%C3%A9"),
        ] {
            assert_eq!(normalise(path.as_bytes(), Tolerance::NONE), Err(Malformed::Path), "{path}");
            assert_normal(path, normal, switch(name));
            assert_normal(path, normal, Tolerance::ALL);
        }
        assert_eq!(encode_query("a=\u{e9}&b=%C3".as_bytes()), &b"a=%C3%A9&b=%C3"[..]);
    }

    #[test]
    fn some_disguises_are_never_tolerated() {
        for path in ["/%00", "/a/..;x=1/b", "/..%3b/", "/.;/", "/..%0a/", "/..%20;x/", "/a b", "/a\\b"] {
            assert_eq!(normalise(path.as_bytes(), Tolerance::ALL), Err(Malformed::Path), "{path}");
        }
        assert_eq!(normalise(b"/..%1f", Tolerance::ALL), Err(Malformed::Path));
    }

    #[test]
    fn paths_that_two_servers_could_read_differently_are_refused() {
        for path in [
            "/..",
            "/a/../..",
            "/%2e%2e/x",
            "/a%",
            "/a%2",
            "/a%zz",
            "/%00",
            "/a\\b",
            "/a b",
            "/\u{e9}",
            "/a/..;x=1/b",
            "/a/..%2fadmin",
            "/a/b%2f..%2fc",
            "/a/x%5C..",
            "/..%5cadmin",
            "/a/..%3bx/",
            "/.;/",
            "/a;x=1",
            "/;",
            "/%01",
            "/a%0d%0ab",
            "/a%1F",
            "/a%7f",
            "/..%20/x",
            "/a/.%20",
            "/a/..%09/x",
            "/a/%20../x",
            "/a/..%20%2e/x",
            "/a/..%2e%20/x",
            "/a/b%2f..%20",
            "/a/..%20%2fb",
        ] {
            assert_eq!(normalise(path.as_bytes(), Tolerance::NONE), Err(Malformed::Path), "{path}");
        }
    }

    #[test]
    fn targets_come_in_four_forms() {
        let origin = |authority: Option<&'static str>, path: &'static str, query: Option<&'static str>| {
            Target::Origin {
                authority: authority.map(str::as_bytes),
                path: path.as_bytes(),
                query: query.map(str::as_bytes),
            }
        };
        let cases = [
            ("/a?b=c?d", Ok(origin(None, "/a", Some("b=c?d")))),
            ("http://Example.com:80/a", Ok(origin(Some("Example.com:80"), "/a", None))),
            ("http://example.com?q", Ok(origin(Some("example.com"), "", Some("q")))),
            ("*", Ok(Target::Asterisk)),
            ("example.com:443", Ok(Target::Authority)),
            ("http://user@example.com/", Err(Malformed::Host)),
            ("/a#b", Err(Malformed::Target)),
            ("ftp://example.com/", Err(Malformed::Target)),
            ("/\u{e9}", Err(Malformed::Target)),
            ("", Err(Malformed::Target)),
        ];
        for (target, expected) in cases {
            assert_eq!(parse(target.as_bytes(), Tolerance::NONE), expected, "{target}");
        }
        assert_eq!(
            parse("/\u{e9}?\u{e9}".as_bytes(), Tolerance::ALL),
            Ok(origin(None, "/\u{e9}", Some("\u{e9}")))
        );
        assert_eq!(parse(b"/\xc3", Tolerance::ALL), Err(Malformed::Target), "half a character");
        assert_eq!(parse("http://\u{e9}/".as_bytes(), Tolerance::ALL), Err(Malformed::Host));
    }

    #[test]
    fn hosts_are_checked() {
        for good in ["a", "a.b:80", "127.0.0.1", "[::1]:8080", "a:", "xn--bcher-kva.example"] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in
            ["", ":80", "a:b", "a@b", "a/b", "a,b", "[::1", "[x]", "a b", "a:123456", "%61", "[::1]x", "a\tb"]
        {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
        assert_eq!(host_name(b"Example.com.:80"), b"Example.com");
        assert_eq!(host_name(b"[::1]:80"), b"[::1]");
    }

    #[test]
    fn hosts_have_one_spelling() {
        let canonical = |host: &'static str| canonical_host(host.as_bytes()).unwrap();
        assert!(matches!(canonical("a.example:80"), Cow::Borrowed("a.example")));
        assert_eq!(canonical("A.Example."), "a.example");
        for spelling in ["[::A]", "[0:0:0:0:0:0:0:a]:80", "[0000::000a]", "[::0.0.0.10]"] {
            assert_eq!(canonical(spelling), "[::a]", "{spelling}");
        }
    }
}
