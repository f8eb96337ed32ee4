//! Routes: from what a person writes to the compiled table.
//!
//! Refuses what no request could ever match and what two routes would both claim: the file says something else than it
//! does, and the order of its lines would silently decide.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv6Addr;

use ringgate_core::chunked::is_token;
use ringgate_core::field::{Name, trim};
use ringgate_core::limits::{FIELDS, METHOD_BYTES, PATTERN_PARAMETERS, PATTERN_SEGMENTS, TARGET_BYTES};
use ringgate_core::method::{Method, MethodSet};
use ringgate_core::policy::Policy;
use ringgate_core::route::{BadPattern, Pattern, Route, Routes};
use ringgate_core::target::{canonical_host, host_name, is_host, normalise};
use ringgate_core::tolerance::Tolerance;
use toml::Spanned;

use super::codes::Mistake;
use super::diagnostic::Problem;
use super::file::{self, Text};
use super::policies::Rulings;
use super::policy;
use super::pools::Pools;
use super::settings::check_name;
use super::sources::Place;
use super::words::{Words, label};

/// Methods that a route may name: all that are registered fit, and each request is compared with them.
const METHODS: usize = 64;

/// Names and values.
type Fields = Vec<(Box<str>, Box<str>)>;

/// The table, and where the file says the paths of each route in it.
pub(super) struct Compiled {
    pub(super) routes: Routes,
    pub(super) places: Vec<Place>,
}

/// Compiles `[[routes]]`.
pub(super) fn compile(
    written: &[Spanned<file::Route>],
    defaults: &Policy,
    pools: &mut Pools<'_>,
    rulings: &Rulings,
) -> Result<Compiled, Problem> {
    if written.is_empty() {
        return Err(Problem::at(
            Mistake::NoRoutes,
            0..0,
            "the file has no routes: every request would be answered 404",
        )
        .help("add one:\n[[routes]]\nprefix = \"/\"\nservers = [\"127.0.0.1:3000\"]"));
    }
    let (mut routes, mut places) = (Vec::new(), Vec::new());
    let mut claims = HashMap::new();
    for (index, written) in written.iter().enumerate() {
        let (pattern, place) = paths(written)?;
        let route = route(written, pattern, defaults, pools, rulings)?;
        places.push(place);
        let claimed: &mut HashMap<_, _> = claims.entry(Claim::new(&route)).or_default();
        for method in methods_of(written.get_ref()) {
            let first = *claimed.entry(method).or_insert(index);
            if first != index {
                let (again, first) = (&places[index], &places[first]);
                return Err(contradiction(written.get_ref(), &route, method, again, first));
            }
        }
        routes.push(route);
    }
    let routes = Routes::new(routes).map_err(|why| {
        Problem::at(Mistake::UnusableTable, 0..0, format!("the routing table cannot be built: {why}"))
            .help("please report this together with the file")
    })?;
    Ok(Compiled { routes, places })
}

/// Requests that a route takes, methods aside. Of routes with the same claim and method only the first would ever be asked.
#[derive(PartialEq, Eq, Hash)]
struct Claim {
    host: Option<Box<str>>,
    paths: String,
    fields: Fields,
}

impl Claim {
    fn new(route: &Route) -> Claim {
        Claim { host: route.host.clone(), paths: unnamed(&route.pattern), fields: route.fields.clone() }
    }
}

/// A pattern as text in which all parameters are called the same.
pub(super) fn unnamed(pattern: &Pattern) -> String {
    let pattern = pattern.to_string();
    let is_parameter = |segment: &str| segment.starts_with('{');
    let unnamed = pattern.split('/').map(|segment| if is_parameter(segment) { "{}" } else { segment });
    unnamed.collect::<Vec<_>>().join("/")
}

/// The methods a route names; once `None` if it takes any, which yields to those that name theirs and is no contradiction
/// to them.
fn methods_of(route: &file::Route) -> impl Iterator<Item = Option<&Words>> {
    let named = route.methods.iter().flat_map(|methods| methods.get_ref());
    let any = route.methods.is_none().then_some(None);
    named.map(|method| Some(method.get_ref())).chain(any)
}

fn contradiction(
    written: &file::Route,
    route: &Route,
    method: Option<&Words>,
    again: &Place,
    first: &Place,
) -> Problem {
    let method = method.map_or("any method".into(), Words::to_string);
    let paths = shown_paths(written, &route.pattern);
    Problem::at(
        Mistake::ConflictingRoutes,
        again.clone(),
        format!("two routes claim the same requests: {method} {paths}"),
    )
    .label("again here")
    .and_at(first.clone(), "first here")
    .help("remove one of them, or tell them apart by `methods`, `host` or `headers`")
}

