//! The permissions that sockpit takes on a cluster: which use needs which verb on which resource. This is the one list:
//! the manifests in `bridge/rbac` grant it and no more, and `sockpit doctor` asks the API server for each of it.
//!
//! A change needs what makes it, what looks at its object before, and what takes it back.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use sim::environment::Query;

use super::action::WriteKind;

/// One verb on one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Permission {
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The resource, with its subresource behind a slash.
    pub resource: &'static str,
    /// Such as `get`.
    pub verb: &'static str,
}

/// As `kubectl auth can-i` takes it, such as `patch deployments.apps/scale`.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (resource, subresource) = self.resource_and_subresource();
        write!(f, "{} {resource}", self.verb)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        match subresource {
            Some(subresource) => write!(f, "/{subresource}"),
            None => Ok(()),
        }
    }
}

impl Permission {
    /// The resource and the subresource of it.
    pub fn resource_and_subresource(&self) -> (&'static str, Option<&'static str>) {
        match self.resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource)),
            None => (self.resource, None),
        }
    }
}

/// The manifest that grants a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// `sockpit.yaml`: what happens in the namespace.
    Namespace,
    /// `sockpit-nodes.yaml`: looks at nodes, an agent's and the judge's.
    Nodes,
    /// `sockpit-node-actions.yaml`: cordon, uncordon and drain, which the guards have to allow as well.
    NodeActions,
    /// `sockpit-chaos-mesh.yaml`: faults by Chaos Mesh.
    ChaosMesh,
}

impl Grant {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Namespace, Self::Nodes, Self::NodeActions, Self::ChaosMesh];

    /// As it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Nodes => "nodes",
            Self::NodeActions => "node-actions",
            Self::ChaosMesh => "chaos-mesh",
        }
    }

    /// Its file in `bridge/rbac`.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Namespace => "sockpit.yaml",
            Self::Nodes => "sockpit-nodes.yaml",
            Self::NodeActions => "sockpit-node-actions.yaml",
            Self::ChaosMesh => "sockpit-chaos-mesh.yaml",
        }
    }

    /// Its text, for `kubectl apply`.
    pub const fn manifest(self) -> &'static str {
        match self {
            Self::Namespace => include_str!("../../rbac/sockpit.yaml"),
            Self::Nodes => include_str!("../../rbac/sockpit-nodes.yaml"),
            Self::NodeActions => include_str!("../../rbac/sockpit-node-actions.yaml"),
            Self::ChaosMesh => include_str!("../../rbac/sockpit-chaos-mesh.yaml"),
        }
    }

    /// The same for a namespace.
    pub fn manifest_for(self, namespace: &str) -> String {
        self.manifest().replace("namespace: sock-shop", &format!("namespace: {namespace}"))
    }

    /// Whether it is for the whole cluster.
    pub const fn is_of_cluster(self) -> bool {
        matches!(self, Self::Nodes | Self::NodeActions)
    }
}

/// Something that sockpit does on a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// What, as files and people name it.
    pub name: String,
    /// Which manifest grants it.
    pub grant: Grant,
    /// What it takes.
    pub needs: Vec<Permission>,
}

/// Everything that sockpit does on a cluster.
pub fn uses() -> Vec<Use> {
    let mut uses = vec![Use { name: "watch".to_owned(), grant: Grant::Namespace, needs: of_watching() }];
    uses.extend(queries());
    for kind in WriteKind::ALL {
        let grant = if kind.is_of_nodes() { Grant::NodeActions } else { Grant::Namespace };
        uses.push(Use { name: kind.name().to_owned(), grant, needs: of_write(kind) });
    }
    uses.push(Use { name: "faults".to_owned(), grant: Grant::Namespace, needs: of_faults() });
    uses.push(Use { name: "faults by Chaos Mesh".to_owned(), grant: Grant::ChaosMesh, needs: of_chaos_mesh() });
    uses
}

/// What a manifest grants.
pub fn granted(grant: Grant) -> BTreeSet<Permission> {
    uses().into_iter().filter(|each| each.grant == grant).flat_map(|each| each.needs).collect()
}

