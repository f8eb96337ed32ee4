//! What the tasks of one thread share: the dispatcher, the connections, and how a request is sent and settled.
//!
//! Owns: no task. Clients ([`crate::engine::client`]) receive, the shift ([`crate::engine::shift`]) paces; both send by way of here.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringgate_io::{Deadlines, now, sleep};

use crate::engine::connection::Connection;
use crate::engine::dispatcher::{Dispatcher, Source};
use crate::engine::stop::LOOK;
use crate::plan::Plan;
use crate::plan::draw::Draw;
use crate::plan::load::Load;
use crate::plan::mix::Mix;
use crate::plan::schedule::share;
use crate::plan::template::Template;
use crate::record::beat::Beat;
use crate::record::census::{Fault, Outcome};
use crate::record::exchange::{Exchange, Ticket};
use crate::record::failures::Evidence;
use crate::record::recorder::Recorder;
use crate::response::{Answer, Content, Seen};
use crate::{Expect, Target};

/// A kind of request ready to be sent, and what is expected of its answers.
pub(crate) struct Request {
    template: Template,
    pub(crate) is_head: bool,
    pub(crate) expect: Expect,
}

impl Request {
    fn new(target: &Target, plan: &Plan) -> Request {
        Request {
            template: target.render(plan.close),
            is_head: target.is_head(),
            expect: target.expect().unwrap_or(&plan.expect).clone(),
        }
    }
}

/// What one thread of a run is to do.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) plan: Arc<Plan>,
    pub(crate) server: SocketAddr,
    pub(crate) thread: usize,
}

impl Job {
    /// This thread's part of the run's connections.
    pub(crate) fn connections(&self) -> usize {
        self.share(self.plan.connections as u64) as usize
    }

    fn share(&self, total: u64) -> u64 {
        share(total, self.plan.threads, self.thread)
    }

    fn dispatcher(&self) -> Dispatcher {
        let (plan, slots) = (&*self.plan, self.connections());
        let bound = self.share(plan.queue as u64) as usize;
        let source = match &plan.load {
            Load::Open { .. } => Source::Open { waiting: VecDeque::new(), bound },
            Load::Closed { requests } => Source::Closed {
                left: requests.map_or(u64::MAX, |requests| self.share(requests)),
                next: self.thread as u64,
                stride: plan.threads as u64,
            },
        };
        let mix = Mix::new(plan.seed, plan.targets.iter().map(|target| target.weight()));
        let recorder = Recorder::new(plan.targets.len(), plan.lateness_limit).keeping(plan.samples_kept);
        Dispatcher::new(source, mix, slots, recorder)
    }
}

/// One thread's shared state.
pub(crate) struct Worker {
    pub(crate) job: Job,
    requests: Vec<Request>,
    /// Where requests are rendered of which something is drawn.
    scratch: RefCell<Vec<u8>>,
    pub(crate) dispatcher: RefCell<Dispatcher>,
    connections: RefCell<Vec<Option<Rc<Connection>>>>,
    deadlines: Deadlines,
    /// Clients that have not ended.
    pub(crate) clients: Cell<usize>,
    /// Clients that have not tried to connect yet.
    pub(crate) opening: Cell<usize>,
    is_over: Cell<bool>,
}

impl Worker {
    pub(crate) fn new(job: Job) -> Worker {
        let slots = job.connections();
        Worker {
            requests: job.plan.targets.iter().map(|target| Request::new(target, &job.plan)).collect(),
            scratch: RefCell::default(),
            dispatcher: RefCell::new(job.dispatcher()),
            connections: RefCell::new(vec![None; slots]),
            deadlines: Deadlines::new(),
            clients: Cell::new(slots),
            opening: Cell::new(slots),
            is_over: Cell::new(false),
            job,
        }
    }

