//! The exit codes: one table, from which the help is made too.

use ringload::{Error, Report, Verdict};

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Good,
    RequestsFailed,
    Usage,
    CensusBroken,
    NoStart,
    NoReport,
    ClientLimited,
    TargetMissed,
    TooFewSamples,
    Unsteady,
    AssertionFailed,
    SloNever,
    SloDidNotHold,
    CaseFailed,
    MachineTooNoisy,
    Spoilt,
    Different,
    Undecided,
    Files,
    Interrupted,
}

const TABLE: [(Exit, u8, &str); 20] = [
    (Exit::Good, 0, "the run is valid and every request was answered as expected"),
    (Exit::RequestsFailed, 1, "the run is valid, and some requests failed"),
    (Exit::Usage, 2, "the command line or the scenario cannot be carried out"),
    (Exit::CensusBroken, 3, "the census does not add up: a defect of ringload"),
    (
        Exit::NoStart,
        4,
        "the run could not begin: nobody answers, a process does not start or is not there, too few descriptors, no driver",
    ),
    (Exit::NoReport, 5, "the report could not be written"),
    (Exit::ClientLimited, 10, "verdict client_limited: the generator was the limit"),
    (Exit::TargetMissed, 11, "verdict target_missed: the target did not keep up with the rate"),
    (Exit::TooFewSamples, 12, "verdict too_few_samples: too few answers for a p99"),
    (Exit::Unsteady, 13, "verdict unsteady: the run changed while it went on"),
    (Exit::AssertionFailed, 14, "the run is valid, and an --assert does not hold"),
    (Exit::Different, 20, "compare: the deciding metric differs"),
    (
        Exit::Undecided,
        21,
        "compare: the experiment could not decide: runs that do not count, or an interrupt",
    ),
    (Exit::SloNever, 30, "slo: even the lowest rate misses the objective"),
    (Exit::SloDidNotHold, 31, "slo: no answer held when it was confirmed"),
    (Exit::CaseFailed, 40, "selftest: a case failed"),
    (Exit::MachineTooNoisy, 41, "selftest: this machine was too noisy to tell"),
    (Exit::Spoilt, 50, "doctor: something here would spoil a measurement"),
    (Exit::Files, 60, "a file cannot be read, or runs do not add up"),
    (Exit::Interrupted, 130, "interrupted: twice, or before there was an answer; no report"),
];

impl Exit {
    pub(crate) fn code(self) -> u8 {
        TABLE.iter().find(|row| row.0 == self).map_or(u8::MAX, |row| row.1)
    }

    pub(crate) fn of_error(error: &Error) -> Exit {
        match error {
            Error::Plan(_) => Exit::Usage,
            Error::Unreachable { .. } | Error::Descriptors { .. } | Error::Loop(_) | Error::Experiment(_) => {
                Exit::NoStart
            }
            Error::Output(_) => Exit::NoReport,
            Error::Interrupted => Exit::Interrupted,
            Error::Files(_) => Exit::Files,
        }
    }

    /// A broken census comes first, then the verdict, then assertions, then failed requests. Who asserts something about
    /// errors has said how many there may be.
    pub(crate) fn of_report(report: &Report) -> Exit {
        match report.verdict {
            _ if !report.census_holds => Exit::CensusBroken,
            Verdict::ClientLimited => Exit::ClientLimited,
            Verdict::TargetMissed => Exit::TargetMissed,
            Verdict::TooFewSamples => Exit::TooFewSamples,
            Verdict::Unsteady => Exit::Unsteady,
            Verdict::Valid if report.assertions.iter().any(|asserted| !asserted.holds) => {
                Exit::AssertionFailed
            }
            Verdict::Valid if report.requests.failed() > 0 && !report.is_held_to_errors() => {
                Exit::RequestsFailed
            }
            Verdict::Valid => Exit::Good,
        }
    }

    /// The table for `ringload --help`.
    pub(crate) fn help() -> String {
        let rows = TABLE.map(|(_, code, meaning)| row(code, meaning));
        format!("Exit codes:\n{}", rows.concat())
    }

    /// The rows for a command's help: what 0 means there, and these. What keeps any command from its work is one of three.
    pub(crate) fn help_of(good: &str, exits: &[Exit]) -> String {
        let any = [Exit::Usage, Exit::NoStart, Exit::NoReport];
        let rows = TABLE.iter().filter(|row| exits.contains(&row.0) || any.contains(&row.0));
        let rows: String = rows.map(|&(_, code, meaning)| row(code, meaning)).collect();
        format!("Exit codes (all of them: ringload --help):\n{}{rows}", row(0, good))
    }

    /// Those of a run that was made, from its report.
    pub(crate) const OF_A_RUN: [Exit; 7] = [
        Exit::RequestsFailed,
        Exit::CensusBroken,
        Exit::ClientLimited,
        Exit::TargetMissed,
        Exit::TooFewSamples,
        Exit::Unsteady,
        Exit::AssertionFailed,
    ];
}

fn row(code: u8, meaning: &str) -> String {
    format!("  {code:>3}  {meaning}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_tells_its_own_codes_and_what_its_success_is() {
        let help = Exit::help_of("all is well", &[Exit::Spoilt]);
        assert!(help.contains("    0  all is well\n    2  ") && help.contains("   50  doctor"), "{help}");
        assert!(!help.contains("slo"), "{help}");
    }

    #[test]
    fn every_exit_has_one_code_of_its_own() {
        let mut codes: Vec<u8> = TABLE.iter().map(|row| row.0.code()).collect();
        codes.dedup();
        assert_eq!(codes.len(), TABLE.len());
        assert!(codes.is_sorted() && !codes.contains(&u8::MAX));
    }
}
