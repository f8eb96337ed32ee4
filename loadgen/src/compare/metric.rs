//! What a run is judged by.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::observation::Observation;
use crate::report::MACHINE;

/// What the processes compared are called in a run's report.
pub(crate) const PROXY: &str = "proxy";

/// One number of a run. The names of the command line, of JSON and of the tables are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// CPU per request of the process compared, in nanoseconds.
    Cpu,
    /// CPU per request of the whole machine: what the arm makes the kernel and its peers do is part of its price.
    Machine,
    /// Median response time.
    P50,
    /// 99th percentile of the response time.
    P99,
    /// Answers per second.
    Throughput,
}

impl Metric {
    /// All of them. They are few on purpose: each one more makes every informative one harder to call.
    pub const ALL: [Metric; 5] = [Metric::Cpu, Metric::Machine, Metric::P50, Metric::P99, Metric::Throughput];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Cpu => "cpu",
            Metric::Machine => "machine",
            Metric::P50 => "p50",
            Metric::P99 => "p99",
            Metric::Throughput => "throughput",
        }
    }

    /// What it is, in a sentence.
    pub fn title(self) -> &'static str {
        match self {
            Metric::Cpu => "CPU per request",
            Metric::Machine => "CPU per request of the whole machine",
            Metric::P50 => "median response time",
            Metric::P99 => "p99 response time",
            Metric::Throughput => "answers per second",
        }
    }

    /// "B costs 15.0 % more CPU per request" and its like, for a ratio of B to A.
    pub(crate) fn say(self, ratio: f64) -> String {
        let percent = (ratio - 1.0).abs() * 100.0;
        let more = ratio > 1.0;
        let word = |yes, no| if more { yes } else { no };
        match self {
            Metric::Cpu | Metric::Machine => {
                format!("B costs {percent:.1} % {} {}", word("more", "less"), self.title())
            }
            Metric::P50 | Metric::P99 => {
                format!("B's {} is {percent:.1} % {}", self.title(), word("longer", "shorter"))
            }
            Metric::Throughput => {
                format!("B gives {percent:.1} % {} {}", word("more", "fewer"), self.title())
            }
        }
    }

    /// What a run's report calls those whose CPU it is, if it is CPU.
    pub(crate) fn watched_name(self) -> Option<&'static str> {
        match self {
            Metric::Cpu => Some(PROXY),
            Metric::Machine => Some(MACHINE),
            _ => None,
        }
    }

    /// Whether a generator that is busy all the time spoils it in a closed loop: everything that is a time does, since
    /// answers wait in the generator then. CPU is counted where it is spent, whoever waits.
    pub(crate) fn is_time(self) -> bool {
        !matches!(self, Metric::Cpu | Metric::Machine)
    }

    /// Its value in one run, above zero; nothing where the run does not tell.
    pub(crate) fn of(self, run: &Observation) -> Option<f64> {
        let value = match self {
            Metric::Cpu => run.costs.proxy_ns,
            Metric::Machine => run.costs.machine_ns,
            Metric::P50 => run.response("p50"),
            Metric::P99 => run.response("p99"),
            Metric::Throughput => Some(run.requests_per_second),
        };
        value.filter(|value| value.is_finite() && *value > 0.0)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(name: &str) -> Result<Metric, String> {
        let found = Metric::ALL.into_iter().find(|metric| metric.name() == name);
        found.ok_or_else(|| format!("choose one of {}", Metric::ALL.map(Metric::name).join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_name_and_a_wrong_name_is_told_the_right_ones() {
        for metric in Metric::ALL {
            assert_eq!(metric.name().parse(), Ok(metric));
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.name());
        }
        assert!("latency".parse::<Metric>().unwrap_err().contains("throughput"));
    }

    #[test]
    fn a_ratio_is_said_in_the_words_of_its_metric() {
        assert_eq!(Metric::Cpu.say(1.15), "B costs 15.0 % more CPU per request");
        assert_eq!(Metric::P99.say(0.9), "B's p99 response time is 10.0 % shorter");
        assert_eq!(Metric::Throughput.say(0.5), "B gives 50.0 % fewer answers per second");
    }
}
