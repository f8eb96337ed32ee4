//! A run as a whole: what must hold before it, its threads, and the report.

use std::io;
use std::panic;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;
use ringgate_io::{Rung, cpu};

use crate::engine::preflight::{find_server, reserve_descriptors};
use crate::engine::shift::{Tally, work};
use crate::engine::stop::{Gate, Place, Stop};
use crate::engine::worker::Job;
use crate::plan::Watched;
use crate::record::account::{Account, Bill};
use crate::record::beat::{Beat, Beats, Event, Reporter, beat_length, beats};
use crate::record::cpu::Machine;
use crate::record::kin::Kin;
use crate::record::series::Series;
use crate::report::provenance::Provenance;
use crate::{Error, Plan, Report};

/// What watched processes spent, with their name, or why that is unknown.
pub(crate) type Spent = (String, Result<Bill, String>);

/// What a whole run brought home.
pub(crate) struct Run {
    pub(crate) provenance: Provenance,
    pub(crate) driver: Rung,
    pub(crate) was_stopped: bool,
    pub(crate) tallies: Vec<Tally>,
    pub(crate) series: Series,
    /// Of all that were watched.
    pub(crate) spent: Vec<Spent>,
    pub(crate) machine: Option<Duration>,
}

/// What has happened since the last glimpse, in all threads.
#[derive(Debug)]
pub struct Glimpse<'a> {
    /// From the start of the measured part.
    pub start: Duration,
    /// How long it was meant to be; the last one may be shorter, and includes the drain.
    pub length: Duration,
    /// Requests answered in full.
    pub answered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests that the generator sent later than the lateness limit.
    pub late: u64,
    /// Response times of the answers, in nanoseconds.
    pub response: &'a Histogram<u64>,
}

/// Somebody who looks on while a run goes on. Called on the thread that started the run, never on one that sends: an
/// observer that is slow sees later, and slows nothing down.
pub trait Observer {
    /// The run is about to begin: what must hold before it holds.
    ///
    /// # Errors
    /// Why it shall not; nothing has been sent then.
    fn begin(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// About twenty times in a short run, once a second in a long one.
    fn glimpse(&mut self, glimpse: &Glimpse<'_>);
}

/// Nobody.
impl Observer for () {
    fn glimpse(&mut self, _: &Glimpse<'_>) {}
}

/// Perhaps somebody.
impl<O: Observer> Observer for Option<O> {
    fn begin(&mut self) -> Result<(), Error> {
        self.as_mut().map_or(Ok(()), O::begin)
    }

    fn glimpse(&mut self, glimpse: &Glimpse<'_>) {
        if let Some(observer) = self {
            observer.glimpse(glimpse);
        }
    }
}

/// Both.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn begin(&mut self) -> Result<(), Error> {
        self.0.begin().and_then(|()| self.1.begin())
    }

    fn glimpse(&mut self, glimpse: &Glimpse<'_>) {
        self.0.glimpse(glimpse);
        self.1.glimpse(glimpse);
    }
}

/// Carries out `plan` on threads of its own and returns when they have ended.
///
/// Before that, one connection is opened and closed to find out which of the server's addresses answers; the soft limit
/// of open files is raised if it is too low and may be.
///
/// # Errors
/// The plan is contradictory, nobody answers, descriptors do not suffice, or no event loop could be built. What goes
/// wrong once the run has begun is in the report.
pub fn run(plan: &Plan) -> Result<Report, Error> {
    run_until(plan, &Stop::new(), &mut ())
}

/// As [`run`], and ends early when `stop` says so: with a report, and an exact census. `observer` looks on meanwhile.
///
/// # Errors
/// As [`run`].
pub fn run_until(plan: &Plan, stop: &Stop, observer: &mut dyn Observer) -> Result<Report, Error> {
    plan.check()?;
    check_cores(plan)?;
    let kin = plan.watched.iter().map(find).collect::<Result<_, _>>()?;
    reserve_descriptors(plan.connections, plan.threads)?;
    let (host, port) = plan.targets.first().map(|target| target.server()).unwrap_or_default();
    let server = find_server(host, port, plan.timeout, stop)?;
    let driver = match plan.driver {
        Some(driver) => driver,
        None => Rung::best().map_err(Error::Loop)?.0,
    };
    observer.begin()?;
    let provenance = Provenance::now();
    let shared = Arc::new(plan.clone());
    let jobs = (0..plan.threads).map(|thread| Job { plan: shared.clone(), server, thread });
    let mut watch = Watch::new(plan, kin, observer);
    let tallies = on_threads(jobs.collect(), driver, stop, &mut watch).map_err(Error::Loop)?;
    let (spent, machine) = watch.spent();
    let was_stopped = stop.is_stopped();
    let series = watch.series;
    Ok(Report::new(plan, &Run { provenance, driver, was_stopped, tallies, series, spent, machine }))
}

/// The processes watched, which have to be there.
fn find(watched: &Watched) -> Result<Kin, Error> {
    let mut kin = Kin::of(&watched.processes);
    let members = kin.members();
    let is_there = |id: &&u32| members.iter().any(|process| process.id == **id && !process.has_ended);
    match watched.processes.iter().find(|id| !is_there(id)) {
        Some(id) => Err(Error::Experiment(format!(
            "no process {id} is there to be watched as `{}`; name one that runs",
            watched.name
        ))),
        None => Ok(kin),
    }
}

/// CPU of others so far.
struct Others {
    accounts: Vec<Result<Account, String>>,
    machine: Option<Machine>,
}

impl Others {
    fn read(kin: &mut [Kin]) -> Others {
        let accounts = kin.iter_mut().map(|kin| Account::of(&kin.members())).collect();
        Others { accounts, machine: Machine::read() }
    }
}

/// What is done with what the threads tell while they run.
struct Watch<'a> {
    plan: &'a Plan,
    /// Of each of the plan's watched.
    kin: Vec<Kin>,
    observer: &'a mut dyn Observer,
    series: Series,
    beats: u32,
    began: Option<Others>,
    ended: Option<Others>,
}

