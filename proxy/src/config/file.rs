//! The file as a person writes it, before anything in it is judged: every field optional, every value with its place.
//!
//! Owns: the names of all keys, and what the reference page and editors say of each: its description, what holds without
//! it and an example. Values that need to be read ("10s", "127.0.0.1:80") stay text here; the other rooms read them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::kinds;
use super::table::{maybe_table, pools, routes, table};
use super::words::{Bytes, Words};

/// Text, and where it stands.
pub(super) type Text = Spanned<Words>;

/// The settings of a gateway, its pools of servers and its routes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "The configuration of Ringgate")]
pub(super) struct File {
    /// Further files with pools and routes: paths and patterns (`*`, `**`, `?`, `[ab]`), relative to the folder of this
    /// file. They hold `[pools.NAME]` and `[[routes]]` and nothing else, and include no others; their routes come behind
    /// those of this file, in the order of the list and of the names of the files. At most 1024 files, and 64 MiB with
    /// this one.
    #[serde(default)]
    #[schemars(with = "Vec<kinds::Include>", example = ["routes/*.toml"])]
    pub(super) include: Vec<Text>,
    /// Warnings of `ringgate check` that are not to be given, by their names; for the whole file.
    #[serde(default)]
    #[schemars(with = "Vec<kinds::Lint>", example = ["single-server"])]
    pub(super) allow: Vec<Text>,
    /// Where clients connect. `127.0.0.1` is this machine only, `0.0.0.0` every IPv4 address it has, `[::]` all it has.
    #[serde(default)]
    #[schemars(with = "kinds::Address", extend("default" = "127.0.0.1:8080"), example = &"0.0.0.0:80")]
    pub(super) listen: Option<Text>,
    /// Event loops, each with a core of its own.
    #[serde(default)]
    #[schemars(with = "kinds::Workers", extend("x-default" = "one per available core"), example = 4)]
    pub(super) workers: Option<Spanned<i64>>,
    /// How to do IO. Forced here, it is not replaced by another one when it does not work.
    #[serde(default)]
    #[schemars(with = "kinds::Driver", extend("x-default" = "the best that works"), example = &"epoll")]
    pub(super) driver: Option<Text>,
    /// By what name this gateway signs what it forwards (`Via`). A request that comes back with it goes round in circles
    /// and is answered 508, so no gateway before or behind this one may have the same.
    #[serde(default)]
    #[schemars(with = "kinds::NodeId", extend("x-default" = "another one at every start"), example = &"gate-1")]
    pub(super) node_id: Option<Text>,
    /// Proxies in front of this gateway: what `X-Forwarded-*` and `Forwarded` say in their requests is believed, kept and
    /// added to. From anybody else these fields are removed.
    #[serde(default)]
    #[schemars(with = "Vec<kinds::Network>", example = ["10.0.0.0/8", "::1"])]
    pub(super) trusted_proxies: Vec<Text>,
    /// Spellings of a path that are refused otherwise: `path-parameters` takes `;`, `encoded-controls` takes `%01` to
    /// `%1F` and `%7F`, `raw-utf8` takes UTF-8 that is not escaped.
    #[serde(default)]
    #[schemars(with = "Vec<kinds::Spelling>", example = ["path-parameters"])]
    pub(super) tolerate: Vec<Text>,
    /// What is logged.
    #[serde(default, deserialize_with = "table")]
    pub(super) log: Log,
    /// Where the gateway can be asked what it is doing, and told what to do.
    #[serde(default, deserialize_with = "maybe_table")]
    #[schemars(with = "Admin")]
    pub(super) admin: Option<Spanned<Admin>>,
    /// Whether answers say where their time went, in `Server-Timing`; what a route may have of its own holds here for all others.
    #[serde(default)]
    #[schemars(with = "bool", extend("default" = false), example = true)]
    pub(super) server_timing: Option<bool>,
    /// How long the gateway waits. What a route may have of its own holds here for all others.
    #[serde(default, deserialize_with = "table")]
    pub(super) timeouts: Timeouts,
    /// How much the gateway takes. What a route may have of its own holds here for all others.
    #[serde(default, deserialize_with = "table")]
    pub(super) limits: Limits,
    /// Spans for a collector of traces (OpenTelemetry).
    #[serde(default, deserialize_with = "maybe_table")]
    #[schemars(with = "Tracing")]
    pub(super) tracing: Option<Spanned<Tracing>>,
    /// How the DNS is asked for servers that are named.
    #[serde(default, deserialize_with = "table")]
    pub(super) discovery: Discovery,
    /// Services, by the names that routes call them: letters, digits, `-` and `_`, or any other text in quotes.
    #[serde(default, deserialize_with = "pools")]
    #[schemars(with = "BTreeMap<String, Pool>")]
    pub(super) pools: BTreeMap<Text, Pool>,
    /// Which requests go where. The most specific route gets a request: a host before none, an exact path before a
    /// prefix, a longer prefix before a shorter one, text before a parameter, methods before none, more header fields
    /// before fewer, and only then the first in the order of the files. Where it does not take the method or a field is
    /// missing, the next one is asked.
    #[serde(default, deserialize_with = "routes")]
    #[schemars(with = "Vec<Route>")]
    pub(super) routes: Vec<Spanned<Route>>,
}

