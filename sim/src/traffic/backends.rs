//! kube-proxy: which containers a connection to a Service can go to, as each node knows it.
//!
//! In iptables mode every endpoint is chosen with equal probability, once per connection; a Service
//! without endpoints rejects (`pkg/proxy/iptables/proxier.go`).

use super::Traffic;
use crate::chance::Key;
use crate::ids::{ContainerIx, KubeServiceIx, NodeIx, ServiceIx};
use crate::time::SimTime;

/// Where kube-proxy may send a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    /// The latest container of the pod (its successors are found by themselves). None: the pod has
    /// no process behind the Service's target port, so the connection is refused.
    pub container: Option<ContainerIx>,
}

/// The tables of all nodes.
#[derive(Clone, Debug)]
pub(super) struct Proxies {
    services: usize,
    /// Node by node, each by [`KubeServiceIx`].
    tables: Vec<Vec<Backend>>,
}

impl Proxies {
    pub(super) fn new(nodes: usize, kube_services: &[Option<KubeServiceIx>]) -> Self {
        let services = kube_services.iter().flatten().map(|ix| ix.index() + 1).max().unwrap_or(0);
        Self { services, tables: vec![Vec::new(); nodes * services] }
    }

    fn table(&self, node: NodeIx, service: KubeServiceIx) -> usize {
        node.index() * self.services + service.index()
    }
}

/// What DNS and kube-proxy make of a service's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    UnknownHost,
    /// The Service has no endpoints, and kube-proxy's REJECT answers.
    NoEndpoints,
    /// The pod's kernel resets: the port is closed.
    Refused,
    /// The Service has no such port, and kube-proxy no rule for it.
    Unanswered,
    /// An index into the addresses.
    Address(u32),
}

impl Traffic {
    /// What the kube-proxy of `node` knows from now on. Services that the profile does not use are
    /// ignored.
    pub fn set_backends(&mut self, now: SimTime, node: NodeIx, service: KubeServiceIx, backends: &[Backend]) {
        self.now = now;
        if service.index() < self.proxies.services {
            let table = self.proxies.table(node, service);
            self.proxies.tables[table].clear();
            self.proxies.tables[table].extend_from_slice(backends);
        }
    }

    /// Where a new connection from `node` to `service` goes.
    #[inline]
    pub(super) fn route(&self, node: NodeIx, service: ServiceIx, key: Key) -> Route {
        let Some(kube_service) = self.kube_services[service.index()] else {
            return Route::UnknownHost;
        };
        let backends = &self.proxies.tables[self.proxies.table(node, kube_service)];
        let chosen = match backends.as_slice() {
            [] => return Route::NoEndpoints,
            [only] => only,
            several => &several[key.draw().below(several.len() as u64) as usize],
        };
        match chosen.container {
            Some(container) => Route::Address(self.containers[container.index()].address),
            None => Route::Refused,
        }
    }
}
