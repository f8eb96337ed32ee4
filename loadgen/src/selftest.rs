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
mod quiet;

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
use crate::selftest::cases::{CASES, Played, Stage};
pub use crate::selftest::check::Check;
use crate::selftest::check::reading;
use crate::{Error, Load, Plan, Provenance, Report, Schedule, Stop};

/// The form of the JSON object; it changes when a field changes its meaning or goes.
const FORMAT: u32 = 1;
/// Round trips for the instrument's floor: rarely enough that both sides sleep in between, as they do in the cases, and
/// enough for a p99.
const ROUND_TRIPS_PER_SECOND: u64 = 500;
const ROUND_TRIPS: Duration = Duration::from_millis(2500);
/// By how much the floor may move: a third of the strictest tolerance that it is added to, Lindley's median of 150 us.
const FLOOR_MOVED: Duration = Duration::from_micros(50);

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
    /// Sending a request to the mock and having its answer, 500 times a second.
    pub round_trip: Summary,
    /// Whether idle cores were kept from sleeping and other threads from going first, here and in all cases; root may do that.
    pub machine_kept_quiet: bool,
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

/// The names of all cases, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|case| case.name)
}

/// Plays the cases named in `only`, or all of them if it is empty; if stopped, those that had ended by then.
///
/// # Errors
/// No case has that name, no event loop works here, or a run could not begin.
pub fn run(scale: Scale, only: &[String], stop: &Stop, watch: &mut dyn Watch) -> Result<SelfTest, Error> {
    let began = Instant::now();
    if let Some(unknown) = only.iter().find(|only| !names().any(|name| name == *only)) {
        let names = names().collect::<Vec<_>>().join(", ");
        return Err(Error::Plan(format!("there is no case `{unknown}`; there are {names}")));
    }
    let bench = Bench::new()?;
    let floor = Floor::measure(&bench, stop)?;
    watch.floor(&floor);
    let [round_trip, wake] = floor.medians();
    let spread = reading(&floor.round_trip, "p99").unwrap_or_default().saturating_sub(round_trip);
    let floor_of_service = round_trip + wake;
    let stage = Stage {
        bench: &bench,
        scale,
        floor: floor_of_service,
        response_floor: floor_of_service + wake,
        spread,
        stop,
    };
    let mut cases = Vec::new();
    for case in CASES.iter().filter(|case| only.is_empty() || only.iter().any(|only| only == case.name)) {
        let played = (case.play)(&stage)?;
        if stop.is_stopped() {
            break; // what was cut short cannot be judged
        }
        let mut case = Case::new(case.name, played);
        if case.outcome == Outcome::Failed
            && let Some(reason) = floor.moved(&Floor::measure(&bench, stop)?)
        {
            case.excuse(reason);
        }
        watch.case(&case);
        cases.push(case);
    }
    let elapsed_ns = nanoseconds(began.elapsed());
    Ok(SelfTest { format: FORMAT, provenance: Provenance::now(), scale, floor, cases, elapsed_ns })
}

impl Floor {
    fn measure(bench: &Bench, stop: &Stop) -> Result<Floor, Error> {
        let load = Load::Open { schedule: Schedule::constant(ROUND_TRIPS_PER_SECOND)? };
        let change = |plan| Plan { duration: ROUND_TRIPS, connections: 8, ..plan };
        let (report, _) = bench.play("", load, change, stop)?;
        Ok(Floor {
            wake: bench.wakes()?,
            round_trip: report.latency.service,
            machine_kept_quiet: bench.is_quiet(),
        })
    }

    /// Why the times of a case are not comparable with answers on paper to which this floor was added, if it is another one
    /// by now.
    fn moved(&self, now: &Floor) -> Option<String> {
        let [before, after] = [self, now].map(|floor| floor.medians().iter().sum::<Duration>());
        (before.abs_diff(after) > FLOOR_MOVED).then(|| {
            format!("a round trip and a wake-up took {before:.0?} at the start and {after:.0?} just now")
        })
    }

    /// The medians of the round trip and of a wake-up; nothing where there are none.
    fn medians(&self) -> [Duration; 2] {
        [&self.round_trip, &self.wake].map(|summary| reading(summary, "p50").unwrap_or_default())
    }
}

impl Case {
    fn new(name: &'static str, played: Played) -> Case {
        let Played { checks, noise, excuse, report } = played;
        let outcome = judge(&checks, excuse.is_some());
        let reason = excuse.filter(|_| outcome == Outcome::MachineTooNoisy);
        Case { name, outcome, reason, checks, noise, report }
    }

    /// Takes a failure back if it is of times only, of which nothing is known then.
    fn excuse(&mut self, reason: String) {
        self.outcome = judge(&self.checks, true);
        self.reason = Some(reason).filter(|_| self.outcome == Outcome::MachineTooNoisy);
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
        write!(f, "a round trip to the mock takes {} (p50), {} (p99); ", trip[0], trip[1])?;
        f.write_str(match self.machine_kept_quiet {
            true => "cores are kept awake and others wait",
            false => "cores may sleep and others go first (root can prevent it)",
        })
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
                "\npassed, {} of {} cases in {took:.0} s: here this instrument's percentiles and accounts are right",
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
