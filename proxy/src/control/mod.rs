//! The control plane: all that may be slow, on one thread beside the workers.
//!
//! Owns: the configuration as it changes (`reload`, `watch`), and what is shown and taken over the admin API (`admin`). Hands
//! the workers finished things: a snapshot, an order. Never waits for a worker in a way that a worker could notice.
//! Assumes: only this room names tokio; what would block its loop (reading files, asking a resolver) runs `aside`.

mod admin;
mod aside;
mod discovery;
mod exporter;
mod exposition;
mod keys;
mod reload;
mod resolver;
pub mod systemd;
mod upgrade;
mod watch;

use std::future::pending;
use std::io;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use self::admin::{Desk, Doors};
use self::exporter::{Exporter, Exports};
use self::exposition::{Exposition, Gauges};
pub use self::reload::Basis;
use self::reload::Reloader;
pub(crate) use self::resolver::ask_and_wait;
pub use self::upgrade::Inheritance;
use crate::gateway::{Gateway, Workers};
use crate::operator::say;

/// What a control plane looks after, beside the gateway itself.
pub struct Charge {
    /// Where the configuration stands.
    pub config: PathBuf,
    /// What the one that holds was made of.
    pub basis: Basis,
    /// Whether another process serves until this one says that it does.
    pub has_predecessor: bool,
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
    pub fn start(gateway: &mut Gateway, charge: Charge) -> io::Result<ControlPlane> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (over, ended) = oneshot::channel();
        let plane = runtime.block_on(async { Plane::open(gateway, charge) })?;
        let run = move || {
            if catch_unwind(AssertUnwindSafe(|| run(runtime, plane, ended))).is_err() {
                say(
                    "error: the control plane has ended; traffic goes on, and nothing is reloaded or told until the next start",
                );
            }
        };
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
    exporter: Option<Exporter>,
    /// Rung for keys that a worker has met.
    bell: UnixStream,
    hangup: Signal,
    upgrade: Signal,
}

impl Plane {
    fn open(gateway: &mut Gateway, charge: Charge) -> io::Result<Plane> {
        let Charge { config, basis, has_predecessor, stop } = charge;
        let bell = gateway.take_key_bell().ok_or_else(|| io::Error::other("a second control plane"))?;
        let (exports, spans) = (Arc::<Exports>::default(), gateway.take_spans());
        let tracing = basis.fixed.tracing.clone().zip(spans);
        let exporter = tracing.map(|(settings, spans)| Exporter::new(settings, spans, exports.clone()));
        let workers = gateway.workers().clone();
        let doors = Doors::open(&basis.fixed.admin, has_predecessor)?;
        let reloader = Arc::new(Reloader::new(workers.clone(), config, basis));
        let (log, driver) = (gateway.log_account(), gateway.driver().name());
        let gauges = Gauges { workers, reloader: reloader.clone(), log, exports, driver };
        let desk = Desk { reloader: reloader.clone(), stop, exposition: Arc::new(Exposition::new(gauges)) };
        let [hangup, upgrade] = [SignalKind::hangup(), SignalKind::user_defined2()].map(signal);
        Ok(Plane { reloader, doors, desk, exporter, bell, hangup: hangup?, upgrade: upgrade? })
    }
}

fn run(runtime: Runtime, plane: Plane, ended: oneshot::Receiver<()>) {
    let Plane { reloader, doors, desk, mut exporter, bell, mut hangup, mut upgrade } = plane;
    let (workers, stop) = (reloader.workers().clone(), desk.stop.clone());
    runtime.block_on(async {
        let hangups = async {
            while hangup.recv().await.is_some() {
                reloader.reload_and_say("SIGHUP").await;
            }
        };
        let upgrades = async {
            while upgrade.recv().await.is_some() {
                hand_over(&workers, &stop).await;
            }
        };
        let exports = async {
            match &mut exporter {
                Some(exporter) => exporter.run().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = ended => {}
            () = hangups => {}
            () = upgrades => {}
            () = watch::changes(&reloader) => {}
            () = discovery::follow(&reloader) => {}
            () = keys::follow(&reloader, bell) => {}
            () = reloader.free_retired() => {}
            () = exports => {}
            () = doors.serve(desk) => {}
        }
        if let Some(exporter) = exporter {
            exporter.finish().await;
        }
    });
    runtime.shutdown_background(); // what hangs, hangs without us
}

/// Has another process take over, and stops this one if that went well.
async fn hand_over(workers: &Arc<Workers>, stop: &Sender<()>) {
    let workers = workers.clone();
    let successor = aside::on_a_thread(move || upgrade::start_successor(&workers)).await;
    match successor.unwrap_or_else(|_| Err(io::Error::other("a defect; please report the panic above"))) {
        Ok(process) => {
            say(&format!("process {process} has taken over"));
            systemd::succeeded_by(process);
            let _ = stop.send(());
        }
        Err(error) => say(&format!("not upgraded: {error}; this process goes on")),
    }
}
