//! Routing tables, and whose turn it is in a pool.

use std::hint::black_box;

use ringgate_core::head::RequestHead;
use ringgate_core::method::{Method, MethodSet};
use ringgate_core::policy::Policy;
use ringgate_core::pool::{Pool, Server};
use ringgate_core::route::{BadPattern, Pattern, Request, Route, Routes};
use ringgate_core::tolerance::Tolerance;

use crate::Case;
use crate::messages::browser;

/// Finding the route of a request, and a server for it.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![Case::new("pick a server/1 of 10", || pick(10))];
    for count in [10, 1_000, 100_000] {
        cases.extend([
            Case::new(format!("route/1 of {count} prefixes"), move || {
                find(prefixes(count), count, |name| format!("/{name}/items/17"))
            }),
            Case::new(format!("route/1 of {count} with parameters"), move || {
                find(with_parameters(count), count, |name| format!("/shop/{name}/items/17/parts/4"))
            }),
            Case::new(format!("route/none of {count} prefixes"), move || {
                find(prefixes(count), count, |name| format!("/{name}/absent"))
            }),
        ]);
    }
    cases
}

/// `count` prefixes below the root, and `one` more.
pub(crate) fn prefixes_and(one: &str, count: usize) -> Routes {
    let paths = names(count).map(|name| format!("/{name}/items"));
    table(paths.chain([one.to_owned()]), Pattern::prefix)
}

/// `count` prefixes below the root.
fn prefixes(count: usize) -> Routes {
    table(names(count).map(|name| format!("/{name}/items")), Pattern::prefix)
}

/// `count` exact paths with two parameters.
fn with_parameters(count: usize) -> Routes {
    let paths = names(count).map(|name| format!("/shop/{name}/items/{{item}}/parts/{{part}}"));
    table(paths, Pattern::exact)
}

fn table(paths: impl Iterator<Item = String>, pattern: fn(&str) -> Result<Pattern, BadPattern>) -> Routes {
    let route = |path: String| Route {
        host: None,
        pattern: pattern(&path).expect("a pattern"),
        methods: MethodSet::any(),
        fields: Vec::new(),
        pool: 0,
        policy: Policy::default(),
        name: path.into(),
    };
    Routes::new(paths.map(route).collect()).expect("a table")
}

/// Distinct names of eight digits that share no beginning, in no order.
fn names(count: usize) -> impl Iterator<Item = String> {
    (0..count as u32).map(|number| format!("{:08x}", number.wrapping_mul(0x9e37_79b1)))
}

/// Asks for one of the paths at random, another one each time: in a large table none is in a cache of the processor.
fn find(routes: Routes, count: usize, path: impl Fn(String) -> String) -> impl FnMut() -> usize {
    let paths: Vec<String> = names(count).map(path).collect();
    let message = browser();
    let mut head = RequestHead::default();
    head.parse(&message.request, Tolerance::NONE).expect("a request");
    let mut drawn = 0u64;
    move || {
        drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407); // Knuth's MMIX
        let path = &paths[(drawn >> 33) as usize % paths.len()];
        let fields = head.fields(&message.request);
        let authority = head.authority(&message.request);
        usize::from(
            routes.find(&Request { authority, path: black_box(path), method: Method::Get, fields }).is_ok(),
        )
    }
}

/// `count` servers.
pub(crate) fn pool(count: usize) -> Pool {
    let server = |_| Server::new("192.0.2.9:9001", ([192, 0, 2, 9], 9001).into());
    Pool::new("pool", (0..count).map(server).collect())
}

fn pick(count: usize) -> impl FnMut() -> usize {
    let pool = pool(count);
    move || black_box(&pool).turn().next().map_or(0, |server| server.index)
}
