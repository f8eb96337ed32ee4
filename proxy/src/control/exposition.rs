//! What Prometheus reads: every number of every worker, added up when somebody asks.
//!
//! The text is OpenMetrics, written by the official client library; the numbers are ours, so they come to it by a [`Collector`]
//! on each scrape. Durations are in seconds. Whoever adds a metric adds it here, and to `proxy/docs/metrics.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use ringgate_core::stages::Stage;

use super::discovery::Standing;
use super::exporter::Exports;
use super::reload::Reloader;
use crate::config::Origin;
use crate::counters::{Counter, Counters};
use crate::epoch;
use crate::gateway::Workers;
use crate::metrics::{CLASSES, Readings, ServerMetrics, Total};
use crate::outlet::Account;
use crate::record::Source;

/// The type of what [`render`](Exposition::render) returns.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Renders the metrics of one gateway.
#[derive(Debug)]
pub(super) struct Exposition(Registry);

impl Exposition {
    pub(super) fn new(gauges: Gauges) -> Exposition {
        let mut registry = Registry::with_prefix("ringgate");
        registry.register_collector(Box::new(gauges));
        Exposition(registry)
    }

    /// All metrics as text.
    ///
    /// # Errors
    /// None that is known: memory is written to.
    pub(super) fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0)?;
        Ok(text)
    }
}

/// Where the numbers are.
#[derive(Debug)]
pub(super) struct Gauges {
    pub(super) workers: Arc<Workers>,
    pub(super) reloader: Arc<Reloader>,
    pub(super) log: Arc<Account>,
    pub(super) exports: Arc<Exports>,
    pub(super) driver: &'static str,
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        self.process(&mut encoder)?;
        self.each_worker(&mut encoder)?;
        self.log(&mut encoder)?;
        self.spans(&mut encoder)?;
        self.servers_now(&mut encoder)?;
        self.discovery(&mut encoder)?;
        self.limits(&mut encoder)?;
        self.issuers(&mut encoder)?;
        let readings = self.workers.readings();
        requests(&readings, &mut encoder)?;
        durations(&readings, &mut encoder)?;
        stages(&readings, &mut encoder)?;
        servers_so_far(&readings, &mut encoder)
    }
}

impl Gauges {
    fn process(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let build = [("version", env!("CARGO_PKG_VERSION")), ("driver", self.driver)];
        let mut info = encoder.encode_descriptor("build", "What runs", None, MetricType::Info)?;
        info.encode_info(&build)?;
        let (applied, refused) = self.reloader.counts.read();
        let mut reloads =
            encoder.encode_descriptor("reloads", "Configurations read anew", None, MetricType::Counter)?;
        for (outcome, count) in [("applied", applied), ("refused", refused)] {
            let labels = [("outcome", outcome)];
            reloads.encode_family(&labels)?.encode_counter::<[(&str, &str); 0], _, f64>(&count, None)?;
        }
        let generation = self.workers.generation();
        let mut gauge = |name: &str, help: &str, value: u64| {
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
        };
        gauge(
            "generation",
            "Configurations there have been, the one that holds included",
            generation.number,
        )?;
        gauge("routes", "Routes of the configuration that holds", generation.routes.all().len() as u64)
    }

