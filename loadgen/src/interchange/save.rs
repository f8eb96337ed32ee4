//! A run as a folder: `run.json` (all of it, what [`merge`](mod@crate::merge) and `report` read), `run.hlog` (its response times
//! over time, and its other clocks) and `run.hgrm` (the percentile table of its response times).
//!
//! Owns: the names of the files, and that no run is written over another, nor over what a killed one has left. The log is written while the run goes on: one
//! that is killed has left what it saw. Lines of one tag add up to the clock of that name; with several targets each of
//! them has tags of its own, `clock:URL`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;

use crate::interchange::{hgrm, hlog};
use crate::record::recorder::add;
use crate::{Error, Glimpse, Histograms, Observer, Report};

const JSON: &str = "run.json";
const LOG: &str = "run.hlog";
const TABLE: &str = "run.hgrm";

/// A folder for a run. Nothing is written before the run begins, and a run that then fails at once leaves nothing behind.
pub struct Folder {
    path: PathBuf,
    log: Option<Log>,
    /// What went wrong first while the run went on; the run is not ended for it.
    trouble: Option<io::Error>,
}

/// The log of a run that has begun. Dropped before it has a line, it goes, and a folder with it that was made for it.
struct Log {
    path: PathBuf,
    writer: hlog::Writer<BufWriter<File>>,
    has_lines: bool,
    is_alone: bool,
}

impl Folder {
    /// The folder at `path`, which may be there already.
    ///
    /// # Errors
    /// It holds a run, or what is left of one.
    pub fn new(path: &Path) -> Result<Folder, Error> {
        let found = [JSON, LOG, TABLE].into_iter().find(|file| path.join(file).exists());
        let path = path.to_owned();
        match found {
            None => Ok(Folder { path, log: None, trouble: None }),
            Some(JSON) => {
                let path = path.display();
                Err(Error::Plan(format!("{path} holds a run already; save into another folder")))
            }
            Some(file) => Err(Error::Plan(format!(
                "{} is what a run has left that did not end; save into another folder, or move it away",
                path.join(file).display()
            ))),
        }
    }

    /// Makes the folder if need be, and begins the log of a run that started at `started`.
    fn begin_at(&mut self, started: SystemTime) -> Result<(), Error> {
        self.log = Some(Log::new(&self.path, started).map_err(Error::Output)?);
        Ok(())
    }

    /// Writes the rest.
    ///
    /// # Errors
    /// Something could not be written, now or while the run went on.
    pub fn finish(self, report: &Report) -> Result<(), Error> {
        let trouble = self.trouble.map_or(Ok(()), Err);
        let written = self.log.map_or(Ok(()), |log| log.finish(report));
        written.and(trouble).map_err(Error::Output) // a log with a gap is no reason to lose the report
    }
}

impl Log {
    fn new(folder: &Path, started: SystemTime) -> io::Result<Log> {
        let is_alone = !folder.exists();
        fs::create_dir_all(folder)?;
        let log = File::create_new(folder.join(LOG))?;
        let writer = hlog::Writer::new(BufWriter::new(log), started)?;
        Ok(Log { path: folder.to_owned(), writer, has_lines: false, is_alone })
    }

    fn finish(mut self, report: &Report) -> io::Result<()> {
        self.has_lines = true; // it stays, also that of a run without an answer
        let length = Duration::from_nanos(report.elapsed_ns);
        self.write_clocks(&clocks(&report.histograms), "", length)?;
        if report.targets.len() > 1 {
            for target in &report.targets {
                let suffix = format!(":{}", target.name.as_ref().unwrap_or(&target.url));
                let response = ("response", &target.histograms.response.0);
                self.write_clocks(&[response], &suffix, length)?;
                self.write_clocks(&clocks(&target.histograms), &suffix, length)?;
            }
        }
        self.writer.flush()?;
        write_table(&report.histograms, File::create_new(self.path.join(TABLE))?)?;
        // Last, and under its own name only when it is whole: a folder with a run.json is a whole run.
        let unfinished = self.path.join("run.json.part");
        fs::write(&unfinished, serde_json::to_string(report)? + "\n")?;
        fs::rename(unfinished, self.path.join(JSON))
    }

