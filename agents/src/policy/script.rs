//! A fixed list of actions, for witnesses and tests: the policy `script:FILE`.

use std::cell::Cell;
use std::rc::Rc;

use sim::environment::{Action, Conclusion, Observation, Query, Write};
use sim::scenario::Script;
use sim::time::SimDuration;

use super::desk::{Desk, Procedure};
use super::{AutonomicAgent, Policy, TaskView};

/// Plays the steps of a script: each evaluation goes on where the last one stopped, up to and
/// including the next `report`; after the last step it repeats the last report.
pub fn script(script: Script) -> impl Policy<AutonomicAgent> {
    let script = Rc::new(script);
    let position = Rc::new(Cell::new(0));
    Procedure::new("script", move |desk, _: TaskView| evaluation(desk, Rc::clone(&script), Rc::clone(&position)))
}

async fn evaluation(desk: Desk, script: Rc<Script>, position: Rc<Cell<usize>>) -> Conclusion {
    while let Some(step) = script.steps.get(position.get()) {
        position.set(position.get() + 1);
        if step.after > SimDuration::ZERO {
            desk.wait(step.after).await;
        }
        match &step.action {
            Action::Report(conclusion) => return conclusion.clone(),
            Action::Write(Write::DeletePod { pod }) => {
                let pod = full_name(&desk, pod).await;
                desk.take(Action::Write(Write::DeletePod { pod })).await;
            }
            action => {
                desk.take(action.clone()).await;
            }
        }
    }
    let reports = script.steps.iter().rev().filter_map(|step| match &step.action {
        Action::Report(conclusion) => Some(conclusion.clone()),
        _ => None,
    });
    reports.into_iter().next().unwrap_or_default()
}

/// Pod names are made by chance: `catalogue-*` stands for the first pod whose name begins so.
async fn full_name(desk: &Desk, pattern: &str) -> String {
    let Some(prefix) = pattern.strip_suffix('*') else { return pattern.to_owned() };
    match desk.see(Query::ListPods { component: None }).await {
        Some(Observation::Pods(pods)) => pods
            .into_iter()
            .find(|pod| pod.name.starts_with(prefix) && pod.status != "Terminating")
            .map_or_else(|| pattern.to_owned(), |pod| pod.name),
        _ => pattern.to_owned(),
    }
}
