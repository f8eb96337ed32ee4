//! What a configuration means, for people: the routing table as text, a summary, and what becomes of one request.
//!
//! The answers come from the data plane's own code: the request is written out as bytes, read by the parser that reads
//! those of clients, and routed and forwarded by what routes and forwards those.

mod access;
mod policy;

use std::collections::HashSet;
use std::fmt::{self, Display};
use std::net::IpAddr;

use ringgate_core::answer::{Answer, Malformed, Reject};
use ringgate_core::forward::{self, Peer, Shape, ToServer, Traced};
use ringgate_core::limits::SERVER_CONNECTIONS;
use ringgate_core::pool::Server;
use ringgate_core::route::{Route, Verdict};
use ringgate_core::snapshot::Snapshot;
use ringgate_core::template::{BadRendering, Facts};
use ringgate_core::trace::{Parent, Trace};
use serde::Serialize;

use self::policy::Numbers;
use crate::config::sample::Sample;
use crate::config::{Admin, Config, Veil};
use crate::log::{Form, RequestLog};

/// What a configuration says, as `ringgate check` prints it: one line for each setting, and the routing table.
pub fn summary(config: &Config) -> String {
    let or = |value: Option<String>, default: &str| value.unwrap_or_else(|| default.to_owned());
    let workers = config.workers.map(|workers| workers.to_string());
    let driver = config.driver.map(|driver| driver.to_string());
    let rows = [
        ["listen", &config.listen.to_string()],
        ["workers", &or(workers, "one per available core")],
        ["driver", &or(driver, "the best that works here")],
        ["requests", &request_log(&config.log)],
        ["timeouts", &timeouts(config)],
        ["limits", &limits(config)],
    ];
    let mut rows = rows.map(|row| row.map(String::from).to_vec()).to_vec();
    rows.extend(
        config
            .snapshot
            .limits
            .iter()
            .map(|limit| vec!["rate limit".into(), format!("{}: {}", limit.name, access::limit(limit))]),
    );
    rows.extend(admin(&config.fixed.admin).map(|places| vec!["admin".to_owned(), places]));
    format!("{}\nroutes, in order of precedence:\n{}", aligned(&rows), table(config))
}

/// Where the admin API can be asked; `None` if nowhere.
fn admin(admin: &Admin) -> Option<String> {
    let address = admin.listen.map(|address| format!("http://{address}"));
    let socket = admin.socket.as_ref().map(|path| path.display().to_string());
    let places: Vec<String> = address.into_iter().chain(socket).collect();
    let token = if admin.token.is_some() { "with a token" } else { "without a token" };
    (!places.is_empty()).then(|| format!("{}, {token}", places.join(" and ")))
}

/// What is logged of requests, and where.
fn request_log(log: &RequestLog) -> String {
    let form = match log.form {
        None => return "off".to_owned(),
        Some(Form::Json) => "JSON lines",
        Some(Form::Combined) => "combined lines",
        Some(Form::Text) => "text for people",
    };
    let mut said = format!("{form} to {}", log.destination());
    let shown = |what: &str, names: &[Box<str>]| format!(", with {what} {}", names.join(" "));
    said.extend((!log.shape.query.is_empty()).then(|| shown("of queries", &log.shape.query)));
    said.extend((!log.shape.fields.is_empty()).then(|| shown("of fields", &log.shape.fields)));
    said.extend((log.sample < 1.0).then(|| format!(", a share of {} and all that fail", log.sample)));
    said
}

/// What holds for everything, and for routes that do not say otherwise.
fn timeouts(config: &Config) -> String {
    let Snapshot { clients, kept, .. } = &config.snapshot;
    let global = [
        ("head", clients.head_timeout),
        ("idle", clients.idle_timeout),
        ("upstream_idle", kept.idle),
        ("upstream_age", kept.age),
        ("drain", clients.drain_timeout),
    ];
    let global = global.map(|(key, timeout)| (key, policy::duration(timeout)));
    policy::list(global.into_iter().chain(policy::timeouts(&config.policy.timeouts)))
}

fn limits(config: &Config) -> String {
    let connections = config.snapshot.clients.connections;
    let connections = connections.map_or("as many as descriptors allow".into(), |most| most.to_string());
    policy::list([("connections", connections)].into_iter().chain(policy::limits(&config.policy)))
}

