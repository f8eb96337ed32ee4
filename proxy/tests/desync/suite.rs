//! The cases of `http_desync_guardian`: requests with which two servers in a row were made to disagree about where a
//! message ends, each classified by the authors of that suite, and their analyser.
//!
//! Owns: reading the cases out of the suite's own source, which Cargo has here because it is built against, and making
//! bytes of them as the suite does. Changes one thing: where a case says nothing of Host, there is one, or every case
//! would be refused for the lack of it.

use std::path::PathBuf;
use std::process::Command;

use http_desync_guardian::RequestSafetyTier;
use http_desync_guardian::request_analyzer::HttpRequestData;
use yaml_rust2::{Yaml, YamlLoader};

/// How dangerous a request is, by the suite's own scale.
pub use http_desync_guardian::RequestSafetyTier as Tier;

const SUITE: &str = "http_desync_guardian";

/// Where the Host goes that a case does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    First,
    Last,
}

/// A classified request.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    pub tier: Tier,
    /// Why it is in that tier.
    pub reason: String,
    request_line: Vec<u8>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// All cases of the suite.
pub fn cases() -> Vec<Case> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(sources().join("tests")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
    texts.flat_map(|text| cases_of(&text)).collect()
}

/// What the suite makes of a request head.
pub fn classify(head: &[u8]) -> Tier {
    HttpRequestData::analyze_raw_request(head).tier
}

/// The folder of the suite's source.
fn sources() -> PathBuf {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let told = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &platform])
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let package = told["packages"].as_array().unwrap().iter().find(|package| package["name"] == SUITE);
    let manifest = package.expect("the suite is a dependency")["manifest_path"].as_str().unwrap();
    PathBuf::from(manifest).parent().unwrap().into()
}

fn cases_of(text: &str) -> Vec<Case> {
    let documents = YamlLoader::load_from_str(text).unwrap();
    documents[0].as_vec().unwrap().iter().map(case).collect()
}

fn case(yaml: &Yaml) -> Case {
    let fields = yaml["headers"].as_vec().map_or(&[][..], Vec::as_slice);
    Case {
        name: yaml["name"].as_str().unwrap().into(),
        tier: tier(yaml["expected"]["tier"].as_str().unwrap()),
        reason: yaml["expected"]["reason"].as_str().unwrap().into(),
        request_line: ["method", "uri", "version"].map(|part| bytes(&yaml[part])).join(&b' '),
        fields: fields.iter().map(|field| (bytes(&field["name"]), bytes(&field["value"]))).collect(),
    }
}

fn tier(name: &str) -> Tier {
    match name {
        "Compliant" => RequestSafetyTier::Compliant,
        "Acceptable" => RequestSafetyTier::Acceptable,
        "Ambiguous" => RequestSafetyTier::Ambiguous,
        "Severe" => RequestSafetyTier::Severe,
        _ => panic!("no tier {name}"),
    }
}

/// A value with its escapes undone; what YAML has not undone, for want of double quotes, the suite undoes itself.
fn bytes(value: &Yaml) -> Vec<u8> {
    let text = match value {
        Yaml::Integer(number) => number.to_string(),
        text => text.as_str().unwrap().to_string(),
    };
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        let char = if char == '\\' { unescape(&mut rest) } else { char };
        match u8::try_from(char) {
            Ok(byte) => bytes.push(byte), // the cases write a byte as the character of that number
            Err(_) => bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

fn unescape(rest: &mut std::str::Chars<'_>) -> char {
    match rest.next().expect("something is escaped") {
        'x' => {
            let digits: String = rest.take(2).collect();
            u8::from_str_radix(&digits, 16).unwrap().into()
        }
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        char => char,
    }
}

impl Case {
    /// The head as a client sends it.
    pub fn head(&self, host: Host) -> Vec<u8> {
        let mut head = [&self.request_line[..], b"\r\n"].concat();
        let has_host = self.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"host"));
        let host_if = |place| if host == place && !has_host { &b"Host: h\r\n"[..] } else { b"" };
        let (first, last) = (host_if(Host::First), host_if(Host::Last));
        head.extend_from_slice(first);
        for (name, value) in &self.fields {
            head.extend([name, &b": "[..], value, b"\r\n"].concat());
        }
        head.extend_from_slice(last);
        head.extend_from_slice(b"\r\n");
        head
    }

    /// A body of the kind that the head promises to whoever reads only well-formed fields; empty if it promises none.
    pub fn body(&self) -> Vec<u8> {
        let value = |wanted: &str| {
            let field = self.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
            field.map(|(_, value)| String::from_utf8_lossy(value).trim().to_ascii_lowercase())
        };
        match (value("transfer-encoding"), value("content-length").and_then(|value| length(&value))) {
            (Some(codings), _) if codings.ends_with("chunked") => b"5\r\nhello\r\n0\r\n\r\n".to_vec(),
            (_, Some(length)) if length < MOST_BYTES => vec![b'x'; length],
            _ => Vec::new(),
        }
    }

    /// Whether the answer to it has no body.
    pub fn is_head(&self) -> bool {
        self.request_line.starts_with(b"HEAD ")
    }
}

/// The number that a Content-Length says, once or as often as it likes (RFC 9110 section 8.6).
fn length(value: &str) -> Option<usize> {
    let mut lengths = value.split(',').map(|length| length.trim().parse().ok());
    let first = lengths.next()?;
    lengths.all(|length| length == first).then_some(first)?
}

/// Longer bodies are announced only to overflow something.
const MOST_BYTES: usize = 8 << 20;
