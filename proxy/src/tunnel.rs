//! A connection that has been upgraded: bytes, both ways, until both sides have ended.
//!
//! Each direction waits for its own receiver, so neither side is read faster than the other one takes it. One side's end is
//! passed on and leaves the other direction open; a break-off ends both. How long nothing may pass counts for both
//! directions together.

use std::time::Duration;

use ringgate_io::{Buffer, Side, join};

use crate::connection::{Broken, Connection};
use crate::limits;
use crate::patience::Patience;

/// Two connections of which each carries on what the other one says.
pub(crate) struct Tunnel<'a> {
    client: &'a Connection,
    server: &'a Connection,
    idle: Duration,
}

/// Which side broke it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BrokenBy {
    Client,
    Server,
}

/// Why a direction ended before its source did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Torn {
    Source,
    Sink,
    /// Nothing has passed for too long.
    Idle,
}

impl<'a> Tunnel<'a> {
    pub(crate) fn new(client: &'a Connection, server: &'a Connection, idle: Duration) -> Tunnel<'a> {
        Tunnel { client, server, idle }
    }

    /// Passes on what each side had said before, and then all they say. Ends well too when nothing has passed for long.
    pub(crate) async fn run(&self, said: &[u8], answered: &mut Buffer) -> Result<(), BrokenBy> {
        let mut up = Buffer::with_capacity(limits::UPSTREAM_BUFFER_BYTES);
        up.extend(said);
        let up = self.pass(self.client, self.server, &mut up);
        let down = self.pass(self.server, self.client, answered);
        // What one direction ends by may tear the other one, too: the likelier reason comes first.
        match join(up, down).await {
            (Err(Torn::Idle), _) | (_, Err(Torn::Idle)) => Ok(()),
            (Err(Torn::Source), _) | (_, Err(Torn::Sink)) => Err(BrokenBy::Client),
            (Err(Torn::Sink), _) | (_, Err(Torn::Source)) => Err(BrokenBy::Server),
            (Ok(()), Ok(())) => Ok(()),
        }
    }

    /// One direction.
    async fn pass(&self, from: &Connection, to: &Connection, buffer: &mut Buffer) -> Result<(), Torn> {
        loop {
            self.stay();
            if to.send([buffer.data()], Patience::of(self.idle)).await.is_err() {
                return self.tear(Torn::Sink);
            }
            make_room(buffer);
            self.stay();
            match from.recv(buffer, usize::MAX).await {
                Ok(_) => {}
                Err(Broken::Ended) => {
                    to.shutdown(Side::Send);
                    return Ok(());
                }
                Err(Broken::TimedOut) => return self.tear(Torn::Idle),
                Err(Broken::Reset) => return self.tear(Torn::Source),
            }
        }
    }

    /// Something has passed: both directions have all their time again.
    fn stay(&self) {
        self.client.deadline().within(self.idle, Side::Receive);
        self.server.deadline().within(self.idle, Side::Receive);
    }

    /// Ends the other direction, too. What was broken off is to end in a reset, which an orderly end must not overtake.
    fn tear(&self, torn: Torn) -> Result<(), Torn> {
        let side = if torn == Torn::Idle { Side::Both } else { Side::Receive };
        self.client.shutdown(side);
        self.server.shutdown(side);
        Err(torn)
    }
}

/// Empties a buffer that was sent; one that was full may be the first of many.
fn make_room(buffer: &mut Buffer) {
    let was_full = buffer.room() == 0 && buffer.capacity() < limits::KEPT_BUFFER_BYTES;
    buffer.clear();
    buffer.make_room(if was_full { limits::KEPT_BUFFER_BYTES } else { 1 });
}
