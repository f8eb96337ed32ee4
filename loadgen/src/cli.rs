//! The command line: one file per command, each with its options and what it does with them.

mod compare;
mod doctor;
mod live;
mod merge;
mod plan;
mod report;
mod run;
mod selftest;
mod slo;
pub(crate) mod terminal;

use clap::{Parser, Subcommand};
use ringload::Error;

use crate::exit::Exit;

/// A load generator that keeps its own accounts.
#[derive(Debug, Parser)]
#[command(version, after_help = Exit::help())]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Load a server and report what became of every request.
    #[command(after_help = run::help())]
    Run(Box<run::RunOptions>),
    /// Find the highest rate that keeps an objective.
    #[command(after_help = slo::help())]
    Slo(slo::SloOptions),
    /// Prove the instrument on this machine against known queues.
    #[command(after_help = selftest::help())]
    Selftest(selftest::SelftestOptions),
    /// Say what would spoil a measurement here.
    #[command(after_help = doctor::help())]
    Doctor(doctor::DoctorOptions),
    /// Start two systems in turns and say whether they differ.
    #[command(after_help = compare::help())]
    Compare(compare::CompareOptions),
    /// Add up runs made on several machines.
    #[command(after_help = merge::help())]
    Merge(merge::MergeOptions),
    /// Make one HTML page of runs, and of the summaries of other programs.
    #[command(after_help = report::help())]
    Report(report::ReportOptions),
}

impl Cli {
    pub(crate) fn run(&self) -> Result<Exit, Error> {
        match &self.command {
            Command::Run(options) => options.run(),
            Command::Slo(options) => options.run(),
            Command::Selftest(options) => options.run(),
            Command::Doctor(options) => options.run(),
            Command::Compare(options) => options.run(),
            Command::Merge(options) => options.run(),
            Command::Report(options) => options.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
