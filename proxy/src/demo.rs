//! The demonstration: `ringgate` without arguments. Mock servers, the gateway in front of them and three seconds of load,
//! all in this process; then it stays up to be tried.

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ringgate_io::Rung;
use ringload::{Load, Plan, Report, Schedule, Stop, Target};
use ringmock::{Kind, Mock, Options};

use crate::config::{self, Config};
use crate::explain;
use crate::gateway::Gateway;
use crate::log::{Form, RequestLog};
use crate::operator::say;
use crate::outlet;
use crate::process;
use crate::standard::Standard;

/// The table, as its example file has it.
const TABLE: &str = include_str!("../examples/demo.toml");
/// The servers it names, and what stands in for each.
const SERVERS: [(&str, Kind, &str); 3] = [
    ("127.0.0.1:9001", Kind::Post, "post-1"),
    ("127.0.0.1:9002", Kind::Post, "post-2"),
    ("127.0.0.1:9003", Kind::User, "user-1"),
];
/// Where the gateway listens if nobody else does.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// Open loop at a rate that any machine carries: the percentiles show waiting, not saturation.
const LOAD_RATE: u64 = 4000;
const LOAD_DURATION: Duration = Duration::from_secs(3);
const LOAD_CONNECTIONS: usize = 32;
/// How long words wait for a screen that does not move: one can still read on, and a signal still ends it.
const GLANCE: Duration = Duration::from_secs(1);

/// How the demonstration may be varied.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Whether to load itself.
    pub load: bool,
    /// The driver; the best that works here if not said.
    pub driver: Option<Rung>,
    /// Workers; one per core if not said.
    pub workers: Option<usize>,
}

/// Why it ended badly.
#[derive(Debug)]
pub enum Failure {
    /// A socket, a thread or a driver.
    Io(io::Error),
    /// The load could not be run.
    Load(ringload::Error),
    /// The built-in table does not parse: a defect.
    Table(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Io(error) => write!(f, "the demonstration cannot run: {error}"),
            Failure::Load(error) => write!(f, "the demonstration cannot load itself: {error}; try --no-load"),
            Failure::Table(text) => f.write_str(text),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Io(error)
    }
}

/// Runs it until `stop` says something.
///
/// # Errors
/// Something it needs could not be had.
pub fn run(settings: Settings, stop: Receiver<()>) -> Result<(), Failure> {
    let mocks = start_mocks(settings.driver)?;
    let screen = Screen::default();
    let config = config(&mocks, settings)?;
    let table = explain::table(&config);
    let gateway = start_gateway(config, &mocks, settings, &screen)?;
    print(&Welcome { gateway: &gateway, table: &table, mocks: &mocks });
    let (ended, stop) = share(stop);
    if settings.load {
        print(&format_args!("\nLoading it for {} s …\n", LOAD_DURATION.as_secs()));
        print(&load(gateway.address(), settings.driver, &ended).map_err(Failure::Load)?);
    }
    if !ended.is_stopped() {
        print(&"\nServing. One line per request, as many as a screen can show; Ctrl-C ends it.");
    }
    screen.unmute();
    Ok(process::until_stopped(gateway, &stop)?)
}

fn start_mocks(driver: Option<Rung>) -> io::Result<Vec<Mock>> {
    let start = |(_, kind, name): (&str, Kind, &str)| {
        Mock::start(Options { kind, name: name.into(), record: false, driver, ..Options::default() })
    };
    SERVERS.into_iter().map(start).collect()
}

/// The table, with the mock servers in place of those it names.
fn config(mocks: &[Mock], settings: Settings) -> Result<Config, Failure> {
    let stand_in = |text: String, ((address, ..), mock): (&(&str, Kind, &str), &Mock)| {
        text.replace(address, &mock.address().to_string())
    };
    let text = SERVERS.iter().zip(mocks).fold(TABLE.to_string(), stand_in);
    let config = config::parse(&text, "demo.toml").map_err(|error| Failure::Table(error.to_string()))?;
    let (driver, workers) = (settings.driver.or(config.driver), settings.workers.or(config.workers));
    Ok(Config { listen: LISTEN, driver, workers, log: RequestLog::of(Form::Text), ..config })
}

