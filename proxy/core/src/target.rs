//! The request target (RFC 9112 section 3.2), its authority and the one normal form of its path.
//!
//! Routing, policy and forwarding all see the same bytes: the normal form made here. Two spellings that a service may
//! take for one another become one spelling, or are refused where that cannot be known.

use std::borrow::Cow;

use crate::answer::Malformed;

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
/// Not one of the four forms, or a fragment (which never belongs on the wire).
pub fn parse(target: &[u8]) -> Result<Target<'_>, Malformed> {
    if target.iter().any(|&byte| byte <= b' ' || byte >= 0x7f || byte == b'#') {
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
        !host.is_empty() && host.iter().all(|&byte| is_unreserved(byte) || b"!$&'()*+;=".contains(&byte))
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
    /// A control, a byte outside ASCII, what ends a path, or `\`, which some services take for `/`.
    Refuse,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Refuse; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        classes[byte] = match byte as u8 {
            b'\\' | b'?' | b'#' => Class::Refuse,
            b'/' | b'.' => Class::Structure,
            b'%' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | b'[' | b']' => Class::Encode,
            _ => Class::Plain,
        };
        byte += 1;
    }
    classes
};

/// The normal form of a path: unreserved characters decoded, other escapes in upper case (`%2F` stays distinct from `/`),
/// empty segments merged, `.` and `..` resolved (RFC 3986 section 6.2.2). Borrowed if that can be seen without decoding.
///
/// # Errors
/// Bad or NUL escapes, bytes that may not appear in a path, `..` above the root, and dot segments in disguise (`..;x=1`).
pub fn normalise(path: &[u8]) -> Result<Cow<'_, [u8]>, Malformed> {
    debug_assert_eq!(path.first(), Some(&b'/'));
    let mut previous = 0;
    let mut is_normal = true;
    for &byte in path {
        is_normal &= match CLASSES[byte as usize] {
            Class::Plain => true,
            Class::Structure => previous != b'/',
            Class::Encode => false,
            Class::Refuse => return Err(Malformed::Path),
        };
        previous = byte;
    }
    if is_normal { Ok(Cow::Borrowed(path)) } else { rewrite(path).map(Cow::Owned) }
}

fn rewrite(path: &[u8]) -> Result<Vec<u8>, Malformed> {
    let decoded = decode(path)?;
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

/// Whether a service that decodes `%2F` or `%5C`, or cuts off `;parameters`, would find a `.` or `..` in the segment.
fn hides_dots(segment: &[u8]) -> bool {
    let mut rest = segment;
    loop {
        let end = rest.windows(3).position(|three| matches!(three, b"%2F" | b"%5C"));
        let part = &rest[..end.unwrap_or(rest.len())];
        let plain = part.windows(3).position(|three| three == b"%3B").map_or(part, |end| &part[..end]);
        let plain = plain.split(|&byte| byte == b';').next().unwrap_or(plain);
        let is_whole = end.is_none() && plain.len() == segment.len(); // `.` and `..` themselves are resolved
        match end {
            _ if matches!(plain, b"." | b"..") && !is_whole => return true,
            Some(end) => rest = &rest[end + 3..],
            None => return false,
        }
    }
}

/// Escapes of unreserved characters become those characters, all others upper case; what must be escaped is.
fn decode(path: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.iter();
    while let Some(&byte) = rest.next() {
        let (byte, escaped) = match byte {
            b'%' => (hex(rest.next())? << 4 | hex(rest.next())?, true),
            _ => (byte, CLASSES[byte as usize] == Class::Encode),
        };
        match byte {
            0 => return Err(Malformed::Path),
            _ if escaped && !is_unreserved(byte) => {
                decoded.push(b'%');
                decoded.push(b"0123456789ABCDEF"[usize::from(byte >> 4)]);
                decoded.push(b"0123456789ABCDEF"[usize::from(byte & 15)]);
            }
            _ => decoded.push(byte),
        }
    }
    Ok(decoded)
}

fn hex(digit: Option<&u8>) -> Result<u8, Malformed> {
    digit.and_then(|&digit| (digit as char).to_digit(16)).map(|value| value as u8).ok_or(Malformed::Path)
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
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
            ("/a;x=1/b", "/a;x=1/b"),
            ("/.hidden", "/.hidden"),
            ("/...", "/..."),
            ("/a/", "/a/"),
            ("/a//", "/a/"),
            ("/%7Euser", "/~user"),
        ];
        for (path, normal) in cases {
            let once = normalise(path.as_bytes()).unwrap();
            assert_eq!(String::from_utf8_lossy(&once), normal, "{path}");
            let twice = normalise(&once).unwrap();
            assert_eq!(twice, once, "the normal form of {path} is its own normal form");
        }
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
        ] {
            assert_eq!(normalise(path.as_bytes()), Err(Malformed::Path), "{path}");
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
            assert_eq!(parse(target.as_bytes()), expected, "{target}");
        }
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
