//! The processes of an experiment: started in a group of their own, on cores of their own, and never left behind.
//!
//! Owns: every process it starts, and those that these start, as long as they stay in the group. A program that puts itself
//! into the background leaves it; its leader is seen to end, and that is an error that says so.

use std::fmt;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Error;
use crate::secret::{Secrets, command};

/// How long a group may take to end when asked to, before it is made to; and how long that may take.
const END_PATIENCE: Duration = Duration::from_secs(5);
/// How often something that is waited for is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(5);
/// How much of what a process said is kept, in bytes: the end, where the reason stands.
const WORDS_BOUND: usize = 2048;

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    program: String,
    arguments: Vec<String>,
    /// Without its secrets.
    shown: String,
}

impl Launch {
    /// A line for the shell.
    pub fn of_line(line: &str) -> Launch {
        let arguments = vec!["-c".to_owned(), line.to_owned()];
        Launch { program: "/bin/sh".to_owned(), arguments, shown: command::line(line) }
    }

    /// A program with its arguments, as they are.
    pub fn of_program(program: &Path, arguments: &[&str]) -> Launch {
        let program = program.display().to_string();
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let shown = command::words([&[program.clone()][..], &arguments].concat()).join(" ");
        Launch { program, arguments, shown }
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
/// to end this process and cannot wait for the experiment.
pub fn kill_all() {
    let mut alive = alive();
    alive.is_over = true;
    alive.groups.iter().for_each(|&group| kill(group, Signal::KILL));
}

/// A group that is gone already is what was wanted.
fn kill(group: Pid, signal: Signal) {
    let _ = kill_process_group(group, signal);
}

/// A running program with all that it has started.
pub(crate) struct Group {
    name: String,
    leader: Child,
    id: Pid,
    words: Words,
}

impl Group {
    /// Starts it on these cores; none: wherever the caller may run.
    pub(crate) fn start(name: &str, launch: &Launch, cores: &[usize]) -> Result<Group, Error> {
        let failed = |cause| Error::Experiment(format!("{name} cannot be started: `{launch}`: {cause}"));
        let mut command = Command::new(&launch.program);
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
        Ok(Group { name: name.to_owned(), leader, id, words })
    }

    /// The processes it consists of now.
    pub(crate) fn processes(&self) -> Vec<u32> {
        processes_of(self.id)
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
            kill(self.id, signal);
            if self.is_gone_within(END_PATIENCE) {
                break;
            }
        }
        alive().groups.retain(|&group| group != self.id);
    }

    fn is_gone_within(&mut self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        loop {
            let _ = self.leader.try_wait(); // so that it does not stay as a zombie
            if self.processes().is_empty() {
                return true;
            }
            if Instant::now() > until {
                return false;
            }
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// The processes of a group, without those that have ended and are only waited for.
fn processes_of(group: Pid) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let id = |entry: io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    let is_member = |process: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        living_group(&stat) == Some(group.as_raw_nonzero().get())
    };
    entries.filter_map(id).filter(is_member).collect()
}

/// The process group in a line of `/proc/PID/stat` (proc(5)), unless the process is a zombie. The program's name before it
/// may hold anything, closing brackets too.
fn living_group(stat: &str) -> Option<i32> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    fields.nth(1)?.parse().ok().filter(|_| !matches!(state, "Z" | "X"))
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

/// The end of what a process says on standard error.
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
            "" => String::new(),
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
        Group::start("A", &Launch::of_line(line), &[]).unwrap()
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
    fn a_group_is_found_in_a_line_whatever_the_program_is_called() {
        assert_eq!(living_group("12 (a) R (b)) S 1 34 34 0 -1"), Some(34));
        assert_eq!(living_group("12 (sh) Z 1 34 34 0 -1"), None);
        assert_eq!(living_group(""), None);
    }

    #[test]
    fn children_belong_to_the_group_and_end_with_it() {
        let group = start("sleep 60 & sleep 60 & wait");
        wait_until(|| group.processes().len() == 3);
        let id = group.id;
        drop(group);
        assert!(processes_of(id).is_empty());
        assert!(!alive().groups.contains(&id));
    }

    #[test]
    fn who_does_not_listen_to_the_first_signal_is_killed() {
        let group = start("trap '' TERM; echo ready >&2; while :; do sleep 60; done");
        wait_until(|| group.words.said().contains("ready"));
        let (id, begun) = (group.id, Instant::now());
        drop(group);
        assert!(begun.elapsed() >= END_PATIENCE && processes_of(id).is_empty());
    }

    #[test]
    fn a_process_that_ends_by_itself_is_quoted() {
        let mut group = start("echo 'no such file: x.toml' >&2; exit 3");
        wait_until(|| group.processes().is_empty());
        let end = group.end_of_its_own().unwrap();
        assert!(end.contains("exit status: 3") && end.contains("no such file: x.toml"), "{end}");
        let mut group = start("sleep 60 &");
        wait_until(|| group.end_of_its_own().is_some());
        assert!(group.end_of_its_own().unwrap().contains("foreground"));
    }

    #[test]
    fn only_the_end_of_many_words_is_kept() {
        let group = start("for n in $(seq 2000); do echo line $n >&2; done");
        wait_until(|| group.processes().is_empty());
        let said = group.words.said();
        assert!(said.len() <= WORDS_BOUND + 20 && said.ends_with("line 2000"), "{said}");
    }

    #[test]
    fn a_program_that_does_not_exist_is_an_error_that_names_it() {
        let launch = Launch::of_program(Path::new("/nonexistent/ringgate"), &["run"]);
        let error = Group::start("A", &launch, &[]).err().unwrap().to_string();
        assert!(error.contains("/nonexistent/ringgate run"), "{error}");
    }

    #[test]
    fn processes_run_on_the_cores_they_are_given() {
        let before = sched_getaffinity(None).unwrap();
        let first = (0..CpuSet::MAX_CPU).find(|&core| before.is_set(core)).unwrap();
        let group = Group::start("A", &Launch::of_line("exec sleep 60"), &[first]).unwrap();
        let allowed = sched_getaffinity(Some(group.id)).unwrap();
        assert!(allowed.is_set(first) && allowed.count() == 1);
        assert_eq!(sched_getaffinity(None).unwrap(), before);
    }
}
