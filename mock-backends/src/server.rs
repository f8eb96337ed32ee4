//! One server: what it is, what it received, and the loop that accepts its clients.

use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ringgate_io::{Deadlines, Listener, race, sleep, spawn};

use crate::answer::{Answer, Content, Facts};
use crate::client::Client;
use crate::random::Random;
use crate::route::Routes;
use crate::station::Station;
use crate::timetable::Pace;
use crate::truth::Truth;
use crate::{Journal, Kind, Options, connection, pattern};

/// Largest body that can be made ready in advance.
pub const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
/// Most exchanges whose truth can be kept: about a gigabyte of them.
const MAX_TRUTH: usize = 10_000_000;
/// Longest name: it is in every answer.
const MAX_NAME_BYTES: usize = 64;
/// Connections accepted before those already open get their turn.
const ACCEPT_BATCH: usize = 64;
/// Pause after an accept that failed for want of descriptors or memory: trying again at once would not help.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A server, apart from its sockets: shared between the loop that serves and whoever watches.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    name: Arc<str>,
    journal: Journal,
    body_bytes: Option<u64>,
    /// Empty if bodies are texts.
    ready: Vec<u8>,
    seed: u64,
    worker: u64,
    admin: bool,
    instants: bool,
    is_stopping: AtomicBool,
    shared: Arc<Shared>,
}

/// What all workers of a server have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    routes: Routes,
    truth: Option<Truth>,
}

impl Shared {
    pub(crate) fn new(options: &Options) -> io::Result<Arc<Shared>> {
        let routes = Routes::new(&options.routes).map_err(invalid)?;
        let truth = (options.truth > 0).then(|| Truth::new(options.truth));
        Ok(Arc::new(Shared { routes, truth }))
    }
}

impl Server {
    /// What `options` describe; where to listen and which thread to use are not its concern.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`]: the name cannot be in a header, or the body is over [`MAX_BODY_BYTES`].
    pub fn new(options: &Options) -> io::Result<Arc<Server>> {
        Server::of_worker(options, Shared::new(options)?, 0)
    }

    /// One of several, the first being 0.
    pub(crate) fn of_worker(options: &Options, shared: Arc<Shared>, worker: u64) -> io::Result<Arc<Server>> {
        check(options)?;
        let name: Arc<str> = options.name.as_str().into();
        let ready = options.body_bytes.map(|bytes| render(&name, bytes)).transpose()?.unwrap_or_default();
        Ok(Arc::new(Server {
            kind: options.kind,
            name,
            journal: Journal::new(options.record),
            body_bytes: options.body_bytes.map(|bytes| bytes as u64),
            ready,
            seed: options.seed,
            worker,
            admin: options.admin,
            instants: options.instants,
            is_stopping: AtomicBool::new(false),
            shared,
        }))
    }

    /// Has whoever computes give up: the loop cannot hear of a stop meanwhile.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed); // orders nothing but itself
    }

    /// Whether it was told to [stop](Self::stop).
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Which paths it knows.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What it calls itself.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What it received.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(crate) fn routes(&self) -> &Routes {
        &self.shared.routes
    }

    /// None if it is not kept.
    pub(crate) fn truth(&self) -> Option<&Truth> {
        self.shared.truth.as_ref()
    }

    /// Whether orders may be changed while it runs.
    pub(crate) fn admin(&self) -> bool {
        self.admin
    }

    /// Whether every answer tells its instants.
    pub(crate) fn instants(&self) -> bool {
        self.instants
    }

    /// The chance of one route on this worker.
    pub(crate) fn random(&self, route: &str) -> Random {
        Random::of(self.seed, self.worker, route)
    }

    /// How long a usual body is; `None` for a text.
    pub(crate) fn body_bytes(&self) -> Option<u64> {
        self.body_bytes
    }

    /// Whether there is an answer to plain requests that needs no more than to be sent.
    pub(crate) fn is_ready(&self) -> bool {
        self.body_bytes.is_some() && !self.instants && self.truth().is_none()
    }

    /// That answer, rendered in advance: to a client of HTTP/1.1 that keeps its connection.
    pub(crate) fn ready(&self) -> &[u8] {
        &self.ready
    }
}

