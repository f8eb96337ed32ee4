//! A sample of the exchanges that failed: what was asked, what came, and when.
//!
//! Owns: which of them are kept. Of each kind those whose request's number scrambles lowest, at most [`KEPT`]: a sample in
//! which every failure has the same chance, that is the same whatever the number of threads, and that two threads merge
//! by keeping the lowest of both.
//! Refuses: to show secrets. What was seen is kept as it came, and told only by way of [`Secrets::hide`].

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::plan::draw::scramble;
use crate::record::census::{Fault, Outcome};
use crate::record::exchange::Exchange;
use crate::record::recorder::nanoseconds;
use crate::response::Seen;
use crate::secret::Secrets;

/// Failures kept of each kind. With their heads and bodies some 50 KiB; who needs more needs the server's log.
const KEPT: usize = 16;
/// Bytes of a request's head that are kept.
const REQUEST_BYTES: usize = 1024;
/// What failures can be called; those for which nothing was sent leave nothing to look at.
const KINDS: [&str; 6] = ["bad_status", "invalid_body", "reset", "closed_early", "malformed", "timeout"];

/// An exchange that failed. Instants are nanoseconds after the start of the measured part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Failure {
    /// `bad_status`, `invalid_body`, `reset`, `closed_early`, `malformed` or `timeout`.
    pub kind: String,
    /// What was wrong, in words.
    pub reason: String,
    /// The target's name, or its URL.
    pub target: String,
    /// The request's number in the run.
    pub number: u64,
    /// How the request's head began, at most 1 KiB.
    pub request: String,
    /// How the answer's head began, at most 1 KiB; or what came instead of one.
    pub head: String,
    /// How the answer's body began, at most 1 KiB, without its framing.
    pub body: String,
    /// When it was due.
    pub planned_ns: u64,
    /// When it was sent.
    pub sent_ns: u64,
    /// When the first byte came, if one did.
    pub first_byte_ns: Option<u64>,
    /// When it was known to have failed.
    pub ended_ns: u64,
}

/// What can be told of a failed exchange, as it is found.
pub(crate) struct Evidence<'a> {
    pub(crate) target: String,
    pub(crate) reason: String,
    /// The request's head.
    pub(crate) request: Vec<u8>,
    pub(crate) seen: Seen<'a>,
}

/// The sample.
#[derive(Debug, Clone)]
pub(crate) struct Failures {
    start: Instant,
    kinds: [Vec<Kept>; KINDS.len()],
}

#[derive(Debug, Clone)]
struct Kept {
    rank: u64,
    /// Its texts are those below, once they may be shown.
    failure: Failure,
    request: Vec<u8>,
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Kept {
    fn shown(&self, secrets: &Secrets) -> Failure {
        Failure {
            reason: secrets.hide(&self.failure.reason),
            request: secrets.hide(&self.request),
            head: secrets.hide(&self.head),
            body: secrets.hide(&self.body),
            ..self.failure.clone()
        }
    }
}

impl Failures {
    /// None yet; instants are counted from `start`.
    pub(crate) fn new(start: Instant) -> Failures {
        Failures { start, kinds: std::array::from_fn(|_| Vec::new()) }
    }

    /// `exchange` failed `at`. What can be told of it is asked for only if it is kept.
    pub(crate) fn offer<'a>(
        &mut self,
        exchange: &Exchange,
        outcome: Outcome,
        at: Instant,
        evidence: impl FnOnce() -> Evidence<'a>,
    ) {
        let number = exchange.ticket.number;
        let rank = scramble(0, number);
        let Some(kind) = kind(outcome).filter(|&kind| has_room(&self.kinds[kind], rank)) else { return };
        let after = |instant: Instant| nanoseconds(instant.saturating_duration_since(self.start));
        let Evidence { target, reason, mut request, seen } = evidence();
        request.truncate(REQUEST_BYTES);
        let failure = Failure {
            kind: KINDS[kind].to_owned(),
            reason,
            target,
            number,
            request: String::new(),
            head: String::new(),
            body: String::new(),
            planned_ns: after(exchange.planned()),
            sent_ns: after(exchange.sent),
            first_byte_ns: exchange.first_byte.map(after),
            ended_ns: after(at),
        };
        let (head, body) = (seen.head.to_vec(), seen.body.to_vec());
        keep(&mut self.kinds[kind], Kept { rank, failure, request, head, body });
    }

    pub(crate) fn merge(&mut self, other: &Failures) {
        for (mine, others) in self.kinds.iter_mut().zip(&other.kinds) {
            others.iter().for_each(|kept| keep(mine, kept.clone()));
        }
    }

    /// All that are kept, without `secrets`, by kind and then in the order of their plan.
    pub(crate) fn list(&self, secrets: &Secrets) -> Vec<Failure> {
        listed(self.kinds.iter().flatten().map(|kept| kept.shown(secrets)).collect())
    }
}

fn listed(mut failures: Vec<Failure>) -> Vec<Failure> {
    failures.sort_by_key(|failure| (KINDS.iter().position(|kind| *kind == failure.kind), failure.planned_ns));
    failures
}

