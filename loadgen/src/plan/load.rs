//! How requests arise, and the words by which a command line or a scenario says so.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::{Error, Profile, Schedule, Spacing, duration};

/// How requests arise.
#[derive(Debug, Clone, PartialEq)]
pub enum Load {
    /// Each connection sends its next request when the answer to the last one has come: as much as the server takes.
    /// Such a run shows what the server can do, not what callers wait: they would not have stopped asking.
    Closed {
        /// The run ends when so many requests are settled, if not by its duration before.
        requests: Option<u64>,
    },
    /// Requests are due when the schedule says so, whatever has come back.
    Open {
        /// When that is.
        schedule: Schedule,
    },
}

impl Load {
    /// Whether it asks for the same from beginning to end.
    pub(crate) fn is_level(&self) -> bool {
        match self {
            Load::Closed { .. } => true,
            Load::Open { schedule } => schedule.is_level(),
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Load::Closed { .. } => f.write_str("closed loop"),
            Load::Open { schedule } => write!(f, "open loop at {schedule}"),
        }
    }
}

/// What is said about the load, each part in the words of the command line. A closed loop is what nothing at all asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadWords {
    /// A constant rate, requests per second.
    pub rate: Option<u64>,
    /// `FROM..TO`, requests per second, over the run.
    pub ramp: Option<String>,
    /// `RATExTIME,RATExTIME`: one rate after the other; they decide how long the run is.
    pub steps: Option<String>,
    /// `MEAN,AMPLITUDE,PERIOD`.
    pub sine: Option<String>,
    /// A file of planned instants; it decides how long the run is.
    pub trace: Option<PathBuf>,
    /// The law of the gaps; constant if not said.
    pub spacing: Option<Spacing>,
    /// Closed loop: the end of the run.
    pub requests: Option<u64>,
}

/// How long a run is that has no other end.
const DURATION: Duration = Duration::from_secs(10);

impl LoadWords {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == LoadWords::default()
    }

    /// These words, and where they say nothing about the rate those of `under`. A law of the gaps alone goes with the rate
    /// that is there.
    pub fn or(self, under: LoadWords) -> LoadWords {
        match self {
            words if words.is_empty() => under,
            LoadWords {
                spacing,
                rate: None,
                ramp: None,
                steps: None,
                sine: None,
                trace: None,
                requests: None,
            } => LoadWords { spacing, ..under },
            words => words,
        }
    }

    /// The load, and how long it lasts if `duration` does not say.
    ///
    /// # Errors
    /// The words contradict each other, or one of them cannot be read; with what to do.
    pub fn load(&self, duration: Option<Duration>) -> Result<(Load, Duration), Error> {
        self.check(duration)?;
        if let Some(path) = &self.trace {
            let schedule = Schedule::trace(path)?;
            let whole = schedule.length().unwrap_or(DURATION);
            return Ok((Load::Open { schedule }, duration.unwrap_or(whole)));
        }
        let Some((profile, duration)) = self.profile(duration)? else {
            let duration =
                duration.unwrap_or(if self.requests.is_some() { crate::LONGEST } else { DURATION });
            return Ok((Load::Closed { requests: self.requests }, duration));
        };
        let spacing = self.spacing.unwrap_or(Spacing::Constant);
        Ok((Load::Open { schedule: Schedule::new(profile, spacing) }, duration))
    }

    fn profile(&self, duration: Option<Duration>) -> Result<Option<(Profile, Duration)>, Error> {
        let length = duration.unwrap_or(DURATION);
        Ok(Some(match self {
            LoadWords { rate: Some(rate), .. } => (Profile::constant(*rate)?, length),
            LoadWords { ramp: Some(text), .. } => (ramp(text, length)?, length),
            LoadWords { sine: Some(text), .. } => (sine(text)?, length),
            LoadWords { steps: Some(text), .. } => steps(text)?,
            _ => return Ok(None),
        }))
    }

    /// Names what contradicts itself.
    pub(crate) fn check(&self, duration: Option<Duration>) -> Result<(), Error> {
        let rates = [
            ("rate", self.rate.is_some()),
            ("ramp", self.ramp.is_some()),
            ("steps", self.steps.is_some()),
            ("sine", self.sine.is_some()),
            ("trace", self.trace.is_some()),
        ];
        let given: Vec<&str> =
            rates.iter().filter(|(_, is_given)| *is_given).map(|(name, _)| *name).collect();
        let faults = [
            (given.len() > 1, "each says alone when requests are planned; keep one of them"),
            (
                !given.is_empty() && self.requests.is_some(),
                "`requests` ends a closed loop; an open loop ends by its duration",
            ),
            (
                self.spacing.is_some() && given.is_empty(),
                "`arrivals` says how the requests of a rate follow each other; give a rate",
            ),
            (
                self.spacing.is_some() && self.trace.is_some(),
                "a trace says itself when requests arrive; leave `arrivals` out",
            ),
            (
                self.steps.is_some() && duration.is_some(),
                "steps say themselves how long the run is; leave `duration` out",
            ),
        ];
        match faults.iter().find(|(is_fault, _)| *is_fault) {
            Some((_, reason)) if given.len() > 1 => refuse(&given.join(" and "), reason),
            Some((_, reason)) => Err(Error::Plan((*reason).to_owned())),
            None => Ok(()),
        }
    }
}

pub(crate) fn ramp(text: &str, length: Duration) -> Result<Profile, Error> {
    let rates = text.split_once("..").and_then(|(from, to)| Some((number(from)?, number(to)?)));
    let Some((from, to)) = rates else {
        return refuse(text, "write a ramp as FROM..TO in requests per second, such as 100..2000");
    };
    Profile::ramp(from, to, length)
}

