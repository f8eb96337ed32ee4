//! What a thread remembers of its requests: counts and histograms, nothing per request.
//!
//! Owns: for each target the census, its clocks, and the lower bounds of what stayed unanswered; and the [`Beat`] that is
//! handed over while the run goes on. Its memory does not grow with the run: six times 264 KiB a target, of which only
//! the pages that hold a value are ever touched.
//! Refuses: to invent samples. One request, one sample; a request that was not answered is a bound, never a value.
//! Assumes: only measured requests are recorded here; connections are counted from the opening on.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::record::beat::Beat;
use crate::record::census::{Census, Outcome, TransportErrors};
use crate::record::exchange::Exchange;
use crate::record::failures::Failures;
use crate::response::Answer;

/// Longest duration told apart, in nanoseconds: an hour. Longer ones count as an hour.
pub(crate) const LONGEST_NS: u64 = 3_600_000_000_000;
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

/// The clocks of the requests to one target, or to all.
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
    /// Service time less the server's own, where the server told it ([`crate::response::Answer::server_time`]).
    pub(crate) added: Histogram<u64>,
}

/// One target's part of the record.
#[derive(Debug, Clone)]
pub(crate) struct TargetRecord {
    pub(crate) census: Census,
    pub(crate) clocks: Clocks,
}

/// Connections of a run, its opening and warm-up included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// Connections made.
    pub opened: u64,
    /// Attempts that failed or took longer than the timeout.
    pub failed: u64,
    /// Connections given up because bytes came that no request had asked for.
    pub unsolicited: u64,
}

/// How requests left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// Requests sent.
    pub sent: u64,
    /// Of these, requests that had to wait for a free connection.
    pub waited: u64,
    /// Requests that the generator itself was late with: it sent them, or found that they had to wait for a connection,
    /// later after their planned instant than the lateness limit.
    pub late: u64,
    /// The longest time that the generator itself was away: such a delay, late or not, or a wake-up so much later than it was
    /// asked for.
    #[serde(default)]
    pub longest_delay_ns: u64,
}

/// What came back before the window closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) answers: u64,
    pub(crate) received_bytes: u64,
    pub(crate) body_bytes: u64,
}

/// One answered request by itself, for whoever checks the instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When it was to be sent.
    pub planned: Instant,
    /// When it was given to the kernel.
    pub sent: Instant,
    /// When its last byte had come.
    pub answered: Instant,
}

/// One thread's record, or the sum of several.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    pub(crate) targets: Vec<TargetRecord>,
    pub(crate) errors: TransportErrors,
    pub(crate) statuses: Vec<u64>,
    /// Making a connection.
    pub(crate) connect: Histogram<u64>,
    pub(crate) connections: Connections,
    pub(crate) sending: Sending,
    pub(crate) traffic: Traffic,
    /// The first answers one by one, as many as were asked for: none in an ordinary run.
    pub(crate) samples: Vec<Sample>,
    samples_kept: usize,
    /// How some of the failed ones went.
    pub(crate) failures: Failures,
    beat: Beat,
    closed: Option<Instant>,
    lateness_limit: Duration,
}

impl Recorder {
    pub(crate) fn new(targets: usize, lateness_limit: Duration) -> Recorder {
        let target = TargetRecord { census: Census::default(), clocks: Clocks::new() };
        Recorder {
            targets: vec![target; targets],
            errors: TransportErrors::default(),
            statuses: vec![0; STATUSES],
            connect: histogram(),
            connections: Connections::default(),
            sending: Sending::default(),
            traffic: Traffic::default(),
            samples: Vec::new(),
            samples_kept: 0,
            failures: Failures::new(Instant::now()),
            beat: Beat::new(),
            closed: None,
            lateness_limit,
        }
    }

    /// Keeps the first so many answers one by one beside the histograms.
    pub(crate) fn keeping(self, samples_kept: usize) -> Recorder {
        Recorder { samples: Vec::with_capacity(samples_kept), samples_kept, ..self }
    }

    pub(crate) fn planned(&mut self, target: usize) {
        self.targets[target].census.planned += 1;
    }

    pub(crate) fn connected(&mut self, took: Duration) {
        self.connections.opened += 1;
        self.connect.saturating_record(nanoseconds(took));
    }

    pub(crate) fn sent(&mut self, exchange: &Exchange) {
        self.sending.sent += 1;
        if let Some(planned) = exchange.ticket.planned {
            let lateness = exchange.sent.saturating_duration_since(planned);
            self.targets[exchange.ticket.target].clocks.lateness.saturating_record(nanoseconds(lateness));
            match exchange.ticket.has_waited {
                true => self.sending.waited += 1,
                false => self.delayed(lateness),
            }
        }
    }

    /// The generator itself took so long from a request's planned instant to sending it, or to finding out that it has to
    /// wait for a connection.
    pub(crate) fn delayed(&mut self, delay: Duration) {
        let is_late = u64::from(delay > self.lateness_limit);
        self.sending.late += is_late;
        self.beat.late += is_late;
        self.was_away(delay);
    }

    /// The thread did nothing for so long, and not because there was nothing to do.
    pub(crate) fn was_away(&mut self, delay: Duration) {
        self.sending.longest_delay_ns = self.sending.longest_delay_ns.max(nanoseconds(delay));
    }

