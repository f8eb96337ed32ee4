//! The protocol and policy core: bytes, the time and randomness come in, decisions and bytes go out.
//!
//! Owns: HTTP/1.1 heads ([`head`]), framing ([`framing`], [`chunked`], [`body`]), the normal form of a path
//! ([`target`], [`tolerance`]), the chain of proxies around us
//! ([`node`], [`trust`]), routing ([`route`]), pools of servers ([`pool`]), who may ask and how often ([`auth`], [`token`], [`access`], [`limit`]),
//! what is forwarded ([`forward`], [`template`], [`cors`]) and what the gateway answers itself ([`answer`]); where a request's time goes ([`stages`]), its line in a log ([`logline`]) and what must not
//! stand there ([`redact`]); the bounds of the protocol ([`limits`]).
//! Refuses: sockets, clocks, threads, locks, async. The missing lines in its manifest keep it so.
//! Assumes: nothing of its input. Bytes from the network can produce a [`answer::Reject`], never a panic.

#![forbid(unsafe_code)]

pub mod access;
pub mod answer;
pub mod auth;
pub mod body;
pub mod cache;
pub mod caller;
pub mod chunked;
pub mod cors;
pub mod field;
pub mod forward;
pub mod framing;
pub mod head;
pub mod limit;
pub mod limits;
pub mod logline;
pub mod method;
pub mod node;
pub mod policy;
pub mod pool;
pub mod redact;
pub mod request_id;
pub mod route;
pub mod snapshot;
pub mod stages;
pub mod target;
pub mod template;
pub mod token;
pub mod tolerance;
pub mod trace;
pub mod trust;
