//! The admin API: what the gateway is doing, and orders to it, over HTTP on a socket of its own.
//!
//! Owns: where it can be asked (`Doors`), for how long (`connections`), and who may ask what (`guard`). `views` answers questions, `orders` takes orders.
//! Refuses: orders without the token, unless they come over the unix socket, which only its owner can open. That somebody is
//! on this machine proves nothing: a web page in an operator's browser is, too. So requests that a browser sends for a foreign
//! page are turned away by their Origin, and names that lead here by a lie of the DNS by their Host.
//!
//! The library behind it is axum, on the control plane's loop: an admin client can delay other admin clients, and nobody else.

mod connections;
mod guard;
mod orders;
mod views;

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use ringgate_io::{bind, bind_beside};
use tokio::net::{TcpListener, UnixListener};

use self::guard::{Door, Guard};
use super::exposition::Exposition;
use super::reload::Reloader;
use crate::config::Admin;
use crate::operator::say;

/// Bytes of an order's body: some words of JSON.
const ORDER_BYTES: usize = 1024;

/// What the handlers share.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) reloader: Arc<Reloader>,
    pub(super) exposition: Arc<Exposition>,
    /// Told to stop the gateway.
    pub(super) stop: Sender<()>,
}

/// Where the admin API can be asked.
pub(super) struct Doors {
    tcp: Option<TcpListener>,
    unix: Option<(UnixListener, Socket)>,
    guard: Arc<Guard>,
}

/// A unix socket's name. It goes with the socket, unless a successor has taken it.
struct Socket {
    path: PathBuf,
    inode: u64,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|named| named.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Doors {
    /// Binds what the configuration names; beside a predecessor, which has it still.
    ///
    /// # Errors
    /// One of them cannot be had; the message says which and what to do.
    pub(super) fn open(admin: &Admin, has_predecessor: bool) -> io::Result<Doors> {
        let tcp = admin.listen.map(|address| listen(address, has_predecessor)).transpose()?;
        let unix = admin.socket.as_deref().map(|path| listen_on_path(path, has_predecessor)).transpose()?;
        let bound = tcp.as_ref().map(TcpListener::local_addr).transpose()?;
        if let Some(address) = bound {
            say(&format!("admin API on http://{address}"));
        }
        let is_local = bound.is_none_or(|address| address.ip().is_loopback());
        Ok(Doors { tcp, unix, guard: Arc::new(Guard::new(admin.token.clone(), is_local)) })
    }

    /// Answers for ever.
    pub(super) async fn serve(self, desk: Desk) {
        let Doors { tcp, unix, guard } = self;
        let rooms = |door| {
            let guarded = from_fn_with_state((guard.clone(), door), guard::admit);
            rooms().layer(guarded).with_state(desk.clone())
        };
        let by_tcp = async {
            match tcp {
                Some(listener) => {
                    connections::serve(async || Ok(listener.accept().await?.0), rooms(Door::Tcp)).await;
                }
                None => std::future::pending().await,
            }
        };
        let by_unix = async {
            match unix {
                Some((listener, _name)) => {
                    connections::serve(async || Ok(listener.accept().await?.0), rooms(Door::Unix)).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::join!(by_tcp, by_unix);
    }
}

/// Binds a TCP address.
fn listen(address: SocketAddr, has_predecessor: bool) -> io::Result<TcpListener> {
    let listener = if has_predecessor { bind_beside(address) } else { bind(address, &[], true) };
    let listener = listener.map_err(|error| {
        let advice = "somebody may listen there already; change `listen` under [admin]";
        io::Error::new(error.kind(), format!("the admin API cannot listen on {address}: {error}; {advice}"))
    })?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Binds a unix socket that only its owner can open. One that was left behind by a process that is gone makes room.
fn listen_on_path(path: &Path, has_predecessor: bool) -> io::Result<(UnixListener, Socket)> {
    let failed = |error: io::Error| {
        let advice =
            "name a path in a folder that exists and that you may write to, and that nothing stands at";
        io::Error::new(
            error.kind(),
            format!("the admin API cannot listen on {}: {error}; {advice}", path.display()),
        )
    };
    let left_behind = std::os::unix::net::UnixStream::connect(path)
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if path.exists() && !left_behind && !has_predecessor {
        return Err(failed(io::ErrorKind::AddrInUse.into()));
    }
    let listener = bind_private(path).map_err(failed)?;
    let inode = std::fs::symlink_metadata(path).map_err(failed)?.ino();
    Ok((listener, Socket { path: path.to_owned(), inode }))
}

/// Binds under another name, takes the rights away, and only then gives it the name under which it is looked for.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let mut early = path.as_os_str().to_owned();
    early.push(format!(".{}", std::process::id()));
    let early = PathBuf::from(early);
    let listener = UnixListener::bind(&early)?;
    let private = std::fs::set_permissions(&early, std::fs::Permissions::from_mode(0o600));
    private
        .and_then(|()| std::fs::rename(&early, path))
        .inspect_err(|_| drop(std::fs::remove_file(&early)))?;
    Ok(listener)
}

/// What is wrong, for programs and people (RFC 9457).
fn problem(status: StatusCode, told: &serde_json::Value) -> Response {
    let kind = [(CONTENT_TYPE, "application/problem+json"), (CACHE_CONTROL, "no-store")];
    (status, kind, format!("{told}\n")).into_response()
}

fn rooms() -> Router<Desk> {
    Router::new()
        .route("/alive", get(views::alive))
        .route("/ready", get(views::ready))
        .route("/metrics", get(views::metrics))
        .route("/v1/config", get(views::config))
        .route("/v1/routes", get(views::routes))
        .route("/v1/pools", get(views::pools))
        .route("/v1/workers", get(views::workers))
        .route("/v1/log", get(views::log).put(orders::log).layer(DefaultBodyLimit::max(ORDER_BYTES)))
        .route("/v1/reload", post(orders::reload))
        .route("/v1/drain", post(orders::drain))
        .fallback(guard::no_such_path)
        .method_not_allowed_fallback(guard::no_such_method)
}
