//! Waking a loop from another thread: one socket pair, so that no task waker ever crosses threads (monoio panics on
//! that, and its cure costs every loop an extra descriptor and a channel).

use std::io;
use std::os::unix::net::UnixStream;

use crate::kernel::Pollable;

/// The half that lives on the loop.
pub struct Wake {
    socket: Pollable,
}

/// The half that any thread may hold.
#[derive(Debug)]
pub struct Waker {
    socket: UnixStream,
}

impl Waker {
    /// A pair: give the waker's partner to [`Wake::on_loop`] on the thread that shall wake.
    ///
    /// # Errors
    /// Descriptors ran out.
    pub fn pair() -> io::Result<(Waker, UnixStream)> {
        let (socket, partner) = UnixStream::pair()?;
        socket.set_nonblocking(true)?;
        partner.set_nonblocking(true)?;
        Ok((Waker { socket }, partner))
    }

    /// Wakes the loop. Several calls may be seen as one. Does nothing once the loop is gone.
    pub fn wake(&self) {
        let _ = rustix::io::write(&self.socket, &[1]); // full: the loop has a wake-up coming already
    }
}

impl Wake {
    /// Attaches the partner of a [`Waker`] to the calling thread's loop.
    ///
    /// # Errors
    /// What registering the descriptor says.
    pub fn on_loop(partner: UnixStream) -> io::Result<Wake> {
        Ok(Wake { socket: Pollable::new(partner.into())? })
    }

    /// Waits for the next wake-up, or for the waker to be dropped. May be dropped half-way.
    pub async fn wait(&self) {
        loop {
            let mut bytes = [0; 64];
            match rustix::io::read(&self.socket, &mut bytes) {
                Err(rustix::io::Errno::AGAIN) => {}
                _ => return,
            }
            if self.socket.readable().await.is_err() {
                return;
            }
        }
    }
}
