//! How often the core asks for memory while it serves a request, once its buffers have grown to their size.

#![allow(clippy::unwrap_used, reason = "in a test a panic is how a failure is told")]

use allocation_counter::measure;
use ringgate_benches::{Case, Exchange, MISS, Message, browser, cases, crowded, plain};
use ringgate_core::head::Fields;
use ringgate_core::method::{Method, MethodSet};
use ringgate_core::policy::Policy;
use ringgate_core::route::{Pattern, Request, Route, Routes};

/// Allocations of a request whose likes have been served before on its connection.
fn allocations(message: Message) -> u64 {
    let mut exchange = Exchange::new(message);
    let mut serve = || (exchange.ask().len(), exchange.answer().len());
    serve();
    measure(|| _ = serve()).count_total
}

fn asking_for(target: &str) -> Message {
    let request = format!("GET {target} HTTP/1.1\r\nHost: www.example.com\r\n\r\n");
    Message { request: request.into(), ..plain() }
}

#[test]
fn a_request_allocates_nothing() {
    for message in [plain(), browser(), crowded()] {
        assert_eq!(allocations(message.clone()), 0, "{}", String::from_utf8_lossy(&message.request));
    }
}

#[test]
fn a_path_that_is_not_in_normal_form_is_decoded_and_written_anew() {
    assert_eq!(allocations(asking_for("/api/v1/caf%c3%a9/../%61")), 2);
    assert_eq!(allocations(asking_for("/api/v1/caf%C3%A9?q=%c3")), 2, "though it is its own normal form");
}

#[test]
fn no_step_allocates() {
    // The smaller tables tell the same as the largest, and who verifies a signature asks for memory.
    let is_quickly_made = |case: &Case| !case.name.contains("100000") && !case.name.starts_with(MISS);
    for case in cases().into_iter().filter(is_quickly_made) {
        let mut work = case.prepare();
        work();
        let allocations = measure(|| _ = work()).count_total;
        assert_eq!(allocations, 0, "{}", case.name);
    }
}

fn route(host: Option<&str>, path: &str) -> Route {
    Route {
        name: path.into(),
        host: host.map(Into::into),
        pattern: Pattern::exact(path).unwrap(),
        methods: MethodSet::any(),
        fields: Vec::new(),
        pool: 0,
        policy: Policy::default(),
    }
}

#[test]
fn a_look_up_allocates_where_text_stands_beside_a_parameter_or_a_host_has_capitals() {
    let routes = vec![route(Some("a.example"), "/users/me"), route(Some("a.example"), "/teams/{id}")];
    let apart = Routes::new(routes.clone()).unwrap();
    let beside = Routes::new([routes, vec![route(Some("a.example"), "/users/{id}")]].concat()).unwrap();
    for (routes, authority, path, expected) in [
        (&apart, "a.example:80", "/users/me", 0),
        (&apart, "a.example:80", "/teams/17", 0),
        (&apart, "A.example", "/teams/17", 1),
        (&beside, "a.example", "/users/17", 0),
        (&beside, "a.example", "/users/me", 1), // matchit notes where to come back to
    ] {
        let fields = Fields::default();
        let request = Request { authority: Some(authority.as_bytes()), path, method: Method::Get, fields };
        let allocations = measure(|| assert!(routes.find(&request).is_ok())).count_total;
        assert_eq!(allocations, expected, "{authority} {path}");
    }
}
