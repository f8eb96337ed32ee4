//! Memory does not grow with a run: a longer run allocates no more than a shorter one.

#![allow(clippy::unwrap_used, reason = "in a test a panic is how a failure is told")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringload::plan::Expect;
use ringload::{Load, Plan, Target};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, which is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Answers whatever it reads at once, without allocating.
fn serve(mut stream: TcpStream) {
    let mut request = [0; 4096];
    while matches!(stream.read(&mut request), Ok(1..)) {
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").is_err() {
            return;
        }
    }
}

fn allocations_of(target: &Target, requests: u64) -> u64 {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let load = Load::Closed { requests: Some(requests) };
    let plan =
        Plan { connections: 8, duration: Duration::from_secs(60), ..Plan::new([target.clone()], load) };
    let report = ringload::run(&plan).unwrap();
    assert_eq!(report.requests.ok, requests, "{report}");
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

#[test]
fn a_request_allocates_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || serve(stream.unwrap()));
        }
    });
    let plain = Target::get(&format!("http://{server}/")).unwrap();
    let drawn = Target::get(&format!("http://{server}/{{0..99999}}")).unwrap();
    let drawn = drawn.tokens(vec!["one".to_owned(), "two".to_owned()]).unwrap();
    for target in [plain, drawn.expecting(Expect::default().body(b"hello"))] {
        let few = allocations_of(&target, 1_000);
        let many = allocations_of(&target, 41_000);
        // Timers of the event loop, by the second and not by the request, are all that may differ.
        assert!(many < few + 2_000, "{few} allocations for 1,000 requests, {many} for 41,000: {target:?}");
    }
}
