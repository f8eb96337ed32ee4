//! Who may ask, how often, and what services and clients are told: policies over real sockets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Instant;

use jsonwebtoken::{Algorithm, EncodingKey};
use ringgate_io::Rung;
use ringmock::Mock;
use serde_json::{Value, json};
use support::tokens::{bearer, encoded, keys, now, public_key, sign, signed, token};
use support::{Answer, TestGateway, anything, gateway, list};

/// One way by tokens, one by keys; a quota for each user; routes that ask for more and for less.
fn configuration(server: &Mock) -> String {
    let (key, servers) = (public_key().display().to_string(), list(&[server]));
    let digest = ringgate::apikey::digest(b"the key of acme");
    format!(
        r#"
        policy = "customers"
        request = {{ set = {{ x-gateway = "ringgate" }} }}
        response = {{ set = {{ x-served = "by ringgate" }}, remove = ["server"] }}
        [auth.users.jwt]
        key_file = "{key}"
        audience = "api"
        [auth.partners.api_key]
        keys = [{{ user = "acme", digest = "{digest}", roles = ["partner"] }}]
        [rate_limits.default]
        quota = "100/1m"
        [policies.customers]
        auth = ["users", "partners"]
        rate_limits = ["default"]
        [cors]
        origins = ["https://app.example.com"]
        credentials = true
        [[routes]]
        prefix = "/orders"
        servers = {servers}
        roles = ["customer"]
        [[routes]]
        prefix = "/open"
        policy = "none"
        servers = {servers}
        [[routes]]
        path = "/users/{{id}}"
        servers = {servers}
        rewrite = "/v2/{{path.id}}"
        rewrite_query = "by={{user}}"
        request = {{ set = {{ x-tenant = "{{claim.tenant|none}}", x-real-user = "{{user}}" }}, remove = ["x-old"] }}
        [[routes]]
        prefix = "/"
        servers = {servers}
        "#
    )
}

struct Stage {
    gateway: TestGateway,
    server: Mock,
}

impl Stage {
    fn new(driver: Rung) -> Stage {
        let server = anything("one");
        Stage { gateway: gateway(driver, &configuration(&server)), server }
    }

    fn ask(&self, method: &str, target: &str, fields: &str) -> Answer {
        let mut client = self.gateway.connect();
        client.say(format!("{method} {target} HTTP/1.1\r\nHost: api.example.com\r\n{fields}\r\n"));
        client.hear_for(method)
    }

    fn get(&self, target: &str, fields: &str) -> Answer {
        self.ask("GET", target, fields)
    }

    /// What the server was told last.
    fn told(&self, field: &str) -> Option<String> {
        self.server.received().last().unwrap().header(field).map(ToOwned::to_owned)
    }
}

fn code(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"));
    assert_eq!(body["status"], answer.status, "{body}");
    assert_eq!(body["request_id"].as_str(), answer.field("x-request-id"), "{body}");
    body["code"].as_str().unwrap().to_owned()
}

