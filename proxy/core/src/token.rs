//! JSON Web Tokens (RFC 7519): read strictly, verified with keys that are ours, held against rules that are ours.
//!
//! Owns: the form of a signed token (`Token::read`), the order of checks ([`verify`]), and what a claim has to be. Which key
//! may verify what is `keys`'s.
//! Refuses: whatever RFC 8725 warns of. A token that says how it wants to be verified (`none`, a key or an address of its own, an
//! extension) is not one; nor is one that two readers could understand differently (members twice, odd base64).
//! Assumes: signatures and points are checked by the cryptographic library (aws-lc, through `jsonwebtoken`).

mod keys;
mod strict;

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::caller::Claims;
use crate::limits::{KEY_ID_BYTES, TOKEN_BYTES};

pub use jsonwebtoken::Algorithm;

pub use self::keys::{BadKey, Fingerprint, Key, Keys, NoKey, Provenance};

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is not a signed token in the compact form, or has something twice.
    Malformed,
    /// It is signed in a way that is not allowed, or not with this key.
    Algorithm,
    /// It asks to be verified in a way of its own: with its own key, by an extension.
    Instruction,
    /// It is a token of some other kind.
    Type,
    /// There is no key by the name that it gives.
    UnknownKey,
    /// Nobody whose keys we have has signed it.
    Signature,
    /// It is too old.
    Expired,
    /// Its time has not come.
    NotYet,
    /// Somebody else has issued it.
    Issuer,
    /// It is meant for somebody else.
    Audience,
    /// It lacks a claim that has to be there.
    MissingClaim,
    /// A claim is not what it has to be.
    BadClaim,
    /// It is valid for longer than is allowed.
    TooLongLived,
}

impl Refusal {
    /// Whether nobody whom we trust has made it. Another one was good once, or elsewhere, or its key is new: whoever has sent it may be
    /// late, and is no attacker.
    pub fn is_forged(self) -> bool {
        matches!(
            self,
            Refusal::Malformed
                | Refusal::Algorithm
                | Refusal::Instruction
                | Refusal::Type
                | Refusal::Signature
        )
    }

    /// A sentence for the client, without quotes and backslashes (RFC 6750 section 3, `error_description`).
    pub fn description(self) -> &'static str {
        match self {
            Refusal::Malformed => "The token is malformed.",
            Refusal::Algorithm => "The token is signed with an algorithm that is not allowed.",
            Refusal::Instruction => "The token has a header parameter that is not allowed.",
            Refusal::Type => "The token is of another type.",
            Refusal::UnknownKey => "The token is signed with an unknown key.",
            Refusal::Signature => "The signature of the token is not valid.",
            Refusal::Expired => "The token has expired.",
            Refusal::NotYet => "The token is not valid yet.",
            Refusal::Issuer => "The issuer of the token is not trusted here.",
            Refusal::Audience => "The token is meant for another audience.",
            Refusal::MissingClaim => "The token lacks a claim that is required.",
            Refusal::BadClaim => "A claim of the token has a value that it cannot have.",
            Refusal::TooLongLived => "The token is valid for longer than is allowed.",
        }
    }
}

/// What has to hold for the tokens of one issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Algorithms that are allowed, further narrowed by the key; any that a key of ours has if there are none.
    pub algorithms: Vec<Algorithm>,
    /// Who may have issued it; anybody who has one of our keys if nobody is named.
    pub issuers: Vec<Box<str>>,
    /// Whom it has to be meant for, one of them; it does not matter if nobody is named.
    pub audiences: Vec<Box<str>>,
    /// What its `typ` may be, in lower case and without `application/`; with none, `jwt`, `at+jwt` and none at all.
    pub types: Vec<Box<str>>,
    /// Claims that have to be there, besides `exp`.
    pub required: Vec<Box<str>>,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// How long it may be valid, from `iat` to `exp`.
    pub longest_life: Option<Duration>,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            algorithms: Vec::new(),
            issuers: Vec::new(),
            audiences: Vec::new(),
            types: Vec::new(),
            required: Vec::new(),
            leeway: Duration::from_secs(60),
            longest_life: None,
        }
    }
}

