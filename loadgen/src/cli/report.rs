//! `ringload report`: runs as one HTML page.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use ringload::Error;
use ringload::compare::Comparison;
use ringload::interchange::{import, run};
use ringload::page::{Exhibit, page};

use crate::cli::merge::{in_file, text};
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  ringload report before/run.json after/run.json -o page.html    two runs side by side
  ringload report run.json wrk2.txt oha.json k6.json vegeta.json -o page.html

A run is called by its file, or by its folder where the file is called run.json (comparison.json). Summaries of other
programs are the text of `wrk2 --latency` and the JSON of `oha --output-format json`, `k6 run --summary-export` and `vegeta report -type=json`.";

pub(super) fn help() -> String {
    format!("{EXAMPLES}\n\n{}", Exit::help_of("the page was written", &[Exit::Files]))
}

#[derive(Debug, Args)]
pub(super) struct ReportOptions {
    /// Runs and comparisons of ringload (JSON), and summaries of wrk2, oha, k6 and vegeta.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to write the page.
    #[arg(short, long, value_name = "PAGE.HTML")]
    output: PathBuf,
    /// What stands above it.
    #[arg(long, default_value = "Load report")]
    title: String,
}

impl ReportOptions {
    /// Writes the page.
    pub(super) fn run(&self) -> Result<Exit, Error> {
        let names = names(&self.files);
        let exhibits = self.files.iter().zip(names).map(|(path, name)| exhibit(path, name));
        let page = page(&self.title, &exhibits.collect::<Result<Vec<_>, _>>()?);
        fs::write(&self.output, page).map_err(Error::Output)?;
        Ok(Exit::Good)
    }
}

/// Our own files say their format, and a comparison has a conclusion; everything else is tried as another program's.
fn exhibit(path: &Path, name: String) -> Result<Exhibit, Error> {
    let text = text(path)?;
    let form: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let exhibit = if form.get("conclusion").is_some() {
        Comparison::parse(&text)
            .map(|comparison| Exhibit::Comparison { name, comparison: Box::new(comparison) })
    } else if form.get("format").is_some() {
        run::parse(&text).map(|run| Exhibit::Run { name, run: Box::new(run) })
    } else {
        import::parse(&text).map(|summary| Exhibit::Summary { name, summary })
    };
    exhibit.map_err(|reason| in_file(path, &reason))
}

/// What tells the files apart: folder or file, and a number where that is not enough.
fn names(files: &[PathBuf]) -> Vec<String> {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let numbered = |path: &PathBuf| {
        let name = name(path);
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name} ({count})") }
    };
    files.iter().map(numbered).collect()
}

fn name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or(path.as_os_str());
    let folder = path.parent().and_then(Path::file_name);
    let name = if stem == "run" || stem == "comparison" { folder.unwrap_or(stem) } else { stem };
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_called_by_its_file_or_its_folder() {
        let files = ["before/run.json", "after/run.json", "run.json", "x/wrk2.txt", "y/wrk2.txt"];
        let names = names(&files.map(PathBuf::from));
        assert_eq!(names, ["before", "after", "run", "wrk2", "wrk2 (2)"]);
    }
}
