//! Each exhibit in short: what it is, whether to believe it, and the numbers asked for first.

use maud::{Markup, html};

use super::text::{UNKNOWN, grouped, plural, rate, reading, share, spaced};
use super::{Exhibit, colour};
use crate::interchange::import::Imported;
use crate::secret::shown_url;
use crate::{Limiter, Report, Verdict, words};

/// The card of one exhibit.
pub(super) fn card(index: usize, exhibit: &Exhibit) -> Markup {
    match exhibit {
        Exhibit::Run { name, run } => run_card(index, name, run),
        Exhibit::Summary { name, summary } => summary_card(index, name, summary),
        Exhibit::Comparison { name, comparison } => super::comparison::card(index, name, comparison),
    }
}

fn run_card(index: usize, name: &str, run: &Report) -> Markup {
    let setting = &run.setting;
    let urls = run.targets.iter().map(|target| shown_url(&target.url)); // the run may be of an older version
    let is_good = run.verdict == Verdict::Valid && run.census_holds;
    html! {
        article class={ "card " (colour(index)) } {
            header { span.swatch {} h3 { (name) } (badge(is_good, &spaced(&run.verdict.to_string()))) }
            p.reason {
                @if run.census_holds { (run.reason) } @else {
                    "the census does not add up: this is a defect of ringload; believe none of these numbers"
                }
                @if run.limiter != Limiter::None { "; the limit was " (run.limiter) }
            }
            (figures(&[
                ("answers/s", rate(Some(run.throughput.requests_per_second)), None),
                ("p50", reading(&run.latency.response, "p50"), None),
                ("p99", reading(&run.latency.response, "p99"), None),
                ("p99.9", reading(&run.latency.response, "p99.9"), None),
                ("max", reading(&run.latency.response, "max"), None),
                ("failed", grouped(run.requests.failed()), share(run.requests.failed(), run.requests.planned)),
            ]))
            @for asserted in &run.assertions {
                p.assertion { (badge(asserted.holds, if asserted.holds { "holds" } else { "fails" }))
                    " " code { (asserted.assertion) } ", measured " (asserted.measured) }
            }
            p.load { (setting.load) ", " (words(run.elapsed_ns)) ", " (plural(setting.connections, "connection")) ", "
                (plural(setting.threads, "thread")) }
            @for url in urls { p.url { (url) } }
        }
    }
}

fn summary_card(index: usize, name: &str, summary: &Imported) -> Markup {
    let quantile = |quantile| summary.quantile(quantile).map_or(UNKNOWN.to_owned(), words);
    html! {
        article class={ "card " (colour(index)) } {
            header { span.swatch {} h3 { (name) } span.badge.plain { "from " (summary.tool) } }
            p.reason { "no verdict: " (summary.tool) " does not say whether it was the limit itself" }
            (figures(&[
                ("requests/s", rate(summary.requests_per_second), None),
                ("p50", quantile(0.5), None),
                ("p99", quantile(0.99), None),
                ("p99.9", quantile(0.999), None),
                ("max", summary.max_ns.map_or(UNKNOWN.to_owned(), words), None),
                (
                    "failed",
                    summary.failed.map_or(UNKNOWN.to_owned(), grouped),
                    summary.failed.zip(summary.requests).and_then(|(failed, of)| share(failed, of)),
                ),
            ]))
            p.load { (summary.elapsed_ns.map_or("length not told".to_owned(), words)) }
        }
    }
}

/// Good or not is told by the sign and the words; the colour only repeats it.
fn badge(is_good: bool, text: &str) -> Markup {
    let (class, sign) = if is_good { ("good", "✓") } else { ("bad", "!") };
    html! { span class={ "badge " (class) } { span aria-hidden="true" { (sign) } " " (text) } }
}

/// Name, value, and what stands small below it.
type Figure = (&'static str, String, Option<String>);

fn figures(figures: &[Figure]) -> Markup {
    html! {
        dl.figures { @for figure in figures {
            div { dt { (figure.0) } dd { (figure.1) @if let Some(part) = &figure.2 { small { (part) } } } }
        } }
    }
}
