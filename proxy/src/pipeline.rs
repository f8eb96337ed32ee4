//! The life of a request, from its head to the last byte of its answer.
//!
//! Plain calls in the order in which things happen to a request; `?` is the only exit, and a refusal becomes bytes in one
//! place ([`crate::session`]). A stage that a route does not use costs one predictable branch.

use ringgate_core::answer::{BadReply, Fault, Reject};
use ringgate_core::body::BodyReader;
use ringgate_core::forward::{self, ToClient, ToServer};
use ringgate_core::framing::Framing;
use ringgate_core::head::{HeadBounds, HeadScanner, Version};
use ringgate_core::limits::INTERIM_RESPONSES;
use ringgate_core::pool::Server;
use ringgate_io::{Buffer, Side, join};

use crate::client::Client;
use crate::connection::{Broken, Connection};
use crate::limits;
use crate::record::{CLIENT_GONE, Record};
use crate::relay::{self, Relay, Stopped};
use crate::upload::{Progress, Upload, Uploaded};
use crate::upstream::{Reply, Reuse, Upstream};
use crate::worker::Worker;

/// What is left when a server's answer has been passed on.
pub(crate) struct Relayed {
    pub(crate) after: After,
    /// Bytes of the client's buffer, behind the head, that belong to the request.
    pub(crate) body: usize,
    /// What was read behind the request's body.
    pub(crate) surplus: Buffer,
}

/// What becomes of a client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// It takes the next request.
    Next,
    /// It ends.
    Close,
    /// It ends, once the client has had time to read the answer: more of it was on the way.
    Linger,
    /// It breaks off: the answer is not the whole one.
    Reset,
}

/// Serves the request whose head `client` holds.
///
/// # Errors
/// No byte of an answer has been sent; the refusal is still to be.
pub(crate) async fn run<'a>(
    worker: &'a Worker,
    client: &Client,
    record: &mut Record<'a>,
) -> Result<Relayed, Reject> {
    let route = worker.snapshot().routes.find(&client.route_request())?; // 404 405
    record.routed(route);
    let expects_continue = client.head().expects_continue(client.head_bytes())?; // 417
    let mut turn = worker.snapshot().pools[route.pool].turn();
    let (mut server, mut reuse) = (turn.next(), Reuse::Kept);
    while let Some(chosen) = server {
        record.sent_to(chosen);
        let reject = match attempt(worker, client, chosen, reuse, expects_continue, record).await {
            Ok(relayed) => return Ok(relayed),
            Err(reject) => reject,
        };
        (server, reuse) = match reject {
            Reject::Fault(Fault::Unreachable) => (turn.next(), Reuse::Kept), // nothing was sent
            Reject::Fault(Fault::ReusedReset) if may_repeat(client) => (server, Reuse::Fresh),
            _ => return Err(reject), // 408 499 502 504
        };
    }
    Err(Fault::Unreachable.into()) // 503
}

/// Whether the request may be sent a second time: that has the same effect (RFC 9110 section 9.2.2), and we still have it.
fn may_repeat(client: &Client) -> bool {
    client.method().is_idempotent() && client.whole_body().is_some()
}

/// One request to one server.
async fn attempt(
    worker: &Worker,
    client: &Client,
    server: &Server,
    reuse: Reuse,
    expects_continue: bool,
    record: &mut Record<'_>,
) -> Result<Relayed, Reject> {
    let timeouts = &worker.snapshot().timeouts;
    let mut upstream = worker.upstreams.obtain(server, reuse, timeouts.connect).await?;
    let mut out = worker.outputs.take();
    let to = ToServer { server, client: client.address(), request_id: client.request_id() };
    forward::request(&mut out, client.head(), client.head_bytes(), to);
    let result = match client.whole_body() {
        Some(body) => request_then_answer(worker, client, &mut upstream, body, &mut out, record).await,
        // Boxed: rare, and large; an idle connection would carry its size.
        None => {
            Box::pin(request_while_answer(worker, client, &mut upstream, &mut out, expects_continue, record))
                .await
        }
    };
    worker.outputs.give_back(out);
    let (relayed, upstream_is_clean) = result?;
    if upstream_is_clean && upstream.reply.buffer.is_empty() {
        worker.upstreams.put_back(upstream);
    }
    Ok(relayed)
}

/// The usual exchange: the request is here as a whole, and goes out in one send.
async fn request_then_answer(
    worker: &Worker,
    client: &Client,
    upstream: &mut Upstream,
    body: usize,
    out: &mut Vec<u8>,
    record: &mut Record<'_>,
) -> Result<(Relayed, bool), Reject> {
    let timeouts = &worker.snapshot().timeouts;
    let Upstream { connection, reply, .. } = upstream;
    // A server may answer and close without having read everything; its answer counts, if there is one.
    let sent = relay::send(connection, [out, &client.buffered_body()[..body]], timeouts.stall).await;
    connection.deadline().within(timeouts.response, Side::Both);
    let exchange = Exchange { worker, client, connection, progress: &Progress::default() };
    let (after, persists) = match exchange.answer(reply, out, record).await {
        Err(Reject::Fault(Fault::Reset)) if sent == Err(Broken::TimedOut) => {
            return Err(Fault::Timeout.into());
        }
        answered => answered?,
    };
    Ok((Relayed { after, body, surplus: Buffer::default() }, persists && sent.is_ok()))
}

