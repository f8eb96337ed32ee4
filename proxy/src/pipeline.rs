//! The life of a request, from its head to the last byte of its answer.
//!
//! Plain calls in the order in which things happen to a request; `?` is the only exit, and a refusal becomes bytes in one
//! place ([`crate::session`]). A stage that a route does not use costs one predictable branch.

use std::rc::Rc;

use ringgate_core::answer::{BadReply, Cause, Fault, Malformed, Reject};
use ringgate_core::auth::Known;
use ringgate_core::body::BodyReader;
use ringgate_core::forward::{self, Own, Shape, ToClient, ToServer};
use ringgate_core::framing::Framing;
use ringgate_core::head::{HeadBounds, HeadScanner, ResponseHead, Version};
use ringgate_core::limits::INTERIM_RESPONSES;
use ringgate_core::pool::Server;
use ringgate_core::template::{BadRendering, Facts};
use ringgate_io::{Buffer, Side, join, now};

use crate::client::Client;
use crate::connection::{Broken, Connection};
use crate::gate;
use crate::lease::{Held, Lease};
use crate::patience::Terms;
use crate::record::Record;
use crate::relay::{Relay, Sink, Source, Stopped};
use crate::spares::{Lent, Output, Spares};
use crate::tunnel::{BrokenBy, Tunnel};
use crate::upload::{Progress, Upload, Uploaded};
use crate::upstream::{Reply, Reuse, Upstream, Wanted};
use crate::worker::Worker;

/// What is left when a request is over.
pub(crate) struct Finished {
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
    /// It ends, once the client has had time to read the answer: more of a request may be on the way, and bytes that nobody
    /// reads would turn the end into a reset.
    Linger,
    /// It breaks off: the answer is not the whole one, or nobody is there to read it.
    Reset,
}

/// Serves the request whose head `client` holds.
///
/// # Errors
/// No byte of an answer has been sent; the refusal is still to be.
pub(crate) async fn run(
    worker: &Worker,
    client: &Client,
    held: Rc<Held>,
    record: &mut Record,
) -> Result<Finished, Reject> {
    client.head().check(client.head_bytes(), &worker.node)?; // 204 400 405 417 508
    let found = held.routes.find(&client.head().route_request(client.head_bytes()));
    let route = found.map(|found| held.lease(found, &worker.metrics));
    record.routed(route.as_ref().ok());
    gate::admit(worker, client, held, route.as_deref().ok(), &mut record.caller).await?; // 204 400 401 403 429 503
    let route = route?; // 404 405, after the policy, so that looking for routes is neither free nor tells anything
    client.head().check_length(route.policy.body_bytes)?; // 413
    let caller = record.caller.clone();
    let exchange = Exchange::new(worker, client, &route, caller.as_deref(), record);
    let mut turn = route.pool.turn();
    let mut refused = Fault::Unreachable;
    while let Some(server) = turn.next() {
        let outcome = exchange.ask(server, turn.is_over(), record).await;
        if let Err(reject) = &outcome {
            record.attempt_failed(reject);
            route.server_metrics(server).failures.add(u64::from(matches!(reject, Reject::Fault(_))));
        }
        match outcome {
            Err(Reject::Fault(fault)) if fault.sent_nothing() => refused = fault, // the next one may
            outcome => return outcome,                                            // 408 413 499 502 503 504
        }
    }
    Err(refused.into()) // 503
}

/// Whether the request may be sent a second time: that has the same effect (RFC 9110 section 9.2.2), and we still have it.
fn may_repeat(client: &Client) -> bool {
    client.whole_body().is_some() && client.method().is_some_and(|method| method.is_idempotent())
}

/// One request and what it goes by.
struct Exchange<'a> {
    worker: &'a Worker,
    client: &'a Client,
    route: &'a Lease,
    caller: Option<&'a Known>,
    terms: Terms<'a>,
    /// The protocol that the connection may go on in.
    upgrade: Option<&'a str>,
}

/// How a server's answer ended.
struct Answered {
    after: After,
    /// Whether the server's connection can take another request.
    keeps_server: bool,
    /// Whether it came to its end.
    is_whole: bool,
}

impl<'a> Exchange<'a> {
    fn new(
        worker: &'a Worker,
        client: &'a Client,
        route: &'a Lease,
        caller: Option<&'a Known>,
        record: &Record,
    ) -> Exchange<'a> {
        let upgrade = client.head().upgrade(client.head_bytes(), &route.policy.upgrades);
        Exchange { worker, client, route, caller, terms: Terms::new(&route.policy, record.started), upgrade }
    }

    /// What the policy makes of messages.
    fn shape(&self) -> Shape<'a> {
        let facts = Facts {
            head: self.client.head(),
            bytes: self.client.head_bytes(),
            pattern: &self.route.pattern,
            caller: self.caller.map(|known| &known.caller),
            request_id: self.client.request_id(),
            client: self.client.address(),
        };
        Shape { policy: &self.route.policy, facts, identity: self.caller.map_or(b"", |known| &known.lines) }
    }
}

