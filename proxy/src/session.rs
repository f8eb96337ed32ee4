//! One client's connection, from accept to close: request after request, each refused or served, logged and counted.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use ringgate_core::answer::{self, Delivery, Reject};
use ringgate_core::stages::Stages;
use ringgate_io::{Buffer, now};

use crate::client::Client;
use crate::lease::Held;
use crate::limits;
use crate::patience::Patience;
use crate::pipeline::{self, After, Finished};
use crate::record::Record;
use crate::worker::Worker;

/// Serves a connection to its end.
///
/// # Errors
/// It panicked: a defect, which costs this connection and no other.
pub(crate) async fn serve(worker: &Worker, client: Box<Client>) -> Result<(), Box<dyn Any + Send>> {
    let mut session = pin!(requests(worker, client));
    poll_fn(|context| {
        // What a panic may have left half-done is the client's own state, which is dropped, and worker state that is only
        // changed by code that does not panic in between.
        match catch_unwind(AssertUnwindSafe(|| session.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

async fn requests(worker: &Worker, mut client: Box<Client>) {
    loop {
        let arrived = match client.receive_head(worker).await {
            Ok(None) => return,
            Ok(Some(held)) => Ok(held),
            Err(reject) => Err(reject),
        };
        // Boxed: an idle connection does not carry its size.
        match Box::pin(request(worker, &mut client, arrived)).await {
            After::Next => {}
            After::Linger => return Box::pin(client.linger()).await,
            After::Reset => return client.connection.reset_on_close(),
        }
    }
}

/// One request, which arrived well or not.
async fn request(worker: &Worker, client: &mut Client, arrived: Result<Rc<Held>, Reject>) -> After {
    let mut record = Record::start(client.begin_stages());
    client.name_request(arrived.is_ok());
    record.recording = worker.tracer.as_ref().map(|tracer| tracer.begin(client));
    let outcome = match arrived {
        Ok(held) => pipeline::run(worker, client, held, &mut record).await,
        Err(reject) => Err(reject),
    };
    let finished = match outcome {
        Ok(finished) => finished,
        Err(reject) => refuse(worker, client, &reject, &mut record).await,
    };
    worker.log.write(&record, client, &finished, &worker.held());
    if let Some(tracer) = &worker.tracer {
        tracer.finish(&record, client, &finished, &worker.held());
    }
    let metrics = record.lease.as_ref().map_or(&worker.metrics.unrouted, |lease| &lease.metrics);
    metrics.record(&record);
    match record.departed() {
        true => worker.counters.departed.add(1),
        false => worker.counters.answered.add(1),
    }
    client.finish_request(finished.body, finished.surplus.data());
    finished.after
}

/// The one place where a refusal becomes bytes.
async fn refuse(worker: &Worker, client: &Client, reject: &Reject, record: &mut Record) -> Finished {
    record.rejected(reject);
    worker.counters.refused(reject);
    let body = client.whole_body();
    let persists = !reject.closes() && body.is_some() && client.persists() && !worker.is_draining();
    let mut out = worker.outputs.take();
    let body_bytes = put_refusal(&mut out, worker, client, reject, record, !persists);
    record.body_from = client.connection.sent() + (out.len() - body_bytes) as u64;
    let is_gone = *reject == Reject::ClientGone || {
        client.connection.send([&out], Patience::of(limits::REFUSAL)).await.is_err()
    };
    drop(out);
    let after = match persists {
        _ if is_gone => After::Reset,
        true => After::Next,
        false => After::Linger, // some of the request may still be on its way
    };
    if is_gone {
        record.departed_before_answer();
    }
    record.stages.end(now());
    // Without a whole body, whatever came is part of what is refused.
    let body = body.unwrap_or_else(|| client.buffered_body().len());
    Finished { after, body, surplus: Buffer::default() }
}

/// Appends the whole answer; how many bytes of it are its body.
fn put_refusal(
    out: &mut Vec<u8>,
    worker: &Worker,
    client: &Client,
    reject: &Reject,
    record: &mut Record,
    close: bool,
) -> usize {
    let delivery = Delivery {
        request_id: client.request_id(),
        date: &worker.date(),
        close,
        head_only: client.asks_for_head_only(),
        timing: timing(worker, record),
        lines: &client.lines(),
        is_text: client.prefers_text(),
    };
    answer::write(out, reject, delivery)
}

/// Where the time went so far, if the client is told.
fn timing<'a>(worker: &Worker, record: &'a mut Record) -> Option<&'a Stages> {
    let is_told = match &record.lease {
        Some(route) => route.policy.server_timing,
        None => worker.held().strangers.server_timing,
    };
    is_told.then(|| {
        record.stages.end(now());
        &record.stages
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a call returns, by the size of it.
    fn size_of_output<A, B, F: Future>(_: impl FnOnce(A, B) -> F) -> usize {
        size_of::<F>()
    }

    /// Every connection carries this, idle or not; thousands of them must stay in the cache, and be cheap to keep.
    #[test]
    fn a_connection_is_small() {
        let bytes =
            size_of_output(|worker: &'static Worker, client| serve(worker, client)) + size_of::<Client>();
        assert!(bytes <= 1024, "{bytes} bytes");
    }
}
