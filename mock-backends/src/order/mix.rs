//! A choice by weights: one value always, or several drawn from.

use crate::random::Random;

use super::value::number;

/// Largest weight: as fine as anybody's percentages, and no sum of them overflows.
const MAX_WEIGHT: u64 = 1_000_000;

/// Values and how often each is drawn; at least one of them has a weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mix<T> {
    choices: Vec<(T, u64)>,
}

impl<T: Copy> Mix<T> {
    /// Always the same.
    pub(crate) fn always(value: T) -> Mix<T> {
        Mix { choices: vec![(value, 1)] }
    }

    /// Reads `value`, or `value:weight,value:weight`, each value by `read`.
    pub(super) fn parse(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Mix<T>, String> {
        let Some(_) = text.find(':') else { return read(text).map(Mix::always) };
        let choices = text.split(',').map(|choice| weighted(choice, &read)).collect::<Result<Vec<_>, _>>()?;
        match choices.iter().any(|&(_, weight)| weight > 0) {
            true => Ok(Mix { choices }),
            false => Err(format!("`{text}`: every weight is 0; give at least one of them more")),
        }
    }

    /// One of the values. Chance is asked only where there is a choice.
    pub(crate) fn draw(&self, random: &Random) -> T {
        let [(first, _), others @ ..] = &self.choices[..] else { unreachable!("a mix is never empty") };
        if others.is_empty() {
            return *first;
        }
        let mut left = random.below(self.choices.iter().map(|(_, weight)| weight).sum());
        for &(value, weight) in &self.choices {
            match left.checked_sub(weight) {
                None => return value,
                Some(rest) => left = rest,
            }
        }
        *first
    }
}

fn weighted<T>(choice: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<(T, u64), String> {
    let (value, weight) = choice
        .split_once(':')
        .ok_or_else(|| format!("`{choice}` has no weight; write `value:weight,value:weight`"))?;
    Ok((read(value.trim())?, number(value.trim(), weight, 0, MAX_WEIGHT)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(text: &str) -> Result<Mix<u16>, String> {
        Mix::parse(text, |value| number("status", value, 200, 599))
    }

    #[test]
    fn values_come_as_often_as_their_weights_say() {
        let (mix, random) = (mix("200:90, 503:10, 404:0").unwrap(), Random::new(1));
        let drawn: Vec<u16> = (0..10_000).map(|_| mix.draw(&random)).collect();
        let failed = drawn.iter().filter(|&&status| status == 503).count();
        assert!((900..1100).contains(&failed), "{failed}");
        assert!(!drawn.contains(&404));
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let mix = mix("200:1,201:1,202:1").unwrap();
        let drawn = |seed| {
            let random = Random::new(seed);
            (0..100).map(|_| mix.draw(&random)).collect::<Vec<_>>()
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    #[test]
    fn mixes_that_make_no_sense_are_refused() {
        for (text, reason) in [
            ("200:95,503", "`503` has no weight"),
            ("200:0,503:0", "every weight is 0"),
            ("200:-1", "`200=-1`: give a whole number from 0"),
            ("", "`status=`: give"),
        ] {
            assert!(mix(text).is_err_and(|error| error.contains(reason)), "{text}: {:?}", mix(text));
        }
    }
}
