//! How a service's clients behave, changed while the world runs: retries without back-off, other timeouts.
//!
//! The policy is the program's, so it holds in every container of the caller, now and later, from the next call on. Calls
//! under way keep the timers that they have. Retries whose calls take longer than their timeout multiply the load: a
//! server goes on with requests for which nobody waits any more, and so may stay overloaded when what overloaded it is over
//! (Bronson et al., "Metastable failures in distributed systems", `HotOS` 2021; Huang et al., "Metastable failures in the
//! wild", OSDI 2022).

use std::sync::Arc;

use super::Traffic;
use crate::ids::ServiceIx;
use crate::time::SimDuration;

/// What a client does about calls that take long or fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientPolicy {
    /// For the whole call, connecting included.
    pub timeout: Option<SimDuration>,
    /// For connecting.
    pub connect_timeout: Option<SimDuration>,
    /// How many times a call without an answer is tried again.
    pub retries: u8,
    /// Before the first retry; doubles.
    pub retry_backoff: SimDuration,
}

impl Traffic {
    /// What the clients of `caller` do about calls to `to`; none if it makes none.
    pub fn client_policy(&self, caller: ServiceIx, to: ServiceIx) -> Option<ClientPolicy> {
        let client = &self.programs.clients[self.client_of(caller, to)?];
        Some(ClientPolicy {
            timeout: client.timeout,
            connect_timeout: client.connect_timeout,
            retries: client.retries,
            retry_backoff: client.retry_backoff,
        })
    }

    /// Changes it. Returns what it was, with which the change is taken back; none if `caller` never calls `to`.
    pub fn set_client_policy(
        &mut self,
        caller: ServiceIx,
        to: ServiceIx,
        policy: ClientPolicy,
    ) -> Option<ClientPolicy> {
        let before = self.client_policy(caller, to)?;
        let ix = self.client_of(caller, to)?;
        // This world's own copy from now on; forks share it.
        let client = &mut Arc::make_mut(&mut self.programs).clients[ix];
        client.timeout = policy.timeout;
        client.connect_timeout = policy.connect_timeout;
        client.retries = policy.retries;
        client.retry_backoff = policy.retry_backoff;
        Some(before)
    }

    fn client_of(&self, caller: ServiceIx, to: ServiceIx) -> Option<usize> {
        let (first, end) = self.programs.services[caller.index()].clients;
        (first as usize..end as usize).find(|&ix| self.programs.clients[ix].to == to)
    }
}
