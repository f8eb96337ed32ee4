//! Which server answers what, and how it says who it is.

mod common;

use common::{Client, get, mock, posts, users};
use ringmock::{Kind, Mock, Options};

#[test]
fn each_server_answers_its_own_paths_with_200_and_its_name() {
    let (posts, users) = (posts(), users());
    for (server, name, target) in [
        (&posts, "post-1", "/api/v1/posts"),
        (&posts, "post-1", "/api/v1/posts/list"),
        (&users, "user-1", "/api/v1/users/profile"),
        (&users, "user-1", "/api/v1/users/me?x=y"),
    ] {
        let answer = get(server, target);
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.header("x-served-by"), Some(name));
    }
}

#[test]
fn anything_else_is_answered_with_405_and_the_name_of_the_server_that_says_so() {
    let (posts, users) = (posts(), users());
    for (server, name, target) in [
        (&posts, "post-1", "/api/v1/users/profile"),
        (&posts, "post-1", "/api/v1/postscript"),
        (&posts, "post-1", "/"),
        (&users, "user-1", "/api/v1/posts/list"),
        (&users, "user-1", "/api/v1/posts/list?status=200"),
    ] {
        let answer = get(server, target);
        assert_eq!(answer.status, 405, "{target}");
        assert_eq!(answer.header("x-served-by"), Some(name));
        assert_eq!(answer.header("allow"), Some(""));
        assert!(answer.text().contains(&format!("\"server\":\"{name}\"")), "{}", answer.text());
        assert!(answer.text().contains("this server serves only /api/v1/"), "{}", answer.text());
    }
}

#[test]
fn a_connection_survives_a_405() {
    let posts = posts();
    let mut client = Client::connect(posts.address());
    assert_eq!(client.get("/nowhere").status, 405);
    assert_eq!(client.get("/api/v1/posts/list").status, 200);
    assert_eq!(posts.connections(), 1);
}

#[test]
fn a_server_of_any_kind_answers_every_path() {
    let server = mock(Kind::Any, "any-7");
    for target in ["/", "/api/v1/users/me", "/x/y/z", "http://elsewhere/x"] {
        assert_eq!(get(&server, target).status, 200, "{target}");
    }
    let mut client = Client::connect(server.address());
    client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 200);
}

#[test]
fn the_body_names_server_kind_method_and_path() {
    let posts = posts();
    let mut client = Client::connect(posts.address());
    client.send("DELETE /api/v1/posts/7?because=of HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let expect = r#"{"server":"post-1","kind":"post","method":"DELETE","path":"/api/v1/posts/7"}"#;
    assert_eq!(answer.text(), format!("{expect}\n"));
}

#[test]
fn a_path_cannot_break_out_of_the_body() {
    let server = mock(Kind::Any, "any-1");
    let body = get(&server, r#"/a"b\c"#).body;
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["path"], r#"/a"b\c"#);
}

#[test]
fn a_name_that_cannot_be_in_a_header_is_refused() {
    for name in ["", "a b", "a\r\nb", "ä", &"a".repeat(65)] {
        let refused = Mock::start(Options { name: name.into(), ..Options::default() }).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput, "{name:?}");
    }
}
