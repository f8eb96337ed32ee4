//! The language told from its types: as JSON Schema for editors, and as the reference page for people.
//!
//! The page is written from the schema, so both say the same.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Value, json};

use super::codes::Lint;
use super::file::File;

/// What stands on the page before the keys.
const BEGINNING: &str = include_str!("reference.md");
/// The tables in the order of the page: heading, the key that holds it, and the name of its definition.
const TABLES: [(&str, &str, &str); 21] = [
    ("[log]", "log", "Log"),
    ("[admin]", "admin", "Admin"),
    ("[timeouts]", "timeouts", "Timeouts"),
    ("[limits]", "limits", "Limits"),
    ("[discovery]", "discovery", "Discovery"),
    ("[tracing]", "tracing", "Tracing"),
    ("[pools.NAME]", "pools", "Pool"),
    ("[[routes]]", "routes", "Route"),
    ("routes.timeouts", "", "RouteTimeouts"),
    ("routes.limits", "", "RouteLimits"),
    ("[policies.NAME]", "policies", "Policy"),
    ("[rate_limits.NAME]", "rate_limits", "RateLimit"),
    ("[cors]", "cors", "Cors"),
    ("Fields", "", "Fields"),
    ("[auth.NAME]", "auth", "Auth"),
    ("[auth.NAME.jwt]", "", "Jwt"),
    ("[auth.NAME.api_key]", "", "ApiKey"),
    ("[[auth.NAME.api_key.keys]]", "", "Key"),
    ("[auth.NAME.basic]", "", "Basic"),
    ("[[auth.NAME.basic.users]]", "", "User"),
    ("[auth.NAME.external]", "", "External"),
];

/// The JSON Schema of a configuration, in draft 7, which every editor knows.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft07().with_transform(RecursiveTransform(without_nothing));
    settings.into_generator().into_root_schema_for::<File>().to_value()
}

/// A default that says only that there is none would be written into files by editors.
fn without_nothing(schema: &mut Schema) {
    let is_nothing = |default: &Value| [Value::Null, json!([]), json!({})].contains(default);
    if schema.get("default").is_some_and(is_nothing) {
        schema.remove("default");
    }
}

/// The reference page, as Markdown.
pub fn reference() -> String {
    let schema = schema();
    let definitions = &schema["definitions"];
    let is_table = |key: &str| TABLES.iter().any(|(_, table, _)| *table == key);
    let mut page = format!("{BEGINNING}\n## Settings\n");
    page.extend(keys(&schema).filter(|(key, _)| !is_table(key)).map(|(key, about)| entry("", key, about)));
    for (head, key, definition) in TABLES {
        let table = &definitions[definition];
        let described = [text(&schema["properties"][key], "description"), text(table, "description")];
        let described: Vec<&str> = described.into_iter().flatten().collect();
        page.push_str(&format!("\n## `{head}`\n\n{}\n", described.join("\n\n")));
        let path = format!("{}.", head.trim_matches(['[', ']']));
        page.extend(keys(table).map(|(key, about)| entry(&path, key, about)));
    }
    page.push_str("\n## Kinds of values\n");
    let is_kind = |name: &str| TABLES.iter().all(|(_, _, table)| *table != name);
    for (name, kind) in definitions.as_object().into_iter().flatten().filter(|(name, _)| is_kind(name)) {
        page.push_str(&format!(
            "\n### {}\n\n{}{}\n",
            words(name),
            text(kind, "description").unwrap_or_default(),
            bounds(kind)
        ));
    }
    page.push_str("\n## Warnings\n\nWhat `ringgate check` warns of, by the names that `allow` takes.\n\n");
    page.extend(Lint::ALL.iter().map(|lint| format!("- `{}`: {}\n", lint.name(), lint.meaning())));
    page
}

/// Whether a key stands at the top of a file, outside of all tables.
pub(super) fn is_setting(key: &str) -> bool {
    schema()["properties"].get(key).is_some()
}

/// How a key is written, with an example of its value.
pub(super) fn example(key: &str) -> Option<String> {
    let schema = schema();
    let tables = std::iter::once(&schema).chain(TABLES.map(|(_, _, name)| &schema["definitions"][name]));
    let example =
        tables.into_iter().find_map(|table| table["properties"][key]["examples"].get(0).cloned())?;
    Some(format!("{key} = {}", toml(&example)))
}

fn keys(table: &Value) -> impl Iterator<Item = (&String, &Value)> {
    table["properties"].as_object().into_iter().flatten()
}

/// What the page says of a key.
fn entry(path: &str, key: &str, about: &Value) -> String {
    let described = text(about, "description").unwrap_or_default();
    let default = match (about.get("default"), text(about, "x-default")) {
        (Some(default), _) => format!("; default `{}`", toml(default)),
        (_, Some(default)) => format!("; default: {default}"),
        _ => String::new(),
    };
    let example = about["examples"].get(0);
    let example = example.map(|example| format!("\n```toml\n{key} = {}\n```\n", toml(example)));
    format!("\n### `{path}{key}`\n\n{}{default}\n\n{described}\n{}", kind(about), example.unwrap_or_default())
}

/// What kind of value a key has, with a link to what is said of the kind.
fn kind(about: &Value) -> String {
    let reference = text(about, "$ref").or_else(|| text(&about["allOf"][0], "$ref"));
    match (reference.and_then(|reference| reference.rsplit('/').next()), text(about, "type")) {
        (Some("RouteTimeouts"), _) => "[`routes.timeouts`](#routestimeouts)".to_owned(),
        (Some("RouteLimits"), _) => "[`routes.limits`](#routeslimits)".to_owned(),
        (Some(table), _) if TABLES.iter().any(|(_, _, name)| *name == table) => {
            let head = TABLES.iter().find(|(_, _, name)| *name == table).map_or("", |(head, ..)| head);
            let anchor: String =
                head.to_lowercase().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            format!("table: [`{head}`](#{anchor})")
        }
        (Some(kind), _) => format!("[{0}](#{1})", words(kind), words(kind).replace(' ', "-")),
        (None, Some("array")) => format!("list: {}", kind_of_items(about)),
        (None, Some("boolean")) => "`true` or `false`".to_owned(),
        (None, Some("string")) => "text".to_owned(),
        (None, _) => "table of texts".to_owned(),
    }
}

fn kind_of_items(about: &Value) -> String {
    kind(&about["items"])
}

/// The bounds of a number, and the words that a value is one of.
fn bounds(kind: &Value) -> String {
    let words = kind["anyOf"][0]["enum"].as_array().map(|words| {
        let words: Vec<String> = words.iter().map(|word| format!("`{}`", toml(word))).collect();
        format!(" One of {}.", words.join(", "))
    });
    let range = kind.get("minimum").zip(kind.get("maximum"));
    let range = range.map(|(least, most)| format!(" From {least} to {most}."));
    words.into_iter().chain(range).collect()
}

/// `BodySize` as `body size`.
fn words(name: &str) -> String {
    let word = |letter: char| {
        if letter.is_uppercase() { format!(" {}", letter.to_lowercase()) } else { letter.into() }
    };
    name.chars().map(word).collect::<String>().trim().to_owned()
}

/// A value as it is written in a file.
fn toml(value: &Value) -> String {
    toml::Value::try_from(value).map(|value| value.to_string()).unwrap_or_default()
}

fn text<'a>(schema: &'a Value, key: &str) -> Option<&'a str> {
    schema.get(key).and_then(Value::as_str)
}
