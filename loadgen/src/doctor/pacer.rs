//! The instrument's floor: how late a pacer wakes that has nothing else to do.

use std::io;
use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;
use ringgate_io::{Pacer, Rung, now, run};

use crate::record::recorder::{histogram, nanoseconds};

/// The lateness of `count` wake-ups, each after a sleep of `every`, on a thread and loop of their own.
///
/// # Errors
/// The loop or the timer could not be made.
pub(crate) fn wakes(rung: Rung, count: u32, every: Duration) -> io::Result<Histogram<u64>> {
    let measured = thread::spawn(move || run(rung, || measure(count, every))?).join();
    measured.unwrap_or_else(|_| Err(io::Error::other("the pacer's thread panicked")))
}

async fn measure(count: u32, every: Duration) -> io::Result<Histogram<u64>> {
    let mut pacer = Pacer::new()?;
    let mut lateness = histogram();
    for _ in 0..count {
        let due = now() + every;
        pacer.until(due).await?;
        lateness.saturating_record(nanoseconds(now().saturating_duration_since(due)));
    }
    Ok(lateness)
}
