//! What CPU threads and the machine take: the scheduler's own account. Whole processes are [`account`](super::account)'s.
//!
//! What is counted: of a thread, the time that it ran and the time that it was ready and had no core, in nanoseconds
//! (`/proc/PID/task/TID/schedstat`, what the scheduler itself decides by); of the machine, the time that its cores were not
//! idle, in ticks (`/proc/stat`, a hundredth of a second: there is nothing better). Time that the kernel spends on
//! receiving is charged to whoever it interrupts; on loopback that is the sender.
//! Unknown, never zero: where the kernel was built without CONFIG_SCHED_INFO, or has it turned off, there is no such file
//! or its three fields are 0; where `/proc/stat` stands still or is hidden, the machine tells nothing.

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
    /// Of the calling thread so far; nothing where the kernel does not tell: a thread that asks has run.
    pub(crate) fn of_this_thread() -> Option<CpuTime> {
        CpuTime::read(Path::new("/proc/thread-self"))
    }

    fn read(task: &Path) -> Option<CpuTime> {
        CpuTime::parse(&std::fs::read_to_string(task.join("schedstat")).ok()?)
    }

    fn parse(schedstat: &str) -> Option<CpuTime> {
        let mut fields = schedstat.split_ascii_whitespace().map(|field| field.parse().ok());
        let [running, waiting, turns] = [fields.next()??, fields.next()??, fields.next()??];
        let is_told = running > 0 || turns > 0;
        let time =
            || CpuTime { running: Duration::from_nanos(running), waiting: Duration::from_nanos(waiting) };
        is_told.then(time)
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
    /// Of the processes that are there; threads that end are missing from the later reading, with all they did. Nothing
    /// where the kernel does not tell.
    pub(crate) fn of(processes: &[u32]) -> Option<Threads> {
        let mut threads = Threads::default();
        for process in processes {
            let Ok(tasks) = std::fs::read_dir(format!("/proc/{process}/task")) else { continue };
            for task in tasks.flatten() {
                let number = task.file_name().to_str().and_then(|name| name.parse().ok());
                threads.0.extend(number.zip(CpuTime::read(&task.path())));
            }
        }
        Some(threads).filter(|threads| !threads.0.is_empty())
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
}

/// What all cores together have done so far, in ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    busy: u64,
    /// Busy or not.
    all: u64,
}

impl Machine {
    /// Nothing where the kernel does not tell.
    pub(crate) fn read() -> Option<Machine> {
        Machine::parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    /// The first line of `/proc/stat` (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal. Stolen time was
    /// somebody else's.
    fn parse(stat: &str) -> Option<Machine> {
        let ticks: Vec<u64> =
            stat.lines().next()?.split_ascii_whitespace().skip(1).map_while(|f| f.parse().ok()).collect();
        let [user, nice, system, idle, iowait, irq, softirq, ..] = ticks[..] else { return None };
        let busy = user + nice + system + irq + softirq;
        Some(Machine { busy, all: busy + idle + iowait })
    }

    /// Time that they were not idle since the `earlier` reading, interrupts included, in steps of 10 ms; nothing where no
    /// tick has passed.
    pub(crate) fn since(self, earlier: Machine) -> Option<Duration> {
        let busy = Duration::from_millis(self.busy.saturating_sub(earlier.busy) * TICK_MS);
        (self.all > earlier.all).then_some(busy)
    }
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
        assert_eq!(CpuTime::parse("0 0 0"), None, "accounting is turned off");
        assert!(CpuTime::parse("0 700 1").is_some());
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
        assert!(Threads::of(&[std::process::id()]).is_some());
        assert!(Threads::of(&[u32::MAX]).is_none());
    }

    #[test]
    fn the_machine_is_busy_when_it_is_neither_idle_nor_stolen() {
        let stat = "cpu  1 2 3 1000 50 4 5 600 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        let told = Machine::parse(stat).unwrap();
        assert_eq!(told, Machine { busy: 15, all: 1065 });
        let earlier = Machine { busy: 5, all: 1000 };
        assert_eq!(told.since(earlier), Some(Duration::from_millis(100)));
        assert_eq!(told.since(told), None, "a clock that stands still is none");
        assert_eq!(Machine::parse("cpu 1 2"), None);
        assert!(Machine::read().is_some());
    }
}
