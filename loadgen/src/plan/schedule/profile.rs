//! How the rate goes: constant, in steps, in a ramp or as a sine, and when a position of the sequence is due under it.
//!
//! Owns: the inverse of the cumulative rate, in closed form: integers for steps, the quadratic formula for a ramp,
//! Newton's method on the closed-form integral for a sine. Nothing accumulates from request to request.
//! Assumes: positions in billionths of a request, so that dividing by requests per second gives nanoseconds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::spacing::REQUEST;
use crate::{Error, LONGEST};

/// Requests per second. No machine sends ten million; counting those that it could not would take longer than the run.
const RATE_LIMIT: u64 = 10_000_000;
/// Steps of a profile: a table by the second of a whole day.
const STEPS_BOUND: usize = 86_400;
/// The offset of what is never due.
pub(super) const NEVER_NS: u64 = u64::MAX;

/// How the rate of planned requests goes over a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile(Shape);

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    /// The last step does not end.
    Steps(Arc<[Step]>),
    /// From the first rate to the second, which holds afterwards.
    Ramp {
        from: u64,
        to: u64,
        length: Duration,
    },
    Sine {
        mean: u64,
        amplitude: u64,
        period: Duration,
    },
}

#[derive(Debug, Clone, PartialEq)]
struct Step {
    rate: u64,
    start_ns: u64,
    /// The position that is due when it starts.
    before: u128,
}

impl Profile {
    /// The same rate always, in requests per second.
    ///
    /// # Errors
    /// A rate of zero, or above ten million.
    pub fn constant(rate: u64) -> Result<Profile, Error> {
        check_rates(&[rate])?;
        Ok(Profile(Shape::Steps(Arc::new([Step { rate, start_ns: 0, before: 0 }]))))
    }

    /// From one rate to another in a straight line over `length`; the second holds afterwards. One of them may be 0.
    ///
    /// # Errors
    /// Both rates are 0, one is above ten million, or `length` is nothing or above 30 days.
    pub fn ramp(from: u64, to: u64, length: Duration) -> Result<Profile, Error> {
        check_rates(&[from, to])?;
        check_length(length)?;
        Ok(Profile(Shape::Ramp { from, to, length }))
    }

    /// Rates one after the other, each for its time; the last one holds afterwards. A rate of 0 is a pause.
    ///
    /// # Errors
    /// There are no steps or too many, all rates are 0, one is above ten million, or a time is nothing or
    /// above 30 days.
    pub fn steps(steps: &[(u64, Duration)]) -> Result<Profile, Error> {
        let rates: Vec<u64> = steps.iter().map(|(rate, _)| *rate).collect();
        check_rates(&rates)?;
        if steps.len() > STEPS_BOUND {
            return refuse(format!("{} steps are too many, {STEPS_BOUND} the most", steps.len()));
        }
        let (mut start_ns, mut before) = (0_u64, 0);
        let mut table = Vec::with_capacity(steps.len());
        for &(rate, length) in steps {
            check_length(length)?;
            table.push(Step { rate, start_ns, before });
            start_ns = start_ns.saturating_add(length.as_nanos() as u64);
            before += u128::from(rate) * length.as_nanos();
        }
        Ok(Profile(Shape::Steps(table.into())))
    }

    /// A rate that swings around `mean` by `amplitude` with this period; it begins at the mean and rises.
    ///
    /// # Errors
    /// The mean is 0, the swing larger than the mean, both together more than ten million, or the period
    /// nothing or above 30 days.
    pub fn sine(mean: u64, amplitude: u64, period: Duration) -> Result<Profile, Error> {
        check_rates(&[mean, mean.saturating_add(amplitude)])?;
        check_length(period)?;
        if amplitude > mean {
            return refuse(format!(
                "a rate of {mean} cannot swing by {amplitude}: it would be negative; choose an amplitude up to the mean"
            ));
        }
        Ok(Profile(Shape::Sine { mean, amplitude, period }))
    }

    /// Whether offsets are found in integers, and so never run backwards by a rounding.
    pub(super) fn is_exact(&self) -> bool {
        matches!(self.0, Shape::Steps(_))
    }

    /// Whether the rate is the same all along.
    pub(super) fn is_level(&self) -> bool {
        matches!(&self.0, Shape::Steps(steps) if steps.len() == 1)
    }

    /// When `position` is due, in nanoseconds after the start: rounded down in steps, else to the nearest.
    pub(super) fn offset_ns(&self, position: u128) -> u64 {
        match &self.0 {
            Shape::Steps(steps) => in_steps(steps, position),
            Shape::Ramp { from, to, length } => in_ramp(*from, *to, *length, position),
            Shape::Sine { mean, amplitude, period } => in_sine(*mean, *amplitude, *period, position),
        }
    }
}

