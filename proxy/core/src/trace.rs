//! Which trace a request belongs to: [W3C Trace Context](https://www.w3.org/TR/trace-context-1/), read and written.
//!
//! Refuses: to guess. A `traceparent` that is not exactly one is none, and then `tracestate` is none either.
//! Assumes: whoever calls has random bits; ids are never zero.

use crate::field::Name;
use crate::head::Fields;

/// Bytes of a `traceparent` of version 00.
pub const TRACEPARENT_BYTES: usize = 55;

/// The bit of the flags that says that the caller records this trace.
const SAMPLED: u8 = 1;

/// The id of a trace; not all zeros.
pub type TraceId = [u8; 16];
/// The id of a span; not all zeros.
pub type SpanId = [u8; 8];

/// What a caller says: a span of its own is the cause of this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Of the whole trace.
    pub trace_id: TraceId,
    /// Of the caller's span.
    pub span_id: SpanId,
    /// Whether the caller records it.
    pub is_sampled: bool,
}

impl Parent {
    /// Reads the one `traceparent` among the fields.
    pub fn of(fields: Fields<'_>) -> Option<Parent> {
        let mut all = fields.all(Name::Traceparent);
        let value = all.next()?;
        if all.next().is_some() {
            return None; // who would be right?
        }
        Parent::parse(value)
    }

    /// Reads a value. Of a version to come as much as version 00 has (section 4.3 of the recommendation).
    fn parse(value: &[u8]) -> Option<Parent> {
        let (head, rest) = value.split_at_checked(TRACEPARENT_BYTES)?;
        let &[version_1, version_2, b'-', ref ids @ ..] = head else { return None };
        let [version] = bytes([version_1, version_2].as_slice())?;
        let fits = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest[0] == b'-',
        };
        let (trace_id, ids) = (bytes::<16>(&ids[..32])?, &ids[32..]);
        let (span_id, flags) = (bytes::<8>(&ids[1..17])?, bytes::<1>(&ids[18..20])?);
        let is_separated = ids[0] == b'-' && ids[17] == b'-';
        let is_known = trace_id != [0; 16] && span_id != [0; 8];
        (fits && is_separated && is_known).then_some(Parent {
            trace_id,
            span_id,
            is_sampled: flags[0] & SAMPLED != 0,
        })
    }
}

/// The trace of one request, and the gateway's own span in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// The trace.
    pub id: TraceId,
    /// The gateway's span for the request.
    pub span_id: SpanId,
    /// The caller's span, if it said one.
    pub parent: Option<SpanId>,
    /// Whether it is recorded.
    pub is_sampled: bool,
}

impl Trace {
    /// Goes on with the caller's trace, which says itself whether it is recorded; or begins one, of which the share
    /// `sampled_below` of 2^64 is. `random` makes the ids.
    pub fn begin(parent: Option<Parent>, sampled_below: u64, random: impl Fn() -> u64) -> Trace {
        let span_id = span_id(&random);
        match parent {
            Some(parent) => Trace {
                id: parent.trace_id,
                span_id,
                parent: Some(parent.span_id),
                is_sampled: parent.is_sampled,
            },
            None => {
                let mut id = [0; 16];
                id[..8].copy_from_slice(&self::span_id(&random));
                id[8..].copy_from_slice(&random().to_be_bytes());
                let is_sampled = sampled_below == u64::MAX || random() < sampled_below;
                Trace { id, span_id, parent: None, is_sampled }
            }
        }
    }

    /// The `traceparent` by which a server knows the span `span_id`, made for asking it, as its cause.
    pub fn traceparent(&self, span_id: SpanId) -> [u8; TRACEPARENT_BYTES] {
        let mut out = *b"00-00000000000000000000000000000000-0000000000000000-00";
        put_hex(&mut out[3..35], &self.id);
        put_hex(&mut out[36..52], &span_id);
        out[54] = b'0' + u8::from(self.is_sampled);
        out
    }
}

/// An id for a span.
pub fn span_id(random: impl Fn() -> u64) -> SpanId {
    random().max(1).to_be_bytes()
}

/// As many lower-case digits as a log shows.
pub fn hex(id: &TraceId) -> [u8; 32] {
    let mut out = [0; 32];
    put_hex(&mut out, id);
    out
}

fn put_hex(out: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// Bytes that are written as lower-case digits, all of them.
fn bytes<const COUNT: usize>(digits: &[u8]) -> Option<[u8; COUNT]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut out = [0; COUNT];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn parent(value: &str) -> Option<(bool, bool)> {
        let parent = Parent::parse(value.as_bytes())?;
        Some((hex(&parent.trace_id) == ID.as_bytes(), parent.is_sampled))
    }

    #[test]
    fn a_value_is_read_as_the_recommendation_says() {
        for (value, read) in [
            (format!("00-{ID}-{SPAN}-01"), Some((true, true))),
            (format!("00-{ID}-{SPAN}-00"), Some((true, false))),
            (format!("00-{ID}-{SPAN}-ff"), Some((true, true))),
            (format!("01-{ID}-{SPAN}-01"), Some((true, true))),
            (format!("cc-{ID}-{SPAN}-01-what-the-future-will-be-like"), Some((true, true))),
            (format!("cc-{ID}-{SPAN}-01.what-the-future-will-not-be-like"), None),
            (format!("00-{ID}-{SPAN}-01-more"), None),
            (format!("00-{ID}-{SPAN}-01 "), None),
            (format!("ff-{ID}-{SPAN}-01"), None),
            (format!("0-{ID}-{SPAN}-01"), None),
            (format!("00-{}-{SPAN}-01", ID.to_uppercase()), None),
            (format!("00-{}-{SPAN}-01", "0".repeat(32)), None),
            (format!("00-{ID}-{}-01", "0".repeat(16)), None),
            (format!("00-{ID}-{SPAN}-0g"), None),
            (format!("00-{ID}_{SPAN}-01"), None),
            (format!("00-{ID}-{SPAN}_01"), None),
            (format!("00_{ID}-{SPAN}-01"), None),
            (format!("00-{}-{SPAN}-01", &ID[1..]), None),
            (String::new(), None),
        ] {
            assert_eq!(parent(&value), read, "{value}");
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let counter = Cell::new(41);
        let random = || counter.replace(counter.get() + 1);
        for (sampled_below, is_sampled) in [(0, false), (u64::MAX, true)] {
            let trace = Trace::begin(None, sampled_below, random);
            let attempt = span_id(random);
            let read = Parent::parse(&trace.traceparent(attempt)).unwrap();
            assert_eq!(read, Parent { trace_id: trace.id, span_id: attempt, is_sampled });
            let next = Trace::begin(Some(read), 0, random);
            assert_eq!((next.id, next.parent, next.is_sampled), (trace.id, Some(attempt), is_sampled));
            assert!(next.span_id != attempt && trace.span_id != attempt);
        }
    }

    #[test]
    fn ids_are_never_nothing() {
        let trace = Trace::begin(None, 0, || 0);
        assert!(trace.id != [0; 16] && trace.span_id != [0; 8] && span_id(|| 0) != [0; 8]);
    }

    #[test]
    fn a_share_of_fresh_traces_is_recorded() {
        let seed = Cell::new(7u64);
        let random = || {
            seed.set(seed.get().wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407));
            seed.get() ^ seed.get() >> 31
        };
        let sampled = (0..10_000).filter(|_| Trace::begin(None, u64::MAX / 4, random).is_sampled).count();
        assert!((2300..2700).contains(&sampled), "{sampled}");
    }
}
