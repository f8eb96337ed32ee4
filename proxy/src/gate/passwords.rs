//! Passwords are held against their hashes on a thread of its own: that takes some ten milliseconds each, by design.
//!
//! Owns: that thread, and its queue, which is bounded: who finds it full is told to come again.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};

use ringgate_core::answer::Unauthorized;
use ringgate_core::auth::{Authenticator, Known, Way};
use ringgate_io::cpu::{self, Policy};

use crate::limits;

/// What is said of a password, once it is.
pub(super) type Said = Arc<OnceLock<Result<Arc<Known>, Unauthorized>>>;

struct Job {
    way: Arc<Authenticator>,
    credential: Box<[u8]>,
    said: Said,
}

/// A way to the thread, which ends with the last one.
#[derive(Clone)]
pub(crate) struct Checker(SyncSender<Job>);

impl Checker {
    /// Starts the thread.
    ///
    /// # Errors
    /// There can be no more threads.
    pub(crate) fn start() -> io::Result<Checker> {
        let (sender, jobs) = sync_channel(limits::PASSWORDS_WAITING);
        std::thread::Builder::new().name("passwords".into()).spawn(move || check(&jobs))?;
        Ok(Checker(sender))
    }

    /// One whose questions nobody answers.
    #[cfg(test)]
    pub(crate) fn of_nobody() -> Checker {
        Checker(sync_channel(0).0)
    }

    /// Has a credential judged; nothing if too many wait already.
    pub(super) fn ask(&self, way: &Arc<Authenticator>, credential: &[u8]) -> Option<Said> {
        let said = Said::default();
        let job = Job { way: way.clone(), credential: credential.into(), said: said.clone() };
        self.0.try_send(job).ok().map(|()| said)
    }
}

fn check(jobs: &Receiver<Job>) {
    let _ = cpu::schedule(Policy::Last); // behind whoever serves; where it is not allowed, they are equals
    while let Ok(Job { way, credential, said }) = jobs.recv() {
        let verdict = match &way.way {
            Way::Passwords(passwords) if Arc::strong_count(&said) > 1 => passwords.check(&credential),
            _ => Err(Unauthorized::Password), // nobody waits any more
        };
        let _ = said.set(verdict);
    }
}
