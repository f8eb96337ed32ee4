//! A body on its way from one connection to another, through the framings of both.

use std::time::Duration;

use ringgate_core::body::BodyReader;
use ringgate_core::chunked::{ChunkError, Decoded, LAST_CHUNK, chunk_line};
use ringgate_core::forward;
use ringgate_core::framing::Framing;
use ringgate_io::{Buffer, Side};

use crate::connection::{Broken, Connection};
use crate::limits;
use crate::patience::Patience;
use crate::spares::{Lent, Output, Spares};

/// One body being passed on.
pub(crate) struct Relay<'a> {
    pub(crate) from: Source<'a>,
    pub(crate) reader: BodyReader,
    /// Bytes the body may still have.
    pub(crate) allowed: u64,
    pub(crate) to: Sink<'a>,
}

/// Where a body comes from.
pub(crate) struct Source<'a> {
    connection: &'a Connection,
    /// What came from there and was not passed on yet, unless it is in `large`.
    buffer: &'a mut Buffer,
    /// What a fast sender had sent already, and what was in `buffer` before it.
    large: Option<Lent<'a, Buffer>>,
    larges: &'a Spares<Buffer>,
    patience: Patience,
    /// How long it may still do nothing: waiting spends it, bytes earn it back at the rate that patience asks for.
    credit: Duration,
}

/// Where a body goes.
pub(crate) struct Sink<'a> {
    pub(crate) connection: &'a Connection,
    /// How it wants it.
    pub(crate) framing: Framing,
    pub(crate) patience: Patience,
    /// Not where a policy rules over fields: a service could take a trailer for one of those.
    pub(crate) takes_trailers: bool,
}

/// Why a body was not passed on to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// The sender stopped before the end.
    Source(Broken),
    /// The sender broke its framing.
    Framing(ChunkError),
    /// The sender has more than is allowed.
    TooLarge,
    /// The receiver takes no more.
    Sink(Broken),
}

impl<'a> Source<'a> {
    pub(crate) fn new(
        connection: &'a Connection,
        buffer: &'a mut Buffer,
        larges: &'a Spares<Buffer>,
        patience: Patience,
    ) -> Source<'a> {
        Source { connection, buffer, large: None, larges, patience, credit: patience.stall }
    }

    /// What has come and was not passed on.
    fn received(&mut self) -> &mut Buffer {
        self.large.as_deref_mut().unwrap_or(self.buffer)
    }

    /// Receives at least one byte, at most `limit`, within patience; and what else has come by then.
    async fn receive(&mut self, limit: usize) -> Result<(), Broken> {
        self.buffer.make_room(1);
        let deadline = self.connection.deadline();
        deadline.within(self.patience.at_most(self.credit), Side::Receive); // a client is still owed an answer
        let begun = deadline.time();
        let received = self.connection.recv(self.buffer, limit).await;
        deadline.clear(); // passing it on may take longer
        let count = received?;
        let left = self.credit.saturating_sub(deadline.time() - begun);
        self.earn(left, count);
        self.gather(limit - count);
        Ok(())
    }

    fn earn(&mut self, left: Duration, count: usize) {
        self.credit = (left + self.patience.earned_by(count)).min(self.patience.stall);
    }

    /// Takes what else has come by now, at most `limit` bytes: where more came than was awaited, there is mostly much more. It
    /// goes into a large buffer, which nobody keeps while waiting for a sender.
    fn gather(&mut self, limit: usize) {
        if self.buffer.room() > 0 || limit == 0 {
            return;
        }
        let mut large = self.larges.take();
        large.make_room(limits::BODY_BUFFER_BYTES);
        large.extend(self.buffer.data());
        let count = self.connection.recv_waiting(&mut large, limit);
        if count > 0 {
            self.earn(self.credit, count);
            self.buffer.clear();
            self.large = Some(large);
        }
    }

    /// `count` bytes were passed on. What is left is little: half a line of chunked framing, or what lies behind the body.
    fn passed_on(&mut self, count: usize) {
        self.received().consume(count);
        if let Some(large) = self.large.take() {
            self.buffer.extend(large.data());
        }
    }
}

