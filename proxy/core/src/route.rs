//! Routing: from host, path, method and fields to a route, with the precedence of the Kubernetes Gateway API.
//!
//! Order: host before no host, exact path before prefix, longer prefix before shorter, then segment by segment (text
//! before parameter), with methods before without, more fields before fewer, first declared first. A route matches as a
//! whole: where the method or a field does not fit, the next one in this order is tried.
//!
//! The radix tree (matchit) finds a path among the exact patterns and, cut to its first N segments, among the prefixes of
//! N segments: one tree for each N in use, because the crate cannot hold `{name}` and `{*rest}` side by side. It finds the
//! most specific pattern; the others that have the path are looked up only when the routes of that one do not take the
//! request, so that a table needs no list of what overlaps with what. The same way serves the data plane
//! ([`Routes::find`]) and the explanation ([`Routes::explain`]).

use std::borrow::Cow;
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ahash::AHashMap;

use crate::answer::Reject;
use crate::head::Fields;
use crate::limits::{PATTERN_PARAMETERS, PATTERN_SEGMENTS, TARGET_BYTES};
use crate::method::{Method, MethodSet};
use crate::policy::Policy;
use crate::redact::{self, HiddenSegments};
use crate::target::canonical_host;
use crate::tolerance::Tolerance;

/// A rule: which requests go to which pool.
#[derive(Debug, Clone)]
pub struct Route {
    /// What logs and metrics call it; the path pattern unless the configuration names it.
    pub name: Box<str>,
    /// Only requests for this host, as [`canonical_host`] writes it.
    pub host: Option<Box<str>>,
    /// Which paths.
    pub pattern: Pattern,
    /// Which methods; GET stands for HEAD too.
    pub methods: MethodSet,
    /// Fields that have to be there with exactly this value.
    pub fields: Vec<(Box<str>, Box<str>)>,
    /// Where they go: the place of the pool in [`Snapshot::pools`](crate::snapshot::Snapshot::pools).
    pub pool: usize,
    /// What it asks of time, size and protocol.
    pub policy: Policy,
}

/// Which paths a route has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    segments: Vec<Segment>,
    is_prefix: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Segment {
    Text(Box<str>),
    /// `{name}`: any one segment that is not empty.
    Parameter(Box<str>),
}

/// Why a pattern cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPattern {
    /// It does not begin with `/`.
    NoSlash,
    /// Braces that are not one whole segment with a name.
    Braces,
    /// It is not in the normal form that requests are brought to, so it would never match.
    NotNormal,
    /// It has more than [`PATTERN_SEGMENTS`] segments or [`PATTERN_PARAMETERS`] parameters, or is longer than a target.
    TooLarge,
}

impl Pattern {
    /// Exactly this path; `{name}` stands for one segment.
    ///
    /// # Errors
    /// [`BadPattern`].
    pub fn exact(path: &str) -> Result<Pattern, BadPattern> {
        Ok(Pattern { segments: segments(path)?, is_prefix: false })
    }

    /// This path and everything below it, on segment boundaries; a trailing slash means nothing.
    ///
    /// # Errors
    /// [`BadPattern`].
    pub fn prefix(path: &str) -> Result<Pattern, BadPattern> {
        let mut segments = segments(path)?;
        if segments.last() == Some(&Segment::Text("".into())) {
            segments.pop();
        }
        Ok(Pattern { segments, is_prefix: true })
    }

    /// Whether it has the path; the slow and obvious way, for explanations, overlaps and tests.
    pub fn matches(&self, path: &str) -> bool {
        let mut rest = path[1..].split('/');
        let fits = self.segments.iter().all(|segment| rest.next().is_some_and(|text| segment.matches(text)));
        fits && (self.is_prefix || rest.next().is_none())
    }

    /// The names of its parameters, each with the place of its segment.
    pub fn parameters(&self) -> impl Iterator<Item = (usize, &str)> {
        self.segments.iter().enumerate().filter_map(|(place, segment)| match segment {
            Segment::Parameter(name) => Some((place, &**name)),
            Segment::Text(_) => None,
        })
    }

    /// The place of the first segment below a prefix.
    pub fn below(&self) -> Option<usize> {
        self.is_prefix.then_some(self.segments.len())
    }

