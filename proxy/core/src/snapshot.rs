//! What the data plane knows of the configuration: one immutable value, swapped as a whole.

use std::time::Duration;

use crate::pool::Pool;
use crate::route::Routes;

/// The compiled configuration.
#[derive(Debug)]
pub struct Snapshot {
    /// Where requests go.
    pub routes: Routes,
    /// The pools that routes name by index.
    pub pools: Vec<Pool>,
    /// How long anything may take.
    pub timeouts: Timeouts,
}

impl Snapshot {
    /// How many servers all pools have together: one more than the highest [`crate::pool::Server::index`].
    pub fn servers(&self) -> usize {
        self.pools.iter().map(|pool| pool.servers.len()).sum()
    }
}

/// How long anything may take before it is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a request head to its last: 408.
    pub head: Duration,
    /// From one request to the next on a client's connection; closed without a word.
    pub idle: Duration,
    /// To connect to a server: the next one is tried.
    pub connect: Duration,
    /// From the whole request sent to the end of the answer's final head: 504.
    pub response: Duration,
    /// Between two pieces of a body, in either direction.
    pub stall: Duration,
    /// How long an unused connection to a server is kept. Servers close theirs after 60 s and more; ours goes first.
    pub upstream_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            connect: Duration::from_secs(3),
            response: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            upstream_idle: Duration::from_secs(30),
        }
    }
}
