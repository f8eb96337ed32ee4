//! The census: every planned request ends in exactly one place, and the places add up.
//!
//! Owns: the names of the places. Counts only; latencies are the [`Recorder`](crate::record::recorder::Recorder)'s.
//! The sum is a check, not a definition: `planned` is counted when a request is planned and each place when a request
//! arrives there, by different code.

use std::borrow::Cow;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Where a planned request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    BadStatus,
    InvalidBody,
    TransportError(Fault),
    Timeout,
    Shed,
    Censored,
}

/// Why no whole response came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    ConnectRefused,
    ConnectFailed,
    Reset,
    ClosedEarly,
    Malformed(&'static str),
}

/// How many requests were planned, and where each of them ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Requests the schedule called for; in a closed loop, those that a free connection began.
    pub planned: u64,
    /// Answered in full, and as expected.
    pub ok: u64,
    /// Answered in full with another status.
    pub bad_status: u64,
    /// Answered with a body of another length or hash than expected, or followed by bytes that no framing announced.
    pub invalid_body: u64,
    /// Not answered in full: see [`TransportErrors`].
    pub transport_error: u64,
    /// Not answered in full within the timeout, which runs from the moment of sending.
    pub timeout: u64,
    /// Never sent: the queue for a free connection was full.
    pub shed: u64,
    /// Not answered when the run ended, nothing else being wrong: waiting for a connection, or for the answer.
    pub censored: u64,
}

impl Census {
    /// Requests answered in full.
    pub fn answered(&self) -> u64 {
        self.ok + self.bad_status + self.invalid_body
    }

    /// Requests that somebody who needed them did not get: all but `ok` and `censored`.
    pub fn failed(&self) -> u64 {
        self.bad_status + self.invalid_body + self.transport_error + self.timeout + self.shed
    }

    /// What an assertion and an objective mean by errors: the part (0 to 1) of the planned requests that brought no good
    /// answer, all but `ok`. Censored ones are among them, for nobody knows that they would have been answered. Nothing where
    /// no request was planned.
    pub fn errors(&self) -> Option<f64> {
        let without = self.planned.saturating_sub(self.ok);
        (self.planned > 0).then(|| without as f64 / self.planned as f64)
    }

    /// Whether the places add up to what was planned. If not, the load generator itself is broken.
    pub fn adds_up(&self) -> bool {
        self.planned == self.ok + self.failed() + self.censored
    }

    pub(crate) fn settle(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Ok => &mut self.ok,
            Outcome::BadStatus => &mut self.bad_status,
            Outcome::InvalidBody => &mut self.invalid_body,
            Outcome::TransportError(_) => &mut self.transport_error,
            Outcome::Timeout => &mut self.timeout,
            Outcome::Shed => &mut self.shed,
            Outcome::Censored => &mut self.censored,
        } += 1;
    }
}

impl AddAssign for Census {
    fn add_assign(&mut self, other: Census) {
        self.planned += other.planned;
        self.ok += other.ok;
        self.bad_status += other.bad_status;
        self.invalid_body += other.invalid_body;
        self.transport_error += other.transport_error;
        self.timeout += other.timeout;
        self.shed += other.shed;
        self.censored += other.censored;
    }
}

/// The transport errors of a census, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportErrors {
    /// Nobody listened when the request needed a connection.
    pub connect_refused: u64,
    /// A connection could not be made for another reason: unreachable, no ports or descriptors left.
    pub connect_failed: u64,
    /// The connection was reset, or broke in another way the kernel told us.
    pub reset: u64,
    /// The connection ended before the response was complete; also when a server ends an idle connection just as it is
    /// used again.
    pub closed_early: u64,
    /// What came was not an HTTP/1 response.
    pub malformed: u64,
    /// What was wrong with the first of these.
    pub first_malformed: Option<Cow<'static, str>>,
}

impl TransportErrors {
    /// All kinds together; equals [`Census::transport_error`].
    pub fn total(&self) -> u64 {
        self.connect_refused + self.connect_failed + self.reset + self.closed_early + self.malformed
    }

    pub(crate) fn count(&mut self, fault: Fault) {
        if let Fault::Malformed(reason) = fault {
            self.first_malformed.get_or_insert(Cow::Borrowed(reason));
        }
        *match fault {
            Fault::ConnectRefused => &mut self.connect_refused,
            Fault::ConnectFailed => &mut self.connect_failed,
            Fault::Reset => &mut self.reset,
            Fault::ClosedEarly => &mut self.closed_early,
            Fault::Malformed(_) => &mut self.malformed,
        } += 1;
    }
}

impl AddAssign for TransportErrors {
    fn add_assign(&mut self, other: TransportErrors) {
        self.connect_refused += other.connect_refused;
        self.connect_failed += other.connect_failed;
        self.reset += other.reset;
        self.closed_early += other.closed_early;
        self.malformed += other.malformed;
        self.first_malformed = self.first_malformed.take().or(other.first_malformed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Outcome; 7] = [
        Outcome::Ok,
        Outcome::BadStatus,
        Outcome::InvalidBody,
        Outcome::TransportError(Fault::Reset),
        Outcome::Timeout,
        Outcome::Shed,
        Outcome::Censored,
    ];

    #[test]
    fn a_request_that_ends_nowhere_or_twice_breaks_the_census() {
        for outcome in ALL {
            let mut census = Census { planned: 1, ..Census::default() };
            assert!(!census.adds_up(), "{outcome:?}");
            census.settle(outcome);
            assert!(census.adds_up(), "{outcome:?}");
            census.settle(outcome);
            assert!(!census.adds_up(), "{outcome:?}");
        }
    }

    #[test]
    fn errors_are_all_requests_that_brought_no_good_answer() {
        for outcome in ALL {
            let mut census = Census { planned: 4, ok: 3, ..Census::default() };
            census.settle(outcome);
            assert_eq!(census.errors(), Some(if outcome == Outcome::Ok { 0.0 } else { 0.25 }), "{outcome:?}");
        }
        assert_eq!(Census::default().errors(), None);
    }

    #[test]
    fn the_census_of_two_threads_is_the_sum_of_theirs() {
        let mut one = Census { planned: 7, ..Census::default() };
        ALL.into_iter().for_each(|outcome| one.settle(outcome));
        let mut both = one;
        both += one;
        assert!(both.adds_up());
        assert_eq!((both.planned, both.answered(), both.failed(), both.censored), (14, 6, 10, 2));
    }
}
