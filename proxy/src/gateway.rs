//! The gateway as a whole: its listeners, its worker threads, its log; started, watched and drained.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use ringgate_core::snapshot::Snapshot;
use ringgate_io::{Listener, Rung, Wake, Waker, bind, cpu};
use rustix::process::{Resource, getrlimit};

use crate::balance::{self, Balance, ClosedInbox, Load};
use crate::config::Config;
use crate::counters::Counters;
use crate::limits;
use crate::log::{self, Log, Reopener, RequestLog};
use crate::outlet::{Account, Queue, Writer};
use crate::worker::Worker;

/// A running gateway. Dropping it drains it.
pub struct Gateway {
    address: SocketAddr,
    driver: Rung,
    /// The better drivers, and why they do not work here.
    passed_over: Vec<(Rung, io::Error)>,
    asked: Option<usize>,
    most: usize,
    workers: Vec<WorkerThread>,
    log: Writer,
    log_settings: RequestLog,
}

struct WorkerThread {
    waker: Waker,
    counters: Arc<Counters>,
    load: Arc<Load>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// All a worker thread needs to begin with.
struct Start {
    core: usize,
    driver: Rung,
    listener: TcpListener,
    wake: UnixStream,
    snapshot: Arc<Snapshot>,
    log: RequestLog,
    log_writer: Queue,
    counters: Arc<Counters>,
    balance: Balance,
    inbox: ClosedInbox,
    /// Told once the worker accepts.
    ready: Sender<()>,
}

impl Gateway {
    /// Binds, starts the workers and returns; connections are accepted from the bind on. Log lines go to `log_output`.
    ///
    /// # Errors
    /// The address cannot be bound, no driver works, or descriptors or threads ran out.
    pub fn start(config: Config, log_output: Box<dyn Write + Send>) -> io::Result<Gateway> {
        let cores = cpu::available()?;
        let (driver, passed_over) = match config.driver {
            Some(driver) => (driver, Vec::new()),
            None => Rung::best()?,
        };
        driver.probe()?;
        let workers = config.workers.unwrap_or(cores.len());
        let listeners = listeners(config.listen, workers)?;
        let most = connections(workers);
        let asked = config.snapshot.clients.connections;
        let most = asked.map_or(most, |asked| asked.min(most));
        let crew = balance::crew(workers, most)?;
        let address = listeners[0].local_addr()?;
        let snapshot = Arc::new(config.snapshot);
        let (log_writer, log) = log::start_writer(log_output, workers)?;
        let mut gateway = Gateway {
            address,
            driver,
            passed_over,
            asked,
            most,
            workers: Vec::new(),
            log,
            log_settings: config.log.clone(),
        };
        let (ready, started) = channel();
        for (index, (listener, (balance, inbox))) in listeners.into_iter().zip(crew).enumerate() {
            let (waker, wake) = Waker::pair()?;
            let counters = Arc::new(Counters::default());
            let start = Start {
                core: cores[index % cores.len()],
                driver,
                listener,
                wake,
                snapshot: snapshot.clone(),
                log: config.log.clone(),
                log_writer: log_writer.clone(),
                counters: counters.clone(),
                balance,
                inbox,
                ready: ready.clone(),
            };
            let load = start.balance.own().clone();
            let name = format!("worker-{index}");
            let thread = std::thread::Builder::new().name(name).spawn(move || start.run())?;
            gateway.workers.push(WorkerThread { waker, counters, load, thread: Some(thread) });
        }
        drop((ready, log_writer));
        match started.iter().take(gateway.workers.len()).count() == gateway.workers.len() {
            true => Ok(gateway),
            false => Err(gateway.stop().err().unwrap_or_else(|| io::Error::other("a worker did not start"))),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The driver its workers run on.
    pub fn driver(&self) -> Rung {
        self.driver
    }

    /// The better drivers, and why each does not work here; empty if one was asked for.
    pub fn passed_over(&self) -> &[(Rung, io::Error)] {
        &self.passed_over
    }

    /// The counts of each worker.
    pub fn counters(&self) -> impl ExactSizeIterator<Item = &Counters> {
        self.workers.iter().map(|worker| &*worker.counters)
    }

    /// Connections each worker has now.
    pub fn loads(&self) -> impl ExactSizeIterator<Item = usize> {
        self.workers.iter().map(|worker| worker.load.count())
    }

    /// Connections that the configuration wants to allow.
    pub fn asked_connections(&self) -> Option<usize> {
        self.asked
    }

    /// Connections that all workers together may have: no more than descriptors allow.
    pub fn most_connections(&self) -> usize {
        self.most
    }

    /// What has become of the lines of the request log that its workers handed over.
    pub(crate) fn log_account(&self) -> &Account {
        self.log.account()
    }

    /// The way to have the request log opened anew.
    pub fn log_reopener(&self) -> Reopener {
        Reopener::new(self.log_settings.file.clone(), self.log.replacement())
    }

    /// What the output of the request log is called in messages.
    pub(crate) fn log_destination(&self) -> String {
        self.log_settings.destination()
    }

    /// Whether a worker has ended by itself: a defect, after which part of the connections is not served.
    pub fn has_lost_a_worker(&self) -> bool {
        self.workers.iter().any(|worker| worker.thread.as_ref().is_some_and(JoinHandle::is_finished))
    }

    /// Stops accepting, lets requests in flight finish within the drain timeout, and ends.
    ///
    /// # Errors
    /// A worker had failed: its driver could not be built.
    pub fn drain(mut self) -> io::Result<()> {
        self.stop()
    }

    /// Drains, and leaves the counts to be read. A log that nobody reads is not waited for.
    pub(crate) fn stop(&mut self) -> io::Result<()> {
        if self.workers.iter().all(|worker| worker.thread.is_none()) {
            return Ok(()); // it has been stopped, or nothing of it was started
        }
        for worker in &self.workers {
            worker.waker.wake();
        }
        let mut result = Ok(());
        for thread in self.workers.iter_mut().filter_map(|worker| worker.thread.take()) {
            let ended = thread.join().unwrap_or_else(|_| Err(io::Error::other("a worker panicked")));
            result = result.and(ended);
        }
        self.log.finish(limits::LAST_LOG_LINES); // the workers' handles are gone
        result
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// Connections that the descriptors of this process allow: each may need a second one, to a server.
fn connections(workers: usize) -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let own = limits::OWN_DESCRIPTORS + limits::WORKER_DESCRIPTORS * workers as u64;
    usize::try_from(descriptors.saturating_sub(own) / 2).unwrap_or(usize::MAX).max(1)
}

/// One listening socket for each worker, on the same address.
fn listeners(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::with_capacity(count);
    for _ in 0..count {
        listeners.push(bind(address, &listeners, true)?);
    }
    Ok(listeners)
}

impl Start {
    fn run(self) -> io::Result<()> {
        cpu::pin(self.core)?;
        ringgate_io::run(self.driver, || self.work())?
    }

    async fn work(self) -> io::Result<()> {
        let log = Log::new(self.log, self.log_writer, self.counters.clone());
        let (listener, wake) = (Listener::from_std(self.listener)?, Wake::on_loop(self.wake)?);
        let inbox = Some(self.inbox.open()?);
        let worker: Rc<Worker> = Worker::new(self.snapshot, log, self.counters, self.balance, inbox);
        let _ = self.ready.send(());
        drop(self.ready); // whoever waits for all of us must notice if one cannot
        worker.run(listener, wake.wait()).await;
        Ok(())
    }
}
