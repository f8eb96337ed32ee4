//! What facts mean for a measurement: the value seen, why it matters, what to do.
//!
//! Owns: the thresholds, each with its reason. Pure: the same facts give the same findings.

use std::fmt::{self, Display, Formatter};

use ringgate_io::Rung;
use serde::Serialize;

use crate::doctor::facts::Facts;
use crate::report::table::nanoseconds;

/// Connections of a run of ordinary size, with what the process has open beside them.
const FEW_DESCRIPTORS: u64 = 1100;
/// Less than this, and the default of 64 connections on two threads does not fit.
const NO_DESCRIPTORS: u64 = 128;
/// A part of the machine that others may use without showing in a p99.
const QUIET: f64 = 0.02;
/// Beyond this part of the machine, others' work is in every tenth request.
const BUSY: f64 = 0.1;
/// A core's worth of time that a hypervisor may take without showing in a p99.
const THEFT: f64 = 0.01;
/// Connections made in a minute, while TIME_WAIT holds their ports, that a churning run easily reaches.
const FEW_PORTS: u16 = 10_000;
/// Connections of an ordinary run, opened all at once.
const SMALL_BACKLOG: u64 = 1024;
/// The pacing promised on an idle core: lateness p50 under 100 us, p99 under 500 us.
const GOOD_P50_NS: u64 = 100_000;
const GOOD_P99_NS: u64 = 500_000;
/// The lateness above which a run is `client_limited`.
const LATE_NS: u64 = 1_000_000;
/// Clocks read without a system call on the machines they are the best of.
const GOOD_CLOCKS: [&str; 5] =
    ["tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "riscv_clocksource"];

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing to do.
    Good,
    /// Matters to some measurements, or cannot be told.
    Mind,
    /// A measurement made so is about the machine or the generator, not about the target.
    Spoils,
}

/// One examination's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was examined.
    pub subject: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// The value seen.
    pub seen: String,
    /// Why it matters; empty when it is good.
    pub why: &'static str,
    /// What to do about it; empty when it is good.
    pub advice: String,
}

/// All findings, in a fixed order.
pub fn of(facts: &Facts) -> Vec<Finding> {
    vec![
        build(facts),
        cores(facts),
        siblings(facts),
        quota(facts),
        load(facts),
        theft(facts),
        pacer(facts),
        driver(facts),
        clock(facts),
        frequency(facts),
        turbo(facts),
        descriptors(facts),
        ports(facts),
        backlog(facts),
        huge_pages(facts),
        accounting(facts),
    ]
}

fn good(subject: &'static str, seen: impl Into<String>) -> Finding {
    Finding { subject, severity: Severity::Good, seen: seen.into(), why: "", advice: String::new() }
}

/// What this kernel does not tell.
fn untold(subject: &'static str) -> Finding {
    good(subject, "not told by this kernel")
}

impl Finding {
    fn mind(self, why: &'static str, advice: impl Into<String>) -> Finding {
        Finding { severity: Severity::Mind, why, advice: advice.into(), ..self }
    }

    fn spoils(self, why: &'static str, advice: impl Into<String>) -> Finding {
        Finding { severity: Severity::Spoils, ..self.mind(why, advice) }
    }
}

fn build(facts: &Facts) -> Finding {
    match facts.is_debug_build {
        false => good("build", "release"),
        true => good("build", "debug").spoils(
            "an unoptimised generator needs several times the CPU per request and is late at rates it should keep",
            "build with cargo build --release -p ringload",
        ),
    }
}

fn cores(facts: &Facts) -> Finding {
    let (usable, all) = (facts.cores.len(), facts.machine_cores);
    let finding = good("cores", format!("{usable} of {all} usable by this process: {:?}", facts.cores));
    match usable {
        0 | 1 => finding.spoils(
            "generator and target take turns on one core: what is measured is the scheduler",
            "run the target on another machine, or allow this process more cores (taskset, cpuset)",
        ),
        2 | 3 => finding.mind(
            "generator, target and what stands behind it do not all get a core of their own",
            "pin the generator (--pin) and the target to different cores, and keep backends with the generator",
        ),
        _ if usable < all => finding.mind(
            "the affinity of this process leaves cores out; the target may have others",
            "compare with the target's own affinity (taskset -p)",
        ),
        _ => finding,
    }
}

