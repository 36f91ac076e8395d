//! What agents can change, with the API server's checks and `kubectl`'s answers.

mod command;
mod patch;
mod replace;
mod validation;

pub use command::RolloutProgress;
pub use replace::Object;

use crate::engine::Queue;
use crate::environment::{Applied, AppliedObject, AutoscalerSpec, DeletableKind, Rejected, ResourceChange, Write};
use crate::ids::DeploymentIx;
use crate::manifest::{self, Behavior, HorizontalPodAutoscaler, MetricTarget, ObjectMeta, PodTemplate, ScaleTarget};
use crate::time::{SimDuration, SimTime};

use super::registry;
use super::runtime::{ContainerRuntime, Host, Machines};
use super::{Cluster, Event};

/// The annotation that `kubectl rollout restart` sets on the template.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

impl Cluster {
    /// Does what an agent asks for, and answers as `kubectl` does.
    ///
    /// # Errors
    /// What the API server or `kubectl` would object to, in its words.
    pub fn write<E, R>(
        &mut self,
        now: SimTime,
        write: &Write,
        queue: &mut Queue<E>,
        runtime: &mut R,
    ) -> Result<String, Rejected>
    where
        E: Copy + From<Event>,
        R: ContainerRuntime<E>,
    {
        self.perform(write, &mut Machines { now, queue, runtime })
    }

    /// Applies a Deployment beside those of the application, such as a neighbour in another namespace: it is created, or
    /// gets another specification. A container of the image `polinux/stress` burns CPU.
    ///
    /// # Errors
    /// There is a Deployment of that name in another namespace, or its containers do what the twin cannot play.
    pub fn apply_deployment<E, R>(
        &mut self,
        now: SimTime,
        spec: manifest::Deployment,
        queue: &mut Queue<E>,
        runtime: &mut R,
    ) -> Result<(), Rejected>
    where
        E: Copy + From<Event>,
        R: ContainerRuntime<E>,
    {
        self.put_deployment(spec, &mut Machines { now, queue, runtime })
    }

    /// Performs one write.
    fn perform(&mut self, write: &Write, host: &mut dyn Host) -> Result<String, Rejected> {
        match write {
            Write::Scale { component, replicas } => self.scale(component, *replicas, host),
            Write::SetResources(change) => self.set_resources(change, host),
            Write::SetImage { component, image } => self.set_image(component, image, host),
            Write::SetEnv { component, name, value } => self.set_env(component, name, value.as_deref(), host),
            Write::Restart { component } => self.restart(component, host),
            Write::Rollback { component, revision } => {
                let deployment = self.deployment(component)?;
                self.undo(deployment, *revision, host)
            }
            Write::ApplyAutoscaler(spec) => self.apply_autoscaler(spec, host),
            Write::DeleteAutoscaler { component } => self.delete_autoscaler(component),
            Write::CreateDeployment { component } => self.create_deployment(component, host),
            Write::DeleteDeployment { component } => self.delete_deployment(component, host),
            Write::DeletePod { pod } => {
                let index = self.named_pod(pod)?;
                self.delete_pod(index, host);
                Ok(format!("pod \"{pod}\" deleted"))
            }
            Write::Apply(object) => self.apply(object, host),
            Write::Delete { kind, name } => self.delete_object(*kind, name, host),
            Write::Cordon { node } => self.cordon(node, true, host),
            Write::Uncordon { node } => self.cordon(node, false, host),
            Write::Drain { node } => self.drain_once(node, host),
        }
    }

    fn scale(&mut self, component: &str, replicas: u32, host: &mut dyn Host) -> Result<String, Rejected> {
        let index = self.deployment(component)?;
        validation::replicas(replicas)?;
        self.change_deployment(index, |spec| spec.replicas = replicas, host);
        Ok(format!("deployment.apps/{component} scaled"))
    }

    fn set_resources(&mut self, change: &ResourceChange, host: &mut dyn Host) -> Result<String, Rejected> {
        let component = &change.component;
        let index = self.deployment(component)?;
        change.check()?;
        let (mut template, main) = self.template(index);
        let resources = &mut template.containers[main].resources;
        resources.requests.cpu = change.cpu_request.or(resources.requests.cpu);
        resources.requests.memory = change.memory_request.or(resources.requests.memory);
        resources.limits.cpu = change.cpu_limit.or(resources.limits.cpu);
        resources.limits.memory = change.memory_limit.or(resources.limits.memory);
        validation::resources(component, main, resources)?;
        self.change_template(index, template, host);
        Ok(format!("deployment.apps/{component} resource requirements updated"))
    }

    fn set_image(&mut self, component: &str, image: &str, host: &mut dyn Host) -> Result<String, Rejected> {
        let index = self.deployment(component)?;
        let (mut template, main) = self.template(index);
        validation::image(component, main, image)?;
        let container = &mut template.containers[main];
        // A policy that was only the old tag's default is stored in the object and stays, as in Kubernetes.
        image.clone_into(&mut container.image);
        self.change_template(index, template, host);
        Ok(format!("deployment.apps/{component} image updated"))
    }

