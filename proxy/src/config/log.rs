//! The request log: its form, its place, and what may stand in it.
//!
//! Refuses: names that look like those of credentials. Whoever reads a log may not be whom they were sent to.

use std::path::PathBuf;

use ringgate_core::chunked::is_token;
use ringgate_core::redact::{HiddenSegments, looks_secret};
use ringgate_core::route::Pattern;
use toml::Spanned;

use super::codes::Mistake;
use super::diagnostic::{Problem, list};
use super::file::{self, Text};
use crate::log::{Form, RequestLog, Shape};

/// Names in a query, and fields, that may be listed: each request's are compared with all of them.
const NAMES: usize = 32;
/// What the log can look like.
const FORMS: [(&str, Option<Form>); 4] = [
    ("json", Some(Form::Json)),
    ("combined", Some(Form::Combined)),
    ("text", Some(Form::Text)),
    ("off", None),
];
/// What stands for all that is below a prefix.
const BELOW: &str = "*";

/// Reads `[log]`.
pub(super) fn read(written: &file::Log) -> Result<RequestLog, Problem> {
    let default = RequestLog::default();
    let sample = written.sample.as_ref().map_or(Ok(default.sample), sample)?;
    Ok(RequestLog {
        form: written.requests.as_ref().map_or(Ok(default.form), form)?,
        file: written.file.as_ref().map(path).transpose()?,
        shape: Shape {
            query: names(&written.query, "value in a query", |name| name.to_owned())?,
            fields: fields(&written.fields)?,
            sample: (sample < 1.0).then(|| sample.to_string().into()),
        },
        sample,
    })
}

fn form(written: &Text) -> Result<Option<Form>, Problem> {
    let name = &**written.get_ref();
    FORMS.iter().find(|(form, _)| *form == name).map(|(_, form)| *form).ok_or_else(|| {
        let names = FORMS.map(|(form, _)| form);
        Problem::at(Mistake::UnknownLog, written.span(), format!("there is no form of the request log called `{written}`"))
            .suggest(name, names)
            .help("write `json` for a JSON object a line, `combined` for the format of Apache and nginx, `text` for people, or `off`")
    })
}

fn path(written: &Text) -> Result<PathBuf, Problem> {
    match &**written.get_ref() {
        "" | "-" => Err(Problem::at(
            Mistake::BadLogFile,
            written.span(),
            format!("`{written}` is not the path of a file"),
        )
        .help("leave `file` out for standard output")),
        path if path.ends_with('/') => {
            Err(Problem::at(Mistake::BadLogFile, written.span(), format!("`{written}` is a folder"))
                .help("give the path of a file in it, as in `/var/log/ringgate/access.log`"))
        }
        path => Ok(path.into()),
    }
}

pub(super) fn sample(written: &Spanned<f64>) -> Result<f64, Problem> {
    let share = *written.get_ref();
    if (0.0..=1.0).contains(&share) {
        return Ok(share.abs()); // there is a negative zero
    }
    Err(Problem::at(Mistake::BadSample, written.span(), format!("`{share}` is no share of all requests")).help(
        "write a number from 0 to 1, as in `0.01` for one in a hundred; requests that fail are all logged",
    ))
}

/// Header fields, in lower case.
fn fields(written: &[Text]) -> Result<Vec<Box<str>>, Problem> {
    if let Some(name) = written.iter().find(|name| !name.get_ref().bytes().all(is_token)) {
        return Err(Problem::at(
            Mistake::BadFieldName,
            name.span(),
            format!("`{name}` is not the name of a header field"),
        )
        .help("write letters, digits and dashes, as in `user-agent`"));
    }
    names(written, "field", str::to_ascii_lowercase)
}

/// Names that may be logged, each once; `what` they are the names of.
fn names(written: &[Text], what: &str, spell: fn(&str) -> String) -> Result<Vec<Box<str>>, Problem> {
    if let Some(name) = written.get(NAMES) {
        return Err(Problem::at(
            Mistake::TooManyLogNames,
            name.span(),
            format!("the log shows at most {NAMES} of them"),
        )
        .help("list those that somebody reads"));
    }
    let mut names: Vec<Box<str>> = Vec::new();
    for name in written {
        check_name(name, what)?;
        let name: Box<str> = spell(name.get_ref()).into();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn check_name(written: &Text, what: &str) -> Result<(), Problem> {
    match &**written.get_ref() {
        "" => Err(Problem::at(Mistake::BadLogName, written.span(), format!("a {what} has a name"))
            .help("write it, or leave this out")),
        name if looks_secret(name) => Err(Problem::at(
            Mistake::SecretInLog,
            written.span(),
            format!("a {what} called `{written}` may be a credential, which is never logged"),
        )
        .help("leave it out; log the id of the request instead, and look the rest up where it is safe")),
        _ => Ok(()),
    }
}

/// What is not logged of the paths of a route: parameters whose names look like credentials', and those that it lists.
pub(super) fn hidden(pattern: &Pattern, listed: &[Text]) -> Result<HiddenSegments, Problem> {
    let mut hidden = HiddenSegments::NONE;
    for name in listed {
        match (&**name.get_ref(), pattern.below()) {
            (BELOW, Some(place)) => hidden.hide_from(place),
            (name, _) if pattern.parameters().any(|(_, parameter)| parameter == name) => {}
            _ => return Err(no_such_parameter(name, pattern)),
        }
    }
    let is_hidden =
        |name: &str| looks_secret(name) || listed.iter().any(|listed| **listed.get_ref() == *name);
    let parameters = pattern.parameters().filter(|(_, name)| is_hidden(name));
    parameters.for_each(|(place, name)| hidden.hide(place, name));
    Ok(hidden)
}

fn no_such_parameter(written: &Text, pattern: &Pattern) -> Problem {
    let mut names: Vec<&str> = pattern.parameters().map(|(_, name)| name).collect();
    names.extend(pattern.below().map(|_| BELOW));
    let help = match names.is_empty() {
        true => "name a segment first, as in `path = \"/reset/{token}\"`".to_owned(),
        false => format!("what can stand here: {}", list(&names)),
    };
    Problem::at(
        Mistake::UnknownParameter,
        written.span(),
        format!("the path of this route has no parameter `{written}`"),
    )
    .suggest(written.get_ref(), names)
    .help(help)
}
