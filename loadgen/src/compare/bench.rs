//! The bench with real processes: starts one side, waits until it answers, loads it, and ends it.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use ringgate_io::{Rung, cpu};

use super::experiment::{Bench, Shown};
use super::metric::PROXY;
use super::observation::{Costs, Observation};
use super::order::Side;
use super::port;
use super::process::{Group, LOOK, Launch};
use crate::report::MACHINE;
use crate::{Error, Load, Plan, Report, Stop, Uncounted, Watched, run_until};

/// How long a side may take from its start to its first good answer.
const READY_PATIENCE: Duration = Duration::from_secs(10);
/// How long that first answer may take.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);
/// What the servers behind them are called in a run's report.
const BACKEND: &str = "backend";

/// The cores that this process may use, in ascending order.
///
/// # Errors
/// The kernel does not tell.
pub fn cores() -> io::Result<Vec<usize>> {
    cpu::available()
}

/// One of the two things compared.
#[derive(Debug, Clone)]
pub struct System {
    /// How it is started. It must stay in the foreground. Nobody: the load goes straight to a backend, for what is left
    /// without a proxy.
    pub launch: Launch,
    /// The load on it: where it listens, what is requested, for how long. Cores and watched processes are filled in.
    pub plan: Plan,
}

/// What an experiment needs besides its design.
#[derive(Debug, Clone)]
pub struct Setup {
    /// A and B.
    pub systems: [System; 2],
    /// Servers behind them, started once.
    pub backends: Vec<Launch>,
    /// The cores of the system under test; none: no pinning.
    pub proxy_cores: Vec<usize>,
    /// The cores of generator and backends; none: no pinning.
    pub load_cores: Vec<usize>,
}

impl Setup {
    /// What is wrong with it, if anything.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let available = cpu::available().map_err(Error::Loop)?;
        let cores = self.proxy_cores.iter().chain(&self.load_cores);
        if let Some(core) = cores.into_iter().find(|core| !available.contains(core)) {
            return Err(Error::Plan(format!(
                "core {core} cannot be pinned to; this process has {available:?}"
            )));
        }
        self.systems.iter().try_for_each(|system| system.plan.check())
    }

    /// Whether one of the two has no processes whose CPU could decide.
    pub(crate) fn is_direct(&self) -> bool {
        self.systems.iter().any(|system| system.launch.is_direct())
    }

    /// What the cores mean for the numbers, if they mean anything.
    pub fn caution(&self) -> Option<&'static str> {
        let shares = self.proxy_cores.iter().any(|core| self.load_cores.contains(core));
        shares.then_some(
            "A and B share a core with the generator: each takes time from the other and empties its caches, so times \
             are those of both together; CPU per request is still counted for each alone, and comes out higher",
        )
    }

    fn system(&self, side: Side) -> &System {
        &self.systems[side.index()]
    }
}

/// A [`Setup`] at work. What it started has ended when it is dropped.
pub(crate) struct Workbench<'a> {
    setup: &'a Setup,
    backends: Vec<Group>,
    /// The best one if none was named, found once.
    driver: Rung,
    stop: &'a Stop,
}

