//! Configuration: the file a person writes, parsed once into what the data plane knows.
//!
//! Owns: the language (`file`), every value in it (`settings`, `log`, `clients`, `policy`, `pools`, `routes`), what deserves a
//! warning (`reach`) and how all of it is said to a person (`diagnostic`).
//! Refuses: anything it does not understand. A key that is silently ignored is a policy that is silently missing.
//! Assumes: it is not on a worker. Reading the file and resolving names may wait.

mod admin;
mod clients;
mod diagnostic;
mod file;
mod fixed;
mod log;
mod policy;
mod pools;
mod reach;
mod routes;
pub(crate) mod sample;
mod secret;
mod settings;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

use ringgate_core::policy::Policy;
use ringgate_core::snapshot::{Clients, Snapshot};
use ringgate_io::Rung;

use toml::Spanned;

pub use self::admin::Admin;
pub use self::diagnostic::Diagnostic;
pub use self::fixed::Fixed;
pub use self::secret::Secret;
pub(crate) use self::settings::WORKERS;

use self::diagnostic::{Problem, Source};
use self::pools::Pools;
use crate::log::RequestLog;

/// A configuration, compiled.
#[derive(Debug)]
pub struct Config {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// How many workers, 1 to 1024; one per available core if not said.
    pub workers: Option<usize>,
    /// The driver they run on; the best that works if not said.
    pub driver: Option<Rung>,
    /// How requests are logged.
    pub log: RequestLog,
    /// What a route asks of time, size and protocol where it does not say otherwise.
    pub policy: Policy,
    /// What the data plane knows.
    pub snapshot: Snapshot,
    /// What of all that holds until the end of the process.
    pub fixed: Fixed,
    /// What is allowed, and probably not meant.
    pub warnings: Vec<Diagnostic>,
}

/// Bytes of a configuration file: a hundred thousand routes of a few hundred bytes fit. More is another kind of file, or one
/// without an end.
const FILE_BYTES: u64 = 64 * 1024 * 1024;
/// Warnings that are shown: more is not read, and each is drawn from the whole text.
const WARNINGS: usize = 100;

/// Reads and compiles a file. Resolves the names of servers, so it may wait for the network.
///
/// # Errors
/// The file cannot be read, or [`parse`] refuses it.
pub fn load(path: &Path) -> Result<Config, Diagnostic> {
    load_after(path, None)
}

/// As [`load`]; pools and servers that were there before go on with their turns and connections.
///
/// # Errors
/// As [`load`].
pub fn load_after(path: &Path, earlier: Option<&Snapshot>) -> Result<Config, Diagnostic> {
    let file = path.display().to_string();
    let bytes = read(path).map_err(|error| {
        let problem = Problem::of_file(format!("cannot read `{file}`: {error}"));
        Source { file: &file, text: "" }.error(&problem.help(what_to_do(&error)))
    })?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => compile(text, &file, &resolve, earlier),
        Err(error) => Err(not_text(&bytes, error.valid_up_to(), &file)),
    }
}

/// Compiles the text of a file; `file` is what messages call it. Resolves the names of servers, so it may wait for the
/// network.
///
/// # Errors
/// The first thing in it that is wrong: where it stands, what was expected, and what to write instead.
pub fn parse(text: &str, file: &str) -> Result<Config, Diagnostic> {
    compile(text, file, &resolve, None)
}

/// Asks the resolver of the system, which may wait for the network.
fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

fn compile(
    text: &str,
    file: &str,
    resolve: pools::Resolve<'_>,
    earlier: Option<&Snapshot>,
) -> Result<Config, Diagnostic> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text); // some editors begin a file with a byte order mark
    let source = Source { file, text };
    let (mut config, warnings) = build(text, resolve, earlier).map_err(|problem| source.error(&problem))?;
    config.warnings = warnings.iter().take(WARNINGS).map(|problem| source.warning(problem)).collect();
    if let Some(others) = warnings.len().checked_sub(WARNINGS).filter(|others| *others > 0) {
        let problem = Problem::of_file(format!("{others} more warnings are not shown"));
        config.warnings.push(source.warning(&problem.help("see to the others first, then check again")));
    }
    Ok(config)
}

fn build(
    text: &str,
    resolve: pools::Resolve<'_>,
    earlier: Option<&Snapshot>,
) -> Result<(Config, Vec<Problem>), Problem> {
    let file = file::read(text)?;
    let listen = settings::listen(file.listen.as_ref())?;
    let workers = file.workers.as_ref().map(settings::workers).transpose()?;
    let driver = file.driver.as_ref().map(settings::driver).transpose()?;
    let log = log::read(&file.log)?;
    let node = clients::node(file.node_id.as_ref())?;
    let trusted = clients::trusted(&file.trusted_proxies)?;
    let tolerance = clients::tolerance(&file.tolerate)?;
    let admin = admin::read(file.admin.as_ref())?;
    let defaults = policy::defaults(&file)?;
    let earlier = earlier.map_or_else(Default::default, Snapshot::pools_by_name);
    let mut pools = Pools::declare(file.pools, resolve, earlier)?;
    let compiled = routes::compile(&file.routes, &defaults.policy, &mut pools)?;
    let mut warnings = pools.unused(compiled.routes.all());
    warnings.extend(policy::ineffective(&file.timeouts.of_routes()));
    warnings.extend(file.routes.iter().filter_map(|route| policy::ineffective(&route.get_ref().timeouts)));
    warnings.extend(reach::unreachable(&compiled, tolerance));
    let snapshot = Snapshot {
        routes: compiled.routes,
        pools: pools.into_compiled(),
        clients: Clients { trusted, tolerance, ..defaults.clients },
        kept: defaults.kept,
        node,
    };
    let node_id = file.node_id.map(Spanned::into_inner);
    let connections = snapshot.clients.connections;
    let fixed = Fixed { listen, workers, driver, requests: log.clone(), node_id, connections, admin };
    let policy = defaults.policy;
    Ok((Config { listen, workers, driver, log, policy, snapshot, fixed, warnings: Vec::new() }, warnings))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

fn what_to_do(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "give the path of a file that exists; this is a whole configuration:\n\
             [[routes]]\nprefix = \"/\"\nservers = [\"127.0.0.1:3000\"]"
        }
        io::ErrorKind::PermissionDenied => {
            "let the user that runs ringgate read the file and enter its folders"
        }
        io::ErrorKind::IsADirectory => "give the path of a file in it, such as `ringgate.toml`",
        io::ErrorKind::FileTooLarge => "a configuration has at most 64 MiB; is this the right file?",
        _ => "make the file readable, or give the path of another one",
    }
}

fn not_text(bytes: &[u8], at: usize, file: &str) -> Diagnostic {
    let text = String::from_utf8_lossy(bytes); // the same as the file up to `at`
    let problem = Problem::at(at..at + 1, "the file is not text in UTF-8").label("from here on");
    Source { file, text: &text }.error(&problem.help("save it in UTF-8; every TOML file is"))
}
