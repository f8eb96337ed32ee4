//! The world of one run: clock, tasks, listeners and dice, and the loop that turns them.
//!
//! Assumes one world per thread at a time; [`Stage`] puts it up and, whatever happened, takes it down again.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::agenda::{Agenda, Entry};
use super::faults::{Dice, Faults};
use super::stream::Listeners;
use super::tasks::{MAIN, Tasks, Wait};
use super::{Outcome, Report};
use crate::random;

/// The longest run, in virtual time. Every deadline that means something is minutes; a world that is not done in an
/// hour turns its clock for nothing, as a ticking task does while everybody else is stuck.
const LONGEST_RUN: Duration = Duration::from_secs(3600);
/// The longest run, in polls. An exchange of a few kilobytes takes about a hundred, so this is room for twenty thousand
/// of them; a world that needs more spins, and finding that out should take seconds.
const MOST_STEPS: u64 = 2_000_000;

thread_local! {
    static CURRENT: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

pub(super) struct World {
    seed: u64,
    epoch: Instant,
    pub(super) agenda: Agenda,
    pub(super) tasks: Tasks,
    pub(super) listeners: Listeners,
    faults: RefCell<Faults>,
    dice: Dice,
    trace: RefCell<DefaultHasher>, // its keys are fixed
    report: Cell<Report>,
    violation: RefCell<Option<String>>,
    ending: Cell<bool>,
}

/// The current world.
impl World {
    pub(super) fn current() -> Rc<World> {
        World::running().expect("no simulation is running on this thread: call this inside `sim::run`")
    }

    pub(super) fn running() -> Option<Rc<World>> {
        CURRENT.with_borrow(Clone::clone)
    }

    pub(super) fn is_running() -> bool {
        CURRENT.with_borrow(Option::is_some)
    }
}

/// Time.
impl World {
    pub(super) fn now(&self) -> Instant {
        self.epoch + self.agenda.elapsed()
    }

    pub(super) fn at(&self, due: Duration, action: impl FnOnce() + 'static) -> Option<Entry> {
        (!self.ending.get()).then(|| self.agenda.at(due, action))
    }

    /// When something sent now arrives.
    pub(super) fn arrival(&self) -> Duration {
        self.agenda.elapsed() + self.duration(|faults| &faults.latency)
    }

    /// Waits as long as a message takes.
    pub(super) async fn flight(self: &Rc<Self>) {
        self.until(self.arrival()).await;
    }

    /// Waits at least `duration`, and until the clock shows a full millisecond, as the real loop's timer does.
    pub(super) async fn sleep(self: &Rc<Self>, duration: Duration) {
        let due = self.agenda.elapsed().saturating_add(duration);
        let beyond = Duration::from_nanos(u64::from(due.subsec_nanos()) % 1_000_000);
        let missing = if beyond.is_zero() { beyond } else { Duration::from_millis(1) - beyond };
        self.until(due.saturating_add(missing)).await;
    }

    async fn until(self: &Rc<Self>, due: Duration) {
        let mut alarm = Alarm { world: self.clone(), entry: None };
        poll_fn(|context| {
            if self.agenda.elapsed() >= due {
                return Poll::Ready(());
            }
            let waker = context.waker().clone();
            alarm.set(self.at(due, move || waker.wake()));
            self.tasks.waits_for(Wait::Sleep { until: due });
            Poll::Pending
        })
        .await;
    }
}

/// A sleeper's entry on the agenda, taken off when the sleep is given up: else the clock would run for nobody.
struct Alarm {
    world: Rc<World>,
    entry: Option<Entry>,
}

impl Alarm {
    fn set(&mut self, entry: Option<Entry>) {
        let before = std::mem::replace(&mut self.entry, entry);
        before.into_iter().for_each(|entry| self.world.agenda.cancel(entry));
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.set(None);
    }
}

/// Chance.
impl World {
    pub(super) fn set_faults(&self, faults: Faults) {
        self.faults.replace(faults);
    }

    pub(super) fn chance(&self, of: impl Fn(&Faults) -> f64) -> bool {
        self.dice.chance(of(&self.faults.borrow()))
    }

    pub(super) fn duration(&self, of: impl Fn(&Faults) -> &RangeInclusive<Duration>) -> Duration {
        self.dice.duration(of(&self.faults.borrow()))
    }

    /// An index below `length`, which is at least 1.
    pub(super) fn index(&self, length: usize) -> usize {
        self.dice.index(length)
    }

    pub(super) fn capacity(&self) -> usize {
        let range = self.faults.borrow().capacity.clone();
        (self.dice.between(*range.start() as u64..=*range.end() as u64) as usize).max(1)
    }

    /// How much of `whole` is moved at once: all of it or a part, single bytes often among the parts.
    pub(super) fn part(&self, whole: usize) -> usize {
        if whole < 2 || !self.chance(|faults| faults.split) {
            return whole;
        }
        if self.chance(|_| 0.5) { 1 } else { 1 + self.index(whole) }
    }
}

/// What is kept of a run.
impl World {
    /// Adds to one of the counters and returns what it holds then.
    pub(super) fn count(&self, counter: impl Fn(&mut Report) -> &mut u64, more: u64) -> u64 {
        let mut report = self.report.get();
        *counter(&mut report) += more;
        let sum = *counter(&mut report);
        self.report.set(report);
        sum
    }

    pub(super) fn uncount_stream(&self) {
        let mut report = self.report.get();
        report.streams_open -= 1;
        self.report.set(report);
    }

    /// Adds an event to the trace, with its time.
    pub(super) fn note(&self, event: impl Hash) {
        (self.agenda.elapsed(), event).hash(&mut *self.trace.borrow_mut());
    }

    fn report(&self) -> Report {
        Report {
            trace: self.trace.borrow().finish(),
            elapsed: self.agenda.elapsed(),
            tasks_alive: self.tasks.alive() as u64,
            ..self.report.get()
        }
    }

    /// Fails the run because the program broke a rule of the seam, also if the program catches the panic. While a panic
    /// unwinds or the world is taken down nothing is a rule any more.
    pub(super) fn violated(&self, message: String) {
        if !self.ending.get() && !std::thread::panicking() {
            self.violation.replace(Some(message.clone()));
            panic!("{message}");
        }
    }

    /// Whether the world is being taken down, when nothing counts any more.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.get()
    }
}

