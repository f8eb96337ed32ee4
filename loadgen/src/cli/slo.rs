//! `ringload slo`: the objective, the request, and what the search shows on its way.

use std::time::Duration;

use clap::Args;
use ringload::Error;
use ringload::plan::{LoadWords, duration};
use ringload::slo::objective::Objective;
use ringload::slo::search::{Bounds, Conclusion};
use ringload::slo::{Found, Quest, Run, lowest_rate, seek};

use crate::cli::plan::AskOptions;
use crate::cli::terminal::{print, print_line, stop_on_signal};
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  ringload slo --p99 20ms http://127.0.0.1:8080/hello
  ringload slo --p50 2ms --p99 20ms --p999 50ms --errors 0.01% --duration 10s http://localhost:8080/
  ringload slo --p99 5ms --first 5000 --highest 40000 --pin 0 http://localhost:8080/

Of a scenario, its load, duration and warm-up do not count here. A rate is refused by its second run that misses, and the answer is what held in --confirm more runs. A run
whose median rises all through it has missed: its queue grows. Runs are made as long as the quantiles need.";

pub(super) fn help() -> String {
    let exits = [Exit::ClientLimited, Exit::SloNever, Exit::SloDidNotHold, Exit::Interrupted];
    format!("{EXAMPLES}\n\n{}", Exit::help_of("a rate was found, and held", &exits))
}

#[derive(Debug, Args)]
pub(super) struct SloOptions {
    #[command(flatten)]
    ask: AskOptions,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    range: Range,
    /// How long a run is measured; longer where the quantiles need it.
    #[arg(short, long, value_parser = duration, default_value = "5s")]
    duration: Duration,
    /// How long the same load runs before that, uncounted.
    #[arg(short, long, value_parser = duration, default_value = "1s")]
    warmup: Duration,
    /// The rest between two runs.
    #[arg(long, value_parser = duration, default_value = "500ms")]
    pause: Duration,
    /// Print the answer and every run as one JSON object, durations in nanoseconds.
    #[arg(long)]
    json: bool,
}

/// The objective.
#[derive(Debug, Args)]
#[group(required = true, multiple = true, args = ["p50", "p90", "p99", "p999", "p9999"])]
struct Limits {
    /// The longest median of the response time.
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    p50: Option<Duration>,
    /// The longest 90th percentile.
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    p90: Option<Duration>,
    /// The longest 99th percentile.
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    p99: Option<Duration>,
    /// The longest 99.9th percentile.
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    p999: Option<Duration>,
    /// The longest 99.99th percentile.
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    p9999: Option<Duration>,
    /// The largest part of the requests that may fail or stay unanswered.
    #[arg(long, value_parser = percent, value_name = "PERCENT", default_value = "0.1%")]
    errors: f64,
}

/// Where to look.
#[derive(Debug, Args)]
struct Range {
    /// The rate to begin with, in requests per second.
    #[arg(long, value_name = "RATE", default_value_t = 1000)]
    first: u64,
    /// The lowest rate worth trying [default: the lowest that may be given, at which a run of a minute, or of --duration, has answers enough for the quantiles].
    #[arg(long, value_name = "RATE")]
    lowest: Option<u64>,
    /// The highest rate that may be tried.
    #[arg(long, value_name = "RATE", default_value_t = 1_000_000)]
    highest: u64,
    /// How far above the answer the lowest rate that misses may be.
    #[arg(long, value_parser = percent, value_name = "PERCENT", default_value = "5%")]
    resolution: f64,
    /// Further runs in which the answer has to hold.
    #[arg(long, value_name = "TIMES", default_value_t = 3)]
    confirm: u32,
}

impl SloOptions {
    /// Searches, showing each run, and prints the answer.
    pub(super) fn run(&self) -> Result<Exit, Error> {
        let quest = self.quest()?;
        let stop = stop_on_signal().map_err(Error::Loop)?;
        self.show(&format!("{}: {}", self.ask.words(&quest.plan), quest.objective));
        let found = seek(&quest, &stop, |run: &Run| self.show(&run.to_string()))?;
        print(&found, self.json).map_err(Error::Output)?;
        Ok(exit(&found))
    }

