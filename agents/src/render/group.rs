//! What agents answer each other, as text.

use sim::environment::Conclusion;

use super::{MAX_ANSWER, cut, dependencies_text};
use crate::policy::{GroupAnswer, ManagerHeard};

/// What a manager hears as the answer to a step.
pub fn heard(heard: &ManagerHeard) -> String {
    match heard {
        ManagerHeard::Task(task) => task.text.clone(),
        ManagerHeard::Issue { from, text, .. } => format!("The agent of {from} raises an issue: {text}"),
        ManagerHeard::Answers(answers) => {
            // Each gets its share, so that a long one does not hide those that follow.
            let share = MAX_ANSWER / answers.len().max(1);
            answers.iter().map(|each| cut(answer(each), share)).collect::<Vec<_>>().join("\n")
        }
        ManagerHeard::Graph(graph) => {
            cut(graph.iter().map(dependencies_text).collect::<Vec<_>>().join("\n"), MAX_ANSWER)
        }
        ManagerHeard::Noted => "ok".into(),
        ManagerHeard::Rejected(why) => format!("error: {why}"),
    }
}

/// The answer of one agent.
pub fn answer(answer: &GroupAnswer) -> String {
    match &answer.outcome {
        Ok(conclusion) => format!("{} reports: {}", answer.component, report(conclusion)),
        Err(why) => format!("{} has no report: {why}", answer.component),
    }
}

/// A report: what is not said is left out.
pub fn report(conclusion: &Conclusion) -> String {
    let mut parts = vec![if conclusion.healthy { "healthy".to_owned() } else { "not healthy".to_owned() }];
    if !conclusion.violated.is_empty() {
        parts.push(format!("violated: {}", conclusion.violated.join(", ")));
    }
    if let Some(component) = &conclusion.root_cause_component {
        let kind = conclusion.root_cause_kind.as_deref().unwrap_or("kind unknown");
        parts.push(format!("root cause: {component}, {kind}"));
    }
    parts.extend(conclusion.values.iter().map(|(name, value)| format!("{name}: {value}")));
    if !conclusion.actions_taken.is_empty() {
        parts.push(format!("done: {}", conclusion.actions_taken));
    }
    match conclusion.mitigated {
        Some(true) => parts.push("it worked".into()),
        Some(false) => parts.push("it did not work".into()),
        None => {}
    }
    parts.join("; ")
}
