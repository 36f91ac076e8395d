//! What the agent is asked, when, and what the judge takes for done.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::environment::{Component, Goal};
use crate::time::SimDuration;

/// The paper's levels of autonomy (arXiv 2407.14402, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Level {
    /// Follow a simple instruction with the right operation.
    L1,
    /// Carry out a fixed task that needs several planned steps.
    L2,
    /// Notice that the system is outside its objectives.
    L3,
    /// Find the root cause.
    L4,
    /// Mend it.
    L5,
}

impl Level {
    /// All, in order.
    pub const ALL: [Self; 5] = [Self::L1, Self::L2, Self::L3, Self::L4, Self::L5];
}

/// What the agent is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The levels that are scored.
    pub levels: Vec<Level>,
    /// The component that it is about. Where there is no group, the autonomic agent of this component gets it.
    pub agent: Component,
    /// The components whose agents a group manager may give work to. With it the task is the manager's, unless a strategy
    /// says that it goes straight to an agent.
    #[serde(default)]
    pub group: Vec<Component>,
    /// The delegations that are right, for the count of a manager's right ones. Default: to look, or the task's own
    /// goal, for each component of the group ([`AcceptedDelegation`]).
    #[serde(default)]
    pub delegations: Option<Vec<AcceptedDelegation>>,
    /// What it reads.
    pub text: String,
    /// The same, typed.
    pub goal: Goal,
    /// When it gets it, from the start of the world.
    pub start: SimDuration,
    /// How often. Default: once.
    #[serde(default)]
    pub trigger: Trigger,
    /// What must be so in the end (L1, L2), all of it. Default: what the goal says of the agent's component.
    #[serde(default)]
    pub checks: Option<Vec<Check>>,
}

/// Work that a manager may rightly give to an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptedDelegation {
    /// To whose agent.
    pub component: Component,
    /// With one of these goals. A bound is right if it is the same or tighter. One on latency is right only if all of its
    /// round together are not above the bound of a task that is about the sum of latencies.
    pub goals: Vec<Goal>,
}

/// What wakes the agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Trigger {
    /// Its start.
    #[default]
    Once,
    /// A clock, first at the task's start. An evaluation that is still going on delays the next; one that does not begin
    /// within the budget was missed.
    Heartbeat(Heartbeat),
    /// An expression that has been true for a while, looked at from the task's start on.
    Alert(Alert),
}

/// A periodic check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Heartbeat {
    /// From one to the next.
    pub every: SimDuration,
    /// How many.
    pub times: u32,
}

impl Default for Heartbeat {
    /// The paper's: three evaluations, 120 s apart.
    fn default() -> Self {
        Self { every: SimDuration::from_secs(120), times: 3 }
    }
}

/// A Prometheus alerting rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// Fires while this has a result.
    pub promql: String,
    /// After it has been so for this long.
    #[serde(default, rename = "for")]
    pub lasting: SimDuration,
}

/// A condition on the end of an L1 or L2 task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Check {
    /// The Deployment exists, as its manifest says it, and all its replicas are available.
    Created(Component),
    /// So many replicas are asked for and available.
    Replicas {
        /// Of which Deployment.
        component: Component,
        /// How many.
        equals: u32,
    },
    /// The template's image has this tag, and otherwise is the manifest's own; its pods are available.
    ImageTag {
        /// Of which Deployment.
        component: Component,
        /// The tag.
        tag: String,
    },
    /// An environment variable of the template has this value and its pods are available.
    Env {
        /// Of which Deployment.
        component: Component,
        /// The variable.
        name: String,
        /// Its value.
        value: String,
    },
    /// No pod is left of those that ran when the task began, and as many are available as asked for.
    Restarted(Component),
    /// An autoscaler exists and can work: its bounds leave room to grow, its target is neither so low that
    /// it never rests nor so high that it never acts, and it has something to scale: its least number of replicas is
    /// available.
    Autoscaler {
        /// Of which Deployment.
        component: Component,
        /// Lowest sensible target, per cent of the CPU request.
        #[serde(default = "lowest_target")]
        target_from: u32,
        /// Highest sensible target.
        #[serde(default = "highest_target")]
        target_to: u32,
        /// Most replicas that are sensible.
        #[serde(default = "most_replicas")]
        replicas_to: u32,
    },
    /// The sum of the P99 of several components stays below a bound in every judged interval of the hold time.
    P99SumBelow {
        /// Of which components.
        components: Vec<Component>,
        /// The bound.
        bound: SimDuration,
    },
    /// P99 stays below a bound in every judged interval of the hold time.
    P99Below {
        /// Of which component.
        component: Component,
        /// The bound.
        bound: SimDuration,
    },
    /// CPU of the busiest pod, as a mean over the hold time, is below this share of its limit.
    CpuBelow {
        /// Of which component.
        component: Component,
        /// The share, 0 to 1.
        share: f64,
    },
    /// The report says of the objectives' state what is so at its time.
    HealthReported,
    /// The report holds a value that is right.
    Reported(Answer),
}

