//! What may go wrong in the simulated network, and the dice that decide when it does.

use std::cell::Cell;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::random;

/// What may go wrong, and how often. Probabilities lie between 0 (never) and 1 (always).
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// One-way delay of whatever is sent: bytes, ends, resets, and each of the two messages that open a connection.
    pub latency: RangeInclusive<Duration>,
    /// Bytes that one direction of a connection holds between the send and the receive; beyond it a send would block.
    /// Drawn once per direction, at least 1.
    pub capacity: RangeInclusive<usize>,
    /// How long an opened connection stays unseen by the listener.
    pub accept_delay: RangeInclusive<Duration>,
    /// How often a send takes, a delivery carries, or a receive gives only a part of what it could, down to one byte.
    pub split: f64,
    /// How often, per send, the network resets the connection at both ends; what was on its way may be lost.
    pub reset: f64,
    /// How often a connect is refused although somebody listens.
    pub refuse: f64,
    /// How often a connect is not answered: unless its caller gives up first, it fails as Linux's does, after 127 s.
    pub ignore: f64,
    /// How often, per step, the whole loop is held up, as a preempted thread is: timers fire late, and together with
    /// what arrived meanwhile.
    pub stall: f64,
    /// How long it is held up then.
    pub stall_length: RangeInclusive<Duration>,
}

impl Faults {
    /// A perfect network: no delay, no split, 64 KiB in each direction. Tasks still run in the order of the seed.
    pub fn none() -> Faults {
        Faults {
            latency: Duration::ZERO..=Duration::ZERO,
            capacity: 64 * 1024..=64 * 1024,
            accept_delay: Duration::ZERO..=Duration::ZERO,
            split: 0.0,
            reset: 0.0,
            refuse: 0.0,
            ignore: 0.0,
            stall: 0.0,
            stall_length: Duration::ZERO..=Duration::ZERO,
        }
    }

    /// A bad day: everything happens, but most exchanges of a few kilobytes still succeed.
    pub fn rough() -> Faults {
        Faults {
            latency: Duration::from_micros(20)..=Duration::from_millis(20),
            capacity: 256..=32 * 1024,
            accept_delay: Duration::ZERO..=Duration::from_millis(5),
            split: 0.3,
            reset: 0.005,
            refuse: 0.02,
            ignore: 0.005,
            stall: 0.005,
            stall_length: Duration::ZERO..=Duration::from_millis(30),
        }
    }
}

/// The world's own source of chance, apart from [`random`](crate::random), so that one more `random()` in the program
/// does not reshuffle the network.
pub(super) struct Dice {
    state: Cell<u64>,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice { state: Cell::new(seed) }
    }

    pub(super) fn chance(&self, probability: f64) -> bool {
        const STEPS: f64 = (1u64 << 53) as f64; // what a double resolves below 1
        ((random::next(&self.state) >> 11) as f64) < probability * STEPS
    }

    pub(super) fn between(&self, range: RangeInclusive<u64>) -> u64 {
        let width = range.end().saturating_sub(*range.start());
        match width.checked_add(1) {
            Some(values) => range.start() + random::next(&self.state) % values,
            None => random::next(&self.state),
        }
    }

    /// An index below `length`, which is at least 1.
    pub(super) fn index(&self, length: usize) -> usize {
        self.between(0..=length as u64 - 1) as usize
    }

    pub(super) fn duration(&self, range: &RangeInclusive<Duration>) -> Duration {
        let nanos = |duration: &Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.between(nanos(range.start())..=nanos(range.end())))
    }
}
