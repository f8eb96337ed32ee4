//! A run as a whole: what must hold before it, its threads, and the report.

use std::io;
use std::panic;
use std::sync::Arc;
use std::thread;

use ringgate_io::{Rung, cpu};

use crate::engine::preflight::{find_server, reserve_descriptors};
use crate::engine::shift::{Tally, work};
use crate::engine::stop::{Gate, Place, Stop};
use crate::engine::worker::Job;
use crate::report::Report;
use crate::{Error, Plan};

/// Carries out `plan` on threads of its own and returns when they have ended.
///
/// Before that, one connection is opened and closed to find out which of the server's addresses answers; the soft limit
/// of open files is raised if it is too low and may be.
///
/// # Errors
/// The plan is contradictory, nobody answers, descriptors do not suffice, or no event loop could be built. What goes
/// wrong once the run has begun is in the report.
pub fn run(plan: &Plan) -> Result<Report, Error> {
    run_until(plan, &Stop::new())
}

/// As [`run`], and ends early when `stop` says so: with a report, and an exact census.
///
/// # Errors
/// As [`run`].
pub fn run_until(plan: &Plan, stop: &Stop) -> Result<Report, Error> {
    plan.check()?;
    check_cores(plan)?;
    reserve_descriptors(plan.connections, plan.threads)?;
    let (host, port) = plan.targets.first().map(|target| target.server()).unwrap_or_default();
    let server = find_server(host, port, plan.timeout)?;
    let driver = match plan.driver {
        Some(driver) => driver,
        None => Rung::best().map_err(Error::Loop)?.0,
    };
    let shared = Arc::new(plan.clone());
    let jobs = (0..plan.threads).map(|thread| Job { plan: shared.clone(), server, thread });
    let tallies = on_threads(jobs.collect(), driver, stop).map_err(Error::Loop)?;
    Ok(Report::new(plan, driver, stop.is_stopped(), &tallies))
}

fn check_cores(plan: &Plan) -> Result<(), Error> {
    let available = cpu::available().map_err(Error::Loop)?;
    match plan.cores.iter().find(|core| !available.contains(core)) {
        Some(core) => {
            Err(Error::Plan(format!("core {core} cannot be pinned to; this process has {available:?}")))
        }
        None => Ok(()),
    }
}

fn on_threads(jobs: Vec<Job>, driver: Rung, stop: &Stop) -> io::Result<Vec<Tally>> {
    let gate = Gate::new(jobs.len());
    thread::scope(|scope| {
        let start = |job: Job| {
            let place = gate.place();
            let name = format!("ringload-{}", job.thread);
            thread::Builder::new().name(name).spawn_scoped(scope, move || on_thread(job, driver, place, stop))
        };
        let threads: Vec<_> = jobs.into_iter().map(start).collect();
        let ended = threads
            .into_iter()
            .map(|thread| thread?.join().unwrap_or_else(|cause| panic::resume_unwind(cause)));
        let tallies: Vec<Option<Tally>> = ended.collect::<io::Result<_>>()?;
        Ok(tallies.into_iter().flatten().collect())
    })
}

fn on_thread(job: Job, driver: Rung, place: Place<'_>, stop: &Stop) -> io::Result<Option<Tally>> {
    let cores = &job.plan.cores;
    if !cores.is_empty() {
        cpu::pin(cores[job.thread % cores.len()])?;
    }
    ringgate_io::run(driver, || work(job, place, stop))?
}
