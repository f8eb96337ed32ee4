//! What a run found, for people (see [`crate::report::table`]) and for programs (JSON).

mod table;
pub(crate) mod verdict;

use std::collections::BTreeMap;
use std::time::Duration;

use ringgate_io::Rung;
use serde::Serialize;

use crate::engine::shift::Tally;
use crate::plan::Plan;
use crate::plan::load::Load;
use crate::record::census::{Census, TransportErrors};
use crate::record::cpu::CpuTime;
use crate::record::recorder::{Connections, Recorder, Sending, histogram, nanoseconds};
use crate::record::summary::Summary;
use crate::report::verdict::{Evidence, Verdict};

/// The form of the JSON object; it changes when a field changes its meaning or goes.
const FORMAT: u32 = 1;

/// What a run found. Durations are nanoseconds, in fields whose names end in `_ns`.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Version of this form.
    pub format: u32,
    /// What was asked for.
    pub setting: Setting,
    /// Whether the numbers may be believed.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// How long requests were planned and measured: shorter than asked for if the run was stopped or finished before.
    pub elapsed_ns: u64,
    /// Where every planned request ended.
    pub requests: Census,
    /// Whether all accounts of the run agree with each other. If not, this program is broken; please report it.
    pub census_holds: bool,
    /// The transport errors by kind.
    pub transport_errors: TransportErrors,
    /// The five clocks.
    pub latency: Latency,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// What came back within `elapsed_ns`.
    pub throughput: Throughput,
    /// Connections, those of opening and warm-up included.
    pub connections: Connections,
    /// The load generator's own part.
    pub generator: Generator,
    /// The same census for each target.
    pub targets: Vec<TargetReport>,
}

/// What was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Setting {
    /// The load, in words.
    pub load: String,
    /// Connections in the whole run.
    pub connections: usize,
    /// Threads of the generator.
    pub threads: usize,
    /// Planned length of the measured part.
    pub duration_ns: u64,
    /// Length of the part before it that is not counted.
    pub warmup_ns: u64,
    /// How long a request may take from sending.
    pub timeout_ns: u64,
    /// How long answers under way were waited for at the end.
    pub drain_ns: u64,
    /// What decided which request went to which target.
    pub seed: u64,
    /// The way IO was done.
    pub driver: String,
    /// The version of this program.
    pub ringload: &'static str,
}

/// The clocks of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Latency {
    /// From the planned instant to the last byte: what a caller waits. Unanswered requests (timed out or censored) enter
    /// as lower bounds.
    pub response: Summary,
    /// From sending to the last byte: what the server takes.
    pub service: Summary,
    /// From the planned instant to sending, waiting for a free connection included. Empty in a closed loop.
    pub lateness: Summary,
    /// From sending to the first byte.
    pub first_byte: Summary,
    /// Making a connection.
    pub connect: Summary,
}

/// What came back.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Throughput {
    /// Requests answered in full, per second.
    pub requests_per_second: f64,
    /// Bytes received with those answers, heads and framing included, in MiB (2^20 bytes) per second.
    pub mebibytes_per_second: f64,
    /// Bytes of bodies alone.
    pub body_bytes: u64,
}

/// The load generator's own part.
#[derive(Debug, Clone, Serialize)]
pub struct Generator {
    /// How requests left.
    pub sending: Sending,
    /// CPU of its threads per answered request; nothing where the kernel does not tell.
    pub cpu_per_request_ns: Option<u64>,
    /// The largest part of the time (0 to 1) that one of its threads ran.
    pub busiest_running: f64,
    /// The largest part of the time that one of its threads was ready to run and got no core.
    pub busiest_waiting: f64,
    /// The instrument's floor: how late the pacer wakes when nothing else is to do. Empty in a closed loop.
    pub floor: Summary,
}

/// One target's part of the run.
#[derive(Debug, Clone, Serialize)]
pub struct TargetReport {
    /// Its URL.
    pub url: String,
    /// Its share of the requests, relative to the others'.
    pub weight: u32,
    /// Where its requests ended.
    pub requests: Census,
}

