//! What the seam's sockets are in the simulation: handles on endpoints and on listeners' queues.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;

use super::connection::Endpoint;
use super::socket::Waiters;
use super::tasks::Wait;
use super::world::World;
use crate::{Buffer, Side};

/// A connected stream of the simulated network.
pub(crate) struct Stream {
    endpoint: Endpoint,
}

impl Stream {
    pub(crate) fn recv<'a>(&'a self, buffer: &'a mut Buffer, limit: usize) -> Receive<'a> {
        Receive { endpoint: &self.endpoint, buffer, limit, armed: false }
    }

    pub(crate) fn try_recv(&self, buffer: &mut Buffer, limit: usize) -> io::Result<usize> {
        if self.endpoint.socket().receiving {
            let endpoint = &self.endpoint;
            endpoint.world().violated(format!(
                "bytes are taken from {endpoint:?} past a receive that is pending: await that first"
            ));
        }
        match self.endpoint.try_receive(buffer, limit) {
            Poll::Ready(received) => received,
            Poll::Pending => Err(Errno::AGAIN.into()),
        }
    }

    pub(crate) fn try_send(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.endpoint.try_send(parts)
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.until(Endpoint::is_writable, |local, peer| Wait::Writable { local, peer }).await
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.until(Endpoint::is_readable, |local, peer| Wait::Readable { local, peer }).await
    }

    async fn until(
        &self,
        reached: fn(&Endpoint) -> bool,
        wait: fn(SocketAddr, SocketAddr) -> Wait,
    ) -> io::Result<()> {
        poll_fn(|context| {
            if reached(&self.endpoint) {
                return Poll::Ready(Ok(()));
            }
            self.endpoint.wait(context.waker(), wait);
            Poll::Pending
        })
        .await
    }

    pub(crate) fn is_quiet(&self) -> bool {
        !self.endpoint.is_readable()
    }

    pub(crate) fn closer(&self) -> Closer {
        Closer(self.endpoint.clone())
    }

    pub(crate) fn peer(&self) -> io::Result<SocketAddr> {
        if self.endpoint.socket().is_dead() { Err(Errno::NOTCONN.into()) } else { Ok(self.endpoint.peer()) }
    }

    pub(crate) fn reset_on_close(&self) {
        self.endpoint.socket().reset_on_close = true;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.endpoint.close();
    }
}

/// A receive. Once it has been polled it may not be dropped before it ends, since the kernel would own its buffer.
pub(crate) struct Receive<'a> {
    endpoint: &'a Endpoint,
    buffer: &'a mut Buffer,
    limit: usize,
    armed: bool,
}

impl Future for Receive<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.armed {
            this.arm();
            if this.endpoint.world().chance(|_| 0.5) {
                context.waker().wake_by_ref(); // a ring completes on a later turn even if bytes are there, epoll at once
                return Poll::Pending;
            }
        }
        let outcome = this.endpoint.try_receive(this.buffer, this.limit);
        match outcome {
            Poll::Pending => this.endpoint.wait(context.waker(), |local, peer| Wait::Receive { local, peer }),
            Poll::Ready(_) => this.disarm(),
        }
        outcome
    }
}

impl Receive<'_> {
    fn arm(&mut self) {
        let endpoint = self.endpoint;
        if self.buffer.room() == 0 || self.limit == 0 {
            endpoint.world().violated(format!(
                "a receive on {endpoint:?} has no room, and the kernel's answer of 0 would look like the end of the \
                 stream: make room in the buffer first"
            ));
        }
        if endpoint.socket().receiving {
            endpoint.world().violated(format!(
                "two receives are pending on {endpoint:?}: await the first, or end it by a closer and then await it"
            ));
        }
        endpoint.socket().receiving = true;
        self.armed = true;
    }

    fn disarm(&mut self) {
        self.endpoint.socket().receiving = false;
        self.armed = false;
    }
}

impl Drop for Receive<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.disarm();
            let endpoint = self.endpoint;
            endpoint.world().violated(format!(
                "a pending receive on {endpoint:?} was dropped while the kernel would own its buffer: end it by a \
                 closer and await it; only readiness, connects and sleeps may be raced"
            ));
        }
    }
}

/// Ends a stream that another task owns.
#[derive(Debug, Clone)]
pub struct Closer(Endpoint);

impl Closer {
    pub(crate) fn shutdown(&self, side: Side) {
        self.0.shutdown(side);
    }

    pub(crate) fn is_reset(&self) -> bool {
        self.0.socket().is_dead()
    }
}

/// Connections a listener may have waiting; the kernel drops the messages that would open more.
const BACKLOG: usize = 4096;
/// When Linux gives up a connect that nobody answers: `tcp_syn_retries` is 6, and the delays 1, 2, 4 ... add up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(127);
/// Where Linux takes a client's port from, by default (`ip_local_port_range`).
const EPHEMERAL_PORTS: std::ops::RangeInclusive<u16> = 32768..=60999;

/// A listening socket of the simulated network.
pub(crate) struct Listener {
    world: Rc<World>,
    queue: Rc<Queue>,
}

