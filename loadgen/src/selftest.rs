//! The instrument against itself: known queues are played on this machine, and what was measured is compared with the
//! answer on paper.
//!
//! Owns: the outcome. A case whose times are off while the machine was noisy says nothing of the instrument, and is told
//! as such; accounts that do not add up are a defect whatever the noise.
//! Assumes: the bundled mock keeps its queues to tens of microseconds. It shares the event loop's crate with the
//! generator and nothing else.

mod bench;
mod cases;
mod check;
mod paper;

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::record::recorder::nanoseconds;
use crate::record::summary::Summary;
use crate::report::table;
use crate::selftest::bench::Bench;
pub use crate::selftest::bench::Noise;
use crate::selftest::cases::{CASES, Played};
pub use crate::selftest::check::Check;
use crate::{Error, Load, Plan, Provenance, Report, Stop};

/// The form of the JSON object; it changes when a field changes its meaning or goes.
const FORMAT: u32 = 1;
/// Round trips for the instrument's floor.
const ROUND_TRIPS: u64 = 10_000;

/// How long the cases are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Under a minute in all: quantiles up to the p99 or p99.9, as far as the samples tell them.
    Quick,
    /// About five minutes: the lengths and quantiles of the literature.
    Full,
}

impl Scale {
    fn pick<T>(self, quick: T, full: T) -> T {
        match self {
            Scale::Quick => quick,
            Scale::Full => full,
        }
    }
}

/// What became of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything was as expected.
    Passed,
    /// It was not, and the machine does not explain it.
    Failed,
    /// Times were off, and so was the machine: nothing is known.
    MachineTooNoisy,
}

/// One case.
#[derive(Debug, Clone, Serialize)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// What became of it.
    pub outcome: Outcome,
    /// What disturbed it, if that is why nothing is known.
    pub reason: Option<String>,
    /// Every expectation.
    pub checks: Vec<Check>,
    /// What disturbed it, in numbers; nothing for a case without a run.
    pub noise: Option<Noise>,
    /// The run itself.
    #[serde(skip)]
    pub report: Option<Report>,
}

/// What the instrument cannot see below, here.
#[derive(Debug, Clone, Serialize)]
pub struct Floor {
    /// How late a pacer wakes that has nothing else to do.
    pub wake: Summary,
    /// Sending a request to the mock and having its answer, one at a time.
    pub round_trip: Summary,
}

/// What a self-test found.
#[derive(Debug, Clone, Serialize)]
pub struct SelfTest {
    /// Version of this form.
    pub format: u32,
    /// Where it was made.
    pub provenance: Provenance,
    /// How long the cases were.
    pub scale: Scale,
    /// What the instrument cannot see below.
    pub floor: Floor,
    /// Every case that was played, in order.
    pub cases: Vec<Case>,
    /// How long it took.
    pub elapsed_ns: u64,
}

/// What a self-test shows while it goes on.
pub trait Watch {
    /// The floor was measured.
    fn floor(&mut self, floor: &Floor);
    /// A case has ended.
    fn case(&mut self, case: &Case);
}

/// Plays every case of that scale; if stopped, those that had ended by then.
///
/// # Errors
/// No event loop works here, or a run could not begin.
pub fn run(scale: Scale, stop: &Stop, watch: &mut dyn Watch) -> Result<SelfTest, Error> {
    let began = Instant::now();
    let bench = Bench::new()?;
    let floor = Floor::measure(&bench, stop)?;
    watch.floor(&floor);
    let mut cases = Vec::new();
    for case in CASES {
        let played = (case.play)(&bench, scale, stop)?;
        if stop.is_stopped() {
            break; // what was cut short cannot be judged
        }
        let case = Case::new(case.name, played);
        watch.case(&case);
        cases.push(case);
    }
    let elapsed_ns = nanoseconds(began.elapsed());
    Ok(SelfTest { format: FORMAT, provenance: Provenance::now(), scale, floor, cases, elapsed_ns })
}

