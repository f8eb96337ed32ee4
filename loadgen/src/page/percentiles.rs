//! Latency by percentile: the curve of each run on an axis where every nine is as wide as the one before.
//!
//! Owns: how much of a curve may be believed. It is drawn faint where fewer than ten samples lie beyond, and dotted where
//! requests that stayed unanswered make it a lower bound.

use hdrhistogram::Histogram;

use super::axis::Axis;
use super::plot::{Line, Piece, Plot, Stop};
use super::{Exhibit, colour, coloured};
use crate::record::recorder::{add, histogram};
use crate::record::summary::BEYOND;
use crate::{Blob, Report, words};

/// Points of a curve, and stops of the plot, in each decade of the axis.
const POINTS: u32 = 40;
const STOPS: u32 = 16;

/// How a part of a curve is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Exact,
    LowerBound,
    Scarce,
}

impl Trust {
    fn class(self) -> &'static str {
        match self {
            Trust::Exact => "",
            Trust::LowerBound => "bound",
            Trust::Scarce => "scarce",
        }
    }
}

/// Values in order, with the number of samples up to each.
#[derive(Debug)]
struct Ranks(Vec<(u64, u64)>);

impl Ranks {
    fn of(histogram: &Histogram<u64>) -> Ranks {
        let mut seen = 0;
        let step = |bucket: hdrhistogram::iterators::IterationValue<u64>| {
            seen += bucket.count_since_last_iteration();
            (seen, bucket.value_iterated_to())
        };
        Ranks(histogram.iter_recorded().map(step).collect())
    }

    fn count(&self) -> u64 {
        self.0.last().map_or(0, |last| last.0)
    }

    /// The value of that rank, counted from 1.
    fn value(&self, rank: u64) -> Option<u64> {
        let index = self.0.partition_point(|(seen, _)| *seen < rank);
        self.0.get(index).map(|step| step.1)
    }
}

/// The distribution of one clock.
#[derive(Debug)]
struct Curve {
    /// With lower bounds in place of the values that are not known.
    lowest: Ranks,
    /// The known values alone.
    known: Ranks,
}

impl Curve {
    fn of(samples: &Histogram<u64>, bounds: &Histogram<u64>) -> Curve {
        let mut lowest = samples.clone();
        add(&mut lowest, bounds);
        Curve { lowest: Ranks::of(&lowest), known: Ranks::of(samples) }
    }

    /// The value at 1 / (1 - q) = `inverse`.
    fn at(&self, inverse: f64) -> Option<(u64, Trust)> {
        let count = self.lowest.count();
        let rank = ((count as f64 * (1.0 - 1.0 / inverse)).ceil() as u64).max(1);
        if inverse > count as f64 * 1.000_001 {
            return None;
        }
        let value = self.lowest.value(rank)?;
        let trust = match self.known.value(rank) == Some(value) {
            false => Trust::LowerBound,
            true if count - rank < BEYOND => Trust::Scarce,
            true => Trust::Exact,
        };
        Some((value, trust))
    }

    fn pieces(&self) -> Vec<Piece> {
        let mut pieces: Vec<(Trust, Vec<(f64, f64)>)> = Vec::new();
        let last = (self.lowest.count().max(1) as f64).log10();
        let inner = grid(POINTS).take_while(|inverse| inverse.log10() < last);
        for inverse in inner.chain([10_f64.powf(last)]) {
            let Some((value, trust)) = self.at(inverse) else { continue };
            let point = (inverse, value as f64);
            match pieces.last_mut() {
                Some((drawn, points)) if *drawn == trust => points.push(point),
                Some((_, points)) => {
                    let joint = points.last().copied();
                    pieces.push((trust, joint.into_iter().chain([point]).collect()));
                }
                None => pieces.push((trust, vec![point])),
            }
        }
        pieces.into_iter().map(|(trust, points)| Piece { class: trust.class(), points }).collect()
    }

