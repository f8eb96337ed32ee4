//! A server with a thread of its own: what tests start, stop, and start again.
//!
//! Owns threads, pinning and the choice of driver, nothing of HTTP.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::panic::resume_unwind;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ringgate_io::{Listener, Pacer, Rung, Wake, Waker, bind, cpu, run};

use crate::server::{Shared, invalid, serve_paced};
use crate::timetable::Pace;
use crate::{Journal, Kind, Received, Route, Server};

/// What a server shall be like. The default suits a test: kind [`Any`](Kind::Any), a free port, recording.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which paths it knows.
    pub kind: Kind,
    /// What it calls itself in `x-served-by` and in its bodies: 1 to 64 printable ASCII characters without spaces.
    pub name: String,
    /// Where it listens; port 0 picks a free port.
    pub listen: SocketAddr,
    /// Whether it keeps a record of every request: for tests, not for benchmarks.
    pub record: bool,
    /// Answer every plain request with this many bytes of [`pattern`](crate::pattern), made ready in advance, instead of
    /// a text that names the path. At most [`MAX_BODY_BYTES`](crate::MAX_BODY_BYTES).
    pub body_bytes: Option<usize>,
    /// How to do IO; `None` is the best way that works here.
    pub driver: Option<Rung>,
    /// Pin the thread to this core, and those of further workers to the following ones.
    pub core: Option<usize>,
    /// Standing [orders](crate::order). Later ones replace earlier ones of the same prefix.
    pub routes: Vec<Route>,
    /// What all that is drawn by chance is drawn from.
    pub seed: u64,
    /// Whether `/__behaviour` shows and changes the routes, for anybody who can reach the server.
    pub admin: bool,
    /// Of how many exchanges, the last ones, `/__truth` tells the instants; 0 closes that endpoint. At most ten million.
    pub truth: usize,
    /// Whether every answer tells its own instants, as if the request had asked for them by `x-mock-instants: 1`.
    pub instants: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            kind: Kind::Any,
            name: "any-1".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            record: true,
            body_bytes: None,
            driver: None,
            core: None,
            routes: Vec::new(),
            seed: 0,
            admin: false,
            truth: 0,
            instants: false,
        }
    }
}

