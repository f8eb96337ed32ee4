//! Quantiles of one clock, with what is honest to say about each.
//!
//! Owns: two rules. A quantile with fewer than [`BEYOND`] samples beyond it is not told. Where requests stayed
//! unanswered, each is only known to be longer than its bound: a quantile is computed with the bounds in place of the
//! values, and again with the unanswered at infinity; where the two differ, the truth lies between them and the first
//! is reported as a lower bound. Beside each quantile stands its interval by order statistics: the ranks between which
//! the true quantile lies with 95 % probability, whatever the distribution, if samples are independent (David and
//! Nagaraja, Order Statistics, section 7.1). Samples of one run seldom are: the interval is the least that must be doubted.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::record::recorder::add;

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
const MEAN: &str = "mean";
const MAX: &str = "max";
const WHOLE: u64 = 10_000;
/// Standard deviations that hold 95 % of a normal distribution.
const NINETY_FIVE: f64 = 1.959_964;

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

/// One line of a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    name: &'static str,
    reading: Reading,
    /// Lowest and highest value that the true quantile has with 95 % probability, in nanoseconds.
    interval: Option<(u64, u64)>,
}

/// Mean, quantiles and maximum of one clock. Values are kept to one part in a thousand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Values measured.
    pub samples: u64,
    /// Requests of which only a lower bound is known.
    pub lower_bounds: u64,
    rows: Vec<Row>,
}

impl Summary {
    /// Of a clock that misses nothing.
    pub(crate) fn of(samples: &Histogram<u64>) -> Summary {
        Summary::bounded(samples, &crate::record::recorder::histogram())
    }

    /// Of a clock some of whose values are only known to exceed the given bounds.
    pub(crate) fn bounded(samples: &Histogram<u64>, bounds: &Histogram<u64>) -> Summary {
        let mut lowest = samples.clone();
        add(&mut lowest, bounds);
        let whole = |name, value: u64| {
            let reading = match (lowest.len(), bounds.len()) {
                (0, _) => Reading::Needs(1),
                (_, 0) => Reading::Exact(value),
                _ => Reading::AtLeast(value),
            };
            Row { name, reading, interval: None }
        };
        let mut rows = vec![whole(MEAN, lowest.mean().round() as u64)];
        rows.extend(QUANTILES.map(|(name, _, parts)| quantile(name, samples, &lowest, parts)));
        rows.push(whole(MAX, lowest.max()));
        Summary { samples: samples.len(), lower_bounds: bounds.len(), rows }
    }

    /// The reading called `mean`, `p50`, `p90`, `p99`, `p99.9`, `p99.99` or `max`.
    pub fn reading(&self, name: &str) -> Option<Reading> {
        self.row(name).map(|row| row.reading)
    }

    /// Where the true quantile of that name lies with 95 % probability, in nanoseconds, if samples are independent; nothing
    /// where the quantile is not told, or its interval would need samples beyond the last.
    pub fn interval(&self, name: &str) -> Option<(u64, u64)> {
        self.row(name)?.interval
    }

    /// The names of all readings, in the order of the table.
    pub fn names() -> impl Iterator<Item = &'static str> {
        names().map(|row| row.0)
    }

    fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// All readings by name, in the order of the table.
    pub fn readings(&self) -> impl Iterator<Item = (&'static str, Reading)> {
        self.rows.iter().map(|row| (row.name, row.reading))
    }
}

fn quantile(name: &'static str, samples: &Histogram<u64>, lowest: &Histogram<u64>, parts: u64) -> Row {
    let count = lowest.len();
    let rank = rank(count, parts);
    if count - rank < BEYOND {
        return Row { name, reading: Reading::Needs(BEYOND * WHOLE / (WHOLE - parts)), interval: None };
    }
    let reading = match (value_at(samples, rank), value_at(lowest, rank)) {
        (Some(highest), Some(lowest)) if highest == lowest => Reading::Exact(lowest),
        (_, lowest) => Reading::AtLeast(lowest.unwrap_or(0)),
    };
    let (low, high) = ranks_around(count, parts);
    let interval = value_at(lowest, low).zip(value_at(samples, high));
    Row { name, reading, interval }
}

