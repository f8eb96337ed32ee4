//! What the page says in tables: all clocks, the census, costs, provenance, and the numbers of each plot.

use maud::{Markup, html};

use super::plot::{Plot, Stop};
use super::text::{UNKNOWN, grouped, length, plural, reading, spaced};
use super::{Exhibit, colour, coloured};
use crate::interchange::import::Imported;
use crate::secret::command;
use crate::{Provenance, Reading, Setting, Summary, words};

/// A row of the table beside a plot.
pub(super) fn row(stop: &Stop) -> (String, Vec<String>) {
    let cell = |reading: &Option<(f64, String)>| {
        reading.as_ref().map_or(UNKNOWN.to_owned(), |(_, words)| words.clone())
    };
    (stop.heading.clone(), stop.readings.iter().map(cell).collect())
}

/// The numbers of a plot, folded away below it.
pub(super) fn numbers(first: &str, plot: &Plot, rows: &[(String, Vec<String>)]) -> Markup {
    html! {
        details {
            summary { "The same as a table" }
            div.scroll tabindex="0" role="region" aria-label={ (plot.description) } {
                table {
                    thead { tr {
                        th scope="col" { (first) }
                        @for line in &plot.lines { th.number scope="col" { (line.name) } }
                    } }
                    tbody { @for (heading, cells) in rows {
                        tr { th scope="row" { (heading) } @for cell in cells { td.number { (cell) } } }
                    } }
                }
            }
        }
    }
}

/// What stands for a line in its plot.
pub(super) fn legend(plot: &Plot) -> Markup {
    html! {
        ul.legend { @for line in &plot.lines {
            li {
                svg class={ "key " (line.class) } viewBox="0 0 28 10" aria-hidden="true" { path.line d="M1 5L27 5" {} }
                (line.name)
            }
        } }
    }
}

/// All clocks of all exhibits.
pub(super) fn latencies(exhibits: &[Exhibit]) -> Markup {
    let names: Vec<&str> = Summary::names().collect();
    html! {
        div.scroll tabindex="0" role="region" aria-label="Latency" {
            table {
                thead { tr {
                    th scope="col" { "Run" } th scope="col" { "Clock" }
                    @for name in &names { th.number scope="col" { (name) } }
                    th.number scope="col" { "samples" }
                } }
                tbody { @for (index, exhibit) in coloured(exhibits) { (latency_rows(index, exhibit, &names)) } }
            }
        }
    }
}

fn latency_rows(index: usize, exhibit: &Exhibit, names: &[&str]) -> Markup {
    match exhibit {
        Exhibit::Run { name, run } => {
            let clocks = run.latency.clocks().into_iter();
            let told = clocks.filter(|(_, summary)| summary.samples + summary.lower_bounds > 0);
            html! { @for (row, (clock, summary)) in told.enumerate() {
                tr class=(if row == 0 { "first" } else { "" }) {
                    th scope="row" { @if row == 0 { (named(index, name)) } @else { span.hidden { (name) } } }
                    td { (spaced(clock)) }
                    @for name in names { (cell(summary, name)) }
                    td.number { (grouped(summary.samples + summary.lower_bounds)) }
                }
            } }
        }
        Exhibit::Summary { name, summary } => html! {
            tr.first {
                th scope="row" { (named(index, name)) }
                td { "latency" }
                @for name in names { td.number { (imported(summary, name)) } }
                td.number { (summary.requests.map_or(UNKNOWN.to_owned(), grouped)) }
            }
        },
        Exhibit::Comparison { .. } => html! {},
    }
}

/// A value, and under it where the true one lies with 95 % probability.
fn cell(summary: &Summary, name: &str) -> Markup {
    let needs = match summary.reading(name) {
        Some(Reading::Needs(needs)) => Some(needs),
        _ => None,
    };
    html! {
        td.number {
            (reading(summary, name))
            @if let Some((low, high)) = summary.interval(name) { small { (words(low)) " – " (words(high)) } }
            @if let Some(needs) = needs { small { "needs " (grouped(needs)) } }
        }
    }
}

fn imported(summary: &Imported, name: &str) -> String {
    let value = match name {
        "mean" => summary.mean_ns,
        "max" => summary.max_ns,
        _ => {
            let percent = name.strip_prefix('p').and_then(|percent| percent.parse::<f64>().ok());
            percent.and_then(|percent| summary.quantile(percent / 100.0))
        }
    };
    value.map_or(UNKNOWN.to_owned(), words)
}

/// A run's name with its colour.
fn named(index: usize, name: &str) -> Markup {
    html! { span class={ "named " (colour(index)) } { span.swatch {} (name) } }
}

/// Where every planned request ended.
pub(super) fn censuses(exhibits: &[Exhibit]) -> Markup {
    const PLACES: [&str; 8] =
        ["planned", "ok", "bad status", "invalid body", "transport error", "timeout", "shed", "censored"];
    html! {
        div.scroll tabindex="0" role="region" aria-label="Requests" {
            table {
                thead { tr {
                    th scope="col" { "Run" }
                    @for place in PLACES { th.number scope="col" { (place) } }
                    th scope="col" { "statuses" }
                } }
                tbody { @for (index, exhibit) in coloured(exhibits).filter(|(_, exhibit)| !matches!(exhibit, Exhibit::Comparison { .. })) {
                    tr { th scope="row" { (named(index, exhibit.name())) } (census(exhibit)) }
                } }
            }
        }
    }
}