    fn each_worker(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let gauge = encoder.encode_descriptor(
            "worker_connections",
            "Clients that are connected, by worker",
            None,
            MetricType::Gauge,
        )?;
        by_worker(gauge, self.workers.loads().map(|load| load as u64), |metric, value| {
            metric.encode_gauge(&value)
        })?;
        let gauge = encoder.encode_descriptor(
            "worker_generation",
            "The configuration that a worker goes by",
            None,
            MetricType::Gauge,
        )?;
        let generations = self.workers.counters().map(|counters| counters.generation.get());
        by_worker(gauge, generations, |metric, value| metric.encode_gauge(&value))?;
        let gauge = encoder.encode_descriptor(
            "worker_adoption",
            "The longest that taking up a configuration has kept the requests of a worker waiting",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        let longest = self.workers.counters().map(|counters| counters.adoption_ns.get());
        by_worker(gauge, longest, |metric, ns| metric.encode_gauge(&(ns as f64 / 1e9)))?;
        for (name, help, count) in WORKER_COUNTERS {
            let counter = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            by_worker(
                counter,
                self.workers.counters().map(|counters| count(counters).get()),
                |metric, value| metric.encode_counter::<[(&str, &str); 0], _, f64>(&value, None),
            )?;
        }
        Ok(())
    }

    fn log(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counts = [
            ("log_lines_written", "Lines of the request log that were written", &self.log.written),
            ("log_lines_failed", "Lines of the request log that could not be written", &self.log.failed),
        ];
        for (name, help, count) in counts {
            let mut counter = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            counter.encode_counter::<[(&str, &str); 0], _, f64>(&count.get(), None)?;
        }
        Ok(())
    }

    /// What has become of spans.
    fn spans(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let exported = self.exports.exported.get();
        let mut counter = encoder.encode_descriptor(
            "spans_exported",
            "Spans that the collector took",
            None,
            MetricType::Counter,
        )?;
        counter.encode_counter::<[(&str, &str); 0], _, f64>(&exported, None)?;
        let queue = self.workers.counters().map(|counters| counters.spans_dropped.get()).sum::<u64>();
        let lost = [
            ("queue", queue),
            ("refused", self.exports.refused.get()),
            ("undelivered", self.exports.undelivered.get()),
        ];
        let mut counter =
            encoder.encode_descriptor("spans_dropped", "Spans that were lost", None, MetricType::Counter)?;
        for (reason, count) in lost {
            let labels = [("reason", reason)];
            counter.encode_family(&labels)?.encode_counter::<[(&str, &str); 0], _, f64>(&count, None)?;
        }
        Ok(())
    }

    /// How questions for servers go, by pool.
    fn discovery(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (generation, origins) = (self.workers.generation(), self.reloader.origins());
        let pools = generation.pools.iter().zip(&origins.pools);
        let standings = |origin: &Origin| -> Vec<Standing> {
            origin.questions().map(|(question, _)| self.reloader.ledger.of(question)).collect()
        };
        let asking: Vec<(&str, Vec<Standing>)> = pools
            .map(|(pool, origin)| (&*pool.name, standings(origin)))
            .filter(|(_, standings)| !standings.is_empty())
            .collect();
        let mut counter = encoder.encode_descriptor(
            "discovery_answers",
            "Answers to questions for the servers of a pool, and times there was none",
            None,
            MetricType::Counter,
        )?;
        for (pool, standings) in &asking {
            let answers = standings.iter().map(|standing| standing.answers).sum::<u64>();
            let failures = standings.iter().map(|standing| standing.failures).sum::<u64>();
            for (outcome, count) in [("answered", answers), ("failed", failures)] {
                let labels = [("pool", *pool), ("outcome", outcome)];
                counter.encode_family(&labels)?.encode_counter::<[(&str, &str); 0], _, f64>(&count, None)?;
            }
        }
        let mut gauge = encoder.encode_descriptor(
            "discovery_age",
            "Since a question for the servers of a pool had an answer, of all the longest",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for (pool, standings) in &asking {
            let age = standings.iter().map(|standing| standing.answered.elapsed()).max().unwrap_or_default();
            gauge.encode_family(&[("pool", *pool)])?.encode_gauge(&age.as_secs_f64())?;
        }
        Ok(())
    }

    fn limits(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (generation, now) = (self.workers.generation(), epoch::since());
        let limits = || generation.limits.iter().map(|limit| (&*limit.name, &limit.limiter));
        let mut gauge = encoder.encode_descriptor(
            "rate_limit_keys",
            "Keys that a limit counts for now",
            None,
            MetricType::Gauge,
        )?;
        for (name, limiter) in limits() {
            gauge.encode_family(&[("limit", name)])?.encode_gauge(&(limiter.keys_in_use(now) as u64))?;
        }
        let mut gauge = encoder.encode_descriptor(
            "rate_limit_room",
            "Keys that a limit has room for",
            None,
            MetricType::Gauge,
        )?;
        for (name, limiter) in limits() {
            gauge.encode_family(&[("limit", name)])?.encode_gauge(&(limiter.room() as u64))?;
        }
        Ok(())
    }

    fn issuers(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let sources = self.reloader.key_sources();
        let mut gauge = encoder.encode_descriptor(
            "issuer_keys",
            "Keys of an issuer of tokens",
            None,
            MetricType::Gauge,
        )?;
        for source in sources.iter() {
            gauge
                .encode_family(&[("auth", &*source.name)])?
                .encode_gauge(&(source.keyring.keys().all().len() as u64))?;
        }
        let mut gauge = encoder.encode_descriptor(
            "issuer_stale",
            "Whether the last attempt to fetch the keys of an issuer failed",
            None,
            MetricType::Gauge,
        )?;
        for source in sources.iter() {
            gauge
                .encode_family(&[("auth", &*source.name)])?
                .encode_gauge(&u64::from(source.keyring.is_stale()))?;
        }
        Ok(())
    }

    fn servers_now(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let generation = self.workers.generation();
        let mut gauge = encoder.encode_descriptor(
            "upstream_connections",
            "Connections to a server, idle ones included",
            None,
            MetricType::Gauge,
        )?;
        for (pool, server) in
            generation.pools.iter().flat_map(|pool| pool.servers.iter().map(move |server| (pool, server)))
        {
            let labels = [("pool", &*pool.name), ("server", &*server.name)];
            gauge.encode_family(&labels)?.encode_gauge(&(server.capacity.open() as u64))?;
        }
        Ok(())
    }
}

/// A counter of [`Counters`].
type Count = fn(&Counters) -> &Counter;

/// What each worker counts, with its name and what it is.
const WORKER_COUNTERS: [(&str, &str, Count); 15] = [
    ("worker_accepted", "Clients that connected", |counters| &counters.connections),
    (
        "worker_accept_failures",
        "Times no client could be accepted for want of descriptors or memory",
        |counters| &counters.accept_failures,
    ),
    ("worker_full", "Times no client could be accepted since there were as many as may be", |counters| {
        &counters.full
    }),
    ("worker_answered", "Requests that were answered, by a server or by the gateway", |counters| {
        &counters.answered
    }),
    ("worker_departed", "Requests whose client left before the answer was over", |counters| {
        &counters.departed
    }),
    ("worker_tokens_known", "Tokens that a worker had verified before", |counters| &counters.tokens_known),
    ("worker_tokens_verified", "Tokens that a worker has verified", |counters| &counters.tokens_verified),
    ("worker_unauthorized", "Requests refused since nobody knew who asked (401)", |counters| {
        &counters.unauthorized
    }),
    ("worker_forbidden", "Requests whose caller may not (403)", |counters| &counters.forbidden),
    ("worker_rate_limited", "Requests that a limit refused (429)", |counters| &counters.rate_limited),
    (
        "worker_locked_out",
        "Requests from addresses that had sent too many wrong credentials (429)",
        |counters| &counters.locked_out,
    ),
    ("worker_unjudged", "Requests whose credential nobody could judge (503)", |counters| &counters.unjudged),
    ("log_lines", "Lines of the request log handed to its writer", |counters| &counters.log_lines),
    ("log_lines_dropped", "Lines of the request log dropped since the writer was behind", |counters| {
        &counters.log_lines_dropped
    }),
    ("panics", "Connections lost to a defect of the gateway", |counters| &counters.panics),
];

/// One number a worker.
fn by_worker(
    mut encoder: MetricEncoder<'_>,
    values: impl Iterator<Item = u64>,
    encode: impl Fn(&mut MetricEncoder<'_>, u64) -> Result<(), fmt::Error>,
) -> Result<(), fmt::Error> {
    for (worker, value) in values.enumerate() {
        let labels = [("worker", worker.to_string())];
        encode(&mut encoder.encode_family(&labels)?, value)?;
    }
    Ok(())
}

fn requests(readings: &Readings, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let mut totals: BTreeMap<[(&str, &str); 3], u64> = BTreeMap::new();
    for route in &readings.routes {
        for source in Source::ALL {
            for (class, counter) in CLASSES.iter().zip(route.answered(source)) {
                let labels = [("route", &*route.route), ("source", source.name()), ("class", class)];
                *totals.entry(labels).or_default() += counter.get();
            }
        }
    }
    totals.retain(|_, total| *total > 0);
    let help = "Requests that are over, by route, by who answered and by class of status";
    counters(encoder, "requests", help, totals)
}

fn durations(readings: &Readings, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let mut totals: BTreeMap<_, Total> = BTreeMap::new();
    for route in &readings.routes {
        totals.entry([("route", &*route.route)]).or_default().add(&route.duration);
    }
    let help = "From a request's first byte to the last one of its answer, by route";
    histograms(encoder, "request_duration", help, totals)
}

fn stages(readings: &Readings, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let mut totals: BTreeMap<_, Total> = BTreeMap::new();
    for route in &readings.routes {
        for stage in Stage::ALL {
            let labels = [("route", &*route.route), ("stage", stage.name())];
            totals.entry(labels).or_default().add(route.stage(stage));
        }
    }
    let help = "Where the time of requests went, by route; a stage that took no time is not counted";
    histograms(encoder, "stage_duration", help, totals)
}

fn servers_so_far(readings: &Readings, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    type Count = fn(&ServerMetrics) -> &Counter;
    let counts: [(&str, &str, Count); 3] = [
        ("upstream_requests", "Requests sent to a server", |server| &server.requests),
        ("upstream_failures", "Requests that a server failed, and attempts to connect to it", |server| {
            &server.failures
        }),
        ("upstream_connections_made", "Connections made to a server", |server| &server.connections),
    ];
    let mut durations: BTreeMap<_, Total> = BTreeMap::new();
    for server in &readings.servers {
        let labels = [("pool", &*server.pool), ("server", &*server.server)];
        durations.entry(labels).or_default().add(&server.response);
    }
    histograms(
        encoder,
        "upstream_response",
        "From a request sent to a server to the head of its answer",
        durations,
    )?;
    for (name, help, count) in counts {
        let mut totals: BTreeMap<_, u64> = BTreeMap::new();
        for server in &readings.servers {
            let labels = [("pool", &*server.pool), ("server", &*server.server)];
            *totals.entry(labels).or_default() += count(server).get();
        }
        counters(encoder, name, help, totals)?;
    }
    Ok(())
}

/// One counter for each set of labels.
fn counters<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    totals: BTreeMap<[(&str, &str); N], u64>,
) -> Result<(), fmt::Error> {
    let mut counter = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, total) in totals {
        counter.encode_family(&labels)?.encode_counter::<[(&str, &str); 0], _, f64>(&total, None)?;
    }
    Ok(())
}

/// One histogram of seconds for each set of labels that anything was measured for.
fn histograms<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    totals: BTreeMap<[(&str, &str); N], Total>,
) -> Result<(), fmt::Error> {
    let mut histogram = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
    for (labels, total) in totals.into_iter().filter(|(_, total)| total.count() > 0) {
        let (sum, count, buckets) = (total.sum_seconds(), total.count(), total.buckets());
        let mut family = histogram.encode_family(&labels)?;
        family.encode_histogram::<[(&str, &str); 0]>(sum, count, &buckets, None)?;
    }
    Ok(())
}
