//! Responses (RFC 9112), read as they stream: the head is parsed, the body counted, hashed if asked for, and discarded but
//! for its beginning.
//!
//! Owns: where a response ends, and what in it cannot be right. No sockets, no clock: bytes in, answers out.
//! Refuses: heads over [`HEAD_BOUND`], framing that two readers could understand differently, upgrades.
//! Shares no code with the gateway: a parser's bug must not hide on both sides of the wire.

mod chunked;
mod content;

use std::mem::MaybeUninit;
use std::time::Duration;

use httparse::{Header, ParserConfig, Response, Status};

use chunked::Chunks;
pub(crate) use content::{Content, EXCERPT_BYTES, Seen};

/// Largest head accepted, in bytes: four times what servers send at most by default.
pub(crate) const HEAD_BOUND: usize = 64 * 1024;
/// Most fields in a head: more than any server sends, and they cost nothing until used.
const FIELDS_BOUND: usize = 128;

/// Why bytes are not a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// One whole response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Bytes of the body, without chunk framing.
    pub(crate) body_bytes: u64,
    /// Bytes of everything: interim responses, head, framing and body.
    pub(crate) received_bytes: u64,
    /// Whether the server lets the connection carry another request.
    pub(crate) keep_alive: bool,
    /// From the request's arrival at the server to its answer's departure, where the server told both.
    pub(crate) server_time: Option<Duration>,
}

/// How the end of a body is told (RFC 9112 section 6.3).
#[derive(Debug)]
enum Body {
    /// Not known yet: the head is incomplete.
    Unknown,
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

/// Reads the responses of one connection, one after the other.
pub(crate) struct Parser {
    body: Body,
    answer: Answer,
    content: Content,
}

const NOTHING: Answer =
    Answer { status: 0, body_bytes: 0, received_bytes: 0, keep_alive: false, server_time: None };

impl Parser {
    pub(crate) fn new() -> Parser {
        Parser { body: Body::Unknown, answer: NOTHING, content: Content::default() }
    }

    /// Forgets the response under way: another connection begins.
    pub(crate) fn restart(&mut self) {
        self.finish();
    }

    /// Decides whether the body of the next response is hashed; before it begins.
    pub(crate) fn hash_next(&mut self, is_hashed: bool) {
        self.content.hash_next(is_hashed);
    }

    /// The content of the response that has just ended.
    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    /// How the response under way began, if its head has come.
    pub(crate) fn seen(&self) -> Option<Seen<'_>> {
        (!matches!(self.body, Body::Unknown)).then(|| self.content.seen())
    }

    /// Takes what it can use of `data` and says how much that was; an incomplete head is left where it is. With the
    /// last byte of a response it returns the answer and is ready for the next one.
    pub(crate) fn advance(
        &mut self,
        data: &[u8],
        to_head: bool,
    ) -> Result<(usize, Option<Answer>), Malformed> {
        let mut consumed = 0;
        while let Body::Unknown = self.body {
            let Some(head_bytes) = self.head(&data[consumed..], to_head)? else {
                return Ok((self.consume(consumed), None));
            };
            consumed += head_bytes;
        }
        let (body_bytes, is_done) = self.body(&data[consumed..])?;
        let consumed = self.consume(consumed + body_bytes);
        Ok((consumed, is_done.then(|| self.finish())))
    }

    /// The connection ended. Only a body delimited by that is complete; anything else is truncated.
    pub(crate) fn end(&mut self) -> Option<Answer> {
        matches!(self.body, Body::UntilClose).then(|| self.finish())
    }

    fn consume(&mut self, bytes: usize) -> usize {
        self.answer.received_bytes += bytes as u64;
        bytes
    }

    fn finish(&mut self) -> Answer {
        self.body = Body::Unknown;
        std::mem::replace(&mut self.answer, NOTHING)
    }