/// The paths of a route, as they may be shown.
fn shown_paths(written: &file::Route, pattern: &Pattern) -> String {
    let filled = |text: &Option<Text>| Some(text.as_ref()?.get_ref().written()?.to_owned());
    match (filled(&written.path), filled(&written.prefix)) {
        (Some(path), _) => path,
        (_, Some(prefix)) => format!("{}/*", prefix.trim_end_matches('/')),
        (None, None) => pattern.to_string(),
    }
}

fn route(
    written: &Spanned<file::Route>,
    pattern: Pattern,
    defaults: &Policy,
    pools: &mut Pools<'_>,
    rulings: &Rulings,
) -> Result<Route, Problem> {
    let file = written.get_ref();
    let name = match &file.name {
        Some(name) => check_name(name).map(|()| label(&name.to_string()).into())?,
        None => label(&shown_paths(file, &pattern)).into(),
    };
    let policy = rulings.of_route(file, &pattern, policy::of_route(file, &pattern, defaults)?)?;
    Ok(Route {
        name,
        host: file.host.as_ref().map(host).transpose()?,
        pattern,
        methods: file.methods.as_ref().map_or(Ok(MethodSet::any()), methods)?,
        fields: fields(&file.headers)?,
        pool: pool(written, pools)?,
        policy,
    })
}

/// Which paths, and where that is said.
fn paths(route: &Spanned<file::Route>) -> Result<(Pattern, Place), Problem> {
    match (&route.get_ref().prefix, &route.get_ref().path) {
        (Some(prefix), None) => Ok((pattern(prefix, Pattern::prefix)?, prefix.span())),
        (None, Some(path)) => Ok((pattern(path, Pattern::exact)?, path.span())),
        (Some(prefix), Some(path)) => Err(Problem::at(
            Mistake::PrefixAndPath,
            path.span(),
            "a route has either `prefix` or `path`, not both",
        )
        .and_at(prefix.span(), "the other one")
        .help("keep `prefix` for a path and everything below it, or `path` for exactly that one")),
        (None, None) => {
            Err(Problem::at(Mistake::NoPath, route.span(), "this route does not say which paths it takes")
                .help("add `prefix = \"/\"` for a path and everything below it, or `path = \"/exact\"`"))
        }
    }
}

fn pool(route: &Spanned<file::Route>, pools: &mut Pools<'_>) -> Result<usize, Problem> {
    match (&route.get_ref().pool, &route.get_ref().servers) {
        (Some(name), None) => pools.named(name),
        (None, Some(servers)) => pools.unnamed(servers),
        (Some(name), Some(servers)) => Err(Problem::at(
            Mistake::PoolAndServers,
            servers.span(),
            "a route has either `pool` or `servers`, not both",
        )
        .and_at(name.span(), "the other one")
        .help(
            "keep `pool` to name servers that are declared under `[pools]`, or `servers` to list them here",
        )),
        (None, None) => Err(Problem::at(
            Mistake::NoServers,
            route.span(),
            "this route does not say who serves its requests",
        )
        .help("add `servers = [\"127.0.0.1:3000\"]`, or `pool` with a name declared under `[pools]`")),
    }
}

