//! Where a message ends (RFC 9112 section 6.3): the only place that decides it, for requests and for responses.
//!
//! Strict by intent: whatever two HTTP parsers have ever been known to read differently is refused, since the one behind
//! us may be the other one.

use crate::answer::{BadReply, Malformed, Reject};
use crate::field::{Name, list};
use crate::head::{Fields, Version};
use crate::method::Method;

/// How a message's body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Exactly that many bytes; 0 for no body.
    Length(u64),
    /// The chunked transfer coding.
    Chunked,
    /// Everything until the connection ends; responses only.
    UntilClose,
}

impl Framing {
    /// No body.
    pub const EMPTY: Framing = Framing::Length(0);
}

/// The framing of a request.
///
/// # Errors
/// [`Reject`] 400 or 501 for anything that is not plainly one of the two framings.
pub fn of_request(version: Version, fields: Fields<'_>) -> Result<Framing, Reject> {
    let coding = transfer_coding(fields);
    let length = content_length(fields).map_err(|()| Reject::Malformed(Malformed::ContentLength))?;
    match (coding, length) {
        (None, length) => Ok(Framing::Length(length.unwrap_or(0))), // 6.3 rule 7: neither field, no body
        (Some(_), _) if version == Version::Http10 => Err(Malformed::TransferEncoding.into()), // 6.1: faulty framing
        (Some(_), Some(_)) => Err(Malformed::BothFramings.into()), // 6.1: ought to be handled as an attack
        (Some(Coding::Chunked), None) => Ok(Framing::Chunked),
        (Some(Coding::Unknown), None) => Err(Reject::UnknownCoding), // 6.1: 501
        (Some(Coding::Faulty), None) => Err(Malformed::TransferEncoding.into()),
    }
}

/// The framing of a final response to `method`.
///
/// # Errors
/// The upstream's answer cannot be delimited for sure.
pub fn of_response(
    method: Method<'_>,
    status: u16,
    version: Version,
    fields: Fields<'_>,
) -> Result<Framing, BadReply> {
    let coding = transfer_coding(fields);
    let length = content_length(fields).map_err(|()| BadReply::Framing)?;
    if coding.is_some() && (length.is_some() || version == Version::Http10) {
        return Err(BadReply::Framing); // whatever the status: the next reader may not skip it as we would
    }
    if method == Method::Head || matches!(status, 204 | 304) {
        return Ok(Framing::EMPTY); // 6.3 rule 1
    }
    match (coding, length) {
        (Some(Coding::Chunked), _) => Ok(Framing::Chunked),
        (Some(_), _) => Err(BadReply::Framing), // 6.3 rule 4 allows reading to the end; nobody would know what it is
        (None, Some(length)) => Ok(Framing::Length(length)),
        (None, None) => Ok(Framing::UntilClose), // 6.3 rule 8
    }
}

/// What Content-Length says, where that does not delimit this message (HEAD, 304).
pub fn stated_length(fields: Fields<'_>) -> Option<u64> {
    content_length(fields).ok().flatten()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// `chunked`, once and alone: the only coding there is between us and our neighbours.
    Chunked,
    /// Something else by a plain name.
    Unknown,
    /// `chunked` twice or not last, or no name at all.
    Faulty,
}

fn transfer_coding(fields: Fields<'_>) -> Option<Coding> {
    let mut values = fields.all(Name::TransferEncoding).peekable();
    values.peek()?;
    let mut coding = None;
    for value in values {
        // An empty member is legal list syntax and the oldest disguise there is: `,chunked`.
        if value.split(|&byte| byte == b',').any(|member| crate::field::trim(member).is_empty()) {
            return Some(Coding::Faulty);
        }
        for member in list(value) {
            coding = Some(match coding {
                None if member.eq_ignore_ascii_case(b"chunked") => Coding::Chunked,
                None if is_plain_name(member) => Coding::Unknown,
                _ => Coding::Faulty,
            });
        }
    }
    coding.or(Some(Coding::Faulty))
}

