//! A request made up here, and read by the same code as one that came over the wire.

use ringgate_core::answer::{Malformed, Reject};
use ringgate_core::head::{HeadScanner, RequestHead};
use ringgate_core::route;
use ringgate_core::tolerance::Tolerance;

/// A request head.
#[derive(Debug)]
pub(crate) struct Sample {
    text: String,
    head: RequestHead,
}

impl Sample {
    /// Writes a request with these field lines (`name: value`) and reads it. Without a Host among them it is for
    /// `localhost`.
    ///
    /// # Errors
    /// What the gateway refuses it with.
    pub(crate) fn new(
        method: &str,
        target: &str,
        fields: &[String],
        tolerance: Tolerance,
    ) -> Result<Sample, Reject> {
        let mut text = format!("{method} {target} HTTP/1.1\r\n");
        let mut has_host = false;
        for field in fields {
            text.extend([field, "\r\n"]);
            has_host |= field.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case("host"));
        }
        text.push_str(if has_host { "\r\n" } else { "Host: localhost\r\n\r\n" });
        let bounds = HeadScanner::default().scan(text.as_bytes())?.ok_or(Malformed::RequestLine)?;
        let text = text[bounds.start..bounds.end].to_owned();
        let mut head = RequestHead::default();
        head.parse(text.as_bytes(), tolerance)?;
        Ok(Sample { text, head })
    }

    /// Its head.
    pub(crate) fn head(&self) -> &RequestHead {
        &self.head
    }

    /// The bytes of its head.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// What routing looks at.
    pub(crate) fn route_request(&self) -> route::Request<'_> {
        self.head.route_request(self.bytes())
    }
}
