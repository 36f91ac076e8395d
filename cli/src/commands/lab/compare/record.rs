//! What was recorded of one side while the load ran: what happened to the cluster's objects, and how the client fared.
//! Both sides are recorded in the same words, so that what is read off them here means the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sim::environment::Component;
use sim::time::{SimDuration, SimTime};
use sim::transition::{Change, ReplicaCounts, Transition};

use crate::commands::simulate::play::{Played, Window};

/// One side. All times are since the load began.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    /// The pods of each Deployment when the load began.
    pub(super) before: BTreeMap<Component, ReplicaCounts>,
    /// What happened from then on, in order.
    pub(super) transitions: Vec<Transition>,
    /// How the client fared in each second of the measured time.
    pub(super) seconds: Vec<Second>,
    /// When the first fault or action came, if any did.
    pub(super) disturbed_at: Option<SimDuration>,
}

/// A second of the measured time, as the client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Second {
    /// When it ended, in seconds.
    pub(super) to_s: f64,
    /// Share of the requests that were over in it which got 5xx or no answer; none if none was over.
    pub(super) error_rate: Option<f64>,
}

impl Record {
    /// The twin's; the load began at `load_began` on its clock.
    pub(super) fn of_twin(played: &Played, load_began: SimTime, disturbed_at: Option<SimDuration>) -> Self {
        let second = |window: &Window| {
            let requests = &window.statistics.requests;
            let failed: u64 = requests.iter().map(|r| r.server_errors + r.unanswered).sum();
            let over = failed + requests.iter().map(|r| r.ok + r.client_errors).sum::<u64>();
            let error_rate = (over > 0).then(|| failed as f64 / over as f64);
            Second { to_s: window.to.since(load_began).as_secs_f64(), error_rate }
        };
        Self {
            before: played.before.clone(),
            transitions: played.transitions.clone(),
            seconds: played.windows.iter().map(second).collect(),
            disturbed_at,
        }
    }

    /// Ready pods over time: seconds, component, how many. Only what changed.
    pub(super) fn ready(&self) -> Vec<(f64, Component, u32)> {
        let mut known: BTreeMap<&str, u32> = self.before.iter().map(|(name, c)| (name.as_str(), c.ready)).collect();
        let mut changes = Vec::new();
        for (at, component, counts) in self.replicas() {
            if known.insert(component, counts.ready) != Some(counts.ready) {
                changes.push((at.as_secs_f64(), component.to_owned(), counts.ready));
            }
        }
        changes
    }

    /// The numbers of the Deployments' pods as they changed.
    pub(super) fn replicas(&self) -> impl Iterator<Item = (SimDuration, &str, ReplicaCounts)> {
        self.transitions.iter().filter(|t| t.object.kind == "deployment").filter_map(|t| match t.what {
            Change::Replicas(counts) => Some((t.at, t.object.name.as_str(), counts)),
            Change::Deleted => Some((t.at, t.object.name.as_str(), ReplicaCounts::default())),
            _ => None,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use sim::transition::ObjectRef;

    use super::*;

    /// Something that happened to an object, `KIND/NAME`, of `catalogue`.
    pub(in crate::commands::lab::compare) fn happened(ms: u64, object: &str, what: Change) -> Transition {
        let (kind, name) = object.split_once('/').unwrap();
        let object = ObjectRef { kind: kind.to_owned(), name: name.to_owned() };
        Transition { at: SimDuration::from_millis(ms), object, component: Some("catalogue".to_owned()), what }
    }

    pub(in crate::commands::lab::compare) fn replicas(wanted: u32, current: u32, ready: u32) -> Change {
        Change::Replicas(ReplicaCounts { wanted, current, updated: current, ready, available: ready })
    }

    #[test]
    fn ready_pods_are_told_where_they_changed() {
        let one = ReplicaCounts { wanted: 1, current: 1, updated: 1, ready: 1, available: 1 };
        let deployment = |ms, what| happened(ms, "deployment/catalogue", what);
        let record = Record {
            before: [("catalogue".to_owned(), one)].into(),
            transitions: vec![
                deployment(100, replicas(1, 2, 1)),
                happened(150, "replicaset/catalogue-1", replicas(1, 1, 0)),
                deployment(200, replicas(1, 1, 0)),
                deployment(2_300, replicas(1, 1, 1)),
                deployment(4_000, Change::Deleted),
            ],
            ..Record::default()
        };
        let changes = [(0.2, 0), (2.3, 1), (4.0, 0)];
        assert_eq!(record.ready(), changes.map(|(at, ready)| (at, "catalogue".to_owned(), ready)));
    }
}
