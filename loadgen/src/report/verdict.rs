//! Whether a run may be believed, and if not, who was the limit.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::record::census::Census;
use crate::record::recorder::Sending;

/// A generator thread that wants a core for a larger part of the time than this is the limit itself: what it measures
/// is mostly its own queue.
const BUSY_BOUND: f64 = 0.9;
/// Answers missing from an open loop's plan, in parts of it, beyond which the target did not keep up.
const MISSED_BOUND: f64 = 0.01;
/// The part of the requests that a p99 leaves out.
const BEYOND_P99: f64 = 0.01;
/// Answers that a p99 needs ([`crate::record::summary::BEYOND`] of them beyond it).
const SAMPLES_NEEDED: u64 = 1000;

/// What a run is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The numbers say what the target did.
    Valid,
    /// The generator was the limit: its numbers are about itself.
    ClientLimited,
    /// The target did not keep up with the plan: true, but not a latency at that rate.
    TargetMissed,
    /// Too few answers for a p99.
    TooFewSamples,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Valid => "valid",
            Verdict::ClientLimited => "client_limited",
            Verdict::TargetMissed => "target_missed",
            Verdict::TooFewSamples => "too_few_samples",
        })
    }
}

/// What the verdict rests on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence {
    pub(crate) census: Census,
    pub(crate) sending: Sending,
    pub(crate) is_open: bool,
    pub(crate) lateness_limit: Duration,
    /// The largest part of the time that one generator thread wanted a core.
    pub(crate) busiest: f64,
}

impl Evidence {
    /// The verdict and its reason. A generator that was the limit comes first: the rest cannot be judged then.
    pub(crate) fn verdict(&self) -> (Verdict, String) {
        let findings = [
            (Verdict::ClientLimited, self.lateness()),
            (Verdict::ClientLimited, self.saturation()),
            (Verdict::TargetMissed, self.missed()),
            (Verdict::TooFewSamples, self.scarcity()),
        ];
        let found = findings.into_iter().find_map(|(verdict, reason)| Some((verdict, reason?)));
        found.unwrap_or_else(|| (Verdict::Valid, "the generator was not the limit".to_owned()))
    }

    fn lateness(&self) -> Option<String> {
        let late = part(self.sending.late, self.sending.sent);
        (late > BEYOND_P99).then(|| {
            format!(
                "{:.1} % of the requests left more than {:?} late though a connection was free; give the generator a \
                 core of its own, or more threads",
                late * 100.0,
                self.lateness_limit
            )
        })
    }

    fn saturation(&self) -> Option<String> {
        (self.busiest > BUSY_BOUND).then(|| {
            format!(
                "a generator thread wanted a core for {:.0} % of the run; use more threads, other cores or a lower rate",
                self.busiest * 100.0
            )
        })
    }

    fn missed(&self) -> Option<String> {
        let missed = part(self.census.planned - self.census.answered(), self.census.planned);
        (self.is_open && missed > MISSED_BOUND).then(|| {
            format!(
                "{:.1} % of the planned requests were not answered; the target does not keep up with this rate on \
                 these connections",
                missed * 100.0
            )
        })
    }

    fn scarcity(&self) -> Option<String> {
        let answered = self.census.answered();
        (answered < SAMPLES_NEEDED)
            .then(|| format!("{answered} answers, and a p99 needs {SAMPLES_NEEDED}; run longer"))
    }
}

fn part(count: u64, of: u64) -> f64 {
    count as f64 / of.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Evidence {
        Evidence {
            census: Census { planned: 10_000, ok: 10_000, ..Census::default() },
            sending: Sending { sent: 10_000, ..Sending::default() },
            is_open: true,
            lateness_limit: Duration::from_millis(1),
            busiest: 0.5,
        }
    }

    #[track_caller]
    fn check(evidence: Evidence, expected: Verdict) {
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
        let late = |late, waited| Evidence { sending: Sending { sent: 10_000, waited, late }, ..good() };
        check(late(100, 0), Verdict::Valid);
        check(late(101, 0), Verdict::ClientLimited);
        check(late(0, 10_000), Verdict::Valid);
    }

    #[test]
    fn a_generator_without_a_core_is_the_limit() {
        check(Evidence { busiest: 0.91, ..good() }, Verdict::ClientLimited);
        check(Evidence { busiest: 0.91, is_open: false, ..good() }, Verdict::ClientLimited);
    }

    #[test]
    fn a_target_that_leaves_the_plan_unanswered_missed_it() {
        let census = Census { planned: 1500, ok: 300, censored: 1200, ..Census::default() };
        let sending = Sending { sent: 301, waited: 300, late: 0 };
        check(Evidence { census, sending, ..good() }, Verdict::TargetMissed);
        check(Evidence { census, sending, is_open: false, ..good() }, Verdict::TooFewSamples);
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
