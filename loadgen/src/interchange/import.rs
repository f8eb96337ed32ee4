//! Summaries of other load generators, for tables side by side.
//!
//! Owns: the reading of what wrk2, oha, k6 and vegeta print about a run. Durations become nanoseconds.
//! Refuses: to guess. What a program does not tell is absent, and never computed from what it does tell: these programs
//! measure different things under the same names (wrk2 from the planned instant, the others from the sending).

mod json;
mod wrk2;

use std::collections::BTreeMap;
use std::fmt;

/// The programs whose summaries are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// The text of `wrk2 --latency`.
    Wrk2,
    /// `oha --output-format json`, before `--json`.
    Oha,
    /// `k6 run --summary-export`, or the same written by `handleSummary`.
    K6,
    /// `vegeta report -type=json`.
    Vegeta,
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tool::Wrk2 => "wrk2",
            Tool::Oha => "oha",
            Tool::K6 => "k6",
            Tool::Vegeta => "vegeta",
        })
    }
}

/// What another program said about a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Which program.
    pub tool: Tool,
    /// Requests that came to an end.
    pub requests: Option<u64>,
    /// Of these, requests that got no answer, or a status of 400 and above.
    pub failed: Option<u64>,
    /// Length of the run.
    pub elapsed_ns: Option<u64>,
    /// Requests per second, as the program counts them.
    pub requests_per_second: Option<f64>,
    /// Mean latency.
    pub mean_ns: Option<u64>,
    /// Longest latency.
    pub max_ns: Option<u64>,
    /// Quantiles from 0 to 1 and their latencies in nanoseconds, in rising order.
    pub quantiles: Vec<(f64, u64)>,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
}

impl Imported {
    fn of(tool: Tool) -> Imported {
        Imported {
            tool,
            requests: None,
            failed: None,
            elapsed_ns: None,
            requests_per_second: None,
            mean_ns: None,
            max_ns: None,
            quantiles: Vec::new(),
            statuses: BTreeMap::new(),
        }
    }

    /// The latency at `quantile` in nanoseconds, if the program told that very quantile.
    pub fn quantile(&self, quantile: f64) -> Option<u64> {
        self.quantiles.iter().find(|told| (told.0 - quantile).abs() < 1e-9).map(|told| told.1)
    }

    fn sorted(mut self) -> Imported {
        self.quantiles.sort_by(|one, other| one.0.total_cmp(&other.0));
        self
    }
}

/// Reads a summary; its form tells whose it is.
///
/// # Errors
/// Nobody's whom we know, or not in the form that program writes.
pub fn parse(text: &str) -> Result<Imported, String> {
    let parsed = if text.trim_start().starts_with('{') { json::parse(text) } else { wrk2::parse(text) };
    parsed.map(Imported::sorted)
}

/// Nanoseconds of a duration in a unit of `unit_ns`; nothing for what cannot be one.
fn nanoseconds(value: f64, unit_ns: f64) -> Option<u64> {
    let scaled = (value * unit_ns).round();
    (scaled >= 0.0 && scaled < u64::MAX as f64).then_some(scaled as u64)
}

/// The form nobody has.
fn unknown() -> String {
    "not a summary that can be read here; give the text of `wrk2 --latency`, the JSON of `oha --output-format json`, of \
     `k6 run --summary-export` or of `vegeta report -type=json`, or a run of ringload"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_tells_the_program_and_what_nobody_writes_is_refused_with_advice() {
        for wrong in ["", "{}", "{\"metrics\":{}}", "[1]", "{", "hello", "{\"latencies\":3}"] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains("wrk2 --latency"), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_cannot_be_a_duration_is_none() {
        assert_eq!(nanoseconds(1.5, 1e6), Some(1_500_000));
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(nanoseconds(wrong, 1.0), None);
        }
    }
}
