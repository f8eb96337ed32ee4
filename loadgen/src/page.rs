//! Runs as one HTML page that needs nothing but itself.
//!
//! Owns: what is shown and in which order. The page opens without a network, reads without a script, in a light and a dark
//! scheme, on a phone and on paper; every drawing has its numbers in a table. The script only adds a readout.
//! Refuses: to trust a text. All of it may come from others (a URL, a file's name, a reason), so it goes through the
//! template's escaping, and the page's own policy admits no script but the one below, by its hash.

mod axis;
mod cards;
mod comparison;
mod percentiles;
mod plot;
mod tables;
mod text;
mod timeline;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::Report;
use crate::compare::Comparison;
use crate::interchange::import::Imported;
use crate::page::plot::Plot;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/readout.js");
/// SHA-256 of the script, in base64: a test computes it anew.
const SCRIPT_HASH: &str = "iWAQb7dD6IyMNJWgeSC82egVKPsQtCIRB2BuxfOKhdM=";
/// Series colours there are; further exhibits begin again with the first.
const COLOURS: usize = 8;

/// Something to show.
#[derive(Debug, Clone)]
pub enum Exhibit {
    /// A run of ringload.
    Run {
        /// What to call it.
        name: String,
        /// The run.
        run: Box<Report>,
    },
    /// What another program said about a run.
    Summary {
        /// What to call it.
        name: String,
        /// The summary.
        summary: Imported,
    },
    /// An experiment with two systems.
    Comparison {
        /// What to call it.
        name: String,
        /// The experiment.
        comparison: Box<Comparison>,
    },
}

impl Exhibit {
    /// What it is called.
    pub fn name(&self) -> &str {
        match self {
            Exhibit::Run { name, .. } | Exhibit::Summary { name, .. } | Exhibit::Comparison { name, .. } => {
                name
            }
        }
    }
}

/// The exhibits with their first colour: a comparison has two, one for each system.
fn coloured(exhibits: &[Exhibit]) -> impl Iterator<Item = (usize, &Exhibit)> {
    exhibits.iter().scan(0, |next, exhibit| {
        let index = *next;
        *next += if matches!(exhibit, Exhibit::Comparison { .. }) { 2 } else { 1 };
        Some((index, exhibit))
    })
}

/// The class of an exhibit's colour, everywhere on the page.
fn colour(index: usize) -> String {
    format!("s{}", index % COLOURS)
}

