//! What the types of a profile cannot rule out: names that lead nowhere, numbers out of range,
//! services that wait for each other in a circle.
//!
//! [`Profile::load`] finds all of it in one go. A mistake is an error; what may be meant, such as
//! users who ask for something that their target does not have, is a warning.

mod load;
mod logs;
mod programs;
mod services;
mod storage;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Source, nearest};
use crate::graph::Graph;
use crate::input::{self, Located};

use super::{MAX_ATTRIBUTES, Profile};

impl Profile {
    /// Reads a profile and checks it. Beside it come warnings.
    ///
    /// # Errors
    /// Every mistake: all of form and type, or else all that the file's content shows.
    pub fn load(source: &Source) -> Result<(Located<Self>, Vec<Diagnostic>), Diagnostics> {
        let located = input::parse::<Self>(source)?;
        let mut check = Check { located: &located, found: Vec::new() };
        check.profile();
        let mut found = check.found;
        found.sort_by_key(|d| d.line);
        if found.iter().any(|d| d.severity == Severity::Error) {
            found.retain(|d| d.severity == Severity::Error);
            return Err(Diagnostics(found));
        }
        Ok((located, found))
    }
}

/// A profile under examination.
struct Check<'a> {
    located: &'a Located<Profile>,
    found: Vec<Diagnostic>,
}

