//! The rows of "HTTP/1.1 for a proxy: what is expected, case by case", each played on the real gateway in front of an
//! origin that records every byte it receives.
//!
//! Owns: which rows are not applicable yet, and which fail today. Both lists are checked: a row that is nowhere, and a
//! failure that was mended, fail here. The cases themselves are in `rows/`.

#![allow(unreachable_pub, reason = "a test file is a crate of its own")]
#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod support;

#[path = "rows/message.rs"]
mod message;
#[path = "rows/origin.rs"]
mod origin;
#[path = "rows/requests.rs"]
mod requests;
#[path = "rows/responses.rs"]
mod responses;
#[path = "rows/stage.rs"]
mod stage;
#[path = "rows/stories.rs"]
mod stories;
#[path = "rows/targets.rs"]
mod targets;
#[path = "rows/upgrades.rs"]
mod upgrades;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ringgate_io::Rung;
use stage::Stage;

/// Rows that the gateway has nothing for yet, or not all of it, and what is missing.
const NOT_YET: &[(u8, &str)] = &[
    (50, "there are no rate limits, so no 429"),
    (78, "there is no cache, so only refusals are made locally"),
    (88, "only the request's id is composed from what a client says"),
];

/// Cases that fail today: row, name, what happens and what should.
const KNOWN_FAILURES: &[(u8, &str, &str)] = &[];

type Play = dyn Fn(&Stage, bool);

/// One case of whatever kind.
struct Case {
    row: u8,
    name: String,
    /// The flag: also cut at every byte.
    play: Box<Play>,
}

fn cases() -> Vec<Case> {
    let requests = requests::all().into_iter().map(|case| Case {
        row: case.row,
        name: case.name.clone(),
        play: Box::new(move |stage, is_cut| stage.play_request(&case, is_cut)),
    });
    let responses = responses::all().into_iter().map(|case| Case {
        row: case.row,
        name: case.name.clone(),
        play: Box::new(move |stage, is_cut| stage.play_response(&case, is_cut)),
    });
    let stories = stories::ALL.iter().chain(upgrades::ALL).map(|&(row, name, story)| Case {
        row,
        name: name.into(),
        play: Box::new(move |stage, _| story(stage)),
    });
    requests.chain(responses).chain(stories).collect()
}

/// Plays all cases; those that fail have to be the known ones. A failed case may leave anything behind, so the next one
/// gets a stage of its own.
fn play_all(driver: Rung, is_cut: bool) {
    let mut stage = Stage::start(driver);
    let mut surprises = Vec::new();
    for case in cases() {
        let is_known = KNOWN_FAILURES.iter().any(|(row, name, _)| (*row, *name) == (case.row, &*case.name));
        let played = catch_unwind(AssertUnwindSafe(|| (case.play)(&stage, is_cut)));
        match (played, is_known) {
            (Ok(()), false) => continue,
            (Ok(()), true) => surprises
                .push(format!("{} {:?} is mended: remove it from KNOWN_FAILURES", case.row, case.name)),
            (Err(_), true) => {}
            (Err(panic), false) => {
                surprises.push(format!("{} {:?}: {}", case.row, case.name, words(&*panic)));
            }
        }
        stage = Stage::start(driver);
    }
    assert!(
        stage.gateway.gateway.counters().all(|counters| counters.panics.get() == 0),
        "the gateway panicked"
    );
    assert!(surprises.is_empty(), "on {driver}:\n{}", surprises.join("\n"));
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_string()
}

on_every_driver! {
    fn every_row_holds(driver: Rung) {
        play_all(driver, false);
    }
}

#[test]
fn every_row_holds_however_its_messages_are_cut() {
    play_all(support::drivers()[0], true);
}

#[test]
fn every_row_is_tested_or_known_to_be_missing() {
    let tested = cases().into_iter().map(|case| case.row).filter(|&row| row != requests::REPEATED);
    let listed: BTreeSet<u8> = tested.chain(NOT_YET.iter().map(|(row, _)| *row)).collect();
    assert!(listed.into_iter().eq(1..=90));
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let cases = cases();
    let names: BTreeSet<(u8, &str)> = cases.iter().map(|case| (case.row, &*case.name)).collect();
    assert_eq!(names.len(), cases.len());
    assert!(KNOWN_FAILURES.iter().all(|(row, name, _)| names.contains(&(*row, *name))), "all of them exist");
}