impl<'a> Workbench<'a> {
    /// Starts the backends.
    pub(crate) fn new(setup: &'a Setup, stop: &'a Stop) -> Result<Workbench<'a>, Error> {
        let start = |launch| Group::start("the backend", launch, &setup.load_cores, stop);
        let backends = setup.backends.iter().map(start).collect::<Result<_, _>>()?;
        let driver = match setup.systems[0].plan.driver {
            Some(driver) => driver,
            None => Rung::best().map_err(Error::Loop)?.0,
        };
        Ok(Workbench { setup, backends, driver, stop })
    }

    /// Waits until the side gives the first target's answer as expected, and with it everything behind it. Says whether
    /// it does; if not, it was interrupted.
    fn is_ready(&mut self, group: &mut Option<Group>, side: Side) -> Result<bool, Error> {
        let plan = &self.setup.system(side).plan;
        let addresses = addresses(plan)?;
        let until = Instant::now() + READY_PATIENCE;
        let mut found = format!("nobody listens at {addresses:?}");
        while !self.stop.is_stopped() {
            self.check_alive(group)?;
            if port::is_served(&addresses) {
                match self.first_answer(plan)? {
                    None => return Ok(!self.stop.is_stopped()),
                    Some(wrong) => found = wrong,
                }
            }
            if Instant::now() > until {
                let advice = "check its command, the URL and the backend";
                let patience = READY_PATIENCE.as_secs();
                let reason = format!("{side} is not ready after {patience} s: {found}; {advice}");
                return Err(Error::Experiment(reason));
            }
            thread::sleep(LOOK);
        }
        Ok(false)
    }

    /// What is wrong with the answer to one request, if anything.
    fn first_answer(&self, plan: &Plan) -> Result<Option<String>, Error> {
        let one = Plan {
            targets: plan.targets.iter().take(1).cloned().collect(),
            load: Load::Closed { requests: Some(1) },
            connections: 1,
            threads: 1,
            warmup: Duration::ZERO,
            duration: ANSWER_PATIENCE,
            timeout: ANSWER_PATIENCE,
            drain: Duration::ZERO,
            driver: Some(self.driver),
            ..plan.clone()
        };
        match run_until(&one, self.stop, &mut ()) {
            Ok(report) if report.requests.ok == 1 || self.stop.is_stopped() => Ok(None),
            Ok(report) => {
                Ok(Some(format!("its answer is not the expected one (statuses: {:?})", report.statuses)))
            }
            Err(Error::Unreachable { cause, .. }) => Ok(Some(cause.to_string())),
            Err(error) => Err(error),
        }
    }

    fn check_alive(&mut self, group: &mut Option<Group>) -> Result<(), Error> {
        let mut groups = self.backends.iter_mut().chain(group);
        groups.find_map(Group::end_of_its_own).map_or(Ok(()), |end| Err(Error::Experiment(end)))
    }

    fn load(&self, group: &Option<Group>, side: Side) -> Result<Report, Error> {
        let backends: Vec<u32> = self.backends.iter().map(Group::leader).collect();
        let watched = [(PROXY, group.iter().map(Group::leader).collect()), (BACKEND, backends)];
        let watched = watched.into_iter().filter(|(_, leaders)| !leaders.is_empty());
        let watched = watched.map(|(name, processes)| Watched { name: name.to_owned(), processes });
        let plan = Plan {
            cores: self.setup.load_cores.clone(),
            watched: watched.collect(),
            driver: Some(self.driver),
            ..self.setup.system(side).plan.clone()
        };
        run_until(&plan, self.stop, &mut ())
    }
}

impl Bench for Workbench<'_> {
    fn observe(&mut self, side: Side) -> Result<Option<Shown>, Error> {
        let setup = self.setup;
        let system = setup.system(side);
        if !system.launch.is_direct() {
            port::wait_until_free(&addresses(&system.plan)?, self.stop)?;
        }
        if self.stop.is_stopped() {
            return Ok(None);
        }
        let start = |launch| Group::start(&side.to_string(), launch, &setup.proxy_cores, self.stop);
        let started = Some(&system.launch).filter(|launch| !launch.is_direct());
        let mut group = started.map(start).transpose()?;
        if !self.is_ready(&mut group, side)? {
            return Ok(None);
        }
        let report = self.load(&group, side);
        self.check_alive(&mut group)?; // its end explains everything else that went wrong
        let mut report = report?;
        let strays = group.as_ref().map(Group::strays).unwrap_or_default();
        strays.first().inspect(|stray| discount(&mut report, stray.id));
        let observation = Observation::of(&report, costs(&report));
        let detail = serde_json::to_value(&report).map_err(|error| Error::Output(io::Error::other(error)))?;
        Ok(Some(Shown { observation, response: report.histograms.response.0, detail }))
    }
}

fn addresses(plan: &Plan) -> Result<Vec<SocketAddr>, Error> {
    plan.targets.first().map_or(Ok(Vec::new()), port::addresses)
}

/// What has put itself into the background is not in the account.
fn discount(report: &mut Report, stray: u32) {
    report.costs.retain(|cost| cost.name != PROXY);
    let reason = format!("process {stray} went into the background, uncounted; keep all in the foreground");
    report.uncounted.push(Uncounted { name: PROXY.to_owned(), reason });
}

fn costs(report: &Report) -> Costs {
    let answers = report.throughput.answers;
    let each = |cpu_ns: u64| (answers > 0).then(|| cpu_ns as f64 / answers as f64);
    let cost = |name| report.cost(name).and_then(|cost| each(cost.cpu_ns));
    Costs {
        proxy_ns: cost(PROXY),
        backend_ns: cost(BACKEND),
        generator_ns: report.generator.cpu_ns.and_then(each),
        machine_ns: cost(MACHINE),
    }
}
