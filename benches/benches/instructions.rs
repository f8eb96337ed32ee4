//! Runs one case where callgrind can count it, for `scripts/count-instructions`; without a case, each of them once.

use std::hint::black_box;

use ringgate_benches::{MISS, Work, cases};

/// How often a case runs while it is counted: of one that draws at random, the mean says more than one run.
const RUNS: usize = 64;

fn main() {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        // What verifies a signature takes other instructions on other processors.
        Some("--list") => cases()
            .iter()
            .filter(|case| !case.name.starts_with(MISS))
            .for_each(|case| println!("{}", case.name)),
        Some("--runs") => println!("{RUNS}"),
        Some("--count") => count(&words.next().unwrap_or_default()),
        _ => cases().iter().for_each(|case| run(&mut case.prepare(), 1)), // what `cargo bench` says
    }
}

fn count(name: &str) {
    let cases = cases();
    let Some(case) = cases.iter().find(|case| case.name == name) else {
        eprintln!("error: there is no case `{name}`; --list shows them");
        std::process::exit(2)
    };
    let mut work = case.prepare();
    run(&mut work, 1); // buffers grow, and what is looked up once is
    counted(&mut work);
}

/// What callgrind looks at.
#[inline(never)]
fn counted(work: &mut Work) {
    run(work, RUNS);
}

fn run(work: &mut Work, times: usize) {
    for _ in 0..times {
        black_box(work());
    }
}
