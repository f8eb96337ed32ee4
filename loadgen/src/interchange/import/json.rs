//! The JSON that oha, k6 and vegeta write.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::interchange::import::{Imported, Tool, nanoseconds, unknown};

const SECOND_NS: f64 = 1e9;
const MILLISECOND_NS: f64 = 1e6;
/// What oha calls the requests that were under way when its time was up: no failures.
const OHA_DEADLINE: &str = "aborted due to deadline";

pub(super) fn parse(text: &str) -> Result<Imported, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("{}: {error}", unknown()))?;
    let tried = [oha(&value), k6(&value), vegeta(&value)];
    tried.into_iter().flatten().next().ok_or_else(unknown)
}

/// `schema.json` in oha's repository (github.com/hatoo/oha); durations in seconds. A value that oha could not compute is
/// null.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Oha {
    summary: OhaSummary,
    latency_percentiles: BTreeMap<String, Option<f64>>,
    status_code_distribution: BTreeMap<u16, u64>,
    error_distribution: BTreeMap<String, u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OhaSummary {
    total: Option<f64>,
    slowest: Option<f64>,
    average: Option<f64>,
    requests_per_sec: Option<f64>,
}

fn oha(value: &Value) -> Option<Imported> {
    let oha = Oha::deserialize(value).ok()?;
    let seconds = |value: Option<f64>| nanoseconds(value?, SECOND_NS);
    let answered: u64 = oha.status_code_distribution.values().sum();
    let errors = oha.error_distribution.iter().filter(|(name, _)| *name != OHA_DEADLINE);
    let errors: u64 = errors.map(|(_, count)| count).sum();
    let quantiles = oha.latency_percentiles.iter();
    Some(Imported {
        requests: Some(answered + errors),
        failed: Some(errors + refused(&oha.status_code_distribution)),
        elapsed_ns: seconds(oha.summary.total),
        requests_per_second: oha.summary.requests_per_sec,
        mean_ns: seconds(oha.summary.average),
        max_ns: seconds(oha.summary.slowest),
        quantiles: quantiles
            .filter_map(|(name, value)| Some((percent(name.strip_prefix('p')?)?, seconds(*value)?)))
            .collect(),
        statuses: oha.status_code_distribution,
        ..Imported::of(Tool::Oha)
    })
}

/// "End-of-test summary" in k6's documentation: durations in milliseconds. `--summary-export` has the numbers of a metric
/// beside each other, `handleSummary` has them in `values`, and the length of the run in `state`. In `http_req_failed` a
/// *pass* is a request that failed: the metric asks whether it did.
#[derive(Debug, Deserialize)]
struct K6 {
    metrics: BTreeMap<String, BTreeMap<String, Value>>,
    #[serde(default)]
    state: K6State,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct K6State {
    test_run_duration_ms: Option<f64>,
}

impl K6 {
    fn number(&self, metric: &str, name: &str) -> Option<f64> {
        let metric = self.metrics.get(metric)?;
        let nested = metric.get("values").and_then(|values| values.get(name));
        nested.or_else(|| metric.get(name))?.as_f64()
    }

    fn duration(&self, name: &str) -> Option<u64> {
        nanoseconds(self.number("http_req_duration", name)?, MILLISECOND_NS)
    }

