//! Whose word about a client is taken: the proxies in front of this gateway.
//!
//! Refuses to guess. What a trusted proxy has appended is believed, from the right to the left, up to the first address
//! that is nobody's proxy; whatever stands further left was said by that client itself.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::field::{Name, list};
use crate::head::Fields;
use crate::limits;

/// The networks that the proxies in front of this gateway are in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trusted(Vec<IpNet>);

impl fmt::Display for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&networks.join(", "))
    }
}

impl Trusted {
    /// Whoever connects from these networks.
    pub fn new(networks: Vec<IpNet>) -> Trusted {
        Trusted(networks)
    }

    /// Whether the address is that of a trusted proxy.
    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical(); // ::ffff:1.2.3.4 is 1.2.3.4
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client's address, where `peer` connected and sent these fields: the rightmost one in X-Forwarded-For that is not a
    /// trusted proxy's, or the last one before something that is no address.
    pub fn client(&self, peer: IpAddr, fields: Fields<'_>) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines = fields.lines.iter().rev().filter(|field| field.known == Name::XForwardedFor);
        let members = lines.flat_map(|field| from_the_right(field.value.of(fields.bytes)));
        for member in members.take(limits::FORWARDING_PROXIES) {
            match (self.has(client), address(member)) {
                (true, Some(before)) => client = before,
                _ => break,
            }
        }
        client
    }
}

fn from_the_right(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.rsplit(|&byte| byte == b',').flat_map(list) // which trims, and leaves out empty ones
}

/// Some proxies add the port.
fn address(member: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(member).ok()?;
    let address = text.parse().ok().or_else(|| text.parse().ok().map(|with_port: SocketAddr| with_port.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::RequestHead;
    use crate::tolerance::Tolerance;

    fn client(peer: &str, forwarded_for: &str) -> String {
        let trusted = Trusted::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {forwarded_for}\r\n\r\n");
        let mut head = RequestHead::default();
        head.parse(text.as_bytes(), Tolerance::NONE).unwrap();
        trusted.client(peer.parse().unwrap(), head.fields(text.as_bytes())).to_string()
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_no_proxy() {
        for (forwarded_for, expected) in [
            ("1.1.1.1", "1.1.1.1"),
            ("6.6.6.6, 1.1.1.1", "1.1.1.1"),
            ("6.6.6.6, 1.1.1.1, 10.0.0.2,10.0.0.3", "1.1.1.1"),
            ("6.6.6.6\r\nX-Forwarded-For: 1.1.1.1, 10.0.0.2\r\nX-Forwarded-For: fd00::1", "1.1.1.1"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("::ffff:1.1.1.1, ::ffff:10.0.0.2", "1.1.1.1"),
            ("1.1.1.1:80, [fd00::1]:80", "1.1.1.1"),
            ("1.1.1.1, ,", "1.1.1.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", forwarded_for), expected, "{forwarded_for}");
        }
        assert_eq!(client("9.9.9.9", "1.1.1.1"), "9.9.9.9", "nobody vouches for it");
        assert_eq!(client("::ffff:10.0.0.1", "1.1.1.1"), "1.1.1.1", "a proxy by either address");
    }

    #[test]
    fn what_is_no_address_ends_the_chain() {
        for garbage in
            ["unknown", "_hidden", "1.1.1", "1.1.1.1.1", "\"", "[::1]", "fe80::1%eth0", "1.1.1.1 2", "\u{e9}"]
        {
            let forwarded_for = format!("6.6.6.6, {garbage}, 10.0.0.2");
            assert_eq!(client("10.0.0.1", &forwarded_for), "10.0.0.2", "{forwarded_for}");
        }
    }

    #[test]
    fn a_chain_longer_than_any_is_not_followed_to_its_end() {
        let chain = "10.0.0.2, ".repeat(limits::FORWARDING_PROXIES);
        assert_eq!(client("10.0.0.1", &format!("1.1.1.1, {chain}")), "10.0.0.2");
    }
}
