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

pub mod compare;
pub mod doctor;
mod engine;
mod error;
pub mod interchange;
mod merge;
mod page;
mod plan;
mod record;
mod report;
mod response;
mod secret;
pub mod selftest;
pub mod slo;
mod statistics;

pub use engine::run::{Glimpse, Observer, run, run_until};
pub use engine::stop::Stop;
pub use error::Error;
pub use interchange::blob::Blob;
pub use merge::merge;
pub use page::{Exhibit, page};
pub use plan::expect::{Expect, body_hash};
pub use plan::load::{Load, LoadWords};
pub use plan::scenario::{BODY_BOUND, Scenario, body_of_file, filler, token_of_variable, tokens_of_file};
pub use plan::schedule::{Profile, Schedule, Spacing};
pub use plan::target::Target;
pub use plan::units::duration;
pub use plan::{LONGEST, Plan, QUEUE_BOUND, Watched};
pub use record::census::{Census, TransportErrors};
pub use record::failures::Failure;
pub use record::recorder::{Connections, Sample, Sending};
pub use record::series::Interval;
pub use record::summary::{Reading, Summary};
pub use report::assertion::{Asserted, Assertion};
pub use report::provenance::Provenance;
pub use report::table::nanoseconds as words;
pub use report::verdict::{Limiter, Verdict};
pub use report::{
    Cost, Generator, Histograms, Latency, Report, Setting, TargetReport, Throughput, Uncounted,
};
pub use ringgate_io::Rung;
pub use secret::Secrets;
pub use statistics::Estimate;
