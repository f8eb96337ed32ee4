//! One request on its way: what was planned, when it left, when its answer began.

use std::time::Instant;

/// The right to send one request, and what will be said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// Its place in the whole run, which decides all that is drawn for it.
    pub(crate) number: u64,
    pub(crate) target: usize,
    /// When it is to be sent. A closed loop has no plan of its own: the moment of sending is the planned one.
    pub(crate) planned: Option<Instant>,
    /// No connection was free when it was due, so that being late is not the generator's fault.
    pub(crate) has_waited: bool,
    /// Counts; warm-up requests do not.
    pub(crate) is_measured: bool,
}

/// A ticket that was used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange {
    pub(crate) ticket: Ticket,
    /// Just before the request was given to the kernel.
    pub(crate) sent: Instant,
    pub(crate) first_byte: Option<Instant>,
}

impl Exchange {
    pub(crate) fn new(ticket: Ticket, sent: Instant) -> Exchange {
        Exchange { ticket, sent, first_byte: None }
    }

    pub(crate) fn planned(&self) -> Instant {
        self.ticket.planned.unwrap_or(self.sent)
    }
}
