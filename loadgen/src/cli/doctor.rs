//! `ringload doctor`: examines, prints, and says by its exit code whether to measure now.

use clap::Args;
use ringload::{Error, doctor};

use crate::cli::terminal::print;
use crate::exit::Exit;

pub(super) fn help() -> String {
    Exit::help_of("nothing here would spoil a measurement", &[Exit::Spoilt])
}

#[derive(Debug, Args)]
pub(super) struct DoctorOptions {
    /// Print the findings as one JSON object.
    #[arg(long)]
    json: bool,
}

impl DoctorOptions {
    pub(super) fn run(&self) -> Result<Exit, Error> {
        let examination = doctor::examine();
        print(&examination, self.json).map_err(Error::Output)?;
        Ok(if examination.is_spoilt() { Exit::Spoilt } else { Exit::Good })
    }
}
