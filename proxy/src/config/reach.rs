//! Which routes no request can ever reach, found by asking the routing table itself.
//!
//! For a route to be out of reach, the hardest requests to take away from it have to be taken by others: those whose free
//! segments, method and host nobody else names, with no more fields than it asks for. Whoever takes these takes them by a
//! parameter, by any method or by any host, and so takes all the others too. Below a prefix only parameters match such a
//! segment: the depth is tried up to one segment more than a pattern can have parameters, or than any pattern has segments.

use ringgate_core::limits::PATTERN_PARAMETERS;
use ringgate_core::route::{Route, Routes};
use ringgate_core::tolerance::Tolerance;

use super::codes::Lint;
use super::diagnostic::{Problem, list};
use super::routes::Compiled;
use super::sample::Sample;
use super::veil::Veil;

/// A segment that stands for all that no pattern spells out.
const ANY_SEGMENT: &str = "~any~";
/// A method that no route names.
pub(super) const ANY_METHOD: &str = "RINGGATE-ANY-METHOD";
/// A host that no route names (RFC 2606 keeps the domain free).
const ANY_HOST: &str = "any.invalid";

/// A warning for each route that is out of reach, with its place among all.
pub(super) fn unreachable(compiled: &Compiled, tolerance: Tolerance, veil: &Veil) -> Vec<(usize, Problem)> {
    let routes = &compiled.routes;
    let depth = routes.all().iter().map(|route| depth(&route.pattern.to_string())).max().unwrap_or(0);
    let places = routes.all().iter().zip(&compiled.places).enumerate();
    places
        .filter_map(|(index, (route, place))| {
            let (lint, why) = match takers(routes, route, depth, tolerance)?.as_slice() {
                [] => (Lint::UnreachableRoute, "the gateway itself refuses all that it asks for".to_owned()),
                takers => {
                    let takers: Vec<&str> = takers.iter().map(|taker| veil.shown(taker)).collect();
                    (Lint::ShadowedRoute, format!("all are taken by {}", list(&takers)))
                }
            };
            let title = format!("no request can reach the route `{}`", veil.shown(&route.name));
            let problem = Problem::at(lint, place.clone(), title).label(why);
            Some((index, problem.help("remove it, or let it ask for something that no other route takes")))
        })
        .collect()
}

/// The names of the routes that take all requests of `route`; `None` if some are left for it.
fn takers<'a>(routes: &'a Routes, route: &Route, depth: usize, tolerance: Tolerance) -> Option<Vec<&'a str>> {
    let mut takers = Vec::new();
    let host = format!("Host: {}", route.host.as_deref().unwrap_or(ANY_HOST));
    let conditions = route.fields.iter().map(|(name, value)| format!("{name}: {value}"));
    let fields: Vec<String> = std::iter::once(host).chain(conditions).collect();
    let methods = if route.methods.is_any() { ANY_METHOD.into() } else { route.methods.to_string() };
    for path in paths(&route.pattern.to_string(), depth) {
        for method in methods.split(", ") {
            let Ok(sample) = Sample::new(method, &path, &fields, tolerance) else { continue };
            match routes.find(&sample.route_request()) {
                Ok(taker) if std::ptr::eq(&**taker.route, route) => return None,
                Ok(taker) if !takers.contains(&&*taker.route.name) => takers.push(&*taker.route.name),
                _ => {}
            }
        }
    }
    Some(takers)
}

/// A path that a pattern has.
pub(super) fn sample_path(pattern: &str) -> String {
    let is_prefix = |path: &String| path.ends_with('/') && pattern.ends_with("/*");
    paths(pattern, 0).into_iter().find(|path| !is_prefix(path)).unwrap_or_else(|| "/".to_owned())
}

/// The paths of a pattern that others are least likely to have; those of a prefix down to `depth` segments and one more.
fn paths(pattern: &str, depth: usize) -> Vec<String> {
    let is_parameter = |segment: &str| segment.starts_with('{');
    let segments =
        pattern.split('/').map(|segment| if is_parameter(segment) { ANY_SEGMENT } else { segment });
    let path = segments.collect::<Vec<_>>().join("/");
    let Some(prefix) = path.strip_suffix("/*") else { return vec![path] };
    let mut paths = if prefix.is_empty() { Vec::new() } else { vec![prefix.to_owned()] };
    let mut below = prefix.to_owned();
    let own = self::depth(prefix);
    for _ in own..=depth.min(own + PATTERN_PARAMETERS) {
        paths.push(format!("{below}/"));
        below.push('/');
        below.push_str(ANY_SEGMENT);
        paths.push(below.clone());
    }
    paths
}

