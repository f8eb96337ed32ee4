//! Pools: from lists of addresses to servers that can be connected to.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use ringgate_core::limits::SERVER_CONNECTIONS;
use ringgate_core::pool::Pool;
use ringgate_core::route::Route;

use super::codes::{Lint, Mistake};
use super::diagnostic::{Problem, list};
use super::file::{File, Servers, Text};
use super::origins::{self, Answer, Answers, Discovery, Origin, Question};
use super::policy::connections;
use super::settings::check_name;
use super::words::label;

/// Asks all these questions at once, and may wait for the network; what is answered to each, or why nothing is.
pub(crate) type Ask<'a> = &'a dyn Fn(&Discovery, &[Question]) -> Vec<Result<Answer, String>>;

/// Pools of the configuration that held before, by name.
pub(super) type Earlier<'a> = HashMap<&'a str, &'a Pool>;

/// What is known beyond the file.
pub(super) struct Known<'a> {
    pub(super) ask: Ask<'a>,
    /// What was answered before, and is kept up to date by others.
    pub(super) answers: &'a Answers,
    /// Pools of the configuration before.
    pub(super) pools: Earlier<'a>,
    /// Where files of servers are looked for.
    pub(super) folder: &'a Path,
}

/// All pools: those that are declared, and behind them those that routes write for themselves.
pub(super) struct Pools<'a> {
    discovery: Discovery,
    known: Known<'a>,
    /// What the file asks for.
    answers: Answers,
    /// What has no answer, and why.
    unanswered: BTreeMap<Question, String>,
    /// The names of the declared ones, in the order of `compiled` and of the alphabet.
    declared: Vec<Text>,
    /// The places of the others, by name.
    unnamed: BTreeMap<String, usize>,
    compiled: Vec<Arc<Pool>>,
    /// By pool.
    origins: Vec<Origin>,
}

