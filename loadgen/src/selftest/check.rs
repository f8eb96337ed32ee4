//! One expectation: what was expected, what was seen, how far they may differ.
//!
//! Owns: the difference between accounts, which hold on any machine, and times, which a noisy machine spoils.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde::Serialize;

use crate::record::recorder;
use crate::record::summary::Summary;
use crate::report::table;

/// One expectation and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub what: String,
    /// What it should be.
    pub expected: String,
    /// How far it may differ.
    pub tolerance: String,
    /// What it was.
    pub seen: String,
    /// Whether it was within the tolerance.
    pub holds: bool,
    /// An account, not a time: no noise excuses it.
    pub is_exact: bool,
}

impl Check {
    /// An account that holds on any machine.
    pub(super) fn equal(what: &str, seen: impl Display, expected: impl Display) -> Check {
        let (seen, expected) = (seen.to_string(), expected.to_string());
        let holds = seen == expected;
        Check {
            what: what.to_owned(),
            expected,
            tolerance: "exactly".to_owned(),
            seen,
            holds,
            is_exact: true,
        }
    }

    /// What is exact only where nobody disturbs.
    pub(super) fn equal_if_quiet(what: &str, seen: impl Display, expected: impl Display) -> Check {
        Check { is_exact: false, ..Check::equal(what, seen, expected) }
    }

    pub(super) fn count(what: &str, seen: u64, expected: u64, tolerance: u64) -> Check {
        Check {
            what: what.to_owned(),
            expected: expected.to_string(),
            tolerance: format!("+-{tolerance}"),
            seen: seen.to_string(),
            holds: seen.abs_diff(expected) <= tolerance,
            is_exact: false,
        }
    }

    /// A time; one that cannot be told does not hold.
    pub(super) fn within(
        what: &str,
        seen: Option<Duration>,
        expected: Duration,
        tolerance: Duration,
    ) -> Check {
        Check {
            what: what.to_owned(),
            expected: words(expected),
            tolerance: format!("+-{}", words(tolerance)),
            seen: seen.map_or("n/a".to_owned(), words),
            holds: seen.is_some_and(|seen| seen.abs_diff(expected) <= tolerance),
            is_exact: false,
        }
    }

    pub(super) fn below(what: &str, seen: Option<Duration>, limit: Duration) -> Check {
        Check {
            what: what.to_owned(),
            expected: words(limit),
            tolerance: "at most".to_owned(),
            seen: seen.map_or("n/a".to_owned(), words),
            holds: seen.is_some_and(|seen| seen <= limit),
            is_exact: false,
        }
    }
}

/// The reading of that name, if there are samples enough.
pub(super) fn reading(summary: &Summary, name: &str) -> Option<Duration> {
    summary.reading(name)?.nanoseconds().map(Duration::from_nanos)
}

fn words(duration: Duration) -> String {
    table::nanoseconds(recorder::nanoseconds(duration))
}

impl Display for Check {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let outcome = if self.holds { "pass" } else { "FAIL" };
        write!(
            f,
            "{outcome}  {:<38} {:>14} {:<12} seen {}",
            self.what, self.expected, self.tolerance, self.seen
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn tolerances_include_their_ends() {
        let within = |seen| Check::within("x", Some(seen * MS), 10 * MS, 2 * MS).holds;
        assert_eq!([7, 8, 10, 12, 13].map(within), [false, true, true, true, false]);
        assert_eq!([298, 302, 303].map(|seen| Check::count("x", seen, 300, 2).holds), [true, true, false]);
        assert!(Check::below("x", Some(MS), MS).holds && !Check::below("x", Some(2 * MS), MS).holds);
    }

    #[test]
    fn what_cannot_be_told_does_not_hold() {
        assert!(!Check::within("x", None, MS, MS).holds && !Check::below("x", None, MS).holds);
    }

    #[test]
    fn only_accounts_are_exact() {
        assert!(Check::equal("x", 1, 1).is_exact && Check::equal("x", 1, 1).holds);
        assert!(!Check::equal("x", 1, 2).holds);
        assert!(!Check::equal_if_quiet("x", 1, 2).is_exact && !Check::count("x", 1, 1, 0).is_exact);
    }
}
