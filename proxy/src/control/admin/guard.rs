//! Who may ask what of the admin API.
//!
//! | | over the unix socket | over TCP on this machine | over TCP from elsewhere |
//! |---|---|---|---|
//! | `/alive`, `/ready` | yes | yes | yes |
//! | questions | yes | yes | with the token |
//! | orders | yes | with the token | with the token |
//!
//! Before that, whatever a browser may have been tricked into is turned away.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use crate::config::Secret;

/// By which way somebody came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Tcp,
    /// Only its owner can open it (mode 0600).
    Unix,
}

/// What is asked of those who come.
pub(super) struct Guard {
    token: Option<Secret>,
    /// Whether the TCP door can be reached from this machine only.
    is_local: bool,
}

/// A refusal, as everything that is wrong is said: RFC 9457.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    detail: &'static str,
}

impl Guard {
    pub(super) fn new(token: Option<Secret>, is_local: bool) -> Guard {
        Guard { token, is_local }
    }

    fn judge(&self, door: Door, method: &Method, path: &str, fields: &HeaderMap) -> Result<(), Refusal> {
        if door == Door::Unix {
            return Ok(());
        }
        let host = fields.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
        if self.is_local && !is_loopback(host) {
            return Err(FOREIGN_HOST);
        }
        if fields.get(ORIGIN).is_some_and(|origin| !is_origin_of(origin.as_bytes(), host)) {
            return Err(FOREIGN_ORIGIN);
        }
        let is_question = method.is_safe();
        let is_free = is_question && (self.is_local || matches!(path, "/alive" | "/ready"));
        if is_free || self.knows(fields) { Ok(()) } else { Err(NO_TOKEN) }
    }

    /// Whether the token came along. How long that takes says nothing about the token but its length.
    fn knows(&self, fields: &HeaderMap) -> bool {
        let sent = fields.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let known = self.token.as_ref().zip(sent);
        known.is_some_and(|(token, sent)| token.expose().as_bytes().ct_eq(sent).into())
    }
}

/// Lets a request in, or says why not.
pub(super) async fn admit(
    State((guard, door)): State<(Arc<Guard>, Door)>,
    request: Request,
    next: Next,
) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    match guard.judge(door, method, path, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

pub(super) async fn no_such_path() -> Refusal {
    Refusal {
        status: StatusCode::NOT_FOUND,
        code: "no_such_path",
        detail: "There is /alive, /ready, /metrics, and below /v1: config, routes, pools, workers, log, reload, drain.",
    }
}

pub(super) async fn no_such_method() -> Refusal {
    Refusal {
        status: StatusCode::METHOD_NOT_ALLOWED,
        code: "no_such_method",
        detail: "Questions are asked by GET; reload and drain are ordered by POST, another log level by PUT.",
    }
}

const FOREIGN_HOST: Refusal = Refusal {
    status: StatusCode::MISDIRECTED_REQUEST,
    code: "foreign_host",
    detail: "Ask by an address of this machine, as in http://127.0.0.1, http://[::1] or http://localhost.",
};

const FOREIGN_ORIGIN: Refusal = Refusal {
    status: StatusCode::FORBIDDEN,
    code: "foreign_origin",
    detail: "A page from elsewhere may not ask this API.",
};

const NO_TOKEN: Refusal = Refusal {
    status: StatusCode::UNAUTHORIZED,
    code: "no_token",
    detail: "Send the token of the configuration's [admin] as `Authorization: Bearer TOKEN`, or use the unix socket.",
};

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Refusal { status, code, detail } = self;
        let title = status.canonical_reason().unwrap_or("Error");
        let problem = serde_json::json!({
            "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail, "code": code,
        });
        let mut response = super::problem(status, &problem);
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"ringgate admin\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// Whether a Host names this machine by a literal or by its own name: a name of the DNS can lead anywhere, here too.
fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Whether a page of that origin was loaded from the host it now asks.
fn is_origin_of(origin: &[u8], host: &str) -> bool {
    let authority = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_bytes()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn judged(guard: &Guard, door: Door, line: &str, fields: &[(&str, &str)]) -> Result<(), &'static str> {
        let (method, path) = line.split_once(' ').unwrap();
        let mut all = HeaderMap::new();
        for (name, value) in fields {
            all.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        guard.judge(door, &method.parse().unwrap(), path, &all).map_err(|refusal| refusal.code)
    }

    #[test]
    fn questions_are_free_here_and_orders_need_the_token() {
        let guard = Guard::new(Some(Secret::new(TOKEN.into())), true);
        let here = ("host", "127.0.0.1:9900");
        let token = ("authorization", "Bearer 0123456789abcdef");
        let wrong = ("authorization", "Bearer 0123456789abcdeX");
        assert_eq!(judged(&guard, Door::Tcp, "GET /v1/config", &[here]), Ok(()));
        assert_eq!(judged(&guard, Door::Tcp, "POST /v1/reload", &[here]), Err("no_token"));
        assert_eq!(judged(&guard, Door::Tcp, "POST /v1/reload", &[here, wrong]), Err("no_token"));
        assert_eq!(judged(&guard, Door::Tcp, "POST /v1/reload", &[here, token]), Ok(()));
        assert_eq!(judged(&guard, Door::Unix, "POST /v1/reload", &[]), Ok(()));
        let none = Guard::new(None, true);
        assert_eq!(judged(&none, Door::Tcp, "POST /v1/reload", &[here, token]), Err("no_token"));
    }

    #[test]
    fn from_elsewhere_only_the_state_of_health_is_free() {
        let guard = Guard::new(Some(Secret::new(TOKEN.into())), false);
        let host = ("host", "gateway.example:9900");
        assert_eq!(judged(&guard, Door::Tcp, "GET /ready", &[host]), Ok(()));
        assert_eq!(judged(&guard, Door::Tcp, "GET /metrics", &[host]), Err("no_token"));
        let token = ("authorization", "Bearer 0123456789abcdef");
        assert_eq!(judged(&guard, Door::Tcp, "GET /metrics", &[host, token]), Ok(()));
    }

    #[test]
    fn what_a_browser_was_tricked_into_is_turned_away() {
        let guard = Guard::new(None, true);
        let get = |fields: &[(&str, &str)]| judged(&guard, Door::Tcp, "GET /v1/config", fields);
        for host in ["localhost:9900", "LOCALHOST", "127.8.9.10:1", "[::1]:9900"] {
            assert_eq!(get(&[("host", host)]), Ok(()), "{host}");
        }
        for host in [
            "",
            "evil.example:9900",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "[::2]:1",
        ] {
            assert_eq!(get(&[("host", host)]), Err("foreign_host"), "{host}");
        }
        let host = ("host", "localhost:9900");
        for origin in ["http://localhost:9900", "https://LOCALHOST:9900"] {
            assert_eq!(get(&[host, ("origin", origin)]), Ok(()), "{origin}");
        }
        for origin in [
            "null",
            "http://evil.example",
            "http://localhost:9901",
            "http://localhost:9900.evil.example",
            "file://",
        ] {
            assert_eq!(get(&[host, ("origin", origin)]), Err("foreign_origin"), "{origin}");
        }
    }
}