/// The routing table as text, aligned, the route that is asked first on top; several lines, each with its end. What a route
/// asks of time, size and protocol stands behind it where it is not the default.
pub fn table(config: &Config) -> String {
    let routes = &config.snapshot.routes;
    let head = ["methods", "host", "path", "pool"].map(String::from).to_vec();
    let rows = routes.by_precedence().into_iter().map(|route| {
        let mut row = row(route, &config.veil).to_vec();
        row.push(format!("-> {}", servers(config, route)));
        let own = policy::own(&route.policy, &config.policy);
        row.extend(Some(config.veil.words(&own)).filter(|own| !own.is_empty()));
        row
    });
    aligned(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

/// Methods, host and path of a route, with its name if it has one of its own and the fields it asks for.
fn row(route: &Route, veil: &Veil) -> [String; 3] {
    let pattern = route.pattern.to_string();
    let fields = route.fields.iter().map(|(name, value)| format!(" with {name}: {}", veil.shown(value)));
    let name = (*route.name != *pattern).then(|| format!(" ({})", veil.shown(&route.name)));
    let path = std::iter::once(veil.shown(&pattern).to_owned()).chain(fields).chain(name).collect();
    [route.methods.to_string(), veil.shown(route.host.as_deref().unwrap_or("any")).to_owned(), path]
}

/// Servers of a pool that a table names: its lines stay readable, and a pool of thousands is not written once a route.
const NAMED_SERVERS: usize = 8;

/// A pool with its servers and their bound; one that was never named is called by them.
fn servers(config: &Config, route: &Route) -> String {
    let (pool, origin) = (config.snapshot.pool(route), &config.origins.pools[route.pool]);
    let written = origin.written();
    let others = written.len().saturating_sub(NAMED_SERVERS);
    let mut facts: Vec<String> =
        written.take(NAMED_SERVERS).map(|server| config.veil.shown(server).to_owned()).collect();
    let rest = pool.name.strip_prefix(&facts.join(", "));
    let is_unnamed = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(", "));
    facts.extend((others > 0).then(|| format!("{others} more")));
    let connections = pool.servers[0].capacity.most();
    facts.extend((connections != SERVER_CONNECTIONS).then(|| format!("{connections} connections each")));
    let facts = facts.join(", ");
    if is_unnamed { facts } else { format!("{} ({facts})", pool.name) }
}

/// Characters up to which a column is made as wide as its cells: one long path does not push the others off the screen.
const COLUMN: usize = 120;

/// Rows of cells as lines, each column as wide as its longest cell; the last cell of a row as it comes.
fn aligned(rows: &[Vec<String>]) -> String {
    let mut widths = vec![0; rows.iter().map(Vec::len).max().unwrap_or(0)];
    for row in rows {
        let padded = row.split_last().map_or(&[][..], |(_, padded)| padded);
        let wide = |width: &mut usize, cell: &String| *width = cell.chars().count().min(COLUMN).max(*width);
        widths.iter_mut().zip(padded).for_each(|(width, cell)| wide(width, cell));
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("  {cell:width$}"));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}

/// What becomes of a request. Displayed for people, serialised for programs.
#[derive(Debug, Serialize)]
pub struct Explanation {
    method: String,
    target: String,
    /// What routes match and what is sent on; none if the request could not be read.
    path: Option<String>,
    /// Every route with this path, the one that is asked first on top.
    candidates: Vec<Candidate>,
    answer: Answered,
}

#[derive(Debug, Serialize)]
struct Candidate {
    route: String,
    methods: String,
    host: Option<String>,
    path: String,
    pool: String,
    verdict: &'static str,
    reason: String,
    /// How it stands in the routing table.
    #[serde(skip)]
    row: [String; 3],
}

/// Who answers.
#[derive(Debug, Serialize)]
#[serde(tag = "source", rename_all = "snake_case")]
enum Answered {
    Upstream {
        pool: String,
        servers: Vec<String>,
        /// To each of them.
        connections: usize,
        policy: Box<Numbers>,
        head: String,
        /// Names of fields that the server gets and the client did not send like that,
        added: Vec<String>,
        /// and of those that it sent and the server does not get like that.
        removed: Vec<String>,
        /// The policy as people read it: timeouts, limits, upgrades, who may ask, how often.
        #[serde(skip)]
        said: Box<[String; 5]>,
    },
    Gateway {
        status: u16,
        code: &'static str,
        cause: &'static str,
        detail: &'static str,
        allow: Option<String>,
    },
}

/// A request that is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its target.
    pub target: &'a str,
    /// Its field lines, `name: value`.
    pub fields: &'a [String],
    /// Who connects, if that matters: a proxy that is trusted may say more.
    pub peer: Option<IpAddr>,
}

