//! What the data plane tells the rest of the world, and how a request can fail.

use crate::ids::{ContainerIx, EndpointIx};
use crate::log::Entry;

/// What the rest of the world must know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Notice {
    /// A probe has its result.
    ProbeDone {
        /// As given to [`Traffic::probe`](super::Traffic::probe).
        token: u32,
        /// What came of it.
        result: ProbeResult,
    },
    /// A process is over, whoever ended it.
    Exited {
        /// Which.
        container: ContainerIx,
        /// Its exit code: 137 after SIGKILL.
        code: u8,
    },
    /// A process accepts connections from now on.
    Listening {
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
    /// A container needs more memory than its limit, and the kernel kills its own process.
    OverLimit {
        /// Which.
        container: ContainerIx,
    },
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// It connected, which is all a TCP probe wants.
    Connected,
    /// An HTTP answer with this status.
    Status(u16),
    /// No answer.
    Failed(Failure),
}

impl ProbeResult {
    /// As the kubelet judges (`pkg/probe/http`): any status from 200 to 399.
    pub fn is_success(self) -> bool {
        match self {
            Self::Connected => true,
            Self::Status(status) => (200..400).contains(&status),
            Self::Failed(_) => false,
        }
    }
}

/// What a probe asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeCall {
    /// That the port accepts a connection.
    Tcp,
    /// An endpoint ([`Programs::endpoint_or_not_found`](crate::program::Programs::endpoint_or_not_found)).
    Http(EndpointIx),
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// ECONNREFUSED: nobody listens there, or the Service has no endpoints.
    Refused,
    /// ECONNRESET: the process died.
    Reset,
    /// The caller's patience, or the kernel's, ended.
    TimedOut,
    /// EHOSTUNREACH: no machine has the address.
    Unreachable,
    /// The name is not known to the cluster's DNS.
    UnknownHost,
    /// The caller's circuit breaker is open.
    BreakerOpen,
}
