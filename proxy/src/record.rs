//! What is known of one request when it is over: the source of its log line and its counts.

use std::rc::Rc;
use std::time::Instant;

use ringgate_core::answer::{Cause, Reject};
use ringgate_core::auth::Known;
use ringgate_core::forward::Traced;
use ringgate_core::pool::Server;
use ringgate_core::stages::{Stage, Stages};

use crate::lease::Lease;
use crate::tracing::Recording;

/// Who made the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The gateway itself.
    Gateway,
    /// A server; the gateway passed it on.
    Upstream,
}

impl Source {
    pub(crate) const ALL: [Source; 2] = [Source::Gateway, Source::Upstream];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Source::Gateway => "gateway",
            Source::Upstream => "upstream",
        }
    }
}

/// One request, as far as it has got.
#[derive(Debug)]
pub(crate) struct Record {
    /// When its head was here, well or badly.
    pub(crate) started: Instant,
    /// Where its time went.
    pub(crate) stages: Stages,
    /// Its route.
    pub(crate) lease: Option<Rc<Lease>>,
    /// Who asks, if that was proved.
    pub(crate) caller: Option<Rc<Known>>,
    /// Of the pool of its route.
    server: Option<usize>,
    /// How often a server was tried.
    pub(crate) attempts: u32,
    pub(crate) status: u16,
    pub(crate) source: Source,
    /// None for a request that went well.
    pub(crate) cause: Option<Cause>,
    /// Its trace, where requests are traced.
    pub(crate) recording: Option<Recording>,
    /// Bytes sent to the client, on its connection, before the body of the answer.
    pub(crate) body_from: u64,
}

impl Record {
    pub(crate) fn start(stages: Stages) -> Record {
        Record {
            started: stages.since(),
            stages,
            lease: None,
            caller: None,
            server: None,
            attempts: 0,
            status: 0,
            source: Source::Gateway,
            cause: None,
            recording: None,
            body_from: 0,
        }
    }

    /// The route was looked for.
    pub(crate) fn routed(&mut self, lease: Option<&Rc<Lease>>) {
        self.lease = lease.cloned();
    }

    /// This server is tried, from now on; what it is told of the trace.
    pub(crate) fn attempts(&mut self, server: &Server, now: Instant) -> Option<Traced> {
        self.server = Some(server.index);
        self.attempts += 1;
        self.stages.enter(Stage::Queue, now);
        self.recording.as_mut().map(|recording| recording.attempt(server, now))
    }

    /// The server that was tried last has not answered.
    pub(crate) fn attempt_failed(&mut self, reject: &Reject) {
        if let Some(recording) = &mut self.recording {
            recording.failed(reject.answer().cause.code());
        }
    }

    /// There is a connection to it, perhaps a new one, and the request goes there.
    pub(crate) fn sent(&mut self, server: &Server, is_new: bool) {
        if let Some(lease) = &self.lease {
            let metrics = lease.server_metrics(server);
            metrics.requests.add(1);
            metrics.connections.add(u64::from(is_new));
        }
    }

    /// The head of its final answer is here.
    pub(crate) fn head_came(&mut self, now: Instant) {
        let waited = now.saturating_duration_since(self.stages.since());
        if let (Some(lease), Some(server)) = (&self.lease, self.server()) {
            lease.server_metrics(server).response.record(waited);
        }
        self.stages.enter(Stage::Transfer, now);
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

    /// The server it was sent to last.
    pub(crate) fn server(&self) -> Option<&Server> {
        self.lease.as_ref().zip(self.server).map(|(lease, index)| lease.server(index))
    }
}
