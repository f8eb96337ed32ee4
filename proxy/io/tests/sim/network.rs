//! The simulated network delays, splits, refuses and resets, and still behaves like one.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;
use std::time::Duration;

use ringgate_io::sim::{self, Faults, Report};
use ringgate_io::{
    Armed, Buffer, Deadlines, Either, Idle, Listener, Side, Stream, TICK, join, now, race, random, sleep,
    spawn,
};

use super::{MILLISECOND, accept, pair, receive, receive_to_end, server, simulated_pair, slow};

/// A server that echoes one connection, and a client that sends `message` and its end, and returns what came back.
async fn echo(message: &[u8]) -> io::Result<Vec<u8>> {
    let listener = sim::listen(server());
    spawn(async move {
        let stream = accept(&listener).await;
        while let Ok(bytes) = receive(&stream).await
            && !bytes.is_empty()
        {
            let _ = stream.send(&bytes).await;
        }
    });
    let stream = Stream::connect(server()).await?;
    let sending = async {
        let sent = stream.send(message).await;
        stream.shutdown(Side::Send);
        sent
    };
    let (sent, received) = join(sending, receive_to_end(&stream)).await;
    sent.and(received)
}

#[test]
fn an_echo_through_random_splits_and_delays_arrives_intact() {
    let message: Vec<u8> = (0..4000u32).map(|number| (number * 7) as u8).collect();
    for seed in 0..256 {
        let outcome = sim::run(seed, slow(), || echo(&message));
        assert_eq!(outcome.output.unwrap(), message, "seed {seed}");
        assert_eq!(outcome.report.bytes_sent, 8000, "seed {seed}");
        assert_eq!(outcome.report.bytes_received, 8000, "seed {seed}");
    }
}

fn rough_echo(seed: u64, randoms: usize) -> (Result<Vec<u8>, ErrorKind>, Report) {
    let outcome = sim::run(seed, Faults::rough(), || async {
        for _ in 0..randoms {
            random();
        }
        echo(&[7; 1000]).await.map_err(|error| error.kind())
    });
    (outcome.output, outcome.report)
}

#[test]
fn a_seed_replays_exactly_and_no_two_seeds_are_alike() {
    let runs: Vec<_> = (0..64).map(|seed| rough_echo(seed, 0)).collect();
    let again: Vec<_> = (0..64).map(|seed| rough_echo(seed, 0)).collect();
    assert_eq!(runs, again);
    let traces: BTreeSet<u64> = runs.iter().map(|(_, report)| report.trace).collect();
    assert_eq!(traces.len(), 64);
}

#[test]
fn one_more_random_number_does_not_reshuffle_the_network() {
    assert_eq!(rough_echo(3, 0), rough_echo(3, 5));
}

