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
    /// What came from there and was not passed on yet.
    buffer: &'a mut Buffer,
    patience: Patience,
    /// The last receive has filled the buffer.
    is_fast: bool,
    /// How long it may still do nothing: waiting spends it, bytes earn it back at the rate that patience asks for.
    credit: Duration,
}

/// Where a body goes.
pub(crate) struct Sink<'a> {
    pub(crate) connection: &'a Connection,
    /// How it wants it.
    pub(crate) framing: Framing,
    pub(crate) patience: Patience,
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
    pub(crate) fn new(connection: &'a Connection, buffer: &'a mut Buffer, patience: Patience) -> Source<'a> {
        Source { connection, buffer, patience, is_fast: false, credit: patience.stall }
    }

    /// Receives at least one byte, at most `limit`, within patience.
    async fn receive(&mut self, limit: usize) -> Result<(), Broken> {
        self.make_room(limit);
        let deadline = self.connection.deadline();
        deadline.within(self.patience.at_most(self.credit), Side::Receive); // a client is still owed an answer
        let begun = deadline.time();
        let received = self.connection.recv(self.buffer, limit).await;
        deadline.clear(); // passing it on may take longer
        let count = received?;
        self.is_fast = self.buffer.room() == 0;
        let left = self.credit.saturating_sub(deadline.time() - begun);
        self.credit = (left + self.patience.earned_by(count)).min(self.patience.stall);
        Ok(())
    }
}

impl Source<'_> {
    /// More room for who has filled what there was, and only then: a thousand bodies that dribble pin little.
    fn make_room(&mut self, most: usize) {
        let capacity = self.buffer.capacity();
        let wanted = if self.is_fast { capacity * limits::BODY_BUFFER_GROWTH } else { capacity };
        self.buffer.make_room(wanted.clamp(1, limits::BODY_BUFFER_BYTES).min(most));
    }
}

impl Relay<'_> {
    /// Takes what has arrived of the body, to be [sent](Self::send) next.
    pub(crate) fn decode(&mut self) -> Result<Decoded, Stopped> {
        let piece = self.reader.read(self.from.buffer.data_mut()).map_err(Stopped::Framing)?;
        self.allowed = self.allowed.checked_sub(piece.data as u64).ok_or(Stopped::TooLarge)?;
        Ok(piece)
    }

    /// Sends `piece`, behind `first` (a head), in one send.
    pub(crate) async fn send(&mut self, first: &[u8], piece: Decoded) -> Result<(), Stopped> {
        let mut end = Vec::new(); // allocates only for trailers
        let last = match (self.to.framing, self.reader.is_done()) {
            (Framing::Chunked, true) => last_chunk(&self.reader, &mut end).map_err(Stopped::Framing)?,
            _ => &[],
        };
        let data = &self.from.buffer.data()[..piece.data];
        let mut line = [0; 18];
        let (line, line_end): (&[u8], &[u8]) = match self.to.framing {
            Framing::Chunked if !data.is_empty() => (chunk_line(data.len(), &mut line), b"\r\n"),
            _ => (&[], &[]),
        };
        let sent = self.to.connection.send([first, line, data, line_end, last], self.to.patience).await;
        self.from.buffer.consume(piece.consumed); // sent or not: the reader has counted it
        sent.map_err(Stopped::Sink)
    }

    /// Sends `first` (a head), `piece`, and all that is left of the body.
    pub(crate) async fn pass_on(&mut self, first: &[u8], piece: Decoded) -> Result<(), Stopped> {
        self.send(first, piece).await?;
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
fn last_chunk<'a>(reader: &BodyReader, end: &'a mut Vec<u8>) -> Result<&'a [u8], ChunkError> {
    if reader.trailer().is_empty() {
        return Ok(LAST_CHUNK);
    }
    end.extend_from_slice(b"0\r\n");
    forward::trailers(end, reader.trailer()).ok_or(ChunkError::Trailer)?;
    end.extend_from_slice(b"\r\n");
    Ok(end)
}
