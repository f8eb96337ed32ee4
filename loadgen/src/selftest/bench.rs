//! Where the cases are played: the bundled mock on a thread and core of its own, and the noise around it.

use std::thread;
use std::time::{Duration, Instant};

use ringgate_io::{Rung, cpu};
use ringmock::{Mock, Options};
use serde::Serialize;

use crate::doctor::wakes;
use crate::record::cpu::Threads;
use crate::record::recorder::nanoseconds;
use crate::record::summary::Summary;
use crate::report::table;
use crate::selftest::paper;
use crate::selftest::quiet::Quiet;
use crate::{Error, Load, Plan, Report, Stop, Target};

/// Sleeps measured before and after each case, and the length of each: 300 ms.
const SLEEPS: u32 = 1200;
const SLEEP: Duration = Duration::from_micros(250);
/// Requests sent before a case, so that its first one does not pay for what is done once.
const WARM_UP_REQUESTS: u64 = 8;
/// How late a thread that only sleeps may wake on a machine on which the tolerances hold. The kernel itself delays an
/// ordinary sleep by up to 50 us (PR_SET_TIMERSLACK).
const WAKE_P50_NS: u64 = 200_000;
const WAKE_P99_NS: u64 = 500_000;

/// The two sides and their cores.
#[derive(Debug)]
pub(super) struct Bench {
    driver: Rung,
    /// The generator's and the mock's, if there are two.
    cores: Option<[usize; 2]>,
    quiet: Quiet,
}

/// What disturbed a case, as far as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Noise {
    /// The part of the time that the generator's thread was ready and had no core.
    pub generator_waiting: f64,
    /// The same of the mock.
    pub mock_waiting: f64,
    /// How late a thread that only slept woke just before and after the case, by the standard library and not by the
    /// pacer, so that a pacer that is wrong is not mistaken for noise: the larger of the two medians.
    pub wake_p50_ns: u64,
    /// The larger of the two 99th percentiles.
    pub wake_p99_ns: u64,
}

/// What it takes to miss the strictest expectation of a case: so large a part of the requests delayed by so much.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strictest {
    pub(super) part: f64,
    pub(super) requests_per_second: u64,
    pub(super) delay: Duration,
}

impl Strictest {
    /// The part of the time for which somebody must be kept waiting to do that.
    fn waiting(self) -> f64 {
        self.part * self.requests_per_second as f64 * self.delay.as_secs_f64()
    }
}

impl Noise {
    /// Why times held to `strictest` say nothing of the instrument, if they do not.
    pub(super) fn reason(&self, strictest: Strictest) -> Option<String> {
        if self.generator_waiting + self.mock_waiting > strictest.waiting() {
            let [generator, mock] = [self.generator_waiting, self.mock_waiting].map(|part| part * 100.0);
            return Some(format!(
                "of the time, the generator had no core for {generator:.1} % and the mock for {mock:.1} %"
            ));
        }
        let is_late = self.wake_p50_ns > WAKE_P50_NS || self.wake_p99_ns > WAKE_P99_NS;
        let [p50, p99] = [self.wake_p50_ns, self.wake_p99_ns].map(table::nanoseconds);
        is_late.then(|| format!("a thread that only slept woke {p50} (p50), {p99} (p99) late"))
    }
}

impl Bench {
    /// Whatever this machine has.
    ///
    /// # Errors
    /// No event loop works here.
    pub(super) fn new() -> Result<Bench, Error> {
        let (driver, _) = Rung::best().map_err(Error::Loop)?;
        let cores = match cpu::available().map_err(Error::Loop)?[..] {
            [first, .., last] => Some([first, last]),
            _ => None,
        };
        Ok(Bench { driver, cores, quiet: Quiet::begin() })
    }

