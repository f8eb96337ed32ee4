//! How long an exchange may take, and each side of it.

use std::time::{Duration, Instant};

use ringgate_core::policy::Policy;
use ringgate_io::now;

/// What holds for one exchange: the policy of its route, and when it has to be over.
pub(crate) struct Terms<'a> {
    pub(crate) policy: &'a Policy,
    end: Option<Instant>,
}

impl<'a> Terms<'a> {
    /// Of an exchange whose request arrived at `started`.
    pub(crate) fn new(policy: &'a Policy, started: Instant) -> Terms<'a> {
        Terms { policy, end: policy.timeouts.total.map(|total| started + total) }
    }

    /// `timeout`, or what is left of the whole exchange if that is less.
    pub(crate) fn at_most(&self, timeout: Duration) -> Duration {
        at_most(self.end, timeout)
    }

    /// Whether the exchange has taken all its time.
    pub(crate) fn is_overdue(&self) -> bool {
        self.end.is_some_and(|end| now() >= end)
    }

    /// With the client.
    pub(crate) fn client(&self) -> Patience {
        Patience { rate: self.policy.client_rate, ..self.server() }
    }

    /// With the server.
    pub(crate) fn server(&self) -> Patience {
        Patience { stall: self.policy.timeouts.stall, rate: 0, end: self.end }
    }
}

/// Patience with one side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// How long it may do nothing.
    pub(crate) stall: Duration,
    /// Bytes a second it has to keep up, on average over `stall`; 0 for any.
    pub(crate) rate: u64,
    end: Option<Instant>,
}

impl Patience {
    /// That of an end which has little to do.
    pub(crate) fn of(stall: Duration) -> Patience {
        Patience { stall, rate: 0, end: None }
    }

    /// How long it may do nothing from now on.
    pub(crate) fn left(&self) -> Duration {
        self.at_most(self.stall)
    }

    /// `timeout`, or what is left of the whole exchange if that is less.
    pub(crate) fn at_most(&self, timeout: Duration) -> Duration {
        at_most(self.end, timeout)
    }

    /// Whether `bytes` are too few for `time`.
    pub(crate) fn is_tried_by(&self, bytes: usize, time: Duration) -> bool {
        bytes == 0 || (bytes as f64) < self.rate as f64 * time.as_secs_f64()
    }

    /// The time that `bytes` are worth.
    pub(crate) fn earned_by(&self, bytes: usize) -> Duration {
        match self.rate {
            0 => self.stall,
            rate => Duration::from_secs_f64(bytes as f64 / rate as f64),
        }
    }
}

fn at_most(end: Option<Instant>, timeout: Duration) -> Duration {
    end.map_or(timeout, |end| timeout.min(end.saturating_duration_since(now())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_at_all_tries_any_patience_and_a_trickle_that_with_a_rate() {
        let (any, paced) = (
            Patience::of(Duration::from_secs(10)),
            Patience { rate: 100, ..Patience::of(Duration::from_secs(10)) },
        );
        assert!(any.is_tried_by(0, any.stall) && !any.is_tried_by(1, any.stall));
        assert!(paced.is_tried_by(999, paced.stall) && !paced.is_tried_by(1000, paced.stall));
    }

    #[test]
    fn the_whole_exchange_bounds_each_of_its_steps() {
        let mut policy = Policy::default();
        policy.timeouts.total = Some(Duration::from_secs(2));
        let terms = Terms::new(&policy, now());
        assert!(terms.at_most(Duration::from_secs(1)) == Duration::from_secs(1) && !terms.is_overdue());
        assert!(terms.client().left() <= Duration::from_secs(2));
        let late = Terms::new(&policy, now() - Duration::from_secs(3));
        assert!(late.is_overdue() && late.server().left().is_zero());
    }
}
