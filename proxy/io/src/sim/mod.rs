//! A simulated network with its own clock: the shipped code, its clients and its servers in one thread, from one seed.
//!
//! Owns: an executor that runs ready tasks in an order drawn from the seed, a clock that jumps to whatever is due next,
//! and streams with the delays, splits, refusals and resets of [`Faults`]. A seed replays exactly, so a failure found at
//! night is a test in the morning. After FoundationDB's simulation and TigerBeetle's VOPR.
//! Refuses: threads, and whatever the seam does not offer. Randomness and clocks taken from elsewhere do not replay;
//! [`Report::trace`] shows that they were.
//! Checks in every run, by a panic that names the offender: no pending receive is dropped, no stream has two of them,
//! none is without room, no closer is used after its stream, and the world never gets stuck.
//!
//! Read `world.rs` for the loop, `socket.rs` for what TCP lets be observed, `connection.rs` for the wire.

mod agenda;
mod connection;
mod faults;
mod socket;
mod stream;
mod tasks;
mod world;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::Location;
use std::time::{Duration, Instant};

pub use faults::Faults;
#[doc(hidden)]
pub use stream::Closer;
pub(crate) use stream::{Listener, Stream, connect};
use world::{Stage, World};

/// What a run came to.
#[derive(Debug)]
pub struct Outcome<T> {
    /// What the main future returned.
    pub output: T,
    /// What happened meanwhile.
    pub report: Report,
}

/// What happened in a run, up to the end of the main future.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// A digest of every event, in order and with its time: equal for equal runs.
    pub trace: u64,
    /// Virtual time that passed.
    pub elapsed: Duration,
    /// Polls of the main future and of tasks, the very last one excepted.
    pub steps: u64,
    /// Connections that a listener was given.
    pub connections_opened: u64,
    /// Those of which both streams were dropped.
    pub connections_closed: u64,
    /// Resets sent, by a stream or by the network.
    pub resets: u64,
    /// Bytes that sends took.
    pub bytes_sent: u64,
    /// Bytes that receives gave.
    pub bytes_received: u64,
    /// Streams that were not dropped, those waiting to be accepted included. More than expected is a leak.
    pub streams_open: u64,
    /// Spawned tasks that had not ended.
    pub tasks_alive: u64,
}

/// Runs the future that `start` makes, and the tasks spawned meanwhile, in a world of its own on this thread.
///
/// The main future's end is the end of the world: tasks still alive are dropped where they are, as by a power cut, with
/// no rule checked any more. The real loop would leave theirs to the kernel, so a test of shipped code asserts that
/// [`Report::tasks_alive`] is 0.
///
/// # Panics
/// If a task does; if the world gets stuck (nothing can happen any more, an hour or two million polls have passed); if
/// a rule of the seam is broken; if a simulation is running on this thread. The seed is on standard error.
#[track_caller]
pub fn run<F: Future>(seed: u64, faults: Faults, start: impl FnOnce() -> F) -> Outcome<F::Output> {
    Stage::raise(seed, faults, Location::caller()).play(start)
}

/// Listens in the simulated network; port 0 picks a free one. Several listeners at one address share its connections by
/// chance, as with SO_REUSEPORT. A dropped listener resets the connections that wait for it, and its address can be
/// listened on again: a server that was killed and restarted.
///
/// # Panics
/// Outside of a simulation.
pub fn listen(address: SocketAddr) -> crate::Listener {
    crate::Listener::simulated(Listener::open(World::current(), address))
}

/// As [`Stream::connect`](crate::Stream::connect), by a client of that address, which the server sees as its peer.
///
/// # Errors
/// As the kernel's: refused, timed out.
///
/// # Panics
/// Outside of a simulation.
pub async fn connect_from(client: IpAddr, server: SocketAddr) -> io::Result<crate::Stream> {
    stream::connect_from(client, server).await.map(crate::Stream::simulated)
}

/// Changes what may go wrong from now on: a storm that passes. Connections keep their capacity.
///
/// # Panics
/// Outside of a simulation.
pub fn set_faults(faults: Faults) {
    World::current().set_faults(faults);
}

/// Virtual time since the run began.
///
/// # Panics
/// Outside of a simulation.
pub fn elapsed() -> Duration {
    World::current().agenda.elapsed()
}

/// Whether a simulation is running on this thread.
pub(crate) fn is_running() -> bool {
    World::is_running()
}

pub(crate) fn now() -> Option<Instant> {
    World::running().map(|world| world.now())
}

pub(crate) async fn sleep(duration: Duration) {
    World::current().sleep(duration).await;
}

#[track_caller]
pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
    let world = World::current();
    if !world.is_ending() {
        world.tasks.spawn(task, Location::caller());
    }
}
