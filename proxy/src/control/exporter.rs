//! Takes spans to a collector: OTLP over HTTP, in protobuf.
//!
//! Owns: the batches on their way. Refuses to wait for a collector at anybody else's cost: what it does not take in time is dropped
//! and counted, and so is what comes meanwhile and finds the queue full.
//! Sources: OTLP specification 1.9, "OTLP/HTTP"; what may be tried again is what that says.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as otlp;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Status, span, status};
use prost::Message;
use tokio::time::{sleep, timeout};

use crate::config::Tracing;
use crate::counters::Counter;
use crate::operator::say;
use crate::tracing::{Kind, Span, Spans, Value};

/// Spans of a batch: what collectors take by default (OpenTelemetry's batch processor).
const BATCH: usize = 512;
/// How often the queue is looked into while it is not full: nobody is woken for a span.
const BEAT: Duration = Duration::from_millis(250);
/// How long a collector may take for a batch (OpenTelemetry's default).
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a batch is tried, with these pauses in between at least.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// The longest pause that a collector may ask for: meanwhile the queue fills.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long the end of the process waits for what is left.
const FAREWELL: Duration = Duration::from_secs(2);
/// Bytes of a collector's answer that are read.
const ANSWER_BYTES: usize = 64 * 1024;

/// What has become of spans.
#[derive(Debug, Default)]
pub(super) struct Exports {
    /// Those that the collector has taken,
    pub(super) exported: Counter,
    /// those that it refused,
    pub(super) refused: Counter,
    /// and those that it did not take in time.
    pub(super) undelivered: Counter,
}

/// Exports what comes out of a queue.
pub(super) struct Exporter {
    settings: Tracing,
    spans: Receiver<Spans>,
    exports: Arc<Exports>,
    client: Client<HttpConnector, Full<Bytes>>,
    resource: Resource,
    /// Taken out and not sent yet.
    batch: Vec<Span>,
    /// Those on their way, by number and as they are sent; they stay here until it is known what became of them, so that the end of
    /// the process can try once more.
    parcel: Option<(u64, Bytes)>,
    /// What was wrong the last time, to be said once.
    trouble: Option<String>,
}

/// Why a batch was not taken.
enum Failure {
    /// It may be tried again, after a pause if the collector asks for one.
    Later(String, Option<Duration>),
    /// It never will be.
    Never(String),
}

impl Exporter {
    /// Needs a tokio loop.
    pub(super) fn new(settings: Tracing, spans: Receiver<Spans>, exports: Arc<Exports>) -> Exporter {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(PATIENCE));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let attributes = vec![
            attribute("service.name", Value::Text(settings.service.clone().into())),
            attribute("service.version", Value::Text(env!("CARGO_PKG_VERSION").into())),
            attribute("process.pid", Value::Integer(std::process::id().into())),
        ];
        let resource = Resource { attributes, ..Resource::default() };
        Exporter {
            settings,
            spans,
            exports,
            client,
            resource,
            batch: Vec::new(),
            parcel: None,
            trouble: None,
        }
    }

    /// Exports for ever.
    pub(super) async fn run(&mut self) {
        loop {
            self.gather();
            if self.batch.len() < BATCH {
                sleep(BEAT).await;
                self.gather();
            }
            self.send().await;
        }
    }

    /// Exports what is left, but not for long.
    pub(super) async fn finish(mut self) {
        let rest = async {
            while {
                self.gather();
                self.parcel.is_some() || !self.batch.is_empty()
            } {
                self.send().await;
            }
        };
        if timeout(FAREWELL, rest).await.is_err() {
            say("warning: the last spans are lost: the collector does not take them");
        }
    }

    /// Takes spans out of the queue until there are enough for a batch; one request more than fits is no harm.
    fn gather(&mut self) {
        while self.batch.len() < BATCH {
            let Ok(spans) = self.spans.try_recv() else { return };
            self.batch.extend(spans);
        }
    }

    async fn send(&mut self) {
        if self.parcel.is_none() && !self.batch.is_empty() {
            let batch = std::mem::take(&mut self.batch);
            let count = batch.len() as u64;
            self.parcel = Some((count, message(self.resource.clone(), batch).encode_to_vec().into()));
        }
        let Some((count, body)) = self.parcel.clone() else { return };
        let outcome = self.deliver(&body).await;
        self.parcel = None;
        match outcome {
            Ok(refused) => {
                self.exports.exported.add(count.saturating_sub(refused));
                self.exports.refused.add(refused.min(count));
                if self.trouble.take().is_some() {
                    say("tracing: the collector takes spans again");
                }
            }
            Err(Failure::Never(why)) => {
                self.exports.refused.add(count);
                self.complain(why);
            }
            Err(Failure::Later(why, _)) => {
                self.exports.undelivered.add(count);
                self.complain(why);
            }
        }
    }

    fn complain(&mut self, why: String) {
        if self.trouble.as_ref() != Some(&why) {
            say(&format!("warning: tracing: spans are lost: {why}; /metrics counts them"));
            self.trouble = Some(why);
        }
    }

    /// Tries until the batch is taken, or there is no use. How many of its spans were refused.
    async fn deliver(&self, body: &Bytes) -> Result<u64, Failure> {
        for pause in PAUSES {
            match self.post(body.clone()).await {
                Err(Failure::Later(_, asked)) => {
                    sleep(pause.max(asked.unwrap_or_default().min(LONGEST_PAUSE))).await;
                }
                outcome => return outcome,
            }
        }
        self.post(body.clone()).await
    }

    async fn post(&self, body: Bytes) -> Result<u64, Failure> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        request.uri_mut().clone_from(&self.settings.endpoint);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        request.headers_mut().extend(self.settings.headers.iter().cloned());
        let exchange = async {
            let unreachable = |_| Failure::Later("the collector cannot be reached".into(), None);
            let answer = self.client.request(request).await.map_err(unreachable)?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await;
            Ok((head, body.map(|body| body.to_bytes()).unwrap_or_default()))
        };
        let late = |_| {
            Failure::Later(format!("the collector does not answer within {} s", PATIENCE.as_secs()), None)
        };
        let (head, body) = timeout(PATIENCE, exchange).await.map_err(late)??;
        judge(head.status, &head.headers, &body)
    }
}

