use std::collections::HashMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn quota(count: u64, window: Duration) -> Measure {
    Measure::Quota(Quota { count, window, begins: Begins::AtFirstRequest })
}

fn bucket(count: u64, period: Duration, burst: u64) -> Measure {
    Measure::Bucket(Bucket { count, period, burst })
}

/// A hash as good ones are: keys that follow each other have nothing in common.
fn key(number: u64) -> KeyHash {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    KeyHash((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ mixed >> 32)
}

#[test]
fn a_hundred_a_minute() {
    let limiter = Limiter::new(quota(100, MINUTE), 100);
    let start = Duration::from_millis(1234);
    for call in 1..=100 {
        let standing = limiter.charge(key(1), 1, start + Duration::from_millis(call * 10)).unwrap();
        assert_eq!((standing.limit, standing.remaining), (100, 100 - call));
        if call == 46 {
            assert_eq!(standing.remaining, 54);
        }
    }
    let first = start + Duration::from_millis(10);
    let now = start + 30 * SECOND;
    let Err(Refused::Over(standing, wait)) = limiter.charge(key(1), 1, now) else { panic!("the 101st") };
    assert_eq!((standing.remaining, wait), (0, first + MINUTE - now));
    assert!(limiter.charge(key(1), 1, now + wait - Duration::from_millis(1)).is_err());
    assert!(limiter.charge(key(2), 1, now).is_ok(), "another key has its own");
    assert_eq!(limiter.charge(key(1), 1, now + wait).unwrap().remaining, 99);
}

#[test]
fn windows_by_the_clock_end_together() {
    let begins = Begins::ByTheClock { start: Duration::from_millis(90_500) }; // half a second into the second half minute
    let limiter = Limiter::new(Measure::Quota(Quota { count: 2, window: MINUTE, begins }), 10);
    for key in [key(1), key(2)] {
        assert_eq!(limiter.charge(key, 1, Duration::ZERO).unwrap().reset, Duration::from_millis(29_500));
    }
    let standing = limiter.charge(key(1), 1, Duration::from_millis(29_500)).unwrap();
    assert_eq!((standing.remaining, standing.reset), (1, MINUTE));
}

/// What a bucket does, said slowly: tokens as a fraction over `period` nanoseconds.
struct Model {
    bucket: Bucket,
    tokens: u128,
    last: Duration,
}

impl Model {
    fn charge(&mut self, cost: u64, now: Duration) -> Result<u64, ()> {
        let period = self.bucket.period.as_nanos();
        let came = (now - self.last).as_nanos() * u128::from(self.bucket.count);
        self.tokens = (self.tokens + came).min(u128::from(self.bucket.burst) * period);
        self.last = now;
        self.tokens = self.tokens.checked_sub(u128::from(cost) * period).ok_or(())?;
        Ok((self.tokens / period) as u64)
    }
}

#[test]
fn a_bucket_does_what_the_slow_one_does() {
    let mut random = 1u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 33) % below
    };
    for _ in 0..200 {
        // Periods of which a unit is a whole number of nanoseconds: what both round is the same.
        let (count, period) = (1 + next(50), Duration::from_nanos(65_536 * (1 + next(100_000))));
        let burst = 1 + next(20);
        let limits = Bucket { count, period, burst };
        let limiter = Limiter::new(Measure::Bucket(limits), 8);
        let mut model =
            Model { bucket: limits, tokens: u128::from(burst) * period.as_nanos(), last: Duration::ZERO };
        let mut now = Duration::ZERO;
        for _ in 0..300 {
            now += Duration::from_nanos(65_536) * (next(period.as_nanos() as u64 / 65_536 + 1)) as u32;
            let cost = 1 + next(3);
            let (own, slow) = (limiter.charge(key(7), cost, now), model.charge(cost, now));
            match (own, slow) {
                (Ok(standing), Ok(left)) => assert_eq!(standing.remaining, left, "{limits:?} at {now:?}"),
                (Err(Refused::Over(_, wait)), Err(())) if cost <= burst => {
                    assert!(
                        limiter.look(key(7), cost, now + wait).is_ok(),
                        "{limits:?}: {wait:?} is too early"
                    );
                    let early = wait.saturating_sub(Duration::from_nanos(65_536 * 2));
                    assert!(limiter.look(key(7), cost, now + early).is_err() || early.is_zero());
                }
                (Err(_), Err(())) => {}
                (own, slow) => panic!("{limits:?} at {now:?}: {own:?}, {slow:?}"),
            }
        }
    }
}

