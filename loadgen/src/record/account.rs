//! What CPU processes use between two readings, to the nanosecond, and when that cannot be told.
//!
//! What is counted: the time that all threads of the named processes and of their descendants ran, in user and kernel mode.
//! Unit and resolution: nanoseconds, from each process's own CPU clock (`clock_getcpuclockid`), which is the scheduler's sum
//! over the threads that are alive and those that have ended. Nothing is rounded to ticks. A thread that runs at the very
//! moment of a reading is told as of its last look by the scheduler, up to a tick (1 to 10 ms) before: once at each end.
//! New processes count from their first instant. One that has ended and was not waited for still has its clock.
//!
//! Unknown, with a reason, is what somebody spent whose account is gone: a process that was waited for between the readings
//! takes its clock with it. What the kernel adds to the parent then is in ticks (`cutime`), of which a process of a few
//! milliseconds has none, so it is not used as an amount; that it has changed shows that there was such a child, even one
//! that neither reading saw. It does not show where a parent ignores SIGCHLD: such children, begun and ended between
//! the readings, are missed.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::record::cpu::Threads;
use crate::record::kin::{Process, WaitedFor};

/// What some processes have used so far.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    processes: BTreeMap<u32, Used>,
    /// For the busiest of them; nothing where the kernel does not tell.
    threads: Option<Threads>,
}

#[derive(Debug, Clone, Copy)]
struct Used {
    running: Duration,
    waited_for: WaitedFor,
}

/// What they used between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bill {
    pub(crate) running: Duration,
    /// The longest that one thread, of those there at the end, wanted a core; nothing where the kernel does not tell.
    pub(crate) busiest: Option<Duration>,
}

impl Account {
    /// Of these, or why there is none.
    pub(crate) fn of(processes: &[Process]) -> Result<Account, String> {
        if processes.is_empty() {
            return Err("its processes are not there".to_owned());
        }
        let used = |process: &Process| {
            let running = clock(process.id).ok_or_else(|| gone(process.id))?;
            Ok((process.id, Used { running, waited_for: process.waited_for }))
        };
        let ids: Vec<u32> = processes.iter().map(|process| process.id).collect();
        let processes = processes.iter().map(used).collect::<Result<_, String>>()?;
        Ok(Account { processes, threads: Threads::of(&ids) })
    }

    /// What was used since the `earlier` reading, or why that is unknown.
    pub(crate) fn since(&self, earlier: &Account) -> Result<Bill, String> {
        if let Some(id) = earlier.processes.keys().find(|id| !self.processes.contains_key(id)) {
            return Err(gone(*id));
        }
        let mut running = Duration::ZERO;
        for (id, used) in &self.processes {
            let before = earlier.processes.get(id);
            if used.waited_for != before.map_or_else(WaitedFor::default, |before| before.waited_for) {
                return Err(format!(
                    "a child of process {id} ended during the run, and its CPU time with it"
                ));
            }
            running += used.running.saturating_sub(before.map_or(Duration::ZERO, |before| before.running));
        }
        let threads = self.threads.as_ref().zip(earlier.threads.as_ref());
        Ok(Bill { running, busiest: threads.map(|(later, earlier)| later.since(earlier).busiest) })
    }
}

fn gone(id: u32) -> String {
    format!("process {id} ended during the run, and its CPU time with it")
}

