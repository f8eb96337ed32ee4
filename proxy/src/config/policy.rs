//! Timeouts, limits and upgrades: what holds for everything, and what a route has of its own.
//!
//! Refuses: a value without a bound that it has to have, and upgrades to a protocol whose requests nobody would check.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;
use ringgate_core::chunked::is_token;
use ringgate_core::policy::{Policy, Timeouts};
use ringgate_core::route::Pattern;
use ringgate_core::snapshot::{Clients, Kept};
use toml::Spanned;

use super::codes::{Lint, Mistake};
use super::diagnostic::Problem;
use super::file::{self, RouteLimits, RouteTimeouts, Size, Text};
use super::log;
use super::words::Bytes;

/// How long a timeout may be. The clock of the event loop counts milliseconds; a day is longer than any request, and sums
/// with a point in time stay far from overflow.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);
/// Bytes of a duration: "1 minute 30 seconds" fits. humantime 2.4 panics on a sum of 2^64 seconds, which takes 27.
const DURATION_BYTES: usize = 24;
/// Connections of a kind: more than a machine has memory for.
const CONNECTIONS: RangeInclusive<usize> = 1..=10_000_000;
/// Bytes of a body: none at all, up to what TOML can say as a number.
const BODY: RangeInclusive<u64> = 0..=i64::MAX as u64;
/// Bytes a second: more is no slow client.
const RATE: RangeInclusive<u64> = 1..=1 << 30;
/// Protocols a route may upgrade to: each request that wants to is compared with all of them.
const UPGRADES: usize = 16;
/// What a value without a bound is called.
const NONE: &str = "none";

/// What holds where a route does not say otherwise.
pub(super) struct Defaults {
    pub(super) clients: Clients,
    pub(super) kept: Kept,
    pub(super) policy: Policy,
}

/// Reads what the file says of everything.
pub(super) fn defaults(file: &file::File) -> Result<Defaults, Problem> {
    let file::File { timeouts, limits, .. } = file;
    let server_timing = file.server_timing.unwrap_or(false);
    let (clients, kept) = (Clients::default(), Kept::default());
    let policy = Policy { server_timing, ..Policy::default() };
    Ok(Defaults {
        clients: Clients {
            head_timeout: timeout(&timeouts.head, clients.head_timeout)?,
            idle_timeout: timeout(&timeouts.idle, clients.idle_timeout)?,
            drain_timeout: timeout(&timeouts.drain, clients.drain_timeout)?,
            connections: limits
                .connections
                .as_ref()
                .map(|written| connections(written, "as many as descriptors allow"))
                .transpose()?,
            ..clients
        },
        kept: Kept {
            idle: timeout(&timeouts.upstream_idle, kept.idle)?,
            age: timeout(&timeouts.upstream_age, kept.age)?,
        },
        policy: read(&timeouts.of_routes(), &limits.of_routes(), &policy)?,
    })
}

/// Reads what a route has of its own.
pub(super) fn of_route(route: &file::Route, pattern: &Pattern, defaults: &Policy) -> Result<Policy, Problem> {
    let upgrades = route.upgrade.as_ref().map_or(Ok(Vec::new()), upgrades)?;
    let hidden = log::hidden(pattern, &route.redact)?;
    let server_timing = route.server_timing.unwrap_or(defaults.server_timing);
    Ok(Policy { upgrades, hidden, server_timing, ..read(&route.timeouts, &route.limits, defaults)? })
}

fn read(timeouts: &RouteTimeouts, limits: &RouteLimits, defaults: &Policy) -> Result<Policy, Problem> {
    let unlimited =
        |size: Option<Option<u64>>, default, none| size.map_or(default, |size| size.unwrap_or(none));
    let body = limits.body.as_ref().map(|written| size(written, &BODY)).transpose()?;
    let rate = limits.rate.as_ref().map(|written| size(written, &RATE)).transpose()?;
    let default = &defaults.timeouts;
    Ok(Policy {
        timeouts: Timeouts {
            connect: timeout(&timeouts.connect, default.connect)?,
            response: timeout(&timeouts.response, default.response)?,
            stall: timeout(&timeouts.stall, default.stall)?,
            total: total(&timeouts.total, default.total)?,
            tunnel: timeout(&timeouts.tunnel, default.tunnel)?,
        },
        body_bytes: unlimited(body, defaults.body_bytes, u64::MAX),
        client_rate: unlimited(rate, defaults.client_rate, 0),
        ..defaults.clone()
    })
}

/// A warning if a timeout stands beside a `total` that always ends first. A route that says only `total` has no need to
/// shorten the others.
pub(super) fn ineffective(timeouts: &RouteTimeouts) -> Option<Problem> {
    let total = timeouts.total.as_ref()?;
    let limit = duration(total)?;
    let steps = [&timeouts.connect, &timeouts.response, &timeouts.stall];
    let longer = steps.into_iter().flatten().find(|step| duration(step) > Some(limit))?;
    Some(
        Problem::at(
            Lint::IneffectiveTimeout,
            longer.span(),
            format!("this timeout never comes to bear: `total` ends after {total}"),
        )
        .and_at(total.span(), "ends first")
        .help("let `total` be the longer one, or leave this one out"),
    )
}

