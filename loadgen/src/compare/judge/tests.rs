//! The rule on cases by hand, and on simulated machines: how often it errs, and how often it sees what is there.

use super::*;
use crate::compare::observation::Costs;
use crate::compare::observation::tests::good;
use crate::compare::order::sides;

/// A run that is told by its CPU alone.
fn run(pass: Pass, pair: usize, side: Side, cpu_ns: f64) -> Run {
    let costs = Costs { proxy_ns: Some(cpu_ns), ..good().costs };
    Run { pass, pair, turn: 1, side, discarded: None, observation: Observation { costs, ..good() } }
}

fn pass(pass: Pass, pairs: &[[f64; 2]]) -> Vec<Run> {
    let both = |(pair, values): (usize, &[f64; 2])| {
        Side::BOTH.map(|side| run(pass, pair + 1, side, values[side.index()]))
    };
    pairs.iter().enumerate().flat_map(both).collect()
}

fn experiment(floor: &[[f64; 2]], comparison: &[[f64; 2]]) -> Vec<Run> {
    [pass(Pass::Floor, floor), pass(Pass::Comparison, comparison)].concat()
}

fn conclude(runs: &[Run]) -> Conclusion {
    effects(runs, Metric::Cpu)[0].conclude()
}

/// Six A/A pairs whose log ratios go from -w to w: the interval is their range, so the floor is `share`.
fn floor(share: f64) -> Vec<[f64; 2]> {
    [-1.0, -0.5, 0.0, 0.0, 0.5, 1.0].map(|part: f64| [100.0, 100.0 * (1.0 + share).powf(part)]).into()
}

#[test]
fn a_cost_beyond_the_floor_that_every_pair_shows_is_a_difference() {
    let runs = experiment(&floor(0.02), &[[100.0, 110.0]; 8]);
    let conclusion = conclude(&runs);
    assert_eq!(conclusion.outcome, Outcome::Difference);
    assert_eq!(
        conclusion.reason,
        "B costs 10.0 % more CPU per request [+10.0 %, +10.0 %]; the floor is +-2.0 %"
    );
}

#[test]
fn nothing_within_the_floor_is_a_difference_however_sure_its_interval() {
    for (cost, outcome) in [(110.0, Outcome::NoDifference), (113.0, Outcome::Difference)] {
        assert_eq!(conclude(&experiment(&floor(0.12), &[[100.0, cost]; 8])).outcome, outcome, "{cost}");
    }
    let cheaper = conclude(&experiment(&floor(0.12), &[[100.0, 90.0]; 8]));
    assert!(
        cheaper.outcome == Outcome::NoDifference && cheaper.reason.contains("within the floor"),
        "{cheaper:?}"
    );
}

#[test]
fn an_interval_that_holds_one_is_no_difference_however_small_the_floor() {
    let mut pairs = [[100.0, 130.0]; 8];
    pairs[0] = [100.0, 99.0];
    pairs[1] = [100.0, 60.0];
    pairs[2] = [100.0, 50.0];
    let conclusion = conclude(&experiment(&floor(0.0), &pairs));
    assert_eq!(conclusion.outcome, Outcome::NoDifference, "{conclusion:?}");
}

#[test]
fn discarded_runs_and_runs_without_a_partner_do_not_count() {
    let mut runs = experiment(&floor(0.02), &[[100.0, 110.0]; 7]);
    let spoiled = |cpu| Run { discarded: Some("late".to_owned()), ..run(Pass::Comparison, 8, Side::A, cpu) };
    runs.extend([spoiled(1.0), run(Pass::Comparison, 8, Side::B, 1e9)]);
    let turns = pairs(&runs, Pass::Comparison).iter().flatten().count();
    assert_eq!(turns, 7);
    runs.truncate(12 + 10);
    assert_eq!(conclude(&runs).outcome, Outcome::Undecided);
}

#[test]
fn a_pair_is_the_middle_of_its_turns() {
    let ratio = |turn, cost| {
        Side::BOTH.map(|side| Run {
            turn,
            ..run(Pass::Comparison, 1, side, if side == Side::A { 100.0 } else { cost })
        })
    };
    let runs = [ratio(1, 110.0), ratio(2, 110.0), ratio(3, 110.0), ratio(4, 900.0)].concat();
    let logarithms = log_ratios(&pairs(&runs, Pass::Comparison), |run| Metric::Cpu.of(run));
    assert_eq!(logarithms, [1.1_f64.ln()]);
}

