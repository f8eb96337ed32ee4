//! A stream with its deadlines: what both sides of the gateway are made of.
//!
//! Owns: the pairing of every wait with a deadline, and reading each result together with that deadline's state, so that
//! a timeout is never taken for the end of a message.

use std::io::{self, IoSlice};
use std::time::Duration;

use ringgate_io::{Armed, Buffer, Deadlines, Side, Stream};

/// A connected stream and the guard of what it receives.
pub(crate) struct Connection {
    deadline: Armed, // before the stream: it has to be dropped first
    deadlines: Deadlines,
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
        Connection { deadline: deadlines.guard(stream.closer()), deadlines: deadlines.clone(), stream }
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
        let mut patience = None; // sending has a deadline of its own, and only while it waits
        while !parts.is_empty() {
            match self.stream.try_send(parts) {
                Ok(sent) => IoSlice::advance_slices(&mut parts, sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let patience: &Armed =
                        patience.get_or_insert_with(|| self.deadlines.guard(self.stream.closer()));
                    patience.within(stall, Side::Both);
                    self.stream.writable().await.map_err(|_| Broken::Reset)?;
                }
                Err(_) if patience.is_some_and(|patience| patience.expired()) => {
                    return Err(Broken::TimedOut);
                }
                Err(_) => return Err(Broken::Reset),
            }
        }
        Ok(())
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
