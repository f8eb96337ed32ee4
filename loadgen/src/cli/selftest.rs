//! `ringload selftest`: plays the cases, shows each when it has ended, and says by its exit code what they proved.

use std::path::PathBuf;

use clap::Args;
use ringload::Error;
use ringload::plan::Secrets;
use ringload::selftest::{self, Case, Floor, Outcome, Scale, Watch};

use crate::cli::terminal::{print, print_line, stop_on_signal};
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  ringload selftest                      every case, in less than a minute
  ringload selftest --case pacing        one of them
  ringload selftest --full --save proof  at full length, with the run of each case in a folder";

pub(super) fn help() -> String {
    let exits = [Exit::CaseFailed, Exit::MachineTooNoisy, Exit::Interrupted];
    format!("{EXAMPLES}\n\n{}", Exit::help_of("every case passed", &exits))
}

#[derive(Debug, Args)]
pub(super) struct SelftestOptions {
    /// Play the cases at full length, about five minutes; without it, under one.
    #[arg(long)]
    full: bool,
    /// Play this case only; may be repeated.
    #[arg(long = "case", value_name = "NAME", long_help = cases_help())]
    cases: Vec<String>,
    /// Save the outcome and the run of each case into this folder.
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    /// Print everything as one JSON object, durations in nanoseconds.
    #[arg(long)]
    json: bool,
}

fn cases_help() -> String {
    format!("Play this case only, of {}; may be repeated", selftest::names().collect::<Vec<_>>().join(", "))
}

/// Shows what has ended, unless an object is to follow.
struct Shown {
    as_json: bool,
}

impl Shown {
    fn line(&self, line: &str) {
        if !self.as_json {
            print_line(line);
        }
    }
}

impl Watch for Shown {
    fn floor(&mut self, floor: &Floor) {
        self.line(&floor.to_string());
    }

    fn case(&mut self, case: &Case) {
        self.line(&case.to_string());
    }
}

impl SelftestOptions {
    pub(super) fn run(&self) -> Result<Exit, Error> {
        let stop = stop_on_signal().map_err(Error::Loop)?;
        let scale = if self.full { Scale::Full } else { Scale::Quick };
        let mut test = selftest::run(scale, &self.cases, &stop, &mut Shown { as_json: self.json })?;
        test.provenance = test.provenance.of_command(std::env::args_os(), &Secrets::default());
        if let Some(folder) = &self.save {
            test.save(folder).map_err(Error::Output)?;
        }
        print(&test, self.json).map_err(Error::Output)?;
        Ok(match test.outcome() {
            _ if stop.is_stopped() => Exit::Interrupted,
            Outcome::Passed => Exit::Good,
            Outcome::Failed => Exit::CaseFailed,
            Outcome::MachineTooNoisy => Exit::MachineTooNoisy,
        })
    }
}
