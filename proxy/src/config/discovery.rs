//! `[discovery]`: how the DNS is asked for servers.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::codes::Mistake;
use super::diagnostic::Problem;
use super::file::{self, Text};
use super::origins::Discovery;
use super::policy::{duration_within, timeout};

/// How long one question may take: a configuration waits for its answers when it is read.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(10);

/// Reads it.
pub(super) fn read(written: &file::Discovery) -> Result<Discovery, Problem> {
    let default = Discovery::default();
    let discovery = Discovery {
        resolvers: written.resolvers.iter().map(resolver).collect::<Result<_, _>>()?,
        timeout: duration_within(&written.timeout, default.timeout, &TIMEOUTS, "from `10ms` up to `10s`")?,
        min_ttl: timeout(&written.min_ttl, default.min_ttl)?,
        max_ttl: timeout(&written.max_ttl, default.max_ttl)?,
    };
    match (&written.min_ttl, &written.max_ttl) {
        (Some(place), _) | (_, Some(place)) if discovery.min_ttl > discovery.max_ttl => {
            Err(Problem::at(Mistake::TtlBounds, place.span(), "`min_ttl` is longer than `max_ttl`")
                .help("an answer holds for at least `min_ttl` (1s if not said) and at most `max_ttl` (5m)"))
        }
        _ => Ok(discovery),
    }
}

fn resolver(written: &Text) -> Result<SocketAddr, Problem> {
    written.get_ref().parse().ok().filter(|address: &SocketAddr| address.port() != 0).ok_or_else(|| {
        Problem::at(Mistake::BadResolver, written.span(), format!("`{written}` is not the address of a DNS server"))
            .help("write its IP address with a port, as in `10.0.0.2:53` or `[::1]:53`; leave `resolvers` out for those of /etc/resolv.conf")
    })
}
