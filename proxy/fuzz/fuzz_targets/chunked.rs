//! The decoder of chunked bodies takes exactly what the grammar of RFC 9112 section 7.1 allows, however it is cut.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringgate_core::chunked::{ChunkError, Chunked, is_token};
use ringgate_core::field::Name;
use ringgate_core::forward;
use ringgate_core::limits::{CHUNK_EXTENSION_BYTES, CHUNK_SIZE_DIGITS, TRAILER_BYTES};
use ringgate_fuzz::{arrival, section, text};

/// A body as the decoder leaves it.
#[derive(Debug, PartialEq, Eq)]
struct Body {
    data: Vec<u8>,
    trailer: Vec<u8>,
    /// What lies behind it.
    rest: Vec<u8>,
    is_done: bool,
}

fuzz_target!(|input: &[u8]| {
    let Some((step, bytes)) = arrival(input) else { return };
    let whole = decode(bytes, bytes.len().max(1));
    assert_eq!(whole, decode(bytes, step), "by {step}: {:?}", text(bytes));
    let accepted = whole.ok().filter(|body| body.is_done);
    assert_eq!(accepted, reference(bytes), "{:?}", text(bytes));
    if let Some(body) = accepted {
        check_trailer(&body.trailer);
    }
});

fn decode(bytes: &[u8], step: usize) -> Result<Body, ChunkError> {
    let (mut chunked, mut data, mut rest) = (Chunked::new(), Vec::new(), Vec::new());
    for piece in bytes.chunks(step) {
        let mut piece = piece.to_vec();
        let decoded = chunked.decode(&mut piece)?;
        data.extend_from_slice(&piece[..decoded.data]);
        rest.extend_from_slice(&piece[decoded.consumed..]);
    }
    Ok(Body { data, trailer: chunked.trailer().to_vec(), rest, is_done: chunked.is_done() })
}

/// What may pass of a trailer section is one again, and says nothing that has to be known before the body.
fn check_trailer(received: &[u8]) {
    let mut out = Vec::new();
    if forward::trailers(&mut out, received).is_some() {
        out.extend_from_slice(b"\r\n");
        let lines = section(&out);
        assert!(lines.iter().all(|line| Name::of(line.name.as_bytes()) == Name::Other), "{lines:?}");
    }
}

/// A whole body by the grammar, one piece after another.
fn reference(bytes: &[u8]) -> Option<Body> {
    let (mut rest, mut data, mut extension_bytes) = (bytes, Vec::new(), 0);
    loop {
        let line;
        (line, rest) = split_at(rest, b"\r\n")?;
        let digits = line.iter().position(|&byte| byte == b';').unwrap_or(line.len());
        let (size, extensions) = line.split_at(digits);
        if !are_extensions(extensions) {
            return None;
        }
        extension_bytes += extensions.len(); // the first `;` is not counted, the CR is
        if extension_bytes > CHUNK_EXTENSION_BYTES as usize {
            return None;
        }
        let size = usize::try_from(chunk_size(size)?).ok()?;
        if size == 0 {
            let (trailer, rest) = trailer(rest)?;
            return Some(Body { data, trailer: trailer.to_vec(), rest: rest.to_vec(), is_done: true });
        }
        data.extend_from_slice(rest.get(..size)?);
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
}

/// `1*HEXDIG` of at most 64 bits.
fn chunk_size(digits: &[u8]) -> Option<u64> {
    let is_size = digits.iter().all(u8::is_ascii_hexdigit) && digits.len() <= CHUNK_SIZE_DIGITS as usize;
    u64::from_str_radix(&text(digits), 16).ok().filter(|_| is_size)
}

/// `*( ";" chunk-ext-name [ "=" chunk-ext-val ] )`, without the white space that only a bad sender writes.
fn are_extensions(mut rest: &[u8]) -> bool {
    while let Some(extension) = rest.strip_prefix(b";") {
        let Some(after_name) = skip_token(extension) else { return false };
        rest = match after_name.strip_prefix(b"=") {
            None => after_name,
            Some(value) => match skip_token(value).or_else(|| skip_quoted(value)) {
                Some(after_value) => after_value,
                None => return false,
            },
        };
    }
    rest.is_empty()
}

fn skip_token(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|&byte| !is_token(byte)).unwrap_or(bytes.len());
    (end > 0).then(|| &bytes[end..])
}

/// RFC 9110 section 5.6.4.
fn skip_quoted(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', byte, rest @ ..] if is_text(*byte) => rest,
            [byte, rest @ ..] if *byte != b'\\' && is_text(*byte) => rest,
            _ => return None,
        };
    }
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || byte >= b' ' && byte != 0x7f
}

/// Lines up to an empty one, which is left out.
fn trailer(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = bytes;
    loop {
        let line;
        (line, rest) = split_at(rest, b"\r\n")?;
        if line.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return None;
        }
        if line.is_empty() {
            let length = bytes.len() - rest.len();
            return (length <= TRAILER_BYTES).then(|| (&bytes[..length - 2], rest));
        }
    }
}

fn split_at<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(separator.len()).position(|window| window == separator)?;
    Some((&bytes[..at], &bytes[at + separator.len()..]))
}