fn pattern(written: &Text, read: fn(&str) -> Result<Pattern, BadPattern>) -> Result<Pattern, Problem> {
    let text = written.get_ref();
    let bad = |code: Mistake, what: &str, help: String| {
        Err(Problem::at(code, written.span(), format!("`{text}` is not a path pattern: {what}")).help(help))
    };
    if text.contains(['?', '#']) {
        return bad(
            Mistake::PathWithQuery,
            "a path ends before `?` or `#`",
            "leave the rest out: a query does not decide on a route".into(),
        );
    }
    match read(text) {
        Ok(_) if repeated_parameter(text).is_some() => {
            let name = text.plain().and_then(repeated_parameter).unwrap_or("name");
            bad(
                Mistake::PathParameterTwice,
                &format!("`{{{name}}}` stands twice in it"),
                "give each parameter its own name".into(),
            )
        }
        Ok(pattern) => Ok(pattern),
        Err(BadPattern::NoSlash) => {
            let slashed = text.plain().map(|text| format!("/{text}")).filter(|slashed| read(slashed).is_ok());
            bad(
                Mistake::PathWithoutSlash,
                "it does not begin with `/`",
                format!("write `{}`", slashed.as_deref().unwrap_or("/path")),
            )
        }
        Err(BadPattern::Braces) if text.contains('*') => {
            bad(Mistake::PathWithWildcard, "it has a `*`", without_wildcard(text.plain().unwrap_or("/**")))
        }
        Err(BadPattern::Braces) => bad(
            Mistake::PathBraces,
            "braces hold the name of one whole segment",
            "write it as in `/users/{id}/posts`".into(),
        ),
        Err(BadPattern::NotNormal) => bad(
            Mistake::PathNotNormal,
            "no request would match it",
            normal_form(text.plain().unwrap_or("{}")),
        ),
        Err(BadPattern::TooLarge) => bad(
            Mistake::PathTooLarge,
            "it is too large",
            format!(
                "a pattern has at most {PATTERN_SEGMENTS} segments, {PATTERN_PARAMETERS} of them parameters, and {TARGET_BYTES} bytes"
            ),
        ),
    }
}

fn repeated_parameter(path: &str) -> Option<&str> {
    let mut seen = Vec::new();
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).find(|name| {
        let is_repeated = seen.contains(name);
        seen.push(name);
        is_repeated
    })
}

fn without_wildcard(path: &str) -> String {
    let above = path.trim_end_matches('*').trim_end_matches('/');
    let above = if above.is_empty() { "/" } else { above };
    match Pattern::prefix(above) {
        Ok(_) => format!("write `prefix = \"{above}\"` for that path and everything below it"),
        Err(_) => "write a parameter for one whole segment, as in `/users/{id}`, or `prefix` for all that begin alike".into(),
    }
}

/// What to write for a path that is not in the form requests are brought to before they are matched.
fn normal_form(path: &str) -> String {
    match normalise(path.as_bytes(), Tolerance::ALL) {
        Ok(normal) if !path.contains('{') => {
            format!("requests are matched in normal form: write `{}`", String::from_utf8_lossy(&normal))
        }
        _ => "requests are matched in normal form: write it without `//`, `.`, `..`, and other bytes than \
              visible ASCII as `%XX`, the percent sign itself as `%25`"
            .into(),
    }
}

fn methods(written: &Spanned<Vec<Text>>) -> Result<MethodSet, Problem> {
    let mut set = MethodSet::default();
    for method in written.get_ref().iter().take(METHODS) {
        check_method(method)?;
        set.insert(method.get_ref());
    }
    match written.get_ref().len() {
        0 => Err(Problem::at(
            Mistake::NoMethods,
            written.span(),
            "a route without any method takes no requests",
        )
        .help("leave `methods` out for every method, or list some, as in `[\"GET\", \"POST\"]`")),
        1..=METHODS => Ok(set),
        _ => Err(Problem::at(
            Mistake::TooManyMethods,
            written.span(),
            format!("a route names at most {METHODS} methods"),
        )
        .help("leave `methods` out for every method, or write another route for the others")),
    }
}

fn check_method(written: &Text) -> Result<(), Problem> {
    let token = written.get_ref();
    let upper = token.to_ascii_uppercase();
    let is_method = !token.is_empty() && token.len() <= METHOD_BYTES && token.bytes().all(is_token);
    let refuse = |code: Mistake, what: &str| Problem::at(code, written.span(), format!("`{token}` {what}"));
    match (Method::from_token(token), Method::from_token(&upper)) {
        _ if **token == *"*" => {
            Err(refuse(Mistake::BadMethod, "is not a method").help("leave `methods` out for every method"))
        }
        _ if !is_method => Err(refuse(Mistake::BadMethod, "is not a method")
            .help(format!("write a token of at most {METHOD_BYTES} letters, as in `GET`"))),
        (_, Method::Connect | Method::Trace) => Err(refuse(Mistake::UnforwardedMethod, "is never forwarded")
            .help("leave it out: the gateway itself answers it with 405")),
        (Method::Other(_), Method::Other(_)) => Ok(()),
        (Method::Other(_), known) => {
            Err(refuse(Mistake::LowerCaseMethod, "is another method than it looks like: case matters")
                .label(format!("did you mean `{}`?", known.name()))
                .help("write methods in upper case"))
        }
        _ => Ok(()),
    }
}

