//! The three ways to give orders: standing ones at the start, a field of a request, and an endpoint at run time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::{Answer, Client, get, ordered, pattern};
use ringmock::{Mock, Options, Route};

fn administered(workers: usize) -> Vec<Mock> {
    Mock::start_workers(&Options { admin: true, ..Options::default() }, workers).unwrap()
}

fn call(client: &mut Client, method: &str, target: &str, body: &str) -> Answer {
    let length = body.len();
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"));
    client.answer()
}

fn get_with(client: &mut Client, target: &str, field: &str) -> Answer {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n"));
    client.answer()
}

#[test]
fn the_longest_prefix_decides_and_the_others_are_not_heard() {
    let server = ordered(&["status=404; bytes=1", "/a status=503", "/a/b bytes=5"]);
    for (target, status, bytes) in
        [("/x", 404, Some(1)), ("/a", 503, None), ("/ab", 404, Some(1)), ("/a/b/c", 200, Some(5))]
    {
        let answer = get(&server, target);
        assert_eq!(answer.status, status, "{target}");
        assert!(bytes.is_none_or(|bytes| answer.body == pattern(bytes)), "{target}");
    }
}

#[test]
fn a_request_says_more_than_its_route_and_its_field_the_last_word() {
    let server = ordered(&["status=503; bytes=1"]);
    let mut client = Client::connect(server.address());
    for (target, field, status, bytes) in [
        ("/", "x-y: z", 503, 1),
        ("/?bytes=2", "x-y: z", 503, 2),
        ("/?bytes=2", "X-Mock: bytes=3; status=201", 201, 3),
        ("/?page=2", "x-mock: bytes=4\r\nx-mock: status=202", 202, 4),
    ] {
        let answer = get_with(&mut client, target, field);
        assert_eq!((answer.status, answer.body), (status, pattern(bytes)), "{target} {field}");
    }
    assert_eq!(client.get("/").status, 503, "an order of a request is for that request");
}

#[test]
fn a_field_that_makes_no_sense_is_explained() {
    let server = ordered(&[]);
    let mut client = Client::connect(server.address());
    for (field, reason) in
        [("statsu=503", "did you mean `status`?"), ("latency=fifo", "fifo(D)"), ("=", "there is no order")]
    {
        let answer = get_with(&mut client, "/", &format!("x-mock: {field}"));
        assert_eq!(answer.status, 400, "{field}");
        assert!(answer.text().contains(reason), "{field}: {}", answer.text());
    }
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn an_answer_made_ready_in_advance_can_be_late() {
    let routes = vec![Route::parse("latency=fixed(20ms)").unwrap()];
    let options = Options { body_bytes: Some(128), routes, ..Options::default() };
    let server = Mock::start(options).unwrap();
    let begin = Instant::now();
    assert_eq!(get(&server, "/").body, pattern(128));
    assert!(begin.elapsed() >= Duration::from_millis(20));
}

#[test]
fn orders_change_at_run_time_for_all_workers() {
    let workers = administered(2);
    let mut admin = Client::connect(workers[0].address());
    assert_eq!(call(&mut admin, "GET", "/__behaviour", "").text().trim_end(), "/");

    let shown = call(&mut admin, "PUT", "/__behaviour?prefix=/slow", "status=503; bytes=7");
    assert_eq!((shown.status, shown.text().trim_end()), (200, "/slow status=503; bytes=7\n/"));
    for _ in 0..16 {
        let answer = get(&workers[0], "/slow/x"); // of either worker
        assert_eq!((answer.status, answer.body), (503, pattern(7)));
    }
    assert_eq!(get(&workers[0], "/").status, 200);

    call(&mut admin, "PUT", "/__behaviour?prefix=/slow", "status=504");
    call(&mut admin, "PUT", "/__behaviour", "status=404");
    assert_eq!((get(&workers[0], "/slow").status, get(&workers[0], "/").status), (504, 404));

    call(&mut admin, "DELETE", "/__behaviour?prefix=%2Fslow", "");
    assert_eq!(get(&workers[0], "/slow").status, 404);
    assert_eq!(call(&mut admin, "DELETE", "/__behaviour", "").text().trim_end(), "/");
    assert_eq!(get(&workers[0], "/").status, 200);
}

#[test]
fn a_stall_ordered_at_run_time_begins_with_the_order() {
    let workers = administered(1);
    let mut admin = Client::connect(workers[0].address());
    std::thread::sleep(Duration::from_millis(150)); // a stall of the worker's first moments would be over
    let begin = Instant::now();
    call(&mut admin, "PUT", "/__behaviour?prefix=/stalled", "latency=stall(0s,150ms)");
    get(&workers[0], "/stalled");
    assert!(begin.elapsed() >= Duration::from_millis(150));
}

#[test]
fn no_order_holds_for_the_endpoint_that_takes_it_back() {
    let workers = administered(1);
    let mut admin = Client::connect(workers[0].address());
    for fault in ["unread", "reset_before", "garbage"] {
        assert_eq!(call(&mut admin, "PUT", "/__behaviour", &format!("fault={fault}")).status, 200);
        let mut later = Client::connect(workers[0].address());
        assert_eq!(call(&mut later, "DELETE", "/__behaviour", "").status, 200, "{fault}");
        assert_eq!(get(&workers[0], "/").status, 200, "{fault}");
    }
    assert_eq!(workers[0].requests(), 3, "the endpoint's own are not counted");
}

#[test]
fn the_endpoint_explains_what_makes_no_sense_and_changes_nothing() {
    let workers = administered(1);
    let mut admin = Client::connect(workers[0].address());
    let long = "status=200;".repeat(10_000);
    for (method, target, body, reason) in [
        ("PUT", "/__behaviour", "statsu=503", "did you mean `status`?"),
        ("PUT", "/__behaviour?prefix=slow", "status=503", "begin it with `/`"),
        ("PUT", "/__behaviour", long.as_str(), "no text of at most 65536 bytes"),
        ("POST", "/__behaviour", "status=503", "GET, PUT or DELETE"),
    ] {
        let answer = call(&mut admin, method, target, body);
        assert_eq!(answer.status, 400, "{method} {target}");
        assert!(answer.text().contains(reason), "{}", answer.text());
    }
    assert_eq!(call(&mut admin, "GET", "/__behaviour", "").text().trim_end(), "/");
}

#[test]
fn the_endpoints_are_closed_unless_they_were_opened() {
    let server = ordered(&[]);
    let mut client = Client::connect(server.address());
    for (target, option) in [("/__behaviour", "--admin"), ("/__truth", "--truth N")] {
        let answer = call(&mut client, "DELETE", target, "");
        assert_eq!(answer.status, 404);
        assert!(answer.text().contains(option), "{}", answer.text());
    }
    assert_eq!(client.get("/__elsewhere").status, 200);
}
