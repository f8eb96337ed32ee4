//! The runtime seam: everything Ringgate needs of an operating system's network and clock, and nothing more.
//!
//! Owns: sockets ([`Listener`], [`Stream`]), time ([`now`], [`sleep`], [`Deadlines`], [`Pacer`]), tasks ([`spawn`],
//! [`race`], [`join`]), wake-ups from other threads ([`Wake`]), randomness ([`random()`]), pinning ([`cpu`]) and the
//! ladder of drivers ([`Rung`]).
//! Refuses: to resolve names, to speak TLS or HTTP, to hand out the runtime's own types.
//! Assumes: one thread runs one event loop, started by [`run`] (the operating system) or by `sim::run` (feature `sim`:
//! a seeded network with its own clock); nothing made on a loop leaves its thread.
//!
//! The same calls work on either side: code above the seam cannot tell which it runs on, so what is simulated is what
//! ships. Without the feature the simulated half does not exist and every `match` on it has one arm.

mod buffer;
pub mod cpu;
mod deadline;
mod driver;
mod kernel;
mod net;
mod random;
#[cfg(feature = "sim")]
pub mod sim;
mod task;
mod time;
mod wake;

pub use buffer::Buffer;
pub use deadline::{Armed, Deadlines, Idle, TICK, Watch};
pub use driver::{Rung, run};
pub use net::{Arrival, Closer, Listener, Side, Stream, bind, bind_beside};
pub use random::random;
pub use task::{Either, join, race, spawn};
pub use time::{Pacer, now, sleep, wall};
pub use wake::{Wake, Waker};
