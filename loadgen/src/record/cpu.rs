//! What CPU a run costs: the scheduler's own account, in nanoseconds, of the generator's threads and of other processes.
//!
//! What a process ran is its CPU clock (clock_getcpuclockid(3)): exact, and threads that have ended are in it. How long its
//! threads waited for a core, and which was the busiest, is in `/proc/PID/task/TID/schedstat`. Processes that a watched one
//! starts are watched with it. One that ends meanwhile takes its account along, or leaves it to its parent in ticks: then
//! what was spent is unknown, and so it is called. The machine as a whole has nothing better than ticks (`/proc/stat`, a
//! hundredth of a second). Time that the kernel spends on receiving is charged to whoever it interrupts; on loopback that is
//! the sender.

use std::collections::BTreeMap;
use std::ffi::OsStr;
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

/// Some processes and all that they have started, by their numbers, each with its account so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Processes(BTreeMap<u32, Account>);

#[derive(Debug, Clone, Default)]
struct Account {
    running: Duration,
    /// Of the threads there are.
    threads: BTreeMap<u32, CpuTime>,
    /// Ticks that processes started by it spent, which have ended since.
    ended: u64,
}

/// What some processes did between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// All processes together; the time waited only of threads that were there at the end.
    pub(crate) total: CpuTime,
    /// The longest that one thread wanted a core.
    pub(crate) busiest: Duration,
}

impl Account {
    fn read(process: u32) -> Option<Account> {
        let tasks = std::fs::read_dir(format!("/proc/{process}/task")).ok()?.flatten();
        let number = |name: &OsStr| name.to_str()?.parse().ok();
        let threads = tasks.filter_map(|task| number(&task.file_name()).zip(CpuTime::read(&task.path())));
        let threads = threads.collect();
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        Some(Account { running: running(process)?, threads, ended: ended(&stat)? })
    }

    fn since(&self, earlier: &Account) -> Spent {
        let before = |thread| earlier.threads.get(thread).copied().unwrap_or_default();
        let parts = || self.threads.iter().map(|(thread, &time)| time - before(thread));
        Spent {
            total: CpuTime {
                running: self.running.saturating_sub(earlier.running),
                waiting: parts().map(|part| part.waiting).sum(),
            },
            busiest: parts().map(CpuTime::wanted).max().unwrap_or_default(),
        }
    }
}

impl Processes {
    /// Those of these processes that are there, with all that they have started. Nothing where the kernel does not tell.
    pub(crate) fn of(processes: &[u32]) -> Processes {
        let mut found = Processes::default();
        let mut waiting = processes.to_vec();
        while let Some(process) = waiting.pop() {
            if found.0.contains_key(&process) {
                continue;
            }
            if let Some(account) = Account::read(process) {
                waiting.extend(account.threads.keys().flat_map(|&thread| children(process, thread)));
                found.0.insert(process, account);
            }
        }
        found
    }

    /// What was spent since the `earlier` reading; nothing if that cannot be told.
    pub(crate) fn since(&self, earlier: &Processes) -> Option<Spent> {
        let is_there = |process| self.0.contains_key(process);
        if earlier.0.is_empty() || !earlier.0.keys().all(is_there) {
            return None;
        }
        let new = Account::default();
        let mut spent = Spent::default();
        for (process, account) in &self.0 {
            let before = earlier.0.get(process).unwrap_or(&new);
            if account.ended > before.ended {
                return None;
            }
            let part = account.since(before);
            spent.total += part.total;
            spent.busiest = spent.busiest.max(part.busiest);
        }
        Some(spent)
    }
}

