//! Keys and their words: a table of a fixed size, in sets of eight, that any number of threads charge and none waits for.
//!
//! Owns: that a key has at most one entry that counts, and that only idle entries are forgotten.
//!
//! **An entry** is a key and a word. Its key is 0 (free), or 48 bits of a hash (other bits have chosen the set) with the number of the
//! attempt that entered them, and with [`PENDING`] until they count; so a key that comes back into an entry is another value, and who
//! has looked at it before cannot exchange it. Its word is [closed](is_closed) while nobody may charge it, with the number of the attempt
//! that closed it: nobody else opens it.
//!
//! **Entering a key** whose set does not have it:
//! 1. An entry is taken: a free one, or an idle one, whose word is closed first (which fails if it was charged in between); then its
//!    key is exchanged for ours, pending, with the number of this attempt.
//! 2. The whole set is looked at again. Our key counts in another entry: that one is used, ours is freed. It is pending in another
//!    entry: that one is freed by us, so that its owner begins anew; or, while this has not lasted long and the other one stands
//!    further up, we do.
//! 3. The word is opened, if it is still closed by us, then the key counts, if it is still ours and pending.
//!
//! *Why there are never two that count:* of two threads that enter a key, call the one later whose step 1 was later in the one
//! order that all these operations have (`SeqCst`). In its step 2 it sees the entry of the other. If that counts already, the later
//! one gives way. If it is pending, the later one gives way, too, or frees it by an exchange; either that succeeds, and the other's
//! step 3 fails since no other attempt has its number, or the entry counts by now, and the later one, which sees what the
//! exchange has found, gives way. So at most one of the two ends with an entry that counts, and so of any number.
//!
//! **Forgetting** closes the word, then changes the key. A thread that meets an entry in between frees it, and waits for nobody.
//!
//! **Charging** exchanges the word. It fails on a closed one. An entry that was forgotten and entered for another key while a thread
//! was between its look at the key and its exchange may have the very word that it read, FRESH above all. So it looks at the key once
//! more, before it says no and after it has charged; if that has changed it takes back what it can, and begins anew: the other key may
//! then be charged once too often, never too rarely.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, SeqCst};

use std::time::Duration;

use super::{Refused, Standing};

/// Entries of a set: with their words two cache lines.
const WAYS: usize = 8;
/// Keys for which there is a set: with two in each on average, one set in four thousand has more than eight (Poisson).
const KEYS_OF_A_SET: usize = 2;
/// Bits of a hash that are kept.
const KEY: u64 = (1 << 48) - 1;
/// A key that is being entered.
const PENDING: u64 = 1 << 63;
/// Attempts that are told apart: a thread would have to stand between two steps while as many keys are entered.
const ATTEMPTS: u64 = 1 << 15;
/// A word that has never been charged.
pub(super) const FRESH: u64 = 0;
/// Words from here on are those of entries that do not count. No clock comes near them.
const CLOSED: u64 = u64::MAX - (ATTEMPTS - 1);
/// How often a charge begins anew before there is no room: each time some other thread has got ahead.
const TRIES: usize = 64;
/// How often it gives way to one that is about to enter the same key, before it takes that for one that does not run.
const COURTESY: usize = 8;

/// What becomes of a word.
pub(super) enum Charge {
    /// It becomes this.
    To(u64, Standing),
    /// It stays, for so long.
    No(Standing, Duration),
}

#[derive(Debug)]
struct Entry {
    key: AtomicU64,
    word: AtomicU64,
}

/// On lines of its own: the sets of two keys that are charged at once do not slow each other down.
#[derive(Debug)]
#[repr(align(128))]
struct Set([Entry; WAYS]);

#[derive(Debug)]
pub(super) struct Table {
    sets: Box<[Set]>,
    /// Of the last attempt to enter a key.
    attempt: AtomicU64,
}

impl Table {
    /// With room for so many keys.
    pub(super) fn new(keys: usize) -> Table {
        let entry = || Entry { key: AtomicU64::new(0), word: AtomicU64::new(closed(0)) };
        let set = |_| Set(std::array::from_fn(|_| entry()));
        Table { sets: (0..sets(keys)).map(set).collect(), attempt: AtomicU64::new(0) }
    }

    /// Whether a new one for so many keys would have the same size.
    pub(super) fn is_of(&self, keys: usize) -> bool {
        self.sets.len() == sets(keys)
    }

    pub(super) fn room(&self) -> usize {
        self.sets.len() * KEYS_OF_A_SET
    }

