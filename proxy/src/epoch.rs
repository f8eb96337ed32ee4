//! The start of the process, from which limits count time: the same for all workers and for all configurations that follow each other.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use ringgate_io::{now, wall};

static EPOCH: OnceLock<(Instant, SystemTime)> = OnceLock::new();

fn epoch() -> (Instant, SystemTime) {
    *EPOCH.get_or_init(|| (now(), wall()))
}

/// How long ago it was.
pub(crate) fn since() -> Duration {
    until(now())
}

/// From then until an instant.
pub(crate) fn until(instant: Instant) -> Duration {
    instant.saturating_duration_since(epoch().0)
}

/// What time of day it was, since 1970.
pub(crate) fn unix() -> Duration {
    epoch().1.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