    /// Parses one head if it is complete. After an interim one (RFC 9110 section 15.2) the body stays unknown.
    fn head(&mut self, data: &[u8], to_head: bool) -> Result<Option<usize>, Malformed> {
        let mut fields = [const { MaybeUninit::<Header<'_>>::uninit() }; FIELDS_BOUND];
        let mut response = Response::new(&mut []);
        let parsed =
            ParserConfig::default().parse_response_with_uninit_headers(&mut response, data, &mut fields);
        match parsed.map_err(|error| Malformed(describe(error)))? {
            Status::Partial if data.len() < HEAD_BOUND => Ok(None),
            Status::Complete(head_bytes) if head_bytes <= HEAD_BOUND => {
                self.frame(&response, to_head)?;
                self.content.begin(&data[..head_bytes]);
                Ok(Some(head_bytes))
            }
            _ => Err(Malformed("a head of more than 64 KiB")),
        }
    }

    fn frame(&mut self, response: &Response<'_, '_>, to_head: bool) -> Result<(), Malformed> {
        let status = response.code.unwrap_or(0);
        let fields = Fields::read(response.headers)?;
        self.answer.status = status;
        self.answer.server_time = fields.server_time;
        self.answer.keep_alive = !fields.close && (response.version == Some(1) || fields.keep_alive);
        self.body = match status {
            101 => return Err(Malformed("status 101, and no upgrade was asked for")),
            100..200 => Body::Unknown,
            204 | 304 => Body::Length(0),
            200.. if to_head => Body::Length(0),
            200.. => fields.body()?,
            _ => return Err(Malformed("a status below 100")),
        };
        self.answer.keep_alive &= !matches!(self.body, Body::UntilClose);
        Ok(())
    }

    /// Bytes of `data` that belong to the body, and whether it is complete.
    fn body(&mut self, data: &[u8]) -> Result<(usize, bool), Malformed> {
        let (consumed, body_bytes, is_done) = match &mut self.body {
            Body::Unknown => (0, 0, false),
            Body::Length(left) => {
                let count = (*left).min(data.len() as u64);
                *left -= count;
                self.content.add(&data[..count as usize]);
                (count as usize, count, *left == 0)
            }
            Body::Chunked(chunks) => {
                let progress = chunks.advance(data, |piece| self.content.add(piece))?;
                (progress.consumed, progress.body_bytes, progress.is_done)
            }
            Body::UntilClose => {
                self.content.add(data);
                (data.len(), data.len() as u64, false)
            }
        };
        self.answer.body_bytes += body_bytes;
        Ok((consumed, is_done))
    }
}

/// What the fields of a head say about framing.
#[derive(Default)]
struct Fields {
    length: Option<u64>,
    is_encoded: bool,
    is_chunked: bool,
    close: bool,
    keep_alive: bool,
    server_time: Option<Duration>,
}

/// The field in which ringmock tells the instants of a request's arrival and of its answer's departure, `ARRIVED,DEPARTED`
/// in nanoseconds of the machine's monotonic clock.
const INSTANTS: &str = "x-mock-instants";

impl Fields {
    fn read(headers: &[Header<'_>]) -> Result<Fields, Malformed> {
        let mut fields = Fields::default();
        for Header { name, value } in headers {
            // Names of other lengths are passed over without a comparison.
            match name.len() {
                10 if name.eq_ignore_ascii_case("connection") => fields.connection(value),
                14 if name.eq_ignore_ascii_case("content-length") => fields.content_length(value)?,
                15 if name.eq_ignore_ascii_case(INSTANTS) => fields.server_time = server_time(value),
                17 if name.eq_ignore_ascii_case("transfer-encoding") => fields.transfer_encoding(value),
                _ => {}
            }
        }
        Ok(fields)
    }

    fn connection(&mut self, value: &[u8]) {
        for option in list(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// RFC 9112 section 6.3: a repeated length is one length if all agree, else it is an error.
    fn content_length(&mut self, value: &[u8]) -> Result<(), Malformed> {
        for length in list(value) {
            let length = decimal(length).ok_or(Malformed("a Content-Length that is not a number"))?;
            if self.length.replace(length).is_some_and(|previous| previous != length) {
                return Err(Malformed("two Content-Lengths that differ"));
            }
        }
        Ok(())
    }

    /// Only the last coding frames the body.
    fn transfer_encoding(&mut self, value: &[u8]) {
        self.is_encoded = true;
        self.is_chunked = list(value).last().is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    }

    fn body(&self) -> Result<Body, Malformed> {
        match (self.length, self.is_encoded) {
            (Some(_), true) => Err(Malformed("both Content-Length and Transfer-Encoding")),
            (None, true) if self.is_chunked => Ok(Body::Chunked(Chunks::new())),
            (Some(length), false) => Ok(Body::Length(length)),
            (None, _) => Ok(Body::UntilClose),
        }
    }
}

/// The elements of a comma-separated field value.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

fn server_time(instants: &[u8]) -> Option<Duration> {
    let mut instants = list(instants).map(decimal);
    let (arrived, departed) = (instants.next()??, instants.next()??);
    departed.checked_sub(arrived).map(Duration::from_nanos)
}

/// Digits only: `str::parse` would take a sign.
fn decimal(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn describe(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::HeaderName => "a field name with a byte that does not belong there",
        httparse::Error::HeaderValue => "a field value with a byte that does not belong there",
        httparse::Error::NewLine => "a line that ends in a lone carriage return",
        httparse::Error::TooManyHeaders => "a head of more than 128 fields",
        httparse::Error::Status => "a status line without a three-digit status",
        httparse::Error::Version => "bytes that do not begin with HTTP/1.0 or HTTP/1.1",
        httparse::Error::Token => "a token with a byte that does not belong there",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `wire` in two pieces, for every place to cut it, and then the end of the connection.
    fn check(wire: &str, to_head: bool, expected: Result<&[Answer], &'static str>) {
        for cut in 0..=wire.len() {
            let result = read(&[&wire.as_bytes()[..cut], &wire.as_bytes()[cut..]], to_head);
            let expected = expected.map(<[Answer]>::to_vec).map_err(Malformed);
            assert_eq!(result, expected, "{wire:?} cut at {cut}");
        }
        let bytes: Vec<&[u8]> = wire.as_bytes().chunks(1).collect();
        assert_eq!(
            read(&bytes, to_head),
            expected.map(<[Answer]>::to_vec).map_err(Malformed),
            "{wire:?} byte by byte"
        );
    }

    fn read(pieces: &[&[u8]], to_head: bool) -> Result<Vec<Answer>, Malformed> {
        let (mut parser, mut answers, mut buffer) = (Parser::new(), Vec::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while !buffer.is_empty() {
                let (consumed, answer) = parser.advance(&buffer, to_head)?;
                buffer.drain(..consumed);
                answers.extend(answer);
                if consumed == 0 {
                    break;
                }
            }
        }
        answers.extend(parser.end());
        Ok(answers)
    }

    fn answer(status: u16, body_bytes: u64, received_bytes: usize, keep_alive: bool) -> Answer {
        Answer { status, body_bytes, received_bytes: received_bytes as u64, keep_alive, server_time: None }
    }

    #[test]
    fn a_length_delimits_the_body() {
        let wire = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        check(wire, false, Ok(&[answer(200, 5, wire.len(), true)]));
        let two = wire.repeat(2);
        check(&two, false, Ok(&[answer(200, 5, wire.len(), true), answer(200, 5, wire.len(), true)]));
        let repeated = "HTTP/1.1 404 Not Found\r\ncontent-length: 1, 1\r\nContent-Length: 1\r\n\r\n!";
        check(repeated, false, Ok(&[answer(404, 1, repeated.len(), true)]));
    }

    #[test]
    fn chunks_delimit_the_body() {
        let wire =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n";
        check(wire, false, Ok(&[answer(200, 5, wire.len(), true)]));
    }

    #[test]
    fn without_either_the_end_of_the_connection_delimits_the_body() {
        let wire = "HTTP/1.1 200 OK\r\n\r\nhello";
        check(wire, false, Ok(&[answer(200, 5, wire.len(), false)]));
        let encoded = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello";
        check(encoded, false, Ok(&[answer(200, 5, encoded.len(), false)]));
    }

    #[test]
    fn some_responses_have_no_body_whatever_they_announce() {
        let no_content = "HTTP/1.1 204 No Content\r\n\r\n";
        check(no_content, false, Ok(&[answer(204, 0, no_content.len(), true)]));
        let not_modified = "HTTP/1.1 304 Not Modified\r\nContent-Length: 700\r\n\r\n";
        check(not_modified, false, Ok(&[answer(304, 0, not_modified.len(), true)]));
        let to_head = "HTTP/1.1 200 OK\r\nContent-Length: 700\r\n\r\n";
        check(to_head, true, Ok(&[answer(200, 0, to_head.len(), true)]));
    }

    #[test]
    fn interim_responses_are_passed_over() {
        let wire = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
                    HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!";
        check(wire, false, Ok(&[answer(200, 1, wire.len(), true)]));
    }

    #[test]
    fn the_connection_field_and_the_version_decide_on_keep_alive() {
        for (wire, keep_alive) in [
            ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", true),
        ] {
            check(wire, false, Ok(&[answer(200, 0, wire.len(), keep_alive)]));
        }
    }

    #[test]
    fn a_server_may_tell_how_long_it_had_the_request() {
        for (instants, expected) in [("1000,3500", Some(2500)), ("7, 7", Some(0)), ("2,1", None), ("1", None)]
        {
            let wire = format!("HTTP/1.1 204 No Content\r\nX-Mock-Instants: {instants}\r\n\r\n");
            let answers = read(&[wire.as_bytes()], false).unwrap();
            assert_eq!(answers[0].server_time, expected.map(Duration::from_nanos), "{instants}");
        }
    }

    #[test]
    fn the_content_is_the_body_without_its_framing() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
        let lengthy = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        for wire in [chunked, lengthy, "HTTP/1.1 200 OK\r\n\r\nhello"] {
            let mut parser = Parser::new();
            parser.hash_next(true);
            parser.advance(wire.as_bytes(), false).unwrap();
            parser.end();
            assert_eq!(parser.content().hash(), Some(xxhash_rust::xxh3::xxh3_64(b"hello")), "{wire}");
            let seen = parser.content().seen();
            assert!(seen.body == b"hello" && seen.head.starts_with(b"HTTP/1.1 200 OK\r\n"), "{wire}");
        }
    }

    #[test]
    fn truncated_responses_give_no_answer() {
        for wire in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Le",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
        ] {
            check(wire, false, Ok(&[]));
        }
    }

    #[test]
    fn framing_that_can_be_read_in_two_ways_is_refused() {
        let head = "HTTP/1.1 200 OK\r\n";
        for (fields, reason) in [
            ("Content-Length: 1\r\nContent-Length: 2\r\n", "two Content-Lengths that differ"),
            ("Content-Length: +1\r\n", "a Content-Length that is not a number"),
            ("Content-Length: \r\n", "a Content-Length that is not a number"),
            ("Content-Length: 99999999999999999999\r\n", "a Content-Length that is not a number"),
            (
                "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
                "both Content-Length and Transfer-Encoding",
            ),
        ] {
            check(&format!("{head}{fields}\r\n"), false, Err(reason));
        }
    }

    #[test]
    fn what_is_no_response_is_refused() {
        check("SSH-2.0-OpenSSH\r\n", false, Err("bytes that do not begin with HTTP/1.0 or HTTP/1.1"));
        check("HTTP/1.1 099 Odd\r\n\r\n", false, Err("a status below 100"));
        check("HTTP/1.1 101 Up\r\n\r\n", false, Err("status 101, and no upgrade was asked for"));
    }

    #[test]
    fn a_head_has_a_bound_to_the_byte_however_it_arrives() {
        let head = |bytes: usize| {
            let (start, end) = ("HTTP/1.1 204 No Content\r\nField: ", "\r\n\r\n");
            format!("{start}{}{end}", "x".repeat(bytes - start.len() - end.len()))
        };
        let whole = head(HEAD_BOUND);
        assert_eq!(read(&[whole.as_bytes()], false), Ok(vec![answer(204, 0, HEAD_BOUND, true)]));
        let longer = head(HEAD_BOUND + 1);
        for cut in [0, HEAD_BOUND - 1, HEAD_BOUND, HEAD_BOUND + 1] {
            let (first, second) = longer.as_bytes().split_at(cut);
            assert_eq!(
                read(&[first, second], false),
                Err(Malformed("a head of more than 64 KiB")),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn an_endless_head_is_refused() {
        let endless = format!("HTTP/1.1 200 OK\r\nField: {}", "x".repeat(HEAD_BOUND));
        assert_eq!(
            Parser::new().advance(endless.as_bytes(), false),
            Err(Malformed("a head of more than 64 KiB"))
        );
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(FIELDS_BOUND + 1));
        assert_eq!(
            Parser::new().advance(many.as_bytes(), false),
            Err(Malformed("a head of more than 128 fields"))
        );
    }
}
