//! Routes that some requests fit equally well, so that the order of the file decides.
//!
//! Host, path and the number of fields rank routes (`ringgate_core::route`); what is left are routes of the same host and
//! paths that ask for as many fields, but for other ones: a request may have both. Whether a third route takes exactly
//! these requests is asked of the table itself.

use std::collections::{BTreeMap, HashMap, HashSet};
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
/// Requests that the table is asked for: each takes microseconds, and a check has to take less than seconds.
const QUESTIONS: usize = 100_000;

/// The names of the fields that a route asks for, in the order of the alphabet.
type Names<'a> = Vec<&'a str>;

/// A warning for routes that share requests with others; with the places of both among all. A route is told of one other.
pub(super) fn overlapping(
    compiled: &Compiled,
    tolerance: Tolerance,
    veil: &Veil,
) -> Vec<(usize, usize, Problem)> {
    let routes = compiled.routes.all();
    let mut questions = QUESTIONS;
    let mut pairs = Vec::new();
    for sets in rivals(routes) {
        let sets: Vec<(Names<'_>, Vec<usize>)> = sets.into_iter().take(NAME_SETS).collect();
        for (index, (names, ones)) in sets.iter().enumerate() {
            let mut untold = ones.clone();
            for (other_names, others) in &sets[index + 1..] {
                let compatible = compatible(routes, (names, &untold), (other_names, others));
                let asked = compatible.into_iter().take(questions).collect::<Vec<_>>();
                questions -= asked.len();
                let is_shared =
                    |(one, other): &(usize, usize)| is_decided_by_order(compiled, *one, *other, tolerance);
                let shared: Vec<(usize, usize)> = asked.into_iter().filter(is_shared).collect();
                let told: HashSet<usize> = shared.iter().map(|(one, _)| *one).collect();
                untold.retain(|one| !told.contains(one));
                pairs.extend(shared.into_iter().map(|(one, other)| (one.min(other), one.max(other))));
            }
        }
    }
    pairs.sort_by_key(|(first, second)| (*second, *first));
    let warning = |(first, second)| (first, second, overlap(compiled, first, second, veil));
    pairs.into_iter().map(warning).collect()
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
    if ones.is_empty() {
        return Vec::new();
    }
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

#[cfg(test)]
mod tests {
    use super::super::{SURROUNDINGS, compile};
    use super::*;

    /// Against the obvious way: every request with some of the fields, and whether the two best routes for it rank the same.
    #[test]
    fn routes_overlap_if_some_request_fits_two_of_the_best_rank() {
        let mut seed = 5u64;
        let mut random = |bound: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % bound
        };
        let fields = ["a = '1'", "a = '2'", "b = '1'", "b = '2'", "c = '1'"];
        let (mut overlaps, mut tables) = (0, 0);
        for _ in 0..2000 {
            let routes = (0..2 + random(3)).map(|_| {
                let chosen: Vec<&str> = fields.iter().copied().filter(|_| random(3) == 0).collect();
                let methods = ["", "methods = ['GET']", "methods = ['GET', 'PUT']"][random(3) as usize];
                format!(
                    "[[routes]]\npath = '/'\nservers = ['127.0.0.1:1']\nheaders = {{ {} }}\n{methods}\n",
                    chosen.join(", ")
                )
            });
            let Ok(config) = compile(&routes.collect::<String>(), "f.toml", SURROUNDINGS) else { continue };
            let said =
                config.warnings.iter().any(|warning| warning.to_string().contains("overlapping-routes"));
            let obvious = requests().any(|request| is_tied(config.snapshot.routes.all(), &request));
            assert_eq!(said, obvious, "{:?}", config.snapshot.routes.all());
            tables += 1;
            overlaps += usize::from(said);
        }
        assert!(tables > 500 && overlaps > 50 && overlaps < tables / 2, "{overlaps} of {tables}");
    }

    /// A method, and the fields of a request.
    type Asked = (&'static str, Vec<(&'static str, &'static str)>);

    fn requests() -> impl Iterator<Item = Asked> {
        let values = [None, Some("1"), Some("2")];
        let each =
            move |name: &'static str| values.into_iter().map(move |value| value.map(|value| (name, value)));
        let fields =
            each("a").flat_map(move |a| each("b").flat_map(move |b| each("c").map(move |c| [a, b, c])));
        fields.flat_map(|fields| {
            ["GET", "PUT", "OTHER"].map(|method| (method, fields.into_iter().flatten().collect()))
        })
    }

    fn is_tied(routes: &[Arc<Route>], (method, fields): &Asked) -> bool {
        let takes = |route: &&Arc<Route>| {
            let has = |(name, value): &(Box<str>, Box<str>)| fields.contains(&(&**name, &**value));
            let methods = route.methods.to_string();
            (route.methods.is_any() || methods.split(", ").any(|other| other == *method))
                && route.fields.iter().all(has)
        };
        let mut ranks: Vec<_> =
            routes.iter().filter(takes).map(|route| (!route.methods.is_any(), route.fields.len())).collect();
        ranks.sort_by(|one, other| other.cmp(one));
        matches!(ranks[..], [best, second, ..] if best == second)
    }
}