/// How many spans were refused of a batch that was answered like this.
fn judge(status: StatusCode, fields: &HeaderMap, body: &[u8]) -> Result<u64, Failure> {
    let why = || format!("the collector answers {}", status.as_u16());
    match status.as_u16() {
        200..300 => {
            let answer = ExportTraceServiceResponse::decode(body).unwrap_or_default();
            let refused = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
            Ok(u64::try_from(refused).unwrap_or(0))
        }
        429 | 502 | 503 | 504 => Err(Failure::Later(why(), pause(fields))),
        _ => Err(Failure::Never(why())),
    }
}

/// How long the collector wants to be left alone, in seconds.
fn pause(fields: &HeaderMap) -> Option<Duration> {
    fields.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

fn message(resource: Resource, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope = InstrumentationScope {
        name: "ringgate".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ..InstrumentationScope::default()
    };
    let spans = spans.into_iter().map(encoded).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let all = ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![all] }
}

fn encoded(span: Span) -> otlp::Span {
    let kind = match span.kind {
        Kind::Server => span::SpanKind::Server,
        Kind::Client => span::SpanKind::Client,
    };
    let status = Status { code: status::StatusCode::Error.into(), ..Status::default() };
    otlp::Span {
        trace_id: span.trace_id.to_vec(),
        span_id: span.span_id.to_vec(),
        parent_span_id: span.parent.map(|parent| parent.to_vec()).unwrap_or_default(),
        name: span.name,
        kind: kind.into(),
        start_time_unix_nano: span.began,
        end_time_unix_nano: span.ended,
        attributes: span.attributes.into_iter().map(|(key, value)| attribute(key, value)).collect(),
        status: span.has_failed.then_some(status),
        ..otlp::Span::default()
    }
}

fn attribute(key: &str, value: Value) -> KeyValue {
    let value = match value {
        Value::Text(text) => any_value::Value::StringValue(text.into_owned()),
        Value::Integer(number) => any_value::Value::IntValue(number),
        Value::Seconds(seconds) => any_value::Value::DoubleValue(seconds),
    };
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    use super::*;

    fn judged(status: u16, retry_after: Option<&str>, body: &[u8]) -> String {
        let mut fields = HeaderMap::new();
        retry_after.map(|value| fields.insert(RETRY_AFTER, value.parse().unwrap()));
        match judge(status.try_into().unwrap(), &fields, body) {
            Ok(refused) => format!("{refused} refused"),
            Err(Failure::Later(_, pause)) => format!("later {}", pause.unwrap_or_default().as_secs()),
            Err(Failure::Never(_)) => "never".into(),
        }
    }

    #[test]
    fn an_answer_means_what_the_specification_says() {
        let partial = ExportTracePartialSuccess { rejected_spans: 7, error_message: String::new() };
        let partial = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
        assert_eq!(judged(200, None, &[]), "0 refused");
        assert_eq!(judged(200, None, &partial), "7 refused");
        assert_eq!(judged(200, None, b"no protobuf \xff"), "0 refused");
        for status in [429, 502, 503, 504] {
            assert_eq!(judged(status, None, &[]), "later 0");
        }
        assert_eq!(judged(503, Some("7"), &[]), "later 7");
        assert_eq!(judged(429, Some("soon"), &[]), "later 0");
        for status in [301, 400, 401, 404, 413, 500, 501] {
            assert_eq!(judged(status, Some("7"), &[]), "never");
        }
    }
}
