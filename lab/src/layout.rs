//! What the cluster looks like: its nodes, addresses and sizes.
//!
//! Each node owns some of the machine's processors (as a cpuset of its pods) and an equal share of the memory that
//! the control plane leaves, so that what the nodes offer adds up to no more than the machine has. The twin boots with the
//! same nodes ([`cluster`]).

use std::fs;

use sim::scenario::{Cluster, Node};
use sim::units::{Bytes, Millicores};

use crate::error::{LabError, Obstacle};

/// The first two parts of every address of the lab's machines.
pub(crate) const NETWORK: &str = "10.200.0.0/24";
/// Where the API server, the registry, Prometheus and the other add-ons are.
pub(crate) const CONTROL_PLANE: &str = "10.200.0.1";
/// The end of the cable that is in the host's own network namespace.
pub(crate) const HOST: &str = "10.200.0.2";
/// The addresses of all pods.
pub(crate) const PODS: &str = "10.244.0.0/16";
/// The addresses of all Services.
pub(crate) const SERVICES: &str = "10.96.0.0/16";
/// The cluster's name server, as a Service.
pub(crate) const DNS: &str = "10.96.0.10";
/// Where Prometheus answers.
pub(crate) const PROMETHEUS: &str = "10.200.0.1:9090";
/// Where images are pushed to and pulled from.
pub(crate) const REGISTRY: &str = "10.200.0.1:5000";

/// The network namespace of the control plane.
pub(crate) const CONTROL_PLANE_NAMESPACE: &str = "sockpit-control-plane";
/// What every network namespace and link of the lab begins with.
pub(crate) const PREFIX: &str = "sockpit-";

/// How many nodes the cluster has.
const NODES: usize = 2;
/// What the control plane and the load generator get of the memory, in GiB.
const RESERVED_GIB: u64 = 6;
/// The kubelet's hard eviction threshold, which it takes off what a node offers (its default).
pub(crate) const EVICTION_THRESHOLD: Bytes = Bytes::from_mebibytes(100);

/// What a machine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// The numbers of its processors.
    pub(crate) processors: Vec<u32>,
    pub(crate) memory: Bytes,
}

/// One node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLayout {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// The addresses of its pods.
    pub pods: String,
    /// The processors that its pods run on, as a cpuset list.
    pub processors: String,
    /// What it offers of CPU (`status.allocatable.cpu`).
    pub cores: Millicores,
    /// What it offers of memory.
    pub memory: Bytes,
}

impl NodeLayout {
    /// Its network namespace.
    pub(crate) fn namespace(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// The name of one of its components, such as `node-1/kubelet`.
    pub(crate) fn component(&self, program: &str) -> String {
        format!("{}/{program}", self.name)
    }
}

impl Machine {
    /// This machine.
    pub(crate) fn this() -> Result<Self, LabError> {
        let read = |path: &str| fs::read_to_string(path).map_err(LabError::file(path.as_ref()));
        let unreadable = |what: &str| {
            LabError::Unfit(vec![Obstacle::new(format!("{what} cannot be read"), "mount /proc and /sys as usual")])
        };
        let processors = parse_list(&read("/sys/devices/system/cpu/online")?);
        let memory = parse_meminfo(&read("/proc/meminfo")?, "MemTotal").ok_or_else(|| unreadable("/proc/meminfo"))?;
        if processors.is_empty() {
            return Err(unreadable("/sys/devices/system/cpu/online"));
        }
        Ok(Self { processors, memory })
    }

    /// The nodes that it has room for.
    pub(crate) fn nodes(&self) -> Vec<NodeLayout> {
        let gib = (self.memory.0 >> 30).saturating_sub(RESERVED_GIB).max(NODES as u64) / NODES as u64;
        let all = self.processors.len();
        (0..NODES)
            .map(|i| {
                // A machine with fewer processors than nodes lets them share.
                let own = &self.processors[i * all / NODES..(i + 1) * all / NODES];
                let processors = if all < NODES { &self.processors[..] } else { own };
                let cores = if all < NODES { all * 1000 / NODES } else { own.len() * 1000 };
                NodeLayout {
                    name: format!("node-{}", i + 1),
                    address: format!("10.200.0.{}", 11 + i),
                    pods: format!("10.244.{}.0/24", i + 1),
                    processors: processors.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
                    cores: Millicores(cores as u64),
                    memory: Bytes(gib << 30),
                }
            })
            .collect()
    }
}

/// The lab's nodes on this machine.
///
/// # Errors
/// `/proc` or `/sys` cannot be read.
pub fn nodes() -> Result<Vec<NodeLayout>, LabError> {
    Ok(Machine::this()?.nodes())
}

/// The lab's nodes as the twin boots them.
///
/// # Errors
/// As [`nodes`].
pub fn cluster() -> Result<Cluster, LabError> {
    let node = |NodeLayout { name, cores, memory, .. }: NodeLayout| Node { name, cores, memory, speed: 1.0 };
    Ok(Cluster { nodes: nodes()?.into_iter().map(node).collect(), ..Cluster::default() })
}

/// A list such as `0-2,5` of `/sys`.
fn parse_list(text: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u32>().ok()?..=last.parse().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

/// A field of `/proc/meminfo`.
pub(crate) fn parse_meminfo(text: &str, field: &str) -> Option<Bytes> {
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Bytes(kibibytes << 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(processors: &[u32], gib: u64) -> Vec<NodeLayout> {
        Machine { processors: processors.to_vec(), memory: Bytes(gib << 30) }.nodes()
    }

    #[test]
    fn nodes_share_the_machine_without_overlap() {
        let check = |processors: &[u32], gib, expected: [(&str, u64, u64); 2]| {
            let nodes = machine(processors, gib);
            let found: Vec<_> = nodes.iter().map(|n| (n.processors.as_str(), n.cores.0, n.memory.0 >> 30)).collect();
            assert_eq!(found, expected);
        };
        check(&[0, 1], 23, [("0", 1000, 8), ("1", 1000, 8)]);
        check(&[0, 1, 2, 3, 4], 16, [("0,1", 2000, 5), ("2,3,4", 3000, 5)]);
        check(&[0], 4, [("0", 500, 1), ("0", 500, 1)]);
    }

    #[test]
    fn each_node_has_names_and_addresses_of_its_own() {
        let nodes = machine(&[0, 1], 23);
        assert_eq!(nodes[1].address, "10.200.0.12");
        assert_eq!(nodes[1].pods, "10.244.2.0/24");
        assert_eq!(nodes[1].namespace(), "sockpit-node-2");
    }

    #[test]
    fn lists_and_meminfo_are_read_as_the_kernel_writes_them() {
        assert_eq!(parse_list("0-2,5\n"), [0, 1, 2, 5]);
        let meminfo = "MemTotal:       24684224 kB\nMemFree:  2 kB\n";
        assert_eq!(parse_meminfo(meminfo, "MemTotal"), Some(Bytes(24_684_224 << 10)));
        assert_eq!(parse_meminfo(meminfo, "MemAvailable"), None);
    }
}
