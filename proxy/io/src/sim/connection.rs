//! A connection: two sockets and the two wires between them, on which everything takes its time.
//!
//! A wire keeps order, loses nothing but what a reset overtakes, and carries at most its capacity.

use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use rustix::io::Errno;

use super::socket::{Cargo, Found, Socket};
use super::tasks::Wait;
use super::world::World;
use crate::{Buffer, Side};

/// One end of a connection: the socket, and by it the wire it sends on. Clones name the same end.
#[derive(Clone)]
pub(super) struct Endpoint {
    connection: Rc<Connection>,
    side: usize,
}

struct Connection {
    world: Rc<World>,
    number: u64,
    addresses: [SocketAddr; 2],
    sockets: [RefCell<Socket>; 2],
    wires: [RefCell<Wire>; 2], // by the side that sends
}

struct Wire {
    capacity: usize,
    flying: VecDeque<Segment>,
}

struct Segment {
    due: Duration,
    cargo: Cargo,
}

impl Wire {
    fn load(&self) -> usize {
        self.flying.iter().map(|segment| segment.cargo.len()).sum()
    }

    fn land(&mut self, now: Duration) -> Option<Cargo> {
        let due = self.flying.front()?.due <= now;
        due.then(|| self.flying.pop_front()).flatten().map(|segment| segment.cargo)
    }
}

impl Endpoint {
    /// A connection just opened: the client's end and the server's.
    pub(super) fn pair(world: &Rc<World>, client: SocketAddr, server: SocketAddr) -> (Endpoint, Endpoint) {
        let wire = || RefCell::new(Wire { capacity: world.capacity(), flying: VecDeque::new() });
        let connection = Rc::new(Connection {
            world: world.clone(),
            number: world.count(|report| &mut report.connections_opened, 1),
            addresses: [client, server],
            sockets: Default::default(),
            wires: [wire(), wire()],
        });
        world.count(|report| &mut report.streams_open, 2);
        (Endpoint { connection: connection.clone(), side: 0 }, Endpoint { connection, side: 1 })
    }

    pub(super) fn world(&self) -> &Rc<World> {
        &self.connection.world
    }

