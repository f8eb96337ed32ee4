//! A load generator that keeps its own accounts.
//!
//! Owns: runs. A [`Plan`] goes in, a [`Report`] comes out: the clocks of every request, an exact census of what became of
//! every planned request, the generator's own cost, and a verdict on whether the numbers may be believed.
//! Refuses: TLS and HTTP/2 for now, and everything that would flatter: it invents no samples and drops none.
//! Assumes: the system calls of [`ringgate_io`]; shares no protocol code with the gateway it measures.
//!
//! ```no_run
//! use std::time::Duration;
//! use ringload::{Load, Plan, Schedule, Target};
//!
//! let target = Target::get("http://127.0.0.1:8080/hello")?;
//! let load = Load::Open { schedule: Schedule::constant(1000)? };
//! let report = ringload::run(&Plan { duration: Duration::from_secs(3), ..Plan::new([target], load) })?;
//! println!("{report}");
//! # Ok::<(), ringload::Error>(())
//! ```
//!
//! # How a request is counted
//! A request is *planned* (by the schedule; in a closed loop by a connection that is free), then *sent*, then settled in
//! exactly one place of the [`Census`]. The response time runs from the planned instant. Requests that timed out or were
//! still unanswered at the end have no response time; they are kept as lower bounds in a record of their own, beside the
//! samples and never among them, and a quantile that they could move is reported as "at least". Requests that failed in
//! transport or were shed are counted and have no time.

// What a program needs that runs a load and reads what came of it.
pub use engine::run::{Glimpse, Observer, run, run_until};
pub use engine::stop::Stop;
pub use error::Error;
pub use plan::{Load, Plan, Schedule, Target};
pub use report::{Report, Verdict};
pub use ringgate_io::Rung;

// The parts of both, by name.
pub mod plan;
pub mod report;

// What the command line adds to a run.
pub mod compare;
pub mod doctor;
pub mod interchange;
pub mod merge;
pub mod page;
pub mod selftest;
pub mod slo;

mod engine;
mod error;
mod record;
mod response;
mod secret;
mod statistics;

pub(crate) use plan::scenario::BODY_BOUND;
pub(crate) use plan::{Expect, LONGEST, LoadWords, Profile, Spacing, Watched, duration};
pub(crate) use report::{
    Blob, Census, Histograms, Interval, Limiter, Provenance, Reading, Setting, Summary, Uncounted, words,
};
