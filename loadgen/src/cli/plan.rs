//! The options that say what a run is to do, and the scenario they make, alone or over one from a file.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ringload::plan::scenario::{self, Scenario};
use ringload::plan::{Expect, LoadWords, Spacing, duration};
use ringload::{Error, Plan, Rung, Target};

use crate::cli::run::{Cores, cores, driver_help};

/// What a run is to do. Options win over the scenario's file; what neither says has the default.
#[derive(Debug, Args)]
pub(super) struct PlanOptions {
    #[command(flatten)]
    ask: AskOptions,
    #[command(flatten)]
    load: LoadOptions,
    /// How long to plan and measure requests, such as 500ms, 10s, 2m [default: 10s, or as long as --steps or --trace say].
    #[arg(short, long, value_parser = duration)]
    duration: Option<Duration>,
    /// How long to run the same load before that, uncounted [default: 0s].
    #[arg(short, long, value_parser = duration)]
    warmup: Option<Duration>,
}

/// What is asked of whom, and with what: all of a run but when, and for how long.
#[derive(Debug, Args)]
pub(super) struct AskOptions {
    /// What to request: `http://host:port/path`, with `WEIGHT@` before it for a larger share, and `{0..999}` in path or
    /// query for a number drawn for each request. All on one host and port.
    #[arg(required_unless_present = "scenario", conflicts_with = "scenario", value_name = "URL")]
    urls: Vec<String>,
    /// Take the run from a file (loadgen/examples/mix.toml has all of its keys); options win over what it says.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Send everything to this server instead of the one in the URLs.
    #[arg(long, value_name = "HOST:PORT")]
    server: Option<String>,
    #[command(flatten)]
    request: RequestOptions,
    #[command(flatten)]
    expect: ExpectOptions,
    #[command(flatten)]
    conduct: ConductOptions,
    /// Cores to pin the threads to, in turn, such as 0 or 2,4-7.
    #[arg(long, value_name = "CORES", value_parser = cores)]
    pin: Option<Cores>,
}

/// How the requests are sent, by whom and with which patience.
#[derive(Debug, Args)]
pub(super) struct ConductOptions {
    #[command(flatten)]
    connection: ConnectionOptions,
    /// Threads, each with an event loop [default: 1].
    #[arg(short, long)]
    threads: Option<usize>,
    /// How long a request may take from sending to its last byte, and a connection to be made [default: 10s].
    #[arg(long, value_parser = duration)]
    timeout: Option<Duration>,
    /// How long to wait at the end for answers under way; what is missing then is censored [default: 1s].
    #[arg(long, value_parser = duration)]
    drain: Option<Duration>,
    /// Open loop: requests that may wait for a free connection; more are shed [default: 262144].
    #[arg(long, value_name = "REQUESTS")]
    queue: Option<usize>,
    /// A run is client_limited when the generator itself is later than this with more than 1 % of the requests, or away
    /// for a hundred times as long [default: 1ms].
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    lateness_limit: Option<Duration>,
    /// Decides all that is random: when requests are planned, which goes where, numbers in URLs [default: 1].
    #[arg(long)]
    seed: Option<u64>,
    /// The way to do IO [default: the best that works here].
    #[arg(long, value_name = "DRIVER", long_help = driver_help())]
    driver: Option<Rung>,
}

/// How requests arise; without any of these in a closed loop.
#[derive(Debug, Args)]
struct LoadOptions {
    /// Open loop: so many requests per second, due whatever has come back.
    #[arg(short, long, value_name = "REQUESTS_PER_SECOND")]
    rate: Option<u64>,
    /// Open loop: from one rate to another in a straight line over the run, such as 100..2000.
    #[arg(long, value_name = "FROM..TO")]
    ramp: Option<String>,
    /// Open loop: one rate after the other, such as 100x10s,200x10s.
    #[arg(long, value_name = "RATExTIME,...")]
    steps: Option<String>,
    /// Open loop: a rate that swings, such as 1000,500,30s.
    #[arg(long, value_name = "MEAN,AMPLITUDE,PERIOD")]
    sine: Option<String>,
    /// Open loop: requests at the offsets in a file, one per line and sorted, in seconds or with a unit.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// How requests follow each other while the rate stands still: constant, poisson (callers who know nothing of each
    /// other) or gamma:SHAPE (below 1 in bursts, above 1 more even) [default: constant].
    #[arg(long, value_name = "PROCESS")]
    arrivals: Option<Spacing>,
    /// Closed loop: end after so many requests [without --duration there is no other end].
    #[arg(short = 'n', long)]
    requests: Option<u64>,
}

