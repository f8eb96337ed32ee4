//! What a service promises, and whether a run kept it.
//!
//! Owns: the judgement of one run. A quantile that unanswered requests could move above its limit was not kept: nobody
//! can say that it was. Nor was anything by a run whose median rose all through it: it would have ended above any limit.
//! Refuses: to judge a run whose generator was the limit.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::record::census::Census;
use crate::record::recorder::nanoseconds;
use crate::record::summary::{Reading, Summary};
use crate::report::table;
use crate::report::verdict::{Drift, drift_of_median};
use crate::slo::search::Outcome;
use crate::{Error, Interval, Report, Verdict};

/// The quantiles an objective may speak of, and the answers each needs to be told.
pub const QUANTILES: [(&str, u64); 5] =
    [("p50", 20), ("p90", 100), ("p99", 1_000), ("p99.9", 10_000), ("p99.99", 100_000)];

/// A quantile of the response time, and what it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LatencyLimit {
    /// `p99`, for instance.
    pub quantile: &'static str,
    /// Nanoseconds.
    pub limit_ns: u64,
}

/// What has to be kept, all of it together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Objective {
    /// Quantiles of the response time, from the planned instant.
    pub latency: Vec<LatencyLimit>,
    /// The largest part (0 to 1) that [`Census::errors`] may be.
    pub errors: f64,
}

/// What was made of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// For the search.
    pub outcome: Outcome,
    /// For people: the values that decided.
    pub reason: String,
}

impl Objective {
    /// An objective of at least one quantile; `errors` is a part of 1.
    ///
    /// # Errors
    /// No quantile, an unknown one, a limit of zero, or a part outside 0 to 1.
    pub fn new(
        latency: impl IntoIterator<Item = (&'static str, Duration)>,
        errors: f64,
    ) -> Result<Objective, Error> {
        let limits = latency
            .into_iter()
            .map(|(quantile, limit)| LatencyLimit { quantile, limit_ns: nanoseconds(limit) });
        let objective = Objective { latency: limits.collect(), errors };
        match objective.fault() {
            Some(reason) => Err(Error::Plan(reason.to_owned())),
            None => Ok(objective),
        }
    }

    fn fault(&self) -> Option<&'static str> {
        let is_known = |limit: &LatencyLimit| QUANTILES.iter().any(|known| known.0 == limit.quantile);
        let faults = [
            (self.latency.is_empty(), "an objective needs a latency; give --p99 20ms, for instance"),
            (!self.latency.iter().all(is_known), "an objective can speak of p50, p90, p99, p99.9 and p99.99"),
            (
                self.latency.iter().any(|limit| limit.limit_ns == 0),
                "no server answers in no time; give a limit above zero",
            ),
            (!(0.0..=1.0).contains(&self.errors), "the part of errors lies between 0 % and 100 %"),
        ];
        faults.iter().find(|(is_fault, _)| *is_fault).map(|(_, reason)| *reason)
    }

    /// The answers that a run needs before it can be judged.
    pub fn samples_needed(&self) -> u64 {
        let needs = |limit: &LatencyLimit| QUANTILES.iter().find(|known| known.0 == limit.quantile);
        self.latency.iter().filter_map(needs).map(|known| known.1).max().unwrap_or(0)
    }

    /// What `report` says of it.
    pub fn judge(&self, report: &Report) -> Judgement {
        match report.verdict {
            Verdict::ClientLimited => {
                Judgement { outcome: Outcome::ClientLimited, reason: report.reason.clone() }
            }
            _ => self.judge_numbers(&report.requests, &report.latency.response, &report.series),
        }
    }

    pub(super) fn judge_numbers(
        &self,
        census: &Census,
        response: &Summary,
        series: &[Interval],
    ) -> Judgement {
        let mut findings: Vec<_> = self.latency.iter().map(|limit| limit.judge(response)).collect();
        findings.push(self.judge_errors(census));
        findings.extend(rise(series).map(|words| (false, words)));
        let is_kept = findings.iter().all(|(is_kept, _)| *is_kept);
        let told = findings.into_iter().filter(|finding| is_kept || !finding.0).map(|(_, words)| words);
        Judgement {
            outcome: if is_kept { Outcome::Kept } else { Outcome::Missed },
            reason: told.collect::<Vec<_>>().join(", "),
        }
    }

