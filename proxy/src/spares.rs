//! What the requests of a worker borrow in turns: buffers and heads that have room already.
//!
//! Owns: those that nobody uses, last in first out. A thing is borrowed for a step and never across a wait for the other
//! side, so one or two go round among all requests, and stay in the cache, however many of them wait.
//! Refuses to keep one that has grown large, or more than [`limits::SPARES`].

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use ringgate_core::head::ResponseHead;
use ringgate_io::Buffer;

use crate::limits;

/// A thing that can be used again.
pub(crate) trait Spare: Default {
    /// Forgets what it held; whether it is worth keeping.
    fn empty(&mut self) -> bool;
}

impl Spare for Vec<u8> {
    fn empty(&mut self) -> bool {
        self.clear();
        self.capacity() <= limits::KEPT_BUFFER_BYTES
    }
}

impl Spare for Buffer {
    fn empty(&mut self) -> bool {
        self.clear();
        true // only bodies borrow buffers, all of the same size
    }
}

impl Spare for ResponseHead {
    fn empty(&mut self) -> bool {
        true // the next parse forgets; what it has room for is bounded by the fields of a head
    }
}

/// Things that nobody uses.
#[derive(Debug, Default)]
pub(crate) struct Spares<T> {
    kept: RefCell<Vec<T>>,
}

impl<T: Spare> Spares<T> {
    /// The one used last, or a new one; it comes back when dropped.
    pub(crate) fn take(&self) -> Lent<'_, T> {
        let thing = self.kept.borrow_mut().pop().unwrap_or_default();
        Lent { thing, home: self }
    }
}

/// Where a head is written to.
pub(crate) type Output<'a> = Lent<'a, Vec<u8>>;

/// A thing on loan.
#[derive(Debug)]
pub(crate) struct Lent<'a, T: Spare> {
    thing: T,
    home: &'a Spares<T>,
}

impl<T: Spare> Deref for Lent<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.thing
    }
}

impl<T: Spare> DerefMut for Lent<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.thing
    }
}

impl<T: Spare> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        let mut thing = std::mem::take(&mut self.thing);
        let mut kept = self.home.kept.borrow_mut();
        if thing.empty() && kept.len() < limits::SPARES {
            kept.push(thing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_back_is_lent_again_empty_and_with_its_room() {
        let spares = Spares::<Vec<u8>>::default();
        let mut first = spares.take();
        first.extend_from_slice(b"head");
        let room = first.capacity();
        drop(first);
        let (again, other) = (spares.take(), spares.take());
        assert_eq!((again.len(), again.capacity()), (0, room));
        assert_eq!(other.capacity(), 0);
    }

    #[test]
    fn what_has_grown_large_is_let_go() {
        let spares = Spares::<Vec<u8>>::default();
        spares.take().reserve(limits::KEPT_BUFFER_BYTES + 1);
        assert_eq!(spares.take().capacity(), 0);
    }
}