#[test]
fn another_rate_leaves_what_a_key_owes() {
    let limiter = Limiter::new(bucket(10, SECOND, 100), 8);
    let now = 5 * SECOND;
    assert_eq!(limiter.charge(key(1), 60, now).unwrap().remaining, 40);
    let faster = Limiter::after(bucket(1000, SECOND, 100), 8, &limiter, now);
    assert_eq!(faster.look(key(1), 0, now).unwrap().remaining, 40);
    assert_eq!(faster.look(key(1), 0, now + SECOND / 100).unwrap().remaining, 50);
    let larger = Limiter::after(bucket(1, SECOND, 200), 8, &faster, now + SECOND / 100);
    assert_eq!(larger.look(key(1), 0, now + SECOND / 100).unwrap().remaining, 150);
    let smaller = Limiter::after(bucket(1, SECOND, 20), 8, &faster, now + SECOND / 100);
    let owed = smaller.look(key(1), 0, now + SECOND / 100);
    assert!(
        matches!(owed, Err(Refused::Over(standing, wait)) if standing.remaining == 0 && wait == 30 * SECOND)
    );
}

#[test]
fn another_count_or_window_leaves_what_was_used() {
    let limiter = Limiter::new(quota(100, MINUTE), 8);
    limiter.charge(key(1), 46, SECOND).unwrap();
    let larger = Limiter::after(quota(200, 2 * MINUTE), 8, &limiter, 10 * SECOND);
    let standing = larger.charge(key(1), 1, 11 * SECOND).unwrap();
    assert_eq!((standing.remaining, standing.reset), (153, 50 * SECOND), "the window ends as it would have");
    let smaller = Limiter::after(quota(40, MINUTE), 8, &larger, 12 * SECOND);
    assert!(
        matches!(smaller.charge(key(1), 1, 12 * SECOND), Err(Refused::Over(standing, _)) if standing.remaining == 0)
    );
    let other = Limiter::after(bucket(1, SECOND, 40), 8, &smaller, 12 * SECOND);
    assert!(other.charge(key(1), 40, 12 * SECOND).is_ok(), "another kind begins anew");
}

#[test]
fn only_keys_that_are_idle_are_forgotten() {
    let limiter = Limiter::new(quota(5, MINUTE), 1);
    assert_eq!(limiter.room(), 2, "there is more, but it is not counted on");
    for number in 0..8 {
        limiter.charge(key(number), 1, Duration::from_secs(number)).unwrap();
    }
    assert_eq!(limiter.charge(key(8), 1, 9 * SECOND), Err(Refused::NoRoom));
    assert_eq!(limiter.keys_in_use(9 * SECOND), 8);
    let now = MINUTE; // the window of the first key is over
    assert_eq!(limiter.charge(key(8), 1, now).unwrap().remaining, 4);
    assert_eq!(limiter.charge(key(9), 1, now), Err(Refused::NoRoom));
    for number in 1..8 {
        assert_eq!(limiter.look(key(number), 0, now).unwrap().remaining, 4, "key {number}");
    }
    assert_eq!(limiter.keys_in_use(now), 8);
}

/// How much of a limit is admitted where threads charge these keys at once.
fn admitted(limiter: &Limiter, threads: u64, rounds: u64, keys: &[KeyHash], now: Since) -> HashMap<u64, u64> {
    let start = Barrier::new(threads as usize);
    std::thread::scope(|scope| {
        let charge = |offset: u64| {
            let start = &start;
            move || {
                let mut admitted: HashMap<u64, u64> = HashMap::new();
                start.wait();
                for round in 0..rounds {
                    for place in 0..keys.len() {
                        let key = keys[(place + (offset + round) as usize) % keys.len()];
                        if limiter.charge(key, 1, now).is_ok() {
                            *admitted.entry(key.0).or_default() += 1;
                        }
                    }
                }
                admitted
            }
        };
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(charge(thread))).collect();
        let mut all: HashMap<u64, u64> = HashMap::new();
        for thread in threads {
            thread.join().unwrap().into_iter().for_each(|(key, count)| *all.entry(key).or_default() += count);
        }
        all
    })
}

