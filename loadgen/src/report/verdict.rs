//! Whether a run may be believed, and if not, who was the limit.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::record::census::Census;
use crate::record::recorder::Sending;
use crate::record::series::Interval;
use crate::report::Cost;
use crate::report::table::nanoseconds;

/// A generator thread that wants a core for a larger part of the time than this is the limit itself: what it measures
/// is mostly its own queue.
const BUSY_BOUND: f64 = 0.9;
/// Answers missing from an open loop's plan, in parts of it, beyond which the target did not keep up.
const MISSED_BOUND: f64 = 0.01;
/// The part of the requests that a p99 leaves out.
const BEYOND_P99: f64 = 0.01;
/// An own delay of so many lateness limits (100 ms by default) is no jitter: the generator was away, stopped, suspended or
/// out of its CPU quota, whose period is 100 ms. What had come due meanwhile left in one burst that nobody planned, so the
/// load was another one than the plan's, however long the run and however small the part that was late.
const ABSENCE_LIMITS: u32 = 100;
/// Answers that a p99 needs ([`crate::record::summary::BEYOND`] of them beyond it).
pub(crate) const SAMPLES_NEEDED: u64 = 1000;

/// Rows of the series that a judgement on its steadiness needs: five in each third.
const ROWS_NEEDED: usize = 15;
/// How much the last third's median must differ from the first one's, in parts of the smaller, before it is called a change.
const DRIFT_BOUND: f64 = 0.25;

/// What a run is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The numbers say what the target did.
    Valid,
    /// The generator was the limit: its numbers are about itself.
    ClientLimited,
    /// The target did not keep up with the plan: true, but not a latency at that rate.
    TargetMissed,
    /// The run changed while it went on: its numbers are an average of different states, and of none.
    Unsteady,
    /// Too few answers for a p99.
    TooFewSamples,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Valid => "valid",
            Verdict::ClientLimited => "client_limited",
            Verdict::TargetMissed => "target_missed",
            Verdict::Unsteady => "unsteady",
            Verdict::TooFewSamples => "too_few_samples",
        })
    }
}

/// Who kept a run from going faster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limiter {
    /// A thread of the generator wanted a core nearly all of the time.
    Generator,
    /// So did a thread of the processes watched under this name.
    Process(String),
    /// Nobody who was watched: the plan, the network, or somebody else.
    None,
}

impl fmt::Display for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limiter::Generator => f.write_str("the generator"),
            Limiter::Process(name) => f.write_str(name),
            Limiter::None => f.write_str("none of those watched"),
        }
    }
}

/// What the verdict rests on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence<'a> {
    pub(crate) census: Census,
    pub(crate) sending: Sending,
    pub(crate) is_open: bool,
    /// The plan asks for the same all along, so that nothing else should change either.
    pub(crate) is_level: bool,
    pub(crate) lateness_limit: Duration,
    /// The largest part of the time that one generator thread wanted a core; nothing where the kernel does not tell.
    pub(crate) busiest: Option<f64>,
    pub(crate) series: &'a [Interval],
    pub(crate) costs: &'a [Cost],
}

