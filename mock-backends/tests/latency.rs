//! When answers leave, on real sockets. The arithmetic has its tests beside it; here the bounds are generous above and
//! exact below: no answer may leave before its time.

mod common;

use std::time::{Duration, Instant};

use common::{Client, PATIENCE, get, mock, ordered};
use ringgate_io::Rung;
use ringmock::{Kind, Mock, Options, Route};

const MS: Duration = Duration::from_millis(1);
/// What a machine that is busy with other things may add to the sum of many pauses.
const SLACK: Duration = Duration::from_secs(2);

fn timed(mut work: impl FnMut()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

#[test]
fn a_queue_serves_all_connections_of_a_route_one_after_the_other() {
    for driver in Rung::ALL.into_iter().filter(|rung| rung.probe().is_ok()) {
        let routes = vec![Route::parse("/slow latency=fifo(20ms)").unwrap()];
        let server = Mock::start(Options { driver: Some(driver), routes, ..Options::default() }).unwrap();
        let mut clients: Vec<Client> = (0..8).map(|_| Client::connect(server.address())).collect();
        let took = timed(|| {
            clients.iter_mut().for_each(|client| client.ask("/slow/a"));
            let quick = timed(|| assert_eq!(get(&server, "/quick").status, 200));
            assert!(quick < 160 * MS, "another route waits in the queue of this one: {quick:?}");
            clients.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
        });
        assert!((160 * MS..160 * MS + SLACK).contains(&took), "{driver}: {took:?}");
    }
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
        assert!((least..least + SLACK).contains(&took), "{latency}: {took:?}");
    }
}

#[test]
fn a_latency_grows_with_the_requests_in_service() {
    let server = ordered(&["/busy latency=per_request(40ms)"]);
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(server.address())).collect();
    let took = timed(|| {
        clients.iter_mut().for_each(|client| client.ask("/busy"));
        clients.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
    });
    assert!(took >= 120 * MS, "{took:?}");
    let alone = timed(|| drop(clients[0].get("/busy")));
    assert!(alone < 120 * MS, "those that left are still counted: {alone:?}");
}

#[test]
fn a_stall_lets_go_of_all_that_waited_at_once() {
    let server = ordered(&["/stalled latency=stall(0s,300ms)"]);
    let begin = Instant::now();
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(server.address())).collect();
    clients.iter_mut().for_each(|client| client.ask("/stalled"));
    assert!(
        get(&server, "/").status == 200 && begin.elapsed() < 300 * MS,
        "the other routes are answered meanwhile"
    );
    let departures: Vec<Duration> = clients
        .iter_mut()
        .map(|client| {
            client.answer();
            begin.elapsed()
        })
        .collect();
    assert!(departures[0] >= 200 * MS, "{departures:?}"); // the worker began a little before
    assert!(departures[3] - departures[0] < 100 * MS, "{departures:?}");
    assert!(timed(|| drop(clients[0].get("/stalled"))) < 200 * MS);
}

#[test]
fn computing_costs_the_thread_processor_time() {
    let server = mock(Kind::Any, "any-1");
    let (mut busy, mut other) = (Client::connect(server.address()), Client::connect(server.address()));
    other.get("/");
    busy.ask("/?latency=compute(200ms)");
    assert!(server.wait_for_requests(2, PATIENCE)); // from here on the thread computes
    let waited = timed(|| drop(other.get("/")));
    assert!(waited >= 100 * MS, "somebody was served meanwhile: {waited:?}");
    assert_eq!(busy.answer().status, 200);
}

#[test]
fn the_same_seed_makes_the_same_decisions_and_another_others() {
    let statuses = |seed: u64| -> Vec<u16> {
        let routes = vec![
            Route::parse("status=200:1,503:1").unwrap(),
            Route::parse("/other status=200:1,404:1").unwrap(),
        ];
        let server = Mock::start(Options { seed, routes, ..Options::default() }).unwrap();
        let mut client = Client::connect(server.address());
        (0..64)
            .map(|n| {
                if n % 3 == seed % 3 {
                    client.get("/other"); // draws from a chance of its own
                }
                client.get("/").status
            })
            .collect()
    };
    let first = statuses(7);
    assert!(first.contains(&200) && first.contains(&503), "{first:?}");
    assert_eq!(first, statuses(7));
    assert_ne!(first, statuses(8));
}
