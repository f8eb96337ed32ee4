//! Any text is a configuration or an error with a place in it, and a configuration routes as its own table says.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringgate::config::{self, Answers, Config};
use ringgate::explain;
use ringgate_core::head::RequestHead;
use ringgate_core::route::{Route, Routes};
use ringgate_core::tolerance::Tolerance;

const FILE: &str = "fuzzed.toml";
/// Routes up to which their table is tried out; the work grows with the cube, and more show nothing new.
const ROUTES: usize = 12;
/// Segments of the patterns that stand for parameters and below prefixes.
const WORDS: usize = 6;
/// Without HEAD, whose way to a route for GET is no matter of precedence.
const METHODS: [&str; 4] = ["GET", "POST", "PURGE", "OPTIONS"];

fuzz_target!(|text: &str| match config::parse_knowing(text, FILE, &Answers::new()) {
    Ok(config) => check_accepted(&config),
    Err(diagnostic) => {
        let message = diagnostic.to_string();
        assert!(message.lines().any(|line| is_place(line, text)), "no place in the file:\n{message}");
    }
});

/// Whether a line of a message names a place in the text, as in `--> fuzzed.toml:3:7`. Columns count characters; the
/// end of a line is one more, and the renderer adds another one there.
fn is_place(line: &str, text: &str) -> bool {
    let place = line.trim_start().strip_prefix("--> ").and_then(|place| place.strip_prefix(FILE));
    let numbers = place.and_then(|place| place.strip_prefix(':')?.split_once(':'));
    let Some((Ok(row), Ok(column))) = numbers.map(|(row, column)| (row.parse(), column.parse())) else {
        return false;
    };
    let row_is_there = |row: usize| text.split('\n').nth(row.checked_sub(1)?);
    row_is_there(row).is_some_and(|line| (1..=line.chars().count() + 2).contains(&column))
}

fn check_accepted(config: &Config) {
    let routes = &config.snapshot.routes;
    assert!(explain::summary(config).lines().count() > routes.all().len());
    if routes.all().len() > ROUTES {
        return;
    }
    let words = words(routes);
    for route in routes.all() {
        for path in paths(&route.pattern.to_string(), &words) {
            METHODS.iter().for_each(|method| check_find(routes, method, &path, route));
        }
    }
}

fn words(routes: &Routes) -> Vec<String> {
    let patterns: String = routes.all().iter().map(|route| route.pattern.to_string()).collect();
    let texts = patterns.split('/').filter(|segment| !segment.is_empty() && !segment.contains(['{', '*']));
    std::iter::once("~none~").chain(texts).take(WORDS).map(String::from).collect()
}

/// Paths of a pattern, near it and below it.
fn paths(pattern: &str, words: &[String]) -> Vec<String> {
    let base = pattern.strip_suffix("/*").unwrap_or(pattern);
    let fill = |word: &String| {
        let text = |segment: &str| if segment.starts_with('{') { word.clone() } else { segment.to_owned() };
        let path = base.split('/').map(text).collect::<Vec<_>>().join("/");
        [format!("{path}/{word}"), format!("{path}/"), path]
    };
    words.iter().flat_map(fill).collect()
}

/// A request with the host and the fields that `route` asks for, wherever it then belongs.
fn check_find(routes: &Routes, method: &str, path: &str, route: &Route) {
    let host = route.host.as_deref().unwrap_or("none.invalid");
    let fields: String = route.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
    let bytes = text.as_bytes();
    let mut head = RequestHead::default();
    if head.parse(bytes, Tolerance::ALL).is_err() {
        return; // an empty path, or a field that no request can have
    }
    let request = head.route_request(bytes);
    let found = routes.find(&request);
    let takes = |other: &&Route| {
        other.host.as_deref().is_none_or(|other| other == host)
            && other.pattern.matches(request.path)
            && other.methods.contains(request.method)
            && other.fields.iter().all(|field| route.fields.contains(field))
    };
    let expected = routes.by_precedence().into_iter().find(takes);
    let name = |route: &Route| format!("{} {route:?}", route.name);
    assert_eq!(found.ok().map(|found| name(found.route)), expected.map(name), "{text}");
}
