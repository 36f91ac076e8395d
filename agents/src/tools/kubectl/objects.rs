//! Kinds and names of objects as people write them, and the component that each belongs to.

use super::arguments::Arguments;
use super::refusal::Refusal;

/// A kind of object that some command knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Pod,
    Deployment,
    ReplicaSet,
    Service,
    Endpoints,
    Autoscaler,
    Event,
    Node,
    ResourceQuota,
    DisruptionBudget,
    NetworkPolicy,
    /// `kubectl get all`.
    All,
}

impl Kind {
    /// As kubectl names many of them.
    pub(super) const fn plural(self) -> &'static str {
        match self {
            Self::Pod => "pods",
            Self::Deployment => "deployments",
            Self::ReplicaSet => "replicasets",
            Self::Service => "services",
            Self::Endpoints => "endpoints",
            Self::Autoscaler => "horizontalpodautoscalers",
            Self::Event => "events",
            Self::Node => "nodes",
            Self::ResourceQuota => "resourcequotas",
            Self::DisruptionBudget => "poddisruptionbudgets",
            Self::NetworkPolicy => "networkpolicies",
            Self::All => "all",
        }
    }
}

/// Names by which kubectl knows each kind: singular, plural and short ones.
static KINDS: [(Kind, &[&str]); 12] = [
    (Kind::Pod, &["pods", "pod", "po"]),
    (Kind::Deployment, &["deployments", "deployment", "deploy"]),
    (Kind::ReplicaSet, &["replicasets", "replicaset", "rs"]),
    (Kind::Service, &["services", "service", "svc"]),
    (Kind::Endpoints, &["endpoints", "endpoint", "ep", "endpointslices", "endpointslice"]),
    (Kind::Autoscaler, &["horizontalpodautoscalers", "horizontalpodautoscaler", "hpa"]),
    (Kind::Event, &["events", "event", "ev"]),
    (Kind::Node, &["nodes", "node", "no"]),
    (Kind::ResourceQuota, &["resourcequotas", "resourcequota", "quota"]),
    (Kind::DisruptionBudget, &["poddisruptionbudgets", "poddisruptionbudget", "pdb"]),
    (Kind::NetworkPolicy, &["networkpolicies", "networkpolicy", "netpol"]),
    (Kind::All, &["all"]),
];

const IN_THE_DESCRIPTION: &str = "what a component has of them is shown by `describe deployment NAME`";
const ONE_NAMESPACE: &str = "you see the namespace of the application, and no other";
const NONE_HERE: &str = "what can be seen is pods, deployments, replicasets, services, endpoints, hpa, events, nodes, \
                         quota, pdb and netpol";

/// Kinds that Kubernetes has and no command here knows.
static OTHER_KINDS: [(&[&str], &str); 8] = [
    (&["configmaps", "configmap", "cm", "secrets", "secret"], IN_THE_DESCRIPTION),
    (&["namespaces", "namespace", "ns"], ONE_NAMESPACE),
    (&["statefulsets", "statefulset", "sts", "daemonsets", "daemonset", "ds"], NONE_HERE),
    (&["jobs", "job", "cronjobs", "cronjob", "cj", "replicationcontrollers", "rc"], NONE_HERE),
    (&["persistentvolumeclaims", "pvc", "persistentvolumes", "pv", "storageclasses", "storageclass", "sc"], NONE_HERE),
    (&["ingresses", "ingress", "ing", "limitranges", "limitrange", "limits", "leases", "lease"], NONE_HERE),
    (&["serviceaccounts", "serviceaccount", "sa", "roles", "role", "rolebindings", "clusterroles"], NONE_HERE),
    (&["customresourcedefinitions", "crd", "crds", "componentstatuses", "cs", "priorityclasses", "pc"], NONE_HERE),
];

/// A kind by one of kubectl's names for it, with or without its API group; case does not matter.
pub(super) fn kind(word: &str) -> Result<Kind, Refusal> {
    let lower = word.to_lowercase();
    let plain = lower.split('.').next().unwrap_or_default();
    if let Some((kind, _)) = KINDS.iter().find(|(_, names)| names.contains(&plain)) {
        return Ok(*kind);
    }
    if let Some((_, instead)) = OTHER_KINDS.iter().find(|(names, _)| names.contains(&plain)) {
        return Err(Refusal::Kind { kind: word.to_owned(), instead });
    }
    let names = KINDS.iter().flat_map(|(_, names)| names.iter().copied());
    Err(Refusal::UnknownKind { word: word.to_owned(), nearest: sim::diagnostic::nearest(plain, names) })
}

