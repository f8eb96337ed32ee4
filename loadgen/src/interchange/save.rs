//! A run as a folder: `run.json` (all of it, what [`merge`](crate::merge()) and `report` read), `run.hlog` (its response times
//! over time, and its other clocks) and `run.hgrm` (the percentile table of its response times).
//!
//! Owns: the names of the files, and that no run is written over another. The log is written while the run goes on: one
//! that is killed has left what it saw.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;

use crate::interchange::{hgrm, hlog};
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
    /// Makes the folder if need be, and begins the log.
    ///
    /// # Errors
    /// It cannot be written, or holds a run already.
    pub fn create(path: &Path) -> Result<Folder, Error> {
        if path.join(JSON).exists() {
            let path = path.display();
            return Err(Error::Plan(format!("{path} holds a run already; save into another folder")));
        }
        Folder::begin(path).map_err(Error::Output)
    }

    fn begin(path: &Path) -> io::Result<Folder> {
        fs::create_dir_all(path)?;
        let log = BufWriter::new(File::create(path.join(LOG))?);
        let log = hlog::Writer::new(log, SystemTime::now())?;
        Ok(Folder { path: path.to_owned(), log, trouble: None })
    }

    /// Writes the rest.
    ///
    /// # Errors
    /// Something could not be written, now or while the run went on.
    pub fn finish(mut self, report: &Report) -> Result<(), Error> {
        self.trouble.take().map_or(Ok(()), Err).and_then(|()| self.write(report)).map_err(Error::Output)
    }

    fn write(mut self, report: &Report) -> io::Result<()> {
        let length = Duration::from_nanos(report.elapsed_ns);
        for (tag, histogram) in clocks(&report.histograms).into_iter().filter(|(_, clock)| !clock.is_empty())
        {
            self.log.line(tag, Duration::ZERO, length, histogram)?;
        }
        self.log.finish()?;
        let mut table = BufWriter::new(File::create(self.path.join(TABLE))?);
        hgrm::write(&mut table, &report.histograms.response.0)?;
        table.flush()?;
        // Last, and under its own name only when it is whole: a folder with a run.json is a whole run.
        let unfinished = self.path.join("run.json.part");
        fs::write(&unfinished, serde_json::to_string(report)? + "\n")?;
        fs::rename(unfinished, self.path.join(JSON))
    }
}

/// The clocks that are not told over time.
fn clocks(histograms: &Histograms) -> [(&'static str, &Histogram<u64>); 7] {
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
