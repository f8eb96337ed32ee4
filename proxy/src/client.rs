//! A client's connection: its bytes, the request being served, and how it ends.

use std::cell::{RefCell, RefMut};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Instant;

use ringgate_core::answer::Reject;
use ringgate_core::field::list;
use ringgate_core::forward::Peer;
use ringgate_core::framing::Framing;
use ringgate_core::head::{HeadBounds, HeadScanner, RequestHead};
use ringgate_core::method::Method;
use ringgate_core::request_id;
use ringgate_core::stages::Stages;
use ringgate_io::{Buffer, Deadlines, Idle, Side, Stream, now, random};

use crate::connection::{Broken, Connection};
use crate::lease::Held;
use crate::limits;
use crate::worker::Worker;

/// One client, and its current request.
///
/// The head stays in `buffer` untouched until the request has been answered: retries and the log read it again. What
/// arrives of a body meanwhile goes into a buffer of its own.
pub(crate) struct Client {
    pub(crate) connection: Connection,
    buffer: Buffer,
    bounds: HeadBounds,
    head: RequestHead,
    idle: Idle,
    peer: IpAddr,
    /// The peer's address, as text.
    peer_address: String,
    /// Whether the peer is a proxy that is believed, and if so whom it says it speaks for.
    is_trusted: bool,
    address: Option<(IpAddr, String)>,
    request_id: String,
    /// Lines that go with whatever answers the current request.
    lines: RefCell<Vec<u8>>,
    /// When it was accepted, until its first request has come.
    accepted: Option<Instant>,
    /// When the first byte of the current head came, if not the whole of it did.
    began: Option<Instant>,
    /// Bytes received and sent before the current request.
    before: Traffic,
}

/// Bytes of a client's connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

impl Client {
    /// Boxed: every future it is handed through would keep a place of its size.
    pub(crate) fn new(stream: Stream, peer: SocketAddr, deadlines: &Deadlines) -> Box<Client> {
        Box::new(Client {
            connection: Connection::new(stream, deadlines),
            buffer: Buffer::with_capacity(limits::CLIENT_BUFFER_BYTES),
            bounds: HeadBounds { start: 0, end: 0 },
            head: RequestHead::default(),
            idle: Idle::Unused,
            peer: peer.ip().to_canonical(), // ::ffff:1.2.3.4 is 1.2.3.4
            peer_address: peer.ip().to_canonical().to_string(),
            is_trusted: false,
            address: None,
            request_id: String::new(),
            lines: RefCell::default(),
            accepted: Some(now()),
            began: None,
            before: Traffic::default(),
        })
    }

    /// Waits for the next request head; it is read by the configuration that holds when it is there, which comes back with it.
    /// `None`: the client ended the connection, or idled too long.
    ///
    /// # Errors
    /// What came is not a request we serve, or came too slowly; the connection is of no use afterwards.
    pub(crate) async fn receive_head(&mut self, worker: &Worker) -> Result<Option<Rc<Held>>, Reject> {
        let mut scanner = HeadScanner::default();
        self.bounds = HeadBounds { start: 0, end: 0 };
        self.connection.deadline().idle_within(worker.held().clients.idle_timeout, self.idle);
        self.idle = Idle::Used;
        (self.address, self.began) = (None, None);
        self.before = Traffic { received: self.read(), sent: self.connection.sent() };
        let bounds = loop {
            let had_begun = scanner.has_begun();
            if let Some(bounds) = scanner.scan(self.buffer.data())? {
                break bounds;
            }
            if !had_begun && scanner.has_begun() {
                self.began = Some(now());
                self.connection.deadline().within(worker.held().clients.head_timeout, Side::Receive);
            }
            if self.gather(self.buffer.capacity()) {
                continue;
            }
            self.buffer.make_room(1);
            match self.connection.recv(&mut self.buffer, usize::MAX).await {
                Ok(_) => {}
                Err(Broken::TimedOut) if scanner.has_begun() => return Err(Reject::TooSlow),
                Err(_) => return Ok(None),
            }
        };
        self.connection.deadline().clear();
        self.bounds = bounds;
        let held = worker.held();
        let clients = &held.clients;
        self.head.parse(&self.buffer.data()[bounds.start..bounds.end], clients.tolerance)?;
        self.is_trusted = clients.trusted.has(self.peer);
        if self.is_trusted {
            let fields = self.head.fields(self.head_bytes());
            let address = clients.trusted.client(self.peer, fields);
            self.address = Some((address, address.to_string()));
        }
        self.gather_body();
        Ok(Some(held))
    }

    /// Takes `most` more bytes if the buffer is full and something has come that did not fit; whether it did.
    fn gather(&mut self, most: usize) -> bool {
        if self.buffer.room() > 0 || most == 0 {
            return false;
        }
        self.buffer.make_room(most);
        self.connection.recv_waiting(&mut self.buffer, most) > 0
    }

    /// Takes the rest of a small body that has come already.
    fn gather_body(&mut self) {
        if let Framing::Length(length @ ..=limits::WHOLE_BODY_BYTES) = self.head.framing() {
            self.gather((length as usize).saturating_sub(self.buffered_body().len()));
        }
    }

    /// The account of the request whose head has come, well or badly.
    pub(crate) fn begin_stages(&mut self) -> Stages {
        Stages::begin(self.accepted.take(), self.began, now())
    }