    /// The words that count.
    pub(super) fn words(&self) -> impl Iterator<Item = u64> {
        let entries = self.sets.iter().flat_map(|set| &set.0);
        entries
            .filter(|entry| counts(entry.key.load(Acquire)))
            .map(|entry| entry.word.load(Acquire))
            .filter(|word| !is_closed(*word))
    }

    /// The word of a key, if it has one.
    pub(super) fn look(&self, hash: u64) -> Option<u64> {
        find(self.set(hash), stored(hash)).map(|(_, _, word)| word)
    }

    /// Exchanges the word of a key, if it has one.
    pub(super) fn change(&self, hash: u64, to: &dyn Fn(u64) -> u64) {
        if let Some((entry, held, _)) = find(self.set(hash), stored(hash)) {
            let standing = Standing { limit: 0, remaining: 0, reset: Duration::ZERO }; // which nobody asks for
            let _ = charge_entry(entry, held, &|word| Charge::To(to(word), standing));
        }
    }

    /// Charges the word of a key; one that has none is entered, if an entry is free or idle.
    pub(super) fn update(
        &self,
        hash: u64,
        is_idle: &dyn Fn(u64) -> bool,
        charge: &dyn Fn(u64) -> Charge,
    ) -> Result<Standing, Refused> {
        let (key, set) = (stored(hash), self.set(hash));
        for tries in 0..TRIES {
            let found = match find(set, key) {
                Some((entry, held, _)) => Entered::Counts(entry, held),
                None => self.enter(set, key, is_idle, tries >= COURTESY),
            };
            match found {
                Entered::Counts(entry, held) => {
                    if let Some(outcome) = charge_entry(entry, held, charge) {
                        return outcome;
                    }
                }
                Entered::Anew => {}
                Entered::NoRoom => return Err(Refused::NoRoom),
            }
        }
        Err(Refused::NoRoom)
    }

    fn set(&self, hash: u64) -> &[Entry; WAYS] {
        // The upper half of a product spreads over any number of sets (Lemire 2019, "Fast random integer generation in an
        // interval"): it goes by the upper bits of the hash, of which an entry keeps the lower ones.
        let place = (u128::from(hash) * self.sets.len() as u128) >> 64;
        &self.sets[place as usize].0
    }

    /// Steps 1 to 3.
    fn enter<'a>(
        &self,
        set: &'a [Entry; WAYS],
        key: u64,
        is_idle: &dyn Fn(u64) -> bool,
        is_impatient: bool,
    ) -> Entered<'a> {
        let attempt = self.attempt.fetch_add(1, SeqCst) % ATTEMPTS;
        let pending = PENDING | attempt << KEY.count_ones() | key;
        let own = match take(set, pending, is_idle) {
            Taken::Place(own) => own,
            Taken::Lost => return Entered::Anew,
            Taken::Full => {
                let here = set.iter().find_map(|entry| match standing(entry, key) {
                    Other::Nothing => None,
                    stands => Some((entry, stands)),
                });
                // Somebody enters this very key into the last entry, or is about to for so long that it does not run.
                if let (Some((entry, Other::Pending(other))), true) = (&here, is_impatient) {
                    let _ = entry.key.compare_exchange(*other, 0, SeqCst, SeqCst);
                }
                return if here.is_some() { Entered::Anew } else { Entered::NoRoom };
            }
        };
        for (place, entry) in set.iter().enumerate().filter(|(place, _)| *place != own) {
            let gives_way = match standing(entry, key) {
                Other::Nothing => continue,
                Other::Counts(held) => Some(Entered::Counts(entry, held)),
                Other::Pending(_) if place < own && !is_impatient => Some(Entered::Anew),
                Other::Pending(other) => match entry.key.compare_exchange(other, 0, SeqCst, SeqCst) {
                    Ok(_) => None,
                    Err(_) => Some(Entered::Anew), // it counts by now, most likely
                },
            };
            if let Some(entered) = gives_way {
                let _ = set[own].key.compare_exchange(pending, 0, SeqCst, SeqCst); // or somebody else has freed it
                return entered;
            }
        }
        let own = &set[own];
        let is_opened = own.word.compare_exchange(closed(attempt), FRESH, SeqCst, SeqCst).is_ok();
        let counting = pending & !PENDING;
        match is_opened && own.key.compare_exchange(pending, counting, SeqCst, SeqCst).is_ok() {
            true => Entered::Counts(own, counting),
            false => {
                let _ = own.key.compare_exchange(pending, 0, SeqCst, SeqCst); // somebody was faster
                Entered::Anew
            }
        }
    }
}

