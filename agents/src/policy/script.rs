//! A fixed list of actions, for witnesses and tests: the policy `script:FILE`.

use std::cell::Cell;
use std::rc::Rc;

use sim::environment::{Action, Conclusion, Observation, Query, Write};
use sim::scenario::ScriptStep;
use sim::time::SimDuration;

use super::desk::{Desk, Procedure};
use super::{AutonomicAgent, Policy, TaskView};

/// Plays steps of a script: each evaluation goes on where the last one stopped, up to and
/// including the next `report`; after the last step it repeats the last report.
pub fn script(steps: Vec<ScriptStep>) -> impl Policy<AutonomicAgent> {
    let steps = Rc::new(steps);
    let position = Rc::new(Cell::new(0));
    Procedure::new("script", move |desk: Desk, _: TaskView| evaluation(desk, Rc::clone(&steps), Rc::clone(&position)))
}

async fn evaluation(desk: Desk, steps: Rc<Vec<ScriptStep>>, position: Rc<Cell<usize>>) -> Conclusion {
    while let Some(step) = steps.get(position.get()) {
        position.set(position.get() + 1);
        if step.after > SimDuration::ZERO {
            desk.wait(step.after).await;
        }
        match &step.action {
            Action::Report(conclusion) => return conclusion.clone(),
            Action::Write(write) => {
                desk.take(Action::Write(named(&desk, write).await)).await;
            }
            action => {
                desk.take(action.clone()).await;
            }
        }
    }
    let reports = steps.iter().rev().filter_map(|step| match &step.action {
        Action::Report(conclusion) => Some(conclusion.clone()),
        _ => None,
    });
    reports.into_iter().next().unwrap_or_default()
}

/// The same with the pod's whole name, if there is such a pod.
async fn named(desk: &Desk, write: &Write) -> Write {
    let Some(prefix) = write.pod_prefix() else { return write.clone() };
    let Some(Observation::Pods(pods)) = desk.see(Query::ListPods { component: None }).await else {
        return write.clone();
    };
    let found = pods.into_iter().find(|pod| pod.name.starts_with(prefix) && pod.status != "Terminating");
    found.map_or_else(|| write.clone(), |pod| Write::DeletePod { pod: pod.name })
}
