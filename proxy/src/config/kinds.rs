//! The kinds of values, for editors and the reference page: what each looks like and between which bounds it lies.
//!
//! A pattern is for the shape only, and takes everything that the gateway takes; the rooms that read values are exact.
//! Any text may come from the environment, so every pattern takes `${`.

use std::borrow::Cow;

use ringgate_core::tolerance::Tolerance;
use ringgate_io::Rung;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::codes;
use super::settings::WORKERS;

/// A type with this name for each kind, which stands for it in `file`.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $kind:ident = $schema:expr;)*) => {$(
        pub(super) struct $kind;

        impl JsonSchema for $kind {
            fn schema_name() -> Cow<'static, str> {
                stringify!($kind).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let schema: fn(&mut SchemaGenerator) -> Value = $schema;
                let mut described = json!({ "description": concat!($($doc, "\n"),*).trim().replace("\n ", "\n") });
                if let (Some(described), Value::Object(schema)) = (described.as_object_mut(), schema(generator)) {
                    described.extend(schema);
                }
                described.try_into().unwrap_or_default()
            }
        }
    )*};
}

kinds! {
    /// An IP address with a port; IPv6 in brackets.
    Address = |_| text(r"^(\d+\.\d+\.\d+\.\d+|\[.*\]):\d+$");
    /// Bytes: a number of them, or text with a unit as in `"64KiB"` and `"10MB"`; from 0, or `"none"` for any number.
    BodySize = |_| size(0);
    /// The `http://` address of a collector.
    Collector = |_| text(r"^http://[^\s/?#]+[^\s?#]*$");
    /// A number of connections.
    Connections = |_| json!({ "type": "integer", "minimum": 1, "maximum": 10_000_000 });
    /// The name of a driver: from the best io_uring mode down to epoll.
    Driver = |_| one_of(&Rung::ALL.map(Rung::name));
    /// A number with its unit, also several: `"250ms"`, `"10s"`, `"1m30s"`; from `1ms` to `1day`.
    Duration = |_| text(DURATION);
    /// A number with its unit, also several: `"250ms"`, `"10s"`, `"1m30s"`; from `1ms` to `1day`, or `"none"`.
    DurationOrNone = |_| text(&format!("^none$|{DURATION}"));
    /// The path of a file.
    File = |_| text("");
    /// The name of a host, without a port; IPv6 in brackets, no wildcard.
    Host = |_| text(r"^([^:/*\[\]]+|\[.*\])$");
    /// The path of a file, or a pattern of paths.
    Include = |_| text("");
    /// The name of a warning.
    Lint = |_| one_of(&codes::lints());
    /// Methods in upper case, one or more.
    Methods = |_| json!({ "type": "array", "items": text(r"^[^\s*]+$"), "minItems": 1, "maxItems": 64 });
    /// A name: 1 to 128 bytes without quotes, backslashes and control characters.
    Name = |_| text(r#"^[^"\\]+$"#);
    /// An IP address, or a network with the length of its prefix.
    Network = |_| text(r"^[0-9a-fA-F:.]+(/\d+)?$");
    /// 1 to 64 letters, digits or `-`.
    NodeId = |_| text(r"^[!-~]{1,64}$");
    /// A path in normal form: it begins with `/`, `{name}` stands for one whole segment, and there is no `*`. At most 64
    /// segments, 25 of them parameters, and 8192 bytes.
    Paths = |_| text(r"^/[^*?#]*$");
    /// The name of a signature's algorithm.
    Algorithm = |_| one_of(&ALGORITHMS);
    /// How many, 1 to 268435455.
    Count = |_| json!({ "type": "integer", "minimum": 1, "maximum": (1 << 28) - 1 });
    /// `user`, `roles`, `scopes` or `claim.NAME`.
    Fact = |_| text(r"^(user|roles|scopes|claim\..+)$");
    /// A number of keys, 1 to 16777216; each takes 64 bytes.
    Keys = |_| json!({ "type": "integer", "minimum": 1, "maximum": 1 << 24 });
    /// `ratelimit` or `x-ratelimit`.
    LimitFields = |_| one_of(&["ratelimit", "x-ratelimit"]);
    /// `user`, `address`, `route`, `host` or `header.NAME`.
    LimitKey = |_| text(r"^(user|address|route|host|header\..+)$");
    /// `refuse` or `allow`.
    OnFailure = |_| one_of(&["refuse", "allow"]);
    /// `allow` or `refuse`.
    OnFull = |_| one_of(&["allow", "refuse"]);
    /// A text, or a list of texts.
    OneOrMore = |_| json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] });
    /// A number and a time, as in `"100/1m"`, `"5/s"` and `"1000/30s"`: at most a million a second, from 1 ms to 31 days.
    RatePer = |_| text(r"^\s*\d+\s*/\s*\S.*$");
    /// A number and a time, as in `"100/1m"`, or `"none"`.
    RateOrNone = |_| text(r"^none$|^\s*\d+\s*/\s*\S.*$");
    /// Text with variables in braces, as in `{user}` and `{claim.tenant|none}`.
    Template = |_| text("");
    /// An address of the web, `http://` or `https://`.
    Url = |_| text(r"^https?://[^\s/?#]+[^\s#]*$");
    /// `first-request` or `clock`.
    Window = |_| one_of(&["first-request", "clock"]);
    /// Bytes a second: a number of them, or text with a unit as in `"64KiB"`; from 1 to `"1GiB"`, or `"none"`.
    Rate = |_| size(1);
    /// A form of the request log.
    RequestLog = |_| one_of(&["json", "combined", "text", "off"]);
    /// Addresses of servers, one or more: a host and a port each, as in `"10.0.0.11:80"`, `"[::1]:3000"` and
    /// `"posts.internal:3000"`.
    Servers = |_| json!({ "type": "array", "items": text(r"^[^/\s]+:\d+$"), "minItems": 1 });
    /// The name of a service in the DNS.
    Service = |_| text(r"^[^\s:/]+$");
    /// A share of all, from 0 to 1.
    Share = |_| json!({ "type": "number", "minimum": 0, "maximum": 1 });
    /// The name of a spelling that may be tolerated.
    Spelling = |_| one_of(&Tolerance::NAMES);
    /// Printable characters without spaces, 16 or more.
    Token = |_| text(r"^[!-~]{16,}$");
    /// Names of protocols as in the field `Upgrade`, such as `websocket`.
    Upgrades = |_| json!({ "type": "array", "items": text(r"^[^\s]+$"), "maxItems": 16 });
    /// A number of event loops.
    Workers = |_| json!({ "type": "integer", "minimum": WORKERS.start(), "maximum": WORKERS.end() });
}

/// All that can be verified.
pub(super) const ALGORITHMS: [&str; 12] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
    "EdDSA",
];
/// As humantime reads them.
const DURATION: &str = r"^\s*\d.*[a-zA-Zµ]\s*$";
/// What comes from the environment, and is known only there.
const VARIABLE: &str = r"\$\{";

fn text(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": format!("{pattern}|{VARIABLE}") })
}

fn one_of(words: &[&str]) -> Value {
    json!({ "anyOf": [{ "enum": words }, { "type": "string", "pattern": VARIABLE }] })
}

fn size(least: u64) -> Value {
    let pattern = format!(r"^none$|^\s*[\d.]+\s*[a-zA-Z]*\s*$|{VARIABLE}");
    json!({ "anyOf": [{ "type": "integer", "minimum": least }, { "type": "string", "pattern": pattern }] })
}
