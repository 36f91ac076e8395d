//! kubectl's commands on the control plane.

use crate::engine::Queue;
use crate::environment::{Rejected, ResourceChange, Write};
use crate::kubectl::Command;
use crate::manifest::Labels;
use crate::time::{SimDuration, SimTime};

use super::super::runtime::{ContainerRuntime, Host, Machines};
use super::super::{Cluster, Event, Work};
use super::{Object, patch, validation};

/// How far a rollout is, as `kubectl rollout status` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolloutProgress {
    /// Whether it is over, so that kubectl ends.
    pub is_over: bool,
    /// What kubectl prints.
    pub message: String,
}

impl Cluster {
    /// Does what a command of kubectl asks for. A command that waits does not wait here: for the end of a rollout
    /// ask [`Self::rollout_progress`]. A drain, which asks again and again, is refused: cordon the node and
    /// [evict](Self::evict_pod) its pods.
    ///
    /// # Errors
    /// What the API server or `kubectl` would object to, in its words, or that the twin cannot do it.
    pub fn run<E, R>(
        &mut self,
        now: SimTime,
        command: &Command,
        queue: &mut Queue<E>,
        runtime: &mut R,
    ) -> Result<String, Rejected>
    where
        E: Copy + From<Event>,
        R: ContainerRuntime<E>,
    {
        self.obey(command, &mut Machines { now, queue, runtime })
    }

    fn obey(&mut self, command: &Command, host: &mut dyn Host) -> Result<String, Rejected> {
        match command.clone() {
            Command::Scale { deployment, replicas } => {
                self.perform(&Write::Scale { component: deployment, replicas }, host)
            }
            Command::SetImage { deployment, images } => self.set_images(&deployment, &images, host),
            Command::SetResources { deployment, requests, limits } => {
                let change = ResourceChange {
                    component: deployment,
                    cpu_request: requests.cpu,
                    cpu_limit: limits.cpu,
                    memory_request: requests.memory,
                    memory_limit: limits.memory,
                };
                self.perform(&Write::SetResources(change), host)
            }
            Command::SetEnv { deployment, variables } => self.set_variables(&deployment, &variables, host),
            Command::RolloutStatus { deployment, .. } => Ok(self.rollout_progress(&deployment)?.message),
            Command::RolloutUndo { deployment, revision } => {
                self.perform(&Write::Rollback { component: deployment, revision }, host)
            }
            Command::RolloutPause { deployment, paused } => self.pause(&deployment, paused, host),
            Command::RolloutRestart { deployment } => self.perform(&Write::Restart { component: deployment }, host),
            Command::DeletePods { pods, grace_seconds, .. } => self.delete_pods(pods, grace_seconds, host),
            Command::DeleteDeployment { deployment } => {
                self.perform(&Write::DeleteDeployment { component: deployment }, host)
            }
            Command::DeleteObject { kind, name } => self.perform(&Write::Delete { kind, name }, host),
            Command::Patch { kind: "Deployment", name, patch } => self.patch_deployment(&name, &patch, host),
            Command::Patch { kind: "ResourceQuota", name, patch } => self.patch_quota(&name, &patch, host),
            Command::Patch { kind: "Service", name, patch } => self.patch_service(&name, &patch, host),
            Command::Patch { kind, .. } => Err(missing(kind)),
            Command::LabelPod { pod, labels, overwrite } => self.label_pod(&pod, &labels, overwrite, host),
            Command::Exec { .. } => Err(Rejected("the control plane has no processes to exec in".to_owned())),
            Command::Cordon { node, unschedulable } => self.cordon(&node, unschedulable, host),
            Command::Drain { .. } => {
                Err(Rejected("a drain takes its time: cordon, and evict one after the other".to_owned()))
            }
            Command::CreateConfigMap { name, data } => {
                self.create_config_map(&name, data.into_iter().map(|(key, _)| key).collect())
            }
        }
    }

    /// `kubectl rollout status` (`pkg/polymorphichelpers/rollout_status.go`).
    ///
    /// # Errors
    /// There is no such Deployment, or its rollout has exceeded its deadline.
    pub fn rollout_progress(&self, name: &str) -> Result<RolloutProgress, Rejected> {
        let index = self.deployment(name)?;
        let deployment = &self.deployments[&index];
        let (wanted, status) = (deployment.spec.replicas, deployment.status);
        let waits = |message: String| RolloutProgress { is_over: false, message };
        if status.observed < deployment.generation {
            return Ok(waits("Waiting for deployment spec update to be observed...".to_owned()));
        }
        if deployment.conditions.iter().any(|c| c.reason == "ProgressDeadlineExceeded") {
            return Err(Rejected(format!("deployment \"{name}\" exceeded its progress deadline")));
        }
        let start = format!("Waiting for deployment \"{name}\" rollout to finish:");
        Ok(if status.updated < wanted {
            waits(format!("{start} {} out of {wanted} new replicas have been updated...", status.updated))
        } else if status.replicas > status.updated {
            let old = status.replicas - status.updated;
            waits(format!("{start} {old} old replicas are pending termination..."))
        } else if status.available < status.updated {
            waits(format!("{start} {} of {} updated replicas are available...", status.available, status.updated))
        } else {
            RolloutProgress { is_over: true, message: format!("deployment \"{name}\" successfully rolled out") }
        })
    }

