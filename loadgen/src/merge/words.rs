//! Texts of several runs in one: in a fixed order, so that it does not matter who was added first.

use std::collections::{BTreeMap, BTreeSet};

const AND: &str = " + ";
const TIMES: &str = " x ";

/// Each text once.
pub(super) fn distinct(a: &str, b: &str) -> String {
    let texts: BTreeSet<&str> = a.split(AND).chain(b.split(AND)).collect();
    texts.into_iter().collect::<Vec<_>>().join(AND)
}

/// Each text with how often it came: `2 x open loop at 500 requests/s`.
pub(super) fn counted(a: &str, b: &str) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (count, text) in a.split(AND).chain(b.split(AND)).map(count) {
        let sum = counts.entry(text).or_default();
        *sum = sum.saturating_add(count); // a text of somebody else's may say any number
    }
    let parts = counts.into_iter().map(|(text, count)| match count {
        1 => text.to_owned(),
        _ => format!("{count}{TIMES}{text}"),
    });
    parts.collect::<Vec<_>>().join(AND)
}

fn count(text: &str) -> (u64, &str) {
    let counted = text.split_once(TIMES).and_then(|(count, text)| Some((count.parse().ok()?, text)));
    counted.unwrap_or((1, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_counted_and_sums_of_sums_are_sums() {
        assert_eq!(counted("b", "a"), "a + b");
        assert_eq!(counted(&counted("a", "b"), "a"), "2 x a + b");
        assert_eq!(counted("a", &counted("b", "a")), "2 x a + b");
        assert_eq!(counted("2 x a", "3 x a"), "5 x a");
        assert_eq!(counted("18446744073709551615 x a", "3 x a"), "18446744073709551615 x a");
    }

    #[test]
    fn texts_that_need_no_count_stand_once() {
        assert_eq!(distinct(&distinct("b", "a"), "b"), "a + b");
    }
}
