//! Questions that the admin API answers. Nothing here changes anything, and nothing here waits.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use ringgate_core::pool::Pool;
use ringgate_core::route::Route;
use serde_json::{Value, json};

use super::Desk;
use crate::config::{Origin, Question, Veil};
use crate::control::discovery::Ledger;
use crate::control::exposition;

/// The process answers at all.
pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// New connections are welcome: 503 once a drain has begun.
pub(super) async fn ready(State(desk): State<Desk>) -> (StatusCode, &'static str) {
    match desk.reloader.workers().is_draining() {
        false => (StatusCode::OK, "ready\n"),
        true => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

/// Every number there is, for Prometheus.
pub(super) async fn metrics(State(desk): State<Desk>) -> Response {
    match desk.exposition.render() {
        Ok(text) => ([(CONTENT_TYPE, exposition::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What was read from the configuration, secrets masked, and what became of attempts to read it anew.
pub(super) async fn config(State(desk): State<Desk>) -> Json<Value> {
    let generation = desk.reloader.workers().generation();
    let (applied, refused) = desk.reloader.counts.read();
    Json(json!({
        "file": desk.reloader.path(),
        "generation": generation.number,
        "reloads": { "applied": applied, "refused": refused },
        "retired": desk.reloader.retired(),
        "until_restart": desk.reloader.fixed(),
        "clients": {
            "head_timeout_s": generation.clients.head_timeout.as_secs_f64(),
            "idle_timeout_s": generation.clients.idle_timeout.as_secs_f64(),
            "drain_timeout_s": generation.clients.drain_timeout.as_secs_f64(),
            "trusted_proxies": generation.clients.trusted.to_string(),
        },
        "upstreams": {
            "idle_s": generation.kept.idle.as_secs_f64(),
            "age_s": generation.kept.age.as_secs_f64(),
        },
        "routes": generation.routes.all().len(),
        "pools": generation.pools.len(),
    }))
}

/// The routing table, the route that is asked first on top.
pub(super) async fn routes(State(desk): State<Desk>) -> Json<Value> {
    let generation = desk.reloader.workers().generation();
    let veil = desk.reloader.veil();
    let view = |asked| route(asked, generation.pool(asked), &veil);
    Json(generation.routes.by_precedence().into_iter().map(view).collect())
}

fn route(route: &Route, pool: &Pool, veil: &Veil) -> Value {
    let shown = |(name, value): &(Box<str>, Box<str>)| (name.to_string(), json!(veil.shown(value)));
    let fields: Value = route.fields.iter().map(shown).collect();
    json!({
        "name": route.name,
        "host": route.host.as_deref().map(|host| veil.shown(host)),
        "path": veil.shown(&route.pattern.to_string()),
        "methods": route.methods.to_string(),
        "fields": fields,
        "pool": pool.name,
    })
}

/// Every pool with its servers, how many connections each has, and where they come from if they are not written down.
pub(super) async fn pools(State(desk): State<Desk>) -> Json<Value> {
    let generation = desk.reloader.workers().generation();
    let origins = desk.reloader.origins();
    let pools = generation.pools.iter().zip(&origins.pools); // a moment after a reload the wrong ones, and that is all
    let pool = |(pool, origin): (&Arc<Pool>, &Origin)| {
        let sources: Value = origin.questions().map(|asked| source(asked, &desk.reloader.ledger)).collect();
        json!({ "name": pool.name, "servers": servers(pool), "sources": sources })
    };
    Json(pools.map(pool).collect())
}

/// Something that is asked for servers, and how that goes.
fn source((question, shown): (&Question, &str), ledger: &Ledger) -> Value {
    let kind = match question {
        Question::Host(..) => "host",
        Question::Service(_) => "service",
        Question::File(_) => "file",
    };
    let account = ledger.of(question);
    json!({
        "kind": kind,
        "name": shown,
        "age_s": account.answered.elapsed().as_secs_f64(),
        "answers": account.answers,
        "failures": account.failures,
        "error": account.error,
    })
}

fn servers(pool: &Pool) -> Value {
    let server = |server: &ringgate_core::pool::Server| {
        let (open, most) = (server.capacity.open(), server.capacity.most());
        json!({ "name": server.name, "address": server.address, "connections": open, "most_connections": most })
    };
    pool.servers.iter().map(server).collect()
}

/// How requests are logged, and which of them.
pub(super) async fn log(State(desk): State<Desk>) -> Json<Value> {
    let log = &desk.reloader.fixed().requests;
    Json(json!({
        "form": log.form.map(|form| format!("{form:?}").to_lowercase()),
        "destination": log.destination(),
        "sample": log.sample,
        "level": desk.reloader.workers().log_level(),
    }))
}

/// What each worker has and has done.
pub(super) async fn workers(State(desk): State<Desk>) -> Json<Value> {
    let workers = desk.reloader.workers();
    let all = workers.counters().zip(workers.loads()).enumerate();
    let worker = |(index, (counters, connections)): (usize, (&crate::counters::Counters, usize))| {
        json!({
            "worker": index,
            "generation": counters.generation.get(),
            "connections": connections,
            "accepted": counters.connections.get(),
            "answered": counters.answered.get(),
            "departed": counters.departed.get(),
        })
    };
    Json(all.map(worker).collect())
}
