//! The program: what was asked for, done, and an exit code that says how it went.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use clap::Parser;
use ringgate::apikey;
use ringgate::cli::{Arguments, Check, Command, Demonstration, Explain, HashKey, Run, Schema};
use ringgate::config::{self, Config};
use ringgate::control::{Basis, Charge, ControlPlane, Inheritance, systemd};
use ringgate::explain;
use ringgate::gateway::Gateway;
use ringgate::log::RequestLog;
use ringgate::operator::{self, say};
use ringgate::process;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How it went, when not well; the codes are in `--help`.
enum Failure {
    /// Something failed while running.
    Running(String),
    /// The command line or the configuration makes no sense.
    Usage(String),
}

fn main() -> ExitCode {
    operator::report_panics();
    let code = std::panic::catch_unwind(run).unwrap_or(ExitCode::FAILURE); // the hook has said what happened
    operator::farewell();
    code
}

fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        None => demonstrate(&arguments.demonstration),
        Some(Command::Run(run)) => serve(run),
        Some(Command::Check(check)) => examine(check),
        Some(Command::Explain(question)) => answer(question),
        Some(Command::Schema(asked)) => tell(asked),
        Some(Command::HashKey(asked)) => hash_key(asked),
        Some(Command::Version) => print(&format!("ringgate {}\n", env!("CARGO_PKG_VERSION"))),
    };
    let (message, code) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Running(message)) => (message, 1),
        Err(Failure::Usage(message)) => (message, 2),
    };
    say(&message);
    ExitCode::from(code)
}

#[cfg(feature = "demo")]
fn demonstrate(demonstration: &Demonstration) -> Result<(), Failure> {
    let Demonstration { no_load, running } = demonstration;
    let settings =
        ringgate::demo::Settings { load: !no_load, driver: running.driver, workers: running.workers };
    process::raise_descriptor_limit();
    let (_, stop) = process::signals().map_err(failed_to("listen to signals"))?;
    ringgate::demo::run(settings, stop).map_err(|failure| Failure::Running(format!("error: {failure}")))
}

#[cfg(not(feature = "demo"))]
fn demonstrate(_: &Demonstration) -> Result<(), Failure> {
    let advice =
        "this build has no demonstration; `ringgate run -c FILE` serves, `ringgate --help` shows more";
    Err(Failure::Usage(format!("error: {advice}")))
}

fn serve(run: &Run) -> Result<(), Failure> {
    let mut config = load(&run.config)?;
    config.driver = run.running.driver.or(config.driver);
    config.workers = run.running.workers.or(config.workers);
    process::raise_descriptor_limit();
    let (stop, stopped) = process::signals().map_err(failed_to("listen to signals"))?;
    let address = config.listen;
    let basis = Basis {
        key_sources: config.key_sources.clone(),
        files: config.files.clone(),
        fixed: config.fixed.clone(),
        origins: config.origins.clone(),
        answers: config.answers.clone(),
        veil: config.veil.clone(),
    };
    let rotations = process::rotations().map_err(failed_to("listen to signals"))?;
    let log = config.log.open().map_err(|error| cannot_log(&config.log, &error))?;
    let mut inheritance = Inheritance::take().map_err(failed_to("use the sockets that were passed on"))?;
    let sockets = std::mem::take(&mut inheritance.listeners);
    let mut gateway =
        Gateway::start_on(sockets, config, log).map_err(|error| cannot_start(address, &error))?;
    process::reopen_log_on(rotations, gateway.log_reopener()).map_err(failed_to("listen to signals"))?;
    let charge =
        Charge { config: run.config.clone(), basis, has_predecessor: inheritance.has_predecessor(), stop };
    let _plane = ControlPlane::start(&mut gateway, charge)
        .map_err(|error| Failure::Running(format!("error: {error}")))?;
    process::announce(&gateway);
    inheritance.announce();
    systemd::ready();
    process::until_stopped(gateway, &stopped).map_err(failed_to("serve"))
}

fn examine(check: &Check) -> Result<(), Failure> {
    let config = load(&check.config)?;
    print(&explain::summary(&config))?;
    match config.warnings.len() {
        count @ 1.. if check.deny_warnings => Err(Failure::Usage(format!(
            "error: {count} of what is above are warnings, and --deny-warnings lets none pass"
        ))),
        _ => Ok(()),
    }
}

fn answer(question: &Explain) -> Result<(), Failure> {
    let config = load(&question.config)?;
    let Explain { method, target, fields, peer, .. } = question;
    let explanation = explain::explain(&config, explain::Question { method, target, fields, peer: *peer });
    print(&match question.json {
        true => json(&explanation)?,
        false => explanation.to_string(),
    })
}

fn tell(asked: &Schema) -> Result<(), Failure> {
    print(&match asked.markdown {
        true => config::reference(),
        false => json(&config::schema())?,
    })
}

/// A key is shown once: the configuration has only its digest.
fn hash_key(asked: &HashKey) -> Result<(), Failure> {
    if asked.stdin {
        let mut key = Vec::new();
        io::stdin().lock().take(1024).read_to_end(&mut key).map_err(failed_to("read the key"))?;
        let key = key.trim_ascii_end();
        return match key.len() {
            16..=512 => print(&format!("{}\n", apikey::digest(key))),
            _ => {
                Err(Failure::Usage("error: a key has 16 to 512 bytes; leave --stdin out to make one".into()))
            }
        };
    }
    let key = apikey::generate().map_err(failed_to("make a key"))?;
    print(&format!("key:    {key}\ndigest: {}\n", apikey::digest(key.as_bytes())))
}

fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| failed_to("write JSON")(error.into()))?;
    Ok(text + "\n")
}

/// Reads a configuration; its warnings are for standard error.
fn load(path: &std::path::Path) -> Result<Config, Failure> {
    let config = config::load(path).map_err(|diagnostic| Failure::Usage(diagnostic.to_string()))?;
    for warning in &config.warnings {
        say(&warning.to_string());
    }
    Ok(config)
}

/// Says what to do about the usual reasons not to start.
fn cannot_start(address: std::net::SocketAddr, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "somebody listens there already; stop them, or change `listen`",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address; change `listen`",
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need CAP_NET_BIND_SERVICE, and io_uring a policy that permits it (try --driver epoll)"
        }
        _ => "check `listen`, the limit of open files (`ulimit -n`) and the number of workers",
    };
    Failure::Running(format!("error: cannot serve on {address}: {error}\nhelp: {advice}"))
}

fn cannot_log(log: &RequestLog, error: &io::Error) -> Failure {
    let (destination, advice) = (log.destination(), RequestLog::advice(error));
    Failure::Running(format!("error: cannot write the request log to {destination}: {error}\nhelp: {advice}"))
}

fn failed_to(what: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::Running(format!("error: cannot {what}: {error}"))
}

/// To standard output; a reader that has seen enough is not an error.
fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(failed_to("write to standard output")(error))
        }
        _ => Ok(()),
    }
}
