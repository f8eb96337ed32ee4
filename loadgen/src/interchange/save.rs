//! A run in a folder: `run.json` for this program, `run.hlog` and `run.hgrm` for others.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::interchange::{hgrm, hlog};
use crate::record::recorder::add;
use crate::{Blob, Histograms, Report};

/// Writes `run` into `folder`, which is made if it is missing; files of the same names are replaced.
///
/// # Errors
/// What the file system says.
pub fn save(run: &Report, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("run.json"), serde_json::to_string(run)? + "\n")?;
    write_log(run, create(folder, "run.hlog")?)?;
    write_table(run, create(folder, "run.hgrm")?)
}

fn create(folder: &Path, name: &str) -> io::Result<BufWriter<File>> {
    Ok(BufWriter::new(File::create(folder.join(name))?))
}

/// One line for each clock of the run that has values, and with several targets for each clock of each of them, tagged
/// `clock` and `clock:URL`. The lower bounds of unanswered requests have a tag of their own.
///
/// # Errors
/// What the output says.
pub fn write_log(run: &Report, output: impl Write) -> io::Result<()> {
    let started = humantime::parse_rfc3339(&run.provenance.started).unwrap_or(SystemTime::UNIX_EPOCH);
    let length = Duration::from_nanos(run.elapsed_ns);
    let mut log = hlog::Writer::new(output, started)?;
    let mut lines = |histograms: &Histograms, suffix: &str| {
        let told = clocks(histograms).into_iter().filter(|(_, blob)| !blob.0.is_empty());
        told.into_iter().try_for_each(|(name, blob)| {
            log.line(&format!("{name}{suffix}"), Duration::ZERO, length, &blob.0)
        })
    };
    lines(&run.histograms, "")?;
    if run.targets.len() > 1 {
        for target in &run.targets {
            lines(&target.histograms, &format!(":{}", target.url))?;
        }
    }
    log.finish().map(drop)
}

/// The response times as a percentile table, with the lower bounds of those that are not known: to leave them out would
/// flatter.
///
/// # Errors
/// What the output says.
pub fn write_table(run: &Report, mut output: impl Write) -> io::Result<()> {
    let mut response = run.histograms.response.0.clone();
    add(&mut response, &run.histograms.unanswered.0);
    hgrm::write(&mut output, &response)?;
    output.flush()
}

fn clocks(histograms: &Histograms) -> [(&'static str, &Blob); 7] {
    [
        ("response", &histograms.response),
        ("unanswered", &histograms.unanswered),
        ("service", &histograms.service),
        ("lateness", &histograms.lateness),
        ("first_byte", &histograms.first_byte),
        ("connect", &histograms.connect),
        ("added", &histograms.added),
    ]
}
