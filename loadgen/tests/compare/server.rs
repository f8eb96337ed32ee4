//! A server to be compared: this test program, told to run one test alone, which serves until it is ended.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

const ADDRESS: &str = "COMPARED_ADDRESS";
const BURN: &str = "COMPARED_BURN_US";
const FRESH: &str = "COMPARED_FRESH_THREADS";

/// The command line of a server that spends so many microseconds on each request.
pub(crate) fn command(address: &str, burn_us: u64) -> String {
    let own = std::env::current_exe().unwrap();
    format!("{ADDRESS}={address} {BURN}={burn_us} exec '{}' --exact --ignored server::serve", own.display())
}

/// The same, where a thread of its own answers each request and ends.
pub(crate) fn command_of_fresh_threads(address: &str, burn_us: u64) -> String {
    format!("{FRESH}=1 {}", command(address, burn_us))
}

/// An address of this machine that is free now.
pub(crate) fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
#[ignore = "it is the server that the other tests start"]
fn serve() {
    let Ok(address) = std::env::var(ADDRESS) else { return };
    let burn = Duration::from_micros(std::env::var(BURN).unwrap().parse().unwrap());
    let listener = TcpListener::bind(address).unwrap();
    for stream in listener.incoming() {
        std::thread::spawn(move || answer(stream.unwrap(), burn));
    }
}

pub(crate) fn answer(stream: TcpStream, burn: Duration) {
    let mut writer = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(line)) = lines.next() {
        if !line.is_empty() {
            continue;
        }
        match std::env::var_os(FRESH) {
            Some(_) => std::thread::spawn(move || spend(burn)).join().unwrap(),
            None => spend(burn),
        }
        if writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").is_err() {
            return;
        }
    }
}

fn spend(burn: Duration) {
    let end = Instant::now() + burn;
    while Instant::now() < end {}
}
