//! The file as a person writes it, before anything in it is judged: every field optional, every value with its place.
//!
//! Owns: the names of all keys, and what the reference page and editors say of each: its description, what holds without
//! it and an example. Values that need to be read ("10s", "127.0.0.1:80") stay text here; the other rooms read them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::kinds;
use super::table::{list, maybe_table, table, tables};
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
    /// The policy of routes that name none, and of requests that no route takes, so that looking for routes is neither free nor
    /// tells anything.
    #[serde(default)]
    #[schemars(with = "kinds::Name", extend("x-default" = "none: anybody may ask for anything, as often as they like"), example = &"customers")]
    pub(super) policy: Option<Text>,
    /// How many wrong credentials may come from one address in some time; what is costly to judge is not looked at after that, and answered
    /// 429. Behind a load balancer say so in `trusted_proxies`, or its address is everybody's.
    #[serde(default)]
    #[schemars(with = "kinds::RateOrNone", extend("default" = "60/1m"), example = &"10/1m")]
    pub(super) auth_failures: Option<Text>,
    /// Fields by which services are told who asks, by their names: `user`, `roles`, `scopes` or `claim.NAME` (`claim.address.country`
    /// for a claim in a claim). No client can send them.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, kinds::Fact>", extend("x-default" = "`X-User-Id`, `X-User-Roles` and `X-User-Scopes`"), example = serde_json::json!({ "X-User-Id": "user", "X-Tenant": "claim.tenant" }))]
    pub(super) identity: Option<BTreeMap<Text, Text>>,
    /// Which fields tell clients how their limits stand: `ratelimit` for `RateLimit` and `RateLimit-Policy` (IETF draft 11),
    /// `x-ratelimit` for `X-RateLimit-Limit`, `-Remaining` and `-Reset` (in seconds from now).
    #[serde(default)]
    #[schemars(with = "Vec<kinds::LimitFields>", extend("x-default" = "both"), example = ["ratelimit"])]
    pub(super) rate_limit_fields: Option<Spanned<Vec<Text>>>,
    /// What becomes of the fields of all requests.
    #[serde(default, deserialize_with = "table")]
    #[schemars(example = serde_json::json!({ "set": { "x-gateway": "ringgate" } }))]
    pub(super) request: Fields,
    /// What becomes of the fields of all answers.
    #[serde(default, deserialize_with = "table")]
    #[schemars(example = serde_json::json!({ "remove": ["server", "x-powered-by"] }))]
    pub(super) response: Fields,
    /// What pages of other origins may do with answers, those of the gateway itself among them. With it nothing of what services say
    /// about that passes.
    #[serde(default, deserialize_with = "maybe_table")]
    #[schemars(with = "Cors")]
    pub(super) cors: Option<Spanned<Cors>>,
    /// Ways in which callers prove who they are, by names of your choice. Each is one of `jwt`, `api_key`, `basic` and `external`.
    #[serde(default, deserialize_with = "tables")]
    #[schemars(with = "BTreeMap<String, Auth>")]
    pub(super) auth: BTreeMap<Text, Auth>,
    /// How often one may ask, by names of your choice. A limit is one number for all workers and all routes that it is on, exact to
    /// the request. Each has one of `rate` and `quota`.
    #[serde(default, deserialize_with = "tables")]
    #[schemars(with = "BTreeMap<String, RateLimit>")]
    pub(super) rate_limits: BTreeMap<Text, RateLimit>,
    /// Who may ask, how often, and what becomes of requests and answers, by names that routes refer to. `none` is the name of the
    /// policy that asks for nothing.
    #[serde(default, deserialize_with = "tables")]
    #[schemars(with = "BTreeMap<String, Policy>")]
    pub(super) policies: BTreeMap<Text, Policy>,
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
    #[serde(default, deserialize_with = "tables")]
    #[schemars(with = "BTreeMap<String, Pool>")]
    pub(super) pools: BTreeMap<Text, Pool>,
    /// Which requests go where. The most specific route gets a request: a host before none, an exact path before a
    /// prefix, a longer prefix before a shorter one, text before a parameter, methods before none, more header fields
    /// before fewer, and only then the first in the order of the files. Where it does not take the method or a field is
    /// missing, the next one is asked.
    #[serde(default, deserialize_with = "list")]
    #[schemars(with = "Vec<Route>")]
    pub(super) routes: Vec<Spanned<Route>>,
}

