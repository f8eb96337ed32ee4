//! What is to be compared: files of the gateway, command lines, or saved runs.

use std::fs;
use std::path::{Path, PathBuf};

use ringload::compare::{Launch, SavedComparison};
use ringload::{Error, Target};

use super::CompareOptions;
use crate::cli::merge::parsed;

/// Where the gateway listens if its file does not say.
const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

/// What is compared.
pub(super) enum Subject {
    /// Two saved runs.
    Saved([PathBuf; 2]),
    /// Two systems to start, and what to request of each.
    Systems([Launch; 2], [Vec<String>; 2]),
}

impl CompareOptions {
    pub(super) fn subject(&self) -> Result<Subject, Error> {
        if let Some((a, b)) = self.a.as_deref().zip(self.b.as_deref()) {
            if self.url.is_empty() && self.scenario.is_none() {
                return Err(Error::Plan("say where A and B listen: give --url, or --scenario".to_owned()));
            }
            return Ok(Subject::Systems([a, b].map(launch), self.urls()));
        }
        let [a, b] = self.files.as_slice() else { return Err(refuse_subject()) };
        if [a, b].into_iter().all(|file| is_saved(file)) {
            return Ok(Subject::Saved([run_file(a), run_file(b)]));
        }
        self.configurations([a, b])
    }

    fn configurations(&self, files: [&PathBuf; 2]) -> Result<Subject, Error> {
        let gateway = self.gateway.clone().unwrap_or_else(own_gateway);
        let launch =
            |file: &PathBuf| Launch::of_program(&gateway, &["run", "-c", &file.display().to_string()]);
        let urls = match self.url.is_empty() {
            false => self.urls(),
            true => [vec![listening_url(files[0])?], vec![listening_url(files[1])?]],
        };
        Ok(Subject::Systems(files.map(launch), urls))
    }

    fn urls(&self) -> [Vec<String>; 2] {
        let b = if self.url_b.is_empty() { &self.url } else { &self.url_b };
        [self.url.clone(), b.clone()]
    }
}

fn launch(line: &str) -> Launch {
    if line == Launch::DIRECT { Launch::direct() } else { Launch::of_line(line) }
}

/// Host and port of a URL.
pub(super) fn server(url: &str) -> Result<&str, Error> {
    Target::get(url)?; // which says what is wrong with it
    let behind_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    Ok(behind_scheme.split(['/', '?']).next().unwrap_or_default())
}

fn refuse_subject() -> Error {
    let ways = "two configuration files, two saved runs, or --a, --b and --url";
    Error::Plan(format!("say what to compare: {ways}; `ringload compare --help` has examples"))
}

fn is_saved(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "json") || file.join(RUN_FILE).is_file()
}

const RUN_FILE: &str = "run.json";

fn run_file(file: &Path) -> PathBuf {
    if file.is_dir() { file.join(RUN_FILE) } else { file.to_owned() }
}

/// The gateway beside this program, as a build makes them; else whatever PATH finds.
fn own_gateway() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name("ringgate"));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from("ringgate"))
}

