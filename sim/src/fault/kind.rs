//! The kinds of fault: one table of facts, from which everything that is said about kinds follows.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::environment::Component;

/// What is known of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// The word in files, declarations and reports.
    pub name: &'static str,
    /// How a scenario writes it.
    pub written: &'static str,
    /// What it is attached to.
    pub bound_to: Binding,
    /// Whether it can be injected with less than full strength.
    pub is_gradual: bool,
    /// What it does.
    pub does: &'static str,
}

/// Declares the kinds: the first line of each doc comment says what it does.
macro_rules! kinds {
    ($(#[doc = $does:literal] $kind:ident { $name:literal, $written:literal, $binding:ident, $strength:ident })*) => {
        /// The kinds of fault, by the words in which a diagnosis names them.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        pub enum FaultKind {
            $(#[doc = $does] #[serde(rename = $name)] $kind,)*
        }

        impl FaultKind {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// What is known of it.
            pub const fn facts(self) -> Facts {
                match self {
                    $(Self::$kind => Facts {
                        name: $name,
                        written: $written,
                        bound_to: Binding::$binding,
                        is_gradual: matches!(Strength::$strength, Strength::Gradual),
                        does: $does.trim_ascii(),
                    },)*
                }
            }
        }
    };
}

/// Whether less than all of it makes sense.
enum Strength {
    Whole,
    Gradual,
}

kinds! {
    /// The image of a running pod becomes `pause`: it runs and serves nothing.
    PodFailure { "pod-failure", "PodChaos, action: pod-failure", Pod, Whole }
    /// A pod is deleted, without a grace period unless one is written.
    PodKill { "pod-kill", "PodChaos, action: pod-kill", Moment, Whole }
    /// The first container's process is killed; the kubelet starts another one.
    ContainerKill { "container-kill", "PodChaos, action: container-kill", Moment, Whole }
    /// Busy loops in the container's control group use up its CPU.
    CpuStress { "cpu-stress", "StressChaos, stressors.cpu", Container, Gradual }
    /// Processes in the container's control group occupy its memory.
    MemoryStress { "memory-stress", "StressChaos, stressors.memory", Container, Gradual }
    /// Packets that the pod sends are late.
    NetworkDelay { "network-delay", "NetworkChaos, action: delay", Pod, Gradual }
    /// Packets that the pod sends are lost, and sent again by TCP.
    NetworkLoss { "network-loss", "NetworkChaos, action: loss", Pod, Gradual }
    /// No packet passes between the pod and others.
    NetworkPartition { "network-partition", "NetworkChaos, action: partition", Pod, Whole }
    /// Few bytes per second leave the pod.
    NetworkBandwidth { "network-bandwidth", "NetworkChaos, action: bandwidth", Pod, Whole }
    /// A proxy in the pod breaks connections off.
    HttpAbort { "http-abort", "HTTPChaos, abort: true", Container, Whole }
    /// A proxy in the pod holds requests or answers.
    HttpDelay { "http-delay", "HTTPChaos, delay", Container, Gradual }
    /// Reads and writes of the container's volume are slow.
    SlowDisk { "slow-disk", "IOChaos, action: latency", Container, Gradual }
    /// Writes to the container's volume find no space.
    DiskFull { "disk-full", "IOChaos, action: fault, errno: 28", Container, Gradual }
    /// The Deployment's image starts and serves nothing.
    FakeImage { "fake-image", "fake-image", Template, Whole }
    /// The Deployment's image cannot be pulled; in a rolling update the old pod goes on serving.
    BadTag { "bad-tag", "bad-tag", Template, Whole }
    /// A probe asks for a path or a port that the process does not have.
    WrongProbe { "wrong-probe", "wrong-probe", Template, Whole }
    /// CPU or memory is limited to less than the process needs.
    TooSmallLimit { "too-small-limit", "too-small-limit", Template, Whole }
    /// A variable of the template has a value with which the program does not work.
    BadEnvironment { "bad-environment", "bad-environment", Template, Whole }
    /// A variable of the template has a value with which the program exits at once.
    CrashOnStart { "crash-on-start", "crash-on-start", Template, Whole }
    /// The Service leads to a port on which nobody listens.
    WrongPort { "wrong-port", "wrong-port", Object, Whole }
    /// The Service selects other pods, or none.
    WrongSelector { "wrong-selector", "wrong-selector", Object, Whole }
    /// A quota of the namespace is used up: no pod takes the place of one that ends.
    QuotaExceeded { "quota-exceeded", "quota-exceeded", Object, Whole }
    /// A network policy lets nobody connect to the pods.
    BlockedByPolicy { "blocked-by-policy", "blocked-by-policy", Object, Whole }
    /// The program loses memory until it is killed.
    MemoryLeak { "memory-leak", "memory-leak", Program, Gradual }
    /// Each query costs the database more CPU.
    SlowDatabase { "slow-database", "slow-database", Program, Gradual }
    /// The database's data has grown: each query without an index costs more.
    DatabaseAgeing { "database-ageing", "database-ageing", Data, Gradual }
    /// A client gives its calls up early and tries them again.
    RetryStorm { "retry-storm", "retry-storm", Program, Whole }
    /// Retries keep a service overloaded when the burst that overloaded it is over.
    RetryOverload { "retry-overload", "retry-overload", Program, Gradual }
    /// A machine is gone, with all that runs on it.
    NodeLoss { "node-loss", "node-loss", Node, Whole }
    /// Something outside the pods takes a machine's memory or disk: the kubelet evicts pods.
    NodePressure { "node-pressure", "node-pressure", Node, Gradual }
    /// Somebody else's pod takes the CPU of a machine.
    NoisyNeighbour { "noisy-neighbour", "noisy-neighbour", Node, Gradual }
    /// More and more load.
    RisingTraffic { "rising-traffic", "rising-traffic", Workload, Gradual }
    /// Much load at once, for a while.
    TrafficBurst { "traffic-burst", "traffic-burst", Workload, Gradual }
}

/// What a fault is attached to, and so what it survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// Ends with the container's process.
    Container,
    /// Ends with the pod.
    Pod,
    /// Ends when the template changes back.
    Template,
    /// Ends when the object, such as a Service, is put right.
    Object,
    /// Is in what the image runs: nothing in the cluster ends it, and more resources may carry it.
    Program,
    /// Ends with the data, which a container without a volume takes with it.
    Data,
    /// Ends when the machine is put right; pods can go elsewhere.
    Node,
    /// Ends with the load.
    Workload,
    /// Nothing: it is a blow, and over at once. What it broke is repaired or not.
    Moment,
}

