//! Policies in words, as they are written in the configuration, and for programs.

use std::time::Duration;

use bytesize::{GB, GIB, KB, KIB, MB, MIB};
use ringgate_core::policy::{Policy, Timeouts};
use serde::Serialize;

use super::access;
use crate::config::Veil;

/// A key of the configuration, and what it says.
type Said = (&'static str, String);

/// What a policy says, `key value, key value`.
pub(super) fn list(said: impl IntoIterator<Item = Said>) -> String {
    said.into_iter().map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(", ")
}

/// What a policy says otherwise than the default.
pub(super) fn own(policy: &Policy, default: &Policy) -> String {
    let default = all(default);
    list(all(policy).into_iter().zip(default).filter(|(own, default)| own != default).map(|(own, _)| own))
}

fn all(policy: &Policy) -> Vec<Said> {
    let rest = [
        ("upgrade", upgrades(policy)),
        ("redact", policy.hidden.to_string()),
        ("server_timing", policy.server_timing.to_string()),
        ("auth", access::authentication(policy)),
        ("rate_limits", access::limits(policy)),
    ];
    timeouts(&policy.timeouts).into_iter().chain(limits(policy)).chain(rest).collect()
}

pub(super) fn timeouts(timeouts: &Timeouts) -> [Said; 5] {
    [
        ("connect", duration(timeouts.connect)),
        ("response", duration(timeouts.response)),
        ("stall", duration(timeouts.stall)),
        ("total", timeouts.total.map_or("none".into(), duration)),
        ("tunnel", duration(timeouts.tunnel)),
    ]
}

pub(super) fn limits(policy: &Policy) -> [Said; 2] {
    let body = (policy.body_bytes != u64::MAX).then(|| size(policy.body_bytes));
    let rate = (policy.client_rate != 0).then(|| format!("{}/s", size(policy.client_rate)));
    [("body", body.unwrap_or("none".into())), ("rate", rate.unwrap_or("none".into()))]
}

pub(super) fn upgrades(policy: &Policy) -> String {
    if policy.upgrades.is_empty() { "none".into() } else { policy.upgrades.join(" ") }
}

pub(super) fn duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// In the largest unit that says it exactly: a limit is not rounded.
fn size(bytes: u64) -> String {
    let units = [(GIB, "GiB"), (GB, "GB"), (MIB, "MiB"), (MB, "MB"), (KIB, "KiB"), (KB, "kB"), (1, "B")];
    let exact = units.into_iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    let (unit, name) = exact.unwrap_or((1, "B"));
    format!("{} {name}", bytes / unit)
}

/// A policy for programs: numbers, in the units that their names say; `null` for what has no bound.
#[derive(Debug, Serialize)]
pub(super) struct Numbers {
    connect_seconds: f64,
    response_seconds: f64,
    stall_seconds: f64,
    total_seconds: Option<f64>,
    tunnel_seconds: f64,
    body_bytes: Option<u64>,
    rate_bytes_per_second: Option<u64>,
    upgrade: Vec<String>,
    auth: Vec<String>,
    roles: Vec<String>,
    scopes: Vec<String>,
    rate_limits: Vec<String>,
    cost: u64,
}

impl Numbers {
    /// Of a policy, as far as it may be shown.
    pub(super) fn of(policy: &Policy, veil: &Veil) -> Numbers {
        let Timeouts { connect, response, stall, total, tunnel } = policy.timeouts;
        Numbers {
            connect_seconds: connect.as_secs_f64(),
            response_seconds: response.as_secs_f64(),
            stall_seconds: stall.as_secs_f64(),
            total_seconds: total.map(|total| total.as_secs_f64()),
            tunnel_seconds: tunnel.as_secs_f64(),
            body_bytes: Some(policy.body_bytes).filter(|bytes| *bytes != u64::MAX),
            rate_bytes_per_second: Some(policy.client_rate).filter(|rate| *rate != 0),
            upgrade: policy.upgrades.iter().map(|protocol| protocol.to_string()).collect(),
            auth: policy.access.ways.iter().map(|way| way.name.to_string()).collect(),
            roles: policy.requirement.roles.iter().map(|role| veil.words(role)).collect(),
            scopes: policy.requirement.scopes.iter().map(|scope| veil.words(scope)).collect(),
            rate_limits: policy.access.limits.iter().map(|limit| limit.name.to_string()).collect(),
            cost: policy.cost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_exactly() {
        for (bytes, said) in [
            (0, "0 B"),
            (240, "240 B"),
            (1 << 20, "1 MiB"),
            (10_000_000, "10 MB"),
            (1025, "1025 B"),
            (3 << 40, "3072 GiB"),
        ] {
            assert_eq!(size(bytes), said);
        }
    }
}
