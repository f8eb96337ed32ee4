//! The body of a request: where its content ends and its framing begins, no IO (RFC 9112 sections 6 and 7).
//!
//! Strict as [`request`](crate::request) is. Content is never copied or kept, only pointed at.

use httparse::Status;

use crate::journal::Field;
use crate::refusal::Refusal;
use crate::request::require_line_ends;

/// How a message says where its body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
}

impl Default for Framing {
    fn default() -> Self {
        Framing::Length(0)
    }
}

/// Longest line with a chunk's size, extensions included.
const CHUNK_LINE_BYTES: usize = 1024;
/// Longest trailer section in bytes.
const TRAILER_BYTES: usize = 16 * 1024;
/// Most trailer fields.
const TRAILER_FIELDS: usize = 64;

/// A body being read.
#[derive(Debug, Default)]
pub(crate) struct Body {
    next: Next,
    /// The fields after the last chunk; complete once the body [is over](Self::is_over).
    pub(crate) trailers: Vec<Field>,
}

/// What must come next.
#[derive(Debug, Default)]
enum Next {
    /// Content by length.
    Content(u64),
    ChunkLine,
    ChunkContent(u64),
    /// The line end after a chunk's content.
    ChunkEnd,
    Trailers,
    #[default]
    Nothing,
}

/// What is at the front of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// So many bytes of content.
    Content(usize),
    /// So many bytes that only frame it.
    Framing(usize),
    /// Not enough to tell.
    Unfinished,
    /// What follows the body.
    End,
}

impl Body {
    pub(crate) fn new(framing: Framing) -> Body {
        let next = match framing {
            Framing::Length(0) => Next::Nothing,
            Framing::Length(length) => Next::Content(length),
            Framing::Chunked => Next::ChunkLine,
        };
        Body { next, trailers: Vec::new() }
    }

    /// Whether all of it was read.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.next, Next::Nothing)
    }

    /// Reads on: what is at the front of `input`. The caller consumes it before the next call.
    pub(crate) fn read(&mut self, input: &[u8]) -> Result<Piece, Refusal> {
        match self.next {
            Next::Nothing => Ok(Piece::End),
            _ if input.is_empty() => Ok(Piece::Unfinished),
            Next::Content(left) => Ok(self.read_content(left, input, Next::Content, Next::Nothing)),
            Next::ChunkContent(left) => {
                Ok(self.read_content(left, input, Next::ChunkContent, Next::ChunkEnd))
            }
            Next::ChunkLine => self.read_chunk_line(input),
            Next::ChunkEnd => self.read_chunk_end(input),
            Next::Trailers => self.read_trailers(input),
        }
    }

    fn read_content(&mut self, left: u64, input: &[u8], more: fn(u64) -> Next, done: Next) -> Piece {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let left = left - count as u64;
        self.next = if left == 0 { done } else { more(left) };
        Piece::Content(count)
    }

    fn read_chunk_line(&mut self, input: &[u8]) -> Result<Piece, Refusal> {
        let Some(end) = memchr::memchr(b'\n', &input[..input.len().min(CHUNK_LINE_BYTES)]) else {
            return match input.len() < CHUNK_LINE_BYTES {
                true => Ok(Piece::Unfinished),
                false => Err(Refusal::malformed(format!(
                    "a chunk's size line is over {CHUNK_LINE_BYTES} bytes; send no such extensions"
                ))),
            };
        };
        let line = input[..end].strip_suffix(b"\r").ok_or_else(bad_chunk_line)?;
        self.next = match chunk_size(line)? {
            0 => Next::Trailers,
            size => Next::ChunkContent(size),
        };
        Ok(Piece::Framing(end + 1))
    }

    fn read_chunk_end(&mut self, input: &[u8]) -> Result<Piece, Refusal> {
        if !b"\r\n".starts_with(&input[..input.len().min(2)]) {
            return Err(Refusal::malformed("a chunk is longer than its size; send CRLF after its content"));
        }
        if input.len() < 2 {
            return Ok(Piece::Unfinished);
        }
        self.next = Next::ChunkLine;
        Ok(Piece::Framing(2))
    }

    fn read_trailers(&mut self, input: &[u8]) -> Result<Piece, Refusal> {
        let mut room = [httparse::EMPTY_HEADER; TRAILER_FIELDS];
        match httparse::parse_headers(input, &mut room).map_err(bad_trailers)? {
            Status::Complete((length, fields)) if length <= TRAILER_BYTES => {
                require_line_ends(&input[..length])?;
                self.trailers =
                    fields.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect();
                self.next = Next::Nothing;
                Ok(Piece::Framing(length))
            }
            Status::Partial if input.len() < TRAILER_BYTES => Ok(Piece::Unfinished),
            _ => Err(Refusal::malformed(format!("the trailers are over {TRAILER_BYTES} bytes; send fewer"))),
        }
    }
}

