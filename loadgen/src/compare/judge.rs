//! From runs to a conclusion.
//!
//! Owns: the rule. One metric, named before the experiment, decides. Its ratio of B to A is estimated over the pairs, of each
//! the middle of its turns, on a logarithmic scale (noise of a machine multiplies); there is a difference when the interval of the ratio excludes 1 *and*
//! the ratio lies beyond the floor: what A against itself showed on this machine just before. Everything else is
//! informative, and its probabilities are adjusted for their number.
//!
//! The floor is half the width of A/A's interval. Its farther end would be a stricter one and a worse one: it adds the luck
//! of the floor's own middle. Simulated (see the tests) with 5 % noise a run, a fifth more on one run in fifty, and 8 + 8
//! pairs: the half width finds 15 % more cost in 95 of 100 experiments and the farther end in 84; where there is no
//! difference they find one in 1.0 and 0.4 of 100, and the interval alone in 3.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::metric::Metric;
use super::observation::{Observation, Pass, QUANTILES, Run};
use super::order::Side;
use crate::statistics::{Estimate, LEVEL, WalshAverages, holm};

/// What an experiment came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing was found that this machine's noise and these pairs would not bring about.
    NoDifference,
    /// The deciding metric differs.
    Difference,
    /// There are not the pairs to decide by.
    Undecided,
}

/// What was concluded, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conclusion {
    /// The outcome.
    pub outcome: Outcome,
    /// A sentence for people.
    pub reason: String,
}

/// What the pairs say about one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The metric.
    pub metric: Metric,
    /// Whether it was named to decide.
    pub decides: bool,
    /// B divided by A, with its 95 % interval; nothing where fewer than six pairs tell it.
    pub ratio: Option<Estimate>,
    /// The same of A against itself.
    pub self_ratio: Option<Estimate>,
    /// How far the ratio must lie from 1 to be more than noise, such as 0.04 for 4 % either way.
    pub floor: Option<f64>,
    /// How likely such a ratio is without any difference; of the metrics that do not decide: adjusted for their number.
    pub probability: Option<f64>,
}

/// What the pairs say about one quantile of the response time, each alone: informative.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuantileRatio {
    /// Its name, such as `p99`.
    pub quantile: String,
    /// Middle of the pairs' values for A and for B, in nanoseconds.
    pub middle_ns: [f64; 2],
    /// B divided by A.
    pub ratio: Estimate,
}

/// The two runs of a turn, A's first.
type Turn<'a> = [&'a Observation; 2];

/// The turns of one pass that count, pair by pair.
pub(crate) fn pairs(runs: &[Run], pass: Pass) -> Vec<Vec<Turn<'_>>> {
    let counts = |run: &&Run| run.pass == pass && run.discarded.is_none();
    let mut pairs = BTreeMap::<usize, BTreeMap<usize, BTreeMap<Side, &Observation>>>::new();
    for run in runs.iter().filter(counts) {
        pairs.entry(run.pair).or_default().entry(run.turn).or_default().insert(run.side, &run.observation);
    }
    let turn = |sides: BTreeMap<Side, _>| Some([*sides.get(&Side::A)?, *sides.get(&Side::B)?]);
    pairs.into_values().map(|turns| turns.into_values().filter_map(turn).collect()).collect()
}

/// The ratio of B to A in each pair, as a logarithm: the middle of its turns.
fn log_ratios(pairs: &[Vec<Turn<'_>>], value: impl Fn(&Observation) -> Option<f64>) -> Vec<f64> {
    let of_turn = |[a, b]: &Turn<'_>| Some((value(b)? / value(a)?).ln());
    let of_pair = |turns: &Vec<Turn<'_>>| {
        WalshAverages::of(&turns.iter().filter_map(of_turn).collect::<Vec<_>>()).middle()
    };
    pairs.iter().filter_map(of_pair).collect()
}

