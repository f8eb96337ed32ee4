//! The executor's half of the world: the tasks alive, those that are ready, and what the others wait for.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::faults::Dice;

/// Tasks are numbered as they are spawned; no number is used twice.
pub(super) type TaskId = u64;
/// The future given to `run`, which lives on its stack.
pub(super) const MAIN: TaskId = 0;

type TaskFuture = Pin<Box<dyn Future<Output = ()>>>;

/// What a task was last seen to wait for, for the report of a world that is stuck.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wait {
    Receive { local: SocketAddr, peer: SocketAddr },
    Readable { local: SocketAddr, peer: SocketAddr },
    Writable { local: SocketAddr, peer: SocketAddr },
    Accept { local: SocketAddr },
    Sleep { until: Duration },
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wait::Receive { local, peer } => write!(f, "a receive at {local} from {peer}"),
            Wait::Readable { local, peer } => write!(f, "{local} to become readable from {peer}"),
            Wait::Writable { local, peer } => write!(f, "{local} to become writable towards {peer}"),
            Wait::Accept { local } => write!(f, "a connection to {local}"),
            Wait::Sleep { until } => write!(f, "the clock to reach {until:?}"),
        }
    }
}

pub(super) struct Tasks {
    alive: RefCell<BTreeMap<TaskId, Task>>,
    ready: Arc<Ready>,
    spawned: Cell<u64>,
    current: Cell<TaskId>,
}

struct Task {
    future: Option<TaskFuture>, // none while it is polled, and for the main one
    signal: Arc<Signal>,
    origin: &'static Location<'static>,
    waits: Vec<Wait>,
}

#[derive(Default)]
struct Ready(Mutex<Vec<TaskId>>);

impl Ready {
    fn list(&self) -> MutexGuard<'_, Vec<TaskId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner) // a list of numbers is whole after any panic
    }
}

/// What a waker points to. It owns nothing of the world, so one that is kept for too long keeps nothing alive.
struct Signal {
    task: TaskId,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.list().push(self.task);
        }
    }
}

impl Tasks {
    /// No task yet but the main one, which is ready.
    pub(super) fn new(origin: &'static Location<'static>) -> Tasks {
        let tasks = Tasks {
            alive: RefCell::default(),
            ready: Arc::default(),
            spawned: Cell::new(MAIN),
            current: Cell::new(MAIN),
        };
        tasks.insert(None, origin);
        tasks
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + 'static, origin: &'static Location<'static>) {
        self.insert(Some(Box::pin(task)), origin);
    }

    fn insert(&self, future: Option<TaskFuture>, origin: &'static Location<'static>) {
        let id = self.spawned.replace(self.spawned.get() + 1);
        let signal = Arc::new(Signal { task: id, queued: AtomicBool::new(false), ready: self.ready.clone() });
        signal.wake_by_ref();
        self.alive.borrow_mut().insert(id, Task { future, signal, origin, waits: Vec::new() });
    }

    /// Takes one of the ready tasks, each as likely as the other, and the waker to poll it with.
    pub(super) fn pick(&self, dice: &Dice) -> Option<(TaskId, Waker)> {
        loop {
            let id = self.ready.take(dice)?;
            if let Some(task) = self.alive.borrow_mut().get_mut(&id) {
                task.waits.clear();
                task.signal.queued.store(false, Ordering::Relaxed);
                self.current.set(id);
                return Some((id, task.signal.clone().into()));
            } // else it was woken after its end
        }
    }

    /// Polls a spawned task once, and forgets it when it has ended.
    pub(super) fn poll(&self, id: TaskId, waker: &Waker) {
        let future = self.alive.borrow_mut().get_mut(&id).and_then(|task| task.future.take());
        let Some(mut future) = future else { return };
        if future.as_mut().poll(&mut Context::from_waker(waker)) == Poll::Ready(()) {
            self.alive.borrow_mut().remove(&id);
        } else if let Some(task) = self.alive.borrow_mut().get_mut(&id) {
            task.future = Some(future);
        }
    }

    /// Notes what the task that is polled now will be waiting for.
    pub(super) fn waits_for(&self, wait: Wait) {
        if let Some(task) = self.alive.borrow_mut().get_mut(&self.current.get()) {
            task.waits.push(wait);
        }
    }

    /// Spawned tasks that have not ended.
    pub(super) fn alive(&self) -> usize {
        self.alive.borrow().keys().filter(|&&id| id != MAIN).count()
    }

    pub(super) fn clear(&self) {
        let tasks = self.alive.take();
        drop(tasks); // outside the borrow: what a task owns may look at the world when it is dropped
    }
}

impl Ready {
    fn take(&self, dice: &Dice) -> Option<TaskId> {
        let mut list = self.list();
        (!list.is_empty()).then(|| dice.index(list.len())).map(|index| list.swap_remove(index))
    }
}

/// One line per task: where it comes from and what it waits for.
impl fmt::Display for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, task) in self.alive.borrow().iter() {
            match *id {
                MAIN => write!(f, "\n  the main future")?,
                id => write!(f, "\n  task {id}, spawned at {},", task.origin)?,
            }
            match &task.waits[..] {
                [] => write!(f, " waits for something that is not the simulation's (a channel, a flag)")?,
                [first, others @ ..] => {
                    write!(f, " waits for {first}")?;
                    others.iter().try_for_each(|wait| write!(f, ", {wait}"))?;
                }
            }
        }
        Ok(())
    }
}
