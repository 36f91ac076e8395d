//! The counterfactual branches of an episode: the same world without one decision, and without any.
//!
//! A branch is a copy of the world taken just before a write was carried out. It is played to the
//! end of the episode with the scenario's faults and the later recorded writes at their times, and
//! no policy is asked. Credit compares, under several futures of chance, the branch that leaves the
//! write out with the one that keeps it.

use std::collections::BTreeSet;

use sim::environment::{Environment, Failure, Stage, Unavailable, Write};
use sim::episode::{Branch, Truth};
use sim::score::{Judge, return_of};
use sim::time::SimTime;

use super::agenda::{Agenda, Due};

/// How a world is split in two; only worlds that can have this.
#[derive(Clone, Copy)]
pub struct Forks<W> {
    /// A copy that goes on as the original would.
    pub fork: fn(&W) -> W,
    /// A copy whose chance is drawn under another key from now on.
    pub fork_with_future: fn(&W, u64) -> W,
}

impl<W: sim::environment::Fork> Forks<W> {
    /// The capability of a world that has it.
    pub fn of_world() -> Self {
        Self { fork: W::fork, fork_with_future: W::fork_with_future }
    }
}

/// The world just before an accepted write.
pub struct Snapshot<W> {
    /// The step.
    pub step: u32,
    /// When.
    pub at: SimTime,
    /// What was written.
    pub write: Write,
    /// The manager's task for which it was, by the number of its message.
    pub task: Option<u64>,
    /// The world before it.
    pub world: W,
}

/// What the branches of an episode are played with.
pub(super) struct Played<'a, W> {
    pub(super) judge: &'a Judge<'a>,
    pub(super) forks: &'a Forks<W>,
    /// In order.
    pub(super) snapshots: &'a [Snapshot<W>],
    /// What the judge saw of the world as it was played.
    pub(super) truths: &'a [&'a Truth],
    /// Futures per decision.
    pub(super) futures: u32,
    pub(super) end: SimTime,
}

/// Plays all branches: one in which nothing was done, and for each write its futures.
pub(super) async fn play<W: Environment + Stage>(episode: &Played<'_, W>) -> Result<Vec<Branch>, Unavailable> {
    let mut branches = vec![episode.nothing_done().await?];
    for decision in 0..episode.snapshots.len() {
        for future in 0..episode.futures {
            branches.push(episode.without(decision, future).await?);
        }
    }
    let tasks: BTreeSet<u64> = episode.snapshots.iter().filter_map(|snapshot| snapshot.task).collect();
    for task in tasks {
        for future in 0..episode.futures {
            branches.push(episode.without_task(task, future).await?);
        }
    }
    Ok(branches)
}

/// A branch as it went.
pub(super) struct Outcome {
    /// Its return.
    pub(super) value: f64,
    /// Writes that were refused.
    inapplicable: u32,
    /// Whether all objectives held through the hold time at its end.
    pub(super) green: bool,
    /// The end of the last interval in which one did not.
    pub(super) last_red: Option<SimTime>,
}

