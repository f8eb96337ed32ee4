//! A read buffer: bytes that arrived and were not consumed yet, and room behind them.
//!
//! Owns one heap allocation that never moves while a receive is pending on it (the kernel writes into it).
//! Refuses to shrink by itself: whoever pools buffers decides what to give back.

/// Bytes received and not yet consumed, with spare room for the next receive.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>, // bytes[start..] is the data; the spare capacity is the room
    start: usize,
}

impl Buffer {
    /// An empty buffer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Buffer { bytes: Vec::with_capacity(capacity), start: 0 }
    }

    /// The bytes that were received and not consumed.
    pub fn data(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// The same bytes, to be rewritten in place.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    /// How many bytes are waiting.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Total size of the allocation in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// How many bytes the next receive can deliver without growing.
    pub fn room(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    /// Forgets the first `count` bytes.
    ///
    /// # Panics
    /// If `count` exceeds [`len`](Self::len).
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "consumed more than was received");
        self.start += count;
        if self.start == self.bytes.len() {
            self.clear();
        }
    }

    /// Forgets everything and keeps the allocation.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }

    /// Makes room for at least `count` more bytes: moves the data to the front first, grows only if that is not enough.
    pub fn make_room(&mut self, count: usize) {
        if self.room() >= count {
            return;
        }
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.reserve(count);
    }

    /// Appends a copy of `data`.
    pub fn extend(&mut self, data: &[u8]) {
        self.make_room(data.len());
        self.bytes.extend_from_slice(data);
    }

    /// Where the next byte goes: valid for [`room`](Self::room) bytes until the buffer is next touched.
    pub(crate) fn spare(&mut self) -> &mut [std::mem::MaybeUninit<u8>] {
        self.bytes.spare_capacity_mut()
    }

    /// Counts `count` bytes written into the spare room as received.
    ///
    /// # Safety
    /// The first `count` bytes of [`spare`](Self::spare) must have been written.
    pub(crate) unsafe fn received(&mut self, count: usize) {
        debug_assert!(count <= self.room());
        // SAFETY: the caller wrote these bytes, and they lie within the capacity.
        unsafe { self.bytes.set_len(self.bytes.len() + count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_moves_to_the_front_before_the_buffer_grows() {
        let mut buffer = Buffer::with_capacity(16);
        buffer.extend(b"0123456789abcdef");
        buffer.consume(10);
        let capacity = buffer.capacity();
        buffer.make_room(10);
        assert_eq!(buffer.data(), b"abcdef");
        assert_eq!(buffer.capacity(), capacity);
        assert!(buffer.room() >= 10);
    }

    #[test]
    fn consuming_everything_frees_all_room() {
        let mut buffer = Buffer::with_capacity(8);
        buffer.extend(b"abcd");
        buffer.consume(4);
        assert!(buffer.is_empty());
        assert_eq!(buffer.room(), buffer.capacity());
    }
}
