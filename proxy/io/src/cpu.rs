//! Which cores there are, pinning the calling thread to one of them, and who goes first there.

use std::io;

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
    /// Only while nobody else wants the core: whoever wakes up there takes it at once, without waiting for the end of a slice
    /// (SCHED_IDLE). On a core that is busy all the time 0.3 % are left to it.
    Last,
}

/// Sets the policy of the calling thread; threads that it starts inherit it.
///
/// # Errors
/// `EPERM`: this process may not go first.
pub fn schedule(policy: Policy) -> io::Result<()> {
    let (policy, sched_priority) = match policy {
        Policy::First => (libc::SCHED_FIFO, 1),
        Policy::Ordinary => (libc::SCHED_OTHER, 0),
        Policy::Last => (libc::SCHED_IDLE, 0),
    };
    let parameters = libc::sched_param { sched_priority };
    // SAFETY: the pointer is to a live value, and is not kept.
    match unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