    /// More specific first.
    fn cmp_specificity(&self, other: &Pattern) -> Ordering {
        let exact_first = self.is_prefix.cmp(&other.is_prefix);
        let longer_first = other.segments.len().cmp(&self.segments.len());
        let is_parameter = |segment: &Segment| matches!(segment, Segment::Parameter(_));
        let text_first = self.segments.iter().map(is_parameter).cmp(other.segments.iter().map(is_parameter));
        exact_first.then(longer_first).then(text_first)
    }

    /// Its place in the radix tree. Parameters are told apart by position only: two routes may name the same one differently.
    fn tree_path(&self) -> String {
        let place = |(index, segment): (usize, &Segment)| match segment {
            Segment::Text(text) => format!("/{text}"),
            Segment::Parameter(_) => format!("/{{p{index}}}"),
        };
        self.segments.iter().enumerate().map(place).collect()
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Text(text) => write!(f, "/{text}")?,
                Segment::Parameter(name) => write!(f, "/{{{name}}}")?,
            }
        }
        match self.is_prefix {
            true => f.write_str("/*"),
            false => Ok(()),
        }
    }
}

impl Segment {
    fn matches(&self, text: &str) -> bool {
        match self {
            Segment::Text(own) => **own == *text,
            Segment::Parameter(_) => !text.is_empty(),
        }
    }
}

fn segments(path: &str) -> Result<Vec<Segment>, BadPattern> {
    let rest = path.strip_prefix('/').ok_or(BadPattern::NoSlash)?;
    if path.len() > TARGET_BYTES || rest.split('/').count() > PATTERN_SEGMENTS {
        return Err(BadPattern::TooLarge);
    }
    let segments: Vec<Segment> = rest.split('/').map(segment).collect::<Result<_, _>>()?;
    if segments.iter().filter(|segment| matches!(segment, Segment::Parameter(_))).count() > PATTERN_PARAMETERS
    {
        return Err(BadPattern::TooLarge);
    }
    let sample = |segment: &Segment| match segment {
        Segment::Text(text) => format!("/{text}"),
        Segment::Parameter(_) => "/x".into(),
    };
    let sample: String = segments.iter().map(sample).collect();
    // Whatever requests may be tolerated, a pattern can be written for their paths.
    match crate::target::normalise(sample.as_bytes(), Tolerance::ALL) {
        Ok(normal) if *normal == *sample.as_bytes() => Ok(segments),
        _ => Err(BadPattern::NotNormal),
    }
}

fn segment(text: &str) -> Result<Segment, BadPattern> {
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) if is_name(name) => Ok(Segment::Parameter(name.into())),
        None if !text.contains(['{', '}', '*']) => Ok(Segment::Text(text.into())),
        _ => Err(BadPattern::Braces),
    }
}

/// Patterns of one kind: all exact ones, or all prefixes of as many segments.
#[derive(Debug, Default)]
struct Level {
    /// Segments of the prefixes; `None` for exact patterns.
    depth: Option<usize>,
    /// Leads to the most specific pattern of a path.
    tree: matchit::Router<usize>,
    /// Leads to all of them.
    patterns: Node,
    /// By pattern.
    leaves: Vec<Leaf>,
}

impl Level {
    /// The path as far as this level looks at it.
    fn cut<'a>(&self, path: &'a str) -> Option<&'a str> {
        self.depth.map_or(Some(path), |depth| first_segments(path, depth))
    }

    /// The leaf of the most specific pattern that has the path, which has been cut.
    fn best(&self, path: &str) -> Option<&Leaf> {
        self.tree.at(path).ok().map(|found| &self.leaves[*found.value])
    }

    /// The leaves of all patterns that have the path, which has been cut, by rank.
    fn leaves(&self, path: &str) -> impl Iterator<Item = &Leaf> {
        self.patterns.of(path).into_iter().map(|leaf| &self.leaves[leaf])
    }
}

/// The routes of one pattern.
#[derive(Debug, Default)]
struct Leaf {
    /// All of them, by rank.
    routes: Box<[usize]>,
    /// Their places: by the name and the value of the rarest field that each asks for. Thousands of tenants may share a path.
    by_field: AHashMap<Box<str>, AHashMap<Box<str>, Vec<usize>>>,
    /// The places of those that ask for none.
    without_fields: Vec<usize>,
}

