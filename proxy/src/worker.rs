//! A worker: one thread, one core, one event loop, and all that its requests share.
//!
//! Owns: its listener, its connections on both sides, its buffers, its part of the log. Nothing of it is shared with other
//! workers but the snapshot and the counters.
//! Refuses: to block, to lock, to resolve names, to open files.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ringgate_core::snapshot::Snapshot;
use ringgate_io::{Deadlines, Either, Listener, Stream, TICK, race, sleep, spawn, wall};

use crate::counters::Counters;
use crate::limits;
use crate::log::Log;
use crate::session;
use crate::upstream::Upstreams;

/// What the requests of one worker share.
pub(crate) struct Worker {
    snapshot: Arc<Snapshot>,
    pub(crate) upstreams: Rc<Upstreams>,
    pub(crate) outputs: Outputs,
    pub(crate) deadlines: Deadlines,
    pub(crate) log: Rc<Log>,
    pub(crate) counters: Arc<Counters>,
    is_draining: Cell<bool>,
    date: Cell<Date>,
}

impl Worker {
    /// A worker on the loop of the calling thread.
    pub(crate) fn new(snapshot: Arc<Snapshot>, log: Rc<Log>, counters: Arc<Counters>) -> Rc<Worker> {
        let deadlines = Deadlines::new();
        let idle_timeout = snapshot.kept.idle;
        Rc::new(Worker {
            upstreams: Rc::new(Upstreams::new(snapshot.servers(), idle_timeout, deadlines.clone())),
            snapshot,
            outputs: Outputs::default(),
            deadlines,
            log,
            counters,
            is_draining: Cell::new(false),
            date: Cell::new(Date::read(Duration::ZERO)),
        })
    }

    /// Accepts and serves until `stop` is over, then drains within `patience`. When it returns nothing of it runs any more.
    pub(crate) async fn run(
        self: Rc<Self>,
        listener: Listener,
        stop: impl Future<Output = ()>,
        patience: Duration,
    ) {
        let mut stop = pin!(stop);
        while race(stop.as_mut(), self.accept(&listener)).await != Either::First(()) {}
        // Their handshakes are done: closing the listener would reset those that still wait.
        while self.accept_waiting(&listener) == Waiting::More {}
        drop(listener);
        self.drain(patience).await;
    }

    /// The configuration as this worker knows it.
    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Whether connections shall end with their current request.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.get()
    }

    /// The value of a Date field, right to the second by the clock of the last tick.
    pub(crate) fn date(&self) -> Date {
        let (date, time) = (self.date.get(), self.deadlines.time());
        if time < date.valid_until {
            return date;
        }
        self.date.set(Date::read(time));
        self.date.get()
    }

    async fn accept(self: &Rc<Self>, listener: &Listener) {
        if listener.readable().await.is_ok() && self.accept_waiting(listener) != Waiting::Unknown {
            return;
        }
        self.counters.accept_failures.add(1);
        sleep(limits::ACCEPT_PAUSE).await;
    }

    /// Takes a batch of connections.
    fn accept_waiting(self: &Rc<Self>, listener: &Listener) -> Waiting {
        for _ in 0..limits::ACCEPT_BATCH {
            match listener.try_accept() {
                Ok((stream, peer)) => self.serve(stream, peer),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Waiting::None,
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
                    _ => return Waiting::Unknown,
                },
            }
        }
        Waiting::More
    }

    fn serve(self: &Rc<Self>, stream: Stream, peer: SocketAddr) {
        self.counters.connections.add(1);
        self.counters.open_connections.add(1);
        let worker = self.clone();
        spawn(async move {
            if session::serve(&worker, stream, peer).await.is_err() {
                worker.counters.panics.add(1);
            }
            worker.counters.open_connections.subtract(1);
        });
    }

    async fn drain(&self, patience: Duration) {
        self.is_draining.set(true);
        let give_up_at = ringgate_io::now() + patience;
        self.deadlines.end_idle();
        while self.counters.open_connections.get() > 0 && ringgate_io::now() < give_up_at {
            sleep(TICK).await;
            self.deadlines.end_idle(); // those that have become idle since
        }
        self.deadlines.expire_all();
        self.upstreams.close();
        // Every task has to end before the loop does: what is pending then would be lost to the kernel.
        while self.counters.open_connections.get() > 0
            || self.upstreams.is_sweeping()
            || self.log.is_flushing()
        {
            sleep(TICK).await;
        }
        self.deadlines.ended().await;
    }
}

/// What a look at the listener's queue has left there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    None,
    /// Perhaps: the batch was full.
    More,
    /// Nobody knows: something has run out, mostly descriptors.
    Unknown,
}

/// The value of a Date field (RFC 9110 section 6.6.1), and how long it is the right one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Date {
    text: [u8; 29],
    valid_until: Duration,
}

impl Date {
    /// The date at `time`, which passes as the time of day does.
    fn read(time: Duration) -> Date {
        let mut text = [b' '; 29];
        let now = wall().max(SystemTime::UNIX_EPOCH);
        text.copy_from_slice(&httpdate::fmt_http_date(now).as_bytes()[..29]);
        let into_second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        Date { text, valid_until: time + Duration::from_secs(1) - Duration::from_nanos(into_second.into()) }
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or("")
    }
}

/// Buffers that heads are written to, lent for the time of one exchange.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    spare: RefCell<Vec<Vec<u8>>>,
}

impl Outputs {
    /// An empty buffer.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps it for the next one, unless it has grown large or there are enough.
    pub(crate) fn give_back(&self, mut output: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < limits::SPARE_OUTPUTS && output.capacity() <= limits::KEPT_BUFFER_BYTES {
            output.clear();
            spare.push(output);
        }
    }
}
