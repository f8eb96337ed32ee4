//! Who may ask, and how often: what a policy says of it, compiled.
//!
//! Owns: the ways in which a policy lets callers prove who they are, what it limits and by what ([`RateLimit`]), and how answers say
//! so. Judging a credential is [`auth`](crate::auth)'s, counting is [`limit`]'s.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use ipnet::IpNet;

use crate::auth::{Authenticator, Kind};
use crate::caller::Caller;
use crate::head::RequestHead;
use crate::limit::{self, KeyHash, Limiter, Measure, Since, Standing};
use crate::target::canonical_host;
use crate::template::is_spelling_of;

/// Who may ask, by one policy.
#[derive(Debug, Default)]
pub struct Access {
    /// How a caller proves who it is, in the order in which credentials are looked for; anybody may ask if there are none.
    pub ways: Vec<Arc<Authenticator>>,
    /// Whether who has no credential may ask all the same.
    pub allows_anonymous: bool,
    /// How often.
    pub limits: Vec<Arc<RateLimit>>,
    /// Fields in which credentials of any kind stand, in lower case, `authorization` among them: no service gets them where callers
    /// are proved here.
    pub credential_fields: Vec<Box<str>>,
    /// What a client is told to send (RFC 9110 section 11.6.1).
    challenges: Vec<Challenge>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Challenge {
    Bearer,
    Basic,
    /// A scheme that is registered nowhere, and needed: every 401 has a challenge.
    ApiKey,
}

impl Access {
    /// Callers prove who they are in one of these ways; `credential_fields` are those of all ways that there are.
    pub fn new(
        ways: Vec<Arc<Authenticator>>,
        allows_anonymous: bool,
        limits: Vec<Arc<RateLimit>>,
        credential_fields: Vec<Box<str>>,
    ) -> Access {
        let mut challenges = Vec::new();
        for way in &ways {
            let challenge = match way.kind() {
                Kind::Bearer | Kind::Fields(_) => Challenge::Bearer,
                Kind::Basic => Challenge::Basic,
                Kind::Field(_) => Challenge::ApiKey,
            };
            if !challenges.contains(&challenge) {
                challenges.push(challenge);
            }
        }
        Access { ways, allows_anonymous, limits, credential_fields, challenges }
    }

    /// Whether it asks for nothing and limits nothing.
    pub fn is_none(&self) -> bool {
        self.ways.is_empty() && self.limits.is_empty()
    }

    /// Whether a field holds a credential that no service gets.
    pub fn keeps(&self, name: &[u8]) -> bool {
        !self.ways.is_empty() && self.credential_fields.iter().any(|own| is_spelling_of(name, own))
    }

    /// Appends what a client is told to send; `error` is what RFC 6750 section 3.1 calls what is wrong with what it has sent, and a
    /// sentence about it.
    pub fn put_challenges(&self, out: &mut Vec<u8>, error: Option<(&str, &str)>) {
        for challenge in &self.challenges {
            let scheme = match challenge {
                Challenge::Bearer => "Bearer realm=\"ringgate\"",
                Challenge::Basic => "Basic realm=\"ringgate\", charset=\"UTF-8\"",
                Challenge::ApiKey => "ApiKey realm=\"ringgate\"",
            };
            put(out, &["WWW-Authenticate: ", scheme]);
            if let (Challenge::Bearer, Some((error, description))) = (challenge, error) {
                put(out, &[", error=\"", error, "\", error_description=\"", description, "\""]);
            }
            put(out, &["\r\n"]);
        }
    }
}

/// A limit that a configuration gives a name.
pub struct RateLimit {
    /// What the configuration, and the answer, call it.
    pub name: Box<str>,
    /// What it counts.
    pub limiter: Limiter,
    /// What its counts are kept apart by.
    pub by: Vec<Part>,
    /// Callers and networks that are not limited.
    pub exempt: Exempt,
    /// Whether a key passes for which there is no room.
    pub admits_without_room: bool,
    /// Secret, so that nobody can choose keys that meet in one place of the table; all workers have the same.
    pub hasher: RandomState,
    /// `"name";q=100;w=60`.
    policy_item: Box<str>,
}

/// Who is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exempt {
    /// By what they are called.
    pub users: Vec<Box<str>>,
    /// By where they are.
    pub networks: Vec<IpNet>,
}

/// What counts are kept apart by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Who asks; an address where nobody knows.
    User,
    /// The client's address; of IPv6 the network that one customer has, 64 bits of it.
    Address,
    /// A field of the request; requests without it share one count.
    Field(Box<str>),
    /// The route; requests without one share one count.
    Route,
    /// What host was asked for.
    Host,
}

