//! Disks, data that grows, and environment variables.

use super::{Check, member};
use crate::profile::{Endpoint, ServiceProfile, Variable, WhenFull};

/// Largest answer: what one message can hold in segments.
const LARGEST_ANSWER: u64 = 64 << 20;

impl Check<'_> {
    pub(super) fn disk(&mut self, field: &str, service: &ServiceProfile) {
        if let Some(disk) = &service.disk {
            let field = format!("{field}.disk");
            self.is(
                disk.path.starts_with('/'),
                &format!("{field}.path"),
                &format!("`{}` is no absolute path", disk.path),
                "write the directory in the container, such as /data/db",
            );
            let field = format!("{field}.when_full");
            match disk.when_full {
                WhenFull::Respond(status) => self.status(&format!("{field}.respond"), status),
                WhenFull::Wait(again) => self.is(
                    again.0 >= 1_000_000,
                    &format!("{field}.wait"),
                    &format!("{again} is too often"),
                    "use at least 1ms",
                ),
                WhenFull::Exit { .. } => {}
            }
        }
    }

    pub(super) fn storage(&mut self, field: &str, service: &ServiceProfile, endpoint: &Endpoint) {
        self.is(
            endpoint.answer_size.0 <= LARGEST_ANSWER,
            &format!("{field}.answer_size"),
            &format!("an answer of {}", endpoint.answer_size),
            "use at most 64Mi",
        );
        let used = endpoint.disk;
        self.is(
            service.disk.is_some() || used.reads == 0 && used.writes == 0 && !used.journals,
            &format!("{field}.disk"),
            "its service has no disk",
            "say with the service's `disk` where its data lies, or remove it",
        );
    }

    pub(super) fn environment(&mut self, field: &str, service: &ServiceProfile) {
        for (name, variable) in &service.environment {
            let field = member(&format!("{field}.environment"), name);
            match variable {
                Variable::AddressOf(other) => {
                    self.service_exists(&format!("{field}.address-of"), other);
                }
                Variable::OneOf { values, .. } => self.is(
                    !values.is_empty(),
                    &format!("{field}.one-of.values"),
                    "no value is valid",
                    "list at least one",
                ),
                Variable::Port | Variable::Required(_) | Variable::JavaOptions => {}
            }
        }
    }
}
