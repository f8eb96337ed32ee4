//! The schema and the page that is written from it say what the gateway does.

use serde_json::Value;

use super::*;

/// Keys of a table of the schema, by the name of its definition; those at the top without one.
fn keys(schema: &Value, definition: &str) -> Vec<(String, Value)> {
    let table = if definition.is_empty() { schema } else { &schema["definitions"][definition] };
    let keys = table["properties"].as_object().unwrap();
    keys.iter().map(|(key, about)| (key.clone(), about.clone())).collect()
}

/// A value as it is written in a file.
fn written(value: &Value) -> String {
    toml::Value::try_from(value).unwrap().to_string()
}

/// A whole file in which a key of a table has this value.
fn file(definition: &str, key: &str, value: &str) -> String {
    let rest = "[[routes]]\nprefix = '/rest'\nservers = ['c:1']\n";
    let pool = |keys: &str| format!("[pools.POSTS]\n{keys}\n[[routes]]\nprefix = '/'\npool = 'POSTS'\n");
    let route = |keys: &str| format!("{}{rest}{keys}", pool("servers = ['a:1', 'b:1']"));
    match (definition, key) {
        ("Log", _) => format!("log.{key} = {value}\n{rest}"),
        ("Admin", _) => format!("admin.{key} = {value}\n{rest}"),
        ("Timeouts", _) => format!("timeouts.{key} = {value}\n{rest}"),
        ("Limits", _) => format!("limits.{key} = {value}\n{rest}"),
        ("Tracing", "endpoint") => format!("tracing.endpoint = {value}\n{rest}"),
        ("Tracing", _) => {
            format!("tracing.endpoint = 'http://127.0.0.1:4318'\ntracing.{key} = {value}\n{rest}")
        }
        ("", "policy") => format!("{key} = {value}\n{CUSTOMERS}{rest}"),
        ("Fields", _) => format!("[request]\n{key} = {value}\n{rest}"),
        ("Cors", "origins") => format!("[cors]\n{key} = {value}\n{rest}"),
        ("Cors", _) => format!("[cors]\norigins = ['https://a']\n{key} = {value}\n{rest}"),
        ("Auth", _) => format!("[auth.other]\n{key} = {value}\n{CUSTOMERS}{rest}"),
        ("Jwt", "jwks" | "secret") => format!("[auth.other.jwt]\n{key} = {value}\n{rest}"),
        ("Jwt", _) => format!("[auth.other.jwt]\njwks = 'http://a/keys'\n{key} = {value}\n{rest}"),
        ("ApiKey", _) => {
            let keys =
                format!("[[auth.other.api_key.keys]]\nuser = 'a'\ndigest = 'sha256:{}'\n", "0".repeat(64));
            let keys = if key == "keys" { String::new() } else { keys };
            format!("[auth.other.api_key]\n{key} = {value}\n{keys}{rest}")
        }
        ("Key", _) => {
            let all = [("user", "'a'".to_owned()), ("digest", format!("'sha256:{}'", "0".repeat(64)))];
            let others = all.iter().filter(|(other, _)| *other != key);
            let others: String = others.map(|(other, value)| format!("{other} = {value}\n")).collect();
            format!("[[auth.other.api_key.keys]]\n{others}{key} = {value}\n{rest}")
        }
        ("Basic", _) => format!("[auth.other.basic]\n{key} = {value}\n{rest}"),
        ("User", _) => {
            let all = [("user", "'a'"), ("password", PASSWORD)];
            let others = all.iter().filter(|(other, _)| *other != key);
            let others: String = others.map(|(other, value)| format!("{other} = {value}\n")).collect();
            format!("[[auth.other.basic.users]]\n{others}{key} = {value}\n{rest}")
        }
        ("External", "pool") => format!("[auth.other.external]\n{key} = {value}\n{CUSTOMERS}{rest}"),
        ("External", _) => {
            format!("[auth.other.external]\npool = 'AUTH'\n{key} = {value}\n{CUSTOMERS}{rest}")
        }
        ("RateLimit", "rate" | "quota") => format!("[rate_limits.other]\n{key} = {value}\n{rest}"),
        ("RateLimit", "burst") => format!("[rate_limits.other]\nrate = '5/s'\n{key} = {value}\n{rest}"),
        ("RateLimit", _) => format!("[rate_limits.other]\nquota = '5/s'\n{key} = {value}\n{rest}"),
        ("Policy", "auth") => format!("[policies.other]\n{key} = {value}\n{CUSTOMERS}{rest}"),
        ("Policy", _) => format!("[policies.other]\nauth = ['users']\n{key} = {value}\n{CUSTOMERS}{rest}"),
        ("Route", "policy") => format!("{CUSTOMERS}{rest}{key} = {value}"),
        ("Route", "roles" | "scopes" | "claims") => {
            format!("{CUSTOMERS}{rest}policy = 'customers'\n{key} = {value}")
        }
        ("Discovery", _) => format!("discovery.{key} = {value}\n{rest}"),
        ("Pool", "servers" | "srv") => pool(&format!("{key} = {value}")),
        ("Pool", _) => pool(&format!("servers = ['a:1', 'b:1']\n{key} = {value}")),
        ("RouteTimeouts", _) => route(&format!("timeouts.{key} = {value}")),
        ("RouteLimits", _) => route(&format!("limits.{key} = {value}")),
        ("Route", "prefix" | "path") => format!("[[routes]]\n{key} = {value}\nservers = ['a:1']"),
        ("Route", "redact") => format!("[[routes]]\npath = '/a/{{id}}'\nservers = ['a:1']\n{key} = {value}"),
        ("Route", "pool") => format!("{}[[routes]]\npath = '/a'\npool = {value}", route("")),
        ("Route", "servers") => format!("[[routes]]\nprefix = '/a'\nservers = {value}"),
        ("Route", _) => route(&format!("{key} = {value}")),
        _ => format!("{key} = {value}\n{rest}"),
    }
}

