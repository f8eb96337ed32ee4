//! An experiment with two systems: its conclusion, and what each metric says, as intervals beside the floor.

use maud::{Markup, html};

use super::colour;
use super::text::{UNKNOWN, plural};
use crate::compare::{Comparison, Effect, Outcome, QuantileRatio};
use crate::secret::command;
use crate::statistics::Estimate;
use crate::words;

/// Width and height of the drawing in a row.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 24.0;
/// Span on either side of no change, as a logarithm: ratios are drawn on a scale where half and twice are as far away. At
/// least 2 %; a wilder interval than ten times is cut off, since it would hide all others.
const SPANS: std::ops::RangeInclusive<f64> = 0.02..=std::f64::consts::LN_10;

/// The conclusion, and the two systems.
pub(super) fn card(index: usize, name: &str, comparison: &Comparison) -> Markup {
    let conditions = &comparison.conditions;
    let (class, sign, outcome) = match comparison.conclusion.outcome {
        Outcome::NoDifference => ("good", "✓", "no difference"),
        Outcome::Difference => ("told", "≠", "difference"),
        Outcome::Undecided => ("bad", "!", "undecided"),
    };
    html! {
        article.card.comparison {
            header { h3 { (name) } span class={ "badge " (class) } { span aria-hidden="true" { (sign) } " " (outcome) } }
            p.conclusion { (comparison.conclusion.reason) }
            @for (side, (letter, command)) in ["A", "B"].iter().zip(&conditions.commands).enumerate() {
                p.system { span class={ "named " (colour(index + side)) } { span.swatch {} (letter) } " " code { (command::line(command)) } }
            }
            p.load { (conditions.load) ", " (words(conditions.duration_ns)) " each, "
                (plural(conditions.connections, "connection")) ", " (plural(conditions.pairs, "pair")) ", and "
                (plural(conditions.floor_pairs, "pair")) " of A with itself" }
        }
    }
}

/// What every metric says.
pub(super) fn effects(comparison: &Comparison) -> Markup {
    let span = span(&comparison.effects);
    html! {
        div.scroll tabindex="0" role="region" aria-label="What each metric says" {
            table {
                thead { tr {
                    th scope="col" { "B compared with A" } th.number scope="col" { "change" }
                    th.number scope="col" { "floor" } th.number scope="col" { "probability" }
                    th.change scope="col" { (axis(span)) }
                } }
                tbody { @for effect in &comparison.effects { (effect_row(effect, span)) } }
            }
        }
    }
}

fn effect_row(effect: &Effect, span: f64) -> Markup {
    let known = |value: Option<String>| value.unwrap_or(UNKNOWN.to_owned());
    html! {
        tr class=(if effect.decides { "decides" } else { "informs" }) {
            th scope="row" { (effect.metric.title()) @if effect.decides { small { "decides" } } }
            td.number { (known(effect.ratio.map(|ratio| percent(ratio.value))))
                @if let Some(ratio) = effect.ratio { small { (interval(ratio)) } } }
            td.number { (known(effect.floor.map(|floor| format!("±{:.1} %", floor * 100.0)))) }
            td.number { (known(effect.probability.map(|probability| format!("{probability:.3}")))) }
            td.change { (drawing(effect, span)) }
        }
    }
}

/// The floor as a band, the interval as a bar, the ratio as a dot.
fn drawing(effect: &Effect, span: f64) -> Markup {
    let view = format!("0 0 {WIDTH} {HEIGHT}");
    let middle = HEIGHT / 2.0;
    html! {
        svg.effect viewBox=(view) aria-hidden="true" {
            @if let Some(floor) = effect.floor {
                @let (left, right) = (place(1.0 / (1.0 + floor), span), place(1.0 + floor, span));
                rect.floor x=(left) y="3" width=(right - left) height=(HEIGHT - 6.0) {}
            }
            line.zero x1=(place(1.0, span)) x2=(place(1.0, span)) y1="0" y2=(HEIGHT) {}
            @if let Some(ratio) = effect.ratio {
                line.interval x1=(place(ratio.low, span)) x2=(place(ratio.high, span)) y1=(middle) y2=(middle) {}
                circle.ratio cx=(place(ratio.value, span)) cy=(middle) r="4.5" {}
            }
        }
    }
}

/// The ends of the drawings in words.
fn axis(span: f64) -> Markup {
    html! { span.ends { span { (percent((-span).exp())) } span { "0" } span { (percent(span.exp())) } } }
}

fn span(effects: &[Effect]) -> f64 {
    let ends = effects.iter().filter_map(|effect| effect.ratio).flat_map(|ratio| [ratio.low, ratio.high]);
    let floors = effects.iter().filter_map(|effect| effect.floor).map(|floor| 1.0 + floor);
    let farthest = ends.chain(floors).map(|ratio| ratio.ln().abs()).fold(0.0, f64::max);
    (farthest * 1.1).clamp(*SPANS.start(), *SPANS.end())
}

fn place(ratio: f64, span: f64) -> f64 {
    let place = (ratio.ln() / span).clamp(-1.0, 1.0) * (WIDTH / 2.0 - 6.0) + WIDTH / 2.0;
    (place * 10.0).round() / 10.0
}

/// A ratio as a change.
fn percent(ratio: f64) -> String {
    format!("{:+.1} %", (ratio - 1.0) * 100.0).replace('-', "−")
}

fn interval(ratio: Estimate) -> String {
    format!("{} to {}", percent(ratio.low), percent(ratio.high))
}

/// The quantiles of the response time; nothing where there are none.
pub(super) fn quantiles(comparison: &Comparison) -> Option<Markup> {
    (!comparison.quantiles.is_empty()).then(|| {
        html! {
            div.scroll tabindex="0" role="region" aria-label="Quantiles of the response time" {
                table {
                    thead { tr {
                        th scope="col" { "response time" } th.number scope="col" { "A" } th.number scope="col" { "B" }
                        th.number scope="col" { "change" } th.number scope="col" { "95 % interval" }
                    } }
                    tbody { @for row in &comparison.quantiles { (quantile_row(row)) } }
                }
            }
        }
    })
}

fn quantile_row(row: &QuantileRatio) -> Markup {
    html! {
        tr {
            th scope="row" { (row.quantile) }
            @for middle in row.middle_ns { td.number { (words(middle.round() as u64)) } }
            td.number { (percent(row.ratio.value)) }
            td.number { (interval(row.ratio)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_and_twice_are_as_far_from_no_change_and_nothing_is_outside() {
        let places = [0.0, 0.5, 1.0, 2.0, 50.0].map(|ratio| place(ratio, 2_f64.ln()));
        assert_eq!(places, [6.0, 6.0, 160.0, 314.0, 314.0]);
        assert_eq!([1.153, 0.8].map(percent), ["+15.3 %", "−20.0 %"]);
    }

    #[test]
    fn the_scale_has_a_least_and_a_greatest_span() {
        let effect = |high| Effect {
            metric: crate::compare::Metric::Cpu,
            decides: true,
            ratio: Some(Estimate { value: 1.0, low: 1.0, high }),
            self_ratio: None,
            floor: None,
            probability: None,
        };
        assert_eq!(
            [span(&[]), span(&[effect(1.001)]), span(&[effect(1e9)])],
            [0.02, 0.02, std::f64::consts::LN_10]
        );
    }
}
