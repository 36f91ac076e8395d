//! Injecting the scenario's faults, and ending those that end by themselves.
//!
//! Each comes through one door, the one through which it comes to a real cluster, and does what the real thing does
//! there. Nothing else of the world knows that there is a fault.
//!
//! | door | what comes through it |
//! | --- | --- |
//! | `pods` | Chaos Mesh's experiments: a patched pod, busy loops and memory in a container's control group |
//! | `objects` | changes that somebody makes to Deployments and Services, quotas and policies that somebody applies |
//! | load | more users |
//! | `programs` | releases that leak, are slow, or retry too eagerly |
//! | `nodes` | machines that fail or are taken by others |

mod nodes;
mod objects;
mod pods;
mod programs;

use crate::app::App;
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
    Object(objects::Changed),
    Load(WorkloadIx),
    Program(programs::Changed),
    Node(nodes::Changed),
    Together(Vec<Self>),
}

impl Active {
    /// Another one is over: what this one would put back must not hold anything of it.
    fn forget(&mut self, over: &Self) {
        match (self, over) {
            (Self::Object(own), Self::Object(over)) => own.forget(over),
            (Self::Together(all), over) => all.iter_mut().for_each(|own| own.forget(over)),
            (own, Self::Together(all)) => all.iter().for_each(|over| own.forget(over)),
            _ => {}
        }
    }
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
        app: &App,
        parts: &mut Parts,
        queue: &mut Queue<Event>,
    ) -> Result<(), Rejected> {
        let active = begin(now, self.key.with(index as u64), effect, app, parts, queue)?;
        // Who dies of it dies now, not with the next event.
        parts.deliver_notices(now, queue);
        self.active[index] = Some(active);
        Ok(())
    }

    /// Ends fault number `index`, as far as what it hit still exists.
    pub(super) fn recover(&mut self, now: SimTime, index: usize, parts: &mut Parts, queue: &mut Queue<Event>) {
        if let Some(active) = self.active[index].take() {
            self.active.iter_mut().flatten().for_each(|other| other.forget(&active));
            end(now, active, parts, queue);
        }
        parts.deliver_notices(now, queue);
    }
}

fn begin(
    now: SimTime,
    key: Key,
    effect: Effect,
    app: &App,
    parts: &mut Parts,
    queue: &mut Queue<Event>,
) -> Result<Active, Rejected> {
    Ok(match effect {
        Effect::Pods(targets, effect) => Active::Pods(pods::hit(now, key, &targets, &effect, parts, queue)),
        Effect::Object(change) => Active::Object(objects::change(now, &change, parts, queue)?),
        Effect::Load(workload) => Active::Load(parts.traffic.add_workload(now, queue, &workload).map_err(Rejected)?),
        Effect::Program { component, change } => {
            Active::Program(programs::change(now, &component, change, app, parts, queue)?)
        }
        Effect::Node { node, effect } => Active::Node(nodes::change(now, &node, &effect, parts, queue)?),
        Effect::Together(effects) => {
            let each = effects.into_iter().map(|effect| begin(now, key, effect, app, parts, queue));
            Active::Together(each.collect::<Result<_, _>>()?)
        }
    })
}

fn end(now: SimTime, active: Active, parts: &mut Parts, queue: &mut Queue<Event>) {
    match active {
        Active::Pods(hit) => hit.into_iter().for_each(|hit| pods::release(now, hit, parts, queue)),
        Active::Object(changed) => objects::restore(now, changed, parts, queue),
        Active::Load(workload) => parts.traffic.stop_workload(now, workload),
        Active::Program(changed) => programs::restore(now, changed, parts, queue),
        Active::Node(changed) => nodes::restore(now, changed, parts, queue),
        Active::Together(all) => all.into_iter().for_each(|active| end(now, active, parts, queue)),
    }
}
