//! What a file of models means: every mistake at once.

use reqwest::Url;
use sim::diagnostic::Diagnostic;
use sim::input::Located;
use sim::time::SimDuration;

use super::{ModelConfig, ModelsFile, Parameter};
use crate::model::price::{HIGHEST_PRICE, Price};

/// All mistakes of meaning, in the order of lines.
pub(super) fn mistakes(file: &Located<ModelsFile>) -> Vec<Diagnostic> {
    let mut checker = Checker { file, mistakes: Vec::new() };
    checker.heading();
    for (name, model) in &file.value.models {
        checker.name(name);
        checker.server(name, model);
        checker.parameters(name, model);
        checker.limits(name, model);
        if let Some(price) = &model.price {
            checker.price(name, price);
        }
    }
    checker.mistakes.sort_by_key(|mistake| mistake.line);
    checker.mistakes
}

struct Checker<'f> {
    file: &'f Located<ModelsFile>,
    mistakes: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn refuse(&mut self, field: &str, message: impl Into<String>, help: impl Into<String>) {
        self.mistakes.push(self.file.error(field, message).help(help));
    }

    fn heading(&mut self) {
        let ModelsFile { api_version, kind, models } = &self.file.value;
        if api_version != ModelsFile::API_VERSION {
            self.refuse(
                "apiVersion",
                format!("`{api_version}` is not a version that this sockpit reads"),
                format!("write `apiVersion: {}`", ModelsFile::API_VERSION),
            );
        }
        if kind != "Models" {
            self.refuse("kind", format!("`{kind}` is not what is read here"), "write `kind: Models`");
        }
        if models.is_empty() {
            self.refuse("models", "there is no model", "write at least one as `name: {base_url: …, model: …}`");
        }
    }

    fn name(&mut self, name: &str) {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || !name.chars().all(is_plain) {
            self.refuse(
                &field_of(name, ""),
                format!("`{name}` is no name for a model"),
                "use letters, digits, `-`, `_` and `.`: a `:` belongs to the names of well-known servers",
            );
        }
    }

    fn server(&mut self, name: &str, model: &ModelConfig) {
        if let Err((message, help)) = base_url(&model.base_url) {
            self.refuse(&field_of(name, "base_url"), message, help);
        }
        if model.model.trim().is_empty() {
            self.refuse(&field_of(name, "model"), "is empty", "write the server's name for the model");
        }
        // The value is not shown: it may be a key.
        if model.api_key_env.as_ref().is_some_and(|variable| !is_variable(variable)) {
            self.refuse(
                &field_of(name, "api_key_env"),
                "is not the name of an environment variable",
                "write the name of the variable that holds the key, such as OPENAI_API_KEY, never the key itself; if it \
                 was the key, withdraw it: this file may have been shared",
            );
        }
    }

    fn parameters(&mut self, name: &str, model: &ModelConfig) {
        if !(0.0..=2.0).contains(&model.temperature) {
            self.refuse(
                &field_of(name, "temperature"),
                format!("{} is out of range", model.temperature),
                "write a number from 0 to 2, or leave it out with `omit: [temperature]`",
            );
        }
        for key in model.extra.keys() {
            let ours = ["model", "messages", "tools", "max_completion_tokens", "n"];
            if ours.contains(&key.as_str()) || Parameter::ALL.iter().any(|parameter| parameter.name() == key) {
                self.refuse(
                    &field_of(name, &format!("extra.{key}")),
                    format!("`{key}` is set by sockpit itself"),
                    "remove it; the options beside `extra` say what can be changed",
                );
            }
        }
    }

    fn limits(&mut self, name: &str, model: &ModelConfig) {
        let mut range = |field: &str, value: Option<u32>, least: u32, most: u32| {
            if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
                self.mistakes.push(
                    self.file
                        .error(&field_of(name, field), format!("{value} is out of range"))
                        .help(format!("write a number from {least} to {most}")),
                );
            }
        };
        range("max_tokens", Some(model.max_tokens), 1, 1_000_000);
        range("retries", Some(model.retries), 0, 20);
        range("requests_per_minute", model.requests_per_minute, 1, 1_000_000);
        range("max_concurrent", Some(model.max_concurrent), 1, 1_000);
        range("context_tokens", model.context_tokens, 512, 100_000_000);
        if !(SimDuration::SECOND..=SimDuration::from_secs(3_600)).contains(&model.timeout) {
            self.refuse(
                &field_of(name, "timeout"),
                format!("{} is out of range", model.timeout),
                "write a time from 1s to 1h",
            );
        }
    }

    fn price(&mut self, name: &str, price: &Price) {
        for (field, usd) in [("price.input", price.input), ("price.output", price.output)] {
            if !(0.0..=HIGHEST_PRICE).contains(&usd) {
                self.refuse(
                    &field_of(name, field),
                    format!("{usd} is out of range"),
                    "write US dollars per million tokens",
                );
            }
        }
    }
}

/// The path of a field of a model.
fn field_of(name: &str, field: &str) -> String {
    let dot = if field.is_empty() { "" } else { "." };
    if name.is_empty() || name.contains(['.', '[', ' ']) {
        format!("models[\"{name}\"]{dot}{field}")
    } else {
        format!("models.{name}{dot}{field}")
    }
}

/// Capital letters only: keys of many servers are words with `_` in them, too.
fn is_variable(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    name.chars().all(is_word) && name.starts_with(|c: char| !c.is_ascii_digit()) && name.len() <= 64
}

/// What is wrong with the address of an API, and what to do.
pub(super) fn base_url(text: &str) -> Result<(), (String, &'static str)> {
    const HELP: &str = "write where the API begins, such as https://api.openai.com/v1 or http://127.0.0.1:8080/v1";
    let Ok(url) = Url::parse(text) else {
        return Err((format!("`{text}` is no URL"), HELP));
    };
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        // The value is not shown: it may hold a key.
        return Err((
            "has more than a host and a path".to_owned(),
            "remove user, password, `?…` and `#…`: a key goes into the environment variable of `api_key_env`",
        ));
    }
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err((format!("`{text}` is not an http or https URL"), HELP));
    }
    if url.path().trim_end_matches('/').ends_with("/chat/completions") {
        return Err((format!("`{text}` is the whole path of a request"), "remove `/chat/completions` from its end"));
    }
    Ok(())
}
