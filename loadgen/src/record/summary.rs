//! Quantiles of one clock, with what is honest to say about each.
//!
//! Owns: two rules. A quantile with fewer than [`BEYOND`] samples beyond it is not told. Where requests stayed
//! unanswered, each is only known to be longer than its bound: a quantile is computed with the bounds in place of the
//! values, and again with the unanswered at infinity; where the two differ, the truth lies between them and the first
//! is reported as a lower bound.

use hdrhistogram::Histogram;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Samples there must be beyond a quantile before it is told.
pub(crate) const BEYOND: u64 = 10;
/// The quantiles told: name, key in JSON, parts in ten thousand.
const QUANTILES: [(&str, &str, u64); 5] = [
    ("p50", "p50_ns", 5_000),
    ("p90", "p90_ns", 9_000),
    ("p99", "p99_ns", 9_900),
    ("p99.9", "p999_ns", 9_990),
    ("p99.99", "p9999_ns", 9_999),
];
const WHOLE: u64 = 10_000;

/// One number of a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Nanoseconds.
    Exact(u64),
    /// At least so many nanoseconds: requests that stayed unanswered could move it up.
    AtLeast(u64),
    /// Not told: it needs so many samples.
    Needs(u64),
}

impl Reading {
    /// The nanoseconds, exact or not, if there are any.
    pub fn nanoseconds(self) -> Option<u64> {
        match self {
            Reading::Exact(value) | Reading::AtLeast(value) => Some(value),
            Reading::Needs(_) => None,
        }
    }
}

/// Mean, quantiles and maximum of one clock. Values are kept to one part in a thousand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Values measured.
    pub samples: u64,
    /// Requests of which only a lower bound is known.
    pub lower_bounds: u64,
    readings: Vec<(&'static str, &'static str, Reading)>,
}

impl Summary {
    /// Of a clock that misses nothing.
    pub(crate) fn of(samples: &Histogram<u64>) -> Summary {
        Summary::bounded(samples, &crate::record::recorder::histogram())
    }

    /// Of a clock some of whose values are only known to exceed the given bounds.
    pub(crate) fn bounded(samples: &Histogram<u64>, bounds: &Histogram<u64>) -> Summary {
        let mut lowest = samples.clone();
        lowest.add(bounds).expect("histograms of equal bounds add");
        let whole = |value: u64| match (lowest.len(), bounds.len()) {
            (0, _) => Reading::Needs(1),
            (_, 0) => Reading::Exact(value),
            _ => Reading::AtLeast(value),
        };
        let mut readings = vec![("mean", "mean_ns", whole(lowest.mean().round() as u64))];
        readings.extend(QUANTILES.map(|(name, key, parts)| (name, key, quantile(samples, &lowest, parts))));
        readings.push(("max", "max_ns", whole(lowest.max())));
        Summary { samples: samples.len(), lower_bounds: bounds.len(), readings }
    }

    /// The reading called `mean`, `p50`, `p90`, `p99`, `p99.9`, `p99.99` or `max`.
    pub fn reading(&self, name: &str) -> Option<Reading> {
        self.readings.iter().find(|reading| reading.0 == name).map(|reading| reading.2)
    }

    /// All readings by name, in the order of the table.
    pub fn readings(&self) -> impl Iterator<Item = (&'static str, Reading)> {
        self.readings.iter().map(|&(name, _, reading)| (name, reading))
    }
}

fn quantile(samples: &Histogram<u64>, lowest: &Histogram<u64>, parts: u64) -> Reading {
    let rank = rank(lowest.len(), parts);
    if lowest.len() - rank < BEYOND {
        return Reading::Needs(BEYOND * WHOLE / (WHOLE - parts));
    }
    match (value_at(samples, rank), value_at(lowest, rank)) {
        (Some(highest), Some(lowest)) if highest == lowest => Reading::Exact(lowest),
        (_, lowest) => Reading::AtLeast(lowest.unwrap_or(0)),
    }
}

/// Which of `count` ordered values is the quantile: the first one with at least its share of the values up to it.
fn rank(count: u64, parts: u64) -> u64 {
    let rank = (u128::from(count) * u128::from(parts)).div_ceil(u128::from(WHOLE));
    u64::try_from(rank).unwrap_or(count)
}

/// The value of that rank, counted from 1. The crate's own quantiles go by floating point; ranks are whole numbers.
fn value_at(histogram: &Histogram<u64>, rank: u64) -> Option<u64> {
    let mut seen = 0;
    histogram.iter_recorded().find_map(|bucket| {
        seen += bucket.count_since_last_iteration();
        (seen >= rank).then(|| bucket.value_iterated_to())
    })
}

