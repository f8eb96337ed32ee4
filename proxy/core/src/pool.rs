//! Pools of servers, and whose turn it is.
//!
//! What is counted of a pool and of its servers outlives a configuration: where the next one has a pool of the same name, or
//! in it the same server, they go on with it ([`Pool::after`]).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;

use crate::limits::SERVER_CONNECTIONS;
use crate::target::host_name;

/// One server of a pool.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its place in its pool.
    pub index: usize,
    /// As the configuration writes it, or its address if it was found under some other name.
    pub name: Box<str>,
    /// Where it listens.
    pub address: SocketAddr,
    /// How many connections to it there may be.
    pub capacity: Capacity,
    /// What every request to it has between target and fields, rendered once for all workers.
    pub(crate) version_and_host: Bytes,
}

impl Server {
    /// A server that is asked for its name, which has to be a valid Host.
    pub fn new(name: &str, address: SocketAddr) -> Server {
        Server::asked_for(name, name, address)
    }

    /// One that was found under another name; `host` has to be a valid Host.
    pub fn found(address: SocketAddr, host: &str) -> Server {
        Server::asked_for(host, &address.to_string(), address)
    }

    fn asked_for(host: &str, name: &str, address: SocketAddr) -> Server {
        let version_and_host = format!(" HTTP/1.1\r\nHost: {host}\r\n").into();
        let capacity = Capacity::new(SERVER_CONNECTIONS);
        Server { index: 0, name: name.into(), address, capacity, version_and_host }
    }

    /// What every request to it has between target and fields.
    pub fn version_and_host(&self) -> &[u8] {
        &self.version_and_host
    }

    /// The same server, with a bound of its own on connections to it.
    pub fn at_most(self, connections: usize) -> Server {
        Server { capacity: Capacity { most: connections, ..self.capacity }, ..self }
    }

    /// Whether an authority names it: by what it is asked for or by where it is, with or without its port.
    pub fn is_called(&self, authority: &[u8]) -> bool {
        let own =
            self.version_and_host.strip_prefix(b" HTTP/1.1\r\nHost: ").unwrap_or_default().trim_ascii_end();
        let host = |authority: &[u8]| host_name(authority).to_ascii_lowercase();
        let asked = host(authority);
        !asked.is_empty() && (asked == host(own) || asked == host(self.address.to_string().as_bytes()))
    }

    /// What it is known by from one configuration to the next.
    fn identity(&self) -> (SocketAddr, &[u8]) {
        (self.address, &self.version_and_host)
    }

    /// Whether a request is served the same way by both.
    pub fn is_same_as(&self, other: &Server) -> bool {
        self.identity() == other.identity() && self.capacity.most() == other.capacity.most()
    }
}

/// How many connections this node may have to one server, over all workers together.
#[derive(Debug, Clone)]
pub struct Capacity {
    most: usize,
    shared: Arc<Shared>,
}

/// Which server a connection is to, in all configurations that have it. Not another one's while it has a [`Place`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServerId(usize);

/// Written when a connection is made or ended, not per request (ARCHITECTURE.md, the closed list).
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shared {
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
        Capacity { most, shared: Arc::default() }
    }

    /// Whose it is.
    pub fn id(&self) -> ServerId {
        ServerId::of(&self.shared)
    }

    /// A place for one more connection, or `None`: then idle ones are asked for.
    pub fn take(&self) -> Option<Place> {
        let fits = |open: usize| (open < self.most).then_some(open + 1);
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
        self.most
    }
}

impl ServerId {
    /// Where its count stands in memory.
    fn of(shared: &Arc<Shared>) -> ServerId {
        ServerId(Arc::as_ptr(shared).addr())
    }
}

impl Place {
    /// At whom it is.
    pub fn server(&self) -> ServerId {
        ServerId::of(&self.shared)
    }

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
    cursor: Arc<Cursor>,
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
    pub fn new(name: &str, mut servers: Vec<Server>) -> Pool {
        assert!(!servers.is_empty(), "a pool has servers");
        servers.iter_mut().enumerate().for_each(|(index, server)| server.index = index);
        Pool { name: name.into(), servers, cursor: Arc::default() }
    }

    /// The same pool, going on where `earlier` is: with its next turn, and with the connections of the servers that both have.
    pub fn after(mut self, earlier: &Pool) -> Pool {
        self.cursor = earlier.cursor.clone();
        let known: HashMap<_, _> = earlier.servers.iter().map(|server| (server.identity(), server)).collect();
        for server in &mut self.servers {
            if let Some(earlier) = known.get(&server.identity()) {
                server.capacity.shared = earlier.capacity.shared.clone();
            }
        }
        self
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
        let servers = (0..count).map(|index| Server::new(&format!("s{index}"), address));
        Pool::new("p", servers.collect())
    }

    #[test]
    fn turns_begin_at_each_server_in_order() {
        let pool = pool(3);
        let firsts: Vec<&str> =
            (0..6).filter_map(|_| pool.turn().next().map(|server| &*server.name)).collect();
        assert_eq!(firsts, ["s0", "s1", "s2", "s0", "s1", "s2"]);
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
        assert_eq!(pool.turn().map(|server| &*server.name).collect::<Vec<_>>(), ["s1", "s2", "s0"]);
    }

    #[test]
    fn the_next_configuration_goes_on_with_turns_and_connections_under_its_own_bounds() {
        let earlier = pool(2);
        earlier.turn();
        let [first, second] = [0, 1].map(|index| earlier.servers[index].capacity.clone());
        let place = second.take().unwrap();
        let server = |name| Server::new(name, earlier.servers[0].address);
        let later = Pool::new("p", vec![server("new"), server("s1").at_most(1)]).after(&earlier);
        assert_eq!(later.turn().next().map(|server| &*server.name), Some("s1"), "the second turn");
        let [new, same] = [0, 1].map(|index| &later.servers[index].capacity);
        assert!(same.id() == second.id() && same.id() == place.server() && same.open() == 1);
        assert!(
            same.take().is_none() && second.take().is_some(),
            "one more is allowed by the earlier one alone"
        );
        assert!(new.id() != first.id() && new.id() != second.id());
    }
}
