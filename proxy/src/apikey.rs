//! API keys as an operator makes them.

use std::io;

use ringgate_core::auth::ApiKeys;
use rustls::crypto::aws_lc_rs::default_provider;

/// Random bytes of a key: nobody guesses 256 bits, so a fast hash is enough to keep them secret.
const KEY_BYTES: usize = 32;
/// What keys begin with, so that those who look for leaked secrets know one.
const PREFIX: &str = "rgk_";

/// A new key.
///
/// # Errors
/// The system has no randomness.
pub fn generate() -> io::Result<String> {
    let mut bytes = [0; KEY_BYTES];
    let filled = default_provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| io::Error::other("the system has no randomness"))?;
    Ok(format!("{PREFIX}{}", digits(&bytes)))
}

/// The digest of a key, as a configuration writes it.
pub fn digest(key: &[u8]) -> String {
    format!("sha256:{}", digits(&ApiKeys::digest(key)))
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
