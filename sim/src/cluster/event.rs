//! What happens in the control plane, as the world's queue carries it.

use crate::ids::{AutoscalerIx, ContainerIx, DeploymentIx, NodeIx, PodIx, ReplicaSetIx};

use super::ProbeKind;

/// Something that happens in the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A controller looks at an object.
    Sync(Work),
    /// The API server answers a request of an object's sync.
    Answered(Work),
    /// A kubelet looks at a pod that changed at the API.
    Wake(PodIx),
    /// A kubelet's relist has looked at the containers of a pod.
    Relisted(PodIx),
    /// The pod's worker has waited long enough since its last sync.
    Resync(PodIx),
    /// The step in which the pod's worker is has ended.
    StepDone(PodIx, u32),
    /// The image that a node is pulling has come, or will not.
    Pulled(NodeIx),
    /// A probe is due.
    Probe(PodIx, u8, ProbeKind),
    /// A result of a pod's probes has changed, which its kubelet writes and acts on.
    Probed(PodIx),
    /// The grace period of a container that was asked to end is over.
    GraceOver(ContainerIx),
    /// A pod's sandbox is gone.
    TornDown(PodIx),
    /// A kube-proxy writes its rules.
    ProgramProxy(NodeIx),
    /// A kubelet's cAdvisor reads a container's use of resources.
    SampleUsage(ContainerIx),
    /// metrics-server asks all kubelets.
    ScrapeUsage,
    /// A kubelet renews the Lease of its node.
    RenewLease(NodeIx),
    /// A kubelet looks at its node, and writes what is new.
    ReportNode(NodeIx),
    /// A kubelet that starts, or finds its container runtime again, takes its next step.
    KubeletGoesOn(NodeIx),
    /// A kubelet looks whether its node is short of memory or disk.
    LookForPressure(NodeIx),
    /// The node lifecycle controller looks whether the nodes are heard of.
    MonitorNodes,
    /// The node lifecycle controller writes that a pod is not ready, since its node is not.
    MarkNotReady(PodIx),
    /// The node lifecycle controller taints nodes from which pods are to go.
    TaintNodes,
    /// A pod is evicted for a taint of its node.
    EvictTainted(PodIx),
    /// An autoscaler looks at its metrics.
    Autoscale(AutoscalerIx),
}

const _: () = assert!(size_of::<Event>() <= 12, "the world's queue moves events around");

/// An object that waits for its controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// The Deployment controller.
    Deployment(DeploymentIx),
    /// The `ReplicaSet` controller.
    ReplicaSet(ReplicaSetIx),
    /// The `EndpointSlice` controller, for the Service with this number.
    Endpoints(u32),
    /// The controllers that watch a node: its taints, and the eviction for them.
    Node(NodeIx),
    /// The scheduler.
    Scheduler,
}