    fn judge_errors(&self, census: &Census) -> (bool, String) {
        let Some(part) = census.errors() else {
            return (false, "errors not known: no request was planned".to_owned());
        };
        let is_kept = part <= self.errors;
        (is_kept, format!("errors {} {} {}", percent(part), sign(is_kept), percent(self.errors)))
    }
}

/// Whether the median rose while the run went on: then the rate is above what the target can do for longer, and every
/// quantile says only how long the run was.
fn rise(series: &[Interval]) -> Option<String> {
    let Drift { before, after } = drift_of_median(series).filter(|drift| drift.after > drift.before)?;
    let (before, after) = (table::nanoseconds(before), table::nanoseconds(after));
    Some(format!("the median rose from {before} to {after} while the run went on"))
}

impl LatencyLimit {
    fn judge(&self, response: &Summary) -> (bool, String) {
        let limit = table::nanoseconds(self.limit_ns);
        let reading = response.reading(self.quantile).unwrap_or(Reading::Needs(1));
        let (is_kept, value) = match reading {
            Reading::Exact(value) => (value <= self.limit_ns, table::nanoseconds(value)),
            Reading::AtLeast(value) => (false, format!("at least {}", table::nanoseconds(value))),
            Reading::Needs(needs) => {
                return (false, format!("{} not known: it needs {needs} answers", self.quantile));
            }
        };
        let is_bound = matches!(reading, Reading::AtLeast(value) if value <= self.limit_ns);
        let sign = if is_bound { "perhaps >" } else { sign(is_kept) };
        (is_kept, format!("{} {value} {sign} {limit}", self.quantile))
    }
}

fn sign(is_kept: bool) -> &'static str {
    if is_kept { "<=" } else { ">" }
}

