//! The server on a simulated loop, where time passes only when nothing else can happen.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ringgate_io::sim::{self, Faults};
use ringgate_io::{Buffer, Stream, sleep, spawn};
use ringmock::{Options, Route, Server, serve_on};

const ADDRESS: &str = "10.0.0.1:80";
const CLIENTS: usize = 5;

/// Sends one request; when its answer is here.
async fn ask(address: SocketAddr) -> Duration {
    let stream = Stream::connect(address).await.unwrap();
    stream.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut buffer = Buffer::with_capacity(4096);
    while stream.recv(&mut buffer).await.unwrap() > 0 {}
    assert!(buffer.data().starts_with(b"HTTP/1.1 200 "));
    sim::elapsed()
}

#[test]
fn a_queue_paces_departures_by_the_simulated_clock() {
    let outcome = sim::run(1, Faults::none(), || async {
        let routes = vec![Route::parse("latency=fifo(2ms)").unwrap()];
        let server = Server::new(&Options { routes, ..Options::default() }).unwrap();
        let address: SocketAddr = ADDRESS.parse().unwrap();
        let answered = Rc::new(RefCell::new(Vec::new()));
        let clients = async {
            for _ in 0..CLIENTS {
                let answered = answered.clone();
                spawn(async move {
                    let at = ask(address).await;
                    answered.borrow_mut().push(at);
                });
            }
            while answered.borrow().len() < CLIENTS {
                sleep(Duration::from_millis(1)).await;
            }
        };
        serve_on(sim::listen(address), server, clients).await;
        answered.take()
    });
    assert_eq!(outcome.report.tasks_alive, 0);
    let first = outcome.output[0];
    let expect: Vec<Duration> = (0..CLIENTS as u32).map(|n| first + Duration::from_millis(2) * n).collect();
    assert_eq!(outcome.output, expect);
}
