//! A server that follows a script and keeps every byte it receives.
//!
//! Owns: one thread per connection, the scripts of the exchanges to come, and the record. An exchange without a script
//! is answered with [`OK`] and leaves the connection open.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use crate::message::{Kind, Message};
use crate::support::PATIENCE;

/// The answer to every request that no script was made for.
pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// When an answer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The whole request has arrived.
    Complete,
    /// Its head has.
    Head,
}

/// What becomes of the connection afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Keep,
    Close,
    /// It is a tunnel now, which gives back what it is given and says [`BYE`] at the end.
    Echo,
}

/// The last word of an echo.
pub const BYE: &str = "bye";

/// One exchange.
#[derive(Debug, Clone)]
pub struct Script {
    pub when: When,
    pub answer: Vec<u8>,
    /// Where the answer is cut into two writes.
    pub cut: usize,
    pub then: Then,
}

impl Script {
    pub fn new(answer: impl Into<Vec<u8>>, then: Then) -> Script {
        Script { when: When::Complete, answer: answer.into(), cut: 0, then }
    }

    pub fn at_head(self) -> Script {
        Script { when: When::Head, ..self }
    }
}

/// What arrived on all connections.
#[derive(Debug, Default, Clone)]
pub struct Received {
    /// Whole requests, in the order in which they became whole.
    pub messages: Vec<Message>,
    /// What was on a connection when it ended and was no whole request.
    pub torn: Vec<Vec<u8>>,
}

#[derive(Default)]
struct State {
    scripts: VecDeque<Script>,
    received: Received,
    open: usize,
}

/// The server.
#[derive(Clone)]
pub struct Origin {
    address: SocketAddr,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Origin {
    pub fn start() -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = Origin { address: listener.local_addr().unwrap(), shared: Arc::default() };
        let server = origin.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                server.change(|state| state.open += 1);
                let server = server.clone();
                thread::spawn(move || server.serve(stream));
            }
        });
        origin
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next exchange goes like this.
    pub fn expect(&self, script: Script) {
        self.change(|state| state.scripts.push_back(script));
    }

    /// Waits until no more than `count` connections are open; `false` if that takes too long.
    pub fn comes_down_to(&self, count: usize) -> bool {
        let (state, changed) = &*self.shared;
        let (state, _) =
            changed.wait_timeout_while(state.lock().unwrap(), PATIENCE, |state| state.open > count).unwrap();
        state.open <= count
    }

    /// Waits until `count` whole requests are on record.
    pub fn has_received(&self, count: usize) -> bool {
        let (state, changed) = &*self.shared;
        let missing = |state: &mut State| state.received.messages.len() < count;
        !changed.wait_timeout_while(state.lock().unwrap(), PATIENCE, missing).unwrap().1.timed_out()
    }

    /// What has arrived since the last call.
    pub fn take(&self) -> Received {
        self.change(|state| std::mem::take(&mut state.received))
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.shared.0.lock().unwrap());
        self.shared.1.notify_all();
        changed
    }

    fn serve(&self, mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut left = Vec::new();
        let _ = self.exchanges(&mut stream, &mut left);
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut left);
        self.change(|state| {
            state.open -= 1;
            if !left.is_empty() {
                state.received.torn.push(left);
            }
        });
    }

    fn exchanges(&self, stream: &mut TcpStream, left: &mut Vec<u8>) -> std::io::Result<()> {
        let mut is_answered = false;
        loop {
            let has_head = left.windows(4).any(|four| four == b"\r\n\r\n");
            let whole = Message::first(left, Kind::Request, false);
            let is_whole = whole.is_some();
            if let Some((message, length)) = whole {
                left.drain(..length);
                self.change(|state| state.received.messages.push(message));
            }
            if !is_answered && (is_whole || has_head && self.answers_at_head()) {
                is_answered = true;
                let script = self.next_script();
                stream.write_all(&script.answer[..script.cut])?;
                stream.write_all(&script.answer[script.cut..])?;
                match script.then {
                    Then::Keep => {}
                    Then::Close => return Ok(()),
                    Then::Echo => return echo(stream, left),
                }
            }
            if is_whole {
                is_answered = false;
            } else if !receive(stream, left)? {
                return Ok(());
            }
        }
    }

    fn next_script(&self) -> Script {
        self.change(|state| state.scripts.pop_front()).unwrap_or(Script::new(OK, Then::Keep))
    }

    fn answers_at_head(&self) -> bool {
        let state = self.shared.0.lock().unwrap();
        state.scripts.front().is_some_and(|script| script.when == When::Head)
    }
}

fn echo(stream: &mut TcpStream, left: &mut Vec<u8>) -> std::io::Result<()> {
    loop {
        stream.write_all(left)?;
        left.clear();
        if !receive(stream, left)? {
            return stream.write_all(BYE.as_bytes());
        }
    }
}

fn receive(stream: &mut TcpStream, left: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut bytes = [0; 16 * 1024];
    let count = stream.read(&mut bytes)?;
    left.extend_from_slice(&bytes[..count]);
    Ok(count > 0)
}
