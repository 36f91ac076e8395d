//! Services: the `EndpointSlice` controller, and on each node a kube-proxy that learns from it.
//!
//! A node routes by what its own kube-proxy has written last. That lags behind the API by the watch
//! and by the time between two writes of iptables rules. What is behind an address (which process, if
//! any, listens on the port) does not lag: it is the network's business, so a container that was
//! restarted at the same address is reached at once.

use std::collections::BTreeMap;

use crate::ids::{ContainerIx, KubeServiceIx, NodeIx, PodIx};
use crate::manifest::{self, PortRef, is_subset};
use crate::time::{SimDuration, SimTime};

use super::node::Node;
use super::objects::{Endpoint, Pod, Service};
use super::runtime::{Backend, Host};
use super::{Cluster, Event, Work};

/// Between two writes of a kube-proxy (`iptables.minSyncPeriod`).
const MIN_SYNC_PERIOD: SimDuration = SimDuration::SECOND;
/// Least time from a change at the API to the rules: the watch and `iptables-restore`.
const LEAST_DELAY: SimDuration = SimDuration::from_millis(20);
/// What is added to it at most.
const SPREAD_OF_DELAY: SimDuration = SimDuration::from_millis(80);

/// What a node's kube-proxy knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxy {
    /// Where each Service leads to, as last written.
    rules: BTreeMap<KubeServiceIx, Vec<Route>>,
    /// When rules were last written.
    written: Option<SimTime>,
    /// When they will be written next, if they will.
    due: Option<SimTime>,
}

/// One address that a Service leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Route {
    pod: PodIx,
    /// The process that listens there. It stays when the pod is gone: nobody answers at its address.
    listener: Option<ContainerIx>,
}

impl Service {
    /// Whether the pod is one of its own. Without a selector it has none.
    pub(super) fn selects(&self, pod: &Pod) -> bool {
        !self.spec.selector.is_empty()
            && self.spec.meta.namespace == pod.namespace
            && is_subset(&self.spec.selector, &pod.labels)
    }

    /// The pods to which kube-proxy sends: ready ones, or if there are none those that still serve
    /// while they end (KEP-1669).
    fn routable(&self) -> Vec<PodIx> {
        let pick = |which: fn(&Endpoint) -> bool| -> Vec<_> {
            self.endpoints.iter().filter(|e| which(e)).map(|e| e.pod).collect()
        };
        let ready = pick(|e| e.is_ready());
        if ready.is_empty() { pick(|e| e.serving) } else { ready }
    }
}

impl Cluster {
    /// Creates a Service, or gives the one of that name a new specification.
    pub(super) fn add_service(&mut self, spec: manifest::Service, index: Option<KubeServiceIx>, host: &mut dyn Host) {
        let same = |s: &Service| s.spec.meta.name == spec.meta.name && s.spec.meta.namespace == spec.meta.namespace;
        let position = self.services.iter().position(same).unwrap_or(self.services.len());
        match self.services.get_mut(position) {
            Some(service) => service.spec = spec,
            None => self.services.push(Service { spec, index, endpoints: Vec::new() }),
        }
        self.program_proxies(host);
        self.touch(Work::Endpoints(position as u32), host);
    }

    /// The `EndpointSlice` controller.
    pub(super) fn sync_endpoints(&mut self, position: usize, host: &mut dyn Host) {
        let service = &self.services[position];
        let endpoint = |(ix, pod): (&PodIx, &Pod)| {
            // The address is written with the status in which the sandbox is up, and goes when the pod counts as ended.
            let (address, terminating) = (pod.address?, pod.deleted.is_some());
            let is_known = pod.has_sandbox || pod.kubelet.is_to_be_given_up();
            (service.selects(pod) && is_known).then_some(Endpoint {
                pod: *ix,
                address,
                serving: pod.ready,
                terminating,
            })
        };
        let endpoints: Vec<_> = self.pods.iter().filter_map(endpoint).collect();
        if endpoints != service.endpoints {
            self.services[position].endpoints = endpoints;
            self.program_proxies(host);
        }
    }