/// RFC 9112 section 7.1: hexadecimal digits alone, or followed at once by extensions.
fn chunk_size(line: &[u8]) -> Result<u64, Refusal> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, extensions) = line.split_at(digits);
    if !extensions.is_empty() && !are_extensions(extensions) {
        return Err(bad_chunk_line());
    }
    let size = std::str::from_utf8(size).ok().filter(|_| (1..=16).contains(&digits));
    size.and_then(|size| u64::from_str_radix(size, 16).ok()).ok_or_else(bad_chunk_line)
}

/// A semicolon and a name come first; what is behind must at least be printable.
fn are_extensions(bytes: &[u8]) -> bool {
    let named = bytes[0] == b';' && bytes.get(1).is_some_and(|byte| byte.is_ascii_alphanumeric());
    named && bytes.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

fn bad_chunk_line() -> Refusal {
    Refusal::malformed("a chunk does not begin with its size: hexadecimal digits, then CRLF")
}

fn bad_trailers(error: httparse::Error) -> Refusal {
    Refusal::malformed(format!("the trailers are malformed ({error}); see RFC 9112 section 7.1.2"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Content, trailers and what was left over, with the input arriving in steps of `step` bytes.
    fn read(wire: &[u8], step: usize) -> Result<(Vec<u8>, Vec<Field>, usize), Refusal> {
        let mut body = Body::new(Framing::Chunked);
        let (mut content, mut start, mut end) = (Vec::new(), 0, 0);
        loop {
            match body.read(&wire[start..end])? {
                Piece::Content(count) => {
                    content.extend_from_slice(&wire[start..start + count]);
                    start += count;
                }
                Piece::Framing(count) => start += count,
                Piece::Unfinished if end == wire.len() => panic!("unfinished: {:?}", &wire[start..]),
                Piece::Unfinished => end = wire.len().min(end + step),
                Piece::End => return Ok((content, body.trailers, wire.len() - start)),
            }
        }
    }

    #[test]
    fn chunks_are_joined_wherever_they_are_cut() {
        let wire = b"5\r\nhello\r\n00A;name=\"v\"\r\n, chunked \r\n1\r\n!\r\n0\r\nSum: 1\r\nx:\r\n\r\nGET";
        for step in 1..=wire.len() {
            let (content, trailers, left) = read(wire, step).unwrap();
            assert_eq!(content, b"hello, chunked !");
            assert_eq!(trailers, [("Sum".to_owned(), b"1".to_vec()), ("x".to_owned(), b"".to_vec())]);
            assert!(wire.ends_with(b"GET") && left <= 3);
        }
    }

    #[test]
    fn chunks_framed_otherwise_than_the_grammar_says_are_refused() {
        for wire in [
            "\r\n",
            " 1\r\na\r\n",
            "+1\r\na\r\n",
            "1 \r\na\r\n",
            "0x1\r\na\r\n",
            "1;\r\na\r\n",
            "1;\u{7f}\r\na\r\n",
            "1;a\rb\r\na\r\n",
            "1\na\r\n",
            "1\r\nab\r\n",
            "1\r\na\n",
            "00000000000000001\r\na\r\n",
            "g\r\n",
            "0\r\na b: c\r\n\r\n",
            "0\r\na: b\n\r\n",
            "0\r\n\n",
        ] {
            for step in [1, wire.len()] {
                assert!(read(wire.as_bytes(), step).is_err(), "{wire:?} in steps of {step}");
            }
        }
    }

    #[test]
    fn framing_without_end_is_refused() {
        assert!(read(format!("1;{}", "a".repeat(CHUNK_LINE_BYTES)).as_bytes(), 100).is_err());
        assert!(read(format!("0\r\na: {}", "a".repeat(TRAILER_BYTES)).as_bytes(), 1000).is_err());
        let trailers = |bytes: usize| format!("0\r\na: {}\r\n\r\n", "a".repeat(bytes - "a: \r\n\r\n".len()));
        let step = 2 * TRAILER_BYTES; // all of it at once
        assert!(read(trailers(TRAILER_BYTES).as_bytes(), step).is_ok());
        assert!(read(trailers(TRAILER_BYTES + 1).as_bytes(), step).is_err());
    }

    #[test]
    fn a_length_covers_exactly_its_bytes() {
        let mut body = Body::new(Framing::Length(5));
        assert_eq!(body.read(b"abc"), Ok(Piece::Content(3)));
        assert_eq!(body.read(b""), Ok(Piece::Unfinished));
        assert_eq!(body.read(b"deGET"), Ok(Piece::Content(2)));
        assert!(body.is_over());
        assert_eq!(body.read(b"GET"), Ok(Piece::End));
    }
}
