//! Revisions: the `ReplicaSet` of each template, their history, and the way back.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::environment::Rejected;
use crate::ids::{DeploymentIx, ReplicaSetIx};
use crate::manifest::{Container, EnvValue, PodTemplate, ResourceRequirements};

use super::super::names;
use super::super::objects::{ReplicaSet, ReplicaSetStatus};
use super::super::runtime::Host;
use super::super::work::Request;
use super::super::{Cluster, Work};
use super::{Conflict, DeploymentSync, Member};

impl DeploymentSync<'_> {
    /// A `ReplicaSet` of the wanted template gets the newest revision, and the Deployment gets it from that (`getNewReplicaSet`
    /// for one that is there).
    pub(super) fn sync_revision(&mut self) -> Result<(), Conflict> {
        let Some(new) = self.new else {
            return Ok(());
        };
        let revision = self.newest_old_revision() + 1;
        let Member { set, revision: own, .. } = self.sets[new];
        if own < revision {
            self.sets[new].revision = revision;
            self.request(Request::WriteRevision(set, revision));
            if self.deployment.spec.paused {
                return Ok(());
            }
            // To see whether the Deployment was scaled it has been read once, and it is read again to go on
            // (`isScalingEvent`): the second time the revision is written upon what was read before the first.
            self.request(Request::Conflict);
            return Err(Conflict);
        }
        let is_found = self.progressing().is_none();
        if self.report.revision == own && !is_found {
            return Ok(());
        }
        self.report.revision = own;
        if is_found {
            let message = format!("Found new replica set \"{}\"", self.new_name());
            self.set_progressing("True", "FoundNewReplicaSet", message);
        }
        self.write()
    }

    fn newest_old_revision(&self) -> u64 {
        self.old().into_iter().map(|at| self.sets[at].revision).max().unwrap_or(0)
    }

    /// The `ReplicaSet` of the wanted template is called after that.
    pub(super) fn new_name(&self) -> String {
        let deployment = self.deployment;
        format!("{}-{}", deployment.name(), names::template_hash(&deployment.spec.template))
    }

    /// The `ReplicaSet` of the wanted template, made if there is none.
    pub(super) fn ensure_new_replica_set(&mut self) -> Result<usize, Conflict> {
        if let Some(new) = self.new {
            return Ok(new);
        }
        let new = self.sets.len();
        let set = self.new_replica_set();
        self.sets.push(Member::of(self.next, &set));
        self.new = Some(new);
        self.report.revision = set.revision;
        let message = format!("Created new replica set \"{}\"", set.name);
        self.set_progressing("True", "NewReplicaSetCreated", message);
        self.request(Request::CreateReplicaSet(self.next, Box::new(set)));
        self.next.0 += 1;
        self.write()?;
        Ok(new)
    }

    fn new_replica_set(&self) -> ReplicaSet {
        let deployment = self.deployment;
        let template = Arc::new(deployment.spec.template.clone());
        ReplicaSet {
            name: self.new_name(),
            deployment: self.ix,
            component: deployment.name().to_owned(),
            hash: names::template_hash(&template),
            template,
            replicas: self.wanted_new_size(),
            generation: 1,
            revision: self.newest_old_revision() + 1,
            desired_replicas: deployment.spec.replicas,
            max_replicas: deployment.max_replicas(),
            pods_created: 0,
            pods: BTreeSet::new(),
            status: ReplicaSetStatus::default(),
            failure: None,
        }
    }

    /// Deletes the oldest empty `ReplicaSet`s beyond the history's limit (`cleanupDeployment`).
    pub(super) fn clean_up_history(&mut self) {
        let limit = self.deployment.spec.revision_history_limit as usize;
        let mut old = self.old();
        old.sort_by_key(|at| self.sets[*at].revision);
        let surplus = old.len().saturating_sub(limit);
        for at in old.into_iter().take(surplus) {
            let Member { set, size, has_pods, .. } = self.sets[at];
            if size.replicas == 0 && !has_pods {
                self.request(Request::DeleteReplicaSet(set));
            }
        }
    }
}

impl Cluster {
    /// A Deployment has another `ReplicaSet`.
    pub(in super::super) fn add_replica_set(&mut self, ix: ReplicaSetIx, set: ReplicaSet, host: &mut dyn Host) {
        let owner = set.deployment;
        if !self.deployments.contains_key(&owner) {
            return;
        }
        if set.replicas > 0 {
            let message = format!("Scaled up replica set {} from 0 to {}", set.name, set.replicas);
            self.record_scaling(owner, message, host);
        }
        self.replica_sets.insert(ix, set);
        self.touch(Work::ReplicaSet(ix), host);
        self.touch(Work::Deployment(owner), host);
    }

