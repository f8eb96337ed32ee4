//! What each worker measures of the requests it serves, by route and by server: written by it alone, added up by whoever reads.
//!
//! Owns: which series there are. Their labels come from the configuration, never from a request, and the routes that have series of
//! their own are bounded ([`METERED_ROUTES`]); the others share one.
//! Assumes: whoever reads does so while it is written, and sees each number as it was a moment ago, not all at one instant.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use ahash::AHashMap;
use ringgate_core::pool::Pool;
use ringgate_core::route::Found;
use ringgate_core::stages::Stage;

use crate::counters::Counter;
use crate::record::{Record, Source};

/// Routes that have series of their own: the first so many of a configuration. A scrape of a hundred thousand routes would be
/// hundreds of megabytes; nobody could store it.
pub(crate) const METERED_ROUTES: usize = 1000;
/// What the series of the other routes is called. A route that is given this name shares it.
pub(crate) const OTHER_ROUTES: &str = "(others)";

/// Where the first bucket of a histogram ends; each other one ends at twice the end of the one before.
const FIRST_BUCKET_NS: u64 = 16_000;
/// Buckets that have an end: the last one ends at 67 s. One more takes what is above.
const BOUNDED_BUCKETS: usize = 23;

/// Durations, by powers of two: finding the bucket is two instructions, and whatever is read off it is right to a factor of two
/// at worst, as with the buckets that others use.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [Counter; BOUNDED_BUCKETS + 1],
    sum_ns: Counter,
}

impl Histogram {
    pub(crate) fn record(&self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(ns)].add(1);
        self.sum_ns.add(ns);
    }
}

/// The bucket whose end is the first at or above it.
fn bucket(ns: u64) -> usize {
    let times = ns.saturating_sub(1) / FIRST_BUCKET_NS;
    ((u64::BITS - times.leading_zeros()) as usize).min(BOUNDED_BUCKETS)
}

/// Several workers' histograms of one thing, added up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Total {
    buckets: [u64; BOUNDED_BUCKETS + 1],
    sum_ns: u64,
}

impl Total {
    pub(crate) fn add(&mut self, histogram: &Histogram) {
        for (total, counter) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *total += counter.get();
        }
        self.sum_ns = self.sum_ns.wrapping_add(histogram.sum_ns.get());
    }

    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub(crate) fn sum_seconds(&self) -> f64 {
        self.sum_ns as f64 / 1e9
    }

    /// The end of each bucket in seconds and what is in it alone; the last one has no end, which infinity says.
    pub(crate) fn buckets(&self) -> Vec<(f64, u64)> {
        let end = |index: usize| match index {
            BOUNDED_BUCKETS => f64::INFINITY,
            _ => (FIRST_BUCKET_NS << index) as f64 / 1e9,
        };
        self.buckets.iter().enumerate().map(|(index, &count)| (end(index), count)).collect()
    }
}

/// Classes of status codes, 1xx to 5xx; and none, if the client left before there was an answer.
pub(crate) const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// One route, as one worker has served it. On cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct RouteMetrics {
    pub(crate) route: Box<str>,
    /// Requests by who answered and by class.
    answered: [[Counter; CLASSES.len()]; Source::ALL.len()],
    pub(crate) duration: Histogram,
    /// Of each stage that took time at all.
    stages: [Histogram; Stage::ALL.len()],
}

impl RouteMetrics {
    fn new(route: &str) -> RouteMetrics {
        let (answered, duration, stages) = Default::default();
        RouteMetrics { route: route.into(), answered, duration, stages }
    }

    /// Counts a request that is over.
    pub(crate) fn record(&self, record: &Record) {
        self.answered[record.source as usize][class(record.status)].add(1);
        self.duration.record(record.stages.duration());
        for (stage, spent) in record.stages.iter().filter(|(_, spent)| !spent.is_zero()) {
            self.stages[stage as usize].record(spent);
        }
    }

    /// The time spent in a stage.
    pub(crate) fn stage(&self, stage: Stage) -> &Histogram {
        &self.stages[stage as usize]
    }

    /// Requests answered by that source with a status of each of [`CLASSES`].
    pub(crate) fn answered(&self, source: Source) -> &[Counter; CLASSES.len()] {
        &self.answered[source as usize]
    }
}

fn class(status: u16) -> usize {
    let class = usize::from(status / 100);
    if class < CLASSES.len() { class } else { 0 }
}

/// One server, as one worker has asked it.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct ServerMetrics {
    pub(crate) pool: Box<str>,
    pub(crate) server: Box<str>,
    /// Requests that were sent to it.
    pub(crate) requests: Counter,
    /// Those of them, and attempts to connect, that it failed.
    pub(crate) failures: Counter,
    /// Connections made.
    pub(crate) connections: Counter,
    /// From a request that was sent to the head of its final answer.
    pub(crate) response: Histogram,
}

