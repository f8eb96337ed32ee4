//! How checks and noise become an outcome.

use super::*;
use crate::selftest::bench::tests::{QUIET, STRICTEST};

const MS: Duration = Duration::from_millis(1);

fn case(checks: Vec<Check>, noise: Noise) -> Case {
    let excuse = noise.reason(STRICTEST);
    Case::new("case", Played { checks, noise: Some(noise), excuse, report: None })
}

fn late() -> Check {
    Check::below("lateness", Some(2 * MS), MS)
}

const NOISY: Noise = Noise { mock_waiting: 0.1, ..QUIET };

#[test]
fn a_case_whose_times_are_off_failed_unless_the_machine_was_noisy() {
    assert_eq!(case(vec![late()], QUIET).outcome, Outcome::Failed);
    let noisy = case(vec![late()], NOISY);
    assert_eq!(noisy.outcome, Outcome::MachineTooNoisy);
    assert!(noisy.to_string().starts_with("case: machine_too_noisy: of the time, the generator"));
}

#[test]
fn noise_excuses_no_account_and_spoils_no_pass() {
    let broken = Check::equal("census adds up", false, true);
    assert_eq!(case(vec![late(), broken], NOISY).outcome, Outcome::Failed);
    let passed = case(vec![Check::below("lateness", Some(MS), MS)], NOISY);
    assert_eq!((passed.outcome, passed.reason), (Outcome::Passed, None));
}

fn floor(round_trip_us: u64) -> Floor {
    let of = |ns| {
        let mut samples = crate::record::recorder::histogram();
        samples.saturating_record_n(ns, 100); // enough for a median
        Summary::of(&samples)
    };
    Floor { wake: of(20_000), round_trip: of(round_trip_us * 1000), machine_kept_quiet: false }
}

#[test]
fn a_floor_that_moved_excuses_times_and_no_account() {
    assert_eq!(floor(60).moved(&floor(100)), None);
    let reason = floor(60).moved(&floor(120)).unwrap();
    assert_eq!(reason, "a round trip and a wake-up took 80µs at the start and 140µs just now");
    let mut late_case = case(vec![late()], QUIET);
    late_case.excuse(reason.clone());
    assert_eq!((late_case.outcome, late_case.reason.as_deref()), (Outcome::MachineTooNoisy, Some(&*reason)));
    let mut broken = case(vec![late(), Check::equal("census adds up", false, true)], QUIET);
    broken.excuse(reason);
    assert_eq!((broken.outcome, broken.reason), (Outcome::Failed, None));
}
