//! Orders: what a server may be asked to do to its answers, the same for every kind and wherever they are given.
//!
//! - **At the start**, for a route or for every path: `ringmock --order '/slow latency=fifo(2ms); status=200:95,503:5'`, a
//!   file of [`Route`](crate::Route)s, or [`Options::routes`](crate::Options::routes).
//! - **Per request**: in the query, `/list?bytes=1000&chunked=1`, where other parameters are not the mock's business, or in
//!   the field `x-mock: bytes=1000; chunked=1`, which leaves the target alone. They add to those of the route; what both
//!   say is decided by the request, by its field at last.
//! - **At run time**, with `--admin`: `PUT /__behaviour?prefix=/slow` with the same text as its body takes the place of what
//!   was ordered for that prefix before; `GET` shows all, `DELETE` takes back (without a prefix, everything).
//!
//! Orders combine. A value that makes no sense is answered with 400 and an explanation.
//!
#![doc = include_str!("order/table.md")]

mod fault;
mod latency;
mod mix;
mod value;

use std::time::Duration;

pub(crate) use fault::Fault;
pub(crate) use latency::{Latency, Queue, Service};
pub(crate) use mix::Mix;
pub(crate) use value::decoded;
use value::{MAX_DURATION, duration, number, switch};

/// The tables of this module's documentation, for people who have only the program.
pub const TABLE: &str = include_str!("order/table.md");

/// Every name there is, for whoever mistypes one.
const NAMES: [&str; 18] = [
    "status",
    "bytes",
    "echo",
    "hash",
    "chunked",
    "dribble",
    "truncate",
    "announce",
    "head_bytes",
    "hints",
    "continues",
    "latency",
    "delay_ms",
    "instants",
    "close",
    "close_after",
    "quit_after",
    "fault",
];
/// Largest head: it is held in memory, once for each connection. Sixteen times what any gateway takes.
const MAX_HEAD_BYTES: u64 = 1024 * 1024;
/// Most interim answers of a kind, for the same reason.
const MAX_INTERIM: u64 = 1000;
/// Least alike a name must be to be suggested (Jaro-Winkler, where 1 is the same).
const ALIKE: f64 = 0.7;

/// What is to be done to an answer; by default nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Order {
    pub(crate) status: Option<Mix<u16>>,
    pub(crate) bytes: Option<u64>,
    pub(crate) echo: bool,
    pub(crate) hash: bool,
    pub(crate) chunked: bool,
    pub(crate) dribble: Option<Dribble>,
    pub(crate) truncate: Option<u64>,
    pub(crate) announce: Option<u64>,
    pub(crate) head_bytes: usize,
    pub(crate) hints: usize,
    pub(crate) continues: usize,
    pub(crate) latency: Latency,
    pub(crate) instants: bool,
    pub(crate) close: bool,
    pub(crate) close_after: Option<u64>,
    pub(crate) quit_after: Option<u64>,
    pub(crate) fault: Option<Mix<Fault>>,
}

/// A body in pieces, with pauses between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dribble {
    pub(crate) piece_bytes: u64,
    pub(crate) pause: Duration,
}

impl Order {
    /// Adds the orders of a text, `name=value; name=value`. Every name must be known.
    pub(crate) fn add_text(&mut self, text: &str) -> Result<(), String> {
        let orders = text.split([';', '\n']).map(str::trim).filter(|order| !order.is_empty());
        for order in orders {
            let (name, value) = order.split_once('=').unwrap_or((order, ""));
            self.add(name.trim(), value.trim())?;
        }
        Ok(())
    }

    /// Adds the orders in a query (without its question mark), and passes over its other parameters.
    pub(crate) fn add_query(&mut self, query: &str) -> Result<(), String> {
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if is_known(name) {
                self.add(name, &decoded(value))?;
            }
        }
        Ok(())
    }

    /// Whether nothing is to be read, whatever it is.
    pub(crate) fn is_deaf(&self) -> bool {
        self.fault == Some(Mix::always(Fault::Unread))
    }

    /// Adds one order.
    pub(crate) fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "status" => self.status = Some(Mix::parse(value, |status| number("status", status, 200, 599))?),
            "bytes" => self.bytes = Some(number(name, value, 0, u64::MAX)?),
            "echo" => self.echo = switch(name, value)?,
            "hash" => self.hash = switch(name, value)?,
            "chunked" => self.chunked = switch(name, value)?,
            "dribble" => self.dribble = Some(Dribble::parse(value)?),
            "truncate" => self.truncate = Some(number(name, value, 0, u64::MAX)?),
            "announce" => self.announce = Some(number(name, value, 0, u64::MAX)?),
            "head_bytes" => self.head_bytes = number(name, value, 0, MAX_HEAD_BYTES)?,
            "hints" => self.hints = number(name, value, 0, MAX_INTERIM)?,
            "continues" => self.continues = number(name, value, 0, MAX_INTERIM)?,
            "latency" => self.latency = Latency::parse(value)?,
            "delay_ms" => {
                let most = MAX_DURATION.as_millis() as u64;
                self.latency = Latency::of_milliseconds(number(name, value, 0, most)?);
            }
            "instants" => self.instants = switch(name, value)?,
            "close" => self.close = switch(name, value)?,
            "close_after" => self.close_after = Some(number(name, value, 1, u64::MAX)?),
            "quit_after" => self.quit_after = Some(number(name, value, 1, u64::MAX)?),
            "fault" => self.fault = Some(Mix::parse(value, Fault::parse)?),
            _ => return check_name(name),
        }
        Ok(())
    }
}

