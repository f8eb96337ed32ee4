//! The experiment: which side runs when, what is discarded and repeated, and when to give up.
//!
//! Knows nothing of processes: it asks a [`Bench`] for observations. A pair consists of turns, each a start of either side,
//! one right after the other. Where one of a turn's runs does not count, both are repeated: what makes them worth anything is
//! that they are neighbours in time. Several short turns see more of a machine that is noisy for a second at a time than one
//! long one does, and the middle of them forgets the worst.

use hdrhistogram::Histogram;

use super::metric::Metric;
use super::observation::{Observation, Pass, Run};
use super::order::{Side, sides};
use crate::record::recorder::{add, histogram};
use crate::statistics::FEWEST;
use crate::{Error, Stop};

/// Turns repeated in one pass before it is given up: so many, or one in eight. More failures are no accidents.
const REPEATS: usize = 3;
const REPEATED_PART: usize = 8;
/// Pairs of one pass, and turns of a pair: more would run for hours.
const PAIRS_BOUND: usize = 200;
const TURNS_BOUND: usize = 100;

const INTERRUPTED: &str = "it was interrupted";

/// What is asked, before anything has run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Design {
    /// The metric that decides.
    pub metric: Metric,
    /// Pairs of A and B.
    pub pairs: usize,
    /// Pairs of A and A before them.
    pub floor_pairs: usize,
    /// Starts of either side in a pair.
    pub turns: usize,
}

impl Design {
    /// Runs there will be, if none is repeated.
    pub fn runs(&self) -> usize {
        2 * self.turns * (self.pairs + self.floor_pairs)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let possible = FEWEST..=PAIRS_BOUND;
        if !(1..=TURNS_BOUND).contains(&self.turns) {
            return Err(Error::Plan(format!("there must be 1 to {TURNS_BOUND} turns in a pair")));
        }
        if possible.contains(&self.pairs) && possible.contains(&self.floor_pairs) {
            return Ok(());
        }
        Err(Error::Plan(format!(
            "there must be {FEWEST} to {PAIRS_BOUND} pairs of each kind: with fewer than {FEWEST} no interval reaches 95 %"
        )))
    }
}

/// One run and what a summary of it leaves out.
pub(crate) struct Shown {
    pub(crate) observation: Observation,
    /// Its response times.
    pub(crate) response: Histogram<u64>,
    /// All that is known of it, for the record.
    pub(crate) detail: serde_json::Value,
}

/// Something that can be started as A or as B.
pub(crate) trait Bench {
    /// One process start; nothing if it was interrupted before there was anything to see.
    ///
    /// # Errors
    /// It cannot be started at all: trying again would not help.
    fn observe(&mut self, side: Side) -> Result<Option<Shown>, Error>;
}

/// Somebody who wants to know of every run when it has ended.
pub trait Witness {
    /// A run has ended; `detail` is its whole report. Whether it counts is known now, or only when its partner has ended:
    /// a run whose partner does not count is told without a reason, and discarded later.
    ///
    /// # Errors
    /// The run cannot be put down; the experiment ends.
    fn saw(&mut self, run: &Run, detail: &serde_json::Value) -> Result<(), Error>;
}

/// What an experiment brings home.
pub(crate) struct Record {
    pub(crate) runs: Vec<Run>,
    /// Response times of both sides, over all runs of the comparison that count.
    pub(crate) responses: [Histogram<u64>; 2],
    /// Why it did not come to its end, if so.
    pub(crate) shortfall: Option<String>,
}

pub(crate) struct Experiment<'a> {
    pub(crate) design: Design,
    pub(crate) bench: &'a mut dyn Bench,
    pub(crate) witness: &'a mut dyn Witness,
    pub(crate) stop: &'a Stop,
    pub(crate) record: Record,
}

impl Record {
    fn new() -> Record {
        Record { runs: Vec::new(), responses: [histogram(), histogram()], shortfall: None }
    }
}