#[test]
fn a_limit_is_one_number_for_all_threads() {
    for (measure, most) in [(quota(10_000, MINUTE), 10_000), (bucket(1, MINUTE, 10_000), 10_000)] {
        let limiter = Limiter::new(measure, 64);
        assert_eq!(admitted(&limiter, 8, 3000, &[key(1)], SECOND)[&key(1).0], most);
    }
}

#[test]
fn ten_thousand_keys_have_each_their_own() {
    let limiter = Limiter::new(quota(3, MINUTE), 65_536);
    let keys: Vec<KeyHash> = (0..10_000).map(key).collect();
    let all = admitted(&limiter, 4, 2, &keys, SECOND);
    assert_eq!((all.len(), all.values().all(|count| *count == 3)), (10_000, true));
}

/// Threads that all enter the same new keys, in a table in which those before them are forgotten meanwhile.
#[test]
fn keys_that_many_threads_enter_at_once_have_one_count() {
    const ROUNDS: u64 = 3000;
    const THREADS: u64 = 4;
    let limiter = Limiter::new(quota(5, SECOND), 1);
    let counts: Vec<AtomicU64> = (0..ROUNDS * 3).map(|_| AtomicU64::new(0)).collect();
    let round = AtomicU64::new(0);
    let (begin, end) = (Barrier::new(THREADS as usize), Barrier::new(THREADS as usize));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (limiter, counts, round, begin, end) = (&limiter, &counts, &round, &begin, &end);
            scope.spawn(move || {
                for number in 0..ROUNDS {
                    begin.wait();
                    let now = (2 * number as u32 + 1) * SECOND;
                    for attempt in 0..9 {
                        let own = number * 3 + (attempt + thread) % 3;
                        if limiter.charge(key(own), 1, now).is_ok() {
                            counts[own as usize].fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    if end.wait().is_leader() {
                        round.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let rounds = round.load(Ordering::Relaxed);
    assert_eq!(rounds, ROUNDS);
    for number in 0..rounds * 3 {
        let count = counts[number as usize].load(Ordering::Relaxed);
        assert_eq!(count, 5, "key {number} of four threads that asked for it twelve times");
    }
}

/// One entry is free, and several threads enter the same key into it: nobody is told that there is no room.
#[test]
fn the_last_entry_of_a_set_is_room_for_all_who_enter_its_key() {
    for round in 0..300u32 {
        let limiter = Limiter::new(quota(100, MINUTE), 1);
        for number in 0..7 {
            limiter.charge(key(number), 1, SECOND).unwrap();
        }
        let last = key(u64::from(round) + 100);
        assert_eq!(admitted(&limiter, 4, 25, &[last], SECOND)[&last.0], 100, "round {round}");
        assert_eq!(limiter.charge(key(99), 1, SECOND), Err(Refused::NoRoom));
    }
}

#[test]
fn what_is_given_back_is_there_again() {
    for measure in [quota(10, MINUTE), bucket(1, MINUTE, 10)] {
        let limiter = Limiter::new(measure, 8);
        limiter.charge(key(1), 7, SECOND).unwrap();
        limiter.give_back(key(1), 3, SECOND);
        assert_eq!(limiter.look(key(1), 0, SECOND).unwrap().remaining, 6);
        limiter.give_back(key(2), 3, SECOND); // which nobody has charged
        assert_eq!(limiter.look(key(2), 0, SECOND).unwrap().remaining, 10);
    }
}

#[test]
fn years_fit_into_a_word() {
    let limiter = Limiter::new(bucket(RATE, SECOND, COUNT), 8);
    let years = Duration::from_secs(8 * 365 * 24 * 60 * 60);
    assert_eq!(limiter.charge(key(1), COUNT, years).unwrap().remaining, 0);
    let quota = Limiter::new(quota(COUNT, PERIOD), 8);
    assert_eq!(
        quota.charge(key(1), COUNT, years / 4).unwrap(),
        Standing { limit: COUNT, remaining: 0, reset: PERIOD }
    );
    assert!(quota.charge(key(1), 1, years / 4).is_err());
}
