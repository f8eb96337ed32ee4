//! `[admin]`: where the admin API can be asked, and by whom.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Serialize;
use toml::Spanned;

use super::codes::Mistake;
use super::diagnostic::Problem;
use super::file;
use super::secret::Secret;

/// Where the admin API is unless told otherwise, once there is `[admin]`.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9900);
/// Bytes of the shortest token: 96 bits as base64. Whoever can guess it can stop the gateway.
const TOKEN_BYTES: usize = 16;
/// Bytes of the longest name of a unix socket (unix(7), with the end of the name).
const SOCKET_BYTES: usize = 107;

/// Where the admin API can be asked; nowhere by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Admin {
    /// An address.
    pub listen: Option<SocketAddr>,
    /// The name of a unix socket, which only its owner can open.
    pub socket: Option<PathBuf>,
    /// What those have to send who order something, or come from elsewhere.
    pub token: Option<Secret>,
}

pub(super) fn read(written: Option<&Spanned<file::Admin>>) -> Result<Admin, Problem> {
    let Some(written) = written else { return Ok(Admin::default()) };
    let file::Admin { listen, socket, token } = written.get_ref();
    let token = token.as_ref().map(secret).transpose()?;
    let socket = socket.as_ref().map(path).transpose()?;
    let address = match (listen, &socket) {
        (Some(listen), _) => Some(super::settings::listen(Some(listen))?),
        (None, Some(_)) => None,
        (None, None) => Some(LISTEN),
    };
    if let (Some(address), Some(listen), None) = (address, listen, &token)
        && !address.ip().is_loopback()
    {
        return Err(Problem::at(
            Mistake::OpenAdmin,
            listen.span(),
            "the admin API can be reached from other machines here, and asks for no token",
        )
        .help("set `token` under `[admin]` to something long and random, or listen on `127.0.0.1:9900`"));
    }
    Ok(Admin { listen: address, socket, token })
}

fn secret(written: &file::Text) -> Result<Secret, Problem> {
    let token: &str = written.get_ref();
    if token.len() >= TOKEN_BYTES && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Secret::new(token.to_owned()));
    }
    Err(Problem::at(
        Mistake::BadToken,
        written.span(),
        format!("a token has {TOKEN_BYTES} or more printable characters and no spaces"),
    )
    .help("make one: `head -c 24 /dev/urandom | base64`"))
}

fn path(written: &file::Text) -> Result<PathBuf, Problem> {
    match &**written.get_ref() {
        path if (1..=SOCKET_BYTES).contains(&path.len()) && !path.contains('\0') => Ok(path.into()),
        _ => Err(Problem::at(
            Mistake::BadSocket,
            written.span(),
            format!("the name of a socket has 1 to {SOCKET_BYTES} bytes"),
        )
        .help("name a path, as in `socket = \"/run/ringgate/admin.sock\"`")),
    }
}