    fn set_env(
        &mut self,
        component: &str,
        name: &str,
        value: Option<&str>,
        host: &mut dyn Host,
    ) -> Result<String, Rejected> {
        let index = self.deployment(component)?;
        let (mut template, main) = self.template(index);
        let container = &mut template.containers[main];
        validation::variable(component, main, container.env.len(), name)?;
        container.set_env(name, value);
        self.change_template(index, template, host);
        Ok(format!("deployment.apps/{component} env updated"))
    }

    fn restart(&mut self, component: &str, host: &mut dyn Host) -> Result<String, Rejected> {
        let index = self.deployment(component)?;
        if self.deployments[&index].spec.paused {
            return Err(Rejected("can't restart paused deployment (run rollout resume first)".to_owned()));
        }
        let (mut template, _) = self.template(index);
        // The annotation has whole seconds.
        let stamp = (host.now().0 / SimDuration::SECOND.0).to_string();
        if template.annotations.insert(RESTARTED_AT.to_owned(), stamp.clone()) == Some(stamp) {
            return Err(Rejected(format!(
                "failed to create patch for {component}: if restart has already been triggered within the past \
                 second, please wait before attempting to trigger another"
            )));
        }
        self.change_template(index, template, host);
        Ok(format!("deployment.apps/{component} restarted"))
    }

    fn apply_autoscaler(&mut self, spec: &AutoscalerSpec, host: &mut dyn Host) -> Result<String, Rejected> {
        let namespace = "default".to_owned();
        let existing = self.autoscalers.values().find(|a| a.spec.target.name == spec.component);
        let name = existing.map_or(&*spec.component, |a| a.name()).to_owned();
        let autoscaler = HorizontalPodAutoscaler {
            meta: ObjectMeta { name, namespace, ..ObjectMeta::default() },
            target: ScaleTarget {
                api_version: "apps/v1".to_owned(),
                kind: "Deployment".to_owned(),
                name: spec.component.clone(),
            },
            min_replicas: spec.min_replicas,
            max_replicas: spec.max_replicas,
            metrics: vec![MetricTarget::CpuUtilization(spec.cpu_percent)],
            behavior: existing.map_or_else(Behavior::default, |a| a.spec.behavior.clone()),
        };
        self.put_autoscaler(autoscaler, host)
    }

    fn put_autoscaler(&mut self, mut spec: HorizontalPodAutoscaler, host: &mut dyn Host) -> Result<String, Rejected> {
        validation::autoscaler(&spec)?;
        spec.meta.namespace = self.namespace_of(spec.meta.namespace);
        let name = spec.meta.name.clone();
        let outcome = match self.autoscalers.values().find(|a| a.name() == name) {
            Some(existing) if existing.spec == spec => "unchanged",
            Some(_) => "configured",
            None => "created",
        };
        self.add_autoscaler(spec, host);
        Ok(format!("horizontalpodautoscaler.autoscaling/{name} {outcome}"))
    }

    fn delete_autoscaler(&mut self, component: &str) -> Result<String, Rejected> {
        let is_meant = |a: &super::Autoscaler| a.spec.target.name == component || a.name() == component;
        let found = self.autoscalers.iter().find(|(_, a)| is_meant(a)).map(|(ix, _)| *ix);
        let Some(autoscaler) = found.and_then(|ix| self.autoscalers.remove(&ix)) else {
            return Err(Rejected(format!("horizontalpodautoscalers.autoscaling \"{component}\" not found")));
        };
        Ok(format!("horizontalpodautoscaler.autoscaling \"{}\" deleted", autoscaler.name()))
    }

    fn create_deployment(&mut self, component: &str, host: &mut dyn Host) -> Result<String, Rejected> {
        let manifest = self.manifests.deployments.iter().find(|d| d.meta.name == component);
        let Some(manifest) = manifest.cloned() else {
            return Err(Rejected(format!("the path \"{component}.yaml\" does not exist")));
        };
        if self.find_deployment(component).is_some() {
            return Err(Rejected(format!("deployments.apps \"{component}\" already exists")));
        }
        self.add_deployment(manifest, host);
        Ok(format!("deployment.apps/{component} created"))
    }

    /// `kubectl apply` of a Deployment. The twin tells Deployments apart by their names alone.
    fn put_deployment(&mut self, spec: manifest::Deployment, host: &mut dyn Host) -> Result<(), Rejected> {
        for container in &spec.template.containers {
            registry::stress_workers(container).map_err(Rejected)?;
        }
        let Some(index) = self.find_deployment(&spec.meta.name) else {
            self.add_deployment(spec, host);
            return Ok(());
        };
        let (name, namespace) = (&spec.meta.name, &self.deployments[&index].spec.meta.namespace);
        if *namespace != spec.meta.namespace {
            return Err(Rejected(format!("the twin has a Deployment {name} already, in namespace {namespace}")));
        }
        self.change_deployment(index, |existing| *existing = spec, host);
        Ok(())
    }