/// What each request is; a scenario says that itself.
#[derive(Debug, Args)]
#[group(conflicts_with = "scenario")]
pub(super) struct RequestOptions {
    /// Request method [default: GET].
    #[arg(short, long)]
    method: Option<String>,
    /// A header field, `Name: value`; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    headers: Vec<String>,
    /// Request body.
    #[arg(short, long, value_name = "TEXT")]
    body: Option<String>,
    /// Request body from a file.
    #[arg(long, value_name = "FILE", conflicts_with = "body")]
    body_file: Option<PathBuf>,
    /// Request body of so many bytes.
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["body", "body_file"])]
    body_bytes: Option<u64>,
    /// Send the bearer token in this variable of the environment.
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
    /// Send the bearer tokens in this file, one per line, in turn.
    #[arg(long, value_name = "FILE", conflicts_with = "token_env")]
    tokens_file: Option<PathBuf>,
}

/// What counts as a success.
#[derive(Debug, Args)]
pub(super) struct ExpectOptions {
    /// Statuses that count as a success, such as 200,204 or 2xx [default: 2xx].
    #[arg(long, value_name = "STATUSES")]
    expect_status: Option<Expect>,
    /// The length that bodies must have.
    #[arg(long, value_name = "COUNT")]
    expect_body_bytes: Option<u64>,
    /// The XXH3 (64 bits) that bodies must have, in 16 hexadecimal digits.
    #[arg(long, value_name = "HASH", value_parser = ringload::plan::body_hash)]
    expect_body_hash: Option<u64>,
}

/// How connections are used.
#[derive(Debug, Args)]
struct ConnectionOptions {
    /// Connections, divided over the threads [default: 64].
    #[arg(short, long)]
    connections: Option<usize>,
    /// Use each connection for so many requests, 1 for a new one each [default: as long as the server lets it].
    #[arg(long, value_name = "REQUESTS")]
    requests_per_connection: Option<NonZeroU64>,
    /// Send `Connection: close` with every request.
    #[arg(long)]
    close: bool,
}

impl PlanOptions {
    /// The scenario of the file, if there is one, with what the options say in its place.
    pub(super) fn scenario(&self) -> Result<Scenario, Error> {
        let mut scenario = self.ask.scenario()?;
        scenario.load = self.load.words().or(scenario.load);
        scenario.duration = self.duration.or(scenario.duration);
        set(&mut scenario.rest.warmup, self.warmup);
        Ok(scenario)
    }
}

impl AskOptions {
    /// The scenario of the file, if there is one, with what the options say in its place.
    pub(super) fn scenario(&self) -> Result<Scenario, Error> {
        let mut scenario = match &self.scenario {
            Some(path) => Scenario::read(path)?,
            None => Scenario::new(self.request.targets(&self.urls)?),
        };
        if let Some(server) = &self.server {
            scenario.aim(server)?;
        }
        self.change(&mut scenario);
        Ok(scenario)
    }

    /// What is requested, in words.
    pub(super) fn words(&self, plan: &Plan) -> String {
        let urls = || plan.targets.iter().map(Target::url).collect::<Vec<_>>().join(", ");
        self.scenario.as_ref().map_or_else(urls, |file| file.display().to_string())
    }

    fn change(&self, scenario: &mut Scenario) {
        let plan = &mut scenario.rest;
        self.conduct.change(plan);
        set(&mut plan.cores, self.pin.as_ref().map(|cores| cores.0.clone()));
        plan.expect = self.expect.over(plan.expect.clone());
    }
}

