//! What a run found, for people (as a table) and for programs (JSON).

pub(crate) mod assertion;
pub(crate) mod provenance;
pub(crate) mod table;
pub(crate) mod verdict;

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use ringgate_io::Rung;
use serde::{Deserialize, Serialize};

pub use self::assertion::Asserted;
pub use self::provenance::Provenance;
pub use self::table::nanoseconds as words;
use self::verdict::Evidence;
pub use self::verdict::{Limiter, Verdict};
use crate::engine::run::Run;
use crate::engine::shift::Tally;
pub use crate::interchange::blob::Blob;
use crate::plan::Plan;
use crate::plan::load::Load;
pub use crate::record::census::{Census, TransportErrors};
use crate::record::cpu::CpuTime;
pub use crate::record::failures::Failure;
use crate::record::recorder::{Clocks, Recorder, TargetRecord, add, histogram, nanoseconds};
pub use crate::record::recorder::{Connections, Sample, Sending};
pub use crate::record::series::Interval;
pub use crate::record::summary::{Reading, Summary};
pub use crate::statistics::Estimate;

/// The form of the JSON object; it changes when a field changes its meaning or goes.
pub(crate) const FORMAT: u32 = 2;

/// What a run found. As JSON it is the saved run: everything here can be read back. Durations are nanoseconds, in fields
/// whose names end in `_ns`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Version of this form.
    pub format: u32,
    /// Where it comes from.
    pub provenance: Provenance,
    /// What was asked for.
    pub setting: Setting,
    /// Whether the numbers may be believed.
    pub verdict: Verdict,
    /// Who kept the run from going faster, as far as it was watched.
    pub limiter: Limiter,
    /// Why the verdict is what it is.
    pub reason: String,
    /// How long requests were planned and measured: shorter than asked for if the run was stopped or finished before.
    pub elapsed_ns: u64,
    /// Where every planned request ended.
    pub requests: Census,
    /// Whether all accounts of the run agree with each other. If not, this program is broken; please report it.
    pub census_holds: bool,
    /// The transport errors by kind.
    pub transport_errors: TransportErrors,
    /// The clocks.
    pub latency: Latency,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// What came back within `elapsed_ns`.
    pub throughput: Throughput,
    /// Connections, those of opening and warm-up included.
    pub connections: Connections,
    /// The load generator's own part.
    pub generator: Generator,
    /// CPU of the processes that were watched, and of the machine.
    pub costs: Vec<Cost>,
    /// Those of them whose CPU is unknown.
    #[serde(default)]
    pub uncounted: Vec<Uncounted>,
    /// What the run was held to.
    pub assertions: Vec<Asserted>,
    /// How some of the failed exchanges went, at most 16 of each kind.
    #[serde(default)]
    pub failures: Vec<Failure>,
    /// The same for each target.
    pub targets: Vec<TargetReport>,
    /// The run over time.
    pub series: Vec<Interval>,
    /// What the clocks rest on.
    pub histograms: Histograms,
    /// The answers that [`Plan::samples_kept`](crate::Plan) asked for, in the order in which they came to each thread.
    /// Instants mean nothing to another process: they are not saved.
    #[serde(skip)]
    pub samples: Vec<Sample>,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The load, in words.
    pub load: String,
    /// Whether requests were due by a schedule, and not when a connection was free.
    pub is_open: bool,
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
    /// The generator's own delay that its p99 may not exceed.
    pub lateness_limit_ns: u64,
    /// What decided which request went to which target.
    pub seed: u64,
    /// The way IO was done.
    pub driver: String,
}

/// The clocks of a run, or of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Making a connection; told for the whole run only.
    pub connect: Summary,
    /// Service time less the time that the server itself had the request, where the server told it: what everything
    /// between the two added. Needs both on one machine (one monotonic clock).
    pub added: Summary,
}

/// The clocks of a run, or of one target, value by value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Histograms {
    /// Response times.
    pub response: Blob,
    /// Lower bounds of the response times of requests that were not answered.
    pub unanswered: Blob,
    /// Service times.
    pub service: Blob,
    /// Latenesses.
    pub lateness: Blob,
    /// Times to first byte.
    pub first_byte: Blob,
    /// Times to connect; of a target: none.
    pub connect: Blob,
    /// Added latencies.
    pub added: Blob,
    /// The floor of the instrument; of a target: none.
    pub floor: Blob,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// Requests answered in full, per second.
    pub requests_per_second: f64,
    /// Bytes received with those answers, heads and framing included, in MiB (2^20 bytes) per second.
    pub mebibytes_per_second: f64,
    /// Those answers.
    pub answers: u64,
    /// Bytes received with them.
    pub received_bytes: u64,
    /// Bytes of bodies alone.
    pub body_bytes: u64,
}

