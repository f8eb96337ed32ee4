//! A worker: one thread, one core, one event loop, and all that its requests share.
//!
//! Owns: its listener, its connections on both sides, its buffers, its part of the log. Nothing of it is shared with other
//! workers but the snapshot and the counters.
//! Refuses: to block, to lock, to resolve names, to open files.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ringgate_core::head::ResponseHead;
use ringgate_core::node::Node;
use ringgate_io::{Arrival, Buffer, Deadlines, Either, Listener, TICK, now, race, sleep, spawn, wall};

use crate::balance::{Balance, Inbox, Placed, Seat};
use crate::client::Client;
use crate::counters::Counters;
use crate::gate::Gate;
use crate::lease::Held;
use crate::limits;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::orders::Orders;
use crate::session;
use crate::spares::Spares;
use crate::tracing::Tracer;
use crate::upstream::Upstreams;

/// What the requests of one worker share.
pub(crate) struct Worker {
    orders: Arc<Orders>,
    held: RefCell<Rc<Held>>,
    pub(crate) node: Node,
    pub(crate) upstreams: Rc<Upstreams>,
    /// Where heads are written to.
    pub(crate) outputs: Spares<Vec<u8>>,
    /// Where bodies of fast senders are received.
    pub(crate) body_buffers: Spares<Buffer>,
    /// Where the heads of answers are taken apart.
    pub(crate) reply_heads: Spares<ResponseHead>,
    pub(crate) deadlines: Deadlines,
    pub(crate) log: Rc<Log>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) metrics: Metrics,
    pub(crate) tracer: Option<Tracer>,
    pub(crate) gate: Gate,
    balance: Balance,
    inbox: Option<Inbox>,
    stage: Cell<Stage>,
    date: RefCell<Date>,
}

impl Worker {
    /// A worker on the loop of the calling thread.
    pub(crate) fn new(
        orders: Arc<Orders>,
        log: Rc<Log>,
        counters: Arc<Counters>,
        metrics: Metrics,
        tracer: Option<Tracer>,
        gate: Gate,
        (balance, inbox): (Balance, Option<Inbox>),
    ) -> Rc<Worker> {
        let deadlines = Deadlines::new();
        let held = Rc::new(Held::new(orders.generation()));
        counters.generation.set(held.number());
        Rc::new(Worker {
            upstreams: Rc::new(Upstreams::new(held.kept, deadlines.clone())),
            node: held.node.clone(),
            orders,
            held: RefCell::new(held),
            outputs: Spares::default(),
            body_buffers: Spares::default(),
            reply_heads: Spares::default(),
            deadlines,
            log,
            counters,
            metrics,
            tracer,
            gate,
            balance,
            inbox,
            stage: Cell::new(Stage::Serving),
            date: RefCell::new(Date::read(Duration::ZERO)),
        })
    }

    /// Accepts and serves until `stop` is over, then drains. When it returns nothing of it runs any more.
    pub(crate) async fn run(self: Rc<Self>, listener: Listener, stop: impl Future<Output = ()>) {
        let accept = async {
            loop {
                self.accept(&listener).await;
            }
        };
        let hear = async {
            loop {
                self.others_ring().await;
                self.hear_others();
            }
        };
        let _: Either<(), Either<(), ()>> = race(stop, race(accept, hear)).await; // two loops: a bell cuts no pause short
        // Their handshakes are done: closing the listener would reset those that still wait.
        for _ in 0..limits::LAST_BATCHES {
            if self.accept_waiting(&listener) != Waiting::More {
                break;
            }
        }
        drop(listener);
        self.drain().await;
    }

    /// The configuration that holds. Not to be kept while anything is waited for: see [`crate::lease`].
    pub(crate) fn held(&self) -> Rc<Held> {
        self.held.borrow().clone()
    }

    /// Goes by the configuration that was published last, from the next request head on. Connections stay.
    pub(crate) fn adopt(&self) {
        let generation = self.orders.generation();
        if generation.number == self.held().number() {
            return;
        }
        let begun = now();
        self.upstreams.keep(generation.kept);
        self.metrics.trim(generation.routes.all().len(), generation.servers());
        self.counters.generation.set(generation.number);
        self.held.replace(Rc::new(Held::new(generation))); // which frees what was held of the one before
        let took = u64::try_from((now() - begun).as_nanos()).unwrap_or(u64::MAX);
        self.counters.adoption_ns.set(took.max(self.counters.adoption_ns.get()));
    }

    /// Whether connections shall end with their current request.
    pub(crate) fn is_draining(&self) -> bool {
        self.stage.get() != Stage::Serving
    }

    /// Whether the drain has lasted too long, and what is not over is broken off.
    pub(crate) fn has_given_up(&self) -> bool {
        self.stage.get() == Stage::Ending
    }

    /// Seconds since 1970, by the clock of the last tick.
    pub(crate) fn unix_seconds(&self) -> u64 {
        self.dated(|date| date.unix_seconds)
    }

