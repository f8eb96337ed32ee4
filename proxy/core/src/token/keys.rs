//! Keys that verify tokens: where they come from, and what each may verify.
//!
//! Owns: PEM, shared secrets and JWK sets (RFC 7517) as keys. A key knows its family, so none is ever used as another kind (an RSA
//! key as the secret of an HMAC), whatever a token says.
//! Refuses: keys too weak for what they are to protect (RFC 8725 section 3.5), private keys in a public set, and secrets that
//! anybody could have fetched.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::strict;
use crate::caller::Claims;
use crate::limits::{KEY_ID_BYTES, KEYS, KEYS_BYTES, KEYS_TRIED};

/// What a key is, whatever it is called: the same key has the same one, in whichever set it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

/// Where a set of keys comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// Somebody on this machine has written it: it may hold secrets.
    Local,
    /// It was fetched: what can be fetched is no secret.
    Published,
}

/// Why something is no key, or not one to rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadKey {
    /// Not a public key in PEM.
    Pem,
    /// Not a set of keys.
    Set,
    /// A set with more keys, or more bytes, than one may have.
    TooLarge,
    /// A set without one key that can be used.
    NoneUsable,
    /// An RSA key of less than 2048 or more than 8192 bits.
    RsaSize,
    /// A secret shorter than what its algorithm makes of it: 32, 48 or 64 bytes.
    ShortSecret,
    /// An algorithm that keys of this kind have not.
    Algorithm,
}

impl BadKey {
    /// What it says to people.
    pub fn description(self) -> &'static str {
        match self {
            BadKey::Pem => "it is not a public key in PEM (RSA, EC P-256 or P-384, Ed25519)",
            BadKey::Set => "it is not a JWK set: an object with a list `keys`, and nothing in it twice",
            BadKey::TooLarge => "it has more than 256 keys, or more than 1 MiB",
            BadKey::NoneUsable => "it has no key that can be used to verify signatures",
            BadKey::RsaSize => "its RSA key has less than 2048 or more than 8192 bits",
            BadKey::ShortSecret => {
                "it is too short: 32 bytes for HS256, 48 for HS384, 64 for HS512, at least (RFC 7518 section 3.2)"
            }
            BadKey::Algorithm => "no key of its kind has one of the algorithms that are allowed",
        }
    }
}

/// Why there is no key to verify a token with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoKey {
    /// None of this name: perhaps it is new.
    Unknown,
    /// None for this algorithm.
    Algorithm,
}

/// A key, and what it may verify.
pub struct Key {
    id: Option<Box<str>>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
    fingerprint: Fingerprint,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// A public key in PEM.
    ///
    /// # Errors
    /// It is none, or too weak.
    pub fn from_pem(pem: &[u8]) -> Result<Key, BadKey> {
        let kinds = [DecodingKey::from_rsa_pem, DecodingKey::from_ec_pem, DecodingKey::from_ed_pem];
        let key = kinds.iter().find_map(|read| read(pem).ok()).ok_or(BadKey::Pem)?;
        Key::new(&Jwk::from_decoding_key(&key, None).map_err(|_| BadKey::Pem)?, None)
    }

    /// A secret that is shared with the issuer.
    ///
    /// # Errors
    /// It is too short for any algorithm.
    pub fn from_secret(secret: &[u8]) -> Result<Key, BadKey> {
        let algorithms = hmac_algorithms(secret.len());
        if algorithms.is_empty() {
            return Err(BadKey::ShortSecret);
        }
        let fingerprint = Fingerprint::of(&[b"oct", secret]);
        Ok(Key { id: None, algorithms, key: DecodingKey::from_secret(secret), fingerprint })
    }

