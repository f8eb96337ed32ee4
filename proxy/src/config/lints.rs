//! What can be run and is probably not meant.
//!
//! Owns: the lints on single values. Those on the table of routes as a whole are in `reach` and `overlap`.
//! Refuses nothing; a lint whose advice most people would not take is none.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use ringgate_core::policy::Policy;
use ringgate_core::route::Route;
use toml::Spanned;

use super::allow::Allowances;
use super::codes::Lint;
use super::diagnostic::Problem;
use super::file::{self, File, Jwt, RouteTimeouts, Servers, Text};
use super::policy::{duration, ineffective};

/// How long is as good as for ever: nobody waits an hour for the head of an answer, and a day is the longest timeout there is.
const ENDLESS: Duration = Duration::from_secs(60 * 60);

/// A list of servers: of a declared pool, or of a route.
struct List<'a> {
    servers: &'a [Text],
    pool: Option<&'a str>,
    route: usize,
}

impl List<'_> {
    fn warns(&self, allowances: &Allowances, problem: &Problem) -> bool {
        match self.pool {
            Some(pool) => allowances.warns_of_pool(pool, problem),
            None => allowances.warns_of_route(self.route, problem),
        }
    }
}

/// Warns of servers in two pools, and of pools of one.
pub(super) fn of_pools(file: &File, allowances: &Allowances) -> Vec<Problem> {
    let single = file.pools.iter().filter_map(|(name, pool)| {
        let warning = single(name, pool.servers.as_ref()?)?;
        allowances.warns_of_pool(name.get_ref(), &warning).then_some(warning)
    });
    single.chain(shared(&lists(file), allowances)).collect()
}

/// All pools. Routes that list the same servers share one.
fn lists(file: &File) -> Vec<List<'_>> {
    let declared = file.pools.iter().filter_map(|(name, pool)| {
        Some(List { servers: pool.servers.as_ref()?.get_ref(), pool: Some(name.get_ref()), route: 0 })
    });
    let mut seen: HashSet<Vec<&str>> = HashSet::new();
    let listed = file.routes.iter().enumerate().filter_map(|(route, written)| {
        let servers = written.get_ref().servers.as_ref()?.get_ref();
        let names = servers.iter().map(|server| &**server.get_ref()).collect();
        seen.insert(names).then_some(List { servers, pool: None, route })
    });
    declared.chain(listed).collect()
}

fn single(name: &Text, servers: &Servers) -> Option<Problem> {
    let [server] = &servers.get_ref()[..] else { return None };
    server.get_ref().parse::<SocketAddr>().ok()?; // a name may stand for several
    let title = format!("the pool `{name}` has only one server: nobody else is asked when it is down");
    Some(Problem::at(Lint::SingleServer, server.span(), title).help(format!(
        "list another one; if there is none, say so under `[pools.{name}]`: `allow = [\"{}\"]`",
        Lint::SingleServer.name()
    )))
}

