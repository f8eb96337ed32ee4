//! Runs made on several machines, added up to one.
//!
//! Owns: what it means to add runs. Counts and histograms are added, bucket for bucket, and everything computed from them
//! is computed anew, so the sum of the parts is the record that one generator would have kept. The sum does not depend on
//! the order of the parts, nor on whether some were added up before.
//! Refuses: to add what cannot be: runs with other targets, another length, warm-up, patience or kind of loop; and a run
//! that is among them already.
//! Assumes: each run agrees with itself, as one does that was measured here or [parsed](crate::interchange::run::parse), and
//! so counts no more than can be added; the sum is held to the same. The parts ran at the same time; the length of the whole
//! is that of the longest. Where only a part's result is kept and not what it rests on, the whole gets the worst: the
//! verdict, and the quantiles of a row over time, which are the largest among the parts' (the true one is not above it).

mod rows;
mod words;

use std::collections::BTreeMap;

use crate::interchange::accounts;
use crate::merge::words::{counted, distinct};
use crate::plan::Assertion;
use crate::record::failures;
use crate::record::recorder::add;
use crate::record::summary::Summary;
use crate::report::verdict::{SAMPLES_NEEDED, scarcity};
use crate::report::{
    Asserted, Blob, Census, Connections, Cost, Generator, Histograms, Latency, Limiter, MACHINE, Provenance,
    Report, Sending, Setting, TargetReport, Throughput, TransportErrors, Verdict,
};

/// What stands before the reason of a verdict that only some of the parts have.
const OF_A_PART: &str = "of one of the runs added up: ";

/// Adds up `runs`, each with a name for what is wrong with it.
///
/// # Errors
/// There are none, or they cannot be added; says which, and in what they differ.
pub fn merge(runs: impl IntoIterator<Item = (String, Report)>) -> Result<Report, String> {
    let mut runs = runs.into_iter();
    let (first, mut sum) = runs.next().ok_or("give the runs to add up")?;
    let mut seen = BTreeMap::from([(identity(&sum), first.clone())]);
    for (name, next) in runs {
        if let Some(same) = seen.insert(identity(&next), name.clone()) {
            return Err(twice(&name, &same, &next));
        }
        check(&sum, &next).map_err(|reason| format!("{name}: differs from {first} {reason}"))?;
        sum = sum_of(&sum, &next);
        accounts::check(&sum)
            .map_err(|what| format!("{name}: cannot be added ({what}); no run is that large"))?;
    }
    Ok(sum)
}

/// What no two runs have in common, unless nobody gave them seeds.
fn identity(run: &Report) -> (String, u64, Vec<String>) {
    (run.provenance.started.clone(), run.setting.seed, run.provenance.command.clone())
}

fn twice(name: &str, same: &str, run: &Report) -> String {
    format!(
        "{name}: the same run as {same} (started {}, seed {}, by the same command); give each run once, and each machine a \
         --seed of its own",
        run.provenance.started, run.setting.seed
    )
}

fn sum_of(a: &Report, b: &Report) -> Report {
    let requests = census(a.requests, b.requests);
    let elapsed_ns = a.elapsed_ns.max(b.elapsed_ns);
    let throughput = throughput(a.throughput, b.throughput, elapsed_ns);
    let histograms = histograms(&a.histograms, &b.histograms);
    let (verdict, reason) = verdict(a, b, requests);
    let mut sum = Report {
        format: a.format,
        provenance: provenance(&a.provenance, &b.provenance),
        setting: setting(&a.setting, &b.setting),
        verdict,
        limiter: limiter(&a.limiter, &b.limiter),
        reason,
        elapsed_ns,
        requests,
        census_holds: a.census_holds && b.census_holds && requests.adds_up(),
        transport_errors: transport_errors(&a.transport_errors, &b.transport_errors),
        latency: Latency::of(&histograms),
        statuses: added(&a.statuses, &b.statuses),
        throughput,
        connections: connections(a.connections, b.connections),
        generator: generator(&a.generator, &b.generator, &histograms, throughput.answers),
        costs: costs(&a.costs, &b.costs, throughput.answers),
        uncounted: [a.uncounted.clone(), b.uncounted.clone()].concat(),
        assertions: Vec::new(),
        targets: a.targets.iter().zip(&b.targets).map(|(a, b)| target(a, b)).collect(),
        series: rows::sum(&a.series, &b.series),
        histograms,
        failures: failures::sum(&a.failures, &b.failures),
        samples: Vec::new(), // instants of several machines do not stand on one clock
    };
    sum.assertions = assertions(a, b, &sum);
    sum
}

