//! A saved run, read back and held against itself.

use serde::Deserialize;

use crate::interchange::accounts;
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
/// It is no such JSON, or of another version of this program, or its accounts do not agree; says which.
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
    if !are_ours(&run.histograms) || !run.targets.iter().all(|target| are_ours(&target.histograms)) {
        return Err("a run whose histograms have other bounds than ringload's; measure again".to_owned());
    }
    match accounts::check(&run) {
        Ok(()) => Ok(run),
        Err(what) => Err(format!(
            "a run that does not agree with itself ({what}); somebody has changed it: measure again, or find the original"
        )),
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
    use crate::Blob;
    use crate::merge::tests::parts;
    use crate::report::Latency;

    /// A change to a run that is no run's any more, and the words that name it.
    type Change = (fn(&mut Report), &'static str);

    #[test]
    fn a_run_that_does_not_agree_with_itself_is_refused_and_told_where() {
        let changes: [Change; 24] = [
            (|run| run.requests.planned += 1, "the run's requests planned and settled: 701 and 700"),
            (|run| run.requests.ok = u64::MAX, "the run's requests planned and settled"),
            (|run| run.targets[0].requests.planned = 0, "http://h/a's requests planned and settled: 0 and "),
            (
                |run| run.histograms.response = Blob(histogram()),
                "the run's response times and answers: 0 and ",
            ),
            (|run| run.histograms.service = Blob(histogram()), "service times"),
            (|run| run.targets[1].histograms.first_byte = Blob(histogram()), "http://h/b's first bytes"),
            (|run| run.histograms.unanswered = Blob(histogram()), "the run's lower bounds: 0, and not from "),
            (
                |run| run.histograms.added = run.histograms.lateness.clone(),
                "the run's added latencies: 700, ",
            ),
            (|run| run.histograms.lateness = Blob(histogram()), "latenesses and requests sent: 0 and 700"),
            (|run| run.generator.sending.sent = 700_000, "requests sent: 700000, and not from "),
            (|run| run.generator.sending.waited = 701, "requests that waited: 701"),
            (|run| run.generator.sending.late = 701, "requests that were late: 701"),
            (|run| run.setting.is_open = false, "latenesses and requests sent"),
            (|run| drop(run.targets.pop()), "the targets' requests and the run's: "),
            (|run| run.statuses.retain(|status, _| *status != 200), "statuses and answers: "),
            (|run| run.transport_errors.reset = u64::MAX, "transport errors by kind and together: "),
            (|run| run.throughput.answers += 1000, "answers in time: "),
            (
                |run| run.throughput.received_bytes = u64::MAX,
                "bytes received: 18446744073709551615, and not from 0",
            ),
            (|run| run.connections.opened += 1, "connections and times to connect: 2 and 1"),
            (|run| run.series[0].answered += 1, "answers over time: "),
            (|run| run.series[0].failed = u64::MAX, "failed requests over time: "),
            (|run| run.series[0].start_ns = u64::MAX, "the end of a row over time: "),
            (|run| run.latency.service = run.latency.response.clone(), "quantiles, and the histograms"),
            (|run| run.generator.cpu_ns = Some(u64::MAX), "CPU nanoseconds: "),
        ];
        let [whole, ..] = parts();
        assert!(parse(&serde_json::to_string(&whole).unwrap()).is_ok());
        for (change, words) in changes {
            let mut run = whole.clone();
            change(&mut run);
            let error = parse(&serde_json::to_string(&run).unwrap()).map(drop).expect_err(words);
            assert!(error.contains(words) && error.contains("measure again"), "{words}: {error}");
        }
    }

    #[test]
    fn lower_bounds_may_count_the_shed_as_they_do_now_or_leave_them_out_as_they_did() {
        let shed = |bounds: u64| {
            let [mut run, ..] = parts();
            for requests in [&mut run.requests, &mut run.targets[0].requests] {
                (requests.planned, requests.shed) = (requests.planned + 2, 2);
            }
            for histograms in [&mut run.histograms, &mut run.targets[0].histograms] {
                histograms.unanswered.0.saturating_record_n(1_000_000, bounds);
            }
            (run.latency, run.targets[0].latency) =
                (Latency::of(&run.histograms), Latency::of(&run.targets[0].histograms));
            parse(&serde_json::to_string(&run).unwrap()).map(drop)
        };
        assert_eq!([shed(0), shed(1), shed(2)], [Ok(()), Ok(()), Ok(())]);
        assert!(shed(3).is_err_and(|error| error.contains("lower bounds")));
    }

    #[test]
    fn runs_saved_by_former_versions_are_read() {
        let saved = include_str!("../../../benches/runs/2026-11-23-selftest-full/stall.json");
        assert!(parse(saved).unwrap().census_holds);
    }

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
