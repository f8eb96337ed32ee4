//! What is said to the operator: lines on standard error, which never keep anybody waiting, and what a panic may say there.
//!
//! Refuses: the message of a panic that was made while running. It may hold bytes of a request, and with them secrets.

use std::io::{self, Write};
use std::panic::{Location, PanicHookInfo};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::outlet::{self, Queue, Writer};
use crate::standard::Standard;

/// Lines on their way to standard error: more than anybody reads, and little memory when nobody does.
const QUEUED_LINES: usize = 256;
/// How long the end of the process waits for the last of them.
const FAREWELL: Duration = Duration::from_millis(500);

/// The way to standard error: there from the first line said until [`farewell`].
static OUTLET: Mutex<Option<(Queue, Writer)>> = Mutex::new(None);

/// Says something to the operator. It may be lost if nobody reads what was said before.
pub fn say(text: &str) {
    let mut outlet = OUTLET.lock().unwrap_or_else(PoisonError::into_inner);
    if outlet.is_none() {
        *outlet = open().ok();
    }
    let text = format!("{text}\n");
    let _ = match &*outlet {
        Some((queue, _)) => queue.try_send(text.into_bytes()).map_err(io::Error::other),
        None => io::stderr().write_all(text.as_bytes()), // there are no threads left: this is the end anyway
    };
}

/// Waits, but not for long, until everything is said.
pub fn farewell() {
    let outlet = OUTLET.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((queue, writer)) = outlet {
        drop(queue);
        writer.finish(FAREWELL);
    }
}

/// Has panics, of whatever thread, reported by [`say`]: the usual report waits for standard error, and shows everything.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| say(&describe(panic))));
}

fn open() -> io::Result<(Queue, Writer)> {
    outlet::start("operator", Box::new(Standard::error()?), QUEUED_LINES)
}

/// Where it was; what it was only if that stands in the program, word for word.
fn describe(panic: &PanicHookInfo<'_>) -> String {
    let message = panic.payload().downcast_ref::<&'static str>();
    let message = message.unwrap_or(&"(its message is not shown: it may hold bytes of a request)");
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), Location::to_string);
    let thread = thread::current();
    format!("error: panic of thread {} at {place}: {message}", thread.name().unwrap_or("without a name"))
}

#[cfg(test)]
mod tests {
    use std::panic::{resume_unwind, set_hook, take_hook};
    use std::sync::mpsc::channel;

    use super::*;

    /// What is said of a panic on a thread of that name. Panics of other tests, which may run meanwhile, stay theirs.
    fn reports_of(name: &'static str, panics: impl FnOnce() + Send + 'static) -> Vec<String> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let (sender, reports) = channel();
        let usual = std::sync::Arc::new(take_hook());
        let others = usual.clone();
        set_hook(Box::new(move |panic| match thread::current().name() == Some(name) {
            true => sender.send(describe(panic)).unwrap(),
            false => others(panic),
        }));
        let ended = thread::Builder::new().name(name.to_owned()).spawn(panics).unwrap().join();
        set_hook(Box::new(move |panic| usual(panic))); // drops ours, and the sender with it
        assert!(ended.is_err(), "it panics");
        reports.iter().collect()
    }

    #[test]
    fn a_panic_tells_its_thread_and_place_and_no_bytes_of_a_request() {
        let request = String::from("GET /?token=secret-ü HTTP/1.1");
        let reports = reports_of("worker-7", move || {
            let _ = request[..request.find('ü').unwrap() + 1].len();
        });
        let [report] = &*reports else { panic!("{reports:?}") };
        assert!(report.contains("panic of thread worker-7 at proxy/src/operator.rs:"), "{report}");
        assert!(!report.contains("secret"), "{report}");
        let shown = String::from("token=secret");
        assert!(!reports_of("worker-8", move || panic!("{shown}"))[0].contains("secret"));
    }

    #[test]
    fn a_message_that_stands_in_the_program_is_told() {
        assert!(reports_of("worker-9", || panic!("no such thing"))[0].ends_with(": no such thing"));
    }

    #[test]
    fn a_panic_that_is_passed_on_is_told_once() {
        let twice = || {
            let caught = std::panic::catch_unwind(|| panic!("once")).unwrap_err();
            resume_unwind(caught);
        };
        assert_eq!(reports_of("worker-10", twice).len(), 1);
    }
}
