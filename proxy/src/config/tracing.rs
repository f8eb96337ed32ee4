//! `[tracing]`: which requests are recorded, and where their spans go.
//!
//! Refuses: a collector by https, since the gateway does not speak TLS: the collector's agent on this machine does.

use std::fmt;

use http::header::{HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Scheme, Uri};
use serde::{Serialize, Serializer};
use toml::Spanned;

use super::codes::Mistake;
use super::diagnostic::Problem;
use super::file::{self, Text};
use super::log;
use super::settings::check_name;

/// What the gateway is called unless told otherwise.
const SERVICE: &str = "ringgate";
/// Where collectors take spans (OTLP over HTTP).
const PATH: PathAndQuery = PathAndQuery::from_static("/v1/traces");

/// Spans for a collector.
#[derive(Clone, PartialEq)]
pub struct Tracing {
    /// Where it takes them.
    pub endpoint: Uri,
    /// What it asks for; secrets.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The share of requests that are recorded, 0 to 1, where the caller does not say.
    pub sample: f64,
    /// What the gateway is called.
    pub service: String,
}

/// Not what it asks for, nor what may have come from the environment.
impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracing").field("sample", &self.sample).finish_non_exhaustive()
    }
}

impl Serialize for Tracing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::json!({ "sample": self.sample }).serialize(serializer)
    }
}

pub(super) fn read(written: Option<&Spanned<file::Tracing>>) -> Result<Option<Tracing>, Problem> {
    let Some(written) = written else { return Ok(None) };
    let file::Tracing { endpoint, sample, service, headers } = written.get_ref();
    let endpoint = endpoint.as_ref().ok_or_else(|| {
        Problem::at(Mistake::NoCollector, written.span(), "nobody is named who takes the spans").help(
            "add where the collector takes OTLP over HTTP, as in `endpoint = \"http://127.0.0.1:4318\"`",
        )
    })?;
    service.as_ref().map(check_name).transpose()?;
    Ok(Some(Tracing {
        endpoint: collector(endpoint)?,
        headers: headers.iter().map(|(name, value)| field(name, value)).collect::<Result<_, _>>()?,
        sample: sample.as_ref().map_or(Ok(1.0), log::sample)?,
        service: service.as_ref().map_or(SERVICE, |service| service.get_ref()).to_owned(),
    }))
}

fn collector(written: &Text) -> Result<Uri, Problem> {
    let bad = |what: &str, help: &str| {
        Problem::at(Mistake::BadCollector, written.span(), format!("`{written}` {what}")).help(help)
    };
    const HELP: &str = "write it as in `http://127.0.0.1:4318`; `/v1/traces` is added where there is no path";
    let uri: Uri = written.get_ref().parse().map_err(|_| bad("is not an address of the web", HELP))?;
    match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => {}
        Some(scheme) if *scheme == Scheme::HTTPS => {
            let help = "name a collector or its agent on this machine or network by `http://`, and let that one speak TLS";
            return Err(bad("asks for TLS, which the gateway does not speak", help));
        }
        _ => return Err(bad("is not an address of the web", HELP)),
    }
    let mut parts = uri.into_parts();
    if parts.authority.as_ref().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(bad("holds a user", "give what the collector asks for in `headers`"));
    }
    if parts.path_and_query.as_ref().is_none_or(|path| path.as_str() == "/") {
        parts.path_and_query = Some(PATH);
    }
    Uri::from_parts(parts).map_err(|_| bad("is not an address of the web", HELP))
}

fn field(name: &Text, value: &Text) -> Result<(HeaderName, HeaderValue), Problem> {
    let bad = |place: &Text, what: &str| {
        Problem::at(Mistake::BadFieldName, place.span(), format!("this is no {what} of a field"))
            .help("write them as in `headers = { x-api-key = \"${COLLECTOR_KEY}\" }`")
    };
    let key = name.get_ref().parse().map_err(|_| bad(name, "name"))?;
    let mut secret: HeaderValue = value.get_ref().parse().map_err(|_| bad(value, "value"))?;
    secret.set_sensitive(true);
    Ok((key, secret))
}
