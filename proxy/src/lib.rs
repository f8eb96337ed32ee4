//! Ringgate, an API gateway: the data plane and what starts it. The binary is a thin shell around this library.
//!
//! Read `pipeline.rs` first: it is the life of a request. `session.rs` is the life of a connection, `worker.rs` that of a
//! thread, [`gateway`] that of the whole.

pub mod apikey;
mod balance;
pub mod cli;
mod client;
pub mod config;
mod connection;
pub mod control;
pub mod counters;
#[cfg(feature = "demo")]
pub mod demo;
mod epoch;
pub mod explain;
mod gate;
pub mod gateway;
mod lease;
mod limits;
pub mod log;
mod metrics;
pub mod operator;
mod orders;
mod outlet;
mod patience;
mod pipeline;
pub mod process;
mod record;
mod relay;
mod session;
#[cfg(test)]
mod simulation;
mod spares;
pub mod standard;
mod tracing;
mod tunnel;
mod upload;
mod upstream;
mod worker;
