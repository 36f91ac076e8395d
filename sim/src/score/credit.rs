//! Credit and regret of single decisions, from the branches that the runner played beside the world.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::statistics::{Mean, student_mean};
use crate::environment::{Component, ResourceChange, Write};
use crate::episode::{Alternative, Branch, Entry, EpisodeEvent};
use crate::units::Millicores;

/// What one decision changed: the return of the world as played minus that of the same world without it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Credit {
    /// The decision.
    pub step: u32,
    /// Mean over the futures with Student's interval, which a single future has not.
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
    pub best: Option<Better>,
}

/// What would have been better than what was played.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// To do nothing.
    Nothing,
    /// A change of the menu.
    Write(Write),
}

/// What one delegation changed, through all that its agent did for it: the return of the world as played minus that of
/// the same world without these changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DelegationCredit {
    /// Number of the task's message.
    pub task: u64,
    /// Mean over the futures with Student's interval, which a single future has not.
    pub value: Mean,
    /// How many futures were played.
    pub futures: u32,
    /// Later recorded actions that no longer applied, in all of them.
    pub inapplicable: u32,
}

pub(super) fn of_decisions(entries: &[Entry]) -> Vec<Credit> {
    let credit = |(step, Without { value, futures, inapplicable })| Credit { step, value, futures, inapplicable };
    without(entries, |branch| branch.without_step).into_iter().map(credit).collect()
}

pub(super) fn of_delegations(entries: &[Entry]) -> Vec<DelegationCredit> {
    let credit =
        |(task, Without { value, futures, inapplicable })| DelegationCredit { task, value, futures, inapplicable };
    without(entries, |branch| branch.without_task).into_iter().map(credit).collect()
}

/// All futures of one thing that was left out.
struct Without {
    value: Mean,
    futures: u32,
    inapplicable: u32,
}

/// The branches by what they leave out, in order.
fn without<K: Ord>(entries: &[Entry], what: impl Fn(&Branch) -> Option<K>) -> Vec<(K, Without)> {
    let mut left_out: BTreeMap<K, (Vec<f64>, u32)> = BTreeMap::new();
    for entry in entries {
        if let EpisodeEvent::Branch(branch) = &entry.event
            && let Some(key) = what(branch)
        {
            let (differences, inapplicable) = left_out.entry(key).or_default();
            differences.push(branch.played - branch.branch);
            *inapplicable += branch.inapplicable;
        }
    }
    let sums = left_out.into_iter().filter_map(|(key, (differences, inapplicable))| {
        let value = student_mean(&differences)?;
        Some((key, Without { value, futures: differences.len() as u32, inapplicable }))
    });
    sums.collect()
}

/// Against the menu, of which doing nothing is a part: that is the branch without the decision, whose advantage is the
/// decision's credit with its sign turned.
pub(super) fn regret(entries: &[Entry], credit: &[Credit]) -> Vec<Regret> {
    let mut steps: BTreeMap<u32, Vec<&Alternative>> = BTreeMap::new();
    for entry in entries {
        if let EpisodeEvent::Alternative(alternative) = &entry.event {
            steps.entry(alternative.step).or_default().push(alternative);
        }
    }
    let nothing = |step| credit.iter().find(|credit| credit.step == step).map(|credit| -credit.value.mean);
    steps.into_iter().map(|(step, played)| of_step(step, nothing(step), &played)).collect()
}

fn of_step(step: u32, nothing: Option<f64>, played: &[&Alternative]) -> Regret {
    let mut regret = match nothing.filter(|gain| *gain > 0.0) {
        Some(value) => Regret { step, value, best: Some(Better::Nothing) },
        None => Regret { step, value: 0.0, best: None },
    };
    for alternative in played {
        let futures = played.iter().filter(|other| other.instead == alternative.instead);
        let (sum, n) = futures.fold((0.0, 0.0), |(sum, n), other| (sum + other.branch - other.played, n + 1.0));
        if sum / n > regret.value {
            regret = Regret { step, value: sum / n, best: Some(Better::Write(alternative.instead.clone())) };
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
    ];
    // Twice one is one more.
    let doubled = replicas.max(1) * 2;
    if doubled != replicas + 1 {
        menu.push(Write::Scale { component: component.clone(), replicas: doubled });
    }
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
    use crate::time::SimTime;

    fn log(events: Vec<EpisodeEvent>) -> Vec<Entry> {
        events.into_iter().zip(1..).map(|(event, seq)| Entry { seq, t_ns: SimTime::ZERO, event }).collect()
    }

    fn branch(without_step: Option<u32>, future: u32, played: f64, branch: f64) -> EpisodeEvent {
        let inapplicable = u32::from(future == 1);
        EpisodeEvent::Branch(Box::new(Branch {
            without_step,
            without_task: None,
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
        assert!(credit[0].value.low.unwrap() < 41.0 && credit[0].value.high.unwrap() > 41.0);
        assert_eq!(credit[1].value, Mean { mean: -2.0, low: None, high: None }, "one future has no spread");
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
        let log = log(vec![
            try_out(1, &restart, 0, -5.0),
            try_out(1, &restart, 1, -9.0),
            try_out(1, &scale, 0, -4.0),
            try_out(1, &scale, 1, -30.0),
            try_out(2, &restart, 0, -25.0),
            try_out(3, &restart, 0, -15.0),
            branch(Some(3), 0, -20.0, -12.0),
        ]);
        let regret = regret(&log, &of_decisions(&log));
        assert_eq!(regret[0], Regret { step: 1, value: 13.0, best: Some(Better::Write(restart)) });
        assert_eq!(regret[1], Regret { step: 2, value: 0.0, best: None });
        assert_eq!(regret[2], Regret { step: 3, value: 8.0, best: Some(Better::Nothing) }, "to do nothing was best");
    }

    #[test]
    fn the_menu_is_finite_and_about_one_component() {
        for (replicas, entries) in [(0, 5), (1, 4), (2, 5)] {
            let menu = menu(&"catalogue".into(), replicas, Some(Millicores(200)));
            assert_eq!(menu.len(), entries, "{replicas}");
            assert!(menu.iter().all(|write| super::super::component_of(write).as_deref() == Some("catalogue")));
            assert!(menu.iter().enumerate().all(|(i, write)| !menu[..i].contains(write)), "nothing stands in it twice");
        }
    }
}
