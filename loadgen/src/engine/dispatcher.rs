//! Who sends what, when: planned requests meet free connections. No sockets and no clock; instants come in.
//!
//! Owns: the queue between plan and connections, the phases of a run, and with the recorder the rule that every request
//! planned while measuring is settled once.
//! Refuses: requests beyond the queue's bound; they are shed and counted.
//! Assumes: connections are slots `0..n`; each call of `arrive`, `release` or `take` that returns a ticket is followed by
//! one `answered` or `unanswered` for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::engine::idle::Idle;
use crate::plan::mix::Mix;
use crate::record::census::Outcome;
use crate::record::exchange::{Exchange, Ticket};
use crate::record::failures::Failures;
use crate::record::recorder::Recorder;
use crate::response::Answer;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Connections are being made; nothing is sent.
    Opening,
    WarmUp,
    Measured,
    /// Nothing more is sent.
    Over,
}

/// Where requests come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// From free connections, as long as some are left.
    Closed {
        /// Measured requests still to be sent.
        left: u64,
        /// Number of the next one in the whole run, and the distance to the one after it.
        next: u64,
        stride: u64,
    },
    /// From a schedule. Those that found no free connection wait, at most `bound` of them. The queue grows with the longest
    /// backlog: room for the bound from the start would be touched page by page as the ring turns, and look like a leak.
    Open { waiting: VecDeque<Ticket>, bound: usize },
}

/// One thread's dispatcher.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    source: Source,
    mix: Mix,
    idle: Idle,
    phase: Phase,
    in_flight: usize,
    pub(crate) recorder: Recorder,
}

impl Dispatcher {
    pub(crate) fn new(source: Source, mix: Mix, slots: usize, recorder: Recorder) -> Dispatcher {
        Dispatcher { source, mix, idle: Idle::new(slots), phase: Phase::Opening, in_flight: 0, recorder }
    }

    /// Requests are sent from now on, and not counted.
    pub(crate) fn warm_up(&mut self) {
        self.phase = Phase::WarmUp;
    }

    /// Requests planned from now on count, and instants are told from `start`.
    pub(crate) fn measure(&mut self, start: Instant) {
        self.phase = Phase::Measured;
        if let Source::Closed { next, stride, .. } = &mut self.source {
            *next %= *stride; // counted from the beginning: what is drawn must not depend on how far a warm-up came
        }
        self.recorder.failures = Failures::new(start);
    }

    /// Open loop: request `number` is due. Returns the slot that shall send it, if one is free; else it waits.
    pub(crate) fn arrive(&mut self, number: u64, planned: Instant) -> Option<(usize, Ticket)> {
        let ticket = self.ticket(number, Some(planned));
        if let Some(slot) = self.idle.pop() {
            self.in_flight += 1;
            return Some((slot, ticket));
        }
        self.wait(ticket);
        None
    }

    /// That a request due at `planned` has to wait for a connection was found out `at`: what lies between is the
    /// generator's own delay, as it would be had the request been sent.
    pub(crate) fn found_waiting(&mut self, planned: Instant, at: Instant) {
        if self.phase == Phase::Measured {
            self.recorder.delayed(at.saturating_duration_since(planned));
        }
    }

    /// The thread looked at nothing for so long: whatever was to be sent or received meanwhile waited for it.
    pub(crate) fn was_away(&mut self, away: Duration) {
        if matches!(self.phase, Phase::Measured | Phase::Over) {
            self.recorder.was_away(away);
        }
    }

    fn wait(&mut self, ticket: Ticket) {
        match &mut self.source {
            Source::Open { waiting, bound } if waiting.len() < *bound => {
                waiting.push_back(Ticket { has_waited: true, ..ticket });
            }
            _ => {
                let age = self.age_of_queue(ticket.planned);
                self.settle_unanswered(ticket, Outcome::Shed, age);
            }
        }
    }

    /// How long the request that has waited longest has waited when another one is due at `planned`.
    fn age_of_queue(&self, planned: Option<Instant>) -> Duration {
        let Source::Open { waiting, .. } = &self.source else { return Duration::ZERO };
        let oldest = waiting.front().and_then(|oldest| oldest.planned);
        oldest
            .zip(planned)
            .map_or(Duration::ZERO, |(oldest, planned)| planned.saturating_duration_since(oldest))
    }

    /// The connection of `slot` is free: it gets a request, or waits for one.
    pub(crate) fn release(&mut self, slot: usize) -> Option<Ticket> {
        let ticket = self.take();
        if ticket.is_none() {
            self.idle.push(slot);
        }
        ticket
    }

