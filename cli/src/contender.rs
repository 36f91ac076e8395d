//! Who plays: a policy for each role, by a name, a list of actions, a strategy file, a model, or a recording of one.

mod recorded;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use agents::episode::Cast;
use agents::mechanism::Mechanism;
use agents::model::ChatModel;
use agents::model::budget::{Capped, SpendingLimit};
use agents::model::cassette::{Cassette, Recorder, Replayer};
use agents::model::clock::MachineClock;
use agents::model::config::{ModelConfig, ModelsFile, presets};
use agents::model::openai::OpenAi;
use agents::policy::chat::Past;
use agents::policy::{self, AutonomicAgent, Chat, GroupManager, Policy};
use agents::prompts::Prompts;
use agents::strategy::{PromptChoice, RoleStrategy, Strategy};
use anyhow::Context;
use datasets::strategies;
use serde_json::json;
use sim::chance::Key;
use sim::diagnostic::{Source, nearest};
use sim::episode::MANAGER;
use sim::scenario::Script;

use crate::commands;
use crate::output::{self, Failed};
pub(crate) use recorded::Description;

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

/// Where models are looked up, and what they may cost.
#[derive(Default)]
pub(crate) struct Models {
    file: Option<ModelsFile>,
    limit: Option<Arc<SpendingLimit>>,
    /// Models whose price is not known, of which that was said.
    unpriced: Mutex<BTreeSet<String>>,
}

impl Models {
    /// Reads the file of models that was named, if one was.
    pub(crate) fn load(file: Option<&Path>, max_cost_usd: Option<f64>) -> Result<Self, Failed> {
        let read = |path: &Path| -> Result<ModelsFile, Failed> {
            let name = path.display().to_string();
            let text = fs::read_to_string(path)
                .map_err(|why| output::usage(format!("--models {name}: the file of models cannot be read: {why}")))?;
            Ok(ModelsFile::load(&Source { path: name, text })?.value)
        };
        let limit = max_cost_usd.map(|usd| Arc::new(SpendingLimit::new((usd * 1e6) as u64)));
        Ok(Self { file: file.map(read).transpose()?, limit, unpriced: Mutex::default() })
    }

    /// Whether nothing more may be spent.
    pub(crate) fn are_spent(&self) -> bool {
        self.limit.as_ref().is_some_and(|limit| limit.is_reached())
    }

    /// A model on its server.
    pub(crate) fn open(&self, name: &str) -> Result<OpenAi, Failed> {
        let config = self.config(name)?;
        let key = |variable: &str| std::env::var(variable).ok();
        OpenAi::new(name, config, &key, Arc::new(MachineClock::default()))
            .map_err(|why| output::usage(format!("--model {name}: {why}")))
    }

    fn config(&self, name: &str) -> Result<ModelConfig, Failed> {
        presets::find(name, self.file.as_ref()).map_err(|why| output::usage(format!("--model {name}: {why}")))
    }

    /// Says of a model, once, that the limit cannot count what it costs, if that is not known.
    fn warn_if_unpriced(&self, name: &str) -> Result<(), Failed> {
        if self.config(name)?.price.is_some() {
            return Ok(());
        }
        let mut unpriced = self.unpriced.lock().unwrap_or_else(PoisonError::into_inner);
        if unpriced.insert(name.to_owned()) {
            output::talk(&format!(
                "warning: --max-cost does not count what {name} costs: its price is not known\n  help: describe the model \
                 in a --models file, with `price: {{input: …, output: …}}` in US dollars per million tokens (0 if it is \
                 free)"
            ));
        }
        Ok(())
    }

    fn brain(&self, name: &str) -> Result<Brain, Failed> {
        if let Some(built_in) = BUILT_IN.into_iter().find(|built_in| *built_in == name) {
            return Ok(Brain::BuiltIn(built_in));
        }
        if let Some(file) = name.strip_prefix("script:") {
            return Ok(Brain::Script(Arc::new(commands::load_script(file)?)));
        }
        if let Some(folder) = name.strip_prefix("replay:") {
            return Ok(Brain::Replay(folder.into()));
        }
        let known = self.file.as_ref().is_some_and(|file| file.models.contains_key(name));
        if !known && !name.contains([':', '@']) && !presets::PRESETS.iter().any(|preset| preset.name == name) {
            let near = nearest(name, BUILT_IN).map_or(String::new(), |near| format!(", did you mean `{near}`?"));
            return Err(output::usage(format!(
                "--model {name}: unknown policy{near}\n  help: use {}, script:FILE, replay:FOLDER, or a model such as \
                 openai:gpt-4o-mini or one of a --models file",
                BUILT_IN.join(", ")
            )));
        }
        let model = self.open(name)?;
        Ok(Brain::Chat(match &self.limit {
            Some(limit) => {
                self.warn_if_unpriced(name)?;
                Arc::new(Capped::new(model, Arc::clone(limit)))
            }
            None => Arc::new(model),
        }))
    }