/// A file that another one includes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Included {
    #[serde(default, deserialize_with = "tables")]
    pub(super) pools: BTreeMap<Text, Pool>,
    #[serde(default, deserialize_with = "list")]
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
    /// Its policy, one that is declared under `[policies]`; `none` for a route that is open to everybody.
    #[serde(default)]
    #[schemars(with = "kinds::Name", extend("x-default" = "that of the whole file"), example = &"customers")]
    pub(super) policy: Option<Text>,
    /// One of these roles is needed, instead of those that the policy asks for.
    #[serde(default)]
    #[schemars(with = "Vec<String>", extend("x-default" = "as in the policy"), example = ["customer"])]
    pub(super) roles: Option<Spanned<Vec<Text>>>,
    /// All of these scopes are needed, instead of those that the policy asks for.
    #[serde(default)]
    #[schemars(with = "Vec<String>", extend("x-default" = "as in the policy"), example = ["orders:read"])]
    pub(super) scopes: Option<Spanned<Vec<Text>>>,
    /// Claims that are needed, each with one of these values, instead of those that the policy asks for.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>", extend("x-default" = "as in the policy"), example = serde_json::json!({ "tenant": ["acme"] }))]
    pub(super) claims: Option<BTreeMap<Text, Vec<Text>>>,
    /// What one request is charged of each limit.
    #[serde(default)]
    #[schemars(with = "kinds::Count", extend("default" = 1), example = 5)]
    pub(super) cost: Option<Spanned<i64>>,
    /// The path that services are asked for: text with `{path.NAME}` for a parameter, `{path.*}` for what is below the prefix, and
    /// the other variables of templates, each as one segment.
    #[serde(default)]
    #[schemars(with = "kinds::Template", extend("x-default" = "that of the request"), example = &"/v2/{path.*}")]
    pub(super) rewrite: Option<Text>,
    /// The query that services are asked with, a template.
    #[serde(default)]
    #[schemars(with = "kinds::Template", extend("x-default" = "that of the request"), example = &"tenant={claim.tenant}")]
    pub(super) rewrite_query: Option<Text>,
    /// What becomes of the fields of its requests, after what holds for all and for its policy.
    #[serde(default, deserialize_with = "table")]
    #[schemars(example = serde_json::json!({ "set": { "x-tenant": "{claim.tenant}" } }))]
    pub(super) request: Fields,
    /// What becomes of the fields of its answers, after what holds for all and for its policy.
    #[serde(default, deserialize_with = "table")]
    #[schemars(example = serde_json::json!({ "remove": ["server"] }))]
    pub(super) response: Fields,
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

/// Fields that are set and removed. Values are templates: text with `{user}`, `{claim.NAME}`, `{path.NAME}`, `{path.*}`, `{path}`,
/// `{query.NAME}`, `{query}`, `{header.NAME}`, `{request_id}`, `{client}`, `{host}`, `{method}`; behind a `|` stands what is
/// said where there is no value. `{{` is a brace. Whatever a value holds, it cannot end the line.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// Fields with their values; those that were there by these names go. A field whose only variable has no value is left out.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>", example = serde_json::json!({ "x-tenant": "{claim.tenant|none}" }))]
    pub(super) set: BTreeMap<Text, Text>,
    /// Names of fields that do not pass.
    #[serde(default)]
    #[schemars(with = "Vec<String>", example = ["x-internal"])]
    pub(super) remove: Vec<Text>,
}

