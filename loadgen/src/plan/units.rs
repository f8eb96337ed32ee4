//! Durations as people write them.

use std::time::Duration;

/// A whole or decimal number and a unit: `250us`, `1.5s`, `2m`.
///
/// # Errors
/// What to write instead.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => {
            return Err(format!(
                "`{text}` is no duration: write a number and a unit of us, ms, s, m or h, such as 1.5s"
            ));
        }
    };
    let number: f64 = number.trim().parse().map_err(|_| format!("`{number}` is not a number"))?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| format!("`{text}`: {error}"))
}

/// Nanoseconds of an offset: as a duration, and a number alone is seconds.
pub(crate) fn offset(text: &str) -> Result<u64, String> {
    let duration = match split(text) {
        (number, "") => duration(&format!("{number}s")),
        _ => duration(text),
    };
    let nanoseconds = duration.ok().and_then(|duration| u64::try_from(duration.as_nanos()).ok());
    nanoseconds.ok_or_else(|| {
        format!("`{text}` is no offset; write seconds, such as 1.25, or a unit, such as 1250ms")
    })
}

fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["10", "s", "-1s", "1d", "", "nans", "infs", "1e400s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn offsets_are_exact_to_the_nanosecond_over_a_month() {
        assert_eq!(offset("2591999.123456789"), Ok(2_591_999_123_456_789));
        assert_eq!(offset("1250ms"), offset("1.25"));
        assert!(offset("1e9").is_err() && offset("-0.1").is_err() && offset("").is_err());
    }
}
