//! Lines of the access log.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ringgate_core::head::RequestHead;
use ringgate_core::logline::{self, Facts, Form, Shape};
use ringgate_core::stages::{Stage, Stages};
use ringgate_core::tolerance::Tolerance;

use crate::Case;
use crate::messages::{Message, browser, plain};
use crate::routing;

/// Writing the line of a request that went well, on a kept connection.
pub(crate) fn cases() -> Vec<Case> {
    let all = || Shape {
        query: vec!["page".into()],
        fields: vec!["user-agent".into(), "referer".into()],
        sample: None,
    };
    vec![
        Case::new("write log line/plain", || write(plain(), Form::Json, Shape::default())),
        Case::new("write log line/browser", || write(browser(), Form::Json, Shape::default())),
        Case::new("write log line/browser, with all", move || write(browser(), Form::Json, all())),
        Case::new("write log line/browser, combined", move || write(browser(), Form::Combined, all())),
    ]
}

fn write(message: Message, form: Form, shape: Shape) -> impl FnMut() -> usize {
    let (routes, stages) = (routing::prefixes_and("/api/v1", 10), stages());
    let mut head = RequestHead::default();
    head.parse(&message.request, Tolerance::NONE).expect("a request");
    let mut out = Vec::new();
    move || {
        out.clear();
        let route = routes.all().last().map(|route| &**route); // `/api/v1`
        let facts = Facts {
            time: b"2026-11-22T18:00:00.123Z",
            request_id: "0123456789abcdef0123456789abcdef",
            client: "192.0.2.1",
            user: None,
            head: Some((&head, &message.request)),
            routes: &routes,
            route,
            pool: Some("pool"),
            server: Some("127.0.0.1:3000"),
            attempts: 1,
            status: 200,
            source: "upstream",
            cause: None,
            bytes_sent: 301,
            body_bytes_sent: 128,
            bytes_received: message.request.len() as u64,
            stages: &stages,
            trace: None,
            is_sampled: false,
        };
        logline::write(&mut out, form, &shape, black_box(&facts));
        out.len()
    }
}

/// The account of a request that took half a millisecond.
fn stages() -> Stages {
    let (began, us) = (Instant::now(), Duration::from_micros(1));
    let mut stages = Stages::begin(None, None, began);
    stages.enter(Stage::FirstByte, began + 4 * us);
    stages.enter(Stage::Transfer, began + 480 * us);
    stages.end(began + 512 * us);
    stages
}
