//! The folder of a comparison: `runs.jsonl`, one line for each run as it ends, and `comparison.json` at the end.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ringload::compare::{Comparison, Run};
use serde::Serialize;

pub(super) struct Folder {
    path: PathBuf,
    runs: File,
}

/// One line of `runs.jsonl`. Whether a run counts is told here as it was known when it ended; `comparison.json` knows more.
#[derive(Serialize)]
struct Line<'a> {
    run: &'a Run,
    report: &'a serde_json::Value,
}

impl Folder {
    /// Makes the folder if it is not there; what a former comparison left in it is replaced.
    pub(super) fn create(path: &Path) -> io::Result<Folder> {
        fs::create_dir_all(path)?;
        Ok(Folder { path: path.to_owned(), runs: File::create(path.join("runs.jsonl"))? })
    }

    pub(super) fn add(&mut self, run: &Run, report: &serde_json::Value) -> io::Result<()> {
        serde_json::to_writer(&mut self.runs, &Line { run, report })?;
        self.runs.write_all(b"\n")
    }

    pub(super) fn keep(&mut self, comparison: &Comparison) -> io::Result<()> {
        fs::write(self.path.join("comparison.json"), serde_json::to_string_pretty(comparison)? + "\n")
    }
}
