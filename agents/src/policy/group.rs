//! The built-in policies in the role of the group manager, so that each mechanism plays without a model.
//!
//! A manager has no look at the world: what it knows is what the agents report. `noop` believes that all is well;
//! `random` gives anything to anybody; [`pass_on`] hands the task to everybody as it is, and believes the answers;
//! [`runbook`] asks first, gives out what follows from the figures, and has them checked before it concludes.

mod runbook;

use sim::environment::{Assignment, Conclusion, Goal, ManagerAction};
use sim::scenario::Script;
use sim::time::SimDuration;

use super::desk::{Desk, Procedure};
use super::{Deciding, Decision, GroupAnswer, GroupManager, GroupTaskView, Noop, Percept, Policy, Random, Role};

pub use runbook::runbook;

impl Policy<GroupManager> for Noop {
    fn name(&self) -> &'static str {
        "noop"
    }

    fn decide<'a>(&'a mut self, _: &'a Percept<<GroupManager as Role>::Heard>) -> Deciding<'a, ManagerAction> {
        let report = Conclusion { healthy: true, ..Conclusion::default() };
        Box::pin(std::future::ready(Decision::without_model(ManagerAction::Conclude(report))))
    }
}

/// Hands the task to every agent as it is, once, and believes what they say. A bound on a sum is shared out evenly.
pub fn pass_on(name: &'static str) -> impl Policy<GroupManager> {
    Procedure::new(name, |desk: Desk<GroupManager>, task: GroupTaskView| async move {
        let answers = desk.give_all(&task.components, &task.text, &shared_evenly(&task)).await;
        together(&answers)
    })
}

/// The goal of a member: of a sum its equal part.
fn shared_evenly(task: &GroupTaskView) -> Goal {
    match &task.goal {
        Goal::ReduceTotalLatency { below } => {
            Goal::ReduceLatency { below: SimDuration(below.0 / task.about.len().max(1) as u64) }
        }
        goal => goal.clone(),
    }
}

/// What the answers say together: well if all are, the cause that an agent found in its own component before any other.
pub(super) fn together(answers: &[GroupAnswer]) -> Conclusion {
    let reports = || answers.iter().filter_map(|answer| Some((&answer.component, answer.outcome.as_ref().ok()?)));
    let names_cause = |(_, report): &(&String, &Conclusion)| report.root_cause_component.is_some();
    let own = reports().find(|(component, report)| report.root_cause_component.as_ref() == Some(component));
    let cause = own.or_else(|| reports().find(names_cause)).map(|(_, report)| report);
    let done: Vec<String> = reports()
        .filter(|(_, report)| !report.actions_taken.is_empty())
        .map(|(component, report)| format!("{component}: {}", report.actions_taken))
        .collect();
    let mut violated: Vec<String> = reports().flat_map(|(_, report)| report.violated.clone()).collect();
    violated.sort();
    violated.dedup();
    let tried: Vec<bool> = reports().filter_map(|(_, report)| report.mitigated).collect();
    Conclusion {
        healthy: !answers.is_empty() && answers.iter().all(|a| a.outcome.as_ref().is_ok_and(|r| r.healthy)),
        violated,
        root_cause_component: cause.and_then(|report| report.root_cause_component.clone()),
        root_cause_kind: cause.and_then(|report| report.root_cause_kind.clone()),
        values: reports().flat_map(|(_, report)| report.values.clone()).collect(),
        actions_taken: done.join("; "),
        mitigated: (!tried.is_empty()).then(|| tried.iter().all(|worked| *worked)),
    }
}

/// Rounds of the random manager before it concludes.
const ROUNDS: u64 = 2;

impl Policy<GroupManager> for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn decide<'a>(&'a mut self, percept: &'a Percept<<GroupManager as Role>::Heard>) -> Deciding<'a, ManagerAction> {
        let action = self.manage(percept);
        Box::pin(std::future::ready(Decision::without_model(action)))
    }
}

impl Random {
    fn manage(&mut self, percept: &Percept<<GroupManager as Role>::Heard>) -> ManagerAction {
        use super::ManagerHeard;
        if let ManagerHeard::Task(task) | ManagerHeard::Issue { group: task, .. } = &percept.heard {
            self.group.clone_from(&task.components);
        }
        self.taken += 1;
        let round = self.taken % (ROUNDS + 1);
        if round == 0 || self.group.is_empty() {
            return ManagerAction::Conclude(Conclusion { healthy: self.pick(5, 2) == 0, ..Conclusion::default() });
        }
        let chosen = self.group.iter().zip(0_u64..).filter(|(_, i)| self.pick(10 + i, 2) == 0).map(|(c, _)| c.clone());
        let mut chosen: Vec<String> = chosen.collect();
        if chosen.is_empty() {
            chosen.push(self.group[self.pick(6, self.group.len() as u64) as usize].clone());
        }
        let goal = match self.pick(7, 4) {
            0 => Goal::Restart,
            1 => Goal::Scale { replicas: 1 + self.pick(8, 4) as u32 },
            2 => Goal::CheckHealth,
            _ => Goal::Maintain,
        };
        let work = |component| Assignment { component, text: "Do what you think best.".to_owned(), goal: goal.clone() };
        ManagerAction::Delegate(chosen.into_iter().map(work).collect())
    }
}

/// Plays the manager's steps of a script: each task goes on where the last one stopped, up to and including the next
/// `conclude`; after the last step it repeats the last one. A script without such steps hands every task on as it is.
pub fn script(script: &Script) -> Box<dyn Policy<GroupManager>> {
    if script.manager.is_empty() {
        return Box::new(pass_on("script"));
    }
    let steps = script.manager.clone();
    let mut position = 0;
    Box::new(Procedure::new("script", move |desk: Desk<GroupManager>, _: GroupTaskView| {
        let from = position.min(steps.len());
        let ends = |step: &sim::scenario::ManagerStep| matches!(step.action, ManagerAction::Conclude(_));
        let length = steps[from..].iter().position(ends).map_or(steps.len() - from, |last| last + 1);
        position = from + length;
        let now: Vec<_> = steps[from..position].to_vec();
        let last = steps.iter().rev().find_map(|step| match &step.action {
            ManagerAction::Conclude(conclusion) => Some(conclusion.clone()),
            _ => None,
        });
        async move {
            for step in now {
                if step.after > SimDuration::ZERO {
                    desk.put(ManagerAction::Wait(step.after)).await;
                }
                match step.action {
                    ManagerAction::Conclude(conclusion) => return conclusion,
                    action => desk.put(action).await,
                }
            }
            last.unwrap_or_default()
        }
    }))
}
