//! From a text to the types of `file`: TOML is read, the environment filled in, and the rest left to serde.

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, Deserializer};

use super::diagnostic::Problem;
use super::environment::{Environment, Filled};
use super::slips::explain;
use super::sources::{Place, Source, moved};
use super::words;

/// Reads a text into [`super::file::File`] or [`super::file::Included`]. All places in it count through all texts.
pub(super) fn read<T: DeserializeOwned>(
    source: &Source,
    environment: &Environment<'_>,
) -> Result<T, Problem> {
    let table = DeTable::parse(&source.text).map_err(|error| explain(&error, source, source.start))?;
    let place = moved(table.span(), source.start);
    let table = Meaning { source, environment }.table(table.into_inner())?;
    T::deserialize(Deserializer::from(Spanned::new(place, table))).map_err(|error| explain(&error, source, 0))
}

/// Brings what was read from one text to what it means among all of them.
struct Meaning<'a> {
    source: &'a Source,
    environment: &'a Environment<'a>,
}

impl<'a> Meaning<'a> {
    fn table(&self, table: DeTable<'a>) -> Result<DeTable<'a>, Problem> {
        let key = |key: Spanned<_>| Spanned::new(moved(key.span(), self.source.start), key.into_inner());
        table.into_iter().map(|(name, value)| Ok((key(name), self.value(value)?))).collect()
    }

    fn value(&self, value: Spanned<DeValue<'a>>) -> Result<Spanned<DeValue<'a>>, Problem> {
        let place = moved(value.span(), self.source.start);
        let meaning = match value.into_inner() {
            DeValue::Table(table) => DeValue::Table(self.table(table)?),
            DeValue::Array(values) => {
                DeValue::Array(values.into_iter().map(|value| self.value(value)).collect::<Result<_, _>>()?)
            }
            DeValue::String(text) => self.text(text, &place)?,
            other => other,
        };
        Ok(Spanned::new(place, meaning))
    }

    fn text(&self, text: DeString<'a>, place: &Place) -> Result<DeValue<'a>, Problem> {
        Ok(match self.environment.fill(&text, self.source, place)? {
            Filled::AsWritten => DeValue::String(text),
            Filled::Plain(meant) => DeValue::String(meant.into()),
            Filled::Secret(meant) => words::value(meant, text, place),
        })
    }
}
