//! Keeps the servers of pools as those say who know them: the DNS and files.
//!
//! Owns: when each question is asked again (its answer's time to live; a beat for files), and what became of that ([`Ledger`]).
//! While a question has no answer the last one holds. A change is published as a snapshot that differs in the servers of some
//! pools, and the configuration is not read for it: it may be half written.
//! Assumes: the configuration was loaded with an answer to each of its questions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use super::aside::{Aside, NoResult};
use super::reload::Reloader;
use super::resolver::Resolver;
use crate::config::{Answer, Discovery, Files, Looks, Origins, Question, read_file};
use crate::operator::say;

/// How often files are looked at.
const BEAT: Duration = Duration::from_secs(1);
/// After how long a question without an answer is asked again: at first, and at most.
const RETRIES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long looking at a file may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of questions, for whoever wants to see.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<BTreeMap<Question, Standing>>);

/// How one stands.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    /// When there was an answer last.
    pub(super) answered: Instant,
    /// Times there was one,
    pub(super) answers: u64,
    /// and times there was none.
    pub(super) failures: u64,
    /// Why there was none the last time.
    pub(super) error: Option<String>,
}

impl Default for Standing {
    fn default() -> Standing {
        Standing { answered: Instant::now(), answers: 1, failures: 0, error: None }
    }
}

impl Ledger {
    /// How a question stands.
    pub(super) fn of(&self, question: &Question) -> Standing {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(question).cloned().unwrap_or_default()
    }

    /// Keeps how the questions of these stand, and no others.
    fn keep(&self, origins: &Origins) {
        let mut standings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = std::mem::take(&mut *standings);
        let questions = origins.pools.iter().flat_map(|origin| origin.questions());
        for (question, _) in questions {
            let standing = known.remove(question).unwrap_or_default();
            standings.entry(question.clone()).or_insert(standing);
        }
    }

    fn update(&self, question: &Question, change: impl FnOnce(&mut Standing)) {
        let mut standings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        standings.get_mut(question).map(change);
    }
}

/// Follows all answers, for ever: those of the configuration that holds.
pub(super) async fn follow(reloader: &Arc<Reloader>) {
    loop {
        let origins = reloader.origins();
        reloader.ledger.keep(&origins);
        let mut following = follow_all(reloader, &origins);
        reloader.servers_may_have_changed(&origins).await; // an answer may have come while the configuration was compiled
        reloader.until_other_origins(&origins).await;
        following.abort_all();
    }
}

/// A task for each question to the DNS, asked once however many pools want to know, and one for all files.
fn follow_all(reloader: &Arc<Reloader>, origins: &Arc<Origins>) -> JoinSet<()> {
    let questions: BTreeMap<&Question, &str> =
        origins.pools.iter().flat_map(|origin| origin.questions()).collect();
    let (mut tasks, mut files) = (JoinSet::new(), Vec::new());
    if questions.is_empty() {
        return tasks;
    }
    let resolver = Resolver::new(&origins.discovery);
    for (question, shown) in questions {
        let (reloader, origins, shown) = (reloader.clone(), origins.clone(), shown.to_owned());
        let follower = Follower { reloader, origins, question: question.clone(), shown };
        match question {
            Question::File(path) => files.push((follower, ServersFile::new(path))),
            _ => drop(tasks.spawn(follow_dns(follower, resolver.clone()))),
        }
    }
    tasks.spawn(follow_files(files));
    tasks
}

async fn follow_dns(follower: Follower, resolver: Result<Resolver, String>) {
    let mut retry = RETRIES.0;
    let mut due = follower.reloader.answer_until(&follower.question);
    loop {
        sleep_until(due.into()).await;
        let answer = match &resolver {
            Ok(resolver) => resolver.ask(&follower.question).await,
            Err(why) => Err(why.clone()),
        };
        match &answer {
            Ok(answer) => (due, retry) = (answer.until, RETRIES.0),
            Err(_) => (due, retry) = (Instant::now() + jittered(retry), RETRIES.1.min(2 * retry)),
        }
        follower.take(answer).await;
    }
}

/// One after the other, on one thread: if one hangs, those on the same file system would, too.
async fn follow_files(mut files: Vec<(Follower, ServersFile)>) {
    let aside = Aside::default();
    while !files.is_empty() {
        sleep(BEAT).await;
        for (follower, file) in &mut files {
            if let Some(answer) = file.look(&aside, &follower.origins.discovery).await {
                follower.take(answer).await;
            }
        }
    }
}

/// A file of servers, and what it looked like.
struct ServersFile {
    path: PathBuf,
    files: Files,
    /// When it was read and was good.
    read: Option<Looks>,
    /// The last time.
    before: Option<Looks>,
}

impl ServersFile {
    fn new(path: &Path) -> ServersFile {
        let mut files = Files::default();
        files.add(path);
        ServersFile { path: path.to_owned(), files, read: None, before: None }
    }

    /// Reads it if it has changed and has stayed so for one look: nobody reads half of it.
    async fn look(&mut self, aside: &Aside, discovery: &Discovery) -> Option<Result<Answer, String>> {
        let files = self.files.clone();
        let now = match aside.run(PATIENCE, move || files.look()).await {
            Ok(now) => now,
            Err(no_result) => return Some(Err(hangs(no_result))),
        };
        if self.read.as_ref() == Some(&now) {
            return None;
        }
        if self.before.replace(now.clone()).as_ref() != Some(&now) {
            return None;
        }
        let (path, discovery) = (self.path.clone(), discovery.clone());
        let answer = aside.run(PATIENCE, move || read_file(&path, &discovery)).await;
        let answer = answer.unwrap_or_else(|no_result| Err(hangs(no_result)));
        self.read = answer.is_ok().then_some(now);
        Some(answer)
    }
}

/// Takes the answers to one question in.
struct Follower {
    reloader: Arc<Reloader>,
    origins: Arc<Origins>,
    question: Question,
    /// What it may be called.
    shown: String,
}

impl Follower {
    /// Goes by an answer from now on, or by the last one if there is none.
    async fn take(&self, answer: Result<Answer, String>) {
        let (ledger, shown) = (&self.reloader.ledger, &self.shown);
        let earlier = ledger.of(&self.question).error;
        match answer {
            Ok(answer) => {
                ledger.update(&self.question, |standing| {
                    *standing = Standing {
                        answers: standing.answers + 1,
                        failures: standing.failures,
                        ..Standing::default()
                    };
                });
                if earlier.is_some() {
                    say(&format!("discovery: `{shown}` is answered again"));
                }
                if self.reloader.answered(&self.question, answer) {
                    self.reloader.servers_may_have_changed(&self.origins).await;
                }
            }
            Err(why) => {
                if earlier.as_ref() != Some(&why) {
                    say(&format!("warning: discovery: `{shown}`: {why}; the last answer goes on to hold"));
                }
                ledger.update(&self.question, |standing| {
                    standing.failures += 1;
                    standing.error = Some(why);
                });
            }
        }
    }
}

fn hangs(no_result: NoResult) -> String {
    match no_result {
        NoResult::Late | NoResult::Busy => "the file system does not answer".into(),
        NoResult::Lost => "no thread could be had to read it".into(),
    }
}

/// Between three quarters and five quarters of a pause: gateways that lost their resolver together do not ask it together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.75 + 0.5 * (ringgate_io::random() as f64 / u64::MAX as f64))
}
