//! The chunked transfer coding (RFC 9112 section 7.1), decoded in place.
//!
//! Owns: the state between two receives, and the trailer section until it is whole.
//! Refuses: everything the grammar does not allow. Bare LF, white space, a sign, an empty or over-long size, an extension
//! without a name: each has been used to make two parsers disagree about where a message ends.

use crate::limits::{CHUNK_EXTENSION_BYTES, CHUNK_SIZE_DIGITS, TRAILER_BYTES};

/// Why chunked framing was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkError {
    /// Not a chunk size of 1 to 16 hexadecimal digits.
    Size,
    /// A malformed extension, or too many bytes of them.
    Extension,
    /// No CR LF where one has to be.
    LineEnd,
    /// A malformed or over-long trailer section.
    Trailer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the size, after that many digits.
    Size {
        digits: u32,
    },
    /// In an extension.
    Extension {
        at: Extension,
    },
    /// After the CR of the size line.
    SizeLineFeed,
    /// In the data.
    Data,
    /// After the data.
    DataReturn,
    DataLineFeed,
    /// In the trailer section.
    Trailer,
    /// After the CR of an empty trailer section.
    LastLineFeed,
    Done,
}

/// Where in `;name[=value]` (RFC 9112 section 7.1.1; no white space: it is BWS at best, and never needed).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extension {
    NameStart,
    Name,
    ValueStart,
    Value,
    Quoted,
    Escaped,
    QuotedEnd,
}

/// A decoder of one body.
#[derive(Debug)]
pub struct Chunked {
    state: State,
    /// Size being read, then bytes of data left in this chunk.
    left: u64,
    extension_bytes: u32,
    trailer: Vec<u8>,
}

/// What one call did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of input used.
    pub consumed: usize,
    /// Bytes of data, moved to the front of the input.
    pub data: usize,
}

impl Chunked {
    /// A decoder at the start of a body. Allocates nothing unless there is a trailer section.
    pub fn new() -> Chunked {
        Chunked { state: State::Size { digits: 0 }, left: 0, extension_bytes: 0, trailer: Vec::new() }
    }

    /// Whether the last chunk and the trailer section have been read.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The trailer section as received, without its final empty line; empty until [`is_done`](Self::is_done).
    pub fn trailer(&self) -> &[u8] {
        if self.is_done() { &self.trailer } else { &[] }
    }

