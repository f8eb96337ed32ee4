//! The seam's real half: sockets on monoio. The only file that speaks of monoio's sockets.
//!
//! Receives go through the ring with a buffer the kernel owns meanwhile. Sends are plain `sendmsg(MSG_DONTWAIT)`: they
//! borrow their bytes, they may be given up half-way, a small response leaves at once, and under load they measured level
//! with submitted sends. Only a full socket buffer waits, by a poll.

use std::cell::UnsafeCell;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use monoio::buf::IoBufMut;
use monoio::io::AsyncReadRent;
use monoio::net::{TcpListener, TcpStream};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};

use crate::{Buffer, driver};

/// A connected TCP socket.
pub(crate) struct Stream {
    tcp: UnsafeCell<TcpStream>,
}

impl Stream {
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Stream> {
        let tcp = TcpStream::connect_addr(address).await?;
        tcp.set_nodelay(true)?;
        Ok(Stream { tcp: UnsafeCell::new(tcp) })
    }

    pub(crate) fn from_std(stream: std::net::TcpStream) -> io::Result<Stream> {
        stream.set_nonblocking(driver::is_epoll())?;
        Ok(Stream { tcp: UnsafeCell::new(TcpStream::from_std(stream)?) })
    }

    pub(crate) async fn recv(&self, buffer: &mut Buffer, limit: usize) -> io::Result<usize> {
        debug_assert!(buffer.room() > 0 && limit > 0, "a receive needs room");
        loop {
            let room = Room { buffer: std::mem::take(buffer), limit };
            let receive = {
                // SAFETY: `read` takes `&mut` only to clone the descriptor into its operation, before it returns; the
                // future holds nothing of the stream. (monoio 0.2.4, net/tcp/stream.rs.) No other reference to the
                // stream is alive during this block, since none is ever kept across a call.
                let tcp = unsafe { &mut *self.tcp.get() };
                tcp.read(room)
            };
            let (result, room) = receive.await;
            *buffer = room.buffer;
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => return result,
            }
        }
    }

    pub(crate) fn try_recv(&self, buffer: &mut Buffer, limit: usize) -> io::Result<usize> {
        let room = buffer.room().min(limit);
        loop {
            match rustix::net::recv(self.fd(), &mut buffer.spare()[..room], RecvFlags::DONTWAIT) {
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
                Ok((_, count)) => {
                    // SAFETY: the kernel has just written `count` bytes there.
                    unsafe { buffer.received(count) };
                    return Ok(count);
                }
            }
        }
    }

    pub(crate) fn try_send(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        loop {
            // One slice skips the message header; the kernel reads the same bytes.
            let sent = match parts {
                [one] => rustix::net::send(self.fd(), one, flags),
                many => rustix::net::sendmsg(self.fd(), many, &mut SendAncillaryBuffer::default(), flags),
            };
            match sent {
                Err(rustix::io::Errno::INTR) => continue,
                sent => return Ok(sent?),
            }
        }
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.tcp().writable(false).await
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.tcp().readable(false).await
    }

    pub(crate) fn is_quiet(&self) -> bool {
        let mut byte = [0u8; 1];
        let peeked = rustix::net::recv(self.fd(), &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(peeked, Err(rustix::io::Errno::AGAIN))
    }

    pub(crate) fn unsent(&self) -> usize {
        const SIOCOUTQ: rustix::ioctl::Opcode = 0x5411; // tcp(7): bytes not yet acknowledged
        // SAFETY: the request fills in one `int`.
        let queued = unsafe {
            rustix::ioctl::ioctl(self.fd(), rustix::ioctl::Getter::<SIOCOUTQ, std::ffi::c_int>::new())
        };
        queued.map_or(0, |bytes| bytes.max(0) as usize)
    }

    pub(crate) fn raw(&self) -> RawFd {
        self.tcp().as_raw_fd()
    }

    pub(crate) fn peer(&self) -> io::Result<SocketAddr> {
        self.tcp().peer_addr()
    }

    pub(crate) fn reset_on_close(&self) {
        let _ = socket2::SockRef::from(&self.fd()).set_linger(Some(std::time::Duration::ZERO));
    }

    fn tcp(&self) -> &TcpStream {
        // SAFETY: the one exclusive reference is made and dropped inside `recv` without calling back into this type.
        unsafe { &*self.tcp.get() }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor stays open as long as the stream is borrowed.
        unsafe { BorrowedFd::borrow_raw(self.raw()) }
    }
}

/// `shutdown(2)` on a descriptor that its owner keeps open meanwhile (see [`crate::Closer`]).
pub(crate) fn shutdown(fd: RawFd, side: Shutdown) {
    // SAFETY: a closer is dropped before the stream it was made from, so the number still names that socket.
    let socket = unsafe { BorrowedFd::borrow_raw(fd) };
    let _ = socket2::SockRef::from(&socket).shutdown(side); // not connected any more: nothing left to end
}

/// Whether a reset has arrived: a hang-up in both directions, which poll(2) reports unasked. (An end of the peer's sending
/// alone would be POLLRDHUP.)
pub(crate) fn is_reset(fd: RawFd) -> bool {
    // SAFETY: as for `shutdown`.
    let socket = unsafe { BorrowedFd::borrow_raw(fd) };
    let mut polled = [PollFd::new(&socket, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut polled, Some(&at_once)).is_ok()
        && polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// The free part of a [`Buffer`], as monoio wants to see it.
struct Room {
    buffer: Buffer,
    limit: usize,
}

// SAFETY: the pointer is to the spare part of a heap allocation, which stays where it is when `Room` moves, and
// `bytes_total` never exceeds that part.
unsafe impl IoBufMut for Room {
    fn write_ptr(&mut self) -> *mut u8 {
        self.buffer.spare().as_mut_ptr().cast()
    }

    fn bytes_total(&mut self) -> usize {
        self.buffer.room().min(self.limit)
    }

    unsafe fn set_init(&mut self, count: usize) {
        // SAFETY: the kernel wrote `count` bytes from `write_ptr` on.
        unsafe { self.buffer.received(count) }
    }
}

/// A listening socket: a non-blocking one to accept from, and a second handle on it to poll.
pub(crate) struct Listener {
    accept: std::net::TcpListener,
    poll: TcpListener,
}

impl Listener {
    pub(crate) fn from_std(listener: std::net::TcpListener) -> io::Result<Listener> {
        listener.set_nonblocking(true)?;
        Ok(Listener { poll: TcpListener::from_std(listener.try_clone()?)?, accept: listener })
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.poll.readable(false).await
    }

    /// `accept4(SOCK_CLOEXEC)`, by way of the standard library; TCP_NODELAY is inherited from the listener.
    pub(crate) fn try_accept(&self) -> io::Result<(std::net::TcpStream, SocketAddr)> {
        self.accept.accept()
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.accept.local_addr()
    }
}

/// Any descriptor that can be polled: a timer, a socket pair. monoio's TCP type is the only one that offers a bare poll,
/// and it looks at nothing but the descriptor.
pub(crate) struct Pollable {
    inner: TcpStream,
}

impl Pollable {
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Pollable> {
        Ok(Pollable { inner: TcpStream::from_std(fd.into())? })
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.inner.readable(false).await
    }
}

impl AsFd for Pollable {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor stays open as long as `self` is borrowed.
        unsafe { BorrowedFd::borrow_raw(self.inner.as_raw_fd()) }
    }
}
