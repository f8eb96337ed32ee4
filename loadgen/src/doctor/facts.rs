//! What is so, without a word on what it means.
//!
//! Owns: where each fact comes from. A fact that this kernel does not tell is `None`, never a guess.

use std::time::Duration;

use ringgate_io::{Rung, cpu};
use rustix::process::{Resource, getrlimit};

use crate::doctor::{kernel, pacer};
use crate::record::account::Account;
use crate::record::cpu::{CpuTime, Machine};
use crate::record::kin::Kin;
use crate::record::summary::Summary;

/// How long other load is watched. The kernel counts in ticks of mostly 10 ms: on one core this tells steps of 3 %.
const WATCH: Duration = Duration::from_millis(300);
/// Wake-ups of the pacer, and the sleep before each: 300 ms, and enough of them for a p99.
const WAKES: u32 = 1200;
const SLEEP: Duration = Duration::from_micros(250);

/// This machine and this process, as found.
#[derive(Debug, Clone)]
pub struct Facts {
    /// This program was built without optimisation.
    pub is_debug_build: bool,
    /// Files that may be open at once, after raising the soft limit as a run does; `None` is no limit.
    pub descriptors: Option<u64>,
    /// Cores of the machine.
    pub machine_cores: usize,
    /// Cores this process may run on.
    pub cores: Vec<usize>,
    /// Groups of those cores that are threads of one physical core.
    pub siblings: Vec<Vec<usize>>,
    /// CPU time this process's group may use, in cores.
    pub quota_cores: Option<f64>,
    /// What the machine did while this process slept.
    pub activity: Option<Activity>,
    /// Frequency governors in use, each once.
    pub governors: Vec<String>,
    /// Whether cores may exceed their nominal frequency.
    pub turbo: Option<bool>,
    /// Ports for outgoing connections, first and last.
    pub ports: Option<(u16, u16)>,
    /// `tcp_tw_reuse`: 0 never, 1 always, 2 on loopback.
    pub port_reuse: Option<u64>,
    /// `somaxconn`: connections that may wait to be accepted.
    pub backlog: Option<u64>,
    /// The best way to do IO that works here, and why better ones do not.
    pub driver: Option<(Rung, Vec<String>)>,
    /// How late the pacer wakes.
    pub pacer: Option<Summary>,
    /// What the kernel reads the time from.
    pub clock: Option<String>,
    /// Whether huge pages are made without being asked for: `always`, `madvise` or `never`.
    pub huge_pages: Option<String>,
    /// Whether the scheduler tells how long threads ran and waited, in nanoseconds.
    pub has_schedstat: bool,
    /// Whether `/proc` shows processes, and the kernel has their CPU clocks.
    pub has_processes: bool,
    /// Whether `/proc/stat` tells how long the cores were busy.
    pub has_machine_time: bool,
}

/// How the cores of the machine spent a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Activity {
    /// Cores' worth of work done by anybody.
    pub busy_cores: f64,
    /// Cores' worth of time that the hypervisor gave to others.
    pub stolen_cores: f64,
}

impl Facts {
    /// Looks, and measures for about half a second.
    pub fn gather() -> Facts {
        let driver = Rung::best().ok();
        let wakes = driver.as_ref().and_then(|(rung, _)| pacer::wakes(*rung, None, WAKES, SLEEP).ok());
        let cores = cpu::available().unwrap_or_default();
        Facts {
            is_debug_build: cfg!(debug_assertions),
            descriptors: getrlimit(Resource::Nofile).maximum,
            machine_cores: kernel::machine_cores().unwrap_or(cores.len()),
            siblings: kernel::siblings(&cores),
            cores,
            quota_cores: kernel::quota_cores(),
            activity: kernel::activity(WATCH),
            governors: kernel::governors(),
            turbo: kernel::turbo(),
            ports: kernel::ports(),
            port_reuse: kernel::number("/proc/sys/net/ipv4/tcp_tw_reuse"),
            backlog: kernel::number("/proc/sys/net/core/somaxconn"),
            driver: driver.map(|(rung, failed)| {
                (rung, failed.into_iter().map(|(rung, error)| format!("{rung}: {error}")).collect())
            }),
            pacer: wakes.as_ref().map(Summary::of),
            clock: kernel::text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            huge_pages: kernel::huge_pages(),
            has_schedstat: CpuTime::of_this_thread().is_some(),
            has_processes: own_account().is_ok(),
            has_machine_time: Machine::read()
                .is_some_and(|machine| machine.since(Machine::default()).is_some()),
        }
    }
}

fn own_account() -> Result<Account, String> {
    Account::of(&Kin::of(&[std::process::id()]).members())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_linux_tells_the_essential_facts() {
        let facts = Facts::gather();
        assert!(facts.machine_cores >= facts.cores.len() && !facts.cores.is_empty(), "{facts:?}");
        assert!(facts.driver.is_some() && facts.ports.is_some() && facts.backlog.is_some(), "{facts:?}");
        assert!(facts.has_schedstat && facts.has_processes && facts.has_machine_time, "{facts:?}");
        let activity = facts.activity.unwrap();
        let most = facts.machine_cores as f64 + 1e-9;
        assert!((0.0..=most).contains(&activity.busy_cores), "{facts:?}");
        assert_eq!(facts.pacer.unwrap().samples, u64::from(WAKES));
    }
}