    /// A `ReplicaSet` has another revision.
    pub(in super::super) fn write_revision(&mut self, ix: ReplicaSetIx, revision: u64, host: &mut dyn Host) {
        if let Some(set) = self.replica_sets.get_mut(&ix) {
            set.revision = revision;
            let owner = set.deployment;
            self.touch(Work::Deployment(owner), host);
        }
    }

    /// A `ReplicaSet` is deleted, if it is still empty.
    pub(in super::super) fn delete_replica_set(&mut self, ix: ReplicaSetIx, host: &mut dyn Host) {
        let empty = self.replica_sets.get(&ix).filter(|set| set.replicas == 0 && set.pods.is_empty());
        if let Some(owner) = empty.map(|set| set.deployment) {
            self.replica_sets.remove(&ix);
            self.touch(Work::Deployment(owner), host);
        }
    }

    /// `kubectl rollout undo` (`pkg/polymorphichelpers/rollback.go`): gives the Deployment the template
    /// of an earlier revision, of the one before if none is named.
    pub(in super::super) fn undo(
        &mut self,
        ix: DeploymentIx,
        revision: Option<u64>,
        host: &mut dyn Host,
    ) -> Result<String, Rejected> {
        let deployment = &self.deployments[&ix];
        let name = deployment.name();
        let revision = revision.filter(|r| *r > 0);
        let mut sets: Vec<_> = self.replica_sets.values().filter(|set| set.deployment == ix).collect();
        sets.sort_by_key(|set| set.revision);
        let set = match revision {
            Some(wanted) => sets
                .into_iter()
                .find(|set| set.revision == wanted)
                .ok_or_else(|| Rejected(format!("unable to find specified revision {wanted} in history")))?,
            None => *sets
                .iter()
                .rev()
                .nth(1)
                .ok_or_else(|| Rejected(format!("no rollout history found for deployment \"{name}\"")))?,
        };
        if deployment.spec.paused {
            let message = "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and \
                           try again";
            return Err(Rejected(message.to_owned()));
        }
        if *set.template == deployment.spec.template {
            let revision = revision.unwrap_or(0);
            return Ok(format!(
                "deployment.apps/{name} skipped rollback (current template already matches revision {revision})"
            ));
        }
        let template = PodTemplate::clone(&set.template);
        let answer = format!("deployment.apps/{name} rolled back");
        self.change_template(ix, template, host);
        Ok(answer)
    }

    /// Gives the Deployment another template; the same one again starts no rollout.
    pub(in super::super) fn change_template(&mut self, ix: DeploymentIx, template: PodTemplate, host: &mut dyn Host) {
        self.change_deployment(ix, |spec| spec.template = template, host);
    }
}

/// What a template changed, in words, for a history in which nobody wrote a change cause.
pub(in super::super) fn change_between(before: Option<&PodTemplate>, after: &PodTemplate) -> String {
    let Some(before) = before else {
        return String::new();
    };
    let mut changes = Vec::new();
    for new in &after.containers {
        match before.containers.iter().find(|c| c.name == new.name) {
            Some(old) => container_changes(old, new, &mut changes),
            None => changes.push(format!("container {} added", new.name)),
        }
    }
    if changes.is_empty() && before.annotations != after.annotations {
        changes.push("restarted".to_owned());
    }
    if changes.is_empty() && before != after {
        changes.push("template changed".to_owned());
    }
    changes.join(", ")
}

fn container_changes(old: &Container, new: &Container, changes: &mut Vec<String>) {
    if old.image != new.image {
        changes.push(format!("image {} -> {}", old.image, new.image));
    }
    let (before, after) = (quantities(&old.resources), quantities(&new.resources));
    for ((what, before), (_, after)) in before.into_iter().zip(after) {
        if before != after {
            changes.push(format!("{what} {before} -> {after}"));
        }
    }
    for variable in &new.env {
        if !old.env.contains(variable) {
            let value = match &variable.value {
                EnvValue::Text(value) | EnvValue::From(value) => value.clone(),
                EnvValue::Key(reference) => reference.to_string(),
            };
            changes.push(format!("env {}={value}", variable.name));
        }
    }
    for variable in &old.env {
        if new.env.iter().all(|v| v.name != variable.name) {
            changes.push(format!("env {} removed", variable.name));
        }
    }
}

/// Requests and limits in words.
fn quantities(resources: &ResourceRequirements) -> [(&'static str, String); 4] {
    let ResourceRequirements { requests, limits } = resources;
    let text = |quantity: Option<String>| quantity.unwrap_or_else(|| "none".to_owned());
    [
        ("cpu request", text(requests.cpu.map(|q| q.to_string()))),
        ("cpu limit", text(limits.cpu.map(|q| q.to_string()))),
        ("memory request", text(requests.memory.map(|q| q.to_string()))),
        ("memory limit", text(limits.memory.map(|q| q.to_string()))),
    ]
}