impl<'a> Experiment<'a> {
    pub(crate) fn new(
        design: Design,
        bench: &'a mut dyn Bench,
        witness: &'a mut dyn Witness,
        stop: &'a Stop,
    ) -> Experiment<'a> {
        Experiment { design, bench, witness, stop, record: Record::new() }
    }

    /// Both passes, or as far as they come.
    pub(crate) fn carry_out(mut self) -> Result<Record, Error> {
        let passes = [(Pass::Floor, self.design.floor_pairs), (Pass::Comparison, self.design.pairs)];
        for (pass, pairs) in passes {
            self.record.shortfall = self.carry_out_pass(pass, pairs)?;
            if self.record.shortfall.is_some() {
                break;
            }
        }
        Ok(self.record)
    }

    /// Why the pass could not be completed, if so.
    fn carry_out_pass(&mut self, pass: Pass, pairs: usize) -> Result<Option<String>, Error> {
        let turns = pairs * self.design.turns;
        let bound = REPEATS.max(turns / REPEATED_PART);
        let mut repeats = 0;
        let mut turn = 0;
        while turn < turns {
            match self.carry_out_turn(pass, turn)? {
                _ if self.stop.is_stopped() => return Ok(Some(INTERRUPTED.to_owned())),
                None => turn += 1,
                Some(reason) if repeats == bound => {
                    return Ok(Some(format!("{bound} turns were repeated already, and {reason}")));
                }
                Some(_) => repeats += 1,
            }
        }
        Ok(None)
    }

    /// Why the turn, counted over the whole pass, does not count, if so. Its second run is spared if the first one does not.
    fn carry_out_turn(&mut self, pass: Pass, turn: usize) -> Result<Option<String>, Error> {
        let begun = self.record.runs.len();
        let mut responses = Vec::new();
        for side in sides(turn) {
            let started = if pass == Pass::Floor { Side::A } else { side };
            let Some(shown) = self.bench.observe(started)? else {
                self.discard_from(begun);
                return Ok(Some(INTERRUPTED.to_owned()));
            };
            let (pair, turn) = (turn / self.design.turns + 1, turn % self.design.turns + 1);
            let discarded = self.fault(&shown.observation);
            let run = Run { pass, pair, turn, side, discarded, observation: shown.observation };
            self.witness.saw(&run, &shown.detail)?;
            self.record.runs.push(run.clone());
            if let Some(reason) = run.discarded {
                self.discard_from(begun);
                return Ok(Some(format!("a run of {side} did not count: {reason}")));
            }
            responses.push((side, shown.response));
        }
        if pass == Pass::Comparison {
            responses.iter().for_each(|(side, one)| add(&mut self.record.responses[side.index()], one));
        }
        Ok(None)
    }

    fn fault(&self, observation: &Observation) -> Option<String> {
        if self.stop.is_stopped() {
            return Some(INTERRUPTED.to_owned());
        }
        observation.fault(self.design.metric)
    }

    fn discard_from(&mut self, begun: usize) {
        for run in &mut self.record.runs[begun..] {
            run.discarded.get_or_insert_with(|| "the other run of its turn did not count".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use crate::compare::observation::tests::good;

    /// Plays what a script says and writes down who was asked.
    struct Script<F> {
        play: F,
        asked: String,
    }

    impl<F: FnMut(usize, Side) -> Observation> Bench for Script<F> {
        fn observe(&mut self, side: Side) -> Result<Option<Shown>, Error> {
            let observation = (self.play)(self.asked.len(), side);
            self.asked.push_str(&side.to_string());
            let mut response = histogram();
            response.saturating_record(1000 * (side.index() as u64 + 1));
            Ok(Some(Shown { observation, response, detail: serde_json::Value::Null }))
        }
    }

    impl Witness for Vec<String> {
        fn saw(&mut self, run: &Run, _: &serde_json::Value) -> Result<(), Error> {
            self.push(format!("{:?} {}.{} {}", run.pass, run.pair, run.turn, run.side));
            Ok(())
        }
    }

    fn design() -> Design {
        Design { metric: Metric::Cpu, pairs: 6, floor_pairs: 6, turns: 1 }
    }

    fn broken() -> Observation {
        Observation { verdict: Verdict::TargetMissed, reason: "too slow".to_owned(), ..good() }
    }

    fn play(play: impl FnMut(usize, Side) -> Observation) -> (Record, String, Vec<String>) {
        play_until(&Stop::new(), play)
    }

    fn play_until(
        stop: &Stop,
        play: impl FnMut(usize, Side) -> Observation,
    ) -> (Record, String, Vec<String>) {
        play_design(design(), stop, play)
    }

    fn play_design(
        design: Design,
        stop: &Stop,
        play: impl FnMut(usize, Side) -> Observation,
    ) -> (Record, String, Vec<String>) {
        let mut script = Script { play, asked: String::new() };
        let mut seen = Vec::new();
        let record = Experiment::new(design, &mut script, &mut seen, stop).carry_out().unwrap();
        (record, script.asked, seen)
    }

    #[test]
    fn a_runs_against_itself_first_and_then_against_b_in_turns() {
        let (record, asked, seen) = play(|_, _| good());
        assert_eq!(asked, "AAAAAAAAAAAAABBABAABBAAB");
        assert_eq!((record.runs.len(), record.shortfall), (design().runs(), None));
        assert_eq!(seen[..3], ["Floor 1.1 A", "Floor 1.1 B", "Floor 2.1 B"]);
        assert_eq!(seen[12..15], ["Comparison 1.1 A", "Comparison 1.1 B", "Comparison 2.1 B"]);
        assert!(record.runs.iter().all(|run| run.discarded.is_none()));
    }

    #[test]
    fn a_run_that_does_not_count_takes_its_partner_with_it_and_the_turn_is_repeated() {
        let (record, asked, seen) = play(|number, _| if number == 13 { broken() } else { good() });
        assert_eq!(asked, "AAAAAAAAAAAAABABBABAABBAAB");
        assert_eq!(
            seen[12..16],
            ["Comparison 1.1 A", "Comparison 1.1 B", "Comparison 1.1 A", "Comparison 1.1 B"]
        );
        let reasons: Vec<_> = record.runs.iter().filter_map(|run| run.discarded.as_deref()).collect();
        assert_eq!(reasons, ["the other run of its turn did not count", "target_missed: too slow"]);
        assert_eq!(record.shortfall, None);
    }

    #[test]
    fn where_the_first_run_of_a_turn_does_not_count_the_second_is_spared() {
        let (record, asked, _) = play(|number, _| if number == 0 { broken() } else { good() });
        assert_eq!((asked.len(), record.runs.len()), (25, 25));
    }

    #[test]
    fn the_turns_of_a_pair_alternate_on() {
        let (_, asked, seen) = play_design(Design { turns: 3, ..design() }, &Stop::new(), |_, _| good());
        assert_eq!((asked.len(), &asked[36..48]), (72, "ABBABAABBAAB"));
        assert_eq!(seen[36..39], ["Comparison 1.1 A", "Comparison 1.1 B", "Comparison 1.2 B"]);
        assert_eq!(seen[71], "Comparison 6.3 B");
    }

    #[test]
    fn a_side_that_never_counts_ends_the_experiment_with_the_reason() {
        let (record, asked, _) = play(|_, side| if side == Side::B { broken() } else { good() });
        assert_eq!(asked, "AAAAAAAAAAAAABABABAB", "one attempt and three repeats");
        let shortfall = record.shortfall.unwrap();
        assert!(shortfall.contains("a run of B did not count: target_missed: too slow"), "{shortfall}");
    }

    #[test]
    fn a_floor_that_cannot_be_measured_leaves_nothing_to_compare() {
        let (record, asked, _) = play(|_, _| broken());
        assert_eq!(asked, "AAAA");
        assert!(record.shortfall.is_some());
    }

    #[test]
    fn an_interrupt_ends_it_after_the_run_under_way_which_does_not_count() {
        let stop = Stop::new();
        let (record, asked, _) = play_until(&stop, |number, _| {
            if number == 3 {
                stop.stop();
            }
            good()
        });
        assert_eq!((asked.len(), record.shortfall.as_deref()), (4, Some("it was interrupted")));
        assert!(record.runs[3].discarded.is_some() && record.runs[2].discarded.is_some());
    }

    #[test]
    fn the_curves_are_made_of_the_comparison_s_runs_that_count() {
        let (record, ..) = play(|number, _| if number == 13 { broken() } else { good() });
        let counted = record.responses.map(|one| (one.len(), one.max() / 1000));
        assert_eq!(counted, [(6, 1), (6, 2)]);
    }

    #[test]
    fn too_few_pairs_are_refused_and_the_reason_is_told() {
        assert!(design().check().is_ok());
        for wrong in [Design { pairs: 5, ..design() }, Design { floor_pairs: 0, ..design() }] {
            assert!(wrong.check().unwrap_err().to_string().contains("95 %"));
        }
        assert!(Design { turns: 0, ..design() }.check().is_err());
    }
}
