//! `${NAME}` in text: values that come from the environment of the process.
//!
//! They are filled in after TOML has been read, in every text that is a value, so what a variable holds is never syntax.
//! Keys and numbers stand as they are.

use std::cell::Cell;
use std::ffi::OsString;

use super::codes::Mistake;
use super::diagnostic::Problem;
use super::sources::{BYTES, Place, Source};

/// Asks for the value of a variable.
pub(super) type Variable<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The variables, and how much they may still fill in.
pub(super) struct Environment<'a> {
    variable: Variable<'a>,
    /// Bytes. A short file may name a long variable many times.
    left: Cell<u64>,
}

/// What a text means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// Just what it says.
    AsWritten,
    /// This, which may be shown: it holds only what the text itself says.
    Plain(String),
    /// This, which may be a secret.
    Secret(String),
}

/// A part of a text.
enum Part<'a> {
    Plain(&'a str),
    /// `$${`
    Braces,
    /// `${NAME}` or `${NAME:-default}`
    Variable {
        all: &'a str,
        name: &'a str,
        default: Option<&'a str>,
    },
    /// `${` without an end.
    Open(&'a str),
}

impl<'a> Environment<'a> {
    pub(super) fn new(variable: Variable<'a>) -> Environment<'a> {
        Environment { variable, left: Cell::new(BYTES) }
    }

    /// Fills in a text, which stands at `place` of `source`.
    pub(super) fn fill(&self, text: &str, source: &Source, place: &Place) -> Result<Filled, Problem> {
        if !text.contains("${") {
            return Ok(Filled::AsWritten);
        }
        let (mut filled, mut is_secret, mut rest) = (String::new(), false, text);
        while let Some(part) = next(&mut rest) {
            match part {
                Part::Plain(text) => filled.push_str(text),
                Part::Braces => filled.push_str("${"),
                Part::Open(all) => return Err(open(source.part(place, all))),
                Part::Variable { all, name, default } => {
                    let place = || source.part(place, all);
                    let value = self.value(name, default, &place)?;
                    is_secret |= value.is_some();
                    filled.push_str(value.as_deref().or(default).unwrap_or_default());
                    self.spend(filled.len(), &place)?;
                }
            }
        }
        Ok(if is_secret { Filled::Secret(filled) } else { Filled::Plain(filled) })
    }

    /// What a variable holds; `None` if its default counts, as it does in a shell: where it is not set, or empty.
    fn value(
        &self,
        name: &str,
        default: Option<&str>,
        place: &dyn Fn() -> Place,
    ) -> Result<Option<String>, Problem> {
        if !is_name(name) {
            return Err(no_name(name, place()));
        }
        if default.is_some_and(|default| default.contains("${")) {
            return Err(nested(place()));
        }
        match (self.variable)(name).map(OsString::into_string) {
            Some(Ok(value)) if value.is_empty() && default.is_some() => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(_)) => Err(not_text(name, place())),
            None if default.is_some() => Ok(None),
            None => Err(not_set(name, place())),
        }
    }

    fn spend(&self, bytes: usize, place: &dyn Fn() -> Place) -> Result<(), Problem> {
        let left = self.left.get().checked_sub(bytes as u64).ok_or_else(|| {
            Problem::at(
                Mistake::UnboundedVariables,
                place(),
                "what the environment fills in makes the configuration larger than 64 MiB",
            )
            .help("name large variables less often, or make them shorter")
        })?;
        self.left.set(left);
        Ok(())
    }
}

/// Takes the next part off a text.
fn next<'a>(rest: &mut &'a str) -> Option<Part<'a>> {
    let text = *rest;
    let (part, length) = match (text.find("${"), text.find("$${")) {
        _ if text.is_empty() => return None,
        (_, Some(0)) => (Part::Braces, 3),
        (Some(0), _) => variable(text),
        (Some(at), escape) => {
            let at = escape.unwrap_or(at).min(at);
            (Part::Plain(&text[..at]), at)
        }
        (None, _) => (Part::Plain(text), text.len()),
    };
    *rest = &text[length..];
    Some(part)
}

