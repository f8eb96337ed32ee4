//! `ringload merge`: runs of several machines, added up.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use ringload::interchange::{run, save};
use ringload::plan::Secrets;
use ringload::{Error, Report};

use crate::cli::terminal::print;
use crate::exit::Exit;

const EXAMPLES: &str = "\
Each machine saves its run; the files add up to the record that one generator would have kept, bucket for bucket:
  ssh one ringload run --json --seed 1 -r 5000 -d 60s http://server/ > one.json &
  ssh two ringload run --json --seed 2 -r 5000 -d 60s http://server/ > two.json & wait
  ringload merge one.json two.json --save both

Give each a seed of its own, or all send the same requests at the same instants. The parts must have the same targets, duration,
warm-up, timeout, drain and kind of loop; connections and threads add up. The verdict is the worst of the parts'; the length is that of the longest part. Quantiles over time are the largest of the
parts': the true ones are not above them.";

pub(super) fn help() -> String {
    let exits = [&Exit::OF_A_RUN[..], &[Exit::Files]].concat();
    format!(
        "{EXAMPLES}\n\n{}",
        Exit::help_of("the sum is valid and every request was answered as expected", &exits)
    )
}

#[derive(Debug, Args)]
pub(super) struct MergeOptions {
    /// Runs: what `ringload run --json` prints, or the run.json of --save.
    #[arg(required = true, value_name = "RUN.JSON")]
    runs: Vec<PathBuf>,
    /// Write run.json, run.hlog and run.hgrm of the sum into this folder.
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    /// Print the sum as one JSON object, durations in nanoseconds.
    #[arg(long)]
    json: bool,
}

impl MergeOptions {
    /// Adds up the runs and prints the sum; the exit code is that of its verdict.
    pub(super) fn run(&self) -> Result<Exit, Error> {
        let named = |path: &PathBuf| Ok((path.display().to_string(), parsed(path)?));
        let runs = self.runs.iter().map(named).collect::<Result<Vec<_>, Error>>()?;
        let mut sum = ringload::merge::merge(runs).map_err(Error::Files)?;
        sum.provenance = sum.provenance.of_command(std::env::args_os(), &Secrets::default());
        let kept = self.save.as_ref().map_or(Ok(()), |folder| save::save(&sum, folder));
        print(&sum, self.json).map_err(Error::Output)?; // also when the folder could not take it
        kept?;
        Ok(Exit::of_report(&sum))
    }
}

pub(super) fn parsed(path: &Path) -> Result<Report, Error> {
    run::parse(&text(path)?).map_err(|reason| in_file(path, &reason))
}

/// What a file holds.
pub(super) fn text(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|cause| in_file(path, &format!("cannot be read ({cause})")))
}

/// What is wrong with a file.
pub(super) fn in_file(path: &Path, reason: &str) -> Error {
    Error::Files(format!("{}: {reason}", path.display()))
}