    fn quantiles(&self) -> Vec<(f64, u64)> {
        let metric = self.metrics.get("http_req_duration");
        let nested = metric.and_then(|metric| metric.get("values")).and_then(Value::as_object);
        let names =
            metric.into_iter().flat_map(BTreeMap::keys).chain(nested.into_iter().flat_map(|map| map.keys()));
        names.filter_map(|name| Some((k6_quantile(name)?, self.duration(name)?))).collect()
    }
}

fn k6(value: &Value) -> Option<Imported> {
    let k6 = K6::deserialize(value).ok()?;
    let count = |metric, name| k6.number(metric, name).and_then(|count| nanoseconds(count, 1.0));
    k6.metrics.get("http_req_duration")?;
    Some(Imported {
        requests: count("http_reqs", "count"),
        failed: count("http_req_failed", "passes"),
        elapsed_ns: k6.state.test_run_duration_ms.and_then(|length| nanoseconds(length, MILLISECOND_NS)),
        requests_per_second: k6.number("http_reqs", "rate"),
        mean_ns: k6.duration("avg"),
        max_ns: k6.duration("max"),
        quantiles: k6.quantiles(),
        ..Imported::of(Tool::K6)
    })
}

/// `med`, or `p(99.9)`.
fn k6_quantile(name: &str) -> Option<f64> {
    match name {
        "med" => Some(0.5),
        _ => percent(name.strip_prefix("p(")?.strip_suffix(')')?),
    }
}

/// `Metrics` in vegeta's `lib/metrics.go` (github.com/tsenart/vegeta): durations in nanoseconds. Status 0 is a request
/// without an answer; `throughput` counts the successful ones until the last answer.
#[derive(Debug, Deserialize)]
struct Vegeta {
    latencies: BTreeMap<String, f64>,
    #[serde(default)]
    duration: f64,
    #[serde(default)]
    wait: f64,
    requests: u64,
    throughput: Option<f64>,
    status_codes: BTreeMap<u16, u64>,
}

fn vegeta(value: &Value) -> Option<Imported> {
    let vegeta = Vegeta::deserialize(value).ok()?;
    let latency = |name| vegeta.latencies.get(name).and_then(|&value| nanoseconds(value, 1.0));
    let quantiles = vegeta.latencies.iter();
    let mut statuses = vegeta.status_codes.clone();
    let unanswered = statuses.remove(&0).unwrap_or(0);
    Some(Imported {
        requests: Some(vegeta.requests),
        failed: Some(unanswered + refused(&statuses)),
        elapsed_ns: nanoseconds(vegeta.duration + vegeta.wait, 1.0),
        requests_per_second: vegeta.throughput,
        mean_ns: latency("mean"),
        max_ns: latency("max"),
        quantiles: quantiles
            .filter_map(|(name, &value)| Some((percent(name.strip_suffix("th")?)?, nanoseconds(value, 1.0)?)))
            .collect(),
        statuses,
        ..Imported::of(Tool::Vegeta)
    })
}

fn refused(statuses: &BTreeMap<u16, u64>) -> u64 {
    statuses.range(400..).map(|(_, count)| count).sum()
}

/// Per cent as a part of 1, rounded to where decimal percentiles are exact.
fn percent(text: &str) -> Option<f64> {
    let percent: f64 = text.parse().ok()?;
    (0.0..=100.0).contains(&percent).then(|| (percent * 1e7).round() / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the form of `print_json` in oha's `printer.rs`.
    const OHA: &str = r#"{
      "summary": {"successRate": 1.0, "total": 10.0025, "slowest": 0.0595, "fastest": 0.0015, "average": 0.0073,
        "requestsPerSec": 2715.31, "totalData": 108560, "sizePerRequest": 4, "sizePerSec": 10853.2},
      "responseTimeHistogram": {"0.001513633": 1, "0.0073187554999999994": 21410},
      "latencyPercentiles": {"p10": 0.00335238, "p25": 0.0041, "p50": 0.005103596, "p75": 0.0067, "p90": 0.0153,
        "p95": 0.0228, "p99": 0.037926214, "p99.9": 0.046499836, "p99.99": null},
      "rps": {"mean": 3180.3, "stddev": 1683.1, "max": 14780.7, "min": 24.4, "percentiles": {"p50": 3725.2}},
      "details": {"DNSDialup": {"average": 0.005, "fastest": 0.002, "slowest": 0.007}},
      "statusCodeDistribution": {"200": 27140, "503": 7},
      "errorDistribution": {"aborted due to deadline": 20, "connection refused": 3}
    }"#;

    /// In the form of k6's "Summary export": each metric's numbers beside each other.
    const K6: &str = r#"{
      "root_group": {"name": "", "path": "", "groups": {}, "checks": {}},
      "metrics": {
        "http_reqs": {"count": 1587, "rate": 528.37},
        "http_req_failed": {"passes": 5, "fails": 1582, "value": 0.00315},
        "http_req_duration": {"avg": 3.848, "min": 1.52, "med": 3.558046, "max": 21.068284, "p(90)": 5.253,
          "p(95)": 7.593, "p(99.9)": 20.5},
        "http_req_duration{expected_response:true}": {"avg": 1.0},
        "vus": {"value": 3, "min": 0, "max": 3}
      }
    }"#;