    /// Whether the run has ended: no connection is needed any more.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    pub(crate) fn request(&self, target: usize) -> &Request {
        &self.requests[target]
    }

    /// A connection was made for `slot`.
    pub(crate) fn connected(
        &self,
        slot: usize,
        stream: ringgate_io::Stream,
        took: Duration,
    ) -> Rc<Connection> {
        let connection = Rc::new(Connection::new(stream, &self.deadlines));
        self.connections.borrow_mut()[slot] = Some(connection.clone());
        self.dispatcher.borrow_mut().recorder.connected(took);
        connection
    }

    /// The connection of `slot` is gone; nothing is under way on it.
    pub(crate) fn disconnected(&self, slot: usize) {
        self.connections.borrow_mut()[slot] = None;
        self.dispatcher.borrow_mut().withdraw(slot);
    }

    /// No connection could be made, and the request that has waited longest for one fails with the attempt.
    pub(crate) fn connect_failed(&self, outcome: Outcome, began: Instant) {
        let at = now();
        let mut dispatcher = self.dispatcher.borrow_mut();
        dispatcher.recorder.connections.failed += 1;
        if let Some(ticket) = dispatcher.take() {
            let waited = at.saturating_duration_since(ticket.planned.unwrap_or(began));
            dispatcher.unanswered(ticket, outcome, waited, at);
        }
    }

    /// The connection of `slot` is free: it gets a request if there is one.
    pub(crate) fn release(&self, slot: usize) {
        let ticket = self.dispatcher.borrow_mut().release(slot);
        if let Some(ticket) = ticket {
            self.send(slot, ticket);
        }
    }

    /// Gives requests to the connections that are free already.
    pub(crate) fn release_idle(&self) {
        loop {
            let matched = self.dispatcher.borrow_mut().match_idle();
            let Some((slot, ticket)) = matched else { return };
            self.send(slot, ticket);
        }
    }

    /// Open loop: request `number` is due. Returns when it was sent, if it was.
    pub(crate) fn arrive(&self, number: u64, planned: Instant) -> Option<Instant> {
        let matched = self.dispatcher.borrow_mut().arrive(number, planned);
        let Some((slot, ticket)) = matched else {
            self.dispatcher.borrow_mut().found_waiting(planned, now());
            return None;
        };
        Some(self.send(slot, ticket))
    }

    fn send(&self, slot: usize, ticket: Ticket) -> Instant {
        let connection =
            self.connections.borrow()[slot].clone().expect("a slot that is free has a connection");
        let exchange = Exchange::new(ticket, now());
        let begun = self.begin(&connection, exchange);
        self.dispatcher.borrow_mut().sent(&exchange);
        if begun.is_err() {
            let outcome = Outcome::TransportError(Fault::Reset);
            self.unanswered(&connection, outcome, Seen::default(), exchange.sent);
            connection.shutdown(); // its client finds that out by its receive
        }
        exchange.sent
    }

    fn begin(&self, connection: &Rc<Connection>, exchange: Exchange) -> io::Result<()> {
        let template = &self.requests[exchange.ticket.target].template;
        let timeout = self.job.plan.timeout;
        if let Some(request) = template.fixed() {
            let sent = connection.begin(exchange, request, timeout)?;
            if sent < request.len() {
                connection.send_rest(request.clone(), sent);
            }
            return Ok(());
        }
        let mut request = self.scratch.borrow_mut();
        template.render(self.draw(&exchange), &mut request);
        let sent = connection.begin(exchange, &request, timeout)?;
        if sent < request.len() {
            connection.send_rest(request[sent..].into(), 0);
        }
        Ok(())
    }

    fn draw(&self, exchange: &Exchange) -> Draw {
        Draw { seed: self.job.plan.seed, number: exchange.ticket.number }
    }

    /// The exchange on `connection` ended with a whole response, perhaps followed by bytes that belong to nothing.
    pub(crate) fn answered(
        &self,
        connection: &Connection,
        answer: &Answer,
        content: &Content,
        has_excess: bool,
        at: Instant,
    ) {
        let timeout = self.job.plan.timeout;
        // Deadlines are looked at every 10 ms: an answer may still be received after its own.
        if connection.exchange().is_some_and(|exchange| at.saturating_duration_since(exchange.sent) > timeout)
        {
            return self.unanswered(connection, Outcome::Timeout, content.seen(), at);
        }
        let Some(exchange) = connection.take_exchange() else { return };
        let (expect, hash) = (&self.requests[exchange.ticket.target].expect, content.hash());
        let outcome = if has_excess { Outcome::InvalidBody } else { expect.judge(answer, hash) };
        if outcome != Outcome::Ok {
            self.note(&exchange, outcome, content.seen(), at, || expect.complaint(answer, hash));
        }
        self.dispatcher.borrow_mut().answered(&exchange, answer, outcome, at);
    }

    /// The exchange on `connection`, if there is one, ended otherwise.
    pub(crate) fn unanswered(&self, connection: &Connection, outcome: Outcome, seen: Seen<'_>, at: Instant) {
        let Some(exchange) = connection.take_exchange() else { return };
        self.note(&exchange, outcome, seen, at, || reason(outcome));
        let waited = at.saturating_duration_since(exchange.planned());
        self.dispatcher.borrow_mut().unanswered(exchange.ticket, outcome, waited, at);
    }

    /// An exchange failed; perhaps it is kept as an example.
    fn note(
        &self,
        exchange: &Exchange,
        outcome: Outcome,
        seen: Seen<'_>,
        at: Instant,
        reason: impl FnOnce() -> String,
    ) {
        if !exchange.ticket.is_measured {
            return;
        }
        let Ticket { target, .. } = exchange.ticket;
        let (target, template) = (&self.job.plan.targets[target], &self.requests[target].template);
        let draw = self.draw(exchange);
        let evidence = || Evidence {
            target: target.known_as().map_or_else(|| target.url(), str::to_owned),
            reason: reason(),
            request: template.head(draw),
            seen,
        };
        self.dispatcher.borrow_mut().recorder.failures.offer(exchange, outcome, at, evidence);
    }

    /// Nothing is sent from `at` on. Returns when the measured part ended: then, or before if it was finished.
    pub(crate) fn close(&self, at: Instant) -> Instant {
        let mut dispatcher = self.dispatcher.borrow_mut();
        dispatcher.close(at);
        dispatcher.recorder.closed().unwrap_or(at)
    }

    /// Takes what happened since the last call.
    pub(crate) fn take_beat(&self, fresh: Beat) -> Beat {
        self.dispatcher.borrow_mut().recorder.take_beat(fresh)
    }

    /// What was recorded so far.
    pub(crate) fn recorder(&self) -> Recorder {
        self.dispatcher.borrow().recorder.clone()
    }

    /// Ends every connection and waits for the clients. What is under way is censored by them.
    pub(crate) async fn end(&self) {
        self.is_over.set(true);
        self.deadlines.expire_all(); // first the cause
        self.deadlines.end_all(); // who is flooded or cannot send would not notice the end of one direction
        while self.clients.get() > 0 {
            sleep(LOOK).await;
        }
        self.deadlines.ended().await;
    }
}

/// Why no whole response came, in words.
fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::TransportError(Fault::Malformed(what)) => what,
        Outcome::TransportError(Fault::ClosedEarly) => "the connection ended before the answer did",
        Outcome::TransportError(_) => "the connection was reset",
        Outcome::Timeout => "no whole answer came within the timeout",
        _ => "no whole answer came",
    }
    .to_owned()
}