    /// A contender by the name of its policy or model, played by the default strategy.
    pub(crate) fn contender(&self, name: &str) -> Result<Contender, Failed> {
        self.by_strategy(name, Strategy::default(), Some(name), Path::new(""))
    }

    /// A contender as a strategy says it, a file or one that ships, with a model for the roles to which it gives none.
    pub(crate) fn strategist(&self, name: &str, file: &Path, model: Option<&str>) -> Result<Contender, Failed> {
        let strategy = Strategy::load(&strategy_text(file)?)?.value;
        self.by_strategy(name, strategy, model, file.parent().unwrap_or(Path::new("")))
    }

    fn by_strategy(
        &self,
        name: &str,
        strategy: Strategy,
        model: Option<&str>,
        folder: &Path,
    ) -> Result<Contender, Failed> {
        let brain = |role: &RoleStrategy| match role.model.as_deref().or(model) {
            Some(model) => self.brain(model),
            None => Err(output::usage(format!("{name}: the strategy names no model\n  help: name one with --model"))),
        };
        let agent = brain(&strategy.agent)?;
        let manager = brain(strategy.manager())?;
        let critic = match &strategy.critic {
            Some(critic) => Some(match critic.model.as_deref() {
                Some(model) => self.brain(model)?,
                None => agent.clone(),
            }),
            None => None,
        };
        let agent_prompts = prompts(&strategy.agent.prompts, folder)?;
        let manager_prompts = prompts(&strategy.manager().prompts, folder)?;
        Ok(Contender { name: name.to_owned(), strategy, agent, manager, critic, agent_prompts, manager_prompts })
    }
}

/// The text of a strategy: of a file, or else of one that ships.
fn strategy_text(file: &Path) -> Result<Source, Failed> {
    let path = file.display().to_string();
    match fs::read_to_string(file) {
        Ok(text) => Ok(Source { path, text }),
        Err(why) => strategies::find(&path).ok_or_else(|| {
            let names = strategies::shipped();
            let near = nearest(&path, names.iter().map(String::as_str));
            let near = near.map_or(String::new(), |near| format!(", did you mean `{near}`?"));
            output::usage(format!(
                "{path}: the strategy cannot be read: {why}{near}\n  help: name a file of kind Strategy, or one that ships: \
                 {}",
                names.join(", ")
            ))
        }),
    }
}

/// The prompts that ship, or those with the texts of a folder in their places.
fn prompts(choice: &PromptChoice, beside: &Path) -> Result<Arc<Prompts>, Failed> {
    let PromptChoice::Folder(folder) = choice else { return Ok(Arc::default()) };
    let folder = beside.join(folder);
    let mut texts = BTreeMap::new();
    collect(&folder, &folder, &mut texts)
        .map_err(|why| output::usage(format!("{}: the prompts cannot be read: {why}", folder.display())))?;
    Ok(Arc::new(Prompts::replacing(&texts)?))
}

/// The texts below a folder by their paths with `/` between the parts.
fn collect(root: &Path, folder: &Path, texts: &mut BTreeMap<String, String>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, texts)?;
        } else if path.extension().is_some_and(|extension| extension == "j2") {
            let parts = path.strip_prefix(root).unwrap_or(&path).components();
            let name = parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
            texts.insert(name, fs::read_to_string(&path)?);
        }
    }
    Ok(())
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

/// The cassettes of one episode.
struct Reel<'a> {
    seed: u64,
    /// Where recordings go.
    tapes: Option<&'a Path>,
}

/// Where the recording of a role's model lies.
fn cassette_file(folder: &Path, seed: u64, role: &str) -> PathBuf {
    folder.join(format!("seed-{seed}.{role}.cassette.jsonl"))
}

impl Reel<'_> {
    /// The model of a role in this episode; none for a policy that needs none.
    fn model(&self, brain: &Brain, role: &str) -> anyhow::Result<Option<Arc<dyn ChatModel>>> {
        Ok(match brain {
            Brain::BuiltIn(_) | Brain::Script(_) => None,
            Brain::Replay(folder) => {
                let path = cassette_file(folder, self.seed, role);
                let text = fs::read_to_string(&path).with_context(|| {
                    format!(
                        "cannot read {}: name the folder in which this seed was recorded with a model",
                        path.display()
                    )
                })?;
                let cassette = Cassette::read(&Source { path: path.display().to_string(), text })?;
                Some(Arc::new(Replayer::new(cassette)))
            }
            Brain::Chat(model) => Some(match self.tapes {
                Some(folder) => {
                    let path = cassette_file(folder, self.seed, role);
                    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
                    let mut file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
                    let sink = Box::new(move |line: &str| file.write_all(line.as_bytes()));
                    let recorder = Recorder::new(Arc::clone(model), sink);
                    Arc::new(recorder.with_context(|| format!("cannot write {}", path.display()))?)
                }
                None => Arc::clone(model),
            }),
        })
    }
}