/// What a change takes.
pub fn of_write(kind: WriteKind) -> Vec<Permission> {
    match kind {
        WriteKind::Scale => [verbs(DEPLOYMENTS, &["get", "patch"]), verbs(SCALE, &["patch"])].concat(),
        WriteKind::SetResources | WriteKind::SetImage | WriteKind::SetEnv | WriteKind::Restart => {
            verbs(DEPLOYMENTS, &["get", "patch"])
        }
        WriteKind::Rollback => [verbs(DEPLOYMENTS, &["get", "patch"]), verbs(REPLICA_SETS, &["list"])].concat(),
        WriteKind::ApplyAutoscaler => verbs(AUTOSCALERS, &["get", "list", "create", "patch", "delete"]),
        WriteKind::DeleteAutoscaler => verbs(AUTOSCALERS, &["get", "list", "delete", "create"]),
        WriteKind::CreateDeployment | WriteKind::DeleteDeployment => verbs(DEPLOYMENTS, &["get", "create", "delete"]),
        WriteKind::DeletePod => verbs(PODS, &["get", "delete"]),
        WriteKind::Apply => [SERVICES, AUTOSCALERS, QUOTAS, BUDGETS, NETWORK_POLICIES]
            .map(|resource| verbs(resource, &["get", "create", "patch", "delete"]))
            .concat(),
        WriteKind::Delete => {
            [QUOTAS, BUDGETS, NETWORK_POLICIES].map(|resource| verbs(resource, &["get", "delete", "create"])).concat()
        }
        WriteKind::Cordon | WriteKind::Uncordon => verbs(NODES, &["get", "patch"]),
        WriteKind::Drain => {
            [verbs(NODES, &["get", "patch"]), verbs(PODS, &["list"]), verbs(EVICTIONS, &["create"])].concat()
        }
    }
}

/// What a look takes.
pub fn of_query(query: &Query) -> Vec<Permission> {
    match query {
        Query::ListPods { .. } => verbs(PODS, &["list"]),
        Query::Describe { .. } => {
            let listed = [REPLICA_SETS, PODS, SERVICES, ENDPOINT_SLICES, AUTOSCALERS, EVENTS];
            [verbs(DEPLOYMENTS, &["get"]), listed.map(|resource| verbs(resource, &["list"])).concat()].concat()
        }
        Query::Logs(_) => [verbs(PODS, &["list"]), verbs(LOGS, &["get"])].concat(),
        Query::Events { .. } => verbs(EVENTS, &["list"]),
        Query::ResourceUsage { .. } => [verbs(PODS, &["list"]), verbs(POD_METRICS, &["list"])].concat(),
        Query::Nodes => [verbs(NODES, &["list"]), verbs(PODS, &["list"]), verbs(NODE_METRICS, &["list"])].concat(),
        // They are asked of Prometheus, and read from the profile.
        Query::Metrics(_) | Query::Dependencies { .. } => Vec::new(),
        Query::Policies => [QUOTAS, BUDGETS, NETWORK_POLICIES].map(|resource| verbs(resource, &["list"])).concat(),
        Query::RolloutHistory { .. } => [verbs(DEPLOYMENTS, &["get"]), verbs(REPLICA_SETS, &["list"])].concat(),
    }
}

/// A resource with its group.
type Resource = (&'static str, &'static str);

const PODS: Resource = ("", "pods");
const LOGS: Resource = ("", "pods/log");
const EXEC: Resource = ("", "pods/exec");
const EVICTIONS: Resource = ("", "pods/eviction");
const SERVICES: Resource = ("", "services");
const EVENTS: Resource = ("", "events");
const QUOTAS: Resource = ("", "resourcequotas");
const NODES: Resource = ("", "nodes");
const DEPLOYMENTS: Resource = ("apps", "deployments");
const SCALE: Resource = ("apps", "deployments/scale");
const REPLICA_SETS: Resource = ("apps", "replicasets");
const AUTOSCALERS: Resource = ("autoscaling", "horizontalpodautoscalers");
const BUDGETS: Resource = ("policy", "poddisruptionbudgets");
const NETWORK_POLICIES: Resource = ("networking.k8s.io", "networkpolicies");
const ENDPOINT_SLICES: Resource = ("discovery.k8s.io", "endpointslices");
// In the API of metrics, pods and nodes are the names of their metrics.
const POD_METRICS: Resource = ("metrics.k8s.io", "pods");
const NODE_METRICS: Resource = ("metrics.k8s.io", "nodes");
/// The kinds of Chaos Mesh that faults are written in.
const CHAOS_MESH: [Resource; 5] = [
    ("chaos-mesh.org", "podchaos"),
    ("chaos-mesh.org", "stresschaos"),
    ("chaos-mesh.org", "networkchaos"),
    ("chaos-mesh.org", "httpchaos"),
    ("chaos-mesh.org", "iochaos"),
];

