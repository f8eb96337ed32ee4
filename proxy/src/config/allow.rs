//! Where a file says that what a lint warns of is meant: for all of it, for a route or for a pool.

use std::collections::BTreeMap;

use super::codes::{Code, Lint, Mistake, lints};
use super::diagnostic::{Problem, list};
use super::file::{File, Text};

/// What the file says is meant.
pub(super) struct Allowances {
    file: Allowed,
    /// In the order of the file.
    routes: Vec<Allowed>,
    /// By name.
    pools: BTreeMap<String, Allowed>,
}

impl Allowances {
    pub(super) fn read(file: &File) -> Result<Allowances, Problem> {
        let routes = file.routes.iter().map(|route| Allowed::read(&route.get_ref().allow));
        let pools = file.pools.iter();
        let pools = pools.map(|(name, pool)| Ok((name.get_ref().to_string(), Allowed::read(&pool.allow)?)));
        Ok(Allowances {
            file: Allowed::read(&file.allow)?,
            routes: routes.collect::<Result<_, _>>()?,
            pools: pools.collect::<Result<_, _>>()?,
        })
    }

    /// The warnings of routes, by their place among all, that are worth saying.
    pub(super) fn of_routes(&self, warnings: Vec<(usize, Problem)>) -> impl Iterator<Item = Problem> {
        let worth = warnings.into_iter().filter(|(route, warning)| self.warns_of_route(*route, warning));
        worth.map(|(_, warning)| warning)
    }

    /// The same for warnings of two routes each.
    pub(super) fn of_pairs(&self, warnings: Vec<(usize, usize, Problem)>) -> impl Iterator<Item = Problem> {
        let worth = warnings.into_iter().filter(|(one, other, warning)| {
            self.warns_of_route(*one, warning) && self.warns_of_route(*other, warning)
        });
        worth.map(|(_, _, warning)| warning)
    }

    /// The same for declared pools, by their names.
    pub(super) fn of_pools(&self, warnings: Vec<(&str, Problem)>) -> impl Iterator<Item = Problem> {
        let worth = warnings.into_iter().filter(|(pool, warning)| self.warns_of_pool(pool, warning));
        worth.map(|(_, warning)| warning)
    }

    /// Whether a warning is worth saying that is of no route and no pool.
    pub(super) fn warns_of(&self, problem: &Problem) -> bool {
        !self.file.has(problem.code)
    }

    /// The same for a warning of a route, by its place among all.
    pub(super) fn warns_of_route(&self, index: usize, problem: &Problem) -> bool {
        self.warns_of(problem) && !self.routes[index].has(problem.code)
    }

    /// The same for a warning of a declared pool.
    pub(super) fn warns_of_pool(&self, name: &str, problem: &Problem) -> bool {
        self.warns_of(problem) && !self.pools.get(name).is_some_and(|pool| pool.has(problem.code))
    }
}

/// The lints that are not to be warned of, in the whole file or in a part of it.
#[derive(Debug, Clone, Default)]
struct Allowed(Vec<Lint>);

impl Allowed {
    fn read(written: &[Text]) -> Result<Allowed, Problem> {
        written.iter().map(lint).collect::<Result<_, _>>().map(Allowed)
    }

    fn has(&self, code: Code) -> bool {
        self.0.iter().any(|lint| Code::from(*lint) == code)
    }
}

fn lint(written: &Text) -> Result<Lint, Problem> {
    Lint::ALL.iter().copied().find(|lint| *lint.name() == **written.get_ref()).ok_or_else(|| {
        let names = lints();
        Problem::at(Mistake::UnknownLint, written.span(), format!("there is no warning called `{written}`"))
            .suggest(written.get_ref(), names.iter().copied())
            .help(format!("what can be allowed: {}", list(&names)))
    })
}
