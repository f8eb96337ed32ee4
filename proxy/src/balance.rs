//! Connections over workers: how many each has, how many all may have, and whose a new one becomes.
//!
//! The kernel deals connections to listening sockets by a hash of addresses, which is uneven with few clients: of 8
//! connections over 2 sockets, one time in four a socket gets 6 or more. A connection that finds its worker well above the
//! least loaded one is passed on when it is accepted; never later, when it has state.
//!
//! Assumes: whoever passes a connection on has counted it for the other worker before. So a worker with a count of zero that
//! [closes](Load::close_if_none) has nothing on the way to it, and nobody can send it anything any more.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use ringgate_io::{Arrival, Wake, Waker};

use crate::limits;

/// Connections of one worker: written by itself, and by workers that pass connections on to it (ARCHITECTURE.md, the closed
/// list of shared lines).
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Load {
    connections: AtomicUsize,
    /// Somebody waits for a place that the idle connections of no other worker can make.
    needs_room: AtomicBool,
}

/// Added to a load that takes no more.
const CLOSED: usize = 1 << (usize::BITS - 1);

impl Load {
    /// Connections it has, those on their way to it included.
    pub(crate) fn count(&self) -> usize {
        self.connections.load(Ordering::Relaxed) & !CLOSED
    }

    /// Counts one more, unless the worker takes no more.
    fn take(&self) -> bool {
        let is_open = self.connections.fetch_add(1, Ordering::AcqRel) & CLOSED == 0;
        if !is_open {
            self.leave();
        }
        is_open
    }

    fn leave(&self) {
        self.connections.fetch_sub(1, Ordering::AcqRel);
    }

    /// Takes no more from now on, if there is none. Whether that was so.
    fn close_if_none(&self) -> bool {
        self.connections.compare_exchange(0, CLOSED, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// A connection on its way to another worker.
type Parcel = (TcpStream, SocketAddr);

/// A worker as the others see it.
#[derive(Clone)]
struct Colleague {
    load: Arc<Load>,
    door: SyncSender<Parcel>,
    bell: Arc<Waker>,
}

/// Where a worker finds what others pass on to it.
pub(crate) struct Inbox {
    parcels: Receiver<Parcel>,
    load: Arc<Load>,
    wake: Wake,
    /// A wake whose last waker is gone would never rest; this one is here as long as the inbox.
    _bell: Arc<Waker>,
}

/// An inbox that has no loop yet.
pub(crate) struct ClosedInbox {
    parcels: Receiver<Parcel>,
    load: Arc<Load>,
    wake: UnixStream,
    bell: Arc<Waker>,
}

impl ClosedInbox {
    /// Opens it on the calling thread's loop.
    pub(crate) fn open(self) -> std::io::Result<Inbox> {
        let ClosedInbox { parcels, load, wake, bell } = self;
        Ok(Inbox { parcels, load, wake: Wake::on_loop(wake)?, _bell: bell })
    }
}

impl Inbox {
    /// Waits until somebody has rung. May be dropped half-way.
    pub(crate) async fn rung(&self) {
        self.wake.wait().await;
    }

    /// What has been passed on; each is counted in this worker's load already.
    pub(crate) fn parcels(&self) -> impl Iterator<Item = Arrival> {
        self.parcels.try_iter().map(|(socket, peer)| Arrival::from_socket(socket, peer))
    }

    /// Whether somebody has asked for room since the last look.
    pub(crate) fn needs_room(&self) -> bool {
        self.load.needs_room.swap(false, Ordering::Relaxed)
    }
}

/// All workers, as one of them sees them.
pub(crate) struct Balance {
    own: Arc<Load>,
    colleagues: Vec<Colleague>,
    /// Connections that all workers together may have.
    most: usize,
}

/// A connection's place in the load of its worker; given back when dropped.
pub(crate) struct Seat(Arc<Load>);

/// What becomes of a connection that was just accepted.
pub(crate) enum Placed {
    /// It stays.
    Here(Arrival, Seat),
    /// Another worker has it.
    Away,
}

/// One [`Balance`] and inbox for each of `count` workers that may have `most` connections together, and their loads.
pub(crate) fn crew(count: usize, most: usize) -> std::io::Result<Vec<(Balance, ClosedInbox)>> {
    let (mut colleagues, mut inboxes) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (waker, wake) = Waker::pair()?;
        let ((door, parcels), bell) = (sync_channel(limits::PARCELS), Arc::new(waker));
        let load = Arc::new(Load::default());
        colleagues.push(Colleague { load: load.clone(), door, bell: bell.clone() });
        inboxes.push(ClosedInbox { parcels, load, wake, bell });
    }
    let balance = |own: usize| Balance {
        own: colleagues[own].load.clone(),
        colleagues: colleagues
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != own)
            .map(|(_, colleague)| colleague.clone())
            .collect(),
        most,
    };
    Ok(inboxes.into_iter().enumerate().map(|(own, inbox)| (balance(own), inbox)).collect())
}

impl Balance {
    /// A worker without others.
    #[cfg(test)]
    pub(crate) fn alone() -> Balance {
        Balance { own: Arc::default(), colleagues: Vec::new(), most: usize::MAX }
    }