/// One or several objects that a look names: `pods`, `pod NAME...`, `kind/NAME...`, `kind,kind [NAME]`.
pub(super) fn named(arguments: &Arguments) -> Result<Vec<(Kind, Option<String>)>, Refusal> {
    let [first, rest @ ..] = arguments.words.as_slice() else {
        return Err(arguments.missing("the kind of object"));
    };
    if first.contains('/') {
        let object = |word: &String| match word.split_once('/') {
            Some((kind_of, name)) => Ok((kind(kind_of)?, Some(valid(name)?))),
            None => Err(Refusal::Unexpected { word: word.clone(), usage: arguments.usage }),
        };
        return arguments.words.iter().map(object).collect();
    }
    let names = rest.iter().map(|name| valid(name).map(Some)).collect::<Result<Vec<_>, _>>()?;
    let names = if names.is_empty() { vec![None] } else { names };
    let mut objects = Vec::new();
    for word in first.split(',') {
        let kind = kind(word)?;
        objects.extend(names.iter().map(|name| (kind, name.clone())));
    }
    Ok(objects)
}

/// The object that a change names first, as `kind/name` or `kind name`, with the words behind it.
pub(super) fn object(arguments: &Arguments) -> Result<(Kind, String, &[String]), Refusal> {
    let [first, rest @ ..] = arguments.words.as_slice() else {
        return Err(arguments.missing("the object"));
    };
    if let Some((word, name)) = first.split_once('/') {
        return Ok((kind(word)?, valid(name)?, rest));
    }
    let kind = kind(first)?;
    match rest {
        [name, rest @ ..] => Ok((kind, valid(name)?, rest)),
        [] => Err(arguments.missing("the name of the object")),
    }
}

/// The Deployment that a change names first, with the words behind it.
pub(super) fn deployment(arguments: &Arguments) -> Result<(String, &[String]), Refusal> {
    match object(arguments)? {
        (Kind::Deployment, name, rest) => Ok((name, rest)),
        (kind, ..) => Err(Refusal::Kind {
            kind: kind.plural().to_owned(),
            instead: "this is done to a Deployment: write `deployment/NAME`",
        }),
    }
}

/// The node that a command names, as `NAME` or `node/NAME`.
pub(super) fn node(arguments: &Arguments) -> Result<String, Refusal> {
    let [word, rest @ ..] = arguments.words.as_slice() else {
        return Err(arguments.missing("the node"));
    };
    arguments.nothing_more(rest)?;
    match word.split_once('/') {
        Some(("node" | "nodes" | "no", name)) => valid(name),
        _ => valid(word),
    }
}

/// A name that an object can have.
pub(super) fn valid(name: &str) -> Result<String, Refusal> {
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let is_valid =
        name.len() <= 253 && end(name.chars().next()) && end(name.chars().next_back()) && name.chars().all(allowed);
    if is_valid {
        return Ok(name.to_owned());
    }
    Err(Refusal::Name {
        kind: "Kubernetes object",
        name: name.to_owned(),
        instead: "names are lower-case letters, digits and `-`; write the whole name as `get pods` shows it",
    })
}

/// The Deployment of the pod of this name: `catalogue` of `catalogue-7d4b9c5f6-x2x4z`.
pub(super) fn owner_of_pod(pod: &str) -> Option<&str> {
    let (set, suffix) = pod.rsplit_once('-')?;
    if suffix.len() == 5 && is_generated(suffix) { owner_of_set(set) } else { None }
}

/// The Deployment of the `ReplicaSet` of this name.
pub(super) fn owner_of_set(set: &str) -> Option<&str> {
    let (deployment, hash) = set.rsplit_once('-')?;
    ((4..=10).contains(&hash.len()) && is_generated(hash)).then_some(deployment)
}

/// Whether all letters are of the alphabet of generated names (`k8s.io/apimachinery/pkg/util/rand`): it has no vowels,
/// so that no word is taken for one.
fn is_generated(text: &str) -> bool {
    text.bytes().all(|letter| b"bcdfghjklmnpqrstvwxz2456789".contains(&letter))
}

/// The component that `-l` selects, if there is one: `name=catalogue`, `app=catalogue`.
pub(super) fn selected(arguments: &Arguments) -> Result<Option<String>, Refusal> {
    let Some(selector) = arguments.value("selector") else { return Ok(None) };
    let refuse = |instead| Err(Refusal::Selector { selector: selector.to_owned(), instead });
    let mut component: Option<String> = None;
    for part in selector.split(',') {
        let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) else {
            return refuse("write `-l name=COMPONENT`");
        };
        if !matches!(key.trim(), "name" | "app" | "component" | "k8s-app" | "app.kubernetes.io/name") {
            return refuse("only a component can be selected: write `-l name=COMPONENT`");
        }
        let value = valid(value.trim())?;
        if component.as_ref().is_some_and(|earlier| *earlier != value) {
            return refuse("no pod belongs to two components: write `-l name=COMPONENT`");
        }
        component = Some(value);
    }
    Ok(component)
}
