//! Who plays: a policy for each role, by a name, a list of actions, a strategy file, a model, or a recording of one.

mod models;
mod recorded;
mod reel;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agents::episode::Cast;
use agents::mechanism::Mechanism;
use agents::model::ChatModel;
use agents::policy::chat::Past;
use agents::policy::{self, AutonomicAgent, Chat, GroupManager, Policy};
use agents::prompts::Prompts;
use agents::strategy::Strategy;
use serde_json::json;
use sim::chance::Key;
use sim::episode::MANAGER;
use sim::scenario::Script;

pub(crate) use models::Models;
pub(crate) use recorded::Description;
use reel::Reel;

/// The built-in policies.
const BUILT_IN: [&str; 6] = ["noop", "random", "restart", "hpa", "runbook", "oracle"];

/// What decides in one role.
#[derive(Clone)]
enum Brain {
    /// One of [`BUILT_IN`].
    BuiltIn(&'static str),
    /// A list of actions from a file.
    Script(Arc<Script>),
    /// A chat model.
    Chat(Arc<dyn ChatModel>),
    /// The recordings of a chat model, in the folder of a run.
    Replay(PathBuf),
}

impl Brain {
    fn description(&self) -> serde_json::Value {
        match self {
            Self::BuiltIn(name) => json!({"policy": name}),
            Self::Script(script) => json!({"script": **script}),
            Self::Chat(model) => json!({"model": model.name()}),
            Self::Replay(folder) => json!({"replay": folder}),
        }
    }
}

/// Who plays an episode.
#[derive(Clone)]
pub(crate) struct Contender {
    pub(crate) name: String,
    strategy: Strategy,
    agent: Brain,
    manager: Brain,
    critic: Option<Brain>,
    agent_prompts: Arc<Prompts>,
    manager_prompts: Arc<Prompts>,
}

impl Contender {
    /// One of the built-in policies.
    pub(crate) fn built_in(name: &'static str) -> Self {
        Self::of(name, Brain::BuiltIn(name))
    }

    /// A list of actions.
    pub(crate) fn script(script: &Script) -> Self {
        Self::of("script", Brain::Script(Arc::new(script.clone())))
    }

    fn of(name: &str, brain: Brain) -> Self {
        Self {
            name: name.to_owned(),
            strategy: Strategy::default(),
            agent: brain.clone(),
            manager: brain,
            critic: None,
            agent_prompts: Arc::default(),
            manager_prompts: Arc::default(),
        }
    }

    /// What makes it what it is, for the record: strategy, policy by role, prompts by the digest of their content.
    pub(crate) fn description(&self) -> serde_json::Value {
        json!({
            "strategy": self.strategy,
            "agent": self.agent.description(),
            "manager": self.manager.description(),
            "critic": self.critic.as_ref().map(Brain::description),
            "agent_prompts": self.agent_prompts.digest(),
            "manager_prompts": self.manager_prompts.digest(),
        })
    }

    /// Whether it plays copies of the world ahead before it decides.
    pub(crate) fn looks_ahead(&self) -> bool {
        matches!(self.agent, Brain::BuiltIn("oracle"))
    }

    /// How its agents work together; none if that is for the scenario to say.
    pub(crate) fn mechanism(&self) -> Option<Mechanism> {
        self.strategy.mechanism
    }

    /// Steps for one task, if not the scenario's.
    pub(crate) fn steps(&self) -> Option<u32> {
        self.strategy.budgets.steps
    }

    /// Whether it asks a model over the network.
    pub(crate) fn asks_a_model(&self) -> bool {
        let chats = |brain: &Brain| matches!(brain, Brain::Chat(_));
        chats(&self.agent) || chats(&self.manager) || self.critic.as_ref().is_some_and(chats)
    }

    /// Whether its models are told in each trial what they noted in those before, which are then played one after the other.
    pub(crate) fn remembers(&self) -> bool {
        let thinks = |brain: &Brain| matches!(brain, Brain::Chat(_) | Brain::Replay(_));
        self.strategy.memory && (thinks(&self.agent) || thinks(&self.manager))
    }

    /// Both roles for one episode. What models answer is recorded beside the log, if there is one. `past` is what they
    /// noted in earlier trials: each is told its own, if it remembers.
    ///
    /// # Errors
    /// A recording cannot be read, or not be begun.
    pub(crate) fn cast(
        &self,
        seed: u64,
        mechanism: Mechanism,
        tapes: Option<&Path>,
        past: &Past,
    ) -> anyhow::Result<Cast<'_>> {
        let reel = Reel { seed, tapes };
        let critic = self.critic.as_ref().map(|brain| reel.model(brain, "critic")).transpose()?.flatten();
        let agent_model = reel.model(&self.agent, "agent")?;
        let agents = {
            let (past, critic) = (past.clone(), critic.clone());
            move |component: &String| -> Box<dyn Policy<AutonomicAgent>> {
                match &agent_model {
                    Some(model) => {
                        let prompts = Arc::clone(&self.agent_prompts);
                        let settings = self.strategy.settings(mechanism, &past.of(component));
                        let chat = Chat::<AutonomicAgent>::new(Arc::clone(model), prompts, settings);
                        criticised(chat, critic.as_ref())
                    }
                    None => agent_without_model(&self.agent, seed, component),
                }
            }
        };
        let cast = Cast::of_agents(agents);
        let manager: Box<dyn Policy<GroupManager>> = match reel.model(&self.manager, "manager")? {
            Some(model) => {
                let settings = self.strategy.settings(mechanism, &past.of(MANAGER));
                let chat = Chat::<GroupManager>::new(model, Arc::clone(&self.manager_prompts), settings);
                criticised(chat, critic.as_ref())
            }
            None => manager_without_model(&self.manager, seed),
        };
        Ok(cast.under(manager))
    }
}

/// The same policy, with a critic if there is one.
fn criticised<R: policy::chat::Seat + 'static>(
    chat: Chat<R>,
    critic: Option<&Arc<dyn ChatModel>>,
) -> Box<dyn Policy<R>> {
    match critic {
        Some(critic) => Box::new(chat.with_critic(Arc::clone(critic))),
        None => Box::new(chat),
    }
}

fn agent_without_model(brain: &Brain, seed: u64, component: &str) -> Box<dyn Policy<AutonomicAgent>> {
    match brain {
        Brain::Script(script) => Box::new(policy::script(script.steps_of(component).to_vec())),
        Brain::BuiltIn("noop") => Box::new(policy::Noop),
        Brain::BuiltIn("random") => Box::new(policy::Random::new(seed_of(seed, component))),
        Brain::BuiltIn("restart") => Box::new(policy::restart_whatever_looks_bad()),
        Brain::BuiltIn("hpa") => Box::new(policy::autoscale_only()),
        // Where the oracle has nothing to choose it does as the runbook does.
        _ => Box::new(policy::runbook()),
    }
}

fn manager_without_model(brain: &Brain, seed: u64) -> Box<dyn Policy<GroupManager>> {
    match brain {
        Brain::Script(script) => policy::group::script(script),
        Brain::BuiltIn("noop") => Box::new(policy::Noop),
        Brain::BuiltIn("random") => Box::new(policy::Random::new(seed)),
        Brain::BuiltIn(name @ ("restart" | "hpa")) => Box::new(policy::group::pass_on(name)),
        _ => Box::new(policy::group::runbook()),
    }
}

/// Another seed for each agent of an episode.
fn seed_of(seed: u64, component: &str) -> u64 {
    Key::root(seed).with_str(component).draw().below(u64::MAX)
}
