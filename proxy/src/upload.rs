//! A request body that is still arriving, on its way to the server while the answer may be on its way back.
//!
//! Both directions run in one task and end each other like this:
//!
//! | what happens first | then |
//! |---|---|
//! | the body is whole | the server has `response` to answer |
//! | the client breaks off, breaks its framing or stalls | the server's connection is shut down, so the answer fails too; the client is to blame |
//! | the server takes no more | the rest of the body is read and thrown away, within bounds, while its answer is awaited |
//! | the answer is over | as above, and a body that is not over soon is abandoned: the client's connection ends |
//!
//! The client's receive deadline belongs to the upload until both are over, and is clear then; so does the server's until
//! the body is whole.

use std::cell::Cell;

use ringgate_core::answer::{Malformed, Reject};
use ringgate_core::body::BodyReader;
use ringgate_core::policy::Timeouts;
use ringgate_io::{Buffer, Side};

use crate::client::Client;
use crate::connection::{Broken, Connection};
use crate::limits;
use crate::relay::{self, Relay, Stopped};

/// What both directions of one exchange know of each other.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The request has been sent to its last byte.
    pub(crate) is_uploaded: Cell<bool>,
    /// The upload is over, well or badly.
    has_ended: Cell<bool>,
    /// The answer's head has gone down.
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
    progress: &'a Progress,
    timeouts: &'a Timeouts,
}

impl<'a> Upload<'a> {
    pub(crate) fn new(
        client: &'a Client,
        server: &'a Connection,
        progress: &'a Progress,
        timeouts: &'a Timeouts,
    ) -> Self {
        Upload { client, server, progress, timeouts }
    }

    /// Sends `head` and the body. Ends the server's connection if the request cannot be completed. Returns what was read
    /// behind the body, too.
    pub(crate) async fn run(self, head: &[u8]) -> (Uploaded, Buffer) {
        let mut buffer = Buffer::with_capacity(limits::KEPT_BUFFER_BYTES);
        buffer.extend(self.client.buffered_body());
        let mut relay = Relay {
            from: &self.client.connection,
            buffer: &mut buffer,
            reader: BodyReader::new(self.client.head().framing()),
            to: self.server,
            framing: self.client.head().framing(),
            stall: self.timeouts.stall,
        };
        let uploaded = match self.pass_on(&mut relay, head).await {
            Ok(()) => Uploaded::Whole,
            Err(stopped) => self.give_up(&mut relay, stopped).await,
        };
        self.progress.is_uploaded.set(matches!(uploaded, Uploaded::Whole));
        self.progress.has_ended.set(true);
        self.client.connection.deadline().clear();
        (uploaded, buffer)
    }

    async fn pass_on(&self, relay: &mut Relay<'_>, head: &[u8]) -> Result<(), Stopped> {
        relay.pass_on(head).await?;
        let client = self.client;
        let waits = client.head().expects_continue(client.head_bytes()) && client.buffered_body().is_empty();
        if waits && !self.progress.is_answering.get() {
            let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
            relay::send(relay.from, [go_on], self.timeouts.stall).await.map_err(Stopped::Source)?;
        }
        while !relay.reader.is_done() {
            // The server has to wait as long as the client may take, and answer after that.
            self.server.deadline().within(self.timeouts.stall + self.timeouts.response, Side::Both);
            relay.receive().await?;
            relay.pass_on(&[]).await?;
        }
        if !self.progress.is_answering.get() {
            self.server.deadline().within(self.timeouts.response, Side::Both);
        }
        Ok(())
    }

    async fn give_up(&self, relay: &mut Relay<'_>, stopped: Stopped) -> Uploaded {
        let reject = match stopped {
            Stopped::Sink(_) => {
                self.client.connection.deadline().within(limits::LINGER, Side::Receive);
                return if relay.discard().await { Uploaded::Discarded } else { Uploaded::Abandoned };
            }
            Stopped::Source(Broken::TimedOut) if self.progress.is_answered.get() => {
                return Uploaded::Abandoned;
            }
            Stopped::Source(Broken::TimedOut) => Reject::TooSlow,
            Stopped::Source(_) => Reject::ClientGone,
            Stopped::Framing(_) => Malformed::Chunk.into(),
        };
        self.server.shutdown(Side::Both); // half a request must not look like a whole one, and its answer is not awaited
        Uploaded::Failed(reject)
    }
}