    /// The value of a Date field, right to the second by the clock of the last tick.
    pub(crate) fn date(&self) -> Rc<str> {
        self.dated(|date| date.text.clone())
    }

    fn dated<T>(&self, read: impl FnOnce(&Date) -> T) -> T {
        let (mut date, time) = (self.date.borrow_mut(), self.deadlines.time());
        if time >= date.valid_until {
            *date = Date::read(time);
        }
        read(&date)
    }

    async fn accept(self: &Rc<Self>, listener: &Listener) {
        let _ = listener.readable().await;
        match self.accept_waiting(listener) {
            Waiting::None | Waiting::More => return,
            Waiting::Full => self.counters.full.add(1),
            Waiting::Unknown => {
                self.counters.accept_failures.add(1);
                self.upstreams.let_all_go();
            }
        }
        self.make_room();
        self.balance.ask_for_room();
        sleep(limits::ACCEPT_PAUSE).await;
    }

    /// Whoever waits without a request has to make room for those who have one.
    fn make_room(&self) {
        self.deadlines.end_longest_idle(self.balance.eviction(), limits::FIRST_REQUEST);
    }

    /// Takes a batch of connections.
    fn accept_waiting(self: &Rc<Self>, listener: &Listener) -> Waiting {
        for accepted in 0..limits::ACCEPT_BATCH {
            if self.balance.is_full() {
                return if accepted == 0 { Waiting::Full } else { Waiting::More }; // whether anybody waits is seen next
            }
            match listener.try_accept() {
                Ok(arrival) => {
                    if let Placed::Here(arrival, seat) = self.balance.place(arrival) {
                        self.serve(arrival, seat);
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Waiting::None,
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
                    _ => return Waiting::Unknown,
                },
            }
        }
        Waiting::More
    }

    async fn others_ring(&self) {
        match &self.inbox {
            Some(inbox) => inbox.rung().await,
            None => pending().await,
        }
    }

    fn hear_others(self: &Rc<Self>) {
        let arrivals = self.inbox.iter().flat_map(Inbox::parcels);
        arrivals.for_each(|arrival| self.serve(arrival, self.balance.seat_of_parcel()));
        if self.inbox.as_ref().is_some_and(Inbox::needs_room) {
            self.make_room();
        }
    }

    fn serve(self: &Rc<Self>, arrival: Arrival, seat: Seat) {
        self.counters.connections.add(1);
        let (worker, peer) = (self.clone(), arrival.peer);
        let Ok(stream) = arrival.into_stream() else { return self.counters.accept_failures.add(1) };
        let client = Client::new(stream, peer, &self.deadlines);
        spawn(async move {
            if session::serve(&worker, client).await.is_err() {
                worker.counters.panics.add(1);
            }
            drop(seat); // the last thing: a drain waits for it
        });
    }

    async fn drain(self: &Rc<Self>) {
        self.stage.set(Stage::Draining);
        let begun = now();
        let give_up_at = begun + self.held().clients.drain_timeout;
        while !self.balance.close_if_none() {
            self.hear_others();
            self.deadlines.end_idle(now() >= begun + limits::FIRST_REQUEST); // those that have become idle since, too
            if now() >= give_up_at && !self.has_given_up() {
                self.give_up();
            } else if now() >= give_up_at + limits::BREAK_OFF {
                self.deadlines.end_all(); // those that wait to send
            }
            sleep(TICK).await;
        }
        self.upstreams.close();
        // Every task has to end before the loop does: what is pending then would be lost to the kernel.
        while self.upstreams.is_sweeping() || self.log.is_flushing() {
            sleep(TICK).await;
        }
        self.deadlines.ended().await;
    }

    fn give_up(&self) {
        self.stage.set(Stage::Ending);
        self.upstreams.close();
        self.deadlines.expire_all();
    }
}

/// How far a worker has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Serving,
    /// It takes no new connections, and ends those that are idle.
    Draining,
    /// It has waited long enough, and breaks off the others.
    Ending,
}

/// What a look at the listener's queue has left there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    None,
    /// Perhaps: the batch was full.
    More,
    /// Perhaps: there are as many connections as there may be.
    Full,
    /// Nobody knows: something has run out, mostly descriptors.
    Unknown,
}

/// The value of a Date field (RFC 9110 section 6.6.1), and how long it is the right one.
struct Date {
    text: Rc<str>,
    unix_seconds: u64,
    valid_until: Duration,
}

impl Date {
    /// The date at `time`, which passes as the time of day does.
    fn read(time: Duration) -> Date {
        let now = wall().max(SystemTime::UNIX_EPOCH);
        let text = httpdate::fmt_http_date(now).into();
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (unix_seconds, into_second) = (since.as_secs(), since.subsec_nanos());
        Date {
            text,
            unix_seconds,
            valid_until: time + Duration::from_secs(1) - Duration::from_nanos(into_second.into()),
        }
    }
}
