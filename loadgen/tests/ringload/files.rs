//! Saved runs by way of the binary: added up, shown, and refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ringload::interchange::{hlog, run::parse};

use crate::server::Server;

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("ringload-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // at worst the system's cleaner finds it
    }
}

fn ringload(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringload")).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Saves a run of `requests` against `url` under `name`.
fn measure(folder: &Folder, name: &str, url: &str, requests: &str) -> String {
    let output = ringload(&["run", "--json", "-c", "4", "-n", requests, url]);
    fs::write(folder.0.join(name), output.stdout).unwrap();
    folder.file(name)
}

#[test]
fn two_runs_add_up_to_a_folder_that_others_can_read() {
    let (folder, server) = (Folder::new("merge"), Server::always(HELLO));
    let one = measure(&folder, "one.json", &server.url("/"), "1500");
    let two = measure(&folder, "two.json", &server.url("/"), "700");
    let output = ringload(&["merge", "--json", &one, &two, "--save", &folder.file("both")]);
    let sum = parse(&String::from_utf8(output.stdout).unwrap()).unwrap();
    assert_eq!((sum.requests.planned, sum.requests.ok, sum.census_holds), (2200, 2200, true));
    let saved = Path::new(&folder.file("both")).to_owned();
    let log = hlog::read(&fs::read_to_string(saved.join("run.hlog")).unwrap()).unwrap();
    assert_eq!(log.total("response").unwrap(), sum.histograms.response.0);
    assert!(fs::read_to_string(saved.join("run.hgrm")).unwrap().contains("Total count    =         2200]"));
    assert!(parse(&fs::read_to_string(saved.join("run.json")).unwrap()).is_ok());
}

#[test]
fn runs_become_a_page_beside_the_summary_of_another_program() {
    let (folder, server) = (Folder::new("report"), Server::always(HELLO));
    let run = measure(&folder, "ours.json", &server.url("/?a=%3Cb%3E&c=d"), "1500");
    let theirs = folder.file("theirs.json");
    fs::write(&theirs, r#"{"metrics": {"http_req_duration": {"med": 3.5}, "http_reqs": {"count": 7}}}"#)
        .unwrap();
    let page = folder.file("page.html");
    let output = ringload(&["report", &run, &theirs, "-o", &page, "--title", "Both & more"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let html = fs::read_to_string(page).unwrap();
    for part in ["<title>Both &amp; more</title>", "ours", "from k6", "3.50 ms", "%3Cb%3E&amp;c=d"] {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn files_that_cannot_be_used_have_a_code_and_are_named() {
    let (folder, server) = (Folder::new("refused"), Server::always(HELLO));
    let one = measure(&folder, "one.json", &server.url("/"), "10");
    let other = measure(&folder, "other.json", &server.url("/other"), "10");
    let text = folder.file("text");
    fs::write(&text, "hello").unwrap();
    let changed = folder.file("changed.json");
    let whole = fs::read_to_string(&one).unwrap();
    fs::write(&changed, whole.replacen("\"planned\":10,", "\"planned\":11,", 1)).unwrap();
    for (arguments, reason) in [
        (vec!["merge", &one, &other], "other.json: differs from "),
        (vec!["merge", &one, &one], "one.json: the same run as "),
        (
            vec!["merge", &changed],
            "changed.json: a run that does not agree with itself (the run's requests planned",
        ),
        (vec!["report", &changed, "-o", "unused.html"], "changed.json: a run that does not agree"),
        (vec!["merge", &one, &text], "text: not a run"),
        (vec!["merge", &one, "missing.json"], "missing.json: cannot be read"),
        (vec!["report", &text, "-o", "unused.html"], "text: not a summary"),
    ] {
        let output = ringload(&arguments);
        assert_eq!(output.status.code(), Some(60), "{arguments:?}");
        assert!(said(&output).contains(reason), "{}", said(&output));
    }
}

#[test]
fn a_run_that_cannot_begin_leaves_nothing_behind_and_one_that_did_is_not_written_over() {
    let (folder, server) = (Folder::new("save"), Server::always(HELLO));
    let (saved, nobody) = (folder.file("saved"), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let nowhere = format!("http://{}/", nobody.local_addr().unwrap());
    drop(nobody);
    let save = |url: &str| ringload(&["run", "-c", "2", "-n", "2000", "--save", &saved, url]);
    assert_eq!(save(&nowhere).status.code(), Some(4));
    assert!(!Path::new(&saved).exists());
    save(&server.url("/")); // whatever its verdict
    let log = Path::new(&saved).join("run.hlog");
    let before = fs::read(&log).unwrap();
    for left in ["run.json", "run.hgrm", "run.hlog"] {
        let output = save(&server.url("/"));
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("save into another folder"), "{}", said(&output));
        assert_eq!(fs::read(&log).unwrap(), before);
        fs::remove_file(Path::new(&saved).join(left)).unwrap(); // as if the run had been killed before it wrote that
    }
    save(&server.url("/"));
    assert!(Path::new(&saved).join("run.json").exists());
}
