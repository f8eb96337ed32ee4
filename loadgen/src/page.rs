//! Runs as one HTML page that needs nothing but itself.
//!
//! Owns: what is shown and in which order. The page opens without a network, reads without a script, in a light and a dark
//! scheme, on a phone and on paper; every drawing has its numbers in a table. The script only adds a readout.
//! Refuses: to trust a text. All of it may come from others (a URL, a file's name, a reason), so it goes through the
//! template's escaping, and the page's own policy admits no script but the one below, by its hash.

mod axis;
mod cards;
mod percentiles;
mod plot;
mod tables;
mod text;
mod timeline;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::Report;
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
}

impl Exhibit {
    /// What it is called.
    pub fn name(&self) -> &str {
        match self {
            Exhibit::Run { name, .. } | Exhibit::Summary { name, .. } => name,
        }
    }
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
    html! {
        header.title {
            h1 { (title) }
            p { (subtitle(exhibits)) }
        }
        section.cards aria-label="Runs" {
            @for (index, exhibit) in exhibits.iter().enumerate() { (cards::card(index, exhibit)) }
        }
        (percentiles(exhibits))
        (section("Latency in numbers", LATENCY_NOTE, &tables::latencies(exhibits)))
        (timelines(exhibits))
        (throughput(exhibits))
        (section("Requests", REQUESTS_NOTE, &tables::censuses(exhibits)))
        @if let Some(costs) = tables::costs(exhibits) { (section("CPU per request", COSTS_NOTE, &costs)) }
        (provenances(exhibits))
        footer { "Made by ringload " (env!("CARGO_PKG_VERSION")) ". This page needs no network." }
    }
}

const LATENCY_NOTE: &str = "Response time runs from the instant a request was planned to its last byte: what a caller waits. \
    Service time runs from the sending: what the server took. Small: where the true quantile lies with 95 % probability if \
    requests are independent, which is the least to doubt. ≥: requests that stayed unanswered could move it up.";
const REQUESTS_NOTE: &str = "Every planned request ends in exactly one place. Censored ones were still unanswered when the run ended.";
const COSTS_NOTE: &str = "Time on a core, by the scheduler's accounts, for each answered request.";

fn subtitle(exhibits: &[Exhibit]) -> String {
    let runs = exhibits.iter().filter_map(|exhibit| match exhibit {
        Exhibit::Run { run, .. } => Some(run.provenance.started.as_str()),
        Exhibit::Summary { .. } => None,
    });
    let day = |started: &str| started.get(..16).unwrap_or(started).replace('T', " ");
    let count = exhibits.len();
    let noun = if count == 1 { "run" } else { "runs" };
    match (runs.clone().min().map(day), runs.max().map(day)) {
        (Some(first), Some(last)) if first != last => format!("{count} {noun}, {first} to {last} UTC"),
        (Some(first), _) => format!("{count} {noun}, {first} UTC"),
        _ => format!("{count} {noun}"),
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
    let runs = exhibits.iter().enumerate().filter_map(|(index, exhibit)| match exhibit {
        Exhibit::Run { name, run } => Some((index, name, run)),
        Exhibit::Summary { .. } => None,
    });
    html! {
        section {
            h2 { "Provenance" }
            @for (index, name, run) in runs { (tables::provenance(index, name, run)) }
        }
    }
}

#[cfg(test)]
mod tests;
