//! Credit and regret of single decisions, from the branches that the runner played beside the world.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::statistics::{Mean, student_mean};
use crate::environment::{Component, ResourceChange, Write};
use crate::episode::{Alternative, Entry, EpisodeEvent};
use crate::units::Millicores;

/// What one decision changed: the return of the world as played minus that of the same world without it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Credit {
    /// The decision.
    pub step: u32,
    /// Mean over the futures with Student's interval; with one future the interval is its value alone.
    pub value: Mean,
    /// How many futures were played.
    pub futures: u32,
    /// Later recorded actions that no longer applied, in all of them.
    pub inapplicable: u32,
}

/// What one decision fell short of the best alternative on the menu.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regret {
    /// The decision.
    pub step: u32,
    /// Mean over the futures of the best alternative's return minus the played one; zero if none is better.
    pub value: f64,
    /// The best alternative; none if what was played is.
    pub best: Option<Write>,
}

pub(super) fn of_decisions(entries: &[Entry]) -> Vec<Credit> {
    let mut steps: BTreeMap<u32, (Vec<f64>, u32)> = BTreeMap::new();
    for entry in entries {
        if let EpisodeEvent::Branch(branch) = &entry.event
            && let Some(step) = branch.without_step
        {
            let (differences, inapplicable) = steps.entry(step).or_default();
            differences.push(branch.played - branch.branch);
            *inapplicable += branch.inapplicable;
        }
    }
    steps
        .into_iter()
        .map(|(step, (differences, inapplicable))| Credit {
            step,
            value: student_mean(&differences).unwrap_or_else(|| {
                let only = differences[0];
                Mean { mean: only, low: only, high: only }
            }),
            futures: differences.len() as u32,
            inapplicable,
        })
        .collect()
}

pub(super) fn regret(entries: &[Entry]) -> Vec<Regret> {
    let mut steps: BTreeMap<u32, Vec<&Alternative>> = BTreeMap::new();
    for entry in entries {
        if let EpisodeEvent::Alternative(alternative) = &entry.event {
            steps.entry(alternative.step).or_default().push(alternative);
        }
    }
    steps.into_iter().map(|(step, played)| of_step(step, &played)).collect()
}

fn of_step(step: u32, played: &[&Alternative]) -> Regret {
    let mut regret = Regret { step, value: 0.0, best: None };
    for alternative in played {
        let futures = played.iter().filter(|other| other.instead == alternative.instead);
        let (sum, n) = futures.fold((0.0, 0.0), |(sum, n), other| (sum + other.branch - other.played, n + 1.0));
        if sum / n > regret.value {
            regret = Regret { step, value: sum / n, best: Some(alternative.instead.clone()) };
        }
    }
    regret
}

/// The published menu of alternatives to a decision on a component, given its replicas and CPU limit at
/// that time. Doing nothing is the branch without the decision and needs no entry.
pub fn menu(component: &Component, replicas: u32, cpu_limit: Option<Millicores>) -> Vec<Write> {
    let mut menu = vec![
        Write::Restart { component: component.clone() },
        Write::Rollback { component: component.clone(), revision: None },
        Write::Scale { component: component.clone(), replicas: replicas + 1 },
        Write::Scale { component: component.clone(), replicas: replicas.max(1) * 2 },
    ];
    if let Some(limit) = cpu_limit {
        menu.push(Write::SetResources(ResourceChange {
            component: component.clone(),
            cpu_limit: Some(Millicores(limit.0 * 2)),
            ..ResourceChange::default()
        }));
    }
    menu
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::episode::Branch;
    use crate::time::SimTime;

    fn log(events: Vec<EpisodeEvent>) -> Vec<Entry> {
        events.into_iter().zip(1..).map(|(event, seq)| Entry { seq, t_ns: SimTime::ZERO, event }).collect()
    }

    fn branch(without_step: Option<u32>, future: u32, played: f64, branch: f64) -> EpisodeEvent {
        let inapplicable = u32::from(future == 1);
        EpisodeEvent::Branch(Box::new(Branch {
            without_step,
            future,
            played,
            branch,
            inapplicable,
            green_at_end: false,
        }))
    }

    #[test]
    fn credit_is_the_mean_over_futures_of_what_a_decision_changed() {
        let credit = of_decisions(&log(vec![
            branch(Some(3), 0, -10.0, -50.0),
            branch(Some(3), 1, -12.0, -54.0),
            branch(Some(5), 0, -10.0, -8.0),
            branch(None, 0, -10.0, -90.0),
        ]));
        assert_eq!(credit.len(), 2, "the branch without any decision is nobody's credit");
        assert_eq!((credit[0].step, credit[0].value.mean, credit[0].futures, credit[0].inapplicable), (3, 41.0, 2, 1));
        assert!(credit[0].value.low < 41.0 && credit[0].value.high > 41.0);
        assert_eq!(credit[1].value, Mean { mean: -2.0, low: -2.0, high: -2.0 });
    }

    #[test]
    fn regret_is_against_the_best_of_the_menu() {
        let component: Component = "catalogue".into();
        let restart = Write::Restart { component: component.clone() };
        let scale = Write::Scale { component, replicas: 2 };
        let try_out = |step, instead: &Write, future, branch| {
            EpisodeEvent::Alternative(Box::new(Alternative {
                step,
                instead: instead.clone(),
                future,
                played: -20.0,
                branch,
            }))
        };
        let regret = regret(&log(vec![
            try_out(1, &restart, 0, -5.0),
            try_out(1, &restart, 1, -9.0),
            try_out(1, &scale, 0, -4.0),
            try_out(1, &scale, 1, -30.0),
            try_out(2, &restart, 0, -25.0),
        ]));
        assert_eq!(regret[0], Regret { step: 1, value: 13.0, best: Some(restart) });
        assert_eq!(regret[1], Regret { step: 2, value: 0.0, best: None });
    }

    #[test]
    fn the_menu_is_finite_and_about_one_component() {
        let menu = menu(&"catalogue".into(), 1, Some(Millicores(200)));
        assert_eq!(menu.len(), 5);
        assert!(menu.iter().all(|write| super::super::component_of(write).as_deref() == Some("catalogue")));
    }
}
