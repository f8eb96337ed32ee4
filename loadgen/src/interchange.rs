//! Files by which other programs read what was measured here, and this one reads theirs.

pub(crate) mod accounts;
pub mod blob;
pub mod hgrm;
pub mod hlog;
pub mod import;
pub mod run;
pub mod save;
