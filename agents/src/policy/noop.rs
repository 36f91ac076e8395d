//! The floor: reports that all is well, without a look.

use sim::environment::{Action, Conclusion};

use super::{AutonomicAgent, Deciding, Decision, Heard, Percept, Policy};

/// Does nothing.
#[derive(Debug, Default)]
pub struct Noop;

impl Policy<AutonomicAgent> for Noop {
    fn name(&self) -> &'static str {
        "noop"
    }

    fn decide<'a>(&'a mut self, _: &'a Percept<Heard>) -> Deciding<'a, Action> {
        let report = Conclusion { healthy: true, ..Conclusion::default() };
        Box::pin(std::future::ready(Decision::without_model(Action::Report(report))))
    }
}