/// The word that an attempt closes an entry with.
fn closed(attempt: u64) -> u64 {
    CLOSED + attempt
}

fn is_closed(word: u64) -> bool {
    word >= CLOSED
}

fn sets(keys: usize) -> usize {
    keys.div_ceil(KEYS_OF_A_SET).max(1)
}

/// What an entry keeps of a hash: never 0.
fn stored(hash: u64) -> u64 {
    (hash & KEY).max(1)
}

fn counts(key: u64) -> bool {
    key != 0 && key & PENDING == 0
}

/// Whether what an entry holds is this key, and counts.
fn is(held: u64, key: u64) -> bool {
    counts(held) && held & KEY == key
}

/// The entry of a key, as it holds it, and its word, which is not closed.
fn find(set: &[Entry; WAYS], key: u64) -> Option<(&Entry, u64, u64)> {
    let held = |entry: &Entry| entry.key.load(Acquire);
    let (entry, held) = set.iter().map(|entry| (entry, held(entry))).find(|(_, held)| is(*held, key))?;
    let word = entry.word.load(Acquire);
    (!is_closed(word)).then_some((entry, held, word))
}

/// What came of a charge; nothing if the entry does not hold this any more.
fn charge_entry(
    entry: &Entry,
    held: u64,
    charge: &dyn Fn(u64) -> Charge,
) -> Option<Result<Standing, Refused>> {
    let mut word = entry.word.load(Acquire);
    let is_held = || entry.key.load(Acquire) == held;
    loop {
        if is_closed(word) {
            return None;
        }
        let (to, standing) = match charge(word) {
            Charge::No(standing, wait) => return is_held().then_some(Err(Refused::Over(standing, wait))),
            Charge::To(to, standing) => (to, standing),
        };
        match entry.word.compare_exchange_weak(word, to, AcqRel, Acquire) {
            Ok(_) if is_held() => return Some(Ok(standing)),
            Ok(_) => {
                let _ = entry.word.compare_exchange(to, word, AcqRel, Acquire); // it was another key's
                return None;
            }
            Err(now) => word = now,
        }
    }
}

/// What came of entering a key.
enum Entered<'a> {
    /// It has an entry, this one, which holds it like this.
    Counts(&'a Entry, u64),
    /// Somebody else was about to: look again.
    Anew,
    /// All entries are in use.
    NoRoom,
}

/// How a key stands in an entry that somebody else has taken.
enum Other {
    Nothing,
    /// As the entry holds it.
    Counts(u64),
    /// By the attempt that stands there.
    Pending(u64),
}

fn standing(entry: &Entry, key: u64) -> Other {
    match entry.key.load(SeqCst) {
        held if is(held, key) && is_closed(entry.word.load(SeqCst)) => {
            // It is being forgotten, by a thread that may not run right now.
            match entry.key.compare_exchange(held, 0, SeqCst, SeqCst) {
                Ok(_) => Other::Nothing,
                Err(_) => standing(entry, key),
            }
        }
        held if is(held, key) => Other::Counts(held),
        held if held & PENDING != 0 && held & KEY == key => Other::Pending(held),
        _ => Other::Nothing,
    }
}

/// What came of taking an entry.
enum Taken {
    /// It is this one.
    Place(usize),
    /// Somebody was faster at one that could be taken.
    Lost,
    /// None can be taken.
    Full,
}

/// Makes an entry pending, its word closed by us.
fn take(set: &[Entry; WAYS], pending: u64, is_idle: &dyn Fn(u64) -> bool) -> Taken {
    let own = closed(pending >> KEY.count_ones() & (ATTEMPTS - 1));
    let mut taken = Taken::Full;
    for (place, entry) in set.iter().enumerate() {
        let (held, word) = (entry.key.load(SeqCst), entry.word.load(SeqCst));
        // One that is pending is about to be used. Of one that is free any word may go: nobody has charged it for a key that counts.
        let is_free = held == 0 || counts(held) && (is_closed(word) || is_idle(word));
        if is_free {
            let is_ours = entry.word.compare_exchange(word, own, SeqCst, SeqCst).is_ok()
                && entry.key.compare_exchange(held, pending, SeqCst, SeqCst).is_ok();
            if is_ours {
                return Taken::Place(place);
            }
            taken = Taken::Lost;
        }
    }
    taken
}
