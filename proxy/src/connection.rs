//! A stream with its deadlines: what both sides of the gateway are made of.
//!
//! Owns: the pairing of every wait with a deadline, and reading each result together with that deadline's state, so that
//! a timeout is never taken for the end of a message.

use std::cell::Cell;
use std::io::{self, IoSlice};

use ringgate_io::{Armed, Buffer, Deadlines, Either, Side, Stream, TICK, Watch, race, sleep};

use crate::patience::Patience;

/// A connected stream and the guard of what it receives.
pub(crate) struct Connection {
    deadline: Armed, // before the stream: it has to be dropped first
    stream: Stream,
    /// A reset was met where nobody waited for an answer; the kernel does not tell it twice.
    was_reset: Cell<bool>,
    /// Bytes that the kernel took from us, and that it gave us.
    sent: Cell<u64>,
    received: Cell<u64>,
}

/// Why nothing more comes, or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The other side ended its sending.
    Ended,
    /// The connection is gone.
    Reset,
    /// A deadline passed.
    TimedOut,
}

impl Connection {
    pub(crate) fn new(stream: Stream, deadlines: &Deadlines) -> Connection {
        Connection {
            deadline: deadlines.guard(stream.closer()),
            stream,
            was_reset: Cell::new(false),
            sent: Cell::new(0),
            received: Cell::new(0),
        }
    }

    /// Receives at least one byte, at most `limit`, within the deadline that is set.
    pub(crate) async fn recv(&self, buffer: &mut Buffer, limit: usize) -> Result<usize, Broken> {
        if self.was_reset.get() {
            return Err(Broken::Reset);
        }
        loop {
            match self.stream.recv_at_most(buffer, limit).await {
                Ok(count) if count > 0 => return Ok(self.has_received(count)),
                _ if self.deadline.expired() => return Err(Broken::TimedOut),
                // A request came as its idle connection was ended: the rest of it is on the way, until its deadline.
                Ok(_) if self.deadline.has_revived() => sleep(TICK).await,
                Ok(_) => return Err(Broken::Ended),
                Err(_) => return Err(Broken::Reset),
            }
        }
    }

    /// Receives what has come already, at most `limit` bytes: possibly none, and why none is what [`recv`](Self::recv) says.
    pub(crate) fn recv_waiting(&self, buffer: &mut Buffer, limit: usize) -> usize {
        match self.stream.try_recv(buffer, limit) {
            Ok(count) => self.has_received(count),
            Err(error) => {
                self.was_reset.set(error.kind() != io::ErrorKind::WouldBlock);
                0
            }
        }
    }

    fn has_received(&self, count: usize) -> usize {
        self.received.set(self.received.get() + count as u64);
        count
    }

    /// Bytes sent on it so far, as far as the kernel has taken them.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Bytes received on it so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.get()
    }

    /// Whether it has been ended for being idle, so that it takes no further request.
    pub(crate) fn is_ending(&self) -> bool {
        self.deadline.is_ending()
    }

    /// Sends the parts that are not empty, in one system call if they fit; gives up on a peer that tries our patience.
    pub(crate) async fn send<const N: usize>(
        &self,
        parts: [&[u8]; N],
        patience: Patience,
    ) -> Result<(), Broken> {
        let mut slices = [IoSlice::new(&[]); N];
        let mut count = 0;
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            slices[count] = IoSlice::new(part);
            count += 1;
        }
        let mut rest = &mut slices[..count];
        while !rest.is_empty() {
            match self.stream.try_send(rest) {
                Ok(sent) => {
                    self.sent.set(self.sent.get() + sent as u64);
                    IoSlice::advance_slices(&mut rest, sent);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    Box::pin(self.wait_for_room(patience)).await?; // rare, and large
                }
                Err(_) => return Err(Broken::Reset),
            }
        }
        Ok(())
    }

    /// A slow reader is not a stalled one: it is given up if it has taken too little for as long as it may do nothing.
    async fn wait_for_room(&self, patience: Patience) -> Result<(), Broken> {
        loop {
            let (unsent, wait) = (self.stream.unsent(), patience.left());
            match race(self.stream.writable(), sleep(wait)).await {
                Either::First(_) => return Ok(()), // or broken, which the next send will say
                Either::Second(())
                    if patience.is_tried_by(unsent.saturating_sub(self.stream.unsent()), wait) =>
                {
                    self.stream.shutdown(Side::Both);
                    return Err(Broken::TimedOut);
                }
                Either::Second(()) => {}
            }
        }
    }

    /// The deadline for receiving.
    pub(crate) fn deadline(&self) -> &Armed {
        &self.deadline
    }

    /// While the returned value lives: should this side be reset, `server` is ended, which works for nobody then.
    pub(crate) fn watch<'a>(&'a self, server: &'a Connection) -> Watch<'a> {
        self.deadline.watch(&server.deadline)
    }

    /// Whether the other side broke the connection off while it was watched.
    pub(crate) fn departed(&self) -> bool {
        self.deadline.departed()
    }

    /// Whether the other side has broken the connection off.
    pub(crate) fn is_reset(&self) -> bool {
        self.stream.is_reset()
    }

    /// Ends one direction or both.
    pub(crate) fn shutdown(&self, side: Side) {
        self.stream.shutdown(side);
    }

    /// Makes the end of this connection a reset: what was sent is not the whole.
    pub(crate) fn reset_on_close(&self) {
        self.stream.reset_on_close();
    }

    /// Gives up the guard, to wait unguarded in a pool.
    pub(crate) fn into_stream(self) -> Stream {
        self.stream
    }
}
