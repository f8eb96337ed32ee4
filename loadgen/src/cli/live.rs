//! How a run looks while it goes on: two lines that change in place on a terminal, a line a second elsewhere. All of it
//! goes to standard error; standard output is the report's alone.

use std::io::{self, IsTerminal};
use std::time::Duration;

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ringload::plan::LONGEST;
use ringload::report::words;
use ringload::{Glimpse, Observer};
use serde::Serialize;

use crate::cli::terminal::say;

/// What is told at once: shorter glimpses are added up.
const STEP: Duration = Duration::from_secs(1);
const BAR: &str = "[{bar:40}] {msg}";
const SPINNER: &str = "{spinner} {msg}";

/// Where and how progress is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Progress {
    /// In place on a terminal, in lines elsewhere; in JSON lines with --json.
    Auto,
    /// A line a second.
    Lines,
    /// Not at all.
    Off,
}

/// An observer that tells what it sees.
pub(super) struct Live {
    face: Face,
    start: Duration,
    length: Duration,
    answered: u64,
    failed: u64,
    late: u64,
    response: Histogram<u64>,
}

enum Face {
    Bar(ProgressBar),
    Lines,
    Json,
    Nothing,
}

/// One line of progress in JSON.
#[derive(Serialize)]
struct Line {
    /// From the start of the measured part to the end of what the line is about.
    elapsed_ns: u64,
    answered_per_second: f64,
    failed: u64,
    late: u64,
    response_p50_ns: u64,
    response_p99_ns: u64,
    response_max_ns: u64,
}

impl Live {
    /// Of a run that is meant to measure for `duration`.
    pub(super) fn new(progress: Progress, as_json: bool, duration: Duration) -> Live {
        let face = match progress {
            Progress::Off => Face::Nothing,
            _ if as_json => Face::Json,
            Progress::Auto if io::stderr().is_terminal() => Face::Bar(bar(duration)),
            _ => Face::Lines,
        };
        let response = Histogram::new(3).expect("three digits are valid");
        Live {
            face,
            start: Duration::ZERO,
            length: Duration::ZERO,
            answered: 0,
            failed: 0,
            late: 0,
            response,
        }
    }

    fn tell(&self) {
        let elapsed = self.start + self.length;
        match &self.face {
            Face::Bar(bar) => {
                bar.set_position(elapsed.as_millis() as u64);
                bar.set_message(format!("{:.0} s\n{}", elapsed.as_secs_f64(), self.words()));
            }
            Face::Lines => say(&format!("{:>6.0} s  {}", elapsed.as_secs_f64(), self.words())),
            Face::Json => say(&serde_json::to_string(&self.line(elapsed)).unwrap_or_default()),
            Face::Nothing => {}
        }
    }

    fn rate(&self) -> f64 {
        self.answered as f64 / self.length.as_secs_f64()
    }

    fn words(&self) -> String {
        let quantile = |quantile| match self.answered {
            0 => "-".to_owned(),
            _ => words(self.response.value_at_quantile(quantile)),
        };
        format!(
            "{:>9.0}/s  p50 {:>8}  p99 {:>8}  max {:>8}  {} failed  {} late",
            self.rate(),
            quantile(0.5),
            quantile(0.99),
            quantile(1.0),
            self.failed,
            self.late
        )
    }

    fn line(&self, elapsed: Duration) -> Line {
        Line {
            elapsed_ns: elapsed.as_nanos() as u64,
            answered_per_second: self.rate(),
            failed: self.failed,
            late: self.late,
            response_p50_ns: self.response.value_at_quantile(0.5),
            response_p99_ns: self.response.value_at_quantile(0.99),
            response_max_ns: self.response.max(),
        }
    }

    fn clear(&mut self) {
        self.start += std::mem::take(&mut self.length);
        (self.answered, self.failed, self.late) = (0, 0, 0);
        self.response.reset();
    }
}

/// A run whose end is not a matter of time has no bar to fill.
fn bar(duration: Duration) -> ProgressBar {
    let (length, template) = if duration < LONGEST { (Some(duration), BAR) } else { (None, SPINNER) };
    let target = ProgressDrawTarget::stderr();
    let bar = ProgressBar::with_draw_target(length.map(|length| length.as_millis() as u64), target);
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style.progress_chars("=> "))
}

impl Observer for Live {
    fn glimpse(&mut self, glimpse: &Glimpse<'_>) {
        self.length += glimpse.length;
        self.answered += glimpse.answered;
        self.failed += glimpse.failed;
        self.late += glimpse.late;
        let _ = self.response.add(glimpse.response); // it grows as needed
        if self.length >= STEP {
            self.tell();
            self.clear();
        }
    }
}

impl Drop for Live {
    /// The report takes its place.
    fn drop(&mut self) {
        if let Face::Bar(bar) = &self.face {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(values: &[u64]) -> Histogram<u64> {
        let mut histogram = Histogram::new(3).unwrap();
        values.iter().for_each(|&value| histogram.record(value).unwrap());
        histogram
    }

    #[test]
    fn glimpses_are_added_up_to_a_second() {
        let mut live = Live::new(Progress::Off, false, STEP);
        let (half, values) = (STEP / 2, response(&[1_000_000, 3_000_000]));
        let see = |live: &mut Live| {
            live.glimpse(&Glimpse {
                start: half,
                length: half,
                answered: 2,
                failed: 1,
                late: 0,
                response: &values,
            });
        };
        see(&mut live);
        assert_eq!(live.line(half).answered_per_second, 4.0);
        assert!(
            live.words().contains("p50  1.00 ms") && live.words().contains("1 failed"),
            "{}",
            live.words()
        );
        see(&mut live);
        assert_eq!((live.start, live.answered), (STEP, 0), "it was told, and begun anew");
    }
}