impl Leaf {
    fn new(members: Vec<usize>, routes: &[Route]) -> Leaf {
        let mut leaf = Leaf { routes: members.into(), ..Leaf::default() };
        let fields = || leaf.routes.iter().map(|&route| &routes[route].fields);
        let mut uses: AHashMap<_, usize> = AHashMap::new();
        fields().flatten().for_each(|field| *uses.entry(field).or_default() += 1);
        for (place, fields) in fields().enumerate() {
            match fields.iter().min_by_key(|field| uses[field]) {
                Some((name, value)) => {
                    let values = leaf.by_field.entry(name.clone()).or_default();
                    values.entry(value.clone()).or_default().push(place);
                }
                None => leaf.without_fields.push(place),
            }
        }
        leaf
    }

    /// The routes that may take a request with these fields, by rank. Allocates only where routes ask for fields.
    fn possible(&self, fields: Fields<'_>) -> Cow<'_, [usize]> {
        if self.by_field.is_empty() {
            return Cow::Borrowed(&self.routes);
        }
        let mut places = self.without_fields.clone();
        for (name, values) in &self.by_field {
            let sent = fields.named(name.as_bytes()).filter_map(|value| std::str::from_utf8(value).ok());
            places.extend(sent.filter_map(|value| values.get(value)).flatten());
        }
        places.sort_unstable();
        Cow::Owned(places.into_iter().map(|place| self.routes[place]).collect())
    }
}

/// The path up to the end of its segment number `count`; `None` if it has fewer.
fn first_segments(path: &str, count: usize) -> Option<&str> {
    if count == 0 {
        return Some("");
    }
    // Segments are so short that a plain loop is faster than calls of `memchr`.
    let mut seen = 0;
    let end = path.bytes().position(|byte| {
        seen += usize::from(byte == b'/');
        seen > count
    });
    (seen >= count).then(|| &path[..end.unwrap_or(path.len())])
}

/// All routes of one host, or of no host in particular, by level in order of precedence.
type Tree = Vec<Level>;

/// The compiled routing table. Its routes outlive it for those who need no more than theirs.
#[derive(Debug, Default)]
pub struct Routes {
    routes: Vec<Arc<Route>>,
    /// By route: whether another route on the same paths serves HEAD by name, so that GET must not.
    head_is_taken: Vec<bool>,
    hosts: AHashMap<Box<str>, Tree>,
    any_host: Tree,
}

/// A route, and its place in the table.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// Less than the count of [`Routes::all`].
    pub index: usize,
    /// The route.
    pub route: &'a Arc<Route>,
}

/// What routing looks at.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The authority the client named.
    pub authority: Option<&'a [u8]>,
    /// The path in its normal form.
    pub path: &'a str,
    /// The method.
    pub method: Method<'a>,
    /// The fields.
    pub fields: Fields<'a>,
}

/// What became of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It takes the request.
    Wins,
    /// It would, but a more specific one does.
    Outranked,
    /// It does not serve the method.
    Method,
    /// This field is missing or has another value.
    Field(&'a str),
}

impl Routes {
    /// Compiles a table.
    ///
    /// # Errors
    /// The tree's own words for a pattern it cannot hold; [`Pattern`] lets none through that is known to cause it.
    pub fn new(routes: Vec<Route>) -> Result<Routes, String> {
        let mut by_host: AHashMap<Option<&str>, Vec<usize>> = AHashMap::new();
        for (index, route) in routes.iter().enumerate() {
            by_host.entry(route.host.as_deref()).or_default().push(index);
        }
        let mut compiled = Routes { head_is_taken: head_is_taken(&routes), ..Routes::default() };
        for (host, members) in by_host {
            let tree = plant(&routes, &members)?;
            match host {
                Some(host) => drop(compiled.hosts.insert(host.into(), tree)),
                None => compiled.any_host = tree,
            }
        }
        compiled.routes = routes.into_iter().map(Arc::new).collect();
        Ok(compiled)
    }

