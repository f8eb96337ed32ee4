//! The id that names one request in every log it passes through.

use crate::limits::REQUEST_ID_BYTES;

/// A client's id, if it can go into logs, fields and JSON as it is: 1 to 128 of `A-Z a-z 0-9 - . _ ~ : / + = @`.
pub fn acceptable(id: &[u8]) -> Option<&str> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:/+=@".contains(byte);
    let fits = !id.is_empty() && id.len() <= REQUEST_ID_BYTES && id.iter().all(is_plain);
    std::str::from_utf8(id).ok().filter(|_| fits)
}

/// Writes a new id over `id`: 128 random bits as 32 hexadecimal digits.
pub fn generate(id: &mut String, random: [u64; 2]) {
    let number = u128::from(random[0]) << 64 | u128::from(random[1]);
    let mut digits = number.to_be_bytes().map(|byte| [byte >> 4, byte & 15]);
    for digit in digits.as_flattened_mut() {
        *digit += if *digit < 10 { b'0' } else { b'a' - 10 };
    }
    id.clear();
    id.extend(std::str::from_utf8(digits.as_flattened())); // which they are
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_ids_are_taken_over() {
        assert_eq!(acceptable(b"Root=1-67891233/a"), Some("Root=1-67891233/a"));
        for bad in [&b""[..], b"a b", b"a\"b", b"a\\", b"\xc3\xa9", &[b'a'; 129]] {
            assert_eq!(acceptable(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn a_new_id_has_32_digits() {
        let mut id = String::from("old");
        generate(&mut id, [0x0123_4567_89ab_cdef, 1]);
        assert_eq!(id, "0123456789abcdef0000000000000001");
    }
}