/// The loop.
impl World {
    fn drive<F: Future>(&self, mut main: Pin<&mut F>) -> F::Output {
        let mut output = None;
        while output.is_none() {
            self.stall();
            match self.tasks.pick(&self.dice) {
                None => self.jump(),
                Some((MAIN, waker)) => match main.as_mut().poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(value) => output = Some(value),
                    Poll::Pending => self.step(MAIN),
                },
                Some((task, waker)) => {
                    self.tasks.poll(task, &waker);
                    self.step(task);
                }
            }
            if let Some(message) = self.violation.take() {
                panic!("{message}");
            }
        }
        output.expect("the loop ends with an output")
    }

    fn step(&self, task: u64) {
        self.note(task);
        if self.count(|report| &mut report.steps, 1) >= MOST_STEPS {
            self.stuck("the tasks keep each other busy for ever (a livelock)");
        }
    }

    fn stall(&self) {
        if self.chance(|faults| faults.stall) {
            let length = self.duration(|faults| &faults.stall_length);
            self.advance(self.agenda.elapsed() + length);
        }
    }

    fn jump(&self) {
        match self.agenda.next() {
            Some(due) => self.advance(due),
            None => self.stuck("nothing can ever happen any more (a deadlock)"),
        }
    }

    fn advance(&self, to: Duration) {
        if to > LONGEST_RUN {
            self.stuck("an hour has passed and the main future is not done");
        }
        self.agenda.advance(to);
    }

    fn stuck(&self, why: &str) -> ! {
        panic!(
            "the world of seed {} is stuck: {why}, after {} steps and {:?} of virtual time. Give what is waited for a \
             deadline, or an end:{}",
            self.seed,
            self.report.get().steps,
            self.agenda.elapsed(),
            self.tasks
        )
    }
}

/// The world while it is up on this thread. Dropping it leaves the thread as it was before.
pub(super) struct Stage {
    world: Rc<World>,
    random: u64,
}

impl Stage {
    pub(super) fn raise(seed: u64, faults: Faults, origin: &'static Location<'static>) -> Stage {
        assert!(
            !World::is_running(),
            "a simulation is running on this thread already: await its futures instead"
        );
        let seeds = Cell::new(seed);
        let world = Rc::new(World {
            seed,
            epoch: Instant::now(),
            agenda: Agenda::default(),
            tasks: Tasks::new(origin),
            listeners: Listeners::default(),
            faults: RefCell::new(faults),
            dice: Dice::new(random::next(&seeds)),
            trace: RefCell::default(),
            report: Cell::default(),
            violation: RefCell::default(),
            ending: Cell::new(false),
        });
        CURRENT.set(Some(world.clone()));
        Stage { world, random: random::reseed(random::next(&seeds)) }
    }

    pub(super) fn play<F: Future>(&self, start: impl FnOnce() -> F) -> Outcome<F::Output> {
        let main = std::pin::pin!(start());
        let output = self.world.drive(main);
        Outcome { output, report: self.world.report() }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "the simulation failed with seed {}: run that seed again to see the same",
                self.world.seed
            );
        }
        self.world.ending.set(true);
        self.world.tasks.clear();
        self.world.agenda.clear();
        self.world.listeners.clear();
        random::reseed(self.random);
        CURRENT.set(None);
    }
}
