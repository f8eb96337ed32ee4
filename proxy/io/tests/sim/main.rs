//! Tests of the simulated network, and what they share.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod kernel;
mod network;
mod rules;

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use ringgate_io::sim::{self, Faults};
use ringgate_io::{Buffer, Listener, Stream, join};

const MILLISECOND: Duration = Duration::from_millis(1);

fn server() -> SocketAddr {
    "10.0.0.1:80".parse().unwrap()
}

async fn accept(listener: &Listener) -> Stream {
    loop {
        match listener.try_accept() {
            Ok(arrival) => return arrival.into_stream().unwrap(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => listener.readable().await.unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
}

async fn pair(listener: &Listener) -> (Stream, Stream) {
    let (client, server) = join(Stream::connect(listener.local_addr().unwrap()), accept(listener)).await;
    (client.unwrap(), server)
}

async fn simulated_pair() -> (Stream, Stream) {
    pair(&sim::listen(server())).await
}

async fn receive(stream: &Stream) -> io::Result<Vec<u8>> {
    let mut buffer = Buffer::with_capacity(64);
    stream.recv(&mut buffer).await?;
    Ok(buffer.data().to_vec())
}

async fn receive_to_end(stream: &Stream) -> io::Result<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        match receive(stream).await? {
            bytes if bytes.is_empty() => return Ok(whole),
            bytes => whole.extend(bytes),
        }
    }
}

/// Rough, but nothing breaks.
fn slow() -> Faults {
    Faults { reset: 0.0, refuse: 0.0, ignore: 0.0, ..Faults::rough() }
}

/// The message with which a run fails.
fn failure<F: Future>(seed: u64, faults: Faults, start: impl FnOnce() -> F) -> String {
    let panicked = catch_unwind(AssertUnwindSafe(|| drop(sim::run(seed, faults, start)))).unwrap_err();
    match panicked.downcast::<String>() {
        Ok(message) => *message,
        Err(other) => other.downcast_ref::<&str>().unwrap().to_string(),
    }
}
