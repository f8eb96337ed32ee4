use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::*;
use crate::engine::run::Run;
use crate::engine::shift::{Effort, Tally};
use crate::interchange::run::parse;
use crate::record::beat::Beat;
use crate::record::census::{Fault, Outcome};
use crate::record::cpu::CpuTime;
use crate::record::exchange::{Exchange, Ticket};
use crate::record::recorder::{Recorder, histogram};
use crate::record::series::Series;
use crate::response::Answer;
use crate::{Load, Plan};
use crate::{Rung, Schedule, Target};

pub(crate) const ELAPSED: Duration = Duration::from_secs(2);
const URLS: [&str; 2] = ["http://h/a", "http://h/b"];

/// Numbers that look random: splitmix64's scrambling.
fn scrambled(number: u64) -> u64 {
    let z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 27)
}

fn settle(recorder: &mut Recorder, number: u64) {
    let draw = scrambled(number);
    let target = (draw % 2) as usize;
    let planned = Instant::now();
    let took = Duration::from_nanos(1 + draw % 50_000_000);
    let ticket = Ticket { number, target, planned: Some(planned), has_waited: false, is_measured: true };
    recorder.planned(target);
    let sent = Exchange { first_byte: Some(planned + took), ..Exchange::new(ticket, planned + took / 8) };
    recorder.sent(&sent);
    let answer = Answer {
        status: 200 + (draw % 3) as u16,
        body_bytes: 5,
        received_bytes: 100,
        keep_alive: true,
        server_time: Some(took / 4),
    };
    match draw % 20 {
        0 => recorder.unanswered(target, Outcome::Timeout, took),
        1 => recorder.unanswered(target, Outcome::TransportError(Fault::Reset), took),
        2 => recorder.unanswered(target, Outcome::TransportError(Fault::Malformed("no head")), took),
        3 => recorder.answered(&sent, &answer, Outcome::BadStatus, planned + took),
        _ => recorder.answered(&sent, &answer, Outcome::Ok, planned + took),
    }
}

/// The thread that settled these requests.
fn tally(numbers: impl IntoIterator<Item = u64>) -> Tally {
    let mut recorder = Recorder::new(URLS.len(), Duration::from_secs(1));
    recorder.connected(Duration::from_micros(70));
    numbers.into_iter().for_each(|number| settle(&mut recorder, number));
    let cpu = CpuTime { running: Duration::from_millis(300), ..CpuTime::default() };
    Tally { recorder, effort: Effort { elapsed: ELAPSED, cpu: Some((cpu, ELAPSED)) }, floor: histogram() }
}

fn plan() -> Plan {
    let load = Load::Open { schedule: Schedule::constant(1500).unwrap() };
    Plan { duration: ELAPSED, ..Plan::new(URLS.map(|url| Target::get(url).unwrap()), load) }
}

/// The report of a run with these threads.
fn report(mut tallies: Vec<Tally>) -> Report {
    let mut beat = Beat::new();
    tallies.iter_mut().for_each(|tally| beat.merge(&tally.recorder.take_beat(Beat::new())));
    let mut series = Series::new(ELAPSED);
    series.push(&beat);
    report_over(tallies, series)
}

/// The same, where somebody has followed it over time.
pub(crate) fn report_over(tallies: Vec<Tally>, series: Series) -> Report {
    let run = Run {
        provenance: Provenance::now(),
        driver: Rung::ALL[0],
        was_stopped: true,
        tallies,
        series,
        spent: Vec::new(),
        machine: Some(Duration::from_millis(900)),
    };
    Report::new(&plan(), &run)
}

/// Three runs of the same plan, each with its seed, and with failures of several kinds.
pub(crate) fn parts() -> [Report; 3] {
    let mut parts = [0..700, 700..1300, 1300..3000].map(|numbers| report(vec![tally(numbers)]));
    parts.iter_mut().zip(1..).for_each(|(part, seed)| part.setting.seed = seed);
    parts
}

/// Adds up runs that are called a, b and so on.
fn merge(runs: impl IntoIterator<Item = Report>) -> Result<Report, String> {
    super::merge(('a'..).map(String::from).zip(runs))
}

/// Bucket for bucket and word for word.
fn json(report: &Report) -> serde_json::Value {
    serde_json::to_value(report).unwrap()
}

#[test]
fn the_sum_of_the_parts_is_the_record_of_the_whole() {
    let whole = report([0..700, 700..1300, 1300..3000].map(tally).into());
    let sum = merge(parts()).unwrap();
    assert_eq!(sum.histograms, whole.histograms);
    assert_eq!(sum.latency, whole.latency);
    assert_eq!(sum.requests, whole.requests);
    assert!(sum.requests.planned == 3000 && sum.census_holds && sum.histograms.unanswered.0.len() > 50);
    assert_eq!(sum.transport_errors, whole.transport_errors);
    assert_eq!(sum.statuses, whole.statuses);
    assert_eq!(sum.throughput, whole.throughput);
    assert_eq!(sum.connections, whole.connections);
    assert_eq!(sum.generator, whole.generator);
    for (sum, whole) in sum.targets.iter().zip(&whole.targets) {
        assert_eq!((sum.requests, &sum.latency), (whole.requests, &whole.latency));
        assert_eq!(sum.histograms, whole.histograms);
    }
    assert_eq!(sum.series[0].answered, whole.series[0].answered);
}

