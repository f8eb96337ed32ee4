//! Sockets as the rest of the project sees them: one type over the kernel's and the simulated network's.

use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};

use crate::{Buffer, kernel};

/// Which direction of a connection a [`Closer`] ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Receiving: a pending receive completes with 0; what we still send gets through.
    Receive,
    /// Sending: the other side sees the end of our bytes.
    Send,
    /// Both.
    Both,
}

impl From<Side> for Shutdown {
    fn from(side: Side) -> Shutdown {
        match side {
            Side::Receive => Shutdown::Read,
            Side::Send => Shutdown::Write,
            Side::Both => Shutdown::Both,
        }
    }
}

/// Opens a listening socket with TCP_NODELAY (inherited by what it accepts) and SO_REUSEADDR. Port 0 picks a free port.
///
/// With `shared` it carries SO_REUSEPORT, so that each worker can have one of its own; a port on which anybody listens
/// already is refused all the same, except by sockets of `siblings`, because a shared port that somebody else holds would
/// silently take part of the connections.
///
/// # Errors
/// What the kernel says: address in use, not available, permission.
pub fn bind(
    address: SocketAddr,
    siblings: &[std::net::TcpListener],
    shared: bool,
) -> io::Result<std::net::TcpListener> {
    if shared && siblings.is_empty() && address.port() != 0 {
        // Refused if anybody listens, whatever its options. It must not listen itself: what connects in that moment would
        // be reset when it is closed again.
        bound(address, false)?;
    }
    let address = siblings.first().map_or(Ok(address), std::net::TcpListener::local_addr)?;
    listen(address, shared)
}

/// Connections the kernel completes before the worker accepts them; capped by `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Opens a listening socket beside those that others of this user have on the address, for a process that takes over from
/// another one.
///
/// # Errors
/// As [`bind`].
pub fn bind_beside(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    listen(address, true)
}

fn listen(address: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = bound(address, shared)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bound(address: SocketAddr, shared: bool) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nodelay(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A listening socket on this thread's loop.
pub struct Listener(ListenerKind);

enum ListenerKind {
    Kernel(kernel::Listener),
    #[cfg(feature = "sim")]
    Sim(crate::sim::Listener),
}

/// A connection just accepted, on no loop yet.
pub struct Arrival {
    socket: Socket,
    /// Who is at the other end.
    pub peer: SocketAddr,
}

enum Socket {
    Kernel(std::net::TcpStream),
    #[cfg(feature = "sim")]
    Sim(crate::sim::Stream),
}

impl Arrival {
    /// What another loop has passed on.
    pub fn from_socket(socket: std::net::TcpStream, peer: SocketAddr) -> Arrival {
        Arrival { socket: Socket::Kernel(socket), peer }
    }

    /// The bare socket, for another loop.
    ///
    /// # Errors
    /// The simulated network's streams stay on their thread: the arrival comes back.
    pub fn into_socket(self) -> Result<std::net::TcpStream, Arrival> {
        match self.socket {
            Socket::Kernel(socket) => Ok(socket),
            #[cfg(feature = "sim")]
            Socket::Sim(_) => Err(self),
        }
    }

    /// Attaches it to this thread's loop.
    ///
    /// # Errors
    /// What registering the descriptor says; none is known to occur.
    pub fn into_stream(self) -> io::Result<Stream> {
        match self.socket {
            Socket::Kernel(socket) => Ok(Stream(StreamKind::Kernel(kernel::Stream::from_std(socket)?))),
            #[cfg(feature = "sim")]
            Socket::Sim(stream) => Ok(Stream::simulated(stream)),
        }
    }
}

impl Listener {
    /// Attaches a socket made by [`bind`] to this thread's loop.
    ///
    /// # Errors
    /// Descriptors ran out.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Listener> {
        Ok(Listener(ListenerKind::Kernel(kernel::Listener::from_std(listener)?)))
    }

    #[cfg(feature = "sim")]
    pub(crate) fn simulated(listener: crate::sim::Listener) -> Listener {
        Listener(ListenerKind::Sim(listener))
    }

    /// Waits until [`try_accept`](Self::try_accept) may find a connection. May be dropped half-way: no connection is lost.
    ///
    /// # Errors
    /// What polling says; none is known to occur.
    pub async fn readable(&self) -> io::Result<()> {
        match &self.0 {
            ListenerKind::Kernel(listener) => listener.readable().await,
            #[cfg(feature = "sim")]
            ListenerKind::Sim(listener) => listener.readable().await,
        }
    }

    /// Takes one waiting connection; [`io::ErrorKind::WouldBlock`] when there is none.
    ///
    /// # Errors
    /// What `accept4` says: a connection that died in the queue, or descriptors that ran out.
    pub fn try_accept(&self) -> io::Result<Arrival> {
        match &self.0 {
            ListenerKind::Kernel(listener) => {
                listener.try_accept().map(|(socket, peer)| Arrival::from_socket(socket, peer))
            }
            #[cfg(feature = "sim")]
            ListenerKind::Sim(listener) => {
                listener.try_accept().map(|(stream, peer)| Arrival { socket: Socket::Sim(stream), peer })
            }
        }
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// None is known to occur.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            ListenerKind::Kernel(listener) => listener.local_addr(),
            #[cfg(feature = "sim")]
            ListenerKind::Sim(listener) => listener.local_addr(),
        }
    }
}

