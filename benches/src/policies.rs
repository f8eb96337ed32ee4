//! What policies cost a request: a token that was seen before and one that was not, a limit, the fields for the service.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use ringgate_core::access::{self, Access, Asked, Exempt, LimitFields, Part, RateLimit};
use ringgate_core::auth::Known;
use ringgate_core::cache::Cache;
use ringgate_core::caller::{Caller, Identity};
use ringgate_core::forward::{self, Peer, Shape, ToServer};
use ringgate_core::head::{HeadScanner, RequestHead};
use ringgate_core::limit::{Begins, Bucket, KeyHash, Limiter, Measure, Quota};
use ringgate_core::node::Node;
use ringgate_core::policy::Policy;
use ringgate_core::route::Pattern;
use ringgate_core::template::Facts;
use ringgate_core::token::{Algorithm, Key, Keys, Rules, verify};
use ringgate_core::tolerance::Tolerance;

use crate::messages::browser;
use crate::{Case, routing};

const NOW: Duration = Duration::from_secs(1_800_000_000);
const SECRET: [u8; 64] = [7; 64];

/// The key that signs, and the one that verifies.
fn pair(algorithm: Algorithm) -> (EncodingKey, Key) {
    macro_rules! pem {
        ($name:literal) => {
            include_bytes!(concat!("../../proxy/core/src/token/keys_of_tests/", $name))
        };
    }
    let ec = |pem: &[u8]| EncodingKey::from_ec_pem(pem).expect("a key");
    let public = |pem: &[u8]| Key::from_pem(pem).expect("a key");
    match algorithm {
        Algorithm::ES256 => (ec(pem!("ec256.pem")), public(pem!("ec256.pub.pem"))),
        Algorithm::ES384 => (ec(pem!("ec384.pem")), public(pem!("ec384.pub.pem"))),
        Algorithm::EdDSA => {
            (EncodingKey::from_ed_pem(pem!("ed.pem")).expect("a key"), public(pem!("ed.pub.pem")))
        }
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
            (EncodingKey::from_secret(&SECRET), Key::from_secret(&SECRET).expect("a key"))
        }
        _ => (EncodingKey::from_rsa_pem(pem!("rsa.pem")).expect("a key"), public(pem!("rsa.pub.pem"))),
    }
}

/// A token as an identity provider makes it, some 400 bytes.
fn token(algorithm: Algorithm, key: &EncodingKey) -> Vec<u8> {
    let claims = r#"{"iss":"https://id.example.com","sub":"12345","aud":"api","exp":1800000600,"iat":1800000000,
        "roles":["customer","newsletter"],"scope":"openid profile orders:read orders:write"}"#;
    let header = format!(r#"{{"alg":"{algorithm:?}","typ":"JWT","kid":"2026-11-a"}}"#);
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), key, algorithm).expect("a signature");
    format!("{signed}.{signature}").into_bytes()
}

pub(crate) fn cases() -> Vec<Case> {
    let misses = [
        Algorithm::HS256,
        Algorithm::RS256,
        Algorithm::PS256,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
    ];
    let misses = misses.map(|algorithm| Case::new(format!("{MISS}{algorithm:?}"), move || miss(algorithm)));
    let bucket =
        Measure::Bucket(Bucket { count: 1_000_000, period: Duration::from_secs(1), burst: 1_000_000 });
    let begins = Begins::AtFirstRequest;
    let quota = Measure::Quota(Quota { count: 1 << 27, window: Duration::from_secs(60), begins });
    let others = [
        Case::new("token hit", hit),
        Case::new("limit/bucket", move || decide(bucket)),
        Case::new("limit/quota", move || decide(quota)),
        Case::new("limit/a user's quota and its fields", move || admit(quota)),
        Case::new("write request/browser, with a caller", write_request),
    ];
    misses.into_iter().chain(others).collect()
}

/// What the names of cases begin with that verify a signature: others' code, which allocates, and takes what the processor offers.
pub const MISS: &str = "token miss/";

