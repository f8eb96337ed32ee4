//! What is known of one request when it is over: the source of its log line and its counts.

use std::time::Instant;

use ringgate_core::answer::{Cause, Reject};
use ringgate_core::pool::{Pool, Server};
use ringgate_core::route::{Route, Routes};
use ringgate_core::snapshot::Snapshot;

use ringgate_core::stages::Stages;

/// Who made the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The gateway itself.
    Gateway,
    /// A server; the gateway passed it on.
    Upstream,
}

impl Source {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Source::Gateway => "gateway",
            Source::Upstream => "upstream",
        }
    }
}

/// One request, as far as it has got. Borrows from the snapshot it was served by.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    snapshot: &'a Snapshot,
    /// When its head was here, well or badly.
    pub(crate) started: Instant,
    /// Where its time went.
    pub(crate) stages: Stages,
    pub(crate) route: Option<&'a Route>,
    pub(crate) server: Option<&'a Server>,
    /// How often a server was tried.
    pub(crate) attempts: u32,
    pub(crate) status: u16,
    pub(crate) source: Source,
    /// None for a request that went well.
    pub(crate) cause: Option<Cause>,
    /// Bytes sent to the client, on its connection, before the body of the answer.
    pub(crate) body_from: u64,
}

impl<'a> Record<'a> {
    pub(crate) fn start(snapshot: &'a Snapshot, stages: Stages) -> Record<'a> {
        Record {
            snapshot,
            started: stages.since(),
            stages,
            route: None,
            server: None,
            attempts: 0,
            status: 0,
            source: Source::Gateway,
            cause: None,
            body_from: 0,
        }
    }

    /// The route was found.
    pub(crate) fn routed(&mut self, route: &'a Route) {
        self.route = Some(route);
    }

    /// This server is tried.
    pub(crate) fn attempts(&mut self, server: &'a Server) {
        self.server = Some(server);
        self.attempts += 1;
    }

    /// A server's answer is passed on: its body begins when so many bytes have been sent to the client.
    pub(crate) fn answered(&mut self, status: u16, body_from: u64) {
        (self.status, self.source, self.body_from) = (status, Source::Upstream, body_from);
    }

    /// That answer did not reach its end.
    pub(crate) fn truncated(&mut self, cause: Cause) {
        self.cause = Some(cause);
    }

    /// Whether the client left before the answer was over.
    pub(crate) fn departed(&self) -> bool {
        self.cause == Some(Cause::ClientGone)
    }

    /// The client left before the gateway could answer.
    pub(crate) fn departed_before_answer(&mut self) {
        self.cause = Some(Cause::ClientGone);
    }

    /// The gateway answers itself.
    pub(crate) fn rejected(&mut self, reject: &Reject) {
        let answer = reject.answer();
        (self.status, self.source, self.cause) = (answer.status, Source::Gateway, Some(answer.cause));
    }

    /// The table that its route was looked up in.
    pub(crate) fn routes(&self) -> &'a Routes {
        &self.snapshot.routes
    }

    /// The pool of its route.
    pub(crate) fn pool(&self) -> Option<&'a Pool> {
        self.route.map(|route| &self.snapshot.pools[route.pool])
    }
}
