//! The gateway as a whole: its listeners, its worker threads, its log; started, watched and drained.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use ringgate_core::snapshot::Snapshot;
use ringgate_io::{Listener, Rung, Wake, Waker, bind, cpu};
use rustix::process::{Resource, getrlimit};

use crate::balance::{self, Balance, ClosedInbox, Load};
use crate::config::{Config, Tracing};
use crate::counters::Counters;
use crate::gate::{Checker, Gate};
use crate::limits;
use crate::log::{self, Log, Reopener, RequestLog};
use crate::metrics::{Metrics, Readings, Series};
use crate::orders::{Generation, LogLevel, Orders};
use crate::outlet::{Account, Queue, Writer};
use crate::tracing::{self, Spans, Tracer};
use crate::worker::Worker;

/// A running gateway. Dropping it drains it.
pub struct Gateway {
    address: SocketAddr,
    driver: Rung,
    /// The better drivers, and why they do not work here.
    passed_over: Vec<(Rung, io::Error)>,
    asked: Option<usize>,
    most: usize,
    workers: Arc<Workers>,
    /// Of each worker, until it has been joined.
    threads: Vec<JoinHandle<io::Result<()>>>,
    log: Writer,
    log_settings: RequestLog,
    /// Rung for keys that a worker has met and not got; for one who fetches them.
    keys: Option<UnixStream>,
    /// What its workers record, for one who exports it.
    spans: Option<Receiver<Spans>>,
}

/// The workers as others see them: what they are told, and what they have done.
#[derive(Debug)]
pub struct Workers {
    orders: Arc<Orders>,
    seen: Vec<Seen>,
    /// Where they listen, to be handed on; none once they have been told to stop.
    listeners: Mutex<Vec<TcpListener>>,
    /// What they have begun to measure,
    news: Mutex<Receiver<Series>>,
    /// and what they measure.
    readings: Mutex<Readings>,
}

#[derive(Debug)]
struct Seen {
    waker: Waker,
    counters: Arc<Counters>,
    load: Arc<Load>,
}

impl Workers {
    /// The configuration that holds.
    pub(crate) fn generation(&self) -> Arc<Generation> {
        self.orders.generation()
    }

    /// Has all workers go by another configuration, each from its next request on; nothing of that is waited for. Connections
    /// stay, and so do requests that have found their route. The configuration that held before, to be kept until nobody
    /// else does.
    pub(crate) fn publish(&self, snapshot: Snapshot) -> Arc<Generation> {
        let earlier = self.orders.publish(snapshot);
        self.ring();
        earlier
    }

    /// Which requests are logged.
    pub(crate) fn log_level(&self) -> LogLevel {
        self.orders.log_level()
    }

    /// Has all workers log other requests from now on, until the end of the process.
    pub(crate) fn log(&self, level: LogLevel) {
        self.orders.log(level);
    }

    /// How many go by that configuration, or by one that came after it.
    pub(crate) fn adopters(&self, number: u64) -> usize {
        self.counters().filter(|counters| counters.generation.get() >= number).count()
    }

    /// The sockets that they listen on, for another process.
    pub(crate) fn listeners(&self) -> io::Result<Vec<TcpListener>> {
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.iter().map(TcpListener::try_clone).collect()
    }

    /// Tells all to stop. A listener that we kept would go on to take connections that nobody serves.
    fn stop(&self) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.orders.end();
        self.ring();
    }

    /// All that they measure. To be asked for now and then: what they have begun to measure waits until somebody does.
    pub(crate) fn readings(&self) -> MutexGuard<'_, Readings> {
        let mut readings = self.readings.lock().unwrap_or_else(PoisonError::into_inner);
        readings.update(self.news.lock().unwrap_or_else(PoisonError::into_inner).try_iter());
        readings
    }

    /// The counts of each.
    pub fn counters(&self) -> impl ExactSizeIterator<Item = &Counters> {
        self.seen.iter().map(|worker| &*worker.counters)
    }

    /// Connections each has now.
    pub fn loads(&self) -> impl ExactSizeIterator<Item = usize> {
        self.seen.iter().map(|worker| worker.load.count())
    }

    /// Whether they have been told to stop.
    pub(crate) fn is_draining(&self) -> bool {
        self.orders.is_over()
    }

    fn ring(&self) {
        self.seen.iter().for_each(|worker| worker.waker.wake());
    }
}

