//! The files in which Linux tells what the doctor asks, and how they read.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::doctor::facts::Activity;

const CPUS: &str = "/sys/devices/system/cpu";

/// The content of a file without the line's end.
pub(super) fn text(path: impl AsRef<Path>) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

pub(super) fn number(path: impl AsRef<Path>) -> Option<u64> {
    text(path)?.parse().ok()
}

pub(super) fn machine_cores() -> Option<usize> {
    Some(list(&text(format!("{CPUS}/online"))?)?.len())
}

/// Groups of at least two of `cores` that share a physical core.
pub(super) fn siblings(cores: &[usize]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for core in cores {
        let path = format!("{CPUS}/cpu{core}/topology/thread_siblings_list");
        let Some(mut group) = text(path).and_then(|text| list(&text)) else { continue };
        group.retain(|sibling| cores.contains(sibling));
        if group.len() > 1 && !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

pub(super) fn governors() -> Vec<String> {
    let policies = fs::read_dir(format!("{CPUS}/cpufreq")).into_iter().flatten().flatten();
    let mut found: Vec<String> =
        policies.filter_map(|policy| text(policy.path().join("scaling_governor"))).collect();
    found.sort();
    found.dedup();
    found
}

/// Intel's driver says `no_turbo`, the others `boost`.
pub(super) fn turbo() -> Option<bool> {
    let intel = number(format!("{CPUS}/intel_pstate/no_turbo")).map(|off| off == 0);
    intel.or_else(|| number(format!("{CPUS}/cpufreq/boost")).map(|on| on != 0))
}

pub(super) fn ports() -> Option<(u16, u16)> {
    pair(&text("/proc/sys/net/ipv4/ip_local_port_range")?)
}

fn pair(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once(char::is_whitespace)?;
    Some((first.parse().ok()?, last.trim().parse().ok()?))
}

/// The word in brackets.
pub(super) fn huge_pages() -> Option<String> {
    chosen(&text("/sys/kernel/mm/transparent_hugepage/enabled")?)
}

fn chosen(text: &str) -> Option<String> {
    Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())
}

/// A list of cores such as `0-3,8`.
fn list(text: &str) -> Option<Vec<usize>> {
    let mut cores = Vec::new();
    for item in text.split(',') {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        cores.extend(first.trim().parse().ok()?..=last.trim().parse::<usize>().ok()?);
    }
    Some(cores)
}

/// The least quota among this process's control group and those above it, in either version of their files.
pub(super) fn quota_cores() -> Option<f64> {
    let groups = text("/proc/self/cgroup")?;
    let quotas = groups.lines().filter_map(group).flat_map(|(root, path, version)| {
        let above = Path::new(&path).ancestors().map(move |part| root.join(part)).collect::<Vec<_>>();
        above.into_iter().filter_map(move |folder| version(&folder))
    });
    quotas.reduce(f64::min)
}

type ReadQuota = fn(&Path) -> Option<f64>;

/// Of a line `id:controllers:path`, where the group's files are and how they are read; nothing for other controllers.
fn group(line: &str) -> Option<(PathBuf, String, ReadQuota)> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let path = path.trim_start_matches('/').to_owned();
    match controllers {
        "" => Some(("/sys/fs/cgroup".into(), path, |folder| quota(&text(folder.join("cpu.max"))?))),
        _ if controllers.split(',').any(|controller| controller == "cpu") => {
            Some(("/sys/fs/cgroup/cpu".into(), path, |folder| {
                let [quota_us, period_us] =
                    ["cpu.cfs_quota_us", "cpu.cfs_period_us"].map(|file| folder.join(file));
                quota(&format!("{} {}", text(quota_us)?, text(period_us)?))
            }))
        }
        _ => None,
    }
}

/// `quota period` in microseconds; no quota is `max`, in the older form -1.
fn quota(text: &str) -> Option<f64> {
    let (quota, period) = text.split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

/// What the machine does while this process sleeps.
pub(super) fn activity(watch: Duration) -> Option<Activity> {
    let before = Ticks::parse(&text("/proc/stat")?)?;
    thread::sleep(watch);
    let after = Ticks::parse(&text("/proc/stat")?)?;
    after.since(&before)
}

/// The first line of `/proc/stat`, and the number of cores it sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    cores: u64,
    total: u64,
    idle: u64,
    stolen: u64,
}

impl Ticks {
    /// `cpu user nice system idle iowait irq softirq steal`; what follows is contained in `user` and `nice`.
    fn parse(stat: &str) -> Option<Ticks> {
        let mut lines = stat.lines();
        let fields = lines.next()?.strip_prefix("cpu ")?.split_ascii_whitespace().take(8);
        let ticks: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
        let [_, _, _, idle, waiting, _, _, stolen] = ticks[..] else { return None };
        let cores = lines.take_while(|line| line.starts_with("cpu")).count() as u64;
        Some(Ticks { cores, total: ticks.iter().sum(), idle: idle + waiting, stolen })
    }

    fn since(&self, earlier: &Ticks) -> Option<Activity> {
        let total = self.total.checked_sub(earlier.total).filter(|&total| total > 0)? as f64;
        let cores_in = |ticks: u64| ticks as f64 / total * self.cores as f64;
        let idle = self.idle.saturating_sub(earlier.idle);
        let stolen = self.stolen.saturating_sub(earlier.stolen);
        let busy = (total as u64).saturating_sub(idle + stolen);
        Some(Activity { busy_cores: cores_in(busy), stolen_cores: cores_in(stolen) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_pairs_and_choices_read_as_the_kernel_writes_them() {
        assert_eq!(list("0-2,5"), Some(vec![0, 1, 2, 5]));
        assert_eq!(list("x"), None);
        assert_eq!(pair("32768\t60999"), Some((32768, 60999)));
        assert_eq!(pair("32768"), None);
        assert_eq!(chosen("always [madvise] never").as_deref(), Some("madvise"));
    }

    #[test]
    fn a_quota_is_told_in_cores() {
        assert_eq!(quota("150000 100000"), Some(1.5));
        assert_eq!(quota("max 100000"), None);
        assert_eq!(quota("-1 100000"), None);
        assert_eq!(group("0::/user.slice/a:b").map(|(_, path, _)| path), Some("user.slice/a:b".to_owned()));
        assert_eq!(group("4:cpu,cpuacct:/x").map(|(root, ..)| root), Some("/sys/fs/cgroup/cpu".into()));
        assert!(group("4:cpuset:/x").is_none() && group("nonsense").is_none());
    }

    #[test]
    fn work_and_theft_are_told_apart() {
        let before = Ticks::parse("cpu  100 0 50 1000 20 0 5 10 7 7\ncpu0 1\ncpu1 1\nintr 5").unwrap();
        let after = Ticks::parse("cpu  120 0 60 1020 30 0 5 50 9 9\ncpu0 1\ncpu1 1\nintr 5").unwrap();
        assert_eq!(before, Ticks { cores: 2, total: 1185, idle: 1020, stolen: 10 });
        // Of 100 ticks on two cores 30 were worked, 40 stolen, 30 idle.
        let activity = after.since(&before).unwrap();
        assert_eq!(activity, Activity { busy_cores: 0.6, stolen_cores: 0.8 });
        assert_eq!(before.since(&before), None);
        assert_eq!(Ticks::parse("cpu 1 2 3"), None);
    }
}