fn census(exhibit: &Exhibit) -> Markup {
    let (counts, statuses) = match exhibit {
        Exhibit::Run { run, .. } => {
            let r = &run.requests;
            let counts = [
                r.planned,
                r.ok,
                r.bad_status,
                r.invalid_body,
                r.transport_error,
                r.timeout,
                r.shed,
                r.censored,
            ];
            (counts.map(Some), &run.statuses)
        }
        Exhibit::Summary { summary, .. } => {
            let ok = summary.requests.zip(summary.failed).map(|(all, failed)| all.saturating_sub(failed));
            ([summary.requests, ok, None, None, None, None, None, None], &summary.statuses)
        }
        Exhibit::Comparison { .. } => return html! {},
    };
    let statuses: Vec<String> =
        statuses.iter().map(|(status, count)| format!("{status}: {}", grouped(*count))).collect();
    html! {
        @for count in counts {
            td class={ "number " (if count.unwrap_or(0) == 0 { "nothing" } else { "" }) } {
                (count.map_or(UNKNOWN.to_owned(), grouped))
            }
        }
        td { (if statuses.is_empty() { UNKNOWN.to_owned() } else { statuses.join(", ") }) }
    }
}

/// CPU per request of everything that was watched, as bars of one scale; nothing if no run tells any.
pub(super) fn costs(exhibits: &[Exhibit]) -> Option<Markup> {
    let rows: Vec<Cost<'_>> =
        coloured(exhibits).flat_map(|(index, exhibit)| costs_of(index, exhibit)).collect();
    let most = rows.iter().map(|cost| cost.ns).max()?.max(1);
    Some(html! {
        div.scroll tabindex="0" role="region" aria-label="CPU per request" {
            table.bars {
                thead { tr { th scope="col" { "Run" } th scope="col" { "What" } th.number scope="col" { "per request" }
                    th.bar scope="col" { span.hidden { "bar" } } } }
                tbody { @for cost in rows {
                    tr class=(if cost.is_first { "first" } else { "" }) {
                        th scope="row" { @if cost.is_first { (named(cost.index, cost.run)) } @else { span.hidden { (cost.run) } } }
                        td { (cost.name) }
                        td.number { (words(cost.ns)) }
                        td.bar { span class=(colour(cost.index)) style={ "width:" (100 * cost.ns / most) "%" } {} }
                    }
                } }
            }
        }
    })
}

struct Cost<'a> {
    index: usize,
    run: &'a str,
    is_first: bool,
    name: &'a str,
    ns: u64,
}

fn costs_of(index: usize, exhibit: &Exhibit) -> Vec<Cost<'_>> {
    let Exhibit::Run { name: run, run: report } = exhibit else { return Vec::new() };
    let generator = [("generator", report.generator.cpu_per_request_ns)].into_iter();
    let watched = report.costs.iter().map(|cost| (cost.name.as_str(), cost.cpu_per_request_ns));
    let told = generator.chain(watched).filter_map(|(name, ns)| Some((name, ns?)));
    told.enumerate().map(|(row, (name, ns))| Cost { index, run, is_first: row == 0, name, ns }).collect()
}

/// A fact and its words.
type Fact = (&'static str, String);

/// Where an exhibit comes from; what another program said has no provenance.
pub(super) fn provenance(index: usize, exhibit: &Exhibit) -> Option<Markup> {
    let (from, setting) = match exhibit {
        Exhibit::Run { run, .. } => (&run.provenance, setting_facts(&run.setting)),
        Exhibit::Comparison { comparison, .. } => (&comparison.provenance, Vec::new()),
        Exhibit::Summary { .. } => return None,
    };
    let command = if from.command.is_empty() {
        UNKNOWN.to_owned()
    } else {
        command::words(from.command.clone()).join(" ")
    };
    Some(html! {
        section.provenance {
            h3 { (named(index, exhibit.name())) }
            dl {
                div.whole { dt { "command" } dd { code { (command) } } }
                @for (fact, value) in origin_facts(from).into_iter().chain(setting) {
                    div { dt { (fact) } dd { (value) } }
                }
            }
        }
    })
}

fn origin_facts(from: &Provenance) -> [Fact; 4] {
    [
        ("started", from.started.clone()),
        ("ringload", format!("{}, {} build", from.ringload, from.build)),
        ("kernel", from.kernel.clone()),
        ("processor", format!("{}, {}", from.processor, plural(from.cores, "core"))),
    ]
}

fn setting_facts(setting: &Setting) -> Vec<Fact> {
    vec![
        ("input and output", setting.driver.clone()),
        ("warm-up", length(setting.warmup_ns)),
        ("timeout", words(setting.timeout_ns)),
        ("drain", length(setting.drain_ns)),
        ("seed", setting.seed.to_string()),
    ]
}
