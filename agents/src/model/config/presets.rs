//! Names of models on well-known servers, for use without a file.
//!
//! ```text
//! PRESET:MODEL            openai:gpt-4o-mini    openrouter:qwen/qwen3-8b    ollama:llama3.2:3b
//! PRESET:MODEL@BASE_URL   ollama:llama3.2:3b@http://gpu-box:11434/v1        server:qwen3@http://10.0.0.7:8000/v1
//! PRESET                  llama.cpp              (the one model that the server has)
//! ```
//!
//! The preset says where the server is and which environment variable holds its key; the model's name is the server's,
//! and may have `:` and `/` in it. A base URL behind `@` takes the place of the preset's, which keeps its key variable.
//! The preset `server` has no address and no key of its own: what needs a key and is not listed goes into a file.

use sim::diagnostic::nearest;

use super::{ModelConfig, ModelsFile, check};

/// A well-known server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// What stands before the `:`.
    pub name: &'static str,
    /// Where its API begins; empty if the name has to say it.
    pub base_url: &'static str,
    /// The environment variable that holds its key, if it asks for one.
    pub api_key_env: Option<&'static str>,
    /// The model that is meant if none is named: for servers that have only one, whatever it is called.
    pub only_model: Option<&'static str>,
}

/// All presets.
pub const PRESETS: [Preset; 9] = [
    hosted("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    hosted("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    hosted("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    hosted("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    hosted("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    Preset { name: "ollama", base_url: "http://127.0.0.1:11434/v1", api_key_env: None, only_model: None },
    Preset { name: "vllm", base_url: "http://127.0.0.1:8000/v1", api_key_env: None, only_model: None },
    Preset { name: "llama.cpp", base_url: "http://127.0.0.1:8080/v1", api_key_env: None, only_model: Some("default") },
    Preset { name: "server", base_url: "", api_key_env: None, only_model: None },
];

const fn hosted(name: &'static str, base_url: &'static str, api_key_env: &'static str) -> Preset {
    Preset { name, base_url, api_key_env: Some(api_key_env), only_model: None }
}

/// A name that names no model. The text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownModel {
    /// Neither in the file nor a preset.
    #[error("there is no model `{name}`{}: name one of the models file{}, or a server and its model, such as {}", did_you_mean(.nearest.as_deref()), listed(.known), examples())]
    Name {
        /// As written.
        name: String,
        /// The closest that exists.
        nearest: Option<String>,
        /// All of the file.
        known: Vec<String>,
    },
    /// A preset without a model.
    #[error("`{0}` says the server and not the model: write `{0}:MODEL`")]
    NoModel(String),
    /// The preset has no address, and the name has none either.
    #[error("`{0}` does not say where the server is: write `{0}@http://HOST:PORT/v1`")]
    NoAddress(String),
    /// What stands behind the `@` is no address of an API.
    #[error("`{name}`: the base URL {problem}: {help}")]
    Address {
        /// As written.
        name: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        help: &'static str,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(", did you mean `{name}`?")).unwrap_or_default()
}

fn listed(known: &[String]) -> String {
    if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) }
}

fn examples() -> String {
    let names = PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>();
    format!("openai:gpt-4o-mini (servers: {})", names.join(", "))
}

/// The options of a model by its name: one of the file, if there is a file, or else a preset's.
///
/// # Errors
/// There is no such model, and what to write.
pub fn find(name: &str, file: Option<&ModelsFile>) -> Result<ModelConfig, UnknownModel> {
    if let Some(model) = file.and_then(|file| file.models.get(name)) {
        return Ok(model.clone());
    }
    let (head, tail) = match name.split_once(':') {
        Some((head, tail)) => (head, Some(tail)),
        None => (name, None),
    };
    // `llama.cpp@http://…` names no model, and the `:` is the address's.
    let (head, tail) = match head.split_once('@') {
        Some((preset, _)) => (preset, Some(&name[preset.len()..])),
        None => (head, tail),
    };
    let Some(preset) = PRESETS.iter().find(|preset| preset.name == head) else {
        return Err(unknown(name, head, file));
    };
    let (model, address) = match tail.and_then(|tail| tail.rsplit_once("@http")) {
        Some((model, rest)) => (model, Some(format!("http{rest}"))),
        None => (tail.unwrap_or_default(), None),
    };
    let model = match (model, preset.only_model) {
        ("", Some(only)) => only,
        ("", None) => return Err(UnknownModel::NoModel(head.to_owned())),
        (model, _) => model,
    };
    let base_url = match address {
        Some(address) => {
            check::base_url(&address).map_err(|(problem, help)| UnknownModel::Address {
                name: name.to_owned(),
                problem,
                help,
            })?;
            address
        }
        None if preset.base_url.is_empty() => return Err(UnknownModel::NoAddress(name.to_owned())),
        None => preset.base_url.to_owned(),
    };
    let api_key_env = preset.api_key_env.map(ToOwned::to_owned);
    Ok(ModelConfig { api_key_env, ..ModelConfig::new(base_url, model) })
}

fn unknown(name: &str, head: &str, file: Option<&ModelsFile>) -> UnknownModel {
    let known: Vec<String> = file.map(|file| file.models.keys().cloned().collect()).unwrap_or_default();
    let nearest = if name.contains(':') {
        let preset = nearest(head, PRESETS.iter().map(|preset| preset.name));
        preset.map(|preset| name.replacen(head, preset, 1))
    } else {
        nearest(name, known.iter().map(String::as_str)).map(ToOwned::to_owned)
    };
    UnknownModel::Name { name: name.to_owned(), nearest, known }
}
