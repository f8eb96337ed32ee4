//! How an answer leaves: when it is time, in the pieces and with the faults that were ordered.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use ringgate_io::now;
use rustix::time::{ClockId, clock_gettime};

use super::{Connection, End};
use crate::answer::{Answer, Content, Facts};
use crate::content::pattern;
use crate::order::{Fault, Service};
use crate::station::Lane;

/// The pattern is generated and sent in pieces of this size.
const PATTERN_PIECE: u64 = 64 * 1024;
/// What no client can take for the beginning of an answer, nor wait for the rest of.
const GARBAGE: &[u8] = b"\x16\x03\x01 this is not HTTP \0\xff\r\n\r\n";

impl Connection {
    pub(super) async fn answer(&mut self, answer: &Answer, lane: &Lane) -> Result<(), End> {
        let had_body = !self.body.is_over();
        self.discard_body().await?;
        self.work(answer.service, had_body, lane).await?;
        if answer.quirks.fault != Fault::None {
            return self.fail(answer).await;
        }
        let facts = self.depart(answer);
        answer.write_head(self.station.server.name(), &facts, self.client.output())?;
        if !answer.head_only {
            self.send_content(answer).await?;
            self.end_content(answer)?;
        }
        Ok(())
    }

    /// Sends what was made ready in advance, which the request has nothing against.
    pub(super) async fn answer_ready(&mut self) -> Result<(), End> {
        self.requests += 1;
        self.discard_body().await?;
        Ok(self.client.write(self.station.server.ready()).await?)
    }

    pub(super) async fn echo(&mut self, answer: &Answer, lane: &Lane) -> Result<(), End> {
        self.work(answer.service, false, lane).await?;
        let facts = self.depart(answer);
        answer.write_head(
            self.station.server.name(),
            &Facts { body_hash: None, ..facts },
            self.client.output(),
        )?;
        loop {
            let count = self.content().await.map_err(End::within_answer)?;
            self.begin_piece(answer, count)?;
            self.client.echo(count).await?;
            self.sent += count as u64;
            self.end_piece(answer, count);
            if self.body.is_over() {
                break;
            }
        }
        self.end_content(answer)?;
        match answer.promises_over(self.sent) {
            true => Err(End::Quit),
            false => Ok(()),
        }
    }

    /// The interim answers, which leave as soon as this side waits for anything.
    pub(super) fn send_interim(&mut self, answer: &Answer) {
        let waits = self.request.expects_continue && !self.body.is_over() && self.client.input().is_empty();
        for _ in 0..answer.quirks.continues.max(usize::from(waits)) {
            self.client.output().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        for _ in 0..answer.quirks.hints {
            self.client
                .output()
                .extend_from_slice(b"HTTP/1.1 103 Early Hints\r\nlink: </hint>; rel=preload\r\n\r\n");
        }
    }

    /// Lets pass what the request takes. What is owed from before is not held up by it.
    async fn work(&mut self, service: Service, had_body: bool, lane: &Lane) -> Result<(), End> {
        if service == Service::Immediate {
            return Ok(());
        }
        let received = if had_body { now() } else { self.arrived };
        let departure = lane.departure(received, service);
        if let Service::Computed(time) = service {
            self.client.flush().await?;
            match compute(time, || self.server().is_stopping()) {
                true => {}
                false => return Err(End::Gone),
            }
        } else if departure > received {
            self.wait_until(departure).await?;
        }
        Ok(())
    }

    /// Takes the time at which the answer leaves, where somebody asks for it.
    fn depart(&mut self, answer: &Answer) -> Facts {
        let body_hash = answer.quirks.hash.then_some(self.digest.hash);
        if !self.is_timed(answer) {
            return Facts { body_hash, instants: None };
        }
        let departed = now();
        self.departed = Some(departed);
        let nanoseconds = |instant: Instant| self.station.epoch.nanoseconds(instant);
        let instants = answer.quirks.instants.then(|| (nanoseconds(self.arrived), nanoseconds(departed)));
        Facts { body_hash, instants }
    }

    /// Ends the connection as the fault says, behind as much of the answer as it leaves.
    async fn fail(&mut self, answer: &Answer) -> Result<(), End> {
        let facts = self.depart(answer);
        self.client.flush().await?;
        answer.write_head(self.station.server.name(), &facts, self.client.output())?;
        let head_bytes = self.client.output().len();
        let (kept, end) = match answer.quirks.fault {
            Fault::ResetHead => (head_bytes / 2, End::Reset),
            Fault::ResetBody => (head_bytes, End::Reset),
            Fault::HalfClose => (0, End::HalfClosed),
            Fault::Garbage => (0, End::Quit),
            Fault::ResetBefore | Fault::Unread | Fault::None => (0, End::Reset),
        };
        self.client.output().truncate(kept);
        if answer.quirks.fault == Fault::Garbage {
            self.client.output().extend_from_slice(GARBAGE);
        }
        Err(end)
    }

    /// The content, or as much of it as was ordered: then the connection ends behind it.
    async fn send_content(&mut self, answer: &Answer) -> Result<(), End> {
        let whole = match answer.content {
            Content::Pattern(length) => length,
            _ => self.scratch.len() as u64,
        };
        let end = answer.quirks.truncate.unwrap_or(whole).min(whole);
        let step =
            answer.quirks.dribble.map_or(PATTERN_PIECE, |dribble| dribble.piece_bytes.min(PATTERN_PIECE));
        while self.sent < end {
            self.send_piece(answer, step.min(end - self.sent)).await?;
            if let Some(dribble) = answer.quirks.dribble.filter(|_| self.sent < end) {
                self.wait_until(now() + dribble.pause).await?;
            }
        }
        match end < whole || answer.promises_over(whole) {
            true => Err(End::Quit),
            false => Ok(()),
        }
    }

    /// The next `bytes` bytes of the content.
    async fn send_piece(&mut self, answer: &Answer, bytes: u64) -> io::Result<()> {
        let (count, mut start) = (bytes as usize, self.sent as usize);
        if let Content::Pattern(_) = answer.content {
            start = 0;
            self.scratch.resize(count.max(self.scratch.len()), 0);
            pattern(self.sent, &mut self.scratch[..count]);
        }
        self.begin_piece(answer, count)?;
        self.client.write(&self.scratch[start..start + count]).await?;
        self.end_piece(answer, count);
        self.sent += bytes;
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

    fn end_content(&mut self, answer: &Answer) -> io::Result<()> {
        if !answer.is_chunked() {
            return Ok(());
        }
        self.client.output().extend_from_slice(b"0\r\n");
        if answer.quirks.hash && answer.content == Content::Echo {
            write!(self.client.output(), "x-body-hash: {:016x}\r\n", self.digest.hash)?;
        }
        self.client.output().extend_from_slice(b"\r\n");
        Ok(())
    }
}

/// Spends `time` of the processor's on this thread, unless it `is_stopped` before; whether it did. What others take from
/// it meanwhile does not count.
fn compute(time: Duration, is_stopped: impl Fn() -> bool) -> bool {
    let spent = || {
        let spent = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32)
    };
    let end = spent() + time;
    while spent() < end {
        if is_stopped() {
            return false;
        }
    }
    true
}
