//! What happened between two looks at a run: handed from each thread to the one that watches, and back to be filled again.
//!
//! Owns: the division of a run into beats of equal length, and that every measured answer is in exactly one of them.
//! Assumes: a thread ends its beat at its first look after the beat's end; looks are at most 10 ms apart, so an answer
//! may be told one beat early by that much, and never twice. What comes in during the drain belongs to the last beat.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::plan::STOP_CHECK;
use crate::record::census::Outcome;
use crate::record::recorder::{add, histogram};

/// Beats of a short run; a longer one has one a second.
const BEATS: u32 = 20;
const LONGEST: Duration = Duration::from_secs(1);
/// Two looks.
const SHORTEST: Duration = STOP_CHECK.saturating_mul(2);

/// How long a beat is in a run of `length`.
pub(crate) fn beat_length(length: Duration) -> Duration {
    (length / BEATS).clamp(SHORTEST, LONGEST)
}

/// One thread's beat, or the sum of all threads'.
#[derive(Debug, Clone)]
pub(crate) struct Beat {
    pub(crate) answered: u64,
    pub(crate) failed: u64,
    pub(crate) late: u64,
    pub(crate) response: Histogram<u64>,
}

impl Beat {
    pub(crate) fn new() -> Beat {
        Beat { answered: 0, failed: 0, late: 0, response: histogram() }
    }

    pub(crate) fn answered(&mut self, response_ns: u64, outcome: Outcome) {
        self.answered += 1;
        self.failed += u64::from(outcome != Outcome::Ok);
        self.response.saturating_record(response_ns);
    }

    pub(crate) fn unanswered(&mut self, outcome: Outcome) {
        self.failed += u64::from(outcome != Outcome::Censored);
    }

    pub(crate) fn merge(&mut self, other: &Beat) {
        self.answered += other.answered;
        self.failed += other.failed;
        self.late += other.late;
        add(&mut self.response, &other.response);
    }

    fn clear(&mut self) {
        (self.answered, self.failed, self.late) = (0, 0, 0);
        self.response.reset();
    }
}

/// What a thread tells.
enum Told {
    Began,
    Beat { thread: usize, beat: Beat, is_last: bool },
    Ended,
}

/// What the watcher of a run learns.
pub(crate) enum Event {
    /// The measured part has begun.
    Began,
    /// The next beat of the whole run.
    Beat(Beat),
    /// The measured part has ended, for all threads; the last beat is still to come.
    Ended,
}

/// A thread's end of the hand-over. Nobody may be watching any more; the record is complete without it.
pub(crate) struct Reporter {
    thread: usize,
    filled: Sender<Told>,
    empty: Receiver<Beat>,
}

impl Reporter {
    /// The measured part begins. The first thread speaks for all: they begin together.
    pub(crate) fn began(&self) {
        if self.thread == 0 {
            let _ = self.filled.send(Told::Began);
        }
    }

    /// The measured part has ended for this thread.
    pub(crate) fn ended(&self) {
        let _ = self.filled.send(Told::Ended);
    }

    /// Gives `beat` away.
    pub(crate) fn report(&self, beat: Beat, is_last: bool) {
        let _ = self.filled.send(Told::Beat { thread: self.thread, beat, is_last });
    }

    /// An empty beat: one that came back if there is one.
    pub(crate) fn fresh(&self) -> Beat {
        self.empty.try_recv().unwrap_or_else(|_| Beat::new())
    }
}

/// The watching end: beats of all threads, in order, added up.
pub(crate) struct Beats {
    filled: Receiver<Told>,
    empties: Vec<Sender<Beat>>,
    parts: Vec<Part>,
    /// Threads whose measured part goes on.
    measuring: usize,
}

/// What one thread has told and was not passed on.
#[derive(Default)]
struct Part {
    waiting: VecDeque<Beat>,
    has_ended: bool,
}

/// The ends of the hand-over for `threads` threads.
pub(crate) fn beats(threads: usize) -> (Vec<Reporter>, Beats) {
    let (filled, received) = std::sync::mpsc::channel();
    let (empties, reporters) = (0..threads)
        .map(|thread| {
            let (give_back, empty) = std::sync::mpsc::channel();
            (give_back, Reporter { thread, filled: filled.clone(), empty })
        })
        .unzip();
    let parts = (0..threads).map(|_| Part::default()).collect();
    (reporters, Beats { filled: received, empties, parts, measuring: threads })
}

