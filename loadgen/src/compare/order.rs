//! Which side runs when.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the two things compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Side {
    /// The first one: what the other is measured against.
    A,
    /// The second one.
    B,
}

impl Side {
    /// Both, A first.
    pub const BOTH: [Side; 2] = [Side::A, Side::B];

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::A => "A",
            Side::B => "B",
        })
    }
}

/// Which goes first in the turn of that number, from 0: ABBA BAAB BAAB ABBA ... (the Thue-Morse sequence), so that neither
/// side gains from a machine that grows slower, evenly or ever faster.
pub(crate) fn sides(turn: usize) -> [Side; 2] {
    if turn.count_ones().is_multiple_of(2) { [Side::A, Side::B] } else { [Side::B, Side::A] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_abba_baab() {
        let order: String = (0..8).flat_map(sides).map(|side| side.to_string()).collect();
        assert_eq!(order, "ABBABAABBAABABBA");
    }

    #[test]
    fn eight_turns_give_both_sides_the_same_share_of_a_drift_straight_or_bent() {
        let moments: Vec<(Side, i64)> = (0..8).flat_map(sides).zip(0..).collect();
        let sum = |side, power| -> i64 {
            moments.iter().filter(|run| run.0 == side).map(|run| run.1.pow(power)).sum()
        };
        for power in [1, 2, 3] {
            assert_eq!(sum(Side::A, power), sum(Side::B, power), "{power}");
        }
    }
}
