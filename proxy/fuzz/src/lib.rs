//! What the targets share: how an input arrives, and a naive model of which fields of a head may pass.
//!
//! The models are written from the RFCs and share no code with the gateway, only httparse's idea of a field line.
//! A target ends in a panic when the gateway and its model disagree; that is what the fuzzer looks for.

use ringgate_core::head::{HeadBounds, HeadScanner, NoHead};
use ringgate_core::limits;

/// A field line by httparse.
pub type Line<'a> = httparse::Header<'a>;

/// More field lines than any accepted head has, with those that the gateway adds.
pub const LINES: usize = 2 * limits::FIELDS;

/// Fields of one connection (RFC 9110 section 7.6.1), and framing, which is written anew.
const HOP_BY_HOP: [&str; 12] = [
    "connection",
    "content-length",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The first byte of an input says how many bytes arrive at a time; the rest are the bytes. A step of one shows every
/// state between two receives, a long one cuts the input in a single place.
pub fn arrival(input: &[u8]) -> Option<(usize, &[u8])> {
    let (&step, bytes) = input.split_first()?;
    Some((usize::from(step).max(1), bytes))
}

/// The head in an input, if it is one that `parses`; checks that this does not depend on how its bytes arrive.
pub fn head(input: &[u8], parses: impl Fn(&[u8]) -> bool) -> Option<&[u8]> {
    let (step, bytes) = arrival(input)?;
    let whole = HeadScanner::default().scan(bytes);
    let pieces = scan_in_pieces(bytes, step);
    let accepted = |found: Result<Option<HeadBounds>, NoHead>| {
        let bounds = found.ok()??;
        Some(&bytes[bounds.start..bounds.end]).filter(|head| parses(head))
    };
    assert_eq!(accepted(whole).map(text), accepted(pieces).map(text), "by {step}: {whole:?}, {pieces:?}");
    // The other way round may differ: what waits for more bytes in one go may be refused for its start already.
    assert!(whole.is_ok() || pieces.is_err(), "by {step}: {whole:?}, {pieces:?}");
    accepted(whole)
}

fn scan_in_pieces(bytes: &[u8], step: usize) -> Result<Option<HeadBounds>, NoHead> {
    let mut scanner = HeadScanner::default();
    let ends = (step..bytes.len()).step_by(step).chain([bytes.len()]);
    ends.map(|end| scanner.scan(&bytes[..end])).find(|found| *found != Ok(None)).unwrap_or(Ok(None))
}

/// The field lines of a whole head.
pub fn lines(head: &[u8]) -> Vec<Line<'_>> {
    let first_line = head.iter().position(|&byte| byte == b'\n').expect("a head has lines");
    section(&head[first_line + 1..])
}

/// The field lines of a section that ends in an empty line, as all of them have to.
pub fn section(bytes: &[u8]) -> Vec<Line<'_>> {
    let mut space = [httparse::EMPTY_HEADER; LINES];
    let Ok(httparse::Status::Complete((length, lines))) = httparse::parse_headers(bytes, &mut space) else {
        panic!("not field lines: {:?}", text(bytes));
    };
    assert_eq!(length, bytes.len(), "the section ends too early: {:?}", text(bytes));
    lines.to_vec()
}

/// Whether a field never leaves the connection it came on.
pub fn is_hop_by_hop(line: &Line<'_>) -> bool {
    HOP_BY_HOP.contains(&&*line.name.to_ascii_lowercase())
}

/// As [`is_hop_by_hop`], and for names that a service behind CGI's naming of variables would take for such a field; of the
/// framing fields with any separators between their letters.
pub fn may_be_read_as(line: &Line<'_>, more: &[&str]) -> bool {
    let name = line.name.to_ascii_lowercase().replace(['_', '.'], "-");
    let letters = name.replace('-', "");
    let is_framing = !name.starts_with('-') && ["contentlength", "transferencoding"].contains(&&*letters);
    is_framing || HOP_BY_HOP.iter().chain(more).any(|guarded| *guarded == name)
}

/// The fields that Connection names, in lower case.
pub fn nominated(lines: &[Line<'_>]) -> Vec<String> {
    let connection = lines.iter().filter(|line| line.name.eq_ignore_ascii_case("connection"));
    let options = connection.flat_map(|line| line.value.split(|&byte| byte == b','));
    options.map(|option| text(option).trim_matches([' ', '\t']).to_ascii_lowercase()).collect()
}

/// Whether our own parser has to read what we forward: it may have grown past a bound by what was added.
pub fn is_within_limits(head: &[u8], lines: usize) -> bool {
    let first_line = head.iter().position(|&byte| byte == b'\r').unwrap_or(head.len());
    head.len() <= limits::HEAD_BYTES && lines <= limits::FIELDS && first_line <= limits::TARGET_BYTES
}

/// Bytes as text for messages and comparisons of names.
pub fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}
