//! One thread's run from opening to end: connect, find the instrument's floor, start with the others, warm up, measure,
//! drain, end.
//!
//! Owns: pacing. An open loop sleeps on a timer of its own until the next request is due, never by the runtime's clock
//! of milliseconds, and never by spinning: a thread that spins does not receive.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use ringgate_io::{Pacer, now, sleep};

use crate::engine::client::Client;
use crate::engine::stop::{LOOK, Place, Stop};
use crate::engine::worker::{Job, Worker};
use crate::plan::STOP_CHECK;
use crate::plan::load::Load;
use crate::plan::schedule::{Arrivals, Schedule};
use crate::record::beat::{Reporter, beat_length};
use crate::record::cpu::CpuTime;
use crate::record::recorder::{Recorder, histogram, nanoseconds};

/// Shortest sleep between two looks at the schedule. Below it a timer has passed before it is waited for, and on epoll the
/// loop would never get to receive; requests due within it leave together. It stays under the floor of most hosts.
const SHORTEST_SLEEP: Duration = Duration::from_micros(20);
/// Requests sent, or found to have to wait, before anybody else gets a turn: a schedule beyond what the machine can do would
/// never let the thread receive, or hear of a stop.
const ARRIVALS_BATCH: u32 = 1024;
/// Wake-ups of the pacer measured before an open loop, a millisecond apart: 50 ms.
const FLOOR_WAKES: u32 = 50;

/// What one thread brings home.
pub(crate) struct Tally {
    pub(crate) recorder: Recorder,
    pub(crate) effort: Effort,
    /// How late the pacer wakes when nothing else is to do.
    pub(crate) floor: Histogram<u64>,
}

/// What a thread spent on the measured part of its run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Effort {
    pub(crate) elapsed: Duration,
    /// With the time between the two readings, which is a little longer: one is taken before the first request, and the end of
    /// a run that is finished early is noticed some milliseconds later.
    pub(crate) cpu: Option<(CpuTime, Duration)>,
}

/// Does `job` on the calling thread's loop; nothing if another thread failed before the start.
pub(crate) async fn work(
    job: Job,
    place: Place<'_>,
    stop: &Stop,
    reporter: Reporter,
) -> io::Result<Option<Tally>> {
    let pacer = Pacer::new()?;
    let worker = Rc::new(Worker::new(job));
    Client::start_all(&worker);
    let shift = Shift {
        worker: worker.clone(),
        pacer,
        stop,
        reporter,
        beat_end: None,
        measured_end: None,
        woke: now(),
    };
    let played = shift.work(place).await;
    Ok(played?.map(|(effort, floor)| Tally { recorder: worker.recorder(), effort, floor }))
}

struct Shift<'a> {
    worker: Rc<Worker>,
    pacer: Pacer,
    stop: &'a Stop,
    reporter: Reporter,
    /// When the beat under way ends; nothing outside of the measured part.
    beat_end: Option<Instant>,
    measured_end: Option<Instant>,
    /// When it last woke.
    woke: Instant,
}

