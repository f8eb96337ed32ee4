//! How requests follow each other while the rate stands still: regularly, or by a random law.
//!
//! Owns: positions. A position is where a request stands in the sequence, in billionths of a request: `0, 1, 2, ...` where
//! they are regular, sums of random gaps of mean 1 where they are not. Positions are whole numbers, so that nothing is
//! lost in summing however long a run is. When a position is due is the profile's to say.

use std::fmt;
use std::str::FromStr;

use rand_distr::{Distribution, Exp1, Gamma};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

/// One request, in the unit of positions.
pub(super) const REQUEST: u128 = 1_000_000_000;
/// Smallest and largest shape of gamma gaps: beyond, gaps vary by more than ten times or less than a hundredth of their
/// mean, and a run of any length shows a burst and a pause, or nothing that could be told from regular ones.
const SHAPES: [f64; 2] = [0.01, 10_000.0];

/// The law of the gaps between planned requests. All have the same mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Spacing {
    /// All gaps are equal.
    Constant,
    /// Requests of many callers who know nothing of each other: exponential gaps. Their coefficient of variation is 1.
    Poisson,
    /// More even than that (a shape above 1) or in bursts (below 1): the coefficient of variation is `1 / sqrt(shape)`.
    Gamma {
        /// From 0.01 to 10000.
        shape: f64,
    },
}

impl FromStr for Spacing {
    type Err = String;

    /// `constant`, `poisson` or `gamma:SHAPE`.
    fn from_str(text: &str) -> Result<Spacing, String> {
        match (text, text.strip_prefix("gamma:")) {
            ("constant", _) => Ok(Spacing::Constant),
            ("poisson", _) => Ok(Spacing::Poisson),
            (_, Some(shape)) => gamma(shape),
            _ => Err(format!("`{text}` is no arrival process; write constant, poisson or gamma:SHAPE")),
        }
    }
}

fn gamma(shape: &str) -> Result<Spacing, String> {
    let [least, most] = SHAPES;
    match shape.parse() {
        Ok(shape) if (least..=most).contains(&shape) => Ok(Spacing::Gamma { shape }),
        _ => Err(format!(
            "`{shape}` is no shape of gamma gaps; write a number from {least} to {most}: below 1 requests come in bursts, \
             above 1 they are more even than poisson"
        )),
    }
}

impl fmt::Display for Spacing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spacing::Constant => f.write_str("constant"),
            Spacing::Poisson => f.write_str("poisson"),
            Spacing::Gamma { shape } => write!(f, "gamma:{shape}"),
        }
    }
}

/// The positions of the requests of a run, one after the other; the same for the same seed.
#[derive(Debug, Clone)]
pub(super) struct Positions {
    gaps: Gaps,
    random: Xoshiro256PlusPlus,
    latest: u128,
}

#[derive(Debug, Clone)]
enum Gaps {
    Exponential,
    Gamma(Gamma<f64>),
}

impl Positions {
    /// None if the positions are simply the requests' numbers.
    pub(super) fn new(spacing: Spacing, seed: u64) -> Option<Positions> {
        let gaps = match spacing {
            Spacing::Constant => return None,
            Spacing::Poisson => Gaps::Exponential,
            Spacing::Gamma { shape } => Gaps::Gamma(Gamma::new(shape, 1.0 / shape).ok()?),
        };
        Some(Positions { gaps, random: Xoshiro256PlusPlus::seed_from_u64(seed), latest: 0 })
    }

    pub(super) fn next(&mut self) -> u128 {
        let gap: f64 = match &self.gaps {
            Gaps::Exponential => Exp1.sample(&mut self.random),
            Gaps::Gamma(gamma) => gamma.sample(&mut self.random),
        };
        self.latest += (gap * REQUEST as f64).round() as u128;
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and coefficient of variation of the first 200,000 gaps.
    fn moments(spacing: Spacing) -> (f64, f64) {
        const COUNT: usize = 200_000;
        let mut positions = Positions::new(spacing, 5).unwrap();
        let mut previous = 0;
        let gaps: Vec<f64> = (0..COUNT)
            .map(|_| {
                let position = positions.next();
                let gap = position - std::mem::replace(&mut previous, position);
                gap as f64 / REQUEST as f64
            })
            .collect();
        let mean = gaps.iter().sum::<f64>() / COUNT as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / (COUNT - 1) as f64;
        (mean, variance.sqrt() / mean)
    }

    #[test]
    fn gaps_have_mean_one_and_the_variation_of_their_law() {
        let gamma = |shape| Spacing::Gamma { shape };
        for (spacing, expected) in [(Spacing::Poisson, 1.0), (gamma(4.0), 0.5), (gamma(0.25), 2.0)] {
            let (mean, variation) = moments(spacing);
            // Four standard errors of the mean; those of the variation are of the same size or smaller, but for bursts.
            let error = 4.0 * expected / 200_000_f64.sqrt();
            assert!((mean - 1.0).abs() < error, "{spacing}: mean {mean}");
            assert!((variation - expected).abs() < 4.0 * error, "{spacing}: variation {variation}");
        }
    }

    #[test]
    fn laws_are_known_by_name_and_others_are_refused() {
        for text in ["constant", "poisson", "gamma:0.5"] {
            assert_eq!(text.parse::<Spacing>().unwrap().to_string(), text);
        }
        for wrong in ["", "uniform", "gamma", "gamma:", "gamma:0", "gamma:-1", "gamma:nan", "gamma:inf"] {
            assert!(wrong.parse::<Spacing>().is_err(), "{wrong}");
        }
    }
}
