//! Spans of real requests at a collector on a real socket, read with the types of OpenTelemetry's own project.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use ringmock::Mock;
use rustix::process::Signal;
use support::running::{PROGRAM, Running, file, get};
use support::{Answer, Client, anything, nobody, until_some};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// What a collector does with a batch, told its number.
type Conduct = fn(usize) -> Option<&'static str>;

/// Takes spans as a collector does.
struct Collector {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Vec<u8>>>>,
    fields: Arc<Mutex<String>>,
}

impl Collector {
    /// Answers each batch with the status line that `conduct` gives, or never; those that get a 200 count as taken.
    fn start(conduct: Conduct) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let collector = Collector { address, taken: Arc::default(), fields: Arc::default() };
        let (taken, fields) = (collector.taken.clone(), collector.fields.clone());
        std::thread::spawn(move || {
            let batches = Arc::new(Mutex::new(0));
            for stream in listener.incoming() {
                let (taken, fields, batches) = (taken.clone(), fields.clone(), batches.clone());
                std::thread::spawn(move || serve(stream.unwrap(), conduct, &taken, &fields, &batches));
            }
        });
        collector
    }

    fn spans(&self) -> Vec<Span> {
        let batches = self.taken.lock().unwrap();
        let read = |bytes: &Vec<u8>| ExportTraceServiceRequest::decode(&bytes[..]).unwrap();
        let all = batches.iter().map(read).flat_map(|batch| batch.resource_spans);
        all.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    /// The spans of a request, by its id, as soon as they are there: its own and those of its attempts, in order.
    fn request(&self, id: &str) -> (Span, Vec<Span>) {
        until_some(&format!("spans of {id}"), || {
            let spans = self.spans();
            let own = spans
                .iter()
                .find(|span| attributes(span).get("ringgate.request_id").is_some_and(|own| own == id))?;
            let attempts = spans.iter().filter(|span| span.parent_span_id == own.span_id).cloned().collect();
            Some((own.clone(), attempts))
        })
    }
}

fn serve(
    stream: TcpStream,
    conduct: Conduct,
    taken: &Mutex<Vec<Vec<u8>>>,
    fields: &Mutex<String>,
    batches: &Mutex<usize>,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        fields.lock().unwrap().push_str(&head);
        let number = {
            let mut batches = batches.lock().unwrap();
            *batches += 1;
            *batches
        };
        let Some(status) = conduct(number) else { continue };
        if status.starts_with("200") {
            taken.lock().unwrap().push(body);
        }
        let _ = write!(&stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    }
}

fn attributes(span: &Span) -> BTreeMap<&str, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let attribute = |attribute: &'_ opentelemetry_proto::tonic::common::v1::KeyValue| {
        text(attribute.value.as_ref().unwrap().value.as_ref().unwrap())
    };
    span.attributes.iter().map(|own| (own.key.as_str(), attribute(own))).collect()
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A gateway that records requests.
struct Traced {
    running: Running,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Traced {
    fn start(name: &str, collector: SocketAddr, tracing: &str, routes: &str) -> Traced {
        let text = format!(
            "listen = \"127.0.0.1:0\"\nworkers = 2\nlog.requests = \"off\"\nadmin.listen = \"127.0.0.1:0\"\n\
             [tracing]\nendpoint = \"http://{collector}\"\n{tracing}\n{routes}"
        );
        let mut command = Command::new(PROGRAM);
        command.args(["run", "-c"]).arg(file(name, &text));
        let running = Running::start(command);
        let (admin, address) = (running.address(), running.address());
        Traced { running, address, admin }
    }

    /// One request with this id and these fields.
    fn ask(&self, target: &str, id: &str, fields: &str) -> Answer {
        let mut client = Client::connect(self.address);
        client.say(format!(
            "GET {target} HTTP/1.1\r\nHost: h\r\nX-Request-Id: {id}\r\n{fields}Connection: close\r\n\r\n"
        ));
        client.hear()
    }

    /// A number of /metrics.
    fn metric(&self, name: &str) -> f64 {
        let mut client = Client::connect(self.admin);
        client.say(format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin));
        let text = client.hear().text();
        let line =
            text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).rsplit(' ').next().unwrap().parse().unwrap()
    }
}

fn to(servers: &[SocketAddr]) -> String {
    let list: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    format!(
        "[[routes]]\npath = \"/a/{{token}}\"\nservers = [{0}]\n[[routes]]\nprefix = \"/\"\nservers = [{0}]\n",
        list.join(", ")
    )
}

/// What a mock server was told.
fn told(server: &Mock, field: &str) -> Option<String> {
    server.received().last().unwrap().header(field).map(ToOwned::to_owned)
}

fn takes_all(_: usize) -> Option<&'static str> {
    Some("200 OK")
}

