//! What a scenario means, checked against its application: every mistake at once.

mod faults;
mod objectives;
mod task;
mod workloads;

use super::words::{AppFailure, AppWords};
use super::{AppChoice, Scenario};
use crate::diagnostic::{Diagnostic, nearest};
use crate::input::Located;
use crate::time::SimDuration;

/// Longest time that a scenario may name: a week.
const LONGEST: SimDuration = SimDuration::from_secs(7 * 86_400);

/// All mistakes of meaning, in the order of lines.
pub(super) fn mistakes(
    scenario: &Located<Scenario>,
    app: impl FnOnce(&AppChoice) -> Result<AppWords, AppFailure>,
) -> Vec<Diagnostic> {
    let file = &scenario.value;
    let mut checker = Checker { scenario, mistakes: heading(scenario, &file.api_version, &file.kind, "Scenario") };
    checker.name();
    checker.cluster();
    checker.times();
    checker.prices();
    checker.objectives();
    checker.task();
    match app(&file.app) {
        Ok(words) => checker.against(&words),
        Err(AppFailure::Unknown { known }) => {
            checker.unknown("app.name", "app", &file.app.name, known.iter().map(String::as_str));
        }
        Err(AppFailure::Broken(found)) => checker.mistakes.extend(found.0),
    }
    checker.mistakes.sort_by_key(|mistake| mistake.line);
    checker.mistakes
}

/// Mistakes in `apiVersion` and `kind`.
pub(super) fn heading<T>(file: &Located<T>, version: &str, kind: &str, expected: &str) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    if version != Scenario::API_VERSION {
        mistakes.push(
            file.error("apiVersion", format!("`{version}` is not a version that this sockpit reads"))
                .help(format!("write `apiVersion: {}`", Scenario::API_VERSION)),
        );
    }
    if kind != expected {
        mistakes.push(
            file.error("kind", format!("`{kind}` is not what is read here")).help(format!("write `kind: {expected}`")),
        );
    }
    mistakes
}

/// Goes through a scenario and collects its mistakes.
pub(crate) struct Checker<'s> {
    scenario: &'s Located<Scenario>,
    mistakes: Vec<Diagnostic>,
}

