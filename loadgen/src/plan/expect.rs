//! What an answer has to be, to count as a success.

use std::ops::RangeInclusive;
use std::str::FromStr;

use xxhash_rust::xxh3::xxh3_64;

use crate::record::census::Outcome;
use crate::response::Answer;

/// What counts as a success: the status, and if asked for the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    statuses: Vec<RangeInclusive<u16>>,
    body_bytes: Option<u64>,
    body_hash: Option<u64>,
}

impl Expect {
    /// Whether `status` is expected.
    pub fn contains(&self, status: u16) -> bool {
        self.statuses.iter().any(|range| range.contains(&status))
    }

    /// The same, and the body has so many bytes, its framing not counted.
    pub fn body_bytes(self, count: u64) -> Expect {
        Expect { body_bytes: Some(count), ..self }
    }

    /// The same, and this is the XXH3 (64 bits) of the body.
    pub fn body_hash(self, hash: u64) -> Expect {
        Expect { body_hash: Some(hash), ..self }
    }

    /// The same, and this is the body.
    pub fn body(self, body: &[u8]) -> Expect {
        self.body_bytes(body.len() as u64).body_hash(xxh3_64(body))
    }

    /// Whether bodies have to be hashed.
    pub(crate) fn needs_hash(&self) -> bool {
        self.body_hash.is_some()
    }

    /// What an answer whose body had this hash amounts to. One of an unexpected status may have any body.
    pub(crate) fn judge(&self, answer: &Answer, hash: Option<u64>) -> Outcome {
        match () {
            () if !self.contains(answer.status) => Outcome::BadStatus,
            () if self.body_bytes.is_some_and(|count| count != answer.body_bytes) => Outcome::InvalidBody,
            () if self.body_hash.is_some() && self.body_hash != hash => Outcome::InvalidBody,
            () => Outcome::Ok,
        }
    }

    /// In words, what an answer that was not expected should have been.
    pub(crate) fn complaint(&self, answer: &Answer, hash: Option<u64>) -> String {
        match (self.body_bytes, self.body_hash) {
            _ if !self.contains(answer.status) => format!("status {} was not expected", answer.status),
            (Some(count), _) if count != answer.body_bytes => {
                format!("a body of {} bytes, where {count} were expected", answer.body_bytes)
            }
            (_, Some(expected)) if hash != self.body_hash => {
                format!("the body's XXH3 is {:016x}, where {expected:016x} was expected", hash.unwrap_or(0))
            }
            _ => "bytes after the end of the announced body".to_owned(),
        }
    }
}

impl Default for Expect {
    /// Any status of success, whatever the body.
    fn default() -> Self {
        Expect { statuses: vec![200..=299], body_bytes: None, body_hash: None }
    }
}

impl FromStr for Expect {
    type Err = String;

    /// `200`, `2xx`, or several separated by commas.
    fn from_str(list: &str) -> Result<Expect, String> {
        let statuses = list.split(',').map(|item| status_range(item.trim())).collect::<Result<_, _>>()?;
        Ok(Expect { statuses, ..Expect::default() })
    }
}

fn status_range(item: &str) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = match item.strip_suffix("xx") {
        Some(class) => (format!("{class}00"), format!("{class}99")),
        None => (item.to_owned(), item.to_owned()),
    };
    match (first.parse(), last.parse()) {
        (Ok(first @ 200..=599), Ok(last)) if !item.starts_with('+') => Ok(first..=last),
        _ => Err(format!("`{item}` is no final status; write for example 200,204 or 2xx")),
    }
}

/// An XXH3 of 64 bits, in 16 hexadecimal digits.
///
/// # Errors
/// What to write instead.
pub fn body_hash(text: &str) -> Result<u64, String> {
    let hash = u64::from_str_radix(text, 16).ok();
    let hash = hash.filter(|_| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hash.ok_or_else(|| {
        format!("`{text}` is no XXH3 of 64 bits; write its 16 hexadecimal digits (`xxhsum -H3` prints them)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_statuses_are_codes_and_classes() {
        let expect: Expect = "204, 3xx".parse().unwrap();
        let met: Vec<u16> =
            [200, 204, 299, 300, 399, 400].into_iter().filter(|&s| expect.contains(s)).collect();
        assert_eq!(met, [204, 300, 399]);
        for wrong in ["", "2x", "100", "1xx", "+xx", "2000", "200,", "600", "6xx", "+200"] {
            assert!(wrong.parse::<Expect>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_answer_is_judged_by_status_then_length_then_hash() {
        let answer = |status, body_bytes| Answer {
            status,
            body_bytes,
            received_bytes: 0,
            keep_alive: true,
            server_time: None,
        };
        let expect = Expect::default().body(b"hello");
        let hash = Some(xxh3_64(b"hello"));
        for (status, body_bytes, hash, outcome, complaint) in [
            (200, 5, hash, Outcome::Ok, ""),
            (500, 5, hash, Outcome::BadStatus, "status 500"),
            (200, 6, hash, Outcome::InvalidBody, "6 bytes, where 5"),
            (200, 5, Some(1), Outcome::InvalidBody, "0000000000000001, where 9555e8555c62dcfd"),
        ] {
            let answer = answer(status, body_bytes);
            assert_eq!(expect.judge(&answer, hash), outcome);
            assert!(expect.complaint(&answer, hash).contains(complaint));
        }
        assert_eq!(Expect::default().judge(&answer(204, 77), None), Outcome::Ok);
    }

    #[test]
    fn hashes_are_written_as_other_tools_print_them() {
        assert_eq!(body_hash("9555e8555c62dcfd"), Ok(xxh3_64(b"hello")));
        for wrong in ["", "1", "0x9555e8555c62dcf", "+555e8555c62dcfd", "9555e8555c62dcfg"] {
            assert!(body_hash(wrong).is_err(), "{wrong}");
        }
    }
}
