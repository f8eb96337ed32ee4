//! Pools: from lists of addresses to servers that can be connected to.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ringgate_core::limits::SERVER_CONNECTIONS;
use ringgate_core::pool::{Pool, Server};
use ringgate_core::route::Route;

use super::codes::{Lint, Mistake};
use super::diagnostic::{Problem, list};
use super::file::{self, Servers, Text};
use super::policy::connections;
use super::settings::check_name;

/// Asks for the addresses of a host, with a port.
pub(super) type Resolve<'a> = &'a dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

/// Pools of the configuration that held before, by name.
pub(super) type Earlier<'a> = HashMap<&'a str, &'a Pool>;

/// All pools: those that are declared, and behind them those that routes write for themselves.
pub(super) struct Pools<'a> {
    resolve: Resolve<'a>,
    /// The names of the declared ones, in the order of `compiled` and of the alphabet.
    declared: Vec<Text>,
    /// The others, by name.
    unnamed: BTreeMap<String, Arc<Pool>>,
    compiled: Vec<Arc<Pool>>,
    /// Those of the configuration before.
    earlier: Earlier<'a>,
}

impl<'a> Pools<'a> {
    /// Compiles `[pools]`.
    pub(super) fn declare(
        pools: &BTreeMap<Text, file::Pool>,
        resolve: Resolve<'a>,
        earlier: Earlier<'a>,
    ) -> Result<Pools<'a>, Problem> {
        let (declared, unnamed, compiled) = (Vec::new(), BTreeMap::new(), Vec::new());
        let mut all = Pools { resolve, declared, unnamed, compiled, earlier };
        for (name, pool) in pools {
            check_name(name)?;
            let servers = pool.servers.as_ref().ok_or_else(|| no_servers(name))?;
            let default = SERVER_CONNECTIONS.to_string();
            let connections = pool.connections.as_ref().map(|written| connections(written, &default));
            all.add(name.get_ref(), servers, connections.transpose()?.unwrap_or(SERVER_CONNECTIONS))?;
            all.declared.push(name.clone());
        }
        Ok(all)
    }

    /// The pool a route names.
    pub(super) fn named(&self, name: &Text) -> Result<Arc<Pool>, Problem> {
        check_name(name)?;
        let place = self.declared.binary_search(name);
        place.map(|place| self.compiled[place].clone()).map_err(|_| {
            let names: Vec<&str> = self.declared.iter().map(|declared| &**declared.get_ref()).collect();
            let problem =
                Problem::at(Mistake::UnknownPool, name.span(), format!("there is no pool `{name}`"));
            match names.is_empty() {
                true => problem.help(format!(
                    "declare it: `[pools.{}]` with `servers = [\"127.0.0.1:3000\"]`",
                    key(name.get_ref().plain().unwrap_or("NAME"))
                )),
                false => problem
                    .suggest(name.get_ref(), names.iter().copied())
                    .help(format!("declared under `[pools]`: {}", list(&names))),
            }
        })
    }

    /// The pool of a route that lists its servers itself. It is called by them as they may be shown, so the same list is
    /// the same pool.
    pub(super) fn unnamed(&mut self, servers: &Servers) -> Result<Arc<Pool>, Problem> {
        let written: Vec<String> = servers.get_ref().iter().map(Text::to_string).collect();
        let name = written.join(", ");
        if let Some(pool) = self.unnamed.get(&name) {
            return Ok(pool.clone());
        }
        let pool = self.add(&name, servers, SERVER_CONNECTIONS)?;
        self.unnamed.insert(name, pool.clone());
        Ok(pool)
    }

    /// Warns of pools that were declared for nothing, with their names.
    pub(super) fn unused(&self, routes: &[Arc<Route>]) -> Vec<(&str, Problem)> {
        let used: HashSet<*const Pool> = routes.iter().map(|route| Arc::as_ptr(&route.pool)).collect();
        let declared = self.declared.iter().zip(&self.compiled);
        let unused = declared.filter(|(_, pool)| !used.contains(&Arc::as_ptr(pool)));
        let warnings = unused.map(|(name, _)| {
            let help = format!("remove it, or send a route there with `pool = \"{name}\"`");
            let title = format!("no route uses the pool `{name}`");
            (&**name.get_ref(), Problem::at(Lint::UnusedPool, name.span(), title).help(help))
        });
        warnings.collect()
    }

    /// What the snapshot holds.
    pub(super) fn into_compiled(self) -> Vec<Arc<Pool>> {
        self.compiled
    }

    fn add(&mut self, name: &str, servers: &Servers, connections: usize) -> Result<Arc<Pool>, Problem> {
        let mut known: HashMap<Endpoint, &Text> = HashMap::new();
        let mut compiled = Vec::new();
        for written in servers.get_ref() {
            let endpoint = Endpoint::read(written)?;
            let address = endpoint.resolve(written, self.resolve)?;
            if let Some(first) = known.insert(endpoint, written) {
                return Err(twice(written, first));
            }
            compiled.push(Server::new(written.get_ref(), address).at_most(connections));
        }
        if compiled.is_empty() {
            return Err(Problem::at(Mistake::EmptyPool, servers.span(), "a pool has at least one server")
                .help("list where it listens, as in `servers = [\"127.0.0.1:3000\"]`"));
        }
        let pool = Pool::new(name, compiled);
        let pool = Arc::new(match self.earlier.get(name) {
            Some(earlier) => pool.after(earlier),
            None => pool,
        });
        self.compiled.push(pool.clone());
        Ok(pool)
    }
}