/// A token whose signature is good; what it claims may be out of date.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// What it says.
    pub claims: Claims,
    /// Until when it is taken: since 1970, leeway included.
    pub expires: Duration,
    /// From when.
    pub not_before: Duration,
    /// What it was signed with.
    pub key: Fingerprint,
}

/// A token in the compact form (RFC 7515 section 3.1), taken apart; nothing of it is believed yet.
struct Token<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    kind: Option<String>,
    /// What is signed.
    signed: &'a [u8],
    claims: &'a [u8],
    signature: Vec<u8>,
}

/// Header parameters by which a token would choose how it is verified (RFC 7515 section 4.1; RFC 7797; RFC 7516). Some are
/// defined for other uses; an issuer of access tokens has no need of them, and RFC 8725 section 3.10 warns of each.
const INSTRUCTIONS: [&str; 8] = ["crit", "b64", "jwk", "jku", "x5c", "x5u", "zip", "enc"];

impl<'a> Token<'a> {
    fn read(token: &'a [u8]) -> Result<Token<'a>, Refusal> {
        if token.len() > TOKEN_BYTES {
            return Err(Refusal::Malformed);
        }
        let mut parts = token.split(|byte| *byte == b'.');
        let (Some(head), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal::Malformed);
        };
        let header = object(head)?;
        if INSTRUCTIONS.iter().any(|name| header.contains_key(*name)) {
            return Err(Refusal::Instruction);
        }
        if text(&header, "cty")?.is_some() {
            return Err(Refusal::Type); // a token in a token
        }
        let algorithm = text(&header, "alg")?.ok_or(Refusal::Malformed)?;
        let key_id = text(&header, "kid")?;
        if key_id.as_ref().is_some_and(|id| id.len() > KEY_ID_BYTES) {
            return Err(Refusal::Malformed);
        }
        Ok(Token {
            algorithm: algorithm.parse().map_err(|_| Refusal::Algorithm)?,
            key_id,
            kind: text(&header, "typ")?,
            signed: &token[..head.len() + 1 + claims.len()],
            claims,
            signature: decode(signature)?,
        })
    }
}

/// base64url without padding, and only the one spelling of it.
fn decode(part: &[u8]) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed)
}

/// A JSON object in which no member stands twice, at any depth.
fn object(part: &[u8]) -> Result<Claims, Refusal> {
    strict::object(&decode(part)?).ok_or(Refusal::Malformed)
}

/// A header parameter that has to be text if it is there.
fn text(header: &Claims, name: &str) -> Result<Option<String>, Refusal> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refusal::Malformed),
    }
}

/// Verifies a token at this time of day, with these keys and by these rules. What is cheap comes first; what the token claims is
/// not looked at before its signature is good.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify(token: &[u8], keys: &Keys, rules: &Rules, unix_now: Duration) -> Result<Verified, Refusal> {
    let token = Token::read(token)?;
    if !rules.algorithms.is_empty() && !rules.algorithms.contains(&token.algorithm) {
        return Err(Refusal::Algorithm);
    }
    rules.check_type(token.kind.as_deref())?;
    let candidates = keys.candidates(token.algorithm, token.key_id.as_deref()).map_err(|why| match why {
        NoKey::Unknown => Refusal::UnknownKey,
        NoKey::Algorithm => Refusal::Algorithm,
    })?;
    let signs = |key: &&&Key| key.verifies(token.algorithm, token.signed, &token.signature);
    let key = candidates.iter().find(signs).ok_or(Refusal::Signature)?;
    let claims = object(token.claims)?;
    let (not_before, expires) = rules.check(&claims, unix_now)?;
    Ok(Verified { claims, expires, not_before, key: key.fingerprint() })
}