    fn set_images(&mut self, name: &str, images: &[(String, String)], host: &mut dyn Host) -> Result<String, Rejected> {
        let index = self.deployment(name)?;
        let before = self.deployments[&index].spec.template.clone();
        let mut template = before.clone();
        for (container, image) in images {
            let mut found = false;
            for (at, spec) in template.containers.iter_mut().enumerate() {
                if container == "*" || *container == spec.name {
                    validation::image(name, at, image)?;
                    image.clone_into(&mut spec.image);
                    found = true;
                }
            }
            if !found {
                return Err(Rejected(format!("unable to find container named \"{container}\"")));
            }
        }
        if template == before {
            return Ok(String::new());
        }
        self.change_template(index, template, host);
        Ok(format!("deployment.apps/{name} image updated"))
    }

    fn set_variables(
        &mut self,
        name: &str,
        variables: &[(String, Option<String>)],
        host: &mut dyn Host,
    ) -> Result<String, Rejected> {
        let index = self.deployment(name)?;
        let mut template = self.deployments[&index].spec.template.clone();
        for (at, container) in template.containers.iter_mut().enumerate() {
            for (variable, value) in variables {
                validation::variable(name, at, container.env.len(), variable)?;
                container.set_env(variable, value.as_deref());
            }
        }
        self.change_template(index, template, host);
        Ok(format!("deployment.apps/{name} env updated"))
    }

    fn delete_pods(
        &mut self,
        pods: Option<Vec<String>>,
        grace_seconds: Option<u64>,
        host: &mut dyn Host,
    ) -> Result<String, Rejected> {
        let names = pods.unwrap_or_else(|| self.pods.values().map(|pod| pod.name.clone()).collect());
        let found = names.iter().map(|name| self.named_pod(name)).collect::<Result<Vec<_>, _>>()?;
        for pod in found {
            self.delete_pod_within(pod, grace_seconds.map(SimDuration::from_secs), host);
        }
        Ok(names.iter().map(|name| format!("pod \"{name}\" deleted")).collect::<Vec<_>>().join("\n"))
    }

    pub(in super::super) fn cordon(
        &mut self,
        name: &str,
        unschedulable: bool,
        host: &mut dyn Host,
    ) -> Result<String, Rejected> {
        let found = self.node_named(name).ok_or_else(|| Rejected(format!("nodes \"{name}\" not found")))?;
        let node = &mut self.nodes[found.index()];
        let verb = if unschedulable { "cordoned" } else { "uncordoned" };
        if std::mem::replace(&mut node.unschedulable, unschedulable) == unschedulable {
            return Ok(format!("node/{name} already {verb}"));
        }
        self.touch(Work::Node(found), host);
        Ok(format!("node/{name} {verb}"))
    }

    fn patch_quota(&mut self, name: &str, patch: &serde_json::Value, host: &dyn Host) -> Result<String, Rejected> {
        let mut spec = self.quotas[self.named_quota(name)?].spec.clone();
        patch::quota(&mut spec, patch)?;
        let outcome = self.put_quota(spec, host.now());
        let note = if outcome == "unchanged" { " (no change)" } else { "" };
        Ok(format!("resourcequota/{name} patched{note}"))
    }

    fn patch_deployment(
        &mut self,
        name: &str,
        patch: &serde_json::Value,
        host: &mut dyn Host,
    ) -> Result<String, Rejected> {
        let index = self.deployment(name)?;
        let mut spec = self.deployments[&index].spec.clone();
        patch::deployment(&mut spec, patch)?;
        for (at, container) in spec.template.containers.iter().enumerate() {
            validation::image(name, at, &container.image)?;
            validation::resources(name, at, &container.resources)?;
        }
        if self.deployments[&index].spec == spec {
            return Ok(format!("deployment.apps/{name} patched (no change)"));
        }
        self.change_deployment(index, |existing| *existing = spec, host);
        Ok(format!("deployment.apps/{name} patched"))
    }

    fn patch_service(
        &mut self,
        name: &str,
        patch: &serde_json::Value,
        host: &mut dyn Host,
    ) -> Result<String, Rejected> {
        let Object::Service(before) = self.object("Service", name)? else { return Err(missing("Service")) };
        let mut spec = before.clone();
        patch::service(&mut spec, patch)?;
        if spec == before {
            return Ok(format!("service/{name} patched (no change)"));
        }
        self.replace_object(Object::Service(spec), host)?;
        Ok(format!("service/{name} patched"))
    }

    fn label_pod(
        &mut self,
        name: &str,
        labels: &[(String, Option<String>)],
        overwrite: bool,
        host: &mut dyn Host,
    ) -> Result<String, Rejected> {
        let index = self.named_pod(name)?;
        let before = &self.pods[&index].labels;
        let mut after: Labels = before.clone();
        for (key, value) in labels {
            match (value, before.get(key)) {
                (Some(value), Some(old)) if !overwrite && value != old => {
                    let message = format!("'{key}' already has a value ({old}), and --overwrite is false");
                    return Err(Rejected(message));
                }
                (Some(value), _) => after.insert(key.clone(), value.clone()),
                (None, _) => after.remove(key),
            };
        }
        self.relabel(index, after, host);
        Ok(format!("pod/{name} labeled"))
    }
}

fn missing(what: &str) -> Rejected {
    Rejected(format!("the twin has no {what} yet"))
}
