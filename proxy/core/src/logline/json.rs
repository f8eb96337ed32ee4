//! A JSON object a line, keys always in the same order; what a request has not got is left out.

use super::{Facts, Shape, escape, put_number, put_seconds};

/// Bytes that most lines fit into.
const USUAL_BYTES: usize = 640;

pub(super) fn write(out: &mut Vec<u8>, shape: &Shape, facts: &Facts<'_>) {
    out.reserve(USUAL_BYTES);
    put_request(out, shape, facts);
    put_way(out, facts);
    put_outcome(out, facts);
    put_fields(out, shape, facts);
    if let (true, Some(sample)) = (facts.is_sampled, &shape.sample) {
        out.extend_from_slice(b",\"sample\":");
        out.extend_from_slice(sample.as_bytes());
    }
    out.extend_from_slice(b"}\n");
}

/// What was asked for, and by whom.
fn put_request(out: &mut Vec<u8>, shape: &Shape, facts: &Facts<'_>) {
    out.extend_from_slice(b"{\"time\":\"");
    out.extend_from_slice(facts.time);
    out.extend_from_slice(b"\",\"request_id\":\"");
    out.extend_from_slice(facts.request_id.as_bytes());
    out.extend_from_slice(b"\",\"client\":\"");
    out.extend_from_slice(facts.client.as_bytes());
    if let Some(user) = facts.logged_user() {
        out.extend_from_slice(b"\",\"user\":\"");
        escape::json(out, user);
    }
    if let (Some(method), Some(path)) = (facts.method(), facts.path()) {
        out.extend_from_slice(b"\",\"method\":\"");
        out.extend_from_slice(method.as_bytes());
        out.extend_from_slice(b"\",\"path\":\"");
        out.extend_from_slice(&path);
    }
    out.push(b'"');
    if let Some(query) = facts.query(shape) {
        out.extend_from_slice(b",\"query\":\"");
        for (index, pair) in query.enumerate() {
            out.extend_from_slice(if index > 0 { b"&" } else { b"" });
            escape::json(out, pair.as_bytes());
        }
        out.push(b'"');
    }
}

/// Which way it went.
fn put_way(out: &mut Vec<u8>, facts: &Facts<'_>) {
    if let Some(route) = facts.route {
        out.extend_from_slice(b",\"route\":\"");
        out.extend_from_slice(route.name.as_bytes());
        out.push(b'"');
    }
    if let Some(pool) = facts.pool {
        out.extend_from_slice(b",\"pool\":\"");
        out.extend_from_slice(pool.as_bytes());
        out.push(b'"');
    }
    if let Some(server) = facts.server {
        out.extend_from_slice(b",\"server\":\"");
        out.extend_from_slice(server.as_bytes());
        out.push(b'"');
    }
    if facts.attempts > 0 {
        out.extend_from_slice(b",\"attempts\":");
        put_number(out, facts.attempts);
    }
}

/// What became of it.
fn put_outcome(out: &mut Vec<u8>, facts: &Facts<'_>) {
    if let Some(cause) = facts.cause {
        out.extend_from_slice(b",\"cause\":\"");
        out.extend_from_slice(cause.code().as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b",\"status\":");
    put_number(out, facts.status);
    out.extend_from_slice(b",\"source\":\"");
    out.extend_from_slice(facts.source.as_bytes());
    out.extend_from_slice(b"\",\"bytes_sent\":");
    put_number(out, facts.bytes_sent);
    out.extend_from_slice(b",\"bytes_received\":");
    put_number(out, facts.bytes_received);
    out.extend_from_slice(b",\"duration_s\":");
    put_seconds(out, facts.stages.duration());
    out.extend_from_slice(b",\"stages\":{\"");
    let mut is_first = true;
    for (stage, spent) in facts.stages.iter().filter(|(_, spent)| !spent.is_zero()) {
        if !std::mem::take(&mut is_first) {
            out.extend_from_slice(b",\"");
        }
        out.extend_from_slice(stage.name().as_bytes());
        out.extend_from_slice(b"\":");
        put_seconds(out, spent);
    }
    if is_first {
        out.pop(); // no stage took any time
    }
    out.push(b'}');
}

/// What else it brought along.
fn put_fields(out: &mut Vec<u8>, shape: &Shape, facts: &Facts<'_>) {
    if let Some(id) = facts.trace_id() {
        out.extend_from_slice(b",\"trace_id\":\"");
        out.extend_from_slice(&id);
        out.push(b'"');
    }
    let mut has_any = false;
    for (name, value) in facts.fields(shape) {
        out.extend_from_slice(if std::mem::replace(&mut has_any, true) {
            b",\""
        } else {
            b",\"fields\":{\""
        });
        out.extend_from_slice(name.as_bytes()); // a token, which needs no escape
        out.extend_from_slice(b"\":\"");
        escape::json(out, value);
        out.push(b'"');
    }
    if has_any {
        out.push(b'}');
    }
}
