//! `ringload run`: the options, the plan they make, and the run.

use std::path::PathBuf;

use clap::Args;
use ringload::interchange::save::Folder;
use ringload::plan::{Assertion, Watched};
use ringload::{Error, Plan, Rung};

use crate::cli::live::{Live, Progress};
use crate::cli::plan::PlanOptions;
use crate::cli::terminal::{print, stop_on_signal};
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  ringmock --listen 127.0.0.1:8080 &
                            a server to try these on
  ringload run http://127.0.0.1:8080/hello
                            as fast as answers come, for 10 s
  ringload run --rate 2000 --duration 30s http://localhost:8080/
                            2000 requests/s, whatever comes back
  ringload run -r 500 9@http://localhost:8080/read 1@http://localhost:8080/write
                            nine of ten requests to /read
  ringload run --ramp 100..2000 --arrivals poisson --duration 60s http://localhost:8080/
                            callers at random, more and more of them
  ringload run --scenario loadgen/examples/mix.toml --server localhost:8080
                            requests of several kinds, from a file
  ringload run -m POST -H 'content-type: application/json' --body '{}' --expect-status 2xx,409 http://localhost:8080/
                            a request of your own, and what counts as a success

Ctrl-C, SIGTERM or SIGHUP ends the run early with its report; a second one ends it at once. Secrets (-H, --body, tokens, parameters
such as ?token=) are masked in all that is written.";

pub(super) fn help() -> String {
    let exits = [&Exit::OF_A_RUN[..], &[Exit::Interrupted]].concat();
    format!(
        "{EXAMPLES}\n\n{}",
        Exit::help_of("the run is valid and every request was answered as expected", &exits)
    )
}

#[derive(Debug, Args)]
pub(super) struct RunOptions {
    #[command(flatten)]
    plan: PlanOptions,
    /// Tell the CPU of these processes, and of all that they start, under this name; may be repeated.
    #[arg(long, value_name = "NAME=PID,...")]
    watch: Vec<Watched>,
    /// Fail by what was measured, such as p99<5ms, service.p99.9<20ms, errors<0.1%, throughput>1000; may be repeated.
    #[arg(long = "assert", value_name = "CONDITION")]
    assertions: Vec<Assertion>,
    /// Write the run into this folder: run.json (for report, merge and compare), run.hlog and run.hgrm.
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    /// What to tell on standard error while the run goes on.
    #[arg(long, value_name = "HOW", default_value = "auto")]
    progress: Progress,
    /// Print the report as one JSON object, durations in nanoseconds.
    #[arg(long)]
    json: bool,
}

impl RunOptions {
    /// Runs the plan and prints the report.
    pub(super) fn run(&self) -> Result<Exit, Error> {
        let plan = self.plan()?;
        let stop = stop_on_signal().map_err(Error::Loop)?;
        let folder = self.save.as_deref().map(Folder::new).transpose()?;
        let mut observers = (Live::new(self.progress, self.json, plan.duration), folder);
        let mut report = ringload::run_until(&plan, &stop, &mut observers)?;
        report.provenance = report.provenance.of_command(std::env::args_os(), &plan.secrets());
        let (live, folder) = observers;
        drop(live); // the report takes its place
        let kept = folder.map_or(Ok(()), |folder| folder.finish(&report));
        print(&report, self.json).map_err(Error::Output)?; // also when the folder could not take it
        kept?;
        Ok(Exit::of_report(&report))
    }

    /// The plan these options make.
    fn plan(&self) -> Result<Plan, Error> {
        let mut plan = self.plan.scenario()?.plan()?;
        plan.watched = self.watch.clone();
        plan.assertions.extend(self.assertions.iter().cloned());
        match unwatched(&plan) {
            Some(name) => Err(Error::Plan(format!(
                "an assertion is about the CPU of `{name}`, and nothing is watched under that name; add --watch {name}=PID"
            ))),
            None => Ok(plan),
        }
    }
}

/// A name that an assertion knows and nobody else does.
fn unwatched(plan: &Plan) -> Option<&str> {
    let is_told =
        |name: &&str| *name == "machine" || plan.watched.iter().any(|watched| watched.name == **name);
    plan.assertions.iter().filter_map(Assertion::watched_name).find(|name| !is_told(name))
}

pub(super) fn driver_help() -> String {
    format!("The way to do IO: {} [default: the best that works here]", Rung::ALL.map(Rung::name).join(", "))
}

/// A list of cores; a type of its own, since clap would take a `Vec` for an option that may be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cores(pub(super) Vec<usize>);

pub(super) fn cores(list: &str) -> Result<Cores, String> {
    let wrong = || format!("`{list}` is not a list of cores such as 0 or 2,4-7");
    let number = |text: &str| text.trim().parse::<u16>().map(usize::from).map_err(|_| wrong());
    let mut cores = Vec::new();
    for item in list.split(',') {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        cores.extend(number(first)?..=number(last)?);
    }
    if cores.is_empty() { Err(wrong()) } else { Ok(Cores(cores)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_lists_the_exit_codes() {
        assert!(help().contains("130"));
    }

    #[test]
    fn cores_are_numbers_and_ranges() {
        assert_eq!(cores("2,4-6"), Ok(Cores(vec![2, 4, 5, 6])));
        for wrong in ["", "a", "3-1", "1-", "-1"] {
            assert!(cores(wrong).is_err(), "{wrong}");
        }
    }
}