/// One warning for each pool that has a server of another.
fn shared(lists: &[List<'_>], allowances: &Allowances) -> Vec<Problem> {
    let mut first: HashMap<String, (usize, &Text)> = HashMap::new();
    let mut warnings = Vec::new();
    for (index, list) in lists.iter().enumerate() {
        let warning = list.servers.iter().find_map(|server| {
            let (pool, other) =
                *first.entry(server.get_ref().to_ascii_lowercase()).or_insert((index, server));
            let warning = (pool != index).then(|| in_two_pools(server, other))?;
            lists[pool].warns(allowances, &warning).then_some(warning)
        });
        warnings.extend(warning.filter(|warning| list.warns(allowances, warning)));
    }
    warnings
}

fn in_two_pools(again: &Text, first: &Text) -> Problem {
    let title =
        format!("the server `{again}` is in two pools: each may open as many connections as one is allowed");
    Problem::at(Lint::SharedServer, again.span(), title)
        .label("again here")
        .and_at(first.span(), "first here")
        .help(format!(
            "let all routes name one pool, or lower `connections` of both and say so: `allow = [\"{}\"]`",
            Lint::SharedServer.name()
        ))
}

/// Warns of a list of proxies that has everybody in it.
pub(super) fn of_trusted(written: &[Text], trusted: &[IpNet]) -> Option<Problem> {
    let everybody = IpNet::aggregate(&trusted.to_vec()).into_iter().find(|all| all.prefix_len() == 0)?;
    let is_it = |text: &&Text| text.get_ref().parse() == Ok(everybody);
    let place = written.iter().find(is_it).or(written.first())?.span();
    let title = "every address there is is trusted: any client can say that it is another";
    Some(Problem::at(Lint::TrustedInternet, place, title).help(
        "list only the addresses of your own proxies, as in `10.0.0.0/8`; without one, leave `trusted_proxies` out",
    ))
}

/// Warns of issuers whose tokens may be meant for anybody.
pub(super) fn of_audiences(file: &File) -> Vec<Problem> {
    let tokens = file.auth.values().filter_map(|auth| auth.jwt.as_ref());
    let open = tokens.filter(|jwt| jwt.get_ref().audience.is_none());
    let warning = |jwt: &Spanned<Jwt>| {
        let title = "a token that was meant for another service is taken here: `audience` does not matter";
        Problem::at(Lint::MissingAudience, jwt.span(), title).help(format!(
            "write whom tokens have to be meant for, as in `audience = \"api\"`; if this is meant, say so: `allow = [\"{}\"]`",
            Lint::MissingAudience.name()
        ))
    };
    open.map(warning).collect()
}

/// Whether only this machine can reach an address.
fn is_local(listen: &Text) -> bool {
    listen.get_ref().parse().is_ok_and(|address: SocketAddr| address.ip().is_loopback())
}

/// Warns of keys that anybody on the way could replace.
pub(super) fn of_keys(file: &File) -> Vec<Problem> {
    let urls = file.auth.values().filter_map(|auth| auth.jwt.as_ref()?.get_ref().jwks.as_ref());
    let is_here = |url: &Text| {
        let host = url.get_ref().parse().ok().and_then(|url: http::Uri| url.host().map(str::to_owned));
        let host = host.unwrap_or_default();
        let address = host.trim_matches(['[', ']']).parse();
        host == "localhost" || address.is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    };
    let open = urls.filter(|url| url.get_ref().starts_with("http://") && !is_here(url));
    let warning = |url: &Text| {
        Problem::at(
            Lint::OpenKeys,
            url.span(),
            "whoever can bend this connection chooses the keys: it has no TLS",
        )
        .help(format!(
            "write `https://`; if the way there is your own, say so: `allow = [\"{}\"]`",
            Lint::OpenKeys.name()
        ))
    };
    open.map(warning).collect()
}

/// Warns of a route that anybody may use as often as they like, where others may not, or where the world can reach it.
fn public(file: &File, written: &Spanned<file::Route>, compiled: &Route) -> Option<Problem> {
    let has_rules = !file.auth.is_empty() || !file.rate_limits.is_empty();
    let is_reachable = file.listen.as_ref().is_some_and(|listen| !is_local(listen));
    let access = &compiled.policy.access;
    let is_public = access.limits.is_empty() && (access.ways.is_empty() || access.allows_anonymous);
    let says_so = written.get_ref().policy.as_ref().is_some_and(|policy| **policy.get_ref() == *"none");
    let route = written.get_ref();
    let place = route.path.as_ref().or(route.prefix.as_ref()).map_or(written.span(), Spanned::span);
    ((has_rules || is_reachable) && is_public && !says_so).then(|| {
        let title = "anybody may use this route, as often as they like";
        Problem::at(Lint::PublicRoute, place, title)
            .help("give it a `policy` with `rate_limits`; if this is meant, write `policy = \"none\"`")
    })
}

/// Warns of timeouts; `policy` is what comes of them.
pub(super) fn of_timeouts(written: &RouteTimeouts, policy: &Policy) -> impl Iterator<Item = Problem> {
    ineffective(written).into_iter().chain(endless(written, policy))
}

/// Warns if a server that hangs may keep requests for as good as ever.
fn endless(written: &RouteTimeouts, policy: &Policy) -> Option<Problem> {
    let timeouts = &policy.timeouts;
    let is_endless = timeouts.total.is_none() && timeouts.connect.max(timeouts.response) >= ENDLESS;
    let is_long = |text: &&Text| duration(text).is_some_and(|duration| duration >= ENDLESS);
    let long = [&written.response, &written.connect].into_iter().flatten().find(is_long);
    let place = is_endless.then(|| long.or(written.total.as_ref()))??;
    let title = "a server that hangs may keep these requests for an hour and longer";
    Some(Problem::at(Lint::MissingDeadline, place.span(), title).help(format!(
        "let it be as long as a good answer may take, or set `total` for all of it; if this is meant, say so: `allow = [\"{}\"]`",
        Lint::MissingDeadline.name()
    )))
}

/// What each route has of its own, with its place in the file.
pub(super) fn of_routes(file: &File, compiled: &[Arc<Route>], allowances: &Allowances) -> Vec<Problem> {
    let routes = file.routes.iter().zip(compiled).enumerate();
    let warnings = routes.flat_map(|(index, (written, route))| {
        let warnings =
            of_timeouts(&written.get_ref().timeouts, &route.policy).chain(public(file, written, route));
        warnings.filter(move |warning| allowances.warns_of_route(index, warning))
    });
    warnings.collect()
}
