//! Orders that the admin API takes. Each answers when it is carried out, or with what is in the way.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Desk, problem};
use crate::control::reload::Applied;

/// Reads the configuration anew; answers when all workers go by it. 422 with what is wrong in the file, which then changes
/// nothing.
pub(super) async fn reload(State(desk): State<Desk>) -> Response {
    match desk.reloader.reload().await {
        Ok(applied) => Json(applied).into_response(),
        Err(refusal) => refused(&refusal),
    }
}

fn refused(why: &str) -> Response {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let told = json!({
        "type": "about:blank", "title": "The configuration is refused", "status": status.as_u16(),
        "detail": why, "code": "configuration_refused",
    });
    problem(status, &told)
}

/// Stops the gateway: no new connections, requests in flight are finished. 202 at once.
pub(super) async fn drain(State(desk): State<Desk>) -> (StatusCode, &'static str) {
    let _ = desk.stop.send(()); // whoever does not hear it any more is stopping already
    (StatusCode::ACCEPTED, "draining\n")
}

impl serde::Serialize for Applied {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (adopted, workers) = self.adopters;
        json!({
            "generation": self.generation,
            "routes": self.routes,
            "workers": { "adopted": adopted, "of": workers },
            "took_s": self.took.as_secs_f64(),
            "warnings": self.warnings,
        })
        .serialize(serializer)
    }
}
