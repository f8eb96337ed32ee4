//! What the data plane knows of the configuration: one immutable value, swapped as a whole.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::access::{LimitFields, RateLimit};
use crate::auth::Authenticator;
use crate::cors::Cors;
use crate::node::Node;
use crate::policy::Policy;
use crate::pool::{Pool, Server};
use crate::route::{Route, Routes};
use crate::tolerance::Tolerance;
use crate::trust::Trusted;

/// The compiled configuration.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Where requests go, and under which policy. Shared with snapshots that differ in nothing but servers.
    pub routes: Arc<Routes>,
    /// All pools, also those that no route uses.
    pub pools: Vec<Arc<Pool>>,
    /// What holds for a client before its request has a route.
    pub clients: Clients,
    /// What becomes of unused connections to servers.
    pub kept: Kept,
    /// What holds for requests without a route.
    pub strangers: Policy,
    /// Ways to prove who one is, all of them.
    pub authenticators: Vec<Arc<Authenticator>>,
    /// Limits, all of them.
    pub limits: Vec<Arc<RateLimit>>,
    /// How this installation is known to other proxies; the same for as long as the process lives.
    pub node: Node,
}

impl Snapshot {
    /// With nothing but routes and pools, as nobody has said anything else.
    pub fn new(routes: Routes, pools: Vec<Arc<Pool>>, node: Node) -> Snapshot {
        Snapshot {
            routes: Arc::new(routes),
            pools,
            clients: Clients::default(),
            kept: Kept::default(),
            strangers: Policy::default(),
            authenticators: Vec::new(),
            limits: Vec::new(),
            node,
        }
    }

    /// The pool that a route of it leads to.
    pub fn pool(&self, route: &Route) -> &Arc<Pool> {
        &self.pools[route.pool]
    }

    /// The same with other servers in some pools, by their places; turns and connections go on.
    ///
    /// # Panics
    /// If there is no such pool, or one would be without servers.
    pub fn with_servers(&self, changes: impl IntoIterator<Item = (usize, Vec<Server>)>) -> Snapshot {
        let mut snapshot = self.clone();
        for (place, servers) in changes {
            let earlier = &self.pools[place];
            snapshot.pools[place] = Arc::new(Pool::new(&earlier.name, servers).after(earlier));
        }
        snapshot
    }

    /// How many servers all pools have together.
    pub fn servers(&self) -> usize {
        self.pools.iter().map(|pool| pool.servers.len()).sum()
    }

    /// Its pools by name, for the next configuration to go on with.
    pub fn pools_by_name(&self) -> HashMap<&str, &Pool> {
        self.pools.iter().map(|pool| (&*pool.name, &**pool)).collect()
    }
}

/// What holds for every client, whatever it asks for.
#[derive(Debug, Clone)]
pub struct Clients {
    /// From the first byte of a request head to its last: 408.
    pub head_timeout: Duration,
    /// From one request to the next; closed without a word.
    pub idle_timeout: Duration,
    /// From the order to stop until what is in flight is broken off. Service managers kill after 10 s (docker) and more.
    pub drain_timeout: Duration,
    /// How many may be connected at once, over all workers; as many as the descriptors allow if not said.
    pub connections: Option<usize>,
    /// The proxies in front of this gateway: what they say of their clients is believed.
    pub trusted: Trusted,
    /// Which spellings of a request are taken although they could be misread.
    pub tolerance: Tolerance,
    /// What pages of other origins may do with answers; services say so where this does not.
    pub cors: Option<Arc<Cors>>,
    /// Which fields say how limits stand.
    pub limit_fields: LimitFields,
    /// How many wrong credentials may come from one address; any number if not said.
    pub failures: Option<Arc<RateLimit>>,
}

impl Default for Clients {
    fn default() -> Clients {
        Clients {
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            drain_timeout: Duration::from_secs(8),
            connections: None,
            trusted: Trusted::default(),
            tolerance: Tolerance::NONE,
            cors: None,
            limit_fields: LimitFields::default(),
            failures: None,
        }
    }
}

/// How long connections to servers are kept for the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// While unused. Servers close theirs after 60 s and more; ours goes first.
    pub idle: Duration,
    /// In all: so that a server that was added, or moved, gets its share of long-lived traffic.
    pub age: Duration,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept { idle: Duration::from_secs(30), age: Duration::from_secs(3600) }
    }
}
