//! The truth: when each request came and when its answer left, for whoever checks an instrument against it.
//!
//! Owns a ring of the last exchanges, shared by all workers of a server, and the conversion of instants to the kernel's
//! numbers.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ringgate_io::now;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Longest request id that is kept whole: more of it would let clients decide how much is held.
const ID_BYTES: usize = 128;
/// Attempts at reading two clocks at once.
const READINGS: usize = 16;

/// One exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Exchange {
    pub(crate) request_id: String,
    /// When the request's head had arrived, in nanoseconds of CLOCK_MONOTONIC.
    pub(crate) arrived_ns: u64,
    /// Just before the answer was sent.
    pub(crate) departed_ns: u64,
    /// The number of the connection at its worker.
    pub(crate) connection: u64,
    /// None if a fault took the place of the answer's head.
    pub(crate) status: Option<u16>,
    /// Bytes of content that were sent, framing not counted.
    pub(crate) body_bytes: u64,
}

/// The last exchanges, up to a number.
#[derive(Debug)]
pub(crate) struct Truth {
    capacity: usize,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    exchanges: VecDeque<Exchange>,
    overwritten: u64,
}

impl Truth {
    /// `capacity` is at least 1.
    pub(crate) fn new(capacity: usize) -> Truth {
        Truth { capacity, ring: Mutex::default() }
    }

    /// Remembers `exchange` of the request named `id`. Once the ring is full this allocates nothing.
    pub(crate) fn note(&self, id: &str, exchange: Exchange) {
        let mut ring = self.ring();
        let mut request_id = String::new();
        if ring.exchanges.len() == self.capacity {
            request_id = ring.exchanges.pop_front().unwrap_or_default().request_id;
            ring.overwritten += 1;
        }
        request_id.clear();
        request_id.push_str(beginning(id));
        ring.exchanges.push_back(Exchange { request_id, ..exchange });
    }

    pub(crate) fn clear(&self) {
        *self.ring() = Ring::default();
    }

    /// How many exchanges gave way to newer ones.
    pub(crate) fn overwritten(&self) -> u64 {
        self.ring().overwritten
    }

    /// Appends at most `count` exchanges as JSON lines, beginning with number `from` (the first ever being 0) or the oldest
    /// kept; the number of the next one, or `None` if there are no more.
    pub(crate) fn write(&self, from: u64, count: usize, to: &mut Vec<u8>) -> io::Result<Option<u64>> {
        let ring = self.ring();
        let skipped = usize::try_from(from.saturating_sub(ring.overwritten)).unwrap_or(usize::MAX);
        let next = from.max(ring.overwritten);
        for exchange in ring.exchanges.iter().skip(skipped).take(count) {
            serde_json::to_writer(&mut *to, exchange)?;
            to.push(b'\n');
        }
        let written = ring.exchanges.len().saturating_sub(skipped).min(count);
        Ok((written > 0).then_some(next + written as u64))
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// At most [`ID_BYTES`] of it, cut between letters.
fn beginning(id: &str) -> &str {
    let end = (0..=ID_BYTES.min(id.len())).rev().find(|&end| id.is_char_boundary(end));
    &id[..end.unwrap_or(0)]
}

/// What [`Instant`] does not tell: which number of CLOCK_MONOTONIC it stands for. (In the simulated network the numbers
/// count from the same instant, in simulated time.)
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epoch {
    instant: Instant,
    nanoseconds: u64,
}

impl Epoch {
    /// Of the several readings the one that was interrupted least: its error is under what the reading took.
    pub(crate) fn read() -> Epoch {
        let readings = (0..READINGS).map(|_| {
            let before = now();
            let time = clock_gettime(ClockId::Monotonic);
            let took = now().saturating_duration_since(before);
            let nanoseconds = time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64;
            (took, Epoch { instant: before + took / 2, nanoseconds })
        });
        let best = readings.min_by_key(|(took, _)| *took);
        best.map_or(Epoch { instant: now(), nanoseconds: 0 }, |(_, epoch)| epoch)
    }

    pub(crate) fn nanoseconds(&self, instant: Instant) -> u64 {
        let after: Duration = instant.saturating_duration_since(self.instant);
        let before: Duration = self.instant.saturating_duration_since(instant);
        (self.nanoseconds + after.as_nanos() as u64).saturating_sub(before.as_nanos() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(truth: &Truth, count: usize) -> Vec<String> {
        let (mut bytes, mut from) = (Vec::new(), Some(0));
        while let Some(number) = from {
            from = truth.write(number, count, &mut bytes).unwrap();
        }
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_last_exchanges_are_kept_and_the_others_counted() {
        let truth = Truth::new(3);
        for number in 0..5 {
            truth.note(&format!("id-{number}"), Exchange { connection: number, ..Exchange::default() });
        }
        assert_eq!(truth.overwritten(), 2);
        for count in 1..5 {
            let lines = written(&truth, count);
            assert_eq!(lines.len(), 3);
            assert!(lines[0].contains("\"id-2\"") && lines[2].contains("\"id-4\""), "{lines:?}");
        }
        truth.clear();
        assert_eq!((truth.overwritten(), written(&truth, 9).len()), (0, 0));
    }

    #[test]
    fn a_long_id_is_cut_between_letters() {
        let truth = Truth::new(1);
        truth.note(&"ä".repeat(1000), Exchange::default());
        truth.note(&format!("a{}", "ä".repeat(1000)), Exchange::default());
        assert!(written(&truth, 1)[0].contains(&format!("\"a{}\"", "ä".repeat(63))));
    }

    #[test]
    fn an_instant_has_the_number_the_kernel_gives_it() {
        let epoch = Epoch::read();
        let kernel = || {
            let time = clock_gettime(ClockId::Monotonic);
            time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
        };
        let (before, instant, after) = (kernel(), now(), kernel());
        let number = epoch.nanoseconds(instant);
        let slack = 20_000; // of the best of sixteen readings, and generous
        assert!((before - slack..=after + slack).contains(&number), "{before} {number} {after}");
    }
}
