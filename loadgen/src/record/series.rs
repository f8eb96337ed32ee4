//! A run over time, in rows of equal length whose number is bounded however long the run is.
//!
//! Owns: the folding of rows. When [`ROWS`] are full, each two neighbours become one, and rows are twice as long from then
//! on. Quantiles cannot be averaged, so a row keeps a histogram of two significant digits; all of them are made at the
//! start, and touched, so that memory is the same in the first minute and in the tenth.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::record::beat::Beat;
use crate::record::recorder::{LONGEST_NS, nanoseconds};
use crate::record::summary::value_at;

/// Most rows: enough for a curve, and a minute of 1 s beats beside another.
pub(crate) const ROWS: usize = 120;
/// Shortest response time told apart here, in nanoseconds, and digits: 13 KiB a row.
const SHORTEST_NS: u64 = 1000;
const DIGITS: u8 = 2;

/// One row: what came back in a part of the run. Durations in nanoseconds, to two significant digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// From the start of the measured part.
    pub start_ns: u64,
    /// How long it was.
    pub length_ns: u64,
    /// Requests answered in full.
    pub answered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests that the generator sent too late.
    pub late: u64,
    /// Median response time; nothing without answers.
    pub response_p50_ns: Option<u64>,
    /// 99th percentile of the response times, of however few there are.
    pub response_p99_ns: Option<u64>,
    /// Longest response time.
    pub response_max_ns: Option<u64>,
}

#[derive(Debug)]
struct Row {
    answered: u64,
    failed: u64,
    late: u64,
    response: Histogram<u64>,
}

impl Row {
    fn new() -> Row {
        let mut response =
            Histogram::new_with_bounds(SHORTEST_NS, LONGEST_NS, DIGITS).expect("constant bounds are valid");
        response.reset(); // writes every page
        Row { answered: 0, failed: 0, late: 0, response }
    }

    fn add(&mut self, beat: &Beat) {
        self.answered += beat.answered;
        self.failed += beat.failed;
        self.late += beat.late;
        for value in beat.response.iter_recorded() {
            self.response.saturating_record_n(value.value_iterated_to(), value.count_at_value());
        }
    }

    fn take(&mut self, other: &mut Row) {
        self.answered += std::mem::take(&mut other.answered);
        self.failed += std::mem::take(&mut other.failed);
        self.late += std::mem::take(&mut other.late);
        self.response.add(&other.response).expect("histograms of equal bounds add");
        other.response.reset();
    }
}

/// The rows of a run that is going on.
#[derive(Debug)]
pub(crate) struct Series {
    beat: Duration,
    /// Beats in a full row: a power of two.
    beats_in_row: usize,
    beats: usize,
    rows: Vec<Row>,
}

impl Series {
    pub(crate) fn new(beat: Duration) -> Series {
        Series { beat, beats_in_row: 1, beats: 0, rows: (0..ROWS).map(|_| Row::new()).collect() }
    }

    pub(crate) fn push(&mut self, beat: &Beat) {
        if self.beats == ROWS * self.beats_in_row {
            self.fold();
        }
        self.rows[self.beats / self.beats_in_row].add(beat);
        self.beats += 1;
    }

    fn fold(&mut self) {
        for row in 0..ROWS / 2 {
            let (front, back) = self.rows.split_at_mut(2 * row + 1);
            front[2 * row].take(&mut back[0]);
            self.rows.swap(row, 2 * row);
        }
        self.beats_in_row *= 2;
    }

    /// The rows of a run that measured for `elapsed`: the last one ends with it.
    pub(crate) fn intervals(&self, elapsed: Duration) -> Vec<Interval> {
        let length = self.beat * self.beats_in_row as u32;
        let used = self.rows.iter().take(self.beats.div_ceil(self.beats_in_row));
        let last = self.beats.div_ceil(self.beats_in_row).saturating_sub(1);
        used.zip(0..)
            .map(|(row, index)| {
                let start = length * index;
                let length = if index as usize == last { elapsed.saturating_sub(start) } else { length };
                row.interval(start, length)
            })
            .collect()
    }
}

impl Row {
    fn interval(&self, start: Duration, length: Duration) -> Interval {
        let quantile =
            |percent: u64| value_at(&self.response, (self.response.len() * percent).div_ceil(100).max(1));
        Interval {
            start_ns: nanoseconds(start),
            length_ns: nanoseconds(length),
            answered: self.answered,
            failed: self.failed,
            late: self.late,
            response_p50_ns: quantile(50),
            response_p99_ns: quantile(99),
            response_max_ns: quantile(100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::census::Outcome;

    const SECOND: Duration = Duration::from_secs(1);

    /// Beat `number` has as many answers as its number, each of that many milliseconds.
    fn played(beats: u64) -> Series {
        let mut series = Series::new(SECOND);
        for number in 1..=beats {
            let mut beat = Beat::new();
            (0..number).for_each(|_| beat.answered(number * 1_000_000, Outcome::Ok));
            series.push(&beat);
        }
        series
    }

    #[test]
    fn a_short_run_has_a_row_for_each_beat_and_the_last_ends_with_the_run() {
        let rows = played(3).intervals(Duration::from_millis(2500));
        let told: Vec<_> = rows.iter().map(|row| (row.start_ns, row.length_ns, row.answered)).collect();
        assert_eq!(
            told,
            [(0, 1_000_000_000, 1), (1_000_000_000, 1_000_000_000, 2), (2_000_000_000, 500_000_000, 3)]
        );
        let p50 = rows[2].response_p50_ns.unwrap();
        assert!(p50.abs_diff(3_000_000) < 30_000, "{p50}");
    }

    #[test]
    fn rows_that_are_full_are_folded_and_nothing_is_lost() {
        for beats in [120, 121, 239, 240, 241, 1000] {
            let rows = played(beats).intervals(SECOND * beats as u32);
            assert!(rows.len() <= ROWS, "{beats}");
            assert_eq!(rows.iter().map(|row| row.answered).sum::<u64>(), beats * (beats + 1) / 2, "{beats}");
            assert_eq!(rows.iter().map(|row| row.length_ns).sum::<u64>(), beats * 1_000_000_000, "{beats}");
        }
        let rows = played(240).intervals(SECOND * 240);
        assert_eq!((rows.len(), rows[0].answered, rows[119].answered), (120, 3, 479));
        assert!(rows[119].response_max_ns.unwrap().abs_diff(240_000_000) < 2_400_000);
    }
}
