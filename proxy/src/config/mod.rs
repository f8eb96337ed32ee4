//! Configuration: the file a person writes, parsed once into what the data plane knows.
//!
//! Owns: the texts (`sources`, `files`, `include`), how they are read (`read`, `environment`, `slips`), the language (`file`, `table`,
//! `words`; told by `schema`, `kinds`), every value in it (`settings`, `log`, `admin`, `tracing`, `clients`, `policy`, `discovery`, `pools`, `routes`), where the servers of pools come from (`origins`),
//! what a reload cannot change (`fixed`), what deserves a warning (`lints`, `reach`, `overlap`, `allow`), how all of it is said
//! to a person (`codes`, `diagnostic`), and what may be shown of it (`veil`, `secret`).
//! Refuses: anything it does not understand. A key that is silently ignored is a policy that is silently missing.
//! Assumes: it is not on a worker. Reading the file and asking for servers may wait.

mod admin;
mod allow;
mod auth;
mod clients;
mod codes;
mod diagnostic;
mod discovery;
mod environment;
mod file;
mod files;
mod fixed;
mod include;
mod kinds;
mod lints;
mod log;
mod origins;
mod overlap;
mod policies;
mod policy;
mod pools;
mod rates;
mod reach;
mod read;
mod routes;
pub(crate) mod sample;
mod schema;
mod secret;
mod settings;
mod slips;
mod sources;
mod table;
#[cfg(test)]
mod tests;
mod tracing;
mod veil;
mod words;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use ringgate_core::policy::Policy;
use ringgate_core::snapshot::{Clients, Snapshot};
use ringgate_core::trust::Trusted;
use ringgate_io::Rung;

pub use self::admin::Admin;
pub use self::auth::KeySource;
pub use self::codes::messages;
pub use self::diagnostic::Diagnostic;
pub use self::files::{Files, Looks};
pub use self::fixed::Fixed;
pub(crate) use self::origins::read_file;
pub use self::origins::{Answer, Answers, Discovery, Found, Origin, Origins, Question};
pub(crate) use self::pools::Ask;
pub use self::schema::{reference, schema};
pub use self::secret::Secret;
pub(crate) use self::settings::WORKERS;
pub use self::tracing::Tracing;
pub use self::veil::Veil;

use self::allow::Allowances;
use self::diagnostic::Problem;
use self::environment::Environment;
use self::pools::{Known, Pools};
use self::sources::Sources;
use crate::control::ask_and_wait;
use crate::log::RequestLog;

/// A configuration, compiled.
pub struct Config {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// How many workers, 1 to 1024; one per available core if not said.
    pub workers: Option<usize>,
    /// The driver they run on; the best that works if not said.
    pub driver: Option<Rung>,
    /// How requests are logged.
    pub log: RequestLog,
    /// Where spans go, if requests are recorded.
    pub tracing: Option<Tracing>,
    /// What a route asks of time, size and protocol where it does not say otherwise.
    pub policy: Policy,
    /// What the data plane knows.
    pub snapshot: Snapshot,
    /// Where the servers of its pools come from.
    pub origins: Origins,
    /// What is known of those that were asked for.
    pub answers: Answers,
    /// Where the keys of issuers are fetched.
    pub key_sources: Vec<KeySource>,
    /// What of all that holds until the end of the process.
    pub fixed: Fixed,
    /// What of it may be a secret.
    pub veil: Veil,
    /// What is allowed, and probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// The files it was read from; none if it was parsed from a text.
    pub files: Files,
}

/// Not what it holds: some of it may be a secret.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.snapshot.routes.all().len();
        f.debug_struct("Config")
            .field("files", self.files.read())
            .field("routes", &routes)
            .finish_non_exhaustive()
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The first thing that is wrong: where it stands, what was expected, and what to write instead.
    pub diagnostic: Diagnostic,
    /// The files that were read until then, the one that could not be read included. When one of them changes it is worth
    /// another try.
    pub files: Files,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(f)
    }
}

impl std::error::Error for Refusal {}

/// Warnings that are shown: more is not read, and each is drawn from the whole text.
const WARNINGS: usize = 100;