/// Says what becomes of a request. Takes one turn of its pool. What the veil knows is shown as it is written.
pub fn explain(config: &Config, question: Question<'_>) -> Explanation {
    let Question { method, target, fields, peer } = question;
    let Config { snapshot, veil, .. } = config;
    let (path, candidates, answer) = match Sample::new(method, target, fields, snapshot.clients.tolerance) {
        Ok(sample) => (
            Some(sample.head().path(sample.bytes()).to_owned()),
            candidates(snapshot, veil, &sample),
            upstream(config, &sample, peer).unwrap_or_else(|reject| gateway(&reject)),
        ),
        Err(reject) => (None, Vec::new(), gateway(&reject)),
    };
    Explanation { method: method.to_owned(), target: target.to_owned(), path, candidates, answer }
}

/// Every route with the path of the request, and why it takes it or not; those for other hosts last.
fn candidates(snapshot: &Snapshot, veil: &Veil, sample: &Sample) -> Vec<Candidate> {
    let request = sample.route_request();
    let asked = snapshot.routes.explain(&request);
    let known: HashSet<*const Route> = asked.iter().map(|(route, _)| *route as *const Route).collect();
    let is_of_other_host =
        |route: &&Route| route.pattern.matches(request.path) && !known.contains(&(*route as *const Route));
    let of_other_hosts = snapshot.routes.all().iter().map(|route| &**route).filter(is_of_other_host);
    let judged = asked.iter().map(|(route, verdict)| (*route, Some(*verdict)));
    let all = judged.chain(of_other_hosts.map(|route| (route, None)));
    all.map(|(route, verdict)| {
        let (verdict, reason) = reason(route, verdict, sample, veil);
        Candidate {
            route: veil.shown(&route.name).to_owned(),
            methods: route.methods.to_string(),
            host: route.host.as_deref().map(|host| veil.shown(host).to_owned()),
            path: veil.shown(&route.pattern.to_string()).to_owned(),
            pool: snapshot.pool(route).name.to_string(),
            verdict,
            reason,
            row: row(route, veil),
        }
    })
    .collect()
}

/// A verdict in one word and in a few; `None` if the route was not asked since it is for another host.
fn reason(
    route: &Route,
    verdict: Option<Verdict<'_>>,
    sample: &Sample,
    veil: &Veil,
) -> (&'static str, String) {
    match verdict {
        Some(Verdict::Wins) => ("wins", "takes it".into()),
        Some(Verdict::Outranked) => ("outranked", "would take it if no route before it did".into()),
        Some(Verdict::Method) => {
            ("method", format!("does not serve {}", sample.route_request().method.name()))
        }
        Some(Verdict::Field(name)) => ("field", missing(route, name, sample, veil)),
        None => {
            let host = veil.shown(route.host.as_deref().unwrap_or("any"));
            ("host", format!("is only for the host {host}"))
        }
    }
}

fn missing(route: &Route, name: &str, sample: &Sample, veil: &Veil) -> String {
    let wanted =
        route.fields.iter().find(|(field, _)| **field == *name).map_or("", |(_, value)| veil.shown(value));
    let sent = sample.route_request().fields.named(name.as_bytes()).next();
    match sent.map(String::from_utf8_lossy) {
        Some(sent) => format!("asks for `{name}: {wanted}`, and the request has `{sent}`"),
        None => format!("asks for `{name}: {wanted}`, which the request does not have"),
    }
}

/// Stands for the client's address, which is known only when there is a client.
const CLIENT: &str = "<address of the client>";
/// Stands for the id that a request without one is given.
const REQUEST_ID: &str = "<new request id>";

