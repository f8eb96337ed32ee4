//! The command line: what can be written, what it means, and how it is explained to whoever asks for help.
//!
//! Definitions only. `main.rs` turns each command into calls; clap ends the program by itself for `--help` (code 0) and
//! for a line that makes no sense (code 2).

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use ringgate_io::Rung;

use crate::config::WORKERS;

const EXAMPLES: &str = "\
Examples:
  ringgate
      the demonstration: mock servers, a gateway in front of them and some seconds of load
  ringgate run -c ringgate.toml
      serve; this file is enough for a start:
          [[routes]]
          prefix = \"/\"
          servers = [\"127.0.0.1:3000\"]
  ringgate check -c ringgate.toml
      the routing table, or what is wrong in the file and where
  ringgate explain -c ringgate.toml GET /api/v1/users/me
      which route takes the request, who answers it, and why
  ringgate schema > ringgate.schema.json
      what an editor needs to complete a configuration

Exit codes:
  0  fine
  1  failed while running
  2  the command line or the configuration makes no sense
  130  a second signal ended it before it had drained";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  ringgate explain -c ringgate.toml GET /api/v1/posts/list
  ringgate explain -c ringgate.toml DELETE '/a/../users?id=1' -H 'Host: api.example.com' -H 'x-version: 2'
  ringgate explain -c ringgate.toml --json GET /health

Exit codes:
  0  explained, whatever the answer would be
  2  the command line or the configuration makes no sense";

const SIGNALS: &str = "\
Signals:
  SIGTERM, SIGINT  drain and end; a second one ends at once
  SIGHUP           read the configuration anew (a change of its files does that, too)
  SIGUSR1          open the log file anew
  SIGUSR2          start the program anew and hand over to it, refusing nobody";

const CHECK_EXIT_CODES: &str = "\
Exit codes:
  0  the configuration can be run; warnings, if any, are on standard error
  2  it cannot, and standard error says why; or there are warnings and --deny-warnings";

/// An API gateway for Linux: one address in front of many services, one event loop per core.
#[derive(Debug, Parser)]
#[command(name = "ringgate", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// What to do; the demonstration if not said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// For the demonstration.
    #[command(flatten)]
    pub demonstration: Demonstration,
}

/// Something to do other than the demonstration.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve
    Run(Run),
    /// Check a configuration and print its routing table
    Check(Check),
    /// Say what becomes of a request, and why
    Explain(Explain),
    /// Print the language of the configuration: JSON Schema for editors, or the reference page
    Schema(Schema),
    /// Make an API key, and the digest of it that a configuration holds
    HashKey(HashKey),
    /// Print the version
    Version,
}

/// `ringgate`
#[derive(Debug, Args)]
pub struct Demonstration {
    /// Start the servers and the gateway, and leave the load to you
    #[arg(long)]
    pub no_load: bool,
    /// How it is run.
    #[command(flatten)]
    pub running: Running,
}

/// How a gateway is run; what is given here counts more than what the configuration says.
#[derive(Debug, Args)]
pub struct Running {
    /// How to do IO: io_uring-defer, io_uring-coop, io_uring, epoll [default: as configured, else the best that works]
    #[arg(long)]
    pub driver: Option<Rung>,
    /// How many workers [default: as configured, else one per available core]
    #[arg(long, value_parser = workers)]
    pub workers: Option<usize>,
}

/// `ringgate run`
#[derive(Debug, Args)]
#[command(after_help = SIGNALS)]
pub struct Run {
    /// The configuration
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// How it is run.
    #[command(flatten)]
    pub running: Running,
}

/// `ringgate check`
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXIT_CODES)]
pub struct Check {
    /// The configuration
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Let warnings be errors, as in a pipeline that ships configurations
    #[arg(long)]
    pub deny_warnings: bool,
}

/// `ringgate explain`
#[derive(Debug, Args)]
#[command(after_help = EXPLAIN_EXAMPLES)]
pub struct Explain {
    /// The configuration
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// The method, as in GET
    pub method: String,
    /// The path with its query, or a whole http:// address
    #[arg(value_name = "PATH")]
    pub target: String,
    /// A header field of the request; Host is localhost if not said
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = field)]
    pub fields: Vec<String>,
    /// Who connects: one of `trusted_proxies` is believed what it says of its client
    #[arg(long, value_name = "ADDRESS")]
    pub peer: Option<IpAddr>,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// `ringgate hash-key`
#[derive(Debug, Args)]
pub struct HashKey {
    /// Print the digest of the key on standard input, instead of making one
    #[arg(long)]
    pub stdin: bool,
}

/// `ringgate schema`
#[derive(Debug, Args)]
pub struct Schema {
    /// Print the reference page instead, as Markdown
    #[arg(long)]
    pub markdown: bool,
}

fn workers(text: &str) -> Result<usize, String> {
    let workers = text.parse().ok().filter(|workers| WORKERS.contains(workers));
    workers.ok_or_else(|| format!("give a whole number from {} to {}", WORKERS.start(), WORKERS.end()))
}

/// Whatever else may be wrong with a field is for the gateway to say.
fn field(text: &str) -> Result<String, String> {
    match text.contains(':') {
        true => Ok(text.to_owned()),
        false => Err("write a name, a colon and a value, as in 'x-version: 2'".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definitions_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn nothing_asks_for_the_demonstration() {
        let arguments = parse("ringgate --no-load --driver epoll --workers 2").unwrap();
        assert!(arguments.command.is_none() && arguments.demonstration.no_load);
        assert_eq!(arguments.demonstration.running.driver, Some(Rung::Epoll));
        assert_eq!(arguments.demonstration.running.workers, Some(2));
    }

    #[test]
    fn a_request_to_explain_is_read_as_written() {
        let arguments = parse("ringgate explain -c f GET /a -H a:1 --header b:2 --json").unwrap();
        let Some(Command::Explain(explain)) = arguments.command else { panic!("{arguments:?}") };
        assert_eq!((&*explain.method, &*explain.target, explain.json), ("GET", "/a", true));
        assert_eq!(explain.fields, ["a:1", "b:2"]);
        assert_eq!(explain.config, PathBuf::from("f"));
    }

    #[test]
    fn a_line_that_makes_no_sense_ends_with_code_2() {
        for line in [
            "ringgate run",
            "ringgate serve",
            "ringgate check -c",
            "ringgate run -c f --workers 0",
            "ringgate run -c f --driver uring",
            "ringgate --no-load run -c f",
            "ringgate explain -c f GET",
            "ringgate explain -c f GET / -H nonsense",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
        assert_eq!(parse("ringgate --help").unwrap_err().kind(), ErrorKind::DisplayHelp);
    }
}