/// Reads and compiles a file and those that it includes. Asks for the servers that are named, so it may wait for the network: for
/// `discovery.timeout` at most.
///
/// # Errors
/// A file cannot be read, or what they say makes no sense.
pub fn load(path: &Path) -> Result<Config, Refusal> {
    load_in(path, SURROUNDINGS)
}

/// As [`load`]; pools and servers that were there before go on with their turns and connections, and what `answers` knows is not
/// asked again.
///
/// # Errors
/// As [`load`].
pub fn load_after(path: &Path, earlier: &Snapshot, answers: &Answers) -> Result<Config, Refusal> {
    load_in(path, Surroundings { earlier: Some(earlier), answers, ..SURROUNDINGS })
}

fn load_in(path: &Path, surroundings: Surroundings<'_>) -> Result<Config, Refusal> {
    let mut sources = Sources::default();
    let main = sources.read(path, None);
    let config = main.and_then(|main| build(main, Some(path), &mut sources, surroundings));
    finish(config, sources)
}

/// Compiles a text; `name` is what messages call it. It includes no files. Asks for servers as [`load`] does.
///
/// # Errors
/// What it says makes no sense.
pub fn parse(text: &str, name: &str) -> Result<Config, Refusal> {
    compile(text, name, SURROUNDINGS)
}

/// As [`parse`], and nobody is asked for servers: only `answers` are known.
///
/// # Errors
/// As [`parse`].
pub fn parse_knowing(text: &str, name: &str, answers: &Answers) -> Result<Config, Refusal> {
    let ask: Ask<'_> = &|_, questions| questions.iter().map(|_| Err("nobody is asked".into())).collect();
    compile(text, name, Surroundings { ask, answers, ..SURROUNDINGS })
}

/// What a configuration refers to and does not hold.
#[derive(Clone, Copy)]
struct Surroundings<'a> {
    ask: Ask<'a>,
    /// What was answered before.
    answers: &'a Answers,
    variable: environment::Variable<'a>,
    /// The configuration that holds until this one does.
    earlier: Option<&'a Snapshot>,
}

/// Those of this process.
const SURROUNDINGS: Surroundings<'static> = Surroundings {
    ask: &ask_and_wait,
    answers: &Answers::new(),
    variable: &|name| std::env::var_os(name),
    earlier: None,
};

fn compile(text: &str, name: &str, surroundings: Surroundings<'_>) -> Result<Config, Refusal> {
    let mut sources = Sources::default();
    let main = sources.add(name, text);
    finish(build(main, None, &mut sources, surroundings), sources)
}

/// Says in words what was found.
fn finish(config: Result<(Config, Vec<Problem>), Problem>, sources: Sources) -> Result<Config, Refusal> {
    match config {
        Ok((config, warnings)) => {
            Ok(Config { warnings: some(&warnings, &sources), files: sources.into_files(), ..config })
        }
        Err(problem) => {
            let diagnostic = diagnostic::say(&problem, &sources);
            Err(Refusal { diagnostic, files: sources.into_files() })
        }
    }
}

/// Warnings, up to a bound, and how many more there are.
fn some(warnings: &[Problem], sources: &Sources) -> Vec<Diagnostic> {
    let others = Some(warnings.len().saturating_sub(WARNINGS)).filter(|others| *others > 0);
    let shown = warnings.iter().take(WARNINGS).map(|problem| diagnostic::say(problem, sources));
    shown.chain(others.map(diagnostic::say_others)).collect()
}

