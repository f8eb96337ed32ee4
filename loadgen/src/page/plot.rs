//! A plot as SVG: axes, lines, and stops at which values can be read.
//!
//! Each plot is drawn twice, for wide and for narrow screens, and the style sheet shows the one that fits: text would be
//! too small on a phone if a wide drawing were scaled down. A stop is a strip of the drawing with a title, which browsers
//! show where the pointer rests; the script makes a readout of it.

use std::fmt::Write;

use maud::{Markup, html};

use super::axis::Axis;

/// What is drawn.
#[derive(Debug)]
pub(super) struct Plot {
    /// Says in a sentence what can be seen; read aloud in place of the drawing.
    pub(super) description: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// Height of the wide drawing.
    pub(super) height: f64,
    pub(super) lines: Vec<Line>,
    pub(super) stops: Vec<Stop>,
}

/// One thing measured.
#[derive(Debug)]
pub(super) struct Line {
    /// Classes: the colour of its run, and its stroke.
    pub(super) class: String,
    pub(super) name: String,
    pub(super) pieces: Vec<Piece>,
}

/// Part of a line drawn in one way.
#[derive(Debug)]
pub(super) struct Piece {
    /// A further class, or none.
    pub(super) class: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

/// A place on the x axis at which all lines can be read.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) x: f64,
    pub(super) heading: String,
    /// Value and words for each line of the plot, in the order of its lines.
    pub(super) readings: Vec<Option<(f64, String)>>,
}

/// A drawing's measures, in pixels at its natural size.
#[derive(Debug, Clone, Copy)]
struct Frame {
    class: &'static str,
    width: f64,
    height: f64,
    left: f64,
}

const TOP: f64 = 14.0;
const RIGHT: f64 = 22.0;
const BOTTOM: f64 = 34.0;
/// Half the width of a character of a mark, and the least air between two marks of the x axis.
const HALF_CHARACTER: f64 = 3.6;
const AIR: f64 = 8.0;

impl Frame {
    fn x(&self, place: f64) -> f64 {
        self.left + place * (self.width - self.left - RIGHT)
    }

    fn y(&self, place: f64) -> f64 {
        TOP + (1.0 - place) * (self.height - TOP - BOTTOM)
    }
}

impl Plot {
    /// The drawing for every width.
    pub(super) fn draw(&self) -> Markup {
        let wide = Frame { class: "wide", width: 960.0, height: self.height, left: 64.0 };
        let narrow = Frame { class: "narrow", width: 400.0, height: self.height.min(300.0), left: 56.0 };
        html! {
            div.plot { (self.drawing(wide)) (self.drawing(narrow)) }
        }
    }

    fn drawing(&self, frame: Frame) -> Markup {
        let view = format!("0 0 {} {}", frame.width, frame.height);
        let classes: Vec<&str> = self.lines.iter().map(|line| line.class.as_str()).collect();
        html! {
            svg class=(frame.class) viewBox=(view) role="img" aria-label=(self.description)
                data-lines=(classes.join("|")) {
                (self.grid(frame))
                @for line in &self.lines { (self.line(frame, line)) }
                (self.strips(frame))
            }
        }
    }

    fn grid(&self, frame: Frame) -> Markup {
        let (left, right, bottom) = (frame.left, frame.width - RIGHT, frame.y(0.0));
        html! {
            @for (value, words) in &self.y.marks {
                @let y = pixel(frame.y(self.y.place(*value)));
                line.grid x1=(left) x2=(right) y1=(y) y2=(y) {}
                text.mark.left x=(left - 10.0) y=(y) dy="0.32em" { (words) }
            }
            line.base x1=(left) x2=(right) y1=(bottom) y2=(bottom) {}
            @for (value, middle, words) in self.sparse_marks(frame) {
                @let x = pixel(frame.x(self.x.place(value)));
                line.tick x1=(x) x2=(x) y1=(bottom) y2=(bottom + 5.0) {}
                text.mark.below x=(pixel(middle)) y=(bottom + 22.0) { (words) }
            }
        }
    }

    /// The marks of the x axis whose words have room, and where the middle of those words is: below the mark, or as near to it as
    /// they fit into the frame.
    fn sparse_marks(&self, frame: Frame) -> Vec<(f64, f64, &str)> {
        let mut marks: Vec<(f64, f64, &str)> = Vec::new();
        for (value, words) in &self.x.marks {
            let half = |words: &str| words.chars().count() as f64 * HALF_CHARACTER;
            let middle = frame.x(self.x.place(*value)).min(frame.width - half(words));
            let has_room = |last: &(f64, f64, &str)| middle - last.1 >= half(last.2) + half(words) + AIR;
            if marks.last().is_none_or(has_room) {
                marks.push((*value, middle, words));
            }
        }
        marks
    }

