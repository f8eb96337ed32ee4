//! A stream with its deadlines: what both sides of the gateway are made of.
//!
//! Owns: the pairing of every wait with a deadline, and reading each result together with that deadline's state, so that
//! a timeout is never taken for the end of a message.

use std::io::{self, IoSlice};
use std::time::Duration;

use ringgate_io::{Armed, Buffer, Deadlines, Either, Side, Stream, race, sleep};

/// A connected stream and the guard of what it receives.
pub(crate) struct Connection {
    deadline: Armed, // before the stream: it has to be dropped first
    stream: Stream,
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
        Connection { deadline: deadlines.guard(stream.closer()), stream }
    }

    /// Receives at least one byte, at most `limit`, within the deadline that is set.
    pub(crate) async fn recv(&self, buffer: &mut Buffer, limit: usize) -> Result<usize, Broken> {
        let result = self.stream.recv_at_most(buffer, limit).await;
        match result {
            Ok(count) if count > 0 => Ok(count),
            _ if self.deadline.expired() => Err(Broken::TimedOut),
            Ok(_) => Err(Broken::Ended),
            Err(_) => Err(Broken::Reset),
        }
    }

    /// Sends all of `parts`; gives up on a peer that takes nothing for `stall`.
    pub(crate) async fn send(&self, mut parts: &mut [IoSlice<'_>], stall: Duration) -> Result<(), Broken> {
        IoSlice::advance_slices(&mut parts, 0); // empty ones at the front
        while !parts.is_empty() {
            match self.stream.try_send(parts) {
                Ok(sent) => IoSlice::advance_slices(&mut parts, sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait_for_room(stall).await?,
                Err(_) => return Err(Broken::Reset),
            }
        }
        Ok(())
    }

    /// A slow reader is not a stalled one: it is given up only if it has taken nothing at all.
    async fn wait_for_room(&self, stall: Duration) -> Result<(), Broken> {
        loop {
            let unsent = self.stream.unsent();
            match race(self.stream.writable(), sleep(stall)).await {
                Either::First(_) => return Ok(()), // or broken, which the next send will say
                Either::Second(()) if self.stream.unsent() < unsent => {}
                Either::Second(()) => {
                    self.stream.shutdown(Side::Both);
                    return Err(Broken::TimedOut);
                }
            }
        }
    }

    /// The deadline for receiving.
    pub(crate) fn deadline(&self) -> &Armed {
        &self.deadline
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
