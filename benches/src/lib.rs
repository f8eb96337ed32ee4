//! What the sans-IO core does for a request, as cases that three harnesses run: `benches/time.rs` by the clock,
//! `benches/instructions.rs` under callgrind, and `tests/allocations.rs` under a counting allocator.
//!
//! Owns: the messages and tables that are measured, so that all three speak of the same work.
//! Assumes: a case does exactly the same amount of work whenever it has been run as often.

mod exchange;
mod heads;
mod lines;
mod messages;
mod policies;
mod routing;

pub use self::exchange::Exchange;
pub use self::messages::{Body, Message, browser, crowded, plain};
pub use self::policies::MISS;

/// One thing that is measured: what it returns shall not be optimised away.
pub type Work = Box<dyn FnMut() -> usize>;

/// A thing to measure, made when it is wanted: some tables are large.
pub struct Case {
    /// What it is, unlike any other's.
    pub name: String,
    prepare: Box<dyn Fn() -> Work>,
}

impl Case {
    fn new<F: FnMut() -> usize + 'static>(
        name: impl Into<String>,
        prepare: impl Fn() -> F + 'static,
    ) -> Case {
        Case { name: name.into(), prepare: Box::new(move || Box::new(prepare())) }
    }

    /// The work, ready to be run any number of times.
    pub fn prepare(&self) -> Work {
        (self.prepare)()
    }
}

/// All cases: the steps of a request in their order, then the whole of it.
pub fn cases() -> Vec<Case> {
    [
        heads::parsing(),
        routing::cases(),
        heads::writing(),
        heads::bodies(),
        lines::cases(),
        policies::cases(),
        exchange::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