impl Check {
    /// The component of whose objects it asks, for those that ask how they are in the end.
    pub fn described(&self) -> Option<&Component> {
        match self {
            Self::Created(component)
            | Self::Restarted(component)
            | Self::Replicas { component, .. }
            | Self::ImageTag { component, .. }
            | Self::Env { component, .. }
            | Self::Autoscaler { component, .. } => Some(component),
            Self::P99Below { .. }
            | Self::P99SumBelow { .. }
            | Self::CpuBelow { .. }
            | Self::HealthReported
            | Self::Reported(_) => None,
        }
    }
}

fn lowest_target() -> u32 {
    20
}

fn highest_target() -> u32 {
    90
}

fn most_replicas() -> u32 {
    20
}

/// A value that the report must hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Its name in [`Conclusion::values`](crate::environment::Conclusion).
    pub name: String,
    /// What it is compared with: right if one of these agrees.
    pub truth: Vec<Quantity>,
    /// Relative difference that is allowed. Default 0.1.
    #[serde(default = "default_tolerance")]
    pub tolerance: f64,
}

fn default_tolerance() -> f64 {
    0.1
}

/// Something measurable, in base units, over any window that ends inside the episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Quantity {
    /// CPU of all pods of a component, in cores: the exact mean over the window.
    Cpu(Component),
    /// Server-side P99 of a component, in seconds: exact, over all requests but probes and scrapes.
    P99(Component),
    /// What Prometheus says at the end of the window: its first result.
    Promql(String),
}

impl Task {
    /// What must be so in the end: as the file says, or what the goal says of the component that the task is about.
    pub fn checks(&self) -> Vec<Check> {
        self.checks.clone().unwrap_or_else(|| checks_of(&self.goal, self))
    }

    /// The components whose agents work at it: the group, or the one that it is about.
    pub fn members(&self) -> &[Component] {
        if self.group.is_empty() { std::slice::from_ref(&self.agent) } else { &self.group }
    }

    /// The components whose figures a check is about, in order.
    pub fn checked(&self) -> Vec<Component> {
        let mut components: Vec<Component> = Vec::new();
        for check in self.checks() {
            let more = match check {
                Check::P99Below { component, .. } | Check::CpuBelow { component, .. } => vec![component],
                Check::P99SumBelow { components, .. } => components,
                _ => Vec::new(),
            };
            for component in more {
                if !components.contains(&component) {
                    components.push(component);
                }
            }
        }
        components
    }

    /// The components whose objects are recorded for the checks: the agent's own, then those that a check names.
    pub fn described(&self) -> Vec<Component> {
        let mut components = vec![self.agent.clone()];
        components.extend(self.group.iter().filter(|member| **member != self.agent).cloned());
        for check in self.checks() {
            if let Some(component) = check.described()
                && !components.contains(component)
            {
                components.push(component.clone());
            }
        }
        components
    }

    /// The values that the report must hold.
    pub fn answers(&self) -> Vec<Answer> {
        self.checks()
            .into_iter()
            .filter_map(|check| match check {
                Check::Reported(answer) => Some(answer),
                _ => None,
            })
            .collect()
    }
}

/// The checks that a goal means for the component that a task is about.
fn checks_of(goal: &Goal, task: &Task) -> Vec<Check> {
    let component = task.agent.clone();
    let check = match goal {
        Goal::CreateDeployment => Check::Created(component),
        Goal::SetEnv { name, value } => Check::Env { component, name: name.clone(), value: value.clone() },
        Goal::SetImageTag { tag } => Check::ImageTag { component, tag: tag.clone() },
        Goal::Restart => Check::Restarted(component),
        Goal::Scale { replicas } => Check::Replicas { component, equals: *replicas },
        Goal::ReportCpu => Check::Reported(reported("cpu", Quantity::Cpu(component))),
        Goal::ReportP99 => Check::Reported(reported("p99", Quantity::P99(component))),
        Goal::CheckHealth | Goal::CheckPerformance => Check::HealthReported,
        Goal::Autoscale => Check::Autoscaler {
            component,
            target_from: lowest_target(),
            target_to: highest_target(),
            replicas_to: most_replicas(),
        },
        Goal::ReduceLatency { below } => Check::P99Below { component, bound: *below },
        Goal::ReduceTotalLatency { below } => Check::P99SumBelow { components: task.members().to_vec(), bound: *below },
        Goal::ReduceCpu { below } => Check::CpuBelow { component, share: *below },
        Goal::Maintain => return Vec::new(),
    };
    vec![check]
}

fn reported(name: &str, quantity: Quantity) -> Answer {
    Answer { name: name.into(), truth: vec![quantity], tolerance: default_tolerance() }
}
