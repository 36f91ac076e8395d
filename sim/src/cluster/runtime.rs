//! What the control plane needs of the machines: the border between Kubernetes' objects and the
//! processes that requests run on.
//!
//! A *container* here is one process with its own cgroup ([`ContainerIx`]); a restart makes a new
//! one. What happens on the machine comes back as [`Notice`]s.

use crate::engine::Queue;
use crate::ids::{ContainerIx, KubeServiceIx, NodeIx, ServiceIx};
use crate::log::Entry;
use crate::manifest;
use crate::time::{SimDuration, SimTime};
use crate::units::{Bytes, Millicores};

use super::Event;

/// What a new process needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessSpec {
    /// Where it runs.
    pub node: NodeIx,
    /// The program; without one it starts, serves nothing and stays up.
    pub runs: Option<ServiceIx>,
    /// CPU quota; none is no limit.
    pub cpu_limit: Option<Millicores>,
    /// CPU request, from which its shares follow; zero for none.
    pub cpu_request: Millicores,
    /// Memory at which it is killed; none is no limit.
    pub memory_limit: Option<Bytes>,
    /// Whether it is the only container of its pod.
    pub is_alone: bool,
    /// The process before it in the same container, whose address it takes over.
    pub replaces: Option<ContainerIx>,
    /// In how many threads it does nothing but compute.
    pub spins: u32,
}

/// Where kube-proxy sends a connection to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    /// The process that listens on the target port at the pod's address; without one the connection
    /// is refused.
    pub container: Option<ContainerIx>,
}

/// What a probe tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeTarget<'a> {
    /// A GET of a path at a port.
    Http {
        /// The path, with its query.
        path: &'a str,
        /// The port at the pod's address.
        port: u16,
    },
    /// A connection.
    Tcp {
        /// The port at the pod's address.
        port: u16,
    },
    /// A command in the container. It succeeds while the container runs.
    Exec,
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// An HTTP answer with this status.
    Status(u16),
    /// The connection was made, or the command exited with 0.
    Connected,
    /// Nobody listens.
    Refused,
    /// The connection was reset before the answer.
    Reset,
    /// No answer in time.
    TimedOut,
}

/// The use of resources by one container so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContainerUsage {
    /// CPU time since its start.
    pub cpu: SimDuration,
    /// Memory in use now.
    pub working_set: Bytes,
}

/// What happened on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A probe has ended.
    ProbeDone {
        /// As given to [`ContainerRuntime::probe`].
        token: u32,
        /// How.
        outcome: ProbeOutcome,
    },
    /// A process has ended: by itself, or since it was asked to or killed.
    Exited {
        /// Which.
        container: ContainerIx,
        /// Its exit code; 128 + signal if it was killed.
        code: u8,
    },
    /// A process needs more memory than its limit: the kernel is about to kill it.
    OverLimit {
        /// Which.
        container: ContainerIx,
    },
    /// A process writes to its log.
    Wrote {
        /// Which.
        container: ContainerIx,
        /// What.
        entry: Entry,
    },
    /// A process begins to accept connections.
    Listening {
        /// Which.
        container: ContainerIx,
    },
}

/// Parts of a pod's life that take the container runtime (containerd) time, whatever runs in it. What they take by default
/// was seen with Kubernetes 1.34 on a calm machine: with half a relist a pod is Running 1 s after its creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chore {
    /// Namespaces, network and pause: from the bound pod to its sandbox.
    StartSandbox,
    /// A container's snapshot and specification.
    CreateContainer,
    /// Its first process.
    StartContainer,
    /// From the end of the last container to the end of the sandbox and its address.
    StopSandbox,
}

impl Chore {
    /// How long it takes where nothing else is known.
    pub const fn usual(self) -> SimDuration {
        SimDuration::from_millis(match self {
            Self::StartSandbox => 450,
            Self::CreateContainer => 10,
            Self::StartContainer => 50,
            Self::StopSandbox => 250,
        })
    }
}

/// The machines. The data plane implements it; tests of the control plane script it.
pub trait ContainerRuntime<E> {
    /// Starts a process in a cgroup of its own. What else its container says is in `container`, such as its
    /// arguments; all its variables are under `env`.
    fn start(
        &mut self,
        now: SimTime,
        queue: &mut Queue<E>,
        spec: &ProcessSpec,
        container: &manifest::Container,
    ) -> ContainerIx;

    /// Sends SIGTERM. [`Notice::Exited`] follows, or does not if the process ignores it.
    fn terminate(&mut self, now: SimTime, queue: &mut Queue<E>, container: ContainerIx);

    /// Sends SIGKILL. [`Notice::Exited`] with code 137 follows.
    fn kill(&mut self, now: SimTime, queue: &mut Queue<E>, container: ContainerIx);

