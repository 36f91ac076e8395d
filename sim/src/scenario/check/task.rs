//! The task: levels that its parts can answer, checks that name what exists.

use super::{AppWords, Checker};
use crate::environment::Goal;
use crate::scenario::{Check, Level, Quantity, Trigger};

impl Checker<'_> {
    pub(super) fn task(&mut self) {
        let task = &self.file().task;
        if task.text.trim().is_empty() {
            self.refuse("task.text", "the agent would read nothing", "say in words what it shall do");
        }
        if task.levels.is_empty() {
            self.refuse("task.levels", "no level would be scored", "name some of L1, L2, L3, L4, L5");
        }
        for (i, level) in task.levels.iter().enumerate() {
            if task.levels[..i].contains(level) {
                self.refuse(&format!("task.levels[{i}]"), format!("{level:?} is named twice"), "name each level once");
            }
        }
        let asks = |level| task.levels.contains(&level);
        if (asks(Level::L1) || asks(Level::L2)) && task.checks().is_empty() {
            self.refuse("task.checks", "L1 and L2 need something to check", "add a check, or a goal that has one");
        }
        let file = self.file();
        let is_as_ever = file.faults.is_empty() && file.start.premises.is_empty();
        // Where the file says that there is no cause, naming none is an answer to L4, and there is nothing to mend.
        let has_none = file.root_causes.as_ref().is_some_and(Vec::is_empty);
        if asks(Level::L4) && is_as_ever && !has_none || asks(Level::L5) && (is_as_ever || has_none) {
            self.refuse(
                "task.levels",
                "L4 and L5 need a cause to find and mend",
                "add a fault or a premise, or leave the levels out; with `root_causes: []` L4 asks to name none",
            );
        }
        match &task.trigger {
            Trigger::Once => {}
            Trigger::Heartbeat(heartbeat) => {
                self.length("task.trigger.heartbeat.every", heartbeat.every);
                self.within("task.trigger.heartbeat.times", f64::from(heartbeat.times), 1.0, 1_000.0);
                let last = task.start + heartbeat.every * u64::from(heartbeat.times.saturating_sub(1));
                let budget = self.file().budget.time;
                if last >= budget && task.start < budget {
                    self.refuse(
                        "task.trigger.heartbeat.times",
                        format!("the last evaluation would begin at {last}, when the budget of {budget} is over"),
                        "write fewer, or raise `budget.time`",
                    );
                }
            }
            Trigger::Alert(alert) => self.promql("task.trigger.alert.promql", &alert.promql),
        }
        self.goal();
        for (i, check) in task.checks.iter().flatten().enumerate() {
            self.check(&format!("task.checks[{i}]"), check);
        }
    }

    fn goal(&mut self) {
        match &self.file().task.goal {
            Goal::ReduceCpu { below } if !(*below > 0.0 && *below <= 1.0) => {
                self.refuse("task.goal.reduce-cpu.below", format!("{below} is not a share"), "write 0.3 for 30 %");
            }
            Goal::ReduceLatency { below } => self.length("task.goal.reduce-latency.below", *below),
            Goal::ReduceTotalLatency { below } => {
                self.length("task.goal.reduce-total-latency.below", *below);
                if self.file().task.group.len() < 2 {
                    self.refuse(
                        "task.goal.reduce-total-latency",
                        "a sum of latencies is that of a group of at least two components",
                        "name them in `task.group`, or use `reduce-latency`",
                    );
                }
            }
            Goal::Scale { replicas: 0 } => {
                self.refuse("task.goal.scale.replicas", "scaling to zero is an outage", "write at least 1");
            }
            _ => {}
        }
    }

    fn check(&mut self, field: &str, check: &Check) {
        match check {
            Check::CpuBelow { share, .. } => {
                self.within(&format!("{field}.cpu-below.share"), *share, 0.001, 1.0);
            }
            Check::P99Below { bound, .. } => {
                self.length(&format!("{field}.p99-below.bound"), *bound);
            }
            Check::P99SumBelow { components, bound } => {
                self.length(&format!("{field}.p99-sum-below.bound"), *bound);
                if components.is_empty() {
                    self.refuse(&format!("{field}.p99-sum-below.components"), "the sum of nothing", "name components");
                }
            }
            Check::Autoscaler { target_from, target_to, .. } if target_from > target_to => self.refuse(
                &format!("{field}.autoscaler.target_from"),
                format!("{target_from} is above {target_to}: no target would be right"),
                "swap the two",
            ),
            Check::Reported(answer) => {
                let at = format!("{field}.reported");
                if answer.truth.is_empty() {
                    self.refuse(
                        &format!("{at}.truth"),
                        "there is nothing to compare with",
                        "add `cpu`, `p99` or `promql`",
                    );
                }
                self.within(&format!("{at}.tolerance"), answer.tolerance, 0.0, 1.0);
                for (i, quantity) in answer.truth.iter().enumerate() {
                    if let Quantity::Promql(expression) = quantity {
                        self.promql(&format!("{at}.truth[{i}].promql"), expression);
                    }
                }
            }
            _ => {}
        }
    }

    pub(super) fn task_against(&mut self, words: &AppWords) {
        let task = &self.file().task;
        self.component("task.agent", &task.agent, words);
        self.group_against(words);
        for (i, check) in task.checks.iter().flatten().enumerate() {
            let field = format!("task.checks[{i}]");
            match check {
                Check::Created(c) => self.component(&format!("{field}.created"), c, words),
                Check::Restarted(c) => self.component(&format!("{field}.restarted"), c, words),
                Check::Replicas { component, .. } => {
                    self.component(&format!("{field}.replicas.component"), component, words);
                }
                Check::ImageTag { component, .. } => {
                    self.component(&format!("{field}.image-tag.component"), component, words);
                }
                Check::Env { component, .. } => {
                    self.component(&format!("{field}.env.component"), component, words);
                }
                Check::Autoscaler { component, .. } => {
                    self.component(&format!("{field}.autoscaler.component"), component, words);
                }
                Check::P99Below { component, .. } => {
                    self.component(&format!("{field}.p99-below.component"), component, words);
                }
                Check::P99SumBelow { components, .. } => {
                    for (j, component) in components.iter().enumerate() {
                        self.component(&format!("{field}.p99-sum-below.components[{j}]"), component, words);
                    }
                }
                Check::CpuBelow { component, .. } => {
                    self.component(&format!("{field}.cpu-below.component"), component, words);
                }
                Check::HealthReported => {}
                Check::Reported(answer) => {
                    for (j, quantity) in answer.truth.iter().enumerate() {
                        let at = format!("{field}.reported.truth[{j}]");
                        match quantity {
                            Quantity::Cpu(c) => self.component(&format!("{at}.cpu"), c, words),
                            Quantity::P99(c) => self.component(&format!("{at}.p99"), c, words),
                            Quantity::Promql(_) => {}
                        }
                    }
                }
            }
        }
    }

    /// The group holds the component that the task is about, and nobody twice; delegations are to its members.
    fn group_against(&mut self, words: &AppWords) {
        let task = &self.file().task;
        for (i, member) in task.group.iter().enumerate() {
            let field = format!("task.group[{i}]");
            self.component(&field, member, words);
            if task.group[..i].contains(member) {
                self.refuse(&field, format!("{member} is named twice"), "name each component once");
            }
        }
        if !task.group.is_empty() && !task.group.contains(&task.agent) {
            self.refuse("task.group", format!("{} is not in it, but the task is about it", task.agent), "add it");
        }
        for (i, delegation) in task.delegations.iter().flatten().enumerate() {
            let field = format!("task.delegations[{i}]");
            if !task.members().contains(&delegation.component) {
                let members = task.members().join(", ");
                let why = format!("{} has no agent in this task", delegation.component);
                self.refuse(&format!("{field}.component"), why, format!("name one of {members}"));
            }
            if delegation.goals.is_empty() {
                self.refuse(&format!("{field}.goals"), "no goal would be right", "name at least one");
            }
        }
    }
}
