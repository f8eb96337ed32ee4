//! Lines in all forms, of requests whose every part is a secret.

use std::time::Instant;

use serde_json::{Value, json};

use super::*;
use crate::head::HeadScanner;
use crate::method::MethodSet;
use crate::policy::Policy;
use crate::redact::HiddenSegments;
use crate::route::Pattern;
use crate::stages::Stage;
use crate::tolerance::Tolerance;

/// Routes with these patterns, each with its parameter number 1 hidden if it is called `token`.
fn routes(patterns: &[&str]) -> Routes {
    let route = |pattern: &&str| {
        let pattern = Pattern::exact(pattern).unwrap();
        let mut hidden = HiddenSegments::NONE;
        pattern
            .parameters()
            .filter(|(_, name)| *name == "token")
            .for_each(|(place, name)| hidden.hide(place, name));
        Route {
            name: pattern.to_string().into(),
            host: None,
            pattern,
            methods: ["GET", "PURGE"].iter().fold(MethodSet::default(), |mut set, method| {
                set.insert(method);
                set
            }),
            fields: vec![],
            pool: 0,
            policy: Policy { hidden, ..Policy::default() },
        }
    };
    Routes::new(patterns.iter().map(route).collect()).unwrap()
}

/// The account of a request that took 12 ms on its way and had been connected for 2 s before.
fn stages() -> Stages {
    let (accepted, ms) = (Instant::now(), Duration::from_millis(1));
    let began = accepted + 2000 * ms;
    let mut stages = Stages::begin(Some(accepted), None, began);
    stages.enter(Stage::Queue, began + 2 * ms);
    stages.skip_to(Stage::FirstByte);
    stages.enter(Stage::Transfer, began + 12 * ms);
    stages.end(began + 12 * ms);
    stages
}

/// The line of a request through these routes.
fn line(form: Form, shape: &Shape, patterns: &[&str], request: &str) -> String {
    let (routes, stages) = (routes(patterns), stages());
    let bounds = HeadScanner::default().scan(request.as_bytes()).unwrap().unwrap();
    let bytes = &request.as_bytes()[bounds.start..bounds.end];
    let mut head = RequestHead::default();
    head.parse(bytes, Tolerance::NONE).unwrap();
    let facts = Facts {
        time: b"now",
        request_id: "id-1",
        client: "9.9.9.9",
        user: None,
        head: Some((&head, bytes)),
        routes: &routes,
        route: routes.find(&head.route_request(bytes)).ok().map(|found| &**found.route),
        pool: routes.find(&head.route_request(bytes)).ok().map(|_| "POOL"),
        server: Some("s:1"),
        attempts: 1,
        status: 200,
        source: "upstream",
        cause: None,
        bytes_sent: 300,
        body_bytes_sent: 128,
        bytes_received: 77,
        stages: &stages,
        trace: None,
        is_sampled: true,
    };
    let mut out = Vec::new();
    write(&mut out, form, shape, &facts);
    let line = String::from_utf8(out).unwrap();
    assert_eq!(line.matches('\n').count(), 1, "{line:?}");
    line.trim_end().to_owned()
}

fn get(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n")
}

fn everything() -> Shape {
    Shape {
        query: vec!["page".into()],
        fields: vec!["user-agent".into(), "referer".into()],
        sample: Some("0.01".into()),
    }
}

#[test]
fn a_json_line_says_what_there_is() {
    let fields = "User-Agent: a\"\\\x09b\r\nReferer: http://r/p?S3CRET\r\nCookie: S3CRET\r\n\
                  traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    let request = get("/a/S3CRET?page=\"2\"&key=S3CRET", fields);
    let line = line(Form::Json, &everything(), &["/a/{token}"], &request);
    let expected = json!({
        "time": "now",
        "request_id": "id-1",
        "client": "9.9.9.9",
        "method": "GET",
        "path": "/a/{token}",
        "query": "page=\"2\"&redacted",
        "route": "/a/{token}",
        "pool": "POOL",
        "server": "s:1",
        "attempts": 1,
        "status": 200,
        "source": "upstream",
        "bytes_sent": 300,
        "bytes_received": 77,
        "duration_s": 0.012,
        "stages": { "accept": 2.0, "policy": 0.002, "first_byte": 0.01 },
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "fields": { "user-agent": "a\"\\\tb", "referer": "http://r/p" },
        "sample": 0.01,
    });
    assert_eq!(serde_json::from_str::<Value>(&line).expect(&line), expected);
}

