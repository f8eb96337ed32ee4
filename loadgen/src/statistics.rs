//! What may be concluded from few paired measurements.
//!
//! Owns: estimates with intervals that assume no shape of the noise, only that it strikes the two sides of a pair alike,
//! and the correction for asking more than one question. All of it is exact for small counts and computed from ranks, so
//! one wild value moves nothing far.
//! Refuses: means, standard deviations, and any interval for fewer than [`FEWEST`] values.

mod signed_rank;

use serde::{Deserialize, Serialize};

pub(crate) use signed_rank::WalshAverages;

/// With fewer values than these no exact interval reaches [`LEVEL`]: five leave one chance in sixteen.
pub(crate) const FEWEST: usize = 6;
/// How often an interval holds the truth, at least.
pub(crate) const LEVEL: f64 = 0.95;

/// A number and where the truth lies with a probability of at least 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The best guess.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Estimate {
    /// Whether the interval leaves `value` out.
    pub fn excludes(&self, value: f64) -> bool {
        value < self.low || self.high < value
    }

    /// Half the interval's length.
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }

    pub(crate) fn map(self, change: impl Fn(f64) -> f64) -> Estimate {
        Estimate { value: change(self.value), low: change(self.low), high: change(self.high) }
    }
}

/// Each probability raised by Holm's rule, so that all together keep the level that each had alone (Holm, "A simple
/// sequentially rejective multiple test procedure", 1979).
pub(crate) fn holm(probabilities: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&one, &other| probabilities[one].total_cmp(&probabilities[other]));
    let mut adjusted = vec![1.0; probabilities.len()];
    let mut highest = 0.0_f64;
    for (rank, &index) in order.iter().enumerate() {
        let questions_left = (probabilities.len() - rank) as f64;
        highest = highest.max(probabilities[index] * questions_left).min(1.0);
        adjusted[index] = highest;
    }
    adjusted
}

/// The difference of two independent estimates, `left - right`, with the interval recovered from theirs (MOVER: Zou and
/// Donner, "Construction of confidence limits about effect measures", 2008).
pub(crate) fn difference(left: Estimate, right: Estimate) -> Estimate {
    let value = left.value - right.value;
    let down = (left.value - left.low).hypot(right.high - right.value);
    let up = (left.high - left.value).hypot(right.value - right.low);
    Estimate { value, low: value - down, high: value + up }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_multiplies_by_the_questions_left_and_never_falls() {
        assert_eq!(holm(&[0.25, 0.01, 0.02]), [0.25, 0.03, 0.04]);
        assert_eq!(holm(&[0.03, 0.02, 0.5]), [0.06, 0.06, 0.5]);
        assert_eq!(holm(&[0.6, 0.9]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn the_interval_of_a_difference_is_made_of_those_of_its_parts() {
        let left = Estimate { value: 10.0, low: 7.0, high: 14.0 };
        let right = Estimate { value: 4.0, low: 1.0, high: 8.0 };
        let expected = Estimate { value: 6.0, low: 6.0 - 5.0, high: 6.0 + 5.0 };
        assert_eq!(difference(left, right), expected);
    }

    #[test]
    fn an_interval_excludes_what_lies_outside_and_not_its_ends() {
        let estimate = Estimate { value: 2.0, low: 1.0, high: 4.0 };
        assert!(estimate.excludes(0.9) && estimate.excludes(4.1));
        assert!(!estimate.excludes(1.0) && !estimate.excludes(4.0));
        assert_eq!(estimate.half_width(), 1.5);
    }
}
