//! Objectives: bounds that can hold, guards that stay.

use super::{AppWords, Checker};
use crate::slo::ClauseName;

impl Checker<'_> {
    pub(super) fn objectives(&mut self) {
        let slos = &self.file().slos;
        if slos.components.is_empty() {
            self.refuse("slos.components", "no component is under test", "name at least one, such as `[catalogue]`");
        }
        for (i, clause) in slos.without.iter().enumerate() {
            if clause.is_guard() {
                self.refuse(
                    &format!("slos.without[{i}]"),
                    format!("`{}` guards against empty victories and cannot be left out", clause.name()),
                    "leave out one of ready, cpu, memory, latency, or none",
                );
            }
        }
        let left = ClauseName::ALL.into_iter().filter(|clause| !clause.is_guard() && slos.asks(*clause)).count();
        if left == 0 {
            self.refuse(
                "slos.without",
                "nothing is asked for any more",
                "keep at least one of ready, cpu, memory, latency",
            );
        }
        for clause in ClauseName::ALL {
            let field = format!("slos.{}", clause.name());
            if !slos.asks(clause) && self.scenario.document.is_written(&field) {
                self.refuse(&field, "the clause is in `without` and set as well", "remove one of the two");
            }
            self.within(&format!("{field}.weight"), slos.weight_of(clause), 0.0, 1_000.0);
            if slos.components_of(clause).is_empty() && !slos.components.is_empty() {
                self.refuse(
                    &format!("{field}.components"),
                    "the clause would hold for nobody",
                    "name a component or leave the field out",
                );
            }
        }
        self.bounds();
    }

    fn bounds(&mut self) {
        let slos = &self.file().slos;
        for (field, value) in [
            ("slos.cpu.below", slos.cpu.below),
            ("slos.memory.below", slos.memory.below),
            ("slos.success.at_least", slos.success.at_least),
            ("slos.throughput.at_least", slos.throughput.at_least),
        ] {
            if !(value > 0.0 && value <= 1.0) {
                self.refuse(
                    field,
                    format!("{value} is not a share"),
                    "write a number above 0 and up to 1, such as 0.5 for half",
                );
            }
        }
        self.length("slos.latency.below", slos.latency.below);
        self.length("slos.stable_for", slos.stable_for);
        if slos.replicas.at_least == 0 {
            self.refuse("slos.replicas.at_least", "no replica at all would be enough", "write at least 1");
        }
        if let Some(rate) = slos.throughput.fault_free_per_s {
            self.positive("slos.throughput.fault_free_per_s", rate);
        }
        if self.file().workloads.is_empty()
            && !self.file().faults.iter().any(|fault| fault.effect().is_some_and(|effect| effect.is_load()))
        {
            self.refuse(
                "slos",
                "without load the guards `success` and `throughput` see nothing and nothing is ever green",
                "add a load to `workloads`",
            );
        }
        let absent = &self.file().start.absent;
        if let Some(component) = slos.components.iter().find(|component| absent.contains(component))
            && slos.throughput.fault_free_per_s.is_none()
        {
            let message =
                format!("`{component}` is absent at the start, so that the fault-free throughput cannot be measured");
            self.refuse("slos.throughput.fault_free_per_s", message, "write it down, in requests per second");
        }
    }

    pub(super) fn objectives_against(&mut self, words: &AppWords) {
        let slos = &self.file().slos;
        for (i, component) in slos.components.iter().enumerate() {
            self.component(&format!("slos.components[{i}]"), component, words);
        }
        for clause in ClauseName::ALL {
            if std::ptr::eq(slos.components_of(clause), slos.components.as_slice()) {
                continue;
            }
            for (i, component) in slos.components_of(clause).iter().enumerate() {
                self.component(&format!("slos.{}.components[{i}]", clause.name()), component, words);
            }
        }
    }
}