impl Evidence<'_> {
    /// The verdict and its reason. A generator that was the limit comes first: the rest cannot be judged then.
    pub(crate) fn verdict(&self) -> (Verdict, String) {
        let findings = [
            (Verdict::ClientLimited, self.absence()),
            (Verdict::ClientLimited, self.lateness()),
            (Verdict::ClientLimited, self.saturation()),
            (Verdict::TargetMissed, self.missed()),
            (Verdict::Unsteady, self.drift()),
            (Verdict::TooFewSamples, self.scarcity()),
        ];
        let found = findings.into_iter().find_map(|(verdict, reason)| Some((verdict, reason?)));
        found.unwrap_or_else(|| (Verdict::Valid, self.confidence()))
    }

    /// Of a valid run.
    fn confidence(&self) -> String {
        match self.census.failed() {
            0 => "the generator was not the limit".to_owned(),
            failed => format!(
                "the generator was not the limit, and {failed} of {} requests failed: see what became of them",
                self.census.planned
            ),
        }
    }

    /// Who was the limit: the generator first, since it hides all others.
    pub(crate) fn limiter(&self) -> Limiter {
        if [self.absence(), self.lateness(), self.saturation()].iter().any(Option::is_some) {
            return Limiter::Generator;
        }
        let busy = self.costs.iter().filter(|cost| cost.busiest.is_some_and(|busiest| busiest > BUSY_BOUND));
        let busiest = busy.max_by(|a, b| a.busiest.unwrap_or(0.0).total_cmp(&b.busiest.unwrap_or(0.0)));
        busiest.map_or(Limiter::None, |cost| Limiter::Process(cost.name.clone()))
    }

    fn absence(&self) -> Option<String> {
        let away = Duration::from_nanos(self.sending.longest_delay_ns);
        (away > self.lateness_limit.saturating_mul(ABSENCE_LIMITS)).then(|| {
            format!(
                "the generator was away for {}: what was due or came back meanwhile waited for it, and left in a burst; \
                 find out what stops it (a CPU quota, a suspended machine, a signal)",
                nanoseconds(self.sending.longest_delay_ns)
            )
        })
    }

    fn lateness(&self) -> Option<String> {
        let late = part(self.sending.late, self.census.planned);
        (late > BEYOND_P99).then(|| {
            format!(
                "the generator was more than {:?} late with {:.1} % of the requests; give it a core of its own, or more \
                 threads",
                self.lateness_limit,
                late * 100.0
            )
        })
    }

    fn saturation(&self) -> Option<String> {
        let busiest = self.busiest.filter(|&busiest| busiest > BUSY_BOUND)?;
        Some(format!(
            "a generator thread wanted a core for {:.0} % of the run; use more threads, other cores or a lower rate",
            busiest * 100.0
        ))
    }

    fn missed(&self) -> Option<String> {
        let missed = part(self.census.planned.saturating_sub(self.census.answered()), self.census.planned);
        (self.is_open && missed > MISSED_BOUND).then(|| {
            format!(
                "{:.1} % of the planned requests were not answered; the target does not keep up with this rate on \
                 these connections",
                missed * 100.0
            )
        })
    }

    /// In an open loop the median response time of the rows must not drift, in a closed loop their throughput.
    fn drift(&self) -> Option<String> {
        if !self.is_level {
            return None;
        }
        let (what, before, after) = match self.is_open {
            true => {
                let Drift { before, after } = drift_of_median(self.series)?;
                ("median response time", nanoseconds(before), nanoseconds(after))
            }
            false => {
                let rate = |row: &Interval| (row.answered * 1_000_000_000).checked_div(row.length_ns);
                let Drift { before, after } = drift(self.series, rate)?;
                ("throughput", format!("{before}/s"), format!("{after}/s"))
            }
        };
        Some(format!(
            "the {what} went from {before} in the first third to {after} in the last; warm up longer, or find out what \
             changes"
        ))
    }

    fn scarcity(&self) -> Option<String> {
        let answered = self.census.answered();
        (answered < SAMPLES_NEEDED).then(|| scarcity(&self.census))
    }
}

/// Why so few answers are too few.
pub(crate) fn scarcity(census: &Census) -> String {
    let (answered, lost) = (census.answered(), census.transport_error + census.timeout);
    match lost > answered {
        true => format!(
            "{answered} answers, and {lost} requests that brought none: see the errors, mend what they say"
        ),
        false => format!("{answered} answers, and a p99 needs {SAMPLES_NEEDED}; run longer"),
    }
}

/// What a run that should stay the same went from and to: the medians of its first and its last third.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drift {
    pub(crate) before: u64,
    pub(crate) after: u64,
}

/// How the median response time drifted over the rows of a run, in nanoseconds.
pub(crate) fn drift_of_median(series: &[Interval]) -> Option<Drift> {
    drift(series, |row| row.response_p50_ns)
}

/// If every row of the last third lies on one side of every row of the first, and the medians differ by a quarter, the run
/// was not in one state. With five rows in each third chance alone separates them so in 1 of 126 runs, and then seldom by
/// a quarter.
fn drift(series: &[Interval], value: impl Fn(&Interval) -> Option<u64>) -> Option<Drift> {
    let (_, rows) = series.split_last()?; // the last one may be short
    if rows.len() < ROWS_NEEDED {
        return None;
    }
    let third = rows.len() / 3;
    let first = sorted(rows[..third].iter().filter_map(&value))?;
    let last = sorted(rows[rows.len() - third..].iter().filter_map(&value))?;
    let is_apart = first.last() < last.first() || last.last() < first.first();
    let (before, after) = (first[first.len() / 2], last[last.len() / 2]);
    let ratio = after.max(before) as f64 / after.min(before).max(1) as f64;
    (is_apart && ratio > 1.0 + DRIFT_BOUND).then_some(Drift { before, after })
}

/// In order; nothing if there are none.
fn sorted(values: impl Iterator<Item = u64>) -> Option<Vec<u64>> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    (!values.is_empty()).then_some(values)
}

