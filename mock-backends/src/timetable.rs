//! Departures: who waits for an instant, and the one task of a worker that calls them.
//!
//! Owns a heap of all that is due on one loop, and its pace: the kernel's high-resolution timer where [`Mock`](crate::Mock)
//! runs the loop, so that a departure is tens of microseconds late; the loop's own sleep elsewhere, in the simulated
//! network for instance, which rounds up to a millisecond.

use std::cell::{Cell, RefCell};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Instant;

use ringgate_io::{Pacer, now, race, sleep};

/// How to wait for an instant.
pub(crate) enum Pace {
    /// By a timer of its own.
    Fine(Pacer),
    /// By the loop's clock.
    Coarse,
}

impl Pace {
    async fn until(&mut self, instant: Instant) {
        let paced = match self {
            Pace::Fine(pacer) => pacer.until(instant).await.is_ok(),
            Pace::Coarse => false,
        };
        if !paced {
            sleep(instant.saturating_duration_since(now())).await;
        }
    }
}

/// Everybody on this loop who waits for an instant.
#[derive(Default)]
pub(crate) struct Timetable {
    due: RefCell<BinaryHeap<Reverse<Departure>>>,
    booked: Cell<u64>,
    is_over: Cell<bool>,
    /// The task that calls, while it waits.
    caller: Cell<Option<Waker>>,
}

struct Departure {
    instant: Instant,
    /// In the order of booking, for those of the same instant.
    number: u64,
    ticket: Rc<Ticket>,
}

/// What is shared by the one who waits and the heap.
#[derive(Default)]
struct Ticket {
    is_called: Cell<bool>,
    waiting: Cell<Option<Waker>>,
}

impl Timetable {
    /// Waits until `instant`, or until all is [over](Self::end). May be dropped half-way.
    pub(crate) async fn until(&self, instant: Instant) {
        let ticket = self.book(instant);
        poll_fn(|context| match ticket.is_called.get() {
            true => Poll::Ready(()),
            false => {
                ticket.waiting.set(Some(context.waker().clone()));
                Poll::Pending
            }
        })
        .await;
    }

    fn book(&self, instant: Instant) -> Rc<Ticket> {
        let ticket = Rc::new(Ticket::default());
        ticket.is_called.set(self.is_over.get());
        let number = self.booked.replace(self.booked.get() + 1);
        let first = self.first();
        self.due.borrow_mut().push(Reverse(Departure { instant, number, ticket: ticket.clone() }));
        if first.is_none_or(|first| instant < first)
            && let Some(caller) = self.caller.take()
        {
            caller.wake();
        }
        ticket
    }

    /// Calls everybody in their time, for ever. May be dropped half-way.
    pub(crate) async fn call(&self, mut pace: Pace) {
        loop {
            if self.call_due(now()) {
                give_way().await; // theirs is the turn: they were just called
            }
            match self.first() {
                Some(first) => {
                    race(pace.until(first), self.changed(Some(first))).await;
                }
                None => self.changed(None).await,
            }
        }
    }

    /// Calls everybody, now and from now on.
    pub(crate) fn end(&self) {
        self.is_over.set(true);
        for Reverse(departure) in self.due.take() {
            departure.ticket.call();
        }
    }

    /// Whether anybody was due.
    fn call_due(&self, now: Instant) -> bool {
        let mut due = self.due.borrow_mut();
        let before = due.len();
        while due.peek().is_some_and(|Reverse(departure)| departure.instant <= now) {
            due.pop().inspect(|Reverse(departure)| departure.ticket.call());
        }
        due.len() < before
    }

    fn first(&self) -> Option<Instant> {
        self.due.borrow().peek().map(|Reverse(departure)| departure.instant)
    }

    /// Waits until `first` is not the first departure any more.
    async fn changed(&self, first: Option<Instant>) {
        poll_fn(|context| match self.first() == first {
            true => {
                self.caller.set(Some(context.waker().clone()));
                Poll::Pending
            }
            false => Poll::Ready(()),
        })
        .await;
    }
}

impl Ticket {
    fn call(&self) {
        self.is_called.set(true);
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }
}

impl Ord for Departure {
    fn cmp(&self, other: &Departure) -> Ordering {
        (self.instant, self.number).cmp(&(other.instant, other.number))
    }
}

impl PartialOrd for Departure {
    fn partial_cmp(&self, other: &Departure) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Departure {
    fn eq(&self, other: &Departure) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Departure {}

/// Lets the other tasks that are ready run first. To be used between steps that come to an end: whoever does nothing else
/// keeps the loop from its sockets.
async fn give_way() {
    let mut gave = false;
    poll_fn(|context| {
        if std::mem::replace(&mut gave, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ringgate_io::{Rung, join, run, spawn};

    use super::*;

    fn on_a_loop(test: impl AsyncFnOnce(Rc<Timetable>, Instant)) {
        let rung = Rung::best().unwrap().0;
        run(rung, || async { test(Rc::default(), now()).await }).unwrap();
    }

    #[test]
    fn everybody_is_called_in_the_order_of_their_instants_and_not_before() {
        on_a_loop(async |timetable, begin| {
            let called = Rc::new(RefCell::new(Vec::new()));
            for milliseconds in [30, 10, 20, 0, 10] {
                let (timetable, called) = (timetable.clone(), called.clone());
                spawn(async move {
                    let instant = begin + Duration::from_millis(milliseconds);
                    timetable.until(instant).await;
                    assert!(now() >= instant);
                    called.borrow_mut().push(milliseconds);
                });
            }
            let all_called = async {
                while called.borrow().len() < 5 {
                    sleep(Duration::from_millis(1)).await;
                }
            };
            race(all_called, timetable.call(Pace::Fine(Pacer::new().unwrap()))).await;
            assert_eq!(*called.borrow(), [0, 10, 10, 20, 30]);
        });
    }

    #[test]
    fn an_end_calls_those_who_wait_and_those_who_come() {
        on_a_loop(async |timetable, begin| {
            let hour = begin + Duration::from_secs(3600);
            let end = async { timetable.end() };
            race(join(timetable.until(hour), end), timetable.call(Pace::Coarse)).await;
            timetable.until(hour).await;
            assert!(now() < hour);
        });
    }
}