impl ConductOptions {
    /// Writes what is said here over what `plan` says.
    pub(super) fn change(&self, plan: &mut Plan) {
        set(&mut plan.connections, self.connection.connections);
        set(&mut plan.threads, self.threads);
        set(&mut plan.timeout, self.timeout);
        set(&mut plan.drain, self.drain);
        set(&mut plan.queue, self.queue);
        set(&mut plan.lateness_limit, self.lateness_limit);
        set(&mut plan.seed, self.seed);
        plan.driver = self.driver.or(plan.driver);
        plan.requests_per_connection =
            self.connection.requests_per_connection.or(plan.requests_per_connection);
        plan.close |= self.connection.close;
    }
}

fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *field = given;
    }
}

impl LoadOptions {
    fn words(&self) -> LoadWords {
        LoadWords {
            rate: self.rate,
            ramp: self.ramp.clone(),
            steps: self.steps.clone(),
            sine: self.sine.clone(),
            trace: self.trace.clone(),
            spacing: self.arrivals,
            requests: self.requests,
        }
    }
}

impl RequestOptions {
    pub(super) fn targets(&self, urls: &[String]) -> Result<Vec<Target>, Error> {
        let (body, tokens) = (self.body()?, self.tokens()?);
        let target = |url: &String| {
            let mut target = Target::get(url)?.method(self.method.as_deref().unwrap_or("GET"))?;
            for field in &self.headers {
                target = target.header(field)?;
            }
            if let Some(tokens) = &tokens {
                target = target.tokens(tokens.clone())?;
            }
            Ok(target.body(body.clone()))
        };
        let numbered = |(place, url)| target(url).map_err(|error| in_url(place, urls.len(), error));
        urls.iter().enumerate().map(numbered).collect()
    }

    fn body(&self) -> Result<Vec<u8>, Error> {
        match (&self.body, &self.body_file, self.body_bytes) {
            (Some(text), ..) => Ok(text.clone().into_bytes()),
            (None, Some(path), _) => scenario::body_of_file(path).map_err(Error::Plan),
            (None, None, Some(count)) => scenario::filler(count).map_err(Error::Plan),
            (None, None, None) => Ok(Vec::new()),
        }
    }

    fn tokens(&self) -> Result<Option<Vec<String>>, Error> {
        let tokens = match (&self.token_env, &self.tokens_file) {
            (Some(name), _) => scenario::token_of_variable(name).map(|token| vec![token]),
            (None, Some(path)) => scenario::tokens_of_file(path),
            (None, None) => return Ok(None),
        };
        tokens.map(Some).map_err(Error::Plan)
    }
}

/// Says which of several URLs is meant: it may hold a secret, and is not repeated.
fn in_url(place: usize, count: usize, error: Error) -> Error {
    if count == 1 { error } else { Error::Plan(format!("URL {} of {count}: {error}", place + 1)) }
}

