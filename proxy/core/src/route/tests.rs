use super::*;

/// A route from `[host] pattern [METHODS] [name=value]`; a pattern that ends in `/*` is a prefix.
fn route(text: &str) -> Route {
    let mut words = text.split(' ').peekable();
    let host = words.next_if(|word| !word.starts_with('/')).map(Box::from);
    let path = words.next().unwrap();
    let pattern = match path.strip_suffix("/*") {
        Some(prefix) => Pattern::prefix(if prefix.is_empty() { "/" } else { prefix }),
        None => Pattern::exact(path),
    };
    let mut methods = MethodSet::default();
    for token in words.next_if(|word| !word.contains('=')).iter().flat_map(|list| list.split(',')) {
        methods.insert(token);
    }
    if methods == MethodSet::default() {
        methods = MethodSet::any();
    }
    let fields =
        words.map(|word| word.split_once('=').unwrap()).map(|(name, value)| (name.into(), value.into()));
    Route {
        name: text.into(),
        host,
        pattern: pattern.unwrap(),
        methods,
        fields: fields.collect(),
        pool: 0,
        policy: Policy::default(),
    }
}

fn table(routes: &[&str]) -> Routes {
    Routes::new(routes.iter().map(|text| route(text)).collect()).unwrap()
}

fn request<'a>(method: &'a str, path: &'a str, host: Option<&'a str>) -> Request<'a> {
    let fields = Fields::default();
    Request { authority: host.map(str::as_bytes), path, method: Method::from_token(method), fields }
}

/// The winner's text, or the refusal.
fn find(routes: &Routes, method: &str, path: &str) -> String {
    match routes.find(&request(method, path, None)) {
        Ok(found) => found.route.name.to_string(),
        Err(Reject::MethodNotAllowed(allowed)) => format!("405 {allowed}"),
        Err(_) => "404".into(),
    }
}

#[test]
fn prefixes_end_on_segment_boundaries() {
    let routes = table(&["/api/*"]);
    for (path, expected) in [
        ("/api", "/api/*"),
        ("/api/", "/api/*"),
        ("/api/x/y", "/api/*"),
        ("/apix", "404"),
        ("/ap", "404"),
        ("/", "404"),
    ] {
        assert_eq!(find(&routes, "GET", path), expected, "{path}");
    }
}

#[test]
fn the_more_specific_route_wins_whatever_the_order() {
    let routes = table(&["/*", "/a/*", "/a/{id}", "/a/b", "/a/{id}/c", "/a/b/*"]);
    for (path, expected) in [
        ("/", "/*"),
        ("/x/y", "/*"),
        ("/a", "/a/*"),
        ("/a/", "/a/*"),
        ("/a/b", "/a/b"),
        ("/a/z", "/a/{id}"),
        ("/a/z/c", "/a/{id}/c"),
        ("/a/z/d", "/a/*"),
        ("/a/b/c", "/a/{id}/c"),
        ("/a/b/d", "/a/b/*"),
    ] {
        assert_eq!(find(&routes, "GET", path), expected, "{path}");
    }
}

#[test]
fn a_request_falls_through_to_the_next_route_that_takes_it() {
    let routes = table(&["/orders GET", "/orders POST", "/orders/* DELETE", "/* PATCH"]);
    assert_eq!(find(&routes, "GET", "/orders"), "/orders GET");
    assert_eq!(find(&routes, "POST", "/orders"), "/orders POST");
    assert_eq!(find(&routes, "DELETE", "/orders"), "/orders/* DELETE");
    assert_eq!(find(&routes, "PATCH", "/orders"), "/* PATCH");
    assert_eq!(find(&routes, "PUT", "/orders"), "405 GET, HEAD, POST, DELETE, PATCH");
    assert_eq!(find(&routes, "PUT", "/else"), "405 PATCH");
}