/// The CORS protocol of the Fetch standard. Preflights are answered by the gateway, need no credential and cost no quota.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Cors {
    /// Whose pages are let in: origins as browsers write them, `https://*.example.com` for all below a host, or `*` for all there are.
    #[serde(default)]
    #[schemars(with = "Vec<String>", example = ["https://app.example.com"])]
    pub(super) origins: Vec<Text>,
    /// With which methods.
    #[serde(default)]
    #[schemars(with = "Vec<String>", extend("x-default" = "`GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`"), example = ["GET", "POST"])]
    pub(super) methods: Option<Vec<Text>>,
    /// With which fields.
    #[serde(default)]
    #[schemars(with = "Vec<String>", extend("x-default" = "those that a page asks for"), example = ["authorization", "content-type"])]
    pub(super) headers: Option<Vec<Text>>,
    /// Which fields of answers they may read, besides the harmless ones.
    #[serde(default)]
    #[schemars(with = "Vec<String>", extend("x-default" = "`X-Request-Id`, `Retry-After` and those of rate limits"), example = ["x-request-id"])]
    pub(super) expose: Option<Vec<Text>>,
    /// Whether requests carry what the browser keeps for the site: cookies, passwords. Not with `*`.
    #[serde(default)]
    #[schemars(with = "bool", extend("default" = false), example = true)]
    pub(super) credentials: Option<bool>,
    /// How long a browser remembers what it was told.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("default" = "10m"), example = &"1h")]
    pub(super) max_age: Option<Text>,
}

/// A way in which callers prove who they are: it has one of `jwt`, `api_key`, `basic` and `external`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub(super) struct Auth {
    /// By a signed token in `Authorization: Bearer`.
    #[serde(default, deserialize_with = "maybe_table")]
    #[schemars(with = "Jwt", example = serde_json::json!({ "jwks": "https://id.example.com/keys", "issuer": "https://id.example.com", "audience": "api" }))]
    pub(super) jwt: Option<Spanned<Jwt>>,
    /// By a key in a field of its own.
    #[serde(default, deserialize_with = "maybe_table")]
    #[schemars(with = "ApiKey", example = serde_json::json!({ "keys": [{ "user": "acme", "digest": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" }] }))]
    pub(super) api_key: Option<Spanned<ApiKey>>,
    /// By a name and a password in `Authorization: Basic`.
    #[serde(default, deserialize_with = "maybe_table")]
    #[schemars(with = "Basic", example = serde_json::json!({ "users": [{ "user": "ada", "password": "$2y$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234" }] }))]
    pub(super) basic: Option<Spanned<Basic>>,
    /// Another service is asked.
    #[serde(default, deserialize_with = "maybe_table")]
    #[schemars(with = "External", example = serde_json::json!({ "pool": "AUTH", "path": "/verify" }))]
    pub(super) external: Option<Spanned<External>>,
}

