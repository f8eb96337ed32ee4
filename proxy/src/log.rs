//! The request log: a line for each request, collected by the worker and written by a thread of its own.
//!
//! Owns: which requests have a line, and the way to the writer (`outlet`): batches over a bounded channel, which never waits.
//! When the writer is behind, lines are dropped and counted. What a line says is `ringgate_core::logline`'s.
//! Assumes: a worker may spend some hundred instructions on a line, not a system call.

mod clock;
mod file;
mod screen;

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use ringgate_core::logline::{self, Facts};
use ringgate_io::{TICK, now, sleep, spawn};
use rustix::io::Errno;
use xxhash_rust::xxh3::xxh3_64;

pub use ringgate_core::logline::{Form, Shape};

pub use self::file::Reopener;

use self::clock::Clock;
use self::screen::Screen;
use crate::client::Client;
use crate::counters::Counters;
use crate::lease::Held;
use crate::limits;
use crate::orders::{LogLevel, Orders};
use crate::outlet::{self, Queue, Writer};
use crate::pipeline::Finished;
use crate::record::Record;
use crate::standard::Standard;
use crate::tracing::Recording;

/// How requests are logged.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestLog {
    /// What a line looks like; without one there is no log.
    pub form: Option<Form>,
    /// Where lines are appended; standard output if not said.
    pub file: Option<PathBuf>,
    /// What lines may say of requests.
    pub shape: Shape,
    /// The share of requests that are logged, 0 to 1; those that failed all are.
    pub sample: f64,
}

impl Default for RequestLog {
    fn default() -> RequestLog {
        RequestLog { form: Some(Form::Json), file: None, shape: Shape::default(), sample: 1.0 }
    }
}

impl RequestLog {
    /// None at all.
    pub fn off() -> RequestLog {
        RequestLog { form: None, ..RequestLog::default() }
    }

    /// In this form, and otherwise as nobody has said anything.
    pub fn of(form: Form) -> RequestLog {
        RequestLog { form: Some(form), ..RequestLog::default() }
    }

    /// Opens what it is written to.
    ///
    /// # Errors
    /// The file cannot be opened for appending, or descriptors have run out. A pipe that nobody reads is such a file.
    pub fn open(&self) -> io::Result<Box<dyn Write + Send>> {
        let out = match &self.file {
            Some(path) if self.form.is_some() => file::open(path)?,
            _ => Standard::output()?,
        };
        Ok(Box::new(out))
    }

    /// What to do about an [`open`](Self::open) that failed.
    pub fn advice(error: &io::Error) -> &'static str {
        match error.kind() {
            io::ErrorKind::NotFound => "create the folder it is to be in, or change `log.file`",
            io::ErrorKind::PermissionDenied => {
                "let the user that runs ringgate write there, or change `log.file`"
            }
            io::ErrorKind::IsADirectory => "give `log.file` the path of a file in it",
            _ if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                "it is a pipe that nobody reads; start its reader first"
            }
            _ => "change `log.file`, or leave it out for standard output",
        }
    }

    /// What its output is called in messages.
    pub fn destination(&self) -> String {
        self.file
            .as_ref()
            .map_or_else(|| "standard output".to_owned(), |path| format!("`{}`", path.display()))
    }
}

/// The writer: a thread that ends when the last worker has.
pub(crate) fn start_writer(out: Box<dyn Write + Send>, workers: usize) -> io::Result<(Queue, Writer)> {
    outlet::start("log", out, workers * limits::LOG_BATCHES)
}

/// One worker's end of the log.
pub(crate) struct Log {
    settings: RequestLog,
    /// Hashes below it belong to requests that are logged, if not all are.
    sampled_below: Option<u64>,
    writer: Queue,
    orders: Arc<Orders>,
    counters: Arc<Counters>,
    batch: RefCell<Batch>,
    is_flushing: Cell<bool>,
}

struct Batch {
    text: Vec<u8>,
    /// How large the last one became: about as large as the next one.
    usual_bytes: usize,
    lines: u64,
    clock: Clock,
    screen: Screen,
}

impl Log {
    pub(crate) fn new(
        settings: RequestLog,
        writer: Queue,
        orders: Arc<Orders>,
        counters: Arc<Counters>,
    ) -> Rc<Log> {
        let sampled_below = (settings.sample < 1.0).then_some((settings.sample * u64::MAX as f64) as u64);
        let clock = Clock::new(settings.form.unwrap_or(Form::Text), now());
        let batch = Batch { text: Vec::new(), usual_bytes: 0, lines: 0, clock, screen: Screen::new(now()) };
        let is_flushing = Cell::new(false);
        Rc::new(Log {
            settings,
            sampled_below,
            writer,
            orders,
            counters,
            batch: RefCell::new(batch),
            is_flushing,
        })
    }

