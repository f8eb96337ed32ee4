//! Orders: what a request may ask of the server that answers it, in the query, the same for every kind.
//!
//! | query            | the answer |
//! |------------------|------------|
//! | `status=<n>`     | has status n (200 to 599; 204 and 304 have no body) |
//! | `bytes=<n>`      | has n bytes of [`pattern`](crate::pattern) as its body |
//! | `echo=1`         | has the request's body as its body, sent back while it still arrives, in chunks if it came in chunks |
//! | `chunked=1`      | is sent in chunks, where the client's HTTP version knows them |
//! | `delay_ms=<n>`   | begins n milliseconds (at most an hour) after the request was received, or after its head with `echo` |
//! | `close=1`        | says `Connection: close`, and the connection is closed after it |
//!
//! They combine: `/api/v1/posts/list?bytes=1000000&chunked=1&delay_ms=20`. `echo` wins over `bytes`. Other parameters
//! are not the mock's business; a value that makes no sense is answered with 400 and an explanation.

use std::time::Duration;

use crate::refusal::Refusal;

/// Longest delay: a mistyped one should not outlive the test.
const MAX_DELAY_MS: u64 = 60 * 60 * 1000;

/// What one request asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) status: Option<u16>,
    pub(crate) bytes: Option<u64>,
    pub(crate) echo: bool,
    pub(crate) chunked: bool,
    pub(crate) delay: Duration,
    pub(crate) close: bool,
}

impl Order {
    /// Reads the orders in a query (without its question mark).
    pub(crate) fn parse(query: &str) -> Result<Order, Refusal> {
        let mut order = Order::default();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            order.apply(parameter)?;
        }
        Ok(order)
    }

    fn apply(&mut self, parameter: &str) -> Result<(), Refusal> {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name {
            "status" => self.status = Some(number(name, value, 200, 599)? as u16),
            "bytes" => self.bytes = Some(number(name, value, 0, u64::MAX)?),
            "echo" => self.echo = switch(name, value)?,
            "chunked" => self.chunked = switch(name, value)?,
            "delay_ms" => self.delay = Duration::from_millis(number(name, value, 0, MAX_DELAY_MS)?),
            "close" => self.close = switch(name, value)?,
            _ => {}
        }
        Ok(())
    }
}

fn number(name: &str, value: &str, least: u64, most: u64) -> Result<u64, Refusal> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| {
        Refusal::malformed(format!("`{name}={value}`: give a whole number from {least} to {most}"))
    })
}

fn switch(name: &str, value: &str) -> Result<bool, Refusal> {
    match value {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err(Refusal::malformed(format!("`{name}={value}`: give 1 or 0"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_combine_and_other_parameters_are_ignored() {
        let order = Order::parse("a=b&status=503&&bytes=7&chunked=1&delay_ms=20&echo=0&close=1&c").unwrap();
        let expect = Order {
            status: Some(503),
            bytes: Some(7),
            echo: false,
            chunked: true,
            delay: Duration::from_millis(20),
            close: true,
        };
        assert_eq!(order, expect);
        assert_eq!(Order::parse(""), Ok(Order::default()));
    }

    #[test]
    fn values_that_make_no_sense_are_refused_with_the_reason() {
        for (query, reason) in [
            ("status=100", "`status=100`: give a whole number from 200 to 599"),
            ("status=600", "`status=600`: give a whole number from 200 to 599"),
            ("bytes=-1", "`bytes=-1`: give a whole number from 0 to 18446744073709551615"),
            ("delay_ms=3600001", "`delay_ms=3600001`: give a whole number from 0 to 3600000"),
            ("echo", "`echo=`: give 1 or 0"),
            ("close=yes", "`close=yes`: give 1 or 0"),
        ] {
            assert_eq!(Order::parse(query), Err(Refusal::malformed(reason)), "{query}");
        }
    }
}
