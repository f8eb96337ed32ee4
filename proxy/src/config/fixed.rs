//! What holds from the start of the process to its end, whatever is reloaded.

use std::net::SocketAddr;

use ringgate_io::Rung;
use serde::Serialize;

use super::{Admin, Tracing};
use crate::log::RequestLog;

/// Settings that a reload cannot change: sockets are bound and threads started with them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fixed {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// How many workers, if it was said.
    pub workers: Option<usize>,
    /// Which driver, if it was said.
    #[serde(serialize_with = "by_name")]
    pub driver: Option<Rung>,
    /// How requests are logged.
    #[serde(serialize_with = "in_words")]
    pub requests: RequestLog,
    /// The name among other proxies, if it was said.
    pub node_id: Option<String>,
    /// How many clients may be connected, if it was said.
    pub connections: Option<usize>,
    /// Where the admin API is.
    pub admin: Admin,
    /// Where spans go.
    pub tracing: Option<Tracing>,
}

fn by_name<S: serde::Serializer>(driver: &Option<Rung>, serializer: S) -> Result<S::Ok, S::Error> {
    driver.map(Rung::name).serialize(serializer)
}

fn in_words<S: serde::Serializer>(log: &RequestLog, serializer: S) -> Result<S::Ok, S::Error> {
    let form = log.form.map(|form| format!("{form:?}").to_lowercase());
    serde_json::json!({ "form": form, "file": log.file, "sample": log.sample }).serialize(serializer)
}

impl Fixed {
    /// A warning for each setting that is another one in `new`.
    pub(crate) fn differences(&self, new: &Fixed) -> Vec<String> {
        let differs = [
            ("listen", self.listen != new.listen),
            ("workers", self.workers != new.workers),
            ("driver", self.driver != new.driver),
            ("[log]", self.requests != new.requests),
            ("node_id", self.node_id != new.node_id),
            ("limits.connections", self.connections != new.connections),
            ("[admin]", self.admin != new.admin),
            ("[tracing]", self.tracing != new.tracing),
        ];
        let warning =
            |key: &str| format!("warning: `{key}` has changed; that takes effect with the next start");
        differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| warning(key)).collect()
    }
}
