//! Whether work that a group manager gave out was right: its receiver and its typed goal are in the accepted set.
//!
//! The set is the scenario's own, or else what its task's goal says. A bound is right if it is the same as an accepted
//! one or tighter. Where the task is about the sum of latencies, the bounds on latency of one round must share that sum
//! between them: two services that each get the whole sum may together miss it.

use super::Judge;
use crate::environment::{Assignment, Goal};
use crate::scenario::{AcceptedDelegation, Task};
use crate::time::SimDuration;

/// How many of the delegations of one round are right.
pub(super) fn right_of(judge: &Judge<'_>, round: &[Assignment]) -> u32 {
    right(&judge.scenario.task, round)
}

fn right(task: &Task, round: &[Assignment]) -> u32 {
    let accepted = task.delegations.clone().unwrap_or_else(|| accepted_by(task));
    let shared = shares_the_sum(&task.goal, round);
    let is_right = |work: &&Assignment| {
        let latency = matches!(work.goal, Goal::ReduceLatency { .. });
        let matches = |accepted: &AcceptedDelegation| {
            accepted.component == work.component && accepted.goals.iter().any(|goal| is_as_tight(&work.goal, goal))
        };
        (shared || !latency) && accepted.iter().any(matches)
    };
    round.iter().filter(is_right).count() as u32
}

/// What a task accepts that does not say it: to look at each component of the group, and the task's own goal for each. A
/// part of a sum is a bound on one latency.
fn accepted_by(task: &Task) -> Vec<AcceptedDelegation> {
    let own = match &task.goal {
        Goal::ReduceTotalLatency { below } => Goal::ReduceLatency { below: *below },
        goal => goal.clone(),
    };
    let looks = [Goal::ReportCpu, Goal::ReportP99, Goal::CheckHealth, Goal::CheckPerformance];
    let goals: Vec<Goal> = looks.into_iter().chain([own]).collect();
    let to = |component: &String| AcceptedDelegation { component: component.clone(), goals: goals.clone() };
    task.members().iter().map(to).collect()
}

/// Whether a goal is an accepted one, or asks for more than it. How many replicas, which tag: only the same is the same.
fn is_as_tight(goal: &Goal, accepted: &Goal) -> bool {
    match (goal, accepted) {
        (Goal::ReduceLatency { below }, Goal::ReduceLatency { below: most }) => below <= most,
        (Goal::ReduceCpu { below }, Goal::ReduceCpu { below: most }) => below <= most,
        _ => goal == accepted,
    }
}

/// Whether the bounds on latency of a round are together within the sum that the task asks for.
fn shares_the_sum(goal: &Goal, round: &[Assignment]) -> bool {
    let Goal::ReduceTotalLatency { below } = goal else { return true };
    let bounds = round.iter().filter_map(|work| match &work.goal {
        Goal::ReduceLatency { below } => Some(*below),
        _ => None,
    });
    bounds.fold(SimDuration::ZERO, |sum, bound| sum + bound) <= *below
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::testing::{SCENARIO, scenario};

    fn count(goal: &str, round: &[(&str, Goal)]) -> u32 {
        let text = SCENARIO
            .replace("[L3, L4, L5]", "[L2]")
            .replace("agent: catalogue", "agent: catalogue\n  group: [catalogue, carts]")
            .replace("goal: maintain", goal);
        let work = |(component, goal): &(&str, Goal)| Assignment {
            component: (*component).into(),
            text: String::new(),
            goal: goal.clone(),
        };
        right(&scenario(&text).task, &round.iter().map(work).collect::<Vec<_>>())
    }

    #[test]
    fn a_sum_must_be_shared() {
        let below = |ms| Goal::ReduceLatency { below: SimDuration::from_millis(ms) };
        let sum = "goal: {reduce-total-latency: {below: 400ms}}";
        assert_eq!(count(sum, &[("catalogue", below(150)), ("carts", below(250))]), 2);
        assert_eq!(count(sum, &[("catalogue", below(400)), ("carts", below(400))]), 0, "each has all of it");
        assert_eq!(count(sum, &[("catalogue", Goal::ReportP99), ("carts", below(500))]), 1);
        assert_eq!(count(sum, &[("orders", Goal::ReportP99)]), 0, "it has no agent");
        let each = "goal: {reduce-latency: {below: 300ms}}";
        assert_eq!(count(each, &[("catalogue", below(300)), ("carts", below(300))]), 2);
        assert_eq!(count(each, &[("catalogue", below(301)), ("carts", Goal::Restart)]), 0);
    }
}