fn in_steps(steps: &[Step], position: u128) -> u64 {
    let Some(step) = steps[..steps.partition_point(|step| step.before <= position)].last() else { return 0 };
    after(step.start_ns, position - step.before, step.rate)
}

/// The end of `position` more at a rate that holds from `start_ns` on.
fn after(start_ns: u64, position: u128, rate: u64) -> u64 {
    let wait = position.checked_div(u128::from(rate)).and_then(|wait_ns| u64::try_from(wait_ns).ok());
    start_ns.saturating_add(wait.unwrap_or(NEVER_NS))
}

/// The cumulative rate is `from * t + slope * t^2 / 2`; of the two forms of the quadratic formula this one cancels nothing.
fn in_ramp(from: u64, to: u64, length: Duration, position: u128) -> u64 {
    let whole = (u128::from(from) + u128::from(to)) * length.as_nanos() / 2;
    if position >= whole {
        return after(length.as_nanos() as u64, position - whole, to);
    }
    if position == 0 {
        return 0;
    }
    let requests = position as f64 / REQUEST as f64;
    let slope = (to as f64 - from as f64) / length.as_secs_f64();
    let root = (from as f64 * from as f64 + 2.0 * slope * requests).max(0.0).sqrt();
    nanoseconds(2.0 * requests / (from as f64 + root))
}

/// Whole periods are split off in integers; within one, Newton's method is kept inside a bracket that always shrinks.
fn in_sine(mean: u64, amplitude: u64, period: Duration, position: u128) -> u64 {
    let in_a_period = u128::from(mean) * period.as_nanos();
    let Ok(periods) = u64::try_from(position / in_a_period) else { return NEVER_NS };
    let requests = (position % in_a_period) as f64 / REQUEST as f64;
    let (mean, amplitude) = (mean as f64, amplitude as f64);
    let turn = std::f64::consts::TAU / period.as_secs_f64();
    let cumulative = |t: f64| mean * t + amplitude / turn * (1.0 - (turn * t).cos());
    let rate = |t: f64| mean + amplitude * (turn * t).sin();
    let within = solve(period.as_secs_f64(), |t| (cumulative(t) - requests, rate(t)));
    periods.saturating_mul(period.as_nanos() as u64).saturating_add(nanoseconds(within))
}

/// Seconds below which a root is exact to the nanosecond.
const PRECISION: f64 = 1e-11;
/// Halving 30 days 60 times is less than that; Newton's method needs some five rounds.
const ROUNDS: u32 = 64;

/// The root in `[0, end]` of a rising function, of which value and slope are given.
fn solve(end: f64, function: impl Fn(f64) -> (f64, f64)) -> f64 {
    let (mut low, mut high, mut at) = (0.0, end, end / 2.0);
    for _ in 0..ROUNDS {
        let (value, slope) = function(at);
        if value > 0.0 {
            high = at;
        } else {
            low = at;
        }
        let newton = at - value / slope;
        let next = if (low..=high).contains(&newton) { newton } else { low.midpoint(high) };
        if (next - at).abs() < PRECISION {
            return next;
        }
        at = next;
    }
    at
}

fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

fn check_rates(rates: &[u64]) -> Result<(), Error> {
    let peak = rates.iter().copied().max().unwrap_or(0);
    if (1..=RATE_LIMIT).contains(&peak) {
        return Ok(());
    }
    refuse(format!("the rate must lie between 1 and {RATE_LIMIT} requests per second, not {peak}"))
}

fn check_length(length: Duration) -> Result<(), Error> {
    if !length.is_zero() && length <= LONGEST {
        return Ok(());
    }
    refuse(format!("a part of a rate's profile lasts more than nothing and at most 30 days, not {length:?}"))
}

