//! `ringload compare`: two systems in turns, or two saved runs side by side.

mod save;
mod subject;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ringload::compare::{
    self, Comparison, Design, Launch, Metric, Outcome, Run, Setup, System, Witness, expected_length,
};
use ringload::plan::scenario::Scenario;
use ringload::plan::{LoadWords, duration};
use ringload::{Error, Plan};
use serde::Serialize;

use self::save::Folder;
use self::subject::Subject;
use crate::cli::plan::{ConductOptions, ExpectOptions, RequestOptions};
use crate::cli::run::{Cores, cores};
use crate::cli::terminal::{print_json, print_text, say, stop_on_signal};
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  ringload compare a.toml b.toml --backend 'ringmock --listen 127.0.0.1:3000'
                            two configurations of the gateway, each requested where it listens
  ringload compare a.toml b.toml --scenario mix.toml
                            the requests of a file, sent to where each configuration listens
  ringload compare --a './old -p 8080' --b './new -p 8080' --url http://127.0.0.1:8080/
                            two command lines that listen on the same port, in turns
  ringload compare a.toml b.toml --metric p99 --rate 2000 --pairs 12 --save comparison
                            decided by the p99 at 2000 requests/s; every run is kept
  ringload compare --a direct --url http://127.0.0.1:3000/ --b './proxy -p 8080' --url-b http://127.0.0.1:8080/ \
      --backend 'ringmock --listen 127.0.0.1:3000' --metric p50 --rate 2000
                            what a proxy adds to the server behind it
  ringload compare old/run.json new/run.json
                            two saved runs side by side; no verdict

What is counted:
  One process start is one observation; a pair is the middle of several starts of A and B in turns (ABBA BAAB). A runs
  against itself first: how far that spreads is the floor. The metric named decides when the 95 % interval of its ratio
  excludes 1 and the ratio lies beyond the floor. Turns with a run that does not count (failed requests, an open loop that
  was not kept) are repeated, one in eight at most. In a closed loop a generator that is busy all the time spoils times
  and rates, not CPU.";

pub(super) fn help() -> String {
    let exits = [Exit::Different, Exit::Undecided, Exit::Files, Exit::Interrupted];
    format!("{EXAMPLES}\n\n{}", Exit::help_of("no difference; or two saved runs were shown", &exits))
}

#[derive(Debug, Args)]
pub(super) struct CompareOptions {
    /// Two configuration files of the gateway, or two saved runs (`run.json`, or the folder that holds it).
    #[arg(value_name = "FILE", num_args = 0..=2)]
    files: Vec<PathBuf>,
    /// The command line of A, which must stay in the foreground; `direct`: none, the URL is that of a backend.
    #[arg(long, value_name = "COMMAND", requires = "b", conflicts_with = "files")]
    a: Option<String>,
    /// The command line of B.
    #[arg(long, value_name = "COMMAND", requires = "a")]
    b: Option<String>,
    /// What to request, with `WEIGHT@` before it for a larger share; may be repeated. With a scenario only its host and port
    /// count [default: / where the file listens].
    #[arg(short, long, value_name = "URL")]
    url: Vec<String>,
    /// What to request of B, if it listens elsewhere [default: the same].
    #[arg(long, value_name = "URL", requires = "url")]
    url_b: Vec<String>,
    /// The requests, and how they arise, from a file; lengths are those given here.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// The gateway that reads the configuration files [default: ringgate beside this program, or in PATH].
    #[arg(long, value_name = "PATH")]
    gateway: Option<PathBuf>,
    /// The command line of a server behind A and B, started once; may be repeated.
    #[arg(long, value_name = "COMMAND")]
    backend: Vec<String>,
    /// Which metric decides: cpu, machine, p50, p99 or throughput.
    #[arg(long, default_value_t = Metric::Cpu)]
    metric: Metric,
    /// Pairs of A and B.
    #[arg(long, default_value_t = 8)]
    pairs: usize,
    /// Pairs of A and A for the floor [default: as many].
    #[arg(long, value_name = "PAIRS")]
    floor_pairs: Option<usize>,
    /// Starts of either side in a pair: more short ones see more of a noisy machine than one long one.
    #[arg(long, default_value_t = 4)]
    turns: usize,
    /// Open loop: so many requests per second. Without it, a closed loop.
    #[arg(short, long, value_name = "REQUESTS_PER_SECOND")]
    rate: Option<u64>,
    /// Length of the measured part of each run.
    #[arg(short, long, value_parser = duration, default_value = "500ms")]
    duration: Duration,
    /// Length of the part before it, uncounted.
    #[arg(short, long, value_parser = duration, default_value = "100ms")]
    warmup: Duration,
    #[command(flatten)]
    request: RequestOptions,
    #[command(flatten)]
    expect: ExpectOptions,
    #[command(flatten)]
    conduct: ConductOptions,
    /// Cores of A and B, such as 0 or 2,4-7 [default: the first one].
    #[arg(long, value_name = "CORES", value_parser = cores)]
    proxy_cores: Option<Cores>,
    /// Cores of generator and backends [default: all others].
    #[arg(long, value_name = "CORES", value_parser = cores)]
    load_cores: Option<Cores>,
    /// Keep the comparison and the report of every run in this folder.
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    /// Print the comparison as one JSON object, durations in nanoseconds.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print the comparison as Markdown.
    #[arg(long)]
    markdown: bool,
}