impl Serialize for Summary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("samples", &self.samples)?;
        map.serialize_entry("lower_bounds", &self.lower_bounds)?;
        for (_, key, reading) in &self.readings {
            map.serialize_entry(key, &reading.nanoseconds())?;
        }
        let bounds = self.readings.iter().filter(|reading| matches!(reading.2, Reading::AtLeast(_)));
        map.serialize_entry("at_least", &bounds.map(|reading| reading.1).collect::<Vec<_>>())?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::recorder::histogram;

    const MS: u64 = 1_000_000;

    fn filled(values: impl IntoIterator<Item = u64>) -> Histogram<u64> {
        let mut filled = histogram();
        values.into_iter().for_each(|value| filled.saturating_record(value));
        filled
    }

    fn close_to(reading: Option<Reading>, expected_ns: u64) {
        let Some(Reading::Exact(value)) = reading else { panic!("{reading:?} is not exact") };
        assert!(value.abs_diff(expected_ns) <= expected_ns / 1000 + 1, "{value} for {expected_ns}");
    }

    /// Gil Tene's case: a second of 1 ms answers, a hundred seconds of stall, nothing left out.
    #[test]
    fn a_stall_shows_in_the_quantiles() {
        let quick = (0..10_000).map(|_| MS);
        let stalled = (1..=10_000).map(|step| step * 10 * MS);
        let samples = filled(quick.chain(stalled));
        let summary = Summary::of(&samples);
        close_to(summary.reading("p50"), MS);
        close_to(Some(quantile(&samples, &samples, 7_500)), 50_000 * MS);
        close_to(summary.reading("p99"), 98_000 * MS);
        close_to(summary.reading("max"), 100_000 * MS);
        let mean = summary.reading("mean").unwrap().nanoseconds().unwrap();
        assert!(mean.abs_diff(25_003 * MS) < 25 * MS, "{mean}");
    }

    #[test]
    fn a_quantile_with_fewer_than_ten_samples_beyond_is_not_told() {
        let told = |count| Summary::of(&filled(1..=count)).reading("p99").unwrap();
        assert_eq!(told(999), Reading::Needs(1000));
        assert_eq!(told(1000), Reading::Exact(990));
        let needs: Vec<_> = Summary::of(&histogram()).readings().map(|(_, reading)| reading).collect();
        assert_eq!(needs, [1, 20, 100, 1000, 10_000, 100_000, 1].map(Reading::Needs));
    }

    #[test]
    fn unanswered_requests_bound_the_quantiles_they_could_move_and_no_others() {
        // 980 answers of 1 ms and 20 requests that waited 5 s in vain.
        let summary =
            Summary::bounded(&filled((0..980).map(|_| 1000)), &filled((0..20).map(|_| 5_000_000_000)));
        assert_eq!((summary.samples, summary.lower_bounds), (980, 20));
        assert_eq!(summary.reading("p90"), Some(Reading::Exact(1000)));
        assert!(matches!(summary.reading("p99"), Some(Reading::AtLeast(value)) if value >= 4_990_000_000));
        assert!(matches!(summary.reading("max"), Some(Reading::AtLeast(_))));
        assert!(matches!(summary.reading("mean"), Some(Reading::AtLeast(_))));
    }

    #[test]
    fn a_bound_below_the_quantile_still_makes_it_uncertain() {
        // Ranks 1 to 1000 in steps; one request is known to exceed 1 only, so it may belong anywhere above.
        let summary = Summary::bounded(&filled((1..1000).map(|step| step * 1_000_000)), &filled([1]));
        assert!(matches!(summary.reading("p50"), Some(Reading::AtLeast(_))));
        // Where many share the value, one more on either side does not move it.
        let summary = Summary::bounded(&filled((1..1000).map(|_| 7)), &filled([1]));
        assert_eq!(summary.reading("p50"), Some(Reading::Exact(7)));
    }

    #[test]
    fn json_names_the_unit_and_marks_what_is_a_bound() {
        let summary = Summary::bounded(&filled((0..100).map(|_| 1000)), &filled([2000]));
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(json["p50_ns"], 1000);
        assert_eq!(json["p99_ns"], serde_json::Value::Null);
        assert_eq!(json["at_least"], serde_json::json!(["mean_ns", "max_ns"]));
    }
}
