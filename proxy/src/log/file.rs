//! The file that the log is written to: opened at the start, and again when it has been rotated.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::RequestLog;
use crate::operator::say;
use crate::outlet::Replacement;
use crate::standard::Standard;

/// Whom the log is for: its owner writes, its group reads. What clients did is nobody else's business.
const MODE: Mode = Mode::from_raw_mode(0o640);

/// Opens a file for appending; it may be a pipe that somebody reads, and is not waited for.
pub(super) fn open(path: &Path) -> io::Result<Standard> {
    let how = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(Standard::of(File::from(rustix::fs::open(path, how, MODE)?)))
}

/// Opens the log anew, after somebody has moved its file away.
#[derive(Clone)]
pub struct Reopener {
    path: Option<PathBuf>,
    replacement: Replacement,
}

impl Reopener {
    /// For a log in a file, or none.
    pub(crate) fn new(path: Option<PathBuf>, replacement: Replacement) -> Reopener {
        Reopener { path, replacement }
    }

    /// What is logged from now on goes to a file that is there now, or is made. If that fails the log goes on where it is,
    /// and the operator is told.
    pub fn reopen(&self) {
        let Some(path) = &self.path else {
            return say("the request log is on standard output: there is nothing to reopen");
        };
        match open(path) {
            Ok(file) => {
                self.replacement.replace(Box::new(file));
                say(&format!("request log: reopened `{}`", path.display()));
            }
            Err(error) => say(&format!(
                "warning: cannot reopen the request log `{}`: {error}; it goes on in the file it had; {}",
                path.display(),
                RequestLog::advice(&error)
            )),
        }
    }
}