impl ExpectOptions {
    /// What is said here, over what was said before.
    pub(super) fn over(&self, before: Expect) -> Expect {
        let expect = self.expect_status.clone().unwrap_or(before);
        let expect = match self.expect_body_bytes {
            Some(count) => expect.body_bytes(count),
            None => expect,
        };
        match self.expect_body_hash {
            Some(hash) => expect.body_hash(hash),
            None => expect,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use ringload::plan::{LONGEST, Profile};
    use ringload::{Load, Schedule};

    use super::*;

    const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mix.toml");

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: PlanOptions,
    }

    fn plan(arguments: &[&str]) -> Result<Plan, String> {
        let line =
            Line::try_parse_from(["run"].iter().chain(arguments)).map_err(|error| error.to_string())?;
        let scenario = line.options.scenario().map_err(|error| error.to_string())?;
        scenario.plan().map_err(|error| error.to_string())
    }

    #[test]
    fn a_rate_makes_an_open_loop_and_its_absence_a_closed_one() {
        let open = plan(&["--rate", "100", "http://h/"]).unwrap();
        assert_eq!(open.load, Load::Open { schedule: Schedule::constant(100).unwrap() });
        let closed = plan(&["http://h/"]).unwrap();
        assert_eq!(
            (closed.load, closed.duration),
            (Load::Closed { requests: None }, Duration::from_secs(10))
        );
        assert_eq!(plan(&["-n", "5", "http://h/"]).unwrap().duration, LONGEST);
    }

    #[test]
    fn the_profile_of_a_rate_and_the_law_of_its_gaps_are_options() {
        let schedule = |profile: Result<Profile, Error>, spacing| Load::Open {
            schedule: Schedule::new(profile.unwrap(), spacing),
        };
        let second = Duration::from_secs(1);
        let ramp = plan(&["--ramp", "1..9", "--arrivals", "poisson", "-d", "1s", "http://h/"]).unwrap();
        assert_eq!(ramp.load, schedule(Profile::ramp(1, 9, second), Spacing::Poisson));
        let steps = plan(&["--steps", "1x1s,2x1s", "--arrivals", "gamma:4", "http://h/"]).unwrap();
        let profile = Profile::steps(&[(1, second), (2, second)]);
        assert_eq!(
            (steps.load, steps.duration),
            (schedule(profile, Spacing::Gamma { shape: 4.0 }), 2 * second)
        );
        let sine = plan(&["--sine", "10,5,1s", "http://h/"]).unwrap();
        assert_eq!(sine.load, schedule(Profile::sine(10, 5, second), Spacing::Constant));
    }

    #[test]
    fn options_win_over_the_file() {
        let plan = plan(&[
            "--scenario",
            EXAMPLE,
            "--rate",
            "7",
            "-c",
            "3",
            "--server",
            "h:1",
            "--expect-body-bytes",
            "9",
        ])
        .unwrap();
        assert_eq!(plan.load, Load::Open { schedule: Schedule::constant(7).unwrap() });
        assert_eq!((plan.connections, plan.queue, plan.targets.len()), (3, 10_000, 3));
        assert_eq!(plan.targets[2].url(), "http://h:1/health");
        assert_eq!(plan.expect, Expect::default().body_bytes(9));
    }

    #[test]
    fn every_mistake_is_named() {
        for (arguments, advice) in [
            (&[][..], "URL"),
            (&["https://h/"], "https"),
            (&["--driver", "kqueue", "http://h/"], "epoll"),
            (&["--pin", "x", "http://h/"], "cores"),
            (&["--body-bytes", "1073741825", "http://h/"], "1 GiB"),
            (&["--body-file", "no/such.json", "http://h/"], "no/such.json"),
            (&["--expect-status", "600", "http://h/"], "no final status"),
            (&["--expect-body-hash", "12", "http://h/"], "16 hexadecimal digits"),
            (&["-H", "Content-Length: 5", "http://h/"], "give a body"),
            (&["--rate", "0", "http://h/"], "between 1"),
            (&["--rate", "1", "-n", "1", "http://h/"], "ends a closed loop"),
            (&["--rate", "1", "--ramp", "1..2", "http://h/"], "keep one of them"),
            (&["--arrivals", "poisson", "http://h/"], "give a rate"),
            (&["--arrivals", "uniform", "--rate", "1", "http://h/"], "gamma:SHAPE"),
            (&["--steps", "1x1s", "-d", "5s", "http://h/"], "leave `duration` out"),
            (&["--trace", "no/such/trace", "http://h/"], "no/such/trace"),
            (&["--scenario", EXAMPLE, "http://h/"], "cannot be used with"),
            (&["--scenario", EXAMPLE, "--body", "x"], "cannot be used with"),
            (&["--scenario", "no/such.toml"], "no/such.toml"),
            (&["--token-env", "RINGLOAD_NO_SUCH_VARIABLE", "http://h/"], "export"),
            (&["--requests-per-connection", "0", "http://h/"], "0"),
        ] {
            let error = plan(arguments).unwrap_err();
            assert!(error.contains(advice), "{arguments:?}: {error}");
        }
    }
}
