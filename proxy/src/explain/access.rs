//! Who may ask and how often, in words; and what the gate would say of a request, as far as that can be told without asking anybody.

use std::net::IpAddr;
use std::time::SystemTime;

use ringgate_core::access::{Access, Part, RateLimit};
use ringgate_core::answer::{Reject, Unauthorized};
use ringgate_core::auth::{Authenticator, Known, Way};
use ringgate_core::caller::Caller;
use ringgate_core::cors::Cors;
use ringgate_core::limit::{Begins, Measure};
use ringgate_core::policy::Policy;
use ringgate_core::snapshot::Snapshot;
use ringgate_core::token::Refusal;
use ringgate_io::wall;

use super::policy::duration;
use crate::config::sample::Sample;

/// What is said of what a policy does not ask for.
pub(super) const NONE: &str = "none";
/// Stands for a caller whom only somebody else knows.
const CALLER: &str = "<the caller>";

/// Who asks; the way of `crate::gate`. What others would have to be asked for is taken for granted, and so is that no limit is used up.
pub(super) fn admit(snapshot: &Snapshot, policy: &Policy, sample: &Sample) -> Result<Option<Known>, Reject> {
    let (head, bytes) = (sample.head(), sample.bytes());
    if snapshot.clients.cors.is_some() && Cors::is_preflight(head.method(bytes), head.fields(bytes)) {
        return Err(Reject::Preflight);
    }
    let known = match judge(&policy.access, sample)? {
        Some(Ok(known)) => Some(known),
        Some(Err(why)) => return Err(why.into()),
        None if policy.access.ways.is_empty() || policy.access.allows_anonymous => None,
        None => return Err(Unauthorized::Missing.into()),
    };
    match &known {
        _ if policy.requirement.is_none() => Ok(known),
        None => Err(Unauthorized::Missing.into()),
        Some(asks) if *asks.caller.user == *CALLER || policy.requirement.is_met_by(&asks.caller) => Ok(known),
        Some(_) => Err(Reject::Forbidden),
    }
}

fn judge(access: &Access, sample: &Sample) -> Result<Option<Result<Known, Unauthorized>>, Reject> {
    let fields = sample.head().fields(sample.bytes());
    let mut first = None;
    for way in &access.ways {
        let kind = way.kind();
        if first.as_ref().is_some_and(|(first, _)| *first != kind) {
            continue;
        }
        if let Some(credential) = kind.credential(fields)? {
            match judge_credential(way, credential) {
                Ok(known) => return Ok(Some(Ok(known))),
                Err(why) => drop(first.get_or_insert((kind, why))),
            }
        }
    }
    Ok(first.map(|(_, why)| Err(why)))
}

fn judge_credential(way: &Authenticator, credential: &[u8]) -> Result<Known, Unauthorized> {
    let known = |caller| Known::new(&way.name, caller, &way.identity);
    match &way.way {
        Way::Jwt(jwt) => {
            let now = wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            match jwt.verify(credential, now) {
                Ok(verified) => Ok(known(verified.caller)),
                Err(Refusal::UnknownKey) if jwt.keys.is_fetched() => Ok(known(Caller::named(CALLER))),
                Err(refusal) => Err(Unauthorized::Token(refusal)),
            }
        }
        Way::ApiKeys(keys) => keys.check(credential).cloned(),
        Way::Passwords(passwords) => passwords.check(credential).map(|known| (*known).clone()),
        Way::External(_) => Ok(known(Caller::named(CALLER))),
    }
}

/// How callers prove who they are, and what they have to be.
pub(super) fn authentication(policy: &Policy) -> String {
    let names: Vec<&str> = policy.access.ways.iter().map(|way| &*way.name).collect();
    if names.is_empty() {
        return NONE.into();
    }
    let requirement = &policy.requirement;
    let mut said = names.join(" or ");
    let needs = |what: &str, all: &[Box<str>], between: &str| {
        (!all.is_empty()).then(|| format!(", {what} {}", all.join(between)))
    };
    said.extend(policy.access.allows_anonymous.then(|| " or nobody".to_owned()));
    said.extend(needs("role", &requirement.roles, " or "));
    said.extend(needs("scopes", &requirement.scopes, " and "));
    for (path, values) in &requirement.claims {
        said.push_str(&format!(", claim {} = {}", path.join("."), values.join(" or ")));
    }
    said
}

/// The limits of a policy, by name.
pub(super) fn limits(policy: &Policy) -> String {
    let names: Vec<&str> = policy.access.limits.iter().map(|limit| &*limit.name).collect();
    let cost = if policy.cost == 1 { String::new() } else { format!(", at a cost of {}", policy.cost) };
    if names.is_empty() { NONE.into() } else { format!("{}{cost}", names.join(" and ")) }
}

/// What a limit lets pass, whose counts it has, and how exact it is.
pub(super) fn limit(limit: &RateLimit) -> String {
    let bound = match limit.limiter.measure() {
        Measure::Quota(quota) => {
            let begins = match quota.begins {
                Begins::AtFirstRequest => "from the first request on",
                Begins::ByTheClock { .. } => "by the clock (UTC)",
            };
            let window = duration(quota.window);
            format!(
                "at most {} in each {window} {begins}; exact: never one more, on all workers together",
                quota.count
            )
        }
        Measure::Bucket(bucket) => {
            let (count, burst) = (bucket.count, bucket.burst);
            let period = duration(bucket.period);
            format!(
                "at most {burst} at once and {count} more each {period}; exact: never one more, on all workers together"
            )
        }
    };
    let by: Vec<String> = limit.by.iter().map(part).collect();
    let by =
        if by.is_empty() { "for all together".to_owned() } else { format!("for each {}", by.join(" and ")) };
    format!("{bound}; {by}, {} of them at once", limit.limiter.room())
}

fn part(part: &Part) -> String {
    match part {
        Part::User => "user".into(),
        Part::Address => "address".into(),
        Part::Field(name) => format!("value of {name}"),
        Part::Route => "route".into(),
        Part::Host => "host".into(),
    }
}

/// The client that is asked about, where somebody says.
pub(super) fn address(peer: Option<IpAddr>, unknown: &str) -> String {
    peer.map_or_else(|| unknown.to_owned(), |peer| peer.to_string())
}
