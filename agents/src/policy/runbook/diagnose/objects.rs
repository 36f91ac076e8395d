//! What the API server's objects show.

use sim::environment::DeletableKind;
use sim::fault::FaultKind;
use sim::time::SimDuration;

use super::{Case, Finding, Remedy};
use crate::service;

/// Events older than this are of another incident.
const RECENT: SimDuration = SimDuration::from_secs(300);

/// Its Deployment does not exist.
pub(super) fn missing(case: &Case<'_>) -> Option<Finding> {
    let component = case.seen.component.clone();
    case.seen.description.is_none().then_some(Finding { component, kind: "missing-deployment", remedy: Remedy::Create })
}

/// The image's tag cannot be pulled.
pub(super) fn image_cannot_be_pulled(case: &Case<'_>) -> Option<Finding> {
    let cannot_pull = |status: &str| matches!(status, "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName");
    let found = case.seen.pods().any(|pod| cannot_pull(&pod.status));
    found.then(|| case.here(FaultKind::BadTag, Remedy::Rollback))
}

/// A quota refuses its pods.
pub(super) fn over_quota(case: &Case<'_>) -> Option<Finding> {
    const WORDS: &str = "exceeded quota: ";
    let events = &case.seen.description.as_ref()?.events;
    let refused = |reason: &str, message: &str| reason == "FailedCreate" && message.contains(WORDS);
    let refusal = events
        .iter()
        .rev()
        .find(|event| refused(&event.reason, &event.message) && case.seen.at.since(event.last_seen) <= RECENT)?;
    let (_, after) = refusal.message.split_once(WORDS)?;
    let name = after.split(',').next()?.to_owned();
    let exists = case.closer.policies.iter().any(|p| p.kind == DeletableKind::ResourceQuota && p.name == name);
    let remedy = if exists { Remedy::Delete(DeletableKind::ResourceQuota, name, true) } else { Remedy::ReplacePods };
    Some(case.here(FaultKind::QuotaExceeded, remedy))
}

/// Its pods are on a machine from which nothing is heard.
pub(super) fn lost_node(case: &Case<'_>) -> Option<Finding> {
    let lost: Vec<&str> = case.closer.nodes.iter().filter(|n| !n.ready).map(|n| n.name.as_str()).collect();
    let there = case.seen.pods().filter(|pod| pod.node.as_deref().is_some_and(|node| lost.contains(&node)));
    let pods = Case::names(there);
    (!pods.is_empty()).then(|| case.here(FaultKind::NodeLoss, Remedy::DeletePods(pods)))
}

/// The kubelet of a machine that was short of something put its pods out.
pub(super) fn evicted(case: &Case<'_>) -> Option<Finding> {
    let found = case.seen.happened(RECENT, "Evicted", "low on resource");
    found.then(|| case.here(FaultKind::NodePressure, Remedy::Wait))
}

/// A pod of the newest template runs another image than it names.
pub(super) fn image_of_a_running_pod_changed(case: &Case<'_>) -> Option<Finding> {
    let description = case.seen.description.as_ref()?;
    let newest = &description.replica_sets.first()?.name;
    let is_changed = |image: &String| *image != description.deployment.image;
    let pods =
        description.pods.iter().zip(&description.containers).filter(|(pod, containers)| {
            pod.name.starts_with(newest) && containers.iter().any(|c| is_changed(&c.image))
        });
    let pods = Case::names(pods.map(|(pod, _)| pod));
    (!pods.is_empty()).then(|| case.here(FaultKind::PodFailure, Remedy::DeletePods(pods)))
}

/// A network policy lets nobody in.
pub(super) fn isolated(case: &Case<'_>) -> Option<Finding> {
    let labels = &case.seen.description.as_ref()?.deployment.labels;
    let selects = |says: &str| {
        let selector = says.strip_prefix("pods ").and_then(|rest| rest.split_once(": ")).map_or("", |(s, _)| s);
        selector == "<all>" || (!selector.is_empty() && selector.split(',').all(|l| labels.iter().any(|own| own == l)))
    };
    let policy = case.closer.policies.iter().find(|policy| {
        policy.kind == DeletableKind::NetworkPolicy && selects(&policy.says) && policy.says.contains("no ingress")
    })?;
    Some(
        case.here(FaultKind::BlockedByPolicy, Remedy::Delete(DeletableKind::NetworkPolicy, policy.name.clone(), false)),
    )
}

/// The Service selects other pods than the Deployment makes.
pub(super) fn service_selects_nobody(case: &Case<'_>) -> Option<Finding> {
    let leads_elsewhere = !service::selects_the_pods(case.seen.description.as_ref()?);
    leads_elsewhere.then(|| case.here(FaultKind::WrongSelector, Remedy::MendService))
}

/// The Service leads to a port that no container declares.
pub(super) fn service_leads_to_a_closed_port(case: &Case<'_>) -> Option<Finding> {
    let is_closed = service::leads_to_a_closed_port(case.seen.description.as_ref()?);
    is_closed.then(|| case.here(FaultKind::WrongPort, Remedy::MendService))
}
