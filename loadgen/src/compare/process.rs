//! The processes of an experiment: started in a group of their own, on cores of their own, and never left behind.
//!
//! Owns: every process it starts, and all that descend from these: children of children, and those that put themselves into
//! the background. This process is made the reaper of its descendants, so that one whose parent ends comes back to it; whoever
//! comes back and is in none of its groups, nor in its own, is a stray. All are ended with their group, each by its number, in
//! bounded time; strays with the group that ends first of those that were there before them.
//! Refuses: to start anything where the kernel does not hand descendants back.
//! Assumes: nobody else in this process starts children into process groups of their own while an experiment goes on.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitOptions, getpgrp, getpid, kill_process, set_child_subreaper, waitpid,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::record::kin::{Kin, Process, own_children};
use crate::secret::{Secrets, command};
use crate::{Error, Stop};

/// How long a group may take to end when asked to, before it is made to; and how long that may take.
const END_PATIENCE: Duration = Duration::from_secs(5);
/// The same when somebody waits at a terminal.
const INTERRUPTED_PATIENCE: Duration = Duration::from_millis(400);
/// How often something that is waited for is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(5);
/// How much of what a process said is kept, in bytes: the end, where the reason stands.
const WORDS_BOUND: usize = 2048;

/// A program and its arguments; or nobody, where the load goes straight to a server that is there anyway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// None: nobody is started.
    program: Option<String>,
    arguments: Vec<String>,
    /// Without its secrets.
    shown: String,
}

impl Launch {
    /// What stands for nobody on a command line, and in what is told.
    pub const DIRECT: &str = "direct";

    /// Nobody.
    pub fn direct() -> Launch {
        Launch { program: None, arguments: Vec::new(), shown: Launch::DIRECT.to_owned() }
    }

    /// Whether nobody is started.
    pub fn is_direct(&self) -> bool {
        self.program.is_none()
    }

    /// A line for the shell.
    pub fn of_line(line: &str) -> Launch {
        let arguments = vec!["-c".to_owned(), line.to_owned()];
        Launch { program: Some("/bin/sh".to_owned()), arguments, shown: command::line(line) }
    }

    /// A program with its arguments, as they are.
    pub fn of_program(program: &Path, arguments: &[&str]) -> Launch {
        let program = program.display().to_string();
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let shown = command::words([&[program.clone()][..], &arguments].concat()).join(" ");
        Launch { program: Some(program), arguments, shown }
    }
}

impl fmt::Display for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// The groups that are alive, so that they can be ended from a thread that has none of them.
static ALIVE: Mutex<Alive> = Mutex::new(Alive { groups: Vec::new(), is_over: false });

struct Alive {
    groups: Vec<Pid>,
    /// Nothing is to be started any more.
    is_over: bool,
}

fn alive() -> MutexGuard<'static, Alive> {
    ALIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills every process that experiments of this process have started, and lets them start no more: for somebody who is about
/// to end this process and cannot wait for the experiment. Returns when they are gone, or after half a second.
pub fn kill_all() {
    alive().is_over = true;
    let mut kin = Kin::of(&[std::process::id()]);
    let until = Instant::now() + INTERRUPTED_PATIENCE;
    let is_ours = |process: &Process| !process.has_ended && process.group != own_group();
    while Instant::now() < until {
        let ours: Vec<Process> = kin.members().into_iter().filter(is_ours).collect();
        if ours.is_empty() {
            return;
        }
        ours.iter().for_each(|process| signal(process.id, Signal::KILL));
        thread::sleep(LOOK);
    }
}

fn pid(process: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(process).ok()?)
}

/// A process that is gone already is what was wanted.
fn signal(process: u32, signal: Signal) {
    let _ = pid(process).map(|pid| kill_process(pid, signal));
}

fn own_group() -> u32 {
    number(getpgrp())
}

fn number(id: Pid) -> u32 {
    id.as_raw_nonzero().get().unsigned_abs()
}

/// Has the kernel forget a child of this process that has ended; says whether it did. It does not while a thread goes on.
fn is_buried(process: u32) -> bool {
    pid(process).is_some_and(|pid| matches!(waitpid(Some(pid), WaitOptions::NOHANG), Ok(Some(_))))
}

/// A running program with all that it has started.
pub(crate) struct Group {
    name: String,
    leader: Child,
    id: Pid,
    words: Words,
    kin: Kin,
    /// Children that this process had before: no strays of this group.
    before: HashSet<u32>,
    stop: Stop,
}

impl Group {
    /// Starts it on these cores; none: wherever the caller may run. Once `stop` says so, it is given less time to end.
    pub(crate) fn start(name: &str, launch: &Launch, cores: &[usize], stop: &Stop) -> Result<Group, Error> {
        let failed = |cause| Error::Experiment(format!("{name} cannot be started: `{launch}`: {cause}"));
        set_child_subreaper(Some(getpid())).map_err(|cause| refuse_reaper(name, cause.into()))?;
        let before = own_children().iter().map(|process| process.id).collect();
        let program = launch.program.as_ref().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
        let mut command = Command::new(program);
        command.args(&launch.arguments).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut alive = alive();
        if alive.is_over {
            return Err(failed(io::ErrorKind::Interrupted.into()));
        }
        let mut leader = on_cores(cores, || command.spawn()).map_err(failed)?;
        let id = Pid::from_child(&leader);
        alive.groups.push(id);
        drop(alive);
        let words = Words::of(leader.stderr.take());
        let kin = Kin::of(&[leader.id()]);
        Ok(Group { name: name.to_owned(), leader, id, words, kin, before, stop: stop.clone() })
    }

