//! Which processes belong together: some that are named, and all that these have started.
//!
//! Owns: what the kernel tells of a process in `/proc/PID/stat`, and who belongs. Descent decides. A process whose parent
//! has ended is handed to another one; where that is this process (an experiment sees to it), it still belongs if it is in
//! the process group that one of them leads. Who has been seen to belong does so for good. One that lost its parent and left
//! the group before anybody looked belongs to nobody.
//! Assumes: `/proc` shows them, and no number is given to another process while it is asked for.

use std::collections::{BTreeMap, HashSet};
use std::fs;

/// A process that runs, or that has ended and was not waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) has_ended: bool,
    pub(crate) waited_for: WaitedFor,
}

/// What a process has been charged for children that ended and were waited for: page faults, minor and major, and ticks in
/// user and kernel mode. No child ends without having caused a minor fault, so this changes whenever one is waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct WaitedFor([u64; 4]);

impl Process {
    /// The process of that number, if there is one.
    pub(crate) fn read(id: u32) -> Option<Process> {
        Process::parse(id, &fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
    }

    /// The fields of proc(5), of which the second, the program's name, may hold anything, closing brackets too.
    fn parse(id: u32, stat: &str) -> Option<Process> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let identity = |field| number(field).and_then(|number| u32::try_from(number).ok());
        Some(Process {
            id,
            parent: identity(4)?,
            group: identity(5)?,
            has_ended: matches!(fields[0], "Z" | "X"),
            waited_for: WaitedFor([number(11)?, number(13)?, number(16)?, number(17)?]),
        })
    }
}

/// All processes there are but `strangers`, by number.
fn everybody(strangers: &HashSet<u32>) -> BTreeMap<u32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let read = |id: u32| Some((id, Process::read(id)?));
    ids.filter(|id| !strangers.contains(id)).filter_map(read).collect()
}

/// Children of this process, those that were handed to it among them.
pub(crate) fn own_children() -> Vec<Process> {
    let own = std::process::id();
    everybody(&HashSet::new()).into_values().filter(|process| process.parent == own).collect()
}

/// Some processes and all that they have started.
pub(crate) struct Kin {
    /// The named ones, and those that have been seen.
    known: HashSet<u32>,
    /// Those that were there and did not belong: they never will. Whoever looks again reads only what is new, which takes
    /// a tenth of the time; it is spent on a core that is being measured.
    strangers: HashSet<u32>,
}

impl Kin {
    pub(crate) fn of(named: &[u32]) -> Kin {
        Kin { known: named.iter().copied().collect(), strangers: HashSet::new() }
    }

    /// Those there are now, and those that have ended and were not waited for.
    pub(crate) fn members(&mut self) -> Vec<Process> {
        let mut others = everybody(&self.strangers);
        let mut members = BTreeMap::new();
        loop {
            let (found, rest) = others.into_iter().partition(|(_, process)| self.has(process, &members));
            others = rest;
            if BTreeMap::is_empty(&found) {
                break;
            }
            members.extend(found);
        }
        self.strangers.extend(others.into_keys());
        self.known.extend(members.keys());
        members.into_values().collect()
    }

    fn has(&self, process: &Process, members: &BTreeMap<u32, Process>) -> bool {
        let is_orphan_of_group = process.parent == std::process::id() && self.known.contains(&process.group);
        self.known.contains(&process.id) || members.contains_key(&process.parent) || is_orphan_of_group
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_program_is_called() {
        let line = "12 (a) R (b)) S 1 34 34 0 -1 4194560 100 7 3 2 5 6 8 9 20 0 1 0 99";
        let told = Process::parse(12, line).unwrap();
        assert_eq!((told.parent, told.group, told.has_ended), (1, 34, false));
        assert_eq!(told.waited_for, WaitedFor([7, 2, 8, 9]));
        assert!(Process::parse(12, &line.replace(") S", ") Z")).unwrap().has_ended);
        assert_eq!(Process::parse(12, ""), None);
        assert_eq!(Process::parse(12, "12 (sh) S 1"), None);
    }

    #[test]
    fn descent_decides_and_for_orphans_of_this_process_the_group() {
        let kin = Kin::of(&[10]);
        let process = |id, parent, group| Process {
            id,
            parent,
            group,
            has_ended: false,
            waited_for: WaitedFor::default(),
        };
        let members = BTreeMap::from([(10, process(10, 1, 10))]);
        let own = std::process::id();
        for (one, belongs) in [
            (process(10, 1, 1), true),
            (process(11, 10, 77), true),
            (process(12, own, 10), true),
            (process(13, own, 13), false),
            (process(14, 1, 10), false), // the other end of a shell's pipe
        ] {
            assert_eq!(kin.has(&one, &members), belongs, "{one:?}");
        }
    }

    #[test]
    fn this_process_is_there_and_none_that_was_never_started() {
        let own = std::process::id();
        let mut kin = Kin::of(&[own]);
        assert!(kin.members().iter().any(|process| process.id == own && !process.has_ended));
        assert!(kin.members().iter().any(|process| process.id == own), "and when it is asked again");
        assert!(Kin::of(&[u32::MAX]).members().is_empty());
    }
}