    /// The machine is gone: the process ends without a word to those who talk with it, and its address with it.
    fn lose(&mut self, now: SimTime, queue: &mut Queue<E>, container: ContainerIx);

    /// The pod's address goes, and with it what still travels to this container.
    fn remove_address(&mut self, now: SimTime, queue: &mut Queue<E>, container: ContainerIx);

    /// What a node's kube-proxy now knows of a Service.
    fn set_backends(
        &mut self,
        now: SimTime,
        queue: &mut Queue<E>,
        node: NodeIx,
        service: KubeServiceIx,
        backends: &[Backend],
    );

    /// Sends a probe from the container's node to `container`. [`Notice::ProbeDone`] follows, after
    /// `timeout` at the latest, unless the container ends before it.
    fn probe(
        &mut self,
        now: SimTime,
        queue: &mut Queue<E>,
        token: u32,
        container: ContainerIx,
        target: ProbeTarget<'_>,
        timeout: SimDuration,
    );

    /// The use of resources so far.
    fn usage(&mut self, now: SimTime, container: ContainerIx) -> ContainerUsage;

    /// How long the next chore of this kind takes.
    fn takes(&mut self, chore: Chore) -> SimDuration {
        chore.usual()
    }

    /// The pod of a container is in this group for network policies. Machines whose network enforces none do nothing.
    fn set_policy_group(&mut self, _now: SimTime, _container: ContainerIx, _group: u32) {}

    /// Between so many groups, which client may connect to which server from now on. Group 0 is what is no pod; with no
    /// groups everything may.
    fn set_policies(&mut self, _now: SimTime, _groups: u32, _allows: &dyn Fn(u32, u32) -> bool) {}
}

/// The world as the control plane sees it at one moment: the clock, the queue and the machines in
/// one, without their types.
pub(crate) trait Host {
    fn now(&self) -> SimTime;
    fn schedule(&mut self, at: SimTime, event: Event);
    fn start(&mut self, spec: &ProcessSpec, container: &manifest::Container) -> ContainerIx;
    fn terminate(&mut self, container: ContainerIx);
    fn kill(&mut self, container: ContainerIx);
    fn lose(&mut self, container: ContainerIx);
    fn remove_address(&mut self, container: ContainerIx);
    fn set_backends(&mut self, node: NodeIx, service: KubeServiceIx, backends: &[Backend]);
    fn probe(&mut self, token: u32, container: ContainerIx, target: ProbeTarget<'_>, timeout: SimDuration);
    fn usage(&mut self, container: ContainerIx) -> ContainerUsage;
    fn takes(&mut self, chore: Chore) -> SimDuration;
    fn set_policy_group(&mut self, container: ContainerIx, group: u32);
    fn set_policies(&mut self, groups: u32, allows: &dyn Fn(u32, u32) -> bool);
}

/// The one [`Host`].
pub(crate) struct Machines<'a, E, R> {
    pub(crate) now: SimTime,
    pub(crate) queue: &'a mut Queue<E>,
    pub(crate) runtime: &'a mut R,
}

impl<E: Copy + From<Event>, R: ContainerRuntime<E>> Host for Machines<'_, E, R> {
    fn now(&self) -> SimTime {
        self.now
    }

    fn schedule(&mut self, at: SimTime, event: Event) {
        self.queue.schedule(at, event.into());
    }

    fn start(&mut self, spec: &ProcessSpec, container: &manifest::Container) -> ContainerIx {
        self.runtime.start(self.now, self.queue, spec, container)
    }

    fn terminate(&mut self, container: ContainerIx) {
        self.runtime.terminate(self.now, self.queue, container);
    }

    fn kill(&mut self, container: ContainerIx) {
        self.runtime.kill(self.now, self.queue, container);
    }

    fn lose(&mut self, container: ContainerIx) {
        self.runtime.lose(self.now, self.queue, container);
    }

    fn remove_address(&mut self, container: ContainerIx) {
        self.runtime.remove_address(self.now, self.queue, container);
    }

    fn set_backends(&mut self, node: NodeIx, service: KubeServiceIx, backends: &[Backend]) {
        self.runtime.set_backends(self.now, self.queue, node, service, backends);
    }

    fn probe(&mut self, token: u32, container: ContainerIx, target: ProbeTarget<'_>, timeout: SimDuration) {
        self.runtime.probe(self.now, self.queue, token, container, target, timeout);
    }

    fn usage(&mut self, container: ContainerIx) -> ContainerUsage {
        self.runtime.usage(self.now, container)
    }

    fn takes(&mut self, chore: Chore) -> SimDuration {
        self.runtime.takes(chore)
    }

    fn set_policy_group(&mut self, container: ContainerIx, group: u32) {
        self.runtime.set_policy_group(self.now, container, group);
    }

    fn set_policies(&mut self, groups: u32, allows: &dyn Fn(u32, u32) -> bool) {
        self.runtime.set_policies(self.now, groups, allows);
    }
}
