//! What may take long or hang, off the control plane's loop: reading files, compiling, freeing, waiting for a successor.
//!
//! Owns: a thread for each kind of work ([`Aside`]). Nobody joins it: one that hangs, on a file system or a pipe, is left behind, and
//! keeps neither the loop nor the end of the process waiting.
//! Assumes: whoever starts work that may hang does not start it again before it is over, which is what an [`Aside`] is for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ringgate_io::cpu::{self, Policy};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Why work has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoResult {
    /// It goes on behind our back.
    Late,
    /// That which came late before has not ended yet.
    Busy,
    /// It panicked, which has been said, or no thread could be had.
    Lost,
}

type Work = Box<dyn FnOnce() + Send>;

/// One thing at a time, on a thread that goes behind whoever serves. It is always the same one: what a configuration is made of is
/// freed where it was made, and the memory is there for the next one. A fresh thread would ask the kernel for all of it again, and
/// a worker that needs a page would wait for that.
#[derive(Debug, Clone, Default)]
pub(super) struct Aside {
    /// Made when there is something to do; none if no thread could be had.
    thread: Arc<OnceLock<Option<Sender<Work>>>>,
    is_busy: Arc<AtomicBool>,
}

/// Says that a piece of work is over, whichever way it ends.
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Aside {
    /// Does this, and waits for it no longer than `patience`.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NoResult> {
        if self.is_busy.swap(true, Ordering::Acquire) {
            return Err(NoResult::Busy);
        }
        let over = Over(self.is_busy.clone());
        let (sender, result) = oneshot::channel();
        self.later(move || {
            let over = over; // before whoever waits hears of it: that one may have more to do
            let result = work();
            drop(over);
            let _ = sender.send(result); // nobody waits any more
        });
        match timeout(patience, result).await {
            Ok(result) => result.map_err(|_| NoResult::Lost),
            Err(_) => Err(NoResult::Late),
        }
    }

    /// Does this when there is nothing else to do.
    pub(super) fn later(&self, work: impl FnOnce() + Send + 'static) {
        let thread = self.thread.get_or_init(|| {
            let (sender, works) = channel();
            spawn(move || work_off(&works)).ok().map(|()| sender)
        });
        let _ = thread.as_ref().map(|thread| thread.send(Box::new(work)));
    }
}

/// Goes last from now on, until there is nobody left who could have something to do.
fn work_off(works: &Receiver<Work>) {
    let _ = cpu::schedule(Policy::Last); // where it is not allowed, they are equals
    for work in works {
        // What it leaves half done is its own, and nobody will see it: its result is lost.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    }
}

/// Does this on a thread that goes on as every other one; processes that it starts do, too.
pub(super) async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NoResult> {
    let (sender, result) = oneshot::channel();
    spawn(move || drop(sender.send(work()))).map_err(|_| NoResult::Lost)?;
    result.await.map_err(|_| NoResult::Lost)
}

fn spawn(work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name("aside".into()).spawn(work).map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn on_a_loop<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn what_hangs_is_left_behind_and_not_started_again_before_it_is_over() {
        let (release, hanging) = channel::<()>();
        let aside = Aside::default();
        on_a_loop(async {
            let hangs = move || hanging.recv().unwrap_or_default();
            assert_eq!(aside.run(Duration::from_millis(5), hangs).await, Err(NoResult::Late));
            assert_eq!(aside.run(LONG, || 1).await, Err(NoResult::Busy));
            drop(release);
            let mut result = Err(NoResult::Busy);
            while result == Err(NoResult::Busy) {
                result = aside.run(LONG, || 2).await;
            }
            assert_eq!(result, Ok(2));
        });
    }

    #[test]
    fn whoever_has_a_result_can_have_the_next_one() {
        let aside = Aside::default();
        on_a_loop(async {
            for number in 0..2000 {
                assert_eq!(aside.run(LONG, move || number).await, Ok(number));
            }
        });
    }

    #[test]
    fn what_panics_has_no_result_and_is_over() {
        let aside = Aside::default();
        on_a_loop(async {
            assert_eq!(aside.run(LONG, || -> u8 { panic!("on purpose") }).await, Err(NoResult::Lost));
            while aside.run(LONG, || 1).await == Err(NoResult::Busy) {}
        });
    }

    #[test]
    fn only_work_aside_goes_last() {
        let nice = || std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let nice = move || nice().rsplit(')').next().unwrap().split(' ').nth(17).unwrap().to_owned();
        let usual = nice();
        on_a_loop(async {
            assert_eq!(on_a_thread(nice).await, Ok(usual));
            assert_eq!(Aside::default().run(LONG, nice).await.as_deref(), Ok("19"));
        });
    }
}
