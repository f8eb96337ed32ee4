//! Ways to prove who one is: which credential each takes, and what it makes of it.
//!
//! Owns: reading credentials out of a request's fields ([`Kind::credential`]), and judging those that can be judged here and now:
//! tokens ([`Jwt`]) and keys ([`ApiKeys`]). A password ([`Passwords`]) takes too long for a worker, and what another service
//! judges ([`External`]) has to be asked for; their answers come from whoever does that.
//! Refuses: a credential that stands there twice, and to say more of a refusal than the client needs to do better.
//! Assumes: nobody shows what is in here. `Debug` says names only.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::answer::{Malformed, Unauthorized};
use crate::caller::{self, Caller, Identity};
use crate::field::{Name, trim};
use crate::head::Fields;
use crate::token::{self, Keys, Rules};

/// One way to prove who one is.
pub struct Authenticator {
    /// Tells results of this one from those of others, in caches; the next configuration has the same one only if it means the
    /// same.
    pub id: u64,
    /// What the configuration calls it.
    pub name: Box<str>,
    /// What it takes, and how that is judged.
    pub way: Way,
    /// What services are told of those whom it has proved.
    pub identity: Arc<Identity>,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authenticator").field(&self.name).finish()
    }
}

/// How a credential is judged.
pub enum Way {
    /// A signed token.
    Jwt(Jwt),
    /// One of some keys.
    ApiKeys(ApiKeys),
    /// A name and a password.
    Passwords(Passwords),
    /// Another service judges.
    External(External),
}

/// Where a credential stands in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// `Authorization: Bearer` (RFC 6750 section 2.1).
    Bearer,
    /// `Authorization: Basic` (RFC 7617).
    Basic,
    /// A field of its own.
    Field(&'a str),
    /// Fields that are passed on to be judged.
    Fields(&'a [Box<str>]),
}

impl Authenticator {
    /// Whether both make the same of every credential, so that what one has judged holds for the other.
    pub fn means_same(&self, other: &Authenticator) -> bool {
        let is_same_way = match (&self.way, &other.way) {
            (Way::Jwt(own), Way::Jwt(other)) => {
                let is_same_key =
                    Arc::ptr_eq(&own.keys, &other.keys) || own.keys.keys().are_same_as(&other.keys.keys());
                is_same_key && own.rules == other.rules && own.named == other.named
            }
            (Way::Passwords(own), Way::Passwords(other)) => own.users == other.users,
            (Way::External(own), Way::External(other)) => own == other,
            _ => false, // keys are looked up each time
        };
        is_same_way && self.name == other.name && self.identity == other.identity
    }

    /// Where it looks for a credential.
    pub fn kind(&self) -> Kind<'_> {
        match &self.way {
            Way::Jwt(_) => Kind::Bearer,
            Way::Passwords(_) => Kind::Basic,
            Way::ApiKeys(keys) => Kind::Field(&keys.field),
            Way::External(external) => Kind::Fields(&external.fields),
        }
    }
}

impl<'a> Kind<'a> {
    /// The credential of this kind that a request has, if it has one.
    ///
    /// # Errors
    /// It has two, so that this gateway and a service could each believe another one.
    pub fn credential(self, fields: Fields<'a>) -> Result<Option<&'a [u8]>, Malformed> {
        match self {
            Kind::Bearer => Ok(authorization(fields)?.and_then(|value| after_scheme(value, b"bearer"))),
            Kind::Basic => Ok(authorization(fields)?.and_then(|value| after_scheme(value, b"basic"))),
            Kind::Field(name) => single(fields.named(name.as_bytes())),
            Kind::Fields(names) => {
                let mut first = None;
                for name in names {
                    first = first.or(single(fields.named(name.as_bytes()))?);
                }
                Ok(first)
            }
        }
    }
}

/// The value of the one Authorization field (RFC 9110 section 11.6.2 has no list of them).
fn authorization(fields: Fields<'_>) -> Result<Option<&[u8]>, Malformed> {
    single(fields.all(Name::Authorization))
}

fn single<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Result<Option<&'a [u8]>, Malformed> {
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Malformed::Credentials),
        (value, None) => Ok(value),
    }
}

/// What follows a scheme, whose case does not matter (RFC 9110 section 11.1).
fn after_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (given, rest) = value.split_at_checked(scheme.len())?;
    let is_it = given.eq_ignore_ascii_case(scheme) && rest.first().is_none_or(|byte| *byte == b' ');
    is_it.then(|| trim(rest))
}

