//! The cases: what each plays, and what must come of it.
//!
//! Owns: rates, lengths and tolerances. What a quantile may differ by is chance (three standard deviations for the samples
//! there are) and the two wake-ups, of the generator and of the mock, that every time in here contains.

use std::time::Duration;

use crate::plan::schedule::{Profile, Spacing};
use crate::record::recorder::{histogram, nanoseconds};
use crate::record::summary::Summary;
use crate::selftest::bench::{Bench, Noise, WAKE_P50, WAKE_P99};
use crate::selftest::check::{Check, reading};
use crate::selftest::{Scale, paper};
use crate::{Error, Load, Plan, Report, Schedule, Stop, Verdict};

const MS: Duration = Duration::from_millis(1);
/// The queue's server: each request takes so long.
const SERVICE: Duration = Duration::from_millis(2);
/// Half of what it can do.
const RATE: u64 = 250;
/// Of the arrivals that are random; the same on every machine.
const SEED: u64 = 1;

/// One case.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) play: fn(&Bench, Scale, &Stop) -> Result<Played, Error>,
}

/// What was played, and what came of it.
pub(super) struct Played {
    pub(super) checks: Vec<Check>,
    pub(super) noise: Option<Noise>,
    pub(super) report: Option<Report>,
}

pub(super) const CASES: [Case; 6] = [
    Case { name: "histogram", play: histograms },
    Case { name: "pacing", play: pacing },
    Case { name: "stall", play: stall },
    Case { name: "overload", play: overload },
    Case { name: "constant", play: constant },
    Case { name: "poisson", play: poisson },
];

impl Played {
    /// Of a run: its accounts first, then what `check` makes of it.
    fn of(run: (Report, Noise), check: impl FnOnce(&Report) -> Vec<Check>) -> Played {
        let (report, noise) = run;
        let census = Check::equal("census adds up", report.census_holds, true);
        let checks = std::iter::once(census).chain(check(&report)).collect();
        Played { checks, noise: Some(noise), report: Some(report) }
    }
}

fn open(rate: u64, spacing: Spacing) -> Result<Load, Error> {
    Ok(Load::Open { schedule: Schedule::new(Profile::constant(rate)?, spacing) })
}

/// Tene's case: a second of answers of 1 ms, then a hundred seconds in which every 10 ms one is due and none comes.
fn histograms(_: &Bench, _: Scale, _: &Stop) -> Result<Played, Error> {
    let mut samples = histogram();
    samples.saturating_record_n(nanoseconds(MS), 10_000);
    (1..=10_000).for_each(|step| samples.saturating_record(nanoseconds(10 * MS) * step));
    let summary = Summary::of(&samples);
    let close = |name, expected: Duration| {
        let check = Check::within(name, reading(&summary, name), expected, expected / 1000 + MS / 1000);
        Check { is_exact: true, ..check }
    };
    let checks = vec![
        close("p50", MS),
        close("p99", 98_000 * MS),
        close("max", 100_000 * MS),
        close("mean", Duration::from_micros(25_003_000)),
    ];
    Ok(Played { checks, noise: None, report: None })
}

/// 2000 a second, answered at once: how late requests leave.
fn pacing(bench: &Bench, scale: Scale, stop: &Stop) -> Result<Played, Error> {
    let seconds = scale.pick(5, 30);
    let change = |plan| Plan { duration: Duration::from_secs(seconds), connections: 8, ..plan };
    let run = bench.play("", open(2000, Spacing::Constant)?, change, stop)?;
    Ok(Played::of(run, |report| check_pacing(report, 2000 * seconds)))
}

fn check_pacing(report: &Report, planned: u64) -> Vec<Check> {
    let lateness = &report.latency.lateness;
    vec![
        Check::equal("requests planned", report.requests.planned, planned),
        Check::below("lateness p50", reading(lateness, "p50"), WAKE_P50),
        Check::below("lateness p99", reading(lateness, "p99"), WAKE_P99),
    ]
}

/// 1000 a second, and one stall in which nothing is answered.
fn stall(bench: &Bench, scale: Scale, stop: &Stop) -> Result<Played, Error> {
    let length = scale.pick(10_000, 60_000) * MS;
    let stall = scale.pick(300, 1000) * MS;
    let change = |plan| Plan { duration: length, connections: scale.pick(8, 16), ..plan };
    let orders = format!("?latency=stall(3s,{}ms)", stall.as_millis());
    let run = bench.play(&orders, open(1000, Spacing::Constant)?, change, stop)?;
    Ok(Played::of(run, |report| check_stall(report, stall, length)))
}