/// A file that another one includes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Included {
    #[serde(default, deserialize_with = "pools")]
    pub(super) pools: BTreeMap<Text, Pool>,
    #[serde(default, deserialize_with = "routes")]
    pub(super) routes: Vec<Spanned<Route>>,
}

// What is said of these three is said of their keys in `File`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    /// How requests are logged: `json` is a JSON object a line, `combined` the format of Apache and nginx, `text` is for
    /// people and at most ten lines a second, `off` is not at all.
    #[serde(default)]
    #[schemars(with = "kinds::RequestLog", extend("default" = "json"), example = &"off")]
    pub(super) requests: Option<Text>,
    /// A file that lines of the request log are appended to, made with mode 0640. SIGUSR1 has it opened anew.
    #[serde(default)]
    #[schemars(with = "kinds::File", extend("x-default" = "standard output"), example = &"/var/log/ringgate/access.log")]
    pub(super) file: Option<Text>,
    /// Names in a query whose values are logged; of the others not even names are. None that looks like a credential's.
    #[serde(default)]
    #[schemars(with = "Vec<String>", example = ["page"])]
    pub(super) query: Vec<Text>,
    /// Header fields of requests that are logged. None that looks like a credential's.
    #[serde(default)]
    #[schemars(with = "Vec<String>", example = ["user-agent", "referer"])]
    pub(super) fields: Vec<Text>,
    /// The share of requests that are logged, chosen by their ids; those that fail all are.
    #[serde(default)]
    #[schemars(with = "kinds::Share", extend("default" = 1), example = 0.01)]
    pub(super) sample: Option<Spanned<f64>>,
}

/// Where the admin API can be asked; nowhere without `[admin]`. A reload does not change it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    /// An address. One that other machines can reach needs a `token`.
    #[serde(default)]
    #[schemars(with = "kinds::Address", extend("x-default" = "127.0.0.1:9900, unless there is a `socket`"), example = &"127.0.0.1:9900")]
    pub(super) listen: Option<Text>,
    /// A unix socket, which only its owner can open: whoever can needs no token.
    #[serde(default)]
    #[schemars(with = "kinds::File", extend("x-default" = "none"), example = &"/run/ringgate/admin.sock")]
    pub(super) socket: Option<Text>,
    /// What those have to send who order something over TCP, or ask from another machine: 16 printable characters or
    /// more.
    #[serde(default)]
    #[schemars(with = "kinds::Token", extend("x-default" = "none: then nothing can be ordered over TCP"), example = &"${RINGGATE_ADMIN_TOKEN}")]
    pub(super) token: Option<Text>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Timeouts {
    /// From the first byte of a request's head to its last.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("default" = "10s"), example = &"5s")]
    pub(super) head: Option<Text>,
    /// From one request of a client to its next.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("default" = "1m15s"), example = &"30s")]
    pub(super) idle: Option<Text>,
    /// How long an unused connection to a server is kept. Let it be shorter than what the servers wait.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("default" = "30s"), example = &"4s")]
    pub(super) upstream_idle: Option<Text>,
    /// How long any connection to a server is kept: after that it is replaced by one to where its name leads then.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("default" = "1h"), example = &"5m")]
    pub(super) upstream_age: Option<Text>,
    /// From SIGTERM until what is in flight is broken off.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("default" = "8s"), example = &"25s")]
    pub(super) drain: Option<Text>,
    /// To connect to a server; the next one is tried after that.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("default" = "3s"), example = &"250ms")]
    connect: Option<Text>,
    /// From the request sent to the head of the answer; 504 after that.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("default" = "30s"), example = &"1s")]
    response: Option<Text>,
    /// Between two pieces of a body, in either direction.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("default" = "30s"), example = &"10s")]
    stall: Option<Text>,
    /// From the request's head to the last byte of the answer, all attempts included.
    #[serde(default)]
    #[schemars(with = "kinds::DurationOrNone", extend("default" = "none"), example = &"1m")]
    total: Option<Text>,
    /// How long nothing may pass over an upgraded connection, which has no `total`.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("default" = "10m"), example = &"1h")]
    tunnel: Option<Text>,
}