    /// The Deployment goes, and then, as its dependents, its `ReplicaSet`s and their pods.
    fn delete_deployment(&mut self, component: &str, host: &mut dyn Host) -> Result<String, Rejected> {
        let index = self.deployment(component)?;
        let sets: Vec<_> =
            self.replica_sets.iter().filter(|(_, set)| set.deployment == index).map(|(ix, _)| *ix).collect();
        self.deployments.remove(&index);
        let pods: Vec<_> = sets.iter().filter_map(|ix| self.replica_sets.remove(ix)).flat_map(|s| s.pods).collect();
        for pod in pods {
            self.delete_pod(pod, host);
        }
        Ok(format!("deployment.apps \"{component}\" deleted"))
    }

    /// `kubectl apply` of one object of an allowed kind.
    fn apply(&mut self, object: &AppliedObject, host: &mut dyn Host) -> Result<String, Rejected> {
        match object.read()? {
            Applied::Service(service) => Ok(self.put_service(service, host)),
            Applied::Autoscaler(autoscaler) => self.put_autoscaler(autoscaler, host),
            Applied::ResourceQuota(mut quota) => {
                quota.meta.namespace = self.namespace_of(quota.meta.namespace);
                let name = quota.meta.name.clone();
                Ok(format!("resourcequota/{name} {}", self.put_quota(quota, host.now())))
            }
            Applied::DisruptionBudget(mut budget) => {
                budget.meta.namespace = self.namespace_of(budget.meta.namespace);
                let name = budget.meta.name.clone();
                Ok(format!("poddisruptionbudget.policy/{name} {}", self.put_budget(budget)))
            }
            Applied::NetworkPolicy(mut policy) => {
                policy.meta.namespace = self.namespace_of(policy.meta.namespace);
                let name = policy.meta.name.clone();
                Ok(format!("networkpolicy.networking.k8s.io/{name} {}", self.put_network_policy(policy, host)))
            }
        }
    }

    /// `kubectl delete` of one object of an allowed kind.
    fn delete_object(&mut self, kind: DeletableKind, name: &str, host: &mut dyn Host) -> Result<String, Rejected> {
        match kind {
            DeletableKind::ResourceQuota => {
                let at = self.named_quota(name)?;
                self.quotas.remove(at);
            }
            DeletableKind::PodDisruptionBudget => {
                let at = self.budgets.iter().position(|budget| budget.meta.name == name);
                let at = at.ok_or_else(|| Rejected(format!("poddisruptionbudgets.policy \"{name}\" not found")))?;
                self.budgets.remove(at);
            }
            DeletableKind::NetworkPolicy => self.delete_network_policy(name, host)?,
        }
        Ok(format!("{} \"{name}\" deleted", kind.resource()))
    }

    fn put_service(&mut self, mut spec: manifest::Service, host: &mut dyn Host) -> String {
        let name = spec.meta.name.clone();
        spec.meta.namespace = self.namespace_of(spec.meta.namespace);
        let same = |s: &&super::Service| s.spec.meta.name == name && s.spec.meta.namespace == spec.meta.namespace;
        let outcome = match self.services.iter().find(same) {
            Some(existing) if existing.spec == spec => "unchanged",
            Some(_) => "configured",
            None => "created",
        };
        self.add_service(spec, None, host);
        format!("service/{name} {outcome}")
    }

    /// Pauses or resumes a Deployment's rollouts.
    pub(super) fn pause(&mut self, component: &str, paused: bool, host: &mut dyn Host) -> Result<String, Rejected> {
        let index = self.deployment(component)?;
        let verb = if paused { "paused" } else { "resumed" };
        if self.deployments[&index].spec.paused == paused {
            let state = if paused { "already paused" } else { "not paused" };
            return Err(Rejected(format!("deployments.apps \"{component}\" is {state}")));
        }
        self.change_deployment(index, |spec| spec.paused = paused, host);
        Ok(format!("deployment.apps/{component} {verb}"))
    }

    /// A copy of a Deployment's template, and which of its containers is meant by the component.
    fn template(&self, index: DeploymentIx) -> (PodTemplate, usize) {
        let deployment = &self.deployments[&index];
        (deployment.spec.template.clone(), deployment.spec.main_container())
    }

    /// The namespace that an object goes to: one without goes to that of the context, which is the
    /// application's.
    pub(super) fn namespace_of(&self, written: String) -> String {
        match self.manifests.deployments.first() {
            Some(deployment) if written == "default" => deployment.meta.namespace.clone(),
            _ => written,
        }
    }
}
