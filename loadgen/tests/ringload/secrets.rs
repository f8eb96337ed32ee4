//! Secrets are given to the binary in every way there is, a server repeats them, and nothing that is written has them.

use std::fs;
use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::server::Server;

/// One for each way in, so that a failure tells which; each with characters that forms escape.
const BASIC: &str = "basic+open/sesame=1";
const QUERY: &str = "query+open/sesame=2";
const COOKIE: &str = "cookie+open/sesame=3";
const SESSION: &str = "session+open/sesame=4";
const BODY: &str = "body+open/sesame=5";
const ALL: [&str; 5] = [BASIC, QUERY, COOKIE, SESSION, BODY];
/// So much of a secret tells which one it is, and nothing of the rest.
const TOLD: usize = 10;

fn percent(text: &str) -> String {
    text.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D")
}

/// A secret in each form a server may repeat it in.
fn forms(secret: &str) -> [String; 5] {
    let encoded = [secret.to_owned(), format!("someone:{secret}")].map(|text| STANDARD.encode(text));
    let [alone, with_user] = encoded;
    [secret.to_owned(), percent(secret), secret.replace('/', "\\/"), alone, with_user]
}

/// `500`, with every secret in every form; the excerpt of the body ends in the middle of the last one.
fn reply(cut: usize) -> String {
    let forms: Vec<String> = ALL.into_iter().flat_map(forms).collect();
    let mut body = format!("what came was {}", forms.join(" or "));
    let last = &forms[cut % forms.len()];
    body += &" ".repeat(1024 - body.len() % 1024 - last.len() / 2);
    body += last;
    format!(
        "HTTP/1.1 500 Oops\r\nX-Echo: {}\r\nContent-Length: {}\r\n\r\n{body}",
        forms.join(", "),
        body.len()
    )
}

fn ringload(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringload")).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn assert_hidden(text: &str, whose: &str) {
    for secret in ALL {
        for form in forms(secret) {
            let told = &form[..TOLD.max(form.len() / 2)];
            assert!(!text.contains(told), "{whose} tell `{told}` of {secret}: {text}");
        }
    }
}

#[test]
fn secrets_reach_neither_files_nor_pages_nor_terminals() {
    let folder = std::env::temp_dir().join(format!("ringload-secrets-{}", std::process::id()));
    let file = |name: &str| folder.join(name).display().to_string();
    for cut in 0..5 {
        let server = Server::always(&reply(cut));
        let basic = format!("Authorization: Basic {}", STANDARD.encode(format!("someone:{BASIC}")));
        let cookie = format!("Cookie: theme=dark; id={COOKIE}");
        let session = format!("X-Session: {SESSION}");
        let body = format!(r#"{{"user":"someone","password":"{BODY}"}}"#);
        let url = server.url(&format!("/?page=3&token={}", percent(QUERY)));
        let saved = file(&cut.to_string());
        let run = |more: &[&str]| {
            let given = [
                "run", "-n", "20", "-c", "2", "-H", &basic, "-H", &cookie, "-H", &session, "--body", &body,
                &url,
            ];
            said(&ringload(&[&given[..], more].concat()))
        };
        assert_hidden(&run(&["--save", &saved, "--json"]), "JSON and progress");
        assert_hidden(&run(&[]), "table and progress");
        let json = fs::read_to_string(folder.join(cut.to_string()).join("run.json")).unwrap();
        assert_hidden(&json, "files");
        assert!(json.contains("page=3") && !json.contains("theme"), "{json}");
        ringload(&["report", &saved_run(&saved), "-o", &file("page.html")]);
        assert_hidden(&fs::read_to_string(file("page.html")).unwrap(), "pages");
    }
    fs::remove_dir_all(folder).unwrap();
}

fn saved_run(folder: &str) -> String {
    format!("{folder}/run.json")
}

#[test]
fn errors_say_what_is_wrong_without_the_value() {
    for arguments in [
        &["0@http://h/?token=query+open/sesame=2"][..],
        &["http://someone:query+open/sesame=2@h/"],
        &["ftp://h/?token=query+open/sesame=2"],
        &["http://h:query+open/sesame=2/"],
        &["http://h/{query+open/sesame=2}"],
        &["query+open/sesame=2"],
        &["http://h/ query+open/sesame=2"],
        &["-H", "query+open/sesame=2", "http://h/"],
        &["-H", "X query+open/sesame=2: y", "http://h/"],
        &["-H", "X-Session: query+open/sesame=2\u{1}", "http://h/"],
        &["-m", "query+open/sesame=2", "http://h/"],
        &["--server", "someone:query+open/sesame=2@h", "http://h/"],
    ] {
        let output = ringload(&[&["run"], arguments].concat());
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(!said.contains("sesame"), "{said}");
    }
}

#[test]
fn a_broken_scenario_is_shown_without_what_stands_beside_the_mistake() {
    let path = std::env::temp_dir().join(format!("ringload-secrets-{}.toml", std::process::id()));
    for text in [
        "[[requests]]\nurl = \"0@http://h/?token=query+open/sesame=2\"\n",
        "[[requests]]\nurl = \"http://h/\"\nheaders = { X-Session = \"query+open/sesame=2\\u0001\" }\n",
        "[[requests]]\nurl = \"http://h/\"\nheaders = { authorization = \"Bearer query+open/sesame=2\", x = 1 }\n",
        "[[requests]]\nurl = \"http://h/\"\nbody = \"query+open/sesame=2\", x\n",
    ] {
        fs::write(&path, text).unwrap();
        let output = ringload(&["run", "--scenario", path.to_str().unwrap()]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(!said.contains("sesame") && said.contains("toml:"), "{said}");
    }
    fs::remove_file(path).unwrap();
}