    /// A line for each of these that has a value.
    fn write_clocks(&mut self, clocks: &[Clock<'_>], suffix: &str, length: Duration) -> io::Result<()> {
        let mut told = clocks.iter().filter(|(_, histogram)| !histogram.is_empty());
        told.try_for_each(|(tag, histogram)| {
            self.writer.line(&format!("{tag}{suffix}"), Duration::ZERO, length, histogram)
        })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if !self.has_lines {
            let _ = fs::remove_file(self.path.join(LOG)); // at worst an empty log is found, and said to be in the way
        }
        if !self.has_lines && self.is_alone {
            let _ = fs::remove_dir(&self.path); // only if nobody has put anything into it
        }
    }
}

/// Saves a run that was not measured here, such as a sum of others; its response times are one line.
///
/// # Errors
/// The folder cannot be written, or holds a run already.
pub fn save(report: &Report, path: &Path) -> Result<(), Error> {
    let started = humantime::parse_rfc3339(&report.provenance.started).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut folder = Folder::new(path)?;
    folder.begin_at(started)?;
    if let Some(log) = &mut folder.log {
        let response = ("response", &report.histograms.response.0);
        log.write_clocks(&[response], "", Duration::from_nanos(report.elapsed_ns)).map_err(Error::Output)?;
    }
    folder.finish(report)
}

/// The response times, and the lower bounds of those that are not known: to leave them out would flatter.
fn write_table(histograms: &Histograms, output: File) -> io::Result<()> {
    let mut response = histograms.response.0.clone();
    add(&mut response, &histograms.unanswered.0);
    let mut output = BufWriter::new(output);
    hgrm::write(&mut output, &response)?;
    output.flush()
}

/// A tag and what stands behind it.
type Clock<'a> = (&'static str, &'a Histogram<u64>);

/// The clocks that are not told over time.
fn clocks(histograms: &Histograms) -> [Clock<'_>; 7] {
    let Histograms { response: _, unanswered, service, lateness, first_byte, connect, added, floor } =
        histograms;
    [
        ("unanswered", &unanswered.0),
        ("service", &service.0),
        ("lateness", &lateness.0),
        ("first_byte", &first_byte.0),
        ("connect", &connect.0),
        ("added", &added.0),
        ("floor", &floor.0),
    ]
}

impl Observer for Folder {
    fn begin(&mut self) -> Result<(), Error> {
        self.begin_at(SystemTime::now())
    }

    fn glimpse(&mut self, glimpse: &Glimpse<'_>) {
        let Some(log) = &mut self.log else { return };
        log.has_lines = true;
        let written = log.writer.line("response", glimpse.start, glimpse.length, glimpse.response);
        if let Err(error) = written.and_then(|()| log.writer.flush()) {
            self.trouble.get_or_insert(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::recorder::histogram;

    fn glimpse(folder: &mut Folder) {
        let (start, length) = (Duration::ZERO, Duration::from_secs(1));
        folder.glimpse(&Glimpse { start, length, answered: 0, failed: 0, late: 0, response: &histogram() });
    }

    fn refusal(path: &Path) -> String {
        Folder::new(path).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_was_saved_or_left_is_not_written_over() {
        let path = std::env::temp_dir().join(format!("ringload-save-{}", std::process::id()));
        let mut killed = Folder::new(&path).unwrap();
        let mut rival = Folder::new(&path).unwrap();
        killed.begin().unwrap();
        assert!(rival.begin().is_err(), "the second of two runs at the same time");
        glimpse(&mut killed);
        drop(killed);
        let left = fs::read_to_string(path.join(LOG)).unwrap();
        assert!(left.contains("Tag=response"));
        assert!(refusal(&path).contains("did not end; save into another folder"), "{}", refusal(&path));
        fs::write(path.join(JSON), "a run").unwrap();
        assert!(refusal(&path).contains("holds a run already"), "{}", refusal(&path));
        assert_eq!(fs::read_to_string(path.join(LOG)).unwrap(), left);
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_run_of_which_nothing_was_seen_leaves_nothing() {
        let path = std::env::temp_dir().join(format!("ringload-unseen-{}", std::process::id()));
        let mut folder = Folder::new(&path).unwrap();
        assert!(!path.exists());
        folder.begin().unwrap();
        assert!(path.join(LOG).exists());
        drop(folder);
        assert!(!path.exists());
    }
}
