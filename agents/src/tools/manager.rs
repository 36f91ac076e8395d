//! The tools of a group manager: it gives out work, waits, and concludes; nothing here touches the world.

use std::collections::BTreeMap;

use sim::environment::{Assignment, Component, Conclusion, Declaration};
use sim::time::SimDuration;

use crate::policy::ManagerAction;

tools! {
    ManagerAction;

    AssignTasks = "assign_tasks": "Give tasks to several agents at once and wait for all their reports: one round." {
        /// One task per agent.
        tasks: Vec<Assignment>
    } => |a| ManagerAction::Delegate(a.tasks);

    ReadGraph = "read_graph": "Which components call which." {
    } => |_a| ManagerAction::ReadGraph;

    Declare = "declare": "Say what you now believe: whether all objectives hold and, if not, which component is the cause and what kind of fault it is. Changes nothing." {
        /// Whether all objectives hold.
        healthy: bool,
        /// Where the cause is.
        component: Option<Component>,
        /// The kind of fault.
        kind: Option<String>
    } => |a| ManagerAction::Declare(Declaration { healthy: a.healthy, component: a.component, kind: a.kind });

    Wait = "wait": "Let time pass." {
        /// How long, such as `30s`.
        duration: SimDuration
    } => |a| ManagerAction::Wait(a.duration);

    Conclude = "conclude": "End the task with a report." {
        /// Whether all objectives hold now.
        healthy: bool,
        /// Which objectives were found violated.
        #[serde(default)]
        violated: Vec<String>,
        /// Where the cause was.
        root_cause_component: Option<Component>,
        /// Its kind.
        root_cause_kind: Option<String>,
        /// Values that the task asked for, in cores, seconds or bytes.
        #[serde(default)]
        values: BTreeMap<String, f64>,
        /// What was done.
        #[serde(default)]
        actions_taken: String,
        /// Whether it worked.
        mitigated: Option<bool>
    } => |a| ManagerAction::Conclude(Conclusion {
        healthy: a.healthy,
        violated: a.violated,
        root_cause_component: a.root_cause_component,
        root_cause_kind: a.root_cause_kind,
        values: a.values,
        actions_taken: a.actions_taken,
        mitigated: a.mitigated,
    });
}
