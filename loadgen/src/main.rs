//! The command line of ringload.
//!
//! Owns: the process: allocator and exit codes. Everything else is the library.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

use crate::cli::Cli;
use crate::cli::terminal::say;
use crate::exit::Exit;

mod cli;
mod exit;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let exit = Cli::parse().run().unwrap_or_else(|error| {
        say(&format!("ringload: {error}"));
        Exit::of_error(&error)
    });
    ExitCode::from(exit.code())
}