    /// A request for a connection that is free already, if both exist.
    pub(crate) fn match_idle(&mut self) -> Option<(usize, Ticket)> {
        let slot = self.idle.pop()?;
        self.release(slot).map(|ticket| (slot, ticket))
    }

    /// The next request, for whoever can send it, or has failed to.
    pub(crate) fn take(&mut self) -> Option<Ticket> {
        let ticket = match &mut self.source {
            Source::Open { waiting, .. } => waiting.pop_front()?,
            Source::Closed { .. } => self.take_closed()?,
        };
        self.in_flight += 1;
        Some(ticket)
    }

    fn take_closed(&mut self) -> Option<Ticket> {
        let Source::Closed { left, next, stride } = &mut self.source else { return None };
        match self.phase {
            Phase::WarmUp => {}
            Phase::Measured if *left > 0 => *left -= 1,
            _ => return None,
        }
        let number = *next;
        *next += *stride;
        Some(self.ticket(number, None))
    }

    fn ticket(&mut self, number: u64, planned: Option<Instant>) -> Ticket {
        let target = self.mix.pick(number);
        let is_measured = self.phase == Phase::Measured;
        if is_measured {
            self.recorder.planned(target);
        }
        Ticket { number, target, planned, has_waited: false, is_measured }
    }

    /// The connection of `slot` is gone. What it was sending is settled apart.
    pub(crate) fn withdraw(&mut self, slot: usize) {
        self.idle.withdraw(slot);
    }

    pub(crate) fn sent(&mut self, exchange: &Exchange) {
        if exchange.ticket.is_measured {
            self.recorder.sent(exchange);
        }
    }

    pub(crate) fn answered(&mut self, exchange: &Exchange, answer: &Answer, outcome: Outcome, at: Instant) {
        if exchange.ticket.is_measured {
            self.recorder.answered(exchange, answer, outcome, at);
        }
        self.landed(at);
    }

    /// A ticket that was taken came to nothing, `waited` after its planned instant.
    pub(crate) fn unanswered(&mut self, ticket: Ticket, outcome: Outcome, waited: Duration, at: Instant) {
        self.settle_unanswered(ticket, outcome, waited);
        self.landed(at);
    }

    fn settle_unanswered(&mut self, ticket: Ticket, outcome: Outcome, waited: Duration) {
        if ticket.is_measured {
            self.recorder.unanswered(ticket.target, outcome, waited);
        }
    }

    fn landed(&mut self, at: Instant) {
        self.in_flight -= 1;
        if self.is_finished() {
            self.recorder.close(at);
        }
    }

    /// A closed loop has sent all it was to send, and all of it is settled.
    pub(crate) fn is_finished(&self) -> bool {
        self.in_flight == 0 && matches!(self.source, Source::Closed { left: 0, .. })
    }