impl<'a> Pools<'a> {
    /// Compiles `[pools]`.
    pub(super) fn declare(file: &File, discovery: Discovery, known: Known<'a>) -> Result<Pools<'a>, Problem> {
        let mut all = Pools {
            discovery,
            known,
            answers: Answers::new(),
            unanswered: BTreeMap::new(),
            declared: Vec::new(),
            unnamed: BTreeMap::new(),
            compiled: Vec::new(),
            origins: Vec::new(),
        };
        all.ask(file);
        for (name, pool) in &file.pools {
            check_name(name)?;
            let default = SERVER_CONNECTIONS.to_string();
            let connections = pool.connections.as_ref().map(|written| connections(written, &default));
            let mut origin = Origin::new(connections.transpose()?.unwrap_or(SERVER_CONNECTIONS));
            match (&pool.servers, &pool.srv, &pool.file) {
                (Some(servers), None, None) => all.listed(&mut origin, servers)?,
                (None, Some(service), None) => all.service(&mut origin, service)?,
                (None, None, Some(path)) => all.file(&mut origin, path)?,
                (None, None, None) => return Err(no_servers(name)),
                _ => return Err(two_sources(name)),
            }
            all.add(name.get_ref(), origin);
            all.declared.push(name.clone());
        }
        Ok(all)
    }

    /// Asks for everything that the file names and that is not known, at once: one question may take seconds.
    fn ask(&mut self, file: &File) {
        let listed = file.pools.values().flat_map(|pool| &pool.servers);
        let listed = listed.chain(file.routes.iter().flat_map(|route| &route.get_ref().servers));
        let endpoints = listed
            .flat_map(|servers| servers.get_ref())
            .filter_map(|server| Endpoint::parse(server.get_ref()));
        let hosts = endpoints.filter_map(|endpoint| match endpoint {
            Endpoint::Address(_) => None,
            Endpoint::Name(host, port) => Some(Question::Host(host.into(), port)),
        });
        let services = file.pools.values().filter_map(|pool| service(pool.srv.as_ref()?));
        let mut questions: Vec<Question> = hosts.chain(services).collect();
        questions.sort_unstable();
        questions.dedup();
        let (known, unknown): (Vec<_>, Vec<_>) =
            questions.into_iter().partition(|question| self.known.answers.contains_key(question));
        for question in known {
            let answer = self.known.answers[&question].clone();
            self.answers.insert(question, answer);
        }
        let answers =
            if unknown.is_empty() { Vec::new() } else { (self.known.ask)(&self.discovery, &unknown) };
        for (question, answer) in unknown.into_iter().zip(answers) {
            match answer {
                Ok(answer) => drop(self.answers.insert(question, answer)),
                Err(why) => drop(self.unanswered.insert(question, why)),
            }
        }
    }

    /// Why a question has no answer, if it has none.
    fn unanswered(&self, question: &Question) -> Option<&str> {
        let why = self.unanswered.get(question).map_or("nobody was asked", |why| why);
        (!self.answers.contains_key(question)).then_some(why)
    }

    /// The pool a route names.
    pub(super) fn named(&self, name: &Text) -> Result<usize, Problem> {
        check_name(name)?;
        let place = self.declared.binary_search(name);
        place.map_err(|_| {
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
    pub(super) fn unnamed(&mut self, servers: &Servers) -> Result<usize, Problem> {
        let written: Vec<String> = servers.get_ref().iter().map(Text::to_string).collect();
        let name = label(&written.join(", "));
        if let Some(pool) = self.unnamed.get(&name) {
            return Ok(*pool);
        }
        let mut origin = Origin::new(SERVER_CONNECTIONS);
        self.listed(&mut origin, servers)?;
        let pool = self.add(&name, origin);
        self.unnamed.insert(name, pool);
        Ok(pool)
    }

    /// Warns of pools that were declared for nothing, with their names.
    /// `others` use some without a route.
    pub(super) fn unused(
        &self,
        routes: &[Arc<Route>],
        others: impl Iterator<Item = usize>,
    ) -> Vec<(&str, Problem)> {
        let used: HashSet<usize> = routes.iter().map(|route| route.pool).chain(others).collect();
        let unused = self.declared.iter().enumerate().filter(|(place, _)| !used.contains(place));
        let warnings = unused.map(|(_, name)| {
            let help = format!("remove it, or send a route there with `pool = \"{name}\"`");
            let title = format!("no route uses the pool `{name}`");
            (&**name.get_ref(), Problem::at(Lint::UnusedPool, name.span(), title).help(help))
        });
        warnings.collect()
    }

    /// What the snapshot holds, where that comes from, and what is known of it.
    pub(super) fn into_compiled(self) -> (Vec<Arc<Pool>>, Vec<Origin>, Answers) {
        (self.compiled, self.origins, self.answers)
    }

    fn listed(&self, origin: &mut Origin, servers: &Servers) -> Result<(), Problem> {
        let mut known: HashMap<Endpoint, &Text> = HashMap::new();
        for written in servers.get_ref() {
            let endpoint = Endpoint::read(written)?;
            match &endpoint {
                Endpoint::Address(address) => origin.add(written.get_ref(), *address),
                Endpoint::Name(host, port) => {
                    let question = Question::Host(host.as_str().into(), *port);
                    if let Some(why) = self.unanswered(&question) {
                        return Err(unknown_host(written, why));
                    }
                    origin.add_answer(question, written.to_string());
                }
            }
            if let Some(first) = known.insert(endpoint, written) {
                return Err(twice(written, first));
            }
        }
        match servers.get_ref().is_empty() {
            true => Err(Problem::at(Mistake::EmptyPool, servers.span(), "a pool has at least one server")
                .help("list where it listens, as in `servers = [\"127.0.0.1:3000\"]`")),
            false => Ok(()),
        }
    }

    fn service(&self, origin: &mut Origin, written: &Text) -> Result<(), Problem> {
        let question = service(written).ok_or_else(|| {
            Problem::at(Mistake::BadService, written.span(), format!("`{written}` is not the name of a service"))
                .help("write it as it stands in the DNS, as in `_http._tcp.posts.internal`; the port is in the answer")
        })?;
        match self.unanswered(&question) {
            Some(why) => Err(Problem::at(
                Mistake::UnknownService,
                written.span(),
                format!("the service `{written}` has no server: {why}"),
            )
            .help("correct the name, make it known to the DNS (SRV), or list `servers`")),
            None => {
                origin.add_answer(question, written.to_string());
                Ok(())
            }
        }
    }

    fn file(&mut self, origin: &mut Origin, written: &Text) -> Result<(), Problem> {
        let path = self.known.folder.join(&**written.get_ref());
        let answer = origins::read_file(&path, &self.discovery).map_err(|why| {
            let title = format!("cannot take servers from `{written}`: {why}");
            Problem::at(Mistake::UnreadableServers, written.span(), title).help(
                "paths are relative to the folder of the configuration; write an address with a port on each line, as in `10.0.0.11:80`",
            )
        })?;
        let question = Question::File(path);
        self.answers.insert(question.clone(), answer);
        origin.add_answer(question, written.to_string());
        Ok(())
    }

    /// Adds a pool whose questions are answered; its place.
    fn add(&mut self, name: &str, origin: Origin) -> usize {
        let pool = Pool::new(name, origin.servers(&self.answers));
        let pool = match self.known.pools.get(name) {
            Some(earlier) => pool.after(earlier),
            None => pool,
        };
        self.compiled.push(Arc::new(pool));
        self.origins.push(origin);
        self.compiled.len() - 1
    }
}

/// What is asked for the servers of a service, if that is the name of one.
fn service(written: &Text) -> Option<Question> {
    let name = written.get_ref().trim_end_matches('.');
    is_name(name).then(|| Question::Service(name.to_ascii_lowercase().into()))
}

fn two_sources(pool: &Text) -> Problem {
    Problem::at(
        Mistake::PoolWithTwoSources,
        pool.span(),
        format!("the pool `{pool}` has its servers from two sources"),
    )
    .help("keep one of `servers`, `srv` and `file`; a second source is a second pool")
}

fn unknown_host(written: &Text, why: &str) -> Problem {
    Problem::at(
        Mistake::UnknownHost,
        written.span(),
        format!("the name in `{written}` has no address: {why}"),
    )
    .help("correct the name, make it known (DNS, /etc/hosts), or write the server's IP address")
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
