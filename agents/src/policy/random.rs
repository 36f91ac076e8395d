//! Random writes on its own component: what luck alone achieves.

use sim::chance::Key;
use sim::environment::{Action, AutoscalerSpec, Component, Conclusion, Declaration, ResourceChange, Write};
use sim::time::SimDuration;
use sim::units::Millicores;

use super::{AutonomicAgent, Deciding, Decision, Heard, Percept, Policy, TaskView};

/// Steps it takes per task before it reports.
const STEPS: u64 = 4;

/// Chooses among the changes by chance, waits between them, and reports a guess.
#[derive(Debug)]
pub struct Random {
    seed: u64,
    pub(super) taken: u64,
    task: Option<TaskView>,
    /// As a manager: whose agents there are.
    pub(super) group: Vec<Component>,
}

impl Random {
    /// Draws by `seed`; the same seed plays the same way.
    pub fn new(seed: u64) -> Self {
        Self { seed, taken: 0, task: None, group: Vec::new() }
    }

    /// A number below `n`, another one for each step and `purpose`.
    pub(super) fn pick(&self, purpose: u64, n: u64) -> u64 {
        Key::root(self.seed).with(self.taken).with(purpose).draw().below(n)
    }

    fn write(&self, component: String) -> Write {
        match self.pick(1, 6) {
            0 => Write::Restart { component },
            1 => Write::Scale { component, replicas: self.pick(2, 5) as u32 },
            2 => Write::Rollback { component, revision: None },
            3 => {
                Write::ApplyAutoscaler(AutoscalerSpec { component, min_replicas: 1, max_replicas: 5, cpu_percent: 50 })
            }
            4 => Write::SetResources(ResourceChange {
                component,
                cpu_limit: Some(Millicores(100 * (1 + self.pick(3, 8)))),
                ..ResourceChange::default()
            }),
            _ => Write::DeleteAutoscaler { component },
        }
    }

    fn next(&mut self, percept: &Percept<Heard>) -> Action {
        if let Heard::Task(task) = &percept.heard {
            self.task = Some((**task).clone());
        }
        self.taken += 1;
        let component = self.task.as_ref().map(|t| t.component.clone()).unwrap_or_default();
        match self.taken % STEPS {
            1 => Action::Write(self.write(component)),
            2 => Action::Wait(SimDuration::from_secs(30)),
            3 => Action::Declare(Declaration { healthy: self.pick(4, 2) == 0, component: Some(component), kind: None }),
            _ => Action::Report(Conclusion { healthy: self.pick(5, 2) == 0, ..Conclusion::default() }),
        }
    }
}

impl Policy<AutonomicAgent> for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn decide<'a>(&'a mut self, percept: &'a Percept<Heard>) -> Deciding<'a, Action> {
        let action = self.next(percept);
        Box::pin(std::future::ready(Decision::without_model(action)))
    }
}
