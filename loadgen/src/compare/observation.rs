//! What one process start showed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::metric::Metric;
use super::order::Side;
use crate::{Report, Uncounted, Verdict};

/// Failed requests, in parts of all, beyond which a run is about failures: a refusal is cheaper than an answer.
const FAILED_BOUND: f64 = 0.01;
/// The quantiles that are compared: names of a summary's readings.
pub(crate) const QUANTILES: [&str; 4] = ["p50", "p90", "p99", "p99.9"];

/// The numbers of one run of one side: one process start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The run's own verdict.
    pub verdict: Verdict,
    /// And its reason.
    pub reason: String,
    /// Whether the load was an open loop.
    pub is_open: bool,
    /// Requests answered in full, as expected or not.
    pub answered: u64,
    /// Those answered as expected.
    #[serde(default)]
    pub ok: u64,
    /// Requests that failed: those answered otherwise are among them.
    pub failed: u64,
    /// Answers per second.
    pub requests_per_second: f64,
    /// Quantiles of the response time by name, in nanoseconds; those that the run had too few answers for are missing.
    pub response_ns: BTreeMap<String, u64>,
    /// What a request cost.
    pub costs: Costs,
    /// Why some of that is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncounted: Vec<Uncounted>,
}

/// CPU per answered request, in nanoseconds; nothing where it is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// Of the process compared, all its threads and children.
    pub proxy_ns: Option<f64>,
    /// Of the servers behind it.
    pub backend_ns: Option<f64>,
    /// Of the generator's threads.
    pub generator_ns: Option<f64>,
    /// Of the whole machine, in steps of 10 ms over the whole run.
    pub machine_ns: Option<f64>,
}

impl Observation {
    /// Of a run and what it cost besides.
    pub(crate) fn of(report: &Report, costs: Costs) -> Observation {
        let response = |name: &&str| {
            let reading = report.latency.response.reading(name)?.nanoseconds()?;
            Some(((*name).to_owned(), reading))
        };
        Observation {
            verdict: report.verdict,
            reason: report.reason.clone(),
            is_open: report.setting.is_open,
            answered: report.requests.answered(),
            ok: report.requests.ok,
            failed: report.requests.failed(),
            requests_per_second: report.throughput.requests_per_second,
            response_ns: QUANTILES.iter().filter_map(response).collect(),
            costs,
            uncounted: report.uncounted.clone(),
        }
    }

    /// A quantile of the response time in nanoseconds.
    pub fn response(&self, name: &str) -> Option<f64> {
        self.response_ns.get(name).map(|&value| value as f64)
    }

    /// Why `metric` may not be taken from this run, if so.
    ///
    /// In an open loop a generator that was late, or a side that did not keep up, means that the load was another one:
    /// nothing of it counts. In a closed loop the generator is part of the loop and may well be busy all the time; that
    /// spoils the times and not the CPU, which is counted where it is spent. An unsteady run counts: this machine is what it
    /// is, and the floor was measured on it.
    pub(crate) fn fault(&self, metric: Metric) -> Option<String> {
        if self.answered == 0 {
            return Some("no request was answered".to_owned());
        }
        let requests = self.ok + self.failed;
        if self.failed as f64 > requests as f64 * FAILED_BOUND {
            return Some(format!("{} of {requests} requests failed", self.failed));
        }
        if self.is_misled(metric) {
            return Some(format!("{}: {}", self.verdict, self.reason));
        }
        metric.of(self).is_none().then(|| self.unknown(metric))
    }

    /// Why it does not tell this metric.
    fn unknown(&self, metric: Metric) -> String {
        let reasons = self.uncounted.iter().filter(|told| metric.watched_name() == Some(&told.name));
        match reasons.map(|told| told.reason.as_str()).next() {
            Some(reason) => format!("its {} is unknown: {reason}", metric.title()),
            None => format!("it does not tell its {}; make the runs longer", metric.title()),
        }
    }

    fn is_misled(&self, metric: Metric) -> bool {
        match self.verdict {
            Verdict::ClientLimited => self.is_open || metric.is_time(),
            Verdict::TargetMissed => true,
            _ => false,
        }
    }
}

/// Which part of an experiment a run belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pass {
    /// A against itself: both sides run the first of the two things compared.
    Floor,
    /// A against B.
    Comparison,
}

/// One run in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its part of the experiment.
    pub pass: Pass,
    /// The pair it belongs to, from 1.
    pub pair: usize,
    /// The turn of the pair, from 1. One that was repeated has more than two runs, of which two count.
    pub turn: usize,
    /// The side it stands for; in the floor's pass both are starts of A.
    pub side: Side,
    /// Why it does not count, if so.
    pub discarded: Option<String>,
    /// What it showed.
    #[serde(flatten)]
    pub observation: Observation,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A run without fault.
    pub(crate) fn good() -> Observation {
        Observation {
            verdict: Verdict::Valid,
            reason: String::new(),
            is_open: false,
            answered: 10_000,
            ok: 10_000,
            failed: 0,
            requests_per_second: 10_000.0,
            response_ns: [("p50".to_owned(), 1_000_000), ("p99".to_owned(), 3_000_000)].into(),
            costs: Costs { proxy_ns: Some(20_000.0), machine_ns: Some(90_000.0), ..Costs::default() },
            uncounted: Vec::new(),
        }
    }

    #[track_caller]
    fn spoils(run: &Observation, spoiled: &[Metric]) {
        let found: Vec<Metric> =
            Metric::ALL.into_iter().filter(|&metric| run.fault(metric).is_some()).collect();
        assert_eq!(found, spoiled, "{run:?}");
    }

    #[test]
    fn a_good_run_tells_every_metric() {
        spoils(&good(), &[]);
    }

    #[test]
    fn a_busy_generator_spoils_the_times_of_a_closed_loop_and_all_of_an_open_one() {
        let limited = Observation { verdict: Verdict::ClientLimited, ..good() };
        spoils(&limited, &[Metric::P50, Metric::P99, Metric::Throughput]);
        spoils(&Observation { is_open: true, ..limited }, &Metric::ALL);
    }

    #[test]
    fn a_side_that_did_not_keep_up_had_another_load() {
        spoils(&Observation { verdict: Verdict::TargetMissed, is_open: true, ..good() }, &Metric::ALL);
    }

    #[test]
    fn failures_beyond_one_in_a_hundred_spoil_everything() {
        spoils(&Observation { answered: 9_900, ok: 9_900, failed: 100, ..good() }, &[]);
        spoils(&Observation { answered: 9_899, ok: 9_899, failed: 101, ..good() }, &Metric::ALL);
        spoils(&Observation { answered: 0, ..good() }, &Metric::ALL);
    }

    #[test]
    fn an_answer_of_a_wrong_status_is_one_request_and_not_two() {
        // All 10,000 were answered, 100 of them wrongly: one in a hundred. One more is beyond it.
        let wrong = |wrong| Observation { answered: 10_000, ok: 10_000 - wrong, failed: wrong, ..good() };
        spoils(&wrong(100), &[]);
        spoils(&wrong(101), &Metric::ALL);
    }

    #[test]
    fn what_a_run_does_not_tell_spoils_that_metric_alone() {
        let mut run = good();
        run.response_ns.remove("p99");
        run.costs.proxy_ns = None;
        run.verdict = Verdict::TooFewSamples;
        spoils(&run, &[Metric::Cpu, Metric::P99]);
        let reason = "process 7 ended during the run".to_owned();
        run.uncounted = vec![Uncounted { name: "proxy".to_owned(), reason }];
        assert!(run.fault(Metric::Cpu).unwrap().contains("unknown: process 7 ended"));
    }
}
