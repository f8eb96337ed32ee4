//! A configuration takes the place of another while the gateway serves.
//!
//! In two phases: the new one is read, compiled and complete before any worker hears of it; then it is published as a whole.
//! What is wrong with it is said, and changes nothing.
//! Owns: whose turn it is (one reload at a time), and configurations that were replaced until no worker holds them.
//! Assumes: reading may hang, on a file system or a pipe. Then this reload is refused after a while, and others are until that
//! reading is over.

use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ringgate_core::pool::{Pool, Server};
use tokio::sync::{Mutex, watch};
use tokio::time::{interval, sleep, timeout};

use super::aside::{Aside, NoResult};
use super::discovery::Ledger;
use super::systemd;
use crate::config::{self, Answer, Answers, Config, Files, Fixed, KeySource, Origins, Question, Veil};
use crate::counters::Counter;
use crate::gateway::Workers;
use crate::operator::say;
use crate::orders::Retired;

/// How long reading and compiling may take: a hundred thousand routes take a second, names of servers that nobody answers for some.
const PREPARATION: Duration = Duration::from_secs(30);
/// How often it is looked whether all workers have taken a configuration up; each does within one turn of its loop.
const LOOK: Duration = Duration::from_micros(500);
/// How long that is looked for. A worker that has not by then is stuck, and will find the newest one when it is not.
const ADOPTION: Duration = Duration::from_secs(2);
/// How often replaced configurations are looked at, whether they can be freed.
const FREEING: Duration = Duration::from_secs(1);

/// Reloads one configuration, again and again.
#[derive(Debug)]
pub(super) struct Reloader {
    workers: Arc<Workers>,
    path: PathBuf,
    /// All that were read the last time.
    files: std::sync::Mutex<Files>,
    fixed: Fixed,
    preparation: Aside,
    /// Where the servers of the configuration that holds come from.
    origins: watch::Sender<Arc<Origins>>,
    /// What is known of them.
    answers: std::sync::Mutex<Answers>,
    /// Where the keys of issuers are fetched.
    key_sources: watch::Sender<Arc<Vec<KeySource>>>,
    pub(super) ledger: Ledger,
    /// What of the configuration that holds may be a secret.
    veil: std::sync::Mutex<Arc<Veil>>,
    turn: Mutex<Retired>,
    pub(super) counts: Counts,
}

/// What a configuration leaves for the next ones to be held against.
#[derive(Debug)]
pub struct Basis {
    /// All files that were read for it.
    pub files: Files,
    /// What of it holds until the end of the process.
    pub fixed: Fixed,
    /// Where the servers of its pools come from.
    pub origins: Origins,
    /// What is known of them.
    pub answers: Answers,
    /// Where the keys of issuers are fetched.
    pub key_sources: Vec<KeySource>,
    /// What may be a secret.
    pub veil: Veil,
}

/// What became of reloads. Written while it is somebody's turn.
#[derive(Debug, Default)]
pub(super) struct Counts {
    applied: Counter,
    refused: Counter,
}

impl Counts {
    /// Those that were applied, and those that were refused.
    pub(super) fn read(&self) -> (u64, u64) {
        (self.applied.get(), self.refused.get())
    }
}

/// A configuration that took the place of another.
#[derive(Debug)]
pub(super) struct Applied {
    /// Its number.
    pub(super) generation: u64,
    pub(super) routes: usize,
    /// Workers that go by it already, and how many there are.
    pub(super) adopters: (usize, usize),
    /// From the order to the last worker.
    pub(super) took: Duration,
    /// What the file has that deserves a word, each in several lines.
    pub(super) warnings: Vec<String>,
}

impl Reloader {
    pub(super) fn new(workers: Arc<Workers>, path: PathBuf, basis: Basis) -> Reloader {
        let Basis { files, fixed, origins, answers, key_sources, veil } = basis;
        Reloader {
            workers,
            path,
            files: std::sync::Mutex::new(files),
            fixed,
            preparation: Aside::default(),
            origins: watch::Sender::new(Arc::new(origins)),
            answers: std::sync::Mutex::new(answers),
            key_sources: watch::Sender::new(Arc::new(key_sources)),
            ledger: Ledger::default(),
            veil: std::sync::Mutex::new(Arc::new(veil)),
            turn: Mutex::default(),
            counts: Counts::default(),
        }
    }

