//! Which target a request goes to: a pure function of the seed and the request's number.

use crate::plan::draw::{scale, scramble};

/// Targets by weight. The same seed gives the same target to request `k`, however many threads share the run.
#[derive(Debug, Clone)]
pub(crate) struct Mix {
    seed: u64,
    /// Sums of the weights up to and including each target.
    sums: Vec<u64>,
}

impl Mix {
    /// Of at least one weight, each at least 1.
    pub(crate) fn new(seed: u64, weights: impl IntoIterator<Item = u32>) -> Mix {
        let sums = weights.into_iter().scan(0, |sum, weight| {
            *sum += u64::from(weight);
            Some(*sum)
        });
        Mix { seed, sums: sums.collect() }
    }

    /// The target of request `number`.
    pub(crate) fn pick(&self, number: u64) -> usize {
        if let [_] = self.sums[..] {
            return 0;
        }
        let total = self.sums.last().copied().unwrap_or(1);
        let point = scale(scramble(self.seed, number), total);
        self.sums.partition_point(|&sum| sum <= point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_get_their_weights() {
        let mix = Mix::new(1, [1, 3, 6]);
        let mut counts = [0u32; 3];
        for number in 0..100_000 {
            counts[mix.pick(number)] += 1;
        }
        for (count, expected) in counts.into_iter().zip([10_000, 30_000, 60_000]) {
            assert!(count.abs_diff(expected) < 600, "{counts:?}"); // four standard deviations
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_targets_and_another_seed_others() {
        let picks = |seed| (0..64).map(|k| Mix::new(seed, [1, 1]).pick(k)).collect::<Vec<_>>();
        assert_eq!(picks(7), picks(7));
        assert_ne!(picks(7), picks(8));
    }
}