/// What of the settings must be equal, with its name.
fn form(run: &Report) -> [(&'static str, String); 8] {
    let Setting { is_open, duration_ns, warmup_ns, timeout_ns, drain_ns, lateness_limit_ns, .. } =
        run.setting;
    let targets = run.targets.iter().map(|target| {
        let name = target.name.as_ref().map_or(String::new(), |name| format!(" ({name})"));
        format!("{}@{}{name}", target.weight, target.url)
    });
    let length = crate::words;
    [
        ("format", run.format.to_string()),
        ("loop", if is_open { "open" } else { "closed" }.to_owned()),
        ("duration", length(duration_ns)),
        ("warm-up", length(warmup_ns)),
        ("timeout", length(timeout_ns)),
        ("drain", length(drain_ns)),
        ("lateness limit", length(lateness_limit_ns)),
        ("targets", targets.collect::<Vec<_>>().join(" ")),
    ]
}

fn check(a: &Report, b: &Report) -> Result<(), String> {
    let pairs = form(a).into_iter().zip(form(b)).filter(|(a, b)| a != b);
    let differences: Vec<String> = pairs.map(|((name, a), (_, b))| format!("{name}: {a} and {b}")).collect();
    match differences.is_empty() {
        true => Ok(()),
        false => {
            Err(format!("in its settings ({}); make all parts with the same options", differences.join("; ")))
        }
    }
}

fn census(mut a: Census, b: Census) -> Census {
    a += b;
    a
}

fn transport_errors(a: &TransportErrors, b: &TransportErrors) -> TransportErrors {
    let first_malformed = a.first_malformed.iter().chain(&b.first_malformed).min().cloned();
    let mut sum = a.clone();
    sum += b.clone();
    TransportErrors { first_malformed, ..sum }
}

fn connections(a: Connections, b: Connections) -> Connections {
    Connections {
        opened: a.opened + b.opened,
        failed: a.failed + b.failed,
        unsolicited: a.unsolicited + b.unsolicited,
    }
}

fn added<K: Ord + Copy>(a: &BTreeMap<K, u64>, b: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
    let mut sum = a.clone();
    b.iter().for_each(|(&key, count)| *sum.entry(key).or_default() += count);
    sum
}

fn throughput(a: Throughput, b: Throughput, elapsed_ns: u64) -> Throughput {
    let answers = a.answers + b.answers;
    let received_bytes = a.received_bytes + b.received_bytes;
    let seconds = (elapsed_ns as f64 / 1e9).max(f64::MIN_POSITIVE);
    Throughput {
        requests_per_second: answers as f64 / seconds,
        mebibytes_per_second: received_bytes as f64 / f64::from(1 << 20) / seconds,
        answers,
        received_bytes,
        body_bytes: a.body_bytes + b.body_bytes,
    }
}

fn histogram_sum(a: &Blob, b: &Blob) -> Blob {
    let mut sum = a.clone();
    add(&mut sum.0, &b.0);
    sum
}

fn histograms(a: &Histograms, b: &Histograms) -> Histograms {
    Histograms {
        response: histogram_sum(&a.response, &b.response),
        unanswered: histogram_sum(&a.unanswered, &b.unanswered),
        service: histogram_sum(&a.service, &b.service),
        lateness: histogram_sum(&a.lateness, &b.lateness),
        first_byte: histogram_sum(&a.first_byte, &b.first_byte),
        connect: histogram_sum(&a.connect, &b.connect),
        added: histogram_sum(&a.added, &b.added),
        floor: histogram_sum(&a.floor, &b.floor),
    }
}

fn target(a: &TargetReport, b: &TargetReport) -> TargetReport {
    let histograms = histograms(&a.histograms, &b.histograms);
    TargetReport {
        name: a.name.clone(),
        url: a.url.clone(),
        weight: a.weight,
        requests: census(a.requests, b.requests),
        latency: Latency::of(&histograms),
        histograms,
    }
}

fn generator(a: &Generator, b: &Generator, histograms: &Histograms, answers: u64) -> Generator {
    let cpu_ns = a.cpu_ns.zip(b.cpu_ns).map(|(a, b)| a + b);
    Generator {
        sending: Sending {
            sent: a.sending.sent + b.sending.sent,
            waited: a.sending.waited + b.sending.waited,
            late: a.sending.late + b.sending.late,
            longest_delay_ns: a.sending.longest_delay_ns.max(b.sending.longest_delay_ns),
        },
        cpu_ns,
        cpu_per_request_ns: cpu_ns.and_then(|cpu| cpu.checked_div(answers)),
        busiest_running: larger(a.busiest_running, b.busiest_running),
        busiest_waiting: larger(a.busiest_waiting, b.busiest_waiting),
        floor: Summary::of(&histograms.floor.0),
    }
}

/// The larger of two, where both are known.
fn larger(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.zip(b).map(|(a, b)| a.max(b))
}

/// By name, the machines last. A process is watched where it runs: a part that does not tell it adds nothing.
fn costs(a: &[Cost], b: &[Cost], answers: u64) -> Vec<Cost> {
    let mut sums: BTreeMap<(bool, &str), (u64, Option<f64>)> = BTreeMap::new();
    for cost in a.iter().chain(b) {
        let sum = sums.entry((cost.name == MACHINE, &cost.name)).or_default();
        sum.0 += cost.cpu_ns;
        sum.1 = [sum.1, cost.busiest].into_iter().flatten().reduce(f64::max);
    }
    let cost = |((_, name), (cpu_ns, busiest)): ((bool, &str), (u64, Option<f64>))| Cost {
        name: name.to_owned(),
        cpu_ns,
        cpu_per_request_ns: cpu_ns.checked_div(answers),
        busiest,
    };
    sums.into_iter().map(cost).collect()
}

/// What any part was held to, on the whole.
fn assertions(a: &Report, b: &Report, sum: &Report) -> Vec<Asserted> {
    let mut texts: Vec<&str> =
        a.assertions.iter().chain(&b.assertions).map(|asserted| asserted.assertion.as_str()).collect();
    texts.sort_unstable();
    texts.dedup();
    texts.into_iter().filter_map(|text| Some(text.parse::<Assertion>().ok()?.check(sum))).collect()
}

/// What one part knows of itself and the sum cannot: whose generator was the limit, whose target fell behind, who changed.
/// Too few samples may be enough together.
fn verdict(a: &Report, b: &Report, requests: Census) -> (Verdict, String) {
    const WORST_FIRST: [Verdict; 3] = [Verdict::ClientLimited, Verdict::TargetMissed, Verdict::Unsteady];
    for worst in WORST_FIRST {
        let reasons = [a, b].into_iter().filter(|run| run.verdict == worst).map(|run| run.reason.as_str());
        if let Some(reason) = reasons.map(|reason| reason.trim_start_matches(OF_A_PART)).min() {
            return (worst, format!("{OF_A_PART}{reason}"));
        }
    }
    match requests.answered() {
        answered if answered < SAMPLES_NEEDED => (Verdict::TooFewSamples, scarcity(&requests)),
        _ => (Verdict::Valid, "the generators were not the limit".to_owned()),
    }
}

fn limiter(a: &Limiter, b: &Limiter) -> Limiter {
    let rank = |limiter: &Limiter| match limiter {
        Limiter::Generator => (0, String::new()),
        Limiter::Process(name) => (1, name.clone()),
        Limiter::None => (2, String::new()),
    };
    if rank(a) <= rank(b) { a.clone() } else { b.clone() }
}

/// Connections and threads of all; the seed is the smallest.
fn setting(a: &Setting, b: &Setting) -> Setting {
    Setting {
        load: counted(&a.load, &b.load),
        connections: a.connections + b.connections,
        threads: a.threads + b.threads,
        seed: a.seed.min(b.seed),
        driver: distinct(&a.driver, &b.driver),
        ..a.clone()
    }
}

/// Of a sum: it began with its first part, and one debug build spoils it.
fn provenance(a: &Provenance, b: &Provenance) -> Provenance {
    Provenance {
        started: a.started.clone().min(b.started.clone()),
        command: a.command.clone().min(b.command.clone()),
        ringload: distinct(&a.ringload, &b.ringload),
        build: a.build.clone().min(b.build.clone()),
        kernel: distinct(&a.kernel, &b.kernel),
        processor: counted(&a.processor, &b.processor),
        cores: a.cores + b.cores,
    }
}

#[cfg(test)]
pub(crate) mod tests;