    /// The routes in the order they were declared.
    pub fn all(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// The routes in the order in which they are asked, as far as they may have a path in common; those of hosts first.
    pub fn by_precedence(&self) -> Vec<&Route> {
        let mut order: Vec<usize> = (0..self.routes.len()).collect();
        let host = |route: usize| (self.routes[route].host.is_none(), &self.routes[route].host);
        order.sort_by(|&a, &b| {
            let by_rank = || rank(&self.routes[a], &self.routes[b]).then(a.cmp(&b));
            host(a).cmp(&host(b)).then_with(by_rank)
        });
        order.into_iter().map(|route| &*self.routes[route]).collect()
    }

    /// The route that takes the request.
    ///
    /// # Errors
    /// 404 if no route has the path, 405 with the methods of all that have it otherwise.
    pub fn find(&self, request: &Request<'_>) -> Result<Found<'_>, Reject> {
        let winner = self.levels(request).find_map(|level| {
            let path = level.cut(request.path)?;
            let winner = |leaf: &Leaf| self.winner(leaf, request);
            // Nearly always the best one takes the request, and the others need not be looked up.
            winner(level.best(path)?).or_else(|| level.leaves(path).skip(1).find_map(winner))
        });
        let found = |index| Found { index, route: &self.routes[index] };
        winner.map(found).ok_or_else(|| self.refusal(request))
    }

    fn winner(&self, leaf: &Leaf, request: &Request<'_>) -> Option<usize> {
        let fits = |&route: &usize| self.verdict(route, request) == Verdict::Wins;
        leaf.possible(request.fields).iter().copied().find(fits)
    }

    /// Every route that has the path, best first, and what became of it. The first that [`Verdict::Wins`] is what
    /// [`find`](Self::find) returns.
    pub fn explain<'a>(&'a self, request: &Request<'_>) -> Vec<(&'a Route, Verdict<'a>)> {
        let mut is_taken = false;
        let explain = |route| match self.verdict(route, request) {
            Verdict::Wins if std::mem::replace(&mut is_taken, true) => {
                (&*self.routes[route], Verdict::Outranked)
            }
            verdict => (&*self.routes[route], verdict),
        };
        self.candidates(request).map(explain).collect()
    }

    /// Routes that have the path, by rank.
    fn candidates<'a>(&'a self, request: &Request<'a>) -> impl Iterator<Item = usize> {
        let path = request.path;
        let leaves = |level: &'a Level| level.cut(path).into_iter().flat_map(|path| level.leaves(path));
        self.levels(request).flat_map(leaves).flat_map(|leaf| leaf.routes.iter().copied())
    }

    /// The path of a request that no route takes, as it may be logged: without what any route on that path hides; where there
    /// is none, as far as it leads to a pattern.
    pub fn redacted_path<'a>(&self, request: &Request<'a>) -> Cow<'a, str> {
        if !request.path.starts_with('/') {
            return Cow::Borrowed(if request.path == "*" { "*" } else { "" }); // no path: `OPTIONS *`, CONNECT
        }
        let mut candidates = self.candidates(request).peekable();
        if candidates.peek().is_none() {
            let known = self.levels(request).map(|level| level.patterns.known(request.path)).max();
            return redact::unknown_path(request.path, known.unwrap_or(0));
        }
        let mut hidden = HiddenSegments::NONE;
        candidates.for_each(|route| hidden.extend(&self.routes[route].policy.hidden));
        hidden.redact(request.path)
    }

    fn levels<'a>(&'a self, request: &Request<'a>) -> impl Iterator<Item = &'a Level> {
        self.tree_of_host(request).into_iter().flatten().chain(&self.any_host)
    }

    fn tree_of_host(&self, request: &Request<'_>) -> Option<&Tree> {
        if self.hosts.is_empty() {
            return None;
        }
        self.hosts.get(&*canonical_host(request.authority?)?)
    }

    fn verdict(&self, route: usize, request: &Request<'_>) -> Verdict<'_> {
        if !self.serves(route, request.method) {
            return Verdict::Method;
        }
        let differs = |(name, value): &&(Box<str>, Box<str>)| {
            !request.fields.named(name.as_bytes()).any(|sent| sent == value.as_bytes())
        };
        match self.routes[route].fields.iter().find(differs) {
            Some((name, _)) => Verdict::Field(name),
            None => Verdict::Wins,
        }
    }

    fn serves(&self, route: usize, method: Method<'_>) -> bool {
        let methods = &self.routes[route].methods;
        let as_get = method == Method::Head && !self.head_is_taken[route];
        methods.contains(method) || as_get && methods.contains(Method::Get)
    }

    fn refusal(&self, request: &Request<'_>) -> Reject {
        let mut allowed = MethodSet::default();
        let mut method_fits = false;
        for route in self.candidates(request) {
            let methods = &self.routes[route].methods;
            method_fits |= self.serves(route, request.method);
            allowed.extend(methods);
            if methods.contains(Method::Get) {
                allowed.insert("HEAD");
            }
        }
        match allowed == MethodSet::default() || method_fits {
            true => Reject::NoRoute, // no such path, or only a field keeps the request out
            false => Reject::MethodNotAllowed(allowed),
        }
    }
}

