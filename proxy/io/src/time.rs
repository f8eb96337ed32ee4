//! The clock, sleeping, and pacing finer than a millisecond.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::kernel::Pollable;

/// The monotonic clock of this thread's loop: the machine's, or the simulation's.
pub fn now() -> Instant {
    #[cfg(feature = "sim")]
    if let Some(now) = crate::sim::now() {
        return now;
    }
    Instant::now()
}

/// The time of day: the machine's, or the simulation's (which began in 1970).
pub fn wall() -> SystemTime {
    #[cfg(feature = "sim")]
    if crate::sim::is_running() {
        return SystemTime::UNIX_EPOCH + crate::sim::elapsed();
    }
    SystemTime::now()
}

/// Sleeps at least `duration`, rounded up to the next millisecond.
///
/// The timer lives on the heap: with its place in monoio's wheel it is 640 bytes, aligned to 128, which every future that may
/// ever have to sleep would carry, several times over; and whoever sleeps has time for an allocation.
pub async fn sleep(duration: Duration) {
    #[cfg(feature = "sim")]
    if crate::sim::is_running() {
        return crate::sim::sleep(duration).await;
    }
    Box::pin(monoio::time::sleep(duration)).await;
}

/// A timer for pacing: wakes at an absolute instant with the resolution of the kernel's high-resolution timers (tens of
/// microseconds on an idle core), where [`sleep`] rounds up to a millisecond.
///
/// Exists on the real loop only.
pub struct Pacer {
    timer: Pollable,
}

impl Pacer {
    /// A timer of its own for the calling thread's loop.
    ///
    /// # Errors
    /// What `timerfd_create` says: mostly that descriptors ran out.
    pub fn new() -> io::Result<Pacer> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        Ok(Pacer { timer: Pollable::new(timer)? })
    }

    /// Waits until `instant`; returns at once if it has passed. May be dropped half-way.
    ///
    /// Whoever paces in a loop has to see to it that other tasks get their turn: below about 20 us a timer has passed before
    /// it is waited for, and this returns without having waited.
    ///
    /// # Errors
    /// What the kernel says of the timer; none is known to occur.
    pub async fn until(&mut self, instant: Instant) -> io::Result<()> {
        let wait = instant.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return Ok(());
        }
        // Relative to a clock read one line above: `Instant` does not reveal the absolute value the kernel wants, and
        // what passes in between only makes the wake-up that much later.
        let value = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?; // forgets an expiry that nobody has read
        self.timer.readable().await
    }
}
