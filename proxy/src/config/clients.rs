//! What is believed of clients and forgiven them: trusted proxies and tolerated spellings; and by what name this gateway
//! signs what it forwards for them.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use ringgate_core::limits::NODE_ID_BYTES;
use ringgate_core::node::Node;
use ringgate_core::tolerance::Tolerance;
use ringgate_io::random;
use toml::Spanned;

use super::codes::Mistake;
use super::diagnostic::{Problem, list};
use super::file::Text;

/// The node that is written, or one with a name of its own that no other gateway has.
pub(super) fn node(written: Option<&Text>) -> Result<Node, Problem> {
    let random_id = || format!("ringgate-{:016x}", random());
    let id = written.map_or_else(random_id, |written| (**written.get_ref()).to_owned());
    Node::new(&id).ok_or_else(|| {
        let shown = written.map(Text::to_string).unwrap_or_default();
        let place = written.map_or(0..0, Spanned::span);
        Problem::at(Mistake::BadNodeId, place, format!("`{shown}` cannot be the id of a node")).help(format!(
            "write 1 to {NODE_ID_BYTES} letters, digits or `-`, and let no gateway before or behind this one have the same; \
             leave it out for a random one"
        ))
    })
}

/// The networks whose addresses are believed.
pub(super) fn trusted(written: &[Text]) -> Result<Vec<IpNet>, Problem> {
    written.iter().map(network).collect()
}

/// A network, or the one address that is written.
fn network(written: &Text) -> Result<IpNet, Problem> {
    let text = written.get_ref();
    let address = text.parse().ok().map(|address: IpAddr| IpNet::from(address.to_canonical()));
    match address.or_else(|| text.parse().ok().map(unmapped)) {
        Some(network) if network.trunc() == network => Ok(network),
        Some(network) => {
            let (all, one) = (network.trunc(), network.addr());
            let help = match text.plain() {
                Some(_) => format!("write `{all}` for the network, or `{one}` for that address"),
                None => "let it be `10.0.0.0/8` for a network, or `10.0.0.7` for one address".into(),
            };
            Err(Problem::at(
                Mistake::AddressInNetwork,
                written.span(),
                format!("`{text}` is an address in a network, not the network"),
            )
            .help(help))
        }
        None => Err(Problem::at(
            Mistake::BadNetwork,
            written.span(),
            format!("`{text}` is neither an IP address nor a network"),
        )
        .help("write `10.0.0.7` for one proxy, or `10.0.0.0/8` or `fd00::/8` for a network of them")),
    }
}

/// A network of IPv4 addresses in the form of IPv6 (RFC 4291 section 2.5.5.2) as the IPv4 network: addresses are compared so.
fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else { return network };
    let length = mapped.prefix_len().checked_sub(96);
    let plain = mapped
        .addr()
        .to_ipv4_mapped()
        .zip(length)
        .and_then(|(address, length)| Ipv4Net::new(address, length).ok());
    plain.map_or(network, IpNet::V4)
}

pub(super) fn tolerance(written: &[Text]) -> Result<Tolerance, Problem> {
    written.iter().try_fold(Tolerance::NONE, |tolerance, name| {
        tolerance.with(name.get_ref()).ok_or_else(|| {
            Problem::at(
                Mistake::UnknownTolerance,
                name.span(),
                format!("there is no tolerance called `{name}`"),
            )
            .suggest(name.get_ref(), Tolerance::NAMES)
            .help(format!("what can be tolerated: {}", list(&Tolerance::NAMES)))
        })
    })
}
