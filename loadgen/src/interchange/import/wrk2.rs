//! The text that `wrk2 --latency` prints.
//!
//! The form is that of `print_hdr_latency` and `print_stats` in wrk2's `wrk.c`: a short list of percentiles with units, a
//! detailed table in milliseconds that ends with `#[Max`, then totals. With `--u_latency` a second pair of lists follows,
//! which leaves the waiting out; only the first one counts.

use crate::interchange::import::{Imported, Tool, nanoseconds, unknown};

const TABLE: &str = "Detailed Percentile spectrum:";
const MILLISECOND_NS: f64 = 1e6;

pub(super) fn parse(text: &str) -> Result<Imported, String> {
    let (_, table) = text.split_once(TABLE).ok_or_else(unknown)?;
    let end = table.find("\n#[Buckets").or_else(|| table.find("#[Buckets")).unwrap_or(table.len());
    let (table, totals) = table.split_at(end);
    let requests = totals.lines().find_map(requests);
    let mut summary = Imported::of(Tool::Wrk2);
    summary.quantiles = table.lines().filter_map(row).collect();
    summary.mean_ns = after(table, "#[Mean").and_then(milliseconds);
    summary.max_ns = after(table, "#[Max").and_then(milliseconds);
    summary.requests = requests.map(|(count, _)| count);
    summary.elapsed_ns = requests.map(|(_, elapsed)| elapsed);
    summary.requests_per_second = totals
        .lines()
        .find_map(|line| line.trim().strip_prefix("Requests/sec:").and_then(|rate| rate.trim().parse().ok()));
    summary.failed = summary.requests.map(|_| failed(totals));
    Ok(summary)
}

/// `Value Percentile TotalCount 1/(1-Percentile)`: the last row's fourth field is `inf`.
fn row(line: &str) -> Option<(f64, u64)> {
    let fields: Vec<f64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    match fields[..] {
        [value, quantile, _, _] => Some((quantile, nanoseconds(value, MILLISECOND_NS)?)),
        _ => None,
    }
}

/// What stands behind `name` and its equals sign, up to a comma.
fn after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(name)?;
    let (_, rest) = rest.split_once('=')?;
    rest.split([',', ']', '\n']).next()
}

fn milliseconds(text: &str) -> Option<u64> {
    nanoseconds(text.trim().parse().ok()?, MILLISECOND_NS)
}

/// `60018 requests in 30.00s, 19.81MB read`: how many, and how long in nanoseconds.
fn requests(line: &str) -> Option<(u64, u64)> {
    let (count, rest) = line.trim().split_once(" requests in ")?;
    let elapsed = rest.split(',').next()?;
    Some((count.parse().ok()?, duration(elapsed.trim())?))
}

fn duration(text: &str) -> Option<u64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let unit_ns = match unit {
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        _ => return None,
    };
    nanoseconds(number.parse().ok()?, unit_ns)
}

/// Two lines that are printed only where there is something to count.
fn failed(totals: &str) -> u64 {
    let socket = totals.lines().find_map(|line| line.trim().strip_prefix("Socket errors:"));
    let socket = socket.into_iter().flat_map(|kinds| kinds.split(',')).filter_map(last_number);
    let status = totals.lines().filter(|line| line.trim().starts_with("Non-2xx")).filter_map(last_number);
    socket.chain(status).sum()
}

fn last_number(text: &str) -> Option<u64> {
    text.split_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shortened from the README of wrk2 (github.com/giltene/wrk2), "Basic Usage"; the two lines of errors as `wrk.c`
    /// prints them.
    const SAMPLE: &str = "\
Running 30s test @ http://127.0.0.1:80/index.html
  2 threads and 100 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     6.60ms    1.92ms  12.50ms   68.46%
  Latency Distribution (HdrHistogram - Recorded Latency)
 50.000%    6.67ms
100.000%   12.50ms

  Detailed Percentile spectrum:
       Value   Percentile   TotalCount 1/(1-Percentile)

       0.921     0.000000            1         1.00
       6.671     0.500000        19783         2.00
      11.207     0.990625        39135       106.67
      12.503     1.000000        39500          inf
#[Mean    =        6.602, StdDeviation   =        1.919]
#[Max     =       12.496, Total count    =        39500]
#[Buckets =           27, SubBuckets     =         2048]
----------------------------------------------------------
  60018 requests in 30.00s, 19.81MB read
  Socket errors: connect 1, read 2, write 0, timeout 4
  Non-2xx or 3xx responses: 5
Requests/sec:   2000.28
Transfer/sec:    676.18KB
";

    #[test]
    fn the_table_the_totals_and_the_errors_are_read() {
        let summary = parse(SAMPLE).unwrap();
        assert_eq!(summary.quantiles.len(), 4);
        assert_eq!(summary.quantile(0.5), Some(6_671_000));
        assert_eq!(summary.quantile(1.0), Some(12_503_000));
        assert_eq!((summary.mean_ns, summary.max_ns), (Some(6_602_000), Some(12_496_000)));
        assert_eq!((summary.requests, summary.failed), (Some(60_018), Some(12)));
        assert_eq!((summary.elapsed_ns, summary.requests_per_second), (Some(30_000_000_000), Some(2000.28)));
    }

    #[test]
    fn a_quantile_that_is_not_in_the_table_is_not_made_up() {
        assert_eq!(parse(SAMPLE).unwrap().quantile(0.99), None);
    }

    #[test]
    fn the_second_table_of_u_latency_does_not_count() {
        let (head, tail) = SAMPLE.split_once("-----").unwrap();
        let second = head.split_once("Latency Distribution").unwrap().1.replace("6.671", "0.071");
        let summary = parse(&format!("{head}\n  Latency Distribution{second}-----{tail}")).unwrap();
        assert_eq!((summary.quantiles.len(), summary.quantile(0.5)), (4, Some(6_671_000)));
        assert_eq!(summary.requests, Some(60_018));
    }

    #[test]
    fn without_its_end_the_text_tells_what_it_has() {
        let summary = parse(SAMPLE.split_once("#[Max").unwrap().0).unwrap();
        assert_eq!((summary.max_ns, summary.requests, summary.failed), (None, None, None));
        assert!(parse("Running 30s test").is_err());
    }
}
