//! A request body that is still arriving, on its way to the server while the answer may be on its way back.
//!
//! Both directions run in one task and end each other like this:
//!
//! | what happens first | then |
//! |---|---|
//! | the body is whole | the server has `response` to answer |
//! | the client breaks off, breaks its framing, sends too much or too slowly | the server's connection is shut down, so the answer fails too; the client is to blame |
//! | the server takes no more | the rest of the body is read and thrown away, within bounds, while its answer is awaited |
//! | the answer is over | as above, and a body that is not over soon is abandoned: the client's connection ends |
//!
//! The client's receive deadline belongs to the upload until both are over, and is clear then. The server's belongs to the
//! upload until the final head of the answer is here, and then to the relay of that answer.

use std::cell::Cell;

use ringgate_core::answer::{Malformed, Reject};
use ringgate_core::body::BodyReader;
use ringgate_io::{Buffer, Side};

use crate::client::Client;
use crate::connection::{Broken, Connection};
use crate::limits;
use crate::patience::Terms;
use crate::relay::{Relay, Sink, Source, Stopped};
use crate::spares::{Output, Spares};

/// What both directions of one exchange know of each other.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The request has been sent to its last byte.
    pub(crate) is_uploaded: Cell<bool>,
    /// The server took nothing of it for too long.
    pub(crate) has_stalled: Cell<bool>,
    /// The upload is over, well or badly.
    has_ended: Cell<bool>,
    /// The answer's final head has come.
    pub(crate) is_answering: Cell<bool>,
    /// The answer is over, well or badly.
    is_answered: Cell<bool>,
}

impl Progress {
    /// A body that is still coming gets little time from now on.
    pub(crate) fn answer_is_over(&self, client: &Client, server: &Connection) {
        self.is_answered.set(true);
        if !self.has_ended.get() {
            client.connection.deadline().within(limits::LINGER, Side::Receive);
            server.shutdown(Side::Both); // also ends a send that waits for the server
        }
    }

    /// Whether the client's connection can go on behind the answer: the upload is over, or a server that keeps its own
    /// connection may take the rest of it.
    pub(crate) fn can_end(&self, server_persists: bool) -> bool {
        self.has_ended.get() || server_persists
    }

    /// The request was sent as a whole, or as much of it as the server took.
    pub(crate) fn sent_at_once(&self, sent: Result<(), Broken>) {
        self.is_uploaded.set(sent.is_ok());
        self.has_stalled.set(sent == Err(Broken::TimedOut));
        self.has_ended.set(true);
    }
}

/// How an upload ended.
#[derive(Debug)]
pub(crate) enum Uploaded {
    /// Sent to its last byte.
    Whole,
    /// Read to its last byte, but the server did not take all of it.
    Discarded,
    /// The answer came first, and the rest of the body not soon enough.
    Abandoned,
    /// The client is to blame.
    Failed(Reject),
}

/// One upload.
pub(crate) struct Upload<'a> {
    client: &'a Client,
    server: &'a Connection,
    buffers: &'a Spares<Buffer>,
    progress: &'a Progress,
    terms: &'a Terms<'a>,
}

impl<'a> Upload<'a> {
    pub(crate) fn new(
        client: &'a Client,
        server: &'a Connection,
        buffers: &'a Spares<Buffer>,
        progress: &'a Progress,
        terms: &'a Terms<'a>,
    ) -> Self {
        Upload { client, server, buffers, progress, terms }
    }

    /// Sends `head` and the body. Ends the server's connection if the request cannot be completed. Returns what was read
    /// behind the body, too.
    pub(crate) async fn run(self, head: Output<'_>) -> (Uploaded, Buffer) {
        let mut buffer = Buffer::with_capacity(limits::UPSTREAM_BUFFER_BYTES);
        buffer.extend(self.client.buffered_body());
        let framing = self.client.head().framing();
        let mut relay = Relay {
            from: Source::new(&self.client.connection, &mut buffer, self.buffers, self.terms.client()),
            reader: BodyReader::new(framing),
            allowed: self.terms.policy.body_bytes,
            to: Sink {
                connection: self.server,
                framing,
                patience: self.terms.server(),
                takes_trailers: !self.terms.policy.reshapes_requests(),
            },
        };
        let uploaded = match self.pass_on(&mut relay, head).await {
            Ok(()) => Uploaded::Whole,
            Err(stopped) => self.give_up(&mut relay, stopped).await,
        };
        self.progress.is_uploaded.set(matches!(uploaded, Uploaded::Whole));
        self.progress.has_ended.set(true);
        self.client.connection.deadline().clear();
        drop(relay);
        (uploaded, buffer)
    }

    async fn pass_on(&self, relay: &mut Relay<'_>, head: Output<'_>) -> Result<(), Stopped> {
        let piece = relay.decode()?;
        relay.send(&head, piece).await?;
        drop(head);
        let client = self.client;
        let waits = client.head().expects_continue(client.head_bytes()) && client.buffered_body().is_empty();
        if waits && !self.progress.is_answering.get() {
            let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
            client.connection.send([go_on], self.terms.client()).await.map_err(Stopped::Source)?;
        }
        let times = &self.terms.policy.timeouts;
        while !relay.reader.is_done() {
            if !self.progress.is_answering.get() {
                // The server has to wait as long as the client may take, and answer after that.
                self.server.deadline().within(self.terms.at_most(times.stall + times.response), Side::Both);
            }
            relay.receive().await?;
            let piece = relay.decode()?;
            relay.send(&[], piece).await?;
        }
        if !self.progress.is_answering.get() {
            self.server.deadline().within(self.terms.at_most(times.response), Side::Both);
        }
        Ok(())
    }

    async fn give_up(&self, relay: &mut Relay<'_>, stopped: Stopped) -> Uploaded {
        let reject = match stopped {
            Stopped::Sink(broken) => {
                self.progress.has_stalled.set(broken == Broken::TimedOut);
                self.client.connection.deadline().within(limits::LINGER, Side::Receive);
                return if relay.discard().await { Uploaded::Discarded } else { Uploaded::Abandoned };
            }
            Stopped::Source(Broken::TimedOut) if self.progress.is_answered.get() => {
                return Uploaded::Abandoned;
            }
            Stopped::Source(Broken::TimedOut) => Reject::TooSlow,
            Stopped::Source(_) => Reject::ClientGone,
            Stopped::Framing(_) => Malformed::Chunk.into(),
            Stopped::TooLarge => Reject::BodyTooLarge,
        };
        self.server.shutdown(Side::Both); // half a request must not look like a whole one, and its answer is not awaited
        Uploaded::Failed(reject)
    }
}
