//! When answers leave, on real sockets. The arithmetic has its tests beside it. Here no answer may leave before its time,
//! and what must not wait is compared with what must, or the best of many tries counts: other work of the machine delays
//! anything.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::{Client, PATIENCE, get, mock};
use ringgate_io::Rung;
use ringmock::{Kind, Mock, Options, Route};
use serde_json::Value;

const MS: Duration = Duration::from_millis(1);

/// A server with one route of that latency, and with the truth about it.
fn slow(latency: &str) -> Mock {
    let routes = vec![Route::new("/slow", &format!("latency={latency}")).unwrap()];
    Mock::start(Options { truth: 100, routes, ..Options::default() }).unwrap()
}

/// Arrival and departure in nanoseconds, in the order of departure.
fn exchanges(server: &Mock) -> Vec<(u64, u64)> {
    let instants = |line: &str| {
        let exchange: Value = serde_json::from_str(line).unwrap();
        (exchange["arrived_ns"].as_u64().unwrap(), exchange["departed_ns"].as_u64().unwrap())
    };
    get(server, "/__truth").text().lines().map(instants).collect()
}

fn ns(time: Duration) -> u64 {
    time.as_nanos() as u64
}

fn timed(mut work: impl FnMut()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

#[test]
fn a_queue_serves_all_connections_of_a_route_one_after_the_other() {
    for driver in Rung::ALL.into_iter().filter(|rung| rung.probe().is_ok()) {
        let routes = vec![Route::parse("/slow latency=fifo(20ms)").unwrap()];
        let server =
            Mock::start(Options { driver: Some(driver), truth: 9, routes, ..Options::default() }).unwrap();
        let mut clients: Vec<Client> = (0..8).map(|_| Client::connect(server.address())).collect();
        clients.iter_mut().for_each(|client| client.ask("/slow/a"));
        clients.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));

        let exchanges = exchanges(&server);
        assert_eq!(exchanges.len(), 8);
        let mut due = 0;
        for (arrived, departed) in exchanges {
            due = due.max(arrived) + ns(20 * MS);
            assert!(departed >= due, "{driver}: {} ns early", due - departed);
        }
    }
}

#[test]
fn other_routes_do_not_wait_in_a_queue() {
    let server = slow("fifo(1h)");
    Client::connect(server.address()).ask("/slow");
    assert_eq!(get(&server, "/slower").status, 200);
}

#[test]
fn departures_are_finer_than_a_millisecond() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    let took = timed(|| {
        for _ in 0..200 {
            client.get("/?latency=fixed(200us)");
        }
    });
    // A timer that rounds up to a millisecond needs 200 ms and more.
    assert!(took >= 40 * MS);
    let best = (0..200).map(|_| timed(|| drop(client.get("/?latency=fixed(200us)")))).min().unwrap();
    assert!((MS / 5..MS * 9 / 10).contains(&best), "{best:?}");
}

#[test]
fn every_latency_keeps_the_answer_back_at_least_as_long_as_it_says() {
    let server = mock(Kind::Any, "any-1");
    let mut client = Client::connect(server.address());
    for (latency, least) in [
        ("fixed(30ms)", 30 * MS),
        ("uniform(30ms,40ms)", 30 * MS),
        ("lognormal(30ms,30ms)", 29 * MS),
        ("fifo(30ms)", 30 * MS),
        ("per_request(30ms)", 30 * MS),
        ("compute(30ms)", 30 * MS),
        ("exponential(1ms)", Duration::ZERO),
        ("fifo_exp(1ms)", Duration::ZERO),
        ("none", Duration::ZERO),
    ] {
        let took = timed(|| assert_eq!(client.get(&format!("/?latency={latency}")).status, 200));
        assert!(took >= least, "{latency}: {took:?}");
    }
}

#[test]
fn a_latency_grows_with_the_requests_in_service() {
    let server = slow("per_request(40ms)");
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(server.address())).collect();
    clients.iter_mut().for_each(|client| client.ask("/slow"));
    clients.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
    let exchanges = exchanges(&server);
    for (index, (arrived, departed)) in exchanges.iter().enumerate() {
        let in_service = exchanges.iter().filter(|other| other.0 <= *arrived && other.1 > *arrived).count();
        assert!(departed - arrived >= ns(40 * MS) * in_service as u64, "{index}: {in_service} in service");
    }
    let alone = (0..20).map(|_| timed(|| drop(clients[0].get("/slow")))).min().unwrap();
    assert!(alone < 120 * MS, "those that left are still counted: {alone:?}");
}

#[test]
fn a_stall_lets_go_of_all_that_waited_at_once() {
    let server = slow("stall(0s,300ms)");
    let begin = Instant::now(); // a little after the worker's
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(server.address())).collect();
    clients.iter_mut().for_each(|client| client.ask("/slow"));
    clients.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
    assert!(begin.elapsed() >= 200 * MS);
    let exchanges = exchanges(&server);
    let last_arrival = exchanges.iter().map(|exchange| exchange.0).max();
    let first_departure = exchanges.iter().map(|exchange| exchange.1).min();
    assert!(last_arrival < first_departure, "{exchanges:?}");
    let after = (0..20).map(|_| timed(|| drop(clients[0].get("/slow")))).min().unwrap();
    assert!(after < 200 * MS, "the stall does not end: {after:?}");
}

/// Processor time that the thread of that name has had.
fn processor_time(thread: &str) -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let text = |task: &std::path::Path, file| std::fs::read_to_string(task.join(file)).unwrap_or_default();
    let task = tasks.into_iter().find(|task| text(task, "comm").trim() == thread).unwrap();
    Duration::from_nanos(text(&task, "schedstat").split(' ').next().unwrap().parse().unwrap())
}

#[test]
fn computing_takes_processor_time_and_serves_nobody_else() {
    let options = Options { name: "computer".into(), truth: 9, ..Options::default() };
    let server = Mock::start(options).unwrap();
    let (mut busy, mut other) = (Client::connect(server.address()), Client::connect(server.address()));
    busy.ask("/?latency=compute(200ms)");
    assert!(server.wait_for_requests(1, PATIENCE)); // from here on the thread computes
    other.get("/");
    assert_eq!(busy.answer().status, 200);
    let [(_, computed), (arrived, _)] = exchanges(&server)[..] else { panic!("not two exchanges") };
    assert!(arrived >= computed, "somebody was served meanwhile");
    assert!(processor_time("computer") >= 200 * MS);
}

#[test]
fn the_same_seed_makes_the_same_decisions_and_another_others() {
    let statuses = |seed: u64| -> Vec<u16> {
        let routes =
            ["status=200:1,503:1", "/other status=200:1,404:1"].map(|text| Route::parse(text).unwrap());
        let server = Mock::start(Options { seed, routes: routes.into(), ..Options::default() }).unwrap();
        let mut client = Client::connect(server.address());
        let decision = |n| {
            if n % 3 == 0 {
                client.get("/other"); // draws from a chance of its own
            }
            client.get("/").status
        };
        (0..64).map(decision).collect()
    };
    let first = statuses(7);
    assert!(first.contains(&200) && first.contains(&503), "{first:?}");
    assert_eq!(first, statuses(7));
    assert_ne!(first, statuses(8));
}