impl<W: Environment + Stage> Played<'_, W> {
    /// The branch in which the agent did nothing, with chance as it was; the world itself if it
    /// did nothing.
    async fn nothing_done(&self) -> Result<Branch, Unavailable> {
        let from = self.snapshots.first().map_or(SimTime::ZERO, |first| first.at);
        let writes = self.snapshots.iter().map(|s| &s.write);
        let played = self.value(self.truths, writes, from);
        let nothing = match self.snapshots.first() {
            None => Outcome { value: played, inapplicable: 0, green: self.is_green(self.truths), last_red: None },
            Some(first) => {
                let mut world = (self.forks.fork)(&first.world);
                self.outcome(&mut world, first.at, &[]).await?
            }
        };
        Ok(Branch {
            without_step: None,
            without_task: None,
            future: 0,
            played,
            branch: nothing.value,
            inapplicable: 0,
            green_at_end: nothing.green,
        })
    }

    /// Both branches of a decision under one future.
    async fn without(&self, decision: usize, future: u32) -> Result<Branch, Unavailable> {
        let others: Vec<_> = self.snapshots[decision + 1..].iter().map(|s| (s.at, &s.write)).collect();
        let branch = self.beside(decision, &others, future).await?;
        Ok(Branch { without_step: Some(self.snapshots[decision].step), ..branch })
    }

    /// Both branches of all that was done for one task of the manager, under one future.
    async fn without_task(&self, task: u64, future: u32) -> Result<Branch, Unavailable> {
        let is_of_it = |snapshot: &Snapshot<W>| snapshot.task == Some(task);
        let first = self.snapshots.iter().position(is_of_it).unwrap_or_default();
        let others = self.snapshots[first..].iter().filter(|s| !is_of_it(s)).map(|s| (s.at, &s.write));
        let branch = self.beside(first, &others.collect::<Vec<_>>(), future).await?;
        Ok(Branch { without_task: Some(task), ..branch })
    }

    /// The world from a decision on, as it was played and with these later writes only.
    async fn beside(&self, decision: usize, others: &[(SimTime, &Write)], future: u32) -> Result<Branch, Unavailable> {
        let snapshot = &self.snapshots[decision];
        let fork = || (self.forks.fork_with_future)(&snapshot.world, u64::from(future));
        let writes: Vec<_> = self.snapshots[decision..].iter().map(|s| (s.at, &s.write)).collect();
        let with = self.outcome(&mut fork(), snapshot.at, &writes).await?;
        let without = self.outcome(&mut fork(), snapshot.at, others).await?;
        Ok(Branch {
            without_step: None,
            without_task: None,
            future,
            played: with.value,
            branch: without.value,
            inapplicable: without.inapplicable,
            green_at_end: without.green,
        })
    }

    /// Plays `world` on from `from` to the end with these writes at their times.
    pub(super) async fn outcome(
        &self,
        world: &mut W,
        from: SimTime,
        writes: &[(SimTime, &Write)],
    ) -> Result<Outcome, Unavailable> {
        let mut agenda = Agenda::without_agent(self.judge.scenario, from, self.end);
        let mut truths: Vec<Truth> = Vec::new();
        let mut applied = Vec::new();
        let mut pending = writes.iter();
        let mut next_write = pending.next();
        loop {
            let due = agenda.peek();
            // At equal times the judge looks before the agent acts.
            if let Some((at, write)) = next_write.filter(|(at, _)| due.is_none_or(|(due, _)| *at < due)) {
                world.advance(*at).await?;
                match world.act(write).await {
                    Ok(_) => applied.push(*write),
                    Err(Failure::Rejected(_)) => {}
                    Err(Failure::Unavailable(failure)) => return Err(failure),
                }
                next_write = pending.next();
                continue;
            }
            let Some((at, due)) = agenda.next() else { break };
            world.advance(at).await?;
            match due {
                Due::Inject(fault) => world.inject(fault).await?,
                Due::Recover(fault) => world.recover(fault).await?,
                _ => truths.push(world.truth().await?),
            }
        }
        let before = self.truths.iter().copied().filter(|truth| truth.to <= from);
        let all: Vec<&Truth> = before.chain(&truths).collect();
        Ok(Outcome {
            inapplicable: (writes.len() - applied.len()) as u32,
            value: self.value(&all, applied.into_iter(), from),
            green: self.is_green(&all),
            last_red: self.judge.last_red(&all, self.fault_free_per_s()),
        })
    }

    /// What it cost from there to the horizon, as if the episode's end were its own.
    fn value<'w>(&self, truths: &[&Truth], writes: impl Iterator<Item = &'w Write>, from: SimTime) -> f64 {
        return_of(self.judge, truths, writes, self.fault_free_per_s(), from, self.end).sum()
    }

    fn is_green(&self, truths: &[&Truth]) -> bool {
        self.judge.held(truths, self.fault_free_per_s())
    }

    /// A branch takes the fault-free throughput of the world that it left.
    pub(super) fn fault_free_per_s(&self) -> Option<f64> {
        self.judge.fault_free_per_s(self.truths)
    }
}
