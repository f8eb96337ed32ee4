//! The program: a mock server on the command line, for benchmarks and demonstrations. Does not record.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;
use ringgate_io::Rung;
use ringmock::{File, Kind, Mock, Options, Route, order};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EXAMPLES: &str = "\
Examples:
  ringmock --kind post --listen 127.0.0.1:9001
      a post server: 200 at and below /api/v1/posts, 405 elsewhere
  ringmock --kind user --name user-2 --listen 127.0.0.1:9002
      a user server that calls itself user-2
  ringmock --body-bytes 128 --core 1
      for benchmarks: the same 128 bytes for every path, on one pinned core
  ringmock --order 'latency=lognormal(5ms,40ms)' --order '/pay status=200:95,503:5; latency=fifo(2ms)'
      standing orders for every path, and others for /pay and what is below it
  ringmock --config mock.toml --admin
      the same from a file ([[routes]] prefix = \"/pay\" status = {200 = 95, 503 = 5}), and to be changed while it runs:
  curl -X PUT 'http://127.0.0.1:9001/__behaviour?prefix=/pay' -d 'fault=none:99,reset_body:1'
      GET shows what is ordered, DELETE takes it back
  curl 'http://127.0.0.1:9001/list?status=503&delay_ms=20'
  curl -H 'x-mock: status=503; latency=uniform(1ms,5ms)' http://127.0.0.1:9001/list
      the orders of one request
  ringmock --truth 100000
      keeps when each of the last requests came and its answer left: curl http://127.0.0.1:9001/__truth
  ringmock --orders
      all that can be ordered

Exit codes:
  0    ended by SIGINT or SIGTERM
  1    could not start: address in use, driver not permitted
  2    the command line makes no sense
  130  ended at once by a second signal";

/// Of a second signal, as shells tell it.
const INTERRUPTED: i32 = 130;

/// A mock server behind the gateway: answers fast, names itself, does what requests ask of it.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// Which paths it knows: post, user, any
    #[arg(long, default_value_t = Kind::Any)]
    kind: Kind,
    /// What it calls itself in x-served-by [default: the kind, and -1]
    #[arg(long)]
    name: Option<String>,
    /// Where it listens; port 0 picks a free port
    #[arg(long, default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
    /// Answer every plain request with this many bytes, made ready in advance [default: a text that names the path]
    #[arg(long)]
    body_bytes: Option<usize>,
    /// Threads, each with a listener of its own
    #[arg(long, default_value_t = 1, value_parser = workers)]
    workers: usize,
    /// Pin the first thread to this core, the others to the following ones
    #[arg(long)]
    core: Option<usize>,
    /// Standing orders: `name=value; name=value` for every path, or behind a prefix for what is below it; repeatable
    #[arg(long, value_name = "[PREFIX ]ORDERS", value_parser = Route::parse)]
    order: Vec<Route>,
    /// A TOML file with more of them; --order and --seed win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What all chance is drawn from: the same seed, the same decisions [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// Let anybody who can reach it change its orders while it runs, by /__behaviour
    #[arg(long)]
    admin: bool,
    /// Keep the instants of the last N exchanges, for /__truth
    #[arg(long, value_name = "N", default_value_t = 0)]
    truth: usize,
    /// Tell the instants of each exchange in its answer, by x-mock-instants
    #[arg(long)]
    instants: bool,
    /// Explain all orders, and do nothing else
    #[arg(long)]
    orders: bool,
    /// How to do IO: io_uring-defer, io_uring-coop, io_uring, epoll [default: the best that works here]
    #[arg(long)]
    driver: Option<Rung>,
}

/// More threads than any machine this meets has cores.
const MAX_WORKERS: usize = 256;

fn workers(text: &str) -> Result<usize, String> {
    let workers = text.parse().ok().filter(|workers| (1..=MAX_WORKERS).contains(workers));
    workers.ok_or_else(|| format!("give a whole number from 1 to {MAX_WORKERS}"))
}

impl Arguments {
    fn options(&self) -> io::Result<Options> {
        let File { seed, mut routes } = self.config.as_deref().map_or(Ok(File::default()), File::read)?;
        routes.extend(self.order.iter().cloned());
        Ok(Options {
            kind: self.kind,
            name: self.name.clone().unwrap_or_else(|| format!("{}-1", self.kind)),
            listen: self.listen,
            record: false,
            body_bytes: self.body_bytes,
            driver: self.driver,
            core: self.core,
            routes,
            seed: self.seed.or(seed).unwrap_or(0),
            admin: self.admin,
            truth: self.truth,
            instants: self.instants,
        })
    }
}

fn main() -> ExitCode {
    match serve(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringmock: {error}");
            ExitCode::from(if error.kind() == io::ErrorKind::InvalidInput { 2 } else { 1 })
        }
    }
}

fn serve(arguments: &Arguments) -> io::Result<()> {
    if arguments.orders {
        return io::stdout().write_all(order::TABLE.as_bytes());
    }
    end_at_second_signal()?;
    let mut signals = Signals::new([SIGINT, SIGTERM])?; // before the ready line: whoever reads it may signal at once
    let options = arguments.options()?;
    let mocks = Mock::start_workers(&options, arguments.workers)?;
    announce(&options, &mocks)?;
    signals.forever().next();
    Ok(())
}

/// Within the signal's handler, whatever the threads are doing.
fn end_at_second_signal() -> io::Result<()> {
    let is_first_heard = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, INTERRUPTED, is_first_heard.clone())?;
        flag::register(signal, is_first_heard.clone())?;
    }
    Ok(())
}

/// One line, so that a script can wait for it and read the address.
fn announce(options: &Options, mocks: &[Mock]) -> io::Result<()> {
    let [mock, ..] = mocks else { return Ok(()) };
    let (name, address, driver) = (&options.name, mock.address(), mock.driver());
    let mut output = io::stdout().lock();
    writeln!(output, "{name} ({}) on http://{address}, {driver}, {} worker(s)", options.kind, mocks.len())?;
    output.flush()
}
