//! What a thread remembers of its requests: counts and histograms, nothing per request.
//!
//! Owns: the census per target, five clocks, and the lower bounds of what stayed unanswered. Its memory does not grow
//! with the run: five times 264 KiB and a few counters.
//! Refuses: to invent samples. One request, one sample; a request that was not answered is a bound, never a value.
//! Assumes: only measured requests are recorded here; connections are counted from the opening on.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::engine::exchange::Exchange;
use crate::record::census::{Census, Outcome, TransportErrors};
use crate::response::Answer;

/// Longest duration told apart, in nanoseconds: an hour. Longer ones count as an hour.
const LONGEST_NS: u64 = 3_600_000_000_000;
/// Significant decimal digits: values are kept to one part in a thousand.
const DIGITS: u8 = 3;
/// Statuses have three digits.
const STATUSES: usize = 1000;

/// An empty histogram of durations in nanoseconds.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).expect("constant bounds are valid")
}

pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The clocks of a request.
#[derive(Debug, Clone)]
pub(crate) struct Clocks {
    /// Planned instant to last byte: what a caller waits.
    pub(crate) response: Histogram<u64>,
    /// Lower bounds of the response times of requests that were not answered.
    pub(crate) unanswered: Histogram<u64>,
    /// Sending to last byte: what the server takes.
    pub(crate) service: Histogram<u64>,
    /// Planned instant to sending.
    pub(crate) lateness: Histogram<u64>,
    /// Sending to first byte.
    pub(crate) first_byte: Histogram<u64>,
    /// Making a connection.
    pub(crate) connect: Histogram<u64>,
}

/// Connections of a run, its opening and warm-up included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Connections {
    /// Connections made.
    pub opened: u64,
    /// Attempts that failed or took longer than the timeout.
    pub failed: u64,
    /// Connections given up because bytes came that no request had asked for.
    pub unsolicited: u64,
}

/// How requests left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sending {
    /// Requests sent.
    pub sent: u64,
    /// Of these, requests that had to wait for a free connection.
    pub waited: u64,
    /// Of the others, requests that left later than the lateness limit: the generator's own delay.
    pub late: u64,
}

/// What came back before the window closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) answers: u64,
    pub(crate) received_bytes: u64,
    pub(crate) body_bytes: u64,
}

/// One thread's record, or the sum of several.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    pub(crate) targets: Vec<Census>,
    pub(crate) errors: TransportErrors,
    pub(crate) statuses: Vec<u64>,
    pub(crate) clocks: Clocks,
    pub(crate) connections: Connections,
    pub(crate) sending: Sending,
    pub(crate) traffic: Traffic,
    closed: Option<Instant>,
    lateness_limit: Duration,
}

impl Recorder {
    pub(crate) fn new(targets: usize, lateness_limit: Duration) -> Recorder {
        let [response, unanswered, service, lateness, first_byte, connect] =
            std::array::from_fn(|_| histogram());
        Recorder {
            targets: vec![Census::default(); targets],
            errors: TransportErrors::default(),
            statuses: vec![0; STATUSES],
            clocks: Clocks { response, unanswered, service, lateness, first_byte, connect },
            connections: Connections::default(),
            sending: Sending::default(),
            traffic: Traffic::default(),
            closed: None,
            lateness_limit,
        }
    }

    pub(crate) fn planned(&mut self, target: usize) {
        self.targets[target].planned += 1;
    }

    pub(crate) fn connected(&mut self, took: Duration) {
        self.connections.opened += 1;
        self.clocks.connect.saturating_record(nanoseconds(took));
    }

    pub(crate) fn sent(&mut self, exchange: &Exchange) {
        self.sending.sent += 1;
        if let Some(planned) = exchange.ticket.planned {
            let lateness = exchange.sent.saturating_duration_since(planned);
            self.clocks.lateness.saturating_record(nanoseconds(lateness));
            self.sending.waited += u64::from(exchange.ticket.has_waited);
            self.sending.late += u64::from(!exchange.ticket.has_waited && lateness > self.lateness_limit);
        }
    }

