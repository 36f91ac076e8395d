//! The hands of an autonomic agent: carries out one typed action against the environment.
//!
//! Reads may look at anything; writes are confined to the agent's own component. What several components share (nodes,
//! quotas, budgets, network policies) has no owner, and some faults are mended only there: such writes are carried out,
//! and the score counts them ([`sim::score::is_cluster_wide`]). What is refused comes back as a reply, what breaks ends
//! the episode ([`Unavailable`]).

use std::collections::BTreeSet;

use sim::diagnostic::Source;
use sim::environment::{Action, Environment, Failure, Observation, Query, Unavailable, Write};
use sim::manifest;

use crate::policy::Reply;

/// Carries out the actions of one component's agent.
#[derive(Clone, Debug)]
pub struct Executor {
    component: String,
}

impl Executor {
    /// For the agent of `component`.
    pub fn new(component: impl Into<String>) -> Self {
        Self { component: component.into() }
    }

    /// Looks or writes; other actions are the conductor's.
    ///
    /// # Errors
    /// The world failed.
    pub async fn execute<E: Environment>(&self, world: &mut E, action: &Action) -> Result<Reply, Unavailable> {
        let result = match action {
            Action::Observe(query) => world.observe(query).await.map(Reply::Seen),
            Action::Write(write) => match self.refusal(world, write).await? {
                Some(why) => return Ok(Reply::Rejected(why)),
                None => world.act(write).await.map(Reply::Done),
            },
            Action::Wait(_) | Action::Declare(_) | Action::Ask(_) | Action::Raise { .. } | Action::Report(_) => {
                return Ok(Reply::Noted);
            }
        };
        match result {
            Ok(reply) => Ok(reply),
            Err(Failure::Rejected(why)) => Ok(Reply::Rejected(why.0)),
            Err(Failure::Unavailable(failure)) => Err(failure),
        }
    }

    /// Why a write is not this agent's to make; none if it is.
    async fn refusal<E: Environment>(&self, world: &mut E, write: &Write) -> Result<Option<String>, Unavailable> {
        let owner = match write {
            Write::DeletePod { pod } => owner_of_pod(world, pod).await?,
            Write::Apply(object) => owner_of_object(world, &object.manifest).await?,
            _ => write.component().map(ToOwned::to_owned),
        };
        Ok(match owner {
            Some(owner) if owner != self.component => {
                Some(format!("{owner} is not yours: you may only change {}", self.component))
            }
            // An unknown pod, or a manifest that cannot be read, is for the API server to refuse.
            _ => None,
        })
    }
}

async fn owner_of_pod<E: Environment>(world: &mut E, pod: &str) -> Result<Option<String>, Unavailable> {
    match world.observe(&Query::ListPods { component: None }).await {
        Ok(Observation::Pods(pods)) => Ok(pods.into_iter().find(|p| p.name == pod).map(|p| p.component)),
        Err(Failure::Unavailable(failure)) => Err(failure),
        _ => Ok(None),
    }
}

/// The component that an applied object would change: the one that an autoscaler scales, or whose Service it
/// replaces. A Service of a new name changes nobody's.
async fn owner_of_object<E: Environment>(world: &mut E, manifest: &str) -> Result<Option<String>, Unavailable> {
    let source = Source { path: "manifest".into(), text: manifest.into() };
    let Ok((objects, _)) = manifest::read_objects(&source) else { return Ok(None) };
    if let Some(autoscaler) = objects.autoscalers.first() {
        return Ok(Some(autoscaler.target.name.clone()));
    }
    match objects.services.first() {
        Some(service) => owner_of_service(world, &service.meta.name).await,
        None => Ok(None),
    }
}

async fn owner_of_service<E: Environment>(world: &mut E, name: &str) -> Result<Option<String>, Unavailable> {
    let pods = match world.observe(&Query::ListPods { component: None }).await {
        Ok(Observation::Pods(pods)) => pods,
        Err(Failure::Unavailable(failure)) => return Err(failure),
        _ => return Ok(None),
    };
    let mut components: BTreeSet<String> = pods.into_iter().map(|pod| pod.component).collect();
    // A component that is scaled to zero has no pods; its Service has its name, as a rule.
    components.insert(name.to_owned());
    for component in components {
        match world.observe(&Query::Describe { component: component.clone() }).await {
            Ok(Observation::Description(found))
                if found.service.as_ref().is_some_and(|service| service.name == name) =>
            {
                return Ok(Some(component));
            }
            Err(Failure::Unavailable(failure)) => return Err(failure),
            _ => {}
        }
    }
    Ok(None)
}