    /// A key of a set.
    fn from_jwk(jwk: &Claims, provenance: Provenance) -> Result<Key, BadKey> {
        let says = |name: &str| jwk.get(name).and_then(Value::as_str);
        let verifies = match (jwk.get("use"), jwk.get("key_ops")) {
            (None, None) => true,
            (Some(usage), None) => usage == "sig",
            (usage, Some(Value::Array(operations))) => {
                usage.is_none_or(|usage| usage == "sig")
                    && operations.iter().any(|operation| operation == "verify")
            }
            (_, Some(_)) => false,
        };
        let is_private = ["d", "p", "q", "dp", "dq", "qi", "oth"].iter().any(|name| jwk.contains_key(*name));
        let is_public_secret = says("kty") == Some("oct") && provenance == Provenance::Published;
        let id = says("kid").filter(|id| id.len() <= KEY_ID_BYTES);
        if !verifies || is_private || is_public_secret || jwk.contains_key("kid") != id.is_some() {
            return Err(BadKey::NoneUsable);
        }
        let only = says("alg").map(|name| name.parse().map_err(|_| BadKey::Algorithm)).transpose()?;
        let plain = ["kty", "crv", "x", "y", "n", "e", "k"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), jwk.get(*name)?.clone())));
        let parsed =
            serde_json::from_value(Value::Object(plain.collect())).map_err(|_| BadKey::NoneUsable)?;
        let key = Key::new(&parsed, only)?;
        Ok(Key { id: id.map(Box::from), ..key })
    }

    fn new(jwk: &Jwk, only: Option<Algorithm>) -> Result<Key, BadKey> {
        let (possible, fingerprint) = match &jwk.algorithm {
            AlgorithmParameters::RSA(rsa) => {
                check_rsa(&rsa.n, &rsa.e)?;
                (RSA.to_vec(), Fingerprint::of(&[b"RSA", rsa.n.as_bytes(), rsa.e.as_bytes()]))
            }
            AlgorithmParameters::EllipticCurve(curve) => {
                let (x, y) = (decoded(&curve.x)?, decoded(&curve.y)?);
                let algorithm = match (x.len(), y.len()) {
                    (32, 32) if curve.curve == jsonwebtoken::jwk::EllipticCurve::P256 => Algorithm::ES256,
                    (48, 48) if curve.curve == jsonwebtoken::jwk::EllipticCurve::P384 => Algorithm::ES384,
                    _ => return Err(BadKey::NoneUsable),
                };
                (vec![algorithm], Fingerprint::of(&[b"EC", &x, &y]))
            }
            AlgorithmParameters::OctetKeyPair(pair) => {
                let x = decoded(&pair.x)?;
                if x.len() != 32 || pair.curve != jsonwebtoken::jwk::EllipticCurve::Ed25519 {
                    return Err(BadKey::NoneUsable);
                }
                (vec![Algorithm::EdDSA], Fingerprint::of(&[b"OKP", &x]))
            }
            AlgorithmParameters::OctetKey(octets) => {
                let key = Key::from_secret(&decoded(&octets.value)?)?;
                (key.algorithms, key.fingerprint)
            }
            _ => return Err(BadKey::NoneUsable),
        };
        let allowed = |algorithm: &Algorithm| only.is_none_or(|only| only == *algorithm);
        let algorithms: Vec<Algorithm> = possible.into_iter().filter(allowed).collect();
        let key = DecodingKey::from_jwk(jwk).map_err(|_| BadKey::NoneUsable)?;
        if algorithms.is_empty() {
            Err(BadKey::Algorithm)
        } else {
            Ok(Key { id: None, algorithms, key, fingerprint })
        }
    }

    /// What it may verify.
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// What it is.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Whether it has made this signature of these bytes. Tens of microseconds.
    pub(super) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &Vec<u8>) -> bool {
        let verifier = (DEFAULT_PROVIDER.verifier_factory)(&algorithm, &self.key);
        self.algorithms.contains(&algorithm)
            && verifier.is_ok_and(|verifier| verifier.verify(signed, signature).is_ok())
    }

    fn is_of(&self, family: AlgorithmFamily) -> bool {
        self.key.family() == family
    }
}

