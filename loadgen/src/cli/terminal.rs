//! What every command has of the terminal: standard output, on which a reader may leave, and the signals that end a run.

use std::fmt::Display;
use std::io::{self, Write};
use std::thread;

use ringload::Stop;
use ringload::compare::kill_all;
use serde::Serialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Exit;

/// Prints what was found, as one JSON object or for people.
pub(super) fn print<T: Serialize + Display>(found: &T, as_json: bool) -> io::Result<()> {
    if as_json { print_json(found) } else { print_text(&found.to_string()) }
}

/// Prints one JSON object on a line.
pub(super) fn print_json<T: Serialize>(found: &T) -> io::Result<()> {
    print_text(&(serde_json::to_string(found)? + "\n"))
}

/// Prints a text. A reader that has seen enough is not an error: the exit code is that of what was found.
pub(super) fn print_text(text: &str) -> io::Result<()> {
    let mut output = io::stdout();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Prints a line on the way to the answer; who does not read it misses nothing but the way.
pub(super) fn print_line(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Says something on standard error, if anybody listens.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A handle that the first signal stops: the run ends with a report. The second one ends the process, and all that it has
/// started. A terminal that is closed (SIGHUP) asks for the same as Ctrl-C does, unless the run was started by `nohup`.
pub(super) fn stop_on_signal() -> io::Result<Stop> {
    let stop = Stop::new();
    let hangup = if ignores_hangups() { None } else { Some(SIGHUP) };
    let (mut signals, handle) = (Signals::new([SIGINT, SIGTERM].into_iter().chain(hangup))?, stop.clone());
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for _ in signals.forever() {
            if handle.is_stopped() {
                kill_all();
                std::process::exit(Exit::Interrupted.code().into());
            }
            handle.stop();
        }
    })?;
    Ok(stop)
}

/// Whether whoever started this process had it ignore SIGHUP: a mask in hexadecimal, of which it is the first bit.
fn ignores_hangups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}
