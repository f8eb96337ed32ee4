//! The bytes of bodies: a pattern that anyone can generate again from any offset, and a hash to compare bodies by.

/// Fills `bytes` with the pattern as it is at `offset`, so that a receiver can check a body piece by piece.
///
/// Every eight bytes are a different number, so lost, repeated, swapped or shifted pieces show.
pub fn pattern(offset: u64, bytes: &mut [u8]) {
    let first = (8 - (offset % 8) as usize).min(bytes.len()) % 8; // up to the next whole word
    let (head, words) = bytes.split_at_mut(first);
    let word = offset / 8;
    let start = (offset % 8) as usize;
    head.copy_from_slice(&mixed(word)[start..start + first]);
    let word = word + u64::from(start > 0);
    for (word, bytes) in (word..).zip(words.chunks_mut(8)) {
        bytes.copy_from_slice(&mixed(word)[..bytes.len()]);
    }
}

/// The finisher of splitmix64: neighbouring numbers come out unlike each other.
pub(crate) fn mixed(word: u64) -> [u8; 8] {
    let mut z = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)).to_le_bytes()
}

/// The hash by which [`Received`](crate::Received) knows a body: FNV-1a, 64 bits. Tells accidents apart, not forgeries.
pub fn hash(body: &[u8]) -> u64 {
    let mut digest = Digest::default();
    digest.update(body);
    digest.hash
}

/// Length and hash of a body that passes by in pieces. Byte by byte, so the pieces may be cut anywhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Digest {
    pub(crate) bytes: u64,
    pub(crate) hash: u64,
}

impl Default for Digest {
    fn default() -> Self {
        Digest { bytes: 0, hash: 0xcbf2_9ce4_8422_2325 }
    }
}

impl Digest {
    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.hash = piece
            .iter()
            .fold(self.hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_is_the_same_from_every_offset_and_in_every_length() {
        let mut whole = [0; 64];
        pattern(0, &mut whole);
        for start in 0..whole.len() {
            for end in start..=whole.len() {
                let mut part = vec![0; end - start];
                pattern(start as u64, &mut part);
                assert_eq!(part, whole[start..end], "{start}..{end}");
            }
        }
    }

    #[test]
    fn the_pattern_does_not_repeat_within_sight() {
        let mut bytes = vec![0; 1 << 16];
        pattern(0, &mut bytes);
        let mut words: Vec<_> = bytes.chunks(8).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), bytes.len() / 8);
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8); // from the authors' test vectors
    }

    #[test]
    fn the_hash_of_pieces_is_the_hash_of_the_whole() {
        let mut digest = Digest::default();
        digest.update(b"foo");
        digest.update(b"bar");
        assert_eq!((digest.bytes, digest.hash), (6, hash(b"foobar")));
    }
}
