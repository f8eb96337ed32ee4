//! Who breaks a rule of the seam, gets stuck or panics is told so, and the thread is clean afterwards.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use ringgate_io::sim::{self, Faults};
use ringgate_io::{Buffer, Side, join, race, random, sleep, spawn};

use super::{MILLISECOND, failure, receive, simulated_pair};

#[test]
fn what_was_left_open_is_counted_and_dropped() {
    let gone = Rc::new(Cell::new(false));
    struct OnDrop(Rc<Cell<bool>>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            spawn(async {}); // a farewell that comes too late to run
            self.0.set(true);
        }
    }
    let outcome = sim::run(0, Faults::none(), || async {
        let (client, server) = simulated_pair().await;
        let on_drop = OnDrop(gone.clone());
        spawn(async move {
            let _on_drop = on_drop;
            let _ = receive(&server).await;
        });
        sleep(MILLISECOND).await;
        client
    });
    assert_eq!((outcome.report.streams_open, outcome.report.tasks_alive), (2, 1));
    assert!(gone.get());
    drop(outcome.output); // a stream may outlive its world
}

#[test]
fn a_deadlock_names_its_seed_and_what_everybody_waits_for() {
    let message = failure(42, Faults::none(), || async {
        let (client, server) = simulated_pair().await;
        spawn(async move { drop(receive(&server).await) });
        let _ = receive(&client).await;
    });
    for part in [
        "seed 42",
        "a deadlock",
        "main future waits for a receive at 127.0.0.1:",
        "from 10.0.0.1:80",
        "rules.rs:",
    ] {
        assert!(message.contains(part), "no `{part}` in: {message}");
    }
}

#[test]
fn a_sleep_given_up_keeps_no_clock_running() {
    let message = failure(0, Faults::none(), || async {
        race(sleep(Duration::from_secs(10)), sleep(MILLISECOND)).await;
        std::future::pending::<()>().await;
    });
    assert!(message.contains("a deadlock") && message.contains("and 1ms of virtual time"), "{message}");
}

#[test]
fn a_clock_that_ticks_for_nobody_is_stopped() {
    let message = failure(0, Faults::none(), || async {
        spawn(async {
            loop {
                sleep(Duration::from_secs(1)).await;
            }
        });
        std::future::pending::<()>().await;
    });
    assert!(message.contains("an hour has passed"), "{message}");
}

#[test]
fn tasks_that_keep_each_other_busy_are_stopped() {
    let message = failure(0, Faults::none(), || {
        poll_fn(|context| {
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        })
    });
    assert!(message.contains("a livelock"), "{message}");
}

/// A future that turns a panic of the inner one into nothing, as the gateway does for each connection.
async fn caught(future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    let poll = poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))).unwrap_or(Poll::Ready(()))
    });
    poll.await;
}

#[test]
fn dropping_a_pending_receive_fails_the_run_even_if_the_program_catches_it() {
    for seed in 0..8 {
        let message = failure(seed, Faults::none(), || {
            caught(async {
                let (client, _server) = simulated_pair().await;
                race(receive(&client), sleep(MILLISECOND)).await;
            })
        });
        assert!(message.contains("a pending receive on the stream at 127.0.0.1:"), "{message}");
    }
}

#[test]
fn a_receive_that_could_complete_is_pending_for_some_seeds() {
    let runs = (0..16).map(|seed| {
        catch_unwind(|| {
            sim::run(seed, Faults::none(), || async {
                let (client, server) = simulated_pair().await;
                server.send(b"x").await.unwrap();
                client.readable().await.unwrap();
                race(receive(&client), async {}).await; // wrong on a ring, unnoticed on epoll
            });
        })
        .is_ok()
    });
    let passed = runs.filter(|passed| *passed).count();
    assert!((1..16).contains(&passed), "{passed}");
}

#[test]
fn a_second_pending_receive_fails_the_run() {
    let message = failure(0, Faults::none(), || async {
        let (client, _server) = simulated_pair().await;
        drop(join(receive(&client), receive(&client)).await);
    });
    assert!(message.contains("two receives are pending"), "{message}");
}

#[test]
fn a_receive_without_room_fails_the_run() {
    let message = failure(0, Faults::none(), || async {
        let (client, _server) = simulated_pair().await;
        drop(client.recv(&mut Buffer::default()).await);
    });
    assert!(message.contains("make room"), "{message}");
}

#[test]
fn a_closer_used_after_its_stream_fails_the_run() {
    let message = failure(0, Faults::none(), || async {
        let (client, _server) = simulated_pair().await;
        let closer = client.closer();
        drop(client);
        closer.shutdown(Side::Both);
    });
    assert!(message.contains("after its stream was dropped"), "{message}");
}

#[test]
fn a_panic_in_a_task_leaves_the_thread_as_it_was() {
    let message = failure(0, Faults::none(), || async {
        let (client, server) = simulated_pair().await;
        spawn(async move { drop(receive(&client).await) });
        spawn(async move {
            let _server = server;
            sleep(MILLISECOND).await;
            panic!("on purpose");
        });
        std::future::pending::<()>().await;
    });
    assert_eq!(message, "on purpose");
    let after = || (sim::run(1, Faults::none(), || async { random() }).output, random());
    let ((inside, outside), (inside_again, outside_again)) = (after(), after());
    assert_eq!(inside, inside_again);
    assert_ne!(outside, outside_again, "the thread's own generator goes on where it was");
    assert!(catch_unwind(sim::elapsed).is_err(), "no simulation is running any more");
}
