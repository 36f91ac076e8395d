//! What happens in the data plane: at its time, as the world's queue carries it, and at once, as the list of pending work
//! does.

use super::job::JobRef;
use super::{StressIx, WorkloadIx};
use crate::ids::{ContainerIx, NodeIx};

/// What can happen by itself in the data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The CPU of a node has something to report.
    Cpu(NodeIx),
    /// Something happens to a job.
    Job(JobEvent, JobRef),
    /// A branch has been waited for long enough.
    AwaitTimeout(JobRef),
    /// Something happens to a process.
    Process(ProcessEvent, ContainerIx),
    /// A consumer tries to reach its broker.
    Subscribe(u32),
    /// A user's wait is over.
    User(u32),
    /// The next user of a closed load starts or stops.
    Spawn(WorkloadIx),
    /// The next arrival of an open load.
    Arrival(WorkloadIx),
    /// A stress worker wakes up.
    Stress(StressIx),
}

/// What can happen to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobEvent {
    /// Its next SYN is due, or connecting has taken too long.
    Connect,
    /// The answer to its SYN is there.
    Connected,
    /// More of its message goes out, for the first time or again.
    Transmit,
    /// The proxy of an HTTP fault lets it go on.
    Released,
    /// It looks again whether its disk has space.
    Disk,
    /// The request reaches the server.
    Arrive,
    /// A wait or a back-off is over.
    Wake,
    /// The answer reaches the caller.
    Answer,
    /// The caller stops waiting.
    Timeout,
}

/// What can happen to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessEvent {
    /// Its start-up has waited for its disk.
    Begin,
    /// It tries whether the services that it needs are there.
    TryDependencies,
    /// It does something without being asked.
    Background,
    /// It exits after a SIGTERM.
    Exit,
    /// It exits with this code.
    Fail(u8),
    /// It may have leaked too much.
    Leak,
}

/// Any event type that carries ours.
pub trait Host: Copy + From<Event> {}
impl<E: Copy + From<Event>> Host for E {}

/// Something that is due at this very moment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    /// A handler goes on with its current instruction.
    Step(JobRef),
    /// The burst of a handler is done.
    BurstDone(JobRef),
    /// A handler got a thread or a runner.
    Run(JobRef),
    /// A process does its background work on a runner.
    RunBackground(ContainerIx),
    /// A job has a connection: the request goes out.
    Send(JobRef),
    /// A job must open a connection.
    Connect(JobRef),
    /// A queue may have a message for a consumer: broker, queue.
    Deliver(ContainerIx, u32),
}