fn siblings(facts: &Facts) -> Finding {
    match &facts.siblings[..] {
        [] => good("siblings", "no two usable cores share a physical one"),
        groups => good("siblings", format!("threads of one physical core: {groups:?}")).mind(
            "two threads of a physical core slow each other down",
            "pin the generator and the target to different physical cores",
        ),
    }
}

fn quota(facts: &Facts) -> Finding {
    match facts.quota_cores {
        None => good("quota", "none"),
        Some(quota) => {
            let finding = good("quota", format!("{quota:.2} cores"));
            match quota < facts.cores.len() as f64 {
                false => finding,
                true => finding.spoils(
                    "once a period's quota is spent every thread stops for the rest of it, up to 100 ms",
                    "lift the limit of the control group (cpu.max), or use as many threads as the quota has cores",
                ),
            }
        }
    }
}

fn load(facts: &Facts) -> Finding {
    let Some(activity) = facts.activity else { return untold("other load") };
    let part = activity.busy_cores / facts.machine_cores.max(1) as f64;
    let finding = good(
        "other load",
        format!("{:.2} of {} cores busy while this process slept", activity.busy_cores, facts.machine_cores),
    );
    match part {
        _ if part > BUSY => finding.spoils(
            "other processes take the generator's and the target's cores: it shows in every quantile",
            "stop them (top says who), or measure on another machine",
        ),
        _ if part > QUIET => finding.mind("others' work may show beyond the p99", "see what runs (top)"),
        _ => finding,
    }
}

fn theft(facts: &Facts) -> Finding {
    let Some(activity) = facts.activity else { return untold("stolen time") };
    let finding = good("stolen time", format!("{:.2} cores", activity.stolen_cores));
    match activity.stolen_cores > THEFT {
        false => finding,
        true => finding.spoils(
            "the hypervisor runs other machines on these cores; nothing in here can see or prevent it",
            "measure on a machine with cores of its own, or repeat and keep only runs that agree",
        ),
    }
}

fn pacer(facts: &Facts) -> Finding {
    let reading = |name| facts.pacer.as_ref()?.reading(name)?.nanoseconds();
    let (Some(p50), Some(p99)) = (reading("p50"), reading("p99")) else { return untold("pacer") };
    let finding = good(
        "pacer",
        format!("an idle one wakes {} (p50), {} (p99) late", nanoseconds(p50), nanoseconds(p99)),
    );
    match (p50, p99) {
        (_, LATE_NS..) => finding.spoils(
            "requests leave late whatever the target does: open-loop runs will be client_limited",
            "stop other load, pin to a quiet core (--pin); in a virtual machine, ask for cores of its own",
        ),
        (0..=GOOD_P50_NS, 0..=GOOD_P99_NS) => finding,
        _ => finding.mind(
            "latencies below this are the instrument's own; pacing is coarser than on an idle core",
            "stop other load; deep idle states cost wake-up time too (cpupower idle-set -D 10)",
        ),
    }
}

fn driver(facts: &Facts) -> Finding {
    match &facts.driver {
        None => good("driver", "none").spoils(
            "no event loop can be built, not even epoll",
            "raise the limits of open files and of locked memory (ulimit -n, ulimit -l)",
        ),
        Some((Rung::Defer, _)) => good("driver", Rung::Defer.name()),
        Some((rung, refused)) => good("driver", format!("{rung} ({})", refused.join("; "))).mind(
            "the generator needs more CPU per request than with io_uring at its best",
            "allow io_uring (sysctl kernel.io_uring_disabled=0, the container's seccomp profile), on Linux 6.1 or newer",
        ),
    }
}

fn clock(facts: &Facts) -> Finding {
    let Some(clock) = &facts.clock else { return untold("clock") };
    let finding = good("clock", clock.clone());
    match GOOD_CLOCKS.contains(&clock.as_str()) {
        true => finding,
        false => finding.spoils(
            "reading this clock is a system call of up to microseconds, and it is read several times per request",
            "see dmesg for why tsc was given up; boot with tsc=reliable only if the hardware keeps its promise",
        ),
    }
}

fn frequency(facts: &Facts) -> Finding {
    match &facts.governors[..] {
        [] => good("frequency", "not told: no governor, as in most virtual machines"),
        [governor] if governor == "performance" => good("frequency", "performance"),
        governors => good("frequency", governors.join(", ")).mind(
            "cores slow down between requests: low rates look slower than high ones",
            "cpupower frequency-set -g performance",
        ),
    }
}