impl Shift<'_> {
    async fn work(mut self, place: Place<'_>) -> io::Result<Option<(Effort, Histogram<u64>)>> {
        while self.worker.opening.get() > 0 && !self.stop.is_stopped() {
            sleep(LOOK).await;
        }
        let floor = self.measure_floor().await?;
        let Some(start) = place.ready().await else {
            self.worker.end().await;
            return Ok(None);
        };
        let effort = self.play_all(start).await;
        self.worker.end().await;
        self.hand_over(true);
        Ok(Some((effort?, floor)))
    }

    async fn play_all(&mut self, start: Instant) -> io::Result<Effort> {
        self.warm_up(start).await?;
        let effort = self.measure(start + self.worker.job.plan.warmup).await?;
        self.drain().await?;
        Ok(effort)
    }

    async fn measure_floor(&mut self) -> io::Result<Histogram<u64>> {
        let mut floor = histogram();
        if let Load::Open { .. } = self.worker.job.plan.load {
            for _ in 0..FLOOR_WAKES {
                let due = now() + Duration::from_millis(1);
                self.pacer.until(due).await?;
                floor.saturating_record(nanoseconds(now().saturating_duration_since(due)));
            }
        }
        Ok(floor)
    }

    async fn warm_up(&mut self, start: Instant) -> io::Result<()> {
        let warmup = self.worker.job.plan.warmup;
        if warmup.is_zero() {
            return Ok(()); // a closed loop would send its first requests uncounted
        }
        self.pacer.until(start).await?;
        self.worker.dispatcher.borrow_mut().warm_up();
        self.play(start, warmup).await
    }

    async fn measure(&mut self, start: Instant) -> io::Result<Effort> {
        self.reporter.began(); // this and the accounts take half a millisecond: before the start, if there is time
        self.measured_end = Some(start + self.worker.job.plan.duration);
        self.begin_beat(start);
        let before = Reading::now();
        self.pacer.until(start).await?;
        self.woke = now();
        self.worker.dispatcher.borrow_mut().measure(start);
        self.play(start, self.worker.job.plan.duration).await?;
        let after = Reading::now();
        self.beat_end = None;
        self.reporter.ended();
        let closed = self.worker.close(now());
        let cpu = before.zip(after).map(|(before, after)| (after.cpu - before.cpu, after.at - before.at));
        Ok(Effort { elapsed: closed.saturating_duration_since(start), cpu })
    }

    /// The last beat is handed over at the very end, with what the drain brought.
    fn begin_beat(&mut self, start: Instant) {
        let end = start + beat_length(self.worker.job.plan.duration);
        self.beat_end = Some(end).filter(|&end| self.measured_end.is_some_and(|last| end < last));
    }

    /// Hands over the beats that have ended by `at`: an empty one, too, if the thread was away for so long.
    fn look(&mut self, at: Instant) {
        while let Some(end) = self.beat_end.filter(|&end| end <= at) {
            self.hand_over(false);
            self.begin_beat(end);
        }
    }

    fn hand_over(&self, is_last: bool) {
        let beat = self.worker.take_beat(self.reporter.fresh());
        self.reporter.report(beat, is_last);
    }

    /// Plays the load from `start` on for `length`, or until it is stopped or finished.
    async fn play(&mut self, start: Instant, length: Duration) -> io::Result<()> {
        let end = start + length;
        let plan = self.worker.job.plan.clone();
        match &plan.load {
            Load::Closed { .. } => self.worker.release_idle(),
            Load::Open { schedule } => self.pace(schedule, start, end).await?,
        }
        self.rest_until(end).await
    }

    /// Sends the requests of `[start, end)` when they are due; if stopped, those that were due by then.
    async fn pace(&mut self, schedule: &Schedule, start: Instant, end: Instant) -> io::Result<()> {
        let job = &self.worker.job;
        let mut arrivals = Arrivals::new(schedule, job.plan.seed, job.thread, job.plan.threads);
        loop {
            let due = start + arrivals.offset();
            if due >= end || self.stop.is_stopped() {
                break;
            }
            let at = now();
            self.look(at);
            let wake = due.clamp(at + SHORTEST_SLEEP, at + STOP_CHECK);
            self.sleep_until(wake).await?;
            self.send_due(&mut arrivals, start, wake, end);
        }
        let at = now();
        while self.send_due(&mut arrivals, start, at, end) {}
        Ok(())
    }

    /// Sends what is due at `at`, and by the time that takes: a batch of it. Whether more may be due.
    fn send_due(&self, arrivals: &mut Arrivals, start: Instant, mut at: Instant, end: Instant) -> bool {
        for _ in 0..ARRIVALS_BATCH {
            let due = start + arrivals.offset();
            if due > at || due >= end {
                return false;
            }
            at = self.worker.arrive(arrivals.take(), due).unwrap_or(at);
        }
        true
    }

    /// Sleeps, and remembers how much too long; and for how long it was awake before, which may have been a stop, too.
    async fn sleep_until(&mut self, wake: Instant) -> io::Result<()> {
        let awake = now().saturating_duration_since(self.woke);
        self.pacer.until(wake).await?;
        self.woke = now();
        let overslept = self.woke.saturating_duration_since(wake);
        self.worker.dispatcher.borrow_mut().was_away(overslept.max(awake));
        Ok(())
    }

    async fn rest_until(&mut self, end: Instant) -> io::Result<()> {
        loop {
            let at = now();
            self.look(at);
            if at >= end || self.stop.is_stopped() || self.worker.dispatcher.borrow().is_finished() {
                return Ok(());
            }
            self.sleep_until(end.min(at + STOP_CHECK)).await?;
        }
    }

    /// Waits for the answers under way.
    async fn drain(&mut self) -> io::Result<()> {
        let until = now() + self.worker.job.plan.drain;
        while self.worker.dispatcher.borrow().in_flight() > 0 && now() < until {
            self.sleep_until(now() + LOOK).await?;
        }
        Ok(())
    }
}

/// The thread's account at an instant.
struct Reading {
    cpu: CpuTime,
    at: Instant,
}

impl Reading {
    fn now() -> Option<Reading> {
        CpuTime::of_this_thread().map(|cpu| Reading { cpu, at: now() })
    }
}
