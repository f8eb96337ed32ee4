//! What root may ask of Linux so that a measurement sees the instrument and not the machine's other affairs.
//!
//! cyclictest, which measures the kernel's own delays, does both. Only the self-test does: an ordinary run would change the
//! machine for the server it measures.

use std::fs::File;
use std::io::{self, Write};

use ringgate_io::cpu::{self, Policy};

/// In force until it is dropped.
#[derive(Debug)]
pub(super) struct Quiet {
    /// Held open to keep idle cores from sleeping.
    awake: Option<File>,
    /// Whether this thread, and those it starts, go before all others.
    first: bool,
}

impl Quiet {
    /// As much of it as this process may have.
    ///
    /// What it is worth on two virtual cores, whose sleep is the host's to end and on which a kernel thread takes 0.8 %: a
    /// round trip's median falls from 135 to 65 us with cores awake, and the p99 of 2 ms of service at a constant rate from
    /// 3.6 to 2.7 ms with cores awake, and to 2.3 with both.
    pub(super) fn begin() -> Quiet {
        Quiet { awake: keep_awake().ok(), first: cpu::schedule(Policy::First).is_ok() }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.awake.is_some() && self.first
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if self.first {
            let _ = cpu::schedule(Policy::Ordinary); // what raised itself may lower itself
        }
    }
}

/// The PM quality of service interface: in force for as long as the file is open.
fn keep_awake() -> io::Result<File> {
    const NO_DELAY_US: i32 = 0;
    let mut latency = File::options().write(true).open("/dev/cpu_dma_latency")?;
    latency.write_all(&NO_DELAY_US.to_ne_bytes())?;
    Ok(latency)
}
