//! The file as a person writes it, before anything in it is judged: every field optional, every value with its place.
//!
//! Owns: the names of all keys, and what is said when the text is not TOML, a key does not exist or a value has the
//! wrong type. Values that need to be read ("10s", "127.0.0.1:80") stay text here; the other rooms read them.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::diagnostic::{Problem, list};

/// Text, and where it stands.
pub(super) type Text = Spanned<String>;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) listen: Option<Text>,
    pub(super) workers: Option<Spanned<i64>>,
    pub(super) driver: Option<Text>,
    pub(super) node_id: Option<Text>,
    #[serde(default)]
    pub(super) trusted_proxies: Vec<Text>,
    #[serde(default)]
    pub(super) tolerate: Vec<Text>,
    #[serde(default)]
    pub(super) log: Log,
    pub(super) admin: Option<Spanned<Admin>>,
    pub(super) server_timing: Option<bool>,
    #[serde(default)]
    pub(super) timeouts: Timeouts,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) pools: BTreeMap<Text, Pool>,
    #[serde(default)]
    pub(super) routes: Vec<Spanned<Route>>,
}

/// `[log]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, as in `[log]`")]
pub(super) struct Log {
    pub(super) requests: Option<Text>,
    pub(super) file: Option<Text>,
    #[serde(default)]
    pub(super) query: Vec<Text>,
    #[serde(default)]
    pub(super) fields: Vec<Text>,
    pub(super) sample: Option<Spanned<f64>>,
}

/// `[admin]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, as in `[admin]`")]
pub(super) struct Admin {
    pub(super) listen: Option<Text>,
    pub(super) socket: Option<Text>,
    pub(super) token: Option<Text>,
}

/// `[timeouts]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, as in `[timeouts]`")]
pub(super) struct Timeouts {
    pub(super) head: Option<Text>,
    pub(super) idle: Option<Text>,
    pub(super) upstream_idle: Option<Text>,
    pub(super) upstream_age: Option<Text>,
    pub(super) drain: Option<Text>,
    connect: Option<Text>,
    response: Option<Text>,
    stall: Option<Text>,
    total: Option<Text>,
    tunnel: Option<Text>,
}

/// `timeouts` of a route: those of `[timeouts]` that need one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, as in `{ response = \"1s\" }`")]
pub(super) struct RouteTimeouts {
    pub(super) connect: Option<Text>,
    pub(super) response: Option<Text>,
    pub(super) stall: Option<Text>,
    pub(super) total: Option<Text>,
    pub(super) tunnel: Option<Text>,
}

impl Timeouts {
    /// What routes have of it.
    pub(super) fn of_routes(&self) -> RouteTimeouts {
        RouteTimeouts {
            connect: self.connect.clone(),
            response: self.response.clone(),
            stall: self.stall.clone(),
            total: self.total.clone(),
            tunnel: self.tunnel.clone(),
        }
    }
}

/// Bytes, as a number or as text with a unit.
pub(super) type Size = Spanned<toml::Value>;

/// `[limits]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, as in `[limits]`")]
pub(super) struct Limits {
    pub(super) connections: Option<Spanned<i64>>,
    body: Option<Size>,
    rate: Option<Size>,
}

/// `limits` of a route: those of `[limits]` that need one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, as in `{ body = \"1MiB\" }`")]
pub(super) struct RouteLimits {
    pub(super) body: Option<Size>,
    pub(super) rate: Option<Size>,
}

impl Limits {
    /// What routes have of it.
    pub(super) fn of_routes(&self) -> RouteLimits {
        RouteLimits { body: self.body.clone(), rate: self.rate.clone() }
    }
}

/// `[pools.NAME]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table with `servers`")]
pub(super) struct Pool {
    pub(super) servers: Option<Servers>,
    pub(super) connections: Option<Spanned<i64>>,
}

/// Servers, of a pool or of a route that has no need to name one.
pub(super) type Servers = Spanned<Vec<Text>>;