const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// RFC 7518 section 3.2: a secret has at least as many bits as the hash.
fn hmac_algorithms(bytes: usize) -> Vec<Algorithm> {
    let least = [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)];
    least.into_iter().filter(|(_, least)| bytes >= *least).map(|(algorithm, _)| algorithm).collect()
}

fn decoded(text: &str) -> Result<Vec<u8>, BadKey> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| BadKey::NoneUsable)
}

/// 2048 to 8192 bits (the bounds of aws-lc, too), and an exponent that is odd and more than 1.
fn check_rsa(modulus: &str, exponent: &str) -> Result<(), BadKey> {
    let (modulus, exponent) = (decoded(modulus)?, decoded(exponent)?);
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let top = modulus.get(zeros).ok_or(BadKey::RsaSize)?;
    let bits = (modulus.len() - zeros) * 8 - top.leading_zeros() as usize;
    let is_one = exponent.iter().skip_while(|byte| **byte == 0).eq([&1]);
    let is_odd = exponent.last().is_some_and(|last| last % 2 == 1) && !is_one;
    if (2048..=8192).contains(&bits) && is_odd { Ok(()) } else { Err(BadKey::RsaSize) }
}

impl Fingerprint {
    fn of(parts: &[&[u8]]) -> Fingerprint {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&digest[..16]);
        Fingerprint(fingerprint)
    }
}

/// Keys that may have signed a token.
#[derive(Debug, Default)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// These.
    pub fn new(keys: Vec<Key>) -> Keys {
        Keys(keys)
    }

    /// Those of a JWK set that can be used; others, and second ones of a name, are left out.
    ///
    /// # Errors
    /// It is no such set, is too large, or has no key of use.
    pub fn from_set(set: &[u8], provenance: Provenance) -> Result<Keys, BadKey> {
        if set.len() > KEYS_BYTES {
            return Err(BadKey::TooLarge);
        }
        let set = strict::object(set).ok_or(BadKey::Set)?;
        let Some(Value::Array(members)) = set.get("keys") else { return Err(BadKey::Set) };
        if members.len() > KEYS {
            return Err(BadKey::TooLarge);
        }
        let mut keys: Vec<Key> = Vec::new();
        for member in members.iter().filter_map(Value::as_object) {
            if let Ok(key) = Key::from_jwk(member, provenance) {
                let is_second =
                    |other: &Key| other.id.is_some() && other.id == key.id && other.is_of(key.key.family());
                if !keys.iter().any(is_second) {
                    keys.push(key);
                }
            }
        }
        if keys.is_empty() { Err(BadKey::NoneUsable) } else { Ok(Keys(keys)) }
    }

    /// All of them.
    pub fn all(&self) -> &[Key] {
        &self.0
    }

    /// Whether a key is among them.
    pub fn has(&self, fingerprint: Fingerprint) -> bool {
        self.0.iter().any(|key| key.fingerprint == fingerprint)
    }

    /// Whether they are the same keys under the same names.
    pub fn are_same_as(&self, other: &Keys) -> bool {
        let look = |keys: &Keys| -> Vec<_> {
            keys.0.iter().map(|key| (key.id.clone(), key.fingerprint, key.algorithms.clone())).collect()
        };
        look(self) == look(other)
    }

    /// Those to try on a token that was signed like this, with a key of that name if it gives one; some at most. A key without
    /// a name may have any.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn candidates(&self, algorithm: Algorithm, id: Option<&str>) -> Result<Vec<&Key>, NoKey> {
        let may_be = |key: &&Key| id.is_none() || key.id.is_none() || key.id.as_deref() == id;
        let named: Vec<&Key> = self.0.iter().filter(may_be).collect();
        if named.is_empty() {
            return Err(NoKey::Unknown);
        }
        let fitting = named.into_iter().filter(|key| key.algorithms.contains(&algorithm)).take(KEYS_TRIED);
        let fitting: Vec<&Key> = fitting.collect();
        if fitting.is_empty() { Err(NoKey::Algorithm) } else { Ok(fitting) }
    }
}
