//! An application: its Kubernetes objects, the profile of their behaviour, and how the two fit.
//!
//! ```text
//! caller ──address──▶ Kubernetes Service ──selector──▶ Deployment ──image──▶ service of the profile
//!        (DNS name)     KubeServiceIx                                          ServiceIx
//! ```
//!
//! Terms. A *service* is a program of the profile ([`ServiceIx`]); a *Kubernetes Service* is the object that
//! gives a set of pods a name ([`KubeServiceIx`]); a *component* is a Deployment, named as people and
//! agents name it.
//!
//! What a real cluster would refuse, or what leaves the twin without a meaning, is an error. What a
//! cluster would take and then fail at, such as a Service whose port nobody listens on, is a warning.
//!
//! Invariants: both kinds of index follow the order of names (Kubernetes Services: of namespace and name); an
//! [`App`] never changes, so worlds share it.

mod check;

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Source};
use crate::environment::Dependencies;
use crate::graph::Graph;
use crate::ids::{KubeServiceIx, ServiceIx};
use crate::manifest::{self, Container, Deployment, ObjectMeta, ObjectSet, PortRef, Service, is_subset};
use crate::profile::Profile;
use crate::program::Programs;

/// The name of an app's profile in its folder.
pub const PROFILE_FILE: &str = "profile.yaml";

/// An application that fits together.
#[derive(Clone, Debug)]
pub struct App {
    /// What one would apply to a cluster.
    pub objects: ObjectSet,
    /// How it behaves.
    pub profile: Profile,
    /// The same, ready to run.
    pub programs: Arc<Programs>,
    /// Which service needs which.
    pub graph: Graph,
    /// By [`KubeServiceIx`].
    pub kube_services: Vec<KubeService>,
    /// By [`ServiceIx`].
    pub addresses: Vec<Address>,
}

/// What the loader knows of a Kubernetes Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeService {
    /// Its namespace.
    pub namespace: String,
    /// Its name, under which others look it up.
    pub name: String,
    /// The service of the profile that a connection to it reaches, if there is one.
    pub leads_to: Option<ServiceIx>,
}

/// Where a service of the profile is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// The Kubernetes Service that its callers look up. Without one the name does not resolve.
    pub kube_service: Option<KubeServiceIx>,
    /// The Deployments that run it, as indices into [`ObjectSet::deployments`].
    pub deployments: Vec<usize>,
}

impl App {
    /// Loads an application from its manifests, an overlay over them, and its profile. Beside it come warnings.
    ///
    /// # Errors
    /// Every mistake in any of the files; what is wrong between them only once each is right by itself.
    pub fn load(
        manifests: &[Source],
        overlay: &[Source],
        profile: Option<&Source>,
    ) -> Result<(Self, Vec<Diagnostic>), Diagnostics> {
        let objects = manifest::load(manifests, overlay);
        let profile = match profile {
            Some(source) => Profile::load(source),
            None => Err(Diagnostics(vec![missing_profile()])),
        };
        let ((objects, mut found), (profile, warnings)) = match (objects, profile) {
            (Ok(objects), Ok(profile)) => (objects, profile),
            (Err(a), Err(b)) => return Err(Diagnostics(a.0.into_iter().chain(b.0).collect())),
            (Err(mistakes), _) | (_, Err(mistakes)) => return Err(mistakes),
        };
        found.extend(warnings);
        let app = Self::assemble(objects, profile.value.clone())?;
        found.extend(check::check(&app, &profile));
        if found.iter().any(|d| d.severity == Severity::Error) {
            found.retain(|d| d.severity == Severity::Error);
            return Err(Diagnostics(found));
        }
        Ok((app, found))
    }

    fn assemble(objects: ObjectSet, profile: Profile) -> Result<Self, Diagnostics> {
        let programs = Arc::new(Programs::compile(&profile)?);
        let graph = Graph::new(&profile);
        let mut app = Self { objects, profile, programs, graph, kube_services: Vec::new(), addresses: Vec::new() };
        app.kube_services = app.objects.services.iter().map(|service| app.kube_service_of(service)).collect();
        app.addresses = (0..app.profile.services.len()).map(|ix| app.address_of(ServiceIx(ix as u32))).collect();
        Ok(app)
    }

    fn kube_service_of(&self, service: &Service) -> KubeService {
        let ObjectMeta { namespace, name, .. } = service.meta.clone();
        let listeners: Vec<_> = self.selected(service).flat_map(|deployment| self.listeners(deployment)).collect();
        let leads_to = service.ports.iter().find_map(|port| {
            let reached = listeners.iter().find(|l| l.container.number_of(&port.target_port) == Some(l.port));
            reached.map(|listener| listener.service)
        });
        KubeService { namespace, name, leads_to }
    }

    fn address_of(&self, service: ServiceIx) -> Address {
        let runs = |deployment: &Deployment| self.listeners(deployment).any(|listener| listener.service == service);
        let deployments: Vec<_> =
            (0..self.objects.deployments.len()).filter(|&i| runs(&self.objects.deployments[i])).collect();
        let namespace = deployments.first().map(|&i| self.objects.deployments[i].meta.namespace.as_str());
        let kube_service = self.find_kube_service(&self.programs.services[service.index()].address, namespace);
        Address { kube_service, deployments }
    }

