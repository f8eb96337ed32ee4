//! The file as a person writes it, before anything in it is judged: the names of all keys, and the type of each value.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::diagnostic::Problem;

/// Text, and where it stands.
pub(super) type Text = Spanned<String>;
/// A whole number from 0 on, and where it stands.
pub(super) type Number = Spanned<u64>;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) server: Option<Text>,
    pub(super) rate: Option<Number>,
    pub(super) ramp: Option<Text>,
    pub(super) steps: Option<Text>,
    pub(super) sine: Option<Text>,
    pub(super) trace: Option<Text>,
    pub(super) arrivals: Option<Text>,
    pub(super) request_count: Option<Number>,
    pub(super) duration: Option<Text>,
    pub(super) warmup: Option<Text>,
    pub(super) connections: Option<Number>,
    pub(super) threads: Option<Number>,
    pub(super) timeout: Option<Text>,
    pub(super) drain: Option<Text>,
    pub(super) queue: Option<Number>,
    pub(super) lateness_limit: Option<Text>,
    pub(super) seed: Option<Number>,
    pub(super) pin: Option<Vec<usize>>,
    pub(super) driver: Option<Text>,
    #[serde(default)]
    pub(super) assert: Vec<Text>,
    #[serde(default)]
    pub(super) connection: Connection,
    pub(super) expect: Option<Expect>,
    #[serde(default)]
    pub(super) requests: Vec<Spanned<Request>>,
}

/// `[connection]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, as in `[connection]`")]
pub(super) struct Connection {
    pub(super) requests_per_connection: Option<Number>,
    #[serde(default)]
    pub(super) close: bool,
}

/// `expect` of a request, or of all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, as in `expect = { status = \"2xx\" }`")]
pub(super) struct Expect {
    pub(super) status: Option<Spanned<toml::Value>>,
    pub(super) body_bytes: Option<Number>,
    pub(super) body_hash: Option<Text>,
    pub(super) body_file: Option<Text>,
}

/// `[[requests]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, as in `[[requests]]`")]
pub(super) struct Request {
    pub(super) name: Option<Text>,
    pub(super) weight: Option<Spanned<u32>>,
    pub(super) url: Option<Text>,
    pub(super) method: Option<Text>,
    #[serde(default)]
    pub(super) headers: BTreeMap<Text, Text>,
    pub(super) token_env: Option<Text>,
    pub(super) token_file: Option<Text>,
    pub(super) tokens_file: Option<Text>,
    pub(super) body: Option<Text>,
    pub(super) body_file: Option<Text>,
    pub(super) body_bytes: Option<Number>,
    pub(super) expect: Option<Expect>,
}

/// Reads the text into [`File`].
pub(super) fn read(text: &str) -> Result<File, Problem> {
    toml::from_str(text).map_err(|error| explain(error.message(), error.span().unwrap_or_default()))
}

/// serde tells names and types only inside its message; should its words ever change, they are shown as they are.
fn explain(message: &str, place: Range<usize>) -> Problem {
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, expected "));
    if let Some((key, valid)) = unknown {
        let valid: Vec<&str> = valid.split('`').skip(1).step_by(2).collect();
        let help = format!("what can stand here: {}", valid.join(", "));
        return Problem::at(place, format!("there is no key `{key}` here"), help).suggest(key, valid);
    }
    if message.starts_with("invalid type: ") || message.starts_with("invalid value: ") {
        let help = "text and durations stand in quotes (\"10s\"), numbers without; loadgen/examples has a file with all keys";
        return Problem::at(place, message, help);
    }
    let help = "write `key = value`; text stands in quotes, and each request is a table under `[[requests]]`";
    Problem::at(place, format!("this is not TOML: {message}"), help)
}