    /// Adds the line of a request that is over, if it has one. A path without a route is shown as far as the configuration that
    /// `held` is knows it.
    pub(crate) fn write(self: &Rc<Self>, record: &Record, client: &Client, finished: &Finished, held: &Held) {
        let Some(form) = self.settings.form else { return };
        let has_failed = record.cause.is_some() || record.status >= 500;
        let has_line = match self.orders.log_level() {
            LogLevel::All => has_failed || self.is_chosen(client.request_id()),
            LogLevel::Failures => has_failed,
            LogLevel::Off => false,
        };
        if !has_line {
            return;
        }
        let is_sampled = self.sampled_below.is_some() && !has_failed;
        let mut batch = self.batch.borrow_mut();
        batch.add(form, &self.settings.shape, facts(record, client, finished, held, is_sampled));
        if batch.text.len() >= limits::LOG_BATCH_BYTES {
            self.hand_over(&mut batch);
        } else if !self.is_flushing.replace(true) {
            spawn(flush(self.clone()));
        }
    }

    /// Whether a request is one of the sample: the same one wherever its id is logged.
    fn is_chosen(&self, request_id: &str) -> bool {
        self.sampled_below.is_none_or(|bound| xxh3_64(request_id.as_bytes()) < bound)
    }

    /// Whether lines are still on their way.
    pub(crate) fn is_flushing(&self) -> bool {
        self.is_flushing.get()
    }

    fn hand_over(&self, batch: &mut Batch) {
        if batch.text.is_empty() {
            return;
        }
        let text = std::mem::take(&mut batch.text);
        batch.usual_bytes = text.len();
        let lines = std::mem::take(&mut batch.lines);
        match self.writer.try_send(text) {
            Ok(()) => self.counters.log_lines.add(lines),
            Err(_) => self.counters.log_lines_dropped.add(lines),
        }
    }
}

impl Batch {
    /// Adds a line, unless it is a readable one and this second has had enough of them.
    fn add(&mut self, form: Form, shape: &Shape, facts: Facts<'_>) {
        let ended = facts.stages.since();
        if form == Form::Text {
            self.end_second(ended);
            if !self.screen.takes_one() {
                return;
            }
        }
        if self.text.capacity() == 0 {
            self.text.reserve(self.usual_bytes);
        }
        let facts = Facts { time: self.clock.time(ended), ..facts };
        logline::write(&mut self.text, form, shape, &facts);
        self.lines += 1;
    }

    fn end_second(&mut self, now: Instant) {
        self.lines += self.screen.end_second(now, &mut self.text);
    }
}

/// Hands over what there is every tick, until there is nothing more to say.
async fn flush(log: Rc<Log>) {
    loop {
        sleep(TICK).await;
        let mut batch = log.batch.borrow_mut();
        batch.end_second(now());
        log.hand_over(&mut batch);
        if !batch.screen.hides_any() {
            break;
        }
    }
    log.is_flushing.set(false);
}

/// What is known of a request but when that was by the clock on the wall.
pub(crate) fn facts<'a>(
    record: &'a Record,
    client: &'a Client,
    finished: &Finished,
    held: &'a Held,
    is_sampled: bool,
) -> Facts<'a> {
    let traffic = client.traffic(finished.body, finished.surplus.len());
    Facts {
        time: b"",
        request_id: client.request_id(),
        client: client.address(),
        user: record.caller.as_ref().map(|known| &*known.caller.user),
        head: (!client.head_bytes().is_empty()).then(|| (client.head(), client.head_bytes())),
        routes: &held.routes,
        route: record.lease.as_ref().map(|lease| &***lease),
        pool: record.lease.as_ref().map(|lease| &*lease.pool.name),
        server: record.server().map(|server| &*server.name),
        attempts: record.attempts,
        status: record.status,
        source: record.source.name(),
        cause: record.cause,
        bytes_sent: traffic.sent,
        body_bytes_sent: client.connection.sent().saturating_sub(record.body_from),
        bytes_received: traffic.received,
        stages: &record.stages,
        trace: record.recording.as_ref().map(Recording::trace_id),
        is_sampled,
    }
}