/// A request, as far as limits look at it.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Its head,
    pub head: &'a RequestHead,
    /// and its bytes.
    pub bytes: &'a [u8],
    /// Who asks, if that is known: the way it was proved, and the caller.
    pub caller: Option<(&'a str, &'a Caller)>,
    /// Where it comes from.
    pub address: IpAddr,
    /// The name of its route.
    pub route: Option<&'a str>,
}

impl RateLimit {
    /// A limit of this name.
    pub fn new(
        name: &str,
        limiter: Limiter,
        by: Vec<Part>,
        exempt: Exempt,
        admits_without_room: bool,
        hasher: RandomState,
    ) -> RateLimit {
        let (count, window) = match limiter.measure() {
            Measure::Quota(quota) => (quota.count, quota.window),
            Measure::Bucket(bucket) => (bucket.burst, bucket.refill()),
        };
        let policy_item = format!("\"{name}\";q={count};w={}", whole_seconds(window)).into();
        RateLimit { name: name.into(), limiter, by, exempt, admits_without_room, hasher, policy_item }
    }

    /// The most that can be charged at once.
    pub fn most(&self) -> u64 {
        match self.limiter.measure() {
            Measure::Quota(quota) => quota.count,
            Measure::Bucket(bucket) => bucket.burst,
        }
    }

    /// Whose count a request is on.
    pub fn key(&self, asked: Asked<'_>) -> KeyHash {
        let mut hash = self.hasher.build_hasher();
        for part in &self.by {
            part.put(&mut hash, asked);
        }
        KeyHash(hash.finish())
    }

    fn exempts(&self, asked: Asked<'_>) -> bool {
        let Exempt { users, networks } = &self.exempt;
        asked.caller.is_some_and(|(_, caller)| users.contains(&caller.user))
            || networks.iter().any(|network| network.contains(&asked.address))
    }
}