impl Beats {
    /// What comes next: a beat once every thread that has not ended has told its part; nothing when all have ended.
    pub(crate) fn next(&mut self) -> Option<Event> {
        while self.parts.iter().any(|part| part.waiting.is_empty() && !part.has_ended) {
            match self.filled.recv() {
                Ok(Told::Began) => return Some(Event::Began),
                Ok(Told::Ended) => {
                    self.measuring -= 1;
                    if self.measuring == 0 {
                        return Some(Event::Ended);
                    }
                }
                Ok(Told::Beat { thread, beat, is_last }) => {
                    self.parts[thread].waiting.push_back(beat);
                    self.parts[thread].has_ended = is_last;
                }
                Err(_) => self.parts.iter_mut().for_each(|part| part.has_ended = true), // a thread failed
            }
        }
        self.take().map(Event::Beat)
    }

    fn take(&mut self) -> Option<Beat> {
        let mut sum = None::<Beat>;
        for (part, empty) in self.parts.iter_mut().zip(&self.empties) {
            let Some(mut beat) = part.waiting.pop_front() else { continue };
            sum.get_or_insert_with(Beat::new).merge(&beat);
            beat.clear();
            let _ = empty.send(beat); // a thread that has ended needs no more
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(answers: u64) -> Beat {
        let mut beat = Beat::new();
        (0..answers).for_each(|_| beat.answered(1000, Outcome::Ok));
        beat
    }

    fn next(beats: &mut Beats) -> Beat {
        match beats.next() {
            Some(Event::Beat(beat)) => beat,
            _ => panic!("no beat"),
        }
    }

    #[test]
    fn a_beat_is_told_when_every_thread_has_told_its_part() {
        let (reporters, mut beats) = beats(2);
        reporters[0].report(beat(1), false);
        reporters[0].report(beat(2), false);
        reporters[1].report(beat(10), false);
        reporters[1].report(beat(20), false);
        drop(reporters);
        assert_eq!([next(&mut beats), next(&mut beats)].map(|beat| beat.answered), [11, 22]);
        assert!(beats.next().is_none());
    }

    #[test]
    fn a_thread_that_has_ended_is_not_waited_for() {
        let (reporters, mut beats) = beats(2);
        reporters[0].report(beat(1), true);
        reporters[1].report(beat(10), false);
        reporters[1].report(beat(20), true);
        assert_eq!([next(&mut beats), next(&mut beats)].map(|beat| beat.answered), [11, 20]);
        assert!(beats.next().is_none());
    }

    #[test]
    fn the_measured_part_has_ended_when_every_thread_s_has() {
        let (reporters, mut beats) = beats(2);
        reporters.iter().for_each(Reporter::began);
        assert!(matches!(beats.next(), Some(Event::Began)));
        reporters[0].ended();
        reporters[0].report(beat(1), true);
        reporters[1].report(beat(10), false);
        assert_eq!(next(&mut beats).answered, 11, "one thread still measures");
        reporters[1].ended();
        reporters[1].report(beat(20), true);
        assert!(matches!(beats.next(), Some(Event::Ended)));
        assert_eq!(next(&mut beats).answered, 20);
        assert!(beats.next().is_none());
    }

    #[test]
    fn a_beat_comes_back_empty() {
        let (reporters, mut beats) = beats(1);
        reporters[0].report(beat(3), false);
        assert_eq!(next(&mut beats).answered, 3);
        let fresh = reporters[0].fresh();
        assert_eq!((fresh.answered, fresh.failed, fresh.response.len()), (0, 0, 0));
    }

    #[test]
    fn a_run_has_twenty_beats_or_one_a_second() {
        let lengths = [1, 10, 20, 600].map(|seconds| beat_length(Duration::from_secs(seconds)));
        assert_eq!(lengths, [50, 500, 1000, 1000].map(Duration::from_millis));
        assert_eq!(beat_length(Duration::from_millis(100)), SHORTEST);
    }
}
