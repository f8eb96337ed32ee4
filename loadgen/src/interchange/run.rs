//! A saved run, read back.

use serde::Deserialize;

use crate::record::recorder::histogram;
use crate::report::FORMAT;
use crate::{Histograms, Report};

/// The one field that says what the others mean.
#[derive(Deserialize)]
struct Form {
    format: u32,
}

/// The run in `text`, the JSON that `ringload run --json` prints.
///
/// # Errors
/// It is no such JSON, or of another version of this program.
pub fn parse(text: &str) -> Result<Report, String> {
    let form: Form = serde_json::from_str(text).map_err(|error| {
        format!("not a run of ringload ({error}); give the JSON of `ringload run --json`")
    })?;
    if form.format != FORMAT {
        let (found, version) = (form.format, env!("CARGO_PKG_VERSION"));
        return Err(format!(
            "a run of format {found}, and ringload {version} reads format {FORMAT}; measure again with this version"
        ));
    }
    let run: Report =
        serde_json::from_str(text).map_err(|error| format!("not a whole run of ringload ({error})"))?;
    match are_ours(&run.histograms) && run.targets.iter().all(|target| are_ours(&target.histograms)) {
        true => Ok(run),
        false => Err("a run whose histograms have other bounds than ringload's; measure again".to_owned()),
    }
}

/// Only histograms of equal bounds can be added and compared value by value.
fn are_ours(histograms: &Histograms) -> bool {
    let ours = histogram();
    let Histograms { response, unanswered, service, lateness, first_byte, connect, added, floor } =
        histograms;
    [response, unanswered, service, lateness, first_byte, connect, added, floor].iter().all(|blob| {
        (blob.0.low(), blob.0.high(), blob.0.sigfig()) == (ours.low(), ours.high(), ours.sigfig())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_run_is_refused_with_what_to_do() {
        for (text, advice) in [
            ("hello", "ringload run --json"),
            ("{}", "ringload run --json"),
            ("{\"format\": 1}", "measure again"),
            ("{\"format\": 2}", "not a whole run"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(advice), "{text}: {error}");
        }
    }
}
