//! When requests are planned: a pure function of a request's number and the seed.
//!
//! Owns: the arithmetic of arrival and the exact division of a run over threads.
//! Refuses: clocks. An offset is nanoseconds after a start that somebody else chose.
//! Assumes: thread `i` of `n` plays the numbers `i, i + n, i + 2n, ...`: whatever the number of threads, the union of
//! their plans is the same plan, to the nanosecond.

mod profile;
mod spacing;
mod trace;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::Error;
use profile::NEVER_NS;
pub use profile::Profile;
pub use spacing::Spacing;
use spacing::{Positions, REQUEST};

/// An arrival process: which request is due when.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule(Kind);

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Profile { profile: Profile, spacing: Spacing },
    Trace(Arc<[u64]>),
}

impl Schedule {
    /// A constant rate in requests per second: request `k` is planned `k / rate` seconds after the start.
    ///
    /// # Errors
    /// A rate of zero, or above one request per nanosecond.
    pub fn constant(rate: u64) -> Result<Schedule, Error> {
        Ok(Schedule::new(Profile::constant(rate)?, Spacing::Constant))
    }

    /// Requests that follow each other by `spacing`, while the rate goes by `profile`. With constant spacing request `k`
    /// is planned when the cumulative rate reaches `k`; random gaps of mean 1 are stretched over the profile in the same
    /// way, so that they are denser where the rate is higher.
    pub fn new(profile: Profile, spacing: Spacing) -> Schedule {
        Schedule(Kind::Profile { profile, spacing })
    }

    /// Requests at the offsets that stand in a file, one per line and sorted: seconds from the start, or a number with a
    /// unit (`us`, `ms`, `s`, `m`, `h`). Empty lines and those that begin with `#` are passed over.
    ///
    /// # Errors
    /// The file cannot be read, holds no offset or more than 16 million, or a line is none, out of order, or above 30 days.
    pub fn trace(path: &Path) -> Result<Schedule, Error> {
        trace::read(path).map(|offsets| Schedule(Kind::Trace(offsets)))
    }

    /// The shortest time that holds every request, if there is one: a trace ends, a rate does not.
    pub fn length(&self) -> Option<Duration> {
        match &self.0 {
            Kind::Trace(offsets) => offsets.last().map(|&latest| Duration::from_nanos(latest + 1)),
            Kind::Profile { .. } => None,
        }
    }

    /// Whether the rate is the same all along; of a trace nobody knows.
    pub(crate) fn is_level(&self) -> bool {
        matches!(&self.0, Kind::Profile { profile, .. } if profile.is_level())
    }

    /// How many requests are planned in `[0, length)`: exactly those that are played. Found by playing them, unless
    /// integers tell.
    pub(crate) fn count_within(&self, seed: u64, length: Duration) -> u64 {
        let length_ns = u64::try_from(length.as_nanos()).unwrap_or(NEVER_NS).min(NEVER_NS - 1);
        let mut offsets = Offsets::new(self, seed);
        match (&self.0, &offsets.positions) {
            (Kind::Trace(trace), _) => trace.partition_point(|&offset| offset < length_ns) as u64,
            (Kind::Profile { profile, .. }, None) if profile.is_exact() => first_from(profile, length_ns),
            _ => (0..).take_while(|_| offsets.next_of(1) < length_ns).count() as u64,
        }
    }
}

/// The number of the first request that is not planned before `length_ns`. Request `k` of an exact profile is planned no
/// earlier than `k` nanoseconds after the start: no rate is higher.
fn first_from(profile: &Profile, length_ns: u64) -> u64 {
    let (mut low, mut high) = (0, length_ns);
    while low < high {
        let middle = low.midpoint(high);
        if profile.offset_ns(u128::from(middle) * REQUEST) < length_ns {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// The offsets of a whole schedule, one after the other.
#[derive(Debug, Clone)]
struct Offsets {
    schedule: Schedule,
    /// None: they are the requests' numbers.
    positions: Option<Positions>,
    next: u64,
    latest_ns: u64,
}

impl Offsets {
    fn new(schedule: &Schedule, seed: u64) -> Offsets {
        let positions = match schedule.0 {
            Kind::Profile { spacing, .. } => Positions::new(spacing, seed),
            Kind::Trace(_) => None,
        };
        Offsets { schedule: schedule.clone(), positions, next: 0, latest_ns: 0 }
    }

    /// Passes over `count - 1` offsets, at no cost where none depends on those before it, and returns the next one.
    fn next_of(&mut self, count: u64) -> u64 {
        match &self.schedule.0 {
            Kind::Trace(offsets) => {
                self.next += count;
                offsets.get((self.next - 1) as usize).copied().unwrap_or(NEVER_NS)
            }
            Kind::Profile { profile, .. } if self.positions.is_none() && profile.is_exact() => {
                self.next += count;
                profile.offset_ns(u128::from(self.next - 1) * REQUEST)
            }
            Kind::Profile { profile, .. } => {
                for _ in 0..count {
                    let number = u128::from(self.next) * REQUEST;
                    let position = self.positions.as_mut().map_or(number, Positions::next);
                    self.next += 1;
                    // A rounding must not plan a request before the one it follows.
                    self.latest_ns = self.latest_ns.max(profile.offset_ns(position));
                }
                self.latest_ns
            }
        }
    }
}

/// One thread's part of a schedule, request by request.
#[derive(Debug, Clone)]
pub(crate) struct Arrivals {
    offsets: Offsets,
    number: u64,
    offset: Duration,
    stride: u64,
}

impl Arrivals {
    /// The part of thread `thread` of `threads`.
    pub(crate) fn new(schedule: &Schedule, seed: u64, thread: usize, threads: usize) -> Arrivals {
        let mut offsets = Offsets::new(schedule, seed);
        let offset = Duration::from_nanos(offsets.next_of(thread as u64 + 1));
        Arrivals { offsets, number: thread as u64, offset, stride: threads as u64 }
    }

    /// When the next request is planned, after the start.
    pub(crate) fn offset(&self) -> Duration {
        self.offset
    }

    /// Takes the next request: its number in the whole run.
    pub(crate) fn take(&mut self) -> u64 {
        let number = self.number;
        self.number += self.stride;
        self.offset = Duration::from_nanos(self.offsets.next_of(self.stride));
        number
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Trace(offsets) => write!(f, "a trace of {} requests", offsets.len()),
            Kind::Profile { profile, spacing: Spacing::Constant } => profile.fmt(f),
            Kind::Profile { profile, spacing } => write!(f, "{profile}, {spacing} arrivals"),
        }
    }
}

/// Part `index` of `total` split into `parts` as evenly as whole numbers allow; the parts add up to `total`.
pub(crate) fn share(total: u64, parts: usize, index: usize) -> u64 {
    let parts = parts as u64;
    total / parts + u64::from((index as u64) < total % parts)
}

#[cfg(test)]
mod tests;
