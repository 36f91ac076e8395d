//! Faults in the programs themselves: a bad release, a query without its index, clients that retry too eagerly. No object
//! shows them; they hold for every container that runs the program, until they are taken back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Effect;
use super::injection::Written;
use crate::environment::Component;
use crate::scenario::{AppWords, Checker};
use crate::time::SimDuration;
use crate::traffic::{Defect, Leak};
use crate::units::Bytes;
use crate::workload::Workload;

/// What is wrong with a program.
#[derive(Clone, Debug, PartialEq)]
pub enum ProgramChange {
    /// Its bursts cost more, or it leaks.
    Defect(Defect),
    /// The data in the containers that run it now has so many documents, and grows.
    Age {
        /// Documents at the start.
        documents: u64,
    },
    /// Its calls to another program are given up sooner and tried again.
    Clients(EagerClient),
}

/// A program loses memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryLeak {
    /// The Deployment whose program it is.
    pub component: Component,
    /// Lost with each request that it answers.
    #[serde(default)]
    pub per_request: Bytes,
    /// Lost with each second that it listens.
    #[serde(default)]
    pub per_second: Bytes,
}

impl Written for MemoryLeak {
    fn effect(&self, _: SimDuration, severity: f64) -> Effect {
        let leak =
            Leak { per_request: self.per_request.scaled(severity), per_second: self.per_second.scaled(severity) };
        program(&self.component, ProgramChange::Defect(Defect { leak, ..Defect::default() }))
    }

    fn component(&self) -> Option<&str> {
        Some(&self.component)
    }
}

impl MemoryLeak {
    /// Something must be lost.
    pub(super) fn check(&self, checker: &mut Checker<'_>, at: &str, words: &AppWords) {
        has_program(checker, at, &self.component, words);
        if self.per_request == Bytes(0) && self.per_second == Bytes(0) {
            checker.refuse(at, "nothing is lost", "write `per_request`, such as 64Ki, or `per_second`");
        }
    }
}

/// Each of a database's bursts costs more: a plan gone wrong, an index lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowDatabase {
    /// The Deployment of the database.
    pub component: Component,
    /// How many times as much each of its bursts costs, above 1.
    pub cost_factor: f64,
}

impl Written for SlowDatabase {
    /// The severity scales what is added.
    fn effect(&self, _: SimDuration, severity: f64) -> Effect {
        let cost_factor = 1.0 + (self.cost_factor - 1.0) * severity;
        program(&self.component, ProgramChange::Defect(Defect { cost_factor, ..Defect::default() }))
    }

    fn component(&self) -> Option<&str> {
        Some(&self.component)
    }
}

impl SlowDatabase {
    /// It must become slower.
    pub(super) fn check(&self, checker: &mut Checker<'_>, at: &str, words: &AppWords) {
        has_program(checker, at, &self.component, words);
        if self.cost_factor <= 1.0 {
            checker.refuse(&format!("{at}.cost_factor"), "that makes nothing slower", "write a number above 1");
        }
        checker.within(&format!("{at}.cost_factor"), self.cost_factor, 0.0, 1e6);
    }
}

/// A database's data has grown, and goes on growing: each query without an index costs more with each document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseAgeing {
    /// The Deployment of the database.
    pub component: Component,
    /// How many documents it has when it begins.
    pub documents: u64,
}

impl Written for DatabaseAgeing {
    fn effect(&self, _: SimDuration, severity: f64) -> Effect {
        let documents = (self.documents as f64 * severity) as u64;
        program(&self.component, ProgramChange::Age { documents })
    }

    fn component(&self) -> Option<&str> {
        Some(&self.component)
    }
}

impl DatabaseAgeing {
    /// Its cost must depend on its data.
    pub(super) fn check(&self, checker: &mut Checker<'_>, at: &str, words: &AppWords) {
        has_program(checker, at, &self.component, words);
        let program = words.component_words(&self.component).and_then(|component| component.program.as_ref());
        let grows = |endpoint: &crate::profile::Endpoint| endpoint.growth.scans > SimDuration::ZERO;
        if program.is_some_and(|program| !program.endpoints.iter().any(grows)) {
            let message = format!("no request to {} costs more with its data", self.component);
            checker.refuse(&format!("{at}.component"), message, "name a service whose profile has `growth`");
        }
    }
}

/// What a client does about calls that take long or fail, from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EagerClient {
    /// The Deployment that calls.
    pub component: Component,
    /// The service of the profile that it calls.
    pub to: String,
    /// How long it waits for an answer.
    pub timeout: SimDuration,
    /// How many times it tries again.
    pub retries: u8,
    /// How long it waits before the first retry; doubles. Default: not at all.
    #[serde(default)]
    pub retry_backoff: SimDuration,
}

impl Written for EagerClient {
    fn effect(&self, _: SimDuration, _: f64) -> Effect {
        program(&self.component, ProgramChange::Clients(self.clone()))
    }

    fn component(&self) -> Option<&str> {
        Some(&self.component)
    }
}

impl EagerClient {
    /// It must call, and must retry.
    pub(super) fn check(&self, checker: &mut Checker<'_>, at: &str, words: &AppWords) {
        has_program(checker, at, &self.component, words);
        checker.length(&format!("{at}.timeout"), self.timeout);
        if self.retries == 0 {
            checker.refuse(&format!("{at}.retries"), "nothing is tried again", "write at least 1");
        }
        let component = words.component_words(&self.component);
        if let Some(program) = component.and_then(|component| component.program.as_ref())
            && !program.clients.contains_key(&self.to)
        {
            let called = program.clients.keys().map(String::as_str);
            checker.unknown(&format!("{at}.to"), "service that it calls", &self.to, called);
        }
    }
}

/// Eager clients, and a burst of load that overloads what they call. The burst ends with its stages; the overload may not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryOverload {
    /// What the client does.
    pub client: EagerClient,
    /// What sets it off. Its last stage says what stays.
    pub burst: Workload,
}

impl Written for RetryOverload {
    fn effect(&self, start: SimDuration, severity: f64) -> Effect {
        Effect::Together(vec![self.client.effect(start, severity), self.burst.effect(start, severity)])
    }

    fn component(&self) -> Option<&str> {
        self.client.component()
    }

    fn can_be_scaled(&self) -> bool {
        self.burst.can_be_scaled()
    }
}

impl RetryOverload {
    /// Both must make sense.
    pub(super) fn check(&self, checker: &mut Checker<'_>, at: &str, words: &AppWords) {
        self.client.check(checker, &format!("{at}.client"), words);
        checker.workload(&format!("{at}.burst"), &self.burst, words);
    }
}

fn program(component: &str, change: ProgramChange) -> Effect {
    Effect::Program { component: component.to_owned(), change }
}

/// There must be such a Deployment, and the profile must say what it does.
fn has_program(checker: &mut Checker<'_>, at: &str, name: &str, words: &AppWords) {
    let field = format!("{at}.component");
    checker.component(&field, name, words);
    if words.component_words(name).is_some_and(|component| component.program.is_none()) {
        let message = format!("the profile does not say what {name} does");
        checker.refuse(&field, message, "name a component whose image runs a service of the profile");
    }
}
