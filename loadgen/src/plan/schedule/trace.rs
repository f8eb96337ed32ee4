//! Planned instants from a file: one offset from the start per line.
//!
//! Refuses: what is not sorted, since a request cannot be planned before the one it follows.
//! Assumes: the file fits: it is kept in memory, 8 bytes per request, at most [`TRACE_BOUND`] of them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use crate::plan::units::offset;
use crate::{Error, LONGEST};

/// Requests of a trace: 128 MiB of offsets. A longer one is better told by its rates, in steps.
const TRACE_BOUND: usize = 16 * 1024 * 1024;
/// Bytes of a line: no offset needs more, and a file without lines must not be read whole.
const LINE_BOUND: u64 = 1024;

/// Reads the offsets of `path`, in nanoseconds.
pub(super) fn read(path: &Path) -> Result<Arc<[u64]>, Error> {
    let name = path.display();
    let unreadable = |error: io::Error| {
        Error::Plan(format!("cannot read the trace `{name}` ({error}); give a file that exists"))
    };
    let file = File::open(path).map_err(unreadable)?;
    let offsets = parse(BufReader::new(file)).map_err(|fault| match fault {
        Fault::Unreadable(error) => unreadable(error),
        Fault::Line(number, reason) => Error::Plan(format!("{name}:{number}: {reason}")),
    })?;
    if offsets.is_empty() {
        return Err(Error::Plan(format!(
            "the trace `{name}` plans nothing; write one offset per line, such as 1.25"
        )));
    }
    Ok(offsets.into())
}

/// What is wrong with a trace, and in which line.
enum Fault {
    Unreadable(io::Error),
    Line(usize, String),
}

fn parse(mut lines: impl BufRead) -> Result<Vec<u64>, Fault> {
    let (mut offsets, mut line) = (Vec::new(), String::new());
    for number in 1.. {
        line.clear();
        let read = lines.by_ref().take(LINE_BOUND).read_line(&mut line).map_err(Fault::Unreadable)?;
        if read == 0 {
            break;
        }
        let text = line.trim();
        if !text.is_empty() && !text.starts_with('#') {
            offsets.push(next(text, &offsets).map_err(|reason| Fault::Line(number, reason))?);
        }
    }
    Ok(offsets)
}

fn next(text: &str, before: &[u64]) -> Result<u64, String> {
    let offset = offset(text)?;
    if before.last().is_some_and(|&latest| latest > offset) {
        return Err(format!("`{text}` is before the line above it; sort the trace (`sort -g`)"));
    }
    if u128::from(offset) > LONGEST.as_nanos() {
        return Err(format!("`{text}` is more than 30 days after the start; count from the first request"));
    }
    if before.len() == TRACE_BOUND {
        return Err(format!("a trace has at most {TRACE_BOUND} requests; use the first ones, or steps"));
    }
    Ok(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<u64>, String> {
        parse(text.as_bytes()).map_err(|fault| match fault {
            Fault::Unreadable(error) => error.to_string(),
            Fault::Line(number, reason) => format!("{number}: {reason}"),
        })
    }

    #[test]
    fn offsets_are_seconds_or_have_a_unit() {
        let text = "# recorded on a Monday\n0\n0.000000001\n1ms\n\n1ms\n 1.25 \r\n2s";
        assert_eq!(parsed(text), Ok(vec![0, 1, 1_000_000, 1_000_000, 1_250_000_000, 2_000_000_000]));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, reason) in [
            ("1\n2\n1.5\n", "3: `1.5` is before"),
            ("1\nx\n", "2: `x`"),
            ("-1\n", "1: `-1`"),
            ("1\n2592001\n", "2: `2592001` is more than 30 days"),
            (&"1".repeat(5000), "1: "),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        assert!(parse(&b"1\n\xff\n"[..]).is_err());
    }
}
