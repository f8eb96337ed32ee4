//! A run from a file: everything of the command line, and requests of several kinds.
//!
//! Owns: the language of scenarios (`file`), their requests (`requests`), and how what is wrong is said (`diagnostic`).
//! Refuses: keys that it does not know. One that is silently passed over is a measurement of something else.

mod diagnostic;
mod file;
mod requests;
#[cfg(test)]
mod tests;

use std::num::NonZeroU64;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;

use crate::plan::load;
use crate::{Error, Load, LoadWords, Plan, Profile, Target, duration};
use diagnostic::{Problem, read};
use file::{File, Text};
use requests::{Surroundings, contents};
pub use requests::{body_of_file, filler, token_of_variable, tokens_of_file};

/// Bytes of a scenario: thousands of requests fit.
const FILE_BYTES: u64 = 4 * 1024 * 1024;
/// The largest body that is sent or compared: it is kept in memory, whole, and a larger one is a slip of the finger.
pub const BODY_BOUND: usize = 1 << 30;

/// A plan that is not complete yet: how requests arise and how long may still be changed, before both are read together.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// How requests arise.
    pub load: LoadWords,
    /// How long, if that is said.
    pub duration: Option<Duration>,
    /// Everything else.
    pub rest: Plan,
}

impl Scenario {
    /// Requests to these targets, and nothing else said.
    pub fn new(targets: impl IntoIterator<Item = Target>) -> Scenario {
        let rest = Plan::new(targets, Load::Closed { requests: None });
        Scenario { load: LoadWords::default(), duration: None, rest }
    }

    /// Reads a file. What it refers to is read, too, and looked for beside it.
    ///
    /// # Errors
    /// The file cannot be read, or the first thing in it that is wrong, with its line and what to do.
    pub fn read(path: &Path) -> Result<Scenario, Error> {
        let file = path.display().to_string();
        let unreadable = |cause: &dyn std::fmt::Display| {
            Error::Plan(format!(
                "cannot read the scenario `{file}` ({cause}); give a file that exists, in UTF-8"
            ))
        };
        let bytes = contents(path, FILE_BYTES).map_err(|error| unreadable(&error))?;
        let text = String::from_utf8(bytes).map_err(|error| unreadable(&error))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Scenario::parse(&text, folder).map_err(|problem| problem.show(&file, &text))
    }

    fn parse(text: &str, folder: &Path) -> Result<Scenario, Problem> {
        let file = file::read(text)?;
        let server = file.server.as_ref().map(|server| &**server.get_ref());
        let surroundings = Surroundings { server, folder };
        if file.requests.is_empty() {
            let help = "add one:\n[[requests]]\nurl = \"http://localhost:8080/\"";
            return Err(Problem::at(0..0, "the scenario has no requests", help));
        }
        let targets = file.requests.iter().map(|request| surroundings.target(request));
        let mut scenario = Scenario::new(targets.collect::<Result<Vec<_>, _>>()?);
        scenario.load = words(&file, &surroundings)?;
        scenario.duration = file.duration.as_ref().map(read_duration).transpose()?;
        fill(&mut scenario.rest, &file, &surroundings)?;
        Ok(scenario)
    }

    /// Sends everything to another server, `host:port`.
    ///
    /// # Errors
    /// `server` is no host and port.
    pub fn aim(&mut self, server: &str) -> Result<(), Error> {
        for target in &mut self.rest.targets {
            *target = target.clone().on(server)?;
        }
        Ok(())
    }

    /// The plan.
    ///
    /// # Errors
    /// What is said about the load contradicts itself.
    pub fn plan(self) -> Result<Plan, Error> {
        let (load, duration) = self.load.load(self.duration)?;
        Ok(Plan { load, duration, ..self.rest })
    }
}

fn words(file: &File, surroundings: &Surroundings<'_>) -> Result<LoadWords, Problem> {
    let words = LoadWords {
        rate: checked(&file.rate, |rate| Profile::constant(*rate))?,
        ramp: checked(&file.ramp, |ramp| load::ramp(ramp, Duration::from_secs(1)))?,
        steps: checked(&file.steps, |steps| load::steps(steps))?,
        sine: checked(&file.sine, |sine| load::sine(sine))?,
        trace: file.trace.as_ref().map(|name| surroundings.path(name)),
        spacing: file.arrivals.as_ref().map(|arrivals| read(arrivals, |text| text.parse())).transpose()?,
        requests: file.request_count.as_ref().map(|count| *count.get_ref()),
    };
    let duration = file.duration.as_ref().map(read_duration).transpose()?;
    words.check(duration).map_err(|error| Problem::at(last_of_load(file), error, ""))?;
    Ok(words)
}

/// A value that can be read, as it was written.
fn checked<T: Clone, R>(
    written: &Option<Spanned<T>>,
    reads: impl FnOnce(&T) -> Result<R, Error>,
) -> Result<Option<T>, Problem> {
    written.as_ref().map(|written| read(written, reads).map(|_| written.get_ref().clone())).transpose()
}

/// Where the last thing stands that is said about the load.
fn last_of_load(file: &File) -> Range<usize> {
    let texts = [&file.ramp, &file.steps, &file.sine, &file.trace, &file.arrivals, &file.duration];
    let texts = texts.into_iter().flatten().map(Spanned::span);
    let numbers = [&file.rate, &file.request_count].into_iter().flatten().map(Spanned::span);
    texts.chain(numbers).max_by_key(|place| place.start).unwrap_or_default()
}

/// Writes what the file says over what is said by default.
fn fill(plan: &mut Plan, file: &File, surroundings: &Surroundings<'_>) -> Result<(), Problem> {
    let durations = [
        (&mut plan.warmup, &file.warmup),
        (&mut plan.timeout, &file.timeout),
        (&mut plan.drain, &file.drain),
        (&mut plan.lateness_limit, &file.lateness_limit),
    ];
    for (field, written) in durations {
        set(field, written, read_duration)?;
    }
    set(&mut plan.connections, &file.connections, read_count)?;
    set(&mut plan.threads, &file.threads, read_count)?;
    set(&mut plan.queue, &file.queue, read_count)?;
    set(&mut plan.seed, &file.seed, |seed| Ok(*seed.get_ref()))?;
    set(&mut plan.expect, &file.expect, |expect| surroundings.expect(expect))?;
    set(&mut plan.driver, &file.driver, |driver| read(driver, |name| name.parse()).map(Some))?;
    let per_connection = &file.connection.requests_per_connection;
    set(&mut plan.requests_per_connection, per_connection, |count| {
        read(count, per_connection_count).map(Some)
    })?;
    plan.cores = file.pin.clone().unwrap_or_default();
    plan.close = file.connection.close;
    let assertions = file.assert.iter().map(|assertion| read(assertion, |text| text.parse()));
    plan.assertions = assertions.collect::<Result<_, _>>()?;
    Ok(())
}

fn set<T, W>(
    field: &mut T,
    written: &Option<W>,
    read: impl FnOnce(&W) -> Result<T, Problem>,
) -> Result<(), Problem> {
    if let Some(written) = written {
        *field = read(written)?;
    }
    Ok(())
}

fn read_duration(written: &Text) -> Result<Duration, Problem> {
    read(written, |text| duration(text))
}

fn read_count(written: &Spanned<u64>) -> Result<usize, Problem> {
    read(written, |count| usize::try_from(*count))
}

fn per_connection_count(count: &u64) -> Result<NonZeroU64, &'static str> {
    NonZeroU64::new(*count).ok_or("a connection carries at least one request; leave it out for no bound")
}