/// A text that begins with `${`, and the length of that part.
fn variable(text: &str) -> (Part<'_>, usize) {
    let Some(end) = text.find('}') else { return (Part::Open(text), text.len()) };
    let inner = &text[2..end];
    let (name, default) =
        inner.split_once(":-").map_or((inner, None), |(name, default)| (name, Some(default)));
    (Part::Variable { all: &text[..=end], name, default }, end + 1)
}

/// POSIX, Base Definitions 8.1, and lower case, which everybody uses.
fn is_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_part) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

fn open(place: Place) -> Problem {
    Problem::at(Mistake::OpenVariable, place, "`${` has no `}`").help(
        "write `${NAME}` for the value of an environment variable, or `$${` for just these two characters",
    )
}

fn no_name(name: &str, place: Place) -> Problem {
    Problem::at(Mistake::BadVariable, place, format!("`{name}` cannot be the name of an environment variable")).help(
        "names have letters, digits and `_`, as in `${NAME}` or `${NAME:-default}`; write `$${` for just these two characters",
    )
}

fn nested(place: Place) -> Problem {
    Problem::at(Mistake::NestedVariable, place, "a default names no other variable")
        .help("let the default be plain text, as in `${NAME:-text}`; decide between variables where ringgate is started")
}

fn not_set(name: &str, place: Place) -> Problem {
    Problem::at(Mistake::UnsetVariable, place, format!("the environment variable `{name}` is not set")).help(format!(
        "set it where ringgate is started, as in `{name}=value ringgate run`, or write a default: `${{{name}:-value}}`"
    ))
}

fn not_text(name: &str, place: Place) -> Problem {
    Problem::at(
        Mistake::VariableNotUtf8,
        place,
        format!("the environment variable `{name}` is not text in UTF-8"),
    )
    .help("set it to text where ringgate is started")
}

#[cfg(test)]
mod tests {
    use super::super::sources::Sources;
    use super::*;

    /// What a text becomes where `A` is `1`, `EMPTY` is empty and nothing else is set.
    fn fill(text: &str) -> Result<Filled, Problem> {
        let variable = |name: &str| match name {
            "A" => Some("1".into()),
            "SYNTAX" => Some("\"\n${A}".into()),
            "EMPTY" => Some("".into()),
            _ => None,
        };
        let mut sources = Sources::default();
        let number = sources.add("f.toml", text);
        Environment::new(&variable).fill(text, sources.text(number), &(0..text.len()))
    }

    #[test]
    fn variables_are_filled_in_wherever_they_stand() {
        for (text, filled) in [
            ("${A}", "1"),
            ("a${A}b${A}", "a1b1"),
            ("${A:-2}", "1"),
            ("${EMPTY}", ""),
            ("$${A}${A}", "${A}1"),
            ("$$$${A}${A}", "$$${A}1"),
            ("${SYNTAX}", "\"\n${A}"),
        ] {
            assert_eq!(fill(text).unwrap(), Filled::Secret(filled.into()), "{text}");
        }
    }

    #[test]
    fn what_the_file_itself_says_may_be_shown() {
        for (text, filled) in
            [("${B:-2}", "2"), ("${EMPTY:-2}", "2"), ("${B:-}", ""), ("$${A}", "${A}"), ("a$${", "a${")]
        {
            assert_eq!(fill(text).unwrap(), Filled::Plain(filled.into()), "{text}");
        }
        for text in ["", "$", "$A", "$$", "a{A}", "$ {A}", "}"] {
            assert_eq!(fill(text).unwrap(), Filled::AsWritten, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_refused() {
        for text in ["${", "${A", "${}", "${1A}", "${A B}", "${A-2}", "${B}", "${B:-${A}}", "${A}${B}"] {
            assert!(fill(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_variable_that_is_named_often_fills_in_no_more_than_a_configuration_may_have() {
        let variable = |_: &str| Some("a".repeat(1 << 20).into());
        let environment = Environment::new(&variable);
        let mut sources = Sources::default();
        let number = sources.add("f.toml", "${A}");
        let fill = || environment.fill("${A}", sources.text(number), &(0..4)).is_ok();
        assert_eq!((0..70).filter(|_| fill()).count(), 64);
    }
}
