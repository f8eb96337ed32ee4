//! The highest open-loop rate that keeps an objective: runs at one rate after the other, chosen by [`search`].
//!
//! Owns: what a run at a rate is like (long enough to tell the quantiles asked for, with a pause before it so that the
//! last run's queue is gone), and the answer with its interval and every step on the way.
//! Refuses: to call a rate kept when the generator was the limit.
//! Assumes: the target gets no faster with load; what does is searched all the same, and the answer is one of several.

pub mod objective;
pub mod search;

use std::fmt::{self, Display, Formatter};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::plan::STOP_CHECK;
use crate::record::census::Census;
use crate::record::summary::Summary;
use crate::slo::objective::{Judgement, Objective};
use crate::slo::search::{Answer, Bounds, Conclusion, Outcome, Phase, Search, Step, Trial};
use crate::{Error, Load, Plan, Report, Schedule, Stop, Verdict};

/// The form of the JSON object; it changes when a field changes its meaning or goes.
const FORMAT: u32 = 1;
/// Answers planned for each one that a quantile needs: some may fail.
const SPARE: f64 = 1.1;
/// The longest run made for the sake of samples. Rates at which that is too short are refused.
pub const LONGEST_RUN: Duration = Duration::from_secs(60);

/// What to find out.
#[derive(Debug, Clone)]
pub struct Quest {
    /// What has to be kept.
    pub objective: Objective,
    /// Where to look.
    pub bounds: Bounds,
    /// What a run is like. Its load is replaced; its duration is the shortest of a run.
    pub plan: Plan,
    /// The rest before each run but the first.
    pub pause: Duration,
}

/// One run of the search.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// Requests per second.
    pub rate: u64,
    /// What for.
    pub phase: Phase,
    /// What the search was told.
    pub outcome: Outcome,
    /// Why.
    pub reason: String,
    /// The run's own verdict.
    pub verdict: Verdict,
    /// How long it was measured.
    pub elapsed_ns: u64,
    /// Where its requests ended.
    pub requests: Census,
    /// From the planned instant to the last byte.
    pub response: Summary,
    /// From the planned instant to sending.
    pub lateness: Summary,
}

/// What was found out.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// Version of this form.
    pub format: u32,
    /// What had to be kept.
    pub objective: Objective,
    /// Where it was looked.
    pub bounds: Bounds,
    /// The answer; nothing if the search was stopped before it had one.
    pub answer: Option<Answer>,
    /// Every run, in order.
    pub runs: Vec<Run>,
}

/// The lowest rate at which a run of [`LONGEST_RUN`], or of `duration` if that is longer, tells the quantiles of
/// `objective`.
pub fn lowest_rate(objective: &Objective, duration: Duration) -> u64 {
    (planned(objective) / duration.max(LONGEST_RUN).as_secs_f64()).ceil() as u64
}

/// Requests in the shortest run that tells the quantiles.
fn planned(objective: &Objective) -> f64 {
    objective.samples_needed() as f64 * SPARE
}

/// Carries out `quest`; `watch` sees each run when it has ended.
///
/// # Errors
/// The quest is contradictory, or a run could not begin.
pub fn seek(quest: &Quest, stop: &Stop, mut watch: impl FnMut(&Run)) -> Result<Found, Error> {
    let mut search = Search::new(quest.bounds)?;
    quest.check()?;
    let mut runs: Vec<Run> = Vec::new();
    let mut step = Step::Run(search.first());
    let answer = loop {
        let trial = match step {
            Step::Run(trial) => trial,
            Step::Done(answer) => break Some(answer),
        };
        if !runs.is_empty() {
            rest(quest.pause, stop);
        }
        let report = crate::run_until(&quest.plan_at(trial.rate)?, stop, &mut ())?;
        if stop.is_stopped() {
            break None; // a run cut short is no evidence
        }
        let run = Run::new(trial, quest.objective.judge(&report), report);
        step = search.next(run.outcome);
        watch(&run);
        runs.push(run);
    };
    let Quest { objective, bounds, .. } = quest.clone();
    Ok(Found { format: FORMAT, objective, bounds, answer, runs })
}

fn rest(pause: Duration, stop: &Stop) {
    let end = Instant::now() + pause;
    while !stop.is_stopped() {
        match end.saturating_duration_since(Instant::now()) {
            Duration::ZERO => return,
            left => thread::sleep(left.min(STOP_CHECK)),
        }
    }
}

impl Quest {
    /// A search makes dozens of runs, those at the lowest rate the longest ones.
    fn check(&self) -> Result<(), Error> {
        let (lowest, supported) = (self.bounds.lowest, lowest_rate(&self.objective, self.plan.duration));
        if lowest >= supported {
            return Ok(());
        }
        let planned = planned(&self.objective);
        let (needed, longest) = ((planned / lowest as f64).ceil(), self.plan.duration.max(LONGEST_RUN));
        Err(Error::Plan(format!(
            "at {lowest} requests/s a run needs {needed} s for the {planned:.0} answers it plans ({} tell the quantiles), \
             and none lasts longer than {} s; try rates from {supported} on (--lowest {supported}), or longer runs \
             (--duration {needed}s)",
            self.objective.samples_needed(),
            longest.as_secs(),
        )))
    }

    fn plan_at(&self, rate: u64) -> Result<Plan, Error> {
        let schedule = Schedule::constant(rate)?;
        let needed = Duration::from_secs_f64(planned(&self.objective) / rate as f64);
        Ok(Plan {
            load: Load::Open { schedule },
            duration: self.plan.duration.max(needed),
            ..self.plan.clone()
        })
    }
}