    fn line(&self, frame: Frame, line: &Line) -> Markup {
        html! {
            g class=(line.class) {
                @for piece in &line.pieces {
                    @if let [(x, y)] = piece.points[..] {
                        circle class={ "line " (piece.class) } cx=(pixel(frame.x(self.x.place(x))))
                            cy=(pixel(frame.y(self.y.place(y)))) r="2.5" {}
                    } @else {
                        path class={ "line " (piece.class) } d=(self.path(frame, &piece.points)) {}
                    }
                    @if piece.class == "told" {
                        @for (x, y) in &piece.points {
                            circle.dot cx=(pixel(frame.x(self.x.place(*x))))
                                cy=(pixel(frame.y(self.y.place(*y)))) r="3.5" {}
                        }
                    }
                }
            }
        }
    }

    fn path(&self, frame: Frame, points: &[(f64, f64)]) -> String {
        let mut path = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            let (x, y) = (frame.x(self.x.place(*x)), frame.y(self.y.place(*y)));
            let _ = write!(path, "{command}{} {}", pixel(x), pixel(y)); // writing to a string cannot fail
        }
        path
    }

    /// Each stop's strip reaches half way to its neighbours.
    fn strips(&self, frame: Frame) -> Markup {
        let places: Vec<f64> = self.stops.iter().map(|stop| frame.x(self.x.place(stop.x))).collect();
        let middle = |index: usize| (places[index] + places[index + 1]) / 2.0;
        let edges = |index: usize| {
            let left = if index == 0 { frame.left } else { middle(index - 1) };
            let right = if index + 1 == places.len() { frame.width - RIGHT } else { middle(index) };
            (left, (right - left).max(0.0))
        };
        html! {
            @for (index, stop) in self.stops.iter().enumerate() {
                @let (left, width) = edges(index);
                rect.stop x=(pixel(left)) width=(pixel(width)) y=(TOP) height=(pixel(frame.y(0.0) - TOP))
                    data-x=(pixel(places[index])) data-y=(self.heights(frame, stop)) {
                    title { (self.words(stop)) }
                }
            }
        }
    }

    fn heights(&self, frame: Frame, stop: &Stop) -> String {
        let height = |reading: &Option<(f64, String)>| {
            reading.as_ref().map_or(String::new(), |(value, _)| pixel(frame.y(self.y.place(*value))))
        };
        stop.readings.iter().map(height).collect::<Vec<_>>().join("|")
    }

    fn words(&self, stop: &Stop) -> String {
        let rows = self.lines.iter().zip(&stop.readings).map(|(line, reading)| {
            let value = reading.as_ref().map_or("n/a", |(_, words)| words);
            format!("\n{}: {value}", line.name)
        });
        format!("{}{}", stop.heading, rows.collect::<String>())
    }
}

/// To a tenth of a pixel.
fn pixel(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(name: &str) -> Plot {
        Plot {
            description: "two points".to_owned(),
            x: Axis::seconds(10.0),
            y: Axis::rates(100.0),
            height: 300.0,
            lines: vec![Line {
                class: "s0".to_owned(),
                name: name.to_owned(),
                pieces: vec![Piece { class: "", points: vec![(0.0, 0.0), (10.0, 100.0)] }],
            }],
            stops: vec![Stop {
                x: 10.0,
                heading: "at the end".to_owned(),
                readings: vec![Some((100.0, "100/s".to_owned()))],
            }],
        }
    }

    #[test]
    fn a_plot_is_drawn_for_both_widths_and_its_stops_can_be_read() {
        let svg = plot("answers").draw().into_string();
        assert_eq!(svg.matches("<svg").count(), 2);
        assert!(svg.contains("<title>at the end\nanswers: 100/s</title>"), "{svg}");
        assert!(svg.contains(r#"d="M64 266L938 "#), "{svg}");
    }

    /// As many samples as have a mark at the very end of the axis.
    #[test]
    fn the_words_of_the_last_mark_are_inside() {
        let plot = Plot { x: Axis::quantiles(1_000_000), ..plot("answers") };
        for width in [960.0, 400.0] {
            let frame = Frame { class: "any", width, height: 300.0, left: 56.0 };
            for (_, middle, words) in plot.sparse_marks(frame) {
                assert!(middle + words.len() as f64 * HALF_CHARACTER <= width, "{words} at {middle}");
            }
        }
        let wide = Frame { class: "any", width: 960.0, height: 300.0, left: 56.0 };
        assert_eq!(plot.sparse_marks(wide).last().map(|mark| mark.2), Some("99.9999 %"));
    }

    #[test]
    fn names_are_text_and_never_markup() {
        let svg = plot("<script>alert(1)</script>").draw().into_string();
        assert!(!svg.contains("<script"), "{svg}");
    }
}
