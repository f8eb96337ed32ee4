//! Another service says who asks.
//!
//! Owns: the request that it is asked with, and what its answer means. It is asked like any server: over the worker's own
//! connections, within one deadline for all of it.
//! Refuses: a body. What the service needs to know is in the fields that it is shown.

use std::time::{Duration, Instant};

use ringgate_core::answer::{BadReply, Fault, Reject, Unauthorized};
use ringgate_core::auth::{ApiKeys, External};
use ringgate_core::caller::Caller;
use ringgate_core::framing::Framing;
use ringgate_core::head::Fields;
use ringgate_core::limits::INTERIM_RESPONSES;
use ringgate_core::method::Method;
use ringgate_core::pool::{Pool, Server};
use ringgate_core::stages::Stages;
use ringgate_io::{Side, now};

use crate::client::Client;
use crate::connection::Connection;
use crate::patience::Patience;
use crate::pipeline::receive_head;
use crate::upstream::{Reply, Reuse, Upstream, Wanted};
use crate::worker::Worker;

/// What a verdict is remembered by: all that the service is told of.
pub(super) fn digest(service: &External, client: &Client) -> [u8; 32] {
    let (head, bytes) = (client.head(), client.head_bytes());
    let mut told = Vec::new();
    let mut put = |part: &[u8]| {
        told.extend_from_slice(&(part.len() as u64).to_be_bytes());
        told.extend_from_slice(part);
    };
    put(client.address().as_bytes());
    put(head.method(bytes).name().as_bytes());
    put(head.authority(bytes).unwrap_or_default());
    put(head.path_bytes(bytes));
    put(head.query(bytes).unwrap_or_default().as_bytes());
    for name in &service.fields {
        put(name.as_bytes());
        head.fields(bytes).named(name.as_bytes()).for_each(&mut put);
    }
    ApiKeys::digest(&told)
}

/// Asks one of its servers; another one if none can be connected to.
///
/// # Errors
/// It does not say anything, or nothing that means something.
pub(super) async fn ask(
    worker: &Worker,
    client: &Client,
    service: &External,
    pool: &Pool,
) -> Result<Said, Reject> {
    let end = now() + service.timeout;
    let mut refused = Reject::Fault(Fault::Unreachable);
    for server in pool.turn() {
        let call = Call { worker, client, service, server, end };
        let outcome = match call.attempt(Reuse::Kept).await {
            Err(Reject::Fault(Fault::ReusedReset)) => call.attempt(Reuse::Fresh).await,
            outcome => outcome,
        };
        match outcome {
            Err(Reject::Fault(fault)) if fault.sent_nothing() && now() < end => refused = fault.into(),
            outcome => return outcome,
        }
    }
    Err(refused)
}

/// Who asks, or nobody in particular; or why the request does not pass.
pub(super) type Said = Result<Option<Caller>, Unauthorized>;

/// An answer, and whether its connection can be used again.
struct Heard {
    outcome: Result<Said, Reject>,
    keeps_connection: bool,
}

struct Call<'a> {
    worker: &'a Worker,
    client: &'a Client,
    service: &'a External,
    server: &'a Server,
    end: Instant,
}

impl Call<'_> {
    fn left(&self) -> Duration {
        self.end.saturating_duration_since(now())
    }

    async fn attempt(&self, reuse: Reuse) -> Result<Said, Reject> {
        let wanted = Wanted { reuse, is_last: false, connect_within: self.left() };
        let mut stages = Stages::begin(None, None, now()); // the request's own are in the policy stage
        let is_moot = || self.client.connection.is_reset();
        let mut upstream = self.worker.upstreams.obtain(self.server, wanted, &mut stages, is_moot).await?;
        let mut out = self.worker.outputs.take();
        self.put_request(&mut out);
        let Upstream { connection, reply, .. } = &mut upstream;
        connection.deadline().within(self.left(), Side::Both);
        let _ = connection.send([&out], Patience::of(self.left())).await; // its answer counts, if there is one
        drop(out);
        let said = self.hear(connection, reply).await?;
        connection.deadline().clear();
        if said.keeps_connection {
            self.worker.upstreams.put_back(upstream, now());
        }
        said.outcome
    }

    /// Its final answer; interim ones say nothing (RFC 9110 section 15.2).
    async fn hear(&self, connection: &Connection, reply: &mut Reply) -> Result<Heard, Reject> {
        for _ in 0..INTERIM_RESPONSES {
            let (head, bounds) = receive_head(connection, reply, &self.worker.reply_heads).await?;
            let bytes = &reply.buffer.data()[bounds.start..bounds.end];
            let (status, outcome) = (head.status(), self.judge(head.status(), head.fields(bytes)));
            let framing = head.framing(Method::Get, bytes).map_err(Fault::BadReply)?;
            let persists = head.persists(Method::Get);
            drop(head);
            reply.buffer.consume(bounds.end);
            if status >= 200 {
                // A short body has come with its head. Another one is not worth a wait, nor is its connection.
                let is_here = framing == Framing::Length(reply.buffer.len() as u64);
                reply.buffer.clear();
                return Ok(Heard { outcome, keeps_connection: persists && is_here });
            }
        }
        Err(Fault::BadReply(BadReply::TooLarge).into())
    }

    fn put_request(&self, out: &mut Vec<u8>) {
        let (head, bytes) = (self.client.head(), self.client.head_bytes());
        let mut put = |pieces: &[&[u8]]| pieces.iter().for_each(|piece| out.extend_from_slice(piece));
        put(&[b"GET ", self.service.path.as_bytes(), self.server.version_and_host()]);
        for name in &self.service.fields {
            let values = head.fields(bytes).named(name.as_bytes());
            values.for_each(|value| put(&[name.as_bytes(), b": ", value, b"\r\n"]));
        }
        put(&[b"X-Forwarded-Method: ", head.method(bytes).name().as_bytes(), b"\r\n"]);
        if let Some(authority) = head.authority(bytes) {
            put(&[b"X-Forwarded-Host: ", authority, b"\r\n"]);
        }
        put(&[b"X-Forwarded-Uri: ", head.path_bytes(bytes)]);
        head.query(bytes).into_iter().for_each(|query| put(&[b"?", query.as_bytes()]));
        put(&[b"\r\nX-Forwarded-For: ", self.client.address().as_bytes()]);
        put(&[b"\r\nX-Request-Id: ", self.client.request_id().as_bytes(), b"\r\n\r\n"]);
    }

    fn judge(&self, status: u16, fields: Fields<'_>) -> Result<Said, Reject> {
        let value = |name: &str| {
            fields.named(name.as_bytes()).next().and_then(|value| std::str::from_utf8(value).ok())
        };
        let [user, roles, scopes] =
            self.service.answers.each_ref().map(|name| value(name).unwrap_or_default());
        let members = |text: &str, separator: fn(char) -> bool| {
            text.split(separator).map(str::trim).filter(|member| !member.is_empty()).map(Box::from).collect()
        };
        match status {
            200..300 if user.is_empty() => Ok(Ok(None)),
            200..300 => Ok(Ok(Some(Caller {
                roles: members(roles, |c| c == ','),
                scopes: members(scopes, |c| c == ' '),
                ..Caller::named(user)
            }))),
            // Whatever it does not like about a request is the client's doing, so that no client can make it fail.
            300..500 => Ok(Err(Unauthorized::Refused)),
            _ => Err(Reject::NoJudge),
        }
    }
}
