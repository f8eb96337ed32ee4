//! One end of a connection as its kernel sees it: what arrived, which directions are shut, which error is still untold.
//!
//! Pure state; the wire between two of them is `connection.rs`. Every rule here was observed on Linux 6.18 over
//! loopback, and `tests/sim/kernel.rs` compares the running kernel with it.

use std::collections::VecDeque;
use std::io;
use std::task::Waker;

use rustix::io::Errno;

use crate::{Buffer, Side};

/// What travels over a wire.
pub(super) enum Cargo {
    Bytes(Vec<u8>),
    End,
    Reset,
}

/// What a receive finds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Bytes,
    End,
    Error(Errno),
}

#[derive(Default)]
pub(super) struct Socket {
    received: VecDeque<u8>,
    /// The peer's end has arrived.
    ended: bool,
    /// A reset has arrived, or this end has sent one.
    dead: bool,
    /// The error that the next operation reports, once.
    error: Option<Errno>,
    receive_shut: bool,
    send_shut: bool,
    /// The stream was dropped.
    closed: bool,
    pub(super) reset_on_close: bool,
    /// A receive is pending.
    pub(super) receiving: bool,
    pub(super) waiters: Waiters,
}

impl Socket {
    /// What a receive would find now; nothing means that it would wait.
    pub(super) fn look(&self) -> Option<Found> {
        if !self.received.is_empty() {
            return Some(Found::Bytes); // whatever came after them
        }
        if self.ended {
            return Some(Found::End); // Linux tells no error behind an end
        }
        let end = (self.dead || self.receive_shut).then_some(Found::End);
        self.error.map(Found::Error).or(end)
    }

    /// Bytes that arrived and were not received yet.
    pub(super) fn backlog(&self) -> usize {
        self.received.len()
    }

    pub(super) fn receive(&mut self, buffer: &mut Buffer, count: usize) {
        let (front, back) = self.received.as_slices();
        let first = count.min(front.len());
        buffer.extend(&front[..first]);
        buffer.extend(&back[..count - first]);
        self.received.drain(..count);
    }

    /// Reports the untold error, if there is one.
    pub(super) fn tell_error(&mut self) -> io::Result<()> {
        self.error.take().map_or(Ok(()), |error| Err(error.into()))
    }

    pub(super) fn may_send(&mut self) -> io::Result<()> {
        self.tell_error()?;
        if self.send_shut || self.dead { Err(Errno::PIPE.into()) } else { Ok(()) }
    }

    /// Whether a send would answer at once even if the wire were full.
    pub(super) fn cannot_send(&self) -> bool {
        self.error.is_some() || self.send_shut || self.dead
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes what arrives; returns the reset it provokes, if any.
    pub(super) fn arrive(&mut self, cargo: Cargo) -> Option<Cargo> {
        match cargo {
            _ if self.dead => {}
            Cargo::Bytes(bytes) => return self.arrive_bytes(&bytes),
            Cargo::End => self.ended = true,
            Cargo::Reset => self.die(),
        }
        None
    }

    fn arrive_bytes(&mut self, bytes: &[u8]) -> Option<Cargo> {
        if self.receive_shut && self.send_shut {
            self.die(); // nobody cares for them, the stream may be dropped: the kernel gives the connection up
            return Some(Cargo::Reset);
        }
        self.received.extend(bytes); // even with only the receiving side shut
        None
    }

    fn die(&mut self) {
        if !self.is_over() {
            self.dead = true;
            self.error = Some(if self.ended { Errno::PIPE } else { Errno::CONNRESET });
        }
    }

    /// Whether nothing is left to reset: it happened, or both ends were exchanged.
    fn is_over(&self) -> bool {
        self.dead || (self.ended && self.send_shut)
    }

    /// Shuts one side or both; returns the end to send, if any.
    pub(super) fn shutdown(&mut self, side: Side) -> Option<Cargo> {
        if self.dead {
            return None;
        }
        self.receive_shut |= side != Side::Send;
        let ends = side != Side::Receive && !self.send_shut;
        self.send_shut |= ends;
        ends.then_some(Cargo::End)
    }

    /// The stream is dropped; returns what tells the peer, if anything.
    pub(super) fn close(&mut self) -> Option<Cargo> {
        self.closed = true;
        let unread = std::mem::take(&mut self.received);
        if unread.is_empty() && !self.reset_on_close {
            return self.shutdown(Side::Both);
        }
        let resets = !self.is_over();
        self.dead = true;
        resets.then_some(Cargo::Reset)
    }
}

/// The tasks that wait for something to change here. All are woken together, and look again.
#[derive(Default)]
pub(super) struct Waiters(Vec<Waker>);

impl Waiters {
    pub(super) fn add(&mut self, waker: &Waker) {
        if !self.0.iter().any(|other| other.will_wake(waker)) {
            self.0.push(waker.clone());
        }
    }

    pub(super) fn wake(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }
}
