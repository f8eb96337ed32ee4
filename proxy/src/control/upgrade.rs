//! Another process takes the place of this one: a new binary, or the same one with settings that only a start changes.
//!
//! SIGUSR2 starts it with the command line of this one, and with the listening sockets: the same ones, queues included, so there
//! is no moment in which a client would be refused or a connection that was made would be lost. Once it says that it serves,
//! this process drains and ends. If it does not, nothing has happened.
//!
//! The sockets go over as systemd passes them (sd_listen_fds(3)), so that socket activation is the same thing. Behind them
//! comes a datagram socket by which the new process says that it serves.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use listenfd::ListenFd;

use crate::gateway::Workers;

/// How long the new process may take to serve: reading a large configuration, asking for the addresses of its servers.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether it has ended instead.
const LOOK: Duration = Duration::from_millis(20);
/// Where passed descriptors begin (sd_listen_fds(3)).
const FIRST: i32 = 3;

/// What a process was given when it was started.
#[derive(Debug, Default)]
pub struct Inheritance {
    /// Sockets that listen already; the gateway's own come before any that are needed.
    pub listeners: Vec<TcpListener>,
    /// Who waits to hear that this process serves.
    predecessor: Option<UnixDatagram>,
}

impl Inheritance {
    /// Takes what the environment speaks of. To be called once, at the start.
    ///
    /// # Errors
    /// What was passed is neither a listening TCP socket nor a predecessor's.
    pub fn take() -> io::Result<Inheritance> {
        let mut passed = ListenFd::from_env();
        let mut inheritance = Inheritance::default();
        for index in 0..passed.len() {
            match passed.take_unix_datagram(index) {
                Ok(Some(socket)) => inheritance.predecessor = Some(socket),
                _ => inheritance.listeners.extend(passed.take_tcp_listener(index)?),
            }
        }
        Ok(inheritance)
    }

    /// Whether another process serves until this one does.
    pub fn has_predecessor(&self) -> bool {
        self.predecessor.is_some()
    }

    /// Tells the predecessor that this process serves now.
    pub fn announce(&self) {
        let _ = self.predecessor.as_ref().map(|socket| socket.send(b"serving")); // one that is gone needs no telling
    }
}

/// Starts a successor and waits until it serves. Blocks for up to [`PATIENCE`]. Its process id.
///
/// # Errors
/// It could not be started, or ended, or took too long: then it is ended.
pub(super) fn start_successor(workers: &Workers) -> io::Result<u32> {
    let (ours, theirs) = UnixDatagram::pair()?;
    ours.set_read_timeout(Some(LOOK))?;
    let mut passed: Vec<OwnedFd> = workers.listeners()?.into_iter().map(OwnedFd::from).collect();
    if passed.is_empty() {
        return Err(io::Error::other("this process is about to end"));
    }
    passed.push(theirs.into());
    let mut command = command(passed)?;
    let mut successor = command.spawn()?;
    drop(command); // and with it our copies of what was passed
    until_it_serves(&ours, &mut successor).inspect_err(|_| end(&mut successor))?;
    Ok(successor.id())
}

/// The command line of this process, with descriptors.
fn command(passed: Vec<OwnedFd>) -> io::Result<Command> {
    let mut arguments = std::env::args_os();
    let program =
        arguments.next().ok_or_else(|| io::Error::other("this process does not know its own name"))?;
    let mut command = Command::new(program);
    command.args(arguments).env_remove("LISTEN_PID").env("LISTEN_FDS", passed.len().to_string());
    let mappings = (FIRST..).zip(passed).map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd });
    command.fd_mappings(mappings.collect()).map_err(io::Error::other)?;
    Ok(command)
}

fn until_it_serves(ours: &UnixDatagram, successor: &mut Child) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if ours.recv(&mut [0; 16]).is_ok_and(|count| count > 0) {
            return Ok(());
        }
        if let Some(status) = successor.try_wait()? {
            return Err(io::Error::other(format!("the new process ended before it served: {status}")));
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "the new process did not serve in time, and is ended"))
}

fn end(successor: &mut Child) {
    let _ = successor.kill();
    let _ = successor.wait();
}
