//! Whole runs over real sockets: what became of every request is known to the server too.

use std::time::Duration;

use ringload::{Error, Load, Plan, Report, Rung, Schedule, Stop, Target, Verdict};

use crate::server::{Reply, Server};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A closed loop of `requests` requests on four connections.
fn closed(server: &Server, requests: u64) -> Plan {
    let load = Load::Closed { requests: Some(requests) };
    let target = Target::get(&server.url("/")).unwrap();
    Plan { duration: Duration::from_secs(60), connections: 4, ..Plan::new([target], load) }
}

/// An open loop of a second on four connections.
fn open(server: &Server, rate: u64) -> Plan {
    let load = Load::Open { schedule: Schedule::constant(rate).unwrap() };
    Plan { load, duration: Duration::from_secs(1), ..closed(server, 1) }
}

#[track_caller]
fn run(plan: &Plan) -> Report {
    let report = ringload::run(plan).unwrap();
    assert!(report.census_holds, "{report}");
    report
}

#[test]
fn a_closed_loop_sends_as_many_requests_as_it_was_told_and_all_are_answered() {
    let server = Server::always(HELLO);
    let report = run(&closed(&server, 1001));
    assert_eq!((report.requests.planned, report.requests.ok), (1001, 1001), "{report}");
    assert_eq!(server.requests(), 1001);
    assert_eq!(report.statuses.get(&200), Some(&1001));
    assert_eq!(report.throughput.body_bytes, 5005);
    assert_eq!((report.connections.opened, server.connections()), (4, 4));
    assert_eq!((report.latency.response.samples, report.latency.lateness.samples), (1001, 0));
}

/// Deadlines are looked at every 10 ms, and answers that come in between are too late all the same.
#[test]
fn no_answer_counts_that_came_after_its_timeout() {
    let late = |number: u64| Duration::from_millis(40 + number % 30);
    let server = Server::start(move |request| Reply::Late(late(request.number), HELLO.into()));
    let report = run(&Plan { timeout: Duration::from_millis(50), connections: 40, ..closed(&server, 600) });
    assert!(report.requests.timeout > 0 && report.requests.ok > 0, "{report}");
    let slowest = report.histograms.service.0.max();
    assert!(slowest <= 50_100_000, "an answer after {slowest} ns is among them: {report}");
}

#[test]
fn a_run_that_is_stopped_before_anybody_answers_ends_at_once() {
    let full = std::net::TcpListener::bind("127.0.0.1:0").unwrap(); // accepts nobody, until its queue is full
    let address = full.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(client) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queued.push(client);
    }
    let target = Target::get(&format!("http://{address}/")).unwrap();
    let plan =
        Plan { timeout: Duration::from_secs(60), ..Plan::new([target], Load::Closed { requests: None }) };
    let stop = Stop::new();
    stop.stop();
    let begun = std::time::Instant::now();
    let error = ringload::run_until(&plan, &stop, &mut ()).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(error.to_string().contains("interrupted"), "{error}");
}

#[test]
fn requests_and_connections_are_divided_over_threads_without_remainder() {
    let server = Server::always(HELLO);
    let report = run(&Plan { threads: 3, connections: 7, ..closed(&server, 100) });
    assert_eq!((report.requests.ok, server.requests()), (100, 100), "{report}");
    assert_eq!((report.connections.opened, server.connections()), (7, 7));
}

#[test]
fn an_open_loop_plans_exactly_what_its_schedule_says() {
    let server = Server::always(HELLO);
    let report = run(&Plan { threads: 2, duration: Duration::from_millis(1500), ..open(&server, 333) });
    assert_eq!(report.requests.planned, 500, "{report}"); // 499.5, and the one at the start
    assert_eq!(report.requests.ok + report.requests.censored, 500, "{report}");
    server.wait_for_requests(report.generator.sending.sent);
    assert_eq!(server.requests(), report.generator.sending.sent);
    assert!(report.latency.lateness.samples > 0 && report.generator.floor.samples == 100);
}

#[test]
fn every_way_to_do_io_gives_the_same_accounts() {
    let server = Server::always(HELLO);
    for driver in Rung::ALL.into_iter().filter(|driver| driver.probe().is_ok()) {
        let report = run(&Plan { driver: Some(driver), ..closed(&server, 50) });
        assert_eq!(report.requests.ok, 50, "{report}");
        let report =
            run(&Plan { driver: Some(driver), duration: Duration::from_millis(100), ..open(&server, 500) });
        assert_eq!(report.requests.planned, 50, "{report}");
    }
}