impl<'a> Watch<'a> {
    fn new(plan: &'a Plan, kin: Vec<Kin>, observer: &'a mut dyn Observer) -> Watch<'a> {
        let series = Series::new(beat_length(plan.duration));
        Watch { plan, kin, observer, series, beats: 0, began: None, ended: None }
    }

    fn follow(&mut self, mut beats: Beats) {
        while let Some(event) = beats.next() {
            match event {
                Event::Began => self.began = Some(Others::read(&mut self.kin)),
                Event::Beat(beat) => self.beat(&beat),
                Event::Ended => self.ended = Some(Others::read(&mut self.kin)),
            }
        }
    }

    fn beat(&mut self, beat: &Beat) {
        let length = beat_length(self.plan.duration);
        self.series.push(beat);
        self.observer.glimpse(&Glimpse {
            start: length * self.beats,
            length,
            answered: beat.answered,
            failed: beat.failed,
            late: beat.late,
            response: &beat.response,
        });
        self.beats += 1;
    }

    fn spent(&self) -> (Vec<Spent>, Option<Duration>) {
        let bill = |index: usize| {
            let both = self.began.as_ref().zip(self.ended.as_ref());
            let (began, ended) = both.ok_or("the run did not come to its measured part")?;
            let (ended, began) = (ended.accounts[index].as_ref(), began.accounts[index].as_ref());
            ended.map_err(String::clone)?.since(began.map_err(String::clone)?)
        };
        let spent = self.plan.watched.iter().enumerate();
        let spent = spent.map(|(index, watched)| (watched.name.clone(), bill(index))).collect();
        let machine = |others: &Option<Others>| others.as_ref()?.machine;
        let machine = machine(&self.ended).zip(machine(&self.began));
        (spent, machine.and_then(|(ended, began)| ended.since(began)))
    }
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

fn on_threads(jobs: Vec<Job>, driver: Rung, stop: &Stop, watch: &mut Watch<'_>) -> io::Result<Vec<Tally>> {
    let gate = Gate::new(jobs.len());
    let (reporters, beats) = beats(jobs.len());
    thread::scope(|scope| {
        let start = |(job, reporter): (Job, Reporter)| {
            let place = gate.place();
            let name = format!("ringload-{}", job.thread);
            let work = move || on_thread(job, driver, place, stop, reporter);
            thread::Builder::new().name(name).spawn_scoped(scope, work)
        };
        let threads: Vec<_> = jobs.into_iter().zip(reporters).map(start).collect();
        watch.follow(beats);
        let ended = threads
            .into_iter()
            .map(|thread| thread?.join().unwrap_or_else(|cause| panic::resume_unwind(cause)));
        let tallies: Vec<Option<Tally>> = ended.collect::<io::Result<_>>()?;
        Ok(tallies.into_iter().flatten().collect())
    })
}

fn on_thread(
    job: Job,
    driver: Rung,
    place: Place<'_>,
    stop: &Stop,
    reporter: Reporter,
) -> io::Result<Option<Tally>> {
    let cores = &job.plan.cores;
    if !cores.is_empty() {
        cpu::pin(cores[job.thread % cores.len()])?;
    }
    ringgate_io::run(driver, || work(job, place, stop, reporter))?
}
