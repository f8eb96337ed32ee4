//! Spans: what a request did and how long that took, for a collector of traces.
//!
//! Owns: which requests are recorded, what is said of each, and the way to whoever exports it: a bounded queue at which nobody
//! waits. When it is full, spans are dropped and counted.
//! Refuses: to say what the request log would hide: paths are redacted as there, and neither queries nor fields are told.
//! Assumes: somebody takes spans out every now and then; nobody is woken for one, which would be a system call for each request.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use ringgate_core::answer::Cause;
use ringgate_core::forward::Traced;
use ringgate_core::logline::Facts;
use ringgate_core::pool::Server;
use ringgate_core::stages::Stage;
use ringgate_core::trace::{self, Parent, SpanId, Trace, TraceId};
use ringgate_io::{now, random, wall};

use crate::client::Client;
use crate::config::Tracing;
use crate::counters::Counters;
use crate::lease::Held;
use crate::limits;
use crate::log::facts;
use crate::pipeline::Finished;
use crate::record::{Record, Source};

/// What happened between two instants.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) parent: Option<SpanId>,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// Since 1970, in nanoseconds.
    pub(crate) began: u64,
    pub(crate) ended: u64,
    pub(crate) attributes: Vec<(&'static str, Value)>,
    pub(crate) has_failed: bool,
}

/// On which side of a request we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A client asked us.
    Server,
    /// We asked a server.
    Client,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(Cow<'static, str>),
    Integer(i64),
    Seconds(f64),
}

/// The spans of one request; that of the request first.
pub(crate) type Spans = Vec<Span>;

/// What a worker's [`Tracer`] is made of, and where the spans of all come out.
pub(crate) fn start(settings: Tracing) -> ((Tracing, SyncSender<Spans>), Receiver<Spans>) {
    let (queue, spans) = sync_channel(limits::TRACED_REQUESTS);
    ((settings, queue), spans)
}

/// One worker's end of it.
pub(crate) struct Tracer {
    sampled_below: u64,
    queue: SyncSender<Spans>,
    counters: Arc<Counters>,
}

/// One time that a server was asked.
#[derive(Debug)]
pub(crate) struct Attempt {
    span_id: SpanId,
    server: usize,
    began: Instant,
    /// When and why it failed, if it did.
    failure: Option<(Instant, &'static str)>,
}

/// What is recorded of a request.
#[derive(Debug)]
pub(crate) struct Recording {
    trace: Trace,
    /// Whether the client's own `tracestate` goes with it.
    goes_on: bool,
    attempts: Vec<Attempt>,
}

impl Recording {
    /// A server is asked at `began`; what it is told of the trace.
    pub(crate) fn attempt(&mut self, server: &Server, began: Instant) -> Traced {
        let mut cause = self.trace.span_id;
        if self.trace.is_sampled {
            cause = trace::span_id(random);
            self.attempts.push(Attempt { span_id: cause, server: server.index, began, failure: None });
        }
        Traced { traceparent: self.trace.traceparent(cause), keeps_state: self.goes_on }
    }

    /// The last attempt has failed, for a reason with this code.
    pub(crate) fn failed(&mut self, code: &'static str) {
        if let Some(last) = self.attempts.last_mut() {
            last.failure = Some((now(), code));
        }
    }

    /// The trace that the request belongs to.
    pub(crate) fn trace_id(&self) -> TraceId {
        self.trace.id
    }
}

impl Tracer {
    pub(crate) fn new(settings: &Tracing, queue: SyncSender<Spans>, counters: Arc<Counters>) -> Tracer {
        let sampled_below =
            if settings.sample < 1.0 { (settings.sample * u64::MAX as f64) as u64 } else { u64::MAX };
        Tracer { sampled_below, queue, counters }
    }

    /// The trace of the request whose head has come, well or badly.
    pub(crate) fn begin(&self, client: &Client) -> Recording {
        let bytes = client.head_bytes();
        let parent = if bytes.is_empty() { None } else { Parent::of(client.head().fields(bytes)) };
        let trace = Trace::begin(parent, self.sampled_below, random);
        Recording { trace, goes_on: parent.is_some(), attempts: Vec::new() }
    }

