//! Connections to servers: made, kept for the next request, and let go.
//!
//! Owns: per worker and server a stack of idle connections, last in first out, so that the surplus grows old and goes.
//! Refuses to hand out a connection on which the server spoke or which it closed while it was idle.
//! Assumes: what is put back is clean, with nothing owed in either direction.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ahash::RandomState;
use indexmap::IndexMap;
use ringgate_core::answer::{Fault, Reject};
use ringgate_core::pool::{Place, Server, ServerId};
use ringgate_core::snapshot::Kept;
use ringgate_io::{Buffer, Deadlines, Either, Stream, TICK, now, race, sleep, spawn};
use rustix::io::Errno;

use crate::connection::Connection;
use crate::limits;
use ringgate_core::stages::{Stage, Stages};

/// A connection to a server, in use.
pub(crate) struct Upstream {
    pub(crate) connection: Connection,
    pub(crate) reply: Reply,
    place: Place,
    made: Instant,
}

/// The receiving half of that use; the connection itself also serves whoever sends.
pub(crate) struct Reply {
    /// What the server sent and was not read yet.
    pub(crate) buffer: Buffer,
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

/// What a request needs of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) reuse: Reuse,
    /// Whether no other server is left to ask.
    pub(crate) is_last: bool,
    pub(crate) connect_within: Duration,
}

/// Why a connect was not waited for.
enum Given {
    /// Its time has passed.
    Time,
    /// Nobody wants it any more.
    Up,
}

struct Idle {
    stream: Stream,
    reply: Reply,
    place: Place,
    made: Instant,
    since: Instant,
}

impl Reply {
    fn new() -> Reply {
        let buffer = Buffer::with_capacity(limits::UPSTREAM_BUFFER_BYTES);
        Reply { buffer, is_reused: false }
    }

    /// Before its connection idles.
    fn rest(&mut self) {
        if self.buffer.capacity() > limits::KEPT_BUFFER_BYTES {
            self.buffer = Buffer::with_capacity(limits::UPSTREAM_BUFFER_BYTES);
        }
        self.buffer.clear();
        self.is_reused = true;
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| exhausted.contains(&code))
}

/// All idle connections of one worker.
pub(crate) struct Upstreams {
    deadlines: Deadlines,
    /// A server is the same one in each configuration that has it. In the order in which they were first kept, so that a
    /// simulated day replays.
    by_server: RefCell<IndexMap<ServerId, VecDeque<Idle>, RandomState>>,
    kept: Cell<Kept>,
    is_sweeping: Cell<bool>,
    is_closed: Cell<bool>,
}

impl Upstreams {
    pub(crate) fn new(kept: Kept, deadlines: Deadlines) -> Upstreams {
        Upstreams {
            deadlines,
            by_server: RefCell::default(),
            kept: Cell::new(kept),
            is_sweeping: Cell::new(false),
            is_closed: Cell::new(false),
        }
    }

    /// Keeps them as this says from now on.
    pub(crate) fn keep(&self, kept: Kept) {
        self.kept.set(kept);
    }

    /// A connection to `server`: the one used last, or a new one. `is_moot` says whether anybody still waits for it. The
    /// request has entered [`Stage::Queue`].
    ///
    /// # Errors
    /// [`Fault::Unreachable`], [`Fault::Full`] and [`Fault::Exhausted`]: nothing was sent, so another server may be asked.
    /// [`Reject::ClientGone`] if it became moot.
    pub(crate) async fn obtain(
        &self,
        server: &Server,
        wanted: Wanted,
        stages: &mut Stages,
        is_moot: impl Fn() -> bool,
    ) -> Result<Upstream, Reject> {
        if wanted.reuse == Reuse::Kept
            && let Some(idle) = self.take(server.capacity.id())
        {
            let Idle { stream, reply, place, made, .. } = idle;
            let connection = Connection::new(stream, &self.deadlines);
            stages.skip_to(Stage::FirstByte);
            return Ok(Upstream { connection, reply, place, made });
        }
        // Boxed: rare, and large; an idle connection would carry its size.
        Box::pin(self.make(server, wanted, stages, is_moot)).await
    }

