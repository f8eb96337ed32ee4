//! The Hodges-Lehmann estimate and Wilcoxon's signed-rank test, seen as one thing: the Walsh averages.
//!
//! The averages of all pairs of values (each value with itself too), sorted. Their median is the estimate; the number of
//! them above zero is the test's statistic; the interval ends at the averages that the exact distribution of that
//! statistic names (Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", chapter 3). So the interval
//! excludes zero exactly when the test rejects it.

use super::{Estimate, FEWEST, LEVEL};

/// The sorted Walsh averages of some values.
#[derive(Debug, Clone)]
pub(crate) struct WalshAverages {
    values: usize,
    sorted: Vec<f64>,
}

impl WalshAverages {
    /// Of finite values.
    pub(crate) fn of(values: &[f64]) -> WalshAverages {
        let averages =
            |index: usize| values[index..].iter().map(move |other| f64::midpoint(values[index], *other));
        let mut sorted: Vec<f64> = (0..values.len()).flat_map(averages).collect();
        sorted.sort_by(f64::total_cmp);
        WalshAverages { values: values.len(), sorted }
    }

    /// The middle of the values with its exact interval; nothing for fewer than [`FEWEST`].
    pub(crate) fn estimate(&self) -> Option<Estimate> {
        let outside = self.averages_outside()?;
        let last = self.sorted.len() - 1;
        Some(Estimate {
            value: median(&self.sorted),
            low: self.sorted[outside],
            high: self.sorted[last - outside],
        })
    }

    /// The middle of the values, however few.
    pub(crate) fn middle(&self) -> Option<f64> {
        (self.values > 0).then(|| median(&self.sorted))
    }

    /// How likely values so far from zero, on either side, are by chance. An average of exactly zero counts for neither
    /// side, which errs towards chance.
    pub(crate) fn probability(&self) -> f64 {
        let above = self.sorted.iter().filter(|&&average| average > 0.0).count();
        let below = self.sorted.iter().filter(|&&average| average < 0.0).count();
        let rarest = self.sorted.len() - above.max(below);
        let tail: f64 = distribution(self.values).iter().take(rarest + 1).sum();
        (2.0 * tail).min(1.0)
    }

    /// How many averages lie below the interval: as many as leave half of the error on that side.
    fn averages_outside(&self) -> Option<usize> {
        if self.values < FEWEST {
            return None;
        }
        let mut tail = 0.0;
        distribution(self.values)
            .iter()
            .position(|chance| {
                tail += chance;
                tail > (1.0 - LEVEL) / 2.0
            })
            .map(|outside| outside - 1)
    }
}

fn median(sorted: &[f64]) -> f64 {
    f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
}

/// The chance of each signed-rank sum of so many values whose signs are fair coins.
fn distribution(values: usize) -> Vec<f64> {
    let mut chances = vec![1.0];
    for rank in 1..=values {
        let mut next = vec![0.0; chances.len() + rank];
        for (sum, chance) in chances.iter().enumerate() {
            next[sum] += chance / 2.0;
            next[sum + rank] += chance / 2.0;
        }
        chances = next;
    }
    chances
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(values: &[f64]) -> Estimate {
        WalshAverages::of(values).estimate().unwrap()
    }

    /// Three values by hand: averages 1, 1.5, 2, 2.5, 3 and 4, with 1 + 4 = 5 halved once more.
    #[test]
    fn the_estimate_is_the_median_of_all_pairwise_averages() {
        let averages = WalshAverages::of(&[4.0, 1.0, 2.0]);
        assert_eq!(averages.sorted, [1.0, 1.5, 2.0, 2.5, 3.0, 4.0]);
        assert_eq!(averages.middle(), Some(2.25));
        assert_eq!(WalshAverages::of(&[]).middle(), None);
    }

    /// The published table of the signed-rank distribution: P(T <= 3) = 5/256 for 8 values, P(T <= 8) = 25/1024 for 10.
    #[test]
    fn the_distribution_is_that_of_the_tables() {
        let tail = |values, sum: usize| distribution(values).iter().take(sum + 1).sum::<f64>();
        assert_eq!(tail(8, 3), 5.0 / 256.0);
        assert_eq!(tail(10, 8), 25.0 / 1024.0);
        assert_eq!(tail(6, 0), 1.0 / 64.0);
        assert!((distribution(60).iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn six_values_are_the_fewest_that_give_an_interval_and_it_is_their_range() {
        assert!(WalshAverages::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).estimate().is_none());
        let six = estimate(&[6.0, 2.0, 3.0, 4.0, 5.0, 1.0]);
        assert_eq!(six, Estimate { value: 3.5, low: 1.0, high: 6.0 });
    }

    /// Of eight values the interval leaves three averages out on either side: of 1 to 8 these are 1, 1.5 and 2.
    #[test]
    fn eight_values_leave_three_averages_out_on_either_side() {
        let values: Vec<f64> = (1..=8).map(f64::from).collect();
        assert_eq!(estimate(&values), Estimate { value: 4.5, low: 2.0, high: 7.0 });
    }

    #[test]
    fn one_wild_value_moves_the_estimate_no_further_than_its_neighbour_would() {
        let tame = estimate(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        let wild = estimate(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8000.0]);
        assert!(wild.value - tame.value <= 0.5 && wild.low == tame.low, "{wild:?}");
    }

    #[test]
    fn the_interval_excludes_zero_exactly_when_the_test_rejects_it() {
        // One value below zero, of rank 1, 2, 3 and 4: signed-rank sums 1 to 4 of 8 values.
        for (rank, sum) in [(1, 1), (2, 2), (3, 3), (4, 4)] {
            let values: Vec<f64> =
                (1..=8).map(|v| if v == rank { -f64::from(v) } else { f64::from(v) }).collect();
            let averages = WalshAverages::of(&values);
            let expected = 2.0 * distribution(8).iter().take(sum + 1).sum::<f64>();
            assert_eq!(averages.probability(), expected);
            assert_eq!(averages.estimate().unwrap().excludes(0.0), expected <= 0.05, "{rank}");
        }
    }

    #[test]
    fn values_without_any_difference_are_chance() {
        assert_eq!(WalshAverages::of(&[0.0; 8]).probability(), 1.0);
        assert_eq!(estimate(&[0.0; 8]), Estimate { value: 0.0, low: 0.0, high: 0.0 });
        assert_eq!(WalshAverages::of(&[1.0; 8]).probability(), 2.0 / 256.0);
    }
}
