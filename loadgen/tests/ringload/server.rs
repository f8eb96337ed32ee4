//! A server of a few lines on the standard library, so that nothing of the project stands at both ends of the wire.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What the server does about one request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// These bytes, and the connection stays open.
    Bytes(Vec<u8>),
    /// These bytes, and then the end of the connection.
    Last(Vec<u8>),
    /// These bytes after a while.
    Late(Duration, Vec<u8>),
    /// Nothing, for as long as the client stays.
    Silence,
}

/// One request as it came.
pub(crate) struct Request {
    /// Its lines up to the empty one.
    pub(crate) head: Vec<String>,
    pub(crate) body_bytes: usize,
    /// Counted over all connections, from 0.
    pub(crate) number: u64,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    requests: AtomicU64,
    connections: AtomicU64,
    lines: Mutex<Vec<String>>,
    is_closed: AtomicBool,
}

impl Server {
    /// Answers each request by `reply`, each connection on a thread of its own.
    pub(crate) fn start(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let (seen, reply) = (server.seen.clone(), Arc::new(reply));
        thread::spawn(move || {
            while !seen.is_closed.load(Ordering::SeqCst) {
                let (stream, _) = listener.accept().unwrap();
                seen.connections.fetch_add(1, Ordering::SeqCst);
                let (seen, reply) = (seen.clone(), reply.clone());
                thread::spawn(move || serve(stream, &seen, &*reply));
            }
        });
        server
    }

    /// Answers every request with these bytes.
    pub(crate) fn always(bytes: &str) -> Server {
        let bytes = bytes.as_bytes().to_vec();
        Server::start(move |_| Reply::Bytes(bytes.clone()))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Requests whose head came in full.
    pub(crate) fn requests(&self) -> u64 {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// Connections accepted, without the one by which a run finds out who answers.
    pub(crate) fn connections(&self) -> u64 {
        self.seen.connections.load(Ordering::SeqCst) - 1
    }

    /// Requests whose first line contains `text`.
    pub(crate) fn requests_for(&self, text: &str) -> u64 {
        self.seen.lines.lock().unwrap().iter().filter(|line| line.contains(text)).count() as u64
    }

    pub(crate) fn wait_for_requests(&self, count: u64) {
        let patience = Instant::now() + Duration::from_secs(30);
        while self.requests() < count {
            assert!(Instant::now() < patience, "only {} requests came", self.requests());
            thread::yield_now();
        }
    }

    /// Stops listening; from then on connections are refused. Those that are open stay.
    pub(crate) fn close(&self) {
        self.seen.is_closed.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // so that `accept` returns
    }
}

fn serve(stream: TcpStream, seen: &Seen, reply: &(dyn Fn(&Request) -> Reply + Send + Sync)) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some((head, body_bytes)) = read_request(&mut reader) {
        seen.lines.lock().unwrap().push(head[0].clone());
        let number = seen.requests.fetch_add(1, Ordering::SeqCst);
        let sent = match reply(&Request { head, body_bytes, number }) {
            Reply::Bytes(bytes) => writer.write_all(&bytes),
            Reply::Last(bytes) => return drop(writer.write_all(&bytes)),
            Reply::Late(pause, bytes) => {
                thread::sleep(pause);
                writer.write_all(&bytes)
            }
            Reply::Silence => Ok(()),
        };
        if sent.is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<(Vec<String>, usize)> {
    let (mut head, mut body_bytes) = (vec![read_line(reader)?], 0);
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            break;
        }
        if let Some(length) = line.strip_prefix("content-length: ") {
            body_bytes = length.parse().unwrap();
        }
        head.push(line);
    }
    let read = std::io::copy(&mut reader.by_ref().take(body_bytes as u64), &mut std::io::sink()).ok()?;
    (read as usize == body_bytes).then_some((head, body_bytes))
}

fn read_line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    match reader.read_line(&mut line) {
        Ok(1..) => Some(line.trim_end().to_owned()),
        _ => None,
    }
}
