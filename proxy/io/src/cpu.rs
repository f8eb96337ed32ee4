//! Which cores there are, pinning the calling thread to one of them, and who goes first there.

use std::io;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores this process may run on (container limits and `taskset` included), in ascending order.
pub fn available() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect())
}

/// Pins the calling thread to one core.
///
/// # Errors
/// `EINVAL` if the process may not run on `core`.
pub fn pin(core: usize) -> io::Result<()> {
    if core >= CpuSet::MAX_CPU {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Who goes first on a core that several threads want (sched(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Before every ordinary thread, until it sleeps (SCHED_FIFO, priority 1): for measuring, and as root only.
    First,
    /// As everybody else (SCHED_OTHER).
    Ordinary,
    /// After everybody else, and only for a moment at a time: nice 19, and slices of 0.1 ms, which the scheduler honours from Linux 6.12
    /// on. Whoever wakes up there waits no longer than such a slice, and a core that is busy all the time still leaves it a share of
    /// 1.5 %, ten times what SCHED_IDLE would get.
    Last,
}

/// How long whoever goes last keeps the core at a time: the least that the scheduler takes.
const LAST_SLICE: Duration = Duration::from_micros(100);

/// Sets the policy of the calling thread; threads and processes that it starts inherit it.
///
/// # Errors
/// `EPERM`: this process may not go first.
pub fn schedule(policy: Policy) -> io::Result<()> {
    let (policy, sched_priority) = match policy {
        Policy::First => (libc::SCHED_FIFO, 1),
        Policy::Ordinary => (libc::SCHED_OTHER, 0),
        Policy::Last => return go_last(),
    };
    let parameters = libc::sched_param { sched_priority };
    // SAFETY: the pointer is to a live value, and is not kept.
    done(unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) }.into())
}

fn go_last() -> io::Result<()> {
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: 0,
        sched_nice: 19,
        sched_priority: 0,
        sched_runtime: LAST_SLICE.as_nanos() as u64,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the pointer is to a live value of the size that it names, and is not kept.
    done(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) })
}

fn done(result: libc::c_long) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nice value and slice of this thread, as the kernel has them.
    fn attributes() -> (i32, u64) {
        // SAFETY: all its members are integers.
        let mut read: libc::sched_attr = unsafe { std::mem::zeroed() };
        let size = size_of::<libc::sched_attr>() as u32;
        // SAFETY: the pointer is to a live value of that size, and is not kept.
        let result = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut read, size, 0) };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
        (read.sched_nice, read.sched_runtime)
    }

    #[test]
    fn whoever_goes_last_goes_last_for_a_moment_at_a_time() {
        std::thread::spawn(|| {
            let (_, usual) = attributes();
            schedule(Policy::Last).expect("anybody may go last");
            let (nice, slice) = attributes();
            assert_eq!(nice, 19);
            assert!(
                slice == LAST_SLICE.as_nanos() as u64 || slice == usual,
                "older kernels have one slice for all"
            );
        })
        .join()
        .expect("the thread");
    }
}
