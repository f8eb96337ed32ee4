//! A line for people.

use std::io::Write;

use super::Facts;

pub(super) fn write(out: &mut Vec<u8>, facts: &Facts<'_>) {
    let (method, path) = (facts.method().unwrap_or("-"), facts.path());
    let path = String::from_utf8_lossy(path.as_deref().unwrap_or(b"-"));
    let mut line = format!("{} {method} {path}", facts.status);
    match facts.route {
        Some(route) => line.extend(["  route ", &route.name, " -> ", facts.pool.unwrap_or("-")]),
        None => line.push_str("  no route takes it"),
    }
    line.extend(facts.server.into_iter().flat_map(|server| [" at ", server]));
    line.extend(["  answered by the ", facts.source]);
    line.extend(facts.cause.into_iter().flat_map(|cause| [" (", cause.code(), ")"]));
    let milliseconds = facts.stages.duration().as_secs_f64() * 1e3;
    let written = writeln!(out, "{line}  {milliseconds:.3} ms");
    debug_assert!(written.is_ok(), "writing to memory does not fail");
}
