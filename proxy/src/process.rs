//! The process around a gateway: signals, descriptors, the words at start and end, and what goes wrong in between.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::control::systemd;
use crate::counters::Counters;
use crate::gateway::Gateway;
use crate::log::Reopener;
use crate::operator::say;

/// How often troubles are looked for: soon enough for a person, rare enough for a log.
const WATCH: Duration = Duration::from_secs(1);
/// Descriptors below which a gateway can hardly work; each proxied connection takes two.
const FEW_DESCRIPTORS: u64 = 1024;

/// Takes SIGINT and SIGTERM over: each arrives as a message; the second one, sent by somebody who cannot wait, ends the
/// process at once. Also the end that those messages come from, for others who may stop the gateway.
///
/// # Errors
/// The handlers could not be installed.
pub fn signals() -> io::Result<(Sender<()>, Receiver<()>)> {
    for order in [SIGHUP, SIGUSR2] {
        // Their default is the end of the process: one that comes before the control plane listens shall do nothing.
        signal_hook::flag::register(order, Arc::default())?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let (stop, receiver) = channel();
    let sender = stop.clone();
    let forward = move || {
        for (count, _) in signals.forever().enumerate() {
            if count > 0 || sender.send(()).is_err() {
                std::process::exit(130);
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(forward)?;
    Ok((stop, receiver))
}

/// Takes SIGUSR1 over, which a program that rotates logs sends; what it asks for is done once [`reopen_log_on`] has begun.
///
/// # Errors
/// The handler could not be installed.
pub fn rotations() -> io::Result<Signals> {
    Signals::new([SIGUSR1])
}

/// Opens the request log anew whenever it has been rotated.
///
/// # Errors
/// Threads have run out.
pub fn reopen_log_on(mut rotations: Signals, log: Reopener) -> io::Result<()> {
    let reopen = move || rotations.forever().for_each(|_| log.reopen());
    std::thread::Builder::new().name("rotations".into()).spawn(reopen).map(drop)
}

/// Raises the soft limit of open files to the hard one; says so if even that is little.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = setrlimit(Resource::Nofile, raised); // where it is not allowed, the old limit holds
    if let Some(count) = getrlimit(Resource::Nofile).current.filter(|&count| count < FEW_DESCRIPTORS) {
        say(&format!(
            "warning: only {count} open files are allowed, enough for {} requests at once",
            count / 2
        ));
        say("         raise the limit: `ulimit -n 65536`, or LimitNOFILE=65536 in the service's unit");
    }
}

/// Says what runs where.
pub fn announce(gateway: &Gateway) {
    for (driver, error) in gateway.passed_over() {
        say(&format!("driver {driver} does not work here: {error}"));
    }
    if let Some(asked) = gateway.asked_connections().filter(|&asked| asked > gateway.most_connections()) {
        let most = gateway.most_connections();
        say(&format!(
            "warning: descriptors allow {most} connections, not the {asked} of `limits.connections`; raise LimitNOFILE to {}",
            2 * asked + 1024
        ));
    }
    let workers = gateway.counters().len();
    let plural = if workers == 1 { "" } else { "s" };
    say(&format!(
        "listening on http://{}, {workers} worker{plural} on {}",
        gateway.address(),
        gateway.driver()
    ));
}

/// Serves until `stop` says something, reporting troubles as they come, then drains.
///
/// # Errors
/// A worker had failed.
pub fn until_stopped(mut gateway: Gateway, stop: &Receiver<()>) -> io::Result<()> {
    let (known, watched) = watch(&gateway, stop);
    systemd::stopping();
    say("draining: no new connections, requests in flight are finished (again Ctrl-C to end at once)");
    let ended = gateway.stop().and(watched);
    known.report_growth(&gateway);
    report_unwritten(&gateway);
    for (index, counters) in gateway.counters().enumerate() {
        let (answered, connections) = (counters.answered.get(), counters.connections.get());
        say(&format!("worker {index}: {answered} requests answered on {connections} connections"));
    }
    ended
}

/// Until `stop` says something or a worker is lost. Also what has been reported by then.
fn watch(gateway: &Gateway, stop: &Receiver<()>) -> (Troubles, io::Result<()>) {
    let mut known = Troubles::default();
    while stop.recv_timeout(WATCH) == Err(RecvTimeoutError::Timeout) {
        known = known.report_growth(gateway);
        if gateway.has_lost_a_worker() {
            return (known, Err(io::Error::other("a worker ended by itself")));
        }
    }
    (known, Ok(()))
}

/// Says what the log writer has not come to, after a stop.
fn report_unwritten(gateway: &Gateway) {
    let handed_over: u64 = gateway.counters().map(|counters| counters.log_lines.get()).sum();
    let log = gateway.log_account();
    let unwritten = handed_over.saturating_sub(log.written.get() + log.failed.get());
    if unwritten > 0 {
        let log = gateway.log_destination();
        say(&format!("warning: {unwritten} request log lines are lost: {log} took them too slowly"));
    }
}

/// What an operator has to know of, as counts over all workers.
#[derive(Debug, Default, Clone, Copy)]
struct Troubles {
    accept_failures: u64,
    full: u64,
    panics: u64,
    log_lines_dropped: u64,
    log_lines_failed: u64,
}

impl Troubles {
    fn of(gateway: &Gateway) -> Troubles {
        let sum = |count: fn(&Counters) -> u64| gateway.counters().map(count).sum();
        Troubles {
            accept_failures: sum(|counters| counters.accept_failures.get()),
            full: sum(|counters| counters.full.get()),
            panics: sum(|counters| counters.panics.get()),
            log_lines_dropped: sum(|counters| counters.log_lines_dropped.get()),
            log_lines_failed: gateway.log_account().failed.get(),
        }
    }

    /// What there is now, having said what has grown.
    fn report_growth(self, gateway: &Gateway) -> Troubles {
        let now = Troubles::of(gateway);
        let log = gateway.log_destination();
        let unwritable = unwritable(&gateway.log_account().last_error(), &log);
        let dropped = format!("request log lines were dropped: {log} takes them too slowly");
        for (before, now, what) in [
            (
                self.accept_failures,
                now.accept_failures,
                "times no connection could be accepted: descriptors or memory have run out; raise LimitNOFILE",
            ),
            (
                self.full,
                now.full,
                "times there were as many connections as there may be; raise LimitNOFILE, and `limits.connections` if it is set",
            ),
            (
                self.panics,
                now.panics,
                "connections were lost to a defect of the gateway; please report the panic above",
            ),
            (self.log_lines_dropped, now.log_lines_dropped, &dropped),
            (self.log_lines_failed, now.log_lines_failed, &unwritable),
        ] {
            if now > before {
                say(&format!("warning: {} {what}", now - before));
            }
        }
        now
    }
}

/// That log lines could not be written, why, and what to do about it.
fn unwritable(error: &io::Error, log: &str) -> String {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room, and the log goes on",
        io::ErrorKind::BrokenPipe => {
            "whoever read them has ended; start them again, and a gateway that wrote to them directly"
        }
        _ => "look where they go",
    };
    format!("request log lines could not be written to {log}: {error}; {advice}")
}