fn refuse<T>(reason: String) -> Result<T, Error> {
    Err(Error::Plan(reason))
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Shape::Steps(steps) => match &steps[..] {
                [Step { rate, .. }] => write!(f, "{rate} requests/s"),
                steps => {
                    let rates: Vec<String> = steps.iter().map(|step| step.rate.to_string()).collect();
                    write!(f, "{} requests/s in steps", rates.join(", "))
                }
            },
            Shape::Ramp { from, to, length } => write!(f, "{from} to {to} requests/s over {length:?}"),
            Shape::Sine { mean, amplitude, period } => {
                write!(f, "{mean} requests/s, swinging by {amplitude} every {period:?}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn offsets(profile: &Profile, numbers: &[u64]) -> Vec<u64> {
        numbers.iter().map(|&number| profile.offset_ns(u128::from(number) * REQUEST)).collect()
    }

    #[test]
    fn a_ramp_from_nothing_has_its_requests_at_square_roots() {
        // 0 to 200/s over a second: 100 t^2 = k.
        let ramp = Profile::ramp(0, 200, SECOND).unwrap();
        let roots = [0, 100_000_000, 141_421_356, 200_000_000, 500_000_000, 994_987_437];
        assert_eq!(offsets(&ramp, &[0, 1, 2, 4, 25, 99]), roots);
        assert_eq!(offsets(&ramp, &[100, 300]), [1_000_000_000, 2_000_000_000], "the end's rate holds");
    }

    #[test]
    fn a_ramp_down_is_a_ramp_up_seen_from_its_end() {
        let down = Profile::ramp(200, 0, SECOND).unwrap();
        assert_eq!(offsets(&down, &[0, 75, 96, 99]), [0, 500_000_000, 800_000_000, 900_000_000]);
        assert_eq!(offsets(&down, &[100, 101]), [NEVER_NS; 2], "at a rate of nothing, nothing is due");
    }

    #[test]
    fn a_ramp_between_equal_rates_is_a_constant_rate() {
        let ramp = Profile::ramp(1000, 1000, SECOND).unwrap();
        assert_eq!(offsets(&ramp, &[0, 1, 999, 1000]), [0, 1_000_000, 999_000_000, 1_000_000_000]);
    }

    #[test]
    fn steps_follow_each_other_to_the_nanosecond() {
        let steps = [(3, SECOND), (0, 2 * SECOND), (7, SECOND)];
        let profile = Profile::steps(&steps).unwrap();
        let expected = [0, 333_333_333, 666_666_666, 3_000_000_000, 3_142_857_142, 4_000_000_000];
        assert_eq!(offsets(&profile, &[0, 1, 2, 3, 4, 10]), expected);
    }

    #[test]
    fn steps_that_break_off_between_two_requests_carry_the_fraction_over() {
        // Half a request is due when the first step ends; the other half takes 100 ms at 5/s.
        let profile = Profile::steps(&[(1, SECOND / 2), (5, SECOND)]).unwrap();
        assert_eq!(offsets(&profile, &[0, 1, 2]), [0, 600_000_000, 800_000_000]);
    }

    #[test]
    fn a_last_step_of_nothing_is_the_end() {
        let profile = Profile::steps(&[(2, SECOND), (0, SECOND)]).unwrap();
        assert_eq!(offsets(&profile, &[0, 1, 2]), [0, 500_000_000, NEVER_NS]);
    }

    #[test]
    fn a_sine_is_inverted_to_the_nanosecond() {
        let sine = Profile::sine(1000, 1000, 10 * SECOND).unwrap();
        // In whole periods the swing cancels; in half a period 2 * 1000 / turn more come than the mean alone brings.
        assert_eq!(offsets(&sine, &[0, 10_000, 70_000]), [0, 10_000_000_000, 70_000_000_000]);
        let turn = std::f64::consts::TAU / 10.0;
        for number in (1..10_000).step_by(7) {
            let at = sine.offset_ns(number * REQUEST) as f64 / 1e9;
            let exact = |t: f64| 1000.0 * t + 1000.0 / turn * (1.0 - (turn * t).cos());
            let (below, above) = (exact(at - 1e-9), exact(at + 1e-9));
            let number = number as f64;
            assert!(below - 1e-9 <= number && number <= above + 1e-9, "{number}: {below} to {above}");
        }
    }

    #[test]
    fn a_sine_without_swing_is_a_constant_rate() {
        let flat = Profile::sine(1000, 0, 10 * SECOND).unwrap();
        assert_eq!(offsets(&flat, &[1, 10_001, 123_456]), [1_000_000, 10_001_000_000, 123_456_000_000]);
    }

    #[test]
    fn profiles_that_plan_nothing_or_too_much_are_refused() {
        for (profile, reason) in [
            (Profile::constant(0), "between 1"),
            (Profile::constant(RATE_LIMIT + 1), "between 1"),
            (Profile::ramp(0, 0, SECOND), "between 1"),
            (Profile::ramp(1, 2, Duration::ZERO), "more than nothing"),
            (Profile::ramp(1, 2, Duration::MAX), "30 days"),
            (Profile::steps(&[]), "between 1"),
            (Profile::steps(&[(0, SECOND)]), "between 1"),
            (Profile::steps(&[(1, Duration::ZERO)]), "more than nothing"),
            (Profile::steps(&vec![(1, SECOND); STEPS_BOUND + 1]), "too many"),
            (Profile::sine(10, 11, SECOND), "negative"),
            (Profile::sine(0, 0, SECOND), "between 1"),
            (Profile::sine(10, 10, Duration::ZERO), "more than nothing"),
        ] {
            let error = profile.unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
