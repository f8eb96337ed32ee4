//! The ladder of drivers: the best way to do IO that this kernel and its policies allow.
//!
//! Containers and sysctls often forbid io_uring, and older kernels lack its better modes; so each rung is tried by really
//! building it, and why a rung failed is kept for the log.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::str::FromStr;

use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

/// One way to do IO, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// io_uring, completions delivered only when the loop asks (SINGLE_ISSUER, DEFER_TASKRUN; Linux 6.1).
    Defer,
    /// io_uring, completions without inter-processor interrupts (COOP_TASKRUN; Linux 5.19).
    Coop,
    /// io_uring as first released.
    Plain,
    /// epoll.
    Epoll,
}

/// Submission queue entries of a ring: operations between two enters. More just makes another enter.
const RING_ENTRIES: u32 = 1024;
/// Completion queue entries: one may be pending per connection without spilling into the kernel's overflow list.
const COMPLETION_ENTRIES: u32 = 16 * 1024;

impl Rung {
    /// The whole ladder, best first.
    pub const ALL: [Rung; 4] = [Rung::Defer, Rung::Coop, Rung::Plain, Rung::Epoll];

    /// The name for command lines and logs.
    pub fn name(self) -> &'static str {
        match self {
            Rung::Defer => "io_uring-defer",
            Rung::Coop => "io_uring-coop",
            Rung::Plain => "io_uring",
            Rung::Epoll => "epoll",
        }
    }

    /// Whether this machine can run it, tried by building it once.
    ///
    /// # Errors
    /// What the kernel answered: not implemented, not permitted, invalid flags.
    pub fn probe(self) -> io::Result<()> {
        // On a thread of its own: SINGLE_ISSUER binds a ring to the thread that made it.
        std::thread::spawn(move || run(self, || async {}))
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the probe panicked")))
    }

    /// The best rung that works here, and why each better one does not.
    ///
    /// # Errors
    /// Not even epoll works: what it said.
    pub fn best() -> io::Result<(Rung, Vec<(Rung, io::Error)>)> {
        let mut failed = Vec::new();
        for rung in Rung::ALL {
            match rung.probe() {
                Ok(()) => return Ok((rung, failed)),
                Err(error) if rung == Rung::Epoll => return Err(error),
                Err(error) => failed.push((rung, error)),
            }
        }
        unreachable!("the last rung returned")
    }

    fn ring(self) -> io_uring::Builder {
        let mut ring = io_uring::IoUring::builder();
        match self {
            Rung::Defer => {
                ring.setup_single_issuer().setup_defer_taskrun().setup_cqsize(COMPLETION_ENTRIES);
            }
            Rung::Coop => {
                ring.setup_coop_taskrun().setup_cqsize(COMPLETION_ENTRIES);
            }
            Rung::Plain | Rung::Epoll => {}
        }
        ring
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Rung {
    type Err = String;

    fn from_str(name: &str) -> Result<Rung, String> {
        Rung::ALL
            .into_iter()
            .find(|rung| rung.name() == name)
            .ok_or_else(|| format!("no driver `{name}`; there are {}", Rung::ALL.map(Rung::name).join(", ")))
    }
}

thread_local! {
    static EPOLL: Cell<bool> = const { Cell::new(false) };
}

/// Whether the loop of this thread runs on epoll, where sockets must not block.
pub(crate) fn is_epoll() -> bool {
    EPOLL.get()
}

/// Builds a loop on the calling thread and runs `start`'s future on it to its end.
///
/// Before that future returns, every task it spawned must have ended: what is still pending then is abandoned in the
/// kernel (monoio gives no better way).
///
/// # Errors
/// The rung does not work here.
pub fn run<F: Future>(rung: Rung, start: impl FnOnce() -> F) -> io::Result<F::Output> {
    EPOLL.set(rung == Rung::Epoll);
    Ok(match rung {
        Rung::Epoll => {
            let mut runtime = RuntimeBuilder::<LegacyDriver>::new().enable_timer().build()?;
            runtime.block_on(async { start().await })
        }
        ring => {
            let builder = RuntimeBuilder::<IoUringDriver>::new().with_entries(RING_ENTRIES);
            let mut runtime = builder.uring_builder(ring.ring()).enable_timer().build()?;
            runtime.block_on(async { start().await })
        }
    })
}
