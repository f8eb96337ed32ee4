//! When an answer leaves: what may be ordered, what chance makes of it, and the arithmetic of the queues.
//!
//! Owns no clock and no waiting: instants come in, instants go out.

use std::time::{Duration, Instant};

use crate::random::Random;

use super::value::{MAX_DURATION, call};

/// Most of the processor's time that one request may be given: its thread serves nobody else meanwhile.
pub(super) const MAX_COMPUTED: Duration = Duration::from_secs(1);
/// The 99th percentile of the standard normal distribution.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

/// What was ordered; see the [table](crate::order).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum Latency {
    #[default]
    None,
    Fixed(Duration),
    Uniform(Duration, Duration),
    Exponential(Duration),
    /// Of the logarithm's deviation `sigma`.
    LogNormal {
        median: Duration,
        sigma: f64,
    },
    Fifo(Duration),
    FifoExponential(Duration),
    Stall(Stall),
    PerRequest(Duration),
    Compute(Duration),
}

/// Windows in which nothing is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stall {
    at: Duration,
    length: Duration,
    /// Zero for a single window.
    every: Duration,
}

/// What one request gets, once chance has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Immediate,
    /// It takes so long, whatever else is served.
    Alone(Duration),
    /// It takes so long, after all that came before it.
    Queued(Duration),
    Stalled(Stall),
    /// It takes so long for every request in service.
    Shared(Duration),
    /// It takes so much of the processor.
    Computed(Duration),
}

impl Latency {
    pub(super) fn parse(value: &str) -> Result<Latency, String> {
        let (name, durations) = call("latency", value)?;
        Ok(match (name, &durations[..]) {
            ("none", []) => Latency::None,
            ("fixed", &[time]) => Latency::Fixed(time),
            ("uniform", &[least, most]) if least <= most => Latency::Uniform(least, most),
            ("exponential", &[mean]) => Latency::Exponential(mean),
            ("lognormal", &[median, p99]) if !median.is_zero() && median <= p99 => {
                let sigma = (p99.as_secs_f64() / median.as_secs_f64()).ln() / NORMAL_P99;
                Latency::LogNormal { median, sigma }
            }
            ("fifo", &[time]) => Latency::Fifo(time),
            ("fifo_exp", &[mean]) => Latency::FifoExponential(mean),
            ("stall", &[at, length]) => Latency::Stall(Stall { at, length, every: Duration::ZERO }),
            ("stall", &[at, length, every]) if length < every => Latency::Stall(Stall { at, length, every }),
            ("per_request", &[time]) => Latency::PerRequest(time),
            ("compute", &[time]) if time <= MAX_COMPUTED => Latency::Compute(time),
            ("compute", &[_]) => return Err(too_much(value)),
            _ => return Err(unknown(value)),
        })
    }

    pub(super) fn of_milliseconds(milliseconds: u64) -> Latency {
        match milliseconds {
            0 => Latency::None,
            _ => Latency::Fixed(Duration::from_millis(milliseconds)),
        }
    }

    /// What this request gets.
    pub(crate) fn draw(self, random: &Random) -> Service {
        match self {
            Latency::None => Service::Immediate,
            Latency::Fixed(time) => Service::Alone(time),
            Latency::Uniform(least, most) => Service::Alone(least + scaled(most - least, random.unit())),
            Latency::Exponential(mean) => Service::Alone(scaled(mean, random.exponential())),
            Latency::LogNormal { median, sigma } => {
                Service::Alone(scaled(median, (sigma * random.normal()).exp()))
            }
            Latency::Fifo(time) => Service::Queued(time),
            Latency::FifoExponential(mean) => Service::Queued(scaled(mean, random.exponential())),
            Latency::Stall(stall) => Service::Stalled(stall),
            Latency::PerRequest(time) => Service::Shared(time),
            Latency::Compute(time) => Service::Computed(time),
        }
    }
}

/// No longer than what may be ordered: of distributions without an end, next to nothing lies beyond.
fn scaled(time: Duration, factor: f64) -> Duration {
    let seconds = (time.as_secs_f64() * factor).min(MAX_DURATION.as_secs_f64());
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn too_much(value: &str) -> String {
    let most = humantime::format_duration(MAX_COMPUTED);
    format!("`latency={value}`: at most {most} of computing may be ordered for a request")
}

fn unknown(value: &str) -> String {
    format!(
        "`latency={value}`: give none, fixed(D), uniform(A,B) with A at most B, exponential(M), lognormal(M,P) with M over 0 \
         and at most P, fifo(D), fifo_exp(M), stall(AT,FOR) or stall(AT,FOR,EVERY) with FOR under EVERY, per_request(D) or \
         compute(D), where every letter stands for a duration such as 20ms"
    )
}

/// What a queue remembers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queue {
    /// When the worker began, or when its orders were given to it.
    pub(crate) began: Instant,
    /// When the last of those queued leaves.
    pub(crate) busy_until: Instant,
    /// Requests in service now, the one that asks included.
    pub(crate) in_service: u32,
}

impl Queue {
    /// When the answer to a request that arrives at `arrival` leaves. Requests are put to it in the order of arrival.
    pub(crate) fn departure(&mut self, arrival: Instant, service: Service) -> Instant {
        match service {
            Service::Immediate | Service::Computed(_) => arrival,
            Service::Alone(time) => arrival + time,
            Service::Queued(time) => {
                self.busy_until = arrival.max(self.busy_until) + time; // Lindley 1952
                self.busy_until
            }
            Service::Stalled(stall) => stall.departure(self.began, arrival),
            Service::Shared(time) => arrival + time * self.in_service,
        }
    }
}

