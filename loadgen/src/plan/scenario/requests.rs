//! `[[requests]]`: from what a person writes to targets.
//!
//! Refuses: to repeat a secret in a message. Where one cannot be used, its place is named.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::diagnostic::{Problem, read};
use super::file::{self, Text};
use crate::plan::expect::body_hash;
use crate::{BODY_BOUND, Error, Expect, Target};

/// Bytes of a file of tokens: a hundred thousand of them.
const TOKENS_BYTES: u64 = 64 * 1024 * 1024;

/// What requests may refer to.
pub(super) struct Surroundings<'a> {
    /// `server` of the file.
    pub(super) server: Option<&'a str>,
    /// Where relative names of files begin.
    pub(super) folder: &'a Path,
}

impl Surroundings<'_> {
    pub(super) fn target(&self, written: &Spanned<file::Request>) -> Result<Target, Problem> {
        let request = written.get_ref();
        let Some(url) = &request.url else {
            return Err(Problem::at(
                written.span(),
                "this request has no `url`",
                "add one, such as url = \"/items\"",
            ));
        };
        let mut target = read(url, |url| Target::get(&self.absolute(url)?))?;
        if let Some(name) = &request.name {
            target = read(name, |name| target.name(name))?;
        }
        if let Some(weight) = &request.weight {
            target = read(weight, |weight| target.weigh(*weight))?;
        }
        if let Some(method) = &request.method {
            target = read(method, |method| target.method(method))?;
        }
        for (name, value) in &request.headers {
            target = read(name, |name| target.field(name, value.get_ref()))?;
        }
        if let Some((place, tokens)) = self.tokens(request)? {
            target = read(place, |_| target.tokens(tokens))?;
        }
        if let Some(expect) = &request.expect {
            target = target.expecting(self.expect(expect)?);
        }
        Ok(target.body(self.body(request)?))
    }

    fn absolute(&self, url: &str) -> Result<String, Error> {
        match self.server {
            _ if !url.starts_with('/') => Ok(url.to_owned()),
            Some(server) => Ok(format!("http://{server}{url}")),
            None => Err(Error::Plan(
                "the URL names no server; write http://host:port before it, or `server = \"host:port\"` at the top of \
                 the file"
                    .to_owned(),
            )),
        }
    }

    fn tokens<'a>(&self, request: &'a file::Request) -> Result<Option<(&'a Text, Vec<String>)>, Problem> {
        let sources = (&request.token_env, &request.token_file, &request.tokens_file);
        let (place, tokens) = match sources {
            (None, None, None) => return Ok(None),
            (Some(name), None, None) => (name, vec![read(name, |name| token_of_variable(name))?]),
            (None, Some(name), None) => (name, self.lines(name)?.into_iter().take(1).collect()),
            (None, None, Some(name)) => (name, self.lines(name)?),
            (Some(place), ..) | (_, Some(place), _) => {
                let help = "leave out all but one of `token_env`, `token_file` and `tokens_file`";
                return Err(Problem::at(place.span(), "tokens come from one source", help));
            }
        };
        Ok(Some((place, tokens)))
    }

    fn lines(&self, name: &Text) -> Result<Vec<String>, Problem> {
        read(name, |_| tokens_of_file(&self.path(name)))
    }

    fn body(&self, request: &file::Request) -> Result<Vec<u8>, Problem> {
        match (&request.body, &request.body_file, &request.body_bytes) {
            (None, None, None) => Ok(Vec::new()),
            (Some(body), None, None) => Ok(body.get_ref().clone().into_bytes()),
            (None, Some(name), None) => self.contents(name),
            (None, None, Some(count)) => read(count, |count| filler(*count)),
            (Some(place), ..) | (_, Some(place), _) => {
                let help = "leave out all but one of `body`, `body_file` and `body_bytes`";
                Err(Problem::at(place.span(), "a request has one body", help))
            }
        }
    }

    pub(super) fn expect(&self, written: &file::Expect) -> Result<Expect, Problem> {
        let mut expect = match &written.status {
            Some(status) => read(status, statuses)?,
            None => Expect::default(),
        };
        if let Some(name) = &written.body_file {
            if written.body_hash.is_some() || written.body_bytes.is_some() {
                let help = "leave out `body_bytes` and `body_hash`";
                return Err(Problem::at(name.span(), "the file says already what length and hash are", help));
            }
            return Ok(expect.body(&self.contents(name)?));
        }
        if let Some(count) = &written.body_bytes {
            expect = expect.body_bytes(*count.get_ref());
        }
        match &written.body_hash {
            Some(hash) => Ok(expect.body_hash(read(hash, |hash| body_hash(hash))?)),
            None => Ok(expect),
        }
    }

    /// The bytes of a file beside the scenario.
    fn contents(&self, name: &Text) -> Result<Vec<u8>, Problem> {
        read(name, |_| body_of_file(&self.path(name)))
    }

    pub(super) fn path(&self, name: &Text) -> PathBuf {
        self.folder.join(name.get_ref())
    }
}

/// So many bytes of a body that nobody reads.
///
/// # Errors
/// More than [`BODY_BOUND`].
pub fn filler(count: u64) -> Result<Vec<u8>, String> {
    match usize::try_from(count) {
        Ok(count) if count <= BODY_BOUND => Ok(vec![b'x'; count]),
        _ => Err(format!("give a whole number of bytes up to {BODY_BOUND} (1 GiB)")),
    }
}

/// A file's bytes, if they are not too many.
pub(super) fn contents(path: &Path, bound: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bound + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bound { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// A body from a file.
///
/// # Errors
/// It cannot be read, or has more than [`BODY_BOUND`] bytes.
pub fn body_of_file(path: &Path) -> Result<Vec<u8>, String> {
    contents(path, BODY_BOUND as u64).map_err(|error| unreadable(path, &error))
}

/// The tokens in a file: its lines that are not empty.
///
/// # Errors
/// It cannot be read, or is not text.
pub fn tokens_of_file(path: &Path) -> Result<Vec<String>, String> {
    let bytes = contents(path, TOKENS_BYTES).map_err(|error| unreadable(path, &error))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| format!("`{}` is not text in UTF-8; write one token per line", path.display()))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// The token in a variable of the environment.
///
/// # Errors
/// There is no such variable, or it is not text.
pub fn token_of_variable(name: &str) -> Result<String, String> {
    std::env::var(name)
        .map_err(|_| format!("the environment has no text in `{name}`; set it: `export {name}=...`"))
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("cannot read `{}` ({error}); give a file that exists", path.display())
}

/// `200`, `"2xx"` or `"200,404"`.
fn statuses(value: &toml::Value) -> Result<Expect, String> {
    match value {
        toml::Value::Integer(status) => status.to_string().parse(),
        toml::Value::String(statuses) => statuses.parse(),
        _ => Err("write a status, as 200, or several in quotes, as \"200,404\" or \"2xx\"".to_owned()),
    }
}