pub(crate) fn steps(text: &str) -> Result<(Profile, Duration), Error> {
    let step = |step: &str| {
        step.split_once('x').and_then(|(rate, time)| Some((number(rate)?, duration(time.trim()).ok()?)))
    };
    let Some(steps) = text.split(',').map(step).collect::<Option<Vec<(u64, Duration)>>>() else {
        return refuse(text, "write steps as RATExTIME, such as 100x10s,200x10s");
    };
    let profile = Profile::steps(&steps)?;
    Ok((profile, steps.iter().fold(Duration::ZERO, |sum, (_, length)| sum.saturating_add(*length))))
}

pub(crate) fn sine(text: &str) -> Result<Profile, Error> {
    let parts: Vec<&str> = text.split(',').collect();
    let [mean, amplitude, period] = parts[..] else { return not_a_sine(text) };
    match (number(mean), number(amplitude), duration(period.trim())) {
        (Some(mean), Some(amplitude), Ok(period)) => Profile::sine(mean, amplitude, period),
        _ => not_a_sine(text),
    }
}

fn not_a_sine(text: &str) -> Result<Profile, Error> {
    refuse(text, "write a sine as MEAN,AMPLITUDE,PERIOD, such as 1000,500,30s")
}

/// Digits only: `str::parse` would take a sign.
fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|_| !text.contains('+'))
}

fn refuse<T>(what: &str, reason: &str) -> Result<T, Error> {
    Err(Error::Plan(format!("`{what}`: {reason}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn words(change: impl FnOnce(&mut LoadWords)) -> LoadWords {
        let mut words = LoadWords::default();
        change(&mut words);
        words
    }

    fn open(profile: Result<Profile, Error>) -> Load {
        Load::Open { schedule: Schedule::new(profile.unwrap(), Spacing::Constant) }
    }

    #[test]
    fn without_a_rate_the_loop_is_closed() {
        let closed = |requests| Load::Closed { requests };
        assert_eq!(LoadWords::default().load(None).unwrap(), (closed(None), DURATION));
        let bounded = words(|words| words.requests = Some(5));
        assert_eq!(bounded.load(None).unwrap(), (closed(Some(5)), crate::LONGEST));
        assert_eq!(bounded.load(Some(SECOND)).unwrap().1, SECOND);
    }

    #[test]
    fn every_profile_has_its_words() {
        let rate = words(|words| words.rate = Some(7)).load(None).unwrap();
        assert_eq!(rate, (open(Profile::constant(7)), DURATION));
        let ramp = words(|words| words.ramp = Some("100..2000".into())).load(Some(SECOND)).unwrap();
        assert_eq!(ramp, (open(Profile::ramp(100, 2000, SECOND)), SECOND));
        let steps = words(|words| words.steps = Some("100x1s, 200x500ms".into())).load(None).unwrap();
        let expected = Profile::steps(&[(100, SECOND), (200, SECOND / 2)]);
        assert_eq!(steps, (open(expected), SECOND * 3 / 2));
        let sine = words(|words| words.sine = Some("100,50,1s".into())).load(None).unwrap();
        assert_eq!(sine, (open(Profile::sine(100, 50, SECOND)), DURATION));
    }

    #[test]
    fn the_law_of_the_gaps_goes_with_every_profile() {
        let words = LoadWords { rate: Some(7), spacing: Some(Spacing::Poisson), ..LoadWords::default() };
        let schedule = Schedule::new(Profile::constant(7).unwrap(), Spacing::Poisson);
        assert_eq!(words.load(None).unwrap().0, Load::Open { schedule });
    }

    #[test]
    fn words_win_over_those_of_a_file() {
        let file = LoadWords { ramp: Some("1..2".into()), ..LoadWords::default() };
        assert_eq!(LoadWords::default().or(file.clone()), file);
        let poisson = LoadWords { spacing: Some(Spacing::Poisson), ..LoadWords::default() };
        assert_eq!(poisson.clone().or(file.clone()), LoadWords { ramp: file.ramp.clone(), ..poisson });
        let rate = LoadWords { rate: Some(5), ..LoadWords::default() };
        assert_eq!(rate.clone().or(file), rate);
    }

    #[test]
    fn contradictions_are_refused_with_advice() {
        let none = LoadWords::default;
        let poisson = Some(Spacing::Poisson);
        for (words, advice) in [
            (LoadWords { rate: Some(1), ramp: Some("1..2".into()), ..none() }, "`rate and ramp`"),
            (LoadWords { rate: Some(1), requests: Some(1), ..none() }, "ends a closed loop"),
            (LoadWords { spacing: poisson, ..none() }, "give a rate"),
            (LoadWords { trace: Some("x".into()), spacing: poisson, ..none() }, "leave `arrivals` out"),
            (LoadWords { steps: Some("1x1s".into()), ..none() }, "leave `duration` out"),
            (LoadWords { rate: Some(0), ..none() }, "between 1"),
        ] {
            let error = words.load(Some(SECOND)).unwrap_err().to_string();
            assert!(error.contains(advice), "{error}");
        }
    }

    #[test]
    fn words_that_cannot_be_read_are_answered_with_the_form() {
        for text in ["", "100", "100..", "..5", "a..b", "-1..5", "+1..5"] {
            assert!(ramp(text, SECOND).unwrap_err().to_string().contains("FROM..TO"), "{text}");
        }
        for text in ["", "100", "100x", "x1s", "100x10", "100x1s,"] {
            assert!(steps(text).unwrap_err().to_string().contains("RATExTIME"), "{text}");
        }
        for text in ["", "1", "1,1", "1,1,1", "1,1,1s,1"] {
            assert!(sine(text).unwrap_err().to_string().contains("MEAN,AMPLITUDE,PERIOD"), "{text}");
        }
    }
}
