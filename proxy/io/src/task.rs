//! Tasks on the calling thread's loop, and the two ways to wait for two things.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// Starts a task on this thread's loop. It runs until it ends; nothing can cancel it from outside, because what it
/// awaits may belong to the kernel (ARCHITECTURE.md, invariant 7): end it by shutting down what it waits for.
#[cfg_attr(feature = "sim", track_caller)] // a world that is stuck names where its tasks come from
pub fn spawn(task: impl Future<Output = ()> + 'static) {
    #[cfg(feature = "sim")]
    if crate::sim::is_running() {
        return crate::sim::spawn(task);
    }
    drop(monoio::spawn(task));
}

/// Which of two futures ended first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The first one.
    First(A),
    /// The second one.
    Second(B),
}

/// Waits for whichever ends first and drops the other; the first wins a tie.
///
/// Only for futures that may be dropped half-way: readiness, connects, sleeps and wakes. Never a receive.
pub async fn race<A: Future, B: Future>(first: A, second: B) -> Either<A::Output, B::Output> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    poll_fn(|context| {
        if let Poll::Ready(output) = first.as_mut().poll(context) {
            return Poll::Ready(Either::First(output));
        }
        second.as_mut().poll(context).map(Either::Second)
    })
    .await
}

/// Runs both to their end.
pub async fn join<A: Future, B: Future>(first: A, second: B) -> (A::Output, B::Output) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut first_output, mut second_output) = (None, None);
    poll_fn(|context| {
        if first_output.is_none()
            && let Poll::Ready(output) = first.as_mut().poll(context)
        {
            first_output = Some(output);
        }
        if second_output.is_none()
            && let Poll::Ready(output) = second.as_mut().poll(context)
        {
            second_output = Some(output);
        }
        match (first_output.take(), second_output.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            (first, second) => {
                (first_output, second_output) = (first, second);
                Poll::Pending
            }
        }
    })
    .await
}