/// A connected byte stream. Receiving and sending are independent of each other; at most one receive may be pending.
pub struct Stream(StreamKind);

enum StreamKind {
    Kernel(kernel::Stream),
    #[cfg(feature = "sim")]
    Sim(crate::sim::Stream),
}

impl Stream {
    /// Connects to `address`, with TCP_NODELAY. May be dropped half-way: the attempt is given up.
    ///
    /// # Errors
    /// What the kernel says: refused, unreachable, no descriptors or ports left.
    pub async fn connect(address: SocketAddr) -> io::Result<Stream> {
        #[cfg(feature = "sim")]
        if crate::sim::is_running() {
            return crate::sim::connect(address).await.map(Stream::simulated);
        }
        kernel::Stream::connect(address).await.map(|stream| Stream(StreamKind::Kernel(stream)))
    }

    #[cfg(feature = "sim")]
    pub(crate) fn simulated(stream: crate::sim::Stream) -> Stream {
        Stream(StreamKind::Sim(stream))
    }

    /// Receives at least one byte into the buffer's room; 0 at the end of the stream, or after a [`Closer`] ended it.
    ///
    /// The buffer belongs to the kernel until this completes: do not drop this future, end it by a [`Closer`].
    ///
    /// # Errors
    /// What the kernel says: mostly a reset.
    pub async fn recv(&self, buffer: &mut Buffer) -> io::Result<usize> {
        self.recv_at_most(buffer, usize::MAX).await
    }

    /// As [`recv`](Self::recv), but never more than `limit` bytes (at least 1).
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn recv_at_most(&self, buffer: &mut Buffer, limit: usize) -> io::Result<usize> {
        match &self.0 {
            StreamKind::Kernel(stream) => stream.recv(buffer, limit).await,
            #[cfg(feature = "sim")]
            StreamKind::Sim(stream) => stream.recv(buffer, limit).await,
        }
    }

    /// Receives what has come already, at most `limit` bytes (at least 1), into the buffer's room, without waiting, in one
    /// system call; 0 at the end of the stream. Not while a receive is pending.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if nothing has come; else as [`recv`](Self::recv), which does not say it again.
    pub fn try_recv(&self, buffer: &mut Buffer, limit: usize) -> io::Result<usize> {
        match &self.0 {
            StreamKind::Kernel(stream) => stream.try_recv(buffer, limit),
            #[cfg(feature = "sim")]
            StreamKind::Sim(stream) => stream.try_recv(buffer, limit),
        }
    }

    /// Sends as much as fits into the socket's buffer, without waiting, in one system call.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if nothing fits now; else what the kernel says: reset, closed.
    pub fn try_send(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.0 {
            StreamKind::Kernel(stream) => stream.try_send(parts),
            #[cfg(feature = "sim")]
            StreamKind::Sim(stream) => stream.try_send(parts),
        }
    }

