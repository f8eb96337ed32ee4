//! What a server received: counters always, whole records where somebody asked for them.
//!
//! Owns the only state that a server's loop shares with other threads. Written by one loop, read by anyone.
//! Refuses to keep more than [`KEPT`](Journal::KEPT) records, or any body.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A field's name as it was spelled, and its value without the white space around it.
pub type Field = (String, Vec<u8>);

/// One request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The name of the server that received it.
    pub server: Arc<str>,
    /// Which of the server's connections it came on, the first being 1.
    pub connection: u64,
    /// The method.
    pub method: String,
    /// The target, byte for byte.
    pub target: String,
    /// 0 or 1, as in HTTP/1.1.
    pub minor_version: u8,
    /// The fields in the order of their arrival.
    pub headers: Vec<Field>,
    /// The fields behind a chunked body.
    pub trailers: Vec<Field>,
    /// Bytes of content that arrived, framing not counted.
    pub body_bytes: u64,
    /// [`hash`](crate::hash) of that content.
    pub body_hash: u64,
    /// Whether the body arrived to its end.
    pub complete: bool,
}

impl Received {
    /// The first field of that name, in any case; `None` if there is none, or if its value is not UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(field, _)| field.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }
}

/// The counters and records of one server.
#[derive(Debug, Default)]
pub struct Journal {
    recording: bool,
    connections: AtomicU64,
    requests: AtomicU64,
    malformed: AtomicU64,
    records: Mutex<Records>,
    /// Threads inside [`wait_for_requests`](Self::wait_for_requests); nobody is notified while there are none.
    waiting: AtomicUsize,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Records {
    last: VecDeque<Received>,
    dropped: u64,
}

impl Journal {
    /// How many records are kept, the last ones.
    pub const KEPT: usize = 4096;

    pub(crate) fn new(recording: bool) -> Journal {
        Journal { recording, ..Journal::default() }
    }

    /// The last requests, oldest first; none if recording is off. A request is here before its answer
    /// is complete.
    pub fn received(&self) -> Vec<Received> {
        self.records().last.iter().cloned().collect()
    }

    /// Records that gave way to newer ones.
    pub fn dropped(&self) -> u64 {
        self.records().dropped
    }

    /// Requests received, each counted once its body is over or can come no more, before its answer is complete.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// Connections accepted.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// Messages refused as not HTTP (400, 431): 0 behind a gateway without mistakes.
    pub fn malformed(&self) -> u64 {
        self.malformed.load(Ordering::SeqCst)
    }

    /// Waits until at least `count` requests were received; whether they were, within `timeout`.
    pub fn wait_for_requests(&self, count: u64, timeout: Duration) -> bool {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let waited = self.arrived.wait_timeout_while(self.records(), timeout, |_| self.requests() < count);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        drop(waited);
        self.requests() >= count
    }

    pub(crate) fn is_recording(&self) -> bool {
        self.recording
    }

    /// Counts a connection; its number.
    pub(crate) fn count_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn count_malformed(&self) {
        self.malformed.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts a request. Sequentially consistent with `waiting`: either this sees the waiting thread, or that thread
    /// sees the new count before it sleeps.
    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            drop(self.records()); // a thread between its look at the count and its sleep holds this lock
            self.arrived.notify_all();
        }
    }

    pub(crate) fn record(&self, received: Received) {
        let mut records = self.records();
        if records.last.len() == Self::KEPT {
            records.last.pop_front();
            records.dropped += 1;
        }
        records.last.push_back(received);
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(connection: u64) -> Received {
        Received {
            server: "any-1".into(),
            connection,
            method: "GET".into(),
            target: "/".into(),
            minor_version: 1,
            headers: vec![("Host".into(), b"a".to_vec()), ("x".into(), b"\xff".to_vec())],
            trailers: Vec::new(),
            body_bytes: 0,
            body_hash: crate::hash(b""),
            complete: true,
        }
    }

    #[test]
    fn the_last_records_are_kept_and_the_others_counted() {
        let journal = Journal::new(true);
        for connection in 0..Journal::KEPT as u64 + 3 {
            journal.record(received(connection));
        }
        assert_eq!(journal.received().len(), Journal::KEPT);
        assert_eq!(journal.received()[0].connection, 3);
        assert_eq!(journal.dropped(), 3);
    }

    #[test]
    fn headers_are_found_in_any_case() {
        assert_eq!(received(1).header("HOST"), Some("a"));
        assert_eq!(received(1).header("x"), None);
        assert_eq!(received(1).header("y"), None);
    }

    #[test]
    fn waiting_ends_with_the_request_waited_for_or_with_the_timeout() {
        let journal = Journal::new(false);
        assert!(!journal.wait_for_requests(1, Duration::from_millis(1)));
        std::thread::scope(|scope| {
            scope.spawn(|| (0..1000).for_each(|_| journal.count_request()));
            assert!(journal.wait_for_requests(1000, Duration::from_secs(60)));
        });
    }
}
