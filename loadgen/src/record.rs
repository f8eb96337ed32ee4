//! What is counted and measured while a run goes on, and what may be said of it.

pub(crate) mod account;
pub(crate) mod beat;
pub(crate) mod census;
pub(crate) mod cpu;
pub(crate) mod exchange;
pub(crate) mod failures;
pub(crate) mod kin;
pub(crate) mod recorder;
pub(crate) mod series;
pub(crate) mod summary;
