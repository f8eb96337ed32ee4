//! The values of orders: numbers, switches, durations and calls such as `uniform(1ms, 5ms)`.

use std::borrow::Cow;
use std::time::Duration;

/// Longest duration: a mistyped one should not outlive the test.
pub(super) const MAX_DURATION: Duration = Duration::from_secs(60 * 60);
/// Longest text of one. humantime 2.4 panics on a sum of 2^64 seconds, which takes 27.
const DURATION_BYTES: usize = 20;

/// A whole number within bounds, of whatever type they fit.
pub(super) fn number<N: TryFrom<u64>>(name: &str, value: &str, least: u64, most: u64) -> Result<N, String> {
    let number = value.trim().parse().ok().filter(|number| (least..=most).contains(number));
    number
        .and_then(|number| N::try_from(number).ok())
        .ok_or_else(|| format!("`{name}={value}`: give a whole number from {least} to {most}"))
}

pub(super) fn switch(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(format!("`{name}={value}`: give 1 or 0")),
    }
}

pub(super) fn duration(name: &str, value: &str) -> Result<Duration, String> {
    let text = value.trim();
    let duration = Some(text).filter(|text| text.len() <= DURATION_BYTES);
    let duration = duration.and_then(|text| humantime::parse_duration(text).ok());
    duration.filter(|&duration| duration <= MAX_DURATION).ok_or_else(|| {
        let most = humantime::format_duration(MAX_DURATION);
        format!("`{name}={text}`: give a duration such as 250us, 20ms or 1s, at most {most}")
    })
}

/// The name and the durations of a call; a name alone is a call without any.
pub(super) fn call<'a>(name: &str, value: &'a str) -> Result<(&'a str, Vec<Duration>), String> {
    let Some((function, rest)) = value.split_once('(') else { return Ok((value, Vec::new())) };
    let arguments = rest
        .trim_end()
        .strip_suffix(')')
        .ok_or_else(|| format!("`{name}={value}`: a bracket is missing; end it with `)`"))?;
    let durations =
        arguments.split(',').map(|argument| duration(name, argument)).collect::<Result<_, _>>()?;
    Ok((function.trim_end(), durations))
}

/// Percent-encoding undone (RFC 3986 section 2.1): clients' libraries encode brackets, which need not be. What is not
/// well encoded stays as it is, and makes no sense as a value.
pub(crate) fn decoded(value: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(value).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_a_name_and_durations() {
        let milliseconds = Duration::from_millis;
        assert_eq!(call("x", "none"), Ok(("none", vec![])));
        assert_eq!(call("x", "f(1ms)"), Ok(("f", vec![milliseconds(1)])));
        assert_eq!(call("x", "f (1ms, 2s )"), Ok(("f", vec![milliseconds(1), milliseconds(2000)])));
        for bad in ["f(", "f()", "f(1ms", "f(1ms))", "f(1)", "f(1ms,)", "f(-1ms)"] {
            assert!(call("x", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_are_bounded() {
        assert_eq!(duration("x", "1h"), Ok(MAX_DURATION));
        for bad in ["", "1", "61m", "18446744073709551615s 1s", "1h 1ns"] {
            assert!(duration("x", bad).is_err(), "{bad}");
        }
    }
}
