//! The instrument's floor: how late a pacer wakes that has nothing else to do.

use std::io;
use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;
use ringgate_io::{Pacer, Rung, cpu, now, run};

use crate::record::recorder::{histogram, nanoseconds};

/// The lateness of `count` wake-ups, each after a sleep of `every`, on a thread and loop of their own; on `core`, if told.
///
/// # Errors
/// The loop or the timer could not be made.
pub(crate) fn wakes(
    rung: Rung,
    core: Option<usize>,
    count: u32,
    every: Duration,
) -> io::Result<Histogram<u64>> {
    let measure = move || {
        core.map_or(Ok(()), cpu::pin)?;
        run(rung, || measure(count, every))?
    };
    thread::spawn(measure).join().unwrap_or_else(|_| Err(io::Error::other("the pacer's thread panicked")))
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
