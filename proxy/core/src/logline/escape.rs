//! What a client sent, made harmless: nothing of it ends a string, a line or a terminal's patience.

/// Whether every byte is visible ASCII or a space, and neither a quote nor a backslash: what nearly all values are. All of them
/// are looked at even if one is found, which lets the compiler look at many at once.
fn is_plain(value: &[u8]) -> bool {
    let is_special = |byte: u8| !(b' '..0x7f).contains(&byte) || byte == b'"' || byte == b'\\';
    !value.iter().fold(false, |any, &byte| any | is_special(byte))
}

/// Appends `value` as the inside of a JSON string (RFC 8259 section 7). What is not UTF-8 becomes U+FFFD; control characters
/// beyond ASCII, which terminals obey, are escaped, too.
pub fn json(out: &mut Vec<u8>, value: &[u8]) {
    if is_plain(value) {
        return out.extend_from_slice(value);
    }
    for chunk in value.utf8_chunks() {
        json_text(out, chunk.valid());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

fn json_text(out: &mut Vec<u8>, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_control() || matches!(c, '"' | '\\')) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let mut characters = special.chars();
        match characters.next() {
            Some(c @ ('"' | '\\')) => out.extend_from_slice(&[b'\\', c as u8]),
            Some(c) => {
                out.extend_from_slice(b"\\u00"); // the last control character is U+009F
                out.extend_from_slice(&digits(c as u8, b'a'));
            }
            None => {}
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
}

/// Appends `value` as nginx writes it into the combined format: quotes, backslashes and all but visible ASCII as `\xXX`.
pub fn combined(out: &mut Vec<u8>, value: &[u8]) {
    if is_plain(value) {
        return out.extend_from_slice(value);
    }
    for &byte in value {
        match byte {
            b'"' | b'\\' | ..b' ' | 0x7f.. => {
                out.extend_from_slice(b"\\x");
                out.extend_from_slice(&digits(byte, b'A'));
            }
            plain => out.push(plain),
        }
    }
}

fn digits(byte: u8, ten: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|digit| if digit < 10 { b'0' + digit } else { ten + digit - 10 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(value: &[u8], escape: fn(&mut Vec<u8>, &[u8])) -> String {
        let mut out = Vec::new();
        escape(&mut out, value);
        String::from_utf8(out).expect("text")
    }

    /// Whatever three bytes follow each other: a JSON parser reads what was sent, and it stays on its line.
    #[test]
    fn json_strings_mean_what_was_sent() {
        let bytes = [b'a', b'"', b'\\', b'\n', 0, 0x1f, 0x7f, 0x80, 0x9f, 0xc2, 0xc3, 0xa9, 0xe2, 0xff];
        for value in bytes.iter().flat_map(|a| bytes.iter().flat_map(|b| bytes.map(|c| [*a, *b, c]))) {
            let escaped = all(&value, json);
            let read: String = serde_json::from_str(&format!("\"{escaped}\"")).expect("a JSON string");
            assert_eq!(read, String::from_utf8_lossy(&value));
            assert!(!escaped.contains(char::is_control), "{escaped:?}");
        }
    }

    #[test]
    fn nothing_breaks_out_of_a_combined_line() {
        let everything: Vec<u8> = (0..=255).collect();
        let escaped = all(&everything, combined);
        assert!(escaped.bytes().all(|byte| (b' '..0x7f).contains(&byte) && byte != b'"'));
        assert_eq!(all(b"a\"b\\c\r\n\xc3", combined), "a\\x22b\\x5Cc\\x0D\\x0A\\xC3");
    }
}
