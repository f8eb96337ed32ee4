//! A run over time: latency of each run in a plot of its own, and the throughput of all in one.
//!
//! Assumes: a row stands for the middle of its time. Plots of latency share both axes, so that runs can be compared by eye.

use super::axis::Axis;
use super::plot::{Line, Piece, Plot, Stop};
use super::{Exhibit, colour, coloured};
use crate::{Interval, Report, words};

type Value = fn(&Interval) -> Option<u64>;

const LATENCIES: [(&str, Value); 3] = [
    ("max", |row| row.response_max_ns),
    ("p99", |row| row.response_p99_ns),
    ("p50", |row| row.response_p50_ns),
];
/// Stops, at most: rows may be more.
const STOPS: usize = 60;

/// The runs among the exhibits that tell rows, with their place among all.
fn runs(exhibits: &[Exhibit]) -> impl Iterator<Item = (usize, &str, &Report)> {
    coloured(exhibits).filter_map(|(index, exhibit)| match exhibit {
        Exhibit::Run { name, run } if !run.series.is_empty() => Some((index, name.as_str(), &**run)),
        _ => None,
    })
}

fn middle(row: &Interval) -> f64 {
    (row.start_ns as f64 + row.length_ns as f64 / 2.0) / 1e9
}

fn end(row: &Interval) -> f64 {
    (row.start_ns + row.length_ns) as f64 / 1e9
}

fn heading(row: &Interval) -> String {
    format!("{:.1} s to {:.1} s", row.start_ns as f64 / 1e9, end(row))
}

fn longest<'a>(rows: impl Iterator<Item = &'a Interval>) -> f64 {
    rows.map(end).fold(0.0, f64::max)
}

/// One plot of latency over time for each run, with its name.
pub(super) fn latencies(exhibits: &[Exhibit]) -> Vec<(String, Plot)> {
    let rows = || runs(exhibits).flat_map(|(_, _, run)| &run.series);
    let values = || rows().flat_map(|row| LATENCIES.iter().filter_map(move |(_, value)| value(row)));
    let (Some(low), Some(high)) = (values().min(), values().max()) else { return Vec::new() };
    let seconds = longest(rows());
    let plot = |(index, name, run): (usize, &str, &Report)| {
        let plot = Plot {
            description: format!(
                "Response time of {name} over time. The same numbers are in the table below."
            ),
            x: Axis::seconds(seconds),
            y: Axis::latency(low, high),
            height: 260.0,
            lines: LATENCIES.iter().map(|(name, value)| line(index, name, &run.series, *value)).collect(),
            stops: thinned(&run.series).map(stop).collect(),
        };
        (name.to_owned(), plot)
    };
    runs(exhibits).map(plot).collect()
}

fn thinned(rows: &[Interval]) -> impl Iterator<Item = &Interval> {
    rows.iter().step_by(rows.len().div_ceil(STOPS).max(1))
}

fn stop(row: &Interval) -> Stop {
    let reading = |value: &Value| value(row).map(|value| (value as f64, words(value)));
    Stop {
        x: middle(row),
        heading: heading(row),
        readings: LATENCIES.iter().map(|(_, value)| reading(value)).collect(),
    }
}

fn line(index: usize, name: &str, rows: &[Interval], value: Value) -> Line {
    let points = |rows: &[Interval]| {
        rows.iter().filter_map(|row| Some((middle(row), value(row)? as f64))).collect::<Vec<_>>()
    };
    let is_told = |a: &Interval, b: &Interval| value(a).is_some() && value(b).is_some();
    let pieces = rows.chunk_by(is_told).map(|rows| Piece { class: "", points: points(rows) });
    Line {
        class: format!("{} {name}", colour(index)),
        name: name.to_owned(),
        pieces: pieces.filter(|piece| !piece.points.is_empty()).collect(),
    }
}

/// Answers per second of every run; and failures, where there are any.
pub(super) fn throughput(exhibits: &[Exhibit]) -> Option<Plot> {
    let rates: Vec<Rate<'_>> =
        runs(exhibits).flat_map(|(index, name, run)| rates(index, name, run)).collect();
    let high = rates.iter().flat_map(Rate::points).map(|point| point.1).reduce(f64::max)?;
    let longest_run = rates.iter().map(|rate| rate.rows).max_by_key(|rows| rows.len())?;
    let stop = |row: &Interval| Stop {
        x: middle(row),
        heading: format!("at {:.1} s", middle(row)),
        readings: rates.iter().map(|rate| rate.near(middle(row))).collect(),
    };
    Some(Plot {
        description: "Answers per second over time. The same numbers are in the table below.".to_owned(),
        x: Axis::seconds(longest(rates.iter().flat_map(|rate| rate.rows))),
        y: Axis::rates(high),
        height: 260.0,
        stops: thinned(longest_run).map(stop).collect(),
        lines: rates.iter().map(Rate::line).collect(),
    })
}

/// A count of each row, per second.
struct Rate<'a> {
    class: String,
    name: String,
    rows: &'a [Interval],
    count: fn(&Interval) -> u64,
}

fn rates<'a>(index: usize, name: &str, run: &'a Report) -> Vec<Rate<'a>> {
    let rate = |what: &str, stroke: &str, count| Rate {
        class: format!("{} {stroke}", colour(index)),
        name: format!("{name}, {what}"),
        rows: &run.series,
        count,
    };
    let mut rates = vec![rate("answered", "response", |row| row.answered)];
    if run.series.iter().any(|row| row.failed > 0) {
        rates.push(rate("failed", "failed", |row| row.failed));
    }
    rates
}

impl Rate<'_> {
    fn of(&self, row: &Interval) -> f64 {
        (self.count)(row) as f64 * 1e9 / row.length_ns.max(1) as f64
    }

    fn points(&self) -> Vec<(f64, f64)> {
        self.rows.iter().map(|row| (middle(row), self.of(row))).collect()
    }

    fn line(&self) -> Line {
        let pieces = vec![Piece { class: "", points: self.points() }];
        Line { class: self.class.clone(), name: self.name.clone(), pieces }
    }

    /// The row that this second lies in.
    fn near(&self, second: f64) -> Option<(f64, String)> {
        let row = self.rows.iter().find(|row| row.start_ns as f64 / 1e9 <= second && second < end(row))?;
        let rate = self.of(row);
        Some((rate, format!("{rate:.0} /s")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(start: u64, p99: Option<u64>) -> Interval {
        Interval {
            start_ns: start * 1_000_000_000,
            length_ns: 1_000_000_000,
            answered: 10,
            failed: 0,
            late: 0,
            response_p50_ns: p99,
            response_p99_ns: p99,
            response_max_ns: p99,
        }
    }

    #[test]
    fn a_second_without_answers_is_a_gap_and_not_a_zero() {
        let rows = [row(0, Some(1)), row(1, Some(2)), row(2, None), row(3, Some(3))];
        let line = line(0, "p99", &rows, |row| row.response_p99_ns);
        let points: Vec<usize> = line.pieces.iter().map(|piece| piece.points.len()).collect();
        assert_eq!(points, [2, 1]);
        assert_eq!(line.pieces[0].points[0], (0.5, 1.0));
    }

    #[test]
    fn stops_are_few_enough_to_hit() {
        let rows: Vec<Interval> = (0..119).map(|start| row(start, None)).collect();
        assert_eq!(thinned(&rows).count(), 60);
        assert_eq!(thinned(&[]).count(), 0);
    }
}