    /// A whole response, whose last byte came `at`.
    pub(crate) fn answered(&mut self, exchange: &Exchange, answer: &Answer, outcome: Outcome, at: Instant) {
        let TargetRecord { census, clocks } = &mut self.targets[exchange.ticket.target];
        let since = |start| nanoseconds(at.saturating_duration_since(start));
        let (response, service) = (since(exchange.planned()), since(exchange.sent));
        census.settle(outcome);
        clocks.response.saturating_record(response);
        clocks.service.saturating_record(service);
        let first_byte = exchange.first_byte.unwrap_or(at).saturating_duration_since(exchange.sent);
        clocks.first_byte.saturating_record(nanoseconds(first_byte));
        if let Some(server_time) = answer.server_time {
            clocks.added.saturating_record(service.saturating_sub(nanoseconds(server_time)));
        }
        self.statuses[usize::from(answer.status) % STATUSES] += 1;
        self.beat.answered(response, outcome);
        self.count_traffic(answer);
        if self.samples.len() < self.samples_kept {
            self.samples.push(Sample { planned: exchange.planned(), sent: exchange.sent, answered: at });
        }
    }

    fn count_traffic(&mut self, answer: &Answer) {
        if self.closed.is_none() {
            self.traffic.answers += 1;
            self.traffic.received_bytes += answer.received_bytes;
            self.traffic.body_bytes += answer.body_bytes;
        }
    }

    /// No response, `waited` after the planned instant. Where patience ended first (a timeout, the end of the run) that is
    /// a lower bound of the response time. So it is for a request that the full queue did not take, which is told how long the
    /// oldest one in the queue has waited: behind it, in order, it would have waited as long, unless the target had become
    /// faster at that moment. A request that failed was answered in a way, and has no time.
    pub(crate) fn unanswered(&mut self, target: usize, outcome: Outcome, waited: Duration) {
        let TargetRecord { census, clocks } = &mut self.targets[target];
        census.settle(outcome);
        self.beat.unanswered(outcome);
        match outcome {
            Outcome::TransportError(fault) => self.errors.count(fault),
            Outcome::Timeout | Outcome::Censored | Outcome::Shed => {
                clocks.unanswered.saturating_record(nanoseconds(waited));
            }
            Outcome::Ok | Outcome::BadStatus | Outcome::InvalidBody => {}
        }
    }

    /// Takes what happened since the last call, and goes on with `fresh`, which is empty.
    pub(crate) fn take_beat(&mut self, fresh: Beat) -> Beat {
        std::mem::replace(&mut self.beat, fresh)
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
            mine.census += others.census;
            mine.clocks.merge(&others.clocks);
        }
        for (mine, others) in self.statuses.iter_mut().zip(&other.statuses) {
            *mine += others;
        }
        self.failures.merge(&other.failures);
        self.errors += other.errors.clone();
        add(&mut self.connect, &other.connect);
        self.connections.opened += other.connections.opened;
        self.connections.failed += other.connections.failed;
        self.connections.unsolicited += other.connections.unsolicited;
        self.sending.sent += other.sending.sent;
        self.sending.waited += other.sending.waited;
        self.sending.late += other.sending.late;
        self.sending.longest_delay_ns = self.sending.longest_delay_ns.max(other.sending.longest_delay_ns);
        self.samples.extend_from_slice(&other.samples);
        self.traffic.answers += other.traffic.answers;
        self.traffic.received_bytes += other.traffic.received_bytes;
        self.traffic.body_bytes += other.traffic.body_bytes;
    }

    /// The census of all targets together.
    pub(crate) fn census(&self) -> Census {
        let mut total = Census::default();
        self.targets.iter().for_each(|target| total += target.census);
        total
    }

    /// The clocks of all targets together.
    pub(crate) fn clocks(&self) -> Clocks {
        let mut total = Clocks::new();
        self.targets.iter().for_each(|target| total.merge(&target.clocks));
        total
    }

    /// Whether every account agrees: kinds of errors with errors, statuses with answers, requests sent with those that
    /// cannot have been answered otherwise, and what each target says with itself.
    pub(crate) fn adds_up(&self) -> bool {
        let census = self.census();
        self.targets.iter().all(TargetRecord::adds_up)
            && self.errors.total() == census.transport_error
            && self.statuses.iter().sum::<u64>() == census.answered()
            && (census.answered()..=census.planned).contains(&self.sending.sent)
    }
}

impl TargetRecord {
    /// Whether places agree with plans, samples with answers, and bounds with the requests that have one.
    fn adds_up(&self) -> bool {
        let TargetRecord { census, clocks } = self;
        census.adds_up()
            && [&clocks.response, &clocks.service, &clocks.first_byte]
                .iter()
                .all(|h| h.len() == census.answered())
            && clocks.added.len() <= census.answered()
            && clocks.unanswered.len() == census.timeout + census.censored + census.shed
    }
}

impl Clocks {
    pub(crate) fn new() -> Clocks {
        let [response, unanswered, service, lateness, first_byte, added] =
            std::array::from_fn(|_| histogram());
        Clocks { response, unanswered, service, lateness, first_byte, added }
    }

    pub(crate) fn merge(&mut self, other: &Clocks) {
        let pairs = [
            (&mut self.response, &other.response),
            (&mut self.unanswered, &other.unanswered),
            (&mut self.service, &other.service),
            (&mut self.lateness, &other.lateness),
            (&mut self.first_byte, &other.first_byte),
            (&mut self.added, &other.added),
        ];
        pairs.into_iter().for_each(|(mine, others)| add(mine, others));
    }
}

/// Adds `others`, made by [`histogram`] too.
pub(crate) fn add(mine: &mut Histogram<u64>, others: &Histogram<u64>) {
    mine.add(others).expect("histograms of equal bounds add");
}
