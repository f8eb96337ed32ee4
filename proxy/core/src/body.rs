//! A body on its way through: decoded from one framing as it arrives, to be sent in another.

use crate::chunked::{ChunkError, Chunked, Decoded};
use crate::framing::Framing;

/// Reads one body.
#[derive(Debug)]
pub enum BodyReader {
    /// That many bytes are left.
    Length(u64),
    /// Chunked.
    Chunked(Chunked),
    /// Everything until the end; `true` once it has come.
    UntilClose(bool),
}

impl BodyReader {
    /// At the start of a body.
    pub fn new(framing: Framing) -> BodyReader {
        match framing {
            Framing::Length(length) => BodyReader::Length(length),
            Framing::Chunked => BodyReader::Chunked(Chunked::new()),
            Framing::UntilClose => BodyReader::UntilClose(false),
        }
    }

    /// Takes what belongs to the body from the front of `bytes` and moves its data there.
    ///
    /// # Errors
    /// Broken chunked framing.
    pub fn read(&mut self, bytes: &mut [u8]) -> Result<Decoded, ChunkError> {
        match self {
            BodyReader::Length(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= count as u64;
                Ok(Decoded { consumed: count, data: count })
            }
            BodyReader::Chunked(chunked) => chunked.decode(bytes),
            BodyReader::UntilClose(_) => Ok(Decoded { consumed: bytes.len(), data: bytes.len() }),
        }
    }

    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        match self {
            BodyReader::Length(left) => *left == 0,
            BodyReader::Chunked(chunked) => chunked.is_done(),
            BodyReader::UntilClose(ended) => *ended,
        }
    }

    /// The sender has ended its side. Whether that completes the body; otherwise it is truncated.
    pub fn end(&mut self) -> bool {
        if let BodyReader::UntilClose(ended) = self {
            *ended = true;
        }
        self.is_done()
    }

    /// The most the next receive may take without reading past the body, where that is known.
    pub fn at_most(&self) -> usize {
        match self {
            BodyReader::Length(left) => usize::try_from(*left).unwrap_or(usize::MAX),
            _ => usize::MAX,
        }
    }

    /// The trailer section of a complete chunked body, as received; empty otherwise.
    pub fn trailer(&self) -> &[u8] {
        match self {
            BodyReader::Chunked(chunked) => chunked.trailer(),
            _ => &[],
        }
    }
}
