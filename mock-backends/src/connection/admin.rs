//! The endpoints for whoever runs an experiment: `/__behaviour` and `/__truth`.
//!
//! Requests to them are no part of the experiment: they are neither counted nor recorded, no order holds for them, and they
//! leave no trace in the truth. They answer on every kind of server.

use std::io::Write;

use super::{BODY_ROOM, Connection, End};
use crate::Route;
use crate::answer::{Answer, Facts};
use crate::body::Piece;
use crate::order::decoded;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::truth::Truth;

/// Longest text of orders.
const TEXT_BYTES: usize = 64 * 1024;
/// Exchanges written at a time, so that those who note new ones do not wait for long.
const BATCH: usize = 256;

/// What a path may stand for instead of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Behaviour,
    Truth,
}

impl Endpoint {
    pub(super) fn of(request: &Request) -> Option<Endpoint> {
        if !request.target.starts_with("/__") {
            return None; // the usual case, before the path is looked for
        }
        match request.path() {
            "/__behaviour" => Some(Endpoint::Behaviour),
            "/__truth" => Some(Endpoint::Truth),
            _ => None,
        }
    }
}

impl Connection {
    /// Whether another request may follow.
    pub(super) async fn serve_endpoint(&mut self, endpoint: Endpoint) -> Result<bool, End> {
        let text = self.receive_text().await?;
        let asks_truth =
            endpoint == Endpoint::Truth && self.request.method == "GET" && self.request.minor_version > 0;
        if asks_truth && self.server().truth().is_some() {
            return self.tell_truth().await;
        }
        self.scratch.clear();
        let outcome = match endpoint {
            Endpoint::Behaviour => self.behave(text),
            Endpoint::Truth => self.forget(),
        };
        let (request, server) = (&self.request, &self.station.server);
        let answer = Answer::of_endpoint(outcome, request, server, &mut self.scratch)?;
        answer.write_head(server.name(), &Facts::default(), self.client.output())?;
        if !answer.head_only {
            self.client.write(&self.scratch).await?;
        }
        Ok(answer.persistent)
    }

    /// The request's body as text; `None` if it is over the bound or no text.
    async fn receive_text(&mut self) -> Result<Option<String>, End> {
        let mut text = Vec::new();
        while !self.body.is_over() {
            match self.body.read(self.client.input())? {
                Piece::Content(count) => {
                    let room = TEXT_BYTES + 1 - text.len();
                    text.extend_from_slice(&self.client.input()[..count.min(room)]);
                    self.client.consume(count);
                }
                Piece::Framing(count) => self.client.consume(count),
                Piece::Unfinished => self.client.receive(BODY_ROOM).await?,
                Piece::End => break,
            }
        }
        Ok(String::from_utf8(text).ok().filter(|text| text.len() <= TEXT_BYTES))
    }

    /// Changes the routes if that is asked for, and writes all of them.
    fn behave(&mut self, text: Option<String>) -> Result<(), Refusal> {
        let server = &self.station.server;
        if !server.admin() {
            return Err(Refusal::not_opened("--admin"));
        }
        let prefix = self.request.query().split('&').find_map(|parameter| parameter.strip_prefix("prefix="));
        let prefix = prefix.map(decoded);
        match self.request.method.as_str() {
            "GET" => {}
            "PUT" => {
                let text = text.ok_or_else(|| {
                    Refusal::malformed(format!("the orders are no text of at most {TEXT_BYTES} bytes"))
                })?;
                let route = Route::new(prefix.as_deref().unwrap_or("/"), &text);
                route.and_then(|route| server.routes().put(route)).map_err(Refusal::malformed)?;
            }
            "DELETE" => server.routes().remove(prefix.as_deref()),
            _ => return Err(Refusal::malformed("ask this endpoint by GET, PUT or DELETE")),
        }
        for route in server.routes().list() {
            self.scratch.extend_from_slice(format!("{route}\n").as_bytes());
        }
        Ok(())
    }

    fn forget(&self) -> Result<(), Refusal> {
        let truth = self.server().truth().ok_or_else(|| Refusal::not_opened("--truth N"))?;
        match self.request.method.as_str() {
            "DELETE" => truth.clear(),
            _ => return Err(Refusal::malformed("ask this endpoint by GET (in HTTP/1.1) or DELETE")),
        }
        Ok(())
    }

    /// JSON lines in chunks. What is overwritten while they are sent is missing among them.
    async fn tell_truth(&mut self) -> Result<bool, End> {
        let overwritten = self.server().truth().map_or(0, Truth::overwritten);
        let (name, persistent) = (self.station.server.name().clone(), self.request.persistent);
        let connection = if persistent { "" } else { "connection: close\r\n" };
        write!(
            self.client.output(),
            "HTTP/1.1 200 OK\r\nx-served-by: {name}\r\ncontent-type: application/x-ndjson\r\n\
             transfer-encoding: chunked\r\nx-mock-overwritten: {overwritten}\r\n{connection}\r\n"
        )?;
        let mut next = Some(0);
        while let Some(from) = next {
            self.scratch.clear();
            next = self
                .station
                .server
                .truth()
                .map_or(Ok(None), |truth| truth.write(from, BATCH, &mut self.scratch))?;
            self.send_lines().await?;
        }
        self.client.output().extend_from_slice(b"0\r\n\r\n");
        Ok(persistent)
    }

    async fn send_lines(&mut self) -> Result<(), End> {
        if !self.scratch.is_empty() {
            write!(self.client.output(), "{:x}\r\n", self.scratch.len())?;
            self.client.write(&self.scratch).await?;
            self.client.output().extend_from_slice(b"\r\n");
        }
        Ok(())
    }
}
