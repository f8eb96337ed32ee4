//! Tables are tables: serde would take a list for a struct, field after field, and so would read `timeouts = ["1s"]`.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use toml::Spanned;

use super::file::{
    Admin, ApiKey, Auth, Basic, Cors, Discovery, External, Fields, Jwt, Key, Limits, Log, Policy, Pool,
    RateLimit, Route, RouteLimits, RouteTimeouts, Text, Timeouts, Tracing, User,
};

/// What is written as a table.
pub(super) trait Tabular {
    /// What is expected where it stands, with an example.
    const EXPECTED: &'static str;
}

macro_rules! tabular {
    ($($table:ident: $expected:literal,)*) => {$(
        impl Tabular for $table {
            const EXPECTED: &'static str = $expected;
        }
    )*};
}

tabular! {
    Log: "a table, as in `[log]`",
    Admin: "a table, as in `[admin]`",
    Timeouts: "a table, as in `[timeouts]`",
    Limits: "a table, as in `[limits]`",
    Discovery: "a table, as in `[discovery]`",
    Tracing: "a table, as in `[tracing]`",
    RouteTimeouts: "a table, as in `{ response = \"1s\" }`",
    RouteLimits: "a table, as in `{ body = \"1MiB\" }`",
    Pool: "a table with `servers`",
    Route: "a table, as in `[[routes]]`",
    Fields: "a table, as in `{ set = { x-a = \"1\" } }`",
    Cors: "a table, as in `[cors]`",
    Auth: "a table, as in `[auth.NAME]`",
    Jwt: "a table, as in `[auth.NAME.jwt]`",
    ApiKey: "a table, as in `[auth.NAME.api_key]`",
    Key: "a table, as in `[[auth.NAME.api_key.keys]]`",
    Basic: "a table, as in `[auth.NAME.basic]`",
    User: "a table, as in `[[auth.NAME.basic.users]]`",
    External: "a table, as in `[auth.NAME.external]`",
    RateLimit: "a table, as in `[rate_limits.NAME]`",
    Policy: "a table, as in `[policies.NAME]`",
}

/// A value that is written as a table.
struct Table<T>(T);

struct Reader<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Tabular> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Table<T>, D::Error> {
        deserializer.deserialize_map(Reader(PhantomData)).map(Table)
    }
}

impl<'de, T: Deserialize<'de> + Tabular> Visitor<'de> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// Reads a table.
pub(super) fn table<'de, D: Deserializer<'de>, T: Deserialize<'de> + Tabular>(
    deserializer: D,
) -> Result<T, D::Error> {
    Table::deserialize(deserializer).map(|Table(table)| table)
}

/// Reads a table that need not be there, with its place.
pub(super) fn maybe_table<'de, D: Deserializer<'de>, T: Deserialize<'de> + Tabular>(
    deserializer: D,
) -> Result<Option<Spanned<T>>, D::Error> {
    let table = Spanned::<Table<T>>::deserialize(deserializer)?;
    Ok(Some(Spanned::new(table.span(), table.into_inner().0)))
}

/// Reads a table of tables.
pub(super) fn tables<'de, D: Deserializer<'de>, T: Deserialize<'de> + Tabular>(
    deserializer: D,
) -> Result<BTreeMap<Text, T>, D::Error> {
    let tables = BTreeMap::<Text, Table<T>>::deserialize(deserializer)?;
    Ok(tables.into_iter().map(|(name, Table(table))| (name, table)).collect())
}

/// Reads a list of tables.
pub(super) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de> + Tabular>(
    deserializer: D,
) -> Result<Vec<Spanned<T>>, D::Error> {
    let tables = Vec::<Spanned<Table<T>>>::deserialize(deserializer)?;
    let plain = |table: Spanned<Table<T>>| Spanned::new(table.span(), table.into_inner().0);
    Ok(tables.into_iter().map(plain).collect())
}