fn render(name: &str, body_bytes: usize) -> io::Result<Vec<u8>> {
    let answer = Answer::plain(Content::Pattern(body_bytes as u64), body_bytes as u64);
    let mut bytes = Vec::new();
    answer.write_head(name, &Facts::default(), &mut bytes)?;
    let head_bytes = bytes.len();
    bytes.resize(head_bytes + body_bytes, 0);
    pattern(0, &mut bytes[head_bytes..]);
    Ok(bytes)
}

fn check(options: &Options) -> io::Result<()> {
    let name = options.name.as_bytes();
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.iter().all(u8::is_ascii_graphic) {
        return Err(invalid(format!(
            "the name `{}` cannot be in a header: use 1 to {MAX_NAME_BYTES} letters, digits and signs, without spaces",
            options.name.escape_debug()
        )));
    }
    if options.truth > MAX_TRUTH {
        return Err(invalid(format!(
            "the truth of {} exchanges cannot be kept: at most {MAX_TRUTH}",
            options.truth
        )));
    }
    match options.body_bytes {
        Some(bytes) if bytes > MAX_BODY_BYTES => Err(invalid(format!(
            "a body of {bytes} bytes cannot be kept ready: at most {MAX_BODY_BYTES}, or ask for more with ?bytes={bytes}"
        ))),
        _ => Ok(()),
    }
}

pub(crate) fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// Serves `listener`'s clients until `stop` ends; then closes it and every connection, and returns when all are gone.
///
/// Runs on the calling thread's loop, whichever it is: the machine's or a simulated one. It paces delayed answers by
/// [`sleep`], which rounds up to a millisecond; a [`Mock`](crate::Mock) does it better. `stop` may be dropped half-way.
pub async fn serve_on(listener: Listener, server: Arc<Server>, stop: impl Future<Output = ()>) {
    serve_paced(listener, server, Pace::Coarse, stop).await;
}

/// As [`serve_on`], with the pace of one's choice.
pub(crate) async fn serve_paced(
    listener: Listener,
    server: Arc<Server>,
    pace: Pace,
    stop: impl Future<Output = ()>,
) {
    let (deadlines, station) = (Deadlines::new(), Rc::new(Station::new(server)));
    // Boxed, since `race` holds what it is given twice: once as its argument, once pinned.
    let accept = Box::pin(accept(&listener, &station, &deadlines));
    let call = Box::pin(station.timetable.call(pace));
    race(race(accept, call), stop).await;
    drop(listener);
    end_all(&deadlines, &station).await;
}

async fn accept(listener: &Listener, station: &Rc<Station>, deadlines: &Deadlines) {
    loop {
        let outcome = match listener.readable().await {
            Ok(()) => accept_batch(listener, station, deadlines),
            Err(error) => Err(error),
        };
        if outcome.is_err() {
            sleep(ACCEPT_PAUSE).await;
        }
    }
}

fn accept_batch(listener: &Listener, station: &Rc<Station>, deadlines: &Deadlines) -> io::Result<()> {
    for _ in 0..ACCEPT_BATCH {
        match listener.try_accept() {
            Ok(arrival) => {
                let client = Client::new(arrival.into_stream()?, deadlines);
                spawn(connection::serve(client, station.clone()));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Ends every connection, and waits until their tasks have ended: what a loop still has pending when it is left belongs
/// to the kernel for ever.
async fn end_all(deadlines: &Deadlines, station: &Station) {
    station.server.stop();
    deadlines.expire_all();
    deadlines.end_all();
    station.timetable.end(); // last: whoever is called finds the connection ended
    deadlines.ended().await;
}