/// Of its pool and its own.
type ServerName = (Box<str>, Box<str>);

/// Something measured that has just come to be.
#[derive(Debug)]
pub(crate) enum Series {
    Route(Arc<RouteMetrics>),
    Server(Arc<ServerMetrics>),
}

/// All that one worker measures.
pub(crate) struct Metrics {
    routes: RefCell<AHashMap<Box<str>, Arc<RouteMetrics>>>,
    servers: RefCell<AHashMap<ServerName, Arc<ServerMetrics>>>,
    /// Requests that had no route.
    pub(crate) unrouted: Arc<RouteMetrics>,
    /// Tells whoever reads of each series once. Never waits: the messages are bounded by the series.
    news: Sender<Series>,
}

impl Metrics {
    pub(crate) fn new(news: Sender<Series>) -> Metrics {
        let unrouted = Arc::new(RouteMetrics::new(""));
        let _ = news.send(Series::Route(unrouted.clone())); // nobody reads: then nobody misses it
        Metrics { routes: RefCell::default(), servers: RefCell::default(), unrouted, news }
    }

    /// The series of a route: those of an earlier configuration if it had one of that name.
    pub(crate) fn route(&self, found: Found<'_>) -> Arc<RouteMetrics> {
        let name = if found.index < METERED_ROUTES { &*found.route.name } else { OTHER_ROUTES };
        if let Some(known) = self.routes.borrow().get(name) {
            return known.clone();
        }
        let new = Arc::new(RouteMetrics::new(name));
        let _ = self.news.send(Series::Route(new.clone()));
        self.routes.borrow_mut().insert(name.into(), new.clone());
        new
    }

    /// The series of the servers of a pool, by their place in it.
    pub(crate) fn servers(&self, pool: &Pool) -> Box<[Arc<ServerMetrics>]> {
        pool.servers.iter().map(|server| self.server(pool, &server.name)).collect()
    }

    fn server(&self, pool: &Pool, server: &str) -> Arc<ServerMetrics> {
        let mut servers = self.servers.borrow_mut();
        let new = || {
            let new = Arc::new(ServerMetrics {
                pool: pool.name.clone(),
                server: server.into(),
                requests: Counter::default(),
                failures: Counter::default(),
                connections: Counter::default(),
                response: Histogram::default(),
            });
            let _ = self.news.send(Series::Server(new.clone()));
            new
        };
        servers.entry((pool.name.clone(), server.into())).or_insert_with(new).clone()
    }

    /// Forgets what a new configuration of so many routes has no more use for, once that is most of what there is. Series that a
    /// request still writes to live as long as it does.
    pub(crate) fn trim(&self, routes: usize, servers: usize) {
        let in_use = |count: usize| count > 2; // here, and with whoever reads
        if self.routes.borrow().len() > 2 * routes.min(METERED_ROUTES) + 2 {
            self.routes.borrow_mut().retain(|_, route| in_use(Arc::strong_count(route)));
        }
        if self.servers.borrow().len() > 2 * servers + 2 {
            self.servers.borrow_mut().retain(|_, server| in_use(Arc::strong_count(server)));
        }
    }
}

/// What is measured of all workers, for whoever reads it.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    pub(crate) routes: Vec<Arc<RouteMetrics>>,
    pub(crate) servers: Vec<Arc<ServerMetrics>>,
}

impl Readings {
    /// Takes in what has come to be, and drops what no worker writes any more: its route or server is gone.
    pub(crate) fn update(&mut self, news: impl Iterator<Item = Series>) {
        for series in news {
            match series {
                Series::Route(route) => self.routes.push(route),
                Series::Server(server) => self.servers.push(server),
            }
        }
        self.routes.retain(|route| Arc::strong_count(route) > 1);
        self.servers.retain(|server| Arc::strong_count(server) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_in_the_bucket_whose_end_is_the_first_at_or_above_it() {
        for (ns, bucket) in [
            (0, 0),
            (1, 0),
            (16_000, 0),
            (16_001, 1),
            (32_000, 1),
            (32_001, 2),
            (64_000, 2),
            (64_001, 3),
            (67_108_864_000, 22),
            (67_108_864_001, 23),
            (u64::MAX, 23),
        ] {
            assert_eq!(super::bucket(ns), bucket, "{ns}");
        }
    }

    #[test]
    fn what_several_workers_measured_adds_up() {
        let histograms = [Histogram::default(), Histogram::default()];
        histograms[0].record(Duration::from_micros(10));
        histograms[1].record(Duration::from_micros(20));
        histograms[1].record(Duration::from_secs(100));
        let mut total = Total::default();
        histograms.iter().for_each(|histogram| total.add(histogram));
        assert_eq!((total.count(), total.sum_seconds()), (3, 100.00003));
        let filled: Vec<_> = total.buckets().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(16e-6, 1), (32e-6, 1), (f64::INFINITY, 1)]);
    }
}
