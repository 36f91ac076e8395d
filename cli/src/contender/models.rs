//! Contenders by the names that users write: built-in policies, strategy files, and chat models on their servers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use agents::model::budget::{Capped, SpendingLimit};
use agents::model::clock::MachineClock;
use agents::model::config::{ModelConfig, ModelsFile, presets};
use agents::model::openai::OpenAi;
use agents::prompts::Prompts;
use agents::strategy::{PromptChoice, RoleStrategy, Strategy};
use datasets::strategies;
use sim::diagnostic::{Source, nearest};

use super::{BUILT_IN, Brain, Contender};
use crate::commands;
use crate::output::{self, Failed};

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
