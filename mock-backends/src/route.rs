//! Standing orders: which hold for which paths, and how they are changed while a server runs.
//!
//! Owns the only list that all workers of a server share. Each works with a copy and looks at a version, so that a request
//! costs one atomic load.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ringgate_io::now;

use crate::order::Order;

/// Most routes: they are searched one by one.
const MAX_ROUTES: usize = 1000;

/// The [orders](crate::order) for all paths below a prefix.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    prefix: String,
    text: String,
    order: Order,
    /// When it was given to a running server.
    given: Option<Instant>,
}

impl Route {
    /// `prefix` begins with a slash and matches whole segments: `/slow` is for `/slow` and `/slow/a`, not for `/slower`; `/`
    /// is for every path. Of several routes the longest prefix wins, and is alone to be heard.
    ///
    /// ```
    /// let route = ringmock::Route::new("/slow", "latency=fifo(2ms); status=200:95,503:5")?;
    /// assert_eq!(route.to_string(), "/slow latency=fifo(2ms); status=200:95,503:5");
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// What makes no sense, and what to write instead.
    pub fn new(prefix: &str, text: &str) -> Result<Route, String> {
        if !prefix.starts_with('/') || prefix.contains(|letter: char| letter.is_whitespace() || letter == '?')
        {
            return Err(format!(
                "the prefix `{prefix}` is no path: begin it with `/`, without spaces or query"
            ));
        }
        let mut order = Order::default();
        order.add_text(text)?;
        Ok(Route { prefix: prefix.to_owned(), text: text.trim().replace('\n', ";"), order, given: None })
    }

    /// The route of a command line: `PREFIX ORDERS`, or `ORDERS` for every path.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn parse(text: &str) -> Result<Route, String> {
        match text.split_once(char::is_whitespace) {
            Some((prefix, orders)) if prefix.starts_with('/') => Route::new(prefix, orders),
            _ => Route::new("/", text),
        }
    }

    pub(crate) fn order(&self) -> &Order {
        &self.order
    }

    /// None if it was given before the server began.
    pub(crate) fn given(&self) -> Option<Instant> {
        self.given
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether the orders are for `path` (without query).
    pub(crate) fn covers(&self, path: &str) -> bool {
        let prefix = self.prefix.trim_end_matches('/');
        prefix.is_empty()
            || path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.prefix, self.text)
    }
}

/// The routes of one server.
#[derive(Debug)]
pub(crate) struct Routes {
    /// The longest prefixes first; every path is covered, by the last one at the latest.
    list: Mutex<Vec<Arc<Route>>>,
    version: AtomicU64,
}

impl Routes {
    /// Later ones replace earlier ones of the same prefix.
    pub(crate) fn new(routes: &[Route]) -> Result<Routes, String> {
        let plain = Route::new("/", "").map(Arc::new)?;
        let all = Routes { list: Mutex::new(vec![plain]), version: AtomicU64::new(0) };
        routes.iter().try_for_each(|route| all.insert(route.clone()))?;
        Ok(all)
    }

    pub(crate) fn list(&self) -> Vec<Arc<Route>> {
        self.lock().clone()
    }

    /// Grows with every change.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// From now on `route` takes the place of the one with its prefix.
    pub(crate) fn put(&self, route: Route) -> Result<(), String> {
        self.insert(Route { given: Some(now()), ..route })
    }

    fn insert(&self, route: Route) -> Result<(), String> {
        let mut list = self.lock();
        match list.iter().position(|known| known.prefix == route.prefix) {
            Some(at) => list[at] = Arc::new(route),
            None if list.len() == MAX_ROUTES => {
                return Err(format!(
                    "there are {MAX_ROUTES} routes already; take some back before you add more"
                ));
            }
            None => {
                let at = list.partition_point(|known| known.prefix.len() >= route.prefix.len());
                list.insert(at, Arc::new(route));
            }
        }
        self.version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Takes back the orders for a prefix, or all.
    pub(crate) fn remove(&self, prefix: Option<&str>) {
        let mut list = self.lock();
        list.retain(|route| route.prefix == "/" || prefix.is_some_and(|prefix| prefix != route.prefix));
        if let (Some(last), Ok(plain)) = (list.last_mut(), Route::new("/", ""))
            && prefix.is_none_or(|prefix| prefix == "/")
        {
            *last = Arc::new(plain);
        }
        self.version.fetch_add(1, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Route>>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(routes: &Routes) -> Vec<String> {
        routes.list().iter().map(|route| route.to_string().trim().to_owned()).collect()
    }

    #[test]
    fn prefixes_match_whole_segments() {
        for (prefix, path, expect) in [
            ("/", "/", true),
            ("/", "*", true),
            ("/slow", "/slow", true),
            ("/slow", "/slow/a", true),
            ("/slow/", "/slow/a", true),
            ("/slow", "/slower", false),
            ("/slow/a", "/slow", false),
        ] {
            assert_eq!(Route::new(prefix, "").unwrap().covers(path), expect, "{prefix} {path}");
        }
    }

    #[test]
    fn the_longest_prefix_comes_first_and_every_path_has_a_route() {
        let routes =
            ["/a bytes=1", "/a/b bytes=2", "bytes=3", "/a bytes=4"].map(|text| Route::parse(text).unwrap());
        let routes = Routes::new(&routes).unwrap();
        assert_eq!(shown(&routes), ["/a/b bytes=2", "/a bytes=4", "/ bytes=3"]);
    }

    #[test]
    fn orders_can_be_taken_back_one_by_one_or_all_at_once() {
        let routes = ["/a bytes=1", "/b bytes=2", "bytes=3"].map(|text| Route::parse(text).unwrap());
        let routes = Routes::new(&routes).unwrap();
        let version = routes.version();
        routes.remove(Some("/a"));
        routes.remove(Some("/c"));
        assert_eq!(shown(&routes), ["/b bytes=2", "/ bytes=3"]);
        routes.remove(Some("/"));
        assert_eq!(shown(&routes), ["/b bytes=2", "/"]);
        routes.remove(None);
        assert_eq!(shown(&routes), ["/"]);
        assert!(routes.version() > version);
    }

    #[test]
    fn the_number_of_routes_is_bounded() {
        let routes = Routes::new(&[]).unwrap();
        let added = (0..MAX_ROUTES).map(|n| routes.put(Route::new(&format!("/{n}"), "").unwrap()));
        assert_eq!(added.filter(Result::is_err).count(), 1);
    }

    #[test]
    fn prefixes_that_are_no_paths_are_refused() {
        for prefix in ["", "slow", "/a b", "/a?b"] {
            assert!(Route::new(prefix, "").is_err(), "{prefix}");
        }
    }
}