#[test]
fn targets_share_the_requests_by_weight_and_are_counted_apart() {
    let server = Server::always(HELLO);
    let urls = [format!("3@{}", server.url("/often")), server.url("/seldom")];
    let targets = urls.iter().map(|url| Target::get(url).unwrap()).collect();
    let report = run(&Plan { targets, threads: 2, ..closed(&server, 1000) });
    let [often, seldom] = &report.targets[..] else { panic!("{report}") };
    assert_eq!(often.requests.ok, server.requests_for("/often"));
    assert_eq!(seldom.requests.ok, server.requests_for("/seldom"));
    assert!((650..850).contains(&often.requests.ok), "{report}");
}

#[test]
fn warm_up_requests_are_sent_and_not_counted() {
    let server = Server::always(HELLO);
    let report = run(&Plan { warmup: Duration::from_millis(200), ..open(&server, 100) });
    assert_eq!(report.requests.planned, 100, "{report}");
    assert!(server.requests() > report.generator.sending.sent);
    assert!(server.requests() <= 120);
}

#[test]
fn a_server_that_closes_after_each_answer_is_asked_on_new_connections() {
    let server = Server::start(|_| {
        Reply::Last(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n!".to_vec())
    });
    let report = run(&closed(&server, 100));
    assert_eq!(report.requests.ok, 100, "{report}");
    assert!(report.connections.opened >= 100, "{report}");
}

#[test]
fn a_body_may_end_with_its_connection() {
    let server = Server::start(|_| Reply::Last(b"HTTP/1.1 200 OK\r\n\r\nhello".to_vec()));
    let report = run(&closed(&server, 20));
    assert_eq!((report.requests.ok, report.throughput.body_bytes), (20, 100), "{report}");
}

#[test]
fn chunked_bodies_and_interim_answers_are_understood() {
    let server = Server::always(
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: yes\r\n\r\n",
    );
    let report = run(&closed(&server, 100));
    assert_eq!((report.requests.ok, report.throughput.body_bytes), (100, 500), "{report}");
    assert_eq!(report.connections.opened, 4, "the connections were kept");
}

#[test]
fn answers_to_head_have_no_body() {
    let server = Server::always("HTTP/1.1 200 OK\r\nContent-Length: 700\r\n\r\n");
    let target = Target::get(&server.url("/")).unwrap().method("HEAD").unwrap();
    let report = run(&Plan { targets: vec![target], ..closed(&server, 50) });
    assert_eq!((report.requests.ok, server.requests_for("HEAD /")), (50, 50), "{report}");
}

#[test]
fn a_request_larger_than_the_socket_holds_arrives_whole() {
    const BODY_BYTES: usize = 20 << 20;
    let server = Server::start(|request| match request.body_bytes {
        BODY_BYTES => Reply::Bytes(HELLO.into()),
        _ => Reply::Last(Vec::new()),
    });
    let target = Target::get(&server.url("/")).unwrap().method("POST").unwrap().body(vec![b'x'; BODY_BYTES]);
    let report = run(&Plan { targets: vec![target], connections: 2, ..closed(&server, 6) });
    assert_eq!(report.requests.ok, 6, "{report}");
}

#[test]
fn statuses_that_were_not_expected_are_counted_as_such() {
    let server = Server::always("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let report = run(&closed(&server, 30));
    assert_eq!((report.requests.bad_status, report.requests.ok), (30, 0), "{report}");
    assert_eq!(report.statuses.get(&404), Some(&30));
    let report = run(&Plan { expect: "404".parse().unwrap(), ..closed(&server, 30) });
    assert_eq!(report.requests.ok, 30, "{report}");
}

#[test]
fn truncated_bodies_are_errors() {
    let server = Server::start(|request| match request.number % 2 {
        0 => Reply::Bytes(HELLO.into()),
        _ => Reply::Last(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell".to_vec()),
    });
    let report = run(&closed(&server, 40));
    assert_eq!((report.requests.ok, report.transport_errors.closed_early), (20, 20), "{report}");
}

#[test]
fn bytes_after_the_announced_body_are_an_invalid_body() {
    let server = Server::always("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!more");
    let report = run(&closed(&server, 12));
    assert_eq!((report.requests.invalid_body, report.connections.opened >= 12), (12, true), "{report}");
}

#[test]
fn what_is_no_http_is_malformed_and_the_report_says_why() {
    let server = Server::always("+PONG\r\n");
    let report = run(&closed(&server, 12));
    assert_eq!(report.transport_errors.malformed, 12, "{report}");
    assert!(report.to_string().contains("do not begin with HTTP"), "{report}");
}

#[test]
fn requests_for_which_no_connection_can_be_made_are_refused_ones() {
    let server = Server::start(|request| match request.number {
        10.. => Reply::Last(Vec::new()),
        _ => Reply::Bytes(HELLO.into()),
    });
    let report = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&closed(&server, 60)));
        server.wait_for_requests(1);
        server.close();
        running.join().unwrap()
    });
    assert_eq!(report.requests.ok, 10, "{report}");
    assert_eq!(report.requests.transport_error, 50, "{report}");
    assert!(report.transport_errors.connect_refused > 0, "{report}");
    assert!(report.connections.failed >= report.transport_errors.connect_refused, "{report}");
}

