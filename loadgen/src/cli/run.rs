//! `ringload run`: the options, the plan they make, and the run.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Args;
use ringload::interchange::save::Folder;
use ringload::{
    Assertion, Error, Expect, LONGEST, Load, Plan, QUEUE_BOUND, Rung, Schedule, Stop, Target, Watched,
    duration,
};
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::live::{Live, Progress};
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  ringload run http://127.0.0.1:8080/hello                       as fast as answers come, for 10 s
  ringload run --rate 2000 --duration 30s http://localhost:8080/ 2000 requests/s, whatever comes back
  ringload run -r 500 9@http://localhost/read 1@http://localhost/write
                                                                 nine of ten requests to /read
  ringload run -m POST -H 'content-type: application/json' --body '{}' --expect-status 201,409 http://localhost/";

pub(super) fn help() -> String {
    format!("{EXAMPLES}\n\n{}", Exit::help())
}

#[derive(Debug, Args)]
pub(super) struct RunOptions {
    /// What to request: `http://host:port/path`, with `WEIGHT@` before it for a larger share. All on one host and port.
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,
    /// Open loop: so many requests per second, due whatever has come back. Without it, a closed loop.
    #[arg(short, long, value_name = "REQUESTS_PER_SECOND")]
    rate: Option<u64>,
    /// Closed loop: end after so many requests [without --duration there is no other end].
    #[arg(short = 'n', long, conflicts_with = "rate")]
    requests: Option<u64>,
    /// How long to plan and measure requests, such as 500ms, 10s, 2m [default: 10s].
    #[arg(short, long, value_parser = duration)]
    duration: Option<Duration>,
    /// How long to run the same load before that, uncounted.
    #[arg(short, long, value_parser = duration, default_value = "0s")]
    warmup: Duration,
    /// Connections, divided over the threads.
    #[arg(short, long, default_value_t = 64)]
    connections: usize,
    /// Threads, each with an event loop.
    #[arg(short, long, default_value_t = 1)]
    threads: usize,
    /// Request method.
    #[arg(short, long, default_value = "GET")]
    method: String,
    /// A header field, `Name: value`; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    headers: Vec<String>,
    /// Request body.
    #[arg(short, long, value_name = "TEXT")]
    body: Option<String>,
    /// Request body of so many bytes.
    #[arg(long, value_name = "COUNT", conflicts_with = "body", value_parser = body_bytes)]
    body_bytes: Option<usize>,
    /// How long a request may take from sending to its last byte, and a connection to be made.
    #[arg(long, value_parser = duration, default_value = "10s")]
    timeout: Duration,
    /// How long to wait at the end for answers under way; what is missing then is censored.
    #[arg(long, value_parser = duration, default_value = "1s")]
    drain: Duration,
    /// Open loop: requests that may wait for a free connection; more are shed.
    #[arg(long, value_name = "REQUESTS", default_value_t = QUEUE_BOUND)]
    queue: usize,
    /// Statuses that count as a success, such as 200,204 or 2xx.
    #[arg(long, value_name = "STATUSES", default_value = "2xx")]
    expect_status: Expect,
    /// A run is client_limited when more than 1 % of the requests leave later than this, a connection being free.
    #[arg(long, value_parser = duration, value_name = "DURATION", default_value = "1ms")]
    lateness_limit: Duration,
    /// Decides which request goes to which URL.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Cores to pin the threads to, in turn, such as 0 or 2,4-7.
    #[arg(long, value_name = "CORES", value_parser = cores)]
    pin: Option<Cores>,
    /// The way to do IO [default: the best that works here].
    #[arg(long, value_name = "DRIVER", long_help = driver_help())]
    driver: Option<Rung>,
    /// Tell the CPU of these processes too, under this name; may be repeated.
    #[arg(long, value_name = "NAME=PID,...")]
    watch: Vec<Watched>,
    /// Fail by what was measured, such as p99<5ms, service.p99.9<20ms, errors<0.1%, throughput>1000; may be repeated.
    #[arg(long = "assert", value_name = "CONDITION")]
    assertions: Vec<Assertion>,
    /// Write the run into this folder: run.json (for report, merge and compare), run.hlog and run.hgrm.
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    /// What to tell on standard error while the run goes on.
    #[arg(long, value_name = "HOW", default_value = "auto")]
    progress: Progress,
    /// Print the report as one JSON object, durations in nanoseconds.
    #[arg(long)]
    json: bool,
}

/// The largest body that is made up: it is kept in memory, whole, and a larger one is a slip of the finger.
const BODY_BOUND: usize = 1 << 30;
/// How long a run is that has no other end.
const DURATION: Duration = Duration::from_secs(10);

impl RunOptions {
    /// Runs the plan and prints the report.
    pub(super) fn run(&self) -> Result<Exit, Error> {
        let plan = self.plan()?;
        let stop = Stop::new();
        stop_on_signal(stop.clone()).map_err(Error::Loop)?;
        let folder = self.save.as_deref().map(Folder::create).transpose()?;
        let mut observers = (Live::new(self.progress, self.json, plan.duration), folder);
        let mut report = ringload::run_until(&plan, &stop, &mut observers)?;
        report.provenance = report.provenance.of_command(std::env::args());
        let (live, folder) = observers;
        drop(live); // the report takes its place
        folder.map_or(Ok(()), |folder| folder.finish(&report))?;
        print(&report, self.json).map_err(Error::Output)?;
        Ok(Exit::of_report(&report))
    }

