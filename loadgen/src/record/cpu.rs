//! What CPU a run costs: the scheduler's own account, in nanoseconds, of the generator's threads and of other processes.
//!
//! `/proc/PID/task/TID/schedstat` is exact (it is what the scheduler itself decides by); ticks are not, and only the
//! machine as a whole has nothing better (`/proc/stat`, a hundredth of a second). Time that the kernel spends on
//! receiving is charged to whoever it interrupts; on loopback that is the sender.

use std::collections::BTreeMap;
use std::ops::{AddAssign, Sub};
use std::path::Path;
use std::time::Duration;

/// The unit of `/proc/stat`: `sysconf(_SC_CLK_TCK)` is 100 on every Linux that this runs on.
const TICK_MS: u64 = 10;

/// Time a thread ran, and time it was ready to run and did not get a core.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CpuTime {
    pub(crate) running: Duration,
    pub(crate) waiting: Duration,
}

impl CpuTime {
    /// Of the calling thread so far; nothing where the kernel does not tell.
    pub(crate) fn of_this_thread() -> Option<CpuTime> {
        CpuTime::read(Path::new("/proc/thread-self"))
    }

    fn read(task: &Path) -> Option<CpuTime> {
        CpuTime::parse(&std::fs::read_to_string(task.join("schedstat")).ok()?)
    }

    fn parse(schedstat: &str) -> Option<CpuTime> {
        let mut fields =
            schedstat.split_ascii_whitespace().map(|field| field.parse().map(Duration::from_nanos));
        Some(CpuTime { running: fields.next()?.ok()?, waiting: fields.next()?.ok()? })
    }

    /// Time in which the thread wanted a core, whether it got one or not.
    pub(crate) fn wanted(self) -> Duration {
        self.running + self.waiting
    }
}

impl Sub for CpuTime {
    type Output = CpuTime;

    fn sub(self, earlier: CpuTime) -> CpuTime {
        CpuTime {
            running: self.running.saturating_sub(earlier.running),
            waiting: self.waiting.saturating_sub(earlier.waiting),
        }
    }
}

impl AddAssign for CpuTime {
    fn add_assign(&mut self, other: CpuTime) {
        self.running += other.running;
        self.waiting += other.waiting;
    }
}

/// The threads of some processes, by their numbers, each with its time so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Threads(BTreeMap<u32, CpuTime>);

/// What the threads of some processes did between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// All threads together.
    pub(crate) total: CpuTime,
    /// The longest that one thread wanted a core.
    pub(crate) busiest: Duration,
}

impl Threads {
    /// Of the processes that are there; threads that end are missing from the later reading, with all they did.
    pub(crate) fn of(processes: &[u32]) -> Threads {
        let mut threads = Threads::default();
        for process in processes {
            let Ok(tasks) = std::fs::read_dir(format!("/proc/{process}/task")) else { continue };
            for task in tasks.flatten() {
                let number = task.file_name().to_str().and_then(|name| name.parse().ok());
                threads.0.extend(number.zip(CpuTime::read(&task.path())));
            }
        }
        threads
    }

    /// What was spent since the `earlier` reading.
    pub(crate) fn since(&self, earlier: &Threads) -> Spent {
        let mut spent = Spent::default();
        for (number, &time) in &self.0 {
            let part = time - earlier.0.get(number).copied().unwrap_or_default();
            spent.total += part;
            spent.busiest = spent.busiest.max(part.wanted());
        }
        spent
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Time that all cores together were not idle, interrupts included, in steps of 10 ms.
pub(crate) fn machine() -> Option<Duration> {
    busy(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// The first line of `/proc/stat` (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal. Stolen time was
/// somebody else's.
fn busy(stat: &str) -> Option<Duration> {
    let ticks: Vec<u64> =
        stat.lines().next()?.split_ascii_whitespace().skip(1).map_while(|f| f.parse().ok()).collect();
    let [user, nice, system, _, _, irq, softirq, ..] = ticks[..] else { return None };
    Some(Duration::from_millis((user + nice + system + irq + softirq) * TICK_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheduler_tells_running_and_waiting() {
        let parsed = CpuTime::parse("72538 54772 2\n").unwrap();
        assert_eq!(parsed.running, Duration::from_nanos(72_538));
        assert_eq!(parsed.wanted(), Duration::from_nanos(72_538 + 54_772));
        assert_eq!(CpuTime::parse("0"), None);
        assert_eq!(CpuTime::parse("x 1 2"), None);
    }

    #[test]
    fn a_process_costs_what_all_its_threads_did_between_two_readings() {
        let time = |ms| CpuTime { running: Duration::from_millis(ms), waiting: Duration::from_millis(1) };
        let earlier = Threads([(1, time(10)), (2, time(20)), (3, time(70))].into());
        let later = Threads([(1, time(15)), (2, time(50)), (4, time(7))].into());
        let spent = later.since(&earlier);
        assert_eq!(spent.total.running, Duration::from_millis(5 + 30 + 7));
        assert_eq!(spent.busiest, Duration::from_millis(30));
    }

    #[test]
    fn this_process_has_threads_and_one_that_is_gone_has_none() {
        assert!(!Threads::of(&[std::process::id()]).is_empty());
        assert!(Threads::of(&[u32::MAX]).is_empty());
    }

    #[test]
    fn the_machine_is_busy_when_it_is_neither_idle_nor_stolen() {
        let stat = "cpu  1 2 3 1000 50 4 5 600 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(busy(stat), Some(Duration::from_millis(150)));
        assert_eq!(busy("cpu 1 2"), None);
        assert!(machine().is_some());
    }
}
