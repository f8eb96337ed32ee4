//! Random numbers that belong to a request: pure functions of the seed and the request's number, so that they are the same
//! however many threads share the run.

/// The golden ratio in 64 bits: the increment of splitmix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Number `number` of the sequence splitmix64 makes from `seed` (Steele, Lea, Flood, 2014), without its predecessors.
pub(crate) fn scramble(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(STEP));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A random number brought into `0..total`.
pub(crate) fn scale(random: u64, total: u64) -> u64 {
    ((u128::from(random) * u128::from(total)) >> 64) as u64
}

/// What one request draws.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw {
    pub(crate) seed: u64,
    /// The request's number in the run.
    pub(crate) number: u64,
}

impl Draw {
    /// A number below `total`, the same for the same `place` of the request.
    pub(crate) fn below(self, total: u64, place: usize) -> u64 {
        // Inverting the seed keeps these apart from the numbers that decide the mix.
        scale(scramble(scramble(!self.seed, self.number), place as u64), total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_splitmix64() {
        // First outputs for seed 1234567, from the reference implementation by Vigna.
        let expected = [6457827717110365317, 3203168211198807973, 9817491932198370423];
        assert_eq!([0, 1, 2].map(|number| scramble(1_234_567, number)), expected);
    }

    #[test]
    fn drawn_numbers_are_even_and_differ_from_place_to_place() {
        let draw = |number| Draw { seed: 7, number };
        let mut counts = [0_u32; 10];
        for number in 0..100_000 {
            counts[draw(number).below(10, 0) as usize] += 1;
        }
        assert!(counts.iter().all(|count| count.abs_diff(10_000) < 400), "{counts:?}"); // four standard deviations
        let same = (0..1000).filter(|&number| draw(number).below(10, 0) == draw(number).below(10, 1)).count();
        assert!(same.abs_diff(100) < 40, "{same}");
        assert_eq!(draw(5).below(1, 0), 0);
    }
}
