//! A contender as it is kept beside the log of an episode, and made again from that: its models are played from what was
//! recorded of them, and never asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use agents::prompts::Prompts;
use agents::strategy::Strategy;
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use sim::scenario::Script;

use super::reel::cassette_file;
use super::{BUILT_IN, Brain, Contender};
use crate::commands;
use crate::output::Failed;

/// The prompts that ship.
static SHIPPED: LazyLock<Prompts> = LazyLock::new(Prompts::default);

/// What makes a contender: [`Contender::description`] has the same fields, but for texts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Description {
    strategy: Strategy,
    agent: Player,
    manager: Player,
    critic: Option<Player>,
    agent_prompts: String,
    manager_prompts: String,
    /// The prompts that are not those that ship, by name; comparisons of version 1 do not have them.
    #[serde(default)]
    agent_texts: BTreeMap<String, String>,
    #[serde(default)]
    manager_texts: BTreeMap<String, String>,
}

impl Description {
    /// Whether a chat model, or its recording, decided in a role.
    pub(crate) fn asks_a_model(&self) -> bool {
        let asks = |player: &Player| matches!(player, Player::Model(_) | Player::Replay(_));
        asks(&self.agent) || asks(&self.manager) || self.critic.as_ref().is_some_and(asks)
    }
}

/// What decided in one role.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Player {
    Policy(String),
    Script(Script),
    Model(String),
    Replay(PathBuf),
}

/// Where an episode lies whose contender is made again.
struct Shelf<'a> {
    folder: &'a Path,
    seed: u64,
}

impl Contender {
    /// All that makes it what it is, with the texts of prompts of its own.
    pub(crate) fn for_the_record(&self) -> Description {
        Description {
            strategy: self.strategy.clone(),
            agent: Player::of(&self.agent),
            manager: Player::of(&self.manager),
            critic: self.critic.as_ref().map(Player::of),
            agent_prompts: self.agent_prompts.digest(),
            manager_prompts: self.manager_prompts.digest(),
            agent_texts: own_texts(&self.agent_prompts),
            manager_texts: own_texts(&self.manager_prompts),
        }
    }

    /// The contender of an episode that was recorded in a folder, and what of it is not as it was then.
    ///
    /// # Errors
    /// A policy that does not exist, prompts that are none, or a model of which there is no recording.
    pub(crate) fn recorded(
        name: &str,
        description: Description,
        folder: &Path,
        seed: u64,
    ) -> anyhow::Result<(Self, Vec<String>)> {
        let shelf = Shelf { folder, seed };
        let agent = shelf.brain(description.agent, "agent")?;
        let manager = shelf.brain(description.manager, "manager")?;
        let critic = description.critic.map(|player| shelf.brain(player, "critic")).transpose()?;
        let agent_prompts = prompts(&description.agent_texts).context("the agent's prompts in the recording")?;
        let manager_prompts = prompts(&description.manager_texts).context("the manager's prompts in the recording")?;
        let mut notes = Vec::new();
        for (role, brain, now, then) in [
            ("agent", &agent, &agent_prompts, &description.agent_prompts),
            ("manager", &manager, &manager_prompts, &description.manager_prompts),
        ] {
            // Nobody else reads them.
            if matches!(brain, Brain::Replay(_)) && now.digest() != *then {
                notes.push(format!(
                    "the {role}'s prompts are others now: those that ship have changed since, or it had some of its own \
                     that the recording does not hold"
                ));
            }
        }
        let strategy = description.strategy;
        let contender =
            Self { name: name.to_owned(), strategy, agent, manager, critic, agent_prompts, manager_prompts };
        Ok((contender, notes))
    }

    /// The contender of an episode of which nothing but the name of its policy was recorded.
    ///
    /// # Errors
    /// It was a list of actions that cannot be read.
    pub(crate) fn recorded_by_name(name: &str, folder: &Path) -> anyhow::Result<Self> {
        let brain = if let Some(built_in) = BUILT_IN.into_iter().find(|built_in| *built_in == name) {
            Brain::BuiltIn(built_in)
        } else if let Some(file) = name.strip_prefix("script:") {
            let script = commands::load_script(file).map_err(|failed| match failed {
                Failed::Input(error) | Failed::Run(error) => error,
            })?;
            Brain::Script(Arc::new(script))
        } else if let Some(original) = name.strip_prefix("replay:") {
            Brain::Replay(original.into())
        } else {
            Brain::Replay(folder.to_owned())
        };
        Ok(Self::of(name, brain))
    }
}

impl Player {
    fn of(brain: &Brain) -> Self {
        match brain {
            Brain::BuiltIn(name) => Self::Policy((*name).to_owned()),
            Brain::Script(script) => Self::Script(Script::clone(script)),
            Brain::Chat(model) => Self::Model(model.name().to_owned()),
            Brain::Replay(folder) => Self::Replay(folder.clone()),
        }
    }
}

impl Shelf<'_> {
    fn brain(&self, player: Player, role: &str) -> anyhow::Result<Brain> {
        let cassette = cassette_file(self.folder, self.seed, role);
        Ok(match player {
            Player::Policy(name) => match BUILT_IN.into_iter().find(|built_in| *built_in == name) {
                Some(built_in) => Brain::BuiltIn(built_in),
                None => bail!("the {role} was played by the policy `{name}`, which this sockpit does not have"),
            },
            Player::Script(script) => Brain::Script(Arc::new(script)),
            Player::Model(name) if !cassette.exists() => {
                bail!("{}: there is no such file, so that nobody knows what `{name}` answered", cassette.display())
            }
            Player::Model(_) => Brain::Replay(self.folder.to_owned()),
            Player::Replay(original) => {
                Brain::Replay(if cassette.exists() { self.folder.to_owned() } else { original })
            }
        })
    }
}

/// The prompts that ship with these texts in the places of some.
fn prompts(texts: &BTreeMap<String, String>) -> anyhow::Result<Arc<Prompts>> {
    if texts.is_empty() {
        return Ok(Arc::new(SHIPPED.clone()));
    }
    Ok(Arc::new(Prompts::replacing(texts)?))
}

/// The texts that are not those that ship.
fn own_texts(prompts: &Prompts) -> BTreeMap<String, String> {
    let own = prompts.texts().iter().filter(|(name, text)| SHIPPED.texts().get(*name) != Some(*text));
    own.map(|(name, text)| (name.clone(), text.clone())).collect()
}