impl Stall {
    fn departure(self, began: Instant, arrival: Instant) -> Instant {
        let Some(since_first) = arrival.checked_duration_since(began + self.at) else { return arrival };
        let into_window = match self.every.as_nanos() {
            0 => since_first.as_nanos(),
            every => since_first.as_nanos() % every,
        };
        let left = self.length.as_nanos().saturating_sub(into_window);
        arrival + Duration::from_nanos(left as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue {
        let began = Instant::now();
        Queue { began, busy_until: began, in_service: 1 }
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Departures in milliseconds after the queue began, for arrivals at these.
    fn departures(latency: &str, arrivals: &[u64]) -> Vec<u128> {
        let (latency, random, mut queue) = (Latency::parse(latency).unwrap(), Random::new(1), queue());
        let departure = |arrival: &u64| {
            let departure = queue.departure(queue.began + ms(*arrival), latency.draw(&random));
            departure.duration_since(queue.began).as_millis()
        };
        arrivals.iter().map(departure).collect()
    }

    #[test]
    fn a_fixed_latency_knows_no_queue() {
        assert_eq!(departures("fixed(10ms)", &[0, 1, 1, 50]), [10, 11, 11, 60]);
        assert_eq!(departures("none", &[0, 7]), [0, 7]);
    }

    #[test]
    fn one_server_serves_one_after_the_other() {
        assert_eq!(departures("fifo(10ms)", &[0, 1, 2, 40, 45]), [10, 20, 30, 50, 60]);
    }

    #[test]
    fn overload_grows_by_the_paper() {
        let arrivals: Vec<u64> = (0..300).map(|k| 2 * k).collect(); // 500 a second into 10 ms: the kth waits 10 + 8 k
        for (k, (departure, arrival)) in departures("fifo(10ms)", &arrivals).iter().zip(&arrivals).enumerate()
        {
            assert_eq!(departure - u128::from(*arrival), 10 + 8 * k as u128);
        }
    }

    #[test]
    fn a_stall_ends_for_all_at_once() {
        let arrivals = [0, 99, 100, 130, 149, 150, 160];
        assert_eq!(departures("stall(100ms,50ms)", &arrivals), [0, 99, 150, 150, 150, 150, 160]);
        assert_eq!(departures("stall(100ms,50ms)", &[1100]), [1100]);
        assert_eq!(departures("stall(100ms,50ms,1s)", &[1099, 1100, 2149, 2150]), [1099, 1150, 2150, 2150]);
    }

    #[test]
    fn a_latency_may_grow_with_those_in_service() {
        let (mut queue, service) = (queue(), Service::Shared(ms(5)));
        for in_service in 1..4 {
            queue.in_service = in_service;
            assert_eq!(queue.departure(queue.began, service), queue.began + ms(5) * in_service);
        }
    }

    /// The sorted times that 10,000 requests take, one by one.
    fn drawn(latency: &str) -> Vec<f64> {
        let (latency, random) = (Latency::parse(latency).unwrap(), Random::new(3));
        let time = |_| match latency.draw(&random) {
            Service::Alone(time) | Service::Queued(time) => time.as_secs_f64() * 1000.0,
            other => panic!("{other:?}"),
        };
        let mut times: Vec<f64> = (0..10_000).map(time).collect();
        times.sort_by(f64::total_cmp);
        times
    }

    #[test]
    fn what_is_drawn_has_the_distribution_that_was_ordered() {
        let near = |value: f64, expect: f64| (value / expect - 1.0).abs() < 0.05;
        let mean = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64;

        let lognormal = drawn("lognormal(5ms,40ms)");
        assert!(near(lognormal[5000], 5.0) && (lognormal[9900] / 40.0 - 1.0).abs() < 0.15);
        assert!(near(mean(&drawn("exponential(10ms)")), 10.0));
        assert!(near(mean(&drawn("fifo_exp(10ms)")), 10.0));
        let uniform = drawn("uniform(10ms,20ms)");
        assert!(near(uniform[0], 10.0) && near(uniform[5000], 15.0) && near(uniform[9999], 20.0));
    }

    #[test]
    fn an_md1_queue_has_the_waiting_times_of_the_theory() {
        let (random, mut queue) = (Random::new(5), queue());
        let (mut arrival, mut sum) = (queue.began, Duration::ZERO);
        for _ in 0..200_000 {
            arrival += scaled(ms(4), random.exponential()); // rho = 0.5
            sum += queue.departure(arrival, Service::Queued(ms(2))) - arrival;
        }
        let mean_ms = (sum / 200_000).as_secs_f64() * 1000.0;
        assert!((2.9..3.1).contains(&mean_ms), "{mean_ms}"); // 1.5 D
    }

    #[test]
    fn latencies_that_make_no_sense_are_refused() {
        for bad in [
            "",
            "5ms",
            "fixed",
            "fixed(1ms,2ms)",
            "uniform(2ms,1ms)",
            "lognormal(0ms,1ms)",
            "lognormal(2ms,1ms)",
            "stall(1s,2s,2s)",
            "none(1ms)",
            "normal(1ms)",
            "fixed(2h)",
        ] {
            assert!(Latency::parse(bad).is_err(), "{bad}");
        }
    }
}