fn verbs((group, resource): Resource, verbs: &[&'static str]) -> Vec<Permission> {
    verbs.iter().map(|&verb| Permission { group, resource, verb }).collect()
}

/// What the runner watches during an episode.
fn of_watching() -> Vec<Permission> {
    [DEPLOYMENTS, REPLICA_SETS, PODS, EVENTS].map(|resource| verbs(resource, &["list", "watch"])).concat()
}

/// Each look, with what it takes.
fn queries() -> Vec<Use> {
    let component = String::new;
    let log = sim::environment::LogQuery { of: String::new(), previous: false, tail: 0 };
    let each = [
        ("list_pods", Query::ListPods { component: None }),
        ("describe", Query::Describe { component: component() }),
        ("logs", Query::Logs(log)),
        ("events", Query::Events { component: None }),
        ("resource_usage", Query::ResourceUsage { component: None }),
        ("nodes", Query::Nodes),
        ("policies", Query::Policies),
        ("rollout_history", Query::RolloutHistory { component: component() }),
    ];
    let each = each.into_iter().map(|(name, query)| {
        let grant = if query == Query::Nodes { Grant::Nodes } else { Grant::Namespace };
        Use { name: name.to_owned(), grant, needs: of_query(&query) }
    });
    each.collect()
}

/// What faults without Chaos Mesh take, and their recovery: images of pods, templates, selectors, replicas, deletions,
/// quotas and policies, and commands in containers. A command comes over a websocket, which older servers take for a
/// `get` and newer ones for a `create` as well.
fn of_faults() -> Vec<Permission> {
    let each = [
        verbs(PODS, &["get", "list", "patch", "delete"]),
        verbs(EXEC, &["get", "create"]),
        verbs(DEPLOYMENTS, &["get", "list", "patch", "create", "delete"]),
        verbs(SERVICES, &["get", "list", "patch"]),
        verbs(QUOTAS, &["get", "create", "patch", "delete"]),
        verbs(BUDGETS, &["get", "create", "patch", "delete"]),
        verbs(NETWORK_POLICIES, &["get", "create", "patch", "delete"]),
    ];
    each.concat()
}

fn of_chaos_mesh() -> Vec<Permission> {
    CHAOS_MESH.map(|resource| verbs(resource, &["get", "create", "delete"])).concat()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn texts(list: &Value) -> Vec<String> {
        list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    /// What the rules of a manifest grant, as texts.
    fn rules(grant: Grant) -> (BTreeSet<String>, Vec<String>) {
        let objects: Vec<Value> = serde_saphyr::from_multiple(grant.manifest()).unwrap();
        let mut granted = BTreeSet::new();
        for rule in objects.iter().filter_map(|object| object["rules"].as_array()).flatten() {
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    for verb in texts(&rule["verbs"]) {
                        assert!(granted.insert(format!("{group}|{resource}|{verb}")), "twice: {resource} {verb}");
                    }
                }
            }
        }
        (granted, objects.iter().map(|object| object["kind"].as_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn the_manifests_grant_what_is_used_and_no_more() {
        for grant in Grant::ALL {
            let (rules, kinds) = rules(grant);
            let needed: BTreeSet<String> =
                granted(grant).iter().map(|p| format!("{}|{}|{}", p.group, p.resource, p.verb)).collect();
            assert_eq!(rules, needed, "{}", grant.file());
            let expected: &[&str] = match grant {
                Grant::Namespace => &["ServiceAccount", "Role", "RoleBinding"],
                Grant::Nodes | Grant::NodeActions => &["ClusterRole", "ClusterRoleBinding"],
                Grant::ChaosMesh => &["Role", "RoleBinding"],
            };
            assert_eq!(kinds, expected, "{}", grant.file());
        }
    }

    #[test]
    fn nothing_is_granted_by_wildcard() {
        for grant in Grant::ALL {
            let (rules, _) = rules(grant);
            assert!(rules.iter().all(|rule| !rule.contains('*')), "{rules:?}");
        }
    }

    #[test]
    fn permissions_are_said_as_kubectl_takes_them() {
        assert_eq!(verbs(SCALE, &["patch"])[0].to_string(), "patch deployments.apps/scale");
        assert_eq!(verbs(PODS, &["get"])[0].to_string(), "get pods");
        assert_eq!(verbs(EXEC, &["create"])[0].to_string(), "create pods/exec");
    }
}
