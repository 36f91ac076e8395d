//! Faults that are load.

use super::Effect;
use super::injection::Written;
use crate::scenario::{AppWords, Checker};
use crate::time::SimDuration;
use crate::workload::{Shape, Workload};

impl Written for Workload {
    /// The load from `start` on, with its users or rates multiplied by the severity. Named levels and traces have no
    /// number to multiply and stay as they are; the loader refuses a severity for them.
    fn effect(&self, start: SimDuration, severity: f64) -> Effect {
        let users = |n: u32| (f64::from(n) * severity).round() as u32;
        let mut shape = self.shape.clone();
        match &mut shape {
            Shape::Users(load) => load.users = users(load.users),
            Shape::Stages(stages) => stages.iter_mut().for_each(|stage| stage.users = users(stage.users)),
            Shape::Arrivals(arrivals) => arrivals.stages.iter_mut().for_each(|stage| stage.rate *= severity),
            Shape::Level(_) | Shape::Trace(_) => {}
        }
        Effect::Load(Self { shape, start, ..self.clone() })
    }

    fn component(&self) -> Option<&str> {
        Some(&self.target)
    }

    fn can_be_scaled(&self) -> bool {
        !matches!(self.shape, Shape::Level(_) | Shape::Trace(_))
    }
}

/// Its names must be known, and its numbers played.
pub(super) fn check(load: &Workload, checker: &mut Checker<'_>, at: &str, words: &AppWords) {
    checker.workload(at, load, words);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Users;

    #[test]
    fn severity_scales_users() {
        let load = Workload {
            user_class: "browse".into(),
            target: "catalogue".into(),
            keep_alive: None,
            shape: Shape::Users(Users { users: 100, spawn_rate: 1.0 }),
            start: SimDuration::ZERO,
        };
        let Effect::Load(scaled) = load.effect(SimDuration::from_secs(60), 0.3) else { panic!("it is a load") };
        assert_eq!(scaled.start, SimDuration::from_secs(60));
        assert_eq!(scaled.shape, Shape::Users(Users { users: 30, spawn_rate: 1.0 }));
    }
}
