//! Formats of logs: templates whose placeholders nobody fills, names of formats that do not exist.

use super::{Check, member};
use crate::profile::logs::{Broken, EVERYWHERE, broken};
use crate::profile::{LogEvent, ServiceProfile};

impl Check<'_> {
    pub(super) fn logs(&mut self) {
        for (name, format) in &self.located.value.logs {
            let field = member("logs", name);
            for (error, template) in &format.errors {
                self.template(&member(&format!("{field}.errors"), &word(error)), template, error.placeholders());
            }
            for (event, template) in &format.lines {
                self.template(&member(&format!("{field}.lines"), &word(event)), template, event.placeholders());
            }
            self.is(
                format.slow_after.is_none_or(|time| time.0 > 0),
                &format!("{field}.slow_after"),
                "0 makes every query a slow one",
                "use a duration above 0, or leave it out for none",
            );
        }
    }

    /// What a service says about its log.
    pub(super) fn service_logs(&mut self, field: &str, service: &ServiceProfile) {
        if let Some(format) = &service.logs {
            self.format_exists(&format!("{field}.logs"), format);
        }
        for (to, client) in &service.clients {
            if let Some(format) = &client.logs {
                self.format_exists(&format!("{}.logs", member(&format!("{field}.clients"), to)), format);
            }
        }
        for (variable, template) in &service.complaints {
            let field = member(&format!("{field}.complaints"), variable);
            if !service.environment.contains_key(variable) {
                let known = service.environment.keys().map(String::as_str);
                self.unknown(&field, "variable", variable, known);
            }
            self.template(&field, template, LogEvent::InvalidValue.placeholders());
        }
    }

    fn format_exists(&mut self, field: &str, name: &str) {
        let formats = &self.located.value.logs;
        if !formats.contains_key(name) {
            self.unknown(field, "format", name, formats.keys().map(String::as_str));
        }
    }

    fn template(&mut self, field: &str, template: &str, known: &[&str]) {
        match broken(template, known) {
            None => {}
            Some(Broken::Unknown(word)) => {
                let all: Vec<&str> = known.iter().chain(EVERYWHERE).copied().collect();
                self.unknown(field, "placeholder", word, all.iter().copied());
            }
            Some(Broken::Open(word)) => {
                self.error(field, format!("`{{{word}` is not closed"), format!("write `{{{word}}}`"));
            }
        }
    }
}

/// A key as it is written.
fn word(key: &impl serde::Serialize) -> String {
    serde_json::to_value(key).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