#[test]
fn requests_that_take_longer_than_the_timeout_end_as_timeouts_and_bound_the_response_time() {
    let server = Server::start(|_| Reply::Silence);
    let report = run(&Plan { timeout: Duration::from_millis(50), ..closed(&server, 12) });
    assert_eq!(report.requests.timeout, 12, "{report}");
    assert_eq!((report.latency.response.samples, report.latency.response.lower_bounds), (0, 12));
    let longest = report.latency.response.reading("max").unwrap().nanoseconds().unwrap();
    assert!(longest >= 50_000_000, "{report}");
}

#[test]
fn requests_unanswered_at_the_end_are_censored() {
    let server = Server::start(|_| Reply::Silence);
    let short = Duration::from_millis(100);
    let report = run(&Plan { duration: short, drain: short, ..closed(&server, 1000) });
    assert_eq!((report.requests.planned, report.requests.censored), (4, 4), "{report}");
    assert_eq!(report.latency.response.lower_bounds, 4);
    let longest = report.latency.response.reading("max").unwrap().nanoseconds().unwrap();
    assert!(longest >= 150_000_000, "the drain is part of the waiting: {report}");
}

#[test]
fn a_server_too_slow_for_the_rate_leaves_a_queue_that_is_censored() {
    let server = Server::start(|_| Reply::Late(Duration::from_millis(20), HELLO.into()));
    let report = run(&Plan { connections: 1, ..open(&server, 500) });
    assert_eq!((report.requests.planned, report.requests.shed), (500, 0), "{report}");
    assert!(report.requests.ok <= 51 && report.requests.censored >= 449, "{report}");
    assert_ne!(report.verdict, Verdict::Valid);
    assert!(report.to_string().contains(">="), "{report}");
}

#[test]
fn what_the_queue_cannot_hold_is_shed() {
    let server = Server::start(|_| Reply::Silence);
    let plan = Plan { connections: 1, queue: 3, drain: Duration::from_millis(10), ..open(&server, 100) };
    let report = run(&plan);
    assert_eq!(
        (report.requests.planned, report.requests.censored, report.requests.shed),
        (100, 4, 96),
        "{report}"
    );
}

#[test]
fn a_run_can_be_stopped_and_still_accounts_for_every_request() {
    let server = Server::always(HELLO);
    for load in [Load::Closed { requests: None }, Load::Open { schedule: Schedule::constant(200).unwrap() }] {
        let (plan, stop, before) = (Plan { load, ..closed(&server, 1) }, Stop::new(), server.requests());
        let report = std::thread::scope(|scope| {
            let running = scope.spawn(|| ringload::run_until(&plan, &stop, &mut ()).unwrap());
            server.wait_for_requests(before + 20);
            stop.stop();
            running.join().unwrap()
        });
        assert!(report.census_holds && report.requests.ok >= 20, "{report}");
        assert!(report.elapsed_ns < 50_000_000_000, "{report}");
    }
}

#[test]
fn nobody_at_the_address_is_an_error_that_says_what_to_do() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = Target::get(&format!("http://{free}/")).unwrap();
    let error = ringload::run(&Plan::new([target], Load::Closed { requests: None })).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }));
    assert!(error.to_string().contains(&free.to_string()), "{error}");
}
