//! Whole experiments, by way of the binary, on servers that are this very program started again.

#![allow(clippy::unwrap_used, reason = "in a test a panic is how a failure is told")]

mod experiments;
mod server;
