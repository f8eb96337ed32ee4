//! Where the cases are played: the bundled mock on a thread and core of its own, and the noise around it.

use std::time::Duration;

use ringgate_io::{Rung, cpu};
use ringmock::{Mock, Options};
use serde::Serialize;

use crate::doctor::wakes;
use crate::record::cpu::Threads;
use crate::record::recorder::nanoseconds;
use crate::record::summary::Summary;
use crate::report::table;
use crate::{Error, Load, Plan, Report, Stop, Target, Verdict};

/// Wake-ups of an idle pacer measured after each case, and the sleep before each: 300 ms.
const WAKES: u32 = 1200;
const SLEEP: Duration = Duration::from_micros(250);
/// The part of a case that a thread of either side may have waited for a core without its being called noise.
const WAITING_BOUND: f64 = 0.005;
/// How late an idle pacer may wake on a machine on which the tolerances hold: what pacing itself is held to.
pub(super) const WAKE_P50: Duration = Duration::from_micros(100);
pub(super) const WAKE_P99: Duration = Duration::from_micros(500);

/// The two sides and their cores.
#[derive(Debug)]
pub(super) struct Bench {
    driver: Rung,
    /// The generator's and the mock's, if there are two.
    cores: Option<[usize; 2]>,
}

/// What disturbed a case, as far as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Noise {
    /// The part of the time that the generator's thread was ready and had no core.
    pub generator_waiting: f64,
    /// The same of the mock.
    pub mock_waiting: f64,
    /// The generator was too late for its run to be valid.
    pub is_client_limited: bool,
    /// How late an idle pacer woke just after the case: median.
    pub wake_p50_ns: Option<u64>,
    /// Its 99th percentile.
    pub wake_p99_ns: Option<u64>,
}

impl Noise {
    /// Why the case's times say nothing of the instrument, if they do not.
    pub fn reason(&self) -> Option<String> {
        let is_above =
            |seen_ns: Option<u64>, bound| seen_ns.is_some_and(|seen_ns| seen_ns > nanoseconds(bound));
        let percent = |part: f64| format!("{:.1} % of the time", part * 100.0);
        if self.generator_waiting > WAITING_BOUND {
            return Some(format!("the generator had no core for {}", percent(self.generator_waiting)));
        }
        if self.mock_waiting > WAITING_BOUND {
            return Some(format!("the mock had no core for {}", percent(self.mock_waiting)));
        }
        if is_above(self.wake_p50_ns, WAKE_P50) || is_above(self.wake_p99_ns, WAKE_P99) {
            let [p50, p99] =
                [self.wake_p50_ns, self.wake_p99_ns].map(|ns| table::nanoseconds(ns.unwrap_or(0)));
            return Some(format!("an idle pacer woke {p50} (p50), {p99} (p99) late"));
        }
        self.is_client_limited.then(|| "the generator was late".to_owned())
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
        Ok(Bench { driver, cores })
    }

    /// How late an idle pacer wakes on the generator's core.
    pub(super) fn wakes(&self) -> Result<Summary, Error> {
        let core = self.cores.map(|[generator, _]| generator);
        Ok(Summary::of(&wakes(self.driver, core, WAKES, SLEEP).map_err(Error::Loop)?))
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
        let cores = self.cores.map_or_else(Vec::new, |[generator, _]| vec![generator]);
        let plan = Plan { cores, driver: Some(self.driver), ..Plan::new([target], load) };
        let before = Threads::of(&[std::process::id()]);
        let report = crate::run_until(&change(plan), stop, &mut ())?;
        let others = Threads::of(&[std::process::id()]).since(&before); // the generator's thread has ended
        mock.stop();
        let noise = self.noise(&report, others.total.waiting)?;
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

    fn noise(&self, report: &Report, mock_waiting: Duration) -> Result<Noise, Error> {
        let wakes = self.wakes()?;
        let wake = |name| wakes.reading(name)?.nanoseconds();
        Ok(Noise {
            generator_waiting: report.generator.busiest_waiting,
            mock_waiting: nanoseconds(mock_waiting) as f64 / report.elapsed_ns.max(1) as f64,
            is_client_limited: report.verdict == Verdict::ClientLimited,
            wake_p50_ns: wake("p50"),
            wake_p99_ns: wake("p99"),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a quiet machine shows.
    pub(in crate::selftest) const QUIET: Noise = Noise {
        generator_waiting: 0.001,
        mock_waiting: 0.001,
        is_client_limited: false,
        wake_p50_ns: Some(50_000),
        wake_p99_ns: Some(100_000),
    };

    #[test]
    fn noise_is_named_by_what_shows_it() {
        assert_eq!(QUIET.reason(), None);
        for (noise, words) in [
            (Noise { generator_waiting: 0.02, ..QUIET }, "the generator had no core for 2.0 %"),
            (Noise { mock_waiting: 0.02, ..QUIET }, "the mock had no core"),
            (Noise { wake_p50_ns: Some(101_000), ..QUIET }, "woke 101 µs (p50)"),
            (Noise { wake_p99_ns: Some(600_000), ..QUIET }, "600 µs (p99)"),
            (Noise { is_client_limited: true, ..QUIET }, "late"),
        ] {
            assert!(noise.reason().unwrap().contains(words), "{noise:?}");
        }
    }
}