/// The load generator's own part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// How requests left.
    pub sending: Sending,
    /// CPU of its threads; nothing where the kernel does not tell.
    pub cpu_ns: Option<u64>,
    /// The same per answered request.
    pub cpu_per_request_ns: Option<u64>,
    /// The largest part of the time (0 to 1) that one of its threads ran; nothing where the kernel does not tell.
    pub busiest_running: Option<f64>,
    /// The largest part of the time that one of its threads was ready to run and got no core.
    pub busiest_waiting: Option<f64>,
    /// The instrument's floor: how late the pacer wakes when nothing else is to do. Empty in a closed loop.
    pub floor: Summary,
}

/// What CPU something cost during the measured part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// What was watched: a name from the plan, or `machine` for everything on all cores, in steps of 10 ms.
    pub name: String,
    /// Its CPU time.
    pub cpu_ns: u64,
    /// The same per answered request.
    pub cpu_per_request_ns: Option<u64>,
    /// The largest part of the time (0 to 1) that one of its threads wanted a core; of the machine, and where the
    /// kernel does not tell: nothing.
    pub busiest: Option<f64>,
}

/// Something that was watched, and whose CPU time cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uncounted {
    /// What was watched: a name from the plan, or `machine`.
    pub name: String,
    /// Why it cannot be told.
    pub reason: String,
}

/// The cost of everything.
pub(crate) const MACHINE: &str = "machine";

/// One target's part of the run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TargetReport {
    /// Its name, if it was given one.
    #[serde(default)]
    pub name: Option<String>,
    /// Its URL.
    pub url: String,
    /// Its share of the requests, relative to the others'.
    pub weight: u32,
    /// Where its requests ended.
    pub requests: Census,
    /// Its clocks.
    pub latency: Latency,
    /// What they rest on.
    pub histograms: Histograms,
}

impl Report {
    pub(crate) fn new(plan: &Plan, run: &Run) -> Report {
        let tallies = &run.tallies;
        let record = merged(plan, tallies);
        let census = record.census();
        let elapsed = tallies.iter().map(|tally| tally.effort.elapsed).max().unwrap_or_default();
        let series = run.series.intervals(elapsed);
        let floor = floor(tallies);
        let costs = costs(run, record.traffic.answers, elapsed);
        let evidence = Evidence {
            census,
            sending: record.sending,
            is_open: matches!(plan.load, Load::Open { .. }),
            is_level: plan.load.is_level(),
            lateness_limit: plan.lateness_limit,
            busiest: largest(tallies, CpuTime::wanted),
            series: &series,
            costs: &costs,
        };
        let (verdict, reason) = evidence.verdict();
        let histograms = Histograms::new(&record.clocks(), &record.connect, &floor);
        let mut report = Report {
            format: FORMAT,
            provenance: run.provenance.clone(),
            setting: Setting::new(plan, run.driver),
            verdict,
            limiter: evidence.limiter(),
            reason,
            elapsed_ns: nanoseconds(elapsed),
            requests: census,
            census_holds: record.adds_up() && (run.was_stopped || was_planned(plan, &census)),
            latency: Latency::of(&histograms),
            histograms,
            statuses: statuses(&record.statuses),
            throughput: Throughput::new(&record, elapsed),
            connections: record.connections,
            generator: Generator::new(&record, tallies, &floor),
            costs,
            uncounted: uncounted(run),
            assertions: Vec::new(),
            failures: record.failures.list(&plan.secrets()),
            targets: targets(plan, &record),
            series,
            transport_errors: record.errors,
            samples: record.samples,
        };
        report.assertions = plan.assertions.iter().map(|assertion| assertion.check(&report)).collect();
        report
    }

    /// Whether an assertion says how many requests may fail.
    pub fn is_held_to_errors(&self) -> bool {
        self.assertions.iter().any(|asserted| asserted.assertion.trim_start().starts_with("errors"))
    }

    /// The cost of that name.
    pub fn cost(&self, name: &str) -> Option<&Cost> {
        self.costs.iter().find(|cost| cost.name == name)
    }

    /// Why the cost of that name is unknown, if it was to be told.
    pub fn why_uncounted(&self, name: &str) -> Option<&str> {
        self.uncounted.iter().find(|told| told.name == name).map(|told| told.reason.as_str())
    }
}

fn merged(plan: &Plan, tallies: &[Tally]) -> Recorder {
    let mut record = Recorder::new(plan.targets.len(), plan.lateness_limit);
    tallies.iter().for_each(|tally| record.merge(&tally.recorder));
    record
}

fn floor(tallies: &[Tally]) -> Histogram<u64> {
    let mut floor = histogram();
    tallies.iter().for_each(|tally| add(&mut floor, &tally.floor));
    floor
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
    let report = |(target, record): (&crate::Target, &TargetRecord)| {
        let histograms = Histograms::new(&record.clocks, &histogram(), &histogram());
        TargetReport {
            name: target.known_as().map(str::to_owned),
            url: target.url(),
            weight: target.weight(),
            requests: record.census,
            latency: Latency::of(&histograms),
            histograms,
        }
    };
    plan.targets.iter().zip(&record.targets).map(report).collect()
}