    /// Whether the machine was made as quiet as root can make it.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet.is_whole()
    }

    /// How late an idle pacer wakes on the generator's core.
    pub(super) fn wakes(&self) -> Result<Summary, Error> {
        Ok(Summary::of(&wakes(self.driver, self.generator(), SLEEPS, SLEEP).map_err(Error::Loop)?))
    }

    fn generator(&self) -> Option<usize> {
        self.cores.map(|[generator, _]| generator)
    }

    /// How late a thread that only sleeps wakes there: p50 and p99 in nanoseconds.
    fn sleeps(&self) -> [u64; 2] {
        let core = self.generator();
        let sleeper = thread::spawn(move || {
            let _ = core.map(cpu::pin); // on another core it is a witness too
            let late = || {
                let began = Instant::now();
                thread::sleep(SLEEP);
                began.elapsed().saturating_sub(SLEEP)
            };
            (0..SLEEPS).map(|_| late()).collect::<Vec<_>>()
        });
        let late = sleeper.join().unwrap_or_default();
        [0.5, 0.99].map(|p| nanoseconds(paper::quantile(&late, p).unwrap_or_default()))
    }

    /// Plays `load` for `duration` against a fresh mock that answers by `orders`, after `change` to the plan.
    pub(super) fn play(
        &self,
        orders: &str,
        load: Load,
        change: impl FnOnce(Plan) -> Plan,
        stop: &Stop,
    ) -> Result<(Report, Noise), Error> {
        let mut mock = Mock::start(self.options()).map_err(Error::Loop)?;
        let target = Target::get(&format!("http://{}/{orders}", mock.address()))?;
        let cores = self.generator().into_iter().collect();
        let plan = change(Plan { cores, driver: Some(self.driver), ..Plan::new([target], load) });
        let warm_up = Load::Closed { requests: Some(WARM_UP_REQUESTS) };
        crate::run_until(&Plan { load: warm_up, connections: 1, ..plan.clone() }, stop, &mut ())?;
        let sleeps_before = self.sleeps();
        let before = Threads::of(&[std::process::id()]);
        let report = crate::run_until(&plan, stop, &mut ())?;
        let others = Threads::of(&[std::process::id()]).zip(before); // the generator's thread has ended
        let others = others.map(|(after, before)| after.since(&before)).unwrap_or_default();
        mock.stop();
        let sleeps_after = self.sleeps();
        let noise = Noise {
            generator_waiting: report.generator.busiest_waiting.unwrap_or(0.0),
            mock_waiting: nanoseconds(others.total.waiting) as f64 / report.elapsed_ns.max(1) as f64,
            wake_p50_ns: sleeps_before[0].max(sleeps_after[0]),
            wake_p99_ns: sleeps_before[1].max(sleeps_after[1]),
        };
        Ok((report, noise))
    }

    fn options(&self) -> Options {
        Options {
            name: "selftest".to_owned(),
            record: false,
            body_bytes: Some(16),
            driver: Some(self.driver),
            core: self.cores.map(|[_, mock]| mock),
            ..Options::default()
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a quiet machine shows.
    pub(in crate::selftest) const QUIET: Noise =
        Noise { generator_waiting: 0.001, mock_waiting: 0.001, wake_p50_ns: 90_000, wake_p99_ns: 150_000 };

    /// One in a hundred of 250 a second, by a millisecond: a four-hundredth of the time.
    pub(in crate::selftest) const STRICTEST: Strictest =
        Strictest { part: 0.01, requests_per_second: 250, delay: Duration::from_millis(1) };

    #[test]
    fn waiting_is_noise_when_it_is_enough_to_miss_the_strictest_expectation() {
        let noise = |part| Noise { generator_waiting: part, mock_waiting: part, ..QUIET };
        assert!(noise(0.0012).reason(STRICTEST).is_none());
        assert!(noise(0.0013).reason(STRICTEST).is_some());
    }

    #[test]
    fn noise_is_named_by_what_shows_it() {
        assert_eq!(QUIET.reason(STRICTEST), None);
        for (noise, words) in [
            (Noise { generator_waiting: 0.02, ..QUIET }, "the generator had no core for 2.0 %"),
            (Noise { mock_waiting: 0.02, ..QUIET }, "the mock for 2.0 %"),
            (Noise { wake_p50_ns: 201_000, ..QUIET }, "woke 201 µs (p50)"),
            (Noise { wake_p99_ns: 600_000, ..QUIET }, "600 µs (p99)"),
        ] {
            assert!(noise.reason(STRICTEST).unwrap().contains(words), "{noise:?}");
        }
    }
}