/// The way of `crate::pipeline`, up to the connection.
fn upstream(config: &Config, sample: &Sample, peer: Option<IpAddr>) -> Result<Answered, Reject> {
    let Config { snapshot, veil, .. } = config;
    let (head, bytes) = (sample.head(), sample.bytes());
    head.check(bytes, &snapshot.node)?;
    let found = snapshot.routes.find(&sample.route_request());
    let policy = found.as_ref().map_or(&snapshot.strangers, |found| &found.route.policy);
    let known = access::admit(snapshot, policy, sample)?;
    let route = found?.route;
    head.check_length(route.policy.body_bytes)?;
    let pool = snapshot.pool(route);
    let servers: Vec<&Server> = pool.turn().collect();
    let names = servers.iter().map(|server| veil.shown(&server.name).to_owned()).collect();
    let own_id = head.request_id(bytes);
    let trace = config.tracing.as_ref().map(|_| Traceparent::of(Parent::of(head.fields(bytes))));
    let (address, mut sent) = (access::address(peer, CLIENT), Vec::new());
    let request_id = own_id.unwrap_or(REQUEST_ID);
    let caller = known.as_ref().map(|known| &known.caller);
    let facts = Facts { head, bytes, pattern: &route.pattern, caller, request_id, client: &address };
    let identity = known.as_ref().map_or(&b""[..], |known| &known.lines);
    let to = ToServer {
        server: servers[0],
        peer: Peer {
            address: &address,
            is_trusted: peer.is_some_and(|peer| snapshot.clients.trusted.has(peer)),
        },
        request_id,
        upgrade: head.upgrade(bytes, &route.policy.upgrades),
        node: &snapshot.node,
        trace: trace.as_ref().map(|trace| trace.field),
        shape: route.policy.reshapes_requests().then_some(Shape { policy: &route.policy, facts, identity }),
    };
    forward::request(&mut sent, head, bytes, to).map_err(|BadRendering| Malformed::Path)?;
    let head = veil.words(&String::from_utf8_lossy(&sent));
    let head = trace.map(|trace| trace.shown_in(&head)).unwrap_or(head);
    let [added, removed] = changes(&String::from_utf8_lossy(bytes), &head);
    Ok(Answered::Upstream {
        added,
        removed,
        pool: pool.name.to_string(),
        connections: servers[0].capacity.most(),
        servers: names,
        policy: Box::new(Numbers::of(&route.policy, veil)),
        head,
        said: Box::new([
            policy::list(policy::timeouts(&route.policy.timeouts)),
            policy::list(policy::limits(&route.policy)),
            policy::upgrades(&route.policy),
            veil.words(&access::authentication(&route.policy)),
            access::limits(&route.policy),
        ]),
    })
}

/// The names of fields, in order, whose lines only the head that is sent has, and of those that only the client's has.
fn changes(client: &str, sent: &str) -> [Vec<String>; 2] {
    let lines = |head| -> Vec<&str> { str::lines(head).skip(1).filter(|line| !line.is_empty()).collect() };
    let (client, sent) = (lines(client), lines(sent));
    let only = |own: &[&str], other: &[&str]| {
        let alone = own.iter().filter(|line| !other.contains(line));
        alone.filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
    };
    [only(&sent, &client), only(&client, &sent)]
}

/// A `traceparent` whose new ids stand for those that are made when there is a request.
struct Traceparent {
    field: Traced,
    shown: String,
}

impl Traceparent {
    fn of(parent: Option<Parent>) -> Traceparent {
        let trace = Trace::begin(parent, 0, || u64::MAX); // ids that nobody else has
        let traceparent = trace.traceparent(trace.span_id);
        let told = String::from_utf8_lossy(&traceparent).replacen(&"f".repeat(32), "<new trace id>", 1);
        let told = told.replacen(&"f".repeat(16), "<id of the attempt>", 1);
        let is_sampled = parent.map(|parent| if parent.is_sampled { "01" } else { "00" });
        let shown =
            format!("{}{}", &told[..told.len() - 2], is_sampled.unwrap_or("<01 if it is recorded, else 00>"));
        Traceparent { field: Traced { traceparent, keeps_state: parent.is_some() }, shown }
    }

    fn shown_in(&self, head: &str) -> String {
        head.replacen(&*String::from_utf8_lossy(&self.field.traceparent), &self.shown, 1)
    }
}

fn gateway(reject: &Reject) -> Answered {
    let Answer { status, code, cause, detail } = reject.answer();
    let allow = match reject {
        Reject::MethodNotAllowed(allowed) => Some(allowed.to_string()),
        _ => None,
    };
    Answered::Gateway { status, code, cause: cause.code(), detail, allow }
}