    fn reading(&self, inverse: f64) -> Option<(f64, String)> {
        let (value, trust) = self.at(inverse)?;
        let text = match trust {
            Trust::Exact => words(value),
            Trust::LowerBound => format!("at least {}", words(value)),
            Trust::Scarce => format!("{} (fewer than {BEYOND} samples beyond)", words(value)),
        };
        Some((value as f64, text))
    }
}

/// Places at equal distances on the axis, from 0 % on.
fn grid(per_decade: u32) -> impl Iterator<Item = f64> {
    (0..).map(move |index: u32| 10_f64.powf(f64::from(index) / f64::from(per_decade)))
}

/// The curves of an exhibit with their names and strokes.
fn curves(run: &Report) -> Vec<(&'static str, Curve)> {
    let histograms = &run.histograms;
    let none = histogram();
    let response = ("response", Curve::of(&histograms.response.0, &histograms.unanswered.0));
    let service = || ("service", Curve::of(&histograms.service.0, &none));
    let all = if run.setting.is_open { vec![response, service()] } else { vec![response] };
    all.into_iter().filter(|(_, curve)| curve.lowest.count() > 0).collect()
}

/// A line, and how to read it at a stop.
struct Readable {
    line: Line,
    read: Box<dyn Fn(f64) -> Option<(f64, String)>>,
}

fn readable(index: usize, exhibit: &Exhibit) -> Vec<Readable> {
    match exhibit {
        Exhibit::Run { name, run } => {
            curves(run).into_iter().map(|(clock, curve)| of_curve(index, name, clock, curve)).collect()
        }
        Exhibit::Summary { name, summary } => vec![of_quantiles(index, name, &summary.quantiles)],
        Exhibit::Comparison { name, comparison } => {
            let sides = comparison.responses.iter().zip(["A", "B"]).enumerate();
            let of_side = |(side, (blob, letter)): (usize, (&Blob, &str))| {
                let curve = Curve::of(&blob.0, &histogram());
                of_curve(index + side, &format!("{name} {letter}"), "response", curve)
            };
            sides.map(of_side).collect()
        }
    }
}

fn of_curve(index: usize, name: &str, clock: &str, curve: Curve) -> Readable {
    let line = Line {
        class: format!("{} {clock}", colour(index)),
        name: format!("{name}, {clock}"),
        pieces: curve.pieces(),
    };
    Readable { line, read: Box::new(move |inverse| curve.reading(inverse)) }
}

/// Another program tells some quantiles; what lies between them is not known.
fn of_quantiles(index: usize, name: &str, quantiles: &[(f64, u64)]) -> Readable {
    let told = quantiles.iter().filter(|(quantile, _)| *quantile < 1.0);
    let points: Vec<(f64, f64)> =
        told.map(|(quantile, value)| (1.0 / (1.0 - quantile), *value as f64)).collect();
    let line = Line {
        class: format!("{} response", colour(index)),
        name: name.to_owned(),
        pieces: vec![Piece { class: "told", points: points.clone() }],
    };
    let near = move |inverse: f64| {
        let is_near = |point: &&(f64, f64)| (point.0 / inverse).ln().abs() < 0.02;
        points.iter().find(is_near).map(|point| (point.1, words(point.1 as u64)))
    };
    Readable { line, read: Box::new(near) }
}

/// The plot of all exhibits; nothing if none of them has a value.
pub(super) fn plot(exhibits: &[Exhibit]) -> Option<Plot> {
    let all: Vec<Readable> =
        coloured(exhibits).flat_map(|(index, exhibit)| readable(index, exhibit)).collect();
    let points = || all.iter().flat_map(|one| &one.line.pieces).flat_map(|piece| &piece.points);
    let most = points().map(|point| point.0).reduce(f64::max)?;
    let low = points().map(|point| point.1).reduce(f64::min)?;
    let high = points().map(|point| point.1).reduce(f64::max)?;
    let stop = |inverse: f64| Stop {
        x: inverse,
        heading: heading(inverse),
        readings: all.iter().map(|one| (one.read)(inverse)).collect(),
    };
    let stops = places(most).into_iter().map(stop).collect();
    Some(Plot {
        description: "Latency by percentile. The same numbers are in the table below.".to_owned(),
        x: Axis::quantiles(most.round() as u64),
        y: Axis::latency(low as u64, high as u64),
        height: 420.0,
        lines: all.into_iter().map(|one| one.line).collect(),
        stops,
    })
}

