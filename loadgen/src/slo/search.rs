//! The search for the highest rate that keeps an objective: bracket, bisect, confirm. No clock, no sockets, no load:
//! outcomes come in, rates go out.
//!
//! Owns: three rules. A rate is refused only by its second run that fails, so that one hiccup does not halve the answer.
//! The bracket only narrows: its upper end is the lowest rate refused, its lower end is kept or about to be tried. The
//! answer is what was confirmed in as many runs as asked for, not what the bisection ended on.
//! Refuses: to search for ever. [`Bounds::most_runs`] holds whatever the outcomes are, contradictory ones included.

use serde::Serialize;

use crate::Error;

/// Runs at one rate that must fail before the rate is refused; and that must succeed once one has failed.
const OPINIONS: u32 = 2;
/// How often a rate that did not hold is followed by a lower one. The steps double, so that five of them at a resolution
/// of 5 % end at a fifth of where they began: a target that much less steady has no answer.
const RETREATS: u32 = 5;
/// The finest resolution: below it, the intervals of two rates' quantiles are the same.
const FINEST: f64 = 0.001;
/// More confirmations than anybody waits for.
const CONFIRMATIONS_BOUND: u32 = 1000;

/// Where a search may look, and how closely.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bounds {
    /// The rate it begins with, in requests per second.
    pub first: u64,
    /// The lowest rate worth trying.
    pub lowest: u64,
    /// The highest rate it may try.
    pub highest: u64,
    /// The bracket is narrow enough when its upper end is so much above the lower one: 0.05 is 5 %.
    pub resolution: f64,
    /// Runs in which the answer has to hold.
    pub confirmations: u32,
}

impl Bounds {
    /// # Errors
    /// What is contradictory, and how to correct it.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let faults = [
            (self.lowest == 0, "the lowest rate must be at least 1 request per second"),
            (
                !(self.lowest..=self.highest).contains(&self.first),
                "the first rate must lie between the lowest and the highest; give --first, --lowest and --highest in order",
            ),
            (
                !(FINEST..=1.0).contains(&self.resolution),
                "the resolution must lie between 0.1 % and 100 %, such as 5%",
            ),
            (
                !(1..=CONFIRMATIONS_BOUND).contains(&self.confirmations),
                "the answer must be confirmed between 1 and 1000 times",
            ),
        ];
        match faults.iter().find(|(is_fault, _)| *is_fault) {
            Some((_, reason)) => Err(Error::Plan((*reason).to_owned())),
            None => Ok(()),
        }
    }

    /// No search within these bounds makes more runs.
    pub fn most_runs(&self) -> u32 {
        let doublings = (self.highest / self.lowest).ilog2() + 2;
        let halvings = (2_f64.ln() / self.resolution.ln_1p()).log2().ceil() as u32 + 2;
        let opinions = 2 * OPINIONS - 1;
        let confirmations = (self.confirmations + OPINIONS - 1) * (RETREATS + 1);
        (doublings + halvings) * opinions + confirmations
    }
}

/// What came of a run at some rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The objective was kept.
    Kept,
    /// It was not.
    Missed,
    /// The generator was the limit: nothing can be said of the target at this rate.
    ClientLimited,
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Doubling or halving, until one rate is kept and one is refused.
    Bracket,
    /// Narrowing what lies between.
    Bisect,
    /// Trying the answer again.
    Confirm,
}

/// Who refused a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// The target missed the objective.
    Objective,
    /// In at least one of the runs the generator was the limit: the target may well do better.
    Generator,
}

/// The lowest rate that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ceiling {
    /// Requests per second.
    pub rate: u64,
    /// Who refused it.
    pub limit: Limit,
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// The answer lies between the rate that held and the ceiling.
    Found,
    /// The answer is at least the rate that held: the generator, or the highest rate allowed, was the limit.
    AtLeast,
    /// Even the lowest rate missed the objective.
    Never,
    /// At no rate could the generator be kept out of the way.
    GeneratorOnly,
    /// What the bisection found, and every lower rate tried, missed when it was tried again.
    DidNotHold,
}

/// What a search found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// How it ended.
    pub conclusion: Conclusion,
    /// The highest rate that was confirmed: the lower end of the interval.
    pub rate: Option<u64>,
    /// The lowest rate that was refused: the upper end. Nothing if none was.
    pub ceiling: Option<Ceiling>,
    /// Runs at the answer, the confirming ones, that kept the objective.
    pub confirmed: u32,
    /// Those that did not.
    pub unconfirmed: u32,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Run at [`rate`](Trial::rate), and tell [`Search::next`] what came of it.
    Run(Trial),
    /// The search is over.
    Done(Answer),
}

/// A rate to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// Requests per second.
    pub rate: u64,
    /// What for.
    pub phase: Phase,
}

/// The runs at one rate so far.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    kept: u32,
    missed: u32,
    limited: u32,
}

