//! Text that nobody may see.

use std::fmt;

use serde::{Serialize, Serializer};

/// A secret: shown to nobody, in whatever way somebody tries to show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Makes it one.
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// What it is, for comparing it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(a secret)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(a secret)")
    }
}