impl Run {
    fn new(trial: Trial, judgement: Judgement, report: Report) -> Run {
        Run {
            rate: trial.rate,
            phase: trial.phase,
            outcome: judgement.outcome,
            reason: judgement.reason,
            verdict: report.verdict,
            elapsed_ns: report.elapsed_ns,
            requests: report.requests,
            response: report.latency.response,
            lateness: report.latency.lateness,
        }
    }
}

impl Display for Run {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::Bracket => "bracket",
            Phase::Bisect => "bisect",
            Phase::Confirm => "confirm",
        };
        let outcome = match self.outcome {
            Outcome::Kept => "kept",
            Outcome::Missed => "missed",
            Outcome::ClientLimited => "client_limited",
        };
        write!(f, "{phase:<8} {:>9}/s  {outcome:<14} {}", self.rate, self.reason)
    }
}

impl Display for Found {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.answer {
            Some(answer) => writeln!(f, "\nobjective   {}\nanswer      {answer}", self.objective),
            None => writeln!(f, "\nstopped after {} runs, before there was an answer", self.runs.len()),
        }
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let runs = self.confirmed + self.unconfirmed;
        match (self.conclusion, self.rate, self.ceiling) {
            (Conclusion::Found, Some(rate), Some(ceiling)) => write!(
                f,
                "{rate} requests/s, kept in {} of {runs} confirming runs; interval {rate} to {} (refused twice)",
                self.confirmed, ceiling.rate
            ),
            (_, Some(rate), Some(ceiling)) => write!(
                f,
                "at least {rate} requests/s: from {} on the generator is the limit; give it more --threads or cores of \
                 its own (--pin) to look further up",
                ceiling.rate
            ),
            (_, Some(rate), None) => write!(
                f,
                "at least {rate} requests/s, the highest rate that was allowed; raise --highest to look further up"
            ),
            (Conclusion::DidNotHold, ..) => write!(
                f,
                "none: what kept the objective once missed it when tried again; the target is unsteady here, or runs are \
                 too short (--duration)"
            ),
            (Conclusion::GeneratorOnly, ..) => write!(
                f,
                "none: the generator was the limit at every rate; ringload doctor says what disturbs it"
            ),
            _ => write!(f, "none: even {} requests/s miss it", self.lowest_refused()),
        }
    }
}

impl Answer {
    fn lowest_refused(&self) -> u64 {
        self.ceiling.map_or(0, |ceiling| ceiling.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;
    use crate::slo::search::{Ceiling, Limit};

    fn quest() -> Quest {
        let load = Load::Closed { requests: None };
        Quest {
            objective: Objective::new([("p99", Duration::from_millis(20))], 0.001).unwrap(),
            bounds: Bounds { first: 100, lowest: 20, highest: 1000, resolution: 0.05, confirmations: 3 },
            plan: Plan {
                duration: Duration::from_secs(5),
                ..Plan::new([Target::get("http://h/").unwrap()], load)
            },
            pause: Duration::ZERO,
        }
    }

    #[test]
    fn runs_are_long_enough_to_tell_the_quantile_asked_for() {
        let seconds = |rate| quest().plan_at(rate).unwrap().duration.as_secs_f64();
        assert_eq!(seconds(1000), 5.0);
        assert!((seconds(100) - 11.0).abs() < 1e-6);
        assert_eq!(lowest_rate(&quest().objective, Duration::ZERO), 19); // 1100 answers in a minute
        assert!(quest().plan_at(19).unwrap().duration <= LONGEST_RUN);
    }

    #[test]
    fn a_lowest_rate_whose_runs_would_take_for_ever_is_refused_with_the_arithmetic() {
        let low = |lowest, duration| {
            let (bounds, plan) = (Bounds { lowest, ..quest().bounds }, Plan { duration, ..quest().plan });
            seek(&Quest { bounds, plan, ..quest() }, &Stop::new(), |_| ()).unwrap_err().to_string()
        };
        let error = low(1, Duration::from_secs(5));
        assert_eq!(
            error,
            "at 1 requests/s a run needs 1100 s for the 1100 answers it plans (1000 tell the quantiles), and none lasts \
             longer than 60 s; try rates from 19 on (--lowest 19), or longer runs (--duration 1100s)"
        );
        assert!(low(10, Duration::from_secs(100)).contains("than 100 s; try rates from 11 on"));
        assert!(low(19, Duration::from_secs(5)).contains("nothing answers"));
    }

    #[test]
    fn an_answer_names_its_interval_or_why_it_has_none() {
        let ceiling = |limit| Some(Ceiling { rate: 210, limit });
        let answer = |conclusion, rate, ceiling| {
            Answer { conclusion, rate, ceiling, confirmed: 3, unconfirmed: 1 }.to_string()
        };
        for (said, expected) in [
            (
                answer(Conclusion::Found, Some(200), ceiling(Limit::Objective)),
                "200 requests/s, kept in 3 of 4 confirming runs; interval 200 to 210",
            ),
            (answer(Conclusion::AtLeast, Some(200), ceiling(Limit::Generator)), "the generator is the limit"),
            (answer(Conclusion::AtLeast, Some(200), None), "--highest"),
            (answer(Conclusion::Never, None, ceiling(Limit::Objective)), "even 210 requests/s miss it"),
            (answer(Conclusion::DidNotHold, None, ceiling(Limit::Objective)), "--duration"),
            (answer(Conclusion::GeneratorOnly, None, ceiling(Limit::Generator)), "ringload doctor"),
        ] {
            assert!(said.contains(expected), "{said}");
        }
    }
}
