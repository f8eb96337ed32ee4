//! The cases: what each plays, and what must come of it.
//!
//! Owns: rates, lengths and tolerances. The answers on paper know of no network and no wake-ups; what those take here was
//! measured before ([`Floor`](crate::selftest::Floor)) and is added to what is expected of single requests. What a quantile of random arrivals may
//! differ by is chance besides: three standard deviations for the samples there are.

use std::time::Duration;

use crate::plan::schedule::{Profile, Spacing};
use crate::record::recorder::{histogram, nanoseconds};
use crate::record::summary::Summary;
use crate::selftest::bench::{Bench, Noise, Strictest};
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

/// What every case has before it.
pub(super) struct Stage<'a> {
    pub(super) bench: &'a Bench,
    pub(super) scale: Scale,
    /// What one request takes here beside its service, from sending: the way there and back, and the mock's wake-up.
    pub(super) floor: Duration,
    /// What it takes from its planned instant: the generator's wake-up too.
    pub(super) response_floor: Duration,
    /// How much more the way there and back takes at its p99 than at its median, with no server to wait for.
    pub(super) spread: Duration,
    pub(super) stop: &'a Stop,
}

/// One case.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) play: fn(&Stage<'_>) -> Result<Played, Error>,
}

/// What was played, and what came of it.
pub(super) struct Played {
    pub(super) checks: Vec<Check>,
    pub(super) noise: Option<Noise>,
    /// Why its times say nothing of the instrument, if they do not.
    pub(super) excuse: Option<String>,
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

impl Stage<'_> {
    fn play(
        &self,
        orders: &str,
        load: Load,
        change: impl FnOnce(Plan) -> Plan,
    ) -> Result<(Report, Noise), Error> {
        self.bench.play(orders, load, change, self.stop)
    }
}

impl Played {
    /// An expectation on a tail says nothing where the floor's own tail takes up half of what is allowed.
    fn or_shaky(mut self, spread: Duration, allowed: Duration) -> Played {
        let is_shaky = self.excuse.is_none() && spread > allowed / 2;
        if is_shaky {
            self.excuse =
                Some(format!("a round trip alone took {spread:.0?} more at its p99 than at its median"));
        }
        self
    }

    /// Of a run: its accounts first, then what `check` makes of it.
    fn of(run: (Report, Noise), strictest: Strictest, check: impl FnOnce(&Report) -> Vec<Check>) -> Played {
        let (report, noise) = run;
        let census = Check::equal("census adds up", report.census_holds, true);
        let checks = std::iter::once(census).chain(check(&report)).collect();
        Played { checks, noise: Some(noise), excuse: noise.reason(strictest), report: Some(report) }
    }
}

fn open(rate: u64, spacing: Spacing) -> Result<Load, Error> {
    Ok(Load::Open { schedule: Schedule::new(Profile::constant(rate)?, spacing) })
}

/// Tene's case: a second of answers of 1 ms, then a hundred seconds in which every 10 ms one is due and none comes.
fn histograms(_: &Stage<'_>) -> Result<Played, Error> {
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
    Ok(Played { checks, noise: None, excuse: None, report: None })
}

/// 2000 a second, answered at once: how late requests leave.
fn pacing(stage: &Stage<'_>) -> Result<Played, Error> {
    let seconds = stage.scale.pick(5, 30);
    let change = |plan| Plan { duration: Duration::from_secs(seconds), connections: 8, ..plan };
    let run = stage.play("", open(2000, Spacing::Constant)?, change)?;
    let strictest = Strictest { part: 0.01, requests_per_second: 2000, delay: MS / 2 };
    Ok(Played::of(run, strictest, |report| check_pacing(report, 2000 * seconds)))
}

fn check_pacing(report: &Report, planned: u64) -> Vec<Check> {
    let lateness = &report.latency.lateness;
    vec![
        Check::equal("requests planned", report.requests.planned, planned),
        Check::below("lateness p50", reading(lateness, "p50"), MS / 10),
        Check::below("lateness p99", reading(lateness, "p99"), MS / 2),
    ]
}