/// The CPU clock of a process: all its threads, those that have ended too.
fn running(process: u32) -> Option<Duration> {
    let (mut clock, mut time) = (0, libc::timespec { tv_sec: 0, tv_nsec: 0 });
    // SAFETY: both calls write one value each, to places that outlive them.
    let is_told = unsafe {
        libc::clock_getcpuclockid(i32::try_from(process).ok()?, &mut clock) == 0
            && libc::clock_gettime(clock, &mut time) == 0
    };
    is_told.then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// cutime and cstime of `/proc/PID/stat` (proc(5)), the 16th and 17th field. The program's name before may hold anything.
fn ended(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(13);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// The processes that a thread has started.
fn children(process: u32, thread: u32) -> Vec<u32> {
    let numbers =
        std::fs::read_to_string(format!("/proc/{process}/task/{thread}/children")).unwrap_or_default();
    numbers.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect()
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
    use std::io::{BufRead, BufReader, Write};

    use super::*;

    #[test]
    fn the_scheduler_tells_running_and_waiting() {
        let parsed = CpuTime::parse("72538 54772 2\n").unwrap();
        assert_eq!(parsed.running, Duration::from_nanos(72_538));
        assert_eq!(parsed.wanted(), Duration::from_nanos(72_538 + 54_772));
        assert_eq!(CpuTime::parse("0"), None);
        assert_eq!(CpuTime::parse("x 1 2"), None);
    }

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// A process with threads that have run so many milliseconds each, and one that has ended.
    fn account(running: u64, threads: &[(u32, u64)]) -> Account {
        let time = |running| CpuTime { running: ms(running), waiting: ms(1) };
        let threads = threads.iter().map(|&(thread, running)| (thread, time(running))).collect();
        Account { running: ms(running), threads, ended: 0 }
    }

    #[test]
    fn a_process_costs_what_its_clock_says_and_one_that_it_has_started_too() {
        let earlier = Processes([(1, account(100, &[(1, 10), (2, 20), (3, 70)]))].into());
        let later = [(1, account(150, &[(1, 15), (2, 50)])), (4, account(7, &[(4, 7)]))];
        let spent = Processes(later.into()).since(&earlier).unwrap();
        assert_eq!(spent.total.running, ms(50 + 7)); // 15 ms of it by a thread that has ended
        assert_eq!(spent.busiest, ms(30));
    }

    #[test]
    fn what_ended_meanwhile_cannot_be_told() {
        let both = Processes([(1, account(1, &[])), (2, account(1, &[]))].into());
        let one = Processes([(1, account(2, &[]))].into());
        assert_eq!(one.since(&both), None);
        let child = Account { ended: 1, ..account(2, &[]) };
        assert_eq!(Processes([(1, child)].into()).since(&one), None);
        assert_eq!(one.since(&Processes::default()), None, "it was not there");
        assert_eq!(ended("7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 50 60 7 8 20 0 1"), Some(15));
    }

    fn burn(cpu: Duration) {
        let before = CpuTime::of_this_thread().unwrap();
        while (CpuTime::of_this_thread().unwrap() - before).running < cpu {}
    }

    /// A child of its own, so that no other test's time is in it: a shell that counts in a shell of its own.
    #[test]
    fn a_process_that_was_started_meanwhile_is_found() {
        let script = "read go; (while :; do :; done) & echo $!; wait";
        let mut child = std::process::Command::new("sh");
        child.args(["-c", script]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = child.spawn().unwrap();
        let before = Processes::of(&[child.id()]);
        writeln!(child.stdin.take().unwrap(), "go").unwrap();
        let mut number = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut number).unwrap();
        let spent = || Processes::of(&[child.id()]).since(&before).unwrap().total.running;
        while spent() < ms(20) {}
        let grandchild = rustix::process::Pid::from_raw(number.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(grandchild, rustix::process::Signal::KILL).unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn what_a_thread_did_that_has_ended_is_not_lost() {
        let before = Processes::of(&[std::process::id()]);
        std::thread::spawn(|| burn(ms(30))).join().unwrap();
        let spent = running(std::process::id()).unwrap() - before.0[&std::process::id()].running;
        assert!(spent >= ms(30), "{spent:?}");
        assert!(Processes::of(&[u32::MAX]).0.is_empty());
    }

    #[test]
    fn the_machine_is_busy_when_it_is_neither_idle_nor_stolen() {
        let stat = "cpu  1 2 3 1000 50 4 5 600 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(busy(stat), Some(Duration::from_millis(150)));
        assert_eq!(busy("cpu 1 2"), None);
        assert!(machine().is_some());
    }
}
