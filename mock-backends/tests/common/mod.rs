//! A client on a plain socket: sends the bytes it is told to, and reads answers by the book.

#![allow(dead_code, reason = "every test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ringmock::{Kind, Mock, Options, Route};

/// Longer than anything here takes; a test that waits for it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn posts() -> Mock {
    mock(Kind::Post, "post-1")
}

pub(crate) fn users() -> Mock {
    mock(Kind::User, "user-1")
}

pub(crate) fn mock(kind: Kind, name: &str) -> Mock {
    Mock::start(Options { kind, name: name.into(), ..Options::default() }).unwrap()
}

/// A server with standing orders, as they are written on a command line.
pub(crate) fn ordered(orders: &[&str]) -> Mock {
    let routes = orders.iter().map(|text| Route::parse(text).unwrap()).collect();
    Mock::start(Options { routes, ..Options::default() }).unwrap()
}

/// One answer and the connection's only: asks `target` of `mock` by GET.
pub(crate) fn get(mock: &Mock, target: &str) -> Answer {
    Client::connect(mock.address()).get(target)
}

pub(crate) struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

/// An answer as it arrived, its body out of its framing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, input: Vec::new() }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.ask(target);
        self.answer()
    }

    pub(crate) fn ask(&mut self, target: &str) {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }

    /// The next answer, to anything but HEAD.
    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        if answer.header("transfer-encoding") == Some("chunked") {
            while self.chunk(&mut answer.body) {}
        } else if let Some(length) = answer.header("content-length") {
            answer.body = self.take(length.parse().unwrap());
        }
        answer
    }

    /// The next answer's head, and nothing more.
    pub(crate) fn head(&mut self) -> Answer {
        let end = loop {
            match self.input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => assert!(
                    self.receive() > 0,
                    "closed within a head: {:?}",
                    self.input.escape_ascii().to_string()
                ),
            }
        };
        let head = self.take(end);
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut parsed = httparse::Response::new(&mut fields);
        assert!(parsed.parse(&head).unwrap().is_complete());
        let text = |value: &[u8]| std::str::from_utf8(value).unwrap().to_owned();
        let headers = parsed.headers.iter().map(|field| (field.name.to_owned(), text(field.value))).collect();
        Answer { status: parsed.code.unwrap(), headers, body: Vec::new() }
    }

    /// Reads one chunk onto `body`; false for the last one.
    pub(crate) fn chunk(&mut self, body: &mut Vec<u8>) -> bool {
        let end = loop {
            match self.input.windows(2).position(|bytes| bytes == b"\r\n") {
                Some(end) => break end,
                None => assert!(self.receive() > 0, "closed within a chunk's size"),
            }
        };
        let line = self.take(end + 2);
        let size = usize::from_str_radix(std::str::from_utf8(&line[..end]).unwrap(), 16).unwrap();
        body.extend(self.take(size));
        assert_eq!(self.take(2), b"\r\n");
        size > 0
    }

    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        while self.input.len() < count {
            assert!(self.receive() > 0, "closed {} bytes early", count - self.input.len());
        }
        let rest = self.input.split_off(count);
        std::mem::replace(&mut self.input, rest)
    }

    /// Whether the server ends the connection now, in order and without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.input.is_empty() && self.receive() == 0
    }

    /// All that is still to come, and whether a reset ends it.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, bool) {
        let mut rest = std::mem::take(&mut self.input);
        let end = self.stream.read_to_end(&mut rest);
        let is_reset = end.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
        assert!(end.is_ok() || is_reset, "{end:?}");
        (rest, is_reset)
    }

    fn receive(&mut self) -> usize {
        let mut bytes = [0; 64 * 1024];
        let count = self.stream.read(&mut bytes).unwrap();
        self.input.extend_from_slice(&bytes[..count]);
        count
    }
}

/// `count` bytes of the pattern.
pub(crate) fn pattern(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    ringmock::pattern(0, &mut bytes);
    bytes
}

/// `body` in chunks of `size` bytes, the last one included.
pub(crate) fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut wire = Vec::with_capacity(body.len() + body.len() / size * 8 + 16);
    for chunk in body.chunks(size) {
        write!(wire, "{:x}\r\n", chunk.len()).unwrap();
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}
