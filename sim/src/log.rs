//! What processes write to their logs, as facts: small enough that a failure costs no more than a copy, and put into
//! words only when somebody reads them ([`Traffic::lines_of`](crate::traffic::Traffic::lines_of)), in the format of the
//! profile ([`LogFormat`](crate::profile::LogFormat)).
//!
//! The data plane writes them, the kubelet keeps those of the newest process of each container and of the one before.

use crate::ids::{EndpointIx, ServiceIx};
use crate::profile::CallError;
use crate::time::{SimDuration, SimTime};

/// Something that a process has written. It may be several lines, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: SimTime,
    /// What.
    pub said: Said,
}

/// What a process writes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It was started.
    Starting,
    /// It accepts connections.
    Listening,
    /// A call got no answer.
    CallFailed {
        /// Index into [`Programs::calls`](crate::program::Programs::calls).
        call: u32,
        /// Why.
        error: CallError,
        /// How long it had waited for a connection, or for the answer.
        waited: SimDuration,
        /// Which attempt at the call it was, from 1.
        attempt: u8,
        /// Of how many.
        attempts: u8,
    },
    /// A call got an answer that is an error.
    ErrorAnswer {
        /// Index into [`Programs::calls`](crate::program::Programs::calls).
        call: u32,
        /// Its status.
        status: u16,
    },
    /// A branch was not done in time.
    Late {
        /// Where in [`Programs::ops`](crate::program::Programs::ops) it is awaited.
        pc: u32,
        /// How long that was.
        waited: SimDuration,
    },
    /// The breaker around an endpoint refused a request.
    BreakerRefused(EndpointIx),
    /// It exits because of what came of a step.
    Crashed {
        /// Where the step is in [`Programs::ops`](crate::program::Programs::ops).
        pc: u32,
        /// The status of the answer, if there was one.
        status: Option<u16>,
    },
    /// A service that it needs to start is not there.
    Waiting {
        /// Which.
        to: ServiceIx,
        /// What came of an attempt to connect.
        error: CallError,
    },
    /// The broker of a consumer is not there.
    ConsumerFailed {
        /// Which.
        broker: ServiceIx,
        /// Index into [`Programs::queues`](crate::program::Programs::queues).
        queue: u32,
        /// What came of an attempt to connect.
        error: CallError,
    },
    /// It cannot use one of its environment variables.
    Complaint,
    /// A request took long.
    SlowQuery {
        /// Which.
        endpoint: EndpointIx,
        /// From when its handler started.
        took: SimDuration,
        /// How many documents it looked at, if it looked at all that there are.
        documents: Option<u64>,
        /// A number for its connection.
        connection: u32,
    },
    /// A write found no space on its disk.
    DiskFull(EndpointIx),
}
