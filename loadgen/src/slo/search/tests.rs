//! Targets that are functions of the rate: what the search must find is known before it begins.

use std::time::Duration;

use super::*;
use crate::record::recorder::histogram;
use crate::slo::objective::Objective;
use crate::{Census, Interval, Summary};

const BOUNDS: Bounds =
    Bounds { first: 100, lowest: 1, highest: 1_000_000, resolution: 0.05, confirmations: 3 };

/// Plays a search to its end; every rule that holds for all searches is checked on the way.
#[track_caller]
fn play(bounds: Bounds, mut target: impl FnMut(u64) -> Outcome) -> (Answer, Vec<Trial>) {
    let mut search = Search::new(bounds).unwrap();
    let (mut trial, mut trials) = (search.first(), Vec::new());
    let mut lowest_refused = u64::MAX;
    loop {
        trials.push(trial);
        assert!((bounds.lowest..=bounds.highest).contains(&trial.rate), "{trial:?} is outside");
        assert!(trial.rate < lowest_refused, "{trial:?} was refused already");
        assert!(trials.len() <= bounds.most_runs() as usize, "no end after {trials:?}");
        let step = search.next(target(trial.rate));
        if let Some(ceiling) = search.high {
            assert!(ceiling.rate <= lowest_refused, "the upper end rose to {ceiling:?}");
            lowest_refused = ceiling.rate;
            assert!(search.low.is_none_or(|low| low < ceiling.rate), "{search:?}");
        }
        match step {
            Step::Run(next) => trial = next,
            Step::Done(answer) => return (answer, trials),
        }
    }
}

fn up_to(highest: u64) -> impl Fn(u64) -> Outcome {
    move |rate| if rate <= highest { Outcome::Kept } else { Outcome::Missed }
}

/// Numbers that look random and are the same each time: splitmix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[test]
fn a_step_is_found_between_two_rates_that_are_close_enough() {
    for step in [1, 2, 3, 7, 99, 100, 101, 1_234, 50_000, 777_777, 999_999] {
        let (answer, _) = play(BOUNDS, up_to(step));
        let (low, high) = (answer.rate.unwrap(), answer.ceiling.unwrap());
        assert_eq!((answer.conclusion, high.limit), (Conclusion::Found, Limit::Objective));
        assert!(low <= step && step < high.rate, "{step}: {answer:?}");
        assert!(high.rate - low == 1 || high.rate as f64 <= low as f64 * 1.05, "{step}: {answer:?}");
        assert_eq!((answer.confirmed, answer.unconfirmed), (3, 0));
    }
}

#[test]
fn the_search_goes_the_way_one_would_go_by_hand() {
    let bounds = Bounds { resolution: 0.5, confirmations: 2, ..BOUNDS };
    let (answer, trials) = play(bounds, up_to(300));
    let rates: Vec<u64> = trials.iter().map(|trial| trial.rate).collect();
    assert_eq!(rates, [100, 200, 400, 400, 282, 282, 282]); // what was refused was refused twice
    assert_eq!(trials[4].phase, Phase::Bisect);
    assert_eq!(trials[5].phase, Phase::Confirm);
    assert_eq!((answer.rate, answer.ceiling.unwrap().rate), (Some(282), 400));
}

/// Erlang's closed form of the waiting time in M/D/1, for `arrivals` per service time and `wait` in service times.
fn waits_at_most(arrivals: f64, wait: f64) -> f64 {
    let term = |k: u32| {
        let x = arrivals * (f64::from(k) - wait);
        let over_factorial: f64 = (1..=k).map(|i| x / f64::from(i)).product();
        over_factorial * (-x).exp()
    };
    (1.0 - arrivals) * (0..=wait as u32).map(term).sum::<f64>()
}

/// The p99 of the response time of M/D/1, in service times.
fn p99(arrivals: f64) -> f64 {
    let (mut low, mut high) = (0.0, 30.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if waits_at_most(arrivals, middle) < 0.99 { low = middle } else { high = middle }
    }
    1.0 + high
}

