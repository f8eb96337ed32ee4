//! What a run is held to, so that a pipeline can fail by it: `p99<5ms`, `errors<0.1%`, `throughput>1000`.
//!
//! Owns: the words, and one rule: what is not known does not hold. A quantile that too few samples tell, or that stands
//! as a lower bound under its limit, fails its assertion.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::plan::units::duration;
use crate::record::summary::{Reading, Summary};
use crate::report::Report;
use crate::report::table::nanoseconds;

/// One condition on a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Assertion {
    text: String,
    metric: Metric,
    is_below: bool,
    limit: f64,
}

#[derive(Debug, Clone, PartialEq)]
enum Metric {
    /// A reading of a clock, in nanoseconds.
    Reading { clock: String, name: String },
    /// [`Census::errors`](crate::Census::errors).
    Errors,
    /// Answers per second.
    Throughput,
    /// CPU nanoseconds of the processes watched under this name, per answer.
    Cpu(String),
}

/// What became of an assertion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asserted {
    /// The assertion as it was written.
    pub assertion: String,
    /// Whether it holds.
    pub holds: bool,
    /// What was measured instead, in words.
    pub measured: String,
}

const FORM: &str =
    "write for example p99<5ms, service.p99.9<20ms, errors<0.1%, throughput>1000 or cpu.proxy<30us";
const CLOCKS: [&str; 6] = ["response", "service", "lateness", "first_byte", "connect", "added"];

impl FromStr for Assertion {
    type Err = String;

    fn from_str(text: &str) -> Result<Assertion, String> {
        let wrong = |reason: &str| format!("`{text}`: {reason}; {FORM}");
        let at = text.find(['<', '>']).ok_or_else(|| wrong("no < or > in it"))?;
        let (metric, limit) = (text[..at].trim(), text[at + 1..].trim());
        let metric = Metric::parse(metric).ok_or_else(|| wrong("unknown measure"))?;
        let limit = metric.limit(limit).ok_or_else(|| wrong("the limit does not suit the measure"))?;
        Ok(Assertion { text: text.to_owned(), metric, is_below: text.as_bytes()[at] == b'<', limit })
    }
}

impl Metric {
    fn parse(text: &str) -> Option<Metric> {
        if let Some(name) = text.strip_prefix("cpu.") {
            return (!name.is_empty()).then(|| Metric::Cpu(name.to_owned()));
        }
        match text {
            "errors" => return Some(Metric::Errors),
            "throughput" => return Some(Metric::Throughput),
            _ => {}
        }
        let (clock, name) = CLOCKS
            .into_iter()
            .find_map(|clock| Some((clock, text.strip_prefix(clock)?.strip_prefix('.')?)))
            .unwrap_or(("response", text));
        let is_known = Summary::names().any(|known| known == name);
        is_known.then(|| Metric::Reading { clock: clock.to_owned(), name: name.to_owned() })
    }

    fn limit(&self, text: &str) -> Option<f64> {
        let limit = match self {
            Metric::Reading { .. } | Metric::Cpu(_) => duration(text).ok()?.as_nanos() as f64,
            Metric::Errors => text.strip_suffix('%')?.trim().parse::<f64>().ok()? / 100.0,
            Metric::Throughput => text.parse().ok()?,
        };
        (limit.is_finite() && limit >= 0.0).then_some(limit)
    }

    /// The value, if it is known, and its words. `is_below` says which way an uncertain value has to be taken.
    fn measure(&self, report: &Report, is_below: bool) -> (Option<f64>, String) {
        match self {
            Metric::Reading { clock, name } => {
                match report.latency.clock(clock).and_then(|c| c.reading(name)) {
                    Some(Reading::Exact(value)) => (Some(value as f64), nanoseconds(value)),
                    Some(Reading::AtLeast(value)) => {
                        ((!is_below).then_some(value as f64), format!("at least {}", nanoseconds(value)))
                    }
                    _ => (None, "too few samples".to_owned()),
                }
            }
            Metric::Errors => match report.requests.errors() {
                Some(part) => (Some(part), format!("{:.3} %", part * 100.0)),
                None => (None, "no requests".to_owned()),
            },
            Metric::Throughput => {
                let rate = report.throughput.requests_per_second;
                (Some(rate), format!("{rate:.1}/s"))
            }
            Metric::Cpu(name) => match report.cost(name).and_then(|cost| cost.cpu_per_request_ns) {
                Some(cost) => (Some(cost as f64), nanoseconds(cost)),
                None => (None, format!("the CPU of `{name}` is unknown: {}", why_unknown(report, name))),
            },
        }
    }
}

fn why_unknown<'a>(report: &'a Report, name: &str) -> &'a str {
    match report.cost(name) {
        Some(_) => "no request was answered",
        None => report.why_uncounted(name).unwrap_or("it was not watched (--watch)"),
    }
}

impl Assertion {
    /// The name of the processes whose CPU it is about, if it is.
    pub fn watched_name(&self) -> Option<&str> {
        match &self.metric {
            Metric::Cpu(name) => Some(name),
            _ => None,
        }
    }

    /// What becomes of it in `report`.
    pub fn check(&self, report: &Report) -> Asserted {
        let (value, measured) = self.metric.measure(report, self.is_below);
        let holds =
            value.is_some_and(|value| if self.is_below { value < self.limit } else { value > self.limit });
        Asserted { assertion: self.text.clone(), holds, measured }
    }
}

impl fmt::Display for Asserted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = if self.holds { "holds" } else { "FAILS" };
        write!(f, "{} {outcome}: {}", self.assertion, self.measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assertions_name_a_measure_a_side_and_a_limit() {
        let parsed: Assertion = "service.p99.9 < 20ms".parse().unwrap();
        let metric = Metric::Reading { clock: "service".to_owned(), name: "p99.9".to_owned() };
        assert_eq!((parsed.metric, parsed.is_below, parsed.limit), (metric, true, 20e6));
        let parsed: Assertion = "errors<0.1%".parse().unwrap();
        assert!((parsed.limit - 0.001).abs() < 1e-12);
        assert_eq!("throughput>1000".parse::<Assertion>().unwrap().limit, 1000.0);
        for wrong in [
            "p99",
            "p98<1ms",
            "p99<5",
            "errors<1",
            "errors<x%",
            "<1ms",
            "throughput>-1",
            "cpu.<1us",
            "x.p99<1ms",
        ] {
            let message = wrong.parse::<Assertion>().unwrap_err();
            assert!(message.contains("write for example"), "{message}");
        }
    }
}