    /// Names the request: by the client's own id if it has a usable one, else by a new one. A head that could not be read
    /// is forgotten.
    pub(crate) fn name_request(&mut self, is_readable: bool) {
        if !is_readable {
            self.bounds = HeadBounds { start: 0, end: 0 };
        }
        let bytes = &self.buffer.data()[self.bounds.start..self.bounds.end];
        let own = if is_readable { self.head.request_id(bytes) } else { None }; // an unread head has stale spans
        match own {
            Some(id) => {
                self.request_id.clear();
                self.request_id.push_str(id);
            }
            None => request_id::generate(&mut self.request_id, [random(), random()]),
        }
    }

    /// Bytes that were received and are not waiting in the buffer.
    fn read(&self) -> u64 {
        self.connection.received().saturating_sub(self.buffer.len() as u64)
    }

    /// Bytes of the served request, of which `body` stand behind its head, and of its answer; `surplus` were read behind its
    /// body.
    pub(crate) fn traffic(&self, body: usize, surplus: usize) -> Traffic {
        let read = self.read() + (self.bounds.end + body) as u64;
        Traffic {
            received: read.saturating_sub(self.before.received + surplus as u64),
            sent: self.connection.sent().saturating_sub(self.before.sent),
        }
    }

    /// Forgets the served request: its head and `body` bytes behind it; `surplus` was read behind its body.
    pub(crate) fn finish_request(&mut self, body: usize, surplus: &[u8]) {
        self.buffer.consume(self.bounds.end + body);
        self.buffer.extend(surplus);
        self.lines.get_mut().clear();
        if self.buffer.is_empty() && self.buffer.capacity() > limits::KEPT_BUFFER_BYTES {
            self.buffer = Buffer::with_capacity(limits::CLIENT_BUFFER_BYTES);
        }
    }

    /// Whether its connection could take another request behind this one.
    pub(crate) fn persists(&self) -> bool {
        self.head.persists() && !self.connection.is_ending()
    }

    /// The request's head.
    pub(crate) fn head(&self) -> &RequestHead {
        &self.head
    }

    /// The bytes of that head; empty if it could not be read.
    pub(crate) fn head_bytes(&self) -> &[u8] {
        &self.buffer.data()[self.bounds.start..self.bounds.end]
    }

    /// What arrived behind the head.
    pub(crate) fn buffered_body(&self) -> &[u8] {
        &self.buffer.data()[self.bounds.end..]
    }

    /// How many bytes behind the head are the whole body, if all of it has arrived and can be told without decoding.
    pub(crate) fn whole_body(&self) -> Option<usize> {
        match self.head.framing() {
            _ if self.bounds.end == 0 => None, // the head could not be read
            Framing::Length(length) => {
                usize::try_from(length).ok().filter(|&length| length <= self.buffered_body().len())
            }
            _ => None,
        }
    }

    /// The request's method, if its head could be read.
    pub(crate) fn method(&self) -> Option<Method<'_>> {
        let bytes = self.head_bytes();
        (!bytes.is_empty()).then(|| self.head.method(bytes))
    }

    /// Whether no body may answer it; a head that could not be read begins with its method, if with anything.
    pub(crate) fn asks_for_head_only(&self) -> bool {
        let unread = || self.bounds.end == 0 && self.buffer.data().starts_with(b"HEAD ");
        self.method() == Some(Method::Head) || unread()
    }

    /// The client's address, as text: the peer's, or the one that a trusted proxy names.
    pub(crate) fn address(&self) -> &str {
        self.address.as_ref().map_or(&self.peer_address, |(_, text)| text)
    }

    /// The same, to compare and count by.
    pub(crate) fn ip(&self) -> IpAddr {
        self.address.as_ref().map_or(self.peer, |(address, _)| *address)
    }

    /// Lines that go with whatever answers the request. Not to be held while anything is waited for.
    pub(crate) fn lines(&self) -> RefMut<'_, Vec<u8>> {
        self.lines.borrow_mut()
    }

    /// Whether a refusal is said as text: the request takes that, and says nothing of JSON.
    pub(crate) fn prefers_text(&self) -> bool {
        let bytes = self.head_bytes();
        if bytes.is_empty() {
            return false;
        }
        let accepted = || self.head.fields(bytes).named(b"accept").flat_map(list);
        let is_text = |kind: &[u8]| kind.to_ascii_lowercase().starts_with(b"text/plain");
        let is_json = |kind: &[u8]| kind.to_ascii_lowercase().windows(4).any(|part| part == b"json");
        accepted().next().is_some_and(is_text) && !accepted().any(is_json)
    }

    /// Who is connected to us.
    pub(crate) fn peer(&self) -> Peer<'_> {
        Peer { address: &self.peer_address, is_trusted: self.is_trusted }
    }

    /// The id of the request.
    pub(crate) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Ends the connection so that the client can still read the last answer: unread bytes at a close would become a
    /// reset, which destroys it (RFC 9112 section 9.6).
    pub(crate) async fn linger(mut self: Box<Self>) {
        self.connection.shutdown(Side::Send);
        self.connection.deadline().end_revival();
        let (mut left, end) = (limits::DISCARDED_BYTES, now() + limits::LINGER_IN_ALL);
        while left > 0 && now() < end {
            self.connection.deadline().within(limits::LINGER, Side::Both);
            self.buffer.clear();
            self.buffer.make_room(1);
            match self.connection.recv(&mut self.buffer, left).await {
                Ok(count) => left -= count,
                Err(_) => return,
            }
        }
    }
}
