//! The values that stand alone: address, workers, driver, and names that logs repeat.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

use ringgate_io::Rung;
use toml::Spanned;

use super::codes::Mistake;
use super::diagnostic::{Problem, list};
use super::file::Text;

/// Where a gateway listens unless told otherwise: only this machine can reach it until somebody decides about the world.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// How many workers there may be: more than any machine has cores for.
pub(crate) const WORKERS: RangeInclusive<usize> = 1..=1024;
/// Bytes of a name: it is repeated in every line of the log.
const NAME_BYTES: usize = 128;

pub(super) fn listen(written: Option<&Text>) -> Result<SocketAddr, Problem> {
    let Some(written) = written else { return Ok(LISTEN) };
    written.get_ref().parse().map_err(|_| {
        Problem::at(
            Mistake::BadListen,
            written.span(),
            format!("`{written}` is not an IP address with a port"),
        )
        .help("write `127.0.0.1:8080` for this machine only, or `0.0.0.0:8080` for every IPv4 address it has")
    })
}

pub(super) fn workers(written: &Spanned<i64>) -> Result<usize, Problem> {
    usize::try_from(*written.get_ref()).ok().filter(|workers| WORKERS.contains(workers)).ok_or_else(|| {
        let (fewest, most) = (WORKERS.start(), WORKERS.end());
        Problem::at(Mistake::WorkersOutOfBounds, written.span(), format!("there cannot be {written} workers"))
            .help(format!(
                "write a number from {fewest} to {most}, or leave it out for one per available core"
            ))
    })
}

pub(super) fn driver(written: &Text) -> Result<Rung, Problem> {
    written.get_ref().parse().map_err(|_| {
        let names = Rung::ALL.map(Rung::name);
        Problem::at(Mistake::UnknownDriver, written.span(), format!("there is no driver `{written}`"))
            .suggest(written.get_ref(), names)
            .help(format!("the drivers are {}; leave it out for the best that works", list(&names)))
    })
}

/// Checks a name that is repeated in logs, where nothing in it may need an escape.
pub(super) fn check_name(written: &Text) -> Result<(), Problem> {
    let name = written.get_ref();
    let is_plain = |c: char| !c.is_control() && c != '"' && c != '\\';
    if !name.is_empty() && name.len() <= NAME_BYTES && name.chars().all(is_plain) {
        return Ok(());
    }
    Err(Problem::at(Mistake::BadName, written.span(), "this cannot be a name")
        .help(format!("write 1 to {NAME_BYTES} bytes without quotes, backslashes and control characters")))
}