impl Exchange<'_> {
    /// Asks one server, on a new connection if a kept one turns out to have been closed.
    async fn ask(&self, server: &Server, is_last: bool, record: &mut Record) -> Result<Finished, Reject> {
        match self.attempt(server, Reuse::Kept, is_last, record).await {
            Err(reset @ Reject::Fault(Fault::ReusedReset)) if may_repeat(self.client) => {
                record.attempt_failed(&reset);
                self.attempt(server, Reuse::Fresh, is_last, record).await
            }
            outcome => outcome,
        }
    }

    /// One request to one server.
    async fn attempt(
        &self,
        server: &Server,
        reuse: Reuse,
        is_last: bool,
        record: &mut Record,
    ) -> Result<Finished, Reject> {
        let (worker, client) = (self.worker, self.client);
        let wanted =
            Wanted { reuse, is_last, connect_within: self.terms.at_most(self.terms.policy.timeouts.connect) };
        let trace = record.attempts(server, now());
        let is_moot = || client.connection.is_reset();
        let obtained = worker.upstreams.obtain(server, wanted, &mut record.stages, is_moot).await;
        let mut upstream = obtained.map_err(|reject| self.blame(reject))?;
        record.sent(server, !upstream.reply.is_reused);
        let mut head = worker.outputs.take();
        let to = ToServer {
            server,
            peer: client.peer(),
            request_id: client.request_id(),
            upgrade: self.upgrade,
            node: &worker.node,
            trace,
            shape: self.terms.policy.reshapes_requests().then(|| self.shape()),
        };
        let written = forward::request(&mut head, client.head(), client.head_bytes(), to);
        written.map_err(|BadRendering| Malformed::Path)?; // what the client says makes no path of the template
        let result = match client.whole_body() {
            Some(body) => self.request_then_answer(&mut upstream, head, body, record).await,
            // Boxed: rare, and large; an idle connection would carry its size.
            None => Box::pin(self.request_while_answer(&mut upstream, head, record)).await,
        };
        let (finished, keeps_server) = result.map_err(|reject| self.blame(reject))?;
        let ended = now();
        record.stages.end(ended);
        if keeps_server && upstream.reply.buffer.is_empty() {
            worker.upstreams.put_back(upstream, ended);
        }
        Ok(finished)
    }

    /// Why it really failed: what ends one side shows as a failure of the other.
    fn blame(&self, reject: Reject) -> Reject {
        match reject {
            _ if self.client.connection.departed() => Reject::ClientGone,
            _ if self.worker.has_given_up() => Reject::Draining,
            _ if self.terms.is_overdue() => Fault::Timeout.into(),
            reject => reject,
        }
    }

    /// The usual exchange: the request is here as a whole, and goes out in one send.
    async fn request_then_answer(
        &self,
        upstream: &mut Upstream,
        head: Output<'_>,
        body: usize,
        record: &mut Record,
    ) -> Result<(Finished, bool), Reject> {
        let Upstream { connection, reply, .. } = upstream;
        let progress = Progress::default();
        // A server may answer and close without having read everything; its answer counts, if there is one.
        let body_bytes = &self.client.buffered_body()[..body];
        progress.sent_at_once(connection.send([&head, body_bytes], self.terms.server()).await);
        drop(head);
        connection.deadline().within(self.terms.at_most(self.terms.policy.timeouts.response), Side::Both);
        let answered = self.answer(connection, reply, &progress, record).await?;
        let finished = Finished { after: answered.after, body, surplus: Buffer::default() };
        Ok((finished, answered.keeps_server && progress.is_uploaded.get()))
    }

    /// The body is still arriving: it goes up while the answer may come down, and either may end first.
    async fn request_while_answer(
        &self,
        upstream: &mut Upstream,
        head: Output<'_>,
        record: &mut Record,
    ) -> Result<(Finished, bool), Reject> {
        let Upstream { connection, reply, .. } = upstream;
        let progress = Progress::default();
        let upload = Upload::new(self.client, connection, &self.worker.body_buffers, &progress, &self.terms);
        let download = async {
            let answered = self.answer(connection, reply, &progress, record).await;
            progress.answer_is_over(self.client, connection);
            answered
        };
        let ((uploaded, surplus), answered) = join(upload.run(head), download).await;
        let answered = match (&uploaded, answered) {
            (Uploaded::Failed(reject), Err(_)) => return Err(reject.clone()), // what failed first
            (_, answered) => answered?,
        };
        let after = match (uploaded, answered.after) {
            (Uploaded::Failed(reject), after) if !answered.is_whole => {
                record.truncated(self.blame(reject).answer().cause); // the answer broke off because the request did
                after
            }
            (_, After::Reset) => After::Reset,
            (Uploaded::Whole | Uploaded::Discarded, after) => after,
            (Uploaded::Abandoned | Uploaded::Failed(_), _) => After::Linger,
        };
        let finished = Finished { after, body: self.client.buffered_body().len(), surplus };
        Ok((finished, answered.keeps_server && progress.is_uploaded.get()))
    }

    /// Passes the server's answer on: interim ones, the final head, the body.
    async fn answer(
        &self,
        connection: &Connection,
        reply: &mut Reply,
        progress: &Progress,
        record: &mut Record,
    ) -> Result<Answered, Reject> {
        let watch = self.client.connection.watch(connection);
        let (head, bounds) = match self.final_head(connection, reply).await {
            Err(Fault::Reset | Fault::ReusedReset) if progress.has_stalled.get() => Err(Fault::Timeout),
            head => head,
        }?;
        connection.deadline().clear(); // the client may take its time with what follows
        record.head_came(now());
        progress.is_answering.set(true);
        let bytes = &reply.buffer.data()[bounds.start..bounds.end];
        let mut out = self.worker.outputs.take();
        if let (101, Some(protocol)) = (head.status(), self.upgrade) {
            self.put_switch(&mut out, (&head, bytes), protocol);
            reply.buffer.consume(bounds.end);
            record.answered(101, self.client.connection.sent() + out.len() as u64);
            drop(watch); // two orderly ends of a tunnel look like a reset, and a receive is pending all the time
            return Ok(Box::pin(self.tunnel(connection, &mut reply.buffer, out, record)).await);
        }
        let client = self.client.head();
        let method = client.method(self.client.head_bytes());
        let framing = head.framing(method, bytes).map_err(Fault::BadReply)?;
        let (status, server_persists) = (head.status(), head.persists(method));
        let persists =
            self.client.persists() && !self.worker.is_draining() && progress.can_end(server_persists);
        let client_framing = self.put_head(&mut out, (&head, bytes), framing, persists, record);
        drop(head);
        reply.buffer.consume(bounds.end);
        let mut relay = Relay {
            from: Source::new(connection, &mut reply.buffer, &self.worker.body_buffers, self.terms.server()),
            reader: BodyReader::new(framing),
            allowed: u64::MAX,
            to: Sink {
                connection: &self.client.connection,
                framing: client_framing,
                patience: self.terms.client(),
                takes_trailers: self.terms.policy.response.is_none(),
            },
        };
        relay.gather();
        let piece = relay.decode().map_err(|_| Fault::BadReply(BadReply::Body))?; // while 502 can still be said
        record.answered(status, self.client.connection.sent() + out.len() as u64);
        if let Err(stopped) = relay.pass_on(out, piece).await {
            let after = self.after_truncation(&stopped, client_framing);
            record.truncated(self.cause_of_truncation(stopped));
            return Ok(Answered { after, keeps_server: false, is_whole: false });
        }
        let ends = !persists || client_framing == Framing::UntilClose;
        let keeps_server = server_persists && framing != Framing::UntilClose;
        let after = if ends { After::Linger } else { After::Next };
        Ok(Answered { after, keeps_server, is_whole: true })
    }

    /// Appends the head of an answer as the client gets it; how the body has to be sent.
    fn put_head(
        &self,
        out: &mut Vec<u8>,
        (head, bytes): (&ResponseHead, &[u8]),
        framing: Framing,
        persists: bool,
        record: &Record,
    ) -> Framing {
        let (client, policy, lines) = (self.client, self.terms.policy, self.client.lines());
        let own = self.own(&lines);
        let to = ToClient {
            request_id: client.request_id(),
            date: &self.worker.date(),
            method: client.head().method(client.head_bytes()),
            version: client.head().version(),
            framing,
            persists,
            timing: policy.server_timing.then_some(&record.stages),
            own,
        };
        forward::response(out, head, bytes, to)
    }

    /// The same for the head that switches protocols.
    fn put_switch(&self, out: &mut Vec<u8>, (head, bytes): (&ResponseHead, &[u8]), protocol: &str) {
        let lines = self.client.lines();
        forward::switching(out, head, bytes, protocol, self.client.request_id(), self.own(&lines));
    }

    /// What the gateway does with an answer beyond passing it on.
    fn own<'b>(&'b self, lines: &'b [u8]) -> Own<'b> {
        let policy = self.terms.policy;
        Own {
            lines,
            has_cors: self.worker.held().clients.cors.is_some(),
            has_limits: !policy.access.limits.is_empty(),
            servers: &self.route.pool.servers,
            shape: (!policy.response.is_none()).then(|| self.shape()),
        }
    }

    /// Receives heads until one is final; interim ones are passed on (RFC 9110 section 15.2).
    async fn final_head(
        &self,
        connection: &Connection,
        reply: &mut Reply,
    ) -> Result<(Lent<'_, ResponseHead>, HeadBounds), Fault> {
        for _ in 0..INTERIM_RESPONSES {
            let (head, bounds) = receive_head(connection, reply, &self.worker.reply_heads).await?;
            let bytes = &reply.buffer.data()[bounds.start..bounds.end];
            match head.status() {
                101 if self.upgrade.is_some_and(|protocol| head.switches_to(protocol, bytes)) => {
                    return Ok((head, bounds));
                }
                101 => return Err(BadReply::Switch.into()), // nobody asked for it
                200.. => return Ok((head, bounds)),
                status => {
                    // 100 is between us and the server: the client has had ours if it asked for one.
                    if status != 100 && self.client.head().version() == Version::Http11 {
                        let mut out = self.worker.outputs.take();
                        forward::interim(&mut out, &head, bytes);
                        let _ = self.client.connection.send([&out], self.terms.client()).await; // the final one tells
                    }
                    reply.buffer.consume(bounds.end);
                    reply.is_reused = false; // it has spoken: if it breaks now, that is not because it was old
                }
            }
        }
        Err(BadReply::TooLarge.into())
    }

    /// Sends the head that switches protocols, and carries whatever both sides say from then on.
    async fn tunnel(
        &self,
        server: &Connection,
        said: &mut Buffer,
        head: Output<'_>,
        record: &mut Record,
    ) -> Answered {
        let client = &self.client.connection;
        let mut outcome = client.send([&head], self.terms.client()).await.map_err(|_| BrokenBy::Client);
        drop(head);
        if outcome.is_ok() {
            let tunnel = Tunnel::new(client, server, self.terms.policy.timeouts.tunnel);
            outcome = tunnel.run(self.client.buffered_body(), said).await;
        }
        let (after, cause) = match outcome {
            _ if self.worker.has_given_up() => (After::Linger, Some(Cause::Draining)),
            Ok(()) => (After::Linger, None),
            Err(BrokenBy::Client) => (After::Reset, Some(Cause::ClientGone)),
            Err(BrokenBy::Server) => (After::Reset, Some(Cause::UpstreamReset)),
        };
        cause.into_iter().for_each(|cause| record.truncated(cause));
        if after == After::Reset {
            server.reset_on_close();
        }
        Answered { after, keeps_server: false, is_whole: after != After::Reset }
    }

    /// A client sees by its framing that an answer is not whole, and an orderly end lets it have the whole ones before. Where only
    /// the end of the connection tells the end of the answer, a reset has to say that this is none.
    fn after_truncation(&self, stopped: &Stopped, framing: Framing) -> After {
        let is_lost = matches!(stopped, Stopped::Sink(_)) || self.client.connection.departed();
        match is_lost || self.worker.has_given_up() || framing == Framing::UntilClose {
            true => After::Reset,
            false => After::Linger,
        }
    }

    fn cause_of_truncation(&self, stopped: Stopped) -> Cause {
        match stopped {
            Stopped::Source(_) if self.client.connection.departed() => Cause::ClientGone,
            Stopped::Source(_) | Stopped::Sink(_) if self.worker.has_given_up() => Cause::Draining,
            Stopped::Sink(Broken::TimedOut) => Cause::ClientSlow,
            Stopped::Sink(_) => Cause::ClientGone,
            Stopped::Source(Broken::TimedOut) => Cause::UpstreamTimeout,
            Stopped::Source(_) => Cause::UpstreamReset,
            Stopped::Framing(_) | Stopped::TooLarge => Cause::UpstreamBroken,
        }
    }
}

/// Receives one head from a server.
pub(crate) async fn receive_head<'a>(
    connection: &Connection,
    reply: &mut Reply,
    heads: &'a Spares<ResponseHead>,
) -> Result<(Lent<'a, ResponseHead>, HeadBounds), Fault> {
    let mut scanner = HeadScanner::of_response();
    loop {
        if let Some(bounds) = scanner.scan(reply.buffer.data()).map_err(BadReply::from)? {
            let mut head = heads.take();
            head.parse(&reply.buffer.data()[bounds.start..bounds.end])?;
            return Ok((head, bounds));
        }
        reply.buffer.make_room(1);
        match connection.recv(&mut reply.buffer, usize::MAX).await {
            Ok(_) => {}
            Err(Broken::TimedOut) => return Err(Fault::Timeout),
            Err(_) if reply.is_reused && reply.buffer.is_empty() => return Err(Fault::ReusedReset),
            Err(_) => return Err(Fault::Reset),
        }
    }
}