fn check_stall(report: &Report, stall: Duration, length: Duration) -> Vec<Check> {
    let (latency, response) = (&report.latency, &report.histograms.response.0);
    let planned = length.as_secs() * 1000;
    // No chance is in these, so the rule that a quantile needs ten samples beyond it has nothing to guard against.
    let quantile = |name: &str, p: f64| {
        let seen = Duration::from_nanos(response.value_at_quantile(p));
        let expected = paper::stall_quantile(stall, length, p);
        Check::within(&format!("response {name}"), Some(seen), expected, 10 * MS)
    };
    let mean = reading(&latency.response, "mean");
    vec![
        Check::equal("requests planned", report.requests.planned, planned),
        Check::equal_if_quiet("requests answered", report.requests.ok, planned),
        quantile("p99", 0.99),
        quantile("p99.9", 0.999),
        quantile("p99.99", 0.9999),
        Check::within("response mean", mean, paper::stall_mean(stall, length), MS),
        Check::below("service p99.9", reading(&latency.service, "p99.9"), 10 * MS),
    ]
}

/// 500 a second for 3 s into a server that can do 100.
fn overload(bench: &Bench, _: Scale, stop: &Stop) -> Result<Played, Error> {
    let change = |plan| Plan {
        duration: 3000 * MS,
        drain: Duration::ZERO,
        connections: 16,
        samples_kept: 1500,
        ..plan
    };
    let run = bench.play("?latency=fifo(10ms)", open(500, Spacing::Constant)?, change, stop)?;
    Ok(Played::of(run, check_overload))
}

fn check_overload(report: &Report) -> Vec<Check> {
    let mut samples = report.samples.clone();
    samples.sort_by_key(|sample| sample.answered);
    let latency = |k| paper::overload_latency(10 * MS, 2 * MS, k);
    let errors: Vec<Duration> = (0..)
        .zip(&samples)
        .map(|(k, sample)| paper::distance(sample.answered, sample.planned + latency(k)))
        .collect();
    vec![
        Check::equal("requests planned", report.requests.planned, 1500),
        Check::count("requests completed", report.requests.ok, 300, 2),
        Check::count("requests censored", report.requests.censored, 1200, 2),
        Check::below("k-th latency - (10 + 8k ms), median", paper::quantile(&errors, 0.5), MS / 2),
        Check::below("k-th latency - (10 + 8k ms), max", paper::quantile(&errors, 1.0), 5 * MS),
        Check::equal_if_quiet("verdict", report.verdict, Verdict::TargetMissed),
    ]
}

/// Evenly spaced arrivals into a server of which they need half: nobody waits.
fn constant(bench: &Bench, scale: Scale, stop: &Stop) -> Result<Played, Error> {
    let name = scale.pick("p99", "p99.9");
    let run = play_queue(bench, Spacing::Constant, Duration::from_secs(scale.pick(8, 48)), stop)?;
    Ok(Played::of(run, |report| {
        let response = &report.latency.response;
        let mut checks = check_queue(report);
        checks.push(Check::within("response p50", reading(response, "p50"), SERVICE, MS / 2));
        checks.push(Check::below(&format!("response {name}"), reading(response, name), SERVICE + MS / 2));
        checks
    }))
}

/// Random arrivals into the same server: M/D/1 at half load. Mean 1.5 D, p50 D, p99 4.34 D, p99.9 6.17 D.
fn poisson(bench: &Bench, scale: Scale, stop: &Stop) -> Result<Played, Error> {
    let run = play_queue(bench, Spacing::Poisson, Duration::from_secs(scale.pick(16, 120)), stop)?;
    Ok(Played::of(run, |report| {
        let mut checks = check_queue(report);
        checks.extend(check_poisson(&report.latency.response, scale));
        checks
    }))
}

fn check_poisson(response: &Summary, scale: Scale) -> Vec<Check> {
    let quantile = |name: &str, services, tolerance| {
        Check::within(
            &format!("response {name} of M/D/1"),
            reading(response, name),
            SERVICE.mul_f64(services),
            SERVICE.mul_f64(tolerance) + MS * 3 / 10,
        )
    };
    // Three standard deviations at 4,000 and at 30,000 samples, which come in busy periods and are not independent.
    let mut checks = vec![
        quantile("mean", 1.5, scale.pick(0.1, 0.04)),
        quantile("p50", 1.0, scale.pick(0.15, 0.06)),
        quantile("p99", 4.34, scale.pick(0.6, 0.25)),
    ];
    if scale == Scale::Full {
        checks.push(quantile("p99.9", 6.17, 0.9));
    }
    checks
}

fn play_queue(
    bench: &Bench,
    spacing: Spacing,
    duration: Duration,
    stop: &Stop,
) -> Result<(Report, Noise), Error> {
    let samples_kept = (2 * RATE * duration.as_secs()) as usize;
    let change = |plan| Plan { duration, connections: 32, samples_kept, seed: SEED, ..plan };
    bench.play("?latency=fifo(2ms)", open(RATE, spacing)?, change, stop)
}

/// Request by request by Lindley's recursion.
fn check_queue(report: &Report) -> Vec<Check> {
    let errors = paper::errors(&report.samples, SERVICE);
    vec![
        Check::equal_if_quiet("requests answered", report.requests.ok, report.requests.planned),
        Check::below(
            "each answer - Lindley's, median",
            paper::quantile(&errors, 0.5),
            Duration::from_micros(150),
        ),
        Check::below("each answer - Lindley's, p99", paper::quantile(&errors, 0.99), MS),
    ]
}