/// What all metrics say, the deciding one first.
pub(crate) fn effects(runs: &[Run], deciding: Metric) -> Vec<Effect> {
    let (floor, comparison) = (pairs(runs, Pass::Floor), pairs(runs, Pass::Comparison));
    let effect = |metric: Metric| {
        let ratios = |pairs: &[Vec<Turn<'_>>]| WalshAverages::of(&log_ratios(pairs, |run| metric.of(run)));
        Effect::new(metric, metric == deciding, &ratios(&floor), &ratios(&comparison))
    };
    let mut effects: Vec<Effect> = Metric::ALL.map(effect).into();
    effects.sort_by_key(|effect| !effect.decides);
    adjust(&mut effects);
    effects
}

impl Effect {
    fn new(metric: Metric, decides: bool, floor: &WalshAverages, comparison: &WalshAverages) -> Effect {
        let exact = |logarithm: Estimate| logarithm.map(f64::exp);
        Effect {
            metric,
            decides,
            ratio: comparison.estimate().map(exact),
            self_ratio: floor.estimate().map(exact),
            floor: floor.estimate().map(|logarithm| logarithm.half_width().exp_m1()),
            probability: comparison.estimate().map(|_| comparison.probability()),
        }
    }

    /// Whether the ratio lies within what A against itself showed.
    fn is_within_floor(&self) -> bool {
        let Some((ratio, floor)) = self.ratio.zip(self.floor) else { return true };
        ratio.value.ln().abs() <= floor.ln_1p()
    }

    /// What follows from it alone.
    pub(crate) fn conclude(&self) -> Conclusion {
        let Some((ratio, floor)) = self.ratio.zip(self.floor) else {
            let reason = format!("too few pairs tell the {}", self.metric.title());
            return Conclusion { outcome: Outcome::Undecided, reason };
        };
        let (said, floor) = (self.metric.say(ratio.value), floor * 100.0);
        let interval = percent(ratio);
        if !ratio.excludes(1.0) {
            let reason = format!("the interval of the {}, {interval}, holds 0", self.metric.title());
            return Conclusion { outcome: Outcome::NoDifference, reason };
        }
        if self.is_within_floor() {
            let reason =
                format!("{said} {interval}, within the floor: A against itself spans +-{floor:.1} %");
            return Conclusion { outcome: Outcome::NoDifference, reason };
        }
        Conclusion {
            outcome: Outcome::Difference,
            reason: format!("{said} {interval}; the floor is +-{floor:.1} %"),
        }
    }
}

/// An interval of a ratio as changes: `[+12.0 %, +18.3 %]`.
pub(crate) fn percent(ratio: Estimate) -> String {
    format!("[{:+.1} %, {:+.1} %]", (ratio.low - 1.0) * 100.0, (ratio.high - 1.0) * 100.0)
}

/// Holm's rule over the metrics that do not decide.
fn adjust(effects: &mut [Effect]) {
    let mut others: Vec<&mut Effect> = effects.iter_mut().filter(|effect| !effect.decides).collect();
    others.retain(|effect| effect.probability.is_some());
    let raw: Vec<f64> = others.iter().filter_map(|effect| effect.probability).collect();
    for (effect, adjusted) in others.iter_mut().zip(holm(&raw)) {
        effect.probability = Some(adjusted);
    }
}

/// Whether a metric that does not decide is worth a look.
pub(crate) fn is_notable(effect: &Effect) -> bool {
    effect.probability.is_some_and(|probability| probability <= 1.0 - LEVEL) && !effect.is_within_floor()
}

/// The ratio of each quantile that at least six pairs tell.
pub(crate) fn quantile_ratios(runs: &[Run]) -> Vec<QuantileRatio> {
    let pairs = pairs(runs, Pass::Comparison);
    QUANTILES.iter().filter_map(|name| quantile_ratio(&pairs, name)).collect()
}

fn quantile_ratio(pairs: &[Vec<Turn<'_>>], name: &str) -> Option<QuantileRatio> {
    let ratio = WalshAverages::of(&log_ratios(pairs, |run| run.response(name))).estimate()?.map(f64::exp);
    let middle = |side: Side| {
        let turns = pairs.iter().flatten();
        let values: Vec<f64> = turns.filter_map(|turn| turn[side.index()].response(name)).collect();
        WalshAverages::of(&values).middle().unwrap_or_default()
    };
    Some(QuantileRatio { quantile: name.to_owned(), middle_ns: Side::BOTH.map(middle), ratio })
}

#[cfg(test)]
mod tests;
