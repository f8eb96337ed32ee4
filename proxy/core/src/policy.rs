//! What a route asks of time, size and protocol.

use std::time::Duration;

use crate::redact::HiddenSegments;

/// The policy of one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How long anything may take.
    pub timeouts: Timeouts,
    /// Bytes a request's body may have, its framing aside; more is 413.
    pub body_bytes: u64,
    /// Bytes a second that a client has to send of a body, and to take of an answer, on average over `stall`; 0 for any.
    pub client_rate: u64,
    /// Protocols that a request may upgrade to (RFC 9110 section 7.8), in lower case.
    pub upgrades: Vec<Box<str>>,
    /// What the log does not say of its paths.
    pub hidden: HiddenSegments,
    /// Whether answers tell where their time went (Server-Timing).
    pub server_timing: bool,
}

/// How long anything may take on a route before it is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect to a server: the next one is tried.
    pub connect: Duration,
    /// From the whole request sent to the end of the answer's final head: 504.
    pub response: Duration,
    /// Between two pieces of a body, in either direction.
    pub stall: Duration,
    /// From the request's head to the last byte of the answer, retries included; none if not said.
    pub total: Option<Duration>,
    /// How long nothing may pass, in either direction, once the connection has been upgraded.
    pub tunnel: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(3),
            response: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            total: None, // a large download takes what it takes; each of its steps is bounded
            tunnel: Duration::from_secs(600), // longer than the pings of WebSocket libraries (20 to 60 s) are apart
        }
    }
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            timeouts: Timeouts::default(),
            body_bytes: 64 << 20, // bodies pass through and cost no memory; this bounds what one request may ask of a server
            client_rate: 240, // Kestrel's MinRequestBodyDataRate: a modem is faster, a slow-read attack is not
            upgrades: Vec::new(),
            hidden: HiddenSegments::NONE,
            server_timing: false, // it tells anybody how the inside performs
        }
    }
}
