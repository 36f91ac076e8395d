//! Injecting the scenario's faults, and ending those that end by themselves.
//!
//! Each comes through one door, the one through which it comes to a real cluster, and does what the real thing does
//! there. Nothing else of the world knows that there is a fault.
//!
//! | door | what comes through it |
//! | --- | --- |
//! | `pods` | Chaos Mesh's experiments: a patched pod, busy loops and memory in a container's control group |
//! | `objects` | changes that somebody makes to Deployments and Services |
//! | load | more users |

mod objects;
mod pods;

use crate::chance::Key;
use crate::engine::Queue;
use crate::environment::Rejected;
use crate::fault::Effect;
use crate::time::SimTime;
use crate::traffic::WorkloadIx;

use super::{Event, Parts};

/// What a fault has done, and so how to undo it.
#[derive(Clone, Debug)]
enum Active {
    Pods(Vec<pods::Hit>),
    Object(Box<objects::Changed>),
    Load(WorkloadIx),
}

/// The faults of a scenario, by their number in it.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    key: Key,
    active: Vec<Option<Active>>,
}

impl Faults {
    pub(super) fn new(key: Key, count: usize) -> Self {
        Self { key: key.with_str("faults"), active: vec![None; count] }
    }

    /// Injects fault number `index`.
    ///
    /// # Errors
    /// Why the cluster refused it.
    pub(super) fn inject(
        &mut self,
        now: SimTime,
        index: usize,
        effect: Effect,
        parts: &mut Parts,
        queue: &mut Queue<Event>,
    ) -> Result<(), Rejected> {
        let active = match effect {
            Effect::Pods(targets, effect) => {
                let chosen = pods::choose(self.key.with(index as u64), &targets, parts);
                Active::Pods(pods::hit(now, chosen, effect, parts, queue))
            }
            Effect::Object(change) => Active::Object(Box::new(objects::change(now, &change, parts, queue)?)),
            Effect::Load(workload) => {
                Active::Load(parts.traffic.add_workload(now, queue, &workload).map_err(Rejected)?)
            }
        };
        // Who dies of it dies now, not with the next event.
        parts.deliver_notices(now, queue);
        self.active[index] = Some(active);
        Ok(())
    }

    /// Ends fault number `index`, as far as what it hit still exists.
    pub(super) fn recover(&mut self, now: SimTime, index: usize, parts: &mut Parts, queue: &mut Queue<Event>) {
        match self.active[index].take() {
            Some(Active::Pods(hit)) => hit.into_iter().for_each(|hit| pods::release(now, hit, parts, queue)),
            Some(Active::Object(changed)) => objects::restore(now, *changed, parts, queue),
            Some(Active::Load(workload)) => parts.traffic.stop_workload(now, workload),
            None => {}
        }
        parts.deliver_notices(now, queue);
    }
}
