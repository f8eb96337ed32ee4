//! A client: one slot of the load. It connects, receives what comes, and connects again when a connection has ended.
//!
//! Owns: the receive buffer and the parser of its connection.
//! Assumes: requests are sent by whoever has them ([`Worker::send`]); a receive is pending meanwhile, so that a response,
//! the end of the connection and a deadline all arrive at the same place.

use std::io;
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ringgate_io::{Buffer, Either, Stream, TICK, now, race, sleep, spawn};

use crate::engine::connection::Connection;
use crate::engine::worker::Worker;
use crate::record::census::{Fault, Outcome};
use crate::response::{Answer, EXCERPT_BYTES, Parser, Seen};

/// Room for one receive. Small responses need one; large ones are mostly the kernel's copying.
const RECEIVE_BYTES: usize = 16 * 1024;
/// The pause after a connection that brought no answer, so that a dead server is not hammered: doubled each time, up to
/// the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
/// Soon enough to notice a server's return.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// One slot's client.
pub(crate) struct Client {
    worker: Rc<Worker>,
    slot: usize,
    buffer: Buffer,
    parser: Parser,
    /// Answers on the connection, and how many it is used for.
    answers: u64,
    answers_bound: u64,
    has_tried: bool,
    has_answers: bool,
    pause: Duration,
}

/// Whether a connection can be used further.
#[derive(PartialEq, Eq)]
enum Next {
    Receive,
    Leave,
}

impl Client {
    /// Starts the clients of all slots of a worker.
    pub(crate) fn start_all(worker: &Rc<Worker>) {
        let answers_bound = worker.job.plan.answers_of_a_connection();
        for slot in 0..worker.clients.get() {
            let client = Client {
                worker: worker.clone(),
                slot,
                buffer: Buffer::with_capacity(RECEIVE_BYTES),
                parser: Parser::new(),
                answers: 0,
                answers_bound,
                has_tried: false,
                has_answers: false,
                pause: SHORTEST_PAUSE,
            };
            spawn(client.live());
        }
    }

    async fn live(mut self) {
        while !self.worker.is_over() {
            if let Some(connection) = self.connect().await {
                self.serve(&connection).await;
            }
            self.pause().await;
        }
        self.worker.clients.update(|clients| clients - 1);
    }

    async fn connect(&mut self) -> Option<Rc<Connection>> {
        let began = now();
        let connected = race(Stream::connect(self.worker.job.server), self.patience(began)).await;
        if !mem::replace(&mut self.has_tried, true) {
            self.worker.opening.update(|opening| opening - 1);
        }
        let outcome = match connected {
            _ if self.worker.is_over() => return None,
            Either::First(Ok(stream)) => {
                return Some(self.worker.connected(self.slot, stream, now() - began));
            }
            Either::First(Err(error)) => Outcome::TransportError(connect_fault(&error)),
            Either::Second(()) => Outcome::Timeout,
        };
        self.worker.connect_failed(outcome, began);
        None
    }

    /// Ends when a connect has taken too long, or the run is over.
    async fn patience(&self, began: Instant) {
        let until = began + self.worker.job.plan.timeout;
        while !self.worker.is_over() && now() < until {
            sleep(TICK).await;
        }
    }

    async fn serve(&mut self, connection: &Rc<Connection>) {
        self.buffer.clear();
        self.parser.restart();
        self.answers = 0;
        if !self.worker.is_over() {
            self.worker.release(self.slot);
            while self.receive(connection).await == Next::Receive {}
        }
        connection.shutdown_sending();
        self.worker.disconnected(self.slot);
    }

    async fn receive(&mut self, connection: &Connection) -> Next {
        self.buffer.make_room(RECEIVE_BYTES);
        let received = connection.receive(&mut self.buffer).await;
        let at = now();
        match received {
            Ok(1..) => self.advance(connection, at),
            ended => self.ended(connection, ended, at),
        }
    }

    fn advance(&mut self, connection: &Connection, at: Instant) -> Next {
        let Some(exchange) = connection.receiving(at) else {
            self.worker.dispatcher.borrow_mut().recorder.connections.unsolicited += 1;
            return Next::Leave;
        };
        let request = self.worker.request(exchange.ticket.target);
        self.parser.hash_next(request.expect.needs_hash());
        match self.parser.advance(self.buffer.data(), request.is_head) {
            Ok((consumed, answer)) => {
                self.buffer.consume(consumed);
                answer.map_or(Next::Receive, |answer| self.answered(connection, &answer, at))
            }
            Err(malformed) => {
                let fault = Fault::Malformed(malformed.0);
                self.worker.unanswered(connection, Outcome::TransportError(fault), self.seen(), at);
                Next::Leave
            }
        }
    }

    fn answered(&mut self, connection: &Connection, answer: &Answer, at: Instant) -> Next {
        let has_excess = !self.buffer.is_empty();
        self.has_answers = true;
        self.answers += 1;
        self.worker.answered(connection, answer, self.parser.content(), has_excess, at);
        let is_used_up = self.answers >= self.answers_bound;
        if has_excess
            || !answer.keep_alive
            || connection.is_sending()
            || connection.has_expired()
            || is_used_up
        {
            return Next::Leave;
        }
        self.worker.release(self.slot);
        Next::Receive
    }

    /// The connection has ended: by the server, by a deadline, or by the end of the run.
    fn ended(&mut self, connection: &Connection, end: io::Result<usize>, at: Instant) -> Next {
        let outcome = match end {
            _ if connection.has_expired() && self.worker.is_over() => Outcome::Censored,
            _ if connection.has_expired() => Outcome::Timeout,
            Ok(_) => match self.parser.end() {
                Some(answer) => return self.answered(connection, &answer, at),
                None => Outcome::TransportError(Fault::ClosedEarly),
            },
            Err(_) => Outcome::TransportError(Fault::Reset),
        };
        self.worker.unanswered(connection, outcome, self.seen(), at);
        Next::Leave
    }

    /// What came of the answer under way, or instead of one.
    fn seen(&self) -> Seen<'_> {
        let data = self.buffer.data();
        let unread = Seen { head: &data[..data.len().min(EXCERPT_BYTES)], body: &[] };
        self.parser.seen().unwrap_or(unread)
    }

    async fn pause(&mut self) {
        if mem::take(&mut self.has_answers) {
            self.pause = SHORTEST_PAUSE;
        } else if !self.worker.is_over() {
            sleep(self.pause).await;
            self.pause = LONGEST_PAUSE.min(2 * self.pause);
        }
    }
}

fn connect_fault(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Fault::ConnectRefused,
        _ => Fault::ConnectFailed,
    }
}