impl CompareOptions {
    /// Carries out the experiment, or reads what is saved, and prints it.
    pub(super) fn run(&self) -> Result<Exit, Error> {
        match self.subject()? {
            Subject::Saved(files) => self.show_saved(&files),
            Subject::Systems(launches, urls) => self.experiment(launches, urls),
        }
    }

    fn show_saved(&self, files: &[PathBuf; 2]) -> Result<Exit, Error> {
        let compared = subject::saved(files)?;
        self.print(&compared, || compared.markdown()).map_err(Error::Output)?;
        Ok(Exit::Good)
    }

    fn experiment(&self, launches: [Launch; 2], urls: [Vec<String>; 2]) -> Result<Exit, Error> {
        let (setup, design) = (self.setup(launches, urls)?, self.design());
        let stop = stop_on_signal().map_err(Error::Loop)?;
        let folder = self.save.as_deref().map(Folder::create).transpose().map_err(Error::Output)?;
        announce(&setup, &design);
        let mut clerk = Clerk { folder, told: 0, runs: design.runs() };
        let mut comparison = compare::carry_out(&setup, &design, &stop, &mut clerk)?;
        let secrets = setup.systems[0].plan.secrets(); // those of both: they differ in where they are sent
        comparison.provenance = comparison.provenance.of_command(std::env::args_os(), &secrets);
        let kept = clerk.keep(&comparison);
        self.print(&comparison, || comparison.markdown()).map_err(Error::Output)?; // also when it could not be kept
        kept.map_err(Error::Output)?;
        Ok(exit(comparison.conclusion.outcome))
    }

    fn design(&self) -> Design {
        let floor_pairs = self.floor_pairs.unwrap_or(self.pairs);
        Design { metric: self.metric, pairs: self.pairs, floor_pairs, turns: self.turns }
    }

    fn setup(&self, launches: [Launch; 2], urls: [Vec<String>; 2]) -> Result<Setup, Error> {
        let [a, b] = launches;
        let systems = [
            System { launch: a, plan: self.plan(&urls[0])? },
            System { launch: b, plan: self.plan(&urls[1])? },
        ];
        let (proxy_cores, load_cores) = self.cores()?;
        let backends = self.backend.iter().map(|line| Launch::of_line(line)).collect();
        Ok(Setup { systems, backends, proxy_cores, load_cores })
    }

    fn plan(&self, urls: &[String]) -> Result<Plan, Error> {
        let mut scenario = self.scenario(urls)?;
        scenario.load = LoadWords { rate: self.rate, ..LoadWords::default() }.or(scenario.load);
        if scenario.load.steps.is_none() {
            scenario.duration = Some(self.duration); // steps say themselves how long they are
        }
        self.conduct.change(&mut scenario.rest);
        scenario.rest.warmup = self.warmup;
        scenario.plan()
    }

    /// The requests: those of the file, sent to where the URL says, or those of the URLs.
    fn scenario(&self, urls: &[String]) -> Result<Scenario, Error> {
        let mut scenario = match &self.scenario {
            None => Scenario::new(self.request.targets(urls)?),
            Some(file) => {
                let mut scenario = Scenario::read(file)?;
                urls.first().map_or(Ok(()), |url| scenario.aim(subject::server(url)?))?;
                scenario
            }
        };
        scenario.rest.expect = self.expect.over(scenario.rest.expect);
        Ok(scenario)
    }

    /// Those of the systems and those of everything else.
    fn cores(&self) -> Result<(Vec<usize>, Vec<usize>), Error> {
        let available = compare::cores().map_err(Error::Loop)?;
        let given = |cores: &Option<Cores>| cores.as_ref().map(|cores| cores.0.clone());
        let proxy = given(&self.proxy_cores).unwrap_or_else(|| available.iter().take(1).copied().collect());
        let others = || match available.iter().filter(|core| !proxy.contains(core)).copied().collect() {
            none if Vec::is_empty(&none) => available.clone(),
            some => some,
        };
        let load = given(&self.load_cores).unwrap_or_else(others);
        Ok((proxy, load))
    }

    fn print<T: Serialize + ToString>(&self, told: &T, markdown: impl Fn() -> String) -> io::Result<()> {
        match (self.json, self.markdown) {
            (true, _) => print_json(told),
            (_, true) => print_text(&markdown()),
            _ => print_text(&told.to_string()),
        }
    }
}

fn exit(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::NoDifference => Exit::Good,
        Outcome::Difference => Exit::Different,
        Outcome::Undecided => Exit::Undecided,
    }
}

/// Says what is about to happen, before it does.
fn announce(setup: &Setup, design: &Design) {
    let length = expected_length(setup, design);
    let (runs, seconds) = (design.runs(), length.as_secs_f64());
    say(&format!("{runs} runs, about {seconds:.0} s; Ctrl-C ends after the run under way"));
    if let Some(caution) = setup.caution() {
        say(&format!("caution: {caution}"));
    }
}

/// Tells of every run, and puts it down.
struct Clerk {
    folder: Option<Folder>,
    told: usize,
    runs: usize,
}

impl Clerk {
    fn keep(&mut self, comparison: &Comparison) -> io::Result<()> {
        self.folder.as_mut().map_or(Ok(()), |folder| folder.keep(comparison))
    }
}

impl Witness for Clerk {
    fn saw(&mut self, run: &Run, detail: &serde_json::Value) -> Result<(), Error> {
        self.told += 1;
        say(&format!("{:>3}/{} {run}", self.told, self.runs));
        self.folder.as_mut().map_or(Ok(()), |folder| folder.add(run, detail)).map_err(Error::Output)
    }
}
