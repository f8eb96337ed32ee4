//! What is remembered of credentials: a table bounded in bytes, in two halves of which the older one is forgotten as a whole.
//!
//! Owns: which entries stay. What was asked for since the halves last changed does; what a value means is the caller's. A key is compared as a whole, and hashed with a seed that nobody knows, so that nobody can
//! choose keys that meet.

use ahash::{AHashMap, RandomState};

/// Bytes that an entry takes besides its key, and how often the key stands in what is remembered of it: a token as it is, and as the
/// claims that were read from it.
const ENTRY_BYTES: usize = 256;
const COPIES: usize = 4;

/// Values by keys, of several owners.
pub struct Cache<V> {
    hasher: RandomState,
    /// What was asked for lately, and what before that.
    young: Half<V>,
    old: Half<V>,
    most_bytes: usize,
}

struct Half<V> {
    entries: AHashMap<u64, Entry<V>>,
    bytes: usize,
}

struct Entry<V> {
    owner: u64,
    key: Box<[u8]>,
    value: V,
}

impl<V> Default for Half<V> {
    fn default() -> Half<V> {
        Half { entries: AHashMap::default(), bytes: 0 }
    }
}

impl<V> Half<V> {
    fn insert(&mut self, hash: u64, entry: Entry<V>) {
        self.bytes += size(&entry.key);
        if let Some(before) = self.entries.insert(hash, entry) {
            self.bytes -= size(&before.key);
        }
    }
}

fn size(key: &[u8]) -> usize {
    key.len() * COPIES + ENTRY_BYTES
}

impl<V> Cache<V> {
    /// One that takes about so many bytes at most.
    pub fn new(most_bytes: usize) -> Cache<V> {
        Cache { hasher: RandomState::new(), young: Half::default(), old: Half::default(), most_bytes }
    }

    /// What is remembered.
    pub fn get(&mut self, owner: u64, key: &[u8]) -> Option<&V> {
        let hash = self.hasher.hash_one((owner, key));
        let is_it = |entry: &Entry<V>| entry.owner == owner && *entry.key == *key;
        if !self.young.entries.get(&hash).is_some_and(is_it) {
            self.old.entries.get(&hash).filter(|entry| is_it(entry))?;
            let entry = self.old.entries.remove(&hash)?;
            self.old.bytes -= size(&entry.key);
            self.put(hash, entry);
        }
        self.young.entries.get(&hash).map(|entry| &entry.value)
    }

    /// Remembers a value, instead of the one before it.
    pub fn insert(&mut self, owner: u64, key: &[u8], value: V) {
        let hash = self.hasher.hash_one((owner, key));
        self.put(hash, Entry { owner, key: key.into(), value });
    }

    fn put(&mut self, hash: u64, entry: Entry<V>) {
        if self.young.bytes + size(&entry.key) > self.most_bytes / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, entry);
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.young.bytes + self.old.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let most = 20 * size(b"000000");
        let mut cache = Cache::new(most);
        let name = |number: u32| format!("{number:06}").into_bytes();
        cache.insert(1, &name(0), 0);
        for number in 1..1000 {
            cache.insert(1, &name(number), number);
            assert_eq!(cache.get(1, &name(0)), Some(&0), "after {number}");
            assert!(cache.bytes() <= most);
        }
        assert_eq!(cache.get(1, &name(999)), Some(&999));
        assert_eq!(cache.get(1, &name(1)), None);
    }

    #[test]
    fn owners_and_keys_are_told_apart() {
        let mut cache = Cache::new(10_000);
        cache.insert(1, b"key", "one");
        for (owner, key) in [(2, &b"key"[..]), (1, b"kez"), (1, b"ke")] {
            assert_eq!(cache.get(owner, key), None);
        }
        cache.insert(1, b"key", "other");
        assert_eq!(cache.get(1, b"key"), Some(&"other"));
    }
}
