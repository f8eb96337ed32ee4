//! The engine: carries out a plan on threads of its own and brings home what was recorded.
//!
//! Owns: connections, pacing, and who sends what when. Refuses: to judge; it counts, and [`crate::report`] judges.
//! `run` starts the threads; on each a `shift` paces and a `worker` holds what its `client`s share, of which the
//! `dispatcher` is the part without sockets or clock.

mod client;
mod connection;
mod dispatcher;
mod idle;
mod preflight;
pub(crate) mod run;
pub(crate) mod shift;
pub(crate) mod stop;
mod worker;