impl Relay<'_> {
    /// Takes what has come of the body by now, of which a part may have been received already.
    pub(crate) fn gather(&mut self) {
        let received = self.from.buffer.len();
        self.from.gather(self.reader.at_most().saturating_sub(received));
    }

    /// Takes what was received of the body, to be [sent](Self::send) next.
    pub(crate) fn decode(&mut self) -> Result<Decoded, Stopped> {
        let piece = self.reader.read(self.from.received().data_mut()).map_err(Stopped::Framing)?;
        self.allowed = self.allowed.checked_sub(piece.data as u64).ok_or(Stopped::TooLarge)?;
        Ok(piece)
    }

    /// Sends `piece`, behind `first` (a head), in one send.
    pub(crate) async fn send(&mut self, first: &[u8], piece: Decoded) -> Result<(), Stopped> {
        let mut end = Vec::new(); // allocates only for trailers
        let last = match (self.to.framing, self.reader.is_done()) {
            (Framing::Chunked, true) => {
                last_chunk(&self.reader, self.to.takes_trailers, &mut end).map_err(Stopped::Framing)?
            }
            _ => &[],
        };
        let data = &self.from.received().data()[..piece.data];
        let mut line = [0; 18];
        let (line, line_end): (&[u8], &[u8]) = match self.to.framing {
            Framing::Chunked if !data.is_empty() => (chunk_line(data.len(), &mut line), b"\r\n"),
            _ => (&[], &[]),
        };
        let sent = self.to.connection.send([first, line, data, line_end, last], self.to.patience).await;
        self.from.passed_on(piece.consumed); // sent or not: the reader has counted it
        sent.map_err(Stopped::Sink)
    }

    /// Sends `first` (a head), `piece`, and all that is left of the body.
    pub(crate) async fn pass_on(&mut self, first: Output<'_>, piece: Decoded) -> Result<(), Stopped> {
        self.send(&first, piece).await?;
        drop(first);
        while !self.reader.is_done() {
            self.receive().await?;
            let piece = self.decode()?;
            self.send(&[], piece).await?;
        }
        Ok(())
    }

    /// Waits for more of the body.
    pub(crate) async fn receive(&mut self) -> Result<(), Stopped> {
        match self.from.receive(self.reader.at_most()).await {
            Err(Broken::Ended) if self.reader.end() => Ok(()),
            received => received.map_err(Stopped::Source),
        }
    }

    /// Reads the rest of the body and throws it away: up to a bound, within the deadline that is set. Whether it ended.
    pub(crate) async fn discard(&mut self) -> bool {
        let mut left = limits::DISCARDED_BYTES;
        loop {
            let Ok(read) = self.reader.read(self.from.buffer.data_mut()) else { return false };
            self.from.buffer.consume(read.consumed);
            if self.reader.is_done() {
                return true;
            }
            self.from.buffer.make_room(1);
            match self.from.connection.recv(self.from.buffer, self.reader.at_most().min(left)).await {
                Ok(count) if count < left => left -= count,
                _ => return false,
            }
        }
    }
}

/// The end of a chunked body, with the trailers that may pass.
fn last_chunk<'a>(
    reader: &BodyReader,
    takes_trailers: bool,
    end: &'a mut Vec<u8>,
) -> Result<&'a [u8], ChunkError> {
    if reader.trailer().is_empty() {
        return Ok(LAST_CHUNK);
    }
    end.extend_from_slice(b"0\r\n");
    forward::trailers(end, reader.trailer()).ok_or(ChunkError::Trailer)?;
    if !takes_trailers {
        return Ok(LAST_CHUNK);
    }
    end.extend_from_slice(b"\r\n");
    Ok(end)
}
