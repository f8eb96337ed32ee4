//! `[policies]`, and what else holds for many routes: the identity that services are told, shared fields, CORS.
//!
//! Owns: that a route has one policy, by name, with what the route says itself on top of it; and that identity fields of clients are
//! dropped whatever they are called.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ringgate_core::access::Access;
use ringgate_core::auth::Kind;
use ringgate_core::caller::{self, ClaimValues, Fact, Identity, Requirement};
use ringgate_core::cors::{BadCors, Cors, Origins, Settings};
use ringgate_core::field::Name;
use ringgate_core::limit::COUNT;
use ringgate_core::policy::{Policy, Reshape};
use ringgate_core::route::Pattern;
use ringgate_core::template::{self, BadTemplate, Template, Transform};
use toml::Spanned;

use super::auth::{self, Ways, field_name};
use super::codes::Mistake;
use super::diagnostic::Problem;
use super::file::{self, File, Text};
use super::policy::timeout;
use super::rates::{self, Limits, within};
use super::settings::check_name;

/// What a policy is called that asks for nothing.
const NONE: &str = "none";

/// A compiled policy, before a route has it.
#[derive(Clone, Default)]
pub(super) struct Ruling {
    access: Arc<Access>,
    requirement: Requirement,
    request: Transform,
    response: Transform,
}

/// All policies.
pub(super) struct Rulings {
    by_name: BTreeMap<String, Ruling>,
    none: Ruling,
    /// The name of the one that holds where nobody says otherwise.
    default: Option<Text>,
}

impl Rulings {
    pub(super) fn read(
        file: &File,
        ways: &Ways,
        limits: &Limits,
        identity: &Identity,
    ) -> Result<Rulings, Problem> {
        let credential_fields: Vec<Box<str>> = credential_fields(ways);
        // No client may say what the gateway says, whatever that is called.
        let own_names =
            identity.fields.iter().filter(|(name, _)| Name::of(name.as_bytes()) != Name::Identity);
        let guarded = Transform::new(Vec::new(), own_names.map(|(name, _)| name.clone()));
        let (request, response) = (guarded.then(&transform(&file.request)?), transform(&file.response)?);
        let none = Ruling { request, response, ..Ruling::default() };
        let mut by_name = BTreeMap::new();
        for (name, policy) in &file.policies {
            check_name(name)?;
            if **name.get_ref() == *NONE {
                return Err(Problem::at(
                    Mistake::ReservedName,
                    name.span(),
                    "`none` is the policy that asks for nothing",
                )
                .help("call this one otherwise"));
            }
            let access = Access::new(
                auth::named(&policy.auth, ways)?,
                policy.anonymous.unwrap_or(false),
                rates::named(&policy.rate_limits, limits)?,
                credential_fields.clone(),
            );
            let requirement = requirement(policy)?;
            if access.ways.is_empty() && !requirement.is_none() {
                return Err(Problem::at(
                    Mistake::RequirementWithoutAuth,
                    name.span(),
                    format!(
                        "the policy `{name}` asks for roles, scopes or claims, and nobody could have any"
                    ),
                )
                .help("add `auth` with a way to prove who one is"));
            }
            let ruling = Ruling {
                access: Arc::new(access),
                requirement,
                request: none.request.then(&transform(&policy.request)?),
                response: none.response.then(&transform(&policy.response)?),
            };
            by_name.insert(name.get_ref().to_string(), ruling);
        }
        let rulings = Rulings { by_name, none, default: file.policy.clone() };
        rulings.named(None)?; // the default has to exist, even if every route says otherwise
        Ok(rulings)
    }

    /// The policy of that name, or the one that holds without.
    fn named(&self, name: Option<&Text>) -> Result<&Ruling, Problem> {
        match name.or(self.default.as_ref()) {
            None => Ok(&self.none),
            Some(name) if **name.get_ref() == *NONE => Ok(&self.none),
            Some(name) => self.by_name.get(&**name.get_ref()).ok_or_else(|| {
                Problem::at(Mistake::UnknownPolicy, name.span(), format!("there is no policy `{name}`"))
                    .suggest(name.get_ref(), self.by_name.keys().map(String::as_str).chain([NONE]))
                    .help(format!(
                        "declare it under `[policies.{name}]`, or write `none` for one that asks for nothing"
                    ))
            }),
        }
    }

    /// What holds for requests without a route.
    pub(super) fn strangers(&self, policy: Policy) -> Result<Policy, Problem> {
        let ruling = self.named(None)?.clone();
        Ok(Policy { access: ruling.access, ..policy }) // what routes ask of callers is theirs
    }

