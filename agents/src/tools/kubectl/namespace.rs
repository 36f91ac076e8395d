//! The application's namespace, and what the API server says to whoever goes beyond it.
//!
//! Agents act as a service account with a role in that one namespace, and with the right to see and cordon nodes, which are
//! in none. So every other namespace, and all of them together, are forbidden to them, whether they exist or not. The
//! words are those of the API server (`apimachinery/pkg/api/errors`, `apiserver/pkg/authorization`).

use sim::environment::{Applied, AppliedObject};

use super::arguments::Arguments;
use super::objects::{Kind, kind};
use super::refusal::Refusal;

/// What a command asks the API server for first: that is what is forbidden elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// What its words name, or all of the kind that they name.
    Named,
    /// The same, to delete it.
    Deleted,
    /// The usage of what its words name.
    Usage,
    /// What its log is of.
    Logged,
    /// Events.
    Events,
    /// What is made of a manifest: [`may_create`] and [`may_apply`] look at it.
    Made,
    /// A node.
    Node,
}

/// What is asked of the API server.
struct Request {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    name: Option<String>,
}

impl Request {
    fn of(verb: &'static str, kind: Kind, name: Option<String>) -> Self {
        let group = match kind {
            Kind::Deployment | Kind::ReplicaSet => "apps",
            Kind::Autoscaler => "autoscaling",
            Kind::DisruptionBudget => "policy",
            Kind::NetworkPolicy => "networking.k8s.io",
            Kind::Pod
            | Kind::Service
            | Kind::Endpoints
            | Kind::Event
            | Kind::Node
            | Kind::ResourceQuota
            | Kind::All => "",
        };
        // Of everything, pods are asked for first.
        let asked = if kind == Kind::All { Kind::Pod } else { kind };
        Self { verb, group, resource: asked.plural(), name }
    }

    /// A look at one object, or at all of a kind.
    fn look(kind: Kind, name: Option<String>) -> Self {
        Self::of(if name.is_some() { "get" } else { "list" }, kind, name)
    }

    /// What the API server says of it, in a place that is not the agent's.
    fn forbidden(&self, own: &str, place: &str) -> Refusal {
        let Self { verb, group, resource, name } = self;
        let of_group = if group.is_empty() { String::new() } else { format!(".{group}") };
        let name = name.as_ref().map_or_else(String::new, |name| format!(" \"{name}\""));
        Refusal::Forbidden {
            message: format!(
                "{resource}{of_group}{name} is forbidden: User \"system:serviceaccount:{own}:agent\" cannot {verb} \
                 resource \"{resource}\" in API group \"{group}\" {place}"
            ),
        }
    }
}

/// Refuses a command that leaves the namespace.
pub(super) fn check(own: &str, subject: Subject, arguments: &Arguments) -> Result<(), Refusal> {
    let Some(place) = elsewhere(own, arguments)? else { return Ok(()) };
    match request(subject, arguments)? {
        Some(request) => Err(request.forbidden(own, &place)),
        // It is about nodes, or says too little for anything to be asked for.
        None => Ok(()),
    }
}

/// Refuses to create a component's Deployment elsewhere.
pub(super) fn may_create(own: &str, arguments: &Arguments, component: &str) -> Result<(), Refusal> {
    let request = || Request::of("create", Kind::Deployment, Some(component.to_owned()));
    elsewhere(own, arguments)?.map_or(Ok(()), |place| Err(request().forbidden(own, &place)))
}

/// Refuses to apply a manifest elsewhere: where the flag says, or else the manifest itself.
pub(super) fn may_apply(own: &str, arguments: &Arguments, manifest: &str) -> Result<(), Refusal> {
    let object = AppliedObject { manifest: manifest.to_owned() };
    // What cannot be read is for the API server to refuse.
    let Ok(object) = object.read() else { return Ok(()) };
    let (kind, meta) = match &object {
        Applied::Service(service) => (Kind::Service, &service.meta),
        Applied::Autoscaler(autoscaler) => (Kind::Autoscaler, &autoscaler.meta),
        Applied::ResourceQuota(quota) => (Kind::ResourceQuota, &quota.meta),
        Applied::DisruptionBudget(budget) => (Kind::DisruptionBudget, &budget.meta),
        Applied::NetworkPolicy(policy) => (Kind::NetworkPolicy, &policy.meta),
    };
    // `default` is also what a manifest is read as that names no namespace: it goes where the agent is.
    let written = Some(meta.namespace.as_str()).filter(|written| *written != "default" && *written != own);
    let place = elsewhere(own, arguments)?.or_else(|| written.map(within));
    place.map_or(Ok(()), |place| Err(Request::look(kind, Some(meta.name.clone())).forbidden(own, &place)))
}

/// Where a command goes, if not to the agent's own namespace.
fn elsewhere(own: &str, arguments: &Arguments) -> Result<Option<String>, Refusal> {
    if arguments.is_set("all-namespaces")? {
        return Ok(Some("at the cluster scope".to_owned()));
    }
    Ok(arguments.value("namespace").filter(|named| !named.is_empty() && *named != own).map(within))
}

fn within(namespace: &str) -> String {
    format!("in the namespace \"{namespace}\"")
}

/// What a command asks for first; none for nodes, which are in no namespace, and for what its words do not say.
fn request(subject: Subject, arguments: &Arguments) -> Result<Option<Request>, Refusal> {
    let named = match subject {
        Subject::Made | Subject::Node => None,
        Subject::Events => Some((Kind::Event, None)),
        Subject::Logged => logged(arguments)?,
        Subject::Named | Subject::Deleted | Subject::Usage => first(arguments)?,
    };
    Ok(named.filter(|(kind, _)| *kind != Kind::Node).map(|(kind, name)| match subject {
        Subject::Deleted => Request::of("delete", kind, name),
        Subject::Usage => Request { group: "metrics.k8s.io", ..Request::look(kind, name) },
        _ => Request::look(kind, name),
    }))
}

/// The first thing that the words name, nodes aside.
fn first(arguments: &Arguments) -> Result<Option<(Kind, Option<String>)>, Refusal> {
    let [first, rest @ ..] = arguments.words.as_slice() else { return Ok(None) };
    let (words, name) = match first.split_once('/') {
        Some((word, name)) => (word, Some(name.to_owned())),
        None => (first.as_str(), rest.first().cloned()),
    };
    let kinds = words.split(',').map(kind).collect::<Result<Vec<Kind>, Refusal>>()?;
    Ok(kinds.into_iter().find(|kind| *kind != Kind::Node).map(|kind| (kind, name)))
}

/// What a log is of: a pod, or what has pods.
fn logged(arguments: &Arguments) -> Result<Option<(Kind, Option<String>)>, Refusal> {
    let Some(first) = arguments.words.first() else {
        return Ok(arguments.value("selector").map(|_| (Kind::Pod, None)));
    };
    Ok(Some(match first.split_once('/') {
        Some((word, name)) => (kind(word)?, Some(name.to_owned())),
        None => (Kind::Pod, Some(first.clone())),
    }))
}
