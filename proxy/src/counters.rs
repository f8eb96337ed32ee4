//! Counts of one worker, written by it alone and read by anybody.

use std::sync::atomic::{AtomicU64, Ordering};

use ringgate_core::answer::Reject;

/// A number with one writer: plain loads and stores, no locked instruction.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.store(self.get().wrapping_add(count), Ordering::Relaxed);
    }

    pub(crate) fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    /// The number as last written.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one worker has done. On cache lines of its own, so that reading it slows nobody.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counters {
    /// The configuration it goes by: how many there have been.
    pub generation: Counter,
    /// The longest that taking up a configuration has taken, in nanoseconds: nothing else is done meanwhile.
    pub adoption_ns: Counter,
    /// Connections accepted.
    pub connections: Counter,
    /// Accepts that failed for want of descriptors or memory.
    pub accept_failures: Counter,
    /// Times nobody could be accepted because there were as many connections as there may be.
    pub full: Counter,
    /// Requests that were answered, by a server or by the gateway.
    pub answered: Counter,
    /// Requests whose client left before the answer was over.
    pub departed: Counter,
    /// Tokens that it had verified before.
    pub tokens_known: Counter,
    /// Tokens that it has verified.
    pub tokens_verified: Counter,
    /// Requests that were refused since nobody knew who asked.
    pub unauthorized: Counter,
    /// Requests whose caller may not.
    pub forbidden: Counter,
    /// Requests that a limit refused.
    pub rate_limited: Counter,
    /// Requests from addresses that had sent too many wrong credentials.
    pub locked_out: Counter,
    /// Requests whose credential nobody could judge.
    pub unjudged: Counter,
    /// Log lines handed over to the writer.
    pub log_lines: Counter,
    /// Log lines dropped because the writer was behind.
    pub log_lines_dropped: Counter,
    /// Spans dropped because whoever exports them was behind.
    pub spans_dropped: Counter,
    /// Connections lost to a defect of ours.
    pub panics: Counter,
}

impl Counters {
    /// A request was refused.
    pub(crate) fn refused(&self, reject: &Reject) {
        match reject {
            Reject::Unauthorized(_) => self.unauthorized.add(1),
            Reject::Forbidden => self.forbidden.add(1),
            Reject::RateLimited(_) => self.rate_limited.add(1),
            Reject::TooManyFailures(_) => self.locked_out.add(1),
            Reject::NoKeys | Reject::NoJudge => self.unjudged.add(1),
            _ => {} // counted by route and class
        }
    }
}
