//! What one loop keeps between requests: each route's chance and queue, and the timetable of departures.
//!
//! Owns state of one thread only; what workers share is in [`Server`].

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use ringgate_io::now;

use crate::order::{Order, Queue, Service};
use crate::random::Random;
use crate::request::Request;
use crate::timetable::Timetable;
use crate::truth::Epoch;
use crate::{Route, Server};

/// One worker's.
pub(crate) struct Station {
    pub(crate) server: Arc<Server>,
    pub(crate) timetable: Timetable,
    pub(crate) epoch: Epoch,
    began: Instant,
    version: Cell<u64>,
    /// In the order of the routes: the longest prefix first, the last for every path.
    lanes: RefCell<Vec<Rc<Lane>>>,
}

/// One route on this loop.
pub(crate) struct Lane {
    route: Arc<Route>,
    pub(crate) random: Random,
    queue: Cell<Queue>,
    is_plain: bool,
}

/// A request in service on a lane.
pub(crate) struct Visit {
    pub(crate) lane: Rc<Lane>,
}

impl Station {
    pub(crate) fn new(server: Arc<Server>) -> Station {
        let station = Station {
            version: Cell::new(server.routes().version()),
            server,
            timetable: Timetable::default(),
            epoch: Epoch::read(),
            began: now(),
            lanes: RefCell::default(),
        };
        station.lay_lanes();
        station
    }

    /// The standing orders by which `request` begins to be served.
    pub(crate) fn visit(&self, request: &Request) -> Visit {
        let version = self.server.routes().version();
        if self.version.replace(version) != version {
            self.lay_lanes();
        }
        let lanes = self.lanes.borrow();
        let [special @ .., every_path] = &lanes[..] else { unreachable!("there is a route for every path") };
        let lane = match special {
            [] => every_path, // the usual case, before the path is looked for
            _ => special.iter().find(|lane| lane.route.covers(request.path())).unwrap_or(every_path),
        };
        lane.change(|queue| queue.in_service += 1);
        Visit { lane: lane.clone() }
    }

    /// Whether connections are not to be read at all. With endpoints that can change that, they are.
    pub(crate) fn is_deaf(&self) -> bool {
        let every_path = self.lanes.borrow().last().cloned();
        !self.server.admin() && every_path.is_some_and(|lane| lane.order().is_deaf())
    }

    /// A route that did not change keeps its queue and its place in the sequence of chance.
    fn lay_lanes(&self) {
        let mut lanes = self.lanes.borrow_mut();
        let known = std::mem::take(&mut *lanes);
        let lane = |route: Arc<Route>| {
            let same = known.iter().find(|lane| Arc::ptr_eq(&lane.route, &route));
            same.cloned().unwrap_or_else(|| Rc::new(self.lane(route)))
        };
        lanes.extend(self.server.routes().list().into_iter().map(lane));
    }

    fn lane(&self, route: Arc<Route>) -> Lane {
        let began = route.given().unwrap_or(self.began);
        let queue = Queue { began, busy_until: began, in_service: 0 };
        Lane {
            random: self.server.random(route.prefix()),
            is_plain: *route.order() == Order::default(),
            route,
            queue: Cell::new(queue),
        }
    }
}

impl Lane {
    pub(crate) fn order(&self) -> &Order {
        self.route.order()
    }

    /// Whether nothing is ordered.
    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// When the answer to a request leaves, which gets `service` and was here at `arrival`.
    pub(crate) fn departure(&self, arrival: Instant, service: Service) -> Instant {
        self.change(|queue| queue.departure(arrival, service))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = self.queue.get();
        let outcome = change(&mut queue);
        self.queue.set(queue);
        outcome
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.lane.change(|queue| queue.in_service -= 1);
    }
}
