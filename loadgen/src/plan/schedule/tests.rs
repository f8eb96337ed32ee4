use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn constant(rate: u64) -> Schedule {
    Schedule::constant(rate).unwrap()
}

/// A schedule of every kind.
fn all() -> Vec<Schedule> {
    let profiles = [
        Profile::constant(333),
        Profile::ramp(10, 500, 10 * SECOND),
        Profile::ramp(500, 0, 10 * SECOND),
        Profile::steps(&[(100, 2 * SECOND), (0, SECOND), (700, 3 * SECOND)]),
        Profile::sine(300, 300, 3 * SECOND),
    ];
    let spacings = [Spacing::Constant, Spacing::Poisson, Spacing::Gamma { shape: 0.5 }];
    let profiles = profiles.map(Result::unwrap);
    let mut all: Vec<Schedule> = profiles
        .iter()
        .flat_map(|profile| spacings.map(|spacing| Schedule::new(profile.clone(), spacing)))
        .collect();
    all.push(Schedule(Kind::Trace((0..1000).map(|k| k * k * 10_000).collect())));
    all
}

/// Offsets in nanoseconds and numbers of what one thread plays in `length`.
fn played(
    schedule: &Schedule,
    seed: u64,
    thread: usize,
    threads: usize,
    length: Duration,
) -> Vec<(u64, u64)> {
    let mut arrivals = Arrivals::new(schedule, seed, thread, threads);
    let next = || {
        let offset = arrivals.offset();
        (offset < length).then(|| (offset.as_nanos() as u64, arrivals.take()))
    };
    std::iter::from_fn(next).collect()
}

fn offsets(schedule: &Schedule, length: Duration) -> Vec<u64> {
    played(schedule, 1, 0, 1, length).into_iter().map(|(offset, _)| offset).collect()
}

#[test]
fn three_a_second_for_ten_seconds_are_thirty_requests_at_exact_thirds() {
    let offsets = offsets(&constant(3), 10 * SECOND);
    let thirds = [0, 333_333_333, 666_666_666, 1_000_000_000, 1_333_333_333, 1_666_666_666, 2_000_000_000];
    assert_eq!((offsets.len(), &offsets[..7], offsets[29]), (30, &thirds[..], 9_666_666_666));
}

#[test]
fn rates_that_do_not_divide_a_second_do_not_drift_in_a_year() {
    for rate in [7, 11, 999, 48_611, 333_333, 9_999_991] {
        let profile = Profile::constant(rate).unwrap();
        for number in [0, 1, rate - 1, rate, rate * 31_536_000, rate * 31_536_000 + 1].map(u128::from) {
            let exact = number * REQUEST / u128::from(rate);
            assert_eq!(
                u128::from(profile.offset_ns(number * REQUEST)),
                exact,
                "request {number} at {rate}/s"
            );
        }
    }
}

#[test]
fn the_count_is_the_number_of_requests_played() {
    for schedule in all() {
        for length_ns in [1, 333_333_333, 999_999_999, 3_000_000_000, 3_000_000_001, 7_654_321_098] {
            let length = Duration::from_nanos(length_ns);
            let count = schedule.count_within(1, length);
            assert_eq!(count, offsets(&schedule, length).len() as u64, "{schedule} in {length:?}");
        }
    }
}

#[test]
fn counts_known_on_paper() {
    let count = |profile: Result<Profile, Error>, seconds| {
        Schedule::new(profile.unwrap(), Spacing::Constant).count_within(1, seconds * SECOND)
    };
    assert_eq!(count(Profile::constant(10_000_000), 30 * 24 * 3600), 25_920_000_000_000);
    assert_eq!(count(Profile::ramp(100, 2000, 10 * SECOND), 10), 10_500);
    assert_eq!(count(Profile::ramp(2000, 100, 10 * SECOND), 10), 10_500);
    assert_eq!(count(Profile::steps(&[(100, 10 * SECOND), (200, 10 * SECOND)]), 20), 3000);
    assert_eq!(count(Profile::sine(100, 50, 5 * SECOND), 20), 2000);
}

#[test]
fn the_threads_together_play_the_whole_schedule_once() {
    for schedule in all() {
        let whole = played(&schedule, 3, 0, 1, 8 * SECOND);
        assert!(whole.is_sorted(), "{schedule}");
        for threads in 2..5 {
            let mut parts: Vec<(u64, u64)> =
                (0..threads).flat_map(|thread| played(&schedule, 3, thread, threads, 8 * SECOND)).collect();
            parts.sort_by_key(|&(_, number)| number);
            assert_eq!(parts, whole, "{schedule} on {threads} threads");
        }
    }
}

#[test]
fn a_seed_decides_a_random_schedule_and_nothing_else_does() {
    let poisson = Schedule::new(Profile::constant(1000).unwrap(), Spacing::Poisson);
    let first = |seed| played(&poisson, seed, 0, 1, SECOND);
    assert_eq!(first(1), first(1));
    assert_ne!(first(1), first(2));
    // Were these to change, runs of two versions with the same seed would no longer be the same run.
    let offsets: Vec<u64> = first(1).iter().take(3).map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, [1_096_793, 2_226_769, 2_588_156]);
}

#[test]
fn random_requests_are_as_many_as_the_rate_says_and_dense_where_it_is_high() {
    // 50 a second rising to 150 over 1000 s: 37,500 in the first half and 62,500 in the second, each a Poisson number.
    let profile = Profile::ramp(50, 150, 1000 * SECOND).unwrap();
    let offsets = offsets(&Schedule::new(profile, Spacing::Poisson), 1000 * SECOND);
    let first = offsets.partition_point(|&offset| offset < 500_000_000_000) as f64;
    let second = offsets.len() as f64 - first;
    assert!((first - 37_500.0).abs() < 4.0 * 37_500_f64.sqrt(), "{first}");
    assert!((second - 62_500.0).abs() < 4.0 * 62_500_f64.sqrt(), "{second}");
}

#[test]
fn a_trace_is_played_as_it_stands_and_then_nothing() {
    let trace = Schedule(Kind::Trace([0, 5, 5, 1_000_000_000].into()));
    assert_eq!(offsets(&trace, SECOND), [0, 5, 5]);
    assert_eq!(offsets(&trace, trace.length().unwrap()), [0, 5, 5, 1_000_000_000]);
}

#[test]
fn shares_differ_by_one_at_most_and_add_up() {
    for (total, parts) in [(64, 1), (64, 3), (7, 4), (2, 5), (0, 3)] {
        let shares: Vec<u64> = (0..parts).map(|index| share(total, parts, index)).collect();
        assert_eq!(shares.iter().sum::<u64>(), total);
        assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
    }
}

#[test]
fn only_a_constant_rate_is_level() {
    let levels: Vec<bool> = all().iter().map(Schedule::is_level).collect();
    assert_eq!(levels.iter().filter(|&&is_level| is_level).count(), 3);
    assert!(levels[..3].iter().all(|&is_level| is_level));
}