/// `[[routes]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, as in `[[routes]]`")]
pub(super) struct Route {
    pub(super) prefix: Option<Text>,
    pub(super) path: Option<Text>,
    pub(super) methods: Option<Spanned<Vec<Text>>>,
    pub(super) host: Option<Text>,
    #[serde(default)]
    pub(super) headers: BTreeMap<Text, Text>,
    pub(super) pool: Option<Text>,
    pub(super) servers: Option<Servers>,
    pub(super) name: Option<Text>,
    #[serde(default)]
    pub(super) timeouts: RouteTimeouts,
    #[serde(default)]
    pub(super) limits: RouteLimits,
    pub(super) upgrade: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub(super) redact: Vec<Text>,
    pub(super) server_timing: Option<bool>,
}

/// Reads the text into [`File`].
pub(super) fn read(text: &str) -> Result<File, Problem> {
    toml::from_str(text).map_err(|error| explain(error.message(), error.span().unwrap_or_default()))
}

/// Keys that people look for in a route, with the place where they belong.
const GLOBAL: [(&str, &str); 7] = [
    (
        "log",
        "all requests are logged in one way; put it under `[log]`, or list under `redact` what shall not be",
    ),
    ("head", "it holds before a route is known; put it under `[timeouts]`"),
    ("idle", "it holds between requests; put it under `[timeouts]`"),
    ("upstream_idle", "connections to servers are shared by all routes; put it under `[timeouts]`"),
    ("drain", "the gateway ends as a whole; put it under `[timeouts]`"),
    ("upstream_age", "connections to servers are shared by all routes; put it under `[timeouts]`"),
    (
        "connections",
        "put it under `[limits]` for all clients together, or under `[pools.NAME]` for each server of a pool",
    ),
];

/// serde passes names and types on only inside its message; should its words ever change, they are shown as they are.
fn explain(message: &str, span: Range<usize>) -> Problem {
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, expected "));
    let wrong = message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "));
    match (unknown, wrong) {
        (Some((key, valid)), _) => unknown_key(key, valid, span),
        (_, Some((found, expected))) => wrong_type(found, expected, span),
        _ => Problem::at(span, format!("this is not TOML: {message}"))
            .help("write `key = value`; text stands in quotes, lists in brackets (https://toml.io)"),
    }
}

fn unknown_key(key: &str, valid: &str, span: Range<usize>) -> Problem {
    let valid: Vec<&str> = valid.split('`').skip(1).step_by(2).collect();
    if let Some((_, why)) = GLOBAL.iter().find(|(global, _)| *global == key) {
        return Problem::at(span, format!("`{key}` does not belong here: {why}"))
            .help(format!("what can stand here: {}", list(&valid)));
    }
    Problem::at(span, format!("there is no key `{key}` here"))
        .suggest(key, valid.iter().copied())
        .help(format!("what can stand here: {}", list(&valid)))
}

fn wrong_type(found: &str, expected: &str, span: Range<usize>) -> Problem {
    let found = if found == "map" { "a table" } else { found };
    let (expected, help) = match expected {
        "a string" => ("text", "put the value in quotes"),
        "a sequence" if found == "a table" => {
            ("a list", "a list of tables has two brackets, as in `[[routes]]`")
        }
        "a sequence" => (
            "a list",
            "put the values in brackets, as in `[\"first\", \"second\"]`; routes are tables, each under `[[routes]]`",
        ),
        "a map" => (
            "a table",
            "write it as in `headers = { name = \"value\" }`; a pool is a table of its own, under `[pools.NAME]`",
        ),
        "f64" => ("a number", "write digits without quotes, as in `0.01`"),
        "a boolean" => ("`true` or `false`", "write it without quotes"),
        "i64" => ("a whole number", "write digits without quotes and without a point"),
        table => (table, "give the table its keys"),
    };
    Problem::at(span, format!("expected {expected}, found {found}")).help(help)
}
