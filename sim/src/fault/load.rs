//! Faults that are load.

use crate::workload::{Shape, Workload};

/// The load from `start` on, with its users or rates multiplied by the severity. Named levels and traces have no number
/// to multiply and stay as they are; the loader refuses a severity for them.
pub(super) fn scaled(load: &Workload, start: crate::time::SimDuration, severity: f64) -> Workload {
    let users = |n: u32| (f64::from(n) * severity).round() as u32;
    let mut shape = load.shape.clone();
    match &mut shape {
        Shape::Users(load) => load.users = users(load.users),
        Shape::Stages(stages) => stages.iter_mut().for_each(|stage| stage.users = users(stage.users)),
        Shape::Arrivals(arrivals) => arrivals.stages.iter_mut().for_each(|stage| stage.rate *= severity),
        Shape::Level(_) | Shape::Trace(_) => {}
    }
    Workload { start, shape, ..load.clone() }
}

/// Whether it has numbers that a severity can multiply.
pub(super) fn can_be_scaled(load: &Workload) -> bool {
    !matches!(load.shape, Shape::Level(_) | Shape::Trace(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SimDuration;
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
        let scaled = scaled(&load, SimDuration::from_secs(60), 0.3);
        assert_eq!(scaled.start, SimDuration::from_secs(60));
        assert_eq!(scaled.shape, Shape::Users(Users { users: 30, spawn_rate: 1.0 }));
    }
}