/// Tokens (RFC 7519) with a signature: HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA. Keys come
/// from one of `jwks`, `jwks_file`, `key_file`, `secret` and `secret_file`. `exp` has to be there; the advice of RFC 8725 is followed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Jwt {
    /// Where the issuer publishes its keys (a JWK set). They are fetched at the start, every `refresh`, and when a token names a key
    /// that is not there; while they cannot be fetched those that were hold.
    #[serde(default)]
    #[schemars(with = "kinds::Url", example = &"https://id.example.com/.well-known/jwks.json")]
    pub(super) jwks: Option<Text>,
    /// A file with certificates (PEM) that the issuer's server may be vouched for by.
    #[serde(default)]
    #[schemars(with = "kinds::File", extend("x-default" = "those that this machine trusts"), example = &"internal-ca.pem")]
    pub(super) jwks_ca_file: Option<Text>,
    /// A file with a JWK set, relative to the folder of the first file of the configuration. It is read again when it changes.
    #[serde(default)]
    #[schemars(with = "kinds::File", example = &"keys.json")]
    pub(super) jwks_file: Option<Text>,
    /// A file with a public key (PEM).
    #[serde(default)]
    #[schemars(with = "kinds::File", example = &"issuer.pem")]
    pub(super) key_file: Option<Text>,
    /// A secret shared with the issuer, for HS256 and its kin: at least 32 bytes. Let it come from the environment.
    #[serde(default)]
    #[schemars(with = "String", example = &"${JWT_SECRET:-0123456789abcdef0123456789abcdef}")]
    pub(super) secret: Option<Text>,
    /// A file that holds the secret; white space at its end does not count.
    #[serde(default)]
    #[schemars(with = "kinds::File", example = &"/run/secrets/jwt")]
    pub(super) secret_file: Option<Text>,
    /// Who has to have issued a token (`iss`), one of these.
    #[serde(default)]
    #[schemars(with = "kinds::OneOrMore", extend("x-default" = "whoever has the key"), example = &"https://id.example.com")]
    pub(super) issuer: Option<Spanned<OneOrMore>>,
    /// Whom a token has to be meant for (`aud`), one of these.
    #[serde(default)]
    #[schemars(with = "kinds::OneOrMore", extend("x-default" = "anybody"), example = &"api")]
    pub(super) audience: Option<Spanned<OneOrMore>>,
    /// Signatures that are taken.
    #[serde(default)]
    #[schemars(with = "Vec<kinds::Algorithm>", extend("x-default" = "those that the keys are for"), example = ["ES256"])]
    pub(super) algorithms: Vec<Text>,
    /// What `typ` of a token may be.
    #[serde(default)]
    #[schemars(with = "Vec<String>", extend("x-default" = "`JWT`, `at+jwt`, or nothing"), example = ["at+jwt"])]
    pub(super) types: Vec<Text>,
    /// Claims that have to be there, besides `exp`.
    #[serde(default)]
    #[schemars(with = "Vec<String>", example = ["iat"])]
    pub(super) required: Vec<Text>,
    /// How far the issuer's clock may be off; at most `5m`.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("default" = "1m"), example = &"10s")]
    pub(super) leeway: Option<Text>,
    /// How long a token may be valid, from `iat` to `exp`.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("x-default" = "as long as its issuer says"), example = &"1h")]
    pub(super) longest_life: Option<Text>,
    /// The claim that says who it is.
    #[serde(default)]
    #[schemars(with = "String", extend("default" = "sub"), example = &"email")]
    pub(super) user: Option<Text>,
    /// The claim with the caller's roles: a list, or words.
    #[serde(default)]
    #[schemars(with = "String", extend("default" = "roles"), example = &"realm_access.roles")]
    pub(super) roles: Option<Text>,
    /// The claim with the scopes: a list, or words.
    #[serde(default)]
    #[schemars(with = "String", extend("default" = "scope"), example = &"scp")]
    pub(super) scopes: Option<Text>,
    /// How often keys are fetched.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("default" = "5m"), example = &"1m")]
    pub(super) refresh: Option<Text>,
    /// How much time lies between two fetches that unknown keys bring about.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("default" = "10s"), example = &"1s")]
    pub(super) cooldown: Option<Text>,
}

/// One text, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    One(Words),
    More(Vec<Words>),
}

impl OneOrMore {
    pub(super) fn all(&self) -> &[Words] {
        match self {
            OneOrMore::One(one) => std::slice::from_ref(one),
            OneOrMore::More(more) => more,
        }
    }
}

/// Keys, of which the file has only digests. `ringgate hash-key` makes a key and its digest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiKey {
    /// The field that holds the key.
    #[serde(default)]
    #[schemars(with = "String", extend("default" = "x-api-key"), example = &"x-partner-key")]
    pub(super) header: Option<Text>,
    /// Who has which.
    #[serde(default, deserialize_with = "list")]
    #[schemars(with = "Vec<Key>", example = serde_json::json!([{ "user": "acme", "digest": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" }]))]
    pub(super) keys: Vec<Spanned<Key>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    /// Who has it.
    #[schemars(with = "String", example = &"acme")]
    pub(super) user: Text,
    /// `sha256:` and 64 hexadecimal digits.
    #[schemars(with = "String", example = &"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub(super) digest: Text,
    /// What they are.
    #[serde(default)]
    #[schemars(with = "Vec<String>", example = ["partner"])]
    pub(super) roles: Vec<Text>,
    /// What they may do.
    #[serde(default)]
    #[schemars(with = "Vec<String>", example = ["orders:read"])]
    pub(super) scopes: Vec<Text>,
}

