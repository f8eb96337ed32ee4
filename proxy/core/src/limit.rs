//! How often: limits that are one number for the whole node, whatever worker charges them.
//!
//! Owns: what a limit counts ([`Bucket`], [`Quota`]) and how that fits into one word a key; the words themselves are in a table (`table.rs`)
//! that all workers charge by compare-exchange. So a limit is exact to the request: nothing is divided by workers or leased ahead.
//! Refuses: to forget a key that is in use. When the table has no room for a new key, the caller decides.
//! Assumes: time comes in, as passed since the start of the process; it need not be the same instant in all workers, only the same
//! clock.

mod table;

use std::sync::Arc;
use std::time::Duration;

use self::table::{Charge, Table};

/// Time since the start of the process.
pub type Since = Duration;

/// What is limited: which key, as a keyed hash. Two keys with the same hash share one count: 2^-63 for each pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHash(pub u64);

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Tokens that come back steadily.
    Bucket(Bucket),
    /// Requests in a window.
    Quota(Quota),
}

/// A token bucket: `count` come back each `period`, evenly; at most `burst` are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Tokens, 1 to [`COUNT`].
    pub count: u64,
    /// 1 ms to [`PERIOD`].
    pub period: Duration,
    /// Tokens, 1 to [`COUNT`].
    pub burst: u64,
}

/// `count` requests in each window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests, 1 to [`COUNT`].
    pub count: u64,
    /// 1 ms to [`PERIOD`].
    pub window: Duration,
    /// When windows begin.
    pub begins: Begins,
}

/// When the windows of a quota begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// That of a key with its first request.
    AtFirstRequest,
    /// Those of all keys at once, at multiples of their length in Coordinated Universal Time: minutes, hours, days.
    ByTheClock {
        /// Since 1970, when the process began.
        start: Duration,
    },
}

/// The most that may be counted: 28 bits of a word hold it.
pub const COUNT: u64 = (1 << 28) - 1;
/// The longest period and window: the longest month.
pub const PERIOD: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// Tokens a second at most. With 65,536 parts of each a word holds nine years of them.
pub const RATE: u64 = 1_000_000;

/// Parts of a token that a bucket counts in.
const UNITS: u128 = 1 << 16;
/// Bits of a quota's word that hold the count; the others hold the window's end in milliseconds: two years.
const COUNT_BITS: u32 = 28;

/// How a limit stands for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What there is at most: the burst, or the quota.
    pub limit: u64,
    /// What is left of it.
    pub remaining: u64,
    /// Until all of it is there again.
    pub reset: Duration,
}

/// Why a limit has not been charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is used up. After so long, and not before, the same can be charged if nobody else comes.
    Over(Standing, Duration),
    /// There is no room for another key.
    NoRoom,
}

/// One limit.
#[derive(Debug, Clone)]
pub struct Limiter {
    measure: Measure,
    /// A bucket's clock counts the units that have come back: so much had, at this time. Its rate may then change, and what a key
    /// owes stays what it is.
    since: (u64, Since),
    table: Arc<Table>,
}

impl Limiter {
    /// A limit that nobody has used, for so many keys at once.
    pub fn new(measure: Measure, keys: usize) -> Limiter {
        Limiter { measure, since: (1, Duration::ZERO), table: Arc::new(Table::new(keys)) }
    }

    /// The same limit by another measure, from now on: what keys have used stays used, a running window ends when it would have.
    /// A quota that becomes a bucket, or a bucket that becomes a quota, begins anew, and so does one of another size.
    pub fn after(measure: Measure, keys: usize, earlier: &Limiter, now: Since) -> Limiter {
        let is_alike = std::mem::discriminant(&measure) == std::mem::discriminant(&earlier.measure);
        if !is_alike || !earlier.table.is_of(keys) {
            return Limiter::new(measure, keys);
        }
        let since = match earlier.measure {
            Measure::Bucket(bucket) => (earlier.clock(&bucket, now), now),
            Measure::Quota(_) => earlier.since,
        };
        Limiter { measure, since, table: earlier.table.clone() }
    }

    /// What it counts.
    pub fn measure(&self) -> Measure {
        self.measure
    }

    /// Charges all of `cost`, or nothing.
    ///
    /// # Errors
    /// There is not that much left, or no room for the key.
    pub fn charge(&self, key: KeyHash, cost: u64, now: Since) -> Result<Standing, Refused> {
        let clock = self.clock_of(now);
        self.table.update(key.0, &|word| self.is_idle(word, clock, now), &|word| {
            self.charged(word, cost, clock, now)
        })
    }