#[test]
fn the_order_of_the_parts_does_not_matter_nor_what_was_added_before() {
    let [a, b, c] = parts();
    let all = json(&merge([a.clone(), b.clone(), c.clone()]).unwrap());
    assert_eq!(json(&merge([c.clone(), a.clone(), b.clone()]).unwrap()), all);
    let pair = merge([b, c]).unwrap();
    assert_eq!(json(&merge([a, pair]).unwrap()), all);
}

#[test]
fn a_sum_survives_being_saved() {
    let sum = merge(parts()).unwrap();
    let read = parse(&serde_json::to_string(&sum).unwrap()).unwrap();
    assert_eq!(json(&read), json(&sum));
}

#[test]
fn settings_add_up_too() {
    let sum = merge(parts()).unwrap();
    assert_eq!(sum.setting.load, "3 x open loop at 1500 requests/s");
    assert_eq!((sum.setting.connections, sum.setting.threads), (192, 3));
    assert_eq!(sum.cost(MACHINE).unwrap().cpu_ns, 2_700_000_000);
}

#[test]
fn the_worst_verdict_counts_with_its_reason_and_few_samples_may_be_enough_together() {
    let [mut a, b, c] = parts();
    assert_eq!([&a, &b].map(|part| part.verdict), [Verdict::TargetMissed; 2]); // a tenth is unanswered
    a.verdict = Verdict::ClientLimited;
    a.reason = "too slow".to_owned();
    let sum = merge([b, a, c]).unwrap();
    assert_eq!(
        (sum.verdict, sum.reason.as_str()),
        (Verdict::ClientLimited, "of one of the runs added up: too slow")
    );
    let few = parts().map(|part| Report { verdict: Verdict::TooFewSamples, ..part });
    assert_eq!(merge(few.clone()).unwrap().verdict, Verdict::Valid);
    let [a, b, _] = few;
    assert_eq!(merge([a]).unwrap().verdict, Verdict::TooFewSamples);
    assert_eq!(merge([b]).unwrap().verdict, Verdict::TooFewSamples);
}

#[test]
fn what_the_parts_were_held_to_the_whole_is_held_to() {
    let [mut a, b, c] = parts();
    a.assertions.push("errors<1%".parse::<Assertion>().unwrap().check(&a));
    let sum = merge([a, b, c]).unwrap();
    assert_eq!(sum.assertions.len(), 1);
    assert!(!sum.assertions[0].holds);
}

#[test]
fn runs_that_differ_are_refused_with_what_differs() {
    let [a, mut b, mut c] = parts();
    b.setting.warmup_ns = 5_000_000_000;
    b.setting.is_open = false;
    let error = merge([a.clone(), b]).unwrap_err();
    assert!(error.contains("warm-up: 0 ns and 5.00 s") && error.contains("loop: open and closed"), "{error}");
    c.targets[1].url = "http://h/other".to_owned();
    let error = merge([a, c]).unwrap_err();
    assert!(
        error.starts_with("b: differs from a in its settings (targets: 1@http://h/a 1@http://h/b and"),
        "{error}"
    );
    assert!(merge([]).unwrap_err().contains("give the runs"));
}

#[test]
fn a_run_given_twice_is_refused_with_both_its_names() {
    let [a, b, _] = parts();
    let error = merge([a.clone(), b.clone(), a.clone()]).unwrap_err();
    assert!(error.starts_with("c: the same run as a (started "), "{error}");
    assert!(error.contains("--seed"), "{error}");
    let other = Report { setting: Setting { seed: 9, ..a.setting.clone() }, ..a.clone() };
    assert!(merge([a, b, other]).is_ok());
}

#[test]
fn a_sum_that_is_larger_than_any_run_is_refused() {
    let [mut a, mut b, _] = parts();
    for run in [&mut a, &mut b] {
        run.throughput.received_bytes = 1 << 62;
    }
    let error = merge([a, b]).unwrap_err();
    assert!(error.starts_with("b: cannot be added (bytes received: 9223372036854775808"), "{error}");
}

#[test]
fn histograms_of_other_bounds_are_refused() {
    let [mut a, _, _] = parts();
    a.histograms.service = Blob(Histogram::new(2).unwrap());
    assert!(parse(&serde_json::to_string(&a).unwrap()).unwrap_err().contains("bounds"));
}