/// On the usual port, or on any other if somebody has it.
fn start_gateway(
    first: Config,
    mocks: &[Mock],
    settings: Settings,
    screen: &Screen,
) -> Result<Gateway, Failure> {
    match Gateway::start(first, Box::new(screen.output()?)) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            say(&format!("{LISTEN} is in use; taking another port"));
            let second = Config { listen: SocketAddr::new(LISTEN.ip(), 0), ..config(mocks, settings)? };
            Ok(Gateway::start(second, Box::new(screen.output()?))?)
        }
        started => Ok(started?),
    }
}

/// Passes the end on to both who wait for it: the load and the server.
fn share(stop: Receiver<()>) -> (Stop, Receiver<()>) {
    let (load, (sender, receiver)) = (Stop::new(), channel());
    let ended = load.clone();
    std::thread::spawn(move || {
        let _ = stop.recv();
        ended.stop();
        let _ = sender.send(());
    });
    (load, receiver)
}

fn load(address: SocketAddr, driver: Option<Rung>, stop: &Stop) -> Result<Report, ringload::Error> {
    let targets = [
        Target::get(&format!("2@http://{address}/api/v1/posts/list"))?,
        Target::get(&format!("http://{address}/api/v1/users/profile"))?,
    ];
    let load = Load::Open { schedule: Schedule::constant(LOAD_RATE)? };
    let plan =
        Plan { duration: LOAD_DURATION, connections: LOAD_CONNECTIONS, driver, ..Plan::new(targets, load) };
    ringload::run_until(&plan, stop, &mut ())
}

/// The words at the start.
struct Welcome<'a> {
    gateway: &'a Gateway,
    table: &'a str,
    mocks: &'a [Mock],
}

impl fmt::Display for Welcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (gateway, at) = (self.gateway, self.gateway.address());
        for (driver, error) in gateway.passed_over() {
            writeln!(f, "driver {driver} does not work here: {error}")?;
        }
        writeln!(
            f,
            "Ringgate on http://{at}: driver {} on {} cores\n",
            gateway.driver(),
            gateway.counters().len()
        )?;
        for ((_, _, name), mock) in SERVERS.iter().zip(self.mocks) {
            writeln!(f, "  mock server {name} on {}", mock.address())?;
        }
        writeln!(f, "\n{}", self.table)?;
        writeln!(f, "Try it from another terminal:")?;
        writeln!(
            f,
            "  curl -i http://{at}/api/v1/posts/list                 # 200 from post-1, post-2, post-1 …"
        )?;
        writeln!(
            f,
            "  curl -i http://{at}/api/v1/orders                     # 404: the gateway has no such route"
        )?;
        writeln!(
            f,
            "  curl -i -X DELETE http://{at}/api/v1/users/profile    # 405 of the gateway: not this method"
        )?;
        write!(
            f,
            "  curl -i http://{at}/misrouted/posts                   # 405 of the server: routed to the wrong pool"
        )
    }
}

/// Shows it, and goes on if nobody looks.
fn print(text: &dyn fmt::Display) {
    if let Ok(output) = Standard::output() {
        let _ = write_within(GLANCE, Box::new(output), format!("{text}\n"));
    }
}

/// Standard output for the request log, silent until there is somebody to read it.
#[derive(Debug, Default)]
struct Screen {
    shows: Arc<AtomicBool>,
}

/// What is shown, if anything is.
struct Shown {
    shows: Arc<AtomicBool>,
    output: Standard,
}

impl Screen {
    fn output(&self) -> io::Result<Shown> {
        Ok(Shown { shows: self.shows.clone(), output: Standard::output()? })
    }

    fn unmute(&self) {
        self.shows.store(true, Ordering::Relaxed);
    }
}

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.shows.load(Ordering::Relaxed) { self.output.write(bytes) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Writes a text, which may be left behind unwritten after `patience`.
fn write_within(patience: Duration, out: Box<dyn Write + Send>, text: String) -> io::Result<()> {
    let (queue, writer) = outlet::start("words", out, 1)?;
    let _ = queue.try_send(text.into_bytes());
    drop(queue);
    writer.finish(patience);
    Ok(())
}
