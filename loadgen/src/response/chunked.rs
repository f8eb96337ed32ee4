//! Chunked bodies (RFC 9112 section 7.1), counted and discarded as they stream.
//!
//! Owns: where each chunk and the whole body end, whatever the cuts between receives.
//! Refuses: bare line feeds, sizes without digits, trailer fields that are none, and lines longer than any honest server sends.

use crate::response::Malformed;

/// Hexadecimal digits of a chunk's size: 60 bits, so that no sum overflows.
const DIGITS_BOUND: u8 = 15;
/// Bytes of chunk extensions per chunk, and of trailer fields per body: a server must not keep us reading framing.
const FRAMING_BOUND: usize = 8 * 1024;

/// Where in the body the next byte lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size { size: u64, digits: u8 },
    Extension { size: u64 },
    SizeLineFeed { size: u64 },
    Data { left: u64 },
    DataReturn,
    DataLineFeed,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    LastLineFeed,
    Done,
}

const NEXT_SIZE: State = State::Size { size: 0, digits: 0 };

/// The decoder of one chunked body.
#[derive(Debug)]
pub(crate) struct Chunks {
    state: State,
    framing_bytes: usize,
}

/// What some bytes of a body amounted to.
pub(crate) struct Progress {
    pub(crate) consumed: usize,
    pub(crate) body_bytes: u64,
    pub(crate) is_done: bool,
}

impl Chunks {
    pub(crate) fn new() -> Chunks {
        Chunks { state: NEXT_SIZE, framing_bytes: 0 }
    }

    /// Takes as much of `data` as belongs to the body, and passes on what is left when the framing is removed.
    pub(crate) fn advance(
        &mut self,
        data: &[u8],
        mut piece: impl FnMut(&[u8]),
    ) -> Result<Progress, Malformed> {
        let (mut consumed, mut body_bytes) = (0, 0);
        while consumed < data.len() && self.state != State::Done {
            if let State::Data { left } = self.state {
                let count = left.min((data.len() - consumed) as u64);
                self.state =
                    if count == left { State::DataReturn } else { State::Data { left: left - count } };
                body_bytes += count;
                piece(&data[consumed..consumed + count as usize]);
                consumed += count as usize;
            } else {
                self.state = self.framing(data[consumed])?;
                consumed += 1;
            }
        }
        Ok(Progress { consumed, body_bytes, is_done: self.state == State::Done })
    }

    fn framing(&mut self, byte: u8) -> Result<State, Malformed> {
        match (self.state, byte) {
            (State::Size { size, digits }, _) => self.size(size, digits, byte),
            (State::Extension { size }, b'\r') => Ok(State::SizeLineFeed { size }),
            (State::Extension { .. }, b'\n') => {
                Err(Malformed("a chunk's size line ends in a bare line feed"))
            }
            (State::Extension { .. }, _) => self.count(self.state),
            (State::SizeLineFeed { size: 0 }, b'\n') => Ok(State::TrailerStart),
            (State::SizeLineFeed { size }, b'\n') => Ok(State::Data { left: size }),
            (State::DataReturn, b'\r') => Ok(State::DataLineFeed),
            (State::DataLineFeed, b'\n') => {
                self.framing_bytes = 0;
                Ok(NEXT_SIZE)
            }
            (State::TrailerStart, b'\r') => Ok(State::LastLineFeed),
            (State::LastLineFeed, b'\n') => Ok(State::Done),
            (State::TrailerStart | State::TrailerName | State::TrailerValue | State::TrailerLineFeed, _) => {
                self.trailer(byte)
            }
            _ => Err(Malformed("a chunk does not end where its size says")),
        }
    }

    fn size(&mut self, size: u64, digits: u8, byte: u8) -> Result<State, Malformed> {
        match (char::from(byte).to_digit(16), byte) {
            (Some(_), _) if digits == DIGITS_BOUND => Err(Malformed("a chunk's size has too many digits")),
            (Some(digit), _) => Ok(State::Size { size: size * 16 + u64::from(digit), digits: digits + 1 }),
            (None, _) if digits == 0 => Err(Malformed("a chunk's size has no digits")),
            (None, b'\r') => Ok(State::SizeLineFeed { size }),
            (None, b';' | b' ' | b'\t') => self.count(State::Extension { size }),
            (None, _) => Err(Malformed("a chunk's size is not a hexadecimal number")),
        }
    }