impl Floor {
    fn measure(bench: &Bench, stop: &Stop) -> Result<Floor, Error> {
        let one_at_a_time = Load::Closed { requests: Some(ROUND_TRIPS) };
        let change = |plan| Plan { connections: 1, ..plan };
        let (report, _) = bench.play("", one_at_a_time, change, stop)?;
        Ok(Floor { wake: bench.wakes()?, round_trip: report.latency.service })
    }
}

impl Case {
    fn new(name: &'static str, played: Played) -> Case {
        let Played { checks, noise, report } = played;
        let reason = noise.and_then(|noise| noise.reason());
        let outcome = judge(&checks, reason.is_some());
        let reason = reason.filter(|_| outcome == Outcome::MachineTooNoisy);
        Case { name, outcome, reason, checks, noise, report }
    }
}

fn judge(checks: &[Check], is_noisy: bool) -> Outcome {
    let failed: Vec<&Check> = checks.iter().filter(|check| !check.holds).collect();
    match failed.is_empty() {
        true => Outcome::Passed,
        false if is_noisy && failed.iter().all(|check| !check.is_exact) => Outcome::MachineTooNoisy,
        false => Outcome::Failed,
    }
}

impl SelfTest {
    /// The worst outcome of a case.
    pub fn outcome(&self) -> Outcome {
        let has = |outcome| self.cases.iter().any(|case| case.outcome == outcome);
        match (has(Outcome::Failed), has(Outcome::MachineTooNoisy)) {
            (true, _) => Outcome::Failed,
            (false, true) => Outcome::MachineTooNoisy,
            (false, false) => Outcome::Passed,
        }
    }

    /// Writes `selftest.json`, and each case's run under its name, into the folder, which is made if need be.
    ///
    /// # Errors
    /// What the file system says.
    pub fn save(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("selftest.json"), serde_json::to_vec_pretty(self)?)?;
        for case in &self.cases {
            if let Some(report) = &case.report {
                fs::write(folder.join(format!("{}.json", case.name)), serde_json::to_vec(report)?)?;
            }
        }
        Ok(())
    }
}

impl Display for Floor {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let told = |summary: &Summary, name| {
            let value = summary.reading(name).and_then(|reading| reading.nanoseconds());
            value.map_or("n/a".to_owned(), table::nanoseconds)
        };
        let [wake, trip] =
            [&self.wake, &self.round_trip].map(|summary| [told(summary, "p50"), told(summary, "p99")]);
        write!(f, "floor: an idle pacer wakes {} (p50), {} (p99) late; ", wake[0], wake[1])?;
        write!(f, "a round trip to the mock takes {} (p50), {} (p99)", trip[0], trip[1])
    }
}

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "FAILED",
            Outcome::MachineTooNoisy => "machine_too_noisy",
        };
        write!(f, "{}: {outcome}", self.name)?;
        if let Some(reason) = &self.reason {
            write!(f, ": {reason}")?;
        }
        self.checks.iter().try_for_each(|check| write!(f, "\n  {check}"))
    }
}

impl Display for SelfTest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names = |outcome| {
            let cases = self.cases.iter().filter(|case| case.outcome == outcome);
            cases.map(|case| case.name).collect::<Vec<_>>().join(", ")
        };
        let took = Duration::from_nanos(self.elapsed_ns).as_secs_f64();
        match self.outcome() {
            Outcome::Passed => writeln!(
                f,
                "\n{} of {} cases passed in {took:.0} s: percentiles and accounts of this instrument are right on this \
                 machine",
                self.cases.len(),
                CASES.len()
            ),
            Outcome::MachineTooNoisy => writeln!(
                f,
                "\nmachine_too_noisy ({}): stop what else runs and try again; ringload doctor says what disturbs",
                names(Outcome::MachineTooNoisy)
            ),
            Outcome::Failed => writeln!(
                f,
                "\nFAILED ({}): do not believe this instrument on this machine, and report this with --json",
                names(Outcome::Failed)
            ),
        }
    }
}

#[cfg(test)]
mod tests;