#[test]
fn by_default_a_line_says_nothing_of_queries_and_fields() {
    let request = get("/a/1?S3CRET", "User-Agent: S3CRET\r\nReferer: S3CRET\r\nAuthorization: S3CRET\r\n");
    for form in [Form::Json, Form::Combined, Form::Text] {
        let line = line(form, &Shape::default(), &["/a/{id}"], &request);
        assert!(line.contains("/a/1") && !line.contains("S3CRET"), "{line}");
    }
}

#[test]
fn a_combined_line_is_what_its_readers_expect() {
    let request = get("/a/1?page=2&x=S3CRET", "User-Agent: b \"c\"\r\nReferer: http://r/?S3CRET\r\n");
    let of = |shape| line(Form::Combined, &shape, &["/a/{id}"], &request);
    assert_eq!(
        of(everything()),
        "9.9.9.9 - - [now] \"GET /a/1?page=2&redacted HTTP/1.1\" 200 128 \"http://r/\" \"b \\x22c\\x22\""
    );
    assert_eq!(of(Shape::default()), "9.9.9.9 - - [now] \"GET /a/1 HTTP/1.1\" 200 128 \"-\" \"-\"");
}

#[test]
fn a_path_without_a_route_is_as_secret_as_the_table_does_not_know_it() {
    let patterns = ["/api/users/{id}", "/api/reset/{token}", "/{realm}/reset/x"];
    let path = |request: &str| {
        let line = line(Form::Text, &Shape::default(), &patterns, request);
        line.split(' ').nth(2).unwrap().to_owned()
    };
    for (target, shown) in [
        ("/S3CRET", "/{redacted}"),
        ("/api/S3CRET/S3CRET", "/api/{redacted}"),
        ("/api/users", "/api/users"),
        ("/api/users/S3CRET/more", "/api/users/{redacted}"),
        ("/api/reset/S3CRET", "/api/reset/{token}"),
    ] {
        assert_eq!(path(&get(target, "")), shown);
    }
    let post = |target: &str| get(target, "").replace("GET", "POST");
    assert_eq!(path(&post("/api/users/7")), "/api/users/7", "a path that has a route, but not this method");
    assert_eq!(path(&post("/api/reset/S3CRET")), "/api/reset/{token}");
    assert_eq!(path("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"), "*");
    assert_eq!(path("CONNECT S3CRET:443 HTTP/1.1\r\nHost: h\r\n\r\n"), "");
}

#[test]
fn a_method_that_a_client_made_up_is_not_repeated() {
    let method = |method: &str| {
        let request = get("/a", "").replace("GET", method);
        line(Form::Text, &Shape::default(), &["/a"], &request).split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!([method("DELETE"), method("PURGE"), method("S3CRET")], ["DELETE", "PURGE", "_OTHER"]);
}

#[test]
fn only_a_trace_id_is_taken_for_one() {
    let id = "0af7651916cd43dd8448eb211c80319c";
    for (value, is_one) in [
        (format!("00-{id}-b7ad6b7169203331-01"), true),
        (format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), false),
        (format!("00-{}-b7ad6b7169203331-01", "S".repeat(32)), false),
        (format!("00-{id}"), false),
        ("S3CRET".into(), false),
        (String::new(), false),
    ] {
        let line =
            line(Form::Json, &Shape::default(), &["/"], &get("/", &format!("traceparent: {value}\r\n")));
        assert_eq!(line.contains("trace_id"), is_one, "{line}");
    }
}

#[test]
fn long_values_are_cut() {
    let request = get("/", &format!("User-Agent: {}\r\n", "a".repeat(5000)));
    let line = line(Form::Json, &everything(), &["/"], &request);
    assert!(line.len() < 1024 + 512, "{} bytes", line.len());
}

#[test]
fn seconds_have_six_decimals() {
    for (micros, text) in
        [(0, "0.000000"), (1, "0.000001"), (1_234_567, "1.234567"), (60_000_000, "60.000000")]
    {
        let mut out = Vec::new();
        put_seconds(&mut out, Duration::from_micros(micros) + Duration::from_nanos(999));
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}