fn part(count: u64, of: u64) -> f64 {
    count as f64 / of.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Evidence<'static> {
        Evidence {
            census: Census { planned: 10_000, ok: 10_000, ..Census::default() },
            sending: Sending { sent: 10_000, ..Sending::default() },
            is_open: true,
            is_level: true,
            lateness_limit: Duration::from_millis(1),
            busiest: Some(0.5),
            series: &[],
            costs: &[],
        }
    }

    #[track_caller]
    fn check(evidence: Evidence<'_>, expected: Verdict) {
        assert_eq!(evidence.verdict().0, expected, "{evidence:?}");
    }

    #[test]
    fn a_run_that_kept_its_plan_is_valid_errors_or_not() {
        check(good(), Verdict::Valid);
        let census = Census { planned: 10_000, ok: 5_000, bad_status: 5_000, ..Census::default() };
        check(Evidence { census, ..good() }, Verdict::Valid);
    }

    #[test]
    fn a_generator_that_is_late_on_its_own_account_is_the_limit() {
        let late = |late, waited| Evidence {
            sending: Sending { sent: 10_000, waited, late, ..Sending::default() },
            ..good()
        };
        check(late(100, 0), Verdict::Valid);
        check(late(101, 0), Verdict::ClientLimited);
        check(late(0, 10_000), Verdict::Valid);
    }

    #[test]
    fn a_generator_that_was_away_at_a_stretch_is_the_limit_however_long_the_run() {
        let stopped = |longest_delay_ns, lateness_limit| {
            let sending = Sending { sent: 1_000_000, late: 200, longest_delay_ns, ..Sending::default() };
            let census = Census { planned: 1_000_000, ok: 1_000_000, ..Census::default() };
            Evidence { census, sending, lateness_limit, ..good() }
        };
        let limit = Duration::from_millis(1);
        check(stopped(100_000_000, limit), Verdict::Valid);
        check(stopped(100_000_001, limit), Verdict::ClientLimited);
        assert_eq!(stopped(200_000_000, limit).limiter(), Limiter::Generator);
        assert!(stopped(200_000_000, limit).verdict().1.contains("away for 200 ms"));
        check(stopped(200_000_000, 2 * limit), Verdict::Valid);
    }

    #[test]
    fn a_generator_without_a_core_is_the_limit() {
        check(Evidence { busiest: Some(0.91), ..good() }, Verdict::ClientLimited);
        check(Evidence { busiest: Some(0.91), is_open: false, ..good() }, Verdict::ClientLimited);
    }

    #[test]
    fn a_target_that_leaves_the_plan_unanswered_missed_it() {
        let census = Census { planned: 1500, ok: 300, censored: 1200, ..Census::default() };
        let sending = Sending { sent: 301, waited: 300, ..Sending::default() };
        check(Evidence { census, sending, ..good() }, Verdict::TargetMissed);
        check(Evidence { census, sending, is_open: false, ..good() }, Verdict::TooFewSamples);
    }

    fn row(index: u64, answered: u64, response_p50_ns: u64) -> Interval {
        Interval {
            start_ns: index * 1_000_000_000,
            length_ns: 1_000_000_000,
            answered,
            failed: 0,
            late: 0,
            response_p50_ns: Some(response_p50_ns),
            response_p99_ns: None,
            response_max_ns: None,
        }
    }

    #[test]
    fn a_run_whose_response_time_or_throughput_drifts_is_unsteady() {
        let slower: Vec<Interval> = (0..16).map(|k| row(k, 1000, 1_000_000 + k * 40_000)).collect();
        check(Evidence { series: &slower, ..good() }, Verdict::Unsteady);
        check(Evidence { series: &slower, is_open: false, ..good() }, Verdict::Valid);
        check(Evidence { series: &slower, is_level: false, ..good() }, Verdict::Valid);
        let faster: Vec<Interval> = (0..16).map(|k| row(k, 1000 + k * 40, 1_000_000)).collect();
        check(Evidence { series: &faster, is_open: false, ..good() }, Verdict::Unsteady);
        check(Evidence { series: &faster, ..good() }, Verdict::Valid);
    }

    #[test]
    fn noise_and_a_little_drift_are_not_unsteady() {
        let noisy: Vec<Interval> =
            (0..16).map(|k| row(k, 1000, 1_000_000 + (k * 7 % 16) * 100_000)).collect();
        check(Evidence { series: &noisy, ..good() }, Verdict::Valid);
        let little: Vec<Interval> = (0..16).map(|k| row(k, 1000, 1_000_000 + k * 20_000)).collect();
        check(Evidence { series: &little, ..good() }, Verdict::Valid);
        let short: Vec<Interval> = (0..15).map(|k| row(k, 1000, 1_000_000 << k)).collect();
        check(Evidence { series: &short, ..good() }, Verdict::Valid);
    }

    #[test]
    fn the_busiest_of_those_watched_is_the_limiter_and_the_generator_before_all() {
        let cost = |name: &str, busiest| Cost {
            name: name.to_owned(),
            cpu_ns: 1,
            cpu_per_request_ns: None,
            busiest: Some(busiest),
        };
        let costs = [cost("backend", 0.95), cost("proxy", 0.99), cost("other", 0.2)];
        let evidence = Evidence { costs: &costs, ..good() };
        assert_eq!(evidence.limiter(), Limiter::Process("proxy".to_owned()));
        assert_eq!(Evidence { busiest: Some(0.95), ..evidence }.limiter(), Limiter::Generator);
        assert_eq!(Evidence { costs: &costs[2..], ..good() }.limiter(), Limiter::None);
    }

    #[test]
    fn a_run_too_short_for_a_p99_is_no_measurement() {
        let census = Census { planned: 999, ok: 999, ..Census::default() };
        check(
            Evidence { census, sending: Sending { sent: 999, ..Sending::default() }, ..good() },
            Verdict::TooFewSamples,
        );
    }
}
