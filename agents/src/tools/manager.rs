//! The tools of a group manager: it gives out work, waits, and concludes; nothing here touches the world.

use std::collections::BTreeMap;

use sim::environment::{Assignment, Component, Conclusion, Declaration, ManagerAction};
use sim::time::SimDuration;

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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sim::environment::Goal;

    use super::*;

    #[test]
    fn a_call_makes_its_action() {
        let tasks = json!({"tasks": [
            {"component": "carts", "text": "Reduce your latency.", "goal": {"reduce-latency": {"below": "200ms"}}},
            {"component": "orders", "text": "Are you well?", "goal": "check-health"},
        ]});
        let Ok(ManagerAction::Delegate(given)) = parse("assign_tasks", &tasks) else { panic!("{tasks}") };
        assert_eq!(given[0].goal, Goal::ReduceLatency { below: SimDuration::from_millis(200) });
        assert_eq!((given[1].component.as_str(), &given[1].goal), ("orders", &Goal::CheckHealth));
        assert_eq!(parse("read_graph", &json!({})), Ok(ManagerAction::ReadGraph));
        assert_eq!(parse("wait", &json!({"duration": "1m"})), Ok(ManagerAction::Wait(SimDuration::from_secs(60))));
        let concluded = parse("conclude", &json!({"healthy": true}));
        assert_eq!(concluded, Ok(ManagerAction::Conclude(Conclusion { healthy: true, ..Conclusion::default() })));
    }

    #[test]
    fn a_bad_call_says_what_is_wrong() {
        let check = |name: &str, arguments: Value, part: &str| {
            let message = parse(name, &arguments).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        check("scale", json!({}), "the tools are: assign_tasks, read_graph, declare, wait, conclude");
        check("assign_tasks", json!({"tasks": [{"component": "carts"}]}), "missing field `text`");
        check(
            "assign_tasks",
            json!({"tasks": [{"component": "carts", "text": "", "goal": "win"}]}),
            "unknown variant `win`",
        );
    }

    #[test]
    fn schemas_refer_to_nothing_and_have_no_alternatives_that_exclude_each_other() {
        for tool in all().into_iter().chain(crate::tools::typed::all()) {
            let text = tool.parameters.to_string();
            assert!(!text.contains("$ref") && !text.contains("oneOf"), "{}: {text}", tool.name);
        }
    }
}
