//! The life of one connection: read a head, read the body, note both, answer; again while both sides want to.
//!
//! Owns the order of these steps. A request is noted once, when its body is over or cannot be completed any more, and
//! always before the end of its answer leaves: a client that has its answer finds its request in the journal.

use std::io::{self, Write};
use std::sync::Arc;

use crate::Server;
use crate::answer::{Answer, Content};
use crate::body::{Body, Piece};
use crate::client::Client;
use crate::content::{Digest, pattern};
use crate::journal::Received;
use crate::refusal::Refusal;
use crate::request::Request;

/// Least room for a receive while a head is awaited: most of a usual one.
const HEAD_ROOM: usize = 1024;
/// Least room while a body is: large enough that the system calls do not count.
const BODY_ROOM: usize = 64 * 1024;
/// The pattern is generated and sent in pieces of this size.
const PATTERN_PIECE: usize = 64 * 1024;

/// One connection and the request that is being served on it.
pub(crate) struct Connection {
    client: Client,
    server: Arc<Server>,
    number: u64,
    request: Request,
    body: Body,
    digest: Digest,
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
pub(crate) async fn serve(client: Client, server: Arc<Server>) {
    let number = server.journal().count_connection();
    let mut connection = Connection {
        client,
        server,
        number,
        request: Request::default(),
        body: Body::default(),
        digest: Digest::default(),
        scratch: Vec::new(),
    };
    let end = connection.exchanges().await;
    if let Err(End::Refused(_) | End::BrokenOff) = end {
        connection.server.journal().count_malformed();
    }
    let _ = match end {
        Ok(()) | Err(End::BrokenOff) => connection.client.finish().await,
        Err(End::Refused(refusal)) => connection.refuse(&refusal).await,
        Err(End::Gone) => Ok(()), // nobody is left to be told
    };
}

impl Connection {
    async fn exchanges(&mut self) -> Result<(), End> {
        while self.exchange().await? {}
        Ok(())
    }

    /// One request and its answer; whether another may follow.
    async fn exchange(&mut self) -> Result<bool, End> {
        self.receive_head().await?;
        if self.request.expects_continue && !self.body.is_over() && self.client.input().is_empty() {
            self.client.output().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let answer = Answer::to(&self.request, &self.server, &mut self.scratch)?;
        match answer.content {
            Content::Echo if !answer.head_only => self.echo(&answer).await?,
            _ => self.answer(&answer).await?,
        }
        Ok(answer.persistent)
    }

    async fn receive_head(&mut self) -> Result<(), End> {
        let recording = self.server.journal().is_recording();
        let length = loop {
            match self.request.read(self.client.input(), recording)? {
                Some(length) => break length,
                None => self.client.receive(HEAD_ROOM).await?,
            }
        };
        self.client.consume(length);
        self.body = Body::new(self.request.framing);
        self.digest = Digest::default();
        Ok(())
    }

    async fn answer(&mut self, answer: &Answer) -> Result<(), End> {
        self.discard_body().await?;
        self.client.pause(answer.delay).await?;
        if let Some(bytes) = self.server.ready(answer) {
            return Ok(self.client.write(bytes).await?);
        }
        answer.write_head(self.server.name(), self.client.output())?;
        match answer.content {
            _ if answer.head_only => {}
            Content::Pattern(length) => self.send_pattern(answer, length).await?,
            Content::Text | Content::Echo => self.send_scratch(answer, self.scratch.len()).await?,
        }
        self.end_content(answer);
        Ok(())
    }

    async fn echo(&mut self, answer: &Answer) -> Result<(), End> {
        self.client.pause(answer.delay).await?;
        answer.write_head(self.server.name(), self.client.output())?;
        loop {
            let count = self.content().await.map_err(End::within_answer)?;
            self.begin_piece(answer, count)?;
            self.client.echo(count).await?;
            self.end_piece(answer, count);
            if self.body.is_over() {
                break;
            }
        }
        self.end_content(answer);
        Ok(())
    }

    async fn send_pattern(&mut self, answer: &Answer, length: u64) -> io::Result<()> {
        let mut offset = 0;
        while offset < length {
            let piece = (length - offset).min(PATTERN_PIECE as u64) as usize;
            self.scratch.resize(piece.max(self.scratch.len()), 0);
            pattern(offset, &mut self.scratch[..piece]);
            self.send_scratch(answer, piece).await?;
            offset += piece as u64;
        }
        Ok(())
    }

    async fn send_scratch(&mut self, answer: &Answer, count: usize) -> io::Result<()> {
        self.begin_piece(answer, count)?;
        self.client.write(&self.scratch[..count]).await?;
        self.end_piece(answer, count);
        Ok(())
    }

    /// An empty piece is none: as a chunk it would end the body.
    fn begin_piece(&mut self, answer: &Answer, count: usize) -> io::Result<()> {
        match answer.is_chunked() && count > 0 {
            true => write!(self.client.output(), "{count:x}\r\n"),
            false => Ok(()),
        }
    }

    fn end_piece(&mut self, answer: &Answer, count: usize) {
        if answer.is_chunked() && count > 0 {
            self.client.output().extend_from_slice(b"\r\n");
        }
    }

    fn end_content(&mut self, answer: &Answer) {
        if answer.is_chunked() && !answer.head_only {
            self.client.output().extend_from_slice(b"0\r\n\r\n");
        }
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
        if let (Ok(count), true) = (&content, self.server.journal().is_recording()) {
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
        if self.server.journal().is_recording() {
            let received = self.received();
            self.server.journal().record(received);
        }
        self.server.journal().count_request();
    }

    fn received(&mut self) -> Received {
        Received {
            server: self.server.name().clone(),
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
        let answer = Answer::last(refusal, &self.server, &mut self.scratch)?;
        answer.write_head(self.server.name(), self.client.output())?;
        self.client.write(&self.scratch).await?;
        self.client.finish().await
    }
}
