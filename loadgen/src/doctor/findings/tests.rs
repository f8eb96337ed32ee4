//! Facts in, findings out.

use super::*;
use crate::doctor::Examination;
use crate::doctor::facts::Activity;
use crate::record::recorder::histogram;
use crate::record::summary::Summary;

fn waking(p50_ns: u64, p99_ns: u64) -> Option<Summary> {
    let mut wakes = histogram();
    wakes.saturating_record_n(p50_ns, 980);
    wakes.saturating_record_n(p99_ns, 20);
    Some(Summary::of(&wakes))
}

/// A machine on which there is nothing to say.
fn quiet() -> Facts {
    Facts {
        is_debug_build: false,
        descriptors: Some(20_000),
        machine_cores: 4,
        cores: vec![0, 1, 2, 3],
        siblings: Vec::new(),
        quota_cores: None,
        activity: Some(Activity { busy_cores: 0.02, stolen_cores: 0.0 }),
        governors: vec!["performance".to_owned()],
        turbo: Some(false),
        ports: Some((32_768, 60_999)),
        port_reuse: Some(2),
        backlog: Some(4096),
        driver: Some((Rung::Defer, Vec::new())),
        pacer: waking(50_000, 150_000),
        clock: Some("tsc".to_owned()),
        huge_pages: Some("madvise".to_owned()),
        has_schedstat: true,
        has_processes: true,
        has_machine_time: true,
    }
}

/// Exactly one finding is not good, and it is this one.
#[track_caller]
fn check(facts: Facts, subject: &str, severity: Severity) {
    let findings = of(&facts);
    let notable: Vec<_> = findings.iter().filter(|finding| finding.severity > Severity::Good).collect();
    let [finding] = notable[..] else { panic!("{notable:?}") };
    assert_eq!((finding.subject, finding.severity), (subject, severity), "{finding:?}");
    assert!(!finding.why.is_empty() && !finding.advice.is_empty() && !finding.seen.is_empty());
    assert_eq!(Examination::of(&facts).is_spoilt(), severity == Severity::Spoils);
}

#[test]
fn a_quiet_machine_has_nothing_to_mind() {
    let examination = Examination::of(&quiet());
    assert!(examination.findings.iter().all(|finding| finding.severity == Severity::Good), "{examination}");
    assert!(examination.to_string().ends_with("nothing here would spoil a measurement\n"));
}

#[test]
fn every_fact_that_spoils_a_measurement_is_named() {
    let busy = |busy_cores, stolen_cores| Some(Activity { busy_cores, stolen_cores });
    check(Facts { is_debug_build: true, ..quiet() }, "build", Severity::Spoils);
    check(Facts { cores: vec![2], ..quiet() }, "cores", Severity::Spoils);
    check(Facts { quota_cores: Some(3.9), ..quiet() }, "quota", Severity::Spoils);
    check(Facts { activity: busy(0.41, 0.0), ..quiet() }, "other load", Severity::Spoils);
    check(Facts { activity: busy(0.0, 0.02), ..quiet() }, "stolen time", Severity::Spoils);
    check(Facts { pacer: waking(50_000, 1_100_000), ..quiet() }, "pacer", Severity::Spoils);
    check(Facts { driver: None, ..quiet() }, "driver", Severity::Spoils);
    check(Facts { clock: Some("hpet".to_owned()), ..quiet() }, "clock", Severity::Spoils);
    check(Facts { descriptors: Some(64), ..quiet() }, "open files", Severity::Spoils);
}

#[test]
fn what_matters_to_some_measurements_is_to_be_borne_in_mind() {
    let busy = Some(Activity { busy_cores: 0.2, stolen_cores: 0.0 });
    let refused = vec!["io_uring: not permitted".to_owned()];
    check(Facts { cores: vec![0, 1], ..quiet() }, "cores", Severity::Mind);
    check(Facts { machine_cores: 8, ..quiet() }, "cores", Severity::Mind);
    check(Facts { siblings: vec![vec![0, 2]], ..quiet() }, "siblings", Severity::Mind);
    check(Facts { activity: busy, ..quiet() }, "other load", Severity::Mind);
    check(Facts { pacer: waking(110_000, 150_000), ..quiet() }, "pacer", Severity::Mind);
    check(Facts { pacer: waking(50_000, 600_000), ..quiet() }, "pacer", Severity::Mind);
    check(Facts { driver: Some((Rung::Epoll, refused)), ..quiet() }, "driver", Severity::Mind);
    check(Facts { governors: vec!["powersave".to_owned()], ..quiet() }, "frequency", Severity::Mind);
    check(Facts { turbo: Some(true), ..quiet() }, "turbo", Severity::Mind);
    check(Facts { descriptors: Some(1024), ..quiet() }, "open files", Severity::Mind);
    check(Facts { ports: Some((50_000, 59_999)), ..quiet() }, "ports", Severity::Mind);
    check(Facts { port_reuse: Some(0), ..quiet() }, "ports", Severity::Mind);
    check(Facts { backlog: Some(128), ..quiet() }, "backlog", Severity::Mind);
    check(Facts { huge_pages: Some("always".to_owned()), ..quiet() }, "huge pages", Severity::Mind);
    check(Facts { has_schedstat: false, ..quiet() }, "accounting", Severity::Mind);
    check(Facts { has_processes: false, ..quiet() }, "accounting", Severity::Mind);
    check(Facts { has_machine_time: false, ..quiet() }, "accounting", Severity::Mind);
}

#[test]
fn a_quota_of_all_cores_takes_nothing_away() {
    let facts = Facts { quota_cores: Some(4.0), ..quiet() };
    assert!(!Examination::of(&facts).is_spoilt());
}

#[test]
fn what_a_kernel_does_not_tell_is_no_accusation() {
    let silent = Facts {
        activity: None,
        governors: Vec::new(),
        turbo: None,
        ports: None,
        port_reuse: None,
        backlog: None,
        pacer: None,
        clock: None,
        huge_pages: None,
        descriptors: None,
        ..quiet()
    };
    let findings = of(&silent);
    assert!(findings.iter().all(|finding| finding.severity == Severity::Good), "{findings:?}");
}
