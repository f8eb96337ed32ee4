//! From a text to the types of `file`: TOML is read, the environment filled in, and what does not fit said in our words.

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, Deserializer, Error};

use super::codes::Mistake;
use super::diagnostic::{Problem, list};
use super::environment::{Environment, Filled};
use super::sources::{Place, Source};
use super::words;

/// Reads a text into [`super::file::File`] or [`super::file::Included`]. All places in it count through all texts.
pub(super) fn read<T: DeserializeOwned>(
    source: &Source,
    environment: &Environment<'_>,
) -> Result<T, Problem> {
    let table = DeTable::parse(&source.text).map_err(|error| explain(&error, source, source.start))?;
    let place = moved(table.span(), source.start);
    let table = Meaning { source, environment }.table(table.into_inner())?;
    T::deserialize(Deserializer::from(Spanned::new(place, table))).map_err(|error| explain(&error, source, 0))
}

fn moved(span: Place, start: usize) -> Place {
    span.start + start..span.end + start
}

/// Brings what was read from one text to what it means among all of them.
struct Meaning<'a> {
    source: &'a Source,
    environment: &'a Environment<'a>,
}

impl<'a> Meaning<'a> {
    fn table(&self, table: DeTable<'a>) -> Result<DeTable<'a>, Problem> {
        let key = |key: Spanned<_>| Spanned::new(moved(key.span(), self.source.start), key.into_inner());
        table.into_iter().map(|(name, value)| Ok((key(name), self.value(value)?))).collect()
    }

    fn value(&self, value: Spanned<DeValue<'a>>) -> Result<Spanned<DeValue<'a>>, Problem> {
        let place = moved(value.span(), self.source.start);
        let meaning = match value.into_inner() {
            DeValue::Table(table) => DeValue::Table(self.table(table)?),
            DeValue::Array(values) => {
                DeValue::Array(values.into_iter().map(|value| self.value(value)).collect::<Result<_, _>>()?)
            }
            DeValue::String(text) => self.text(text, &place)?,
            other => other,
        };
        Ok(Spanned::new(place, meaning))
    }

    fn text(&self, text: DeString<'a>, place: &Place) -> Result<DeValue<'a>, Problem> {
        Ok(match self.environment.fill(&text, self.source, place)? {
            Filled::AsWritten => DeValue::String(text),
            Filled::Plain(meant) => DeValue::String(meant.into()),
            Filled::Secret(meant) => words::value(meant, text, place),
        })
    }
}

/// Keys that stand only in the file that includes the others.
const SETTINGS: [&str; 13] = [
    "include",
    "allow",
    "listen",
    "workers",
    "driver",
    "node_id",
    "trusted_proxies",
    "tolerate",
    "log",
    "admin",
    "server_timing",
    "timeouts",
    "limits",
];

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
fn explain(error: &Error, source: &Source, start: usize) -> Problem {
    let (message, place) = (error.message(), moved(error.span().unwrap_or_default(), start));
    let is_text = source.at(&place).starts_with(['"', '\'']);
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, expected "));
    let wrong = message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "));
    match (unknown, wrong) {
        (Some((words::FILLED, _)), _) => wrong_type("text", "a table", place),
        (Some((key, valid)), _) => unknown_key(key, valid, place),
        (_, Some(("sequence", _))) if is_text => wrong_type("text", "a map", place),
        (_, Some(("map", expected))) if is_text => wrong_type("text", expected, place),
        (_, Some((found, expected))) => wrong_type(found, expected, place),
        _ => Problem::at(Mistake::NotToml, place.clone(), format!("this is not TOML: {message}"))
            .help(how_to_write(message, source, &place)),
    }
}

fn how_to_write(message: &str, source: &Source, place: &Place) -> String {
    match in_quotes(source, place) {
        _ if message.starts_with("duplicate key") => {
            "it stands further up already: write all that belongs to it there, or call one of them otherwise"
                .into()
        }
        Some(line) => format!("put text in quotes: `{line}`"),
        None => "write `key = value`; text stands in quotes, lists in brackets (https://toml.io)".into(),
    }
}

/// The line of a place with its value in quotes, if that makes it TOML.
fn in_quotes(source: &Source, place: &Place) -> Option<String> {
    let (key, value) = source.line(place).split_once('=')?;
    let line = format!("{} = \"{}\"", key.trim(), value.split('#').next()?.trim());
    (!value.contains(['"', '\'']) && DeTable::parse(&line).is_ok()).then_some(line)
}

fn unknown_key(key: &str, valid: &str, place: Place) -> Problem {
    let valid: Vec<&str> = valid.split('`').skip(1).step_by(2).collect();
    if valid == ["pools", "routes"] && SETTINGS.contains(&key) {
        return Problem::at(
            Mistake::MisplacedSetting,
            place,
            format!("`{key}` does not belong into a file that another one includes"),
        )
        .help("put it into the file that includes this one; here stand `[[routes]]` and `[pools.NAME]`");
    }
    if let Some((_, why)) = GLOBAL.iter().find(|(global, _)| *global == key) {
        return Problem::at(Mistake::MisplacedKey, place, format!("`{key}` does not belong here: {why}"))
            .help(format!("what can stand here: {}", list(&valid)));
    }
    Problem::at(Mistake::UnknownKey, place, format!("there is no key `{key}` here"))
        .suggest(key, valid.iter().copied())
        .help(format!("what can stand here: {}", list(&valid)))
}

fn wrong_type(found: &str, expected: &str, place: Place) -> Problem {
    let found = match found {
        "map" => "a table",
        "sequence" => "a list",
        other => other,
    };
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
        "a size" => ("a size", "write a number of bytes, or text with a unit as in \"64KiB\" and \"10MB\""),
        table => (table, "give the table its keys"),
    };
    Problem::at(Mistake::WrongType, place, format!("expected {expected}, found {found}")).help(help)
}
