//! Network policies: which pods are in which group for the data plane, and what passes between the groups.
//!
//! Pods of one namespace with the same labels and the same port are treated alike, so they are a group. Group 0 is what is
//! no pod. A plug-in writes its rules some time after the API has changed; here it does so at once.

use crate::environment::Rejected;
use crate::ids::{ContainerIx, PodIx};
use crate::manifest::{Labels, NetworkPolicy, PolicyEnd, policies_allow};

use super::Cluster;
use super::runtime::Host;

/// The policies of a cluster and the groups of its pods.
#[derive(Clone, Debug, Default)]
pub(super) struct Policies {
    objects: Vec<NetworkPolicy>,
    groups: Vec<Group>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    namespace: String,
    labels: Labels,
    /// The port that its server listens on.
    port: Option<u16>,
}

impl Cluster {
    /// All of them.
    pub(super) fn network_policies(&self) -> &[NetworkPolicy] {
        &self.policies.objects
    }

    /// A process of a pod has started: its pod is in a group.
    pub(super) fn join_network(&mut self, pod: PodIx, container: ContainerIx, port: Option<u16>, host: &mut dyn Host) {
        let Some(pod) = self.pods.get(&pod) else { return };
        let group = Group { namespace: pod.namespace.clone(), labels: pod.labels.clone(), port };
        let known = self.policies.groups.iter().position(|known| *known == group);
        let at = known.unwrap_or_else(|| {
            self.policies.groups.push(group);
            self.policies.groups.len() - 1
        });
        host.set_policy_group(container, at as u32 + 1);
        if known.is_none() {
            self.enforce_policies(host);
        }
    }

    /// Creates a policy, or replaces the one of that name; says what was done as `kubectl` does.
    pub(super) fn put_network_policy(&mut self, policy: NetworkPolicy, host: &mut dyn Host) -> &'static str {
        let objects = &mut self.policies.objects;
        let same = |other: &NetworkPolicy| {
            other.meta.name == policy.meta.name && other.meta.namespace == policy.meta.namespace
        };
        let outcome = match objects.iter().position(same) {
            Some(at) if objects[at] == policy => return "unchanged",
            Some(at) => {
                objects[at] = policy;
                "configured"
            }
            None => {
                objects.push(policy);
                "created"
            }
        };
        self.enforce_policies(host);
        outcome
    }

    /// Deletes the network policy of that name.
    pub(super) fn delete_network_policy(&mut self, name: &str, host: &mut dyn Host) -> Result<(), Rejected> {
        let objects = &mut self.policies.objects;
        let at = objects.iter().position(|policy| policy.meta.name == name);
        let at = at.ok_or_else(|| Rejected(format!("networkpolicies.networking.k8s.io \"{name}\" not found")))?;
        objects.remove(at);
        self.enforce_policies(host);
        Ok(())
    }

    /// Tells the data plane what passes.
    fn enforce_policies(&self, host: &mut dyn Host) {
        let Policies { objects, groups } = &self.policies;
        let no_labels = Labels::new();
        let namespaces = &self.manifests.namespaces;
        let end = |group: u32| {
            let group = groups.get((group as usize).checked_sub(1)?)?;
            let declared = namespaces.iter().find(|namespace| namespace.meta.name == group.namespace);
            let namespace_labels = declared.map_or(&no_labels, |namespace| &namespace.meta.labels);
            Some(PolicyEnd { namespace: &group.namespace, namespace_labels, labels: &group.labels })
        };
        let port = |group: u32| groups.get((group as usize).checked_sub(1)?)?.port;
        let count = if objects.is_empty() { 0 } else { groups.len() as u32 + 1 };
        host.set_policies(count, &|client, server| policies_allow(objects, end(client), end(server), port(server)));
    }
}