    /// A whole response, whose last byte came `at`.
    pub(crate) fn answered(&mut self, exchange: &Exchange, answer: &Answer, outcome: Outcome, at: Instant) {
        self.targets[exchange.ticket.target].settle(outcome);
        self.statuses[usize::from(answer.status) % STATUSES] += 1;
        let since = |start| nanoseconds(at.saturating_duration_since(start));
        self.clocks.response.saturating_record(since(exchange.planned()));
        self.clocks.service.saturating_record(since(exchange.sent));
        let first_byte = exchange.first_byte.unwrap_or(at).saturating_duration_since(exchange.sent);
        self.clocks.first_byte.saturating_record(nanoseconds(first_byte));
        self.count_traffic(answer);
    }

    fn count_traffic(&mut self, answer: &Answer) {
        if self.closed.is_none() {
            self.traffic.answers += 1;
            self.traffic.received_bytes += answer.received_bytes;
            self.traffic.body_bytes += answer.body_bytes;
        }
    }

    /// No response, `waited` after the planned instant. Where patience ended first (a timeout, the end of the run) that is
    /// a lower bound of the response time; where the request failed or never left there is nothing to bound.
    pub(crate) fn unanswered(&mut self, target: usize, outcome: Outcome, waited: Duration) {
        self.targets[target].settle(outcome);
        match outcome {
            Outcome::TransportError(fault) => self.errors.count(fault),
            Outcome::Timeout | Outcome::Censored => {
                self.clocks.unanswered.saturating_record(nanoseconds(waited));
            }
            _ => {}
        }
    }

    /// From `at` on answers no longer count as traffic: the run's length is known. The first call decides.
    pub(crate) fn close(&mut self, at: Instant) {
        self.closed.get_or_insert(at);
    }

    /// When [`close`](Self::close) was first called.
    pub(crate) fn closed(&self) -> Option<Instant> {
        self.closed
    }

    pub(crate) fn merge(&mut self, other: &Recorder) {
        for (mine, others) in self.targets.iter_mut().zip(&other.targets) {
            *mine += *others;
        }
        for (mine, others) in self.statuses.iter_mut().zip(&other.statuses) {
            *mine += others;
        }
        self.errors += other.errors;
        self.clocks.merge(&other.clocks);
        self.connections.opened += other.connections.opened;
        self.connections.failed += other.connections.failed;
        self.connections.unsolicited += other.connections.unsolicited;
        self.sending.sent += other.sending.sent;
        self.sending.waited += other.sending.waited;
        self.sending.late += other.sending.late;
        self.traffic.answers += other.traffic.answers;
        self.traffic.received_bytes += other.traffic.received_bytes;
        self.traffic.body_bytes += other.traffic.body_bytes;
    }

    /// All targets together.
    pub(crate) fn census(&self) -> Census {
        let mut total = Census::default();
        self.targets.iter().for_each(|census| total += *census);
        total
    }

    /// Whether every account agrees: places with plans, kinds of errors with errors, statuses and samples with answers,
    /// bounds with the requests that have one, and requests sent with those that cannot have been answered otherwise.
    pub(crate) fn adds_up(&self) -> bool {
        let census = self.census();
        let answered = census.answered();
        self.targets.iter().all(Census::adds_up)
            && self.errors.total() == census.transport_error
            && self.statuses.iter().sum::<u64>() == answered
            && [&self.clocks.response, &self.clocks.service, &self.clocks.first_byte]
                .iter()
                .all(|h| h.len() == answered)
            && self.clocks.unanswered.len() == census.timeout + census.censored
            && (answered..=census.planned).contains(&self.sending.sent)
    }
}

impl Clocks {
    fn merge(&mut self, other: &Clocks) {
        let pairs = [
            (&mut self.response, &other.response),
            (&mut self.unanswered, &other.unanswered),
            (&mut self.service, &other.service),
            (&mut self.lateness, &other.lateness),
            (&mut self.first_byte, &other.first_byte),
            (&mut self.connect, &other.connect),
        ];
        for (mine, others) in pairs {
            mine.add(others).expect("histograms of equal bounds add");
        }
    }
}
