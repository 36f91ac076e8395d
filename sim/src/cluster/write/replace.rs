//! Whole objects, read and written back.

use crate::engine::Queue;
use crate::environment::Rejected;
use crate::manifest::{Deployment, Service};
use crate::time::SimTime;

use super::super::runtime::{ContainerRuntime, Host, Machines};
use super::super::{Cluster, Event};

/// A whole object, as it is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// A Deployment.
    Deployment(Deployment),
    /// A Service.
    Service(Service),
}

impl Cluster {
    /// An object as it is written now; `kind` is as in a manifest.
    ///
    /// # Errors
    /// There is no such object, or no such kind that the twin keeps.
    pub fn object(&self, kind: &str, name: &str) -> Result<Object, Rejected> {
        match kind {
            "Deployment" => Ok(Object::Deployment(self.deployments[&self.deployment(name)?].spec.clone())),
            "Service" => Ok(Object::Service(self.services[self.service(name)?].spec.clone())),
            _ => Err(Rejected(format!("the server doesn't have a resource type \"{kind}\""))),
        }
    }

    /// Puts an object in the place of the one of its kind and name, as `kubectl replace` does.
    ///
    /// # Errors
    /// There is no such object.
    pub fn replace<E, R>(
        &mut self,
        now: SimTime,
        object: Object,
        queue: &mut Queue<E>,
        runtime: &mut R,
    ) -> Result<String, Rejected>
    where
        E: Copy + From<Event>,
        R: ContainerRuntime<E>,
    {
        self.replace_object(object, &mut Machines { now, queue, runtime })
    }

    pub(super) fn replace_object(&mut self, object: Object, host: &mut dyn Host) -> Result<String, Rejected> {
        match object {
            Object::Deployment(spec) => {
                let name = spec.meta.name.clone();
                let index = self.deployment(&name)?;
                self.change_deployment(index, |existing| *existing = spec, host);
                Ok(format!("deployment.apps/{name} replaced"))
            }
            Object::Service(spec) => {
                let name = spec.meta.name.clone();
                self.service(&name)?;
                self.add_service(spec, None, host);
                Ok(format!("service/{name} replaced"))
            }
        }
    }

    /// The position of a Service.
    fn service(&self, name: &str) -> Result<usize, Rejected> {
        let found = self.services.iter().position(|service| service.spec.meta.name == name);
        found.ok_or_else(|| Rejected(format!("services \"{name}\" not found")))
    }
}
