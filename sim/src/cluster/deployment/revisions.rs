//! Revisions: the `ReplicaSet` of each template, their history, and the way back.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::environment::Rejected;
use crate::ids::{DeploymentIx, ReplicaSetIx};
use crate::manifest::{Container, EnvValue, PodTemplate, ResourceRequirements};

use super::super::names;
use super::super::objects::{Condition, ReplicaSet, ReplicaSetStatus, set_condition};
use super::super::recorder::{Severity, Source};
use super::super::runtime::Host;
use super::super::{Cluster, Work};
use super::Family;

impl Cluster {
    /// The `ReplicaSet` of the wanted template, made if there is none. It has the newest revision
    /// (`getNewReplicaSet`).
    pub(super) fn ensure_new_replica_set(
        &mut self,
        ix: DeploymentIx,
        family: &mut Family,
        host: &mut dyn Host,
    ) -> ReplicaSetIx {
        let newest_old = family.old.iter().map(|set| self.replica_sets[set].revision).max().unwrap_or(0);
        let (new, reason, verb) = match family.new {
            Some(new) => (new, "FoundNewReplicaSet", "Found"),
            None => (self.create_replica_set(ix, family, host), "NewReplicaSetCreated", "Created"),
        };
        let is_made = family.new.is_none();
        family.new = Some(new);
        let Some(set) = self.replica_sets.get_mut(&new) else {
            return new;
        };
        set.revision = set.revision.max(newest_old + 1);
        let Some(deployment) = self.deployments.get_mut(&ix) else {
            return new;
        };
        deployment.revision = set.revision;
        if is_made || deployment.conditions.iter().all(|c| c.kind != "Progressing") {
            let message = format!("{verb} new replica set \"{}\"", set.name);
            set_condition(
                &mut deployment.conditions,
                Condition { kind: "Progressing", status: "True", reason, message, updated: host.now() },
            );
        }
        new
    }

    fn create_replica_set(&mut self, ix: DeploymentIx, family: &Family, host: &mut dyn Host) -> ReplicaSetIx {
        let replicas = self.wanted_new_size(ix, family);
        let deployment = &self.deployments[&ix];
        let template = Arc::new(deployment.spec.template.clone());
        let hash = names::template_hash(&template);
        let set = ReplicaSet {
            name: format!("{}-{hash}", deployment.name()),
            deployment: ix,
            component: deployment.name().to_owned(),
            template,
            hash,
            replicas,
            generation: 1,
            revision: 0,
            desired_replicas: deployment.spec.replicas,
            max_replicas: deployment.max_replicas(),
            pods_created: 0,
            pods: BTreeSet::new(),
            status: ReplicaSetStatus::default(),
            growth: None,
            failure: None,
        };
        if replicas > 0 {
            let message = format!("Scaled up replica set {} from 0 to {replicas}", set.name);
            let about = deployment.subject();
            self.record(host, Source::DeploymentController, &about, Severity::Normal, "ScalingReplicaSet", message);
        }
        let new = ReplicaSetIx(self.created.replica_sets);
        self.created.replica_sets += 1;
        self.replica_sets.insert(new, set);
        // The Deployment's status with the new revision is written after it.
        self.request(Work::Deployment(ix), host);
        self.touch(Work::ReplicaSet(new), host);
        self.touch(Work::Deployment(ix), host);
        new
    }

    /// Deletes the oldest empty `ReplicaSet`s beyond the history's limit (`cleanupDeployment`).
    pub(super) fn clean_up_history(&mut self, ix: DeploymentIx) {
        let limit = self.deployments[&ix].spec.revision_history_limit as usize;
        let mut old = self.family(ix).old;
        old.sort_by_key(|set| self.replica_sets[set].revision);
        let surplus = old.len().saturating_sub(limit);
        for set in old.into_iter().take(surplus) {
            let candidate = &self.replica_sets[&set];
            if candidate.replicas == 0 && candidate.pods.is_empty() {
                self.replica_sets.remove(&set);
            }
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
