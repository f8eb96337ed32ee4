//! A report as a person reads it.

use std::fmt::{self, Display, Formatter};

use crate::record::census::{Census, TransportErrors};
use crate::record::failures::Failure;
use crate::record::summary::{Reading, Summary};
use crate::report::{Cost, Generator, Latency, MACHINE, Report, Uncounted};

/// Width of a column of latencies: `n/a (needs 100000)` fits.
const COLUMN: usize = 19;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let setting = &self.setting;
        writeln!(
            f,
            "{}: {} of {}; {}, {}, {}",
            self.targets.iter().map(|target| target.url.as_str()).collect::<Vec<_>>().join(", "),
            nanoseconds(self.elapsed_ns),
            setting.load,
            plural(setting.connections, "connection"),
            plural(setting.threads, "thread"),
            setting.driver,
        )?;
        writeln!(f, "\nverdict     {}: {}", self.verdict, self.reason)?;
        writeln!(f, "limiter     {}\n", self.limiter)?;
        self.latency.fmt(f)?;
        self.generator.fmt_floor(f)?;
        writeln!(f)?;
        self.requests.fmt(f)?;
        self.transport_errors.fmt(f)?;
        self.fmt_answers(f)?;
        self.generator.fmt(f)?;
        self.costs.iter().try_for_each(|cost| cost.fmt(f))?;
        self.uncounted.iter().try_for_each(|told| told.fmt(f))?;
        self.fmt_targets(f)?;
        self.fmt_failures(f)?;
        self.assertions.iter().try_for_each(|asserted| writeln!(f, "assertion   {asserted}"))?;
        if !self.census_holds {
            writeln!(
                f,
                "\nTHE CENSUS DOES NOT ADD UP: this is a defect of ringload; believe none of these numbers"
            )?;
        }
        Ok(())
    }
}

impl Report {
    fn fmt_answers(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let statuses = self.statuses.iter().map(|(status, count)| format!("{status}: {count}"));
        writeln!(f, "statuses    {}", joined(statuses.collect()))?;
        let throughput = &self.throughput;
        writeln!(
            f,
            "throughput  {:.1} requests/s, {:.2} MiB/s received, {} bytes of bodies",
            throughput.requests_per_second, throughput.mebibytes_per_second, throughput.body_bytes
        )?;
        let connections = &self.connections;
        let counts =
            [("failed", connections.failed), ("given up for unsolicited bytes", connections.unsolicited)];
        writeln!(f, "connections {} opened{}", connections.opened, nonzero(&counts))
    }

    /// With one target there is nothing to tell apart.
    fn fmt_targets(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.targets.len() < 2 {
            return Ok(());
        }
        for target in &self.targets {
            let Census { planned, ok, .. } = target.requests;
            let name = target.name.as_ref().unwrap_or(&target.url);
            write!(f, "target      {name} (weight {}): {planned} planned, {ok} ok", target.weight)?;
            writeln!(f, "{}", nonzero(&places(&target.requests)))?;
        }
        Ok(())
    }

    /// The first example of each kind; the JSON holds all.
    fn fmt_failures(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut told = Vec::new();
        for failure in &self.failures {
            if told.contains(&&failure.kind) {
                continue;
            }
            told.push(&failure.kind);
            let Failure { kind, reason, number, .. } = failure;
            writeln!(f, "failure     {kind}, request {number}: {reason}")?;
            writeln!(
                f,
                "            {:?} -> {:?} {:?}",
                line(&failure.request),
                line(&failure.head),
                line(&failure.body)
            )?;
        }
        Ok(())
    }
}

/// The first line, no longer than a glance.
fn line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(60).collect()
}

impl Display for Latency {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut columns = self.clocks().to_vec();
        columns.retain(|(name, summary)| *name != "added" || summary.samples > 0); // few servers tell their part
        let row = |name: &str, cell: &dyn Fn(&'static str, &Summary) -> String| {
            let cells = columns.iter().map(|(clock, summary)| format!("{:>COLUMN$}", cell(clock, summary)));
            format!("{name:<7}{}", cells.collect::<String>())
        };
        writeln!(f, "{}", row("", &|clock, _| clock.replace('_', " ")))?;
        for (name, _) in self.response.readings() {
            writeln!(f, "{}", row(name, &|_, summary| cell(summary, name)))?;
        }
        writeln!(f, "{}", row("samples", &|_, summary| summary.samples.to_string()))?;
        self.fmt_intervals(f)?;
        if self.response.lower_bounds > 0 {
            let bounds = self.response.lower_bounds;
            writeln!(
                f,
                "        >= : {bounds} requests stayed unanswered, and are known by a lower bound only"
            )?;
        }
        Ok(())
    }
}