    /// Sends all of `bytes`. May be dropped half-way; then a part of them may have been sent.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send), waiting instead of `WouldBlock`.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.send_vectored(&mut [IoSlice::new(bytes)]).await
    }

    /// Sends all of `parts`, in order, in as few system calls as possible. Consumes the slices as it goes.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_vectored(&self, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        IoSlice::advance_slices(&mut parts, 0); // drops empty slices at the front
        while !parts.is_empty() {
            match self.try_send(parts) {
                Ok(sent) => IoSlice::advance_slices(&mut parts, sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until there is something to receive: bytes, the end, or an error. May be dropped half-way.
    ///
    /// # Errors
    /// What polling says; none is known to occur.
    pub async fn readable(&self) -> io::Result<()> {
        match &self.0 {
            StreamKind::Kernel(stream) => stream.readable().await,
            #[cfg(feature = "sim")]
            StreamKind::Sim(stream) => stream.readable().await,
        }
    }

    /// Waits until [`try_send`](Self::try_send) may take more, or fail for good. May be dropped half-way.
    ///
    /// # Errors
    /// What polling says; none is known to occur.
    pub async fn writable(&self) -> io::Result<()> {
        match &self.0 {
            StreamKind::Kernel(stream) => stream.writable().await,
            #[cfg(feature = "sim")]
            StreamKind::Sim(stream) => stream.writable().await,
        }
    }

    /// Bytes sent that the other side has not acknowledged. [`writable`](Self::writable) wants a third of the socket's buffer
    /// free, which may be a megabyte: whether a slow reader reads at all shows only here. (The simulated network becomes
    /// writable with the first byte, and says 0.)
    pub fn unsent(&self) -> usize {
        match &self.0 {
            StreamKind::Kernel(stream) => stream.unsent(),
            #[cfg(feature = "sim")]
            StreamKind::Sim(_) => 0,
        }
    }

    /// Whether an idle connection is still usable: the other side has neither spoken nor closed.
    pub fn is_quiet(&self) -> bool {
        match &self.0 {
            StreamKind::Kernel(stream) => stream.is_quiet(),
            #[cfg(feature = "sim")]
            StreamKind::Sim(stream) => stream.is_quiet(),
        }
    }

    /// Ends one direction or both, at once.
    pub fn shutdown(&self, side: Side) {
        self.closer().shutdown(side);
    }

    /// Makes the coming drop of this stream a reset instead of an orderly end, so that a truncated message cannot be
    /// taken for a whole one.
    pub fn reset_on_close(&self) {
        match &self.0 {
            StreamKind::Kernel(stream) => stream.reset_on_close(),
            #[cfg(feature = "sim")]
            StreamKind::Sim(stream) => stream.reset_on_close(),
        }
    }

    /// A handle by which somebody else on this loop can end the stream. It must be dropped before the stream
    /// ([`Deadlines`](crate::Deadlines) sees to that by a guard).
    pub fn closer(&self) -> Closer {
        match &self.0 {
            StreamKind::Kernel(stream) => Closer::Kernel(stream.raw()),
            #[cfg(feature = "sim")]
            StreamKind::Sim(stream) => Closer::Sim(stream.closer()),
        }
    }

    /// Whether the other side has broken the connection off. An orderly end of its sending is no reset.
    pub fn is_reset(&self) -> bool {
        self.closer().is_reset()
    }

    /// The address at the other end.
    ///
    /// # Errors
    /// The connection is gone already.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            StreamKind::Kernel(stream) => stream.peer(),
            #[cfg(feature = "sim")]
            StreamKind::Sim(stream) => stream.peer(),
        }
    }
}

/// Ends a stream that another task owns. See [`Stream::closer`].
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the variants are the seam's own")]
pub enum Closer {
    #[doc(hidden)]
    Kernel(std::os::fd::RawFd),
    #[cfg(feature = "sim")]
    #[doc(hidden)]
    Sim(crate::sim::Closer),
}

impl Closer {
    /// Ends one direction or both; pending receives and sends complete.
    pub fn shutdown(&self, side: Side) {
        match self {
            Closer::Kernel(fd) => kernel::shutdown(*fd, side.into()),
            #[cfg(feature = "sim")]
            Closer::Sim(closer) => closer.shutdown(side),
        }
    }

    /// As [`Stream::is_reset`].
    pub fn is_reset(&self) -> bool {
        match self {
            Closer::Kernel(fd) => kernel::is_reset(*fd),
            #[cfg(feature = "sim")]
            Closer::Sim(closer) => closer.is_reset(),
        }
    }
}
