//! Processes whose environment is not the image's own: what follows from it here. The rules are the profile's
//! ([`Programs::environment`](crate::program::Programs::environment)).

use super::container::{Container, ProcessSpec};
use super::{Host, Traffic};
use crate::engine::Queue;
use crate::ids::{ContainerIx, ServiceIx};
use crate::program::{Complaint, HostAndPort, Setting};
use crate::time::{SimDuration, SimTime};

/// How long a process runs that exits because of its environment: it reads it before it does anything that takes long.
pub(super) const EXITS_AFTER: SimDuration = SimDuration::from_millis(100);

/// What a process's environment makes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Configuration {
    /// It exits at once with this code.
    pub(super) exits: Option<u8>,
    /// It goes on trying to start for ever.
    pub(super) never_listens: bool,
    /// It listens on a port at which nobody looks for it.
    pub(super) is_elsewhere: bool,
    /// That port, if it is one.
    pub(super) listens_on: Option<u16>,
    /// Where it looks for services, if not where they are.
    pub(super) targets: Vec<(ServiceIx, Target)>,
    /// Under which names it looks for services that its variables name.
    pub(super) addresses: Vec<(ServiceIx, HostAndPort)>,
    /// What it says about a variable that it cannot use.
    pub(super) complaint: Option<Complaint>,
}

/// Where a process looks for a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// At a name that the DNS does not know.
    Nowhere,
    /// At a Service that has no such port: kube-proxy has no rule for it, and nothing answers.
    WrongPort,
    /// At another service.
    Service(ServiceIx),
}

impl Traffic {
    /// Starts a container with these environment variables: as [`Self::start`], with what the profile says about them.
    pub fn start_with_environment<E: Host>(
        &mut self,
        now: SimTime,
        queue: &mut Queue<E>,
        spec: ProcessSpec,
        settings: &[Setting<'_>],
    ) -> ContainerIx {
        let configuration = spec.runs.map(|service| self.configuration(service, settings)).unwrap_or_default();
        self.launch(now, queue, spec, configuration)
    }

    fn configuration(&self, service: ServiceIx, settings: &[Setting<'_>]) -> Configuration {
        let made = self.programs.environment(service, settings);
        let target = |(meant, address): &(ServiceIx, HostAndPort)| Some((*meant, self.target(*meant, address)?));
        Configuration {
            exits: made.exits,
            never_listens: made.never_listens,
            is_elsewhere: made.listens_on.is_some(),
            listens_on: made.listens_on.flatten(),
            targets: made.addresses.iter().filter_map(target).collect(),
            addresses: made.addresses,
            complaint: made.complaint,
        }
    }

    /// The service that the DNS knows under this name.
    pub(super) fn service_named(&self, host: &str) -> Option<ServiceIx> {
        let found = self.hosts.iter().position(|names| names.iter().any(|name| name == host));
        found.map(|ix| ServiceIx(ix as u32))
    }

    /// Where an address leads, if not to the service that is meant.
    fn target(&self, meant: ServiceIx, address: &HostAndPort) -> Option<Target> {
        let Some(found) = self.service_named(&address.host) else {
            return Some(Target::Nowhere);
        };
        let port = |service: ServiceIx| self.programs.services[service.index()].port;
        if address.port.unwrap_or(port(meant)) != port(found) {
            return Some(Target::WrongPort);
        }
        (found != meant).then_some(Target::Service(found))
    }
}

impl Container {
    /// Where it looks for a service.
    #[inline]
    pub(super) fn target(&self, service: ServiceIx) -> Target {
        if self.configuration.targets.is_empty() {
            return Target::Service(service);
        }
        let moved = self.configuration.targets.iter().find(|(meant, _)| *meant == service);
        moved.map_or(Target::Service(service), |(_, target)| *target)
    }
}
