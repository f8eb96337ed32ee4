//! What is kept of a response while it streams by: how its head and its body begin, and a hash if somebody asked for it.
//!
//! Promises: memory is used again for the next response; nothing is allocated per response once it has grown.

use xxhash_rust::xxh3::Xxh3;

/// Bytes kept of a head, and of a body: enough to see what went wrong.
pub(crate) const EXCERPT_BYTES: usize = 1024;

/// The content of one response.
#[derive(Default)]
pub(crate) struct Content {
    head: Excerpt,
    body: Excerpt,
    is_hashed: bool,
    hasher: Option<Box<Xxh3>>,
}

/// How a response began, as far as it came.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen<'a> {
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
}

#[derive(Default)]
struct Excerpt(Vec<u8>);

impl Excerpt {
    fn add(&mut self, bytes: &[u8]) {
        let room = EXCERPT_BYTES - self.0.len();
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

impl Content {
    /// Decides whether the body of the next response is hashed.
    pub(super) fn hash_next(&mut self, is_hashed: bool) {
        self.is_hashed = is_hashed;
        if is_hashed && self.hasher.is_none() {
            self.hasher = Some(Box::default());
        }
    }

    /// A response, or an interim one before it, begins with this head.
    pub(super) fn begin(&mut self, head: &[u8]) {
        self.head.0.clear();
        self.body.0.clear();
        self.head.add(head);
        if let Some(hasher) = &mut self.hasher {
            hasher.reset();
        }
    }

    /// The body goes on.
    pub(super) fn add(&mut self, body: &[u8]) {
        self.body.add(body);
        if let Some(hasher) = self.hasher.as_mut().filter(|_| self.is_hashed) {
            hasher.update(body);
        }
    }

    /// The hash of the body so far, if it was asked for.
    pub(crate) fn hash(&self) -> Option<u64> {
        self.hasher.as_ref().filter(|_| self.is_hashed).map(|hasher| hasher.digest())
    }

    /// How the response began.
    pub(crate) fn seen(&self) -> Seen<'_> {
        Seen { head: &self.head.0, body: &self.body.0 }
    }
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    #[test]
    fn the_beginning_is_kept_and_all_of_it_hashed() {
        let mut content = Content::default();
        for body in [vec![b'x'; 3 * EXCERPT_BYTES], b"short".to_vec()] {
            content.hash_next(true);
            content.begin(b"HTTP/1.1 200 OK\r\n\r\n");
            body.chunks(700).for_each(|piece| content.add(piece));
            assert_eq!(content.hash(), Some(xxh3_64(&body)));
            assert_eq!(content.seen().body, &body[..body.len().min(EXCERPT_BYTES)]);
            assert_eq!(content.seen().head, b"HTTP/1.1 200 OK\r\n\r\n");
        }
        content.hash_next(false);
        assert_eq!(content.hash(), None);
    }
}