    /// Requests taken and not settled.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Nothing is sent from now on: what waits is censored; what is in flight may still land.
    pub(crate) fn close(&mut self, at: Instant) {
        self.phase = Phase::Over;
        self.recorder.close(at);
        let Source::Open { waiting, .. } = &mut self.source else { return };
        for ticket in std::mem::take(waiting) {
            let waited =
                ticket.planned.map_or(Duration::ZERO, |planned| at.saturating_duration_since(planned));
            self.settle_unanswered(ticket, Outcome::Censored, waited);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::schedule::{Arrivals, Profile, Schedule, Spacing};
    use crate::record::census::Fault;
    use crate::record::summary::Summary;

    const OK: Answer =
        Answer { status: 200, body_bytes: 1, received_bytes: 100, keep_alive: true, server_time: None };
    const MS: Duration = Duration::from_millis(1);

    fn open(slots: usize, bound: usize) -> Dispatcher {
        let source = Source::Open { waiting: VecDeque::new(), bound };
        let mut dispatcher = Dispatcher::new(source, Mix::new(0, [1]), slots, Recorder::new(1, MS));
        (0..slots).for_each(|slot| assert_eq!(dispatcher.release(slot), None));
        dispatcher
    }

    fn closed(slots: usize, left: u64) -> Dispatcher {
        let source = Source::Closed { left, next: 0, stride: 1 };
        let mut dispatcher = Dispatcher::new(source, Mix::new(0, [1]), slots, Recorder::new(1, MS));
        (0..slots).for_each(|slot| assert_eq!(dispatcher.release(slot), None));
        dispatcher
    }

    /// Plays an open loop on virtual time against one connection to a server that takes `service` for each request and
    /// nothing at all during `stall`. Returns what was recorded and the response times.
    fn play(
        schedule: &Schedule,
        length: Duration,
        service: Duration,
        stall: [Duration; 2],
    ) -> (Recorder, Vec<Duration>) {
        let start = Instant::now();
        let end = start + length;
        let mut arrivals = Arrivals::new(schedule, 1, 0, 1);
        let mut dispatcher = open(1, 1 << 20);
        dispatcher.measure(Instant::now());
        let (mut busy, mut response_times) = (None::<(Exchange, Instant)>, Vec::new());
        let begin = |dispatcher: &mut Dispatcher, ticket, at: Instant| {
            let exchange = Exchange::new(ticket, at);
            dispatcher.sent(&exchange);
            let is_stalled = (start + stall[0]..start + stall[1]).contains(&at);
            (exchange, if is_stalled { start + stall[1] } else { at } + service)
        };
        loop {
            let due = start + arrivals.offset();
            let done = busy.map_or(end, |(_, done)| done);
            if due.min(done) >= end {
                break;
            }
            if let Some((exchange, _)) = busy.filter(|_| done <= due) {
                dispatcher.answered(&exchange, &OK, Outcome::Ok, done);
                response_times.push(done - exchange.planned());
                busy = dispatcher.release(0).map(|ticket| begin(&mut dispatcher, ticket, done));
            } else if let Some((_, ticket)) = dispatcher.arrive(arrivals.take(), due) {
                busy = Some(begin(&mut dispatcher, ticket, due));
            }
        }
        dispatcher.close(end);
        if let Some((exchange, _)) = busy {
            dispatcher.unanswered(exchange.ticket, Outcome::Censored, end - exchange.planned(), end);
        }
        (dispatcher.recorder, response_times)
    }

    /// 500 a second into one server of 10 ms for 3 s: the k-th answer comes after 10 + 8k ms, and 1200 never.
    #[test]
    fn overload_is_told_in_full() {
        let (recorder, response_times) =
            play(&Schedule::constant(500).unwrap(), 3000 * MS, 10 * MS, [Duration::ZERO; 2]);
        let census = recorder.census();
        assert!(recorder.adds_up());
        assert_eq!((census.planned, census.ok + census.censored), (1500, 1500));
        assert!(census.ok.abs_diff(300) <= 1, "{census:?}");
        for (k, response_time) in (0..).zip(response_times) {
            assert_eq!(response_time, (10 + 8 * k) * MS);
        }
    }

    /// 1000 a second for 60 s, one stall of a second, quick otherwise: p99 400 ms, p99.9 940, p99.99 994, mean +8.3.
    #[test]
    fn a_stall_reaches_every_request_that_was_due_meanwhile() {
        let service = Duration::from_micros(1);
        let (recorder, _) =
            play(&Schedule::constant(1000).unwrap(), 60_000 * MS, service, [20_000 * MS, 21_000 * MS]);
        assert_eq!(recorder.clocks().response.len(), 60_000);
        let response = Summary::of(&recorder.clocks().response);
        for (name, expected_ms, tolerance_ms) in [("p99", 400, 10), ("p99.9", 940, 3), ("mean", 8, 1)] {
            let value_ms = response.reading(name).unwrap().nanoseconds().unwrap() / 1_000_000;
            assert!(value_ms.abs_diff(expected_ms) <= tolerance_ms, "{name} is {value_ms} ms");
        }
        let service = Summary::of(&recorder.clocks().service);
        assert!(service.reading("p99.9").unwrap().nanoseconds().unwrap() < 10_000_000);
    }

    /// M/D/1: 250 a second at random into one server of D = 2 ms; mean 1.5 D, p50 D, p99 4.34 D, p99.9 6.17 D.
    #[test]
    fn random_arrivals_wait_as_queueing_theory_says() {
        let poisson = Schedule::new(Profile::constant(250).unwrap(), Spacing::Poisson);
        let (recorder, _) = play(&poisson, 4_000_000 * MS, 2 * MS, [Duration::ZERO; 2]);
        let response = Summary::of(&recorder.clocks().response);
        for (name, expected_us) in [("mean", 3000), ("p50", 2000), ("p99", 8680), ("p99.9", 12_340)] {
            let value_us = response.reading(name).unwrap().nanoseconds().unwrap() / 1000;
            assert!(value_us.abs_diff(expected_us) <= expected_us / 33, "{name} is {value_us} us");
        }
    }

    /// The same rate into the same server, regular: nobody waits. The pair shows that the arrival process is real.
    #[test]
    fn regular_arrivals_do_not_wait() {
        let regular = Schedule::constant(250).unwrap();
        let (recorder, _) = play(&regular, 400_000 * MS, 2 * MS, [Duration::ZERO; 2]);
        let response = Summary::of(&recorder.clocks().response);
        let p999 = response.reading("p99.9").unwrap().nanoseconds().unwrap();
        assert!(p999.abs_diff(2_000_000) <= 2_000, "{p999} ns");
    }

    /// After a stop of the generator all that came due meanwhile is its own fault, and not of the few connections there are.
    #[test]
    fn a_request_that_is_late_before_it_waits_is_the_generators_delay() {
        let mut dispatcher = open(1, 10);
        let planned = Instant::now();
        dispatcher.found_waiting(planned, planned + 5 * MS);
        assert_eq!(dispatcher.recorder.sending.late, 0, "warm-up does not count");
        dispatcher.measure(planned);
        let (_, first) = dispatcher.arrive(0, planned).unwrap();
        dispatcher.sent(&Exchange::new(first, planned + 5 * MS));
        assert!(dispatcher.arrive(1, planned).is_none());
        dispatcher.found_waiting(planned, planned + 6 * MS);
        let second = dispatcher.release(0).unwrap();
        dispatcher.sent(&Exchange::new(second, planned + 100 * MS));
        let sending = dispatcher.recorder.sending;
        assert_eq!((sending.late, sending.waited, sending.longest_delay_ns), (2, 1, 6_000_000));
    }

    #[test]
    fn what_the_queue_cannot_hold_is_shed() {
        let mut dispatcher = open(1, 2);
        dispatcher.measure(Instant::now());
        let start = Instant::now();
        assert!(dispatcher.arrive(0, start).is_some());
        for number in 1..5 {
            assert!(dispatcher.arrive(number, start).is_none());
        }
        assert_eq!(dispatcher.recorder.census().shed, 2);
        assert!(dispatcher.release(0).unwrap().has_waited);
    }

    /// Ten times more than a server can take, and a queue of ten: nine in ten are shed, and no quantile is told without them.
    #[test]
    fn what_is_shed_is_slower_than_what_the_queue_holds_back() {
        let mut dispatcher = open(1, 10);
        let start = Instant::now();
        dispatcher.measure(start);
        let (_, mut served) = dispatcher.arrive(0, start).unwrap();
        for number in 1..1000 {
            let due = start + MS * number;
            assert!(dispatcher.arrive(number.into(), due).is_none());
            if number % 10 == 0 {
                let mut exchange = Exchange::new(served, due - 10 * MS);
                exchange.sent = due - 10 * MS;
                dispatcher.answered(&exchange, &OK, Outcome::Ok, due);
                served = dispatcher.release(0).unwrap();
            }
        }
        let (census, clocks) = (dispatcher.recorder.census(), dispatcher.recorder.clocks());
        assert!(census.shed > 850, "{census:?}");
        assert_eq!(clocks.unanswered.len(), census.shed);
        let steady = clocks.unanswered.value_at_quantile(0.5);
        assert!(steady > 80_000_000, "the queue stands at a tenth of a second, its bounds at {steady} ns");
    }

    #[test]
    fn a_closed_loop_sends_exactly_what_it_was_given() {
        let mut dispatcher = closed(2, 3);
        assert_eq!(dispatcher.match_idle(), None, "nothing leaves before the start");
        dispatcher.measure(Instant::now());
        let at = Instant::now();
        let (first, ticket) = dispatcher.match_idle().unwrap();
        let (second, other) = dispatcher.match_idle().unwrap();
        assert_ne!(first, second);
        dispatcher.answered(&Exchange::new(ticket, at), &OK, Outcome::Ok, at);
        let last = dispatcher.release(first).unwrap();
        dispatcher.unanswered(other, Outcome::TransportError(Fault::Reset), Duration::ZERO, at);
        assert_eq!(dispatcher.release(second), None);
        assert!(!dispatcher.is_finished());
        dispatcher.unanswered(last, Outcome::Timeout, MS, at);
        assert!(dispatcher.is_finished());
        assert_eq!(dispatcher.recorder.census().planned, 3);
        assert!(dispatcher.recorder.census().adds_up());
    }

    #[test]
    fn warm_up_requests_do_not_count() {
        let mut dispatcher = closed(1, 1);
        dispatcher.warm_up();
        let (_, warm) = dispatcher.match_idle().unwrap();
        dispatcher.measure(Instant::now());
        let at = Instant::now();
        dispatcher.answered(&Exchange::new(warm, at), &OK, Outcome::Ok, at);
        let first = dispatcher.release(0).unwrap();
        assert_eq!((first.is_measured, first.number), (true, 0));
        assert_eq!((dispatcher.recorder.census().planned, dispatcher.recorder.census().ok), (1, 0));
    }
}