impl Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "request:     {} {}", self.method, self.target)?;
        if let Some(path) = self.path.as_ref().filter(|path| self.target.split('?').next() != Some(path)) {
            writeln!(f, "normal form: {path} (what routes match, and what is sent on)")?;
        }
        if !self.candidates.is_empty() {
            writeln!(f, "\nroutes with this path, in order of precedence:")?;
            f.write_str(&aligned(&self.candidates.iter().map(Candidate::row).collect::<Vec<_>>()))?;
        }
        writeln!(f)?;
        self.answer.fmt(f)
    }
}

/// Names, or that there are none.
fn listed(names: &[String]) -> String {
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

impl Candidate {
    fn row(&self) -> Vec<String> {
        let mut row = self.row.to_vec();
        row.extend([format!("-> {}", self.pool), self.reason.clone()]);
        row
    }
}

impl Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answered::Upstream { pool, servers, connections, head, added, removed, said, .. } => {
                let [timeouts, limits, upgrades, authentication, rates] = &**said;
                for (what, said) in [("auth:        ", authentication), ("rate limits: ", rates)] {
                    if said != access::NONE {
                        writeln!(f, "{what}{said}")?;
                    }
                }
                writeln!(f, "timeouts:    {timeouts}")?;
                writeln!(f, "limits:      {limits}, {connections} connections to a server")?;
                writeln!(f, "upgrade:     {upgrades}\n")?;
                writeln!(f, "sent to:     {}", servers.join(", or else to "))?;
                head.trim_end().lines().try_for_each(|line| writeln!(f, "    {line}"))?;
                writeln!(f, "\nadded:       {}", listed(added))?;
                writeln!(f, "removed:     {}", listed(removed))?;
                writeln!(
                    f,
                    "\nanswered by: the upstream (pool {pool}); whatever status it sends is passed on and logged \
                     with \"source\":\"upstream\""
                )
            }
            Answered::Gateway { status, code, detail, allow, .. } => {
                write!(f, "answered by: the gateway, {status} {code}")?;
                if let Some(allow) = allow.as_ref().filter(|allow| !allow.is_empty()) {
                    write!(f, ", Allow: {allow}")?;
                }
                writeln!(f, "\n             {detail}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ringgate_core::method::MethodSet;
    use ringgate_core::policy::Policy;
    use ringgate_core::route::{Pattern, Routes};
    use ringgate_core::tolerance::Tolerance;

    use super::*;

    /// Sorting all routes and asking some of them are two ways through the core; people see the one and meet the other.
    #[test]
    fn the_table_lists_routes_in_the_order_in_which_requests_ask_them() {
        let mut seed = 3u64;
        let mut random = |bound: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % bound
        };
        for _ in 0..500 {
            let routes = (0..8).map(|index| {
                let path: String = (0..random(4)).map(|_| ["/a", "/b", "/{p}"][random(3) as usize]).collect();
                let path = if path.is_empty() { "/" } else { &path };
                let pattern = if random(2) == 0 { Pattern::exact(path) } else { Pattern::prefix(path) };
                let mut methods = MethodSet::default();
                methods.insert("GET");
                let fields = (0..random(3)).map(|field| (format!("x-{field}").into(), "1".into()));
                Route {
                    name: index.to_string().into(),
                    host: [None, Some("a".into()), Some("b".into())][random(3) as usize].clone(),
                    pattern: pattern.unwrap(),
                    methods: if random(2) == 0 { methods } else { MethodSet::any() },
                    fields: fields.collect(),
                    pool: 0,
                    policy: Policy::default(),
                }
            });
            let routes = Routes::new(routes.collect()).unwrap();
            let place =
                |wanted: &Route| routes.by_precedence().iter().position(|route| std::ptr::eq(*route, wanted));
            for path in ["/", "/a", "/a/b", "/a/a/b", "/c/b", "/a/b/c/d"] {
                let sample = Sample::new("GET", path, &["Host: a".to_owned()], Tolerance::NONE).unwrap();
                let asked = routes.explain(&sample.route_request());
                let places: Vec<_> = asked.iter().map(|(route, _)| place(route)).collect();
                assert!(places.is_sorted(), "{path} {places:?} {:?}", routes.all());
            }
        }
    }
}
