//! A configuration takes the place of another while the gateway serves.
//!
//! In two phases: the new one is read, compiled and complete before any worker hears of it; then it is published as a whole.
//! What is wrong with it is said, and changes nothing.
//! Owns: whose turn it is (one reload at a time), and configurations that were replaced until no worker holds them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::{interval, sleep, timeout};

use super::systemd;
use crate::config::{self, Config, Fixed};
use crate::gateway::Workers;
use crate::operator::say;
use crate::orders::Retired;

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
    /// All that were read the last time, that one first.
    files: std::sync::Mutex<Vec<PathBuf>>,
    fixed: Fixed,
    turn: Mutex<Retired>,
    pub(super) counts: Counts,
}

/// What became of reloads.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) applied: AtomicU64,
    pub(super) refused: AtomicU64,
}

impl Counts {
    /// Those that were applied, and those that were refused.
    pub(super) fn read(&self) -> (u64, u64) {
        (self.applied.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
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
    pub(super) fn new(workers: Arc<Workers>, path: PathBuf, files: Vec<PathBuf>, fixed: Fixed) -> Reloader {
        let files = std::sync::Mutex::new(files);
        Reloader { workers, path, files, fixed, turn: Mutex::default(), counts: Counts::default() }
    }

    /// The files that were read the last time, well or badly.
    pub(super) fn files(&self) -> Vec<PathBuf> {
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

    /// What holds until the end of the process.
    pub(super) fn fixed(&self) -> &Fixed {
        &self.fixed
    }

    /// Configurations that were replaced and not freed yet; unknown while one is being replaced.
    pub(super) fn retired(&self) -> Option<usize> {
        self.turn.try_lock().ok().map(|retired| retired.count())
    }

    /// Reads the configuration anew and publishes it, unless it is refused.
    ///
    /// # Errors
    /// What is wrong with it, for people. The configuration that held goes on to hold.
    pub(super) async fn reload(&self) -> Result<Applied, String> {
        let mut retired = self.turn.lock().await;
        let started = Instant::now();
        let outcome = self.prepare().await;
        let count = if outcome.is_ok() { &self.counts.applied } else { &self.counts.refused };
        count.fetch_add(1, Ordering::Relaxed);
        let config = outcome?;
        let routes = config.snapshot.routes.all().len();
        let warnings = self.warnings(&config);
        retired.add(self.workers.publish(config.snapshot));
        let generation = self.workers.generation().number;
        let adopters = self.until_adopted(generation).await;
        free(&mut retired);
        Ok(Applied { generation, routes, adopters, took: started.elapsed(), warnings })
    }

    /// As [`reload`](Self::reload), told to the operator.
    pub(super) async fn reload_and_say(&self, why: &str) {
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

    /// Frees what no worker holds any more, for ever.
    pub(super) async fn free_retired(&self) {
        let mut beat = interval(FREEING);
        loop {
            beat.tick().await;
            free(&mut *self.turn.lock().await);
        }
    }

    async fn prepare(&self) -> Result<Config, String> {
        let (path, earlier) = (self.path.clone(), self.workers.generation());
        let compile = move || config::load_after(&path, Some(&*earlier));
        match tokio::task::spawn_blocking(compile).await {
            Ok(compiled) => {
                let files = compiled.as_ref().map_or_else(|refusal| &refusal.files, |config| &config.files);
                self.files.lock().unwrap_or_else(PoisonError::into_inner).clone_from(files);
                compiled.map_err(|refusal| refusal.to_string())
            }
            Err(panic) => {
                Err(format!("error: the configuration could not be compiled: {panic}; please report this"))
            }
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

/// Frees what no worker holds any more, behind whatever else wants the core: thousands of routes take milliseconds.
fn free(retired: &mut Retired) {
    let free = retired.take_free();
    if !free.is_empty() {
        drop(tokio::task::spawn_blocking(move || drop(free)));
    }
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