/// RFC 9110 section 9.3.2 makes HEAD a GET without the body, unless somebody asked for it by name.
fn head_is_taken(routes: &[Route]) -> Vec<bool> {
    let place = |route: &Route| (route.host.clone(), route.pattern.is_prefix, route.pattern.tree_path());
    let names_head = |route: &&Route| !route.methods.is_any() && route.methods.contains(Method::Head);
    let taken: HashSet<_> = routes.iter().filter(names_head).map(place).collect();
    routes.iter().map(|route| !taken.is_empty() && taken.contains(&place(route))).collect()
}

fn plant(routes: &[Route], members: &[usize]) -> Result<Tree, String> {
    let mut by_level: BTreeMap<(bool, Reverse<usize>), Vec<usize>> = BTreeMap::new();
    for &route in members {
        let pattern = &routes[route].pattern;
        let depth = if pattern.is_prefix { pattern.segments.len() } else { 0 };
        by_level.entry((pattern.is_prefix, Reverse(depth))).or_default().push(route);
    }
    by_level
        .into_iter()
        .map(|((is_prefix, depth), members)| level(routes, is_prefix.then_some(depth.0), &members))
        .collect()
}

fn level(routes: &[Route], depth: Option<usize>, members: &[usize]) -> Result<Level, String> {
    let mut by_path: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for &route in members {
        by_path.entry(routes[route].pattern.tree_path()).or_default().push(route);
    }
    let mut level = Level { depth, ..Level::default() };
    for (index, (path, mut members)) in by_path.into_iter().enumerate() {
        members.sort_by(|&a, &b| rank(&routes[a], &routes[b]).then(a.cmp(&b)));
        level.patterns.insert(&routes[members[0]].pattern, index);
        level.tree.insert(path, index).map_err(|error| error.to_string())?;
        level.leaves.push(Leaf::new(members, routes));
    }
    Ok(level)
}

/// The patterns of a level, segment by segment.
#[derive(Debug, Default)]
struct Node {
    texts: AHashMap<Box<str>, Node>,
    parameter: Option<Box<Node>>,
    /// That of the pattern that ends here.
    leaf: Option<usize>,
}

impl Node {
    fn insert(&mut self, pattern: &Pattern, leaf: usize) {
        let node = pattern.segments.iter().fold(self, |node, segment| match segment {
            Segment::Text(text) => node.texts.entry(text.clone()).or_default(),
            Segment::Parameter(_) => node.parameter.get_or_insert_default(),
        });
        node.leaf = Some(leaf);
    }

    /// The leaf of every pattern that has the path, the most specific pattern first.
    fn of(&self, path: &str) -> Vec<usize> {
        let mut found = Vec::new();
        self.collect(path, &mut found);
        found
    }

    /// Bytes of the path, whole segments, that are the text of patterns.
    fn known(&self, path: &str) -> usize {
        let mut node = self;
        let mut known = 0;
        for segment in path.split('/').skip(1) {
            let Some(next) = node.texts.get(segment) else { break };
            node = next;
            known += 1 + segment.len();
        }
        known
    }

    /// Text before parameter: of patterns of one length, that is the order of rank. No deeper than the patterns are.
    fn collect(&self, path: &str, found: &mut Vec<usize>) {
        let Some(rest) = path.strip_prefix('/') else { return found.extend(self.leaf) };
        let (segment, rest) = rest.split_at(memchr::memchr(b'/', rest.as_bytes()).unwrap_or(rest.len()));
        if let Some(next) = self.texts.get(segment) {
            next.collect(rest, found);
        }
        if let (Some(next), false) = (&self.parameter, segment.is_empty()) {
            next.collect(rest, found);
        }
    }
}

/// Which of two is asked first, as far as they differ; else the one that was declared first.
fn rank(first: &Route, second: &Route) -> Ordering {
    let by_path = first.pattern.cmp_specificity(&second.pattern);
    let by_method = first.methods.is_any().cmp(&second.methods.is_any());
    let by_fields = second.fields.len().cmp(&first.fields.len());
    by_path.then(by_method).then(by_fields)
}

#[cfg(test)]
mod tests;