    /// In the form of the README of vegeta, `report -type=json`.
    const VEGETA: &str = r#"{
      "latencies": {"total": 237119463, "mean": 2371194, "50th": 2854306, "90th": 3228223, "95th": 3478629,
        "99th": 3530000, "max": 3660505, "min": 1949582},
      "bytes_in": {"total": 606700, "mean": 6067}, "bytes_out": {"total": 0, "mean": 0},
      "earliest": "2015-09-19T14:45:50.645818631+02:00", "latest": "2015-09-19T14:45:51.635818575+02:00",
      "end": "2015-09-19T14:45:51.639325797+02:00", "duration": 989999944, "wait": 3507222, "requests": 100,
      "rate": 101.01, "throughput": 99.65, "success": 0.97, "status_codes": {"0": 1, "200": 97, "500": 2}, "errors": []
    }"#;

    #[test]
    fn oha_tells_seconds_and_counts_what_its_deadline_cut_off_among_the_errors() {
        let summary = parse(OHA).unwrap();
        assert_eq!(summary.tool, Tool::Oha);
        assert_eq!((summary.requests, summary.failed), (Some(27_150), Some(10)));
        assert_eq!((summary.quantile(0.99), summary.quantile(0.9999)), (Some(37_926_214), None));
        assert_eq!((summary.mean_ns, summary.max_ns), (Some(7_300_000), Some(59_500_000)));
        assert_eq!((summary.elapsed_ns, summary.requests_per_second), (Some(10_002_500_000), Some(2715.31)));
        assert_eq!(summary.statuses[&503], 7);
    }

    #[test]
    fn k6_tells_milliseconds_and_calls_a_failed_request_a_pass() {
        let summary = parse(K6).unwrap();
        assert_eq!(summary.tool, Tool::K6);
        assert_eq!((summary.requests, summary.failed), (Some(1587), Some(5)));
        assert_eq!((summary.quantile(0.5), summary.quantile(0.999)), (Some(3_558_046), Some(20_500_000)));
        assert_eq!((summary.quantile(0.99), summary.elapsed_ns), (None, None));
        assert!(summary.statuses.is_empty());
    }

    #[test]
    fn k6_written_by_handle_summary_is_read_too() {
        let nested = r#"{"state": {"testRunDurationMs": 3003.5}, "metrics": {
          "http_req_duration": {"type": "trend", "contains": "time", "values": {"avg": 2.0, "med": 1.5, "p(99)": 9.0}},
          "http_reqs": {"type": "counter", "values": {"count": 12, "rate": 4.0}}}}"#;
        let summary = parse(nested).unwrap();
        assert_eq!((summary.requests, summary.elapsed_ns), (Some(12), Some(3_003_500_000)));
        assert_eq!((summary.quantile(0.99), summary.failed), (Some(9_000_000), None));
    }

    #[test]
    fn vegeta_tells_nanoseconds_and_calls_no_answer_status_0() {
        let summary = parse(VEGETA).unwrap();
        assert_eq!(summary.tool, Tool::Vegeta);
        assert_eq!((summary.requests, summary.failed), (Some(100), Some(3)));
        assert_eq!((summary.quantile(0.5), summary.quantile(0.99)), (Some(2_854_306), Some(3_530_000)));
        assert_eq!((summary.mean_ns, summary.max_ns), (Some(2_371_194), Some(3_660_505)));
        assert_eq!(summary.elapsed_ns, Some(993_507_166));
        assert_eq!(summary.statuses.keys().copied().collect::<Vec<_>>(), [200, 500]);
    }
}
