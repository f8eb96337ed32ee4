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
    take_memory_by_small_pages();
    let exit = Cli::parse().run().unwrap_or_else(|error| {
        say(&format!("ringload: {error}"));
        Exit::of_error(&error)
    });
    ExitCode::from(exit.code())
}

/// The allocator asks for huge pages, of which the first touched byte takes 2 MiB: a histogram bucket met for the first time
/// after minutes would look like a leak (benches/runs/2026-11-23-flat-memory-10-minutes). Speed does not depend on it: what a
/// run touches again and again is small.
fn take_memory_by_small_pages() {
    let _ = rustix::thread::disable_transparent_huge_pages(true); // an old kernel: only the steps are larger
}