    /// The process that was started, from which all others descend.
    pub(crate) fn leader(&self) -> u32 {
        self.leader.id()
    }

    /// Processes that have come to this one since it was started, and that are in no group: they let go of everything.
    pub(crate) fn strays(&self) -> Vec<Process> {
        let mut known: HashSet<u32> = alive().groups.iter().map(|&group| number(group)).collect();
        known.insert(own_group());
        let is_stray =
            |process: &Process| !self.before.contains(&process.id) && !known.contains(&process.group);
        own_children().into_iter().filter(is_stray).collect()
    }

    /// How it ended, and what it said, if it did so by itself.
    pub(crate) fn end_of_its_own(&mut self) -> Option<String> {
        let status = self.leader.try_wait().ok()??;
        let advice =
            if status.success() { "; it must stay in the foreground (nginx: `daemon off;`)" } else { "" };
        Some(format!("{} ended by itself, {status}{advice}{}", self.name, self.words.said()))
    }

    /// Asks all its processes to end, and kills those that do not.
    fn end(&mut self) {
        for signal in [Signal::TERM, Signal::KILL] {
            if self.is_gone_by(signal) {
                break;
            }
        }
        alive().groups.retain(|&group| group != self.id);
    }

    /// Sends the signal to all there are, and to those that come to light; says whether all end in time.
    fn is_gone_by(&mut self, how: Signal) -> bool {
        let begun = Instant::now();
        let mut told = HashSet::new();
        loop {
            let left = self.left();
            if left.is_empty() {
                return true;
            }
            let patience = if self.stop.is_stopped() { INTERRUPTED_PATIENCE } else { END_PATIENCE };
            if begun.elapsed() > patience {
                return false;
            }
            left.into_iter().filter(|&id| told.insert(id)).for_each(|id| signal(id, how));
            thread::sleep(LOOK);
        }
    }

