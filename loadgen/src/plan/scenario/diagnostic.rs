//! What a person is told about a scenario: one message with file, line and column, in the form that rustc has taught.

use std::fmt::Display;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use toml::Spanned;

use crate::Error;
use crate::secret::blotted;

/// How alike two names have to be, from 0 to 1, for one to be taken for a slip of the other.
const LIKENESS: f64 = 0.8;

/// Something wrong at one place of the file.
#[derive(Debug)]
pub(super) struct Problem {
    place: Range<usize>,
    title: String,
    label: String,
    help: String,
}

impl Problem {
    /// What is wrong, and what to do.
    pub(super) fn at(place: Range<usize>, title: impl Display, help: impl Into<String>) -> Problem {
        Problem { place, title: title.to_string(), label: String::new(), help: help.into() }
    }

    /// Says at the place which of the valid names was probably meant, if one is alike.
    pub(super) fn suggest<'a>(mut self, name: &str, valid: impl IntoIterator<Item = &'a str>) -> Problem {
        if let Some(valid) = nearest(name, valid) {
            self.label = format!("did you mean `{valid}`?");
        }
        self
    }

    /// As it is shown: below the line of `text` that is meant, if one is.
    pub(super) fn show(&self, file: &str, text: &str) -> Error {
        let text = &*blotted(text);
        let annotation = AnnotationKind::Primary.span(within_a_line(&self.place, text)).label(&*self.label);
        let mut report = Group::with_title(Level::ERROR.primary_title(&*self.title))
            .element(Snippet::source(text).path(file).annotation(annotation));
        if !self.help.is_empty() {
            report = report.element(Level::HELP.message(&*self.help));
        }
        Error::Plan(Renderer::plain().render(&[report]))
    }
}

/// Reads a value, and names its place if that fails.
pub(super) fn read<T, R, E: Display>(
    value: &Spanned<T>,
    read: impl FnOnce(&T) -> Result<R, E>,
) -> Result<R, Problem> {
    read(value.get_ref()).map_err(|error| Problem::at(value.span(), error, ""))
}

/// The part of `place` that lies in `text`, on character boundaries and in one line: what is underlined.
fn within_a_line(place: &Range<usize>, text: &str) -> Range<usize> {
    let boundary =
        |at: usize| (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let start = boundary(place.start);
    let end = boundary(place.end).max(start);
    start..start + text[start..end].split(['\r', '\n']).next().unwrap_or_default().len()
}

fn nearest<'a>(name: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let rated = valid.into_iter().map(|valid| (strsim::jaro_winkler(name, valid), valid));
    let alike = rated.filter(|(likeness, _)| *likeness >= LIKENESS);
    alike.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, valid)| valid)
}
