//! Connections of those who ask the admin API: how many there may be, and for how long.
//!
//! They take descriptors that traffic could need, and who is on this machine may mean no good: so each door has a bound of its own,
//! and whoever does not say what is wanted, or does not read the answer, is cut off.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Connections of a door at once: a few scrapers, people and scripts.
const CONNECTIONS: usize = 32;
/// How long somebody may take to say what is wanted, the pause between two requests included.
const HEAD: Duration = Duration::from_secs(5);
/// After how long a connection ends with the request that it has.
const AGE: Duration = Duration::from_secs(60);
/// How long that one may take then: a reload waits for a configuration to be read.
const LAST: Duration = Duration::from_secs(40);
/// Pause when nobody can be accepted, mostly since descriptors have run out.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves whoever comes, for ever.
pub(super) async fn serve<S>(accept: impl AsyncFn() -> io::Result<S>, rooms: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(place) = places.clone().acquire_owned().await {
        let Ok(stream) = accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let rooms = rooms.clone();
        tokio::spawn(async move {
            converse(stream, rooms).await;
            drop(place);
        });
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, rooms: Router) {
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let mut conversation =
        std::pin::pin!(protocol.serve_connection(TokioIo::new(stream), TowerToHyperService::new(rooms)));
    if timeout(AGE, conversation.as_mut()).await.is_err() {
        conversation.as_mut().graceful_shutdown();
        let _ = timeout(LAST, conversation).await; // whoever has not read an answer by then never will
    }
}
