//! What may be changed: the guards file, and what is left of its budgets.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sim::environment::{Applied, Component, DeletableKind, Rejected, Write};

use super::action::WriteKind;
use crate::error::Error;

/// The window of the rate.
const MINUTE: Duration = Duration::from_mins(1);

/// What is done with a change that all other guards let pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is tried as a server dry run and written down as a proposal; nothing changes.
    #[default]
    Advisory,
    /// It is made.
    Write,
    /// A person is asked, and if they agree it is made.
    Approve,
}

/// The guards of a session, as a file of YAML says them. What it does not say has its default.
///
/// ```yaml
/// mode: write
/// namespace: sock-shop
/// actions: [scale, restart, rollback]
/// components: [carts, catalogue]
/// max_changes: 20
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guards {
    /// What is done with a change that passes. Default: advisory.
    pub mode: Mode,
    /// The only namespace that this file is for; none is whichever the session has.
    pub namespace: Option<String>,
    /// The kinds of change that are allowed; none is all but those of nodes, which `nodes` allows.
    pub actions: Option<BTreeSet<WriteKind>>,
    /// The components that may be changed, with what else bears their names; none is all.
    pub components: Option<BTreeSet<Component>>,
    /// How many changes, or proposals of changes, a session may make. Default: 100.
    pub max_changes: u32,
    /// How many of them within any minute. Default: 30.
    pub max_changes_per_minute: u32,
    /// Whether nodes may be cordoned, uncordoned and drained, which concerns all that runs on them. Default: no.
    pub nodes: bool,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            mode: Mode::Advisory,
            namespace: None,
            actions: None,
            components: None,
            max_changes: 100,
            max_changes_per_minute: 30,
            nodes: false,
        }
    }
}

impl Guards {
    /// Reads a guards file.
    ///
    /// # Errors
    /// It is not YAML, names a field that is not known, or a value that makes no sense; with line and column.
    pub fn read(yaml: &str) -> Result<Self, Error> {
        // A file of comments alone says nothing.
        let guards: Option<Self> = serde_saphyr::from_str(yaml)
            .map_err(|error| Error::Malformed { what: "the guards file".to_owned(), reason: error.to_string() })?;
        Ok(guards.unwrap_or_default())
    }

    /// Whether a change may be made in a namespace, as far as the change itself says it.
    pub(crate) fn check(&self, write: &Write, namespace: &str) -> Result<(), Rejected> {
        self.check_namespace(write, namespace)?;
        let kind = WriteKind::of(write);
        if kind.is_of_nodes() && !self.nodes {
            let what = format!("{kind} acts on a node, and so on all that runs on it");
            return Err(refusal("nodes", &what, "set `nodes: true`"));
        }
        if let Some(allowed) = self.actions.as_ref().filter(|allowed| !allowed.contains(&kind)) {
            let what = format!("{kind} is not among the actions that are allowed ({})", listed(allowed));
            return Err(refusal("actions", &what, &format!("add `{kind}` to `actions`")));
        }
        match subject(write)? {
            Some(subject) => self.check_subject(&subject),
            None => Ok(()),
        }
    }

    /// Whether the component that a pod belongs to may be changed.
    pub(crate) fn check_pod(&self, pod: &str, component: Option<&str>) -> Result<(), Rejected> {
        match component {
            Some(component) => self.check_subject(&Subject { name: component.to_owned(), reach: Reach::Component }),
            None if self.components.is_none() => Ok(()),
            None => {
                let what = format!("pod {pod} belongs to no Deployment, and only components may be changed");
                Err(refusal("components", &what, "take `components` out"))
            }
        }
    }

    fn check_namespace(&self, write: &Write, namespace: &str) -> Result<(), Rejected> {
        if let Some(only) = self.namespace.as_deref().filter(|only| *only != namespace) {
            let what = format!("the session is in namespace {namespace}, and only {only} may be changed");
            return Err(refusal("namespace", &what, &format!("set `namespace: {namespace}`")));
        }
        let Write::Apply(object) = write else { return Ok(()) };
        let manifest: serde_json::Value = serde_saphyr::from_str(&object.manifest)
            .map_err(|error| Rejected(format!("error validating data: {error}")))?;
        let named = manifest["metadata"]["namespace"].as_str();
        // `default` is where manifests that say nothing mean to go.
        match named.filter(|named| *named != namespace && *named != "default") {
            Some(named) => {
                let what = format!("the manifest is for namespace {named}, and only {namespace} may be changed");
                Err(refusal("namespace", &what, &format!("start a session with `--namespace {named}`")))
            }
            None => Ok(()),
        }
    }