impl Latency {
    fn fmt_intervals(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let interval = |name| {
            let (low, high) = self.response.interval(name)?;
            Some(format!("{name} {} to {}", nanoseconds(low), nanoseconds(high)))
        };
        let told: Vec<String> = Summary::names().filter_map(interval).collect();
        if told.is_empty() { Ok(()) } else { writeln!(f, "95 %   {} (response)", told.join(", ")) }
    }
}

fn cell(summary: &Summary, name: &str) -> String {
    match summary.reading(name) {
        _ if summary.samples + summary.lower_bounds == 0 => "-".to_owned(),
        Some(Reading::Exact(value)) => nanoseconds(value),
        Some(Reading::AtLeast(value)) => format!(">= {}", nanoseconds(value)),
        Some(Reading::Needs(needs)) => format!("n/a (needs {needs})"),
        None => String::new(),
    }
}

impl Generator {
    fn fmt_floor(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.floor.samples == 0 {
            return Ok(());
        }
        let (p50, max) = (cell(&self.floor, "p50"), cell(&self.floor, "max"));
        writeln!(
            f,
            "floor   an idle pacer wakes {p50} (p50) to {max} (max) late here: below that, lateness is the host's"
        )
    }
}

impl Display for Generator {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let cost = self.cpu_per_request_ns.map_or("n/a".to_owned(), nanoseconds);
        write!(f, "generator   {cost} CPU per request; ")?;
        match self.busiest_running.zip(self.busiest_waiting) {
            Some((running, waiting)) => {
                let (running, waiting) = (running * 100.0, waiting * 100.0);
                write!(
                    f,
                    "busiest thread ran {running:.0} % of the time and waited for a core {waiting:.0} %"
                )?;
            }
            None => write!(f, "the kernel does not tell how busy it was (no schedstat)")?,
        }
        write!(f, "; {} sent", self.sending.sent)?;
        let counts = [("waited for a connection", self.sending.waited), ("left late", self.sending.late)];
        writeln!(f, "{}", nonzero(&counts))
    }
}

impl Display for Cost {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let cost = self.cpu_per_request_ns.map_or("n/a".to_owned(), nanoseconds);
        let busiest = match self.busiest {
            Some(busiest) => {
                format!("; busiest thread wanted a core {:.0} % of the time", busiest * 100.0)
            }
            None if self.name == MACHINE => String::new(),
            None => "; whether a thread lacked a core is unknown (no schedstat)".to_owned(),
        };
        writeln!(f, "{:<11} {cost} CPU per request{busiest}", self.name)
    }
}

impl Display for Uncounted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<11} CPU unknown: {}", self.name, self.reason)
    }
}

/// Where requests ended other than well.
fn places(census: &Census) -> [(&'static str, u64); 6] {
    [
        ("bad status", census.bad_status),
        ("invalid body", census.invalid_body),
        ("transport error", census.transport_error),
        ("timeout", census.timeout),
        ("shed", census.shed),
        ("censored", census.censored),
    ]
}

impl Display for Census {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "requests    {} planned = {} ok", self.planned, self.ok)?;
        for (name, count) in places(self) {
            write!(f, " + {count} {name}")?;
        }
        writeln!(f)
    }
}

impl Display for TransportErrors {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let counts = [
            ("connect refused", self.connect_refused),
            ("connect failed", self.connect_failed),
            ("reset", self.reset),
            ("closed early", self.closed_early),
            ("malformed", self.malformed),
        ];
        if self.total() > 0 {
            writeln!(f, "errors      {} in transport{}", self.total(), nonzero(&counts))?;
        }
        if let Some(reason) = &self.first_malformed {
            writeln!(f, "malformed   first: {reason}")?;
        }
        Ok(())
    }
}

/// The counts that are not zero, each after a comma.
fn nonzero(counts: &[(&str, u64)]) -> String {
    counts.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!(", {count} {name}")).collect()
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn joined(parts: Vec<String>) -> String {
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// Nanoseconds in words: three significant digits and the unit that suits them, such as `1.25 ms`.
pub fn nanoseconds(value: u64) -> String {
    let (scaled, unit) = match value {
        0..1_000 => return format!("{value} ns"),
        1_000..1_000_000 => (value as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (value as f64 / 1e6, "ms"),
        _ => (value as f64 / 1e9, "s"),
    };
    let decimals = if scaled < 10.0 { 2 } else { usize::from(scaled < 100.0) };
    format!("{scaled:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_and_a_unit() {
        for (value, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (12_345, "12.3 µs"),
            (123_456_789, "123 ms"),
            (3_600_000_000_000, "3600 s"),
        ] {
            assert_eq!(nanoseconds(value), text);
        }
    }

    #[test]
    fn a_census_is_one_line_that_adds_up_before_the_eyes() {
        let census = Census { planned: 3, ok: 1, shed: 2, ..Census::default() };
        let line = "requests    3 planned = 1 ok + 0 bad status + 0 invalid body + 0 transport error + 0 timeout + 2 shed \
                    + 0 censored\n";
        assert_eq!(census.to_string(), line);
    }
}