/// All a worker thread needs to begin with.
struct Start {
    core: usize,
    driver: Rung,
    listener: TcpListener,
    wake: UnixStream,
    orders: Arc<Orders>,
    log: RequestLog,
    log_writer: Queue,
    counters: Arc<Counters>,
    series: Sender<Series>,
    tracing: Option<(Tracing, SyncSender<Spans>)>,
    checker: Checker,
    keys: Arc<Waker>,
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
        Gateway::start_on(Vec::new(), config, log_output)
    }

    /// As [`start`](Self::start), on sockets that listen already: one for all workers, or one for each, which then says how many
    /// there are. None: the configured address is bound.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_on(
        inherited: Vec<TcpListener>,
        config: Config,
        log_output: Box<dyn Write + Send>,
    ) -> io::Result<Gateway> {
        let cores = cpu::available()?;
        let (driver, passed_over) = match config.driver {
            Some(driver) => (driver, Vec::new()),
            None => Rung::best()?,
        };
        driver.probe()?;
        let workers = config.workers.unwrap_or(cores.len());
        let listeners = match inherited.len() {
            0 => listeners(config.listen, workers)?,
            1 => (0..workers).map(|_| inherited[0].try_clone()).collect::<io::Result<_>>()?,
            _ => inherited,
        };
        let workers = listeners.len();
        let to_hand_on = listeners.iter().map(TcpListener::try_clone).collect::<io::Result<_>>()?;
        let most = connections(workers);
        let asked = config.snapshot.clients.connections;
        let most = asked.map_or(most, |asked| asked.min(most));
        let crew = balance::crew(workers, most)?;
        let address = listeners[0].local_addr()?;
        let orders = Arc::new(Orders::new(config.snapshot));
        let (log_writer, log) = log::start_writer(log_output, workers)?;
        let log_settings = config.log.clone();
        let (ready, started) = channel();
        let (series, news) = channel();
        let (tracing, spans) = config.tracing.map(tracing::start).unzip();
        let checker = Checker::start()?;
        let (keys, keys_wanted) = Waker::pair()?;
        let keys = Arc::new(keys);
        let (mut seen, mut starts) = (Vec::new(), Vec::new());
        for (index, (listener, (balance, inbox))) in listeners.into_iter().zip(crew).enumerate() {
            let (waker, wake) = Waker::pair()?;
            let counters = Arc::new(Counters::default());
            seen.push(Seen { waker, counters: counters.clone(), load: balance.own().clone() });
            starts.push(Start {
                core: cores[index % cores.len()],
                driver,
                listener,
                wake,
                orders: orders.clone(),
                log: config.log.clone(),
                log_writer: log_writer.clone(),
                counters,
                series: series.clone(),
                tracing: tracing.clone(),
                checker: checker.clone(),
                keys: keys.clone(),
                balance,
                inbox,
                ready: ready.clone(),
            });
        }
        drop((ready, log_writer, tracing, checker));
        let workers = Arc::new(Workers {
            orders,
            seen,
            listeners: Mutex::new(to_hand_on),
            news: Mutex::new(news),
            readings: Mutex::default(),
        });
        let mut gateway = Gateway {
            address,
            driver,
            passed_over,
            asked,
            most,
            workers,
            threads: Vec::new(),
            log,
            log_settings,
            keys: Some(keys_wanted),
            spans,
        };
        for (index, start) in starts.into_iter().enumerate() {
            let name = format!("worker-{index}");
            gateway.threads.push(std::thread::Builder::new().name(name).spawn(move || start.run())?);
        }
        match started.iter().take(gateway.threads.len()).count() == gateway.threads.len() {
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

    /// Its workers.
    pub fn workers(&self) -> &Arc<Workers> {
        &self.workers
    }

    /// As [`Workers::counters`].
    pub fn counters(&self) -> impl ExactSizeIterator<Item = &Counters> {
        self.workers.counters()
    }

    /// As [`Workers::loads`].
    pub fn loads(&self) -> impl ExactSizeIterator<Item = usize> {
        self.workers.loads()
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
    pub(crate) fn log_account(&self) -> Arc<Account> {
        self.log.account()
    }

    /// The way to have the request log opened anew.
    pub fn log_reopener(&self) -> Reopener {
        Reopener::new(self.log_settings.file.clone(), self.log.replacement())
    }

    /// Where it rings when a worker has met a key that is not there; for the first who asks.
    pub(crate) fn take_key_bell(&mut self) -> Option<UnixStream> {
        self.keys.take()
    }

    /// What its workers record of requests, if they do; for the first who asks.
    pub(crate) fn take_spans(&mut self) -> Option<Receiver<Spans>> {
        self.spans.take()
    }

    /// What the output of the request log is called in messages.
    pub(crate) fn log_destination(&self) -> String {
        self.log_settings.destination()
    }

    /// Whether a worker has ended by itself: a defect, after which part of the connections is not served.
    pub fn has_lost_a_worker(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
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
        if self.threads.is_empty() {
            return Ok(()); // it has been stopped, or nothing of it was started
        }
        self.workers.stop();
        let mut result = Ok(());
        for thread in self.threads.drain(..) {
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
        let log = Log::new(self.log, self.log_writer, self.orders.clone(), self.counters.clone());
        let (listener, wake) = (Listener::from_std(self.listener)?, Wake::on_loop(self.wake)?);
        let inbox = Some(self.inbox.open()?);
        let orders = self.orders.clone();
        let tracer =
            self.tracing.map(|(settings, queue)| Tracer::new(&settings, queue, self.counters.clone()));
        let (metrics, gate) = (Metrics::new(self.series), Gate::new(self.checker, self.keys));
        let worker: Rc<Worker> =
            Worker::new(self.orders, log, self.counters, metrics, tracer, gate, (self.balance, inbox));
        let _ = self.ready.send(());
        drop(self.ready); // whoever waits for all of us must notice if one cannot
        let until_over = async {
            while !orders.is_over() {
                wake.wait().await;
                worker.adopt();
            }
        };
        worker.clone().run(listener, until_over).await;
        Ok(())
    }
}