fn build(
    main: usize,
    path: Option<&Path>,
    sources: &mut Sources,
    surroundings: Surroundings<'_>,
) -> Result<(Config, Vec<Problem>), Problem> {
    let environment = Environment::new(surroundings.variable);
    let mut file = read::read(sources.text(main), &environment)?;
    let mut warnings = include::read(&mut file, path, sources, &environment)?;
    let listen = settings::listen(file.listen.as_ref())?;
    let workers = file.workers.as_ref().map(settings::workers).transpose()?;
    let driver = file.driver.as_ref().map(settings::driver).transpose()?;
    let log = log::read(&file.log)?;
    let node = clients::node(file.node_id.as_ref())?;
    let trusted = clients::trusted(&file.trusted_proxies)?;
    let tolerance = clients::tolerance(&file.tolerate)?;
    let admin = admin::read(file.admin.as_ref())?;
    let tracing = tracing::read(file.tracing.as_ref())?;
    let allowances = Allowances::read(&file)?;
    let defaults = policy::defaults(&file)?;
    let discovery = discovery::read(&file.discovery)?;
    let known = Known {
        ask: surroundings.ask,
        answers: surroundings.answers,
        pools: surroundings.earlier.map_or_else(Default::default, Snapshot::pools_by_name),
        folder: path.and_then(Path::parent).unwrap_or(Path::new("")),
    };
    let folder = known.folder;
    let mut pools = Pools::declare(&file, discovery.clone(), known)?;
    let earlier = surroundings.earlier;
    let identity = Arc::new(policies::identity(file.identity.as_ref())?);
    let context = auth::Context {
        folder,
        earlier: earlier.map_or(&[], |earlier| &earlier.authenticators),
        identity: &identity,
    };
    let ways = auth::read(&file.auth, &context, &pools, sources.files_mut())?;
    let limits = rates::read(&file.rate_limits, earlier.map_or(&[], |earlier| &earlier.limits))?;
    let rulings = policies::Rulings::read(&file, &ways, &limits, &identity)?;
    let failures = earlier.and_then(|earlier| earlier.clients.failures.as_ref());
    let failures = rates::failures(file.auth_failures.as_ref(), failures)?;
    let cors = policies::cors(file.cors.as_ref())?;
    let limit_fields = rates::fields(file.rate_limit_fields.as_ref())?;
    let strangers = rulings.strangers(defaults.policy.clone())?;
    let compiled = routes::compile(&file.routes, &defaults.policy, &mut pools, &rulings)?;
    let veil = Veil::of(&file, compiled.routes.all());
    warnings.extend(lints::of_trusted(&file.trusted_proxies, &trusted));
    warnings.extend(lints::of_timeouts(&file.timeouts.of_routes(), &defaults.policy));
    warnings.retain(|warning| allowances.warns_of(warning));
    warnings.extend(lints::of_keys(&file).into_iter().filter(|warning| allowances.warns_of(warning)));
    warnings.extend(lints::of_audiences(&file).into_iter().filter(|warning| allowances.warns_of(warning)));
    warnings.extend(lints::of_pools(&file, &allowances));
    warnings.extend(allowances.of_pools(pools.unused(compiled.routes.all(), ways.pools())));
    warnings.extend(lints::of_routes(&file, compiled.routes.all(), &allowances));
    warnings.extend(allowances.of_routes(reach::unreachable(&compiled, tolerance, &veil)));
    warnings.extend(allowances.of_pairs(overlap::overlapping(&compiled, tolerance, &veil)));
    let trusted = Trusted::new(trusted);
    let (pools, origins, answers) = pools.into_compiled();
    let origins = Origins { discovery, pools: origins };
    let snapshot = Snapshot {
        routes: Arc::new(compiled.routes),
        pools,
        clients: Clients { trusted, tolerance, cors, limit_fields, failures, ..defaults.clients },
        kept: defaults.kept,
        strangers,
        authenticators: ways.by_name.into_values().collect(),
        limits: limits.into_values().collect(),
        node,
    };
    let node_id = file.node_id.as_ref().map(|id| id.get_ref().to_string());
    let connections = snapshot.clients.connections;
    let fixed = Fixed {
        listen,
        workers,
        driver,
        requests: log.clone(),
        node_id,
        connections,
        admin,
        tracing: tracing.clone(),
    };
    let (policy, files, none) = (defaults.policy, Files::default(), Vec::new());
    Ok((
        Config {
            listen,
            workers,
            driver,
            log,
            tracing,
            policy,
            snapshot,
            origins,
            answers,
            key_sources: ways.sources,
            fixed,
            veil,
            warnings: none,
            files,
        },
        warnings,
    ))
}