on_every_driver! {
    fn a_hundred_a_minute_for_each_user(driver: Rung) {
        let stage = Stage::new(driver);
        let ada = bearer(&token("ada", json!({})));
        let mut client = stage.gateway.connect();
        let begun = Instant::now();
        for call in 1..=100 {
            client.say(format!("GET /a HTTP/1.1\r\nHost: h\r\n{ada}\r\n"));
            let answer = client.hear();
            assert_eq!(answer.status, 200);
            assert_eq!(answer.field("x-ratelimit-limit"), Some("100"));
            assert_eq!(answer.field("x-ratelimit-remaining"), Some(&*(100 - call).to_string()));
            assert_eq!(answer.field("ratelimit-policy"), Some("\"default\";q=100;w=60"));
            if call == 46 {
                assert!(answer.field("ratelimit").unwrap().starts_with("\"default\";r=54;t="), "{answer:?}");
            }
        }
        client.say(format!("GET /a HTTP/1.1\r\nHost: h\r\n{ada}\r\n"));
        let answer = client.hear();
        assert_eq!((answer.status, &*code(&answer)), (429, "rate_limited"));
        let wait: u64 = answer.field("retry-after").unwrap().parse().unwrap();
        let passed = begun.elapsed().as_secs();
        assert!((60 - passed - 1..=60).contains(&wait), "{wait} s after {passed} s");
        assert_eq!(answer.field("x-ratelimit-remaining"), Some("0"));
        let bob = stage.get("/a", &bearer(&token("bob", json!({}))));
        assert_eq!((bob.status, bob.field("x-ratelimit-remaining")), (200, Some("99")));
        let other_token = stage.get("/b", &bearer(&token("ada", json!({ "jti": "another" }))));
        assert_eq!(other_token.status, 429, "a quota is a user's, not a token's");
        assert_eq!(stage.server.received().len(), 101);
    }

    fn services_are_told_who_asks_and_not_how_that_was_proved(driver: Rung) {
        let stage = Stage::new(driver);
        let claims = json!({ "roles": ["customer", "vip"], "scope": "read write", "tenant": "a\r\nX-Evil: 1" });
        let spoofed = "X-User-Id: 1\r\nx_user_id: 2\r\nX.User.Roles: admin\r\nX-Auth-User: root\r\nX-Real-User: root\r\nX_Tenant: t\r\nX-Old: 1\r\n\
                       X-Api-Key: k\r\nx-gateway: forged\r\nX-Request-Id: asked-42\r\n";
        let answer = stage.get("/users/7?x=1", &format!("{}{spoofed}", bearer(&token("12345", claims))));
        assert_eq!(answer.status, 200, "{answer:?}");
        let received = stage.server.received();
        let received = received.last().unwrap();
        assert_eq!(received.target, "/v2/7?by=12345");
        for (field, value) in [
            ("x-user-id", Some("12345")),
            ("x-user-roles", Some("customer,vip")),
            ("x-user-scopes", Some("read write")),
            ("x-tenant", Some("aX-Evil: 1")),
            ("x-real-user", Some("12345")),
            ("x-gateway", Some("ringgate")),
            ("x-request-id", Some("asked-42")),
            ("host", Some(&*stage.server.address().to_string())),
            ("x-evil", None),
            ("authorization", None),
            ("x-api-key", None),
            ("x_user_id", None),
            ("x.user.roles", None),
            ("x-auth-user", None),
            ("x_tenant", None),
            ("x-old", None),
        ] {
            assert_eq!(received.header(field), value, "{field}");
        }
        assert_eq!(answer.field("x-request-id"), Some("asked-42"));
        assert_eq!(answer.field("x-served"), Some("by ringgate"));
        let line: Value = serde_json::from_str(&stage.gateway.log.line_with("asked-42")).unwrap();
        assert_eq!((line["user"].as_str(), line["route"].as_str()), (Some("12345"), Some("/users/{id}")));
        stage.get("/open/x", "X-User-Id: 1\r\nAuthorization: Basic b\r\n");
        assert_eq!(stage.told("x-user-id"), None, "nobody has proved anything");
        assert_eq!(stage.told("authorization").as_deref(), Some("Basic b"), "it is the service's");
    }

    fn who_has_no_good_credential_is_told_so_and_reaches_nobody(driver: Rung) {
        let stage = Stage::new(driver);
        let answer = stage.get("/a", "");
        assert_eq!((answer.status, &*code(&answer)), (401, "missing_credentials"));
        assert_eq!(answer.field("www-authenticate"), Some("Bearer realm=\"ringgate\""), "nothing was wrong");
        let answer = stage.get("/a", &bearer(&token("ada", json!({ "exp": now() - 61 }))));
        assert_eq!((answer.status, &*code(&answer)), (401, "invalid_token"));
        assert_eq!(
            answer.field("www-authenticate"),
            Some("Bearer realm=\"ringgate\", error=\"invalid_token\", error_description=\"The token has expired.\"")
        );
        assert_eq!(answer.field("x-ratelimit-limit"), None, "it cost no quota");
        let answer = stage.get("/nowhere/else", "");
        assert_eq!(answer.status, 401, "looking for routes is not free");
        let answer = stage.ask("BREW", "/users/7", "");
        assert_eq!(answer.status, 401);
        let twice = format!("{}{}", bearer(&token("ada", json!({}))), bearer(&token("ada", json!({}))));
        assert_eq!(code(&stage.get("/a", &twice)), "malformed_request");
        assert_eq!(stage.server.received().len(), 0);
        assert_eq!(stage.get("/open/x", "").status, 200);
    }

    fn a_caller_needs_the_role_that_a_route_asks_for(driver: Rung) {
        let stage = Stage::new(driver);
        for (roles, status) in [(json!(["customer"]), 200), (json!("x customer"), 200), (json!(["customers"]), 403), (json!(7), 403)] {
            let answer = stage.get("/orders/1", &bearer(&token("ada", json!({ "roles": roles }))));
            assert_eq!(answer.status, status, "{roles}");
            if status == 403 {
                assert_eq!(code(&answer), "forbidden");
                assert!(answer.field("www-authenticate").unwrap().contains("error=\"insufficient_scope\""));
                assert_eq!(answer.field("x-ratelimit-limit"), None, "it cost no quota");
            }
        }
        assert_eq!(stage.get("/orders/1", "X-Api-Key: the key of acme\r\n").status, 403, "a partner is no customer");
        assert_eq!(stage.server.received().len(), 2);
    }

    fn a_trailer_says_nothing_that_a_field_may_not(driver: Rung) {
        let server = anything("one");
        let gateway = gateway(driver, &format!("identity = {{ x-account = \"user\" }}\n{}", configuration(&server)));
        let mut client = gateway.connect();
        client.say(format!(
            "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nX-Account: root\r\n{}\r\n1\r\nx\r\n0\r\nX-Account: root\r\nX-Other: 1\r\n\r\n",
            bearer(&token("ada", json!({})))
        ));
        assert_eq!(client.hear().status, 200);
        let received = server.received();
        assert_eq!(received[0].header("x-account"), Some("ada"));
        assert!(received[0].trailers.is_empty(), "{:?}", received[0].trailers);
    }

    fn a_key_proves_its_owner(driver: Rung) {
        let stage = Stage::new(driver);
        assert_eq!(stage.get("/a", "X-Api-Key: the key of acme\r\n").status, 200);
        assert_eq!((stage.told("x-user-id").as_deref(), stage.told("x-api-key")), (Some("acme"), None));
        assert_eq!(stage.told("x-user-roles").as_deref(), Some("partner"));
        for wrong in ["the key of acm", "The key of acme", "", "sha256:00"] {
            let answer = stage.get("/a", &format!("X-Api-Key: {wrong}\r\n"));
            assert_eq!((answer.status, &*code(&answer)), (401, "invalid_credentials"), "{wrong}");
        }
        // The first kind of credential that the policy names counts, and the other one goes nowhere.
        let both = format!("{}X-Api-Key: the key of acme\r\n", bearer(&token("ada", json!({}))));
        assert_eq!(stage.get("/a", &both).status, 200);
        assert_eq!((stage.told("x-user-id").as_deref(), stage.told("x-api-key")), (Some("ada"), None));
        let bad = format!("{}X-Api-Key: the key of acme\r\n", bearer("none"));
        assert_eq!(stage.get("/a", &bad).status, 401, "a good key does not make up for a bad token");
    }

    fn pages_of_other_origins_hear_what_they_may_do_errors_included(driver: Rung) {
        let stage = Stage::new(driver);
        let origin = "Origin: https://app.example.com\r\n";
        let ask = format!("{origin}Access-Control-Request-Method: DELETE\r\nAccess-Control-Request-Headers: authorization\r\n");
        let preflight = stage.ask("OPTIONS", "/orders/1", &ask);
        assert_eq!(preflight.status, 204, "without a credential");
        assert_eq!(preflight.field("access-control-allow-origin"), Some("https://app.example.com"));
        assert_eq!(preflight.field("access-control-allow-headers"), Some("authorization"));
        assert!(preflight.field("access-control-allow-methods").unwrap().contains("DELETE"));
        for (target, fields, status) in [("/a", String::new(), 401), ("/a", bearer(&token("ada", json!({}))), 200)] {
            let answer = stage.get(target, &format!("{origin}{fields}"));
            assert_eq!(answer.status, status);
            assert_eq!(answer.field("access-control-allow-origin"), Some("https://app.example.com"), "{answer:?}");
            assert_eq!(answer.field("access-control-allow-credentials"), Some("true"));
            assert_eq!(answer.field("vary"), Some("Origin"));
        }
        assert_eq!(stage.server.received().len(), 1);
    }

    fn addresses_that_send_wrong_credentials_are_not_listened_to(driver: Rung) {
        let server = anything("one");
        let gateway = gateway(driver, &format!("auth_failures = \"5/1m\"\n{}", configuration(&server)));
        let stage = Stage { gateway, server };
        let ada = bearer(&token("ada", json!({})));
        assert_eq!(stage.get("/a", &ada).status, 200);
        let answers: Vec<Answer> = (0..8).map(|number| stage.get("/a", &bearer(&format!("a.b.{number}")))).collect();
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
        assert_eq!(code(&answers[7]), "too_many_failures");
        assert!((1..=12).contains(&answers[7].field("retry-after").unwrap().parse::<u64>().unwrap()));
        assert_eq!(stage.get("/a", "").status, 401, "who sends none has not failed");
        let late = Stage::new(driver);
        for _ in 0..70 {
            assert_eq!(late.get("/a", &bearer(&token("ada", json!({ "exp": now() - 100 })))).status, 401, "who is late has not failed");
        }
        // Each worker knows the tokens that it has verified; connections may land on the other one.
        let known = (0..20).filter(|_| stage.get("/a", &ada).status == 200).count();
        assert!(known > 0, "a good one that was seen passes");
    }

    fn refusals_are_said_as_text_to_who_asks_for_text(driver: Rung) {
        let stage = Stage::new(driver);
        let answer = stage.get("/a", "Accept: text/plain\r\n");
        assert_eq!((answer.status, answer.field("content-type")), (401, Some("text/plain; charset=utf-8")));
        assert!(answer.text().starts_with("A credential is needed here.\ncode: missing_credentials\nrequest id: "));
        let answer = stage.get("/a", "Accept: text/plain, application/json\r\n");
        assert_eq!(answer.field("content-type"), Some("application/problem+json"));
    }

    fn no_inner_name_gets_out(driver: Rung) {
        let inner = says("");
        for (location, expected) in [
            (format!("http://{inner}/orders/7?a=1"), "/orders/7?a=1"),
            (format!("//{inner}/x"), "/x"),
            (format!("http://{inner}"), "/"),
            (format!("http://{inner}//evil.example/x"), "/"),
            ("https://login.example.com/".into(), "https://login.example.com/"),
            ("/relative".into(), "/relative"),
        ] {
            let server = says(&format!("Location: {location}\r\nContent-Location: {location}\r\n"));
            let expected = if location.contains(&inner.to_string()) { expected.to_owned() } else { location.clone() };
            let location = location.replace(&inner.to_string(), &server.to_string());
            let answer = plain(driver, server, "").get("/x");
            assert_eq!(answer.field("location"), Some(&*expected), "{location}: {answer:?}");
            assert_eq!(answer.field("content-location"), Some(&*expected), "{location}: {answer:?}");
        }
        let gone = support::nobody();
        let answer = plain(driver, gone, "").get("/x");
        assert_eq!(answer.status, 503);
        assert!(!format!("{}{}", answer.head, answer.text()).contains(&gone.to_string()));
    }

    fn what_the_gateway_says_a_service_does_not(driver: Rung) {
        let head = "Access-Control-Allow-Origin: *\r\nX-RateLimit-Limit: 7\r\nRateLimit: \"x\";r=7\r\nX-Powered-By: x\r\nSet-Cookie: a=1\r\n";
        let server = says(head);
        let passes = plain(driver, server, "").get("/x");
        assert_eq!((passes.field("access-control-allow-origin"), passes.field("x-ratelimit-limit")), (Some("*"), Some("7")));
        let rules = "policy = 'p'\nresponse = { set = { x-note = 'for {client}' }, remove = ['x-powered-by'] }\n\
                     [cors]\norigins = ['https://a.example']\n[rate_limits.all]\nrate = '9/1m'\nby = []\n[policies.p]\nrate_limits = ['all']\n";
        let answer = plain(driver, server, rules).get("/x");
        assert_eq!(answer.field("access-control-allow-origin"), None);
        assert_eq!((answer.field("x-ratelimit-limit"), answer.field("ratelimit")), (Some("9"), Some("\"all\";r=8;t=7")));
        assert_eq!((answer.field("x-powered-by"), answer.field("x-note")), (None, Some("for 127.0.0.1")));
        assert_eq!(answer.field("set-cookie"), Some("a=1"));
    }
}