    /// A line on the way; not between the braces of an object.
    fn show(&self, line: &str) {
        if !self.json {
            print_line(line);
        }
    }

    fn quest(&self) -> Result<Quest, Error> {
        let objective = self.limits.objective()?;
        let bounds = self.range.bounds(&objective, self.duration);
        let mut scenario = self.ask.scenario()?;
        scenario.load = LoadWords::default(); // each run has the rate that is being tried
        scenario.duration = Some(self.duration);
        scenario.rest.warmup = self.warmup;
        Ok(Quest { objective, bounds, plan: scenario.plan()?, pause: self.pause })
    }
}

impl Limits {
    fn objective(&self) -> Result<Objective, Error> {
        let limits = [
            ("p50", self.p50),
            ("p90", self.p90),
            ("p99", self.p99),
            ("p99.9", self.p999),
            ("p99.99", self.p9999),
        ];
        Objective::new(limits.into_iter().filter_map(|(name, limit)| Some((name, limit?))), self.errors)
    }
}

impl Range {
    fn bounds(&self, objective: &Objective, duration: Duration) -> Bounds {
        let lowest = self.lowest.unwrap_or_else(|| lowest_rate(objective, duration).min(self.highest));
        Bounds {
            first: self.first.clamp(lowest, self.highest.max(lowest)),
            lowest,
            highest: self.highest,
            resolution: self.resolution,
            confirmations: self.confirm,
        }
    }
}

/// A search that was stopped has no answer, and nobody to blame.
fn exit(found: &Found) -> Exit {
    match found.answer.map(|answer| answer.conclusion) {
        Some(Conclusion::Found | Conclusion::AtLeast) => Exit::Good,
        Some(Conclusion::Never) => Exit::SloNever,
        Some(Conclusion::GeneratorOnly) => Exit::ClientLimited,
        Some(Conclusion::DidNotHold) => Exit::SloDidNotHold,
        None => Exit::Interrupted,
    }
}

/// A number and `%`, as a part of 1.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').map(str::trim).and_then(|number| number.parse::<f64>().ok());
    number
        .filter(|number| (0.0..=100.0).contains(number))
        .map(|number| number / 100.0)
        .ok_or_else(|| format!("`{text}` is no percentage; write for example 0.1%"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: SloOptions,
    }

    fn quest(arguments: &[&str]) -> Result<Quest, String> {
        let line =
            Line::try_parse_from(["slo"].iter().chain(arguments)).map_err(|error| error.to_string())?;
        line.options.quest().map_err(|error| error.to_string())
    }

    #[test]
    fn objectives_combine() {
        let quest = quest(&["--p99", "20ms", "--p999", "1s", "--errors", "0.5%", "http://h/"]).unwrap();
        assert_eq!(quest.objective.to_string(), "p99 <= 20.0 ms, p99.9 <= 1.00 s, errors <= 0.500 %");
        assert_eq!(quest.bounds.lowest, 184, "11,000 answers in a minute");
        assert_eq!((quest.bounds.first, quest.bounds.confirmations), (1000, 3));
    }

    #[test]
    fn every_mistake_is_named() {
        assert!(quest(&["http://h/"]).unwrap_err().contains("--p99"));
        assert!(quest(&["--p99", "20", "http://h/"]).unwrap_err().contains("unit"));
        assert!(quest(&["--p99", "0s", "http://h/"]).unwrap_err().contains("above zero"));
        assert!(quest(&["--p99", "1s", "--errors", "5", "http://h/"]).unwrap_err().contains("0.1%"));
        assert!(quest(&["--p99", "1s", "https://h/"]).unwrap_err().contains("https"));
        assert!(quest(&["--p99", "1s"]).unwrap_err().contains("URL"));
    }

    #[test]
    fn percentages_are_parts_of_one() {
        assert_eq!(percent("0.1%"), Ok(0.001));
        assert_eq!(percent("100 %"), Ok(1.0));
        for wrong in ["0.1", "%", "-1%", "101%", "nan%"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }
}
