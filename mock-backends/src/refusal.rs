//! Why a request is not served: a status for the client's program and a reason for whoever reads it.

use std::borrow::Cow;

/// A status, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) reason: Cow<'static, str>,
}

impl Refusal {
    /// 400: what was sent cannot be told apart from what follows it (or a query asks for the impossible).
    pub(crate) fn malformed(reason: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { status: 400, reason: reason.into() }
    }

    /// 404: an endpoint that was not opened at the start.
    pub(crate) fn not_opened(option: &str) -> Refusal {
        Refusal {
            status: 404,
            reason: format!("this endpoint is closed; start the server with {option}").into(),
        }
    }

    /// 405: this server does not know the path.
    pub(crate) fn not_served(root: &str) -> Refusal {
        Refusal { status: 405, reason: format!("this server serves only {root} and what is below it").into() }
    }

    /// 431: over [`HEAD_BYTES`](crate::request::HEAD_BYTES) or [`HEAD_FIELDS`](crate::request::HEAD_FIELDS).
    pub(crate) fn head_too_large(reason: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { status: 431, reason: reason.into() }
    }
}
