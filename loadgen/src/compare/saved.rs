//! Two saved runs side by side. Informative only.
//!
//! Each saved run is one process start, and process starts differ by more than their intervals say: those hold only what
//! the requests of one run tell about that run. So there are ratios with intervals here, and no verdict.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use super::judge::percent;
use super::sheet::{Sheet, time, time_or_dash};
use crate::statistics::{Estimate, difference};
use crate::{Reading, Report, Summary};

/// What is said with every such table.
const CAUTION: &str = "Two runs are two observations, one of each system: the intervals tell how sure each quantile is \
                       of its own run, not whether the systems differ. For that, let compare start them itself.";
/// The form of the JSON object.
const FORMAT: u32 = 1;
const CLOCKS: [&str; 2] = ["response", "service"];
const QUANTILES: [&str; 5] = ["p50", "p90", "p99", "p99.9", "p99.99"];

/// Ratios of two saved runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedComparison {
    /// Version of this form.
    pub format: u32,
    /// What the runs are called.
    pub names: [String; 2],
    /// Their own verdicts.
    pub verdicts: [String; 2],
    /// What makes them hard to compare.
    pub cautions: Vec<String>,
    /// Answers per second of each.
    pub requests_per_second: [f64; 2],
    /// CPU per request of everything that both runs watched: name, and nanoseconds of each.
    pub costs: Vec<(String, [u64; 2])>,
    /// The quantiles that both tell.
    pub ratios: Vec<SavedRatio>,
}

/// One quantile in two runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedRatio {
    /// The clock, such as `response`.
    pub clock: String,
    /// The quantile, such as `p99`.
    pub quantile: String,
    /// Its value in each run, in nanoseconds.
    pub value_ns: [u64; 2],
    /// The second divided by the first, with a 95 % interval made of those of both.
    pub ratio: Estimate,
}

impl SavedComparison {
    /// Of two runs, known by these names.
    pub fn new(names: [String; 2], reports: [&Report; 2]) -> SavedComparison {
        let ratios = CLOCKS.iter().flat_map(|clock| QUANTILES.map(|name| (*clock, name)));
        let watched = reports[0].costs.iter().map(|cost| cost.name.as_str()).chain([GENERATOR]);
        SavedComparison {
            format: FORMAT,
            names,
            verdicts: reports.map(|report| report.verdict.to_string()),
            cautions: cautions(reports),
            requests_per_second: reports.map(|report| report.throughput.requests_per_second),
            costs: watched.filter_map(|name| cost(name, reports)).collect(),
            ratios: ratios.filter_map(|(clock, name)| saved_ratio(clock, name, reports)).collect(),
        }
    }

    /// The same for a document.
    pub fn markdown(&self) -> String {
        let sheets: Vec<String> = self.sheets().iter().map(Sheet::markdown).collect();
        format!("{}\n{}\n{CAUTION}\n", self.head(), sheets.join("\n"))
    }

    fn head(&self) -> String {
        let of = |index: usize| format!("{}  (verdict {})\n", self.names[index], self.verdicts[index]);
        let cautions: String = self.cautions.iter().map(|caution| format!("caution: {caution}\n")).collect();
        format!("A  {}B  {}{cautions}", of(0), of(1))
    }

    fn sheets(&self) -> Vec<Sheet> {
        [self.ratio_sheet(), self.cost_sheet()].into_iter().filter(|sheet| !sheet.is_empty()).collect()
    }

    fn ratio_sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&["time", "A", "B", "B / A", "95 %"]);
        for told in &self.ratios {
            let [a, b] = told.value_ns.map(|value| time(value as f64));
            let name = format!("{} {}", told.clock, told.quantile);
            sheet.push(vec![name, a, b, format!("{:.3}", told.ratio.value), percent(told.ratio)]);
        }
        sheet
    }

    fn cost_sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&["", "A", "B", "B / A"]);
        let mut push = |name: String, cells: [String; 2], ratio: f64| {
            let [a, b] = cells;
            sheet.push(vec![name, a, b, format!("{ratio:.3}")]);
        };
        let rates = self.requests_per_second;
        push("requests/s".to_owned(), rates.map(|rate| format!("{rate:.0}")), rates[1] / rates[0]);
        for (name, values) in &self.costs {
            let [a, b] = values.map(|value| value as f64);
            push(format!("CPU per request, {name}"), [a, b].map(|cost| time_or_dash(Some(cost))), b / a);
        }
        sheet
    }
}

impl Display for SavedComparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head())?;
        self.sheets().iter().try_for_each(|sheet| write!(f, "\n{}", sheet.text()))?;
        writeln!(f, "\n{CAUTION}")
    }
}

const GENERATOR: &str = "generator";

fn cost(name: &str, reports: [&Report; 2]) -> Option<(String, [u64; 2])> {
    let of = |report: &Report| match name {
        GENERATOR => report.generator.cpu_per_request_ns,
        _ => report.cost(name)?.cpu_per_request_ns,
    };
    Some((name.to_owned(), [of(reports[0])?, of(reports[1])?]))
}

fn saved_ratio(clock: &str, name: &str, reports: [&Report; 2]) -> Option<SavedRatio> {
    let of = |report: &Report| logarithm(report.latency.clock(clock)?, name);
    let ((a, from), (b, to)) = (of(reports[0])?, of(reports[1])?);
    let ratio = difference(to, from).map(f64::exp);
    Some(SavedRatio { clock: clock.to_owned(), quantile: name.to_owned(), value_ns: [a, b], ratio })
}

/// A quantile that is known exactly, and its logarithm with its interval.
fn logarithm(summary: &Summary, name: &str) -> Option<(u64, Estimate)> {
    let Reading::Exact(value) = summary.reading(name)? else { return None };
    let (low, high) = summary.interval(name)?;
    let estimate = Estimate { value: value as f64, low: low as f64, high: high as f64 };
    (low > 0).then(|| (value, estimate.map(f64::ln)))
}

fn cautions(reports: [&Report; 2]) -> Vec<String> {
    let [a, b] = reports;
    let findings = [
        (
            a.setting.load != b.setting.load,
            format!("the loads differ: {}, {}", a.setting.load, b.setting.load),
        ),
        (a.setting.connections != b.setting.connections, "the numbers of connections differ".to_owned()),
        (paths(a) != paths(b), "the paths requested differ".to_owned()),
        (a.provenance.kernel != b.provenance.kernel, "the kernels differ".to_owned()),
        (a.provenance.processor != b.provenance.processor, "the processors differ".to_owned()),
        (a.provenance.build != b.provenance.build, "one was measured by a debug build".to_owned()),
    ];
    findings.into_iter().filter(|(is_so, _)| *is_so).map(|(_, caution)| caution).collect()
}

/// Without host and port: two systems listen in different places as a rule.
fn paths(report: &Report) -> Vec<&str> {
    report.targets.iter().map(|target| target.url.splitn(4, '/').nth(3).unwrap_or_default()).collect()
}
