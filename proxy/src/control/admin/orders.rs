//! Orders that the admin API takes. Each answers when it is carried out, or with what is in the way.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::{Desk, problem};
use crate::control::reload::Applied;
use crate::operator::say;
use crate::orders::LogLevel;

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

/// What is ordered of the log.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogOrder {
    level: LogLevel,
}

/// Has other requests logged from now on, until the end of the process. 400 for an order that makes no sense, 409 if the
/// configuration has nothing logged.
pub(super) async fn log(State(desk): State<Desk>, body: Bytes) -> Response {
    let wrong = |status: StatusCode, title: &str, code: &str, detail: &str| {
        let told = json!({
            "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail, "code": code,
        });
        problem(status, &told)
    };
    let Ok(LogOrder { level }) = serde_json::from_slice(&body) else {
        let detail = "Send {\"level\": \"all\"}, \"failures\" or \"off\".";
        return wrong(StatusCode::BAD_REQUEST, "There is no such order", "bad_order", detail);
    };
    let settings = &desk.reloader.fixed().requests;
    if settings.form.is_none() {
        let detail =
            "The configuration says `log.requests = \"off\"`; give it a form and start the gateway anew.";
        return wrong(StatusCode::CONFLICT, "Nothing is logged", "log_is_off", detail);
    }
    desk.reloader.workers().log(level);
    let said = json!({ "level": level });
    say(&format!("request log: {said}, by the admin API"));
    Json(said).into_response()
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
