//! What Ringgate promises of routing and pools, end to end: the names say which promise (S0-1 is "step 0, line 1" of the
//! product's promises).

mod support;

use std::collections::HashMap;

use ringgate_io::Rung;
use ringmock::{Kind, Mock};
use support::{TestGateway, anything, gateway, list, nobody, posts, restart, users};

/// The table of the demonstration: posts, users, and a route that is wrong on purpose.
fn shop(driver: Rung, posts: &[&Mock], users: &[&Mock]) -> TestGateway {
    let text = format!(
        r#"
        [pools.POST_SERVICE]
        servers = {}
        [pools.USER_SERVICE]
        servers = {}
        [[routes]]
        prefix = "/api/v1/posts"
        methods = ["GET", "POST"]
        pool = "POST_SERVICE"
        [[routes]]
        prefix = "/api/v1/users"
        methods = ["GET"]
        pool = "USER_SERVICE"
        [[routes]]
        prefix = "/misrouted/posts"
        pool = "USER_SERVICE"
        "#,
        list(posts),
        list(users)
    );
    gateway(driver, &text)
}

on_every_driver! {
    fn s0_1_requests_reach_the_service_of_their_path(driver: Rung) {
        let (posts, users) = (posts("post-1"), users("user-1"));
        let gateway = shop(driver, &[&posts], &[&users]);
        for (path, server) in [("/api/v1/posts/list", "post-1"), ("/api/v1/users/profile", "user-1"), ("/api/v1/posts/list", "post-1")] {
            let answer = gateway.get(path);
            assert_eq!((answer.status, answer.served_by()), (200, server), "{path}");
        }
        assert_eq!((posts.requests(), users.requests()), (2, 1));
    }

    fn s0_3_an_unknown_path_is_404_and_touches_no_server(driver: Rung) {
        let (posts, users) = (posts("post-1"), users("user-1"));
        let gateway = shop(driver, &[&posts], &[&users]);
        for path in ["/", "/api/v1", "/api/v1/postsx", "/api/v1/orders"] {
            let answer = gateway.get(path);
            assert_eq!(answer.status, 404, "{path}");
            assert_eq!(answer.field("content-type"), Some("application/problem+json"));
            assert!(answer.text().contains("\"code\":\"no_route\""), "{}", answer.text());
        }
        assert_eq!((posts.requests(), users.requests()), (0, 0));
    }

    fn s0_4_a_wrong_method_is_405_and_says_which_are_right(driver: Rung) {
        let (posts, users) = (posts("post-1"), users("user-1"));
        let gateway = shop(driver, &[&posts], &[&users]);
        let answer = gateway.ask("DELETE", "/api/v1/users/1");
        assert_eq!((answer.status, answer.field("allow")), (405, Some("GET, HEAD")));
        let answer = gateway.ask("DELETE", "/api/v1/posts/1");
        assert_eq!((answer.status, answer.field("allow")), (405, Some("GET, HEAD, POST")));
        assert_eq!((posts.requests(), users.requests()), (0, 0));
        assert!(gateway.log.line_with("/api/v1/posts/1").contains("\"cause\":\"MA\",\"status\":405,\"source\":\"gateway\""));
    }

    fn s0_5_a_misrouted_request_gets_the_servers_own_405_and_the_log_says_so(driver: Rung) {
        let (posts, users) = (posts("post-1"), users("user-1"));
        let gateway = shop(driver, &[&posts], &[&users]);
        let answer = gateway.get("/misrouted/posts");
        assert_eq!((answer.status, answer.served_by()), (405, "user-1"));
        assert_eq!(users.requests(), 1);
        let line = gateway.log.line_with("/misrouted/posts");
        assert!(line.contains("\"status\":405,\"source\":\"upstream\""), "{line}");
        assert!(line.contains("\"pool\":\"USER_SERVICE\""), "{line}");
    }

    fn s0_7_requests_are_shared_out_evenly_whatever_connection_they_come_on(driver: Rung) {
        let servers = [anything("a"), anything("b"), anything("c")];
        let gateway = support::in_front_of(driver, &servers.each_ref());
        let mut share = HashMap::new();
        for _ in 0..10 {
            let mut client = gateway.connect(); // each may land on either worker
            for _ in 0..10 {
                client.say("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
                *share.entry(client.hear().served_by().to_string()).or_insert(0) += 1;
            }
        }
        let mut shares: Vec<i32> = share.into_values().collect();
        shares.sort_unstable();
        assert_eq!(shares, [33, 33, 34]);
    }

    fn s0_8_servers_can_be_added_to_a_pool_and_to_a_path(driver: Rung) {
        let (first, second, other) = (users("user-1"), users("user-2"), posts("post-1"));
        let gateway = shop(driver, &[&other], &[&first]);
        assert_eq!(gateway.get("/api/v1/users/me").served_by(), "user-1");
        drop(gateway);
        let gateway = shop(driver, &[&other], &[&first, &second]);
        assert_eq!(gateway.get("/api/v1/users/me").served_by(), "user-1");
        assert_eq!(gateway.get("/api/v1/users/me").served_by(), "user-2");
        assert_eq!(gateway.get("/api/v1/posts/1").served_by(), "post-1");
    }

    fn s0_2_clients_know_one_address_however_the_servers_move(driver: Rung) {
        let mut server = users("user-1");
        let gateway = support::in_front_of(driver, &[&server]);
        let mut client = gateway.connect();
        let ask = |client: &mut support::Client| {
            client.say("GET /api/v1/users/me HTTP/1.1\r\nHost: test\r\n\r\n");
            client.hear()
        };
        assert_eq!(ask(&mut client).status, 200);
        server.stop();
        let away = ask(&mut client);
        assert_eq!((away.status, away.field("retry-after")), (503, Some("5")));
        assert!(away.text().contains("temporarily down"), "{}", away.text());
        let server = restart(&server, Kind::User, "user-1");
        assert_eq!(ask(&mut client).status, 200, "the same connection serves on");
        assert_eq!(server.requests(), 1);
    }

    fn s2_10_three_lines_of_configuration_are_enough(driver: Rung) {
        let server = anything("one");
        let gateway = gateway(driver, &format!("[[routes]]\nprefix = \"/\"\nservers = {}", list(&[&server])));
        assert_eq!(gateway.get("/whatever?x=1").served_by(), "one");
    }

    fn a_server_that_is_away_costs_its_pool_nothing(driver: Rung) {
        let server = anything("here");
        let text = format!("[[routes]]\nprefix = \"/\"\nservers = [\"{}\", \"{}\"]", nobody(), server.address());
        let gateway = gateway(driver, &text);
        for _ in 0..6 {
            let answer = gateway.ask("POST", "/"); // nothing was sent, so even this may go to the next server
            assert_eq!((answer.status, answer.served_by()), (200, "here"));
        }
    }

    fn what_is_forwarded_is_cleaned_and_enriched(driver: Rung) {
        let server = anything("one");
        let servers = list(&[&server]);
        let text = format!("node_id = \"gate-1\"\n[[routes]]\nprefix = \"/\"\nservers = {servers}");
        let gateway = gateway(driver, &text);
        let mut client = gateway.connect();
        client.say("GET /a/../b%2fc?q=1 HTTP/1.1\r\nHost: shop.example\r\nConnection: x-mine\r\nX-Mine: 1\r\n\
                    X-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nAccept: */*\r\nX-Request-Id: abc-1\r\n\r\n");
        let answer = client.hear();
        assert_eq!(answer.field("x-request-id"), Some("abc-1"));
        let seen = &server.received()[0];
        assert_eq!(seen.target, "/b%2Fc?q=1");
        let address = server.address().to_string();
        for (name, value) in [
            ("host", Some(&*address)),
            ("accept", Some("*/*")),
            ("x-request-id", Some("abc-1")),
            ("x-forwarded-for", Some("127.0.0.1")),
            ("x-forwarded-host", Some("shop.example")),
            ("x-forwarded-proto", Some("http")),
            ("via", Some("1.1 gate-1")),
            ("x-mine", None),
            ("x_forwarded_for", None),
            ("connection", None),
        ] {
            assert_eq!(seen.header(name), value, "{name}");
        }
        assert!(gateway.log.line_with("abc-1").contains("\"path\":\"/b%2Fc\""), "no query in the log");
        assert!(!gateway.log.text().contains("q=1"));
    }
}
