//! Whether two systems differ: the experiment, carried out and judged.
//!
//! Owns: the experiment as a whole. Two systems are started in turns from their command lines, each on cores of its own,
//! each start one observation; first A against itself, whose spread is the noise floor of this machine, then A against B.
//! Refuses: a conclusion from less. Two saved runs are two observations: [`SavedComparison`] shows them side by side and
//! judges nothing.
//! Assumes: both systems do the same work, on the same number of threads. It cannot see that.

mod bench;
mod experiment;
mod judge;
mod metric;
mod observation;
mod order;
mod port;
mod process;
mod saved;
mod sheet;
mod table;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::bench::Workbench;
pub use self::bench::{Setup, System, cores};
pub use self::experiment::{Design, Witness};
use self::experiment::{Experiment, Record};
pub use self::judge::{Conclusion, Effect, Outcome, QuantileRatio};
pub use self::metric::Metric;
pub use self::observation::{Costs, Observation, Pass, Run};
pub use self::order::Side;
use self::process::on_cores;
pub use self::process::{Launch, kill_all};
pub use self::saved::{SavedComparison, SavedRatio};
use crate::record::recorder::nanoseconds;
use crate::{Blob, Error, Provenance, Stop};

/// The form of the JSON object; it changes when a field changes its meaning or goes.
const FORMAT: u32 = 1;
/// What a run takes beside its load: start, first answer, connections, end. Measured: 120 ms with ringmock, 220 ms with the gateway.
const OVERHEAD: Duration = Duration::from_millis(200);

/// An experiment and what it came to. As JSON it is the saved comparison: everything here can be read back. Durations are
/// nanoseconds, in fields whose names end in `_ns`; ratios are B divided by A.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Version of this form.
    pub format: u32,
    /// Where it comes from.
    pub provenance: Provenance,
    /// How it was done.
    pub conditions: Conditions,
    /// What was concluded.
    pub conclusion: Conclusion,
    /// Every metric, the one that decides first.
    pub effects: Vec<Effect>,
    /// The quantiles of the response time.
    pub quantiles: Vec<QuantileRatio>,
    /// Response times of A and of B over all runs of the comparison that count.
    pub responses: [Blob; 2],
    /// Every run, those that do not count too, in the order of time.
    pub runs: Vec<Run>,
}

/// How an experiment was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// The command lines of A and B.
    pub commands: [String; 2],
    /// What was requested of each.
    pub urls: [Vec<String>; 2],
    /// Those of the servers behind them, if they were started too.
    pub backends: Vec<String>,
    /// The load in words, as on A.
    pub load: String,
    /// Connections.
    pub connections: usize,
    /// Threads of the generator.
    pub threads: usize,
    /// Length of the measured part of a run.
    pub duration_ns: u64,
    /// Length of the part before it.
    pub warmup_ns: u64,
    /// The metric named to decide.
    pub metric: Metric,
    /// Pairs of A and B asked for.
    pub pairs: usize,
    /// Pairs of A and A asked for.
    pub floor_pairs: usize,
    /// Starts of either side in a pair.
    pub turns: usize,
    /// The cores of A and B; none: they were not pinned.
    pub proxy_cores: Vec<usize>,
    /// The cores of generator and backends.
    pub load_cores: Vec<usize>,
}

impl Conditions {
    fn new(setup: &Setup, design: &Design) -> Conditions {
        let plan = &setup.systems[0].plan;
        let both = |tell: fn(&System) -> String| [tell(&setup.systems[0]), tell(&setup.systems[1])];
        let urls = |system: &System| system.plan.targets.iter().map(crate::Target::url).collect();
        Conditions {
            commands: both(|system| system.launch.to_string()),
            urls: [urls(&setup.systems[0]), urls(&setup.systems[1])],
            backends: setup.backends.iter().map(ToString::to_string).collect(),
            load: plan.load.to_string(),
            connections: plan.connections,
            threads: plan.threads,
            duration_ns: nanoseconds(plan.duration),
            warmup_ns: nanoseconds(plan.warmup),
            metric: design.metric,
            pairs: design.pairs,
            floor_pairs: design.floor_pairs,
            turns: design.turns,
            proxy_cores: setup.proxy_cores.clone(),
            load_cores: setup.load_cores.clone(),
        }
    }
}

/// About how long the experiment will take, if no pair is repeated.
pub fn expected_length(setup: &Setup, design: &Design) -> Duration {
    let runs = u32::try_from(design.runs()).unwrap_or(u32::MAX);
    let plan = &setup.systems[0].plan;
    (plan.warmup + plan.duration + OVERHEAD).saturating_mul(runs)
}

/// Carries out the experiment on the calling thread and judges it. All processes that it started have ended when it
/// returns, however it returns. When `stop` says so it ends early, undecided, with the runs there are.
///
/// # Errors
/// The setup makes no sense; a process does not start, does not answer within 10 s or ends by itself; somebody else listens
/// on the port; `witness` cannot put a run down. Runs that merely do not count are repeated, and if that does not help, the
/// outcome is undecided.
pub fn carry_out(
    setup: &Setup,
    design: &Design,
    stop: &Stop,
    witness: &mut dyn Witness,
) -> Result<Comparison, Error> {
    design.check()?;
    setup.check()?;
    if setup.is_direct() && design.metric == Metric::Cpu {
        let advice = "choose --metric machine, p50, p99 or throughput";
        return Err(Error::Plan(format!(
            "`{}` has no process whose CPU could decide; {advice}",
            Launch::DIRECT
        )));
    }
    let provenance = Provenance::now();
    let conditions = Conditions::new(setup, design);
    let carried_out = on_cores(&setup.load_cores, || {
        Ok(Workbench::new(setup, stop)
            .and_then(|mut bench| Experiment::new(*design, &mut bench, witness, stop).carry_out()))
    });
    let record = carried_out.map_err(Error::Loop)??;
    Ok(Comparison::new(provenance, conditions, record))
}

impl Comparison {
    fn new(provenance: Provenance, conditions: Conditions, record: Record) -> Comparison {
        let effects = judge::effects(&record.runs, conditions.metric);
        let conclusion = match record.shortfall {
            Some(reason) => Conclusion { outcome: Outcome::Undecided, reason },
            None => effects[0].conclude(),
        };
        Comparison {
            format: FORMAT,
            provenance,
            conclusion,
            effects,
            quantiles: judge::quantile_ratios(&record.runs),
            responses: record.responses.map(Blob),
            runs: record.runs,
            conditions,
        }
    }

    /// Reads a saved comparison.
    ///
    /// # Errors
    /// It is none, or of another version.
    pub fn parse(text: &str) -> Result<Comparison, String> {
        let read: Comparison = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match read.format {
            FORMAT => Ok(read),
            other => Err(format!(
                "it has format {other}, and this program reads {FORMAT}; use the one that wrote it"
            )),
        }
    }
}
