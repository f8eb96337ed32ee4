//! The request log: a line for each request, collected by the worker and written by a thread of its own.
//!
//! Owns: what a line says, and the way to the writer (`outlet`): batches over a bounded channel, which never waits. When
//! the writer is behind, lines are dropped and counted.
//! Refuses: query strings, fields, credentials. A path is logged in its normal form, which needs no escaping.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use ringgate_io::{TICK, now, sleep, spawn, wall};

use crate::client::Client;
use crate::counters::Counters;
use crate::limits;
use crate::outlet::{self, Queue, Writer};
use crate::record::Record;

/// How requests are logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RequestLog {
    /// Not at all.
    Off,
    /// A JSON object a line.
    #[default]
    Json,
    /// For people: a readable line, and only so many a second as a screen can show.
    Text,
}

/// Readable lines a second and worker.
const TEXT_LINES: u32 = 10;

/// The writer: a thread that ends when the last worker has.
pub(crate) fn start_writer(out: Box<dyn Write + Send>, workers: usize) -> std::io::Result<(Queue, Writer)> {
    outlet::start("log", out, workers * limits::LOG_BATCHES)
}

/// One worker's end of the log.
pub(crate) struct Log {
    kind: RequestLog,
    writer: Queue,
    counters: Arc<Counters>,
    batch: RefCell<Batch>,
    is_flushing: Cell<bool>,
}

struct Batch {
    text: Vec<u8>,
    lines: u64,
    /// Of the current second: when it began, readable lines shown in it and lines left out.
    second: Instant,
    shown: u32,
    hidden: u64,
}

impl Log {
    pub(crate) fn new(kind: RequestLog, writer: Queue, counters: Arc<Counters>) -> Rc<Log> {
        let batch = Batch { text: Vec::new(), lines: 0, second: now(), shown: 0, hidden: 0 };
        Rc::new(Log { kind, writer, counters, batch: RefCell::new(batch), is_flushing: Cell::new(false) })
    }

    /// Adds the line of a request that is over.
    pub(crate) fn write(self: &Rc<Self>, record: &Record<'_>, client: &Client) {
        if self.kind == RequestLog::Off {
            return;
        }
        let line = Line { record, client };
        let mut batch = self.batch.borrow_mut();
        let written = match self.kind {
            RequestLog::Text => batch.sample(&line),
            _ => batch.add(&Json(&line)),
        };
        debug_assert!(written.is_ok(), "writing to memory does not fail");
        if batch.text.len() >= limits::LOG_BATCH_BYTES {
            self.hand_over(&mut batch);
        } else if !self.is_flushing.replace(true) {
            spawn(flush(self.clone()));
        }
    }

    /// Whether lines are still on their way.
    pub(crate) fn is_flushing(&self) -> bool {
        self.is_flushing.get()
    }

    fn hand_over(&self, batch: &mut Batch) {
        let text = std::mem::take(&mut batch.text);
        let lines = std::mem::take(&mut batch.lines);
        if text.is_empty() {
            return;
        }
        match self.writer.try_send(text) {
            Ok(()) => self.counters.log_lines.add(lines),
            Err(_) => self.counters.log_lines_dropped.add(lines),
        }
    }
}

/// Hands over what there is every tick, until there is nothing more to say.
async fn flush(log: Rc<Log>) {
    loop {
        sleep(TICK).await;
        let mut batch = log.batch.borrow_mut();
        batch.end_second(now());
        log.hand_over(&mut batch);
        if batch.hidden == 0 {
            break;
        }
    }
    log.is_flushing.set(false);
}

impl Batch {
    fn add(&mut self, line: &dyn fmt::Display) -> std::io::Result<()> {
        self.lines += 1;
        writeln!(self.text, "{line}")
    }

    /// A readable line, unless this second has had enough of them.
    fn sample(&mut self, line: &Line<'_>) -> std::io::Result<()> {
        self.end_second(line.record.stages.since());
        if self.shown == TEXT_LINES {
            self.hidden += 1;
            return Ok(());
        }
        self.shown += 1;
        self.add(&Text(line))
    }

    /// Says what a second that is over has left out.
    fn end_second(&mut self, now: Instant) {
        if now.saturating_duration_since(self.second).as_secs() == 0 {
            return;
        }
        (self.second, self.shown) = (now, 0);
        match std::mem::take(&mut self.hidden) {
            0 => {}
            hidden => {
                let written = self.add(&format_args!("    … and {hidden} more within a second"));
                debug_assert!(written.is_ok(), "writing to memory does not fail");
            }
        }
    }
}

struct Line<'a> {
    record: &'a Record<'a>,
    client: &'a Client,
}

impl Line<'_> {
    /// Method and path; a head that could not be read has neither.
    fn request(&self) -> (&str, &str) {
        match self.client.method() {
            None => ("-", "-"),
            Some(method) => (method.name(), self.client.head().path(self.client.head_bytes())),
        }
    }

    fn seconds(&self) -> f64 {
        self.record.stages.duration().as_secs_f64()
    }
}

/// A line for machines. No value in it can hold a quote, a backslash or a control character: methods are tokens, paths
/// are in normal form, ids are checked, names are checked where they are configured.
struct Json<'a>(&'a Line<'a>);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { record, client, .. } = self.0;
        let (method, path) = self.0.request();
        write!(
            f,
            "{{\"time\":\"{}\",\"request_id\":\"{}\",\"client\":\"{}\",\"method\":\"{method}\",\"path\":\"{path}\"",
            humantime::format_rfc3339_millis(wall()),
            client.request_id(),
            client.address(),
        )?;
        if let (Some(route), Some(pool)) = (record.route, record.pool()) {
            write!(f, ",\"route\":\"{}\",\"pool\":\"{}\"", route.name, pool.name)?;
        }
        if let Some(server) = record.server {
            write!(f, ",\"server\":\"{}\"", server.name)?;
        }
        if let Some(cause) = record.cause {
            write!(f, ",\"cause\":\"{}\"", cause.code())?;
        }
        let (status, source) = (record.status, record.source.name());
        write!(f, ",\"status\":{status},\"source\":\"{source}\",\"duration_s\":{:.6}}}", self.0.seconds())
    }
}

/// A line for people.
struct Text<'a>(&'a Line<'a>);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.0.record;
        let (method, path) = self.0.request();
        write!(f, "{} {method} {path}", record.status)?;
        match (record.route, record.pool()) {
            (Some(route), Some(pool)) => write!(f, "  route {} -> {}", route.name, pool.name)?,
            _ => write!(f, "  no route takes it")?,
        }
        if let Some(server) = record.server {
            write!(f, " at {}", server.name)?;
        }
        write!(f, "  answered by the {}", record.source.name())?;
        if let Some(cause) = record.cause {
            write!(f, " ({})", cause.code())?;
        }
        write!(f, "  {:.3} ms", self.0.seconds() * 1e3)
    }
}
