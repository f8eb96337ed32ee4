//! A run as a folder: `run.json` (all of it, what [`merge`](crate::merge()) and `report` read), `run.hlog` (its response times
//! over time, and its other clocks) and `run.hgrm` (the percentile table of its response times).
//!
//! Owns: the names of the files, and that no run is written over another. The log is written while the run goes on: one
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

/// A folder that a run is being written into.
pub struct Folder {
    path: PathBuf,
    log: hlog::Writer<BufWriter<File>>,
    /// What went wrong first while the run went on; the run is not ended for it.
    trouble: Option<io::Error>,
}

impl Folder {
    /// Makes the folder if need be, and begins the log of a run that starts now.
    ///
    /// # Errors
    /// It cannot be written, or holds a run already.
    pub fn create(path: &Path) -> Result<Folder, Error> {
        Folder::of_run(path, SystemTime::now())
    }

    fn of_run(path: &Path, started: SystemTime) -> Result<Folder, Error> {
        if path.join(JSON).exists() {
            let path = path.display();
            return Err(Error::Plan(format!("{path} holds a run already; save into another folder")));
        }
        Folder::begin(path, started).map_err(Error::Output)
    }

    fn begin(path: &Path, started: SystemTime) -> io::Result<Folder> {
        fs::create_dir_all(path)?;
        let log = BufWriter::new(File::create(path.join(LOG))?);
        let log = hlog::Writer::new(log, started)?;
        Ok(Folder { path: path.to_owned(), log, trouble: None })
    }

    /// Writes the rest.
    ///
    /// # Errors
    /// Something could not be written, now or while the run went on.
    pub fn finish(mut self, report: &Report) -> Result<(), Error> {
        let trouble = self.trouble.take().map_or(Ok(()), Err);
        self.write(report).and(trouble).map_err(Error::Output) // a log with a gap is no reason to lose the report
    }

    fn write(mut self, report: &Report) -> io::Result<()> {
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
        self.log.finish()?;
        write_table(&report.histograms, File::create(self.path.join(TABLE))?)?;
        // Last, and under its own name only when it is whole: a folder with a run.json is a whole run.
        let unfinished = self.path.join("run.json.part");
        fs::write(&unfinished, serde_json::to_string(report)? + "\n")?;
        fs::rename(unfinished, self.path.join(JSON))
    }

    /// A line for each of these that has a value.
    fn write_clocks(&mut self, clocks: &[Clock<'_>], suffix: &str, length: Duration) -> io::Result<()> {
        let mut told = clocks.iter().filter(|(_, histogram)| !histogram.is_empty());
        told.try_for_each(|(tag, histogram)| {
            self.log.line(&format!("{tag}{suffix}"), Duration::ZERO, length, histogram)
        })
    }
}

/// Saves a run that was not measured here, such as a sum of others; its response times are one line.
///
/// # Errors
/// The folder cannot be written, or holds a run already.
pub fn save(report: &Report, path: &Path) -> Result<(), Error> {
    let started = humantime::parse_rfc3339(&report.provenance.started).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut folder = Folder::of_run(path, started)?;
    let response = ("response", &report.histograms.response.0);
    folder.write_clocks(&[response], "", Duration::from_nanos(report.elapsed_ns)).map_err(Error::Output)?;
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
    fn glimpse(&mut self, glimpse: &Glimpse<'_>) {
        let written = self.log.line("response", glimpse.start, glimpse.length, glimpse.response);
        if let Err(error) = written.and_then(|()| self.log.flush()) {
            self.trouble.get_or_insert(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_holds_a_run_is_left_alone() {
        let path = std::env::temp_dir().join(format!("ringload-save-{}", std::process::id()));
        drop(Folder::create(&path).unwrap());
        fs::write(path.join(JSON), "a run").unwrap();
        let error = Folder::create(&path).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("another folder"), "{error}");
        assert_eq!(fs::read_to_string(path.join(JSON)).unwrap(), "a run");
        fs::remove_dir_all(path).unwrap();
    }
}