    /// Decodes as much of `bytes` as there is, moving the data to its front. What lies behind the body is not consumed.
    ///
    /// # Errors
    /// The framing is not what RFC 9112 says; the decoder is of no use afterwards.
    pub fn decode(&mut self, bytes: &mut [u8]) -> Result<Decoded, ChunkError> {
        let (mut at, mut data) = (0, 0);
        while at < bytes.len() && self.state != State::Done {
            if self.state == State::Data {
                let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - at);
                if data != at {
                    bytes.copy_within(at..at + count, data);
                }
                (at, data) = (at + count, data + count);
                self.left -= count as u64;
                if self.left == 0 {
                    self.state = State::DataReturn;
                }
            } else {
                self.state = self.step(bytes[at])?;
                at += 1;
            }
        }
        Ok(Decoded { consumed: at, data })
    }

    /// One byte of framing.
    fn step(&mut self, byte: u8) -> Result<State, ChunkError> {
        match (self.state, byte) {
            (State::Size { digits: 1.. }, b'\r') => Ok(State::SizeLineFeed),
            (State::Size { digits: 1.. }, b';') => Ok(State::Extension { at: Extension::NameStart }),
            (State::Size { digits }, _) => self.size_digit(digits, byte),
            (State::Extension { at }, _) => self.extension(at, byte),
            (State::SizeLineFeed, b'\n') if self.left == 0 => Ok(State::Trailer),
            (State::SizeLineFeed, b'\n') => Ok(State::Data),
            (State::DataReturn, b'\r') => Ok(State::DataLineFeed),
            (State::DataLineFeed, b'\n') => Ok(State::Size { digits: 0 }),
            (State::Trailer, b'\r') if self.trailer.is_empty() => Ok(State::LastLineFeed),
            (State::Trailer, _) => self.trailer_byte(byte),
            (State::LastLineFeed, b'\n') => Ok(State::Done),
            (State::SizeLineFeed | State::DataReturn | State::DataLineFeed | State::LastLineFeed, _) => {
                Err(ChunkError::LineEnd)
            }
            (State::Data | State::Done, _) => unreachable!("`decode` does not step here"),
        }
    }

    fn size_digit(&mut self, digits: u32, byte: u8) -> Result<State, ChunkError> {
        let digit = (byte as char).to_digit(16).ok_or(ChunkError::Size)?;
        if digits == CHUNK_SIZE_DIGITS {
            return Err(ChunkError::Size);
        }
        self.left = self.left << 4 | u64::from(digit); // 16 digits fit
        Ok(State::Size { digits: digits + 1 })
    }

    fn extension(&mut self, at: Extension, byte: u8) -> Result<State, ChunkError> {
        use Extension::*;
        self.extension_bytes += 1;
        if self.extension_bytes > CHUNK_EXTENSION_BYTES {
            return Err(ChunkError::Extension);
        }
        let at = match (at, byte) {
            (Name | Value | QuotedEnd, b'\r') => return Ok(State::SizeLineFeed),
            (Name | Value | QuotedEnd, b';') => NameStart,
            (Name, b'=') => ValueStart,
            (NameStart | Name, _) if is_token(byte) => Name,
            (ValueStart, b'"') => Quoted,
            (ValueStart | Value, _) if is_token(byte) => Value,
            (Quoted, b'"') => QuotedEnd,
            (Quoted, b'\\') => Escaped,
            (Quoted | Escaped, b'\t' | 0x20..=0x7e | 0x80..) => Quoted,
            _ => return Err(ChunkError::Extension),
        };
        Ok(State::Extension { at })
    }

    /// Collects lines that end in CR LF, of which there is one, until an empty one; what they say is the caller's business.
    fn trailer_byte(&mut self, byte: u8) -> Result<State, ChunkError> {
        if self.trailer.len() == TRAILER_BYTES {
            return Err(ChunkError::Trailer);
        }
        let after_return = self.trailer.last() == Some(&b'\r');
        if (byte == b'\n') != after_return {
            return Err(ChunkError::LineEnd); // a bare LF, or a bare CR
        }
        self.trailer.push(byte);
        if !self.trailer.ends_with(b"\r\n\r\n") {
            return Ok(State::Trailer);
        }
        self.trailer.truncate(self.trailer.len() - 2);
        Ok(State::Done)
    }
}

impl Default for Chunked {
    fn default() -> Self {
        Chunked::new()
    }
}

