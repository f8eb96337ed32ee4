//! What a run is to do: a [`Plan`], and what it is made of. [`scenario`] reads one from a file.

pub(crate) mod draw;
pub(crate) mod expect;
pub(crate) mod load;
pub(crate) mod mix;
pub mod scenario;
pub(crate) mod schedule;
pub(crate) mod target;
pub(crate) mod template;
pub(crate) mod units;

use std::collections::HashSet;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use ringgate_io::Rung;

pub use self::expect::{Expect, body_hash};
pub use self::load::{Load, LoadWords};
pub use self::schedule::{Profile, Schedule, Spacing};
pub use self::target::Target;
pub use self::units::duration;
use crate::Error;
use crate::report::MACHINE;
pub use crate::report::assertion::Assertion;
pub use crate::secret::Secrets;

/// Requests that may wait for a free connection, in the whole run. At 16 to 48 bytes each this is some megabytes, and a
/// quarter of a million requests late means that the answer is known already.
pub const QUEUE_BOUND: usize = 256 * 1024;
/// Longest duration of any kind in a plan: longer ones are mistakes, and instants that far ahead can be computed.
pub const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// How often whoever carries out a plan looks whether it shall stop: no step of it is shorter.
pub(crate) const STOP_CHECK: Duration = Duration::from_millis(10);
/// Threads of a run: more than any machine has cores for.
const THREADS_BOUND: usize = 1024;

/// Processes whose CPU is told in the report, under a name such as `proxy` or `backend`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// What the report calls them.
    pub name: String,
    /// Their process ids.
    pub processes: Vec<u32>,
}

impl FromStr for Watched {
    type Err = String;

    /// `NAME=PID`, or several ids separated by commas.
    fn from_str(text: &str) -> Result<Watched, String> {
        let wrong = || format!("`{text}` names no process; write for example proxy=1234");
        let (name, ids) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(wrong)?;
        let processes = ids.split(',').map(|id| id.trim().parse().map_err(|_| wrong()));
        Ok(Watched { name: name.to_owned(), processes: processes.collect::<Result<_, _>>()? })
    }
}

/// A run, in full. Make one with [`Plan::new`] and change what shall be different:
///
/// ```
/// use std::time::Duration;
/// use ringload::{Load, Plan, Schedule, Target};
///
/// let target = Target::get("http://127.0.0.1:8080/hello")?;
/// let schedule = Schedule::constant(1000)?;
/// let plan = Plan { duration: Duration::from_secs(3), ..Plan::new([target], Load::Open { schedule }) };
/// # Ok::<(), ringload::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Plan {
    /// What is requested; at least one, all of the same host and port.
    pub targets: Vec<Target>,
    /// How requests arise.
    pub load: Load,
    /// How long requests are planned and measured.
    pub duration: Duration,
    /// How long the same load runs before that, uncounted.
    pub warmup: Duration,
    /// Connections in the whole run, all opened before the start. One that ends is opened again: at once if it brought an
    /// answer, else after 5 ms, doubled each time up to 100 ms, so that a server in trouble is not hammered. An attempt
    /// that fails takes the request with it that has waited longest for a connection.
    pub connections: usize,
    /// Threads, each with its event loop, between which connections and requests are divided exactly.
    pub threads: usize,
    /// From sending, how long a request may take until its last byte; the connection is given up then. Also the time to
    /// make a connection. It passes up to 10 ms late.
    pub timeout: Duration,
    /// After the last planned instant, how long to wait for the answers that are under way; what is missing then is
    /// censored.
    pub drain: Duration,
    /// Open loop: requests that may wait for a free connection; more are shed.
    pub queue: usize,
    /// What counts as a success, for targets that do not say so themselves.
    pub expect: Expect,
    /// The connection is given up after so many answers, and the next request leaves on a new one; none: it is used as long
    /// as the server lets it. At one request each, the ports of a machine (some 28,000, for a minute each) are soon used up:
    /// that is what limits such a run, at some 470 requests per second, unless it is the server that ends the connection.
    pub requests_per_connection: Option<NonZeroU64>,
    /// Every request says `Connection: close`.
    pub close: bool,
    /// The generator's own delay that its p99 may not exceed in a valid run, nor any single one a hundred times over.
    pub lateness_limit: Duration,
    /// Answers of each thread kept one by one, the first so many, in [`Report::samples`](crate::Report): for checking the
    /// instrument. None in an ordinary run, whose memory does not grow with its length.
    pub samples_kept: usize,
    /// Decides all that is random: when requests are planned, and which goes to which target.
    pub seed: u64,
    /// Cores to pin the threads to, in turn; none: the scheduler decides.
    pub cores: Vec<usize>,
    /// The way to do IO; none: the best that works here.
    pub driver: Option<Rung>,
    /// Processes whose CPU is told, too.
    pub watched: Vec<Watched>,
    /// What the report shall be held to.
    pub assertions: Vec<Assertion>,
}