/// A running server: one thread, one loop. Dropping it stops it.
#[derive(Debug)]
pub struct Mock {
    server: Arc<Server>,
    address: SocketAddr,
    driver: Rung,
    waker: Waker,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Mock {
    /// Starts a server; it listens when this returns.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for options that cannot be meant; else what the kernel says: address in use,
    /// driver forbidden, descriptors ran out.
    pub fn start(options: Options) -> io::Result<Mock> {
        Mock::start_on(listen(&options, &[], false)?, &options, Shared::new(&options)?, 0)
    }

    /// Starts `workers` servers of the same name that share one address, each with its own thread and connections.
    ///
    /// # Errors
    /// As [`start`](Self::start); the workers already started are stopped again.
    pub fn start_workers(options: &Options, workers: usize) -> io::Result<Vec<Mock>> {
        let mut listeners = Vec::new();
        for _ in 0..workers {
            listeners.push(listen(options, &listeners, workers > 1)?);
        }
        let (shared, numbered) = (Shared::new(options)?, listeners.into_iter().zip(0..));
        numbered.map(|(listener, worker)| Mock::start_on(listener, options, shared.clone(), worker)).collect()
    }

    fn start_on(
        listener: TcpListener,
        options: &Options,
        shared: Arc<Shared>,
        worker: usize,
    ) -> io::Result<Mock> {
        let core = core_of(options, worker)?;
        let server = Server::of_worker(options, shared, worker as u64)?;
        let address = listener.local_addr()?;
        let driver = options.driver.map_or_else(best_driver, Ok)?;
        let (waker, partner) = Waker::pair()?;
        let (ready, started) = mpsc::channel();
        let worker = Worker { listener, server: server.clone(), partner, driver, core, ready };
        let thread = thread::Builder::new().name(options.name.clone()).spawn(move || worker.work())?;
        match started.recv() {
            Ok(()) => Ok(Mock { server, address, driver, waker, thread: Some(thread) }),
            Err(mpsc::RecvError) => Err(failure(thread)),
        }
    }

    /// Where it listens, with the port that was picked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How it does IO.
    pub fn driver(&self) -> Rung {
        self.driver
    }

    /// What it received, in full; the four methods below are the usual questions to it.
    pub fn journal(&self) -> &Journal {
        self.server.journal()
    }

    /// See [`Journal::received`].
    pub fn received(&self) -> Vec<Received> {
        self.journal().received()
    }

    /// See [`Journal::requests`].
    pub fn requests(&self) -> u64 {
        self.journal().requests()
    }

    /// See [`Journal::connections`].
    pub fn connections(&self) -> u64 {
        self.journal().connections()
    }

    /// See [`Journal::wait_for_requests`].
    pub fn wait_for_requests(&self, count: u64, timeout: Duration) -> bool {
        self.journal().wait_for_requests(count, timeout)
    }

    /// Closes the listener and all connections, whatever they are doing, and waits for the thread: as if the server had
    /// been killed. Its journal can still be read, its address can be listened on again. Does nothing the second time.
    ///
    /// # Panics
    /// If the server's thread has panicked.
    pub fn stop(&mut self) {
        self.server.stop();
        self.waker.wake();
        let Some(thread) = self.thread.take() else { return };
        if let Err(panic) = thread.join()
            && !thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the thread needs.
struct Worker {
    listener: TcpListener,
    server: Arc<Server>,
    partner: UnixStream,
    driver: Rung,
    core: Option<usize>,
    /// Dropped unused if the thread fails before it serves.
    ready: mpsc::Sender<()>,
}

impl Worker {
    fn work(self) -> io::Result<()> {
        if let Some(core) = self.core {
            cpu::pin(core)
                .map_err(|error| invalid(format!("cannot pin to core {core}: {error}; choose another")))?;
        }
        run(self.driver, || self.serve()).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("the driver does not work here: {error}; choose another or none"),
            )
        })?
    }

    async fn serve(self) -> io::Result<()> {
        let listener = Listener::from_std(self.listener)?;
        let wake = Wake::on_loop(self.partner)?;
        let pacer = Pacer::new()?;
        let _ = self.ready.send(()); // nobody there: then the waker is gone too, and this ends at once
        serve_paced(listener, self.server, Pace::Fine(pacer), wake.wait()).await;
        Ok(())
    }
}

fn listen(options: &Options, siblings: &[TcpListener], shared: bool) -> io::Result<TcpListener> {
    bind(options.listen, siblings, shared).map_err(|error| {
        let message =
            format!("cannot listen on {}: {error}; choose another address, or port 0", options.listen);
        io::Error::new(error.kind(), message)
    })
}

fn best_driver() -> io::Result<Rung> {
    Ok(Rung::best()?.0)
}

/// The core of the `worker`th worker, the first being 0: more workers than cores begin again with the first core.
fn core_of(options: &Options, worker: usize) -> io::Result<Option<usize>> {
    let Some(first) = options.core else { return Ok(None) };
    let cores = cpu::available()?;
    match cores.iter().position(|&core| core == first) {
        Some(position) => Ok(Some(cores[(position + worker) % cores.len()])),
        None => Err(invalid(format!("core {first} is not among those this process may use: {cores:?}"))),
    }
}

/// Why a thread ended that should be serving.
fn failure(thread: JoinHandle<io::Result<()>>) -> io::Error {
    match thread.join() {
        Ok(Err(error)) => error,
        Ok(Ok(())) => io::Error::other("the server's thread ended at once"),
        Err(panic) => resume_unwind(panic),
    }
}
