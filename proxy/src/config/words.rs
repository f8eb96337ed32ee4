//! Text of a configuration, and what of it may be shown.
//!
//! What came from the environment may be a secret, so it is shown as it is written: `${NAME}`. Whoever prints [`Words`]
//! prints that; the text itself is had only by asking for it. [`Bytes`] may be such text, or a number.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::sources::Place;

/// Text as it is meant, and how it may be shown. It is compared by what it means.
#[derive(Clone)]
pub(super) struct Words {
    meant: String,
    /// How it is written, if a part of it comes from the environment.
    written: Option<String>,
}

impl Words {
    /// The text, if nothing of it comes from the environment: what is derived from it may be shown.
    pub(super) fn plain(&self) -> Option<&str> {
        self.written.is_none().then_some(&self.meant)
    }

    /// How it is written, if a part of it comes from the environment.
    pub(super) fn written(&self) -> Option<&str> {
        self.written.as_deref()
    }
}

impl Deref for Words {
    type Target = str;

    fn deref(&self) -> &str {
        &self.meant
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.written.as_ref().unwrap_or(&self.meant))
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl PartialEq for Words {
    fn eq(&self, other: &Words) -> bool {
        **self == **other
    }
}

impl Eq for Words {}

impl Hash for Words {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.meant.hash(state);
    }
}

impl PartialOrd for Words {
    fn partial_cmp(&self, other: &Words) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Words {
    fn cmp(&self, other: &Words) -> Ordering {
        self.meant.cmp(&other.meant)
    }
}

/// The only key of a table that stands for text from the environment, between [`value`] and [`Words`]: what TOML has been
/// read into has no better place for it. Whoever writes such a table gets what it says.
pub(super) const FILLED: &str = "$ringgate::filled";

/// The value that is read as [`Words`] meant and written like this; `place` is where it stands.
pub(super) fn value(meant: String, written: Cow<'_, str>, place: &Place) -> DeValue<'static> {
    let text = |text: String| Spanned::new(place.clone(), DeValue::String(text.into()));
    let both: DeArray<'static> = [text(meant), text(written.into_owned())].into_iter().collect();
    let key = Spanned::new(place.clone(), Cow::Borrowed(FILLED));
    DeValue::Table(DeTable::from_iter([(key, Spanned::new(place.clone(), DeValue::Array(both)))]))
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Words, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Words;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<Words, E> {
        Ok(text.to_owned().into())
    }

    fn visit_string<E>(self, text: String) -> Result<Words, E> {
        Ok(text.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Words, A::Error> {
        filled(map, &self)
    }
}

impl From<String> for Words {
    fn from(meant: String) -> Words {
        Words { meant, written: None }
    }
}

/// For a visitor that takes [`Words`] among other things.
pub(super) fn filled<'de, A: MapAccess<'de>>(
    mut map: A,
    expected: &impl Visitor<'de>,
) -> Result<Words, A::Error> {
    match map.next_key::<Cow<'_, str>>()? {
        Some(key) if key == FILLED => {
            let (meant, written) = map.next_value()?;
            Ok(Words { meant, written: Some(written) })
        }
        _ => Err(A::Error::invalid_type(Unexpected::Map, expected)),
    }
}

/// Bytes, as a number or as text with a unit.
#[derive(Debug, Clone)]
pub(super) enum Bytes {
    Number(i64),
    Text(Words),
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bytes::Number(number) => number.fmt(f),
            Bytes::Text(text) => text.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_any(BytesReader)
    }
}

struct BytesReader;

impl<'de> Visitor<'de> for BytesReader {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Bytes, E> {
        Ok(Bytes::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Bytes, E> {
        Ok(Bytes::Text(text.to_owned().into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Bytes, A::Error> {
        filled(map, &self).map(Bytes::Text)
    }
}

/// What may be repeated by anybody, in logs, labels and spans: text that may be shown, without what those would have to escape.
pub(super) fn label(shown: &str) -> String {
    shown.replace(|c: char| c.is_control() || matches!(c, '"' | '\\'), "_")
}
