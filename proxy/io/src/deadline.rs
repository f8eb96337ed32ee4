//! Deadlines: when one passes, the stream it guards is shut down and the pending operation completes by itself.
//!
//! Owns: one flat table per worker, scanned once a tick while anything is guarded. Setting a deadline is a few stores and no
//! clock read, so a request may set several. (A scan reads 16 bytes a connection. A timing wheel would save that and cost
//! each request an unlink and a link.) The same scan notices who has left while others work for them ([`Armed::watch`]).
//! Refuses: to cancel operations. Buffers the kernel owns come back by completion only.
//! Assumes: whoever awaits reads its result together with [`Armed::expired`]: after expiry a receive of 0 is a timeout,
//! never an end of message, and a send may have been partial.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::{Closer, Side, now, sleep, spawn};

/// How often deadlines are looked at, and so how late one can fire.
pub const TICK: Duration = Duration::from_millis(10);
/// The table's value for "no deadline" and "not watched".
const NEVER: u64 = u64::MAX;
/// Watched streams that a tick looks at, one system call each: under a hundredth of a core. With ten thousand of them each
/// is looked at every 0.4 s.
const LOOKS: usize = 256;

/// The deadlines of one worker.
#[derive(Clone)]
pub struct Deadlines {
    table: Rc<Table>,
}

struct Table {
    epoch: Instant,
    /// Milliseconds after `epoch`, by slot.
    due: RefCell<Vec<u64>>,
    /// Since when a stream is watched, by slot, in milliseconds after `epoch`.
    watched: RefCell<Vec<u64>>,
    /// The slot at which the next look at watched streams begins.
    look_from: Cell<usize>,
    slots: RefCell<Vec<Slot>>,
    free: RefCell<Vec<usize>>,
    ticking: Cell<bool>,
    /// The time of the last tick, in milliseconds after `epoch`: what a deadline is counted from, without a clock read.
    time: Cell<u64>,
}

struct Slot {
    closer: Closer,
    side: Side,
    is_open: bool,
    idle: Option<Idle>,
    /// In milliseconds after the table's epoch.
    idle_since: u64,
    /// It was ended for being idle.
    is_ending: bool,
    expired: bool,
    departed: bool,
    /// The slot that is ended when this one has departed; of use while it is watched.
    works_for_it: usize,
}

/// A stream on which nobody is owed an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// Nothing has come on it yet.
    Unused,
    /// It was of use before.
    Used,
}

impl Slot {
    /// Whether it is idle and not told to end yet.
    fn is_idle(&self) -> bool {
        self.idle.is_some() && !self.is_ending
    }

    fn end_idle(&mut self) {
        self.is_ending = true;
        self.closer.shutdown(Side::Receive);
    }
}

impl Deadlines {
    /// An empty table. It costs nothing while nothing is guarded.
    pub fn new() -> Deadlines {
        let table = Table {
            epoch: now(),
            due: RefCell::default(),
            watched: RefCell::default(),
            look_from: Cell::new(0),
            slots: RefCell::default(),
            free: RefCell::default(),
            ticking: Cell::new(false),
            time: Cell::new(0),
        };
        Deadlines { table: Rc::new(table) }
    }

    /// Guards the stream of `closer`. The guard must be dropped before the stream: descriptor numbers are reused.
    pub fn guard(&self, closer: Closer) -> Armed {
        let slot = Slot {
            closer,
            side: Side::Both,
            is_open: true,
            idle: None,
            idle_since: 0,
            is_ending: false,
            expired: false,
            departed: false,
            works_for_it: 0,
        };
        let index = self.table.insert(slot);
        if !self.table.ticking.replace(true) {
            self.table.time.set(self.table.milliseconds(now()));
            spawn(tick(self.table.clone()));
        }
        Armed { table: self.table.clone(), index }
    }

    /// The time since the table was made, as of the last tick.
    pub fn time(&self) -> Duration {
        Duration::from_millis(self.table.time.get())
    }

    /// Streams guarded now.
    pub fn guarded(&self) -> usize {
        self.table.guarded()
    }