fn total(written: &Option<Text>, default: Option<Duration>) -> Result<Option<Duration>, Problem> {
    match written {
        None => Ok(default),
        Some(written) if **written.get_ref() == *NONE => Ok(None),
        Some(_) => timeout(written, Duration::ZERO).map(Some),
    }
}

pub(super) fn timeout(written: &Option<Text>, default: Duration) -> Result<Duration, Problem> {
    let bounds = format!("from `1ms` up to `1day`; only `total` may be `{NONE}`");
    duration_within(written, default, &TIMEOUTS, &bounds)
}

/// A duration within `range`; `bounds` says in words which one that is.
pub(super) fn duration_within(
    written: &Option<Text>,
    default: Duration,
    range: &RangeInclusive<Duration>,
    bounds: &str,
) -> Result<Duration, Problem> {
    let Some(written) = written else { return Ok(default) };
    match duration(written) {
        Some(duration) if range.contains(&duration) => Ok(duration),
        Some(_) => Err(Problem::at(
            Mistake::TimeoutOutOfBounds,
            written.span(),
            format!("`{written}` is no time to wait for"),
        )
        .help(format!("this timeout is {bounds}"))),
        None => {
            Err(Problem::at(Mistake::BadDuration, written.span(), format!("`{written}` is not a duration"))
                .help("write a number with its unit, as in `250ms`, `10s` or `1m30s`"))
        }
    }
}

/// A duration, if it is one.
pub(super) fn duration(written: &Text) -> Option<Duration> {
    let text = Some(written.get_ref()).filter(|text| text.len() <= DURATION_BYTES)?;
    humantime::parse_duration(text).ok()
}

/// A number of connections; `default` says what there is without it.
pub(super) fn connections(written: &Spanned<i64>, default: &str) -> Result<usize, Problem> {
    let connections = usize::try_from(*written.get_ref()).ok();
    connections.filter(|connections| CONNECTIONS.contains(connections)).ok_or_else(|| {
        let (fewest, most) = (CONNECTIONS.start(), CONNECTIONS.end());
        Problem::at(
            Mistake::ConnectionsOutOfBounds,
            written.span(),
            format!("there cannot be {written} connections"),
        )
        .help(format!("write a number from {fewest} to {most}, or leave it out for {default}"))
    })
}

/// Bytes, or `None` for any number of them.
fn size(written: &Size, range: &RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
    let bytes = match written.get_ref() {
        Bytes::Text(text) if **text == *NONE => return Ok(None),
        Bytes::Text(text) => text.parse().ok().map(|ByteSize(bytes)| bytes),
        Bytes::Number(bytes) => Some(u64::try_from(*bytes).unwrap_or(u64::MAX)),
    };
    let bad = |code: Mistake, what: &str, help: &str| {
        Err(Problem::at(code, written.span(), format!("`{written}` {what}"))
            .help(format!("{help}, or \"{NONE}\"")))
    };
    match bytes {
        Some(bytes) if range.contains(&bytes) => Ok(Some(bytes)),
        Some(_) => bad(
            Mistake::SizeOutOfBounds,
            "is out of range",
            &format!("write a number of bytes from {} to {}", range.start(), range.end()),
        ),
        None => bad(
            Mistake::BadSize,
            "is not a size",
            "write a number of bytes, or text with a unit as in \"64KiB\" and \"10MB\"",
        ),
    }
}

/// Protocols in lower case, each once.
fn upgrades(written: &Spanned<Vec<Text>>) -> Result<Vec<Box<str>>, Problem> {
    let mut upgrades: Vec<Box<str>> = Vec::new();
    for protocol in written.get_ref() {
        let name: Box<str> = protocol.get_ref().to_ascii_lowercase().into();
        check_upgrade(protocol, &name)?;
        if !upgrades.contains(&name) {
            upgrades.push(name);
        }
        if upgrades.len() > UPGRADES {
            return Err(Problem::at(
                Mistake::TooManyUpgrades,
                protocol.span(),
                "this route upgrades to too many protocols",
            )
            .help(format!("list at most {UPGRADES}")));
        }
    }
    Ok(upgrades)
}

/// Protocols that would carry requests past the gateway: other versions of HTTP, and TLS, which hides any.
const UNCHECKED: [&str; 5] = ["h2", "h2c", "h3", "http", "tls"];

/// RFC 9110 section 7.8: `name` or `name/version`.
fn check_upgrade(written: &Text, lower: &str) -> Result<(), Problem> {
    let (name, version) = lower.split_once('/').unwrap_or((lower, "any"));
    let is_protocol = [name, version].iter().all(|part| !part.is_empty() && part.bytes().all(is_token));
    match () {
        () if UNCHECKED.iter().any(|unchecked| {
            name == *unchecked || name.strip_prefix(unchecked).is_some_and(|rest| rest.starts_with('-'))
        }) =>
        {
            Err(Problem::at(
                Mistake::UncheckedUpgrade,
                written.span(),
                format!("requests would bypass the gateway through `{written}`"),
            )
            .help("leave it out: what is asked for after an upgrade is not routed, limited or logged"))
        }
        () if !is_protocol => Err(Problem::at(
            Mistake::BadUpgrade,
            written.span(),
            format!("`{written}` is not the name of a protocol"),
        )
        .help("write it as the field `Upgrade` of a request does, as in `websocket`")),
        () => Ok(()),
    }
}