/// Tokens that somebody has signed.
pub struct Jwt {
    /// With which they are verified.
    pub keys: Arc<Keyring>,
    /// What has to hold for them.
    pub rules: Rules,
    /// Which claims say who it is.
    pub named: ClaimNames,
}

/// Which claims say what is asked of a caller; each is the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    /// Who it is: a text, which has to be there.
    pub user: Vec<Box<str>>,
    /// What it is: a list, or words.
    pub roles: Vec<Box<str>>,
    /// What it may do: a list, or words (RFC 8693 section 4.2).
    pub scopes: Vec<Box<str>>,
}

/// Keys that change while they are used. Written by whoever fetches them; read by all workers, which never wait for it.
#[derive(Default)]
pub struct Keyring {
    /// Where they are fetched; empty if they are not.
    place: Box<[u8]>,
    keys: ArcSwap<Keys>,
    /// Somebody has a token signed by a key that is not here.
    is_wanted: AtomicBool,
    /// The last attempt to fetch them failed.
    is_stale: AtomicBool,
    /// They are not fetched again yet.
    is_resting: AtomicBool,
}

impl Keyring {
    /// With these keys.
    pub fn new(keys: Keys) -> Keyring {
        Keyring { keys: ArcSwap::from_pointee(keys), ..Keyring::default() }
    }

    /// None yet; they are fetched at this place.
    pub fn fetched(place: &[u8]) -> Keyring {
        Keyring { place: place.into(), is_stale: AtomicBool::new(true), ..Keyring::default() }
    }

    /// Where they are fetched; empty if they are not.
    pub fn place(&self) -> &[u8] {
        &self.place
    }

    /// Whether there may be others tomorrow.
    pub fn is_fetched(&self) -> bool {
        !self.place.is_empty()
    }

    /// The keys as they are now.
    pub fn keys(&self) -> arc_swap::Guard<Arc<Keys>> {
        self.keys.load()
    }

    /// Other keys hold from now on; those that they do not have are withdrawn.
    pub fn replace(&self, keys: Keys) {
        self.keys.store(Arc::new(keys));
        self.is_stale.store(false, Ordering::Release);
    }

    /// They could not be fetched; those that are there go on to hold.
    pub fn could_not_be_fetched(&self) {
        self.is_stale.store(true, Ordering::Release);
    }

    /// They were fetched, and are what they were.
    pub fn is_up_to_date(&self) {
        self.is_stale.store(false, Ordering::Release);
    }

    /// Whether they are not fetched for a while, since they have just been.
    pub fn rest(&self, rests: bool) {
        self.is_resting.store(rests, Ordering::Release);
    }

    /// Whether somebody who asks for others may get them.
    pub fn may_be_fetched(&self) -> bool {
        !self.is_resting.load(Ordering::Acquire)
    }

    /// Whether nobody knows if there are others by now.
    pub fn is_stale(&self) -> bool {
        self.is_stale.load(Ordering::Acquire)
    }

    /// Asks for a key that is not here; whether nobody had asked before.
    pub fn want(&self) -> bool {
        !self.is_wanted.load(Ordering::Relaxed) && !self.is_wanted.swap(true, Ordering::AcqRel)
    }

    /// Whether somebody has asked since the last time this was looked at.
    pub fn take_wish(&self) -> bool {
        self.is_wanted.swap(false, Ordering::AcqRel)
    }
}

/// A caller whose token has been verified.
pub struct Verified {
    /// Who it is.
    pub caller: Caller,
    /// From when and until when the token is taken, leeway included: seconds since 1970.
    pub valid: (u64, u64),
    /// The key that has signed it.
    pub key: token::Fingerprint,
}

impl Jwt {
    /// Verifies a token at this time of day. Takes tens of microseconds.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn verify(&self, token: &[u8], unix_now: Duration) -> Result<Verified, token::Refusal> {
        let verified = token::verify(token, &self.keys.keys(), &self.rules, unix_now)?;
        let claims = verified.claims;
        let user = caller::text(&claims, &self.named.user).filter(|user| !user.trim().is_empty());
        let caller = Caller {
            user: user.ok_or(token::Refusal::MissingClaim)?,
            roles: caller::texts(&claims, &self.named.roles),
            scopes: caller::texts(&claims, &self.named.scopes),
            claims,
        };
        let valid = (verified.not_before.as_secs(), verified.expires.as_secs());
        Ok(Verified { caller, valid, key: verified.key })
    }
}