/// Quantiles people ask for, for the table and exactly at a stop.
const ASKED: [f64; 4] = [0.5, 0.75, 0.9, 0.95];

/// Where to stop: a grid, and every quantile people ask for in place of its nearest neighbours.
fn places(most: f64) -> Vec<f64> {
    let asked = asked(most);
    let is_free =
        |place: &f64| asked.iter().all(|asked| (place / asked).log10().abs() > 0.6 / f64::from(STOPS));
    let mut places: Vec<f64> = grid(STOPS).take_while(|place| *place <= most).filter(is_free).collect();
    places.extend(asked);
    places.sort_by(f64::total_cmp);
    places
}

/// As 1 / (1 - q): 50, 75, 90, 95, 99, 99.5, 99.9 % and so on.
fn asked(most: f64) -> Vec<f64> {
    let nines = (2..).flat_map(|nines| [1.0, 2.0].map(|half| half * 10_f64.powi(nines)));
    let all = ASKED.into_iter().map(|quantile| 1.0 / (1.0 - quantile)).chain(nines);
    all.map(|place| (place * 1e6).round() / 1e6).take_while(|place| *place <= most).collect()
}

/// `99.9 %`, with as many decimals as tell it from its neighbours.
fn heading(inverse: f64) -> String {
    let decimals = inverse.log10().floor().max(0.0) as usize + 1;
    let text = format!("{:.decimals$}", 100.0 * (1.0 - 1.0 / inverse));
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The table beside the plot: heading and cells of each row.
pub(super) fn rows(plot: &Plot) -> Vec<(String, Vec<String>)> {
    let most = plot.stops.last().map_or(0.0, |stop| stop.x);
    let asked = asked(most);
    let is_asked = |stop: &&Stop| asked.iter().any(|asked| (asked - stop.x).abs() < 1e-9);
    plot.stops.iter().filter(is_asked).map(super::tables::row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(values: impl IntoIterator<Item = u64>) -> Histogram<u64> {
        let mut filled = histogram();
        values.into_iter().for_each(|value| filled.saturating_record(value));
        filled
    }

    #[test]
    fn a_curve_goes_from_the_least_value_to_the_greatest() {
        let curve = Curve::of(&filled(1..=1000), &histogram());
        assert_eq!(curve.at(1.0), Some((1, Trust::Exact)));
        assert_eq!(curve.at(2.0), Some((500, Trust::Exact)));
        assert_eq!(curve.at(100.0), Some((990, Trust::Exact)));
        assert_eq!(curve.at(1000.0), Some((999, Trust::Scarce)));
        assert_eq!(curve.at(1001.0), None);
    }

    #[test]
    fn a_tail_of_fewer_than_ten_samples_is_faint_and_one_of_unanswered_requests_a_bound() {
        let classes = |curve: Curve| curve.pieces().iter().map(|piece| piece.class).collect::<Vec<_>>();
        assert_eq!(classes(Curve::of(&filled(1..=1000), &histogram())), ["", "scarce"]);
        let bounded = Curve::of(&filled((0..990).map(|_| 7)), &filled((0..10).map(|_| 5000)));
        assert_eq!(classes(bounded), ["", "bound"]);
        assert!(Curve::of(&histogram(), &histogram()).pieces().is_empty());
    }

    #[test]
    fn pieces_of_a_line_meet() {
        let pieces = Curve::of(&filled(1..=1000), &histogram()).pieces();
        assert_eq!(pieces[0].points.last(), pieces[1].points.first());
    }

    #[test]
    fn headings_have_the_decimals_they_need() {
        let heads: Vec<String> = [1.0, 2.0, 4.0, 10.0, 100.0, 200.0, 1000.0, 1e5].map(heading).into();
        assert_eq!(heads, ["0 %", "50 %", "75 %", "90 %", "99 %", "99.5 %", "99.9 %", "99.999 %"]);
    }
}
