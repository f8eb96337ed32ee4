//! Where a secret stands in a text that is not the run's own: behind a name that says so, or before the host of a URL.

use std::ops::Range;

use super::is_secret;

/// What may stand between the credentials and their field's name, and may be read.
const SCHEMES: [&str; 9] =
    ["basic", "bearer", "digest", "dpop", "hoba", "negotiate", "ntlm", "token", "aws4-hmac-sha256"];

/// In a head or a body, or in what a program says: `Name: value` to the end of the line, and all of [`in_argument`].
pub(crate) fn in_text(text: &[u8]) -> Vec<Range<usize>> {
    let mut places = in_argument(text);
    places.extend(marks(text, b':').filter_map(|mark| field(text, mark)));
    places
}

/// In a URL or another word of a command line, in which a colon stands before a port: `name=value`, `"name": value` and
/// `//user:password@`.
pub(crate) fn in_argument(text: &[u8]) -> Vec<Range<usize>> {
    let pairs = marks(text, b'=').filter_map(|mark| pair(text, mark));
    let members = marks(text, b':').filter_map(|mark| member(text, mark));
    pairs.chain(members).chain(marks(text, b'/').filter_map(|mark| user(text, mark))).collect()
}

/// In a scenario, whose bodies are secret too.
pub(crate) fn in_scenario(text: &[u8]) -> Vec<Range<usize>> {
    let pairs = marks(text, b'=')
        .filter_map(|mark| behind_name(text, mark, |name| is_secret(name) || name == "body"));
    in_argument(text).into_iter().chain(pairs).collect()
}

/// The value of a whole `Name: value`, without the scheme of credentials.
pub(crate) fn value_of_field(text: &[u8]) -> Option<Range<usize>> {
    let mark = text.iter().position(|&byte| byte == b':')?;
    is_secret(name_before(text, mark)?.0)
        .then(|| credentials(text, behind(text, mark + 1, b" \t")..text.len()))
}

fn marks(text: &[u8], mark: u8) -> impl Iterator<Item = usize> {
    text.iter().enumerate().filter(move |(_, byte)| **byte == mark).map(|(at, _)| at)
}

/// The name that ends at `end`, blanks between them allowed, and where it begins.
fn name_before(text: &[u8], end: usize) -> Option<(&str, usize)> {
    let before = text[..end].trim_ascii_end();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.%[]".contains(byte);
    let start = before.iter().rposition(|byte| !is_name(byte)).map_or(0, |at| at + 1);
    let name = std::str::from_utf8(&before[start..]).ok().filter(|name| !name.is_empty())?;
    Some((name, start))
}

/// `Name: value`. A name behind anything but a blank is none: `//auth:80` is a host.
fn field(text: &[u8], mark: usize) -> Option<Range<usize>> {
    let (name, start) = name_before(text, mark)?;
    let is_name = is_secret(name) && (start == 0 || text[start - 1].is_ascii_whitespace());
    let from = behind(text, mark + 1, b" \t");
    is_name.then(|| credentials(text, from..until(text, from, |byte| b"\r\n".contains(&byte))))
}

fn credentials(text: &[u8], value: Range<usize>) -> Range<usize> {
    let word = until(text, value.start, |byte| byte == b' ').min(value.end);
    let is_scheme =
        SCHEMES.iter().any(|scheme| scheme.as_bytes().eq_ignore_ascii_case(&text[value.start..word]));
    if is_scheme && word < value.end { word + 1..value.end } else { value }
}

/// `name=value` of a query, a form or a variable; `name="value"` of a field.
fn pair(text: &[u8], mark: usize) -> Option<Range<usize>> {
    behind_name(text, mark, is_secret)
}

fn behind_name(text: &[u8], mark: usize, is_secret: impl Fn(&str) -> bool) -> Option<Range<usize>> {
    let (name, _) = name_before(text, mark)?;
    let from = mark + 1;
    let ends = |byte: u8| byte.is_ascii_whitespace() || b"&<>".contains(&byte);
    let value = || quoted(text, behind(text, from, b" \t")).unwrap_or_else(|| from..until(text, from, ends));
    is_secret(name).then(value)
}