    /// The files that were read the last time, well or badly.
    pub(super) fn files(&self) -> Files {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The workers it reloads for.
    pub(super) fn workers(&self) -> &Arc<Workers> {
        &self.workers
    }

    /// The file it reads.
    pub(super) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// What of the configuration that holds may be a secret.
    pub(super) fn veil(&self) -> Arc<Veil> {
        self.veil.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What holds until the end of the process.
    pub(super) fn fixed(&self) -> &Fixed {
        &self.fixed
    }

    /// Configurations that were replaced and not freed yet; unknown while one is being replaced.
    pub(super) fn retired(&self) -> Option<usize> {
        self.turn.try_lock().ok().map(|retired| retired.count())
    }

    /// Reads the configuration anew and publishes it, unless it is refused; to its end, whether or not whoever ordered it waits
    /// for that.
    ///
    /// # Errors
    /// What is wrong with it, for people. The configuration that held goes on to hold.
    pub(super) async fn reload(self: &Arc<Self>) -> Result<Applied, String> {
        let own = self.clone();
        let reload = tokio::spawn(async move { own.reload_now().await });
        reload.await.unwrap_or_else(|_| Err(DEFECT.into()))
    }

    async fn reload_now(&self) -> Result<Applied, String> {
        let mut retired = self.turn.lock().await;
        let started = Instant::now();
        let config = self.prepare().await.inspect_err(|_| self.counts.refused.add(1))?;
        let routes = config.snapshot.routes.all().len();
        let warnings = self.warnings(&config);
        retired.add(self.workers.publish(config.snapshot));
        self.know(&config.origins, config.answers);
        *self.veil.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(config.veil);
        self.origins.send_replace(Arc::new(config.origins));
        self.key_sources.send_replace(Arc::new(config.key_sources));
        self.counts.applied.add(1);
        let generation = self.workers.generation().number;
        let adopters = self.until_adopted(generation).await;
        self.free(&mut retired);
        Ok(Applied { generation, routes, adopters, took: started.elapsed(), warnings })
    }

    /// As [`reload`](Self::reload), told to the operator.
    pub(super) async fn reload_and_say(self: &Arc<Self>, why: &str) {
        systemd::reloading();
        let outcome = self.reload().await;
        systemd::ready();
        match outcome {
            Ok(applied) => applied.say(why),
            Err(refusal) => {
                say(&refusal);
                say(&format!("not reloaded ({why}): the configuration that held goes on to hold"));
            }
        }
    }

    /// Frees what no worker holds any more, and takes in what workers have begun to measure, for ever: nobody may ask for it.
    pub(super) async fn free_retired(&self) {
        let mut beat = interval(FREEING);
        loop {
            beat.tick().await;
            drop(self.workers.readings());
            self.free(&mut *self.turn.lock().await);
        }
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what is known of these origins: what has been answered since a configuration was read is newer than what it was
    /// read with, but for files, which were read with it.
    fn know(&self, origins: &Origins, read: Answers) {
        let mut answers = self.answers();
        let mut earlier = std::mem::replace(&mut *answers, read);
        for (question, _) in origins.pools.iter().flat_map(|origin| origin.questions()) {
            if let Some(answer) = earlier.remove(question).filter(|_| !matches!(question, Question::File(_)))
            {
                answers.insert(question.clone(), answer);
            }
        }
    }

    /// Where the servers of the configuration that holds come from.
    pub(super) fn origins(&self) -> Arc<Origins> {
        self.origins.borrow().clone()
    }

    /// Waits until another configuration holds than the one with these.
    pub(super) async fn until_other_origins(&self, known: &Arc<Origins>) {
        let _ = self.origins.subscribe().wait_for(|now| !Arc::ptr_eq(now, known)).await; // its other end is ours
    }

    /// Where the keys of issuers are fetched, by the configuration that holds.
    pub(super) fn key_sources(&self) -> Arc<Vec<KeySource>> {
        self.key_sources.borrow().clone()
    }

    /// Waits until another configuration holds than the one with these.
    pub(super) async fn until_other_key_sources(&self, known: &Arc<Vec<KeySource>>) {
        let _ = self.key_sources.subscribe().wait_for(|now| !Arc::ptr_eq(now, known)).await; // its other end is ours
    }

    /// When a question is to be asked again.
    pub(super) fn answer_until(&self, question: &Question) -> Instant {
        self.answers().get(question).map_or_else(Instant::now, |answer| answer.until)
    }

    /// Takes an answer in; whether it names other servers than the last one.
    pub(super) fn answered(&self, question: &Question, answer: Answer) -> bool {
        let earlier = self.answers().insert(question.clone(), answer.clone());
        earlier.is_none_or(|earlier| earlier.found() != answer.found())
    }

    /// Publishes what is known of these origins, if they are those of the configuration that holds and name other servers than it
    /// has.
    pub(super) async fn servers_may_have_changed(&self, origins: &Arc<Origins>) {
        let mut retired = self.turn.lock().await;
        if !Arc::ptr_eq(&self.origins(), origins) {
            return; // the answers are known, and whoever follows the others asks for this again
        }
        let generation = self.workers.generation();
        let changes = changes(origins, &self.answers(), &generation.pools);
        if changes.is_empty() {
            return;
        }
        for (place, servers) in &changes {
            let pool = &generation.pools[*place];
            say(&format!(
                "discovery: pool {}: {} servers (it had {})",
                pool.name,
                servers.len(),
                pool.servers.len()
            ));
        }
        retired.add(self.workers.publish(generation.with_servers(changes)));
        drop(generation);
        self.free(&mut retired);
    }

    async fn prepare(&self) -> Result<Config, String> {
        let (path, earlier) = (self.path.clone(), self.workers.generation());
        let answers = self.answers().clone();
        let compile = move || config::load_after(&path, &earlier, &answers);
        let compiled = self.preparation.run(PREPARATION, compile).await.map_err(why_not)?;
        let files = compiled.as_ref().map_or_else(|refusal| &refusal.files, |config| &config.files);
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone_from(files);
        compiled.map_err(|refusal| refusal.to_string())
    }

    /// Frees what no worker holds any more: thousands of routes take milliseconds.
    fn free(&self, retired: &mut Retired) {
        let free = retired.take_free();
        if !free.is_empty() {
            self.preparation.later(move || drop(free));
        }
    }

    fn warnings(&self, config: &Config) -> Vec<String> {
        let own = config.warnings.iter().map(ToString::to_string);
        own.chain(self.fixed.differences(&config.fixed)).collect()
    }

    /// Waits until all workers go by that configuration, but not for ever; how many do, of how many.
    async fn until_adopted(&self, generation: u64) -> (usize, usize) {
        let all = self.workers.counters().len();
        let adopters = || self.workers.adopters(generation);
        let adoption = async {
            while adopters() < all {
                sleep(LOOK).await;
            }
        };
        let _ = timeout(ADOPTION, adoption).await;
        (adopters(), all)
    }
}

/// A configuration has no result.
fn why_not(no_result: NoResult) -> String {
    match no_result {
        NoResult::Late => format!(
            "error: the configuration was not read within {} s\nhelp: a file system, a pipe or the resolver hangs; see to it, and \
             reload again",
            PREPARATION.as_secs()
        ),
        NoResult::Busy => "error: the last attempt to read the configuration hangs still\nhelp: a file system, a pipe or the \
                           resolver does not answer; see to it, and reload again"
            .into(),
        NoResult::Lost => DEFECT.into(),
    }
}

const DEFECT: &str = "error: the configuration could not be compiled; please report the panic above";

/// The pools that have other servers by these answers, with them. One that would have none keeps those it has.
fn changes(origins: &Origins, answers: &Answers, pools: &[Arc<Pool>]) -> Vec<(usize, Vec<Server>)> {
    let asking = origins.pools.iter().enumerate().filter(|(_, origin)| origin.questions().next().is_some());
    let changed = asking.filter_map(|(place, origin)| {
        let (now, before) = (origin.servers(answers), &pools[place].servers);
        let is_same =
            now.len() == before.len() && now.iter().zip(before).all(|(now, before)| now.is_same_as(before));
        (!is_same && !now.is_empty()).then_some((place, now))
    });
    changed.collect()
}

impl Applied {
    fn say(&self, why: &str) {
        self.warnings.iter().for_each(|warning| say(warning));
        let Applied { generation, routes, adopters: (adopters, all), took, .. } = self;
        let took = took.as_secs_f64() * 1e3;
        say(&format!(
            "reloaded ({why}): generation {generation}, {routes} routes, {adopters} of {all} workers, {took:.1} ms"
        ));
    }
}