    /// A new connection to `server`.
    async fn make(
        &self,
        server: &Server,
        wanted: Wanted,
        stages: &mut Stages,
        is_moot: impl Fn() -> bool,
    ) -> Result<Upstream, Reject> {
        let place = self.place(server, wanted.is_last).await?;
        stages.enter(Stage::Connect, now());
        let stream = match self.connect(server, &wanted, &is_moot).await {
            Err(Reject::Fault(Fault::Exhausted)) if self.let_all_go() => {
                self.connect(server, &wanted, &is_moot).await
            }
            stream => stream,
        }?;
        let (connection, made) = (Connection::new(stream, &self.deadlines), now());
        stages.enter(Stage::FirstByte, made);
        Ok(Upstream { connection, reply: Reply::new(), place, made })
    }

    /// A place for one more connection. The last server that a request may ask is worth a wait: another worker may keep
    /// a connection to it that nobody uses.
    async fn place(&self, server: &Server, is_last: bool) -> Result<Place, Fault> {
        let end = now() + if is_last { limits::PLACE_WAIT } else { Duration::ZERO };
        loop {
            match server.capacity.take() {
                Some(place) => return Ok(place),
                None if now() >= end || self.is_closed.get() => return Err(Fault::Full),
                None => sleep(TICK).await,
            }
        }
    }

    async fn connect(
        &self,
        server: &Server,
        wanted: &Wanted,
        is_moot: &impl Fn() -> bool,
    ) -> Result<Stream, Reject> {
        match race(Stream::connect(server.address), self.until_moot(wanted.connect_within, is_moot)).await {
            Either::First(Ok(stream)) => Ok(stream),
            Either::First(Err(error)) if is_out_of_descriptors(&error) => Err(Fault::Exhausted.into()),
            Either::Second(Given::Up) => Err(Reject::ClientGone),
            Either::First(Err(_)) | Either::Second(Given::Time) => Err(Fault::Unreachable.into()),
        }
    }

    /// Passes after `timeout`, when nobody waits any more, or when no more connections are wanted.
    async fn until_moot(&self, timeout: Duration, is_moot: &impl Fn() -> bool) -> Given {
        let end = now() + timeout;
        while now() < end && !self.is_closed.get() {
            sleep(limits::SWEEP.min(end.saturating_duration_since(now()))).await;
            if is_moot() {
                return Given::Up;
            }
        }
        Given::Time
    }

    /// Lets all idle connections go; whether there was any.
    pub(crate) fn let_all_go(&self) -> bool {
        let mut by_server = self.by_server.borrow_mut();
        let had_any = by_server.values().any(|idle| !idle.is_empty());
        by_server.clear();
        had_any
    }

    fn take(&self, server: ServerId) -> Option<Idle> {
        let mut by_server = self.by_server.borrow_mut();
        let idle = by_server.get_mut(&server)?;
        std::iter::from_fn(|| idle.pop_back()).find(|idle| idle.stream.is_quiet())
    }

    /// Keeps a clean connection for the next request.
    pub(crate) fn put_back(self: &Rc<Self>, upstream: Upstream, now: Instant) {
        let Upstream { connection, mut reply, place, made } = upstream;
        if self.is_closed.get() || place.is_wanted() || now - made > self.kept.get().age {
            return;
        }
        reply.rest();
        let mut by_server = self.by_server.borrow_mut();
        let idle = by_server.entry(place.server()).or_default();
        idle.push_back(Idle { stream: connection.into_stream(), reply, place, made, since: now });
        if !self.is_sweeping.replace(true) {
            spawn(sweep(self.clone()));
        }
    }

    /// Lets all idle connections go, keeps no more and waits for none; the sweeping task ends by itself.
    pub(crate) fn close(&self) {
        self.is_closed.set(true);
        self.let_all_go();
    }

    /// Whether the sweeping task still runs.
    pub(crate) fn is_sweeping(&self) -> bool {
        self.is_sweeping.get()
    }

    fn drop_expired(&self) -> bool {
        let (now, kept) = (now(), self.kept.get());
        let has_expired = |oldest: &Idle| oldest.place.is_wanted() || now - oldest.since > kept.idle;
        let mut by_server = self.by_server.borrow_mut();
        by_server.retain(|_, idle| {
            while idle.front().is_some_and(has_expired) {
                idle.pop_front();
            }
            !idle.is_empty()
        });
        !by_server.is_empty()
    }
}

async fn sweep(upstreams: Rc<Upstreams>) {
    while upstreams.drop_expired() && !upstreams.is_closed.get() {
        sleep(limits::SWEEP).await;
    }
    upstreams.is_sweeping.set(false);
}