/// Keys that callers were given, as digests.
pub struct ApiKeys {
    /// The field that holds one, in lower case.
    pub field: Box<str>,
    by_digest: HashMap<[u8; 32], Known, ahash::RandomState>,
}

/// A caller, and what services are told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// What the way is called by which that was proved.
    pub way: Box<str>,
    /// Who it is.
    pub caller: Caller,
    /// The lines that tell a service so.
    pub lines: Box<[u8]>,
}

impl Known {
    /// As services are told of them.
    pub fn new(way: &str, caller: Caller, identity: &Identity) -> Known {
        Known { way: way.into(), lines: identity.lines(&caller), caller }
    }
}

/// Bytes of a key at most: more are not hashed.
const API_KEY_BYTES: usize = 512;

impl ApiKeys {
    /// These callers, by the digests of their keys.
    pub fn new(field: &str, keys: impl IntoIterator<Item = ([u8; 32], Known)>) -> ApiKeys {
        ApiKeys { field: field.to_ascii_lowercase().into(), by_digest: keys.into_iter().collect() }
    }

    /// SHA-256 of a key. Keys are long and random (`ringgate hash-key`), so no slower hash is needed to keep them from being guessed.
    pub fn digest(key: &[u8]) -> [u8; 32] {
        Sha256::digest(key).into()
    }

    /// Whose key this is. What the time it takes tells is about digests, which nobody can choose.
    ///
    /// # Errors
    /// Nobody's.
    pub fn check(&self, key: &[u8]) -> Result<&Known, Unauthorized> {
        if key.len() > API_KEY_BYTES {
            return Err(Unauthorized::Key);
        }
        let digest = ApiKeys::digest(key);
        let found = self.by_digest.get_key_value(&digest);
        let found = found.filter(|(own, _)| bool::from(own.ct_eq(&digest)));
        found.map(|(_, known)| known).ok_or(Unauthorized::Key)
    }
}

/// Names with the hashes of their passwords.
pub struct Passwords {
    users: HashMap<Box<str>, (Box<str>, Arc<Known>), ahash::RandomState>,
    /// A hash of nobody's password: an unknown name takes as long as a known one.
    decoy: Box<str>,
}

impl Passwords {
    /// These users, each with the hash of a password: argon2 in PHC form, or bcrypt.
    pub fn new(users: impl IntoIterator<Item = (Box<str>, Known)>) -> Passwords {
        let users: HashMap<_, _, _> = users
            .into_iter()
            .map(|(hash, known)| (known.caller.user.clone(), (hash, Arc::new(known))))
            .collect();
        let decoy = users.values().next().map_or_else(|| "".into(), |(hash, _)| hash.clone());
        Passwords { users, decoy }
    }

    /// Whose password it is, of `name:password` in base64 (RFC 7617 section 2). Takes some ten milliseconds: nothing for a worker.
    ///
    /// # Errors
    /// It is not that user's, or there is no such user.
    pub fn check(&self, credential: &[u8]) -> Result<Arc<Known>, Unauthorized> {
        use base64::Engine;
        let pair = base64::engine::general_purpose::STANDARD
            .decode(credential)
            .map_err(|_| Unauthorized::Password)?;
        let colon = pair.iter().position(|byte| *byte == b':').ok_or(Unauthorized::Password)?;
        let (name, password) = (&pair[..colon], &pair[colon + 1..]);
        let user = std::str::from_utf8(name).ok().and_then(|name| self.users.get(name));
        let hash = user.map_or(&self.decoy, |(hash, _)| hash);
        let is_right = is_password(hash, password);
        user.filter(|_| is_right).map(|(_, known)| known.clone()).ok_or(Unauthorized::Password)
    }
}

/// Whether a hash is one that passwords can be held against.
pub fn is_password_hash(hash: &str) -> bool {
    match hash.starts_with("$argon2") {
        true => argon2::password_hash::phc::PasswordHash::new(hash).is_ok(),
        false => is_bcrypt(hash),
    }
}

fn is_bcrypt(hash: &str) -> bool {
    hash.len() == 60 && ["$2a$", "$2b$", "$2y$"].iter().any(|version| hash.starts_with(version))
}