/// The body is still arriving: it goes up while the answer may come down, and either may end first.
async fn request_while_answer(
    worker: &Worker,
    client: &Client,
    upstream: &mut Upstream,
    out: &mut Vec<u8>,
    expects_continue: bool,
    record: &mut Record<'_>,
) -> Result<(Relayed, bool), Reject> {
    let Upstream { connection, reply, .. } = upstream;
    let progress = Progress::default();
    let head = out.clone(); // the answer is written to `out` meanwhile
    let upload = Upload::new(client, connection, &progress, &worker.snapshot().timeouts);
    let exchange = Exchange { worker, client, connection, progress: &progress };
    let ((uploaded, surplus), answered) =
        join(upload.run(&head, expects_continue), exchange.answer_and_end_upload(reply, out, record)).await;
    let (after, persists) = match (&uploaded, answered) {
        (Uploaded::Failed(reject), Err(_)) => return Err(reject.clone()), // what failed first
        (_, answered) => answered?,
    };
    let after = match (uploaded, after) {
        (_, After::Reset) => After::Reset,
        (Uploaded::Whole | Uploaded::Discarded, after) => after,
        (Uploaded::Abandoned | Uploaded::Failed(_), _) => After::Linger,
    };
    let body = client.buffered_body().len();
    Ok((Relayed { after, body, surplus }, persists && progress.is_uploaded.get()))
}

/// The answering half of one exchange with a server.
struct Exchange<'a> {
    worker: &'a Worker,
    client: &'a Client,
    connection: &'a Connection,
    progress: &'a Progress,
}

impl Exchange<'_> {
    /// Passes the answer on: interim ones, the final head, the body. Returns what becomes of the client's connection and
    /// whether the server's can be used again.
    async fn answer(
        &self,
        reply: &mut Reply,
        out: &mut Vec<u8>,
        record: &mut Record<'_>,
    ) -> Result<(After, bool), Reject> {
        let bounds = self.final_head(reply, out).await?;
        let bytes = &reply.buffer.data()[bounds.start..bounds.end];
        let method = self.client.method();
        let framing = reply.head.framing(method, bytes).map_err(Fault::BadReply)?;
        let client_persists = self.client.head().persists() && !self.worker.is_draining();
        let date = self.worker.date(record.started);
        let to = ToClient {
            request_id: self.client.request_id(),
            date: date.as_str(),
            method,
            version: self.client.head().version(),
            framing,
            persists: client_persists,
        };
        out.clear();
        let client_framing = forward::response(out, &reply.head, bytes, to);
        reply.buffer.consume(bounds.end);
        record.answered(reply.head.status());
        self.progress.is_answering.set(true);
        let mut relay = Relay {
            from: self.connection,
            buffer: &mut reply.buffer,
            reader: BodyReader::new(framing),
            to: &self.client.connection,
            framing: client_framing,
            stall: self.worker.snapshot().timeouts.stall,
        };
        if let Err(stopped) = relay.run(out).await {
            record.truncated(cause_of_truncation(stopped));
            return Ok((After::Reset, false));
        }
        let closes = !client_persists || client_framing == Framing::UntilClose;
        let persists = reply.head.persists() && framing != Framing::UntilClose;
        Ok((if closes { After::Close } else { After::Next }, persists))
    }

    /// As [`answer`](Self::answer), and a request body that is still coming gets little time from then on.
    async fn answer_and_end_upload(
        &self,
        reply: &mut Reply,
        out: &mut Vec<u8>,
        record: &mut Record<'_>,
    ) -> Result<(After, bool), Reject> {
        let answered = self.answer(reply, out, record).await;
        self.progress.is_answered.set(true);
        if !self.progress.is_uploaded.get() {
            self.client.connection.deadline().within(limits::LINGER, Side::Receive);
            self.connection.shutdown(Side::Both); // also ends a send that waits for the server
        }
        answered
    }

    /// Receives heads until one is final; interim ones are passed on (RFC 9110 section 15.2).
    async fn final_head(&self, reply: &mut Reply, out: &mut Vec<u8>) -> Result<HeadBounds, Fault> {
        for _ in 0..INTERIM_RESPONSES {
            let bounds = self.head(reply).await?;
            match reply.head.status() {
                101 => return Err(BadReply::Switch.into()), // nobody asked for an upgrade
                200.. => return Ok(bounds),
                status => {
                    let bytes = &reply.buffer.data()[bounds.start..bounds.end];
                    // 100 is between us and the server: the client has had ours if it asked for one.
                    if status != 100 && self.client.head().version() == Version::Http11 {
                        out.clear();
                        forward::interim(out, &reply.head, bytes);
                        let stall = self.worker.snapshot().timeouts.stall;
                        let _ = relay::send(&self.client.connection, [out], stall).await; // the final answer will tell
                    }
                    reply.buffer.consume(bounds.end);
                    reply.is_reused = false; // it has spoken: if it breaks now, that is not because it was old
                }
            }
        }
        Err(BadReply::TooLarge.into())
    }

    /// Receives one head.
    async fn head(&self, reply: &mut Reply) -> Result<HeadBounds, Fault> {
        let mut scanner = HeadScanner::default();
        loop {
            if let Some(bounds) = scanner.scan(reply.buffer.data()).map_err(BadReply::from)? {
                reply.head.parse(&reply.buffer.data()[bounds.start..bounds.end])?;
                return Ok(bounds);
            }
            reply.buffer.make_room(1);
            match self.connection.recv(&mut reply.buffer, usize::MAX).await {
                Ok(_) => {}
                Err(Broken::TimedOut) => return Err(Fault::Timeout),
                Err(_) if reply.is_reused && reply.buffer.is_empty() => return Err(Fault::ReusedReset),
                Err(_) => return Err(Fault::Reset),
            }
        }
    }
}

fn cause_of_truncation(stopped: Stopped) -> &'static str {
    match stopped {
        Stopped::Source(Broken::TimedOut) => "UT",
        Stopped::Source(_) => "UR",
        Stopped::Framing(_) => "UB",
        Stopped::Sink(_) => CLIENT_GONE,
    }
}
