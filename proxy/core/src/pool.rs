//! Pools of servers, and whose turn it is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;

use crate::limits::SERVER_CONNECTIONS;

/// One server of a pool.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its place among all servers of the snapshot: what a worker keys its connections by.
    pub index: usize,
    /// As the configuration writes it; also the Host it is asked for.
    pub name: Box<str>,
    /// Where it listens.
    pub address: SocketAddr,
    /// How many connections to it there may be.
    pub capacity: Capacity,
    /// What every request to it has between target and fields, rendered once for all workers.
    pub(crate) version_and_host: Bytes,
}

impl Server {
    /// A server; `name` has to be a valid Host.
    pub fn new(index: usize, name: &str, address: SocketAddr) -> Server {
        let version_and_host = format!(" HTTP/1.1\r\nHost: {name}\r\n").into();
        let capacity = Capacity::new(SERVER_CONNECTIONS);
        Server { index, name: name.into(), address, capacity, version_and_host }
    }

    /// The same server, with a bound of its own on connections to it.
    pub fn at_most(self, connections: usize) -> Server {
        Server { capacity: Capacity::new(connections), ..self }
    }
}

/// How many connections this node may have to one server, over all workers together.
#[derive(Debug, Clone)]
pub struct Capacity {
    shared: Arc<Shared>,
}

/// Written when a connection is made or ended, not per request (ARCHITECTURE.md, the closed list).
#[derive(Debug)]
#[repr(align(128))]
struct Shared {
    most: usize,
    open: AtomicUsize,
    /// Somebody found no place: whoever keeps an idle connection shall let it go.
    is_wanted: AtomicBool,
}

/// One connection's place among those that a server may have; given back when dropped.
#[derive(Debug)]
pub struct Place {
    shared: Arc<Shared>,
}

impl Capacity {
    fn new(most: usize) -> Capacity {
        Capacity {
            shared: Arc::new(Shared { most, open: AtomicUsize::new(0), is_wanted: AtomicBool::new(false) }),
        }
    }

    /// A place for one more connection, or `None`: then idle ones are asked for.
    pub fn take(&self) -> Option<Place> {
        let fits = |open: usize| (open < self.shared.most).then_some(open + 1);
        let taken = self.shared.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        self.shared.is_wanted.store(taken.is_err(), Ordering::Relaxed);
        taken.ok().map(|_| Place { shared: self.shared.clone() })
    }

    /// Whether somebody waits for a place, so that none should be kept by an idle connection.
    pub fn is_wanted(&self) -> bool {
        self.shared.is_wanted.load(Ordering::Relaxed)
    }

    /// Connections there are.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// The bound.
    pub fn most(&self) -> usize {
        self.shared.most
    }
}

impl Place {
    /// As [`Capacity::is_wanted`].
    pub fn is_wanted(&self) -> bool {
        self.shared.is_wanted.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A service: servers that can answer the same requests.
#[derive(Debug)]
pub struct Pool {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// At least one.
    pub servers: Vec<Server>,
    cursor: Cursor,
}

/// One of the few lines of memory that several workers write (ARCHITECTURE.md); alone on its line, and on the
/// neighbouring one that the prefetcher takes along.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cursor(AtomicUsize);

impl Pool {
    /// A pool whose first turn is its first server's.
    ///
    /// # Panics
    /// Without servers.
    pub fn new(name: &str, servers: Vec<Server>) -> Pool {
        assert!(!servers.is_empty(), "a pool has servers");
        Pool { name: name.into(), servers, cursor: Cursor::default() }
    }

    /// Takes a turn: the servers in the order in which one request may try them. Round robin over all workers together:
    /// of M turns each of N servers begins M/N, within one.
    pub fn turn(&self) -> Turn<'_> {
        Turn { pool: self, first: self.cursor.0.fetch_add(1, Ordering::Relaxed), tried: 0 }
    }
}

/// One request's way through a pool: each server once.
#[derive(Debug)]
pub struct Turn<'a> {
    pool: &'a Pool,
    first: usize,
    tried: usize,
}

impl Turn<'_> {
    /// Whether every server has been tried.
    pub fn is_over(&self) -> bool {
        self.tried == self.pool.servers.len()
    }
}

impl<'a> Iterator for Turn<'a> {
    type Item = &'a Server;

    fn next(&mut self) -> Option<&'a Server> {
        let servers = &self.pool.servers;
        if self.is_over() {
            return None;
        }
        let server = &servers[self.first.wrapping_add(self.tried) % servers.len()];
        self.tried += 1;
        Some(server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(count: usize) -> Pool {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let servers = (0..count).map(|index| Server::new(index, &format!("s{index}"), address));
        Pool::new("p", servers.collect())
    }

    #[test]
    fn turns_begin_at_each_server_in_order() {
        let pool = pool(3);
        let firsts: Vec<usize> =
            (0..6).filter_map(|_| pool.turn().next().map(|server| server.index)).collect();
        assert_eq!(firsts, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn a_server_has_so_many_places_and_no_more() {
        let server = pool(1).servers[0].clone().at_most(2);
        let same = server.clone();
        let places: Vec<_> = (0..3).map(|_| server.capacity.take()).collect();
        assert_eq!(places.iter().flatten().count(), 2);
        assert!(same.capacity.is_wanted() && same.capacity.open() == 2);
        drop(places);
        assert!(same.capacity.take().is_some());
        assert!(!server.capacity.is_wanted() && server.capacity.open() == 0);
    }

    #[test]
    fn a_turn_tries_each_server_once() {
        let pool = pool(3);
        pool.turn();
        assert_eq!(pool.turn().map(|server| server.index).collect::<Vec<_>>(), [1, 2, 0]);
    }
}
