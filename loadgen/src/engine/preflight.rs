//! What has to be true before a run: somebody answers, and there are descriptors enough.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Error;
use crate::engine::stop::Stop;
use crate::plan::STOP_CHECK;

/// Descriptors a thread's event loop has beside its connections: ring or epoll, timer, and one in use for a moment.
const PER_THREAD: u64 = 8;

/// Resolves `host` once and returns its first address that accepts a connection; that one is closed again at once.
/// A name may have several, of which not all are served: `localhost` mostly stands for `::1` and `127.0.0.1`.
///
/// # Errors
/// Nobody answers, or `stop` did not wait for it.
pub(crate) fn find_server(
    host: &str,
    port: u16,
    timeout: Duration,
    stop: &Stop,
) -> Result<SocketAddr, Error> {
    let (tell, told) = channel();
    let host = host.to_owned();
    // Neither a name server nor a connect hears of a stop: whoever waits for them is left behind.
    thread::spawn(move || tell.send(first_that_answers(&host, port, timeout)));
    loop {
        match told.recv_timeout(STOP_CHECK) {
            Ok(found) => return found,
            Err(RecvTimeoutError::Timeout) if !stop.is_stopped() => {}
            Err(_) => return Err(Error::Interrupted),
        }
    }
}

fn first_that_answers(host: &str, port: u16, timeout: Duration) -> Result<SocketAddr, Error> {
    let unreachable = |cause| Error::Unreachable { server: format!("{host}:{port}"), cause };
    let mut cause = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs().map_err(unreachable)? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(_) => return Ok(address),
            Err(error) => cause = error,
        }
    }
    Err(unreachable(cause))
}

/// Makes sure that `connections` more descriptors can be opened; raises the soft limit to the hard one if need be.
pub(crate) fn reserve_descriptors(connections: usize, threads: usize) -> Result<(), Error> {
    let open_now = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) as u64;
    let needed = open_now + connections as u64 + threads as u64 * PER_THREAD;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|limit| limit >= needed) {
        return Ok(());
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) if maximum.is_none_or(|limit| limit >= needed) => Ok(()),
        _ => Err(Error::Descriptors { needed, limit: maximum.or(current).unwrap_or(0) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_connections_than_descriptors_are_refused_before_the_run() {
        let error = reserve_descriptors(1 << 40, 1).unwrap_err();
        assert!(matches!(error, Error::Descriptors { .. }), "{error}");
        assert!(error.to_string().contains("ulimit -n"), "{error}");
    }

    #[test]
    fn the_address_that_answers_is_found_and_nobody_is_an_error_with_advice() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(find_server("localhost", address.port(), second, &Stop::new()).unwrap(), address);
        drop(listener);
        let error = find_server("127.0.0.1", address.port(), second, &Stop::new()).unwrap_err();
        assert!(error.to_string().contains("start the server"), "{error}");
    }
}
