//! What is said when a text is not TOML, a key does not exist or a value has the wrong type.
//!
//! serde and the parser pass names and types on only inside their messages. Those are put into our words with what the
//! file says there; should they ever change, they are shown as they are.

use toml::de::{DeTable, Error};

use super::codes::Mistake;
use super::diagnostic::{Problem, list};
use super::schema;
use super::sources::{Place, Source, moved};
use super::words;

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
/// What other gateways call our keys.
const ELSEWHERE: [(&str, &str); 14] = [
    ("address", "listen"),
    ("bind", "listen"),
    ("port", "listen"),
    ("backends", "servers"),
    ("endpoints", "servers"),
    ("targets", "servers"),
    ("upstreams", "pools"),
    ("services", "pools"),
    ("url", "servers"),
    ("backend", "pool"),
    ("service", "pool"),
    ("upstream", "pool"),
    ("location", "prefix"),
    ("uri", "path"),
];

/// What is said of an error of the parser or of serde; its places count from `start`.
pub(super) fn explain(error: &Error, source: &Source, start: usize) -> Problem {
    let (message, place) = (error.message(), moved(error.span().unwrap_or_default(), start));
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, expected "));
    let wrong = message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "));
    match (unknown, wrong) {
        (Some((words::FILLED, _)), _) => wrong_type("text", "a map", source, place),
        (Some((key, valid)), _) => unknown_key(key, valid, place),
        (_, Some((found, expected))) => wrong_type(found, expected, source, place),
        _ => {
            let help = how_to_write(message, source, &place);
            Problem::at(Mistake::NotToml, place, format!("this is not TOML: {message}")).help(help)
        }
    }
}

fn how_to_write(message: &str, source: &Source, place: &Place) -> String {
    let help = match message.split([',', ':']).next().unwrap_or_default() {
        "duplicate key" => {
            "it stands further up already: write all that belongs to it there, or call one of them otherwise"
        }
        "missing comma between array elements" => {
            "values in a list are parted by `,`, and behind the last one stands `]`"
        }
        "invalid basic string" | "invalid literal string" => {
            "end the text with the quote that it begins with"
        }
        _ => match in_quotes(source, place) {
            Some(line) => return format!("put text in quotes: `{line}`"),
            None => "write `key = value`; text stands in quotes, lists in brackets (https://toml.io)",
        },
    };
    help.to_owned()
}

/// The line of a place with its value in quotes, if that makes it TOML.
fn in_quotes(source: &Source, place: &Place) -> Option<String> {
    let (key, value) = source.line(place).split_once('=')?;
    let line = format!("{} = \"{}\"", key.trim(), value.split('#').next()?.trim());
    (!value.contains(['"', '\'']) && DeTable::parse(&line).is_ok()).then_some(line)
}

fn unknown_key(key: &str, valid: &str, place: Place) -> Problem {
    let valid: Vec<&str> = valid.split('`').skip(1).step_by(2).collect();
    let is_setting = schema::is_setting(key);
    let problem = |code: Mistake, title: String| Problem::at(code, place.clone(), title);
    let here = format!("what can stand here: {}", list(&valid));
    let global = GLOBAL.iter().find(|(global, _)| *global == key);
    match global {
        _ if is_setting && valid == ["pools", "routes"] => {
            problem(Mistake::MisplacedSetting, format!("`{key}` does not belong into a file that another one includes"))
                .help("put it into the file that includes this one; here stand `[[routes]]` and `[pools.NAME]`")
        }
        _ if is_setting => problem(Mistake::MisplacedKey, format!("`{key}` does not belong to this table"))
            .help(format!("move it above the first line in brackets, since what stands below one belongs to that; {here}")),
        Some((_, why)) => {
            problem(Mistake::MisplacedKey, format!("`{key}` does not belong here: {why}")).help(here)
        }
        None => problem(Mistake::UnknownKey, format!("there is no key `{key}` here"))
            .suggest(meant(key, &valid).unwrap_or(key), valid.iter().copied())
            .help(here),
    }
}

/// Our key for what another gateway calls like this, if it can stand here.
fn meant(key: &str, valid: &[&str]) -> Option<&'static str> {
    let ours =
        ELSEWHERE.iter().find(|(theirs, ours)| key.eq_ignore_ascii_case(theirs) && valid.contains(ours));
    ours.map(|(_, ours)| *ours)
}

fn wrong_type(found: &str, expected: &str, source: &Source, place: Place) -> Problem {
    let is_text = source.at(&place).starts_with(['"', '\'']);
    let found = match found {
        "map" | "sequence" if is_text => "text", // from the environment
        "map" => "a table",
        "sequence" => "a list",
        other => other.split(" as i").next().unwrap_or(other),
    };
    let expected = if found == "text" && expected == "a string" { "a map" } else { expected };
    let (expected, help) = match expected {
        "a string" => ("text", "put the value in quotes"),
        "a sequence" if found == "a table" => {
            ("a list", "a list of tables has two brackets, as in `[[routes]]`")
        }
        "a sequence" => ("a list", "put the values in brackets, as in `[\"first\", \"second\"]`"),
        "a map" => (
            "a table",
            "write it as in `{ name = \"value\" }`; a pool is a table of its own, under `[pools.NAME]`",
        ),
        "f64" => ("a number", "write digits without quotes, as in `0.01`"),
        "a boolean" => ("`true` or `false`", "write it without quotes"),
        "i64" if found == "text" => {
            ("a whole number", "write digits without quotes: only text can come from the environment")
        }
        "i64" => ("a whole number", "write digits without quotes and without a point"),
        "a size" => ("a size", "write a number of bytes, or text with a unit as in \"64KiB\" and \"10MB\""),
        "a table with `servers`" => {
            (expected, "write it as in `[pools.NAME]`, and below that `servers = [\"127.0.0.1:3000\"]`")
        }
        table => (table, "give the table its keys"),
    };
    let example = key_before(source, &place)
        .and_then(schema::example)
        .map(|example| format!("; for example, `{example}`"));
    Problem::at(Mistake::WrongType, place, format!("expected {expected}, found {found}"))
        .help(format!("{help}{}", example.unwrap_or_default()))
}

/// The key whose value begins at a place.
fn key_before<'a>(source: &'a Source, place: &Place) -> Option<&'a str> {
    let before = source.at(&(source.start..place.start)).trim_end().strip_suffix('=')?.trim_end();
    before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()
}