impl Plan {
    /// Ten seconds with 64 connections on one thread, and the other defaults of the command line.
    pub fn new(targets: impl IntoIterator<Item = Target>, load: Load) -> Plan {
        Plan {
            targets: targets.into_iter().collect(),
            load,
            duration: Duration::from_secs(10),
            warmup: Duration::ZERO,
            connections: 64,
            threads: 1,
            timeout: Duration::from_secs(10),
            drain: Duration::from_secs(1),
            queue: QUEUE_BOUND,
            expect: Expect::default(),
            requests_per_connection: None,
            close: false,
            lateness_limit: Duration::from_millis(1),
            samples_kept: 0,
            seed: 1,
            cores: Vec::new(),
            driver: None,
            watched: Vec::new(),
            assertions: Vec::new(),
        }
    }

    /// Answers after which a connection is given up.
    pub(crate) fn answers_of_a_connection(&self) -> u64 {
        match self.requests_per_connection {
            _ if self.close => 1,
            Some(requests) => requests.get(),
            None => u64::MAX,
        }
    }

    /// Whether two of those watched, or one and the whole machine, would be told under the same name.
    fn has_watched_twice(&self) -> bool {
        let mut names: HashSet<&str> = HashSet::from([MACHINE, "generator"]); // rows that every report has
        !self.watched.iter().all(|watched| names.insert(&watched.name))
    }

    /// All that nobody may read of it.
    pub fn secrets(&self) -> Secrets {
        Secrets::new(self.targets.iter().flat_map(Target::secrets))
    }

    /// What is wrong with it, if anything.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let server = self.targets.first().map(Target::server);
        let faults = [
            (server.is_none(), "a run needs a URL"),
            (
                self.targets.iter().any(|target| Some(target.server()) != server),
                "all URLs of a run must name the same host and port; run several servers one after the other",
            ),
            (!(1..=THREADS_BOUND).contains(&self.threads), "there must be 1 to 1024 threads"),
            (self.connections < self.threads, "every thread needs a connection; use fewer threads"),
            (
                self.close && self.requests_per_connection.is_some_and(|requests| requests.get() > 1),
                "a request that says `Connection: close` is the last of its connection; leave out one of the two",
            ),
            (
                self.has_watched_twice(),
                "each --watch needs a name of its own, other than `machine` and `generator`; several processes are NAME=PID,PID",
            ),
            (self.duration.is_zero(), "the duration must be longer than nothing"),
            (self.timeout.is_zero(), "the timeout must be longer than nothing"),
            (
                [self.duration, self.warmup, self.timeout, self.drain].iter().any(|&length| length > LONGEST),
                "no duration may be longer than 30 days",
            ),
        ];
        match faults.iter().find(|(is_fault, _)| *is_fault) {
            Some((_, reason)) => Err(Error::Plan((*reason).to_owned())),
            None => self.targets.iter().try_for_each(Target::check),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watched_processes_have_a_name_and_ids() {
        let watched = |text: &str| text.parse::<Watched>();
        let expected = Watched { name: "proxy".to_owned(), processes: vec![12, 13] };
        assert_eq!(watched("proxy=12, 13"), Ok(expected));
        for wrong in ["12", "=12", "proxy=", "proxy=x", "proxy=-1"] {
            assert!(watched(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn plans_that_cannot_be_carried_out_are_refused() {
        let target = |url| Target::get(url).unwrap();
        let plan = Plan::new([target("http://h/")], Load::Closed { requests: None });
        assert!(plan.check().is_ok());
        assert!(Plan { targets: Vec::new(), ..plan.clone() }.check().is_err());
        assert!(
            Plan { targets: vec![target("http://h/"), target("http://h:81/")], ..plan.clone() }
                .check()
                .is_err()
        );
        assert!(Plan { threads: 65, ..plan.clone() }.check().is_err());
        assert!(Plan { threads: 0, ..plan.clone() }.check().is_err());
        assert!(Plan { duration: Duration::ZERO, ..plan.clone() }.check().is_err());
        assert!(Plan { timeout: Duration::ZERO, ..plan.clone() }.check().is_err());
        assert!(Plan { warmup: Duration::MAX, ..plan }.check().is_err());
    }
}
