//! What would spoil a measurement on this machine, said before one is made.
//!
//! Owns: the list of examinations. [`facts`] gathers what the kernel tells and what can be measured
//! in half a second; [`findings`] says what it means. The second is a pure function of the first.
//! Refuses: to change anything: it gives the command, and the person decides.

pub mod facts;
pub mod findings;
mod kernel;
mod pacer;

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::doctor::facts::Facts;
use crate::doctor::findings::{Finding, Severity};

pub(crate) use crate::doctor::pacer::wakes;

/// The form of the JSON object; it changes when a field changes its meaning or goes.
const FORMAT: u32 = 1;

/// What an examination found.
#[derive(Debug, Clone, Serialize)]
pub struct Examination {
    /// Version of this form.
    pub format: u32,
    /// Every examination, in a fixed order.
    pub findings: Vec<Finding>,
}

/// Examines this machine and this process; takes about half a second.
pub fn examine() -> Examination {
    Examination::of(&Facts::gather())
}

impl Examination {
    /// What `facts` mean.
    pub fn of(facts: &Facts) -> Examination {
        Examination { format: FORMAT, findings: findings::of(facts) }
    }

    /// The findings of that severity.
    pub fn with(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.severity == severity)
    }

    /// Whether a measurement made here and now could not be believed.
    pub fn is_spoilt(&self) -> bool {
        self.with(Severity::Spoils).next().is_some()
    }
}

impl Display for Examination {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let (spoils, mind) = (self.with(Severity::Spoils).count(), self.with(Severity::Mind).count());
        match (spoils, mind) {
            (0, 0) => writeln!(f, "\nnothing here would spoil a measurement"),
            (0, _) => writeln!(f, "\nnothing here would spoil a measurement; {mind} to bear in mind"),
            _ => writeln!(f, "\n{spoils} would spoil a measurement made now; {mind} more to bear in mind"),
        }
    }
}
