//! Files by which other programs read what was measured here, and this one reads theirs.

pub(crate) mod blob;
