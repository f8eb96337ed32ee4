//! Tables are tables: serde would take a list for a struct, field after field, and so would read `timeouts = ["1s"]`.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use toml::Spanned;

use super::file::{
    Admin, Discovery, Limits, Log, Pool, Route, RouteLimits, RouteTimeouts, Text, Timeouts, Tracing,
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
pub(super) fn pools<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Text, Pool>, D::Error> {
    let pools = BTreeMap::<Text, Table<Pool>>::deserialize(deserializer)?;
    Ok(pools.into_iter().map(|(name, Table(pool))| (name, pool)).collect())
}

/// Reads a list of tables.
pub(super) fn routes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Spanned<Route>>, D::Error> {
    let routes = Vec::<Spanned<Table<Route>>>::deserialize(deserializer)?;
    let plain = |route: Spanned<Table<Route>>| Spanned::new(route.span(), route.into_inner().0);
    Ok(routes.into_iter().map(plain).collect())
}
