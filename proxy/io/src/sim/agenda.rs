//! The virtual clock and what is due on it. Time moves only when somebody moves it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

/// One entry: when it is due, and a number that keeps entries of one instant in the order they were made.
pub(super) type Entry = (Duration, u64);

#[derive(Default)]
pub(super) struct Agenda {
    elapsed: Cell<Duration>,
    made: Cell<u64>,
    entries: RefCell<BTreeMap<Entry, Box<dyn FnOnce()>>>,
}

impl Agenda {
    /// Virtual time since the world began.
    pub(super) fn elapsed(&self) -> Duration {
        self.elapsed.get()
    }

    pub(super) fn at(&self, due: Duration, action: impl FnOnce() + 'static) -> Entry {
        self.made.set(self.made.get() + 1);
        let entry = (due, self.made.get());
        self.entries.borrow_mut().insert(entry, Box::new(action));
        entry
    }

    /// Forgets an entry; one that was reached already is gone anyway.
    pub(super) fn cancel(&self, entry: Entry) {
        let action = self.entries.borrow_mut().remove(&entry);
        drop(action); // outside the borrow: it may own a stream
    }

    /// When the next entry is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.entries.borrow().first_key_value().map(|(&(due, _), _)| due)
    }

    /// Moves the clock to `instant`, if that is ahead, and does whatever is due by then.
    pub(super) fn advance(&self, instant: Duration) {
        self.elapsed.set(instant.max(self.elapsed.get()));
        while let Some(action) = self.take_due() {
            action();
        }
    }

    fn take_due(&self) -> Option<Box<dyn FnOnce()>> {
        let mut entries = self.entries.borrow_mut();
        let first = entries.first_entry()?;
        (first.key().0 <= self.elapsed.get()).then(|| first.remove())
    }

    pub(super) fn clear(&self) {
        let entries = self.entries.take();
        drop(entries); // outside the borrow: dropping a stream looks at the agenda
    }
}