fn costs(run: &Run, answers: u64, elapsed: Duration) -> Vec<Cost> {
    let told = run.spent.iter().filter_map(|(name, bill)| Some((name, bill.as_ref().ok()?)));
    let watched = told.map(|(name, bill)| Cost {
        name: name.clone(),
        cpu_ns: nanoseconds(bill.running),
        cpu_per_request_ns: nanoseconds(bill.running).checked_div(answers),
        busiest: bill.busiest.map(|busiest| ratio(busiest, elapsed)),
    });
    let machine = run.machine.map(|busy| Cost {
        name: MACHINE.to_owned(),
        cpu_ns: nanoseconds(busy),
        cpu_per_request_ns: nanoseconds(busy).checked_div(answers),
        busiest: None,
    });
    watched.chain(machine).collect()
}

fn uncounted(run: &Run) -> Vec<Uncounted> {
    let unknown =
        run.spent.iter().filter_map(|(name, bill)| Some((name.as_str(), bill.as_ref().err()?.as_str())));
    let machine =
        run.machine.is_none().then_some((MACHINE, "/proc/stat does not tell, or the run was too short"));
    let told = unknown.chain(machine);
    told.map(|(name, reason)| Uncounted { name: name.to_owned(), reason: reason.to_owned() }).collect()
}

/// The largest part of its time that a thread spent so; nothing where the kernel does not tell.
fn largest(tallies: &[Tally], spent: fn(CpuTime) -> Duration) -> Option<f64> {
    let part = |tally: &Tally| tally.effort.cpu.map(|(cpu, length)| ratio(spent(cpu), length));
    tallies.iter().map(part).try_fold(0.0, |largest, part| Some(f64::max(largest, part?)))
}

fn ratio(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() { 0.0 } else { part.as_secs_f64() / whole.as_secs_f64() }
}

impl Setting {
    fn new(plan: &Plan, driver: Rung) -> Setting {
        Setting {
            load: plan.load.to_string(),
            is_open: matches!(plan.load, Load::Open { .. }),
            connections: plan.connections,
            threads: plan.threads,
            duration_ns: nanoseconds(plan.duration),
            warmup_ns: nanoseconds(plan.warmup),
            timeout_ns: nanoseconds(plan.timeout),
            drain_ns: nanoseconds(plan.drain),
            lateness_limit_ns: nanoseconds(plan.lateness_limit),
            seed: plan.seed,
            driver: driver.name().to_owned(),
        }
    }
}

impl Latency {
    /// What `histograms` say.
    pub(crate) fn of(histograms: &Histograms) -> Latency {
        Latency {
            response: Summary::bounded(&histograms.response.0, &histograms.unanswered.0),
            service: Summary::of(&histograms.service.0),
            lateness: Summary::of(&histograms.lateness.0),
            first_byte: Summary::of(&histograms.first_byte.0),
            connect: Summary::of(&histograms.connect.0),
            added: Summary::of(&histograms.added.0),
        }
    }

    /// All clocks by name, in the order of the table.
    pub fn clocks(&self) -> [(&'static str, &Summary); 6] {
        [
            ("response", &self.response),
            ("service", &self.service),
            ("lateness", &self.lateness),
            ("first_byte", &self.first_byte),
            ("connect", &self.connect),
            ("added", &self.added),
        ]
    }

    /// The clock of that name.
    pub fn clock(&self, name: &str) -> Option<&Summary> {
        self.clocks().into_iter().find(|clock| clock.0 == name).map(|clock| clock.1)
    }
}

impl Histograms {
    fn new(clocks: &Clocks, connect: &Histogram<u64>, floor: &Histogram<u64>) -> Histograms {
        let blob = |histogram: &Histogram<u64>| Blob(histogram.clone());
        Histograms {
            response: blob(&clocks.response),
            unanswered: blob(&clocks.unanswered),
            service: blob(&clocks.service),
            lateness: blob(&clocks.lateness),
            first_byte: blob(&clocks.first_byte),
            connect: blob(connect),
            added: blob(&clocks.added),
            floor: blob(floor),
        }
    }
}

impl Throughput {
    fn new(record: &Recorder, elapsed: Duration) -> Throughput {
        let seconds = elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        let traffic = record.traffic;
        Throughput {
            requests_per_second: traffic.answers as f64 / seconds,
            mebibytes_per_second: traffic.received_bytes as f64 / f64::from(1 << 20) / seconds,
            answers: traffic.answers,
            received_bytes: traffic.received_bytes,
            body_bytes: traffic.body_bytes,
        }
    }
}

impl Generator {
    fn new(record: &Recorder, tallies: &[Tally], floor: &Histogram<u64>) -> Generator {
        let cpu: Option<Duration> =
            tallies.iter().map(|tally| tally.effort.cpu.map(|(cpu, _)| cpu.running)).sum();
        let cpu_ns = cpu.map(nanoseconds);
        Generator {
            sending: record.sending,
            cpu_ns,
            cpu_per_request_ns: cpu_ns.and_then(|cpu| cpu.checked_div(record.traffic.answers)),
            busiest_running: largest(tallies, |cpu| cpu.running),
            busiest_waiting: largest(tallies, |cpu| cpu.waiting),
            floor: Summary::of(floor),
        }
    }
}
