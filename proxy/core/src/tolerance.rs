//! Which spellings of a request are taken although two servers may read them differently: strict is the default, and each
//! strictness that real clients trip over has a name by which it can be switched off.

/// A set of them, empty by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tolerance {
    /// `;` in a path. Some services cut `;x=1` off a segment: they see another path than the one that was routed.
    pub path_parameters: bool,
    /// Escapes of control characters in a path (`%01` to `%1F`, `%7F`). Services that decode them may end a path, a line of
    /// their log or a command there. `%00` is never taken.
    pub encoded_controls: bool,
    /// Bytes outside ASCII in path and query, if they are UTF-8: forwarded in escapes, as they should have been sent.
    pub raw_utf8: bool,
}

impl Tolerance {
    /// Nothing is tolerated.
    pub const NONE: Tolerance =
        Tolerance { path_parameters: false, encoded_controls: false, raw_utf8: false };
    /// Everything that can be.
    pub const ALL: Tolerance = Tolerance { path_parameters: true, encoded_controls: true, raw_utf8: true };
    /// The names of all switches.
    pub const NAMES: [&str; 3] = ["path-parameters", "encoded-controls", "raw-utf8"];

    /// Adds the one of that name; `None` if there is none.
    #[must_use]
    pub fn with(self, name: &str) -> Option<Tolerance> {
        match name {
            "path-parameters" => Some(Tolerance { path_parameters: true, ..self }),
            "encoded-controls" => Some(Tolerance { encoded_controls: true, ..self }),
            "raw-utf8" => Some(Tolerance { raw_utf8: true, ..self }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_together_are_everything() {
        let all = Tolerance::NAMES.iter().try_fold(Tolerance::NONE, |set, name| set.with(name));
        assert_eq!(all, Some(Tolerance::ALL));
        assert_eq!(Tolerance::NONE.with("everything"), None);
    }
}