/// A registered transfer coding other than chunked. Anything else is not an unknown coding but an attempt at one.
fn is_plain_name(member: &[u8]) -> bool {
    ["gzip", "x-gzip", "compress", "x-compress", "deflate"]
        .iter()
        .any(|name| member.eq_ignore_ascii_case(name.as_bytes()))
}

/// The one number all Content-Length fields agree on, by list members too (RFC 9110 section 8.6).
fn content_length(fields: Fields<'_>) -> Result<Option<u64>, ()> {
    let mut length = None;
    for value in fields.all(Name::ContentLength) {
        for member in value.split(|&byte| byte == b',') {
            let number = number(crate::field::trim(member)).ok_or(())?;
            if length.is_some_and(|length| length != number) {
                return Err(());
            }
            length = Some(number);
        }
    }
    Ok(length)
}

/// `1*DIGIT`, nothing else, and within 64 bits.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::RequestHead;
    use crate::tolerance::Tolerance;

    fn request(version: &str, fields: &str) -> Result<Framing, Reject> {
        let text = format!("POST / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        let mut head = RequestHead::default();
        head.parse(text.as_bytes(), Tolerance::NONE)?;
        of_request(head.version(), head.fields(text.as_bytes()))
    }

    #[test]
    fn plain_framings_are_understood() {
        let cases = [
            ("", Framing::EMPTY),
            ("Content-Length: 0\r\n", Framing::EMPTY),
            ("Content-Length: 007\r\n", Framing::Length(7)),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", Framing::Length(5)),
            ("Content-Length: 5, 5\r\n", Framing::Length(5)),
            ("Content-Length: 18446744073709551615\r\n", Framing::Length(u64::MAX)),
            ("Transfer-Encoding: chunked\r\n", Framing::Chunked),
            ("transfer-encoding: \tCHUNKED \r\n", Framing::Chunked),
        ];
        for (fields, framing) in cases {
            assert_eq!(request("1.1", fields), Ok(framing), "{fields}");
        }
    }

    #[test]
    fn every_ambiguity_is_refused() {
        let length = Reject::Malformed(Malformed::ContentLength);
        let coding = Reject::Malformed(Malformed::TransferEncoding);
        let cases = [
            (
                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                Reject::Malformed(Malformed::BothFramings),
            ),
            ("Content-Length: 5\r\nContent-Length: 6\r\n", length.clone()),
            ("Content-Length: 5, 6\r\n", length.clone()),
            ("Content-Length:\r\nContent-Length: 5\r\n", length.clone()),
            ("Content-Length: +5\r\n", length.clone()),
            ("Content-Length: -5\r\n", length.clone()),
            ("Content-Length: 0x5\r\n", length.clone()),
            ("Content-Length: 5 5\r\n", length.clone()),
            ("Content-Length: 5_0\r\n", length.clone()),
            ("Content-Length: \"5\"\r\n", length.clone()),
            ("Content-Length: 5,\r\n", length.clone()),
            ("Content-Length: \u{665}\r\n", length.clone()),
            ("Content-Length: 18446744073709551616\r\n", length),
            ("Transfer-Encoding: chunked, chunked\r\n", coding.clone()),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", coding.clone()),
            ("Transfer-Encoding: chunked, identity\r\n", coding.clone()),
            ("Transfer-Encoding: gzip, chunked\r\n", coding.clone()),
            ("Transfer-Encoding: xchunked\r\n", coding.clone()),
            ("Transfer-Encoding: \"chunked\"\r\n", coding.clone()),
            ("Transfer-Encoding: chunked;q=1\r\n", coding.clone()),
            ("Transfer-Encoding: ,chunked\r\n", coding.clone()),
            ("Transfer-Encoding: identity\r\n", coding.clone()),
            ("Transfer-Encoding:\r\n", coding.clone()),
            ("Transfer-Encoding: gzip\r\n", Reject::UnknownCoding),
        ];
        for (fields, reject) in cases {
            assert_eq!(request("1.1", fields), Err(reject), "{fields}");
        }
        assert_eq!(request("1.0", "Transfer-Encoding: chunked\r\n"), Err(coding));
    }
}