    pub(super) fn socket(&self) -> RefMut<'_, Socket> {
        self.connection.sockets[self.side].borrow_mut()
    }

    fn wire(&self) -> RefMut<'_, Wire> {
        self.connection.wires[self.side].borrow_mut()
    }

    fn other(&self) -> Endpoint {
        Endpoint { connection: self.connection.clone(), side: 1 - self.side }
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.connection.addresses[self.side]
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.connection.addresses[1 - self.side]
    }

    /// Bytes that a send can leave now.
    fn room(&self) -> usize {
        let wire = self.wire();
        wire.capacity.saturating_sub(wire.load() + self.other().socket().backlog())
    }

    pub(super) fn try_send(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket().may_send()?;
        let offered: usize = parts.iter().map(|part| part.len()).sum();
        let room = self.room();
        if room == 0 && offered > 0 {
            return Err(Errno::AGAIN.into());
        }
        let count = self.world().part(offered.min(room));
        self.carry(gather(parts, count));
        self.note("send", count);
        self.world().count(|report| &mut report.bytes_sent, count as u64);
        if self.world().chance(|faults| faults.reset) {
            self.reset();
            self.other().reset();
        }
        Ok(count)
    }

    /// Puts bytes on the wire, in one piece or several, each with its own delay.
    fn carry(&self, mut bytes: Vec<u8>) {
        while !bytes.is_empty() {
            let rest = bytes.split_off(self.world().part(bytes.len()));
            self.fly(Cargo::Bytes(bytes));
            bytes = rest;
        }
    }

    fn fly(&self, cargo: Cargo) {
        let due = self.world().arrival();
        self.wire().flying.push_back(Segment { due, cargo });
        let sender = self.clone();
        self.world().at(due, move || sender.land());
    }

    /// Delivers what has crossed the wire by now; who was faster than the one ahead waits for it.
    fn land(&self) {
        let now = self.world().agenda.elapsed();
        loop {
            let Some(cargo) = self.wire().land(now) else { return };
            let reply = self.other().socket().arrive(cargo);
            if reply.is_some() {
                self.other().reset();
            }
            self.other().socket().waiters.wake();
        }
    }

    /// Sends a reset, which may overtake any part of what is still on the wire.
    fn reset(&self) {
        let kept = self.world().index(self.wire().flying.len() + 1);
        self.wire().flying.truncate(kept);
        self.note("reset", kept);
        self.world().count(|report| &mut report.resets, 1);
        self.fly(Cargo::Reset);
    }

    pub(super) fn try_receive(&self, buffer: &mut Buffer, limit: usize) -> Poll<io::Result<usize>> {
        let found = self.socket().look();
        match found {
            None => Poll::Pending,
            Some(Found::Bytes) => Poll::Ready(Ok(self.receive(buffer, limit.min(buffer.room())))),
            Some(Found::End) => Poll::Ready(Ok(0)),
            Some(Found::Error(_)) => Poll::Ready(self.socket().tell_error().map(|()| 0)),
        }
    }

    fn receive(&self, buffer: &mut Buffer, limit: usize) -> usize {
        let mut socket = self.socket();
        let count = self.world().part(limit.min(socket.backlog()));
        socket.receive(buffer, count);
        drop(socket);
        self.note("receive", count);
        self.world().count(|report| &mut report.bytes_received, count as u64);
        self.other().socket().waiters.wake(); // there is room on the wire again
        count
    }

    pub(super) fn is_readable(&self) -> bool {
        self.socket().look().is_some()
    }

    pub(super) fn is_writable(&self) -> bool {
        self.socket().cannot_send() || self.room() > 0
    }

    pub(super) fn shutdown(&self, side: Side) {
        if self.socket().is_closed() {
            self.world().violated(format!(
                "a closer ended {self:?} after its stream was dropped, where the kernel would have hit whatever stream \
                 carries that descriptor now: drop the closer, or the deadline guard that owns it, before the stream"
            ));
        }
        let end = self.socket().shutdown(side);
        self.leave(end);
    }

    /// The stream is dropped.
    pub(super) fn close(&self) {
        if self.world().is_ending() {
            return;
        }
        let farewell = self.socket().close();
        self.leave(farewell);
        self.other().socket().waiters.wake(); // unread bytes no longer fill the wire
        self.world().uncount_stream();
        if self.other().socket().is_closed() {
            self.world().count(|report| &mut report.connections_closed, 1);
        }
    }

    fn leave(&self, farewell: Option<Cargo>) {
        match farewell {
            Some(Cargo::Reset) => self.reset(),
            Some(cargo) => {
                self.note("end", 0);
                self.fly(cargo);
            }
            None => {}
        }
        self.socket().waiters.wake();
    }

    /// Waits, as far as this poll goes: registers the task, and says for what in case the world gets stuck.
    pub(super) fn wait(&self, waker: &Waker, wait: fn(SocketAddr, SocketAddr) -> Wait) {
        self.socket().waiters.add(waker);
        self.world().tasks.waits_for(wait(self.local(), self.peer()));
    }

    fn note(&self, event: &str, count: usize) {
        self.world().note((event, self.connection.number, self.side, count));
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stream at {} from {}", self.local(), self.peer())
    }
}

impl Cargo {
    fn len(&self) -> usize {
        match self {
            Cargo::Bytes(bytes) => bytes.len(),
            Cargo::End | Cargo::Reset => 0,
        }
    }
}

/// A copy of the first `count` bytes of `parts`.
fn gather(parts: &[IoSlice<'_>], count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count);
    for part in parts {
        let wanted = part.len().min(count - bytes.len());
        bytes.extend_from_slice(&part[..wanted]);
    }
    bytes
}
