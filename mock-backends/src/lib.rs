//! Mock post and user servers: what stands behind the gateway in tests and benchmarks.
//!
//! Owns: an HTTP/1.1 origin that answers deterministically, does what a request [asks of it](order), and remembers what
//! it received. Being the other end of the wire, it is strict: what a gateway must not send, it refuses with 400.
//! Refuses: to share a parser with the gateway (a bug must not hide on both sides), and to store bodies.
//! Assumes: whoever reaches it may make it work as hard as they please; it is a tool for loopback and test networks.
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
