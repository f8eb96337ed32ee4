//! The wire to one client: what it sent and was not read yet, what it is owed and was not sent yet.
//!
//! Owns the rule that keeps one send per answer and still never lets a client wait for bytes we hold back: output is
//! gathered, and leaves before this side waits for anything.
//! Assumes: every error means that the client is gone, or that the server stops; there is nobody left to tell.

use std::io::{self, IoSlice};
use std::time::Duration;

use ringgate_io::{Armed, Buffer, Deadlines, Side, Stream, sleep};

/// First size of the input: a usual request in one receive, and little to hold for an idle connection.
const INPUT_BYTES: usize = 4 * 1024;
/// Output gathered before it is sent: more would only be copied for nothing.
const OUTPUT_BYTES: usize = 16 * 1024;
/// Bytes moved for one client before the others get their turn. A socket that always has room, or always has more, is never
/// waited for: without this, one large download keeps the thread from everybody else and from the order to stop. A few
/// milliseconds of copying, and then the shortest sleep there is.
const TURN_BYTES: usize = 8 * 1024 * 1024;
const REST: Duration = Duration::from_millis(1);
/// How long, and over how many bytes, a client is read after the last answer. Closing while bytes arrive makes the
/// kernel send a reset, which destroys the answer on its way.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 64 * 1024;

/// One connected client.
pub(crate) struct Client {
    guard: Armed, // before the stream: it must be dropped first
    stream: Stream,
    input: Buffer,
    output: Vec<u8>,
    /// Bytes moved since its turn began.
    moved: usize,
}

impl Client {
    /// From here on `deadlines` can end the connection.
    pub(crate) fn new(stream: Stream, deadlines: &Deadlines) -> Client {
        let guard = deadlines.guard(stream.closer());
        Client { guard, stream, input: Buffer::with_capacity(INPUT_BYTES), output: Vec::new(), moved: 0 }
    }

    /// What arrived and was not consumed.
    pub(crate) fn input(&self) -> &[u8] {
        self.input.data()
    }

    /// Takes `count` bytes off the front of the input.
    pub(crate) fn consume(&mut self, count: usize) {
        self.input.consume(count);
    }

    /// Waits for more input, with room for at least `room` bytes. What was written leaves before.
    pub(crate) async fn receive(&mut self, room: usize) -> io::Result<()> {
        self.flush().await?;
        self.input.make_room(room);
        match self.stream.recv(&mut self.input).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            // A socket that was shut down still gives what keeps arriving.
            _ if self.is_ended() => Err(io::ErrorKind::ConnectionAborted.into()),
            count => {
                self.take_turns(count).await;
                Ok(())
            }
        }
    }

    /// Lets others have the thread if this client has had it for long enough. By a sleep: a task that only gives way is
    /// ready again at once, and keeps the loop from looking at its sockets.
    async fn take_turns(&mut self, bytes: usize) {
        self.moved += bytes;
        if self.moved >= TURN_BYTES {
            self.moved = 0;
            sleep(REST).await;
        }
    }

    /// Where small pieces (heads, chunk lines) are written.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Writes `bytes` behind the output; large ones leave at once, uncopied.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.take_turns(bytes.len()).await;
        write(&self.stream, &mut self.output, bytes).await
    }

    /// Writes the first `count` bytes of the input, which are consumed.
    pub(crate) async fn echo(&mut self, count: usize) -> io::Result<()> {
        write(&self.stream, &mut self.output, &self.input.data()[..count]).await?;
        self.input.consume(count);
        Ok(())
    }

    /// Whether the server has ended the connection, because it stops.
    pub(crate) fn is_ended(&self) -> bool {
        self.guard.expired()
    }

    /// Whether the client has broken the connection off.
    pub(crate) fn has_left(&self) -> bool {
        self.stream.is_reset()
    }

    /// Ends this side of the connection, in order and behind what was written, and reads on until the client ends its own.
    pub(crate) async fn half_close(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.stream.shutdown(Side::Send);
        loop {
            self.input.clear();
            self.receive(INPUT_BYTES).await?;
        }
    }

    /// Breaks the connection off behind what was written: the client sees a reset, and no end.
    pub(crate) async fn reset(mut self) -> io::Result<()> {
        self.flush().await?;
        self.stream.reset_on_close();
        Ok(())
    }

    /// Sends what is left and ends the connection such that the client can read all of it.
    pub(crate) async fn finish(mut self) -> io::Result<()> {
        self.flush().await?;
        self.stream.shutdown(Side::Send);
        self.guard.within(LINGER, Side::Both);
        let mut discarded = 0;
        while discarded < LINGER_BYTES {
            self.input.clear();
            discarded += match self.stream.recv(&mut self.input).await? {
                0 => break,
                count => count,
            };
        }
        Ok(())
    }

    /// Sends what was written if it is much. To be called between answers: requests that arrived together need no wait for
    /// the next, at which output leaves by itself.
    pub(crate) async fn relieve(&mut self) -> io::Result<()> {
        match self.output.len() > OUTPUT_BYTES {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    /// Sends what was written.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        if !self.output.is_empty() {
            self.stream.send(&self.output).await?;
            self.output.clear();
        }
        Ok(())
    }
}

async fn write(stream: &Stream, output: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    if output.len() + bytes.len() <= OUTPUT_BYTES {
        output.extend_from_slice(bytes);
        return Ok(());
    }
    stream.send_vectored(&mut [IoSlice::new(output), IoSlice::new(bytes)]).await?;
    output.clear();
    Ok(())
}