impl Report {
    pub(crate) fn new(plan: &Plan, driver: Rung, was_stopped: bool, tallies: &[Tally]) -> Report {
        let record = merged(plan, tallies);
        let census = record.census();
        let elapsed = tallies.iter().map(|tally| tally.effort.elapsed).max().unwrap_or_default();
        let generator = Generator::new(&record, tallies);
        let evidence = Evidence {
            census,
            sending: record.sending,
            is_open: matches!(plan.load, Load::Open { .. }),
            lateness_limit: plan.lateness_limit,
            busiest: largest(tallies, CpuTime::wanted),
        };
        let (verdict, reason) = evidence.verdict();
        Report {
            format: FORMAT,
            setting: Setting::new(plan, driver),
            verdict,
            reason,
            elapsed_ns: nanoseconds(elapsed),
            requests: census,
            census_holds: record.adds_up() && (was_stopped || was_planned(plan, &census)),
            transport_errors: record.errors,
            latency: Latency::new(&record),
            statuses: statuses(&record.statuses),
            throughput: Throughput::new(&record, elapsed),
            connections: record.connections,
            generator,
            targets: targets(plan, &record),
        }
    }
}

fn merged(plan: &Plan, tallies: &[Tally]) -> Recorder {
    let mut record = Recorder::new(plan.targets.len(), plan.lateness_limit);
    tallies.iter().for_each(|tally| record.merge(&tally.recorder));
    record
}

/// An open loop that ran to its end planned exactly what its schedule says.
fn was_planned(plan: &Plan, census: &Census) -> bool {
    match &plan.load {
        Load::Open { schedule } => census.planned == schedule.count_within(plan.seed, plan.duration),
        Load::Closed { requests } => requests.is_none_or(|requests| census.planned <= requests),
    }
}

fn statuses(counts: &[u64]) -> BTreeMap<u16, u64> {
    (0..).zip(counts).filter(|(_, count)| **count > 0).map(|(status, &count)| (status, count)).collect()
}

fn targets(plan: &Plan, record: &Recorder) -> Vec<TargetReport> {
    let pairs = plan.targets.iter().zip(&record.targets);
    pairs.map(|(t, census)| TargetReport { url: t.url(), weight: t.weight(), requests: *census }).collect()
}

/// The largest part of its time that a thread spent so.
fn largest(tallies: &[Tally], spent: fn(CpuTime) -> Duration) -> f64 {
    let part = |tally: &Tally| tally.effort.cpu.map_or(0.0, |cpu| ratio(spent(cpu), tally.effort.elapsed));
    tallies.iter().map(part).fold(0.0, f64::max)
}

fn ratio(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() { 0.0 } else { part.as_secs_f64() / whole.as_secs_f64() }
}

impl Setting {
    fn new(plan: &Plan, driver: Rung) -> Setting {
        Setting {
            load: plan.load.to_string(),
            connections: plan.connections,
            threads: plan.threads,
            duration_ns: nanoseconds(plan.duration),
            warmup_ns: nanoseconds(plan.warmup),
            timeout_ns: nanoseconds(plan.timeout),
            drain_ns: nanoseconds(plan.drain),
            seed: plan.seed,
            driver: driver.name().to_owned(),
            ringload: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl Latency {
    fn new(record: &Recorder) -> Latency {
        let clocks = &record.clocks;
        Latency {
            response: Summary::bounded(&clocks.response, &clocks.unanswered),
            service: Summary::of(&clocks.service),
            lateness: Summary::of(&clocks.lateness),
            first_byte: Summary::of(&clocks.first_byte),
            connect: Summary::of(&clocks.connect),
        }
    }
}

impl Throughput {
    fn new(record: &Recorder, elapsed: Duration) -> Throughput {
        let seconds = elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        Throughput {
            requests_per_second: record.traffic.answers as f64 / seconds,
            mebibytes_per_second: record.traffic.received_bytes as f64 / f64::from(1 << 20) / seconds,
            body_bytes: record.traffic.body_bytes,
        }
    }
}

impl Generator {
    fn new(record: &Recorder, tallies: &[Tally]) -> Generator {
        let mut floor = histogram();
        for tally in tallies {
            floor.add(&tally.floor).expect("histograms of equal bounds add");
        }
        let cpu: Option<Duration> = tallies.iter().map(|tally| tally.effort.cpu.map(|cpu| cpu.running)).sum();
        let answers = record.traffic.answers;
        Generator {
            sending: record.sending,
            cpu_per_request_ns: cpu.filter(|_| answers > 0).map(|cpu| nanoseconds(cpu) / answers),
            busiest_running: largest(tallies, |cpu| cpu.running),
            busiest_waiting: largest(tallies, |cpu| cpu.waiting),
            floor: Summary::of(&floor),
        }
    }
}
