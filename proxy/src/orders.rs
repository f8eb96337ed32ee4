//! What the workers are told while they serve: which configuration holds, and when to stop.
//!
//! Written by the control plane, which never waits for a worker; read by a worker when its bell has rung.
//! Assumes: whoever publishes keeps what was published before until no worker holds it ([`Retired`]), so that the freeing of
//! a large configuration is never a worker's work.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use arc_swap::ArcSwap;
use ringgate_core::snapshot::Snapshot;
use serde::{Deserialize, Serialize};

/// A configuration that holds, or held.
#[derive(Debug)]
pub(crate) struct Generation {
    /// How many have held, this one included.
    pub(crate) number: u64,
    snapshot: Snapshot,
}

impl Deref for Generation {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

/// Which requests have a line in the request log, of those that the configuration gives one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub(crate) enum LogLevel {
    All,
    /// Those that did not go well: a cause, or a status of 500 and more.
    Failures,
    Off,
}

impl LogLevel {
    pub(crate) const ALL: [LogLevel; 3] = [LogLevel::All, LogLevel::Failures, LogLevel::Off];
}

/// The orders that hold for all workers.
#[derive(Debug)]
pub(crate) struct Orders {
    generation: ArcSwap<Generation>,
    is_over: AtomicBool,
    /// A [`LogLevel`].
    log_level: AtomicU8,
}

impl Orders {
    /// To serve, by this configuration.
    pub(crate) fn new(snapshot: Snapshot) -> Orders {
        let first = Generation { number: 1, snapshot };
        Orders {
            generation: ArcSwap::from_pointee(first),
            is_over: AtomicBool::new(false),
            log_level: AtomicU8::new(LogLevel::All as u8),
        }
    }

    /// The configuration that holds.
    pub(crate) fn generation(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    /// Lets another configuration hold from now on. The one that held before, for the caller to keep until nobody else does.
    pub(crate) fn publish(&self, snapshot: Snapshot) -> Arc<Generation> {
        let number = self.generation.load().number + 1;
        self.generation.swap(Arc::new(Generation { number, snapshot }))
    }

    /// Which requests are logged.
    pub(crate) fn log_level(&self) -> LogLevel {
        LogLevel::ALL[usize::from(self.log_level.load(Ordering::Relaxed))]
    }

    /// Lets other requests be logged from now on.
    pub(crate) fn log(&self, level: LogLevel) {
        self.log_level.store(level as u8, Ordering::Relaxed);
    }

    /// Whether to stop.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Tells everybody to stop.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }
}

/// Configurations that do not hold any more and may still be held by somebody.
#[derive(Debug, Default)]
pub(crate) struct Retired(Vec<Arc<Generation>>);

impl Retired {
    /// Takes one in.
    pub(crate) fn add(&mut self, generation: Arc<Generation>) {
        self.0.push(generation);
    }

    /// Takes out those that nobody else holds, for the caller to drop where that keeps nobody waiting. Nobody can begin to hold
    /// one: only the one that holds is handed out.
    pub(crate) fn take_free(&mut self) -> Vec<Arc<Generation>> {
        self.0.extract_if(.., |generation| Arc::strong_count(generation) == 1).collect()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}