#[test]
fn a_request_is_a_span_and_each_attempt_another_one_that_the_server_knows_as_its_cause() {
    let (collector, server) = (Collector::start(takes_all), anything("one"));
    let tracing = "service = \"edge\"\nheaders = { x-api-key = \"S3CRET-KEY\" }";
    let gateway = Traced::start("spans.toml", collector.address, tracing, &to(&[server.address()]));
    assert_eq!(gateway.ask("/b?status=404", "first", "").status, 404);
    let parent = told(&server, "traceparent").unwrap();
    let (own, attempts) = collector.request("first");
    let [attempt] = &attempts[..] else { panic!("{attempts:?}") };
    assert_eq!(parent, format!("00-{}-{}-01", hex(&own.trace_id), hex(&attempt.span_id)));
    assert_eq!((own.kind(), attempt.kind()), (SpanKind::Server, SpanKind::Client));
    assert_eq!((&*own.name, own.parent_span_id.len(), own.status.clone()), ("GET /*", 0, None));
    assert!(own.start_time_unix_nano <= attempt.start_time_unix_nano);
    assert!(
        attempt.start_time_unix_nano < attempt.end_time_unix_nano
            && attempt.end_time_unix_nano <= own.end_time_unix_nano
    );
    let (own, attempt) = (attributes(&own), attributes(attempt));
    for (key, value) in [
        ("http.request.method", "GET"),
        ("url.path", "/b"),
        ("http.route", "/*"),
        ("http.response.status_code", "404"),
        ("ringgate.source", "upstream"),
    ] {
        assert_eq!(own.get(key).map(String::as_str), Some(value), "{own:?}");
    }
    assert!(own.contains_key("ringgate.stage.first_byte") && !own.contains_key("error.type"), "{own:?}");
    assert_eq!(
        (&*attempt["server.port"], &*attempt["error.type"]),
        (&*server.address().port().to_string(), "404")
    );
    let fields = collector.fields.lock().unwrap().clone();
    assert!(
        fields.starts_with("POST /v1/traces HTTP/1.1\r\n") && fields.contains("x-api-key: S3CRET-KEY"),
        "{fields}"
    );
    let first = collector.taken.lock().unwrap()[0].clone();
    assert!(String::from_utf8_lossy(&first).contains("edge"), "the name of the service");
}

#[test]
fn a_caller_s_trace_goes_on_and_its_word_decides() {
    let (collector, server) = (Collector::start(takes_all), anything("one"));
    let gateway = Traced::start("parents.toml", collector.address, "sample = 0.0", &to(&[server.address()]));
    let parent = |flags: &str| format!("traceparent: 00-{TRACE}-{CALLER}-{flags}\r\ntracestate: a=b\r\n");
    gateway.ask("/", "recorded", &parent("01"));
    let (own, attempts) = collector.request("recorded");
    assert_eq!((hex(&own.trace_id), hex(&own.parent_span_id)), (TRACE.to_owned(), CALLER.to_owned()));
    assert_eq!(told(&server, "traceparent").unwrap(), format!("00-{TRACE}-{}-01", hex(&attempts[0].span_id)));
    assert_eq!(told(&server, "tracestate").as_deref(), Some("a=b"));
    gateway.ask("/", "not-recorded", &parent("00"));
    let sent = told(&server, "traceparent").unwrap();
    assert!(
        sent.starts_with(&format!("00-{TRACE}-")) && sent.ends_with("-00") && !sent.contains(CALLER),
        "{sent}"
    );
    gateway.ask("/", "nobody-s", "traceparent: 00-nonsense\r\ntracestate: a=b\r\n");
    let sent = told(&server, "traceparent").unwrap();
    assert!(sent.len() == 55 && sent.ends_with("-00") && !sent.contains(TRACE), "{sent}");
    assert_eq!(told(&server, "tracestate"), None, "the state of no trace");
    gateway.ask("/", "last", &parent("01"));
    collector.request("last");
    let ids: Vec<String> =
        collector.spans().iter().filter_map(|span| attributes(span).remove("ringgate.request_id")).collect();
    assert_eq!(ids, ["recorded", "last"]);
}

#[test]
fn every_server_that_was_tried_has_a_span_of_its_own() {
    let (collector, server, absent) = (Collector::start(takes_all), anything("one"), nobody());
    let gateway = Traced::start("attempts.toml", collector.address, "", &to(&[absent, server.address()]));
    assert_eq!(gateway.ask("/", "tried", "").status, 200);
    let (own, attempts) = collector.request("tried");
    let [first, second] = &attempts[..] else { panic!("{attempts:?}") };
    let port = |span: &Span| attributes(span)["server.port"].clone();
    assert_eq!([port(first), port(second)], [absent.port().to_string(), server.address().port().to_string()]);
    assert!(first.status.is_some() && attributes(first).contains_key("error.type"), "{first:?}");
    assert!(second.status.is_none() && attributes(second)["http.request.resend_count"] == "1", "{second:?}");
    assert!(told(&server, "traceparent").unwrap().contains(&hex(&second.span_id)) && own.status.is_none());
    drop(server);
    assert_eq!(gateway.ask("/", "failed", "").status, 503);
    let (own, attempts) = collector.request("failed");
    assert!(own.status.is_some() && attempts.len() == 2, "{own:?} {attempts:?}");
}

