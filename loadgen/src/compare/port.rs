//! Whether somebody listens at the address of an experiment.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use super::process::LOOK;
use crate::{Error, Stop, Target};

/// How long a port may stay in use after its process has ended: the kernel takes an io_uring apart in the background.
const FREE_PATIENCE: Duration = Duration::from_secs(3);
/// How long a connection may take on this machine before nobody is there.
const CONNECT_PATIENCE: Duration = Duration::from_millis(500);

/// The addresses that an experiment's requests go to.
pub(crate) fn addresses(target: &Target) -> Result<Vec<SocketAddr>, Error> {
    let server = target.server();
    let found = server.to_socket_addrs().map_err(|cause| {
        let advice = "write an address of this machine";
        Error::Plan(format!("`{}` is no address ({cause}); {advice}", server.0))
    })?;
    Ok(found.collect())
}

/// Waits until nobody listens there, or until `stop` says that nobody needs to know. Finds out by binding, of which a
/// stranger who listens notices nothing.
pub(crate) fn wait_until_free(addresses: &[SocketAddr], stop: &Stop) -> Result<(), Error> {
    let until = Instant::now() + FREE_PATIENCE;
    while let Some(taken) = addresses.iter().find(|address| is_taken(address)) {
        if stop.is_stopped() {
            break;
        }
        if Instant::now() > until {
            let advice = "end it, or give A and B another port: its answers would be taken for theirs";
            return Err(Error::Experiment(format!("somebody listens on {taken} already; {advice}")));
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

fn is_taken(address: &SocketAddr) -> bool {
    TcpListener::bind(address).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}

/// Whether somebody accepts connections.
pub(crate) fn is_served(addresses: &[SocketAddr]) -> bool {
    addresses.iter().any(|address| TcpStream::connect_timeout(address, CONNECT_PATIENCE).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_refused_and_a_free_one_is_not_disturbed() {
        let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = stranger.local_addr().unwrap();
        stranger.set_nonblocking(true).unwrap();
        let stop = Stop::new();
        let error = wait_until_free(&[address], &stop).unwrap_err().to_string();
        assert!(error.contains(&address.to_string()), "{error}");
        assert_eq!(stranger.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "the stranger noticed");
        assert!(is_served(&[address]));
        let stopped = Stop::new();
        stopped.stop();
        wait_until_free(&[address], &stopped).unwrap();
        drop(stranger);
        wait_until_free(&[address], &stop).unwrap();
        assert!(!is_served(&[address]));
    }

    #[test]
    fn a_listener_on_all_addresses_has_the_port_too() {
        let stranger = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = stranger.local_addr().unwrap().port();
        assert!(is_taken(&SocketAddr::from(([127, 0, 0, 1], port))));
    }
}