/// Passwords, of which the file has only slow hashes (argon2, bcrypt; `htpasswd -nB` makes one). They are checked beside the workers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Basic {
    /// Who has which.
    #[serde(default, deserialize_with = "list")]
    #[schemars(with = "Vec<User>", example = serde_json::json!([{ "user": "ada", "password": "$2y$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234" }]))]
    pub(super) users: Vec<Spanned<User>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct User {
    /// What they are called.
    #[schemars(with = "String", example = &"ada")]
    pub(super) user: Text,
    /// The hash of their password, in single quotes since it has `$` in it.
    #[schemars(with = "String", example = &"$2y$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234")]
    pub(super) password: Text,
    /// What they are.
    #[serde(default)]
    #[schemars(with = "Vec<String>", example = ["staff"])]
    pub(super) roles: Vec<Text>,
    /// What they may do.
    #[serde(default)]
    #[schemars(with = "Vec<String>", example = ["orders:read"])]
    pub(super) scopes: Vec<Text>,
}

/// A service that is asked with `GET`, and is told method, host and path of the request (`X-Forwarded-Method`, `-Host`, `-Uri`) and the
/// client's address. 2xx: the request passes, for whom the answer names, or for nobody in particular; 3xx and 4xx: it does not (401);
/// anything else, and nothing in time, is a failure.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct External {
    /// Where it is: a pool that is declared under `[pools]`.
    #[serde(default)]
    #[schemars(with = "kinds::Name", example = &"AUTH")]
    pub(super) pool: Option<Text>,
    /// The path that it is asked at.
    #[serde(default)]
    #[schemars(with = "kinds::Paths", extend("default" = "/"), example = &"/verify")]
    pub(super) path: Option<Text>,
    /// Fields of the request that it is shown; a request with none of them has no credential.
    #[serde(default)]
    #[schemars(with = "Vec<String>", extend("x-default" = "`authorization`"), example = ["authorization", "cookie"])]
    pub(super) headers: Option<Vec<Text>>,
    /// How long it may take.
    #[serde(default)]
    #[schemars(with = "kinds::Duration", extend("default" = "1s"), example = &"200ms")]
    pub(super) timeout: Option<Text>,
    /// What happens to requests that it does not judge: `refuse` (503), or `allow`: they pass for nobody, unless a role, a scope or a claim
    /// is needed (503).
    #[serde(default)]
    #[schemars(with = "kinds::OnFailure", extend("default" = "refuse"), example = &"allow")]
    pub(super) on_failure: Option<Text>,
    /// How long its word holds for the same credential, method, host and path.
    #[serde(default)]
    #[schemars(with = "kinds::DurationOrNone", extend("default" = "none"), example = &"10s")]
    pub(super) cache: Option<Text>,
    /// The field of its answer that says who it is.
    #[serde(default)]
    #[schemars(with = "String", extend("default" = "x-user-id"), example = &"x-auth-user")]
    pub(super) user_header: Option<Text>,
    /// The field of its answer with the roles, in a list with commas.
    #[serde(default)]
    #[schemars(with = "String", extend("default" = "x-user-roles"), example = &"x-auth-groups")]
    pub(super) roles_header: Option<Text>,
    /// The field of its answer with the scopes, with spaces in between.
    #[serde(default)]
    #[schemars(with = "String", extend("default" = "x-user-scopes"), example = &"x-auth-scopes")]
    pub(super) scopes_header: Option<Text>,
}

