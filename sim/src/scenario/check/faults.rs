//! Faults: times in order, strengths that make sense. What a kind means is checked where the kind is.

use super::{AppWords, Checker};
use crate::fault::{Fault, FaultKind, Injection};
use crate::scenario::Level;

impl Checker<'_> {
    pub(super) fn faults(&mut self, words: &AppWords) {
        for (i, fault) in self.file().faults.iter().enumerate() {
            let field = format!("faults[{i}]");
            self.fault_times(&field, fault);
            self.severity(&field, fault);
            fault.inject.check(self, &format!("{field}.inject"), words);
        }
        for (i, cause) in self.file().root_causes.iter().flatten().enumerate() {
            self.component(&format!("root_causes[{i}].component"), &cause.component, words);
            if cause.kinds.is_empty() {
                self.refuse(&format!("root_causes[{i}].kinds"), "no kind would be right", "name at least one");
            }
        }
        self.root_causes_are_known(words);
    }

    /// Whoever asks for the cause says what it is, where the faults themselves do not: else naming nothing would be right.
    fn root_causes_are_known(&mut self, words: &AppWords) {
        let file = self.file();
        if file.root_causes.is_some() || !file.task.levels.contains(&Level::L4) {
            return;
        }
        // Of a selector that hits nobody its own check tells.
        let is_nowhere =
            |fault: &&Fault| !matches!(fault.inject, Injection::ChaosMesh(_)) && words.component_of(fault).is_none();
        let what = match file.faults.iter().find(is_nowhere).and_then(Fault::kind) {
            Some(kind) => format!("L4 asks for the cause, and `{kind}` is in no component"),
            None if file.faults.is_empty() && !file.start.premises.is_empty() => {
                "L4 asks for the cause, and a premise has no kind".to_owned()
            }
            None => return,
        };
        self.refuse(
            "root_causes",
            what,
            "name what is right, such as `- {component: catalogue, kinds: [node-loss]}`, or write `[]` if to name nothing is",
        );
    }

    fn fault_times(&mut self, field: &str, fault: &Fault) {
        let budget = self.file().budget.time;
        if fault.start >= budget {
            self.refuse(
                &format!("{field}.start"),
                format!("{} is after the end of the budget at {budget}: nothing would happen", fault.start),
                "inject it earlier or raise `budget.time`",
            );
        }
        match (&fault.inject, fault.end) {
            (Injection::ChaosMesh(_), Some(_)) => self.refuse(
                &format!("{field}.end"),
                "a Chaos Mesh manifest says its end itself",
                "write `duration` in its `spec` instead",
            ),
            (Injection::TrafficBurst(_), None) => {
                self.refuse(field, "a burst must have an end", "write `end`, or inject rising-traffic");
            }
            (_, Some(end)) if end <= fault.start => {
                self.refuse(
                    &format!("{field}.end"),
                    format!("{end} is not after the start at {}", fault.start),
                    "end it later",
                );
            }
            _ => {}
        }
    }

    fn severity(&mut self, field: &str, fault: &Fault) {
        let at = format!("{field}.severity");
        if !(fault.severity > 0.0 && fault.severity <= 1.0) {
            self.refuse(&at, format!("{} is out of range", fault.severity), "write a number above 0 and up to 1");
            return;
        }
        if fault.severity >= 1.0 {
            return;
        }
        if let Some(kind) = fault.kind()
            && !kind.is_gradual()
        {
            let help = format!("leave the severity out, or inject {}", gradual());
            self.refuse(&at, format!("`{kind}` is all or nothing"), help);
        }
        if !fault.inject.can_be_scaled() {
            self.refuse(&at, "this shape has no number to scale", "write the load as `users`, `stages` or `arrivals`");
        }
    }
}

/// The kinds that have a strength, as a list in words.
fn gradual() -> String {
    let names: Vec<&str> = FaultKind::ALL.iter().filter(|kind| kind.is_gradual()).map(|kind| kind.name()).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
