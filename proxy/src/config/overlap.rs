//! Routes that some requests fit equally well, so that the order of the file decides.
//!
//! Host, path and the number of fields rank routes (`ringgate_core::route`); what is left are routes of the same host and
//! paths that ask for as many fields, but for other ones: a request may have both. Whether a third route takes exactly
//! these requests is asked of the table itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ringgate_core::route::Route;
use ringgate_core::tolerance::Tolerance;

use super::codes::Lint;
use super::diagnostic::Problem;
use super::reach::{ANY_METHOD, sample_path};
use super::routes::{Compiled, unnamed};
use super::sample::Sample;
use super::veil::Veil;

/// Sets of names that the routes of one path may ask for until no more pairs of them are looked at: all pairs are compared,
/// and who has more will not read as many warnings.
const NAME_SETS: usize = 32;
/// Routes that one is compared with of another such set.
const TRIES: usize = 16;

/// The names of the fields that a route asks for, in the order of the alphabet.
type Names<'a> = Vec<&'a str>;

/// A warning for each route that shares requests with an earlier or later one; with the places of both among all.
pub(super) fn overlapping(
    compiled: &Compiled,
    tolerance: Tolerance,
    veil: &Veil,
) -> Vec<(usize, usize, Problem)> {
    let mut warnings = Vec::new();
    for sets in rivals(compiled.routes.all()) {
        let sets: Vec<(Names<'_>, Vec<usize>)> = sets.into_iter().take(NAME_SETS).collect();
        for (index, (names, routes)) in sets.iter().enumerate() {
            for (others, rivals) in &sets[index + 1..] {
                let pairs = compatible(compiled.routes.all(), (names, routes), (others, rivals));
                warnings.extend(pairs.into_iter().filter_map(|(one, other)| {
                    let (first, second) = (one.min(other), one.max(other));
                    is_decided_by_order(compiled, first, second, tolerance)
                        .then(|| (first, second, overlap(compiled, first, second, veil)))
                }));
            }
        }
    }
    warnings.sort_by_key(|(first, second, _)| (*second, *first));
    warnings
}

/// Routes of equal rank, by the names of the fields they ask for.
fn rivals(routes: &[Arc<Route>]) -> impl Iterator<Item = BTreeMap<Names<'_>, Vec<usize>>> {
    let mut rivals: HashMap<_, BTreeMap<Names<'_>, Vec<usize>>> = HashMap::new();
    for (index, route) in routes.iter().enumerate().filter(|(_, route)| !route.fields.is_empty()) {
        let rank =
            (route.host.as_deref(), unnamed(&route.pattern), route.methods.is_any(), route.fields.len());
        let names = route.fields.iter().map(|(name, _)| &**name).collect();
        rivals.entry(rank).or_default().entry(names).or_default().push(index);
    }
    rivals.into_values().filter(|sets| sets.len() > 1)
}

/// For each route of one set the first of the other that asks for the same values of the names that both have, and for a
/// method that both take.
fn compatible(
    routes: &[Arc<Route>],
    (names, ones): (&Names<'_>, &[usize]),
    (other_names, others): (&Names<'_>, &[usize]),
) -> Vec<(usize, usize)> {
    let common: Names<'_> = names.iter().copied().filter(|name| other_names.contains(name)).collect();
    let values = |index: usize| -> Vec<&str> {
        let fields = routes[index].fields.iter().filter(|(name, _)| common.contains(&&**name));
        fields.map(|(_, value)| &**value).collect()
    };
    let mut by_values: HashMap<Vec<&str>, Vec<usize>> = HashMap::new();
    others.iter().for_each(|other| by_values.entry(values(*other)).or_default().push(*other));
    let pair = |one: &usize| {
        let mut rivals = by_values.get(&values(*one))?.iter().take(TRIES);
        let other = rivals.find(|other| common_method(&routes[*one], &routes[**other]).is_some())?;
        Some((*one, *other))
    };
    ones.iter().filter_map(pair).collect()
}

fn common_method(one: &Route, other: &Route) -> Option<String> {
    if one.methods.is_any() {
        return Some(ANY_METHOD.to_owned());
    }
    let (ours, theirs) = (one.methods.to_string(), other.methods.to_string());
    ours.split(", ").find(|method| theirs.split(", ").any(|other| other == *method)).map(str::to_owned)
}

/// Whether the table gives one of them a request that fits both.
fn is_decided_by_order(compiled: &Compiled, first: usize, second: usize, tolerance: Tolerance) -> bool {
    let routes = compiled.routes.all();
    let (one, other) = (&routes[first], &routes[second]);
    let Some(method) = common_method(one, other) else { return false };
    let host = one.host.iter().map(|host| format!("Host: {host}"));
    let fields = one.fields.iter().chain(other.fields.iter().filter(|field| !one.fields.contains(field)));
    let fields: Vec<String> = host.chain(fields.map(|(name, value)| format!("{name}: {value}"))).collect();
    let Ok(sample) = Sample::new(&method, &sample_path(&one.pattern.to_string()), &fields, tolerance) else {
        return false;
    };
    let found = compiled.routes.find(&sample.route_request());
    found.is_ok_and(|found| Arc::ptr_eq(found.route, one) || Arc::ptr_eq(found.route, other))
}

fn overlap(compiled: &Compiled, first: usize, second: usize, veil: &Veil) -> Problem {
    let routes = compiled.routes.all();
    let asked = |route: &Route| {
        let fields = route.fields.iter().map(|(name, value)| format!("`{name}: {}`", veil.shown(value)));
        fields.collect::<Vec<_>>().join(" and ")
    };
    let (one, other) = (asked(&routes[first]), asked(&routes[second]));
    let title =
        format!("two routes take requests with {one} as well as {other}: the order of the file decides");
    Problem::at(Lint::OverlappingRoutes, compiled.places[second].clone(), title)
        .label("is asked only after that")
        .and_at(compiled.places[first].clone(), "gets them")
        .help(format!(
            "write a third route that asks for all of these fields; if the order is meant, say so: `allow = [\"{}\"]`",
            Lint::OverlappingRoutes.name()
        ))
}