    fn check_subject(&self, subject: &Subject) -> Result<(), Rejected> {
        let Some(allowed) = &self.components else { return Ok(()) };
        let Subject { name, reach } = subject;
        let bears_a_name =
            || allowed.iter().any(|component| name.strip_prefix(component.as_str()).is_some_and(is_suffix));
        if allowed.contains(name) || (*reach == Reach::ByName && bears_a_name()) {
            return Ok(());
        }
        let what = match reach {
            Reach::Namespace => format!("{name} concerns every component, and only some may be changed"),
            Reach::Component | Reach::ByName => format!("{name} is not among the components that may be changed"),
        };
        let widened = format!("add `{name}` to `components`");
        Err(refusal("components", &format!("{what} ({})", listed(allowed)), &widened))
    }
}

/// What a change is about, as far as the change itself says it.
#[derive(Debug, PartialEq, Eq)]
struct Subject {
    name: String,
    reach: Reach,
}

/// Whom a change concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// The component of that name.
    Component,
    /// The component whose name it bears, such as `carts-budget`.
    ByName,
    /// Every component.
    Namespace,
}

/// What a change is about; none for a pod, which does not say whose it is, and for a node.
fn subject(write: &Write) -> Result<Option<Subject>, Rejected> {
    if let Some(component) = write.component() {
        return Ok(Some(Subject { name: component.to_owned(), reach: Reach::Component }));
    }
    Ok(match write {
        Write::Apply(object) => Some(match object.read()? {
            Applied::Autoscaler(autoscaler) => Subject { name: autoscaler.target.name, reach: Reach::Component },
            Applied::Service(service) => Subject { name: service.meta.name, reach: Reach::ByName },
            Applied::DisruptionBudget(budget) => Subject { name: budget.meta.name, reach: Reach::ByName },
            Applied::NetworkPolicy(policy) => Subject { name: policy.meta.name, reach: Reach::ByName },
            Applied::ResourceQuota(quota) => Subject { name: quota.meta.name, reach: Reach::Namespace },
        }),
        Write::Delete { kind, name } => {
            let reach = match kind {
                DeletableKind::ResourceQuota => Reach::Namespace,
                DeletableKind::PodDisruptionBudget | DeletableKind::NetworkPolicy => Reach::ByName,
            };
            Some(Subject { name: name.clone(), reach })
        }
        _ => None,
    })
}

/// Whether what follows a component's name makes it another name of the same, as in `carts-budget`.
fn is_suffix(rest: &str) -> bool {
    rest.starts_with('-')
}

/// How much of the budgets is used.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    made: u32,
    /// When those of the last minute were made, since the session began.
    recent: VecDeque<Duration>,
}

impl Budget {
    /// Of a session that goes on: so many changes were made before.
    pub(crate) fn after(made: u32) -> Self {
        Self { made, recent: VecDeque::new() }
    }

    /// Whether one more change may be made, so long after the session began.
    pub(crate) fn check(&mut self, guards: &Guards, now: Duration) -> Result<(), Rejected> {
        if self.made >= guards.max_changes {
            let what = format!("{} changes were made in this session, as many as it may make", self.made);
            return Err(refusal("max_changes", &what, "raise `max_changes`"));
        }
        while self.recent.front().is_some_and(|made| now.saturating_sub(*made) >= MINUTE) {
            self.recent.pop_front();
        }
        let most = guards.max_changes_per_minute as usize;
        if self.recent.len() >= most {
            // The oldest that has to leave the window.
            let leaves = self.recent.get(self.recent.len() - most).map_or(MINUTE, |made| *made + MINUTE);
            let wait = leaves.saturating_sub(now).as_secs_f64().ceil();
            let what = format!("{} changes were made within a minute; wait {wait} s", self.recent.len());
            return Err(refusal("max_changes_per_minute", &what, "raise `max_changes_per_minute`"));
        }
        Ok(())
    }

    /// Counts one.
    pub(crate) fn spend(&mut self, now: Duration) {
        self.made += 1;
        self.recent.push_back(now);
    }
}

/// What the asker is told: which guard, why, and what a person could do about it.
fn refusal(guard: &str, what: &str, widened: &str) -> Rejected {
    Rejected(format!("refused by the guard `{guard}`: {what}. A person may {widened} in the guards file"))
}

fn listed(names: &BTreeSet<impl ToString>) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
