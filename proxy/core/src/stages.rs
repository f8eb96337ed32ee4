//! Where the time of a request went: the one list of stages, and the laps that a request takes through them.
//!
//! Owns: the names by which logs and metrics call the stages, and their account. Every instant between the first byte of a
//! head and the end of its answer belongs to exactly one stage, so the stages add up to the duration.
//! Assumes: whoever enters a stage has read the clock just then. A request on a kept connection reads it four times: head
//! here, server found, answer here, answer sent.

use std::time::{Duration, Instant};

/// A stage of a request, in the order in which they come. A request that is refused ends in the stage that refused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From the accept to the first byte: of the first request on a connection only. It comes before the request, and is no
    /// part of its duration: browsers connect ahead of time.
    Accept,
    /// From the first byte of the head to its last.
    Head,
    /// What the gateway has to decide: which route, who may, how often.
    Policy,
    /// Waiting for a place among the connections to a server.
    Queue,
    /// Connecting to it.
    Connect,
    /// From there to the end of the head of its final answer; sending the request is part of it.
    FirstByte,
    /// From there to the last byte handed over to the client.
    Transfer,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Stage; 7] = [
        Stage::Accept,
        Stage::Head,
        Stage::Policy,
        Stage::Queue,
        Stage::Connect,
        Stage::FirstByte,
        Stage::Transfer,
    ];

    /// What logs and metrics call it.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Accept => "accept",
            Stage::Head => "head",
            Stage::Policy => "policy",
            Stage::Queue => "queue",
            Stage::Connect => "connect",
            Stage::FirstByte => "first_byte",
            Stage::Transfer => "transfer",
        }
    }
}

/// The account of one request.
#[derive(Debug, Clone)]
pub struct Stages {
    /// When the first byte of the head came.
    began: Instant,
    current: Stage,
    /// When the current one was entered.
    since: Instant,
    spent: [Duration; Stage::ALL.len()],
}

impl Stages {
    /// Of a request whose head is here, well or badly, `now`. It came in pieces from `began` on, or at once; `accepted` is
    /// said for the first request of a connection.
    pub fn begin(accepted: Option<Instant>, began: Option<Instant>, now: Instant) -> Stages {
        let began = began.unwrap_or(now);
        let since = accepted.unwrap_or(began);
        let mut stages = Stages { began, current: Stage::Accept, since, spent: Default::default() };
        stages.enter(Stage::Head, began);
        stages.enter(Stage::Policy, now);
        stages
    }

    /// The current stage is over; the next one begins. One that is entered again, as by another attempt, goes on.
    pub fn enter(&mut self, next: Stage, now: Instant) {
        self.end(now);
        self.current = next;
    }

    /// The next one begins where the current one did, which had nothing to do.
    pub fn skip_to(&mut self, next: Stage) {
        self.current = next;
    }

    /// The request is over, or as far as this.
    pub fn end(&mut self, now: Instant) {
        self.spent[self.current as usize] += now.saturating_duration_since(self.since);
        self.since = now;
    }

    /// Time spent in a stage so far, over all attempts.
    pub fn spent(&self, stage: Stage) -> Duration {
        self.spent[stage as usize]
    }

    /// All stages and the time spent in each.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, Duration)> {
        Stage::ALL.iter().copied().zip(self.spent.iter().copied())
    }

    /// From the first byte of the head to the end: the sum of all stages but [`Stage::Accept`].
    pub fn duration(&self) -> Duration {
        self.since.saturating_duration_since(self.began)
    }

    /// When the last one ended, or the current one began.
    pub fn since(&self) -> Instant {
        self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn stages_stand_in_their_order_and_have_names_of_their_own() {
        for (index, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(stage as usize, index);
            assert!(Stage::ALL[..index].iter().all(|earlier| earlier.name() != stage.name()));
        }
    }

    #[test]
    fn every_instant_belongs_to_one_stage_whatever_was_retried() {
        let accepted = Instant::now();
        let (began, read) = (accepted + 100 * MS, accepted + 103 * MS);
        let mut stages = Stages::begin(Some(accepted), Some(began), read);
        let mut now = read;
        for next in
            [Stage::Queue, Stage::Connect, Stage::Queue, Stage::Connect, Stage::FirstByte, Stage::Transfer]
        {
            now += 2 * MS;
            stages.enter(next, now);
        }
        now += 5 * MS;
        stages.end(now);
        let spent = stages.iter().map(|(_, spent)| spent.as_millis()).collect::<Vec<_>>();
        assert_eq!(spent, [100, 3, 2, 4, 4, 2, 5]);
        let parts: Duration = stages.iter().skip(1).map(|(_, spent)| spent).sum();
        assert_eq!((stages.duration(), parts), (now - began, now - began));
    }

    #[test]
    fn a_head_that_comes_at_once_takes_no_time_and_a_stage_that_is_skipped_none() {
        let now = Instant::now();
        let mut stages = Stages::begin(None, None, now);
        stages.enter(Stage::Queue, now + MS);
        stages.skip_to(Stage::FirstByte);
        stages.end(now + 3 * MS);
        let spent = Stage::ALL.map(|stage| stages.spent(stage).as_millis());
        assert_eq!(spent, [0, 0, 1, 0, 0, 2, 0]);
    }
}