/// The sample of two runs that were sampled apart, in whichever order they come.
pub(crate) fn sum(a: &[Failure], b: &[Failure]) -> Vec<Failure> {
    let of_kind = |kind: &str| {
        let mut failures: Vec<Failure> =
            a.iter().chain(b).filter(|failure| failure.kind == kind).cloned().collect();
        failures.sort_by_cached_key(|failure| (scramble(0, failure.number), failure.clone()));
        failures.truncate(KEPT);
        failures
    };
    listed(KINDS.into_iter().flat_map(of_kind).collect())
}

fn kind(outcome: Outcome) -> Option<usize> {
    let name = match outcome {
        Outcome::BadStatus => "bad_status",
        Outcome::InvalidBody => "invalid_body",
        Outcome::TransportError(Fault::Reset) => "reset",
        Outcome::TransportError(Fault::ClosedEarly) => "closed_early",
        Outcome::TransportError(Fault::Malformed(_)) => "malformed",
        Outcome::Timeout => "timeout",
        Outcome::Ok
        | Outcome::Shed
        | Outcome::Censored
        | Outcome::TransportError(Fault::ConnectRefused | Fault::ConnectFailed) => return None,
    };
    KINDS.iter().position(|kind| *kind == name)
}

/// The list is sorted by rank.
fn has_room(list: &[Kept], rank: u64) -> bool {
    list.len() < KEPT || list.last().is_some_and(|last| rank < last.rank)
}

fn keep(list: &mut Vec<Kept>, kept: Kept) {
    if has_room(list, kept.rank) {
        list.truncate(KEPT - 1);
        list.insert(list.partition_point(|other| other.rank < kept.rank), kept);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::exchange::Ticket;

    fn exchange(number: u64, at: Instant) -> Exchange {
        let ticket = Ticket { number, target: 0, planned: Some(at), has_waited: false, is_measured: true };
        Exchange::new(ticket, at + Duration::from_millis(1))
    }

    fn evidence<'a>(head: &'a str, body: &'a str) -> Evidence<'a> {
        Evidence {
            target: "t".to_owned(),
            reason: "r".to_owned(),
            request: b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            seen: Seen { head: head.as_bytes(), body: body.as_bytes() },
        }
    }

    fn failures(start: Instant, numbers: impl Iterator<Item = u64>) -> Failures {
        let mut failures = Failures::new(start);
        for number in numbers {
            let at = start + Duration::from_millis(number);
            failures.offer(&exchange(number, at), Outcome::Timeout, at, || evidence("", ""));
        }
        failures
    }

    fn listed_of(failures: &Failures) -> Vec<Failure> {
        failures.list(&Secrets::new([b"hidden".to_vec()]))
    }

    fn numbers(failures: &Failures) -> Vec<u64> {
        listed_of(failures).iter().map(|failure| failure.number).collect()
    }

    #[test]
    fn the_sample_is_bounded_spread_and_the_same_for_every_number_of_threads() {
        let start = Instant::now();
        let whole = failures(start, 0..10_000);
        assert_eq!(listed_of(&whole).len(), KEPT);
        assert!(numbers(&whole).is_sorted() && numbers(&whole)[KEPT / 2] > 1000, "{:?}", numbers(&whole));
        let mut merged = failures(start, (0..10_000).step_by(2));
        merged.merge(&failures(start, (1..10_000).step_by(2)));
        assert_eq!(numbers(&merged), numbers(&whole));
    }

    #[test]
    fn kinds_have_room_of_their_own_and_what_was_never_sent_is_not_shown() {
        let start = Instant::now();
        let mut failures = failures(start, 0..100);
        let offer = |failures: &mut Failures, outcome| {
            failures.offer(&exchange(100, start), outcome, start, || evidence("", ""));
        };
        offer(&mut failures, Outcome::BadStatus);
        offer(&mut failures, Outcome::Shed);
        offer(&mut failures, Outcome::Censored);
        offer(&mut failures, Outcome::TransportError(Fault::ConnectRefused));
        assert_eq!(listed_of(&failures).len(), KEPT + 1);
        assert_eq!(listed_of(&failures)[0].kind, "bad_status");
    }

    #[test]
    fn instants_are_told_and_secrets_are_not() {
        let (start, ms) = (Instant::now(), Duration::from_millis(1));
        let mut failures = Failures::new(start);
        let head = "HTTP/1.1 500 Oops\r\nSet-Cookie: a=b\r\nX-Echo: Bearer hidden\r\n\r\n";
        let exchange = Exchange { first_byte: Some(start + 7 * ms), ..exchange(3, start + 5 * ms) };
        failures.offer(&exchange, Outcome::BadStatus, start + 9 * ms, || evidence(head, "it was hidden!"));
        let failure = &listed_of(&failures)[0];
        assert_eq!(failure.head, "HTTP/1.1 500 Oops\r\nSet-Cookie: ***\r\nX-Echo: Bearer ***\r\n\r\n");
        assert_eq!(failure.body, "it was ***!");
        let instants =
            [Some(failure.planned_ns), Some(failure.sent_ns), failure.first_byte_ns, Some(failure.ended_ns)];
        assert_eq!(instants, [5, 6, 7, 9].map(|at| Some(at * 1_000_000)));
    }
}