/// `"name": value` of an object. A value that is none but a list or an object is hidden with all that follows.
fn member(text: &[u8], mark: usize) -> Option<Range<usize>> {
    let before = text[..mark].trim_ascii_end();
    let inside = before.strip_suffix(b"\"").or(before.strip_suffix(b"'"))?;
    let inside = inside.strip_suffix(b"\\").unwrap_or(inside);
    let (name, _) = name_before(text, inside.len())?;
    let from = behind(text, mark + 1, b" \t\r\n");
    let ends = |byte: u8| byte.is_ascii_whitespace() || b",}]".contains(&byte);
    let bare = || match text.get(from) {
        Some(b'[' | b'{') => from..text.len(),
        _ => from..until(text, from, ends),
    };
    is_secret(name).then(|| quoted(text, from).unwrap_or_else(bare))
}

/// Between quotes at `from`, if there are any; to the end of the text if that has cut the second one.
fn quoted(text: &[u8], from: usize) -> Option<Range<usize>> {
    let opening = text[from..].strip_prefix(b"\\").map_or(&text[from..], |quote| quote);
    let quote = *opening.first().filter(|byte| b"\"'".contains(byte))?;
    let start = text.len() - opening.len() + 1;
    let is_inside = start > from + 1; // JSON in a string of JSON: its quotes have a backslash, its backslashes have two
    let mut at = start;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' if is_inside && text.get(at + 1) == Some(&quote) => break,
            b'\\' if is_inside && text[at..].starts_with(br"\\\") => at += 4,
            b'\\' => at += 2,
            _ if byte == quote => break,
            _ => at += 1,
        }
    }
    Some(start..at.min(text.len()))
}

/// What stands before the `@` in `//user:password@host`.
fn user(text: &[u8], mark: usize) -> Option<Range<usize>> {
    let from = mark + 2;
    text.get(mark..from).filter(|slashes| *slashes == b"//")?;
    let end = until(text, from, |byte| byte.is_ascii_whitespace() || b"/?#\"'<>".contains(&byte));
    let at = text[from..end].iter().rposition(|&byte| byte == b'@')?;
    Some(from..from + at)
}

/// Where a text goes on behind `blanks`.
fn behind(text: &[u8], from: usize, blanks: &[u8]) -> usize {
    until(text, from, |byte| !blanks.contains(&byte))
}

fn until(text: &[u8], from: usize, ends: impl Fn(u8) -> bool) -> usize {
    text[from..].iter().position(|&byte| ends(byte)).map_or(text.len(), |at| from + at)
}

#[cfg(test)]
mod tests {
    use super::super::{MASK, Secrets, masked};
    use super::*;

    #[test]
    fn values_are_hidden_behind_their_names() {
        for (text, shown) in [
            ("Set-Cookie: a=b\r\nx: y\r\n", "Set-Cookie: ***\r\nx: y\r\n"),
            ("authorization: Basic dXNlcg==", "authorization: Basic ***"),
            ("authorization: whatever else", "authorization: ***"),
            ("authorization:Bearer", "authorization:***"),
            ("GET /a?id=1&token=x%20y&b=2 HTTP/1.1", "GET /a?id=1&token=***&b=2 HTTP/1.1"),
            ("/a?X-Amz-Signature=abc#part", "/a?X-Amz-Signature=***"),
            (r#"{"user":"me","password" : "a\"b","n":1}"#, r#"{"user":"me","password" : "***","n":1}"#),
            (r#"{"token":12,"n":1}"#, r#"{"token":***,"n":1}"#),
            (r#"{"tokens":["a","b"]}"#, r#"{"tokens":***"#),
            (r#""{\"pwd\":\"a\\\"b\",\"n\":1}""#, r#""{\"pwd\":\"***\",\"n\":1}""#),
            ("no such token: abc def", "no such token: ***"),
            ("http://me:secret@host/a@b", "http://***@host/a@b"),
            ("http://auth:8080/ at 12:30: all well", "http://auth:8080/ at 12:30: all well"),
            ("password=\"a b\" c", "password=\"***\" c"),
            ("token=", "token="),
            ("token:", "token:"),
            ("\"token\":\"\\", "\"token\":\"***"),
        ] {
            assert_eq!(Secrets::default().hide(text), shown);
        }
        assert_eq!(masked(b"auth:80", in_argument(b"auth:80")), "auth:80");
    }

    #[test]
    fn a_field_is_read_with_and_without_a_blank() {
        for (text, shown) in
            [("Cookie:a=b", "Cookie:***"), ("cookie: a=b", "cookie: ***"), ("Accept: a", "Accept: a")]
        {
            assert_eq!(masked(text.as_bytes(), value_of_field(text.as_bytes()).into_iter().collect()), shown);
        }
        assert_eq!(MASK.len(), 3);
    }
}
