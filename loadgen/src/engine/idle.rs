//! The connections that wait for a request, longest waiting first: so all of them are used in turn, and a server that
//! spreads connections over its workers gets even work.

use std::collections::VecDeque;

/// A queue of slots. A slot stands in it once at most, so that it never grows beyond their number.
#[derive(Debug)]
pub(crate) struct Idle {
    queue: VecDeque<usize>,
    slots: Vec<Slot>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    is_queued: bool,
    /// Its connection is open and has nothing to do. A queued slot whose connection died keeps its place, unready.
    is_ready: bool,
}

impl Idle {
    pub(crate) fn new(slots: usize) -> Idle {
        Idle { queue: VecDeque::with_capacity(slots), slots: vec![Slot::default(); slots] }
    }

    pub(crate) fn push(&mut self, slot: usize) {
        self.slots[slot].is_ready = true;
        if !std::mem::replace(&mut self.slots[slot].is_queued, true) {
            self.queue.push_back(slot);
        }
    }

    /// The connection of `slot` is gone.
    pub(crate) fn withdraw(&mut self, slot: usize) {
        self.slots[slot].is_ready = false;
    }

    pub(crate) fn pop(&mut self) -> Option<usize> {
        loop {
            let slot = self.queue.pop_front()?;
            let Slot { is_ready, .. } = std::mem::take(&mut self.slots[slot]);
            if is_ready {
                return Some(slot);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_used_in_turn() {
        let mut idle = Idle::new(3);
        [2, 0, 1].into_iter().for_each(|slot| idle.push(slot));
        assert_eq!([idle.pop(), idle.pop(), idle.pop(), idle.pop()], [Some(2), Some(0), Some(1), None]);
    }

    #[test]
    fn a_connection_that_died_idle_is_not_used_and_one_that_came_back_is_used_once() {
        let mut idle = Idle::new(2);
        idle.push(0);
        idle.withdraw(0);
        assert_eq!(idle.pop(), None);
        idle.push(0);
        idle.withdraw(0);
        idle.push(0);
        assert_eq!([idle.pop(), idle.pop()], [Some(0), None]);
    }
}
