//! Where a report comes from: what a reader needs to repeat the run, and to doubt it.

use std::ffi::OsString;
use std::fs;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// The circumstances of a run. Names neither the machine nor its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// When the run was started, by the wall clock (RFC 3339, UTC).
    pub started: String,
    /// The command line, if there was one.
    pub command: Vec<String>,
    /// The version of this program.
    pub ringload: String,
    /// `release`, or `debug`: a debug build measures itself.
    pub build: String,
    /// The kernel's release.
    pub kernel: String,
    /// The processor's name.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
}

impl Provenance {
    /// Of a run that starts now.
    pub fn now() -> Provenance {
        Provenance {
            started: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            command: Vec::new(),
            ringload: env!("CARGO_PKG_VERSION").to_owned(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
            kernel: read("/proc/sys/kernel/osrelease"),
            processor: processor(&read("/proc/cpuinfo")),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
        }
    }
}

/// Words in the name of a field whose value is nobody else's business.
const SECRET: [&str; 6] = ["auth", "cookie", "token", "key", "secret", "password"];
/// What stands for a secret where people read.
pub(crate) const MASK: &str = "***";

impl Provenance {
    /// The same with this command line, in which the values of fields that may be secret are masked.
    pub fn of_command(self, arguments: impl IntoIterator<Item = OsString>) -> Provenance {
        let words = arguments.into_iter().map(|argument| masked(argument.to_string_lossy().into_owned()));
        Provenance { command: words.collect(), ..self }
    }
}

/// Masks the value of `Name: value`, in an argument of its own or behind `--header=`.
fn masked(argument: String) -> String {
    match argument.split_once(':') {
        Some((name, _)) if is_secret(name) => format!("{name}: {MASK}"),
        _ => argument,
    }
}

/// Whether the value of the field of that name is masked.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.rsplit('=').next().unwrap_or(name).trim().to_ascii_lowercase();
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_name && SECRET.iter().any(|word| name.contains(word))
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// `model name` is x86's word; other architectures have none, and their own.
fn processor(cpuinfo: &str) -> String {
    let named = |name| cpuinfo.lines().find(|line| line.starts_with(name))?.split_once(':');
    let named = named("model name").or_else(|| named("CPU part")).map_or("unknown", |pair| pair.1.trim());
    format!("{named} ({})", std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_knows_its_circumstances() {
        let provenance = Provenance::now();
        assert!(provenance.started.ends_with('Z') && provenance.cores > 0, "{provenance:?}");
        assert!(!provenance.kernel.is_empty());
    }

    #[test]
    fn secrets_on_the_command_line_are_masked() {
        for (argument, expected) in [
            ("Authorization: Bearer abc", "Authorization: ***"),
            ("--header=x-api-key: abc", "--header=x-api-key: ***"),
            ("-Hcookie:a=b", "-Hcookie: ***"),
            ("Accept: text/html", "Accept: text/html"),
            ("http://127.0.0.1:80/token?key=1", "http://127.0.0.1:80/token?key=1"),
        ] {
            assert_eq!(masked(argument.to_owned()), expected);
        }
    }

    #[test]
    fn a_processor_has_the_name_its_architecture_gives() {
        assert!(processor("x: 1\nmodel name\t: Some CPU @ 3 GHz\n").starts_with("Some CPU @ 3 GHz ("));
        assert!(processor("").starts_with("unknown ("));
    }
}
