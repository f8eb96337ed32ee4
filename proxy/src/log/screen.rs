//! How many readable lines a screen can show: some of each second, and a word about the others.

use std::io::Write;
use std::time::Instant;

/// Readable lines a second and worker.
const LINES: u32 = 10;

/// What a screen has been shown of the current second.
pub(super) struct Screen {
    /// When it began.
    second: Instant,
    shown: u32,
    hidden: u64,
}

impl Screen {
    pub(super) fn new(now: Instant) -> Screen {
        Screen { second: now, shown: 0, hidden: 0 }
    }

    /// Whether there is room for one more line. It counts as shown then, and as left out otherwise.
    pub(super) fn takes_one(&mut self) -> bool {
        let has_room = self.shown < LINES;
        match has_room {
            true => self.shown += 1,
            false => self.hidden += 1,
        }
        has_room
    }

    /// Whether a line has been left out that nobody was told of.
    pub(super) fn hides_any(&self) -> bool {
        self.hidden > 0
    }

    /// Says what a second that is over has left out; returns the lines that takes.
    pub(super) fn end_second(&mut self, now: Instant, text: &mut Vec<u8>) -> u64 {
        if now.saturating_duration_since(self.second).as_secs() == 0 {
            return 0;
        }
        (self.second, self.shown) = (now, 0);
        match std::mem::take(&mut self.hidden) {
            0 => 0,
            hidden => {
                let written = writeln!(text, "    … and {hidden} more within a second");
                debug_assert!(written.is_ok(), "writing to memory does not fail");
                1
            }
        }
    }
}
