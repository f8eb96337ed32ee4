//! `[rate_limits]`: how often one may ask.
//!
//! Owns: reading them, and that a limit goes on with its counts where the configuration before had one of its name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use ringgate_core::access::{Exempt, LIMITS, LimitFields, Part, RateLimit};
use ringgate_core::chunked::is_token;
use ringgate_core::limit::{Begins, Bucket, COUNT, Limiter, Measure, PERIOD, Quota, RATE};
use toml::Spanned;

use super::codes::Mistake;
use super::diagnostic::Problem;
use super::file::{self, Text};
use super::settings::check_name;
use crate::epoch;

/// Keys that a limit remembers unless told otherwise: with 64 bytes each, 4 MiB.
const KEYS: usize = 65_536;
/// The most it may remember: a gigabyte.
const MOST_KEYS: usize = 1 << 24;
/// Wrong credentials from one address: somebody who mistypes makes three, a broken client one a second.
const FAILURES: Bucket = Bucket { count: 60, period: Duration::from_secs(60), burst: 60 };
/// What the limit on them is called, which nobody is told.
const FAILURES_NAME: &str = "auth_failures";

/// All limits, by name.
pub(super) type Limits = BTreeMap<String, Arc<RateLimit>>;

/// What the configuration before had.
pub(super) type Earlier<'a> = &'a [Arc<RateLimit>];

pub(super) fn read(
    written: &BTreeMap<Text, file::RateLimit>,
    earlier: Earlier<'_>,
) -> Result<Limits, Problem> {
    written.iter().map(|(name, limit)| Ok((name.get_ref().to_string(), one(name, limit, earlier)?))).collect()
}

fn one(name: &Text, written: &file::RateLimit, earlier: Earlier<'_>) -> Result<Arc<RateLimit>, Problem> {
    check_name(name)?;
    if !name.get_ref().is_ascii() {
        return Err(Problem::at(Mistake::BadName, name.span(), "clients are told this name, in a field")
            .help("write it in ASCII"));
    }
    let keys = written
        .keys
        .as_ref()
        .map_or(Ok(KEYS), |keys| within(keys, MOST_KEYS as u64).map(|keys| keys as usize))?;
    let limiter = limiter(name.get_ref(), measure(name, written)?, keys, earlier);
    let by = written.by.as_ref().map_or_else(|| Ok(vec![Part::User]), parts)?;
    let refuses = choice(written.when_full.as_ref(), &["allow", "refuse"])? == 1;
    let hasher = hasher(name.get_ref(), earlier);
    Ok(Arc::new(RateLimit::new(name.get_ref(), limiter, by, exempt(&written.exempt), !refuses, hasher)))
}

fn measure(name: &Text, written: &file::RateLimit) -> Result<Measure, Problem> {
    match (&written.rate, &written.quota) {
        (Some(rate), None) => {
            if let Some(window) = &written.window {
                return Err(Problem::at(
                    Mistake::RateWithWindow,
                    window.span(),
                    "a token bucket has no windows",
                )
                .help("leave `window` out, or write `quota` instead of `rate`"));
            }
            let (count, period) = steady(rate)?;
            let burst = written.burst.as_ref().map_or(Ok(count), |burst| within(burst, COUNT))?;
            Ok(Measure::Bucket(Bucket { count, period, burst }))
        }
        (None, Some(quota)) => {
            if let Some(burst) = &written.burst {
                return Err(Problem::at(
                    Mistake::QuotaWithBurst,
                    burst.span(),
                    "a quota has no burst: all of it may come at once",
                )
                .help("leave `burst` out, or write `rate` instead of `quota`"));
            }
            let (count, window) = per(quota)?;
            let begins = match choice(written.window.as_ref(), &["first-request", "clock"])? {
                0 => Begins::AtFirstRequest,
                _ => Begins::ByTheClock { start: epoch::unix() },
            };
            Ok(Measure::Quota(Quota { count, window, begins }))
        }
        (Some(rate), Some(quota)) => Err(Problem::at(
            Mistake::RateAndQuota,
            quota.span(),
            "a limit has either `rate` or `quota`, not both",
        )
        .and_at(rate.span(), "the other one")
        .help("declare two limits, and let the policy name both")),
        (None, None) => Err(Problem::at(
            Mistake::NoRate,
            name.span(),
            format!("the limit `{name}` does not say how often"),
        )
        .help(
            "add `quota = \"100/1m\"` for so many in each minute, or `rate = \"10/1s\"` for a steady stream",
        )),
    }
}

/// A limit goes on with its counts.
fn limiter(name: &str, measure: Measure, keys: usize, earlier: Earlier<'_>) -> Limiter {
    match earlier.iter().find(|limit| *limit.name == *name) {
        Some(earlier) => Limiter::after(measure, keys, &earlier.limiter, epoch::since()),
        None => Limiter::new(measure, keys),
    }
}

fn hasher(name: &str, earlier: Earlier<'_>) -> RandomState {
    earlier
        .iter()
        .find(|limit| *limit.name == *name)
        .map_or_else(RandomState::new, |limit| limit.hasher.clone())
}

/// The limit on wrong credentials from one address.
pub(super) fn failures(
    written: Option<&Text>,
    earlier: Option<&Arc<RateLimit>>,
) -> Result<Option<Arc<RateLimit>>, Problem> {
    let bucket = match written {
        None => FAILURES,
        Some(none) if **none.get_ref() == *"none" => return Ok(None),
        Some(written) => {
            let (count, period) = steady(written)?;
            Bucket { count, period, burst: count }
        }
    };
    let earlier = earlier.map_or(&[][..], std::slice::from_ref);
    let limiter = limiter(FAILURES_NAME, Measure::Bucket(bucket), KEYS, earlier);
    let hasher = hasher(FAILURES_NAME, earlier);
    let limit = RateLimit::new(FAILURES_NAME, limiter, vec![Part::Address], Exempt::default(), true, hasher);
    Ok(Some(Arc::new(limit)))
}