impl limit::Bucket {
    /// How long an empty one takes to be full.
    pub fn refill(&self) -> Duration {
        let nanoseconds = self.period.as_nanos() * u128::from(self.burst) / u128::from(self.count.max(1));
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

impl Part {
    fn put(&self, hash: &mut impl Hasher, asked: Asked<'_>) {
        match (self, asked.caller) {
            (Part::User, Some((way, caller))) => (1u8, way, &caller.user).hash(hash),
            (Part::User, None) => (2u8, customer(asked.address)).hash(hash),
            (Part::Address, _) => (3u8, customer(asked.address)).hash(hash),
            (Part::Field(name), _) => {
                (4u8, asked.head.fields(asked.bytes).named(name.as_bytes()).next()).hash(hash);
            }
            (Part::Route, _) => (5u8, asked.route).hash(hash),
            (Part::Host, _) => {
                let host = asked.head.authority(asked.bytes).and_then(canonical_host);
                (6u8, host.as_deref()).hash(hash);
            }
        }
    }
}

/// The address, or of IPv6 the network of 64 bits that one customer has at least (RFC 6177): more addresses than any table.
pub fn customer(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        // What a translator says of IPv4 (RFC 6052 section 2.1): each is another customer.
        IpAddr::V6(address) if u128::from(address) >> 32 == 0x0064_ff9b << 64 => {
            u128::from(address) & u128::from(u32::MAX)
        }
        IpAddr::V6(address) => u128::from(address) >> 64 << 64 | 1,
    }
}

/// Which fields tell clients how a limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitFields {
    /// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11).
    pub standard: bool,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`, the last in seconds from now.
    pub customary: bool,
}

impl Default for LimitFields {
    fn default() -> LimitFields {
        LimitFields { standard: true, customary: true }
    }
}

/// Limits that one request may be on, at most.
pub const LIMITS: usize = 8;

/// Why a request is not admitted: after how many seconds it may be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited(pub u64);

/// Charges a request to all limits, or to none; appends how they stand to `out`, for whatever answers it.
///
/// # Errors
/// One of them is used up, or has no room and does not admit without.
pub fn admit(
    limits: &[Arc<RateLimit>],
    asked: Asked<'_>,
    cost: u64,
    now: Since,
    fields: LimitFields,
    out: &mut Vec<u8>,
) -> Result<(), Limited> {
    let mut charged = [None; LIMITS];
    let mut stand = [None; LIMITS];
    let mut count = 0;
    for limit in limits.iter().filter(|limit| !limit.exempts(asked)) {
        if count < LIMITS {
            charged[count] = Some((&**limit, limit.key(asked)));
            count += 1;
        }
    }
    let outcome = charge(&charged[..count], cost, now, &mut stand);
    put_fields(out, charged.iter().flatten().map(|(limit, _)| *limit).zip(stand), fields);
    outcome
}

type Charged<'a> = Option<(&'a RateLimit, KeyHash)>;

fn charge(
    limits: &[Charged<'_>],
    cost: u64,
    now: Since,
    stand: &mut [Option<Standing>; LIMITS],
) -> Result<(), Limited> {
    let all = || limits.iter().flatten().enumerate();
    if limits.len() > 1 {
        // All are looked at first: a request that one of them refuses costs the others nothing.
        for (place, (limit, key)) in all() {
            judge(limit, limit.limiter.look(*key, cost, now), &mut stand[place])?;
        }
    }
    for (place, (limit, key)) in all() {
        let outcome = limit.limiter.charge(*key, cost, now);
        if let Err(limited) = judge(limit, outcome, &mut stand[place]) {
            // Somebody was faster at this one: what the others were charged goes back.
            let charged = all().take(place).filter(|(place, _)| stand[*place].is_some());
            charged.for_each(|(_, (limit, key))| limit.limiter.give_back(*key, cost, now));
            return Err(limited);
        }
    }
    Ok(())
}

fn judge(
    limit: &RateLimit,
    outcome: Result<Standing, limit::Refused>,
    stands: &mut Option<Standing>,
) -> Result<(), Limited> {
    match outcome {
        Ok(standing) => {
            *stands = Some(standing);
            Ok(())
        }
        Err(limit::Refused::Over(standing, wait)) => {
            *stands = Some(standing);
            Err(Limited(whole_seconds(wait)))
        }
        Err(limit::Refused::NoRoom) if limit.admits_without_room => {
            *stands = None; // it was not charged
            Ok(())
        }
        Err(limit::Refused::NoRoom) => Err(Limited(1)),
    }
}

/// Rounded up: after so many seconds it is really over.
pub fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn put_fields<'a>(
    out: &mut Vec<u8>,
    limits: impl Iterator<Item = (&'a RateLimit, Option<Standing>)> + Clone,
    fields: LimitFields,
) {
    let stand = limits.filter_map(|(limit, standing)| Some((limit, standing?)));
    let Some((_, tightest)) = stand.clone().min_by_key(|(_, standing)| standing.remaining) else { return };
    let mut number = itoa::Buffer::new();
    if fields.standard {
        put(out, &["RateLimit-Policy: "]);
        for (place, (limit, _)) in stand.clone().enumerate() {
            put(out, &[if place > 0 { ", " } else { "" }, &limit.policy_item]);
        }
        put(out, &["\r\nRateLimit: "]);
        for (place, (limit, standing)) in stand.enumerate() {
            put(out, &[if place > 0 { ", \"" } else { "\"" }, &limit.name, "\";r="]);
            put(out, &[number.format(standing.remaining), ";t="]);
            put(out, &[number.format(whole_seconds(standing.reset))]);
        }
        put(out, &["\r\n"]);
    }
    if fields.customary {
        put(out, &["X-RateLimit-Limit: ", number.format(tightest.limit)]);
        put(out, &["\r\nX-RateLimit-Remaining: ", number.format(tightest.remaining)]);
        put(out, &["\r\nX-RateLimit-Reset: ", number.format(whole_seconds(tightest.reset)), "\r\n"]);
    }
}

fn put(out: &mut Vec<u8>, pieces: &[&str]) {
    pieces.iter().for_each(|piece| out.extend_from_slice(piece.as_bytes()));
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit").field("name", &self.name).field("by", &self.by).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::{Begins, Quota};
    use crate::tolerance::Tolerance;

    fn rate_limit(name: &str, count: u64, by: Part) -> Arc<RateLimit> {
        let quota = Quota { count, window: Duration::from_secs(60), begins: Begins::AtFirstRequest };
        let limiter = Limiter::new(Measure::Quota(quota), 64);
        let exempt = Exempt { users: vec!["ops".into()], networks: vec!["10.0.0.0/8".parse().unwrap()] };
        Arc::new(RateLimit::new(name, limiter, vec![by], exempt, true, RandomState::new()))
    }

    struct Asker {
        head: RequestHead,
        text: String,
    }

    impl Asker {
        fn new(lines: &str) -> Asker {
            let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
            let mut head = RequestHead::default();
            head.parse(text.as_bytes(), Tolerance::NONE).unwrap();
            Asker { head, text }
        }

        fn asks<'a>(&'a self, caller: Option<&'a Caller>, address: &str) -> Asked<'a> {
            let caller = caller.map(|caller| ("way", caller));
            let address = address.parse().unwrap();
            Asked { head: &self.head, bytes: self.text.as_bytes(), caller, address, route: None }
        }
    }

    fn admit_one(limits: &[Arc<RateLimit>], asked: Asked<'_>, now: u64) -> (Result<(), Limited>, String) {
        let mut out = Vec::new();
        let outcome = admit(limits, asked, 1, Duration::from_secs(now), LimitFields::default(), &mut out);
        (outcome, String::from_utf8(out).unwrap())
    }

    #[test]
    fn an_answer_says_how_limits_stand() {
        let limits = [rate_limit("wide", 100, Part::User), rate_limit("narrow", 2, Part::Address)];
        let (asker, ada) = (Asker::new(""), Caller::named("ada"));
        let (outcome, said) = admit_one(&limits, asker.asks(Some(&ada), "9.9.9.9"), 5);
        assert_eq!(outcome, Ok(()));
        assert_eq!(
            said,
            "RateLimit-Policy: \"wide\";q=100;w=60, \"narrow\";q=2;w=60\r\nRateLimit: \"wide\";r=99;t=60, \"narrow\";r=1;t=60\r\n\
             X-RateLimit-Limit: 2\r\nX-RateLimit-Remaining: 1\r\nX-RateLimit-Reset: 60\r\n"
        );
        admit_one(&limits, asker.asks(Some(&ada), "9.9.9.9"), 6).0.unwrap();
        let (outcome, said) = admit_one(&limits, asker.asks(Some(&ada), "9.9.9.9"), 7);
        assert_eq!(outcome, Err(Limited(58)));
        assert!(said.contains("\"wide\";r=97;t=58, \"narrow\";r=0;t=58"), "{said}");
        let (_, said) = admit_one(&limits, asker.asks(Some(&ada), "8.8.8.8"), 7);
        assert!(said.contains("\"wide\";r=97"), "the refused one was not charged: {said}");
        assert_eq!(admit_one(&limits, asker.asks(None, "10.1.2.3"), 7), (Ok(()), String::new()), "exempt");
        let ops = Caller::named("ops");
        assert_eq!(
            admit_one(&limits, asker.asks(Some(&ops), "9.9.9.9"), 7),
            (Ok(()), String::new()),
            "exempt"
        );
    }

    #[test]
    fn counts_are_kept_apart_by_what_they_are_to_be() {
        let same = |by: Part, one: Asked<'_>, other: Asked<'_>| {
            let limit = rate_limit("x", 1, by);
            limit.key(one) == limit.key(other)
        };
        let (plain, tenant) = (Asker::new(""), Asker::new("X-Tenant: a\r\n"));
        let (ada, eve) = (Caller::named("ada"), Caller::named("eve"));
        assert!(same(Part::User, plain.asks(Some(&ada), "1.1.1.1"), plain.asks(Some(&ada), "2.2.2.2")));
        assert!(!same(Part::User, plain.asks(Some(&ada), "1.1.1.1"), plain.asks(Some(&eve), "1.1.1.1")));
        assert!(!same(Part::User, plain.asks(None, "1.1.1.1"), plain.asks(None, "2.2.2.2")));
        assert!(same(Part::Address, plain.asks(None, "2001:db8::1"), plain.asks(None, "2001:db8::2:3:4:5")));
        assert!(!same(Part::Address, plain.asks(None, "2001:db8::1"), plain.asks(None, "2001:db8:0:1::1")));
        assert!(!same(
            Part::Address,
            plain.asks(None, "64:ff9b::1.1.1.1"),
            plain.asks(None, "64:ff9b::2.2.2.2")
        ));
        assert!(same(Part::Address, plain.asks(None, "64:ff9b::1.1.1.1"), plain.asks(None, "1.1.1.1")));
        assert!(same(Part::Address, plain.asks(None, "::ffff:1.1.1.1"), plain.asks(None, "1.1.1.1")));
        let field = || Part::Field("x-tenant".into());
        assert!(!same(field(), plain.asks(None, "1.1.1.1"), tenant.asks(None, "1.1.1.1")));
    }

    #[test]
    fn each_way_has_its_challenge() {
        let access = Access { challenges: vec![Challenge::Bearer, Challenge::Basic], ..Access::default() };
        let mut out = Vec::new();
        access.put_challenges(&mut out, Some(("invalid_token", "The token has expired.")));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "WWW-Authenticate: Bearer realm=\"ringgate\", error=\"invalid_token\", error_description=\"The token has expired.\"\r\n\
             WWW-Authenticate: Basic realm=\"ringgate\", charset=\"UTF-8\"\r\n"
        );
    }
}