    /// The Kubernetes Service with a DNS name such as `carts`, `carts.sock-shop` or `carts.sock-shop.svc.cluster.local`. A name
    /// without namespace is looked up in the one given, and then in the others in the order of their names.
    pub fn find_kube_service(&self, dns_name: &str, namespace: Option<&str>) -> Option<KubeServiceIx> {
        let mut labels = dns_name.split('.');
        let name = labels.next()?;
        let written = labels.next();
        let named = |service: &Service| service.meta.name == name;
        let inside = |service: &Service, wanted: Option<&str>| wanted == Some(service.meta.namespace.as_str());
        let services = &self.objects.services;
        let found = match written {
            Some(_) => services.iter().position(|s| named(s) && inside(s, written)),
            None => services
                .iter()
                .position(|s| named(s) && inside(s, namespace))
                .or_else(|| services.iter().position(named)),
        };
        found.map(|ix| KubeServiceIx(ix as u32))
    }

    /// The names under which pods find a service: that of its Kubernetes Service, alone and with its namespace.
    pub(crate) fn host_names(&self, address: &Address) -> Vec<String> {
        let Some(ix) = address.kube_service else {
            return Vec::new();
        };
        let KubeService { namespace, name, .. } = &self.kube_services[ix.index()];
        let full = format!("{name}.{namespace}");
        vec![name.clone(), full.clone(), format!("{full}.svc"), format!("{full}.svc.cluster.local")]
    }

    /// The service of the profile with this name.
    pub fn service(&self, name: &str) -> Option<ServiceIx> {
        self.programs.service(name)
    }

    /// What a container runs: the image decides, and where it holds several services the container's name.
    pub fn runs(&self, image: &str, container: &str) -> Option<ServiceIx> {
        self.service(self.profile.image(image).ok()?.service_in(container)?)
    }

    /// The service that a component runs: that of its first container that runs any.
    pub fn service_of(&self, component: &str) -> Option<ServiceIx> {
        let deployment = self.objects.deployments.iter().find(|d| d.meta.name == component)?;
        self.listeners(deployment).next().map(|listener| listener.service)
    }

    /// The component that runs a service, or the service's own name where none does.
    pub fn component_of(&self, service: ServiceIx) -> &str {
        match self.addresses[service.index()].deployments.first() {
            Some(&deployment) => &self.objects.deployments[deployment].meta.name,
            None => &self.programs.services[service.index()].name,
        }
    }

    /// Who needs a component and whom it needs, by the names of components. `None` if it runs nothing that
    /// the profile knows.
    pub fn dependencies(&self, component: &str) -> Option<Dependencies> {
        let service = self.service_of(component)?;
        let names = |services: Vec<ServiceIx>| services.into_iter().map(|s| self.component_of(s).to_owned()).collect();
        Some(Dependencies {
            component: component.to_owned(),
            calls: names(self.graph.needs(service)),
            called_by: names(self.graph.needed_by(service)),
        })
    }

    /// Connections between two components, whichever way they point ([`Graph::distance`]).
    pub fn distance(&self, a: &str, b: &str) -> Option<u32> {
        if a == b {
            return Some(0);
        }
        self.graph.distance(self.service_of(a)?, self.service_of(b)?)
    }

    /// The Deployments whose pods a Kubernetes Service selects.
    fn selected(&self, service: &Service) -> impl Iterator<Item = &Deployment> {
        let selects = |d: &&Deployment| {
            !service.selector.is_empty()
                && d.meta.namespace == service.meta.namespace
                && is_subset(&service.selector, &d.template.labels)
        };
        self.objects.deployments.iter().filter(selects)
    }

    /// The containers of a Deployment that run a service, in order. A tag that does not exist counts as one that does,
    /// since the Deployment is meant to run its service.
    fn listeners<'a>(&'a self, deployment: &'a Deployment) -> impl Iterator<Item = Listener<'a>> {
        deployment.template.containers.iter().filter_map(|container| {
            let image = self.profile.image_with_any_tag(&container.image)?;
            let service = self.service(image.service_in(&container.name)?)?;
            let port = self.profile.services[&self.programs.services[service.index()].name].port;
            Some(Listener { container, service, port })
        })
    }
}

/// A container that listens.
struct Listener<'a> {
    container: &'a Container,
    service: ServiceIx,
    port: u16,
}

impl Container {
    /// The number of a port that a Service names. A number is taken as it is.
    fn number_of(&self, port: &PortRef) -> Option<u16> {
        match port {
            PortRef::Number(number) => Some(*number),
            PortRef::Name(name) => self.ports.iter().find(|p| p.name.as_deref() == Some(name)).map(|p| p.port),
        }
    }
}

fn missing_profile() -> Diagnostic {
    Diagnostic::error(PROFILE_FILE, 0, "", "the app has no profile: manifests do not say how services behave").help(format!(
        "write {PROFILE_FILE} into the app's folder, beside its manifests; Sock Shop's is an example: datasets/apps/sock-shop/{PROFILE_FILE}"
    ))
}
