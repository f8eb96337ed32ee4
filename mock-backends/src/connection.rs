//! The life of one connection: read a head, read the body, note both, answer; again while both sides want to.
//!
//! Owns the order of these steps. A request is noted once, when its body is over or cannot be completed any more, and
//! always before the end of its answer leaves: a client that has its answer finds its request in the journal.

mod admin;
mod sending;

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ringgate_io::now;

use crate::Server;
use crate::answer::{Answer, Asked, Content, Facts};
use crate::body::{Body, Piece};
use crate::client::Client;
use crate::content::Digest;
use crate::journal::Received;
use crate::order::{Fault, Service};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::station::{Lane, Station};
use crate::truth::Exchange;

/// Least room for a receive while a head is awaited: most of a usual one.
const HEAD_ROOM: usize = 1024;
/// Least room while a body is: large enough that the system calls do not count.
const BODY_ROOM: usize = 64 * 1024;
/// How often a connection that is not read is looked at, whether it is still there.
const LOOK: Duration = Duration::from_millis(500);

/// One connection and the request that is being served on it.
pub(crate) struct Connection {
    client: Client,
    station: Rc<Station>,
    number: u64,
    /// Requests so far, this one included.
    requests: u64,
    request: Request,
    body: Body,
    digest: Digest,
    /// Whether the digest is of use to anybody.
    digests: bool,
    /// When the request's head was here, and when its answer began to leave; told where they are asked for.
    arrived: Instant,
    departed: Option<Instant>,
    /// Bytes of the answer's content sent.
    sent: u64,
    /// The answer's text, or a piece of the pattern.
    scratch: Vec<u8>,
}

/// Why a connection ends early.
enum End {
    /// The client left, or the server stops.
    Gone,
    /// What it sent is not HTTP.
    Refused(Refusal),
    /// The same, and its answer has begun: all that is left to tell it with is to stop short.
    BrokenOff,
    /// It was ordered to, without notice.
    Quit,
    /// It was ordered to, on this side only.
    HalfClosed,
    /// It was ordered to, by a reset.
    Reset,
}

impl End {
    fn within_answer(self) -> End {
        match self {
            End::Refused(_) => End::BrokenOff,
            end => end,
        }
    }
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> End {
        End::Gone
    }
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> End {
        End::Refused(refusal)
    }
}

/// Serves `client` until either side ends the connection.
pub(crate) async fn serve(client: Client, station: Rc<Station>) {
    let number = station.server.journal().count_connection();
    let mut connection = Connection {
        client,
        station,
        number,
        requests: 0,
        request: Request::default(),
        body: Body::default(),
        digest: Digest::default(),
        digests: false,
        arrived: now(),
        departed: None,
        sent: 0,
        scratch: Vec::new(),
    };
    let end = connection.exchanges().await;
    if let Err(End::Refused(_) | End::BrokenOff) = end {
        connection.server().journal().count_malformed();
    }
    let _ = match end {
        Ok(()) | Err(End::BrokenOff | End::Quit) => connection.client.finish().await,
        Err(End::Refused(refusal)) => connection.refuse(&refusal).await,
        Err(End::HalfClosed) => connection.client.half_close().await,
        Err(End::Reset) => connection.client.reset().await,
        Err(End::Gone) => Ok(()), // nobody is left to be told
    };
}

impl Connection {
    fn server(&self) -> &Server {
        &self.station.server
    }

    async fn exchanges(&mut self) -> Result<(), End> {
        if self.station.is_deaf() {
            return self.leave_unread().await;
        }
        while self.exchange().await? {
            self.client.relieve().await?;
        }
        Ok(())
    }

    /// One request and its answer; whether another may follow.
    async fn exchange(&mut self) -> Result<bool, End> {
        self.receive_head().await?;
        if let Some(endpoint) = admin::Endpoint::of(&self.request) {
            return self.serve_endpoint(endpoint).await;
        }
        let visit = self.station.visit(&self.request);
        if self.is_plain(&visit.lane) {
            return self.answer_ready().await.map(|()| true);
        }
        let answer = self.decide(&visit.lane)?;
        if answer.quirks.fault == Fault::Unread {
            return self.leave_unread().await.map(|()| false);
        }
        self.send_interim(&answer);
        let sent = match answer.content {
            Content::Echo if !answer.head_only && answer.quirks.fault == Fault::None => {
                self.echo(&answer, &visit.lane).await
            }
            _ => self.answer(&answer, &visit.lane).await,
        };
        self.note_truth(&answer);
        sent?;
        match answer.quirks.quits {
            true => Err(End::Quit),
            false => Ok(answer.persistent),
        }
    }