    /// Those that have not ended, the strays among them.
    fn left(&mut self) -> Vec<u32> {
        let _ = self.leader.try_wait(); // so that it does not stay as a zombie
        let leader = self.leader();
        let is_left = |process: &Process| match process.has_ended {
            false => true,
            true if process.id == leader => true, // a thread of it goes on, or it would have been waited for
            true => process.parent == std::process::id() && !is_buried(process.id),
        };
        let all = self.kin.members().into_iter().chain(self.strays());
        all.filter(is_left).map(|process| process.id).collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

fn refuse_reaper(name: &str, cause: io::Error) -> Error {
    Error::Experiment(format!(
        "{name} is not started, since what it leaves behind could not be ended: the kernel does not hand orphans to ringload \
         (PR_SET_CHILD_SUBREAPER: {cause}); use Linux 3.4 or newer, and allow prctl"
    ))
}

/// Does `work` with the calling thread on these cores, which a process started by it inherits; none: where it is.
pub(crate) fn on_cores<T>(cores: &[usize], work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    if cores.is_empty() {
        return work();
    }
    let before = sched_getaffinity(None)?;
    let mut set = CpuSet::new();
    cores.iter().for_each(|&core| set.set(core));
    sched_setaffinity(None, &set)?;
    let done = work();
    sched_setaffinity(None, &before)?;
    done
}

/// The end of what a process says on standard error, which is read as fast as it comes. Standard output goes nowhere: whoever
/// read a line for every request would take time from the generator.
struct Words {
    said: Arc<Mutex<Vec<u8>>>,
    listener: Option<JoinHandle<()>>,
}

impl Words {
    fn of(stream: Option<ChildStderr>) -> Words {
        let said = Arc::default();
        let listen = |stream| {
            let said = Arc::clone(&said);
            thread::Builder::new().name("words".to_owned()).spawn(move || listen(stream, &said)).ok()
        };
        let listener = stream.and_then(listen);
        Words { said, listener }
    }

    /// What was said, once all of it has come: a process that has ended says no more.
    fn said(&self) -> String {
        let until = Instant::now() + Duration::from_millis(200);
        while self.listener.as_ref().is_some_and(|listener| !listener.is_finished()) && Instant::now() < until
        {
            thread::sleep(LOOK);
        }
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        match Secrets::default().hide(&*said).trim() {
            "" => "; it said nothing on standard error, and nobody reads its standard output (append `1>&2`)"
                .to_owned(),
            words => format!("; it said: {words}"),
        }
    }
}

fn listen(mut stream: ChildStderr, said: &Mutex<Vec<u8>>) {
    let mut chunk = [0; WORDS_BOUND];
    while let Ok(count @ 1..) = stream.read(&mut chunk) {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(&chunk[..count]);
        let surplus = said.len().saturating_sub(WORDS_BOUND);
        said.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(line: &str) -> Group {
        Group::start("A", &Launch::of_line(line), &[], &Stop::new()).unwrap()
    }

    fn count(group: &mut Group) -> usize {
        group.kin.members().iter().filter(|process| !process.has_ended).count()
    }

    fn is_there(id: u32) -> bool {
        Process::read(id).is_some_and(|process| !process.has_ended)
    }

    #[track_caller]
    fn wait_until(mut holds: impl FnMut() -> bool) {
        let until = Instant::now() + Duration::from_secs(30);
        while !holds() {
            assert!(Instant::now() < until, "it never came about");
            thread::sleep(LOOK);
        }
    }

    #[test]
    fn children_belong_to_the_group_and_end_with_it() {
        let mut group = start("sleep 60 & sleep 60 & wait");
        wait_until(|| count(&mut group) == 3);
        let (id, members) = (group.id, group.kin.members());
        drop(group);
        assert!(!members.iter().any(|process| is_there(process.id)));
        assert!(!alive().groups.contains(&id));
    }

    #[test]
    fn who_leaves_the_group_or_loses_its_parent_ends_with_it_all_the_same() {
        for line in ["setsid sleep 60 & wait", "(sleep 60 &) & exec sleep 60"] {
            let mut group = start(line);
            let sleeps = |process: &Process| {
                std::fs::read(format!("/proc/{}/comm", process.id)).is_ok_and(|name| name == b"sleep\n")
            };
            let expected = line.matches("sleep").count();
            wait_until(|| group.kin.members().iter().filter(|process| sleeps(process)).count() == expected);
            let members = group.kin.members();
            drop(group);
            assert!(!members.iter().any(|process| is_there(process.id)), "{line}");
        }
    }

    #[test]
    fn a_flood_of_words_blocks_nobody() {
        let zeros = "head -c 8000000 /dev/zero";
        let mut group = start(&format!("{zeros}; {zeros} >&2; echo last >&2; exit 3"));
        wait_until(|| group.end_of_its_own().is_some());
        let end = group.end_of_its_own().unwrap();
        assert!(end.contains("exit status: 3") && end.ends_with("last"), "{end}");
    }

    #[test]
    fn who_does_not_listen_to_the_first_signal_is_killed() {
        let group = start("trap '' TERM; echo ready >&2; while :; do sleep 60; done");
        wait_until(|| group.words.said().contains("ready"));
        let (id, begun) = (group.leader(), Instant::now());
        drop(group);
        assert!(begun.elapsed() >= END_PATIENCE && !is_there(id));
    }

    #[test]
    fn who_does_not_listen_is_killed_sooner_when_somebody_waits() {
        let stop = Stop::new();
        let line = Launch::of_line("trap '' TERM; echo ready >&2; while :; do sleep 60; done");
        let group = Group::start("A", &line, &[], &stop).unwrap();
        wait_until(|| group.words.said().contains("ready"));
        stop.stop();
        let (id, begun) = (group.leader(), Instant::now());
        drop(group);
        assert!(begun.elapsed() < END_PATIENCE && !is_there(id));
    }

    #[test]
    fn a_process_that_ends_by_itself_is_quoted() {
        let mut group = start("echo 'no such file: x.toml' >&2; exit 3");
        wait_until(|| group.end_of_its_own().is_some());
        let end = group.end_of_its_own().unwrap();
        assert!(end.contains("exit status: 3") && end.contains("no such file: x.toml"), "{end}");
        let mut group = start("sleep 60 &");
        wait_until(|| group.end_of_its_own().is_some());
        assert!(group.end_of_its_own().unwrap().contains("foreground"));
    }

    #[test]
    fn only_the_end_of_many_words_is_kept() {
        let mut group = start("for n in $(seq 2000); do echo line $n >&2; done");
        wait_until(|| group.end_of_its_own().is_some());
        let said = group.words.said();
        assert!(said.len() <= WORDS_BOUND + 20 && said.ends_with("line 2000"), "{said}");
    }

    #[test]
    fn a_program_that_does_not_exist_is_an_error_that_names_it() {
        let launch = Launch::of_program(Path::new("/nonexistent/ringgate"), &["run"]);
        let error = Group::start("A", &launch, &[], &Stop::new()).err().unwrap().to_string();
        assert!(error.contains("/nonexistent/ringgate run"), "{error}");
    }

    #[test]
    fn processes_run_on_the_cores_they_are_given() {
        let before = sched_getaffinity(None).unwrap();
        let first = (0..CpuSet::MAX_CPU).find(|&core| before.is_set(core)).unwrap();
        let line = Launch::of_line("exec sleep 60");
        let group = Group::start("A", &line, &[first], &Stop::new()).unwrap();
        let allowed = sched_getaffinity(Some(group.id)).unwrap();
        assert!(allowed.is_set(first) && allowed.count() == 1);
        assert_eq!(sched_getaffinity(None).unwrap(), before);
    }
}