impl Rules {
    /// RFC 8725 section 3.11: a token of one kind is none of another.
    fn check_type(&self, kind: Option<&str>) -> Result<(), Refusal> {
        let lower = kind.map(str::to_ascii_lowercase);
        let plain = lower.as_deref().map(|kind| kind.strip_prefix("application/").unwrap_or(kind));
        let fits = match (self.types.is_empty(), plain) {
            (true, kind) => kind.is_none_or(|kind| ["jwt", "at+jwt"].contains(&kind)),
            (false, kind) => kind.is_some_and(|kind| self.types.iter().any(|own| **own == *kind)),
        };
        if fits { Ok(()) } else { Err(Refusal::Type) }
    }

    /// From when and until when it is taken.
    fn check(&self, claims: &Claims, now: Duration) -> Result<(Duration, Duration), Refusal> {
        let expires = time(claims, "exp")?.ok_or(Refusal::MissingClaim)?.saturating_add(self.leeway);
        let not_before = time(claims, "nbf")?.unwrap_or_default().saturating_sub(self.leeway);
        let issued = time(claims, "iat")?;
        let _: Vec<&str> = single(claims, "jti")?;
        let subject = texts(claims, "sub")?;
        if subject.is_some_and(|subject| subject.iter().any(|subject| subject.is_empty())) {
            return Err(Refusal::BadClaim);
        }
        if now >= expires {
            return Err(Refusal::Expired);
        }
        if now < not_before || issued.is_some_and(|issued| issued.saturating_sub(self.leeway) > now) {
            return Err(Refusal::NotYet);
        }
        if let Some(longest) = self.longest_life {
            let issued = issued.ok_or(Refusal::MissingClaim)?;
            if expires.saturating_sub(self.leeway) > issued.saturating_add(longest) {
                return Err(Refusal::TooLongLived);
            }
        }
        is_one_of(&self.issuers, single(claims, "iss")?.as_slice(), Refusal::Issuer)?;
        is_one_of(&self.audiences, &texts(claims, "aud")?.unwrap_or_default(), Refusal::Audience)?;
        let has = |name: &str| claims.get(name).is_some_and(|value| !value.is_null());
        match self.required.iter().all(|name| has(name)) {
            true => Ok((not_before, expires)),
            false => Err(Refusal::MissingClaim),
        }
    }
}

fn is_one_of(wanted: &[Box<str>], said: &[&str], refusal: Refusal) -> Result<(), Refusal> {
    let fits = wanted.is_empty() || said.iter().any(|said| wanted.iter().any(|wanted| **wanted == **said));
    if fits { Ok(()) } else { Err(refusal) }
}

/// A claim that is one text.
fn single<'a>(claims: &'a Claims, name: &str) -> Result<Vec<&'a str>, Refusal> {
    match claims.get(name) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(_) => Err(Refusal::BadClaim),
    }
}

/// A claim that is a text or a list of texts (RFC 7519 section 4.1.3).
fn texts<'a>(claims: &'a Claims, name: &str) -> Result<Option<Vec<&'a str>>, Refusal> {
    let texts = match claims.get(name) {
        None => return Ok(None),
        Some(Value::String(text)) => Some(vec![&**text]),
        Some(Value::Array(members)) if name == "aud" => members.iter().map(Value::as_str).collect(),
        Some(_) => None,
    };
    texts.map(Some).ok_or(Refusal::BadClaim)
}

/// The last instant that a claim may name: the year 9999.
const END_OF_TIME: f64 = 253_402_300_799.0;

/// Seconds since 1970, perhaps with a fraction (RFC 7519 section 2, NumericDate).
fn time(claims: &Claims, name: &str) -> Result<Option<Duration>, Refusal> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => {
            let seconds = value.as_f64().filter(|seconds| (0.0..=END_OF_TIME).contains(seconds));
            Ok(Some(Duration::from_secs_f64(seconds.ok_or(Refusal::BadClaim)?)))
        }
    }
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