/// `tchar` of RFC 9110 section 5.6.2.
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The last chunk, without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The line before a chunk of `length` bytes, in `line`; returns how much of it is used.
pub fn chunk_line(length: usize, line: &mut [u8; 18]) -> &[u8] {
    let mut at = line.len() - 2;
    line[at..].copy_from_slice(b"\r\n");
    let mut rest = length;
    loop {
        at -= 1;
        line[at] = b"0123456789abcdef"[rest & 15];
        rest >>= 4;
        if rest == 0 {
            return &line[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data, trailer, what was left over, and whether the body was whole.
    type Body = (Vec<u8>, Vec<u8>, Vec<u8>, bool);

    /// Decodes in pieces of `step` bytes.
    fn decode(input: &[u8], step: usize) -> Result<Body, ChunkError> {
        let (mut chunked, mut data, mut rest) = (Chunked::new(), Vec::new(), Vec::new());
        for piece in input.chunks(step) {
            let mut piece = piece.to_vec();
            let decoded = chunked.decode(&mut piece)?;
            data.extend_from_slice(&piece[..decoded.data]);
            rest.extend_from_slice(&piece[decoded.consumed..]);
        }
        Ok((data, chunked.trailer().to_vec(), rest, chunked.is_done()))
    }

    #[test]
    fn bodies_decode_alike_however_they_are_cut() {
        let cases: [[&[u8]; 4]; 6] = [
            [b"0\r\n\r\n", b"", b"", b""],
            [b"5\r\nhello\r\n0\r\n\r\nGET /", b"hello", b"", b"GET /"],
            [b"5\r\nhello\r\n00006\r\n world\r\n0\r\n\r\n", b"hello world", b"", b""],
            [b"a;x=1;y=\"q\\\"\";z\r\n0123456789\r\n0;last\r\n\r\n", b"0123456789", b"", b""],
            [b"1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n", b"x", b"A: b\r\nC: d\r\n", b""],
            [b"000000000000000F\r\n0123456789abcde\r\n0\r\n\r\n", b"0123456789abcde", b"", b""],
        ];
        for [input, data, trailer, rest] in cases {
            for step in 1..=input.len() {
                let expected = (data.to_vec(), trailer.to_vec(), rest.to_vec(), true);
                assert_eq!(
                    decode(input, step),
                    Ok(expected),
                    "{:?} by {step}",
                    String::from_utf8_lossy(input)
                );
            }
        }
    }

    #[test]
    fn what_the_grammar_does_not_allow_is_refused() {
        let cases: [(&[u8], ChunkError); 22] = [
            (b"\r\n", ChunkError::Size),
            (b" 5\r\nhello", ChunkError::Size),
            (b"5 \r\nhello", ChunkError::Size),
            (b"+5\r\nhello", ChunkError::Size),
            (b"-5\r\nhello", ChunkError::Size),
            (b"0x5\r\nhello", ChunkError::Size),
            (b"5_0\r\n", ChunkError::Size),
            (b"g\r\n", ChunkError::Size),
            (b"00000000000000005\r\nhello", ChunkError::Size),
            (b"5\nhello", ChunkError::Size),
            (b"5\rhello", ChunkError::LineEnd),
            (b"5\r\nhello0\r\n\r\n", ChunkError::LineEnd),
            (b"5\r\nhello\n0\r\n\r\n", ChunkError::LineEnd),
            (b"5\r\nhell\r\n0\r\n\r\n", ChunkError::LineEnd),
            (b"5;\r\nhello", ChunkError::Extension),
            (b"5; a\r\nhello", ChunkError::Extension),
            (b"5;a=\r\nhello", ChunkError::Extension),
            (b"5;a\x01\r\nhello", ChunkError::Extension),
            (b"5;a=\"\n\"\r\nhello", ChunkError::Extension),
            (b"5;a\nhello", ChunkError::Extension),
            (b"0\r\nA: b\nC: d\r\n\r\n", ChunkError::LineEnd),
            (b"0\r\n\n", ChunkError::LineEnd),
        ];
        for (input, error) in cases {
            for step in 1..=input.len() {
                assert_eq!(decode(input, step), Err(error), "{:?} by {step}", String::from_utf8_lossy(input));
            }
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        let mut endless = b"1;".to_vec();
        endless.resize(CHUNK_EXTENSION_BYTES as usize + 3, b'a');
        assert_eq!(decode(&endless, 1024), Err(ChunkError::Extension));
        let mut trailer = b"0\r\nA: ".to_vec();
        trailer.resize(TRAILER_BYTES + 10, b'a');
        assert_eq!(decode(&trailer, 1024), Err(ChunkError::Trailer));
    }

    #[test]
    fn chunk_lines_are_written_without_leading_zeros() {
        let line = |length| String::from_utf8(chunk_line(length, &mut [0; 18]).to_vec()).unwrap();
        assert_eq!(line(0), "0\r\n");
        assert_eq!(line(255), "ff\r\n");
        assert_eq!(line(usize::MAX), "ffffffffffffffff\r\n");
    }
}