    /// The load of this worker.
    pub(crate) fn own(&self) -> &Arc<Load> {
        &self.own
    }

    /// Whether all workers together have as many connections as they may. Several that look at once may each take one more.
    pub(crate) fn is_full(&self) -> bool {
        let others: usize = self.colleagues.iter().map(|colleague| colleague.load.count()).sum();
        self.own.count() + others >= self.most
    }

    /// How many idle connections make room at once.
    pub(crate) fn eviction(&self) -> usize {
        (self.most / limits::EVICTED_SHARE).clamp(1, limits::EVICTED)
    }

    /// Has the others make room.
    pub(crate) fn ask_for_room(&self) {
        for colleague in &self.colleagues {
            colleague.load.needs_room.store(true, Ordering::Relaxed);
            colleague.bell.wake();
        }
    }

    /// Finds a place for a new connection: here, unless this worker is well above the least loaded one.
    pub(crate) fn place(&self, arrival: Arrival) -> Placed {
        let least = self.colleagues.iter().min_by_key(|colleague| colleague.load.count());
        let arrival = match least {
            Some(colleague) if self.own.count() >= colleague.load.count() + limits::IMBALANCE => {
                colleague.pass_on(arrival)
            }
            _ => Err(arrival),
        };
        match arrival {
            Ok(()) => Placed::Away,
            Err(arrival) => Placed::Here(arrival, self.seat()),
        }
    }

    /// A seat here for whoever has come in by the own door.
    fn seat(&self) -> Seat {
        self.own.connections.fetch_add(1, Ordering::AcqRel);
        Seat(self.own.clone())
    }

    /// The seat of a connection that another worker has counted here.
    pub(crate) fn seat_of_parcel(&self) -> Seat {
        Seat(self.own.clone())
    }

    /// Ends the worker's part if it has no connection, and none on its way to it.
    pub(crate) fn close_if_none(&self) -> bool {
        self.own.close_if_none()
    }
}

impl Colleague {
    fn pass_on(&self, arrival: Arrival) -> Result<(), Arrival> {
        if !self.load.take() {
            return Err(arrival);
        }
        let peer = arrival.peer;
        let sent = arrival.into_socket().and_then(|socket| {
            self.door.try_send((socket, peer)).map_err(|refused| {
                let (TrySendError::Full((socket, _)) | TrySendError::Disconnected((socket, _))) = refused;
                Arrival::from_socket(socket, peer)
            })
        });
        match sent {
            Ok(()) => self.bell.wake(),
            Err(_) => self.load.leave(),
        }
        sent
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn arrival() -> Arrival {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, peer) = listener.accept().unwrap();
        Arrival::from_socket(socket, peer)
    }

    /// Places that many connections by the first worker of a crew; what each worker has then.
    fn place(count: usize, crew: &[(Balance, ClosedInbox)], seats: &mut Vec<Seat>) -> Vec<usize> {
        for _ in 0..count {
            if let Placed::Here(_, seat) = crew[0].0.place(arrival()) {
                seats.push(seat);
            }
        }
        crew.iter().map(|(balance, _)| balance.own.count()).collect()
    }

    #[test]
    fn whoever_has_four_more_than_the_least_loaded_passes_on() {
        let (crew, mut seats) = (crew(3, usize::MAX).unwrap(), Vec::new());
        assert_eq!(place(4, &crew, &mut seats), [4, 0, 0]);
        assert_eq!(place(2, &crew, &mut seats), [4, 1, 1]);
        assert_eq!(place(30, &crew, &mut seats).iter().sum::<usize>(), 36);
        let loads = place(0, &crew, &mut seats);
        assert!(loads[0] <= loads[1] + 4 && loads[0] <= loads[2] + 4, "{loads:?}");
        assert_eq!(crew[1].1.parcels.try_iter().count(), loads[1]);
    }

    #[test]
    fn nothing_is_passed_on_to_a_worker_that_has_closed() {
        let (crew, mut seats) = (crew(2, usize::MAX).unwrap(), Vec::new());
        assert!(crew[1].0.close_if_none());
        assert_eq!(place(9, &crew, &mut seats), [9, 0]);
        assert!(!crew[0].0.close_if_none(), "it has connections");
        drop(seats);
        assert!(crew[0].0.close_if_none());
    }

    #[test]
    fn all_workers_together_are_full() {
        let (crew, mut seats) = (crew(2, 6).unwrap(), Vec::new());
        place(5, &crew, &mut seats);
        assert!(!crew[0].0.is_full() && !crew[1].0.is_full());
        place(1, &crew, &mut seats);
        assert!(crew[0].0.is_full() && crew[1].0.is_full());
    }
}
