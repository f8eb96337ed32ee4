//! Where a head ends: each byte is looked at once, however the head arrives.
//!
//! Owns: line discipline (CR LF and nothing else), the bounds on a head and its first line, and empty lines before it.

use crate::{chunked, limits};

/// Looks for the end of a head as bytes arrive, each byte once, and refuses what cannot become one. By default the head of a
/// request.
#[derive(Debug, Default)]
pub struct HeadScanner {
    /// Bytes looked at.
    scanned: usize,
    /// Where the line being read starts.
    line: usize,
    /// Where the head starts: after leading empty lines.
    start: usize,
    /// How many of the empty lines that are allowed before it have come.
    empty_lines: usize,
}

/// Where a whole head lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadBounds {
    /// Its first byte: after leading empty lines.
    pub start: usize,
    /// One past its final empty line.
    pub end: usize,
}

/// Why bytes cannot become a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoHead {
    /// A line ends in something else than CR LF.
    LineEnd,
    /// The first byte cannot begin a request or status line.
    Garbage,
    /// The first line exceeds the bound.
    FirstLine,
    /// The whole exceeds the bound.
    TooLarge,
}

impl HeadScanner {
    /// For the head of a response, which no empty line may precede: it would be a rest of the response before.
    pub fn of_response() -> HeadScanner {
        HeadScanner { empty_lines: limits::LEADING_EMPTY_LINES, ..HeadScanner::default() }
    }

    /// Whether any byte of a head (leading empty lines aside) has been seen.
    pub fn has_begun(&self) -> bool {
        self.scanned > self.start
    }

    /// Goes on where the last call ended; `bytes` has to begin with what it saw then.
    ///
    /// # Errors
    /// The bytes can no longer become a head.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<HeadBounds>, NoHead> {
        while let Some(offset) = memchr::memchr(b'\n', &bytes[self.scanned..]) {
            let feed = self.scanned + offset;
            if feed == self.line || bytes[feed - 1] != b'\r' {
                return Err(NoHead::LineEnd);
            }
            let line_is_empty = feed == self.line + 1;
            self.scanned = feed + 1;
            self.within_bounds(feed + 1)?; // while `line` still tells whether it is the first
            if line_is_empty && self.line == self.start {
                self.skip_empty_line()?;
            } else if line_is_empty {
                return self
                    .within_bounds(feed + 1)
                    .map(|()| Some(HeadBounds { start: self.start, end: feed + 1 }));
            }
            self.line = feed + 1;
        }
        self.scanned = bytes.len();
        match bytes.get(self.start) {
            Some(&first) if !(chunked::is_token(first) || first == b'\r') => Err(NoHead::Garbage),
            _ => self.within_bounds(bytes.len()).map(|()| None),
        }
    }

    fn skip_empty_line(&mut self) -> Result<(), NoHead> {
        self.start = self.scanned;
        self.empty_lines += 1;
        if self.empty_lines > limits::LEADING_EMPTY_LINES { Err(NoHead::Garbage) } else { Ok(()) }
    }

    fn within_bounds(&self, end: usize) -> Result<(), NoHead> {
        let first_line_open = self.line == self.start;
        // The target is the only long part of a first line: method, version and blanks fit into the rest.
        if first_line_open && end - self.start > limits::TARGET_BYTES + limits::METHOD_BYTES + 16 {
            return Err(NoHead::FirstLine);
        }
        if end - self.start > limits::HEAD_BYTES { Err(NoHead::TooLarge) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_line_may_precede_a_request_and_no_response() {
        for bytes in [&b"\r\n"[..], b"\r\nHTTP/1.1 200 OK\r\n\r\n"] {
            assert_eq!(HeadScanner::of_response().scan(bytes), Err(NoHead::Garbage));
            assert!(HeadScanner::default().scan(bytes).is_ok());
        }
        assert!(
            HeadScanner::of_response().scan(b"HTTP/1.1 200 OK\r\n\r\n").is_ok_and(|found| found.is_some())
        );
    }

    type Found = Result<Option<HeadBounds>, NoHead>;

    /// What scanning in pieces of `step` bytes comes to.
    fn scan(bytes: &[u8], step: usize) -> Found {
        let mut scanner = HeadScanner::default();
        let ends = (step..bytes.len()).step_by(step).chain([bytes.len()]);
        ends.map(|end| scanner.scan(&bytes[..end])).find(|found| *found != Ok(None)).unwrap_or(Ok(None))
    }

    #[test]
    fn a_head_is_found_or_refused_alike_however_it_is_cut() {
        let long = |count: usize| format!("HTTP/1.1 200 {}\r\n\r\n", "a".repeat(count)).into_bytes();
        let whole = |start, end| Ok(Some(HeadBounds { start, end }));
        let cases: [(Vec<u8>, Found); 8] = [
            (b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest".to_vec(), whole(0, 24)),
            (b"\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_vec(), whole(4, 22)),
            (b"GET / HTTP/1.1\r\nA: b".to_vec(), Ok(None)),
            (b"GET / HTTP/1.1\nA: b\r\n\r\n".to_vec(), Err(NoHead::LineEnd)),
            (b"\r\n".repeat(limits::LEADING_EMPTY_LINES + 1), Err(NoHead::Garbage)),
            (long(100), whole(0, 117)),
            (long(9000), Err(NoHead::FirstLine)),
            ([b"GET / HTTP/1.1\r\n".to_vec(), b"A: b\r\n".repeat(6000)].concat(), Err(NoHead::TooLarge)),
        ];
        for (bytes, expected) in cases {
            for step in [1, 2, 3, 7, 255, 100_000] {
                assert_eq!(
                    scan(&bytes, step),
                    expected,
                    "{} by {step}",
                    String::from_utf8_lossy(&bytes[..20.min(bytes.len())])
                );
            }
        }
    }
}