#[test]
fn random_numbers_follow_the_seed() {
    let draw = |seed| sim::run(seed, Faults::none(), || async { random() }).output;
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn ready_tasks_run_in_any_order() {
    let first_to_run = |seed| {
        let first = Rc::new(Cell::new(None));
        sim::run(seed, Faults::none(), || async {
            for name in ["a", "b"] {
                let first = first.clone();
                spawn(async move { first.set(first.get().or(Some(name))) });
            }
            sleep(MILLISECOND).await;
        });
        first.get().unwrap()
    };
    let names: BTreeSet<&str> = (0..32).map(first_to_run).collect();
    assert_eq!(names.len(), 2);
}

#[test]
fn a_sleep_ends_on_a_full_millisecond() {
    sim::run(0, Faults::none(), || async {
        let start = now();
        sleep(Duration::from_micros(1500)).await;
        assert_eq!((sim::elapsed(), now() - start), (2 * MILLISECOND, 2 * MILLISECOND));
    });
}

#[test]
fn a_stalled_loop_finds_its_timers_late() {
    let faults = Faults { stall: 1.0, stall_length: 30 * MILLISECOND..=30 * MILLISECOND, ..Faults::none() };
    let late = sim::run(0, faults, || sleep(MILLISECOND)).report.elapsed;
    assert!(late >= 30 * MILLISECOND, "{late:?}");
}

#[test]
fn latency_is_paid_by_the_opening_and_by_each_message() {
    let faults = Faults { latency: 5 * MILLISECOND..=5 * MILLISECOND, ..Faults::none() };
    sim::run(0, faults, || async {
        let listener = sim::listen(server());
        let client = Stream::connect(server()).await.unwrap();
        assert_eq!(sim::elapsed(), 10 * MILLISECOND);
        client.send(b"hello").await.unwrap();
        assert_eq!(receive(&accept(&listener).await).await.unwrap(), b"hello");
        assert_eq!(sim::elapsed(), 15 * MILLISECOND);
    });
}

#[test]
fn a_half_closed_connection_still_carries_the_answer() {
    for seed in 0..32 {
        sim::run(seed, slow(), || async {
            let (client, server) = simulated_pair().await;
            client.send(b"question").await.unwrap();
            client.shutdown(Side::Send);
            assert_eq!(receive_to_end(&server).await.unwrap(), b"question");
            server.send(b"answer").await.unwrap();
            drop(server);
            assert_eq!(receive_to_end(&client).await.unwrap(), b"answer");
            assert_eq!(client.send(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        });
    }
}

#[test]
fn a_reset_may_destroy_the_answer_in_flight_or_come_behind_it() {
    let answer = |seed| {
        sim::run(seed, slow(), || async {
            let (client, server) = simulated_pair().await;
            server.send(b"answer").await.unwrap();
            server.reset_on_close();
            drop(server);
            let mut whole = Vec::new();
            let error = loop {
                match receive(&client).await {
                    Ok(bytes) => whole.extend(bytes),
                    Err(error) => break error.kind(),
                }
            };
            assert_eq!(error, ErrorKind::ConnectionReset);
            assert!(client.peer().is_err());
            whole
        })
        .output
    };
    let answers: Vec<Vec<u8>> = (0..64).map(answer).collect();
    assert!(answers.iter().all(|got| b"answer".starts_with(got)));
    assert!(answers.iter().any(|got| got == b"answer") && answers.iter().any(Vec::is_empty));
}

#[test]
fn the_network_resets_both_ends() {
    let faults = Faults { reset: 1.0, ..Faults::none() };
    let outcome = sim::run(0, faults, || async {
        let (client, server) = simulated_pair().await;
        client.send(b"x").await.unwrap();
        let (at_client, at_server) = join(receive_to_end(&client), receive_to_end(&server)).await;
        assert_eq!(at_client.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(at_server.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
    assert_eq!(outcome.report.resets, 2);
}

#[test]
fn a_slow_reader_holds_the_sender_back() {
    const CAPACITY: usize = 1000;
    for seed in 0..32 {
        let outcome = sim::run(seed, Faults { capacity: CAPACITY..=CAPACITY, ..slow() }, || async {
            let (client, server) = simulated_pair().await;
            let sent = Rc::new(Cell::new(0));
            let counted = sent.clone();
            spawn(async move {
                while counted.get() < 10_000 {
                    match client.try_send(&[IoSlice::new(&[1; 300]), IoSlice::new(&[2; 200])]) {
                        Ok(count) => counted.set(counted.get() + count),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {
                            client.writable().await.unwrap();
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            });
            let mut received = 0;
            sleep(Duration::from_secs(1)).await;
            assert_eq!(sent.get(), CAPACITY, "the sender fills the connection and waits");
            loop {
                let count = receive(&server).await.unwrap().len();
                received += count;
                assert!(sent.get() <= received + CAPACITY);
                if count == 0 {
                    return assert_eq!(received, sent.get());
                }
            }
        });
        assert_eq!(outcome.report.tasks_alive, 0, "seed {seed}");
    }
}

#[test]
fn a_receive_never_gives_more_than_its_limit() {
    sim::run(0, Faults::none(), || async {
        let (client, server) = simulated_pair().await;
        client.send(b"0123456789").await.unwrap();
        let mut buffer = Buffer::with_capacity(64);
        assert_eq!(server.recv_at_most(&mut buffer, 3).await.unwrap(), 3);
        assert_eq!(server.recv(&mut buffer).await.unwrap(), 7);
        assert_eq!(buffer.data(), b"0123456789", "appended to what was there");
    });
}

#[test]
fn a_deadline_ends_a_pending_receive_on_virtual_time() {
    for seed in 0..32 {
        let outcome = sim::run(seed, Faults::none(), || async {
            let (client, _server) = simulated_pair().await;
            let deadlines = Deadlines::new();
            let guard = deadlines.guard(client.closer());
            guard.within(50 * MILLISECOND, Side::Receive);
            assert_eq!(receive(&client).await.unwrap(), b"");
            assert!(guard.expired());
            let late = sim::elapsed() - 50 * MILLISECOND;
            assert!(late <= 2 * TICK, "{late:?}");
            drop(guard);
            deadlines.ended().await;
        });
        assert_eq!(outcome.report.tasks_alive, 0);
    }
}

#[test]
fn work_for_a_stream_that_was_reset_is_ended_and_for_one_that_only_ended_is_not() {
    for is_reset in [true, false] {
        let outcome = sim::run(0, Faults::none(), || async {
            let (client, watched) = simulated_pair().await;
            let (working, _server) = simulated_pair().await;
            let deadlines = Deadlines::new();
            let (client_guard, working_guard) =
                (deadlines.guard(watched.closer()), deadlines.guard(working.closer()));
            working_guard.within(Duration::from_secs(1), Side::Both);
            let watch = client_guard.watch(&working_guard);
            if is_reset {
                client.reset_on_close();
            }
            drop(client);
            assert_eq!(receive(&working).await.unwrap(), b"");
            assert_eq!((client_guard.departed(), working_guard.expired()), (is_reset, !is_reset));
            assert_eq!(sim::elapsed() < 100 * MILLISECOND, is_reset);
            drop(watch);
            drop((client_guard, working_guard));
            deadlines.ended().await;
        });
        assert_eq!(outcome.report.tasks_alive, 0);
    }
}

#[test]
fn who_has_been_idle_longest_goes_first_and_the_unused_may_be_spared() {
    sim::run(0, Faults::none(), || async {
        let listener = sim::listen(server());
        let (deadlines, mut streams) = (Deadlines::new(), Vec::new());
        for number in 0..6 {
            let (client, accepted) = pair(&listener).await;
            let guard = deadlines.guard(accepted.closer());
            let idle = if number == 5 { Idle::Unused } else { Idle::Used };
            guard.idle_within(Duration::from_secs(10), idle);
            sleep(5 * TICK).await;
            streams.push((guard, accepted, client));
        }
        let ending = |streams: &[(Armed, Stream, Stream)]| -> Vec<bool> {
            streams.iter().map(|(guard, ..)| guard.is_ending()).collect()
        };
        deadlines.end_longest_idle(2, Duration::ZERO);
        assert_eq!(ending(&streams), [true, true, false, false, false, false]);
        streams[5].0.idle_within(Duration::from_secs(10), Idle::Unused);
        streams[2].0.within(Duration::from_secs(10), Side::Receive);
        deadlines.end_longest_idle(9, Duration::from_secs(1));
        assert_eq!(ending(&streams), [true, true, false, true, true, false], "the newcomer is let be");
        deadlines.end_idle(false);
        assert_eq!(ending(&streams), [true, true, false, true, true, false]);
        deadlines.end_idle(true);
        assert_eq!(ending(&streams), [true, true, false, true, true, true]);
        assert!(!streams[0].0.has_revived());
        streams[0].0.clear();
        assert!(streams[0].0.has_revived(), "somebody is at work on it again");
        streams.into_iter().for_each(|(guard, ..)| drop(guard));
        deadlines.ended().await;
    });
}

#[test]
fn a_connect_that_nobody_answers_loses_to_a_sleep_and_else_times_out() {
    sim::run(0, Faults { ignore: 1.0, ..Faults::none() }, || async {
        let _listener = sim::listen(server());
        let first = race(Stream::connect(server()), sleep(Duration::from_secs(1))).await;
        assert!(matches!(first, Either::Second(())));
        assert_eq!(sim::elapsed(), Duration::from_secs(1));
        let error = Stream::connect(server()).await.err().unwrap();
        assert_eq!((error.kind(), sim::elapsed()), (ErrorKind::TimedOut, Duration::from_secs(128)));
    });
}

#[test]
fn a_connect_given_up_half_way_leaves_nothing_open() {
    let faults = Faults { latency: 5 * MILLISECOND..=5 * MILLISECOND, ..Faults::none() };
    let outcome = sim::run(0, faults, || async {
        let listener = sim::listen(server());
        let first = race(Stream::connect(server()), sleep(7 * MILLISECOND)).await;
        assert!(matches!(first, Either::Second(())), "the listener has it, the client does not know yet");
        assert_eq!(receive(&accept(&listener).await).await.unwrap(), b"");
    });
    let Report { connections_opened, connections_closed, streams_open, .. } = outcome.report;
    assert_eq!((connections_opened, connections_closed, streams_open), (1, 1, 0));
}

#[test]
fn a_connect_is_refused_where_nobody_listens() {
    sim::run(0, slow(), || async {
        let refused = async || Stream::connect(server()).await.err().unwrap().kind();
        assert_eq!(refused().await, ErrorKind::ConnectionRefused);
        drop(sim::listen(server()));
        assert_eq!(refused().await, ErrorKind::ConnectionRefused);
        let _restarted = sim::listen(server());
        Stream::connect(server()).await.unwrap();
        sim::set_faults(Faults { refuse: 1.0, ..Faults::none() });
        assert_eq!(refused().await, ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_killed_server_resets_whoever_waits_for_it() {
    for seed in 0..32 {
        sim::run(seed, slow(), || async {
            let listener = sim::listen(server());
            let waiting = Stream::connect(server()).await.unwrap();
            drop(listener);
            assert_eq!(receive(&waiting).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        });
    }
}

#[test]
fn listeners_of_one_address_share_its_connections() {
    sim::run(0, Faults::none(), || async {
        let (first, second) = (sim::listen(server()), sim::listen(server()));
        let mut clients = Vec::new();
        for _ in 0..32 {
            clients.push(Stream::connect(server()).await.unwrap());
        }
        sleep(MILLISECOND).await;
        let count = |listener: &Listener| std::iter::from_fn(|| listener.try_accept().ok()).count();
        let (first, second) = (count(&first), count(&second));
        assert!(first > 0 && second > 0 && first + second == 32);
    });
}

#[test]
fn addresses_are_what_each_side_expects() {
    sim::run(0, Faults::none(), || async {
        let listener = sim::listen("[::1]:0".parse().unwrap());
        let address = listener.local_addr().unwrap();
        assert_ne!(address.port(), 0);
        let client = sim::connect_from("2001:db8::7".parse().unwrap(), address).await.unwrap();
        listener.readable().await.unwrap();
        let arrival = listener.try_accept().unwrap();
        let (peer, server) = (arrival.peer, arrival.into_stream().unwrap());
        assert_eq!(peer.ip().to_string(), "2001:db8::7");
        assert_eq!((server.peer().unwrap(), client.peer().unwrap()), (peer, address));
    });
}
