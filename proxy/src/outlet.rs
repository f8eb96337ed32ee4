//! A way out for lines of text: a queue that nobody waits at, and a thread that may take as long as its output does.
//!
//! Owns: writing lines whole or not at all, and the account of what became of them.
//! Assumes: a write can last for ever, as on a pipe that nobody reads. So nobody joins the thread: it is given some time to
//! finish, and is left behind.

use std::io::{self, Write};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use rustix::io::Errno;

use crate::counters::Counter;

/// Texts on their way to a writer: whole lines, each with its end.
pub(crate) type Queue = SyncSender<Vec<u8>>;

/// Starts a thread that writes what comes over the queue, which holds up to `bound` texts. It ends with the last handle of
/// the queue.
pub(crate) fn start(name: &str, out: Box<dyn Write + Send>, bound: usize) -> io::Result<(Queue, Writer)> {
    let (queue, texts): (Queue, Receiver<Vec<u8>>) = sync_channel(bound);
    let (running, ended) = channel();
    let account = Arc::new(Account::default());
    let replacement = Replacement::default();
    let next = replacement.clone();
    let mut lines = Lines { out, next, account: account.clone(), is_torn: false };
    let write = move || {
        texts.iter().for_each(|text| lines.write(&text));
        drop(running);
    };
    Builder::new().name(name.to_owned()).spawn(write)?;
    Ok((queue, Writer { account, replacement, ended }))
}

/// The writing end, seen from outside.
pub(crate) struct Writer {
    account: Arc<Account>,
    replacement: Replacement,
    /// Never says anything; its other end goes with the thread.
    ended: Receiver<std::convert::Infallible>,
}

impl Writer {
    /// What has become of the lines so far.
    pub(crate) fn account(&self) -> Arc<Account> {
        self.account.clone()
    }

    /// The way to have it write somewhere else.
    pub(crate) fn replacement(&self) -> Replacement {
        self.replacement.clone()
    }

    /// Waits until everything is written and the thread has ended, which needs all handles of the queue to be gone. Whether
    /// that was so within `patience`; else the thread goes on for as long as the process does.
    pub(crate) fn finish(&self, patience: Duration) -> bool {
        self.ended.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected)
    }
}

/// Something else to write to, for when the writer comes to its next text. It is handed over open, so that nobody but who
/// opens it waits for that.
#[derive(Clone, Default)]
pub(crate) struct Replacement(Arc<Mutex<Option<Box<dyn Write + Send>>>>);

impl Replacement {
    pub(crate) fn replace(&self, out: Box<dyn Write + Send>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(out);
    }

    fn take(&self) -> Option<Box<dyn Write + Send>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What has become of lines.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Lines that were written.
    pub(crate) written: Counter,
    /// Lines that could not be written.
    pub(crate) failed: Counter,
    last_error: AtomicI32,
}

impl Account {
    /// Why lines could not be written the last time.
    pub(crate) fn last_error(&self) -> io::Error {
        io::Error::from_raw_os_error(self.last_error.load(Ordering::Relaxed))
    }
}

/// Lines on their way into something that can fail in the middle of one.
struct Lines {
    out: Box<dyn Write + Send>,
    next: Replacement,
    account: Arc<Account>,
    /// Whether the last thing written is the first part of a line.
    is_torn: bool,
}

impl Lines {
    /// Writes as many of the lines as can be written. What fails is not tried again: it would keep the others waiting.
    fn write(&mut self, text: &[u8]) {
        let mut rest = text;
        if let Err(error) = self.push(&mut rest) {
            let code = error.raw_os_error().unwrap_or(Errno::IO.raw_os_error());
            self.account.last_error.store(code, Ordering::Relaxed);
            self.account.failed.add(count(rest));
        }
        self.account.written.add(count(&text[..text.len() - rest.len()]));
    }

