//! Suites of scenarios that are made from templates, so that there can be many and others of the same kind.
//!
//! A template, such as `suite/faults/cpu-stress.yaml`, holds the text of a scenario and of its lists of actions, with
//! *axes* along which they vary. What one draw along all axes gives are *parameters*; with them the template renders a
//! scenario. The head of each made file says template and parameters, so that the file can be rendered again.
//!
//! ```text
//! templates ──Draws (seed)──▶ Parameters ──render──▶ Made ──its checks, played──▶ scenarios/…, scripts/…
//!                                  ▲ Origin::of ◀───────────── head of the file ◀──────┘
//! ```
//!
//! All chance is keyed by seed, template, axis and round: the same seed makes the same files, to the byte, and a
//! template that is added or changed leaves the draws of the others as they were. Nothing of an application is known
//! here: its components, images and loads are data of the templates.

mod draws;
mod template;

pub use draws::Draws;
pub use template::{Parameters, Range, Template};

use std::collections::BTreeMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use sim::diagnostic::{Diagnostic, Diagnostics, Source, nearest};

use crate::embedded;

/// What a suite's templates share, for each of them under the name `shop`.
const SHARED: &str = "shop.jinja";
/// Puts [`SHARED`] before each text, on the same line: line numbers in messages stay right.
const IMPORT: &str = "{% import \"shop.jinja\" as shop %}";
/// The first lines of a made file.
const GENERATED: &str = "# Generated, do not edit: `sockpit scenario generate` made it of";

/// The templates of a suite.
pub struct Suite {
    name: String,
    templates: BTreeMap<String, Template>,
    engine: Environment<'static>,
}

/// A scenario that was made, with its lists of actions.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// Where it comes from.
    pub origin: Origin,
    /// Its id, such as `faults/cpu-stress/user-mild-light`.
    pub name: String,
    /// The text of its file.
    pub scenario: String,
    /// The texts of its lists of actions, by name.
    pub scripts: BTreeMap<String, String>,
}

/// What a made file was made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The suite.
    pub suite: String,
    /// The template of it.
    pub template: String,
    /// With which values.
    pub parameters: Parameters,
}

impl Origin {
    /// What the head of a scenario's text says; none if it is not made of a template.
    pub fn of(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let made_of = lines.next()?.strip_prefix(GENERATED)?.trim();
        let (suite, template) = made_of.split_once('/')?;
        let parameters = serde_json::from_str(lines.next()?.strip_prefix("# ")?).ok()?;
        Some(Self { suite: suite.to_owned(), template: template.to_owned(), parameters })
    }

    /// The head of a made scenario.
    fn head(&self) -> String {
        let parameters = serde_json::to_string(&self.parameters).expect("JSON values can be written as JSON");
        format!("{GENERATED} {}/{}\n# {parameters}\n", self.suite, self.template)
    }
}

/// The names of the suites that have templates, in order.
pub fn shipped() -> Vec<String> {
    let folders = embedded::below("suite").filter_map(|file| Some(file.path.split_once('/')?.0.to_owned()));
    let mut names: Vec<String> = folders.collect();
    names.dedup();
    names
}

impl Suite {
    /// Loads the templates of a shipped suite.
    ///
    /// # Errors
    /// No such suite, or every mistake in its templates.
    pub fn load(name: &str) -> Result<Self, Diagnostics> {
        let known = shipped();
        if !known.iter().any(|suite| suite == name) {
            let help = match nearest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("these have templates: {}", known.join(", ")),
            };
            let mistake = Diagnostic::error(name, 0, "", "there is no suite of this name that has templates");
            return Err(Diagnostics(vec![mistake.help(help)]));
        }
        let mut suite = Self { name: name.to_owned(), templates: BTreeMap::new(), engine: engine() };
        let mut mistakes = Vec::new();
        for file in embedded::below(&format!("suite/{name}")) {
            if file.path == SHARED {
                let added = suite.engine.add_template_owned(SHARED.to_owned(), file.text);
                mistakes.extend(added.err().map(|why| broken(&file.path, "", &why)));
            } else if let Some(template) = file.path.strip_suffix(".yaml") {
                match Template::load(&file) {
                    Ok(loaded) => _ = suite.templates.insert(template.to_owned(), loaded),
                    Err(found) => mistakes.extend(found.0),
                }
            }
        }
        if mistakes.is_empty() { Ok(suite) } else { Err(Diagnostics(mistakes)) }
    }

    /// Its templates by name, in order.
    pub fn templates(&self) -> &BTreeMap<String, Template> {
        &self.templates
    }

    /// The scenario of a template with these parameters.
    ///
    /// # Errors
    /// There is no such template, or what is wrong in it.
    pub fn render(&self, template: &str, parameters: &Parameters) -> Result<Made, Diagnostics> {
        let path = format!("suite/{}/{template}.yaml", self.name);
        let of = self.templates.get(template).ok_or_else(|| {
            let mistake = Diagnostic::error(&path, 0, "", "there is no such template");
            Diagnostics(vec![mistake.help("make the scenarios anew with `sockpit scenario generate`")])
        })?;
        let render = |field: &str, text: &str, variables: &Value| {
            let text = format!("{IMPORT}{text}");
            let rendered = self.engine.render_named_str(&path, &text, variables.clone());
            rendered.map_err(|why| Diagnostics(vec![broken(&path, field, &why)]))
        };
        let mut variables = parameters.clone();
        let short = render("name", &of.name, &Serde(&variables).into())?;
        let name = format!("{}/{}/{short}", self.name, of.folder);
        variables.insert("id".into(), name.clone().into());
        let variables = Value::from(Serde(&variables));
        let origin = Origin { suite: self.name.clone(), template: template.to_owned(), parameters: parameters.clone() };
        let scenario = origin.head() + render("scenario", &of.scenario, &variables)?.as_str();
        let mut scripts = BTreeMap::new();
        for (script, text) in &of.scripts {
            let rendered = render(&format!("scripts.{script}"), text, &variables)?;
            // Where an action would be no wrong move, the template leaves it out.
            if !rendered.trim().is_empty() {
                scripts.insert(script.clone(), format!("{GENERATED} {}/{template}\n{rendered}", self.name));
            }
        }
        Ok(Made { origin, name, scenario, scripts })
    }
}

impl Made {
    /// Its scenario as a file, for messages and loaders.
    pub fn source(&self) -> Source {
        Source { path: format!("{}.yaml", self.name), text: self.scenario.clone() }
    }

    /// One of its lists of actions as a file.
    pub fn script(&self, name: &str) -> Option<Source> {
        let text = self.scripts.get(name)?.clone();
        Some(Source { path: format!("{}/{name}.yaml", self.name), text })
    }
}

/// A name that is not set is a mistake, never an empty text.
fn engine() -> Environment<'static> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_auto_escape_callback(|_| AutoEscape::None);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    engine.set_syntax(syntax.expect("nothing but white space is set"));
    engine
}

/// What the engine says is wrong. Its line counts within the field.
fn broken(path: &str, field: &str, why: &minijinja::Error) -> Diagnostic {
    let line = why.line().map_or(String::new(), |line| format!(" (line {line} of this text)"));
    Diagnostic::error(path, 0, field, format!("the template does not render: {why}{line}"))
        .help(format!("name only axes, ranges and what {SHARED} defines"))
}

#[cfg(test)]
mod tests;
