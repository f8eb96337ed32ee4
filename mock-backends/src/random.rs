//! Chance, from a seed: what a server decides, it decides the same way again.
//!
//! Refuses to be [`ringgate_io::random()`], which is another sequence in every process.

use std::cell::Cell;

use crate::content::{hash, mixed};

/// A sequence of random numbers.
#[derive(Debug)]
pub(crate) struct Random {
    state: Cell<u64>,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random { state: Cell::new(seed) }
    }

    /// A sequence that only this `worker` and this `route` draw from: nobody else's requests can shift it.
    pub(crate) fn of(seed: u64, worker: u64, route: &str) -> Random {
        let parts = [seed, worker, hash(route.as_bytes())];
        Random::new(parts.into_iter().fold(0, |seed, part| u64::from_le_bytes(mixed(seed ^ part))))
    }

    /// splitmix64 (Steele, Lea, Flood 2014).
    fn next(&self) -> u64 {
        let next = self.state.get().wrapping_add(1);
        self.state.set(next);
        u64::from_le_bytes(mixed(next))
    }

    /// Below `bound`, which is over 0. The bias of the multiplication is under `bound` in 2^64.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Over 0, at most 1.
    pub(crate) fn unit(&self) -> f64 {
        const STEPS: f64 = (1_u64 << 53) as f64;
        ((self.next() >> 11) + 1) as f64 / STEPS
    }

    /// Exponentially distributed with mean 1.
    pub(crate) fn exponential(&self) -> f64 {
        -self.unit().ln()
    }

    /// Normally distributed with mean 0 and deviation 1 (Box and Muller 1958; of their two numbers one is used).
    pub(crate) fn normal(&self) -> f64 {
        (2.0 * self.exponential()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 100_000;

    fn mean(draw: impl Fn(&Random) -> f64) -> f64 {
        let random = Random::new(42);
        (0..DRAWS).map(|_| draw(&random)).sum::<f64>() / DRAWS as f64
    }

    #[test]
    fn the_distributions_have_their_moments() {
        assert!((mean(Random::unit) - 0.5).abs() < 0.005);
        assert!((mean(Random::exponential) - 1.0).abs() < 0.02);
        assert!(mean(Random::normal).abs() < 0.02);
        assert!((mean(|random| random.normal().powi(2)) - 1.0).abs() < 0.03);
    }

    #[test]
    fn sequences_differ_by_seed_worker_and_route() {
        let first = |seed, worker, route| Random::of(seed, worker, route).next();
        let all = [first(1, 0, "/"), first(2, 0, "/"), first(1, 1, "/"), first(1, 0, "/a"), first(0, 1, "/")];
        for (index, number) in all.iter().enumerate() {
            assert!(!all[..index].contains(number), "{all:?}");
        }
        assert_eq!(first(1, 0, "/"), first(1, 0, "/"));
    }
}
