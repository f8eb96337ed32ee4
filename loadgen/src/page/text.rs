//! Numbers in words.

use crate::{Reading, Summary, words};

/// What is not known.
pub(super) const UNKNOWN: &str = "n/a";

/// A length of time that may be nothing.
pub(super) fn length(ns: u64) -> String {
    if ns == 0 { "none".to_owned() } else { words(ns) }
}

pub(super) fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

pub(super) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

pub(super) fn rate(value: Option<f64>) -> String {
    value.map_or(UNKNOWN.to_owned(), |value| grouped(value.round() as u64))
}

/// `12 345`: with a space that does not break.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|part| str::from_utf8(part).ok()).collect();
    groups.join("\u{202f}")
}

/// The part in per cent, if there is one.
pub(super) fn share(part: u64, of: u64) -> Option<String> {
    (part > 0).then(|| format!("{:.2} %", 100.0 * part as f64 / of.max(1) as f64))
}

pub(super) fn reading(summary: &Summary, name: &str) -> String {
    match summary.reading(name) {
        Some(Reading::Exact(value)) => words(value),
        Some(Reading::AtLeast(value)) => format!("≥ {}", words(value)),
        _ => UNKNOWN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]
        );
    }

    #[test]
    fn failures_are_told_with_their_share() {
        assert_eq!(share(0, 100), None);
        assert_eq!(share(1, 200).as_deref(), Some("0.50 %"));
        assert_eq!(share(1, 0).as_deref(), Some("100.00 %"));
    }
}