/// What other keys refer to.
const CUSTOMERS: &str = "[pools.AUTH]\nservers = ['a:1']\n[auth.users.jwt]\njwks = 'http://a/keys'\n[rate_limits.per_user]\n\
                         quota = '100/1m'\n[policies.customers]\nauth = ['users']\n";
const PASSWORD: &str = "'$2y$04$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234'";

const TABLES: [&str; 22] = [
    "",
    "Log",
    "Admin",
    "Timeouts",
    "Limits",
    "Discovery",
    "Tracing",
    "Pool",
    "Route",
    "RouteTimeouts",
    "RouteLimits",
    "Policy",
    "RateLimit",
    "Cors",
    "Fields",
    "Auth",
    "Jwt",
    "ApiKey",
    "Key",
    "Basic",
    "User",
    "External",
];

#[test]
fn every_key_has_a_description_and_an_example_that_is_accepted() {
    let (schema, mut examples) = (schema(), 0);
    for definition in TABLES {
        for (key, about) in keys(&schema, definition) {
            assert!(
                about["description"].as_str().is_some_and(|text| text.ends_with('.')),
                "{definition} {key}"
            );
            let is_table = about["examples"][0].is_null();
            let is_file = key == "file" && definition == "Pool" || key == "include" || key.ends_with("_file");
            if is_table || is_file {
                continue; // a text is no file, and has none beside it
            }
            let text = file(definition, &key, &written(&about["examples"][0]));
            compiled(&text);
            examples += 1;
        }
    }
    assert!(examples > 40, "{examples}");
}

/// Everything that the data plane is told of a configuration.
fn meaning(text: &str) -> String {
    let config = compiled(&format!("node_id = 'gate'\n{text}"));
    let pools = &config.snapshot.pools;
    let most: Vec<usize> = pools.iter().map(|pool| pool.servers[0].capacity.most()).collect();
    format!(
        "{} {most:?} {:?} {:?}",
        crate::explain::summary(&config),
        config.snapshot.clients,
        config.snapshot.kept
    )
}

#[test]
fn the_defaults_that_are_told_are_those_that_hold() {
    let (schema, mut defaults) = (schema(), 0);
    for definition in TABLES {
        for (key, about) in keys(&schema, definition) {
            let Some(default) = about.get("default") else { continue };
            let with = file(definition, &key, &written(default));
            let without: String = with
                .lines()
                .filter(|line| !line.contains(&format!("{key} = ")))
                .map(|line| format!("{line}\n"))
                .collect();
            assert_ne!(with.lines().count(), without.lines().count(), "{key}");
            assert_eq!(meaning(&with), meaning(&without), "{definition} {key}");
            defaults += 1;
        }
    }
    assert!(defaults > 12, "{defaults}");
}

/// `ringgate schema --markdown > proxy/docs/configuration.md` writes it.
#[test]
fn the_reference_page_is_what_the_types_say() {
    let page = include_str!("../../../docs/configuration.md");
    assert!(
        page == reference(),
        "write it again: cargo run -- schema --markdown > proxy/docs/configuration.md"
    );
}

#[test]
fn the_schema_is_closed_and_names_no_default_that_is_nothing() {
    let schema = schema();
    for definition in TABLES {
        let table = if definition.is_empty() { &schema } else { &schema["definitions"][definition] };
        assert_eq!(table["additionalProperties"], false, "{definition}");
    }
    assert!(!schema.to_string().contains("\"default\":null"));
}
