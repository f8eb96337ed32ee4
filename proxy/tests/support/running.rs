//! The program as a process of its own: started, listened to, asked and ended.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rustix::process::{Pid, Signal, kill_process};

use super::{Answer, Client, PATIENCE, until_some};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_ringgate");

/// A configuration file of its own for each test.
pub fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// A program that serves, and the lines it says.
pub struct Running {
    pub child: Child,
    lines: Receiver<String>,
}

impl Running {
    /// Starts it, all ears.
    pub fn start(mut command: Command) -> Running {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::spawn(command)
    }

    /// Starts it, listening to what the command has a pipe for.
    pub fn spawn(mut command: Command) -> Running {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let output = child.stdout.take().map(|output| Box::new(output) as Box<dyn Read + Send>);
        let errors = child.stderr.take().map(|errors| Box::new(errors) as Box<dyn Read + Send>);
        for output in output.into_iter().chain(errors) {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Running { child, lines }
    }

    /// The next line that holds `needle`.
    pub fn line_with(&self, needle: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line with {needle}"));
            if line.contains(needle) {
                return line;
            }
        }
    }

    /// A line that was said, if there is one that nobody has heard.
    pub fn any_line(&self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// The address in the next line that holds one.
    pub fn address(&self) -> SocketAddr {
        let line = self.line_with("http://");
        let address = line.split("http://").nth(1).unwrap().split([',', ':', ' ']).next().unwrap();
        let port =
            line.split(address).nth(1).unwrap()[1..].split(|c: char| !c.is_ascii_digit()).next().unwrap();
        format!("{address}:{port}").parse().unwrap()
    }

    /// All that is still to be heard of a program that has ended.
    pub fn rest(&self) -> String {
        self.lines.iter().map(|line| line + "\n").collect()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn exit_code(&mut self) -> Option<i32> {
        until_some("its end", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn get(address: SocketAddr, path: &str) -> Answer {
    let mut client = Client::connect(address);
    client.say(format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    client.hear()
}