#[test]
fn head_is_get_unless_a_route_asks_for_it() {
    let routes = table(&["/a GET", "/b GET", "/b HEAD", "/b/* HEAD", "/c/{id} GET", "/c/{other} HEAD"]);
    assert_eq!(find(&routes, "HEAD", "/c/1"), "/c/{other} HEAD");
    assert_eq!(find(&routes, "HEAD", "/a"), "/a GET");
    assert_eq!(find(&routes, "HEAD", "/b"), "/b HEAD");
    assert_eq!(find(&routes, "DELETE", "/a"), "405 GET, HEAD");
}

#[test]
fn hosts_come_first_and_fall_back_to_routes_of_any_host() {
    let routes = table(&["/a", "a.example /a GET", "a.example /b"]);
    let find = |host, method, path| {
        routes.find(&request(method, path, Some(host))).map(|found| found.route.name.to_string())
    };
    assert_eq!(find("A.Example:80", "GET", "/a").unwrap(), "a.example /a GET");
    assert_eq!(find("a.example.", "POST", "/a").unwrap(), "/a");
    assert_eq!(find("b.example", "GET", "/a").unwrap(), "/a");
    assert_eq!(find("b.example", "GET", "/b"), Err(Reject::NoRoute));
}

#[test]
fn fields_decide_between_routes_of_one_path() {
    let routes = table(&["/a", "/a x-version=2", "/b x-version=2"]);
    let bytes = b"GET /a HTTP/1.1\r\nHost: h\r\nX-Version: 2\r\n\r\n";
    let mut head = crate::head::RequestHead::default();
    head.parse(bytes, Tolerance::NONE).unwrap();
    let with = Request { fields: head.fields(bytes), ..request("GET", "/a", None) };
    assert_eq!(&*routes.find(&with).unwrap().route.name, "/a x-version=2");
    assert_eq!(find(&routes, "GET", "/a"), "/a");
    assert_eq!(find(&routes, "GET", "/b"), "404");
}

#[test]
fn the_explanation_names_every_candidate_in_order() {
    let routes = table(&["/*", "/a/* POST", "/a/b GET"]);
    let explained = routes.explain(&request("GET", "/a/b", None));
    let verdicts: Vec<_> = explained.iter().map(|(route, verdict)| (&*route.name, *verdict)).collect();
    assert_eq!(
        verdicts,
        [("/a/b GET", Verdict::Wins), ("/a/* POST", Verdict::Method), ("/*", Verdict::Outranked)]
    );
}

#[test]
fn a_pattern_may_hold_escapes_that_stay() {
    assert_eq!(find(&table(&["/caf%C3%A9"]), "GET", "/caf%C3%A9"), "/caf%C3%A9");
}

#[test]
fn patterns_that_could_never_match_are_refused() {
    assert_eq!(Pattern::exact("a"), Err(BadPattern::NoSlash));
    for braces in ["/a{b}", "/{}", "/{a", "/a/*", "/{*rest}"] {
        assert_eq!(Pattern::exact(braces), Err(BadPattern::Braces), "{braces}");
    }
    for path in ["/a//b", "/a/../b", "/a%2fb", "/a%61", "/a b", "/\u{e9}", "/a?b", "/a#b"] {
        assert_eq!(Pattern::exact(path), Err(BadPattern::NotNormal), "{path}");
    }
}

/// The tree against the obvious way: every pattern tried in order of rank, over random tables and paths of few letters.
#[test]
fn the_tree_agrees_with_trying_every_pattern() {
    let mut seed = 7u64;
    let mut random = |bound: u64| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) % bound
    };
    for _ in 0..3000 {
        let mut texts = Vec::new();
        for _ in 0..1 + random(7) {
            let words = ["a", "b", "{p}", "{q}", "ab"];
            let depth = random(4);
            let path: String = (0..depth).map(|_| format!("/{}", words[random(5) as usize])).collect();
            let open = path.is_empty() || random(2) == 0;
            texts.push(format!("{path}{}", if open { "/*" } else { "" }));
        }
        let routes = table(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        for _ in 0..40 {
            let words = ["a", "b", "ab", "c", ""];
            let path: String =
                (0..1 + random(5)).map(|_| format!("/{}", words[random(5) as usize])).collect();
            let mut by_rank: Vec<usize> = (0..texts.len()).collect();
            by_rank.sort_by(|&a, &b| rank(&routes.routes[a], &routes.routes[b]).then(a.cmp(&b)));
            let obvious: Vec<_> =
                by_rank.into_iter().filter(|&route| routes.routes[route].pattern.matches(&path)).collect();
            let found: Vec<_> = routes.candidates(&request("GET", &path, None)).collect();
            assert_eq!(found, obvious, "{path} in {texts:?}");
        }
    }
}

