//! The file as a person writes it, before anything in it is judged: every field optional, every value with its place.
//!
//! Owns: the names of all keys. Values that need to be read ("10s", "127.0.0.1:80") stay text here; the other rooms read
//! them.

use std::collections::BTreeMap;

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use toml::Spanned;

use super::words::{self, Words};

/// Text, and where it stands.
pub(super) type Text = Spanned<Words>;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) include: Vec<Text>,
    #[serde(default)]
    pub(super) allow: Vec<Text>,
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
    #[serde(default)]
    pub(super) timeouts: Timeouts,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) pools: BTreeMap<Text, Pool>,
    #[serde(default)]
    pub(super) routes: Vec<Spanned<Route>>,
}

/// A file that another one includes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Included {
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

/// Bytes, and where that stands.
pub(super) type Size = Spanned<Bytes>;

/// Bytes, as a number or as text with a unit.
#[derive(Debug, Clone)]
pub(super) enum Bytes {
    Number(i64),
    Text(Words),
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bytes::Number(number) => number.fmt(f),
            Bytes::Text(text) => text.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_any(BytesReader)
    }
}

struct BytesReader;

impl<'de> Visitor<'de> for BytesReader {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Bytes, E> {
        Ok(Bytes::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Bytes, E> {
        Ok(Bytes::Text(text.to_owned().into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Bytes, A::Error> {
        words::filled(map, &self).map(Bytes::Text)
    }
}

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
    #[serde(default)]
    pub(super) allow: Vec<Text>,
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
    pub(super) allow: Vec<Text>,
}
