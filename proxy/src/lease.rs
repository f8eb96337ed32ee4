//! The configuration as one worker holds it, and what a request takes of it.
//!
//! A request looks at the whole configuration once, without waiting in between: when its head is there, until it has a route.
//! So it is served by one configuration, whatever happens meanwhile. From then on it has a [`Lease`] on its route and holds
//! nothing else: a download of an hour keeps a route and its pool, and not the configurations of that hour.

use std::cell::OnceCell;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use ringgate_core::pool::{Pool, Server};
use ringgate_core::route::{Found, Route};
use ringgate_core::snapshot::Snapshot;

use crate::metrics::{Metrics, RouteMetrics, ServerMetrics};
use crate::orders::Generation;

/// A configuration, held by one worker.
pub(crate) struct Held {
    generation: Arc<Generation>,
    /// By route, some at a time; made when a request takes one, since most routes of a large table have none for long. Taking up a
    /// configuration is a pause for all requests of the worker: for 5,000 routes it fills 632 bytes.
    leases: Box<[OnceCell<Box<Row>>]>,
}

/// Leases on routes that follow each other.
type Row = [OnceCell<Rc<Lease>>; ROW];

/// How many.
const ROW: usize = 64;

/// One worker's hold on a route. Counted by the worker alone: the count of the route itself is shared by all workers, and
/// would have them wait for each other at each request.
#[derive(Debug)]
pub(crate) struct Lease {
    route: Arc<Route>,
    /// The pool that it led to when the lease was taken.
    pub(crate) pool: Arc<Pool>,
    /// What this worker measures of it,
    pub(crate) metrics: Arc<RouteMetrics>,
    /// and of its servers.
    servers: Box<[Arc<ServerMetrics>]>,
}

impl Held {
    pub(crate) fn new(generation: Arc<Generation>) -> Held {
        let rows = generation.routes.all().len().div_ceil(ROW);
        Held { generation, leases: (0..rows).map(|_| OnceCell::new()).collect() }
    }

    /// How many configurations there have been, this one included.
    pub(crate) fn number(&self) -> u64 {
        self.generation.number
    }

    /// The route that was found in this very configuration, to hold.
    pub(crate) fn lease(&self, found: Found<'_>, metrics: &Metrics) -> Rc<Lease> {
        let row = self.leases[found.index / ROW].get_or_init(|| Box::new([const { OnceCell::new() }; ROW]));
        row[found.index % ROW]
            .get_or_init(|| Rc::new(Lease::new(found, self.generation.pool(found.route), metrics)))
            .clone()
    }
}

impl Deref for Held {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.generation
    }
}

impl Lease {
    fn new(found: Found<'_>, pool: &Arc<Pool>, metrics: &Metrics) -> Lease {
        let (route, pool) = (found.route.clone(), pool.clone());
        Lease { metrics: metrics.route(found), servers: metrics.servers(&pool), route, pool }
    }

    /// What this worker measures of that server.
    pub(crate) fn server_metrics(&self, server: &Server) -> &ServerMetrics {
        &self.servers[server.index]
    }

    /// One of the servers that the route leads to.
    pub(crate) fn server(&self, index: usize) -> &Server {
        &self.pool.servers[index]
    }
}

impl Deref for Lease {
    type Target = Route;

    fn deref(&self) -> &Route {
        &self.route
    }
}