/// The ranks that enclose the true quantile with 95 % probability: the normal approximation of the binomial distribution,
/// good from [`BEYOND`] samples on either side.
fn ranks_around(count: u64, parts: u64) -> (u64, u64) {
    let share = parts as f64 / WHOLE as f64;
    let middle = count as f64 * share;
    let width = NINETY_FIVE * (count as f64 * share * (1.0 - share)).sqrt();
    ((middle - width).floor().max(1.0) as u64, (middle + width).ceil() as u64 + 1)
}

/// Which of `count` ordered values is the quantile: the first one with at least its share of the values up to it.
fn rank(count: u64, parts: u64) -> u64 {
    let rank = (u128::from(count) * u128::from(parts)).div_ceil(u128::from(WHOLE));
    u64::try_from(rank).unwrap_or(count)
}

/// The value of that rank, counted from 1. The crate's own quantiles go by floating point; ranks are whole numbers.
pub(crate) fn value_at(histogram: &Histogram<u64>, rank: u64) -> Option<u64> {
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
        for row in &self.rows {
            map.serialize_entry(key(row.name), &row.reading.nanoseconds())?;
        }
        let bounds = self.rows.iter().filter(|row| matches!(row.reading, Reading::AtLeast(_)));
        map.serialize_entry("at_least", &bounds.map(|row| key(row.name)).collect::<Vec<_>>())?;
        let intervals = self.rows.iter().filter_map(|row| Some((key(row.name), row.interval?)));
        map.serialize_entry("intervals_ns", &intervals.collect::<BTreeMap<_, _>>())?;
        map.end()
    }
}

/// The fields of a summary in JSON, all but the readings.
#[derive(serde::Deserialize)]
struct Form {
    samples: u64,
    lower_bounds: u64,
    at_least: Vec<String>,
    intervals_ns: BTreeMap<String, (u64, u64)>,
    #[serde(flatten)]
    readings: BTreeMap<String, Option<u64>>,
}

impl<'de> Deserialize<'de> for Summary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Summary, D::Error> {
        let form = Form::deserialize(deserializer)?;
        let row = |(name, key, needs)| {
            let value = form.readings.get(key).ok_or_else(|| D::Error::missing_field(key))?;
            let reading = match value {
                Some(value) if form.at_least.iter().any(|bound| bound == key) => Reading::AtLeast(*value),
                Some(value) => Reading::Exact(*value),
                None => Reading::Needs(needs),
            };
            Ok(Row { name, reading, interval: form.intervals_ns.get(key).copied() })
        };
        let rows = names().map(row).collect::<Result<_, D::Error>>()?;
        Ok(Summary { samples: form.samples, lower_bounds: form.lower_bounds, rows })
    }
}

/// Name, key in JSON and samples needed of every reading.
fn names() -> impl Iterator<Item = (&'static str, &'static str, u64)> {
    let quantiles = QUANTILES.map(|(name, key, parts)| (name, key, BEYOND * WHOLE / (WHOLE - parts)));
    [(MEAN, "mean_ns", 1)].into_iter().chain(quantiles).chain([(MAX, "max_ns", 1)])
}

fn key(name: &str) -> &'static str {
    names().find(|row| row.0 == name).map_or("", |row| row.1)
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
        close_to(Some(quantile("p75", &samples, &samples, 7_500).reading), 50_000 * MS);
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

    #[test]
    fn json_read_back_is_the_same_summary() {
        for (samples, bounds) in [(0, 0), (100, 1), (2000, 0), (2000, 300)] {
            let summary =
                Summary::bounded(&filled((0..samples).map(|k| k * 1000)), &filled((0..bounds).map(|_| MS)));
            let json = serde_json::to_string(&summary).unwrap();
            assert_eq!(serde_json::from_str::<Summary>(&json).unwrap(), summary);
        }
    }

    #[test]
    fn a_quantile_has_the_interval_of_its_order_statistics() {
        // 10,000 values 1 to 10,000: for the median 1.96 * sqrt(10,000 / 4) = 98 ranks on each side.
        let summary = Summary::of(&filled(1..=10_000));
        let (low, high) = summary.interval("p50").unwrap();
        assert!(low.abs_diff(4_902) <= 8 && high.abs_diff(5_099) <= 8, "{low} to {high}"); // buckets are 4 to 8 wide
        assert_eq!(summary.interval("p99.99"), None);
        assert_eq!(summary.interval("max"), None);
    }
}
