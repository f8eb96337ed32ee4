//! Which names stand before a secret: of header fields, parameters, members of an object, options, variables.

use percent_encoding::percent_decode_str;

/// Anywhere in a name, in whichever letters, `-` and `_` left out.
const PARTS: [&str; 17] = [
    "auth",
    "cookie",
    "token",
    "key",
    "secret",
    "passw",
    "pwd",
    "passphrase",
    "session",
    "credential",
    "signature",
    "jwt",
    "csrf",
    "xsrf",
    "bearer",
    "assertion",
    "saml",
];
/// As a whole word of a name: longer words hold them by chance.
const WORDS: [&str; 8] = ["sig", "sid", "pass", "pw", "otp", "pin", "hmac", "creds"];

/// Last words of names whose value says where a secret is: `token_env`, `key-file`.
const ELSEWHERE: [&str; 2] = ["env", "file"];

/// Whether what stands behind `name` is a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
    let whole: String = name.chars().filter(|c| !"-_.".contains(*c)).collect();
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let says_where = name.rsplit(['-', '_']).next().is_some_and(|last| ELSEWHERE.contains(&last));
    !says_where && (PARTS.iter().any(|part| whole.contains(part)) || words.any(|word| WORDS.contains(&word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_whether_a_secret_follows() {
        for name in [
            "Authorization",
            "Set-Cookie",
            "x-api-key",
            "apikey",
            "api_key",
            "X-Session",
            "sessionId",
            "passwd",
            "db.password",
            "PWD",
            "X-Amz-Credential",
            "X-Amz-Signature",
            "X-Amz-Security-Token",
            "AWSAccessKeyId",
            "sig",
            "jwt",
            "access%5Ftoken",
            "pass",
            "x-pass",
            "client_secret",
            "%74oken",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "accept",
            "content-type",
            "host",
            "id",
            "page",
            "design",
            "compass",
            "x-mock-latency",
            "etag",
            "token-env",
            "tokens_file",
            "",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
