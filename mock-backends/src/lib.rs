//! Mock post and user servers: what stands behind the gateway in tests and benchmarks.
//!
//! Owns: an HTTP/1.1 origin that answers deterministically, does what it is [ordered](order) to (to be slow, to queue, to
//! fail, to break the protocol), and remembers what it received. Being the other end of the wire, it is strict: what a gateway
//! must not send, it refuses with 400.
//! Refuses: to share a parser with the gateway (a bug must not hide on both sides), and to store bodies.
//! Assumes: whoever reaches it may make it work as hard as they please; it is a tool for loopback and test networks. No
//! request has its thread for longer than a second at a time, nor keeps the server from stopping.
//!
//! Requests in a test, with the record of what arrived:
//!
//! ```
//! use std::io::{Read, Write};
//! use ringmock::{Kind, Mock, Options};
//!
//! let mut posts = Mock::start(Options { kind: Kind::Post, name: "post-1".into(), ..Options::default() })?;
//!
//! let mut client = std::net::TcpStream::connect(posts.address())?;
//! client.write_all(b"GET /api/v1/posts/list HTTP/1.1\r\nHost: posts\r\nConnection: close\r\n\r\n")?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//!
//! assert!(answer.starts_with("HTTP/1.1 200 "));
//! assert_eq!(posts.received()[0].header("host"), Some("posts"));
//! posts.stop();
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # The truth
//!
//! An instrument is checked against what really happened. With [`Options::truth`], `GET /__truth` tells of the last exchanges,
//! one JSON line each: `{"request_id":"...","arrived_ns":1,"departed_ns":2,"connection":1,"status":200,"body_bytes":128}`,
//! the field `x-mock-overwritten` how many gave way to them, and `DELETE /__truth` forgets them all. The instants are the kernel's
//! CLOCK_MONOTONIC: when the request's head was here, and just before the answer was sent. `status` is null where a fault
//! came before the head was over; `connection` counts each worker's own. A request with `x-mock-instants: 1` is told the same
//! two numbers in a field of that name, by which a load generator can take the server's own time off request by request.
//!
//! On a loop of one's own, the simulated network's for instance, [`serve_on`] is the same server without the thread.

mod answer;
mod body;
mod client;
mod connection;
mod content;
mod file;
mod journal;
mod kind;
mod mock;
pub mod order;
mod random;
mod refusal;
mod request;
mod route;
mod server;
mod station;
mod timetable;
mod truth;

pub use content::{hash, pattern};
pub use file::File;
pub use journal::{Field, Journal, Received};
pub use kind::Kind;
pub use mock::{Mock, Options};
pub use route::Route;
pub use server::{MAX_BODY_BYTES, Server, serve_on};
