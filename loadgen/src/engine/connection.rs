//! One connection and the exchange on it: at most one at a time.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::time::{Duration, Instant};

use ringgate_io::{Armed, Buffer, Deadlines, Side, Stream, spawn};

use crate::record::exchange::Exchange;

/// An open connection. Its client always has a receive pending on it; whoever has a request for it sends it directly.
pub(crate) struct Connection {
    deadline: Armed, // declared before the stream: it must be dropped first
    stream: Stream,
    exchange: Cell<Option<Exchange>>,
    /// The end of a large request is still on its way.
    is_sending: Cell<bool>,
}

impl Connection {
    pub(crate) fn new(stream: Stream, deadlines: &Deadlines) -> Connection {
        let deadline = deadlines.guard(stream.closer());
        Connection { deadline, stream, exchange: Cell::new(None), is_sending: Cell::new(false) }
    }

    /// Begins an exchange, and says how much of `request` fit into the socket's buffer. The rest is for
    /// [`send_rest`](Self::send_rest).
    pub(crate) fn begin(&self, exchange: Exchange, request: &[u8], timeout: Duration) -> io::Result<usize> {
        self.exchange.set(Some(exchange));
        let sent = match self.stream.try_send(&[IoSlice::new(request)]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            sent => sent?,
        };
        self.deadline.within(timeout, Side::Both);
        Ok(sent)
    }

    /// Sends what of `request` comes after the first `sent` bytes, by a task of its own.
    pub(crate) fn send_rest(self: &Rc<Self>, request: Rc<[u8]>, sent: usize) {
        self.is_sending.set(true);
        spawn(self.clone().finish_sending(request, sent));
    }

    async fn finish_sending(self: Rc<Self>, request: Rc<[u8]>, sent: usize) {
        if self.stream.send(&request[sent..]).await.is_err() {
            self.shutdown();
        }
        self.is_sending.set(false);
    }

    /// The exchange under way.
    pub(crate) fn exchange(&self) -> Option<Exchange> {
        self.exchange.get()
    }

    /// The exchange under way. Notes the instant of its first byte.
    pub(crate) fn receiving(&self, at: Instant) -> Option<Exchange> {
        let mut exchange = self.exchange.get()?;
        if exchange.first_byte.is_none() {
            exchange.first_byte = Some(at);
            self.exchange.set(Some(exchange));
        }
        Some(exchange)
    }

    /// Ends the exchange under way, if there is one.
    pub(crate) fn take_exchange(&self) -> Option<Exchange> {
        self.deadline.clear();
        self.exchange.take()
    }

    pub(crate) async fn receive(&self, buffer: &mut Buffer) -> io::Result<usize> {
        self.stream.recv(buffer).await
    }

    /// A deadline ended it.
    pub(crate) fn has_expired(&self) -> bool {
        self.deadline.expired()
    }

    pub(crate) fn is_sending(&self) -> bool {
        self.is_sending.get()
    }

    /// It will not be used again: a request still on its way is given up.
    pub(crate) fn shutdown_sending(&self) {
        if self.is_sending.get() {
            self.shutdown();
        }
    }

    /// Ends it both ways: a pending receive completes, and so does a pending send.
    pub(crate) fn shutdown(&self) {
        self.stream.shutdown(Side::Both);
    }
}
