//! What may take long or hang, off the control plane's loop: reading files, compiling, freeing, waiting for a successor.
//!
//! Owns: a thread for each piece of work, which ends with it. Nobody joins them: one that hangs, on a file system or a pipe, is
//! left behind, and keeps neither the loop nor the end of the process waiting.
//! Assumes: whoever starts work that may hang does not start it again before it is done ([`Aside`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// One piece of work at a time, behind whoever serves.
#[derive(Debug, Clone, Default)]
pub(super) struct Aside {
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
        let result = on_a_thread(move || {
            let _over = over;
            step_back();
            work()
        });
        timeout(patience, result).await.unwrap_or(Err(NoResult::Late))
    }
}

/// Frees something that is large, behind whoever serves.
pub(super) fn free<T: Send + 'static>(garbage: T) {
    let _ = spawn(move || {
        step_back();
        drop(garbage);
    }); // without a thread, who fails to start it has freed it
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

/// Lets whoever serves go first: compiling a large configuration takes tens of milliseconds of a core that a worker may want.
fn step_back() {
    let _ = cpu::schedule(Policy::Last); // where it is not allowed, they are equals
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