/// The whole page.
pub fn page(title: &str, exhibits: &[Exhibit]) -> String {
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{SCRIPT_HASH}'"
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "ringload " (env!("CARGO_PKG_VERSION")) };
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main { (body(title, exhibits)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn body(title: &str, exhibits: &[Exhibit]) -> Markup {
    let has_runs = exhibits.iter().any(|exhibit| !matches!(exhibit, Exhibit::Comparison { .. }));
    html! {
        header.title {
            h1 { (title) }
            p { (subtitle(exhibits)) }
        }
        section.cards aria-label="Runs" {
            @for (index, exhibit) in coloured(exhibits) { (cards::card(index, exhibit)) }
        }
        @for exhibit in exhibits { @if let Exhibit::Comparison { name, comparison } = exhibit { (compared(name, comparison)) } }
        (percentiles(exhibits))
        @if has_runs { (section("Latency in numbers", LATENCY_NOTE, &tables::latencies(exhibits))) }
        (timelines(exhibits))
        (throughput(exhibits))
        @if has_runs { (section("Requests", REQUESTS_NOTE, &tables::censuses(exhibits))) }
        @if let Some(costs) = tables::costs(exhibits) { (section("CPU per request", COSTS_NOTE, &costs)) }
        (provenances(exhibits))
        footer { "Made by ringload " (env!("CARGO_PKG_VERSION")) ". This page needs no network." }
    }
}

const COMPARISON_NOTE: &str = "One metric was named beforehand and decides; the others inform, their probabilities adjusted \
    for their number. The band is the floor: what A against itself showed on this machine. Intervals of 95 %.";
const LATENCY_NOTE: &str = "Response time runs from the instant a request was planned to its last byte: what a caller waits. \
    Service time runs from the sending: what the server took. Small: where the true quantile lies with 95 % probability if \
    requests are independent, which is the least to doubt. ≥: requests that stayed unanswered could move it up.";
const REQUESTS_NOTE: &str = "Every planned request ends in exactly one place. Censored ones were still unanswered when the run ended.";
const COSTS_NOTE: &str = "Time on a core, by the scheduler's accounts, for each answered request.";

fn subtitle(exhibits: &[Exhibit]) -> String {
    let started = exhibits.iter().filter_map(|exhibit| match exhibit {
        Exhibit::Run { run, .. } => Some(run.provenance.started.as_str()),
        Exhibit::Comparison { comparison, .. } => Some(comparison.provenance.started.as_str()),
        Exhibit::Summary { .. } => None,
    });
    let minute = |started: &str| started.get(..16).unwrap_or(started).replace('T', " ");
    let what = counts(exhibits);
    match (started.clone().min().map(minute), started.max().map(minute)) {
        (Some(first), Some(last)) if first != last => format!("{what}, {first} to {last} UTC"),
        (Some(first), _) => format!("{what}, {first} UTC"),
        _ => what,
    }
}

/// `2 runs and 1 comparison`.
fn counts(exhibits: &[Exhibit]) -> String {
    let comparisons = exhibits.iter().filter(|exhibit| matches!(exhibit, Exhibit::Comparison { .. })).count();
    let runs = exhibits.len() - comparisons;
    let told = [(runs, "run"), (comparisons, "comparison")];
    let told: Vec<String> =
        told.iter().filter(|(count, _)| *count > 0).map(|(count, noun)| text::plural(*count, noun)).collect();
    if told.is_empty() { "nothing to show".to_owned() } else { told.join(" and ") }
}

fn compared(name: &str, comparison: &Comparison) -> Markup {
    html! {
        section {
            h2 { (name) ": B compared with A" }
            p.note { (COMPARISON_NOTE) }
            (comparison::effects(comparison))
            @if let Some(quantiles) = comparison::quantiles(comparison) { h3.apart { "Quantiles" } (quantiles) }
        }
    }
}

fn section(title: &str, note: &str, content: &Markup) -> Markup {
    html! { section { h2 { (title) } p.note { (note) } (content) } }
}

fn figure(first: &str, plot: &Plot, rows: &[(String, Vec<String>)]) -> Markup {
    html! {
        figure {
            (tables::legend(plot))
            (plot.draw())
            (tables::numbers(first, plot, rows))
        }
    }
}

fn percentiles(exhibits: &[Exhibit]) -> Markup {
    let Some(plot) = percentiles::plot(exhibits) else { return html! {} };
    let drawing = figure("percentile", &plot, &percentiles::rows(&plot));
    section(
        "Latency by percentile",
        "Each nine is as wide as the one before. Faint: fewer than ten samples lie beyond. Dotted: a lower bound.",
        &drawing,
    )
}

fn timelines(exhibits: &[Exhibit]) -> Markup {
    let plots = timeline::latencies(exhibits);
    if plots.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { "Response time over time" }
            p.note { "All runs on the same axes." }
            @for (name, plot) in &plots {
                h3 { (name) }
                (figure("time", plot, &rows(plot)))
            }
        }
    }
}

fn throughput(exhibits: &[Exhibit]) -> Markup {
    let Some(plot) = timeline::throughput(exhibits) else { return html! {} };
    section("Throughput over time", "Answers per second.", &figure("time", &plot, &rows(&plot)))
}

fn rows(plot: &Plot) -> Vec<(String, Vec<String>)> {
    plot.stops.iter().map(tables::row).collect()
}

fn provenances(exhibits: &[Exhibit]) -> Markup {
    let told = coloured(exhibits).filter_map(|(index, exhibit)| tables::provenance(index, exhibit));
    let told: Vec<Markup> = told.collect();
    if told.is_empty() {
        return html! {};
    }
    html! { section { h2 { "Provenance" } @for exhibit in told { (exhibit) } } }
}

#[cfg(test)]
mod tests;