    /// RFC 9112 section 5: a name, a colon, whatever is the value, and both bytes of a line end; no folding.
    fn trailer(&mut self, byte: u8) -> Result<State, Malformed> {
        let next = match (self.state, byte) {
            (State::TrailerLineFeed, b'\n') => State::TrailerStart,
            (State::TrailerLineFeed, _) => {
                return Err(Malformed("a trailer field with a lone carriage return"));
            }
            (_, b'\n') => return Err(Malformed("a trailer field ends in a bare line feed")),
            (State::TrailerValue, b'\r') => State::TrailerLineFeed,
            (State::TrailerValue, _) | (State::TrailerName, b':') => State::TrailerValue,
            _ if is_token(byte) => State::TrailerName,
            _ => return Err(Malformed("a trailer field without a name")),
        };
        self.count(next)
    }

    fn count(&mut self, next: State) -> Result<State, Malformed> {
        self.framing_bytes += 1;
        if self.framing_bytes > FRAMING_BOUND {
            return Err(Malformed("chunk extensions or trailer fields of more than 8 KiB"));
        }
        Ok(next)
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Body bytes and bytes left over, or what is wrong; the same for every way to cut `body` in two.
    fn check(body: &str, expected: Result<(u64, usize), &'static str>) {
        for cut in 0..=body.len() {
            let (first, second) = body.as_bytes().split_at(cut);
            assert_eq!(decode(first, second), expected.map_err(Malformed), "{body:?} cut at {cut}");
        }
    }

    fn decode(first: &[u8], second: &[u8]) -> Result<(u64, usize), Malformed> {
        let mut chunks = Chunks::new();
        let one = chunks.advance(first, |_| {})?;
        let two = chunks.advance(second, |_| {})?;
        assert!(two.is_done, "the body did not end");
        let left = first.len() + second.len() - one.consumed - two.consumed;
        Ok((one.body_bytes + two.body_bytes, left))
    }

    #[test]
    fn bodies_end_at_the_last_chunk() {
        check("0\r\n\r\n", Ok((0, 0)));
        check("5\r\nhello\r\n0\r\n\r\n", Ok((5, 0)));
        check("A;name=\"x\"\r\n0123456789\r\n1 \r\n!\r\n00\r\n\r\nnext", Ok((11, 4)));
        check("1\r\nx\r\n0\r\nChecksum: 1\r\nOther: 2\r\n\r\n", Ok((1, 0)));
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        check("\r\n\r\n", Err("a chunk's size has no digits"));
        check("g\r\n", Err("a chunk's size has no digits"));
        check("1x\r\n", Err("a chunk's size is not a hexadecimal number"));
        check("1;x\n!\r\n", Err("a chunk's size line ends in a bare line feed"));
        check("1\r\nxy\r\n", Err("a chunk does not end where its size says"));
        check("1111111111111111\r\n", Err("a chunk's size has too many digits"));
    }

    #[test]
    fn trailers_are_fields_whose_lines_end_as_all_others_do() {
        check("0\r\nA: b\n\r\n", Err("a trailer field ends in a bare line feed"));
        check("0\r\n\n", Err("a trailer field ends in a bare line feed"));
        check("0\r\nA\n: b\r\n\r\n", Err("a trailer field ends in a bare line feed"));
        check("0\r\nA: b\rc\r\n\r\n", Err("a trailer field with a lone carriage return"));
        check("0\r\nno field\r\n\r\n", Err("a trailer field without a name"));
        check("0\r\n: b\r\n\r\n", Err("a trailer field without a name"));
        check("0\r\n folded\r\n\r\n", Err("a trailer field without a name"));
        check("0\r\nA:\r\nB: c:d\r\n\r\n", Ok((0, 0)));
    }

    #[test]
    fn framing_has_a_bound_to_the_byte() {
        let trailer = |bytes: usize| format!("0\r\nA:{}\r\n\r\n", "x".repeat(bytes - "A:\r\n".len()));
        let read = |bytes| Chunks::new().advance(trailer(bytes).as_bytes(), |_| {}).map(|done| done.is_done);
        assert_eq!(read(FRAMING_BOUND), Ok(true));
        assert_eq!(
            read(FRAMING_BOUND + 1),
            Err(Malformed("chunk extensions or trailer fields of more than 8 KiB"))
        );
    }

    #[test]
    fn endless_framing_is_refused() {
        for start in ["1;", "0\r\nTrailer: "] {
            let endless = format!("{start}{}", "x".repeat(FRAMING_BOUND + 1));
            assert!(Chunks::new().advance(endless.as_bytes(), |_| {}).is_err());
        }
    }
}
