//! HTTP/1.1 messages as the two ends of the gateway read them: strictly, without the gateway's own parser.
//!
//! Owns: where a message ends, and its plain form: the head as it came, then the body, a chunked one as one chunk. So
//! messages that differ only in how the body was cut into chunks are equal, and every other difference shows.
//! Refuses nothing: what is not a message is never whole, and shows up as bytes left over.

/// Whose message it is: that decides where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Request,
    Answer { to_head: bool },
}

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Start line and field lines, each with its line end, without the empty line.
    pub head: String,
    pub body: Vec<u8>,
    /// The lines behind a last chunk; `None` if the body was not chunked.
    pub trailers: Option<String>,
}

impl Message {
    /// The message at the front of `bytes`, and how many of them it is. `ended`: nothing comes after `bytes`.
    pub fn first(bytes: &[u8], kind: Kind, ended: bool) -> Option<(Message, usize)> {
        let start = head_end(bytes)?;
        let head = String::from_utf8_lossy(&bytes[..start - 2]).into_owned();
        let mut message = Message { head, body: Vec::new(), trailers: None };
        let end = match (message.field("transfer-encoding"), message.field("content-length")) {
            _ if message.has_no_body(kind) => start,
            (Some("chunked"), None) => start + message.take_chunks(&bytes[start..])?,
            (None, Some(length)) => start + message.take(&bytes[start..], length.parse().ok()?)?,
            (None, None) if kind == Kind::Request => start,
            (None, None) if ended => start + message.take(&bytes[start..], bytes.len() - start)?,
            _ => return None,
        };
        Some((message, end))
    }

    /// The value of the first field of that name.
    pub fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The status of an answer; 0 if it has none.
    pub fn status(&self) -> u16 {
        self.head.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// Its plain form.
    pub fn text(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        match &self.trailers {
            None => format!("{}\r\n{body}", self.head),
            Some(trailers) if body.is_empty() => format!("{}\r\n0\r\n{trailers}\r\n", self.head),
            Some(trailers) => {
                format!("{}\r\n{:x}\r\n{body}\r\n0\r\n{trailers}\r\n", self.head, self.body.len())
            }
        }
    }

    fn has_no_body(&self, kind: Kind) -> bool {
        let status = self.status();
        match kind {
            Kind::Request => false,
            Kind::Answer { to_head } => to_head || status < 200 || status == 204 || status == 304,
        }
    }

    fn take(&mut self, bytes: &[u8], count: usize) -> Option<usize> {
        self.body.extend_from_slice(bytes.get(..count)?);
        Some(count)
    }

    /// How many bytes the chunks, the last one and the trailers are.
    fn take_chunks(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let line = line(&bytes[at..])?;
            let size = usize::from_str_radix(std::str::from_utf8(line).ok()?, 16).ok()?;
            at += line.len() + 2;
            if size == 0 {
                return Some(at + self.take_trailers(&bytes[at..])?);
            }
            at += self.take(&bytes[at..], size)?;
            at += bytes[at..].starts_with(b"\r\n").then_some(2)?;
        }
    }

    fn take_trailers(&mut self, bytes: &[u8]) -> Option<usize> {
        let end = if bytes.starts_with(b"\r\n") { 2 } else { head_end(bytes)? };
        self.trailers = Some(String::from_utf8_lossy(&bytes[..end - 2]).into_owned());
        Some(end)
    }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn line(bytes: &[u8]) -> Option<&[u8]> {
    bytes.windows(2).position(|two| two == b"\r\n").map(|end| &bytes[..end])
}