#[test]
fn hosts_that_are_ipv6_addresses_are_compared_as_such() {
    let routes = table(&["[::1] /a"]);
    for host in ["[::1]", "[0:0:0:0:0:0:0:1]:80", "[::0.0.0.1]"] {
        assert!(routes.find(&request("GET", "/a", Some(host))).is_ok(), "{host}");
    }
    assert_eq!(routes.find(&request("GET", "/a", Some("[::2]"))).map(drop), Err(Reject::NoRoute));
}

#[test]
fn the_largest_pattern_can_be_planted_and_a_larger_one_is_refused() {
    let text = "/a".repeat(PATTERN_SEGMENTS - PATTERN_PARAMETERS);
    let parameters: String = (0..PATTERN_PARAMETERS).map(|index| format!("/{{p{index}}}")).collect();
    let largest = format!("{text}{parameters}");
    let path = format!("{text}{}", "/x".repeat(PATTERN_PARAMETERS));
    assert_eq!(find(&table(&[&largest]), "GET", &path), largest);
    for larger in
        [format!("{largest}/a"), format!("{parameters}/{{more}}"), format!("/{}", "a".repeat(TARGET_BYTES))]
    {
        assert_eq!(Pattern::exact(&larger), Err(BadPattern::TooLarge), "{larger}");
    }
}

/// Patterns that all overlap, so that a table which kept a list of the others with each would hold their square.
#[test]
fn patterns_that_overlap_with_many_are_found_among_them() {
    let count = 10_000; // their square would take gigabytes
    let texts: Vec<String> =
        (0..count).flat_map(|index| [format!("/a{index}/{{p}} GET"), format!("/{{p}}/b{index}")]).collect();
    let routes = table(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(find(&routes, "GET", "/a7/b9"), "/a7/{p} GET");
    assert_eq!(find(&routes, "PUT", "/a7/b9"), "/{p}/b9");
    assert_eq!(find(&routes, "PUT", "/a7/c"), "405 GET, HEAD");
}

/// `find` looks fields up, `explain` compares them: over random tables, the first that wins is the one found.
#[test]
fn fields_that_are_looked_up_agree_with_fields_that_are_compared() {
    let mut seed = 5u64;
    let mut random = |bound: u64| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) % bound
    };
    for _ in 0..2000 {
        let texts: Vec<String> = (0..1 + random(8))
            .map(|_| {
                let fields = ["", " x=1", " x=2", " y=1", " x=1 y=1", " x=2 y=1", " x=1 y=2 z=1"];
                let method = ["", " GET", " PUT"][random(3) as usize];
                format!(
                    "{}{method}{}",
                    ["/a", "/a/*", "/{p}"][random(3) as usize],
                    fields[random(7) as usize]
                )
            })
            .collect();
        let routes = table(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let lines: String = (0..random(4))
            .map(|_| format!("{}: {}\r\n", ["X", "y", "z"][random(3) as usize], 1 + random(2)))
            .collect();
        let bytes = format!("GET /a HTTP/1.1\r\nHost: h\r\n{lines}\r\n").into_bytes();
        let mut head = crate::head::RequestHead::default();
        head.parse(&bytes, Tolerance::NONE).unwrap();
        let request = Request { fields: head.fields(&bytes), ..request("GET", "/a", None) };
        let explained = routes.explain(&request);
        let first = explained.iter().find(|(_, verdict)| *verdict == Verdict::Wins).map(|(route, _)| *route);
        let found = routes.find(&request).ok();
        assert_eq!(
            found.map(|found| &raw const **found.route),
            first.map(|route| &raw const *route),
            "{texts:?} {lines}"
        );
    }
}