/// How often one may ask.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["rate"] }, { "required": ["quota"] }]))]
pub(super) struct RateLimit {
    /// A token bucket: requests and the time in which so many come back, evenly.
    #[serde(default)]
    #[schemars(with = "kinds::RatePer", example = &"1000/1s")]
    pub(super) rate: Option<Text>,
    /// What the bucket holds: as many may come at once.
    #[serde(default)]
    #[schemars(with = "kinds::Count", extend("x-default" = "as many as come back in the time of `rate`"), example = 50)]
    pub(super) burst: Option<Spanned<i64>>,
    /// A quota: requests and the window in which so many may come.
    #[serde(default)]
    #[schemars(with = "kinds::RatePer", example = &"100/1m")]
    pub(super) quota: Option<Text>,
    /// When windows of a quota begin: for each key with its `first-request`, or for all by the `clock` (UTC).
    #[serde(default)]
    #[schemars(with = "kinds::Window", extend("default" = "first-request"), example = &"clock")]
    pub(super) window: Option<Text>,
    /// What counts are kept apart by, one or several: `user` (an address where nobody knows), `address` (64 bits of IPv6), `route`,
    /// `host`, `header.NAME`. With none there is one count for all.
    #[serde(default)]
    #[schemars(with = "Vec<kinds::LimitKey>", extend("x-default" = "`user`"), example = ["user", "route"])]
    pub(super) by: Option<Spanned<Vec<Text>>>,
    /// Callers, by whatever way they are proved, and networks that are not limited.
    #[serde(default)]
    #[schemars(with = "Vec<String>", example = ["ops", "10.0.0.0/8"])]
    pub(super) exempt: Vec<Text>,
    /// Keys that are remembered at once. Only those that are idle are forgotten.
    #[serde(default)]
    #[schemars(with = "kinds::Keys", extend("default" = 65536), example = 1_000_000)]
    pub(super) keys: Option<Spanned<i64>>,
    /// What happens to a new key when all that are remembered are in use: `allow` or `refuse`.
    #[serde(default)]
    #[schemars(with = "kinds::OnFull", extend("default" = "allow"), example = &"refuse")]
    pub(super) when_full: Option<Text>,
}

/// What holds for the routes that name it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    /// How callers prove who they are: names declared under `[auth]`. The first kind of credential that a request has counts; no service
    /// gets any.
    #[serde(default)]
    #[schemars(with = "Vec<kinds::Name>", extend("x-default" = "not at all"), example = ["users"])]
    pub(super) auth: Vec<Text>,
    /// Whether a request without a credential passes all the same, for nobody.
    #[serde(default)]
    #[schemars(with = "bool", extend("default" = false), example = true)]
    pub(super) anonymous: Option<bool>,
    /// One of these roles is needed.
    #[serde(default)]
    #[schemars(with = "Vec<String>", example = ["customer"])]
    pub(super) roles: Vec<Text>,
    /// All of these scopes are needed.
    #[serde(default)]
    #[schemars(with = "Vec<String>", example = ["orders:read"])]
    pub(super) scopes: Vec<Text>,
    /// Claims that are needed, each with one of these values.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>", example = serde_json::json!({ "tenant": ["acme"] }))]
    pub(super) claims: BTreeMap<Text, Vec<Text>>,
    /// How often they may ask: names declared under `[rate_limits]`. A request is charged to all of them, or to none.
    #[serde(default)]
    #[schemars(with = "Vec<kinds::Name>", extend("x-default" = "as often as they like"), example = ["per_user"])]
    pub(super) rate_limits: Vec<Text>,
    /// What becomes of the fields of requests.
    #[serde(default, deserialize_with = "table")]
    #[schemars(example = serde_json::json!({ "set": { "x-tenant": "{claim.tenant}" } }))]
    pub(super) request: Fields,
    /// What becomes of the fields of answers.
    #[serde(default, deserialize_with = "table")]
    #[schemars(example = serde_json::json!({ "set": { "x-tier": "{claim.tier|free}" } }))]
    pub(super) response: Fields,
}