/// 1000 a second, and one stall in which nothing is answered.
fn stall(stage: &Stage<'_>) -> Result<Played, Error> {
    let length = stage.scale.pick(10_000, 60_000) * MS;
    let stall = stage.scale.pick(300, 1000) * MS;
    let change = |plan| Plan { duration: length, connections: stage.scale.pick(8, 16), ..plan };
    let orders = format!("?latency=stall(3s,{}ms)", stall.as_millis());
    let run = stage.play(&orders, open(1000, Spacing::Constant)?, change)?;
    let strictest = Strictest { part: 0.001, requests_per_second: 1000, delay: 10 * MS };
    Ok(Played::of(run, strictest, |report| check_stall(report, stall, length)))
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
fn overload(stage: &Stage<'_>) -> Result<Played, Error> {
    let change = |plan| Plan {
        duration: 3000 * MS,
        drain: Duration::ZERO,
        connections: 16,
        samples_kept: 1500,
        ..plan
    };
    let run = stage.play("?latency=fifo(10ms)", open(500, Spacing::Constant)?, change)?;
    let strictest = Strictest { part: 1.0 / 300.0, requests_per_second: 100, delay: 5 * MS };
    Ok(Played::of(run, strictest, |report| check_overload(report, stage.response_floor)))
}

fn check_overload(report: &Report, floor: Duration) -> Vec<Check> {
    let mut samples = report.samples.clone();
    samples.sort_by_key(|sample| sample.answered);
    let late = paper::overload_errors(&samples, 10 * MS, 2 * MS);
    let first = samples.first().map(|first| paper::distance(first.answered, first.planned + 10 * MS + floor));
    vec![
        Check::equal("requests planned", report.requests.planned, 1500),
        Check::count("requests completed", report.requests.ok, 300, 2),
        Check::count("requests censored", report.requests.censored, 1200, 2),
        Check::below("first latency off 10 ms", first, 5 * MS),
        Check::below("k-th latency off the first + 8k ms, median", paper::quantile(&late, 0.5), MS / 2),
        Check::below("k-th latency off the first + 8k ms, max", paper::quantile(&late, 1.0), 5 * MS),
        Check::equal_if_quiet("verdict", report.verdict, Verdict::TargetMissed),
    ]
}

/// Evenly spaced arrivals into a server of which they need half: nobody waits.
fn constant(stage: &Stage<'_>) -> Result<Played, Error> {
    let (name, part) = stage.scale.pick(("p99", 0.01), ("p99.9", 0.001));
    let strictest = Strictest { part, requests_per_second: RATE, delay: MS / 2 };
    let run = play_queue(stage, Spacing::Constant, Duration::from_secs(stage.scale.pick(8, 48)))?;
    Ok(Played::of(run, strictest, |report| {
        let longest = reading(&report.latency.response, name);
        let mut checks = check_queue(report, stage.floor);
        checks.push(Check::below(
            &format!("response {name}"),
            longest,
            SERVICE + stage.response_floor + MS / 2,
        ));
        checks
    })
    .or_shaky(stage.spread, MS / 2))
}

/// Random arrivals into the same server: M/D/1 at half load. Mean 1.5 D, p50 D, p99 4.34 D, p99.9 6.17 D.
fn poisson(stage: &Stage<'_>) -> Result<Played, Error> {
    let run = play_queue(stage, Spacing::Poisson, Duration::from_secs(stage.scale.pick(16, 120)))?;
    let strictest = Strictest { part: 0.01, requests_per_second: RATE, delay: MS };
    Ok(Played::of(run, strictest, |report| {
        let mut checks = check_queue(report, stage.floor);
        checks.extend(check_poisson(&report.latency.response, stage.scale, stage.response_floor));
        checks
    }))
}

fn check_poisson(response: &Summary, scale: Scale, floor: Duration) -> Vec<Check> {
    let quantile = |name: &str, services, tolerance| {
        Check::within(
            &format!("response {name} of M/D/1"),
            reading(response, name),
            SERVICE.mul_f64(services) + floor,
            SERVICE.mul_f64(tolerance) + MS / 10,
        )
    };
    // Three standard deviations at 4,000 and at 30,000 samples, which come in busy periods and are not independent.
    let mut checks = vec![
        quantile("mean", 1.5, scale.pick(0.1, 0.04)),
        quantile("p50", 1.0, scale.pick(0.2, 0.06)),
        quantile("p99", 4.34, scale.pick(0.6, 0.25)),
    ];
    if scale == Scale::Full {
        checks.push(quantile("p99.9", 6.17, 0.9));
    }
    checks
}

fn play_queue(stage: &Stage<'_>, spacing: Spacing, duration: Duration) -> Result<(Report, Noise), Error> {
    let samples_kept = (2 * RATE * duration.as_secs()) as usize;
    let change = |plan| Plan { duration, connections: 32, samples_kept, seed: SEED, ..plan };
    stage.play("?latency=fifo(2ms)", open(RATE, spacing)?, change)
}

/// Request by request by Lindley's recursion.
fn check_queue(report: &Report, floor: Duration) -> Vec<Check> {
    let errors = paper::errors(&report.samples, SERVICE, floor);
    vec![
        Check::equal_if_quiet("requests answered", report.requests.ok, report.requests.planned),
        Check::below("each answer off Lindley's, median", paper::quantile(&errors, 0.5), MS * 15 / 100),
        Check::below("each answer off Lindley's, p99", paper::quantile(&errors, 0.99), MS),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::plan::schedule::Arrivals;

    /// The same arrivals, on a virtual clock, in front of a server without any delay of its own.
    fn responses(seconds: u64) -> Summary {
        let Load::Open { schedule } = open(RATE, Spacing::Poisson).unwrap() else { panic!("not open") };
        let mut arrivals = Arrivals::new(&schedule, SEED, 0, 1);
        let (start, length) = (Instant::now(), Duration::from_secs(seconds));
        let planned: Vec<Instant> = std::iter::from_fn(|| {
            let offset = arrivals.offset();
            arrivals.take();
            (offset < length).then(|| start + offset)
        })
        .collect();
        let mut histogram = histogram();
        for (departure, planned) in paper::departures(planned.iter().copied(), SERVICE).iter().zip(&planned) {
            histogram.saturating_record(nanoseconds(*departure - *planned));
        }
        Summary::of(&histogram)
    }

    #[test]
    fn the_arrivals_that_are_played_show_the_quantiles_of_the_formula() {
        for (scale, seconds) in [(Scale::Quick, 16), (Scale::Full, 120)] {
            let checks = check_poisson(&responses(seconds), scale, Duration::ZERO);
            assert!(checks.iter().all(|check| check.holds), "{checks:#?}");
        }
    }
}
