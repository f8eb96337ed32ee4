//! What a person is told about a configuration: one message, in the form that rustc and cargo have taught.
//!
//! Owns: the rendering (by the crate that cargo uses for it), and the nearest valid name.
//! Assumes nothing of a place: whatever was computed or reported by a library is brought into its text first.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use super::codes::Code;
use super::sources::{Place, Source, Sources};

/// An error or a warning about a configuration, ready to be printed; several lines without the last line's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic(String);

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Diagnostic {}

/// Something wrong at one place of the configuration, or at a few.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) code: Code,
    title: String,
    /// Where, and what is said about it there; the first is the place itself, the others explain it.
    places: Vec<(Place, String)>,
    help: Option<String>,
}

impl Problem {
    /// A problem at a place.
    pub(super) fn at<C: Into<Code>>(code: C, place: Place, title: impl Into<String>) -> Problem {
        Problem { code: code.into(), title: title.into(), places: vec![(place, String::new())], help: None }
    }

    /// A problem of the configuration as a whole.
    pub(super) fn of_file<C: Into<Code>>(code: C, title: impl Into<String>) -> Problem {
        Problem { code: code.into(), title: title.into(), places: Vec::new(), help: None }
    }

    /// Says something at the place itself.
    pub(super) fn label(mut self, label: impl Into<String>) -> Problem {
        if let Some((_, text)) = self.places.first_mut() {
            *text = label.into();
        }
        self
    }

    /// Says at the place which of the valid names was probably meant, if one is alike.
    pub(super) fn suggest<'a>(self, name: &str, valid: impl IntoIterator<Item = &'a str>) -> Problem {
        match nearest(name, valid) {
            Some(valid) => self.label(format!("did you mean `{valid}`?")),
            None => self,
        }
    }

    /// Points to another place that has to do with it.
    pub(super) fn and_at(mut self, place: Place, label: impl Into<String>) -> Problem {
        self.places.push((place, label.into()));
        self
    }

    /// Says what to do.
    pub(super) fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }
}

/// What is said about a problem.
pub(super) fn say(problem: &Problem, sources: &Sources) -> Diagnostic {
    let level = match problem.code {
        Code::Mistake(_) => Level::ERROR,
        Code::Lint(_) => Level::WARNING,
    };
    let mut report = Group::with_title(level.primary_title(&problem.title).id(problem.code.name()));
    for excerpt in excerpts(problem, sources) {
        report = report.element(excerpt.snippet());
    }
    let help = problem.help.iter().map(|help| Level::HELP.message(help));
    Diagnostic(Renderer::plain().render(&[report.elements(help)]))
}

/// What is said about warnings beyond those that are shown.
pub(super) fn say_others(count: usize) -> Diagnostic {
    Diagnostic(format!(
        "warning: {count} more warnings are not shown\n  |\n  = help: see to the others first, then check again"
    ))
}

/// Lines of a text, and what is said at places in them.
struct Excerpt<'a> {
    source: &'a Source,
    /// Of the text.
    lines: Range<usize>,
    /// The underlined parts of the text.
    notes: Vec<(Range<usize>, &'a str, AnnotationKind)>,
}

/// Bytes between two places up to which they are shown in one excerpt: the renderer looks at all that lies between.
const NEAR: usize = 64 * 1024;

/// What is said where; the place itself comes first.
fn excerpts<'a>(problem: &'a Problem, sources: &'a Sources) -> Vec<Excerpt<'a>> {
    let kinds = std::iter::once(AnnotationKind::Primary).chain(std::iter::repeat(AnnotationKind::Context));
    let mut excerpts: Vec<Excerpt<'_>> = Vec::new();
    for ((place, label), kind) in problem.places.iter().zip(kinds) {
        let Some(source) = sources.of(place) else { continue };
        let local = place.start - source.start..place.end.saturating_sub(source.start);
        let underlined = within_a_line(&local, &source.text);
        let (lines, note) = (source.lines(&underlined), (underlined, &**label, kind));
        match excerpts.iter_mut().find(|excerpt| excerpt.is_near(source, &lines)) {
            Some(excerpt) => excerpt.add(&lines, note),
            None => excerpts.push(Excerpt { source, lines, notes: vec![note] }),
        }
    }
    excerpts
}

impl<'a> Excerpt<'a> {
    fn is_near(&self, source: &Source, lines: &Range<usize>) -> bool {
        std::ptr::eq(self.source, source)
            && self.lines.start.max(lines.start) - self.lines.start.min(lines.start) <= NEAR
    }

    fn add(&mut self, lines: &Range<usize>, note: (Range<usize>, &'a str, AnnotationKind)) {
        self.lines = self.lines.start.min(lines.start)..self.lines.end.max(lines.end);
        self.notes.push(note);
    }

    fn snippet(&self) -> Snippet<'a, Annotation<'a>> {
        let Range { start, end } = self.lines;
        let text = &self.source.text;
        let annotations = self.notes.iter().map(|(underlined, label, kind)| {
            let annotation = kind.span(underlined.start - start..underlined.end - start);
            if label.is_empty() { annotation } else { annotation.label(*label) }
        });
        let line = 1 + text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count();
        Snippet::source(&text[start..end]).line_start(line).path(&self.source.name).annotations(annotations)
    }
}

/// The part of `span` that lies in `text`, on character boundaries and in one line: what is underlined.
fn within_a_line(span: &Range<usize>, text: &str) -> Range<usize> {
    let boundary = |mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = boundary(span.start.min(text.len()));
    let end = boundary(span.end.clamp(start, text.len()));
    let line = text[start..end].split(['\r', '\n']).next().unwrap_or_default();
    start..start + line.len()
}

/// How alike two names have to be, from 0 to 1, for one to be taken for a slip of the other. Below this, suggestions began
/// to be about something else.
const LIKENESS: f64 = 0.8;

/// The valid name that `name` is probably a slip of.
fn nearest<'a>(name: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let likeness = |valid: &str| strsim::jaro_winkler(&name, &valid.to_lowercase());
    let rated = valid.into_iter().map(|valid| (likeness(valid), valid));
    let alike = rated.filter(|(likeness, _)| *likeness >= LIKENESS);
    alike.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name)
}

/// Names in a sentence: `a`, `b` and `c`.
pub(super) fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((only, _)) => only.clone(),
        None => String::new(),
    }
}
