//! A small language for tests over real sockets: mock servers, a gateway in front of them, and a client that says bytes and
//! hears answers.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(unreachable_pub, reason = "each test file is a crate of its own")]
#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

pub mod running;
pub mod tokens;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use ringgate::config;
use ringgate::gateway::Gateway;
use ringgate_io::Rung;
use ringmock::{Kind, Mock, Options};

/// Longer than anything takes here; a test that waits that long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Every driver that this machine can run.
pub fn drivers() -> Vec<Rung> {
    Rung::ALL.into_iter().filter(|driver| driver.probe().is_ok()).collect()
}

/// Declares tests that run once on each driver of the machine.
#[macro_export]
macro_rules! on_every_driver {
    ($(fn $name:ident($driver:ident: Rung) $body:block)*) => {
        $(#[test]
        fn $name() {
            for $driver in support::drivers() {
                println!("on {}", $driver); // shown if it fails
                $body
            }
        })*
    };
}

/// A mock post server.
pub fn posts(name: &str) -> Mock {
    mock(Kind::Post, name)
}

/// A mock user server.
pub fn users(name: &str) -> Mock {
    mock(Kind::User, name)
}

/// A mock server for any path.
pub fn anything(name: &str) -> Mock {
    mock(Kind::Any, name)
}

fn mock(kind: Kind, name: &str) -> Mock {
    Mock::start(Options { kind, name: name.into(), ..Options::default() }).expect("a mock server starts")
}

/// The same server again, after it was stopped.
pub fn restart(stopped: &Mock, kind: Kind, name: &str) -> Mock {
    let options = Options { kind, name: name.into(), listen: stopped.address(), ..Options::default() };
    Mock::start(options).expect("the address is free again")
}

/// An address at which nobody listens.
pub fn nobody() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

/// The servers of a pool as the configuration writes them.
pub fn list(servers: &[&Mock]) -> String {
    let quoted: Vec<String> = servers.iter().map(|server| format!("\"{}\"", server.address())).collect();
    format!("[{}]", quoted.join(", "))
}

/// A gateway under test.
pub struct TestGateway {
    pub gateway: Gateway,
    pub log: LogLines,
}

/// Starts a gateway with a configuration file's text, on a free port, with two workers unless the text says otherwise.
pub fn gateway(driver: Rung, text: &str) -> TestGateway {
    let workers = if text.contains("workers =") { "" } else { "workers = 2\n" };
    let text = format!("listen = \"127.0.0.1:0\"\ndriver = \"{driver}\"\n{workers}{text}");
    let config = config::parse(&text, "test.toml").unwrap_or_else(|diagnostic| panic!("{diagnostic}"));
    let log = LogLines::default();
    let gateway = Gateway::start(config, Box::new(log.clone())).expect("the gateway starts");
    TestGateway { gateway, log }
}

/// A gateway with one pool for everything.
pub fn in_front_of(driver: Rung, servers: &[&Mock]) -> TestGateway {
    gateway(driver, &format!("[[routes]]\nprefix = \"/\"\nservers = {}", list(servers)))
}

impl TestGateway {
    pub fn connect(&self) -> Client {
        Client::connect(self.gateway.address())
    }

    /// One request without a body, on a connection of its own.
    pub fn ask(&self, method: &str, path: &str) -> Answer {
        let mut client = self.connect();
        client.say(format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        client.hear_for(method)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path)
    }
}

/// What the gateway has logged, to be waited for.
#[derive(Clone, Default)]
pub struct LogLines {
    text: Arc<(Mutex<String>, Condvar)>,
}

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let (text, written) = &*self.text;
        text.lock().unwrap().push_str(std::str::from_utf8(bytes).expect("the log is text"));
        written.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl LogLines {
    /// The first line that holds `needle`, as soon as it is there.
    pub fn line_with(&self, needle: &str) -> String {
        let (text, written) = &*self.text;
        let found = |text: &str| text.lines().find(|line| line.contains(needle)).map(String::from);
        let (text, _) =
            written.wait_timeout_while(text.lock().unwrap(), PATIENCE, |text| found(text).is_none()).unwrap();
        found(&text).unwrap_or_else(|| panic!("no line with {needle} in\n{text}"))
    }

    pub fn text(&self) -> String {
        self.text.0.lock().unwrap().clone()
    }
}

/// A client on one connection.
pub struct Client {
    pub stream: TcpStream,
    reader: BufReader<TcpStream>,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of the first field of that name.
    pub fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Which mock server answered.
    pub fn served_by(&self) -> &str {
        self.field("x-served-by").unwrap_or("nobody")
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("the gateway accepts");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Client { stream, reader }
    }

    pub fn say(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).expect("the gateway reads");
    }

    /// The answer to a request that was not a HEAD.
    pub fn hear(&mut self) -> Answer {
        self.hear_for("GET")
    }

    /// The answer to a request of that method; 1xx are answers, too.
    pub fn hear_for(&mut self, method: &str) -> Answer {
        let head = self.hear_head();
        let status = head[9..12].parse().expect("a status");
        let mut answer = Answer { status, head, body: Vec::new() };
        answer.body = match (answer.field("transfer-encoding"), answer.field("content-length")) {
            _ if method == "HEAD" || status < 200 || status == 204 || status == 304 => Vec::new(),
            (Some("chunked"), None) => self.hear_chunks(),
            (None, Some(length)) => self.hear_exactly(length.parse().expect("a length")),
            (None, None) => self.hear_everything(),
            framing => panic!("{framing:?}"),
        };
        answer
    }

    fn hear_head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let count = self.reader.read_line(&mut head).expect("an answer in time");
            assert!(count > 0, "the connection ended in {head:?}");
        }
        head
    }

    fn hear_chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).expect("a chunk in time");
            let size = usize::from_str_radix(line.trim_end(), 16)
                .unwrap_or_else(|_| panic!("a chunk size: {line:?}"));
            body.extend(self.hear_exactly(size));
            assert_eq!(self.hear_exactly(2), b"\r\n", "the end of a chunk");
            if size == 0 {
                return body;
            }
        }
    }

    pub fn hear_exactly(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).expect("all of it in time");
        bytes
    }

    /// What comes until the connection ends in good order.
    pub fn hear_everything(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes).expect("an end in time");
        bytes
    }

    /// Whether the gateway ends the connection, in whatever way, with nothing more said and before long.
    pub fn is_over(&mut self) -> bool {
        self.stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        match self.reader.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// Waits for something that others bring about.
pub fn until_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The deterministic body of `bytes` bytes that mock servers send and tests compare with.
pub fn pattern(bytes: usize) -> Vec<u8> {
    let mut body = vec![0; bytes];
    ringmock::pattern(0, &mut body);
    body
}
