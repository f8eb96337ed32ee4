//! A run held against itself: whoever reads or adds up runs need not believe them.
//!
//! Owns: which numbers of a report follow from others. Each is compared with what it follows from, and a number that follows
//! from none has a bound, so that any two runs can be added and no sum overflows.
//! Assumes: sums that would overflow stop at the largest number, which is above the bound and so equal to nothing.

use std::ops::RangeInclusive;

use crate::record::summary::Summary;
use crate::report::Latency;
use crate::{Census, Histograms, Report};

/// More than any run counts, in requests, bytes or nanoseconds (146 years), and twice as much is still a number.
const COUNT_BOUND: u64 = 1 << 62;

/// Whether all accounts of `run` agree; if not, which do not.
pub(crate) fn check(run: &Report) -> Result<(), String> {
    bounds(run)?;
    part("the run", &run.requests, &run.histograms)?;
    for target in &run.targets {
        part(target.name.as_ref().unwrap_or(&target.url), &target.requests, &target.histograms)?;
    }
    sending(run)?;
    answers(run)?;
    targets(run)?;
    series(run)?;
    summaries(run)
}

fn same(what: &str, told: u64, counted: u64) -> Result<(), String> {
    if told == counted { Ok(()) } else { Err(format!("{what}: {told} and {counted}")) }
}

fn within(what: &str, count: u64, bounds: RangeInclusive<u64>) -> Result<(), String> {
    match bounds.contains(&count) {
        true => Ok(()),
        false => Err(format!("{what}: {count}, and not from {} to {}", bounds.start(), bounds.end())),
    }
}

fn total(counts: impl IntoIterator<Item = u64>) -> u64 {
    counts.into_iter().fold(0, u64::saturating_add)
}

/// What nothing else tells.
fn bounds(run: &Report) -> Result<(), String> {
    let (throughput, connections, setting) = (&run.throughput, &run.connections, &run.setting);
    let cpu = run.costs.iter().map(|cost| cost.cpu_ns).chain(run.generator.cpu_ns);
    let counts = [
        ("requests planned", run.requests.planned),
        ("bytes received", throughput.received_bytes),
        ("bytes of bodies", throughput.body_bytes),
        ("connections", connections.opened),
        ("failed connections", connections.failed),
        ("unsolicited answers", connections.unsolicited),
        ("connections asked for", setting.connections as u64),
        ("threads", setting.threads as u64),
        ("cores", run.provenance.cores as u64),
        ("nanoseconds measured", run.elapsed_ns),
        ("measurements of the floor", run.histograms.floor.0.len()),
    ];
    let counts = counts.into_iter().chain(cpu.map(|cpu_ns| ("CPU nanoseconds", cpu_ns)));
    counts.into_iter().try_for_each(|(what, count)| within(what, count, 0..=COUNT_BOUND))
}

/// The run's requests or those of one target. Formats before the shed had lower bounds are the same but for those.
fn part(name: &str, census: &Census, histograms: &Histograms) -> Result<(), String> {
    let of = |what: &str| format!("{name}'s {what}");
    let Census { planned, ok, bad_status, invalid_body, transport_error, timeout, shed, censored } = *census;
    let settled = total([ok, bad_status, invalid_body, transport_error, timeout, shed, censored]);
    same(&of("requests planned and settled"), planned, settled)?;
    for (what, clock) in [
        ("response times", &histograms.response),
        ("service times", &histograms.service),
        ("first bytes", &histograms.first_byte),
    ] {
        same(&of(&format!("{what} and answers")), clock.0.len(), census.answered())?;
    }
    let waited = timeout + censored;
    within(&of("lower bounds"), histograms.unanswered.0.len(), waited..=waited + shed)?;
    within(&of("added latencies"), histograms.added.0.len(), 0..=census.answered())?;
    within(&of("latenesses"), histograms.lateness.0.len(), 0..=planned)
}

/// What the targets say together is what the run says.
fn targets(run: &Report) -> Result<(), String> {
    let whole = counts(&run.requests, &run.histograms);
    whole.into_iter().enumerate().try_for_each(|(index, (what, told))| {
        let parts = run.targets.iter().map(|target| counts(&target.requests, &target.histograms)[index].1);
        same(&format!("the targets' {what} and the run's"), total(parts), told)
    })
}

/// What is counted for each target; answers by clock are as many as there are answers.
fn counts(census: &Census, histograms: &Histograms) -> [(&'static str, u64); 11] {
    [
        ("requests", census.planned),
        ("good answers", census.ok),
        ("answers of another status", census.bad_status),
        ("answers of another body", census.invalid_body),
        ("transport errors", census.transport_error),
        ("timeouts", census.timeout),
        ("requests shed", census.shed),
        ("requests censored", census.censored),
        ("lower bounds", histograms.unanswered.0.len()),
        ("latenesses", histograms.lateness.0.len()),
        ("added latencies", histograms.added.0.len()),
    ]
}

/// What came back, and what came instead.
fn answers(run: &Report) -> Result<(), String> {
    let (census, errors) = (&run.requests, &run.transport_errors);
    let kinds =
        [errors.connect_refused, errors.connect_failed, errors.reset, errors.closed_early, errors.malformed];
    same("transport errors by kind and together", total(kinds), census.transport_error)?;
    same("statuses and answers", total(run.statuses.values().copied()), census.answered())?;
    within("answers in time", run.throughput.answers, 0..=census.answered())
}

/// What left. In an open loop each request that was sent was so much after its planned instant; a closed one plans none.
fn sending(run: &Report) -> Result<(), String> {
    let (census, sending) = (&run.requests, &run.generator.sending);
    within("requests sent", sending.sent, census.answered()..=census.planned)?;
    within("requests that waited", sending.waited, 0..=sending.sent)?;
    within("requests that were late", sending.late, 0..=census.planned)?;
    let planned_and_sent = if run.setting.is_open { sending.sent } else { 0 };
    same("latenesses and requests sent", run.histograms.lateness.0.len(), planned_and_sent)?;
    same("connections and times to connect", run.connections.opened, run.histograms.connect.0.len())
}

/// Rows tell no more than there was; less where the end of the run fell between two beats.
fn series(run: &Report) -> Result<(), String> {
    let rows = || run.series.iter();
    let [answered, failed, late] = [
        total(rows().map(|row| row.answered)),
        total(rows().map(|row| row.failed)),
        total(rows().map(|row| row.late)),
    ];
    within("answers over time", answered, 0..=run.requests.answered())?;
    within("failed requests over time", failed, 0..=run.requests.failed())?;
    within("late requests over time", late, 0..=run.generator.sending.late)?;
    rows().try_for_each(|row| {
        within("the end of a row over time", total([row.start_ns, row.length_ns]), 0..=COUNT_BOUND)
    })
}

/// What stands in the tables is what the histograms say.
fn summaries(run: &Report) -> Result<(), String> {
    let targets = run.targets.iter().map(|target| (&target.latency, &target.histograms));
    let mut clocks = targets.chain([(&run.latency, &run.histograms)]);
    let is_told = clocks.all(|(latency, histograms)| *latency == Latency::of(histograms));
    match is_told && run.generator.floor == Summary::of(&run.histograms.floor.0) {
        true => Ok(()),
        false => Err("quantiles, and the histograms they rest on".to_owned()),
    }
}