fn miss(algorithm: Algorithm) -> impl FnMut() -> usize {
    let (signs, verifies) = pair(algorithm);
    let (token, keys) = (token(algorithm, &signs), Keys::new(vec![verifies]));
    let rules = Rules { audiences: vec!["api".into()], ..Rules::default() };
    move || verify(black_box(&token), &keys, &rules, NOW).expect("a good token").claims.len()
}

/// What a worker does with a token it has verified: it is hashed, found, compared as a whole, and its key is still there.
fn hit() -> impl FnMut() -> usize {
    let (signs, verifies) = pair(Algorithm::ES256);
    let (token, key) = (token(Algorithm::ES256, &signs), verifies.fingerprint());
    let keys = Keys::new(vec![verifies]);
    let mut cache = Cache::new(1 << 20);
    cache.insert(1, &token, (0..u64::MAX, key));
    move || {
        let (valid, key) = cache.get(1, black_box(&token)).expect("it was seen");
        usize::from(valid.contains(&NOW.as_secs()) && keys.has(*key))
    }
}

fn decide(measure: Measure) -> impl FnMut() -> usize {
    let limiter = Limiter::new(measure, 65_536);
    let mut time = Duration::from_secs(1);
    limiter.charge(KeyHash(1 << 40), 1, time).expect("room");
    move || {
        time += Duration::from_micros(1);
        limiter.charge(black_box(KeyHash(1 << 40)), 1, time).map_or(0, |standing| standing.remaining as usize)
    }
}

/// The request of a browser, taken apart.
fn request() -> (RequestHead, Vec<u8>) {
    let bytes = browser().request;
    let bounds = HeadScanner::default().scan(&bytes).ok().flatten().expect("a head");
    let bytes = bytes[bounds.start..bounds.end].to_vec();
    let mut head = RequestHead::default();
    head.parse(&bytes, Tolerance::NONE).expect("a request");
    (head, bytes)
}

fn caller() -> Caller {
    Caller { roles: vec!["customer".into()], ..Caller::named("12345") }
}

fn admit(measure: Measure) -> impl FnMut() -> usize {
    let limiter = Limiter::new(measure, 65_536);
    let hasher = ahash::RandomState::with_seeds(1, 2, 3, 4);
    let limit = RateLimit::new("per_user", limiter, vec![Part::User], Exempt::default(), true, hasher);
    let (limits, (head, bytes), caller) = (vec![Arc::new(limit)], request(), caller());
    let mut out = Vec::new();
    move || {
        out.clear();
        let address = [192, 0, 2, 1].into();
        let asked =
            Asked { head: &head, bytes: &bytes, caller: Some(("users", &caller)), address, route: None };
        let admitted =
            access::admit(&limits, asked, 1, Duration::from_secs(1), LimitFields::default(), &mut out);
        usize::from(admitted.is_ok()) + out.len()
    }
}

/// As [`crate::heads`] does it, and with a caller whose credential goes no further.
fn write_request() -> impl FnMut() -> usize {
    let ((head, bytes), known) = (request(), Known::new("users", caller(), &Identity::default()));
    let (pool, node) = (routing::pool(1), Node::new("gateway").expect("an id"));
    let (mut policy, pattern) = (Policy::default(), Pattern::prefix("/").expect("a pattern"));
    let fields = vec!["authorization".into(), "x-api-key".into()];
    policy.access = Arc::new(Access::new(Vec::new(), false, Vec::new(), fields));
    let mut out = Vec::new();
    move || {
        let request_id = "0123456789abcdef0123456789abcdef";
        let (caller, client) = (Some(&known.caller), "192.0.2.1");
        let facts = Facts { head: &head, bytes: &bytes, pattern: &pattern, caller, request_id, client };
        let shape = Some(Shape { policy: &policy, facts, identity: &known.lines });
        let peer = Peer { address: client, is_trusted: false };
        let (server, upgrade, trace) = (&pool.servers[0], None, None);
        out.clear();
        let to = ToServer { server, peer, request_id, upgrade, node: &node, trace, shape };
        forward::request(&mut out, black_box(&head), &bytes, to).map_or(0, |()| out.len())
    }
}