fn host(written: &Text) -> Result<Box<str>, Problem> {
    let text = written.get_ref();
    let bad = |code: Mistake, what: &str| Problem::at(code, written.span(), format!("`{written}` {what}"));
    let Some(name) = host_of(text) else {
        return Err(match text.plain().map(str::parse::<Ipv6Addr>) {
            _ if text.contains('*') => {
                bad(Mistake::HostWithWildcard, "has a wildcard, which hosts cannot have")
                    .help("write a route for each host, or leave `host` out for every one")
            }
            Some(Ok(address)) => bad(Mistake::BadHost, "is not the name of a host")
                .help(format!("an IPv6 address stands in brackets: `[{address}]`")),
            _ => bad(Mistake::BadHost, "is not the name of a host").help(
                "write only the name, as in `api.example.com`; names beyond ASCII in their `xn--` form",
            ),
        });
    };
    match text.len() == host_name(text.as_bytes()).len() + usize::from(text.ends_with('.')) {
        true => Ok(name),
        false => {
            let name = text.plain().map_or("api.example.com", |_| &*name);
            Err(bad(Mistake::HostWithPort, "has a port")
                .help(format!("write `{name}`: a route takes requests for a host whatever port they name")))
        }
    }
}

/// The host that an authority names, if requests can have it. No name has an empty label, though the grammar lets them
/// have any number.
fn host_of(authority: &str) -> Option<Box<str>> {
    let is_valid = !authority.contains('*') && is_host(authority.as_bytes());
    let name = is_valid.then(|| canonical_host(authority.as_bytes())).flatten()?;
    name.split('.').all(|label| !label.is_empty()).then(|| name.into())
}

/// Fields with their names in lower case, in the order of these names.
fn fields(written: &BTreeMap<Text, Text>) -> Result<Fields, Problem> {
    if let Some(name) = written.keys().nth(FIELDS) {
        return Err(Problem::at(
            Mistake::TooManyFields,
            name.span(),
            "no request has as many fields as this route asks for",
        )
        .help(format!("ask for fewer: a request has at most {FIELDS}")));
    }
    let mut fields = BTreeMap::new();
    for (name, value) in written {
        check_field(name, value)?;
        let lower: Box<str> = name.get_ref().to_ascii_lowercase().into();
        if fields.insert(lower, (**value.get_ref()).into()).is_some() {
            return Err(Problem::at(
                Mistake::DuplicateField,
                name.span(),
                format!("the field `{name}` stands here twice"),
            )
            .help("keep one of them: upper and lower case do not matter in field names"));
        }
    }
    Ok(fields.into_iter().collect())
}

fn check_field(name: &Text, value: &Text) -> Result<(), Problem> {
    let is_name = !name.get_ref().is_empty() && name.get_ref().bytes().all(is_token);
    let bytes = value.get_ref().as_bytes();
    let is_value = bytes.iter().all(|&byte| byte == b'\t' || byte >= b' ' && byte != 0x7f);
    match () {
        () if !is_name => Err(Problem::at(
            Mistake::BadFieldName,
            name.span(),
            format!("`{name}` is not the name of a header field"),
        )
        .help("write letters, digits and dashes, as in `x-version`")),
        () if name.get_ref().eq_ignore_ascii_case("host") => {
            let host = value.get_ref().plain().and_then(host_of);
            let host = host.unwrap_or_else(|| "api.example.com".into());
            Err(Problem::at(
                Mistake::HostField,
                name.span(),
                "the host of a request is not matched as a header field",
            )
            .help(format!("write `host = \"{host}\"` in the route itself")))
        }
        () if Name::of(name.get_ref().as_bytes()).is_hop_by_hop() => Err(Problem::at(
            Mistake::ConnectionField,
            name.span(),
            format!("`{name}` speaks of one connection, not of what is asked for"),
        )
        .help("leave it out: anybody on the way may add or remove it")),
        () if Name::of(name.get_ref().as_bytes()) == Name::Expect => Err(Problem::at(
            Mistake::ExpectField,
            name.span(),
            "the gateway itself answers what a request expects",
        )
        .help("leave it out: clients decide by the size of a body whether to send it")),
        () if !is_value || trim(bytes) != bytes => Err(Problem::at(
            Mistake::ImpossibleValue,
            value.span(),
            format!("no request has a field `{name}` with this value"),
        )
        .help("write it without white space around it and without control characters")),
        () => Ok(()),
    }
}
