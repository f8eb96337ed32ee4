//! A comparison as a person reads it, in a terminal and in Markdown; and a run as one line.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::judge::{Effect, Outcome, is_notable, pairs, percent};
use super::observation::{Costs, Observation, Pass, Run};
use super::order::Side;
use super::sheet::{Sheet, time, time_or_dash};
use super::{Comparison, Conditions};
use crate::statistics::{Estimate, WalshAverages};

const ADJUSTED: &str = "p: the chance of such a ratio without any difference; of what does not decide, adjusted for its \
                        number (Holm)";
const POINTWISE: &str = "each interval for itself: of several, one may miss the truth";

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::NoDifference => "no difference",
            Outcome::Difference => "difference",
            Outcome::Undecided => "undecided",
        })
    }
}

impl Display for Pass {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Pass::Floor => "floor",
            Pass::Comparison => "comparison",
        })
    }
}

/// One line, without its end.
impl Display for Run {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Run { pass, pair, turn, side, observation, .. } = self;
        let side = name(*pass, *side);
        write!(f, "{pass:<10} {pair:>3}.{turn} {side:<2} {:>8.0}/s", observation.requests_per_second)?;
        let response = |name| time_or_dash(observation.response(name));
        write!(f, "  p50 {:>8}  p99 {:>8}  CPU per request:", response("p50"), response("p99"))?;
        for (name, cost) in observation.costs.named() {
            write!(f, " {name} {}", time_or_dash(cost))?;
        }
        match &self.discarded {
            Some(reason) => write!(f, "  DOES NOT COUNT: {reason}"),
            None => Ok(()),
        }
    }
}

/// What a side is called: in the floor's pass the second one is A again.
fn name(pass: Pass, side: Side) -> &'static str {
    match (pass, side) {
        (_, Side::A) => "A",
        (Pass::Floor, Side::B) => "A'",
        (Pass::Comparison, Side::B) => "B",
    }
}

impl Costs {
    fn named(&self) -> [(&'static str, Option<f64>); 4] {
        [
            ("proxy", self.proxy_ns),
            ("backend", self.backend_ns),
            ("generator", self.generator_ns),
            ("machine", self.machine_ns),
        ]
    }
}

/// What is compared, how.
impl Display for Conditions {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for side in Side::BOTH {
            let urls = self.urls[side.index()].join(", ");
            writeln!(f, "{side}           {}  ({urls})", self.commands[side.index()])?;
        }
        self.backends.iter().try_for_each(|backend| writeln!(f, "backend     {backend}"))?;
        let length = |nanoseconds| Duration::from_nanos(nanoseconds);
        writeln!(
            f,
            "each run    {}, {} connections, {:?} after {:?} of warm-up; {}",
            self.load,
            self.connections,
            length(self.duration_ns),
            length(self.warmup_ns),
            self.cores(),
        )?;
        let Conditions { pairs, floor_pairs, turns, metric, .. } = self;
        let runs = format!("{floor_pairs} pairs of A and A for the floor, {pairs} pairs of A and B");
        writeln!(f, "runs        {runs}; a pair is {turns} starts of either side, in turns")?;
        writeln!(f, "decided by  {metric}: {}", metric.title())
    }
}

impl Conditions {
    fn cores(&self) -> String {
        if self.proxy_cores.is_empty() {
            return "not pinned".to_owned();
        }
        format!("A and B on cores {:?}, generator and backends on {:?}", self.proxy_cores, self.load_cores)
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.conditions)?;
        writeln!(f, "verdict     {}: {}", self.conclusion.outcome, self.conclusion.reason)?;
        writeln!(f, "floor       {}", self.floor())?;
        for (sheet, note) in self.sheets() {
            write!(f, "\n{}{note}\n", sheet.text())?;
        }
        Ok(())
    }
}

impl Comparison {
    /// The same for a document.
    pub fn markdown(&self) -> String {
        let mut text = format!("## {}\n\n{}\n\n", self.conclusion.outcome, self.conclusion.reason);
        text += &format!("```\n{}floor       {}\n```\n", self.conditions, self.floor());
        let sheets = self.sheets().into_iter().chain([(self.run_sheet(), "")]);
        for (sheet, note) in sheets {
            text += &format!("\n{}\n{note}\n", sheet.markdown());
        }
        text.trim_end().to_owned() + "\n"
    }

