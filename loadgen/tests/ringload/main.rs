//! Runs against small servers written here, by way of the library and of the binary.

#![allow(clippy::unwrap_used, reason = "in a test a panic is how a failure is told")]

mod command;
mod doctor;
mod files;
mod inputs;
mod runs;
mod secrets;
mod selftest;
mod server;
mod slo;
mod stopped;
mod watch;
