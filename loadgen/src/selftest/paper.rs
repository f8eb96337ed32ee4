//! The answers on paper.

use std::time::{Duration, Instant};

use crate::record::recorder::Sample;

/// One stall of `stall` in a run of `length`, from which the server recovers at once: quantile `p` of the response time.
///
/// Of the requests, those planned in the stall wait for its end: P(L > x) = (D - x) / T, so q = D - (1 - p) T.
pub(super) fn stall_quantile(stall: Duration, length: Duration, p: f64) -> Duration {
    stall.saturating_sub(length.mul_f64(1.0 - p))
}

/// What such a stall adds to the mean: D^2 / 2T.
pub(super) fn stall_mean(stall: Duration, length: Duration) -> Duration {
    stall.mul_f64(stall.as_secs_f64() / length.as_secs_f64() / 2.0)
}

/// The `k`th answer of a server that takes `service` and is asked every `gap`: it waits for those before it.
pub(super) fn overload_latency(service: Duration, gap: Duration, k: u32) -> Duration {
    service + service.saturating_sub(gap) * k
}

/// How far the latency of each answer, in the order in which they came, was from the first's and `service - gap` for each
/// since. The whole queue stands on the instant at which its first request reached the server: how late that one was is one
/// observation, and not as many as there are answers.
pub(super) fn overload_errors(samples: &[Sample], service: Duration, gap: Duration) -> Vec<Duration> {
    let Some(first) = samples.first() else { return Vec::new() };
    let late = first.answered.saturating_duration_since(first.planned);
    let expected = |k| late + overload_latency(service, gap, k) - service;
    (0..).zip(samples).map(|(k, sample)| distance(sample.answered, sample.planned + expected(k))).collect()
}

/// Lindley's recursion: when a server that takes `service` for each is done with requests that arrive so, in order.
pub(super) fn departures(arrivals: impl IntoIterator<Item = Instant>, service: Duration) -> Vec<Instant> {
    let mut free = None;
    let serve = |arrival: Instant| *free.insert(free.map_or(arrival, |free| arrival.max(free)) + service);
    arrivals.into_iter().map(serve).collect()
}

/// How far each answer was from when the recursion has it, in order of sending; `floor` is what every answer takes besides.
pub(super) fn errors(samples: &[Sample], service: Duration, floor: Duration) -> Vec<Duration> {
    let mut samples = samples.to_vec();
    samples.sort_by_key(|sample| sample.sent);
    let expected = departures(samples.iter().map(|sample| sample.sent), service);
    samples
        .iter()
        .zip(expected)
        .map(|(sample, expected)| distance(sample.answered, expected + floor))
        .collect()
}

pub(super) fn distance(one: Instant, other: Instant) -> Duration {
    one.saturating_duration_since(other).max(other.saturating_duration_since(one))
}

/// The value with a part `p` of all at or below it; nothing if there are none.
pub(super) fn quantile(values: &[Duration], p: f64) -> Option<Duration> {
    let mut values = values.to_vec();
    values.sort();
    let rank = (values.len() as f64 * p).ceil() as usize;
    values.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_stall_of_a_second_in_a_minute_has_the_quantiles_of_the_book() {
        let quantile = |p| stall_quantile(1000 * MS, 60_000 * MS, p).as_secs_f64();
        for (p, expected) in [(0.99, 0.4), (0.999, 0.94), (0.9999, 0.994), (0.9, 0.0)] {
            assert!((quantile(p) - expected).abs() < 1e-6, "{p}");
        }
        assert_eq!(stall_mean(1000 * MS, 60_000 * MS).as_micros(), 8333);
    }

    #[test]
    fn the_kth_answer_of_an_overloaded_server_comes_after_ten_and_eight_k_milliseconds() {
        assert_eq!([0, 1, 299].map(|k| overload_latency(10 * MS, 2 * MS, k)), [10 * MS, 18 * MS, 2402 * MS]);
    }

    #[test]
    fn a_queue_that_began_late_is_late_once() {
        let (start, late) = (Instant::now(), Duration::from_micros(800));
        let mut samples: Vec<Sample> = (0..5)
            .map(|k| {
                let planned = start + 2 * MS * k;
                Sample { planned, sent: planned, answered: start + late + 10 * MS * (k + 1) }
            })
            .collect();
        assert_eq!(overload_errors(&samples, 10 * MS, 2 * MS), [Duration::ZERO; 5]);
        samples[3].answered += MS;
        assert_eq!(quantile(&overload_errors(&samples, 10 * MS, 2 * MS), 1.0), Some(MS));
        assert!(overload_errors(&[], 10 * MS, 2 * MS).is_empty());
    }

    #[test]
    fn a_queue_departs_by_the_recursion() {
        let start = Instant::now();
        let arrivals = [0, 1, 1, 10, 11].map(|ms| start + ms * MS);
        let expected = [2, 4, 6, 12, 14].map(|ms| start + ms * MS);
        assert_eq!(departures(arrivals, 2 * MS), expected);
        // Answers out of order, each 100 us after it should be there.
        let late = Duration::from_micros(100);
        let mut samples: Vec<Sample> = arrivals
            .into_iter()
            .zip(expected)
            .map(|(sent, answered)| Sample { planned: sent, sent, answered: answered + late })
            .collect();
        samples.swap(0, 4);
        assert_eq!(errors(&samples, 2 * MS, Duration::ZERO), [late; 5]);
        assert_eq!(errors(&samples, 2 * MS, late), [Duration::ZERO; 5]);
    }

    #[test]
    fn quantiles_are_ranks() {
        let values: Vec<Duration> = (1..=100).rev().map(|ms| ms * MS).collect();
        assert_eq!([0.5, 0.99, 1.0].map(|p| quantile(&values, p)), [50, 99, 100].map(|ms| Some(ms * MS)));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