/// Every token of RFC 8725 and of the field's history that is none: refused, and nobody's service hears of it.
#[test]
fn tokens_that_are_none_are_refused_and_reach_nobody() {
    let server = anything("one");
    let text = format!("auth_failures = \"none\"\n{}", configuration(&server));
    let stage = Stage { gateway: gateway(support::drivers()[0], &text), server };
    let claims = json!({ "sub": "ada", "aud": "api", "exp": now() + 600 });
    let header = |more: Value| {
        let mut header = json!({ "alg": "ES256" });
        more.as_object().unwrap().iter().for_each(|(name, value)| header[name] = value.clone());
        header
    };
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        signed(&header(json!({})), &claims)
    };
    let plain = |header: &str, signature: &str| {
        format!("{}.{}.{}", encoded(header), encoded(&claims.to_string()), encoded(signature))
    };
    let public = std::fs::read(public_key()).unwrap();
    let confused = sign(
        "{\"alg\":\"HS256\"}",
        &claims.to_string(),
        Algorithm::HS256,
        &EncodingKey::from_secret(&public),
    );
    let other = EncodingKey::from_ec_pem(&std::fs::read(keys().join("other256.pem")).unwrap()).unwrap();
    let foreign = sign("{\"alg\":\"ES256\"}", &claims.to_string(), Algorithm::ES256, &other);
    let good = signed(&header(json!({})), &claims);
    let table = [
        ("alg none", plain("{\"alg\":\"none\"}", "")),
        ("alg None with a signature", plain("{\"alg\":\"None\"}", "x")),
        ("no signature", format!("{}.", good.rsplit_once('.').unwrap().0)),
        ("confusion of families", confused),
        ("somebody else's key", foreign),
        ("r = s = 0", plain("{\"alg\":\"ES256\"}", &"\0".repeat(64))),
        ("an embedded key", signed(&header(json!({ "jwk": { "kty": "EC" } })), &claims)),
        ("a remote key", signed(&header(json!({ "jku": "http://127.0.0.1:1/" })), &claims)),
        ("an embedded certificate", signed(&header(json!({ "x5c": ["x"] })), &claims)),
        ("a critical extension", signed(&header(json!({ "crit": ["x"], "x": 1 })), &claims)),
        ("a token in a token", signed(&header(json!({ "cty": "JWT" })), &claims)),
        ("another type", signed(&header(json!({ "typ": "dpop+jwt" })), &claims)),
        ("exp as text", with("exp", json!((now() + 600).to_string()))),
        (
            "exp without end",
            sign(
                "{\"alg\":\"ES256\"}",
                "{\"sub\":\"a\",\"aud\":\"api\",\"exp\":1e400}",
                Algorithm::ES256,
                &usual(),
            ),
        ),
        ("no exp", with("exp", Value::Null)),
        ("expired", with("exp", json!(now() - 61))),
        ("not yet", with("nbf", json!(now() + 120))),
        ("issued tomorrow", with("iat", json!(now() + 86_400))),
        ("another audience", with("aud", json!("other"))),
        ("no subject", with("sub", json!(""))),
        ("a subject that is no text", with("sub", json!(["ada"]))),
        (
            "a member twice",
            sign("{\"alg\":\"ES256\",\"alg\":\"ES256\"}", &claims.to_string(), Algorithm::ES256, &usual()),
        ),
        ("five parts", format!("{good}.x.y")),
        ("padding", format!("{good}=")),
        ("too large", format!("{good}{}", "A".repeat(9000))),
        ("nothing", String::new()),
        ("dots", "..".into()),
        ("no base64", "a!.b!.c!".into()),
    ];
    for (what, token) in table {
        let answer = stage.get("/a", &bearer(&token));
        assert_eq!((answer.status, &*code(&answer)), (401, "invalid_token"), "{what}");
        assert!(
            !format!("{}{}", answer.head, answer.text()).contains(token.get(..20).unwrap_or("no such text"))
        );
    }
    assert_eq!(stage.server.received().len(), 0);
    assert_eq!(stage.get("/a", &bearer(&good)).status, 200);
    assert!(!stage.gateway.log.text().contains(&good[..40]), "nothing of it is logged");
}

/// A service whose answers have these fields.
fn says(fields: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, fields) = (listener.local_addr().unwrap(), fields.to_owned());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, mut head) = (stream.unwrap(), String::new());
            let mut reader = BufReader::new(&stream);
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap_or(0) > 0 {}
            let _ =
                write!(&stream, "HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    address
}

/// A gateway in front of it, with these rules.
fn plain(driver: Rung, server: SocketAddr, rules: &str) -> TestGateway {
    gateway(driver, &format!("{rules}[[routes]]\nprefix = '/'\nservers = ['{server}']\n"))
}

fn usual() -> EncodingKey {
    EncodingKey::from_ec_pem(&std::fs::read(keys().join("ec256.pem")).unwrap()).unwrap()
}