impl Tally {
    fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Kept => &mut self.kept,
            Outcome::Missed => &mut self.missed,
            Outcome::ClientLimited => &mut self.limited,
        } += 1;
    }

    fn refused(&self) -> u32 {
        self.missed + self.limited
    }

    fn limit(&self) -> Limit {
        if self.limited > 0 { Limit::Generator } else { Limit::Objective }
    }
}

/// A search under way.
#[derive(Debug, Clone)]
pub struct Search {
    bounds: Bounds,
    trial: Trial,
    tally: Tally,
    low: Option<u64>,
    high: Option<Ceiling>,
    retreats: u32,
}

impl Search {
    /// A search that begins with [`first`](Self::first).
    ///
    /// # Errors
    /// The bounds contradict each other.
    pub fn new(bounds: Bounds) -> Result<Search, Error> {
        bounds.check()?;
        let trial = Trial { rate: bounds.first, phase: Phase::Bracket };
        Ok(Search { bounds, trial, tally: Tally::default(), low: None, high: None, retreats: 0 })
    }

    /// The first rate to try.
    pub fn first(&self) -> Trial {
        Trial { rate: self.bounds.first, phase: Phase::Bracket }
    }

    /// Takes the outcome of the last trial and says what is next.
    pub fn next(&mut self, outcome: Outcome) -> Step {
        self.tally.count(outcome);
        if self.tally.refused() >= OPINIONS {
            self.refused()
        } else if self.tally.kept >= self.needed() {
            self.kept()
        } else {
            Step::Run(self.trial)
        }
    }

    fn needed(&self) -> u32 {
        match self.trial.phase {
            Phase::Confirm => self.bounds.confirmations,
            _ if self.tally.refused() == 0 => 1,
            _ => OPINIONS,
        }
    }

    fn kept(&mut self) -> Step {
        self.low = Some(self.trial.rate);
        match self.trial.phase {
            Phase::Confirm => self.done(self.confirmed()),
            Phase::Bracket | Phase::Bisect => self.narrow(),
        }
    }

    fn refused(&mut self) -> Step {
        self.high = Some(Ceiling { rate: self.trial.rate, limit: self.tally.limit() });
        match self.trial.phase {
            Phase::Confirm => self.retreat(),
            Phase::Bracket | Phase::Bisect => self.narrow(),
        }
    }

    fn narrow(&mut self) -> Step {
        let Bounds { lowest, highest, .. } = self.bounds;
        match (self.low, self.high) {
            (Some(low), Some(high)) => match self.between(low, high.rate) {
                Some(rate) => self.run(rate, Phase::Bisect),
                None => self.run(low, Phase::Confirm),
            },
            (Some(low), None) if low == highest => self.run(low, Phase::Confirm),
            (Some(low), None) => self.run(low.saturating_mul(2).min(highest), Phase::Bracket),
            (None, Some(high)) if high.rate == lowest => self.done(self.nowhere()),
            (None, _) => self.run((self.trial.rate / 2).max(lowest), Phase::Bracket),
        }
    }

    /// A rate between the two, in the middle of their ratio; none if they are close enough.
    fn between(&self, low: u64, high: u64) -> Option<u64> {
        let is_open = high - low >= 2 && high as f64 > low as f64 * (1.0 + self.bounds.resolution);
        let middle = (low as f64 * high as f64).sqrt() as u64;
        is_open.then(|| middle.clamp(low + 1, high - 1))
    }

    /// The answer did not hold: a lower one is tried, further down each time.
    fn retreat(&mut self) -> Step {
        let Trial { rate, .. } = self.trial;
        self.low = None;
        if rate == self.bounds.lowest {
            return self.done(self.nowhere());
        }
        if self.retreats == RETREATS {
            return self.done(Conclusion::DidNotHold);
        }
        let step = (1.0 + self.bounds.resolution).powi(1 << self.retreats);
        self.retreats += 1;
        let lower = ((rate as f64 / step) as u64).min(rate - 1).max(self.bounds.lowest);
        self.run(lower, Phase::Confirm)
    }

    fn run(&mut self, rate: u64, phase: Phase) -> Step {
        self.tally = Tally::default();
        self.trial = Trial { rate, phase };
        Step::Run(self.trial)
    }

    fn confirmed(&self) -> Conclusion {
        match self.high {
            Some(Ceiling { limit: Limit::Objective, .. }) => Conclusion::Found,
            Some(Ceiling { limit: Limit::Generator, .. }) | None => Conclusion::AtLeast,
        }
    }

    fn nowhere(&self) -> Conclusion {
        match self.tally.limit() {
            Limit::Objective => Conclusion::Never,
            Limit::Generator => Conclusion::GeneratorOnly,
        }
    }

    fn done(&self, conclusion: Conclusion) -> Step {
        let (confirmed, unconfirmed) = match self.low {
            Some(_) => (self.tally.kept, self.tally.refused()),
            None => (0, 0),
        };
        Step::Done(Answer { conclusion, rate: self.low, ceiling: self.high, confirmed, unconfirmed })
    }
}

#[cfg(test)]
mod tests;
