//! A body on its way from one connection to another, through the framings of both.

use std::io::IoSlice;
use std::time::Duration;

use ringgate_core::body::BodyReader;
use ringgate_core::chunked::{ChunkError, LAST_CHUNK, chunk_line};
use ringgate_core::forward;
use ringgate_core::framing::Framing;
use ringgate_io::{Buffer, Side};

use crate::connection::{Broken, Connection};
use crate::limits;

/// One body being passed on.
pub(crate) struct Relay<'a> {
    pub(crate) from: &'a Connection,
    /// What came from there and was not passed on yet.
    pub(crate) buffer: &'a mut Buffer,
    pub(crate) reader: BodyReader,
    pub(crate) to: &'a Connection,
    /// How the receiver gets it.
    pub(crate) framing: Framing,
    /// How long either side may do nothing.
    pub(crate) stall: Duration,
}

/// Why a body was not passed on to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// The sender stopped before the end.
    Source(Broken),
    /// The sender broke its framing.
    Framing(ChunkError),
    /// The receiver takes no more.
    Sink(Broken),
}

impl Relay<'_> {
    /// Sends `first` (a head) and the whole body behind it.
    pub(crate) async fn run(&mut self, first: &[u8]) -> Result<(), Stopped> {
        self.pass_on(first).await?;
        while !self.reader.is_done() {
            self.receive().await?;
            self.pass_on(&[]).await?;
        }
        Ok(())
    }

    /// Sends what has arrived, behind `first`, in one send.
    pub(crate) async fn pass_on(&mut self, first: &[u8]) -> Result<(), Stopped> {
        let read = self.reader.read(self.buffer.data_mut()).map_err(Stopped::Framing)?;
        let mut end = Vec::new(); // allocates only for trailers
        let last = match (self.framing, self.reader.is_done()) {
            (Framing::Chunked, true) => last_chunk(&self.reader, &mut end).map_err(Stopped::Framing)?,
            _ => &[],
        };
        let data = &self.buffer.data()[..read.data];
        let mut line = [0; 18];
        let (line, line_end): (&[u8], &[u8]) = match self.framing {
            Framing::Chunked if !data.is_empty() => (chunk_line(data.len(), &mut line), b"\r\n"),
            _ => (&[], &[]),
        };
        let sent = send(self.to, [first, line, data, line_end, last], self.stall).await;
        self.buffer.consume(read.consumed); // sent or not: the reader has counted it
        sent.map_err(Stopped::Sink)
    }

    /// Waits for more of the body.
    pub(crate) async fn receive(&mut self) -> Result<(), Stopped> {
        self.from.deadline().within(self.stall, Side::Receive); // a client is still owed an answer
        if self.reader.at_most() > self.buffer.room() {
            self.buffer.make_room(limits::BODY_BUFFER_BYTES);
        }
        let received = self.from.recv(self.buffer, self.reader.at_most()).await;
        self.from.deadline().clear(); // passing it on may take longer
        match received {
            Ok(_) => Ok(()),
            Err(Broken::Ended) if self.reader.end() => Ok(()),
            Err(broken) => Err(Stopped::Source(broken)),
        }
    }

    /// Reads the rest of the body and throws it away: up to a bound, within the deadline that is set. Whether it ended.
    pub(crate) async fn discard(&mut self) -> bool {
        let mut left = limits::DISCARDED_BYTES;
        loop {
            let Ok(read) = self.reader.read(self.buffer.data_mut()) else { return false };
            self.buffer.consume(read.consumed);
            if self.reader.is_done() {
                return true;
            }
            self.buffer.make_room(1);
            match self.from.recv(self.buffer, self.reader.at_most().min(left)).await {
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

/// Sends the parts that are not empty, in one system call if they fit.
pub(crate) async fn send<const N: usize>(
    to: &Connection,
    parts: [&[u8]; N],
    stall: Duration,
) -> Result<(), Broken> {
    let mut slices = [IoSlice::new(&[]); N];
    let mut count = 0;
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        slices[count] = IoSlice::new(part);
        count += 1;
    }
    to.send(&mut slices[..count], stall).await
}