/// Whether a query has an order in it; most have none, and cost no more than this.
pub(crate) fn is_in(query: &str) -> bool {
    let names = query.split('&').map(|parameter| parameter.split('=').next().unwrap_or_default());
    !query.is_empty() && names.into_iter().any(is_known)
}

fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Refuses a name that is no order's, and says which may be meant.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if is_known(name) {
        return Ok(());
    }
    let likeness = |known: &&str| (strsim::jaro_winkler(name, known) * 1000.0) as u32;
    let nearest = NAMES.into_iter().max_by_key(likeness);
    match nearest.filter(|known| strsim::jaro_winkler(name, known) > ALIKE) {
        Some(known) => Err(format!("there is no order `{name}`; did you mean `{known}`?")),
        None => Err(format!("there is no order `{name}`; there are {}", NAMES.join(", "))),
    }
}

impl Dribble {
    fn parse(value: &str) -> Result<Dribble, String> {
        let (bytes, pause) = value
            .split_once('/')
            .ok_or_else(|| format!("`dribble={value}`: give bytes and a pause, such as `100/5ms`"))?;
        Ok(Dribble {
            piece_bytes: number("dribble", bytes, 1, u64::MAX)?,
            pause: duration("dribble", pause)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_query(query: &str) -> Result<Order, String> {
        let mut order = Order::default();
        order.add_query(query).map(|()| order)
    }

    fn of_text(text: &str) -> Result<Order, String> {
        let mut order = Order::default();
        order.add_text(text).map(|()| order)
    }

    #[test]
    fn orders_combine_and_other_parameters_are_ignored() {
        let order = of_query("a=b&status=503&&bytes=7&chunked=1&delay_ms=20&echo=0&close=1&c").unwrap();
        let expect = Order {
            status: Some(Mix::always(503)),
            bytes: Some(7),
            chunked: true,
            latency: Latency::Fixed(Duration::from_millis(20)),
            close: true,
            ..Order::default()
        };
        assert_eq!(order, expect);
        assert_eq!(of_query(""), Ok(Order::default()));
    }

    #[test]
    fn a_text_says_the_same_as_a_query() {
        let text = of_text("status = 200:95,503:5; latency=lognormal(5ms, 40ms);\n dribble=10/1ms;").unwrap();
        let query =
            of_query("status=200:95,503:5&latency=lognormal%285ms,%2040ms%29&dribble=10/1ms").unwrap();
        assert_eq!(text, query);
    }

    #[test]
    fn later_orders_replace_earlier_ones_of_the_same_name() {
        let mut order = of_text("status=503; bytes=7; echo=1").unwrap();
        order.add_query("status=200&echo=0").unwrap();
        assert_eq!(order, Order { status: Some(Mix::always(200)), bytes: Some(7), ..Order::default() });
    }

    #[test]
    fn values_that_make_no_sense_are_refused_with_the_reason() {
        for (query, reason) in [
            ("status=100", "`status=100`: give a whole number from 200 to 599"),
            ("status=600", "`status=600`: give a whole number from 200 to 599"),
            ("status=200:1,600:2", "`status=600`: give a whole number from 200 to 599"),
            ("bytes=-1", "`bytes=-1`: give a whole number from 0 to 18446744073709551615"),
            ("delay_ms=3600001", "`delay_ms=3600001`: give a whole number from 0 to 3600000"),
            ("echo", "`echo=`: give 1 or 0"),
            ("close=yes", "`close=yes`: give 1 or 0"),
            ("dribble=5", "`dribble=5`: give bytes and a pause, such as `100/5ms`"),
            ("dribble=0/5ms", "`dribble=0`: give a whole number from 1 to 18446744073709551615"),
            (
                "latency=compute(1001ms)",
                "`latency=compute(1001ms)`: at most 1s of computing may be ordered for a request",
            ),
            ("head_bytes=1048577", "`head_bytes=1048577`: give a whole number from 0 to 1048576"),
            ("dribble=1/5", "`dribble=5`: give a duration such as 250us, 20ms or 1s, at most 1h"),
        ] {
            assert_eq!(of_query(query), Err(reason.to_owned()), "{query}");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_where_nobody_else_could_mean_it() {
        assert_eq!(
            of_text("latnecy=none"),
            Err("there is no order `latnecy`; did you mean `latency`?".to_owned())
        );
        assert!(of_text("xyz=1").is_err_and(|reason| reason.contains("there are status, bytes, ")));
    }

    #[test]
    fn the_table_names_every_order() {
        for name in NAMES {
            assert!(TABLE.contains(&format!("`{name}=")), "{name}");
        }
    }

    #[test]
    fn the_table_tells_the_bounds() {
        for (order, bound) in [
            ("`head_bytes=N`", MAX_HEAD_BYTES.to_string()),
            ("`hints=N`", MAX_INTERIM.to_string()),
            ("`compute(D)`", humantime::format_duration(latency::MAX_COMPUTED).to_string()),
            ("Durations", humantime::format_duration(MAX_DURATION).to_string()),
        ] {
            let line = TABLE.lines().find(|line| line.contains(order)).unwrap();
            assert!(line.contains(&format!("at most {bound}")), "{line} but {bound}");
        }
    }

    #[test]
    fn only_queries_with_an_order_are_read() {
        for (query, expect) in [("", false), ("page=1", false), ("a=1&bytes=2", true), ("status", true)] {
            assert_eq!(is_in(query), expect, "{query}");
        }
    }
}