/// Those of `[timeouts]` that a route may have of its own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteTimeouts {
    /// To connect to a server; the next one is tried after that.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("x-default" = "as in `[timeouts]`"), example = &"250ms")]
    pub(super) connect: Option<Text>,
    /// From the request sent to the head of the answer; 504 after that.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("x-default" = "as in `[timeouts]`"), example = &"2m")]
    pub(super) response: Option<Text>,
    /// Between two pieces of a body, in either direction.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("x-default" = "as in `[timeouts]`"), example = &"10s")]
    pub(super) stall: Option<Text>,
    /// From the request's head to the last byte of the answer, all attempts included.
    #[serde(default)]
    #[schemars(with = "kinds::DurationOrNone", extend("x-default" = "as in `[timeouts]`"), example = &"none")]
    pub(super) total: Option<Text>,
    /// How long nothing may pass over an upgraded connection, which has no `total`.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("x-default" = "as in `[timeouts]`"), example = &"1h")]
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

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// Clients at once, over all workers. At the bound those that are idle longest make room.
    #[serde(default)]
    #[schemars(with = "kinds::Connections", extend("x-default" = "what the limit of open files allows"), example = 20_000)]
    pub(super) connections: Option<Spanned<i64>>,
    /// Bytes of a request's body; 413 for more.
    #[serde(default)]
    #[schemars(with = "kinds::BodySize", extend("default" = "64MiB"), example = &"1MiB")]
    body: Option<Size>,
    /// Bytes a second that a client keeps up in sending a body and in reading an answer, on average over `stall`.
    #[serde(default)]
    #[schemars(with = "kinds::Rate", extend("default" = "240B"), example = &"1KiB")]
    rate: Option<Size>,
}

/// Those of `[limits]` that a route may have of its own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteLimits {
    /// Bytes of a request's body; 413 for more.
    #[serde(default)]
    #[schemars(with = "kinds::BodySize", extend("x-default" = "as in `[limits]`"), example = &"1MiB")]
    pub(super) body: Option<Size>,
    /// Bytes a second that a client keeps up in sending a body and in reading an answer, on average over `stall`.
    #[serde(default)]
    #[schemars(with = "kinds::Rate", extend("x-default" = "as in `[limits]`"), example = &"none")]
    pub(super) rate: Option<Size>,
}

impl Limits {
    /// What routes have of it.
    pub(super) fn of_routes(&self) -> RouteLimits {
        RouteLimits { body: self.body.clone(), rate: self.rate.clone() }
    }
}

/// Where requests are recorded as spans; without `[tracing]` they are not, and a client's `traceparent` passes as it is. A reload
/// does not change it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tracing {
    /// Where the collector takes OTLP over HTTP (protobuf); `/v1/traces` if the address has no path of its own. It has to be there.
    #[serde(default)]
    #[schemars(with = "kinds::Collector", example = &"http://127.0.0.1:4318")]
    pub(super) endpoint: Option<Text>,
    /// The share of requests that are recorded where the caller does not say; one that says so decides (`traceparent`).
    #[serde(default)]
    #[schemars(with = "kinds::Share", extend("default" = 1), example = 0.05)]
    pub(super) sample: Option<Spanned<f64>>,
    /// What the gateway is called in traces.
    #[serde(default)]
    #[schemars(with = "kinds::Name", extend("default" = "ringgate"), example = &"edge")]
    pub(super) service: Option<Text>,
    /// Fields that the collector asks for; their values are shown to nobody.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>", example = serde_json::json!({ "x-api-key": "${COLLECTOR_KEY:-none}" }))]
    pub(super) headers: BTreeMap<Text, Text>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Discovery {
    /// DNS servers. Names in `/etc/hosts` come before theirs.
    #[serde(default)]
    #[schemars(with = "Vec<kinds::Address>", extend("x-default" = "those of `/etc/resolv.conf`"), example = ["10.0.0.2:53"])]
    pub(super) resolvers: Vec<Text>,
    /// How long one question may take, all tries together; at most `10s`.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("default" = "2s"), example = &"500ms")]
    pub(super) timeout: Option<Text>,
    /// An answer holds for this long, even if it says less.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("default" = "1s"), example = &"5s")]
    pub(super) min_ttl: Option<Text>,
    /// An answer holds no longer than this, even if it says more.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("default" = "5m"), example = &"30s")]
    pub(super) max_ttl: Option<Text>,
}