    fn floor(&self) -> String {
        let deciding = &self.effects[0];
        let Some((floor, own)) = deciding.floor.zip(deciding.self_ratio) else {
            return "not measured".to_owned();
        };
        let lean =
            if own.excludes(1.0) { "; the machine leans to one side, trust nothing close to it" } else { "" };
        format!("+-{:.1} %: A against itself came out at {}{lean}", floor * 100.0, percent(own))
    }

    fn sheets(&self) -> Vec<(Sheet, &'static str)> {
        let sheets =
            [(self.effect_sheet(), ADJUSTED), (self.quantile_sheet(), POINTWISE), (self.cost_sheet(), "")];
        sheets.into_iter().filter(|(sheet, _)| !sheet.is_empty()).collect()
    }

    fn effect_sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&["metric", "B / A", "95 %", "floor", "p", ""]);
        self.effects.iter().filter_map(effect_row).for_each(|row| sheet.push(row));
        sheet
    }

    fn quantile_sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(&["response", "A", "B", "B / A", "95 %"]);
        for told in &self.quantiles {
            let [a, b] = told.middle_ns.map(time);
            sheet.push(vec![told.quantile.clone(), a, b, ratio(told.ratio), percent(told.ratio)]);
        }
        sheet
    }

    /// The middle of the comparison's runs.
    fn cost_sheet(&self) -> Sheet {
        let mut sheet =
            Sheet::new(&["CPU per request", "proxy", "backend", "generator", "machine", "requests/s"]);
        let pairs = pairs(&self.runs, Pass::Comparison);
        for side in Side::BOTH.into_iter().filter(|_| !pairs.is_empty()) {
            let runs: Vec<&Observation> = pairs.iter().flatten().map(|turn| turn[side.index()]).collect();
            let costs = (0..4).map(|index| time_or_dash(middle(&runs, |run| run.costs.named()[index].1)));
            let rate = middle(&runs, |run| Some(run.requests_per_second)).unwrap_or_default();
            sheet.push([side.to_string()].into_iter().chain(costs).chain([format!("{rate:.0}")]).collect());
        }
        sheet
    }

    fn run_sheet(&self) -> Sheet {
        let heading = ["run", "requests/s", "p50", "p99", "proxy", "backend", "generator", "machine", ""];
        let mut sheet = Sheet::new(&heading);
        self.runs.iter().for_each(|run| sheet.push(run_row(run)));
        sheet
    }
}

fn middle(runs: &[&Observation], value: impl Fn(&Observation) -> Option<f64>) -> Option<f64> {
    WalshAverages::of(&runs.iter().filter_map(|run| value(run)).collect::<Vec<_>>()).middle()
}

fn effect_row(effect: &Effect) -> Option<Vec<String>> {
    let told = effect.ratio?;
    let mark = match effect.decides {
        true => "decides",
        false if is_notable(effect) => "worth a look",
        false => "",
    };
    let floor = effect.floor.map_or_else(|| "-".to_owned(), |floor| format!("+-{:.1} %", floor * 100.0));
    let probability = effect.probability.map_or_else(|| "-".to_owned(), |p| format!("{p:.3}"));
    Some(vec![effect.metric.to_string(), ratio(told), percent(told), floor, probability, mark.to_owned()])
}

fn ratio(told: Estimate) -> String {
    format!("{:.3}", told.value)
}

fn run_row(run: &Run) -> Vec<String> {
    let shown = &run.observation;
    let costs = shown.costs.named().map(|(_, cost)| time_or_dash(cost));
    let place = format!("{} {}.{} {}", run.pass, run.pair, run.turn, name(run.pass, run.side));
    let times = ["p50", "p99"].map(|name| time_or_dash(shown.response(name)));
    let head = [place, format!("{:.0}", shown.requests_per_second)];
    let reason = run.discarded.iter().map(|reason| format!("does not count: {reason}"));
    let mut row: Vec<String> = head.into_iter().chain(times).chain(costs).chain(reason).collect();
    row.resize(9, String::new());
    row
}
