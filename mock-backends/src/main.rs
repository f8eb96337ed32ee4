//! The program: a mock server on the command line, for benchmarks and demonstrations. Does not record.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use ringgate_io::Rung;
use ringmock::{Kind, Mock, Options};
use signal_hook::consts::{SIGINT, SIGTERM};
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
  curl 'http://127.0.0.1:9001/api/v1/posts?status=503&delay_ms=20'
      a request may ask: status, bytes, echo, chunked, delay_ms, close

Exit codes:
  0  ended by SIGINT or SIGTERM
  1  could not start: address in use, driver not permitted
  2  the command line makes no sense";

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
    fn options(&self) -> Options {
        Options {
            kind: self.kind,
            name: self.name.clone().unwrap_or_else(|| format!("{}-1", self.kind)),
            listen: self.listen,
            record: false,
            body_bytes: self.body_bytes,
            driver: self.driver,
            core: self.core,
        }
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
    let mut signals = Signals::new([SIGINT, SIGTERM])?; // before the ready line: whoever reads it may signal at once
    let options = arguments.options();
    let mocks = Mock::start_workers(&options, arguments.workers)?;
    announce(&options, &mocks)?;
    signals.forever().next();
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