fn is_password(hash: &str, password: &[u8]) -> bool {
    use argon2::password_hash::{PasswordVerifier, phc::PasswordHash};
    match PasswordHash::new(hash) {
        Ok(parsed) if hash.starts_with("$argon2") => {
            argon2::Argon2::default().verify_password(password, &parsed).is_ok()
        }
        _ => bcrypt::verify(password, hash).unwrap_or(false),
    }
}

/// Another service says who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct External {
    /// Where it is: the place of a pool in the snapshot, and the pool's name.
    pub pool: (usize, Box<str>),
    /// The path that it is asked at.
    pub path: Box<str>,
    /// Fields of the request that it is shown, in lower case; with none of them a request has no credential.
    pub fields: Vec<Box<str>>,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether requests pass unproved while it does not answer.
    pub fails_open: bool,
    /// How long an answer holds; not at all if zero.
    pub cache: Duration,
    /// The fields of its answer that say who it is and what that caller is: user, roles, scopes.
    pub answers: [Box<str>; 3],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::RequestHead;
    use crate::tolerance::Tolerance;

    fn credential(kind: Kind<'_>, lines: &str) -> Result<Option<String>, Malformed> {
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
        let mut head = RequestHead::default();
        head.parse(text.as_bytes(), Tolerance::NONE).unwrap();
        let found = kind.credential(head.fields(text.as_bytes()))?;
        Ok(found.map(|found| String::from_utf8_lossy(found).into_owned()))
    }

    #[test]
    fn a_credential_stands_in_one_place() {
        let some = |text: &str| Ok(Some(text.to_owned()));
        let key = Kind::Field("x-api-key");
        for (kind, lines, expected) in [
            (Kind::Bearer, "Authorization: Bearer abc\r\n", some("abc")),
            (Kind::Bearer, "authorization: bEARER   abc\r\n", some("abc")),
            (Kind::Bearer, "Authorization: Bearer\r\n", some("")),
            (Kind::Bearer, "Authorization: Bearerabc\r\n", Ok(None)),
            (Kind::Bearer, "Authorization: Basic abc\r\n", Ok(None)),
            (Kind::Bearer, "X-Other: 1\r\n", Ok(None)),
            (Kind::Basic, "Authorization: basic abc\r\n", some("abc")),
            (
                Kind::Bearer,
                "Authorization: Bearer a\r\nAuthorization: Bearer a\r\n",
                Err(Malformed::Credentials),
            ),
            (
                Kind::Basic,
                "Authorization: Bearer a\r\nauthorization: Basic a\r\n",
                Err(Malformed::Credentials),
            ),
            (key, "X-API-Key: k\r\n", some("k")),
            (key, "X-API-Key: k\r\nx-api-key: k\r\n", Err(Malformed::Credentials)),
        ] {
            assert_eq!(credential(kind, lines), expected, "{lines}");
        }
    }

    #[test]
    fn a_key_is_known_by_its_digest() {
        let known = Known::new("keys", Caller::named("acme"), &Identity::default());
        let keys = ApiKeys::new("X-Api-Key", [(ApiKeys::digest(b"secret"), known)]);
        assert_eq!(keys.check(b"secret").unwrap().caller.user.as_ref(), "acme");
        for bad in [&b"secreT"[..], b"", b"secret ", &[b's'; API_KEY_BYTES + 1]] {
            assert_eq!(keys.check(bad).unwrap_err(), Unauthorized::Key);
        }
    }

    #[test]
    fn a_password_is_held_against_its_hash() {
        // Made by `htpasswd -nbB ada open-sesame` and by the argon2 command line tool, with the lowest cost.
        let bcrypt = bcrypt::hash("open-sesame", 4).unwrap();
        let known = |name: &str| Known::new("staff", Caller::named(name), &Identity::default());
        let users = Passwords::new([(bcrypt.into_boxed_str(), known("ada"))]);
        use base64::Engine;
        let encode = |pair: &str| base64::engine::general_purpose::STANDARD.encode(pair);
        assert_eq!(&*users.check(encode("ada:open-sesame").as_bytes()).unwrap().caller.user, "ada");
        for bad in ["ada:wrong", "ada:", "ada", "eve:open-sesame", ":", ""] {
            assert_eq!(users.check(encode(bad).as_bytes()).unwrap_err(), Unauthorized::Password, "{bad}");
        }
        assert_eq!(users.check(b"no base64!").unwrap_err(), Unauthorized::Password);
    }
}