/// A server of 2 ms and Poisson arrivals: at 250/s the p99 is 4.34 times 2 ms, so an objective of 8.68 ms has the answer
/// 250/s.
#[test]
fn the_rate_at_which_a_queue_keeps_its_p99_is_the_one_on_paper() {
    const SERVICE_MS: f64 = 2.0;
    assert!((p99(0.5) - 4.34).abs() < 0.02, "{}", p99(0.5));
    let p99_ms = |rate: u64| SERVICE_MS * p99(rate as f64 * SERVICE_MS / 1e3);
    for (objective_ms, expected) in [(8.68, 250), (p99_ms(100), 100), (p99_ms(400), 400)] {
        let target = |rate: u64| {
            let is_kept = rate * 2 < 1000 && p99_ms(rate) <= objective_ms + 0.01;
            if is_kept { Outcome::Kept } else { Outcome::Missed }
        };
        let (answer, _) = play(Bounds { resolution: 0.01, ..BOUNDS }, target);
        let (low, high) = (answer.rate.unwrap(), answer.ceiling.unwrap().rate);
        assert!(low <= expected + 1 && expected <= high, "{answer:?} for {expected}");
        assert!(high - low <= 1 + expected / 100, "{answer:?}");
    }
}

/// What came of five seconds of constant arrivals at a server of 2 ms for each, with a queue before it and nobody lost. Above
/// 500/s the kth request waits k times as long as the server is slower: by Lindley's recursion, which needs no drawing.
fn fifo(rate: u64) -> (Census, Summary, Vec<Interval>) {
    const SERVICE_NS: u64 = 2_000_000;
    const ROWS: u64 = 20;
    let (planned, apart_ns) = (5 * rate, 1_000_000_000 / rate);
    let took = |k: u64| SERVICE_NS + k * SERVICE_NS.saturating_sub(apart_ns);
    let mut samples = histogram();
    (0..planned).for_each(|k| samples.saturating_record(took(k)));
    let row = |index: u64| Interval {
        start_ns: index * 250_000_000,
        length_ns: 250_000_000,
        answered: planned / ROWS,
        failed: 0,
        late: 0,
        response_p50_ns: Some(took((2 * index + 1) * planned / (2 * ROWS))),
        response_p99_ns: None,
        response_max_ns: None,
    };
    let census = Census { planned, ok: planned, ..Census::default() };
    (census, Summary::of(&samples), (0..ROWS).map(row).collect())
}

#[test]
fn a_rate_just_above_what_the_server_can_do_is_not_sustainable_though_its_queue_is_still_short() {
    let objective = Objective::new([("p99", Duration::from_millis(100))], 0.001).unwrap();
    let target = |rate| {
        let (census, response, series) = fifo(rate);
        objective.judge_numbers(&census, &response, &series).outcome
    };
    let (answer, _) = play(Bounds { first: 250, lowest: 200, resolution: 0.005, ..BOUNDS }, target);
    let (low, high) = (answer.rate.unwrap(), answer.ceiling.unwrap().rate);
    assert!(low <= 500 && 500 < high && high <= 503, "{answer:?}");
}

#[test]
fn a_target_that_always_keeps_it_is_at_least_as_good_as_the_highest_rate() {
    let (answer, trials) = play(BOUNDS, |_| Outcome::Kept);
    let expected = Answer {
        conclusion: Conclusion::AtLeast,
        rate: Some(1_000_000),
        ceiling: None,
        confirmed: 3,
        unconfirmed: 0,
    };
    assert_eq!(answer, expected);
    assert_eq!(trials.len(), 1 + 14 + 3); // 100 doubled 14 times reaches a million
}

#[test]
fn a_target_that_never_keeps_it_is_said_to() {
    let (answer, trials) = play(Bounds { lowest: 30, ..BOUNDS }, |_| Outcome::Missed);
    assert_eq!((answer.conclusion, answer.rate), (Conclusion::Never, None));
    assert_eq!(answer.ceiling, Some(Ceiling { rate: 30, limit: Limit::Objective }));
    assert_eq!(trials.iter().map(|trial| trial.rate).collect::<Vec<_>>(), [100, 100, 50, 50, 30, 30]);
}