    /// The policy of a route, with what it says itself.
    pub(super) fn of_route(
        &self,
        route: &file::Route,
        pattern: &Pattern,
        policy: Policy,
    ) -> Result<Policy, Problem> {
        let Ruling { access, requirement, request, response } = self.named(route.policy.as_ref())?.clone();
        let own = own_requirement(route, requirement)?;
        if access.ways.is_empty() && !own.is_none() {
            let place = [&route.roles, &route.scopes].into_iter().flatten().map(Spanned::span).next();
            let claims = route.claims.as_ref().and_then(|claims| claims.keys().next().map(Spanned::span));
            return Err(Problem::at(
                Mistake::RequirementWithoutAuth,
                place.or(claims).unwrap_or(0..0),
                "this route asks for roles, scopes or claims, and its policy lets nobody prove any",
            )
            .help("give it a `policy` with `auth`"));
        }
        let (request, response) =
            (request.then(&transform(&route.request)?), response.then(&transform(&route.response)?));
        let template = |written: &Option<Text>, kind| {
            written.as_ref().map(|text| checked(text, kind, Some(pattern))).transpose()
        };
        let sets = [&route.request.set, &route.response.set];
        sets.into_iter()
            .flat_map(|set| set.values())
            .try_for_each(|text| checked(text, template::Kind::Field, Some(pattern)).map(drop))?;
        let cost = route.cost.as_ref().map_or(Ok(1), |cost| within(cost, COUNT))?;
        if let (Some(written), Some(limit)) =
            (&route.cost, access.limits.iter().find(|limit| limit.most() < cost))
        {
            let title = format!(
                "no request of this route would ever pass: the limit `{}` has at most {}",
                limit.name,
                limit.most()
            );
            return Err(Problem::at(Mistake::CostAboveLimit, written.span(), title)
                .help("let the route cost less, or the limit be larger (`burst`, for a bucket)"));
        }
        Ok(Policy {
            access,
            requirement: own,
            cost,
            request: Reshape {
                fields: request,
                path: template(&route.rewrite, template::Kind::Path)?,
                query: template(&route.rewrite_query, template::Kind::Query)?,
            },
            response,
            ..policy
        })
    }
}

/// Fields in which a credential of any way stands: no service gets those of a policy that proves callers.
fn credential_fields(ways: &Ways) -> Vec<Box<str>> {
    let mut fields: Vec<Box<str>> = vec!["authorization".into()];
    for way in ways.by_name.values() {
        match way.kind() {
            Kind::Bearer | Kind::Basic => {}
            Kind::Field(name) => fields.push(name.into()),
            Kind::Fields(_) => {} // a cookie is more than a credential, and `authorization` is there
        }
    }
    fields.dedup();
    fields
}

fn texts(written: &[Text]) -> Vec<Box<str>> {
    written.iter().map(|text| (**text.get_ref()).into()).collect()
}

fn requirement(policy: &file::Policy) -> Result<Requirement, Problem> {
    Ok(Requirement {
        roles: texts(&policy.roles),
        scopes: texts(&policy.scopes),
        claims: claims(&policy.claims)?,
    })
}

fn own_requirement(route: &file::Route, of_policy: Requirement) -> Result<Requirement, Problem> {
    let or =
        |own: &Option<Spanned<Vec<Text>>>, default| own.as_ref().map_or(default, |own| texts(own.get_ref()));
    Ok(Requirement {
        roles: or(&route.roles, of_policy.roles),
        scopes: or(&route.scopes, of_policy.scopes),
        claims: route.claims.as_ref().map_or(Ok(of_policy.claims), claims)?,
    })
}

fn claims(written: &BTreeMap<Text, Vec<Text>>) -> Result<Vec<ClaimValues>, Problem> {
    let claim = |(name, values): (&Text, &Vec<Text>)| {
        let path = caller::path(name.get_ref()).ok_or_else(|| {
            Problem::at(Mistake::BadClaim, name.span(), format!("`{name}` is not the name of a claim"))
                .help("write it as in `tenant`, or `\"address.country\"` for a claim in a claim")
        })?;
        Ok((path, texts(values)))
    };
    written.iter().map(claim).collect()
}

/// Which fields tell services who asks.
pub(super) fn identity(written: Option<&BTreeMap<Text, Text>>) -> Result<Identity, Problem> {
    let Some(written) = written else { return Ok(Identity::default()) };
    let field = |(name, fact): (&Text, &Text)| {
        field_name(name)?;
        let said = Fact::parse(fact.get_ref()).ok_or_else(|| {
            Problem::at(
                Mistake::UnknownFact,
                fact.span(),
                format!("`{fact}` is nothing that is known of a caller"),
            )
            .suggest(fact.get_ref(), ["user", "roles", "scopes"])
            .help("write `user`, `roles`, `scopes` or `claim.NAME`")
        })?;
        Ok(((**name.get_ref()).into(), said))
    };
    Ok(Identity { fields: written.iter().map(field).collect::<Result<_, Problem>>()? })
}

