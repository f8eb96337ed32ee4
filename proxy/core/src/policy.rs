//! What a route asks: of time, size and protocol, of whoever uses it; and what becomes of its messages.

use std::sync::Arc;
use std::time::Duration;

use crate::access::Access;
use crate::caller::Requirement;
use crate::redact::HiddenSegments;
use crate::template::{Template, Transform};

/// The policy of one route.
#[derive(Debug, Clone)]
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
    /// Who may ask, and how often.
    pub access: Arc<Access>,
    /// What a caller has to be.
    pub requirement: Requirement,
    /// What a request is charged of each limit.
    pub cost: u64,
    /// What becomes of requests, and of answers.
    pub request: Reshape,
    /// The same of answers, which have neither path nor query.
    pub response: Transform,
}

/// What becomes of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reshape {
    /// Of its fields.
    pub fields: Transform,
    /// Its path is replaced by this.
    pub path: Option<Template>,
    /// Its query is replaced by this.
    pub query: Option<Template>,
}

impl Reshape {
    /// Whether it leaves everything as it is.
    pub fn is_none(&self) -> bool {
        self.fields.is_none() && self.path.is_none() && self.query.is_none()
    }
}

impl Policy {
    /// Whether a request is forwarded otherwise than without a policy.
    pub fn reshapes_requests(&self) -> bool {
        !self.access.ways.is_empty() || !self.request.is_none()
    }
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
            access: Arc::default(),
            requirement: Requirement::default(),
            cost: 1,
            request: Reshape::default(),
            response: Transform::default(),
        }
    }
}