#[test]
fn a_generator_that_is_the_limit_makes_the_answer_a_lower_bound() {
    let target = |rate| if rate <= 5_000 { Outcome::Kept } else { Outcome::ClientLimited };
    let (answer, _) = play(BOUNDS, target);
    assert_eq!(answer.conclusion, Conclusion::AtLeast);
    assert_eq!(answer.ceiling.unwrap().limit, Limit::Generator);
    assert!((4_761..=5_000).contains(&answer.rate.unwrap()), "{answer:?}");
    let (answer, _) = play(BOUNDS, |_| Outcome::ClientLimited);
    assert_eq!((answer.conclusion, answer.rate), (Conclusion::GeneratorOnly, None));
}

#[test]
fn one_bad_run_does_not_move_the_answer() {
    for bad in 0..25 {
        let (mut run, steady) = (0, up_to(7_000));
        let (answer, _) = play(BOUNDS, |rate| {
            run += 1;
            if run == bad { Outcome::Missed } else { steady(rate) }
        });
        assert!((6_666..=7_000).contains(&answer.rate.unwrap()), "bad run {bad}: {answer:?}");
        assert!(answer.ceiling.unwrap().rate > 7_000, "bad run {bad}: {answer:?}");
    }
}

#[test]
fn an_answer_that_does_not_hold_is_given_up_for_a_lower_one() {
    // Good for a look, not for more: above 6000 the second and later runs at a rate miss.
    let mut seen = std::collections::HashMap::new();
    let (answer, _) = play(BOUNDS, |rate| {
        let runs = seen.entry(rate).or_insert(0);
        *runs += 1;
        if rate <= 6_000 || (rate <= 7_000 && *runs == 1) { Outcome::Kept } else { Outcome::Missed }
    });
    assert_eq!(answer.conclusion, Conclusion::Found);
    let (low, high) = (answer.rate.unwrap(), answer.ceiling.unwrap().rate);
    assert!((4_900..=6_000).contains(&low) && high > 6_000, "{answer:?}");
    // Good for a look, and never again.
    let mut looks = std::collections::HashSet::new();
    let once = |rate| if rate <= 9_000 && looks.insert(rate) { Outcome::Kept } else { Outcome::Missed };
    let (answer, _) = play(BOUNDS, once);
    assert_eq!((answer.conclusion, answer.rate), (Conclusion::DidNotHold, None));
}

#[test]
fn a_noisy_target_is_found_within_a_few_resolutions() {
    let mut state = 7;
    let mut far = 0;
    for _ in 0..500 {
        let (answer, _) = play(BOUNDS, |rate| {
            let is_wrong = random(&mut state).is_multiple_of(20); // one run in twenty says the opposite
            if (rate <= 3_000) != is_wrong { Outcome::Kept } else { Outcome::Missed }
        });
        far += u32::from(!answer.rate.is_some_and(|rate| (2_600..=3_150).contains(&rate)));
    }
    assert!(far <= 75, "{far} of 500 answers are more than 13 % off");
}

#[test]
fn whatever_the_outcomes_are_the_search_ends_in_time() {
    let mut state = 1;
    for _ in 0..20_000 {
        let lowest = 1 + random(&mut state) % 1_000;
        let first = lowest + random(&mut state) % 100_000;
        let bounds = Bounds {
            first,
            lowest,
            highest: first + random(&mut state) % 10_000_000,
            resolution: 0.001 + (random(&mut state) % 1_000) as f64 / 1_002.0,
            confirmations: 1 + (random(&mut state) % 5) as u32,
        };
        let outcomes = [Outcome::Kept, Outcome::Missed, Outcome::ClientLimited, Outcome::Kept];
        play(bounds, |_| outcomes[(random(&mut state) % 4) as usize]);
    }
}

#[test]
fn bounds_that_contradict_each_other_are_refused_with_advice() {
    for (bounds, advice) in [
        (Bounds { lowest: 0, ..BOUNDS }, "at least 1"),
        (Bounds { lowest: 101, ..BOUNDS }, "--first"),
        (Bounds { highest: 99, ..BOUNDS }, "--highest"),
        (Bounds { resolution: 0.0, ..BOUNDS }, "5%"),
        (Bounds { resolution: f64::NAN, ..BOUNDS }, "5%"),
        (Bounds { confirmations: 0, ..BOUNDS }, "confirmed"),
    ] {
        let error = Search::new(bounds).unwrap_err().to_string();
        assert!(error.contains(advice), "{error}");
    }
}