    /// Waits until nothing is guarded and the task that looks at the deadlines has ended, and one tick more, in which the
    /// loop submits the last closes: what has to be awaited before a loop is left.
    pub async fn ended(&self) {
        while self.table.ticking.get() {
            sleep(TICK).await;
        }
        sleep(TICK).await;
    }

    /// Ends, for receiving, the streams that wait [idle](Armed::idle_within): what a drain does first. Those that have not
    /// been used yet only with `unused`: who has just connected is about to ask.
    pub fn end_idle(&self, unused: bool) {
        for slot in self.table.slots.borrow_mut().iter_mut() {
            if slot.is_idle() && (unused || slot.idle == Some(Idle::Used)) {
                slot.end_idle();
            }
        }
    }

    /// Ends, for receiving, the `count` streams that have been idle longest. The unused among them are let be for their first
    /// `grace`: a newcomer is about to ask.
    pub fn end_longest_idle(&self, count: usize, grace: Duration) {
        let mut slots = self.table.slots.borrow_mut();
        let old = self.time().saturating_sub(grace).as_millis() as u64;
        let may_end =
            |slot: &Slot| slot.is_idle() && (slot.idle == Some(Idle::Used) || slot.idle_since < old);
        let mut idle: Vec<usize> = (0..slots.len()).filter(|&index| may_end(&slots[index])).collect();
        if idle.len() > count {
            idle.select_nth_unstable_by_key(count, |&index| slots[index].idle_since);
            idle.truncate(count);
        }
        idle.iter().for_each(|&index| slots[index].end_idle());
    }

    /// Ends every guarded stream for receiving, as if its deadline had passed. What is being sent can still be broken off
    /// by a reset, which it could not behind the end that a shutdown of both sides would send.
    pub fn expire_all(&self) {
        let slots = self.table.slots.borrow().len();
        for index in 0..slots {
            self.table.set(index, 0, Side::Receive, None);
        }
        self.table.expire(1);
    }

    /// Ends every guarded stream, both ways, those too that only wait to send.
    pub fn end_all(&self) {
        for slot in self.table.slots.borrow().iter().filter(|slot| slot.is_open) {
            slot.closer.shutdown(Side::Both);
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines::new()
    }
}

async fn tick(table: Rc<Table>) {
    while table.guarded() > 0 {
        sleep(TICK).await;
        table.time.set(table.milliseconds(now()));
        table.expire(table.time.get());
        table.look_for_departed();
    }
    table.ticking.set(false);
}

impl Table {
    fn insert(&self, slot: Slot) -> usize {
        let (mut slots, mut due) = (self.slots.borrow_mut(), self.due.borrow_mut());
        if let Some(index) = self.free.borrow_mut().pop() {
            slots[index] = slot;
            return index;
        }
        slots.push(slot);
        due.push(NEVER);
        self.watched.borrow_mut().push(NEVER);
        slots.len() - 1
    }

    fn remove(&self, index: usize) {
        self.due.borrow_mut()[index] = NEVER;
        let slot = &mut self.slots.borrow_mut()[index];
        (slot.is_open, slot.idle, slot.expired) = (false, None, true); // nothing is left to end here
        self.free.borrow_mut().push(index);
    }

    fn guarded(&self) -> usize {
        self.slots.borrow().len() - self.free.borrow().len()
    }

    fn set(&self, index: usize, due: u64, side: Side, idle: Option<Idle>) {
        let slot = &mut self.slots.borrow_mut()[index];
        if slot.expired {
            return; // once expired, always expired: the stream is ending
        }
        (slot.side, slot.idle, slot.idle_since) = (side, idle, self.time.get());
        self.due.borrow_mut()[index] = due;
    }

    /// Ends the streams whose deadline is before `now`.
    fn expire(&self, now: u64) {
        let (mut slots, mut due) = (self.slots.borrow_mut(), self.due.borrow_mut());
        for (index, due) in due.iter_mut().enumerate() {
            if *due < now {
                *due = NEVER;
                let slot = &mut slots[index];
                slot.expired = true; // first the cause, then the end: whoever wakes finds it
                slot.closer.shutdown(slot.side);
            }
        }
    }

