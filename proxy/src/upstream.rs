//! Connections to servers: made, kept for the next request, and let go.
//!
//! Owns: per worker and server a stack of idle connections, last in first out, so that the surplus grows old and goes.
//! Refuses to hand out a connection on which the server spoke or which it closed while it was idle.
//! Assumes: what is put back is clean, with nothing owed in either direction.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ringgate_core::answer::Fault;
use ringgate_core::head::ResponseHead;
use ringgate_core::pool::Server;
use ringgate_io::{Buffer, Deadlines, Either, Stream, now, race, sleep, spawn};

use crate::connection::Connection;
use crate::limits;

/// A connection to a server, in use.
pub(crate) struct Upstream {
    pub(crate) connection: Connection,
    pub(crate) reply: Reply,
    server: usize,
}

/// The receiving half of that use; the connection itself also serves whoever sends.
pub(crate) struct Reply {
    /// What the server sent and was not read yet.
    pub(crate) buffer: Buffer,
    pub(crate) head: ResponseHead,
    /// Whether an earlier request was answered on it: if it breaks before the first byte, that is most likely why.
    pub(crate) is_reused: bool,
}

/// Whether an idle connection will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Yes, if there is one.
    Kept,
    /// No: one broke a moment ago.
    Fresh,
}

struct Idle {
    stream: Stream,
    buffer: Buffer,
    head: ResponseHead,
    since: Instant,
}

/// All idle connections of one worker.
pub(crate) struct Upstreams {
    deadlines: Deadlines,
    by_server: RefCell<Vec<VecDeque<Idle>>>,
    idle_timeout: Duration,
    is_sweeping: Cell<bool>,
    is_closed: Cell<bool>,
}

/// How often idle connections are looked over while there are any: one lives that much too long at most, and a drain waits
/// that long for this task to end.
const SWEEP: Duration = Duration::from_millis(100);

impl Upstreams {
    pub(crate) fn new(servers: usize, idle_timeout: Duration, deadlines: Deadlines) -> Upstreams {
        let by_server = RefCell::new((0..servers).map(|_| VecDeque::new()).collect());
        Upstreams {
            deadlines,
            by_server,
            idle_timeout,
            is_sweeping: Cell::new(false),
            is_closed: Cell::new(false),
        }
    }

    /// A connection to `server`: the one used last, or a new one within `connect_timeout`.
    ///
    /// # Errors
    /// [`Fault::Unreachable`]: nothing was sent, so another server may be asked.
    pub(crate) async fn obtain(
        &self,
        server: &Server,
        reuse: Reuse,
        connect_timeout: Duration,
    ) -> Result<Upstream, Fault> {
        if reuse == Reuse::Kept
            && let Some(idle) = self.take(server.index)
        {
            let connection = Connection::new(idle.stream, &self.deadlines);
            let reply = Reply { buffer: idle.buffer, head: idle.head, is_reused: true };
            return Ok(Upstream { connection, reply, server: server.index });
        }
        match race(Stream::connect(server.address), self.patience(connect_timeout)).await {
            Either::First(Ok(stream)) => Ok(Upstream {
                connection: Connection::new(stream, &self.deadlines),
                reply: Reply {
                    buffer: Buffer::with_capacity(limits::UPSTREAM_BUFFER_BYTES),
                    head: ResponseHead::default(),
                    is_reused: false,
                },
                server: server.index,
            }),
            Either::First(Err(_)) | Either::Second(()) => Err(Fault::Unreachable),
        }
    }

    /// Passes after `timeout`, or when no more connections are wanted.
    async fn patience(&self, timeout: Duration) {
        let end = now() + timeout;
        while now() < end && !self.is_closed.get() {
            sleep(SWEEP.min(end.saturating_duration_since(now()))).await;
        }
    }

    fn take(&self, server: usize) -> Option<Idle> {
        let idle = &mut self.by_server.borrow_mut()[server];
        std::iter::from_fn(|| idle.pop_back()).find(|idle| idle.stream.is_quiet())
    }

    /// Keeps a clean connection for the next request.
    pub(crate) fn put_back(self: &Rc<Self>, upstream: Upstream) {
        let Upstream { connection, reply: Reply { mut buffer, head, .. }, server } = upstream;
        let idle = &mut self.by_server.borrow_mut()[server];
        if self.is_closed.get() || idle.len() >= limits::IDLE_UPSTREAMS {
            return;
        }
        if buffer.capacity() > limits::KEPT_BUFFER_BYTES {
            buffer = Buffer::with_capacity(limits::UPSTREAM_BUFFER_BYTES);
        }
        buffer.clear();
        idle.push_back(Idle { stream: connection.into_stream(), buffer, head, since: now() });
        if !self.is_sweeping.replace(true) {
            spawn(sweep(self.clone()));
        }
    }

    /// Lets all idle connections go, keeps no more and waits for none; the sweeping task ends by itself.
    pub(crate) fn close(&self) {
        self.is_closed.set(true);
        self.by_server.borrow_mut().iter_mut().for_each(VecDeque::clear);
    }

    /// Whether the sweeping task still runs.
    pub(crate) fn is_sweeping(&self) -> bool {
        self.is_sweeping.get()
    }

    fn drop_expired(&self) -> bool {
        let now = now();
        let mut any_left = false;
        for idle in self.by_server.borrow_mut().iter_mut() {
            while idle.front().is_some_and(|oldest| now - oldest.since > self.idle_timeout) {
                idle.pop_front();
            }
            any_left |= !idle.is_empty();
        }
        any_left
    }
}

async fn sweep(upstreams: Rc<Upstreams>) {
    while upstreams.drop_expired() && !upstreams.is_closed.get() {
        sleep(SWEEP).await;
    }
    upstreams.is_sweeping.set(false);
}
