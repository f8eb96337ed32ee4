//! The rows of several runs over time, one beside the other by their offset from each run's start.

use std::collections::BTreeMap;

use crate::Interval;

/// Rows of the longer of the two lengths: lengths are one beat times a power of two, so shorter rows fit into longer ones.
pub(super) fn sum(a: &[Interval], b: &[Interval]) -> Vec<Interval> {
    let length_ns = length(a).max(length(b)).max(1);
    let mut rows: BTreeMap<u64, Interval> = BTreeMap::new();
    for row in a.iter().chain(b) {
        let index = row.start_ns / length_ns;
        let sum = rows.entry(index).or_insert_with(|| empty(index * length_ns));
        take(sum, row);
    }
    rows.into_values().collect()
}

/// The first row is a whole one, unless it is the only one.
fn length(rows: &[Interval]) -> u64 {
    rows.first().map_or(0, |row| row.length_ns)
}

fn empty(start_ns: u64) -> Interval {
    Interval {
        start_ns,
        length_ns: 0,
        answered: 0,
        failed: 0,
        late: 0,
        response_p50_ns: None,
        response_p99_ns: None,
        response_max_ns: None,
    }
}

fn take(sum: &mut Interval, row: &Interval) {
    sum.length_ns = sum.length_ns.max(row.start_ns + row.length_ns - sum.start_ns);
    sum.answered += row.answered;
    sum.failed += row.failed;
    sum.late += row.late;
    sum.response_p50_ns = sum.response_p50_ns.max(row.response_p50_ns);
    sum.response_p99_ns = sum.response_p99_ns.max(row.response_p99_ns);
    sum.response_max_ns = sum.response_max_ns.max(row.response_max_ns);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(length_ns: u64, answered: &[u64]) -> Vec<Interval> {
        let row = |(index, &answered): (u64, &u64)| Interval {
            length_ns,
            answered,
            response_p99_ns: (answered > 0).then_some(answered),
            ..empty(index * length_ns)
        };
        (0..).zip(answered).map(row).collect()
    }

    #[test]
    fn rows_of_the_same_offset_are_added() {
        let sum = sum(&rows(10, &[1, 2, 3]), &rows(10, &[10, 20]));
        assert_eq!(sum.iter().map(|row| row.answered).collect::<Vec<_>>(), [11, 22, 3]);
        assert_eq!(sum[1].response_p99_ns, Some(20));
        assert!(sum.iter().all(|row| row.length_ns == 10));
    }

    #[test]
    fn shorter_rows_are_folded_into_longer_ones_in_any_order() {
        let (fine, coarse) = (rows(10, &[1, 2, 3, 4]), rows(20, &[10, 20]));
        let expected = [13, 27];
        for sum in [sum(&fine, &coarse), sum(&coarse, &fine)] {
            assert_eq!(sum.iter().map(|row| row.answered).collect::<Vec<_>>(), expected);
            assert_eq!(sum.iter().map(|row| row.start_ns).collect::<Vec<_>>(), [0, 20]);
        }
    }

    #[test]
    fn a_run_that_ended_early_adds_to_the_rows_it_has() {
        let mut short = rows(10, &[5]);
        short[0].length_ns = 4;
        let sum = sum(&short, &rows(10, &[1, 1]));
        assert_eq!((sum[0].answered, sum[0].length_ns, sum[1].answered), (6, 10, 1));
        assert!(super::sum(&[], &[]).is_empty());
    }
}