impl<'s> Checker<'s> {
    pub(crate) fn file(&self) -> &'s Scenario {
        &self.scenario.value
    }

    pub(crate) fn refuse(&mut self, field: &str, message: impl Into<String>, help: impl Into<String>) {
        self.mistakes.push(self.scenario.error(field, message).help(help));
    }

    /// Whether a field has a value.
    pub(crate) fn is_written(&self, field: &str) -> bool {
        self.scenario.document.is_written(field)
    }

    /// Refuses a name that is none of those known.
    pub(crate) fn unknown<'a>(
        &mut self,
        field: &str,
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) {
        let help = match nearest(name, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", known.collect::<Vec<_>>().join(", ")),
        };
        self.refuse(field, format!("there is no {what} `{name}`"), help);
    }

    pub(crate) fn known<'a>(
        &mut self,
        field: &str,
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) {
        if !known.clone().any(|candidate| candidate == name) {
            self.unknown(field, what, name, known);
        }
    }

    pub(crate) fn component(&mut self, field: &str, name: &str, words: &AppWords) {
        let names: Vec<&str> = words.component_names().collect();
        self.known(field, "component", name, names.into_iter());
    }

    /// Refuses a number outside of a range, bounds included.
    pub(crate) fn within(&mut self, field: &str, value: f64, low: f64, high: f64) {
        if !(low..=high).contains(&value) {
            self.refuse(field, format!("{value} is out of range"), format!("write a number from {low} to {high}"));
        }
    }

    /// Refuses zero, negative and unbounded numbers.
    pub(crate) fn positive(&mut self, field: &str, value: f64) {
        if !(value > 0.0 && value < 1e9) {
            self.refuse(field, format!("{value} is not positive"), "write a number above 0 and below 1e9");
        }
    }

    pub(crate) fn length(&mut self, field: &str, value: SimDuration) {
        if value == SimDuration::ZERO || value > LONGEST {
            self.refuse(field, format!("{value} is out of range"), "write a duration above 0 and up to 168h");
        }
    }

    pub(crate) fn promql(&mut self, field: &str, expression: &str) {
        if let Err(why) = crate::promql::Query::parse(expression) {
            self.refuse(
                field,
                format!("`{expression}` is not PromQL: {why}"),
                "write an expression such as `rate(request_duration_seconds_count{name=\"catalogue\"}[1m])`",
            );
        }
    }

    fn name(&mut self) {
        let name = &self.file().name;
        let of_path = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_./".contains(c);
        if name.is_empty() || !name.chars().all(of_path) || name.starts_with('/') || name.contains("..") {
            self.refuse(
                "name",
                format!("`{name}` is not a scenario's name"),
                "write lower-case words joined by `-`, in folders split by `/`, such as acv/low/pod-failure",
            );
        }
    }

    fn cluster(&mut self) {
        let cluster = &self.file().cluster;
        if cluster.nodes.is_empty() {
            self.refuse(
                "cluster.nodes",
                "there is no node to run on",
                "name one: `{name: node-1, cores: 6, memory: 16Gi}`",
            );
        }
        for (i, node) in cluster.nodes.iter().enumerate() {
            let field = format!("cluster.nodes[{i}]");
            if cluster.nodes[..i].iter().any(|other| other.name == node.name) {
                self.refuse(
                    &format!("{field}.name"),
                    format!("a second node is named `{}`", node.name),
                    "give each node its own name",
                );
            }
            self.within(&format!("{field}.cores"), node.cores.cores(), 0.1, 1024.0);
            self.within(&format!("{field}.speed"), node.speed, 0.01, 100.0);
            if node.memory.mebibytes() < 64.0 {
                self.refuse(
                    &format!("{field}.memory"),
                    format!("{} is too little for any pod", node.memory),
                    "write at least 64Mi",
                );
            }
        }
        for (field, latency) in
            [("cluster.network_latency", cluster.network_latency), ("cluster.local_latency", cluster.local_latency)]
        {
            if latency > SimDuration::SECOND {
                self.refuse(field, format!("{latency} is out of range"), "write at most 1s");
            }
        }
    }

    /// Times in relation to each other.
    fn times(&mut self) {
        let file = self.file();
        self.length("hold", file.hold);
        self.length("judging_interval", file.judging_interval);
        self.length("budget.time", file.budget.time);
        if file.budget.steps == 0 {
            self.refuse(
                "budget.steps",
                "an agent without a step can do nothing",
                "write how many steps an evaluation may take, such as 30",
            );
        }
        if file.judging_interval > file.hold {
            self.refuse(
                "judging_interval",
                format!("{} is longer than the hold time of {}", file.judging_interval, file.hold),
                "look at least once per hold time",
            );
        }
        if file.task.start >= file.budget.time {
            self.refuse(
                "task.start",
                format!("the task begins at {}, when the budget of {} is over", file.task.start, file.budget.time),
                "begin it earlier or raise `budget.time`, which counts from the start of the world too",
            );
        }
    }

    fn prices(&mut self) {
        if let super::Thinking::Tokens(rates) = &self.file().thinking {
            self.positive("thinking.tokens.input_per_s", rates.input_per_s);
            self.positive("thinking.tokens.output_per_s", rates.output_per_s);
        }
        let prices = &self.file().prices;
        for (name, price) in [
            ("core_request_s", prices.core_request_s),
            ("core_limit_s", prices.core_limit_s),
            ("gib_request_s", prices.gib_request_s),
            ("gib_limit_s", prices.gib_limit_s),
            ("light_action", prices.light_action),
            ("rollout_action", prices.rollout_action),
            ("destructive_action", prices.destructive_action),
            ("failed_request", prices.failed_request),
            ("foreign_action", prices.foreign_action),
        ] {
            self.within(&format!("prices.{name}"), price, 0.0, 1e6);
        }
    }

    /// Everything that names something of the application.
    fn against(&mut self, words: &AppWords) {
        let file = self.file();
        if let Some(overlay) = &file.app.overlay {
            self.known("app.overlay", "overlay", overlay, words.overlays.iter().map(String::as_str));
        }
        for (i, component) in file.start.absent.iter().enumerate() {
            self.component(&format!("start.absent[{i}]"), component, words);
        }
        for (component, nodes) in &file.start.placement {
            let field = format!("start.placement.{component}");
            self.component(&field, component, words);
            for (i, node) in nodes.iter().enumerate() {
                let known = file.cluster.nodes.iter().map(|node| node.name.as_str());
                self.known(&format!("{field}[{i}]"), "node", node, known);
            }
        }
        for (i, premise) in file.start.premises.iter().enumerate() {
            let field = format!("start.premises[{i}]");
            self.component(&format!("{field}.component"), &premise.component, words);
            if file.start.absent.contains(&premise.component) {
                self.refuse(
                    &field,
                    format!("`{}` is absent at the start", premise.component),
                    "leave out one of the two",
                );
            }
            if let (Some(request), Some(limit)) = (premise.cpu_request, premise.cpu_limit)
                && request > limit
            {
                self.refuse(
                    &format!("{field}.cpu_request"),
                    format!("{request} is more than the limit of {limit}"),
                    "request at most the limit",
                );
            }
            if let (Some(request), Some(limit)) = (premise.memory_request, premise.memory_limit)
                && request > limit
            {
                self.refuse(
                    &format!("{field}.memory_request"),
                    format!("{request} is more than the limit of {limit}"),
                    "request at most the limit",
                );
            }
        }
        for (i, load) in file.workloads.iter().enumerate() {
            self.workload(&format!("workloads[{i}]"), load, words);
        }
        self.faults(words);
        self.objectives_against(words);
        self.task_against(words);
    }
}