/// The connections that wait to be accepted.
struct Queue {
    address: SocketAddr,
    open: Cell<bool>,
    waiting: RefCell<VecDeque<Stream>>,
    waiters: RefCell<Waiters>,
}

impl Queue {
    /// A queue that closed meanwhile resets what comes late.
    fn push(&self, stream: Stream) {
        if !self.open.get() {
            return stream.reset_on_close();
        }
        self.waiting.borrow_mut().push_back(stream);
        self.waiters.borrow_mut().wake();
    }

    fn close(&self) {
        self.open.set(false);
        self.waiting.take().iter().for_each(Stream::reset_on_close);
    }
}

impl Listener {
    pub(super) fn open(world: Rc<World>, address: SocketAddr) -> Listener {
        let queue = world.listeners.open(address);
        Listener { world, queue }
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        poll_fn(|context| {
            if !self.queue.waiting.borrow().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.queue.waiters.borrow_mut().add(context.waker());
            self.world.tasks.waits_for(Wait::Accept { local: self.queue.address });
            Poll::Pending
        })
        .await
    }

    pub(crate) fn try_accept(&self) -> io::Result<(Stream, SocketAddr)> {
        let stream = self.queue.waiting.borrow_mut().pop_front().ok_or(Errno::AGAIN)?;
        let peer = stream.endpoint.peer();
        self.world.note(("accept", self.queue.address, peer));
        Ok((stream, peer))
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.queue.address)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.world.listeners.close(&self.queue);
    }
}

/// Who listens where, and the ports given to those who asked for any.
#[derive(Default)]
pub(super) struct Listeners {
    queues: RefCell<BTreeMap<SocketAddr, Vec<Rc<Queue>>>>,
    ports: Cell<u16>,
}

impl Listeners {
    fn open(&self, mut address: SocketAddr) -> Rc<Queue> {
        if address.port() == 0 {
            address.set_port(self.next_port());
        }
        let (open, waiting, waiters) = (Cell::new(true), RefCell::default(), RefCell::default());
        let queue = Rc::new(Queue { address, open, waiting, waiters });
        self.queues.borrow_mut().entry(address).or_default().push(queue.clone());
        queue
    }

    fn close(&self, queue: &Rc<Queue>) {
        if let Some(siblings) = self.queues.borrow_mut().get_mut(&queue.address) {
            siblings.retain(|other| !Rc::ptr_eq(other, queue));
        }
        queue.close();
    }

    pub(super) fn clear(&self) {
        let queues = self.queues.take();
        queues.values().flatten().for_each(|queue| queue.close());
    }

    fn next_port(&self) -> u16 {
        let next = self.ports.get().max(*EPHEMERAL_PORTS.start() - 1) + 1;
        self.ports.set(if EPHEMERAL_PORTS.contains(&next) { next } else { *EPHEMERAL_PORTS.start() });
        self.ports.get()
    }

    /// A client's address as the server will see it.
    fn client_of(&self, server: SocketAddr) -> SocketAddr {
        let host = match server {
            SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
        };
        SocketAddr::new(host, self.next_port())
    }

    /// One of those who listen at `address`, chosen as SO_REUSEPORT does: by chance.
    fn choose(&self, world: &World, address: SocketAddr) -> Option<Rc<Queue>> {
        let queues = self.queues.borrow();
        let siblings = queues.get(&address).filter(|siblings| !siblings.is_empty())?;
        Some(siblings[world.index(siblings.len())].clone())
    }
}

pub(crate) async fn connect(server: SocketAddr) -> io::Result<Stream> {
    let world = World::current();
    let client = world.listeners.client_of(server);
    connect_between(world, client, server).await
}

pub(super) async fn connect_from(client: IpAddr, server: SocketAddr) -> io::Result<Stream> {
    let world = World::current();
    let client = SocketAddr::new(client, world.listeners.next_port());
    connect_between(world, client, server).await
}

async fn connect_between(world: Rc<World>, client: SocketAddr, server: SocketAddr) -> io::Result<Stream> {
    world.flight().await;
    let answer = match world.listeners.choose(&world, server) {
        _ if world.chance(|faults| faults.ignore) => Err(Errno::TIMEDOUT),
        Some(queue) if queue.waiting.borrow().len() >= BACKLOG => Err(Errno::TIMEDOUT),
        Some(queue) if !world.chance(|faults| faults.refuse) => Ok(meet(&world, &queue, client)),
        _ => Err(Errno::CONNREFUSED),
    };
    world.note(("connect", client, server, answer.is_ok()));
    match answer {
        Err(Errno::TIMEDOUT) => world.sleep(CONNECT_TIMEOUT).await,
        _ => world.flight().await,
    }
    Ok(answer?)
}

/// Opens a connection whose other end waits in `queue`, after a while.
fn meet(world: &Rc<World>, queue: &Rc<Queue>, client: SocketAddr) -> Stream {
    let (client, server) = Endpoint::pair(world, client, queue.address);
    let (queue, server) = (queue.clone(), Stream { endpoint: server });
    let seen = world.agenda.elapsed() + world.duration(|faults| &faults.accept_delay);
    world.at(seen, move || queue.push(server));
    Stream { endpoint: client }
}
