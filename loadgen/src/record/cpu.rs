//! What the generator itself costs: the scheduler's own account of the calling thread, in nanoseconds.

use std::ops::{AddAssign, Sub};
use std::time::Duration;

/// Time a thread ran, and time it was ready to run and did not get a core.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CpuTime {
    pub(crate) running: Duration,
    pub(crate) waiting: Duration,
}

impl CpuTime {
    /// Of the calling thread so far; nothing where the kernel does not tell.
    pub(crate) fn of_this_thread() -> Option<CpuTime> {
        CpuTime::parse(&std::fs::read_to_string("/proc/thread-self/schedstat").ok()?)
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
}
