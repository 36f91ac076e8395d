//! What the pods use, from their control groups: exact at any moment, where the kubelet tells every ten seconds.

use std::fs;
use std::path::{Path, PathBuf};

use sim::time::SimDuration;
use sim::units::Bytes;

use crate::cgroups;
use crate::up::Lab;

/// What a pod has used so far. Counters of a container end with it; CPU time is that of all that ever were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodUsage {
    /// CPU time.
    pub cpu: SimDuration,
    /// Quota periods of its containers (`nr_periods`).
    pub periods: u64,
    /// Of those, the ones that found a processor frozen (`nr_throttled`).
    pub throttled_periods: u64,
    /// Memory that cannot be taken away: usage without inactive file pages, as the kubelet reckons it.
    pub working_set: Bytes,
}

impl Lab {
    /// The usage of the pod with this UID; none if its groups are gone.
    pub fn pod_usage(&self, uid: &str) -> Option<PodUsage> {
        let group = |controller: &str| self.nodes.iter().find_map(|node| cgroups::pod(controller, node, uid));
        let cpu = number(&group("cpuacct")?.join("cpuacct.usage"))?;
        let memory = group("memory")?;
        let inactive = field(&memory.join("memory.stat"), "total_inactive_file").unwrap_or_default();
        let mut usage = PodUsage {
            cpu: SimDuration(cpu),
            working_set: Bytes(number(&memory.join("memory.usage_in_bytes"))?.saturating_sub(inactive)),
            ..PodUsage::default()
        };
        for container in containers(&group("cpu")?) {
            let file = container.join("cpu.stat");
            usage.periods += field(&file, "nr_periods").unwrap_or_default();
            usage.throttled_periods += field(&file, "nr_throttled").unwrap_or_default();
        }
        Some(usage)
    }
}

/// The groups of a pod's containers.
fn containers(pod: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(pod).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir())
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// A value of a file of `name value` lines.
fn field(file: &Path, name: &str) -> Option<u64> {
    parse_field(&fs::read_to_string(file).ok()?, name)
}

fn parse_field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "nr_periods 12\nnr_throttled 3\nthrottled_time 400\n";
        assert_eq!(parse_field(text, "nr_throttled"), Some(3));
        assert_eq!(parse_field(text, "nr"), None);
        assert_eq!(parse_field("nr_periods x\n", "nr_periods"), None);
    }
}