/// What all threads of a process have run, those that have ended too; nothing if it was waited for, or never was.
fn clock(process: u32) -> Option<Duration> {
    let mut clock = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let id = libc::pid_t::try_from(process).ok()?;
    // SAFETY: each writes to one local of the type that it is declared with, and keeps nothing.
    let is_told = unsafe {
        libc::clock_getcpuclockid(id, &mut clock) == 0 && libc::clock_gettime(clock, &mut time) == 0
    };
    let told = || Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?));
    is_told.then(told).flatten()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
    use std::thread;

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;
    use crate::record::cpu::CpuTime;
    use crate::record::kin::Kin;

    /// A shell that does one line at a time.
    struct Shell {
        child: Child,
        orders: ChildStdin,
        answers: BufReader<ChildStdout>,
        kin: Kin,
    }

    impl Shell {
        fn new() -> Shell {
            let mut command = Command::new("/bin/sh");
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let (orders, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            let kin = Kin::of(&[child.id()]);
            Shell { child, orders, answers: BufReader::new(answers), kin }
        }

        /// Returns when the line has been done.
        fn order(&mut self, line: &str) -> String {
            writeln!(self.orders, "{line}\necho done").unwrap();
            let lines = (&mut self.answers).lines().map(Result::unwrap);
            lines.take_while(|line| line != "done").collect()
        }

        fn account(&mut self) -> Account {
            Account::of(&self.kin.members()).unwrap()
        }
    }

    impl Drop for Shell {
        fn drop(&mut self) {
            for process in self.kin.members() {
                let _ = kill_process(Pid::from_raw(process.id as i32).unwrap(), Signal::KILL);
            }
            self.child.wait().unwrap();
        }
    }

    fn spend(length: Duration) {
        let begun = CpuTime::of_this_thread().unwrap().running;
        while CpuTime::of_this_thread().unwrap().running - begun < length {}
    }

    #[test]
    fn threads_that_have_ended_are_counted_to_the_nanosecond() {
        let own = std::process::id();
        let before = clock(own).unwrap();
        let spent: Duration = (0..20)
            .map(|_| {
                let work = || {
                    spend(Duration::from_millis(3)); // less than a tick of any kernel's clock in user space
                    CpuTime::of_this_thread().unwrap().running
                };
                thread::spawn(work).join().unwrap()
            })
            .sum();
        let counted = clock(own).unwrap() - before;
        assert!(counted >= spent, "{counted:?} of {spent:?}"); // other tests run on threads of this process, too
        assert!(!counted.subsec_nanos().is_multiple_of(1_000_000), "{counted:?} looks like ticks");
    }

    #[test]
    fn a_process_that_sleeps_uses_next_to_nothing_and_one_that_works_more() {
        let mut shell = Shell::new();
        shell.order(":");
        let before = shell.account();
        let idle = shell.account().since(&before).unwrap();
        assert_eq!(idle.running, Duration::ZERO);
        shell.order("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
        let busy = shell.account().since(&before).unwrap();
        assert!(busy.running > Duration::from_millis(1) && busy.busiest >= Some(busy.running), "{busy:?}");
    }

    #[test]
    fn a_child_that_was_started_meanwhile_counts_from_its_start() {
        let mut shell = Shell::new();
        shell.order(":");
        let before = shell.account();
        let quick = shell.account().since(&before).unwrap().running;
        shell.order("(i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; exec sleep 60) &");
        let least = quick + Duration::from_millis(5);
        wait_until(|| shell.account().since(&before).unwrap().running > least);
    }

    #[test]
    fn a_child_that_ended_makes_the_bill_unknown_whether_it_was_seen_or_not() {
        let mut shell = Shell::new();
        shell.order(":");
        let before = shell.account();
        shell.order("/bin/true");
        let unknown = shell.account().since(&before).unwrap_err();
        assert!(unknown.contains("a child of process"), "{unknown}");

        let id = shell.order("sleep 60 & echo $!");
        let before = shell.account();
        shell.order(&format!("kill {id}; wait"));
        let unknown = shell.account().since(&before).unwrap_err();
        assert!(unknown.contains(&format!("process {id} ended")), "{unknown}");
    }

    #[test]
    fn an_ended_child_that_nobody_has_waited_for_is_still_counted() {
        let mut shell = Shell::new();
        shell.order(":");
        let before = shell.account();
        shell.order("sh -c ': & exec sleep 60' &");
        let both = || shell.kin.members().iter().filter(|process| process.has_ended).count() == 1;
        wait_until(both);
        assert!(shell.account().since(&before).is_ok());
    }

    fn wait_until(mut holds: impl FnMut() -> bool) {
        let until = std::time::Instant::now() + Duration::from_secs(30);
        while !holds() {
            assert!(std::time::Instant::now() < until, "it never came about");
            thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn nobody_has_no_account() {
        assert!(Account::of(&[]).is_err());
        assert_eq!(clock(u32::MAX), None);
    }
}
