//! A histogram inside a JSON document: the V2 form, compressed, as base64 text. It begins with `HISTF`, and every HDR
//! library reads it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A histogram of nanoseconds that is kept as text.
#[derive(Debug, Clone, PartialEq)]
pub struct Blob(pub Histogram<u64>);

impl Blob {
    /// The text.
    ///
    /// # Errors
    /// The histogram cannot be written, which none of ours is.
    pub fn text(&self) -> Result<String, String> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&self.0, &mut bytes).map_err(|error| error.to_string())?;
        Ok(STANDARD.encode(bytes))
    }

    /// The histogram of a text.
    ///
    /// # Errors
    /// It is not base64, or what it holds is not a histogram.
    pub fn parse(text: &str) -> Result<Blob, String> {
        let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
        let histogram = hdrhistogram::serialization::Deserializer::new().deserialize(&mut bytes.as_slice());
        histogram.map(Blob).map_err(|error| error.to_string())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text().map_err(S::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Blob, D::Error> {
        Blob::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::recorder::histogram;

    #[test]
    fn a_histogram_survives_being_text() {
        let mut filled = histogram();
        (1..=10_000).for_each(|value| filled.saturating_record(value * 977));
        let text = Blob(filled.clone()).text().unwrap();
        assert!(text.starts_with("HISTF"), "{text}");
        assert_eq!(Blob::parse(&text).unwrap().0, filled);
        assert!(Blob::parse("HISTF").is_err() && Blob::parse("!").is_err());
    }
}
