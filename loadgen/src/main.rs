//! The command line of ringload.
//!
//! Owns: the process: allocator, signals, exit codes. Everything else is the library.

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use mimalloc::MiMalloc;
use ringload::{Error, Report, Stop};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::{Cli, Command, RunOptions};
use crate::exit::Exit;

mod cli;
mod exit;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let Command::Run(options) = Cli::parse().command;
    let exit = run(&options).unwrap_or_else(|error| {
        eprintln!("ringload: {error}");
        Exit::of_error(&error)
    });
    ExitCode::from(exit.code())
}

fn run(options: &RunOptions) -> Result<Exit, Error> {
    let plan = options.plan()?;
    let stop = Stop::new();
    stop_on_signal(stop.clone()).map_err(Error::Loop)?;
    let report = ringload::run_until(&plan, &stop, &mut ())?;
    print(&report, options.json).map_err(Error::Output)?;
    Ok(Exit::of_report(&report))
}

/// A reader that has seen enough is not an error.
fn print(report: &Report, as_json: bool) -> io::Result<()> {
    let text = if as_json { serde_json::to_string(report)? + "\n" } else { report.to_string() };
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// The first signal ends the run with a report, the second one ends the process.
fn stop_on_signal(stop: Stop) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for _ in signals.forever() {
            if stop.is_stopped() {
                std::process::exit(Exit::Interrupted.code().into());
            }
            stop.stop();
        }
    })?;
    Ok(())
}