impl Check<'_> {
    fn profile(&mut self) {
        let profile = &self.located.value;
        self.is(
            profile.api_version == "sockpit/v1alpha1",
            "apiVersion",
            "is not `sockpit/v1alpha1`",
            "write `apiVersion: sockpit/v1alpha1`",
        );
        self.is(profile.kind == "Profile", "kind", "is not `Profile`", "write `kind: Profile`");
        self.attributes();
        self.images();
        self.logs();
        for (name, service) in &profile.services {
            self.service(&member("services", name), name, service);
        }
        if profile.services.is_empty() {
            self.error("services", "there are none", "describe at least one service");
        }
        self.circles();
        self.user_classes();
        self.levels();
        self.default_load();
        self.dashboards();
    }

    fn attributes(&mut self) {
        let attributes = &self.located.value.attributes;
        self.is(
            attributes.len() <= MAX_ATTRIBUTES,
            "attributes",
            &format!("{} attributes", attributes.len()),
            &format!("keep at most {MAX_ATTRIBUTES}: each request carries all of them"),
        );
        for (i, name) in attributes.iter().enumerate() {
            if attributes[..i].contains(name) {
                self.error(&format!("attributes[{i}]"), format!("`{name}` is listed twice"), "remove one of them");
            }
        }
    }

    fn images(&mut self) {
        let profile = &self.located.value;
        for (i, image) in profile.images.iter().enumerate() {
            let field = format!("images[{i}]");
            if let Some(tag) = crate::manifest::image_tag(&image.image) {
                let help = format!("write the name without its tag, and `tags: [\"{tag}\"]`");
                self.error(&format!("{field}.image"), format!("`{}` has a tag", image.image), help);
            }
            for earlier in &profile.images[..i] {
                let same_tag = earlier.tags.iter().find(|tag| image.tags.contains(tag));
                let both_any = earlier.tags.is_empty() && image.tags.is_empty();
                if earlier.image == image.image && (both_any || same_tag.is_some()) {
                    let tag = same_tag.map_or_else(String::new, |tag| format!(":{tag}"));
                    self.error(
                        &format!("{field}.image"),
                        format!("`{}{tag}` is listed twice", image.image),
                        "remove one of them",
                    );
                }
            }
            for (j, service) in image.runs.iter().enumerate() {
                self.service_exists(&format!("{field}.runs[{j}]"), service);
            }
        }
        for name in profile.services.keys() {
            if !profile.images.iter().any(|image| image.runs.contains(name)) {
                let help = format!("add `runs: [{name}]` to the image that holds it");
                self.error(&member("services", name), format!("no image runs `{name}`"), help);
            }
        }
    }

    fn circles(&mut self) {
        let names: Vec<_> = self.located.value.services.keys().collect();
        if let Some(circle) = Graph::new(&self.located.value).cycle() {
            let mut circle: Vec<_> = circle.iter().map(|ix| names[ix.index()].as_str()).collect();
            circle.push(circle[0]);
            let message = format!("services call each other in a circle: {}", circle.join(" -> "));
            self.error(
                &member("services", circle[0]),
                message,
                "remove one of these calls, or make it a message (`publish`)",
            );
        }
        self.circles_of_waiting();
    }

    /// Follows the first service that each waits for, since one is enough to block for ever.
    fn circles_of_waiting(&mut self) {
        let services = &self.located.value.services;
        for start in services.keys() {
            let mut open = vec![vec![start.as_str()]];
            while let Some(path) = open.pop() {
                let last = path[path.len() - 1];
                for next in services.get(last).into_iter().flat_map(|s| &s.runtime.waits_for) {
                    if next == start && path.iter().all(|name| *name >= start.as_str()) {
                        let message =
                            format!("starts wait for each other in a circle: {} -> {next}", path.join(" -> "));
                        let field = format!("{}.runtime.waits_for", member("services", start));
                        self.error(&field, message, "let one of them start without the other");
                        return;
                    }
                    if !path.contains(&next.as_str()) {
                        open.push(path.iter().copied().chain([next.as_str()]).collect());
                    }
                }
            }
        }
    }

    fn dashboards(&mut self) {
        for (name, query) in &self.located.value.dashboards {
            if let Err(why) = promql_parser::parser::parse(&query.replace("$component", "component")) {
                self.error(
                    &member("dashboards", name),
                    format!("not PromQL: {why}"),
                    "mend the query; `$component` stands for a component's name",
                );
            }
        }
    }

    fn service_exists(&mut self, field: &str, name: &str) -> bool {
        let services = &self.located.value.services;
        let known = services.contains_key(name);
        if !known {
            self.unknown(field, "service", name, services.keys().map(String::as_str));
        }
        known
    }

    fn attribute_exists(&mut self, field: &str, name: &str) {
        let attributes = &self.located.value.attributes;
        if !attributes.iter().any(|a| a == name) {
            self.unknown(field, "attribute", name, attributes.iter().map(String::as_str));
        }
    }

    /// A word that is none of the candidates.
    fn unknown<'c>(&mut self, field: &str, kind: &str, word: &str, candidates: impl Iterator<Item = &'c str> + Clone) {
        self.error(field, format!("no {kind} `{word}`"), suggestion(kind, word, candidates));
    }

    /// A number within bounds, both included.
    fn within(&mut self, field: &str, value: f64, low: f64, high: f64) {
        if !(low..=high).contains(&value) {
            self.error(field, format!("{value} is out of range"), format!("use a number from {low} to {high}"));
        }
    }

    fn status(&mut self, field: &str, status: u16) {
        self.within(field, f64::from(status), 100.0, 599.0);
    }

    fn positive(&mut self, field: &str, value: f64) {
        self.is(
            value > 0.0 && value.is_finite(),
            field,
            &format!("{value} is not a positive number"),
            "use a number above 0",
        );
    }

    fn is(&mut self, holds: bool, field: &str, message: &str, help: &str) {
        if !holds {
            self.error(field, message, help);
        }
    }

    fn error(&mut self, field: &str, message: impl Into<String>, help: impl Into<String>) {
        self.found.push(self.located.error(field, message).help(help));
    }

    fn warning(&mut self, field: &str, message: impl Into<String>, help: impl Into<String>) {
        self.found.push(self.located.warning(field, message).help(help));
    }
}

/// What could be written in place of `word`.
fn suggestion<'c>(kind: &str, word: &str, candidates: impl Iterator<Item = &'c str> + Clone) -> String {
    if let Some(near) = nearest(word, candidates.clone()) {
        return format!("did you mean `{near}`?");
    }
    match candidates.map(|c| format!("`{c}`")).collect::<Vec<_>>() {
        known if known.is_empty() => format!("the profile has no {kind}: describe it first"),
        known => format!("use one of {}", known.join(", ")),
    }
}

/// The field of a mapping's entry.
fn member(field: &str, key: &str) -> String {
    if key.is_empty() || key.contains(['.', '[', ' ']) {
        format!("{field}[\"{key}\"]")
    } else {
        format!("{field}.{key}")
    }
}

#[cfg(test)]
mod tests;
