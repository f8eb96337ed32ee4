//! When requests are planned: a pure function of a request's number.
//!
//! Owns: the arithmetic of arrival and the exact division of a run over threads.
//! Refuses: clocks. An offset is nanoseconds after a start that somebody else chose.
//! Assumes: thread `i` of `n` plays the numbers `i, i + n, i + 2n, ...`: whatever the number of threads, the union of
//! their plans is the same plan, to the nanosecond.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::Error;

/// Nanoseconds in a second.
const SECOND_NS: u64 = 1_000_000_000;
/// Requests per second beyond which two would share a nanosecond, the clock's resolution.
const RATE_LIMIT: u64 = SECOND_NS;

/// An arrival process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// Request `k` is planned `k / rate` seconds after the start.
    Constant {
        /// Requests per second.
        rate: NonZeroU64,
    },
}

impl Schedule {
    /// A constant rate in requests per second.
    ///
    /// # Errors
    /// A rate of zero, or above one request per nanosecond.
    pub fn constant(rate: u64) -> Result<Schedule, Error> {
        match NonZeroU64::new(rate) {
            Some(rate) if rate.get() <= RATE_LIMIT => Ok(Schedule::Constant { rate }),
            _ => Err(Error::Plan(format!(
                "the rate must lie between 1 and {RATE_LIMIT} requests per second, not {rate}"
            ))),
        }
    }

    /// Nanoseconds from the start to request `number`, rounded down. Whole seconds are split off first: nothing
    /// accumulates, and `number % rate * 10^9` stays below 10^18.
    pub(crate) fn offset_ns(self, number: u64) -> u64 {
        let Schedule::Constant { rate } = self;
        number / rate * SECOND_NS + number % rate * SECOND_NS / rate
    }

    /// How many requests are planned in `[0, length)`.
    pub(crate) fn count_within(self, length: Duration) -> u64 {
        let Schedule::Constant { rate } = self;
        let planned = (length.as_nanos() * u128::from(rate.get())).div_ceil(u128::from(SECOND_NS));
        u64::try_from(planned).unwrap_or(u64::MAX)
    }
}

/// One thread's part of a schedule, request by request.
#[derive(Debug, Clone)]
pub(crate) struct Arrivals {
    schedule: Schedule,
    next: u64,
    stride: u64,
}

impl Arrivals {
    /// The part of thread `thread` of `threads`.
    pub(crate) fn new(schedule: Schedule, thread: usize, threads: usize) -> Arrivals {
        Arrivals { schedule, next: thread as u64, stride: threads as u64 }
    }

    /// When the next request is planned, after the start.
    pub(crate) fn offset(&self) -> Duration {
        Duration::from_nanos(self.schedule.offset_ns(self.next))
    }

    /// Takes the next request: its number in the whole run.
    pub(crate) fn take(&mut self) -> u64 {
        let number = self.next;
        self.next += self.stride;
        number
    }
}

/// Part `index` of `total` split into `parts` as evenly as whole numbers allow; the parts add up to `total`.
pub(crate) fn share(total: u64, parts: usize, index: usize) -> u64 {
    let parts = parts as u64;
    total / parts + u64::from((index as u64) < total % parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constant(rate: u64) -> Schedule {
        Schedule::constant(rate).unwrap()
    }

    #[test]
    fn three_a_second_for_ten_seconds_are_thirty_requests_at_exact_thirds() {
        let schedule = constant(3);
        assert_eq!(schedule.count_within(Duration::from_secs(10)), 30);
        let offsets: Vec<u64> = (0..7).map(|number| schedule.offset_ns(number)).collect();
        let thirds =
            [0, 333_333_333, 666_666_666, 1_000_000_000, 1_333_333_333, 1_666_666_666, 2_000_000_000];
        assert_eq!(offsets, thirds);
        assert_eq!(schedule.offset_ns(29), 9_666_666_666);
        assert_eq!(schedule.offset_ns(30), 10_000_000_000);
    }

    #[test]
    fn rates_that_do_not_divide_a_second_do_not_drift_in_a_year() {
        for rate in [7, 11, 999, 48_611, 333_333, 999_999_937] {
            let schedule = constant(rate);
            for number in [0, 1, rate - 1, rate, rate * 31_536_000, rate * 31_536_000 + 1] {
                let exact = u128::from(number) * 1_000_000_000 / u128::from(rate);
                assert_eq!(u128::from(schedule.offset_ns(number)), exact, "request {number} at {rate}/s");
            }
        }
    }

    #[test]
    fn the_count_is_the_number_of_offsets_inside_the_length() {
        for rate in [1, 3, 7, 1000, 1_234_567] {
            for length_ns in [1, 333_333_333, 333_333_334, 999_999_999, 1_000_000_000, 1_000_000_001] {
                let schedule = constant(rate);
                let count = schedule.count_within(Duration::from_nanos(length_ns));
                assert!(schedule.offset_ns(count - 1) < length_ns);
                assert!(schedule.offset_ns(count) >= length_ns);
            }
        }
    }

    #[test]
    fn the_threads_together_play_the_whole_schedule_once() {
        let schedule = constant(7);
        for threads in 1..6 {
            let mut offsets: Vec<Duration> = (0..threads)
                .flat_map(|thread| {
                    let mut arrivals = Arrivals::new(schedule, thread, threads);
                    std::iter::from_fn(move || {
                        let offset = arrivals.offset();
                        arrivals.take();
                        (offset < Duration::from_secs(10)).then_some(offset)
                    })
                })
                .collect();
            offsets.sort();
            let whole: Vec<Duration> = (0..70).map(|k| Duration::from_nanos(schedule.offset_ns(k))).collect();
            assert_eq!(offsets, whole, "{threads} threads");
        }
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
    fn a_rate_of_zero_or_beyond_the_clock_is_refused() {
        assert!(Schedule::constant(0).is_err());
        assert!(Schedule::constant(1_000_000_001).is_err());
    }
}
