//! The control plane: all that may be slow, on one thread beside the workers.
//!
//! Owns: the configuration as it changes (`reload`, `watch`), and what is shown and taken over the admin API (`admin`). Hands
//! the workers finished things: a snapshot, an order. Never waits for a worker in a way that a worker could notice.
//! Assumes: only this room names tokio; what would block its loop (reading files, asking a resolver) runs on a thread of
//! tokio's own.

mod admin;
mod exposition;
mod reload;
mod watch;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use ringgate_io::Rung;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use self::admin::{Desk, Doors};
use self::exposition::{Exposition, Gauges};
use self::reload::Reloader;
use crate::config::Fixed;
use crate::gateway::Workers;

/// Threads for what blocks: one reads and compiles, the others are for what may hang meanwhile, a resolver most likely.
const BLOCKING_THREADS: usize = 4;

/// What a control plane looks after.
pub struct Charge {
    /// The workers it gives orders to.
    pub workers: Arc<Workers>,
    /// Where the configuration stands.
    pub config: PathBuf,
    /// What of it holds until the end of the process.
    pub fixed: Fixed,
    /// What the workers run on.
    pub driver: Rung,
    /// Told when the admin API is asked to stop the gateway.
    pub stop: Sender<()>,
}

/// A control plane that runs. It ends when this is dropped.
pub struct ControlPlane {
    /// Its other end goes first.
    over: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ControlPlane {
    /// Starts it: when this returns, the admin API can be asked, and SIGHUP reloads.
    ///
    /// # Errors
    /// The admin API's address or socket cannot be had, or threads or descriptors ran out.
    pub fn start(charge: Charge) -> io::Result<ControlPlane> {
        let runtime =
            Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build()?;
        let (over, ended) = oneshot::channel();
        let plane = runtime.block_on(async { Plane::open(charge) })?;
        let run = move || run(&runtime, plane, ended);
        let thread = std::thread::Builder::new().name("control".into()).spawn(run)?;
        Ok(ControlPlane { over: Some(over), thread: Some(thread) })
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        drop(self.over.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// What was opened before the thread began.
struct Plane {
    reloader: Arc<Reloader>,
    doors: Doors,
    desk: Desk,
    hangup: Signal,
}

impl Plane {
    fn open(charge: Charge) -> io::Result<Plane> {
        let Charge { workers, config, fixed, driver, stop } = charge;
        let doors = Doors::open(&fixed.admin)?;
        let reloader = Arc::new(Reloader::new(workers.clone(), config, fixed));
        let readings = Mutex::default();
        let gauges = Gauges { workers, reloader: reloader.clone(), driver: driver.name(), readings };
        let desk = Desk { reloader: reloader.clone(), stop, exposition: Arc::new(Exposition::new(gauges)) };
        let hangup = signal(SignalKind::hangup())?;
        Ok(Plane { reloader, doors, desk, hangup })
    }
}

fn run(runtime: &Runtime, plane: Plane, ended: oneshot::Receiver<()>) {
    let Plane { reloader, doors, desk, mut hangup } = plane;
    runtime.block_on(async {
        let hangups = async {
            while hangup.recv().await.is_some() {
                reloader.reload_and_say("SIGHUP").await;
            }
        };
        tokio::select! {
            _ = ended => {}
            () = hangups => {}
            () = watch::changes(&reloader) => {}
            () = reloader.free_retired() => {}
            () = doors.serve(desk) => {}
        }
    });
}