    /// Every kube-proxy hears of a change and writes its rules when it may.
    fn program_proxies(&mut self, host: &mut dyn Host) {
        let now = host.now();
        for (index, node) in self.nodes.iter_mut().enumerate() {
            if node.proxy.due.is_some() {
                continue;
            }
            let chance = node.key.with_str("kube-proxy").with(now.0).draw().below(SPREAD_OF_DELAY.0);
            let heard = now + LEAST_DELAY + SimDuration(chance);
            let at = node.proxy.written.map_or(heard, |written| heard.max(written + MIN_SYNC_PERIOD));
            node.proxy.due = Some(at);
            host.schedule(at, Event::ProgramProxy(NodeIx(index as u32)));
        }
    }

    /// A kube-proxy writes what the API says now.
    pub(super) fn program_proxy(&mut self, node: NodeIx, host: &mut dyn Host) {
        let mut rules = BTreeMap::new();
        for service in &self.services {
            let Some(index) = service.index else { continue };
            let route = |pod| Route { pod, listener: self.listener(&service.spec, pod) };
            rules.insert(index, service.routable().into_iter().map(route).collect::<Vec<_>>());
        }
        let proxy = &mut self.nodes[node.index()].proxy;
        proxy.due = None;
        proxy.written = Some(host.now());
        let before = std::mem::take(&mut proxy.rules);
        for (service, routes) in &rules {
            // An empty set is news too at first: it is the rule that refuses connections.
            if before.get(service) != Some(routes) {
                set_backends(node, *service, routes, host);
            }
        }
        proxy.rules = rules;
    }

    /// Tells the data plane about a change of processes behind a pod's address.
    pub(super) fn processes_changed(&mut self, pod: PodIx, host: &mut dyn Host) {
        for service in self.services.iter().filter(|s| self.pods.get(&pod).is_some_and(|p| s.selects(p))) {
            let Some(index) = service.index else { continue };
            let listener = self.listener(&service.spec, pod);
            for (node, Node { proxy, .. }) in self.nodes.iter_mut().enumerate() {
                let Some(routes) = proxy.rules.get_mut(&index) else {
                    continue;
                };
                let Some(route) = routes.iter_mut().find(|route| route.pod == pod) else {
                    continue;
                };
                if route.listener != listener {
                    route.listener = listener;
                    set_backends(NodeIx(node as u32), index, routes, host);
                }
            }
        }
    }

    /// The process that a Service reaches in a pod: that of the first of its ports on which one listens. A
    /// process that has ended is still the answer until another has taken its place: the address is
    /// there and refuses.
    fn listener(&self, service: &manifest::Service, pod: PodIx) -> Option<ContainerIx> {
        let pod = self.pods.get(&pod)?;
        service.ports.iter().find_map(|port| {
            let number = target_port(&port.target_port, pod)?;
            let listens = |index: &usize| pod.kubelet.containers[*index].program.is_some_and(|p| p.port == number);
            let index = (0..pod.kubelet.containers.len()).find(listens)?;
            pod.kubelet.containers[index].newest_process()
        })
    }
}

fn set_backends(node: NodeIx, service: KubeServiceIx, routes: &[Route], host: &mut dyn Host) {
    let backends: Vec<_> = routes.iter().map(|route| Backend { container: route.listener }).collect();
    host.set_backends(node, service, &backends);
}

/// The number behind a `targetPort`.
pub(super) fn target_port(port: &PortRef, pod: &Pod) -> Option<u16> {
    match port {
        PortRef::Number(number) => Some(*number),
        PortRef::Name(name) => {
            let ports = pod.template.containers.iter().flat_map(|c| &c.ports);
            ports.filter(|p| p.name.as_ref() == Some(name)).map(|p| p.port).next()
        }
    }
}