    /// The plan these options make.
    fn plan(&self) -> Result<Plan, Error> {
        let targets = self.urls.iter().map(|url| self.target(url)).collect::<Result<Vec<_>, _>>()?;
        let load = match self.rate {
            Some(rate) => Load::Open { schedule: Schedule::constant(rate)? },
            None => Load::Closed { requests: self.requests },
        };
        Ok(Plan {
            duration: self.duration.unwrap_or(if self.requests.is_some() { LONGEST } else { DURATION }),
            warmup: self.warmup,
            connections: self.connections,
            threads: self.threads,
            timeout: self.timeout,
            drain: self.drain,
            queue: self.queue,
            expect: self.expect_status.clone(),
            lateness_limit: self.lateness_limit,
            seed: self.seed,
            cores: self.pin.as_ref().map_or_else(Vec::new, |cores| cores.0.clone()),
            driver: self.driver,
            watched: self.watch.clone(),
            assertions: self.assertions.clone(),
            ..Plan::new(targets, load)
        })
    }

    fn target(&self, url: &str) -> Result<Target, Error> {
        let mut target = Target::get(url)?.method(&self.method)?;
        for field in &self.headers {
            target = target.header(field)?;
        }
        let filler = self.body_bytes.map(|count| vec![b'x'; count]);
        let body = self.body.as_ref().map(|text| text.clone().into_bytes()).or(filler);
        Ok(target.body(body.unwrap_or_default()))
    }
}

/// Prints what was found, as one JSON object or for people. A reader that has seen enough is not an error.
pub(super) fn print<T: Serialize + Display>(found: &T, as_json: bool) -> io::Result<()> {
    let text = if as_json { serde_json::to_string(found)? + "\n" } else { found.to_string() };
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// The first signal ends the run with a report, the second one ends the process.
pub(super) fn stop_on_signal(stop: Stop) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for _ in signals.forever() {
            if stop.is_stopped() {
                std::process::exit(Exit::Interrupted.code().into());
            }
            stop.stop();
        }
    })?;
    Ok(())
}

pub(super) fn driver_help() -> String {
    format!("The way to do IO: {} [default: the best that works here]", Rung::ALL.map(Rung::name).join(", "))
}

fn body_bytes(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|&count| count <= BODY_BOUND);
    count.ok_or_else(|| format!("give a whole number of bytes up to {BODY_BOUND} (1 GiB)"))
}

/// A list of cores; a type of its own, since clap would take a `Vec` for an option that may be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cores(pub(super) Vec<usize>);

pub(super) fn cores(list: &str) -> Result<Cores, String> {
    let wrong = || format!("`{list}` is not a list of cores such as 0 or 2,4-7");
    let number = |text: &str| text.trim().parse::<u16>().map(usize::from).map_err(|_| wrong());
    let mut cores = Vec::new();
    for item in list.split(',') {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        cores.extend(number(first)?..=number(last)?);
    }
    if cores.is_empty() { Err(wrong()) } else { Ok(Cores(cores)) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: RunOptions,
    }

    fn plan(arguments: &[&str]) -> Result<Plan, String> {
        let line =
            Line::try_parse_from(["run"].iter().chain(arguments)).map_err(|error| error.to_string())?;
        line.options.plan().map_err(|error| error.to_string())
    }

    #[test]
    fn the_help_lists_the_exit_codes() {
        assert!(help().contains("130"));
    }

    #[test]
    fn cores_are_numbers_and_ranges() {
        assert_eq!(cores("2,4-6"), Ok(Cores(vec![2, 4, 5, 6])));
        for wrong in ["", "a", "3-1", "1-", "-1"] {
            assert!(cores(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rate_makes_an_open_loop_and_its_absence_a_closed_one() {
        let open = plan(&["--rate", "100", "http://h/"]).unwrap();
        assert_eq!(open.load, Load::Open { schedule: Schedule::constant(100).unwrap() });
        let closed = plan(&["http://h/"]).unwrap();
        assert_eq!((closed.load, closed.duration), (Load::Closed { requests: None }, DURATION));
        assert_eq!(plan(&["-n", "5", "http://h/"]).unwrap().duration, LONGEST);
        assert!(plan(&["--rate", "0", "http://h/"]).is_err());
        assert!(plan(&["--rate", "1", "-n", "1", "http://h/"]).is_err());
    }

    #[test]
    fn every_mistake_is_named() {
        assert!(plan(&[]).unwrap_err().contains("URL"));
        assert!(plan(&["https://h/"]).unwrap_err().contains("https"));
        assert!(plan(&["--driver", "kqueue", "http://h/"]).unwrap_err().contains("epoll"));
        assert!(plan(&["--pin", "x", "http://h/"]).unwrap_err().contains("cores"));
        assert!(plan(&["--body-bytes", "1073741825", "http://h/"]).unwrap_err().contains("1 GiB"));
        assert!(plan(&["--expect-status", "600", "http://h/"]).unwrap_err().contains("no final status"));
        assert!(plan(&["-H", "Content-Length: 5", "http://h/"]).unwrap_err().contains("give a body"));
    }
}
