//! The file in which orders are given at the start, in TOML:
//!
//! ```toml
//! seed = 7                             # of all that is drawn; 0 if it is left out
//!
//! [[routes]]
//! prefix = "/slow"                     # "/" if it is left out: every path
//! latency = "lognormal(5ms, 40ms)"     # any order, by its name
//! status = { 200 = 95, 503 = 5 }       # weights, if you like them better than "200:95,503:5"
//! ```

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::{fs, io};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::Route;
use crate::order::{self, Order};
use crate::server::invalid;

/// What a file says.
#[derive(Debug, Default, PartialEq)]
pub struct File {
    /// The seed, if it gives one.
    pub seed: Option<u64>,
    /// The routes, in its order.
    pub routes: Vec<Route>,
}

/// What is wrong, and where.
struct Mistake {
    place: Range<usize>,
    reason: String,
}

impl File {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// The file cannot be read; or [`io::ErrorKind::InvalidInput`] with file, line, column and what to write instead.
    pub fn read(path: &Path) -> io::Result<File> {
        let text = fs::read_to_string(path).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot read {}: {error}; give the path of a TOML file", path.display()),
            )
        })?;
        File::parse(&text).map_err(|reason| invalid(format!("{}:{reason}", path.display())))
    }

    /// Reads `text`.
    ///
    /// # Errors
    /// `LINE:COLUMN: ` and what to write instead.
    pub fn parse(text: &str) -> Result<File, String> {
        read(text).map_err(|mistake| {
            let (line, column) = position(text, mistake.place.start);
            format!("{line}:{column}: {}", mistake.reason)
        })
    }
}

fn read(text: &str) -> Result<File, Mistake> {
    let table = DeTable::parse(text)
        .map_err(|error| mistake(error.span().unwrap_or_default(), error.message().to_owned()))?;
    let mut file = File::default();
    for (key, value) in table.get_ref() {
        match key.get_ref().as_ref() {
            "seed" => file.seed = Some(seed(value)?),
            "routes" => file.routes = routes(value)?,
            other => {
                let reason = format!(
                    "there is no `{other}` here; give `seed` and `[[routes]]`, with the orders in a route"
                );
                return Err(mistake(key.span(), reason));
            }
        }
    }
    Ok(file)
}

fn seed(value: &Spanned<DeValue<'_>>) -> Result<u64, Mistake> {
    let seed = plain(value.get_ref()).and_then(|text| text.parse().ok());
    seed.ok_or_else(|| mistake(value.span(), "the seed is a whole number from 0 on".to_owned()))
}

fn routes(value: &Spanned<DeValue<'_>>) -> Result<Vec<Route>, Mistake> {
    let tables = value.get_ref().as_array().into_iter().flatten();
    let tables: Option<Vec<_>> = tables.map(|route| route.get_ref().as_table()).collect();
    let tables = tables.filter(|tables| !tables.is_empty());
    let tables = tables
        .ok_or_else(|| mistake(value.span(), "routes are tables; begin each with `[[routes]]`".to_owned()))?;
    tables.into_iter().map(route).collect()
}

fn route(table: &DeTable<'_>) -> Result<Route, Mistake> {
    let mut orders = Vec::new();
    for (key, value) in table.iter().filter(|(key, _)| key.get_ref() != "prefix") {
        orders.push(order(key, value)?);
    }
    let prefix = table.get("prefix");
    let text = prefix.map_or(Some("/"), |prefix| prefix.get_ref().as_str());
    text.ok_or_else(|| "the prefix is a text such as \"/slow\"".to_owned())
        .and_then(|prefix| Route::new(prefix, &orders.join("; ")))
        .map_err(|reason| mistake(prefix.map_or(0..0, Spanned::span), reason)) // all else was read before
}

/// One order as it is written in a text. It is read here too, where its place is known.
fn order(key: &Spanned<Cow<'_, str>>, value: &Spanned<DeValue<'_>>) -> Result<String, Mistake> {
    let name = key.get_ref().as_ref();
    order::check_name(name).map_err(|reason| mistake(key.span(), reason))?;
    let text = plain(value.get_ref())
        .ok_or_else(|| mistake(value.span(), format!("`{name}` is given as a text, a number, or weights")))?;
    Order::default().add(name, &text).map_err(|reason| mistake(value.span(), reason))?;
    Ok(format!("{name}={text}"))
}

/// A value as it is written in a query.
fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(on) => Some(u8::from(*on).to_string()),
        DeValue::Table(weights) => {
            let weighted = weights
                .iter()
                .map(|(value, weight)| Some(format!("{}:{}", value.get_ref(), plain(weight.get_ref())?)));
            Some(weighted.collect::<Option<Vec<_>>>()?.join(","))
        }
        _ => None,
    }
}

fn mistake(place: Range<usize>, reason: String) -> Mistake {
    Mistake { place, reason }
}

/// Line and column, each from 1 on, of a byte.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read_with_their_orders() {
        let text = "seed = 7\n[[routes]]\nprefix = \"/slow\"\nlatency = \"lognormal(5ms, 40ms)\"\n\
                    status = { 200 = 95, 503 = 5 }\nchunked = true\n[[routes]]\nbytes = 128\n";
        let expect = [
            Route::new("/slow", "chunked=1; latency=lognormal(5ms, 40ms); status=200:95,503:5").unwrap(),
            Route::new("/", "bytes=128").unwrap(),
        ];
        let file = File::parse(text).unwrap();
        assert_eq!(file.seed, Some(7));
        for (route, expect) in file.routes.iter().zip(&expect) {
            assert_eq!((route.prefix(), route.order()), (expect.prefix(), expect.order()));
        }
        assert_eq!(file.routes.len(), 2);
        assert_eq!(File::parse(""), Ok(File::default()));
    }

    #[test]
    fn mistakes_are_found_by_line_and_explained() {
        for (text, expect) in [
            ("sed = 1", "1:1: there is no `sed` here; give `seed` and `[[routes]]`"),
            ("seed = -1", "1:8: the seed is a whole number"),
            ("\n[[routes]]\nlatnecy = \"none\"", "3:1: there is no order `latnecy`; did you mean `latency`?"),
            ("[[routes]]\n latency = \"slow\"", "2:12: `latency=slow`: give none, fixed(D)"),
            ("[[routes]]\nstatus = { 200 = 1, 700 = 1 }", "2:10: `status=700`: give a whole number"),
            ("[[routes]]\nprefix = \"slow\"", "2:10: the prefix `slow` is no path"),
            ("[[routes]]\nprefix = 1", "2:10: the prefix is a text"),
            ("[[routes]]\nbytes = [1]", "2:9: `bytes` is given as a text"),
            ("routes = 1", "1:10: routes are tables"),
            ("seed = ", "1:8: "),
        ] {
            let error = File::parse(text).unwrap_err();
            assert!(error.starts_with(expect), "{text}: {error}");
        }
    }
}