fn depth(pattern: &str) -> usize {
    pattern.matches('/').count()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ringgate_core::head::Fields;
    use ringgate_core::method::{Method, MethodSet};
    use ringgate_core::policy::Policy;
    use ringgate_core::route::{Pattern, Request};

    use super::*;

    /// A route from `pattern [METHODS]`, where `/*` makes a prefix.
    fn route(text: &str) -> Route {
        let (path, tokens) = text.split_once(' ').unwrap_or((text, ""));
        let pattern = match path.strip_suffix("/*") {
            Some(prefix) => Pattern::prefix(if prefix.is_empty() { "/" } else { prefix }),
            None => Pattern::exact(path),
        };
        let mut methods = if tokens.is_empty() { MethodSet::any() } else { MethodSet::default() };
        tokens.split(',').filter(|token| !token.is_empty()).for_each(|token| methods.insert(token));
        let name = text.into();
        Route {
            name,
            host: None,
            pattern: pattern.unwrap(),
            methods,
            fields: Vec::new(),
            pool: 0,
            policy: Policy::default(),
        }
    }

    fn compiled(routes: &[&str]) -> Compiled {
        let places = routes.iter().map(|_| 0..0).collect();
        Compiled { routes: Routes::new(routes.iter().map(|text| route(text)).collect()).unwrap(), places }
    }

    fn out_of_reach(compiled: &Compiled) -> Vec<String> {
        let routes = compiled.routes.all().iter();
        let unreached = routes.filter(|route| takers(&compiled.routes, route, 4, Tolerance::NONE).is_some());
        unreached.map(|route| route.name.to_string()).collect()
    }

    #[test]
    fn a_prefix_can_be_taken_by_several_others_together() {
        assert_eq!(out_of_reach(&compiled(&["/a/*", "/a", "/a/{x}/*"])), Vec::<String>::new());
        assert_eq!(out_of_reach(&compiled(&["/a/*", "/a", "/a/", "/a/{x}/*"])), ["/a/*"]);
        assert_eq!(out_of_reach(&compiled(&["/a/*", "/a GET", "/a/", "/a/{x}/*"])), Vec::<String>::new());
    }

    /// The deepest that patterns can reach below a prefix, and one segment more, which only a prefix has.
    #[test]
    fn below_a_prefix_as_many_segments_are_tried_as_parameters_can_match() {
        let below = |count: usize| (0..count).map(|index| format!("/{{p{index}}}")).collect::<String>();
        let exact = (0..=PATTERN_PARAMETERS).flat_map(|count| {
            let path = format!("/a{}", below(count));
            [format!("{path}/"), path]
        });
        let mut texts: Vec<String> = exact.chain(["/a/*".into()]).collect();
        let out = |texts: &[String]| {
            let compiled = compiled(&texts.iter().map(String::as_str).collect::<Vec<_>>());
            unreachable(&compiled, Tolerance::NONE, &Veil::default()).len()
        };
        assert_eq!(out(&texts), 0);
        texts.push(format!("/a{}/*", below(PATTERN_PARAMETERS)));
        assert_eq!(out(&texts), 1);
    }

    #[test]
    fn a_route_whose_field_is_always_refused_is_out_of_reach() {
        let fields = vec![("content-length".into(), "many".into())];
        let routes = Routes::new(vec![Route { fields, ..route("/a") }]).unwrap();
        assert_eq!(takers(&routes, &routes.all()[0], 4, Tolerance::NONE), Some(Vec::new()));
    }

    /// Against the obvious way: every path of few letters down to a depth, with every method.
    #[test]
    fn the_hardest_requests_decide_for_all() {
        let letters = ["a", "b", "c"];
        let mut paths = vec![String::new()];
        for length in 0..4 {
            let longer = paths[paths.len() - letters.len().pow(length)..].to_vec();
            paths.extend(
                longer.iter().flat_map(|path| letters.iter().map(move |letter| format!("{path}/{letter}"))),
            );
        }
        let paths: Vec<String> = paths.iter().flat_map(|path| [path.clone(), format!("{path}/")]).collect();
        let mut seed = 1u64;
        let mut random = |bound: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % bound
        };
        let mut unreached = 0;
        for _ in 0..400 {
            let texts: Vec<String> = (0..2 + random(8))
                .map(|_| {
                    let words = ["a", "b", "{p}", "{q}"];
                    let depth = random(3);
                    let path: String =
                        (0..depth).map(|_| format!("/{}", words[random(4) as usize])).collect();
                    let end = ["", "/", "/*", "/*"][random(4) as usize];
                    let path =
                        if path.is_empty() && end.is_empty() { "/".into() } else { format!("{path}{end}") };
                    format!("{path}{}", ["", "", " GET", " GET,PUT"][random(4) as usize])
                })
                .collect();
            let compiled = compiled(&texts.iter().map(String::as_str).collect::<Vec<_>>());
            let reached = |route: &&Arc<Route>| {
                paths.iter().filter(|path| path.starts_with('/')).any(|path| {
                    ["GET", "PUT", "OTHER"].iter().any(|method| {
                        let (method, fields) = (Method::from_token(method), Fields::default());
                        let request = Request { authority: None, path, method, fields };
                        compiled.routes.find(&request).is_ok_and(|found| Arc::ptr_eq(found.route, route))
                    })
                })
            };
            let obvious = compiled.routes.all().iter().filter(|route| !reached(route));
            let obvious: Vec<String> = obvious.map(|route| route.name.to_string()).collect();
            unreached += obvious.len();
            assert_eq!(out_of_reach(&compiled), obvious, "{texts:?}");
        }
        assert!(unreached > 100, "the tables have such routes");
    }
}