    fn push(&mut self, rest: &mut &[u8]) -> io::Result<()> {
        if let Some(out) = self.next.take() {
            (self.out, self.is_torn) = (out, false);
        }
        if self.is_torn {
            self.out.write_all(b"\n")?; // so that the remains of one line spoil no other
            self.is_torn = false;
        }
        while !rest.is_empty() {
            match self.out.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.is_torn = !rest[..written].ends_with(b"\n");
                    *rest = &rest[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.flush()
    }
}

fn count(text: &[u8]) -> u64 {
    text.iter().filter(|&&byte| byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Takes so many bytes, then fails as a full disk does, once; then takes everything.
    #[derive(Clone)]
    struct Disk {
        room: Arc<Mutex<Option<usize>>>,
        holds: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut room = self.room.lock().unwrap();
            let fitting = room.map_or(bytes.len(), |room| room.min(bytes.len()));
            if fitting == 0 {
                *room = None;
                return Err(io::ErrorKind::StorageFull.into());
            }
            *room = room.map(|room| room - fitting);
            self.holds.lock().unwrap().extend(&bytes[..fitting]);
            Ok(fitting)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn write(room: usize, texts: &[&str]) -> (String, u64, u64) {
        let disk = Disk { room: Arc::new(Mutex::new(Some(room))), holds: Arc::default() };
        let (queue, writer) = start("test", Box::new(disk.clone()), texts.len()).unwrap();
        texts.iter().for_each(|text| queue.try_send(text.as_bytes().to_vec()).unwrap());
        drop(queue);
        assert!(writer.finish(PATIENCE));
        let text = String::from_utf8(disk.holds.lock().unwrap().clone()).unwrap();
        (text, writer.account().written.get(), writer.account().failed.get())
    }

    #[test]
    fn what_is_written_and_what_is_lost_is_counted_by_the_line() {
        assert_eq!(write(100, &["one\ntwo\n", "three\n"]), ("one\ntwo\nthree\n".into(), 3, 0));
        assert_eq!(write(4, &["one\ntwo\n", "three\n"]), ("one\nthree\n".into(), 2, 1));
    }

    #[test]
    fn a_line_that_follows_a_torn_one_begins_on_its_own() {
        assert_eq!(write(6, &["one\ntwo\nfour\n", "three\n"]), ("one\ntw\nthree\n".into(), 2, 2));
        assert_eq!(write(7, &["one\ntwo\n", "three\n"]), ("one\ntwo\nthree\n".into(), 2, 1));
    }

    #[test]
    fn what_comes_after_a_replacement_goes_there_and_begins_on_its_own() {
        let disk = |room| Disk { room: Arc::new(Mutex::new(room)), holds: Arc::default() };
        let (first, second) = (disk(Some(6)), disk(None));
        let (queue, writer) = start("test", Box::new(first.clone()), 2).unwrap();
        queue.try_send(b"one\ntorn\n".to_vec()).unwrap();
        while writer.account().failed.get() == 0 {
            thread::yield_now();
        }
        writer.replacement().replace(Box::new(second.clone()));
        queue.try_send(b"two\n".to_vec()).unwrap();
        drop(queue);
        assert!(writer.finish(PATIENCE));
        let text = |disk: Disk| String::from_utf8(disk.holds.lock().unwrap().clone()).unwrap();
        assert_eq!((text(first), text(second)), ("one\nto".into(), "two\n".into()));
    }

    #[test]
    fn a_writer_that_is_stuck_is_left_behind() {
        struct Stuck(Receiver<()>);
        impl Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (release, stuck) = channel();
        let (queue, writer) = start("test", Box::new(Stuck(stuck)), 1).unwrap();
        queue.send(b"line\n".to_vec()).unwrap();
        drop(queue);
        assert!(!writer.finish(Duration::from_millis(20)));
        drop(release);
        assert!(writer.finish(PATIENCE));
        assert_eq!(writer.account().written.get(), 1);
    }
}