fn turbo(facts: &Facts) -> Finding {
    match facts.turbo {
        None => untold("turbo"),
        Some(false) => good("turbo", "off"),
        Some(true) => good("turbo", "on").mind(
            "the frequency depends on temperature and on how many cores work: the first run is not like the last",
            "for comparisons turn it off (intel_pstate/no_turbo=1 or cpufreq/boost=0), or alternate runs: ringload \
             compare does",
        ),
    }
}

fn descriptors(facts: &Facts) -> Finding {
    let Some(limit) = facts.descriptors else { return good("open files", "no limit") };
    let finding = good("open files", format!("{limit} at most"));
    let why = "each connection is an open file, in the generator as in the target";
    match limit {
        0..NO_DESCRIPTORS => finding.spoils(why, "raise the hard limit (ulimit -Hn 20000)"),
        NO_DESCRIPTORS..FEW_DESCRIPTORS => {
            finding.mind(why, format!("runs stay below {limit} connections; for more, ulimit -Hn 20000"))
        }
        _ => finding,
    }
}

fn ports(facts: &Facts) -> Finding {
    let Some((first, last)) = facts.ports else { return untold("ports") };
    let count = last.saturating_sub(first);
    let reuse = match facts.port_reuse {
        Some(0) => ", never reused early",
        Some(1) => ", reused early",
        Some(2) => ", reused early on loopback",
        _ => "",
    };
    let finding = good("ports", format!("{first} to {last}{reuse}"));
    let why =
        "a port rests for a minute after its connection: with a new connection per request they run out";
    match (count, facts.port_reuse) {
        (0..FEW_PORTS, _) => finding.mind(
            why,
            "widen the range (sysctl net.ipv4.ip_local_port_range='1024 65535'), or keep connections",
        ),
        (_, Some(0)) => finding.mind(why, "sysctl net.ipv4.tcp_tw_reuse=1, or keep connections"),
        _ => finding,
    }
}

fn backlog(facts: &Facts) -> Finding {
    let Some(backlog) = facts.backlog else { return untold("backlog") };
    let finding = good("backlog", format!("{backlog} connections"));
    match backlog {
        0..SMALL_BACKLOG => finding.mind(
            "connections opened at once beyond it are dropped and tried again after a second",
            "sysctl net.core.somaxconn=4096, before the target starts",
        ),
        _ => finding,
    }
}

fn huge_pages(facts: &Facts) -> Finding {
    match facts.huge_pages.as_deref() {
        None => untold("huge pages"),
        Some("always") => good("huge pages", "always").mind(
            "the kernel may stop a process for milliseconds to gather one",
            "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        ),
        Some(other) => good("huge pages", other),
    }
}

fn accounting(facts: &Facts) -> Finding {
    let seen = [
        (facts.has_processes, "processes"),
        (facts.has_schedstat, "threads"),
        (facts.has_machine_time, "machine"),
    ];
    let told: Vec<&str> = seen.iter().filter(|(is_told, _)| *is_told).map(|(_, name)| *name).collect();
    let finding = good("accounting", if told.is_empty() { "none".to_owned() } else { told.join(", ") });
    match facts {
        Facts { has_processes: false, .. } => finding.mind(
            "reports say `unknown` for the CPU of watched processes, and compare cannot decide by it",
            "show processes in /proc (mount it without hidepid, or as the same user)",
        ),
        Facts { has_schedstat: false, .. } => finding.mind(
            "no report can tell that the generator, or somebody who was watched, had no core",
            "use a kernel built with CONFIG_SCHED_INFO; most are",
        ),
        Facts { has_machine_time: false, .. } => finding.mind(
            "reports say `unknown` for the CPU of the machine",
            "show /proc/stat; some containers hide it",
        ),
        _ => finding,
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mark = match self.severity {
            Severity::Good => "good",
            Severity::Mind => "MIND",
            Severity::Spoils => "SPOILS",
        };
        write!(f, "{mark:<7} {:<12} {}", self.subject, self.seen)?;
        if self.severity > Severity::Good {
            write!(f, "\n{:21}{}\n{:21}-> {}", "", self.why, "", self.advice)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
