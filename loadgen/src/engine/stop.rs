//! Ending a run from outside, and beginning it on all threads at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ringgate_io::{now, sleep};

/// Ends a run early. Clones are handles on the same thing; the run looks at it every 10 ms.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A handle on nothing yet: give it to [`run_until`](crate::run_until).
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Nothing more is planned; answers under way are waited for as at the ordinary end, and the report is made.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`stop`](Self::stop) has been called.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// From the last thread's being ready to the common start: long enough for all of them to notice.
const COUNTDOWN: Duration = Duration::from_millis(10);
/// How often somebody who waits for another task or thread looks again.
pub(crate) const LOOK: Duration = Duration::from_millis(1);

/// Where threads wait for each other. One that fails or panics before it is ready opens the gate too, so that nobody
/// waits for ever.
pub(crate) struct Gate {
    expected: usize,
    arrived: AtomicUsize,
    has_failed: AtomicBool,
    start: OnceLock<Instant>,
}

impl Gate {
    pub(crate) fn new(expected: usize) -> Gate {
        Gate {
            expected,
            arrived: AtomicUsize::new(0),
            has_failed: AtomicBool::new(false),
            start: OnceLock::new(),
        }
    }

    /// The place of one thread.
    pub(crate) fn place(&self) -> Place<'_> {
        Place { gate: self, is_ready: false }
    }

    fn arrive(&self, is_ready: bool) {
        if !is_ready {
            self.has_failed.store(true, Ordering::Relaxed);
        }
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.expected {
            let _ = self.start.set(Instant::now() + COUNTDOWN); // the last to arrive is one only
        }
    }
}

/// One thread's place before the gate.
pub(crate) struct Place<'a> {
    gate: &'a Gate,
    is_ready: bool,
}

impl Place<'_> {
    /// Waits until every thread is ready. Returns the common start, or nothing if a thread failed.
    pub(crate) async fn ready(mut self) -> Option<Instant> {
        self.is_ready = true;
        let gate = self.gate;
        drop(self);
        loop {
            match gate.start.get() {
                Some(_) if gate.has_failed.load(Ordering::Relaxed) => return None,
                Some(start) => return Some((*start).max(now())),
                None => sleep(LOOK).await,
            }
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.gate.arrive(self.is_ready);
    }
}

#[cfg(test)]
mod tests {
    use ringgate_io::{Rung, run};

    use super::*;

    #[test]
    fn the_gate_opens_when_the_last_thread_is_ready() {
        let gate = Gate::new(2);
        let starts = std::thread::scope(|scope| {
            let wait = || run(Rung::Epoll, || gate.place().ready()).unwrap();
            let threads = [scope.spawn(wait), scope.spawn(wait)];
            threads.map(|thread| thread.join().unwrap())
        });
        assert!(starts[0].is_some() && starts[1].is_some());
    }

    #[test]
    fn a_thread_that_fails_before_the_start_lets_the_others_go_home() {
        let gate = Gate::new(2);
        drop(gate.place());
        assert_eq!(run(Rung::Epoll, || gate.place().ready()).unwrap(), None);
    }
}
