//! The forms a text can stand in: as it is, percent-encoded, as a form's field, in JSON, in HTML, in base64.
//!
//! A value is looked for in the text read back from each form, not encoded into each: encoders differ in what they escape and
//! in the case of their digits, and agree on what it means.
//! Refuses: two forms on top of each other.

use std::ops::Range;

/// A text read back from a form, and where each of its bytes was written.
pub(super) struct View {
    bytes: Vec<u8>,
    sources: Vec<Range<usize>>,
    /// Bytes of what it was read from.
    length: usize,
}

impl View {
    fn new(length: usize) -> View {
        View { bytes: Vec::new(), sources: Vec::new(), length }
    }

    fn push(&mut self, byte: u8, source: Range<usize>) {
        self.bytes.push(byte);
        self.sources.push(source);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where this part, which is not empty, was written. What follows the last byte is an escape that was cut: a part of it.
    pub(super) fn source(&self, part: Range<usize>) -> Range<usize> {
        let end = if part.end == self.bytes.len() { self.length } else { self.sources[part.end - 1].end };
        self.sources[part.start].start..end
    }
}

/// What is written at the beginning of a text, and with how many bytes: nothing if it is no escape, and no bytes if it is one
/// that the text's end has cut.
type Decoder = fn(&[u8]) -> Option<(Vec<u8>, usize)>;

const DECODERS: [Decoder; 4] = [percent, form, json, html];
/// Characters of base64 that make three bytes.
const GROUP: usize = 4;

/// The text read back from each form.
pub(super) fn views(text: &[u8]) -> Vec<View> {
    let plain: Decoder = |_| None;
    let escaped = [plain].into_iter().chain(DECODERS).map(|decoder| view(text, decoder));
    escaped.chain((0..GROUP).map(|start| base64(text, start))).collect()
}

/// What `value` was before it was encoded, if it may have been.
pub(super) fn decoded(value: &[u8]) -> Vec<Vec<u8>> {
    let escaped = DECODERS.into_iter().map(|decoder| view(value, decoder));
    let unpadded = value.strip_suffix(b"==").or(value.strip_suffix(b"=")).unwrap_or(value);
    let is_base64 = unpadded.iter().all(|&byte| sextet(byte).is_some());
    let texts = escaped.chain(is_base64.then(|| base64(unpadded, 0))).map(|view| view.bytes);
    texts.filter(|text| text != value && std::str::from_utf8(text).is_ok()).collect()
}

fn view(text: &[u8], decoder: Decoder) -> View {
    let (mut view, mut at) = (View::new(text.len()), 0);
    while at < text.len() {
        let (bytes, length) = decoder(&text[at..]).unwrap_or_else(|| (vec![text[at]], 1));
        bytes.into_iter().for_each(|byte| view.push(byte, at..at + length));
        at += length;
    }
    view
}

fn percent(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let digits = text.strip_prefix(b"%")?;
    hexadecimal(digits, 2).map(|byte| (byte.map_or(Vec::new(), |byte| vec![byte as u8]), text.len().min(3)))
}

/// As a form's field, in which a plus is a space.
fn form(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    if text[0] == b'+' { Some((vec![b' '], 1)) } else { percent(text) }
}

/// RFC 8259 section 7.
fn json(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let byte = match text.strip_prefix(b"\\")?.first() {
        None => return Some((Vec::new(), 1)),
        Some(b'u') => return json_unit(text),
        Some(b'b') => 8,
        Some(b'f') => 12,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(&other) => other,
    };
    Some((vec![byte], 2))
}

/// `\uXXXX`, or two of them that make one character.
fn json_unit(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let Some(first) = hexadecimal(text.get(2..)?, 4)? else { return Some((Vec::new(), text.len())) };
    let second = match first {
        0xd800..0xdc00 => text.get(6..).and_then(|rest| hexadecimal(rest.strip_prefix(b"\\u")?, 4)).flatten(),
        _ => None,
    };
    let units = [Some(first as u16), second.map(|second| second as u16)];
    let text: String = char::decode_utf16(units.into_iter().flatten()).filter_map(Result::ok).collect();
    Some((text.into_bytes(), if second.is_some() { 12 } else { 6 }))
}

/// So many digits; nothing inside if the text ends before the last of them.
fn hexadecimal(text: &[u8], count: usize) -> Option<Option<u32>> {
    let digits = &text[..text.len().min(count)];
    let digits = std::str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    Some(if digits.len() < count { None } else { u32::from_str_radix(digits, 16).ok() })
}

fn html(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    const LONGEST: usize = 10;
    let inside = text.strip_prefix(b"&")?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'#';
    let length = inside.iter().take(LONGEST).take_while(|byte| is_name(byte)).count();
    match inside.get(length) {
        None => Some((Vec::new(), text.len())),
        Some(b';') => {
            Some((entity(std::str::from_utf8(&inside[..length]).ok()?)?.to_string().into_bytes(), length + 2))
        }
        Some(_) => None,
    }
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let hexadecimal = number.strip_prefix(['x', 'X']).map(|digits| u32::from_str_radix(digits, 16));
            char::from_u32(hexadecimal.unwrap_or_else(|| number.parse()).ok()?)
        }
    }
}

/// Groups are counted from `start` on: where in a text base64 begins, and at which byte of what was encoded the value does, is
/// not known. Of a group that is not whole, what it has is read; what is no base64 stands for itself.
fn base64(text: &[u8], start: usize) -> View {
    let mut view = View::new(text.len());
    let start = start.min(text.len());
    (0..start).for_each(|at| view.push(text[at], at..at + 1));
    for from in (start..text.len()).step_by(GROUP) {
        let group = &text[from..text.len().min(from + GROUP)];
        let sextets: Vec<u32> = group.iter().map_while(|&byte| sextet(byte)).collect();
        for (place, pair) in sextets.windows(2).enumerate() {
            let byte = (pair[0] << (2 * place + 2) | pair[1] >> (4 - 2 * place)) as u8;
            view.push(byte, from + place..from + place + 2);
        }
        (sextets.len()..group.len()).for_each(|at| view.push(group[at], from + at..from + at + 1));
    }
    view
}

/// Of either alphabet (RFC 4648 sections 4 and 5).
fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, decoder: Decoder) -> String {
        String::from_utf8(view(text.as_bytes(), decoder).bytes).unwrap()
    }

    #[test]
    fn each_form_is_read_back_and_what_is_none_stands_for_itself() {
        assert_eq!(read("a%2Fb%2fc%zz%e2%82%ac", percent), "a/b/c%zz€");
        assert_eq!(read("a+b%2B", form), "a b+");
        assert_eq!(read(r#"\"\\\/\n\u00e9\ud83d\ude00\u12"#, json), "\"\\/\né😀");
        assert_eq!(read("a&amp;b&#39;&#x2F;&nothing;&lt", html), "a&b'/&nothing;");
        assert_eq!(base64(b"..aGkgeW91", 2).bytes, b"..hi you");
        assert_eq!(base64(b"aGk=!", 0).bytes, b"hi=!");
    }

    #[test]
    fn a_part_is_found_where_it_was_written_with_an_escape_that_was_cut() {
        let view = view(b"x%41%42%4", percent);
        assert_eq!((view.bytes(), view.source(1..2), view.source(1..3)), (&b"xAB"[..], 1..4, 1..9));
    }
}