fn no_servers(pool: &Text) -> Problem {
    Problem::at(Mistake::PoolWithoutServers, pool.span(), format!("the pool `{pool}` has no servers"))
        .help("list where they listen, as in `servers = [\"127.0.0.1:3000\", \"127.0.0.1:3001\"]`")
}

fn twice(written: &Text, first: &Text) -> Problem {
    Problem::at(
        Mistake::DuplicateServer,
        written.span(),
        format!("the server `{written}` is in this pool already"),
    )
    .label("again here")
    .and_at(first.span(), "first here")
    .help("list each server once; every server gets the same share of the requests")
}

/// Where a server listens, as it is written.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Endpoint {
    Address(SocketAddr),
    /// In lower case, and a port.
    Name(String, u16),
}

impl Endpoint {
    fn read(written: &Text) -> Result<Endpoint, Problem> {
        Endpoint::parse(written.get_ref()).ok_or_else(|| {
            Problem::at(
                Mistake::BadServer,
                written.span(),
                format!("`{written}` is not the address of a server"),
            )
            .help(written.get_ref().plain().map_or_else(|| EXAMPLES.into(), advice))
        })
    }

    fn parse(text: &str) -> Option<Endpoint> {
        let endpoint = match text.parse() {
            Ok(address) => Endpoint::Address(address),
            Err(_) => {
                let (host, port) = text.rsplit_once(':').filter(|(host, _)| is_name(host))?;
                let port = port.parse().ok().filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()))?;
                Endpoint::Name(host.to_ascii_lowercase(), port)
            }
        };
        Some(endpoint).filter(|endpoint| endpoint.port() != 0)
    }

    fn port(&self) -> u16 {
        match self {
            Endpoint::Address(address) => address.port(),
            Endpoint::Name(_, port) => *port,
        }
    }

    /// Where to connect: of several addresses the first IPv4 one, since that is what most servers listen on.
    fn resolve(&self, written: &Text, resolve: Resolve<'_>) -> Result<SocketAddr, Problem> {
        let (host, port) = match self {
            Endpoint::Address(address) => return Ok(*address),
            Endpoint::Name(host, port) => (host, *port),
        };
        let unknown = |why: String| {
            Problem::at(
                Mistake::UnknownHost,
                written.span(),
                format!("the name in `{written}` has no address: {why}"),
            )
            .help("correct the name, make it known (DNS, /etc/hosts), or write the server's IP address")
        };
        let addresses = resolve(host, port).map_err(|error| unknown(error.to_string()))?;
        let best = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
        best.copied().ok_or_else(|| unknown("the answer was empty".into()))
    }
}

/// Whether it can be the name of a host (RFC 952, with the underscore that container networks use). One that ends in a
/// number was meant to be an IPv4 address, and resolvers would take it for one.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let ends_in_number =
        host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    host.split('.').all(is_label) && !ends_in_number
}

/// How servers are written.
const EXAMPLES: &str = "write host and port, as in `127.0.0.1:3000`, `[::1]:3000` or `localhost:3000`";

fn advice(text: &str) -> String {
    let is_host = |host: &str| is_name(host) || host.parse::<Ipv4Addr>().is_ok();
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let server = if scheme.is_empty() { rest } else { rest.split('/').next().unwrap_or(rest) };
    match scheme {
        "" if is_host(server) => format!("add the port it listens on, as in `{server}:80`"),
        "" => EXAMPLES.into(),
        _ if is_host(server) => {
            format!(
                "leave out `{scheme}://` and any path, and add the port where it speaks HTTP: `{server}:80`"
            )
        }
        _ if Endpoint::parse(server).is_some() => {
            format!("leave out `{scheme}://` and any path: write host and port, as in `{server}`")
        }
        _ => format!("leave out `{scheme}://` and any path: write host and port, as in `127.0.0.1:3000`"),
    }
}

/// A name as it can stand in `[pools.NAME]`.
fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.bytes().all(is_bare) { name.to_owned() } else { format!("\"{name}\"") }
}
