//! Why a run could not begin. Once it has begun, what goes wrong is in the report.

use std::fmt;
use std::io;

/// Why a run could not begin, and what to do about it.
#[derive(Debug)]
pub enum Error {
    /// The plan cannot be carried out as it is written.
    Plan(String),
    /// Nobody accepts connections there, or the name is unknown.
    Unreachable {
        /// Host and port, as given.
        server: String,
        /// What the last attempt said.
        cause: io::Error,
    },
    /// This process may not open enough descriptors.
    Descriptors {
        /// How many the run needs.
        needed: u64,
        /// How many there may be.
        limit: u64,
    },
    /// A process of an experiment did not start, did not answer or ended; or its port belongs to somebody else.
    Experiment(String),
    /// It was told to stop before anything was sent.
    Interrupted,
    /// The event loop of a thread could not be built or failed.
    Loop(io::Error),
    /// A file cannot be read as what it was given for, or files do not go together.
    Files(String),
    /// The report could not be written.
    Output(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Plan(reason) | Error::Experiment(reason) | Error::Files(reason) => f.write_str(reason),
            Error::Unreachable { server, cause } => {
                write!(f, "nothing answers at {server} ({cause}); start the server, or correct the URL")
            }
            Error::Descriptors { needed, limit } => write!(
                f,
                "this run needs {needed} open files and the limit is {limit}; raise it (`ulimit -n {needed}`) or use \
                 fewer connections"
            ),
            Error::Interrupted => f.write_str("interrupted before anything was sent"),
            Error::Output(cause) => write!(f, "the report could not be written ({cause}); is the disk full?"),
            Error::Loop(cause) => {
                write!(
                    f,
                    "an event loop failed ({cause}); choose another driver, such as `epoll`, or fewer threads"
                )
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Unreachable { cause, .. } | Error::Loop(cause) | Error::Output(cause) => Some(cause),
            Error::Plan(_)
            | Error::Experiment(_)
            | Error::Files(_)
            | Error::Descriptors { .. }
            | Error::Interrupted => None,
        }
    }
}