#[test]
fn no_span_holds_what_a_request_wants_kept() {
    let (collector, server) = (Collector::start(takes_all), anything("one"));
    let gateway = Traced::start("span-secrets.toml", collector.address, "", &to(&[server.address()]));
    let fields = "Authorization: Bearer S3CRET\r\nCookie: a=S3CRET\r\nX-Api-Key: S3CRET\r\nUser-Agent: S3CRET\r\n\
                  Referer: http://S3CRET/?S3CRET\r\nBaggage: a=S3CRET\r\ntracestate: a=S3CRET\r\n";
    gateway.ask("/a/S3CRET?token=S3CRET&S3CRET", "kept", fields);
    let mut client = Client::connect(gateway.address);
    client
        .say("S3CRET /?S3CRET HTTP/1.1\r\nHost: S3CRET\r\nX-Request-Id: other\r\nConnection: close\r\n\r\n");
    client.hear();
    let mut client = Client::connect(gateway.address);
    client.say("S3CRET S3CRET S3CRET S3CRET\r\n\r\n");
    client.hear();
    let (own, _) = collector.request("kept");
    assert_eq!(attributes(&own)["url.path"], "/a/{token}");
    collector.request("other");
    until_some("three requests", || {
        (collector.spans().iter().filter(|span| span.kind() == SpanKind::Server).count() == 3).then_some(())
    });
    let batches = collector.taken.lock().unwrap();
    assert!(batches.iter().all(|batch| !String::from_utf8_lossy(batch).contains("S3CRET")));
}

/// Traffic does not notice, and what is lost is counted.
#[test]
fn a_collector_that_never_answers_costs_spans_and_nothing_else() {
    let (collector, server) = (Collector::start(|_| None), anything("one"));
    let mut gateway = Traced::start("slow.toml", collector.address, "", &to(&[server.address()]));
    let (mut client, mut asked) = (Client::connect(gateway.address), 0);
    // Two spans a request; the queue holds 16,384 requests, and a batch is on its way.
    while gateway.metric("ringgate_spans_dropped_total{reason=\"queue\"}") == 0.0 {
        for _ in 0..1000 {
            client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            assert_eq!(client.hear().status, 200);
            asked += 1;
        }
        assert!(asked < 20_000, "the queue has a bound");
    }
    assert!(asked > 16_000, "{asked}");
    assert_eq!(gateway.metric("ringgate_spans_exported_total"), 0.0);
    gateway.running.signal(Signal::TERM);
    gateway.running.line_with("the last spans are lost");
    assert_eq!(gateway.running.exit_code(), Some(0));
}

#[test]
fn a_collector_that_asks_for_patience_gets_the_batch_again_and_one_that_refuses_does_not() {
    let conduct =
        |number: usize| Some(["503 Busy", "200 OK", "400 Bad Request", "200 OK"][(number - 1).min(3)]);
    let (collector, server) = (Collector::start(conduct), anything("one"));
    let gateway = Traced::start("patience.toml", collector.address, "", &to(&[server.address()]));
    gateway.ask("/", "patient", "");
    collector.request("patient");
    gateway.ask("/", "refused", "");
    gateway.running.line_with("warning: tracing: spans are lost: the collector answers 400");
    until_some("the count", || {
        (gateway.metric("ringgate_spans_dropped_total{reason=\"refused\"}") == 2.0).then_some(())
    });
    gateway.ask("/", "taken", "");
    collector.request("taken");
    gateway.running.line_with("the collector takes spans again");
    assert_eq!(gateway.metric("ringgate_spans_exported_total"), 4.0);
}

#[test]
fn a_collector_that_is_not_there_is_said_once_and_the_end_waits_for_the_last_spans() {
    let (collector, server) = (Collector::start(takes_all), anything("one"));
    let mut gateway = Traced::start("absent.toml", nobody(), "", &to(&[server.address()]));
    assert_eq!(get(gateway.address, "/").status, 200);
    gateway.running.line_with("warning: tracing: spans are lost: the collector cannot be reached");
    assert_eq!(gateway.metric("ringgate_spans_dropped_total{reason=\"undelivered\"}"), 2.0);
    gateway.running.signal(Signal::TERM);
    assert_eq!(gateway.running.exit_code(), Some(0));
    let mut gateway = Traced::start("last.toml", collector.address, "", &to(&[server.address()]));
    gateway.ask("/", "last", "");
    gateway.running.signal(Signal::TERM);
    assert_eq!(gateway.running.exit_code(), Some(0));
    collector.request("last");
}