    async fn receive_head(&mut self) -> Result<(), End> {
        let recording = self.server().journal().is_recording();
        let length = loop {
            match self.request.read(self.client.input(), recording)? {
                Some(length) => break length,
                None => self.client.receive(HEAD_ROOM).await?,
            }
        };
        self.client.consume(length);
        self.body = Body::new(self.request.framing);
        self.digest = Digest::default();
        self.digests = recording;
        Ok(())
    }

    /// Whether the answer made ready in advance will do.
    fn is_plain(&self, lane: &Lane) -> bool {
        let server = self.server();
        let is_served = || server.kind().root().is_none() || server.kind().serves(self.request.path());
        server.is_ready() && lane.is_plain() && self.request.is_plain() && is_served()
    }

    /// What the request gets. The clock is read only where somebody will ask for the time.
    fn decide(&mut self, lane: &Lane) -> io::Result<Answer> {
        self.requests += 1;
        let asked = Asked { request: &self.request, server: &self.station.server, number: self.requests };
        let answer = Answer::to(&asked, lane, &mut self.scratch)?;
        if self.is_timed(&answer) || answer.service != Service::Immediate {
            self.arrived = now();
        }
        self.digests |= answer.quirks.hash;
        (self.departed, self.sent) = (None, 0);
        Ok(answer)
    }

    /// Whether somebody is told when this exchange took place.
    fn is_timed(&self, answer: &Answer) -> bool {
        answer.quirks.instants || self.server().truth().is_some()
    }

    /// Waits until `instant`. What was written leaves before.
    async fn wait_until(&mut self, instant: Instant) -> Result<(), End> {
        self.client.flush().await?;
        self.station.timetable.until(instant).await;
        match self.client.is_ended() {
            true => Err(End::Gone),
            false => Ok(()),
        }
    }

    /// Keeps the connection and reads no more of it, until the client resets it or the server stops.
    async fn leave_unread(&mut self) -> Result<(), End> {
        while !self.client.has_left() {
            self.wait_until(now() + LOOK).await?;
        }
        Err(End::Gone)
    }

    async fn discard_body(&mut self) -> Result<(), End> {
        loop {
            let count = self.content().await?;
            self.client.consume(count);
            if self.body.is_over() {
                return Ok(());
            }
        }
    }

    /// Waits for content of the request's body: how many bytes of it are at the front of the input. To be called at
    /// least once, and no more once the body is over: the call that ends it notes the request.
    async fn content(&mut self) -> Result<usize, End> {
        let content = self.next_content().await;
        if let (Ok(count), true) = (&content, self.digests) {
            self.digest.update(&self.client.input()[..*count]);
        }
        if content.is_err() || self.body.is_over() {
            self.note();
        }
        content
    }

    async fn next_content(&mut self) -> Result<usize, End> {
        loop {
            match self.body.read(self.client.input())? {
                Piece::Content(count) => return Ok(count),
                Piece::Framing(count) => self.client.consume(count),
                Piece::Unfinished => self.client.receive(BODY_ROOM).await?,
                Piece::End => return Ok(0),
            }
        }
    }

    fn note(&mut self) {
        if self.server().journal().is_recording() {
            let received = self.received();
            self.server().journal().record(received);
        }
        self.server().journal().count_request();
    }

    /// Nothing, if no part of the answer was about to leave. A fault before the head is over has no status.
    fn note_truth(&self, answer: &Answer) {
        let (Some(truth), Some(departed)) = (self.server().truth(), self.departed) else { return };
        let exchange = Exchange {
            arrived_ns: self.station.epoch.nanoseconds(self.arrived),
            departed_ns: self.station.epoch.nanoseconds(departed),
            connection: self.number,
            status: matches!(answer.quirks.fault, Fault::None | Fault::ResetBody).then_some(answer.status),
            body_bytes: self.sent,
            ..Exchange::default()
        };
        truth.note(&self.request.id, exchange);
    }

    fn received(&mut self) -> Received {
        Received {
            server: self.server().name().clone(),
            connection: self.number,
            method: self.request.method.clone(),
            target: self.request.target.clone(),
            minor_version: self.request.minor_version,
            headers: std::mem::take(&mut self.request.headers),
            trailers: std::mem::take(&mut self.body.trailers),
            body_bytes: self.digest.bytes,
            body_hash: self.digest.hash,
            complete: self.body.is_over(),
        }
    }

    async fn refuse(mut self, refusal: &Refusal) -> io::Result<()> {
        let answer = Answer::last(refusal, &self.station.server, &mut self.scratch)?;
        answer.write_head(self.station.server.name(), &Facts::default(), self.client.output())?;
        self.client.write(&self.scratch).await?;
        self.client.finish().await
    }
}
