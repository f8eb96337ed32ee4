//! One random number per call, from a generator of the calling thread.
//!
//! Good for request ids, jitter and sampling; not for secrets. Seeded from the operating system, or by the simulation.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};

thread_local! {
    static STATE: Cell<u64> = Cell::new(RandomState::new().build_hasher().finish());
}

/// 64 random bits (splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
pub fn random() -> u64 {
    STATE.with(next)
}

/// One step of a generator whose state is `state`.
pub(crate) fn next(state: &Cell<u64>) -> u64 {
    let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    state.set(next);
    let mut z = next;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Restarts the calling thread's generator, so that a simulation replays; returns the state it had.
#[cfg(feature = "sim")]
pub(crate) fn reseed(seed: u64) -> u64 {
    STATE.replace(seed)
}