/// What becomes of a fault when something is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Survival {
    /// The container is restarted.
    pub new_container: &'static str,
    /// The pod is deleted.
    pub deleted_pod: &'static str,
    /// All pods are replaced.
    pub rollout: &'static str,
    /// There are more pods.
    pub scale_out: &'static str,
}

impl Binding {
    /// The word in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Pod => "pod",
            Self::Template => "template",
            Self::Object => "object",
            Self::Program => "program",
            Self::Data => "data",
            Self::Node => "node",
            Self::Workload => "workload",
            Self::Moment => "nothing",
        }
    }

    /// What becomes of a fault that is bound so.
    pub const fn survival(self) -> Survival {
        let [new_container, deleted_pod, rollout, scale_out] = match self {
            Self::Container | Self::Data => ["mends", "mends", "mends", "stays in the old pod"],
            Self::Pod => ["stays", "mends", "mends", "adds good pods beside it"],
            Self::Template => ["stays", "stays", "undo mends", "stays"],
            Self::Object => ["stays", "stays", "stays", "stays"],
            Self::Program => ["begins anew", "begins anew", "begins anew", "shares it"],
            Self::Node => ["stays", "mends elsewhere", "mends elsewhere", "adds pods elsewhere"],
            Self::Workload => ["stays", "stays", "stays", "shares it"],
            Self::Moment => ["is over", "is over", "is over", "is over"],
        };
        Survival { new_container, deleted_pod, rollout, scale_out }
    }
}

/// An answer to "where is the cause, and what is it": right if the component is the same and the
/// kind is one of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RootCause {
    /// The Deployment.
    pub component: Component,
    /// Accepted kinds.
    pub kinds: Vec<FaultKind>,
}

impl FaultKind {
    /// The word in files, declarations and reports.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// What it is attached to.
    pub const fn binding(self) -> Binding {
        self.facts().bound_to
    }

    /// Whether it can be injected with less than full strength.
    pub const fn is_gradual(self) -> bool {
        self.facts().is_gradual
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_by_the_name_they_are_written_with() {
        for &kind in FaultKind::ALL {
            assert_eq!(FaultKind::from_name(kind.name()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(FaultKind::from_name("CPU"), None);
    }

    /// The table in the docs of `fault` is the one that follows from the facts.
    #[test]
    fn the_documented_table_is_that_of_the_facts() {
        let row = |kind: &FaultKind| {
            let Facts { name, written, bound_to, does, .. } = kind.facts();
            let Survival { new_container, deleted_pod, rollout, scale_out } = bound_to.survival();
            let bound_to = bound_to.name();
            format!(
                "//! | `{name}` | `{written}` | {bound_to} | {does} | {new_container} | {deleted_pod} | {rollout} | {scale_out} |"
            )
        };
        let documented: Vec<&str> =
            include_str!("../fault.rs").lines().filter(|line| line.starts_with("//! | `")).collect();
        let rows: Vec<String> = FaultKind::ALL.iter().map(row).collect();
        assert_eq!(documented, rows, "the table should be:\n{}", rows.join("\n"));
    }
}
