//! Where a report comes from: what a reader needs to repeat the run, and to doubt it.

use std::ffi::OsString;
use std::fs;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::secret::{Secrets, command};

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

impl Provenance {
    /// The same with this command line, masked: what options and names say is secret, and whatever is in `secrets`.
    pub fn of_command(self, arguments: impl IntoIterator<Item = OsString>, secrets: &Secrets) -> Provenance {
        let words = arguments.into_iter().map(|argument| argument.to_string_lossy().into_owned());
        let masked = command::words(words).iter().map(|word| secrets.hide_values(word)).collect();
        Provenance { command: masked, ..self }
    }
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
        let given = ["ringload", "run", "-H", "Cookie: a=b", "--save", "for-hunter2", "http://h/?id=1"];
        let secrets = Secrets::new([b"hunter2".to_vec()]);
        let told = Provenance::now().of_command(given.map(OsString::from), &secrets).command;
        assert_eq!(told, ["ringload", "run", "-H", "Cookie: ***", "--save", "for-***", "http://h/?id=1"]);
    }

    #[test]
    fn a_processor_has_the_name_its_architecture_gives() {
        assert!(processor("x: 1\nmodel name\t: Some CPU @ 3 GHz\n").starts_with("Some CPU @ 3 GHz ("));
        assert!(processor("").starts_with("unknown ("));
    }
}