/// The limits that a policy names.
pub(super) fn named(written: &[Text], limits: &Limits) -> Result<Vec<Arc<RateLimit>>, Problem> {
    if let Some(beyond) = written.get(LIMITS) {
        return Err(Problem::at(Mistake::TooManyLimits, beyond.span(), "this policy has too many limits")
            .help(format!("name at most {LIMITS}: each request is charged to all of them")));
    }
    let find = |name: &Text| {
        limits.get(&**name.get_ref()).cloned().ok_or_else(|| {
            Problem::at(Mistake::UnknownRateLimit, name.span(), format!("there is no limit `{name}`"))
                .suggest(name.get_ref(), limits.keys().map(String::as_str))
                .help(format!(
                    "declare it under `[rate_limits.{name}]`, with `quota = \"100/1m\"` for example"
                ))
        })
    };
    written.iter().map(find).collect()
}

/// Which fields tell clients.
pub(super) fn fields(written: Option<&Spanned<Vec<Text>>>) -> Result<LimitFields, Problem> {
    let Some(written) = written else { return Ok(LimitFields::default()) };
    let mut fields = LimitFields { standard: false, customary: false };
    for name in written.get_ref() {
        match choice(Some(name), &["ratelimit", "x-ratelimit"])? {
            0 => fields.standard = true,
            _ => fields.customary = true,
        }
    }
    Ok(fields)
}

/// `100/1m`, `100/m`, `5/s`.
fn per(written: &Text) -> Result<(u64, Duration), Problem> {
    let bad = || {
        Problem::at(
            Mistake::BadRate,
            written.span(),
            format!("`{written}` is not a number of requests and a time"),
        )
        .help("write it as in `100/1m`, `5/s` or `1000/30s`")
    };
    let (count, period) = written.get_ref().split_once('/').ok_or_else(bad)?;
    let (count, period) = (count.trim(), period.trim());
    let count: u64 = count.parse().map_err(|_| bad())?;
    let period = if period.starts_with(|c: char| c.is_ascii_digit()) {
        period.to_owned()
    } else {
        format!("1{period}")
    };
    let period =
        Some(period).filter(|text| text.len() <= 24).and_then(|text| humantime::parse_duration(&text).ok());
    let period = period.ok_or_else(bad)?;
    match (1..=COUNT).contains(&count) && (Duration::from_millis(1)..=PERIOD).contains(&period) {
        true => Ok((count, period)),
        false => Err(out_of_bounds(written)),
    }
}

/// The same for what comes back steadily, which a bucket counts in parts.
fn steady(written: &Text) -> Result<(u64, Duration), Problem> {
    let (count, period) = per(written)?;
    match u128::from(count) * 1_000_000_000 <= u128::from(RATE) * period.as_nanos() {
        true => Ok((count, period)),
        false => Err(out_of_bounds(written)),
    }
}

fn out_of_bounds(written: &Text) -> Problem {
    Problem::at(Mistake::RateOutOfBounds, written.span(), format!("`{written}` is out of range")).help(
        format!(
            "write 1 to {COUNT} requests, in 1 ms to 31 days, and at most a million a second that come back"
        ),
    )
}

/// A number from 1 on.
pub(super) fn within(written: &Spanned<i64>, most: u64) -> Result<u64, Problem> {
    u64::try_from(*written.get_ref()).ok().filter(|number| (1..=most).contains(number)).ok_or_else(|| {
        Problem::at(Mistake::CountOutOfBounds, written.span(), format!("`{written}` is out of range"))
            .help(format!("write a number from 1 to {most}"))
    })
}

/// The place of a word among those that can stand there; the first one if there is none.
pub(super) fn choice(written: Option<&Text>, words: &[&str]) -> Result<usize, Problem> {
    let Some(written) = written else { return Ok(0) };
    words.iter().position(|word| **word == **written.get_ref()).ok_or_else(|| {
        let known = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
        Problem::at(Mistake::UnknownChoice, written.span(), format!("`{written}` cannot stand here"))
            .suggest(written.get_ref(), words.iter().copied())
            .help(format!("write {known}"))
    })
}

fn parts(written: &Spanned<Vec<Text>>) -> Result<Vec<Part>, Problem> {
    written.get_ref().iter().map(part).collect()
}

fn part(written: &Text) -> Result<Part, Problem> {
    let word = written.get_ref();
    Ok(match &**word {
        "user" => Part::User,
        "address" => Part::Address,
        "route" => Part::Route,
        "host" => Part::Host,
        other => {
            match other.strip_prefix("header.").filter(|name| !name.is_empty() && name.bytes().all(is_token))
            {
                Some(name) => Part::Field(name.to_ascii_lowercase().into()),
                None => {
                    return Err(Problem::at(
                        Mistake::UnknownLimitKey,
                        written.span(),
                        format!("counts cannot be kept apart by `{written}`"),
                    )
                    .suggest(word, ["user", "address", "route", "host"])
                    .help("write `user`, `address`, `route`, `host` or `header.NAME`"));
                }
            }
        }
    })
}

fn exempt(written: &[Text]) -> Exempt {
    let mut exempt = Exempt::default();
    for text in written {
        let text = text.get_ref();
        let network =
            text.parse().ok().or_else(|| text.parse().ok().map(|address: std::net::IpAddr| address.into()));
        match network {
            Some(network) => exempt.networks.push(network),
            None => exempt.users.push((**text).into()),
        }
    }
    exempt
}