/// A pool: servers that can each answer the same requests, and get them in turns. It has one of `servers`, `srv` and `file`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["servers"] }, { "required": ["srv"] }, { "required": ["file"] }]))]
pub(super) struct Pool {
    /// Where they listen, each once. A name stands for all its addresses (A, or AAAA where there are none) and is asked for again
    /// when the answer's time to live is over; while there is none the last one holds.
    #[serde(default)]
    #[schemars(with = "kinds::Servers", example = ["10.0.0.11:80", "posts.internal:80"])]
    pub(super) servers: Option<Servers>,
    /// The name of a service in the DNS (SRV, RFC 2782): all its targets of the best priority, without regard to weights.
    #[serde(default)]
    #[schemars(with = "kinds::Service", example = &"_http._tcp.posts.internal")]
    pub(super) srv: Option<Text>,
    /// A file that names them, an IP address with a port on each line, `#` before comments; relative to the folder of the first file
    /// of the configuration. It is read again when it changes, and a bad one changes nothing.
    #[serde(default)]
    #[schemars(with = "kinds::File", example = &"posts.servers")]
    pub(super) file: Option<Text>,
    /// Connections to each of them, over all workers.
    #[serde(default)]
    #[schemars(with = "kinds::Connections", extend("default" = 1024), example = 64)]
    pub(super) connections: Option<Spanned<i64>>,
    /// Warnings that are not to be given of this pool.
    #[serde(default)]
    #[schemars(with = "Vec<kinds::Lint>", example = ["single-server"])]
    pub(super) allow: Vec<Text>,
}

/// Servers, of a pool or of a route that has no need to name one.
pub(super) type Servers = Spanned<Vec<Text>>;

/// A route: it has one of `prefix` and `path`, and one of `pool` and `servers`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = [
    { "oneOf": [{ "required": ["prefix"] }, { "required": ["path"] }] },
    { "oneOf": [{ "required": ["pool"] }, { "required": ["servers"] }] },
]))]
pub(super) struct Route {
    /// A path and everything below it.
    #[serde(default)]
    #[schemars(with = "kinds::Paths", example = &"/api/v1/posts")]
    pub(super) prefix: Option<Text>,
    /// Exactly this path.
    #[serde(default)]
    #[schemars(with = "kinds::Paths", example = &"/api/v1/posts/{id}")]
    pub(super) path: Option<Text>,
    /// Only requests with one of these methods, at most 64; `GET` stands for `HEAD` too. Where a path exists and no route
    /// takes the method, the answer is 405 with `Allow`.
    #[serde(default)]
    #[schemars(with = "kinds::Methods", extend("x-default" = "every method"), example = ["GET", "POST"])]
    pub(super) methods: Option<Spanned<Vec<Text>>>,
    /// Only requests for this host, whatever port they name.
    #[serde(default)]
    #[schemars(with = "kinds::Host", extend("x-default" = "every host"), example = &"api.example.com")]
    pub(super) host: Option<Text>,
    /// Only requests with all these fields, each with exactly this value; at most 100.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>", example = serde_json::json!({ "x-version": "2" }))]
    pub(super) headers: BTreeMap<Text, Text>,
    /// Who serves it: a pool that is declared under `[pools]`.
    #[serde(default)]
    #[schemars(with = "kinds::Name", example = &"POSTS")]
    pub(super) pool: Option<Text>,
    /// Who serves it: servers in turns, where no pool is worth a name. The same list in two routes is one pool.
    #[serde(default)]
    #[schemars(with = "kinds::Servers", example = ["127.0.0.1:3000"])]
    pub(super) servers: Option<Servers>,
    /// What logs call it.
    #[serde(default)]
    #[schemars(with = "kinds::Name", extend("x-default" = "its paths"), example = &"posts")]
    pub(super) name: Option<Text>,
    /// How long the gateway waits for requests of this route.
    #[serde(default, deserialize_with = "table")]
    #[schemars(example = serde_json::json!({ "response": "2m" }))]
    pub(super) timeouts: RouteTimeouts,
    /// How much it takes of them.
    #[serde(default, deserialize_with = "table")]
    #[schemars(example = serde_json::json!({ "body": "1MiB" }))]
    pub(super) limits: RouteLimits,
    /// Protocols that a request may upgrade to, at most 16; never another version of HTTP, nor TLS.
    #[serde(default)]
    #[schemars(with = "kinds::Upgrades", extend("x-default" = "none"), example = ["websocket"])]
    pub(super) upgrade: Option<Spanned<Vec<Text>>>,
    /// Names of parameters in its path whose values are not logged, besides those that sound like a credential's; `*` is all
    /// that is below a prefix.
    #[serde(default)]
    #[schemars(with = "Vec<String>", example = ["id"])]
    pub(super) redact: Vec<Text>,
    /// Whether answers say where their time went, in `Server-Timing`.
    #[serde(default)]
    #[schemars(with = "bool", extend("x-default" = "as it is for all"), example = true)]
    pub(super) server_timing: Option<bool>,
    /// Warnings that are not to be given of this route.
    #[serde(default)]
    #[schemars(with = "Vec<kinds::Lint>", example = ["overlapping-routes"])]
    pub(super) allow: Vec<Text>,
}
