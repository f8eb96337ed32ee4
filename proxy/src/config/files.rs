//! The files of a configuration, and how it is seen from outside that one of them has changed.
//!
//! Owns: what each looked like when it was read, taken from the open file itself, so that a change between the reading and the
//! first look is none that is missed.
//! Assumes: whoever looks may wait; a file system can hang.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, glob_with};

/// As a shell reads them: `*` stays in one folder and passes over hidden files.
pub(super) const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// Which file it is, how long, and when it was written; `None` while there is none.
type Look = Option<(u64, u64, i64, i64)>;

/// What all files look like at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looks(BTreeMap<PathBuf, Look>);

/// What a configuration was read from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    read: Looks,
    /// Files may come to match them.
    patterns: Vec<String>,
}

impl Files {
    /// A file that is about to be read, and may not be there.
    pub(crate) fn add(&mut self, path: &Path) {
        self.read.0.entry(path.to_owned()).or_insert(None);
    }

    /// It was opened, and this is what it looks like.
    pub(super) fn opened(&mut self, path: &Path, metadata: &Metadata) {
        self.read.0.insert(path.to_owned(), Some(look(metadata)));
    }

    /// A file that a pattern means, and that is not read since another one means it, too.
    pub(super) fn pass_over(&mut self, path: &Path) {
        self.read.0.entry(path.to_owned()).or_insert_with(|| look_at(path));
    }

    /// A pattern by which they were found.
    pub(super) fn add_pattern(&mut self, pattern: &str) {
        self.patterns.push(pattern.to_owned());
    }

    /// Their paths, in the order of the alphabet.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.read.0.keys().map(PathBuf::as_path)
    }

    /// What they looked like when they were read.
    pub fn read(&self) -> &Looks {
        &self.read
    }

    /// What they look like now, with files that a pattern means by now. May wait for the file system.
    pub fn look(&self) -> Looks {
        let found = self.patterns.iter().filter_map(|pattern| glob_with(pattern, MATCHING).ok()).flatten();
        let found = found.flatten().filter(|path| !path.is_dir());
        let known = self.read.0.keys().cloned();
        Looks(known.chain(found).map(|path| (path.clone(), look_at(&path))).collect())
    }
}

fn look(metadata: &Metadata) -> (u64, u64, i64, i64) {
    (metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec())
}

/// Follows symbolic links.
fn look_at(path: &Path) -> Look {
    fs::metadata(path).ok().map(|metadata| look(&metadata))
}