    /// Ends what works for streams that were reset meanwhile, of those watched for more than a tick.
    fn look_for_departed(&self) {
        let (mut slots, mut watched) = (self.slots.borrow_mut(), self.watched.borrow_mut());
        let old = self.time.get().saturating_sub(TICK.as_millis() as u64);
        let first = self.look_from.replace(0).min(watched.len());
        let mut looks = 0;
        for index in (first..watched.len()).chain(0..first) {
            if watched[index] >= old {
                continue;
            }
            if looks == LOOKS {
                return self.look_from.set(index);
            }
            looks += 1;
            if slots[index].closer.is_reset() {
                watched[index] = NEVER;
                slots[index].departed = true; // first the cause, then the end: whoever wakes finds it
                let working = slots[index].works_for_it;
                slots[working].closer.shutdown(Side::Both);
            }
        }
    }

    fn after(&self, timeout: Duration) -> u64 {
        let tick = TICK.as_millis() as u64; // the last tick may be that long ago
        self.time.get()
            + tick
            + timeout.as_secs().saturating_mul(1000).min(NEVER >> 1)
            + u64::from(timeout.subsec_millis())
    }

    /// Rounded down; `expire` compares strictly, so a deadline never fires early.
    fn milliseconds(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.epoch).as_millis()).unwrap_or(NEVER)
    }
}

/// The guard of one stream: by it deadlines are set, moved and cleared.
pub struct Armed {
    table: Rc<Table>,
    index: usize,
}

impl Armed {
    /// After `timeout` the stream is ended on `side`; replaces the deadline set before. Counted from the end of the current
    /// tick without a clock read: while the loop is not held up, the timeout passes in full, and at most two ticks more.
    pub fn within(&self, timeout: Duration, side: Side) {
        self.table.set(self.index, self.table.after(timeout), side, None);
    }

    /// As [`within`](Self::within) for receiving, and it may be ended before: nobody is owed an answer on it.
    pub fn idle_within(&self, timeout: Duration, idle: Idle) {
        self.table.set(self.index, self.table.after(timeout), Side::Receive, Some(idle));
    }

    /// Nothing more is waited for on it once it was [ended](Self::is_ending): all of what had come was read.
    pub fn end_revival(&self) {
        self.table.slots.borrow_mut()[self.index].is_ending = false;
    }

    /// Whether it was ended because it was idle.
    pub fn is_ending(&self) -> bool {
        self.table.slots.borrow()[self.index].is_ending
    }

    /// Whether it was ended because it was idle, and is not idle any more: what came in that moment has more coming behind
    /// it. The kernel goes on to take it in, but a receive does not wait for it.
    pub fn has_revived(&self) -> bool {
        let slot = &self.table.slots.borrow()[self.index];
        slot.is_ending && slot.idle.is_none() && !slot.expired
    }

    /// As [`Deadlines::time`].
    pub fn time(&self) -> Duration {
        Duration::from_millis(self.table.time.get())
    }

    /// No deadline any more; what has expired stays expired.
    pub fn clear(&self) {
        self.table.set(self.index, NEVER, Side::Both, None);
    }

    /// While the returned value lives: should this stream be reset, `working` is ended, whose work nobody waits for any
    /// more. An end of the other side's sending is no reset. Noticed within some ticks, and not within the first.
    pub fn watch<'a>(&'a self, working: &'a Armed) -> Watch<'a> {
        self.table.slots.borrow_mut()[self.index].works_for_it = working.index;
        self.table.watched.borrow_mut()[self.index] = self.table.time.get();
        Watch { watched: self, _working: PhantomData }
    }

    /// Whether a [`watch`](Self::watch) has found the stream reset.
    pub fn departed(&self) -> bool {
        self.table.slots.borrow()[self.index].departed
    }

    /// Whether a deadline has passed and the stream was ended for it.
    pub fn expired(&self) -> bool {
        self.table.slots.borrow()[self.index].expired
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        self.table.remove(self.index);
    }
}

/// A watch on one stream for the sake of another; see [`Armed::watch`].
pub struct Watch<'a> {
    watched: &'a Armed,
    _working: PhantomData<&'a Armed>, // it may not be dropped before: its slot would be another's
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.watched.table.watched.borrow_mut()[self.watched.index] = NEVER;
    }
}