fn transform(written: &file::Fields) -> Result<Transform, Problem> {
    let set = written.set.iter().map(|(name, value)| {
        field_name(name)?;
        Ok(((**name.get_ref()).into(), checked(value, template::Kind::Field, None)?))
    });
    let removed = written.remove.iter().map(|name| field_name(name).map(Into::into));
    Ok(Transform::new(set.collect::<Result<_, Problem>>()?, removed.collect::<Result<Vec<Box<str>>, _>>()?))
}

/// A template; `pattern` is that of the route that has it.
fn checked(written: &Text, kind: template::Kind, pattern: Option<&Pattern>) -> Result<Template, Problem> {
    let problem = |bad: BadTemplate| {
        let bad_template = |title: String| Problem::at(Mistake::BadTemplate, written.span(), title);
        match bad {
            BadTemplate::Variable(name) => {
                let name = written.get_ref().plain().map_or("...", |_| &*name);
                let place = format!("there is no variable `{{{name}}}`");
                let names = ["path", "path.*", "query", "user", "request_id", "client", "host", "method"];
                bad_template(place).suggest(name, names).help(
                    "the variables are {user}, {claim.NAME}, {path.NAME}, {path.*}, {path}, {query.NAME}, {query}, {header.NAME}, \
                     {request_id}, {client}, {host}, {method}; `{{` is a brace",
                )
            }
            BadTemplate::Parameter(name) => {
                let name = written.get_ref().plain().map_or("...", |_| &*name);
                bad_template(format!("the path of this route has no `{{{name}}}`"))
                    .help("name a parameter of its path; `{path.*}` is for what is below a prefix")
            }
            BadTemplate::Braces => {
                bad_template(format!("`{written}` has a brace that belongs to no variable"))
                    .help("write `{{` and `}}` for braces")
            }
            BadTemplate::Text => bad_template(format!("`{written}` cannot stand there")).help(match kind {
                template::Kind::Field => "a field has no control characters",
                template::Kind::Path => {
                    "a path begins with `/` and has neither `?` nor `#`; other bytes than ASCII are escaped"
                }
                template::Kind::Query => "a query has no `#` and no white space",
            }),
        }
    };
    let template = Template::parse(written.get_ref(), kind).map_err(problem)?;
    pattern.map_or(Ok(()), |pattern| template.check(pattern)).map_err(problem)?;
    Ok(template)
}

/// Methods that pages may use unless told otherwise: those that services have.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// What they may read of answers: what the gateway itself says.
const EXPOSED: [&str; 7] = [
    "X-Request-Id",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
];

pub(super) fn cors(written: Option<&Spanned<file::Cors>>) -> Result<Option<Arc<Cors>>, Problem> {
    let Some(written) = written else { return Ok(None) };
    let file = written.get_ref();
    let or = |own: &Option<Vec<Text>>, default: &[&str]| match own {
        Some(own) => texts(own),
        None => default.iter().map(|name| (*name).into()).collect(),
    };
    let is_any = |text: &Text| **text.get_ref() == *"*";
    if file.origins.is_empty() {
        return Err(Problem::at(Mistake::NoOrigins, written.span(), "this lets nobody's pages in")
            .help("add `origins = [\"https://app.example.com\"]`, or leave the table out"));
    }
    let settings = Settings {
        origins: if file.origins.iter().any(is_any) {
            Origins::Any
        } else {
            Origins::These(texts(&file.origins))
        },
        methods: or(&file.methods, &METHODS),
        headers: file.headers.as_ref().map(|headers| texts(headers)),
        expose: or(&file.expose, &EXPOSED),
        credentials: file.credentials.unwrap_or(false),
        max_age: timeout(&file.max_age, Duration::from_secs(600))?,
    };
    let place = |name: &str| {
        let lists = [Some(&file.origins), file.methods.as_ref(), file.headers.as_ref(), file.expose.as_ref()];
        let mut all = lists.into_iter().flatten().flatten();
        all.find(|text| **text.get_ref() == *name).map_or(written.span(), Spanned::span)
    };
    let cors = Cors::new(settings).map_err(|bad| match bad {
        BadCors::AnyWithCredentials => Problem::at(
            Mistake::OpenCors,
            written.span(),
            "any page could act for whoever visits it: credentials with origins `*`",
        )
        .help("list the origins of your own pages, or leave `credentials` out"),
        BadCors::Origin(origin) => Problem::at(
            Mistake::BadOrigin,
            place(&origin),
            "this is not an origin as browsers write it",
        )
        .help(
            "write scheme and host in lower case, as in `https://app.example.com` or `https://*.example.com`",
        ),
        BadCors::Name(name) => Problem::at(
            Mistake::BadFieldName,
            place(&name),
            "this is neither a method nor the name of a header field",
        )
        .help("write them as in `methods = [\"GET\"]` and `headers = [\"content-type\"]`"),
    })?;
    Ok(Some(Arc::new(cors)))
}
