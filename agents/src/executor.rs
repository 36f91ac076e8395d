//! The hands of an autonomic agent: carries out one typed action against the environment.
//!
//! Reads may look at anything; writes are confined to the agent's own component. What is refused
//! comes back as a reply, what breaks ends the episode ([`Unavailable`]).

use sim::environment::{
    Action, Environment, Failure, Observation, Query, Unavailable, Write,
};

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
    pub async fn execute<E: Environment>(
        &self,
        world: &mut E,
        action: &Action,
    ) -> Result<Reply, Unavailable> {
        let result = match action {
            Action::Observe(query) => world.observe(query).await.map(Reply::Seen),
            Action::Write(write) => match self.refusal(world, write).await? {
                Some(why) => return Ok(Reply::Rejected(why)),
                None => world.act(write).await.map(Reply::Done),
            },
            Action::Wait(_) | Action::Declare(_) | Action::Report(_) => return Ok(Reply::Noted),
        };
        match result {
            Ok(reply) => Ok(reply),
            Err(Failure::Rejected(why)) => Ok(Reply::Rejected(why.0)),
            Err(Failure::Unavailable(failure)) => Err(failure),
        }
    }

    /// Why a write is not this agent's to make; none if it is.
    async fn refusal<E: Environment>(
        &self,
        world: &mut E,
        write: &Write,
    ) -> Result<Option<String>, Unavailable> {
        let owner = match write {
            Write::DeletePod { pod } => owner_of_pod(world, pod).await?,
            Write::Apply(_) => return Ok(None),
            _ => write.component().map(ToOwned::to_owned),
        };
        Ok(match owner {
            Some(owner) if owner != self.component => Some(format!(
                "{owner} is not yours: you may only change {}",
                self.component
            )),
            // An unknown pod is for the API server to refuse.
            _ => None,
        })
    }
}

async fn owner_of_pod<E: Environment>(
    world: &mut E,
    pod: &str,
) -> Result<Option<String>, Unavailable> {
    match world.observe(&Query::ListPods { component: None }).await {
        Ok(Observation::Pods(pods)) => {
            Ok(pods.into_iter().find(|p| p.name == pod).map(|p| p.component))
        }
        Err(Failure::Unavailable(failure)) => Err(failure),
        _ => Ok(None),
    }
}
