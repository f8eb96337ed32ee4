//! A sample of the exchanges that failed: what was asked, what came, and when.
//!
//! Owns: which of them are kept. Of each kind those whose request's number scrambles lowest, at most [`KEPT`]: a sample in
//! which every failure has the same chance, that is the same whatever the number of threads, and that two threads merge
//! by keeping the lowest of both.
//! Refuses: to show secrets. Values of fields that may be secret are masked, and so is what the request itself kept secret,
//! wherever the server repeats it.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::engine::exchange::Exchange;
use crate::plan::draw::scramble;
use crate::record::census::{Fault, Outcome};
use crate::record::recorder::nanoseconds;
use crate::response::Seen;
use crate::secret::{self, MASK, is_secret};

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
    /// The request's head, masked.
    pub(crate) request: String,
    pub(crate) secrets: Vec<&'a [u8]>,
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
    failure: Failure,
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
        let Evidence { target, reason, request, secrets, seen } = evidence();
        let failure = Failure {
            kind: KINDS[kind].to_owned(),
            reason,
            target: secret::of_url(&target).into_owned(),
            number,
            request: beginning(&request_without_query(&request)),
            head: masked_fields(&secret::of_answer(&secrets, seen.head)),
            body: secret::of_answer(&secrets, seen.body),
            planned_ns: after(exchange.planned()),
            sent_ns: after(exchange.sent),
            first_byte_ns: exchange.first_byte.map(after),
            ended_ns: after(at),
        };
        keep(&mut self.kinds[kind], Kept { rank, failure });
    }

    pub(crate) fn merge(&mut self, other: &Failures) {
        for (mine, others) in self.kinds.iter_mut().zip(&other.kinds) {
            others.iter().for_each(|kept| keep(mine, kept.clone()));
        }
    }

    /// All that are kept, by kind and then in the order of their plan.
    pub(crate) fn list(&self) -> Vec<Failure> {
        listed(self.kinds.iter().flatten().map(|kept| kept.failure.clone()).collect())
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

fn beginning(text: &str) -> String {
    String::from_utf8_lossy(&text.as_bytes()[..text.len().min(REQUEST_BYTES)]).into_owned()
}

/// The request's head with what is secret in the query of its first line hidden.
fn request_without_query(head: &str) -> String {
    let (line, rest) = head.split_once('\r').unwrap_or((head, ""));
    let (target, version) = line.rsplit_once(' ').unwrap_or((line, ""));
    format!("{} {version}\r{rest}", secret::of_url(target))
}

fn masked_fields(head: &str) -> String {
    let masked = |line: &str| match line.split_once(':') {
        Some((name, _)) if is_secret(name) => format!("{name}: {MASK}\r\n"),
        _ => line.to_owned(),
    };
    head.split_inclusive('\n').map(masked).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::exchange::Ticket;

    fn exchange(number: u64, at: Instant) -> Exchange {
        let ticket = Ticket { number, target: 0, planned: Some(at), has_waited: false, is_measured: true };
        Exchange::new(ticket, at + Duration::from_millis(1))
    }

    fn evidence<'a>(head: &'a str, body: &'a str) -> Evidence<'a> {
        Evidence {
            target: "t".to_owned(),
            reason: "r".to_owned(),
            request: "GET / HTTP/1.1\r\n\r\n".to_owned(),
            secrets: vec![b"hidden"],
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

    fn numbers(failures: &Failures) -> Vec<u64> {
        failures.list().iter().map(|failure| failure.number).collect()
    }

    #[test]
    fn the_sample_is_bounded_spread_and_the_same_for_every_number_of_threads() {
        let start = Instant::now();
        let whole = failures(start, 0..10_000);
        assert_eq!(whole.list().len(), KEPT);
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
        assert_eq!(failures.list().len(), KEPT + 1);
        assert_eq!(failures.list()[0].kind, "bad_status");
    }

    #[test]
    fn instants_are_told_and_secrets_are_not() {
        let (start, ms) = (Instant::now(), Duration::from_millis(1));
        let mut failures = Failures::new(start);
        let head = "HTTP/1.1 500 Oops\r\nSet-Cookie: a=b\r\nX-Echo: Bearer hidden\r\n\r\n";
        let exchange = Exchange { first_byte: Some(start + 7 * ms), ..exchange(3, start + 5 * ms) };
        failures.offer(&exchange, Outcome::BadStatus, start + 9 * ms, || evidence(head, "it was hidden!"));
        let failure = &failures.list()[0];
        assert_eq!(failure.head, "HTTP/1.1 500 Oops\r\nSet-Cookie: ***\r\nX-Echo: Bearer ***\r\n\r\n");
        assert_eq!(failure.body, "it was ***!");
        let instants =
            [Some(failure.planned_ns), Some(failure.sent_ns), failure.first_byte_ns, Some(failure.ended_ns)];
        assert_eq!(instants, [5, 6, 7, 9].map(|at| Some(at * 1_000_000)));
    }
}