#[test]
fn the_deciding_metric_is_not_adjusted_and_the_four_others_are() {
    let mut runs = experiment(&floor(0.01), &[[100.0, 110.0]; 8]);
    for run in runs.iter_mut().filter(|run| run.pass == Pass::Comparison && run.side == Side::B) {
        run.observation.response_ns.insert("p50".to_owned(), 2_000_000);
    }
    let effects = effects(&runs, Metric::Cpu);
    let raw = 2.0 / 256.0;
    assert_eq!((effects[0].metric, effects[0].probability), (Metric::Cpu, Some(raw)));
    let p50 = effects.iter().find(|effect| effect.metric == Metric::P50).unwrap();
    assert_eq!(p50.probability, Some(4.0 * raw));
    assert!(is_notable(p50));
    assert!(
        effects[1..].iter().all(|effect| effect.metric == Metric::P50 || effect.probability == Some(1.0))
    );
}

#[test]
fn quantiles_are_compared_pair_by_pair() {
    let mut runs = experiment(&[], &[[100.0, 110.0]; 6]);
    for run in &mut runs {
        run.observation.response_ns = match run.side {
            Side::A => [("p50".to_owned(), 1000), ("p99".to_owned(), 4000)].into(),
            Side::B => [("p50".to_owned(), 1500), ("p99.9".to_owned(), 4000)].into(),
        };
    }
    let ratios = quantile_ratios(&runs);
    assert_eq!(ratios.len(), 1, "p99 and p99.9 are told by one side only");
    assert_eq!((ratios[0].quantile.as_str(), ratios[0].middle_ns), ("p50", [1000.0, 1500.0]));
    assert!((ratios[0].ratio.value - 1.5).abs() < 1e-12);
}

/// A machine that is noisy, grows slower, and now and then does something else.
struct Machine {
    random: u64,
    /// Standard deviation of a run, in parts of its value.
    noise: f64,
    /// By how much a run is slower than the one before it.
    drift: f64,
    /// How often a run is disturbed, and by how much.
    outliers: (f64, f64),
    runs: i32,
}

impl Machine {
    fn new(seed: u64, noise: f64) -> Machine {
        Machine { random: seed, noise, drift: 0.002, outliers: (0.02, 0.2), runs: 0 }
    }

    /// SplitMix64, as a number in (0, 1).
    fn uniform(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 + f64::EPSILON
    }

    /// Box and Muller's.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn cost(&mut self, truth: f64) -> f64 {
        self.runs += 1;
        let disturbance = if self.uniform() < self.outliers.0 { 1.0 + self.outliers.1 } else { 1.0 };
        truth * (self.noise * self.normal()).exp() * (1.0 + self.drift).powi(self.runs) * disturbance
    }

    /// So many pairs in the order of an experiment.
    fn pairs(&mut self, count: usize, truth: [f64; 2]) -> Vec<[f64; 2]> {
        let pair = |number| {
            let mut values = [0.0; 2];
            sides(number).into_iter().for_each(|side| values[side.index()] = self.cost(truth[side.index()]));
            values
        };
        (0..count).map(pair).collect()
    }
}

/// The share of 1000 experiments of 8 + 8 pairs that find a difference when B costs `ratio` times as much as A.
fn found(noise: f64, ratio: f64) -> f64 {
    const EXPERIMENTS: u64 = 1000;
    let finds = |seed: &u64| {
        let mut machine = Machine::new(seed * 1_000_003, noise);
        let floor = machine.pairs(8, [100.0, 100.0]);
        conclude(&experiment(&floor, &machine.pairs(8, [100.0, 100.0 * ratio]))).outcome
            == Outcome::Difference
    };
    (0..EXPERIMENTS).filter(finds).count() as f64 / EXPERIMENTS as f64
}

#[test]
fn at_most_one_self_comparison_in_twenty_finds_a_difference() {
    for noise in [0.01, 0.03, 0.05, 0.2] {
        let share = found(noise, 1.0);
        assert!(share <= 0.05, "{share} at {noise}");
    }
}

#[test]
fn fifteen_percent_more_is_found_in_nine_of_ten_experiments() {
    for noise in [0.03, 0.04, 0.05] {
        let share = found(noise, 1.15);
        assert!(share >= 0.9, "{share} at {noise}");
    }
}