    /// Hands over the spans of a request that is over, if it is recorded. Its path is told as far as the configuration that `held`
    /// is knows it.
    pub(crate) fn finish(&self, record: &Record, client: &Client, finished: &Finished, held: &Held) {
        let Some(recording) = record.recording.as_ref().filter(|recording| recording.trace.is_sampled) else {
            return;
        };
        let spans = spans(recording, record, &facts(record, client, finished, held, false));
        let count = spans.len() as u64;
        if self.queue.try_send(spans).is_err() {
            self.counters.spans_dropped.add(count);
        }
    }
}

fn spans(recording: &Recording, record: &Record, facts: &Facts<'_>) -> Spans {
    let (now, wall) = (now(), wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
    let at = |instant: Instant| nanoseconds(wall.saturating_sub(now.saturating_duration_since(instant)));
    let ended = facts.stages.since();
    let request = Span {
        trace_id: recording.trace.id,
        span_id: recording.trace.span_id,
        parent: recording.trace.parent,
        kind: Kind::Server,
        name: name(facts),
        began: at(ended.checked_sub(facts.stages.duration()).unwrap_or(record.started)),
        ended: at(ended),
        attributes: of_request(facts),
        has_failed: is_error(facts),
    };
    let attempts = recording.attempts.iter().enumerate().map(|(resends, attempt)| {
        let ended = attempt.failure.map_or(ended, |(failed, _)| failed);
        let broke_off = facts.cause.filter(|_| attempt.failure.is_none()).map(Cause::code);
        let error = attempt.failure.map(|(_, code)| code).or(broke_off);
        let status = Some(facts.status).filter(|_| attempt.failure.is_none());
        Span {
            trace_id: recording.trace.id,
            span_id: attempt.span_id,
            parent: Some(recording.trace.span_id),
            kind: Kind::Client,
            name: facts.method().unwrap_or("HTTP").to_owned(),
            began: at(attempt.began),
            ended: at(ended),
            attributes: of_attempt(facts, record, attempt, resends, status, error),
            has_failed: error.is_some() || status.is_some_and(|status| status >= 400),
        }
    });
    std::iter::once(request).chain(attempts).collect()
}

/// Whether the gateway's own span is one: a client's mistakes are none of it, nor that it left.
fn is_error(facts: &Facts<'_>) -> bool {
    let broke_off = facts.cause.is_some_and(|cause| cause != Cause::ClientGone)
        && facts.source == Source::Upstream.name();
    facts.status >= 500 || broke_off
}

/// Method and route: few names for many requests (OpenTelemetry's conventions for HTTP).
fn name(facts: &Facts<'_>) -> String {
    let method = facts.method().unwrap_or("HTTP");
    facts.route.map_or_else(|| method.to_owned(), |route| format!("{method} {}", route.name))
}

/// The server span by OpenTelemetry's conventions for HTTP; what they have no word for begins with `ringgate.`.
fn of_request(facts: &Facts<'_>) -> Vec<(&'static str, Value)> {
    let mut all = vec![
        ("url.scheme", Value::Text("http".into())),
        ("client.address", text(facts.client)),
        ("ringgate.request_id", text(facts.request_id)),
        ("ringgate.source", Value::Text(facts.source.into())),
    ];
    all.extend(facts.method().map(|method| ("http.request.method", text(method))));
    all.extend(facts.path().map(|path| ("url.path", text(&String::from_utf8_lossy(&path)))));
    all.extend(facts.route.map(|route| ("http.route", text(&route.name))));
    all.extend(facts.pool.map(|pool| ("ringgate.pool", text(pool))));
    all.extend(status(facts.status));
    all.extend(facts.cause.map(|cause| ("ringgate.cause", Value::Text(cause.code().into()))));
    all.extend(is_error(facts).then(|| error_type(facts.cause.map(Cause::code), facts.status)));
    let spent = STAGES.iter().map(|(stage, name)| (*name, facts.stages.spent(*stage)));
    all.extend(
        spent
            .filter(|(_, spent)| !spent.is_zero())
            .map(|(name, spent)| (name, Value::Seconds(spent.as_secs_f64()))),
    );
    all
}

const STAGES: [(Stage, &str); 7] = [
    (Stage::Accept, "ringgate.stage.accept"),
    (Stage::Head, "ringgate.stage.head"),
    (Stage::Policy, "ringgate.stage.policy"),
    (Stage::Queue, "ringgate.stage.queue"),
    (Stage::Connect, "ringgate.stage.connect"),
    (Stage::FirstByte, "ringgate.stage.first_byte"),
    (Stage::Transfer, "ringgate.stage.transfer"),
];

fn of_attempt(
    facts: &Facts<'_>,
    record: &Record,
    attempt: &Attempt,
    resends: usize,
    answered: Option<u16>,
    error: Option<&'static str>,
) -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    all.extend(facts.method().map(|method| ("http.request.method", text(method))));
    if let Some(server) = record.lease.as_ref().map(|lease| lease.server(attempt.server)) {
        let address = server.address;
        all.push(("server.address", Value::Text(address.ip().to_string().into())));
        all.push(("server.port", Value::Integer(address.port().into())));
        all.push(("ringgate.server", text(&server.name)));
    }
    all.extend((resends > 0).then_some(("http.request.resend_count", Value::Integer(resends as i64))));
    let answered = answered.unwrap_or(0);
    all.extend(status(answered));
    all.extend((error.is_some() || answered >= 400).then(|| error_type(error, answered)));
    all
}

fn status(status: u16) -> Option<(&'static str, Value)> {
    (status != 0).then_some(("http.response.status_code", Value::Integer(status.into())))
}

/// Why something failed: a code of ours, or else the status.
fn error_type(code: Option<&'static str>, status: u16) -> (&'static str, Value) {
    (
        "error.type",
        code.map_or_else(|| Value::Text(status.to_string().into()), |code| Value::Text(code.into())),
    )
}

fn text(text: &str) -> Value {
    Value::Text(Cow::Owned(text.to_owned()))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