fn percent(part: f64) -> String {
    let percent = part * 100.0;
    if percent >= 10.0 { format!("{percent:.0} %") } else { format!("{percent:.3} %") }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for limit in &self.latency {
            write!(f, "{} <= {}, ", limit.quantile, table::nanoseconds(limit.limit_ns))?;
        }
        write!(f, "errors <= {}", percent(self.errors))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::engine::shift::{Effort, Tally};
    use crate::merge::tests::{ELAPSED, parts, report_over};
    use crate::plan::Assertion;
    use crate::record::beat::Beat;
    use crate::record::census;
    use crate::record::exchange::{Exchange, Ticket};
    use crate::record::recorder::{Recorder, histogram};
    use crate::record::series::Series;
    use crate::response::Answer;

    const MS: u64 = 1_000_000;

    fn objective() -> Objective {
        Objective::new([("p50", Duration::from_millis(5)), ("p99", Duration::from_millis(20))], 0.001)
            .unwrap()
    }

    /// 1000 planned: so many slow ones of 30 ms, so many unanswered after `waited_ms`, the rest took 1 ms.
    fn judge(slow: u64, unanswered: u64, waited_ms: u64) -> Judgement {
        let (mut samples, mut bounds) = (histogram(), histogram());
        samples.saturating_record_n(MS, 1000 - slow - unanswered);
        samples.saturating_record_n(30 * MS, slow);
        bounds.saturating_record_n(waited_ms * MS, unanswered);
        let census =
            Census { planned: 1000, ok: 1000 - unanswered, censored: unanswered, ..Census::default() };
        objective().judge_numbers(&census, &Summary::bounded(&samples, &bounds), &[])
    }

    #[test]
    fn all_parts_have_to_be_kept() {
        assert_eq!(judge(10, 0, 0).outcome, Outcome::Kept);
        let missed = judge(11, 0, 0);
        assert_eq!(missed.outcome, Outcome::Missed);
        assert!(missed.reason.starts_with("p99 30") && !missed.reason.contains("p50"), "{}", missed.reason);
        assert_eq!(judge(501, 0, 0).reason.matches('>').count(), 2);
    }

    #[test]
    fn requests_that_stayed_unanswered_are_errors_and_may_be_slow_ones() {
        assert_eq!(judge(0, 1, 1).outcome, Outcome::Kept);
        assert!(judge(0, 2, 1).reason.contains("errors 0.200 % > 0.100 %"));
        let doubtful = judge(10, 1, 1); // below the limit as far as is known, above it if it was slow
        assert_eq!(doubtful.outcome, Outcome::Missed);
        assert!(doubtful.reason.contains("p99 at least"), "{}", doubtful.reason);
    }

    #[test]
    fn a_quantile_without_samples_enough_was_not_kept() {
        let none = objective().judge_numbers(&Census::default(), &Summary::of(&histogram()), &[]);
        assert_eq!(none.outcome, Outcome::Missed);
        assert!(none.reason.contains("p99 not known: it needs 1000 answers"), "{}", none.reason);
        assert_eq!(objective().samples_needed(), 1000);
    }

    #[test]
    fn an_assertion_means_the_same_by_errors() {
        let [run, ..] = parts();
        let requests = Census { planned: 1000, ok: 998, bad_status: 1, censored: 1, ..Census::default() };
        let asserted = "errors<0.15%".parse::<Assertion>().unwrap().check(&Report { requests, ..run });
        assert_eq!((asserted.holds, asserted.measured.as_str()), (false, "0.200 %"));
        let objective = Objective { errors: 0.0015, ..objective() };
        let judged = objective.judge_numbers(&requests, &Summary::of(&histogram()), &[]);
        assert!(judged.reason.contains("errors 0.200 % > 0.150 %"), "{}", judged.reason);
    }

    /// A run in which the requests of the `beat`th twentieth took `took(beat)`.
    fn run(took: impl Fn(u32) -> Duration) -> Report {
        let (mut recorder, mut series) =
            (Recorder::new(2, Duration::from_secs(1)), Series::new(ELAPSED / 20));
        for beat in 0..20 {
            (0..100).for_each(|_| settle(&mut recorder, took(beat)));
            series.push(&recorder.take_beat(Beat::new()));
        }
        let effort = Effort { elapsed: ELAPSED, cpu: None };
        report_over(vec![Tally { recorder, effort, floor: histogram() }], series)
    }

    fn settle(recorder: &mut Recorder, took: Duration) {
        let planned = Instant::now();
        let ticket =
            Ticket { number: 0, target: 0, planned: Some(planned), has_waited: false, is_measured: true };
        let exchange = Exchange::new(ticket, planned);
        let answer =
            Answer { status: 200, body_bytes: 5, received_bytes: 100, keep_alive: true, server_time: None };
        recorder.planned(0);
        recorder.sent(&exchange);
        recorder.answered(&exchange, &answer, census::Outcome::Ok, planned + took);
    }

    #[test]
    fn a_run_whose_median_rises_all_through_misses_however_quick_it_still_is() {
        let (slow, quick) = (Duration::from_micros(2000), Duration::from_micros(1000));
        let rising = run(|beat| quick + Duration::from_micros(100) * beat);
        assert_eq!(rising.verdict, Verdict::Unsteady);
        let judged = objective().judge(&rising);
        assert_eq!(judged.outcome, Outcome::Missed);
        assert_eq!(judged.reason, "the median rose from 1.30 ms to 2.61 ms while the run went on");
        for run in [run(|beat| slow - Duration::from_micros(50) * beat), run(|_| slow)] {
            assert_eq!(objective().judge(&run).outcome, Outcome::Kept, "{:?}", run.verdict);
        }
    }

    #[test]
    fn objectives_that_mean_nothing_are_refused() {
        let second = Duration::from_secs(1);
        assert!(Objective::new([], 0.1).is_err());
        assert!(Objective::new([("p98", second)], 0.1).is_err());
        assert!(Objective::new([("p99", Duration::ZERO)], 0.1).is_err());
        assert!(Objective::new([("p99", second)], 1.1).is_err());
        assert!(Objective::new([("p99", second)], f64::NAN).is_err());
    }
}