    /// How it would stand if `cost` were charged; charges nothing.
    ///
    /// # Errors
    /// As [`charge`](Self::charge), but for the room.
    pub fn look(&self, key: KeyHash, cost: u64, now: Since) -> Result<Standing, Refused> {
        let word = self.table.look(key.0).unwrap_or(table::FRESH);
        match self.charged(word, cost, self.clock_of(now), now) {
            Charge::To(_, standing) => Ok(standing),
            Charge::No(standing, wait) => Err(Refused::Over(standing, wait)),
        }
    }

    /// Undoes a charge. If the key has been forgotten meanwhile there is nothing to undo.
    pub fn give_back(&self, key: KeyHash, cost: u64, now: Since) {
        self.table.change(key.0, &|word| match self.measure {
            Measure::Bucket(_) => word.saturating_sub((u128::from(cost) * UNITS) as u64),
            Measure::Quota(_) => {
                let (ends, used) = split(word);
                if ends <= milliseconds(now) { word } else { joined(ends, used.saturating_sub(cost)) }
            }
        });
    }

    /// Keys that it remembers and could not forget.
    pub fn keys_in_use(&self, now: Since) -> usize {
        let clock = self.clock_of(now);
        self.table.words().filter(|word| !self.is_idle(*word, clock, now)).count()
    }

    /// Keys that it has room for.
    pub fn room(&self) -> usize {
        self.table.room()
    }

    fn clock_of(&self, now: Since) -> u64 {
        match &self.measure {
            Measure::Bucket(bucket) => self.clock(bucket, now),
            Measure::Quota(_) => 0,
        }
    }

    /// Units that have come back until now.
    fn clock(&self, bucket: &Bucket, now: Since) -> u64 {
        let (had, then) = self.since;
        let passed = now.saturating_sub(then).as_nanos();
        let came = passed * u128::from(bucket.count) * UNITS / bucket.period.as_nanos().max(1);
        had.saturating_add(u64::try_from(came).unwrap_or(u64::MAX))
    }

    /// Whether a word says no more than a fresh one.
    fn is_idle(&self, word: u64, clock: u64, now: Since) -> bool {
        match self.measure {
            Measure::Bucket(_) => word <= clock,
            Measure::Quota(_) => split(word).0 <= milliseconds(now),
        }
    }

    fn charged(&self, word: u64, cost: u64, clock: u64, now: Since) -> Charge {
        match &self.measure {
            Measure::Bucket(bucket) => bucket.charged(word, cost, clock),
            Measure::Quota(quota) => quota.charged(word, cost, now),
        }
    }
}

impl Bucket {
    /// The generic cell rate algorithm (ITU-T I.371, Annex A), in units instead of time: the word is what the clock shows when the
    /// bucket will be full.
    fn charged(&self, word: u64, cost: u64, clock: u64) -> Charge {
        let (word, clock) = (u128::from(word), u128::from(clock));
        let (cost, burst) = (u128::from(cost) * UNITS, u128::from(self.burst) * UNITS);
        let full = word.max(clock);
        let after = full + cost;
        if after > clock + burst {
            return Charge::No(self.standing(full - clock), self.time(after - clock - burst));
        }
        Charge::To(after as u64, self.standing(after - clock))
    }

    fn standing(&self, owed: u128) -> Standing {
        let left = (u128::from(self.burst) * UNITS).saturating_sub(owed) / UNITS;
        Standing { limit: self.burst, remaining: left as u64, reset: self.time(owed) }
    }

    /// How long so many units take to come back, rounded up; the clock rounds down, so it may be as much too long as one of them takes.
    fn time(&self, units: u128) -> Duration {
        let per = u128::from(self.count) * UNITS;
        let nanoseconds = (units * self.period.as_nanos()).div_ceil(per);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

impl Quota {
    fn charged(&self, word: u64, cost: u64, now: Since) -> Charge {
        let time = milliseconds(now);
        let (ends, used) = match split(word) {
            (ends, used) if ends > time => (ends, used),
            _ => (self.next_end(time), 0),
        };
        let reset = Duration::from_millis(ends).saturating_sub(now);
        let standing =
            |used| Standing { limit: self.count, remaining: self.count.saturating_sub(used), reset };
        match used.saturating_add(cost) {
            after if after <= self.count => Charge::To(joined(ends, after), standing(after)),
            _ => Charge::No(standing(used), reset),
        }
    }

    /// When a window ends that has begun by now.
    fn next_end(&self, time: u64) -> u64 {
        let window = milliseconds(self.window).max(1);
        match self.begins {
            Begins::AtFirstRequest => time + window,
            Begins::ByTheClock { start } => {
                let into = (milliseconds(start) + time) % window;
                time + window - into
            }
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// When a window ends, and what has been used of it.
fn split(word: u64) -> (u64, u64) {
    (word >> COUNT_BITS, word & COUNT)
}

fn joined(ends: u64, used: u64) -> u64 {
    ends << COUNT_BITS | used
}

#[cfg(test)]
mod tests;
