//! How often the core asks for memory while it serves a request, once its buffers have grown to their size.

use allocation_counter::measure;
use ringgate_benches::{Case, Exchange, Message, browser, cases, crowded, plain};

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
    let is_quickly_made = |case: &Case| !case.name.contains("100000"); // the smaller tables tell the same
    for case in cases().into_iter().filter(is_quickly_made) {
        let mut work = case.prepare();
        work();
        let allocations = measure(|| _ = work()).count_total;
        assert_eq!(allocations, 0, "{}", case.name);
    }
}