/// `/` at the address that a configuration names; one that names all addresses is asked on loopback.
fn listening_url(file: &Path) -> Result<String, Error> {
    let text = fs::read_to_string(file).map_err(|cause| unreadable(file, &cause))?;
    let table: toml::Table = text.parse().map_err(|cause| unreadable(file, &cause))?;
    let listen = table.get("listen").map_or(Some(DEFAULT_LISTEN), toml::Value::as_str);
    let listen = listen.ok_or_else(|| unreadable(file, &"its `listen` is not one address; give --url"))?;
    Ok(format!("http://{}/", listen.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")))
}

fn unreadable(file: &Path, cause: &dyn std::fmt::Display) -> Error {
    Error::Plan(format!("{} cannot be used: {cause}", file.display()))
}

/// The two saved runs side by side.
pub(super) fn saved(files: &[PathBuf; 2]) -> Result<SavedComparison, Error> {
    let reports = [parsed(&files[0])?, parsed(&files[1])?];
    let names = files.each_ref().map(|file| file.display().to_string());
    Ok(SavedComparison::new(names, reports.each_ref()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::compare::CompareOptions;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: CompareOptions,
    }

    fn options(arguments: &[&str]) -> Result<CompareOptions, String> {
        let line = Line::try_parse_from(["compare"].iter().chain(arguments));
        line.map(|line| line.options).map_err(|error| error.to_string())
    }

    fn systems(arguments: &[&str]) -> ([String; 2], [Vec<String>; 2]) {
        match options(arguments).unwrap().subject().unwrap() {
            Subject::Systems(launches, urls) => (launches.map(|launch| launch.to_string()), urls),
            Subject::Saved(files) => panic!("{files:?}"),
        }
    }

    fn file(name: &str, text: &str) -> String {
        let path = std::env::temp_dir().join(format!("ringload-{}-{name}.toml", std::process::id()));
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    #[test]
    fn command_lines_are_requested_where_the_url_says() {
        let (launches, urls) = systems(&["--a", "old -p 1", "--b", "new", "--url", "http://h/"]);
        assert_eq!(launches, ["old -p 1", "new"]);
        assert_eq!(urls, [["http://h/"], ["http://h/"]]);
        let (_, urls) = systems(&["--a", "x", "--b", "y", "-u", "http://h/", "--url-b", "http://g/"]);
        assert_eq!(urls, [["http://h/"], ["http://g/"]]);
    }

    #[test]
    fn configurations_are_requested_where_they_listen() {
        let (a, b) = (file("a", "listen = \"0.0.0.0:81\"\n"), file("b", "workers = 1\n"));
        let (launches, urls) = systems(&[&a, &b, "--gateway", "/opt/gateway"]);
        assert_eq!(launches, [format!("/opt/gateway run -c {a}"), format!("/opt/gateway run -c {b}")]);
        assert_eq!(urls, [["http://127.0.0.1:81/"], ["http://127.0.0.1:8080/"]]);
        [a, b].iter().for_each(|path| fs::remove_file(path).unwrap());
    }

    #[test]
    fn a_scenario_is_sent_to_where_each_side_listens_and_keeps_its_connections() {
        let mix =
            file("mix", "connections = 7\nduration = \"1m\"\n[[requests]]\nurl = \"http://far:9/a?b\"\n");
        let lines = ["--a", "x", "--b", "y", "--scenario", &mix];
        let plan = |more: &[&str], urls: &[&str]| {
            let urls: Vec<String> = urls.iter().map(|&url| url.to_owned()).collect();
            options(&[&lines[..], more].concat()).unwrap().plan(&urls).unwrap()
        };
        let aimed = plan(&["--duration", "2s"], &["http://here:8080/ignored"]);
        assert_eq!(aimed.targets[0].url(), "http://here:8080/a?b");
        assert_eq!((aimed.connections, aimed.duration.as_secs()), (7, 2));
        let own = plan(&["-c", "9", "--rate", "50"], &[]);
        assert_eq!((own.targets[0].url().as_str(), own.connections), ("http://far:9/a?b", 9));
        assert!(matches!(own.load, ringload::Load::Open { .. }));
        fs::remove_file(mix).unwrap();
    }

    #[test]
    fn what_cannot_be_compared_is_refused_with_the_ways_there_are() {
        for arguments in [&[][..], &["one.toml"]] {
            let error = options(arguments).unwrap().subject().err().unwrap().to_string();
            assert!(error.contains("two configuration files"), "{error}");
        }
        let missing = options(&["no-a.toml", "no-b.toml"]).unwrap().subject().err().unwrap().to_string();
        assert!(missing.contains("no-a.toml"), "{missing}");
        for wrong in [&["--a", "x"][..], &["a", "b", "--metric", "x"], &["a", "b", "--url-b", "http://h/"]] {
            assert!(options(wrong).is_err(), "{wrong:?}");
        }
        let nowhere = options(&["--a", "x", "--b", "y"]).unwrap().subject().err().unwrap().to_string();
        assert!(nowhere.contains("--url"), "{nowhere}");
        assert!(matches!(options(&["a.json", "b.json"]).unwrap().subject(), Ok(Subject::Saved(_))));
    }
}
