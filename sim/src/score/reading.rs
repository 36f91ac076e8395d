//! A log, sorted into what the parts of the score ask for.

use std::collections::{BTreeMap, BTreeSet};

use super::Judge;
use crate::environment::{Action, Assignment, Conclusion, Declaration, Description, Write};
use crate::episode::{Branch, EndReason, Entry, EpisodeEvent, Truth};
use crate::time::SimTime;

/// A log, sorted.
pub struct Reading<'a> {
    /// What the judge saw, in order of time.
    pub truths: Vec<&'a Truth>,
    /// Throughput of the world before anything went wrong, in requests per second.
    pub fault_free_per_s: Option<f64>,
    /// When each evaluation began.
    pub evaluations: Vec<SimTime>,
    /// Those, by their place in `evaluations`, in which the agent said whether all is well. The order of the log decides,
    /// not the time: a report that delays the next evaluation has the time at which that begins.
    pub judged: BTreeSet<usize>,
    /// Those that ended with a report and not with a budget.
    pub reported: BTreeSet<usize>,
    /// Who was given the task: the group manager, or the only agent. Only what it says is a judgement of the whole.
    pub root: Option<&'a str>,
    /// Calls to the policies.
    pub steps: u32,
    /// When each decision was made, and its number.
    pub decisions: Vec<(SimTime, u32)>,
    /// Steps that came to nothing.
    pub missteps: u32,
    /// Changes that the world accepted: when, by which step, what.
    pub writes: Vec<(SimTime, u32, &'a Write)>,
    /// Requests of any kind that were rejected.
    pub rejected: u32,
    /// What the agent said it believes.
    pub declarations: Vec<(SimTime, &'a Declaration)>,
    /// Its reports.
    pub reports: Vec<(SimTime, &'a Conclusion)>,
    /// Each component's objects at the first and at the last time they were recorded.
    pub states: BTreeMap<&'a str, (Option<&'a Description>, Option<&'a Description>)>,
    /// The branches in which the agent did nothing.
    pub idle_branches: Vec<&'a Branch>,
    /// The work that was given out in each round of delegation.
    pub rounds: Vec<&'a [Assignment]>,
    /// Tokens read and written, and their price in millionths of a US dollar.
    pub model_use: [u64; 3],
    /// Time charged for thinking, in nanoseconds.
    pub think_ns: u64,
    /// Why it ended; none for a log that was cut off.
    pub ended: Option<EndReason>,
    /// When.
    pub end: SimTime,
}

impl<'a> Reading<'a> {
    /// Sorts a log.
    pub fn new(judge: &Judge<'_>, entries: &'a [Entry]) -> Self {
        let mut reading = Self {
            truths: Vec::new(),
            fault_free_per_s: None,
            evaluations: Vec::new(),
            judged: BTreeSet::new(),
            reported: BTreeSet::new(),
            root: None,
            steps: 0,
            decisions: Vec::new(),
            missteps: 0,
            writes: Vec::new(),
            rejected: 0,
            declarations: Vec::new(),
            reports: Vec::new(),
            states: BTreeMap::new(),
            idle_branches: Vec::new(),
            rounds: Vec::new(),
            model_use: [0; 3],
            think_ns: 0,
            ended: None,
            end: entries.last().map_or(SimTime::ZERO, |entry| entry.t_ns),
        };
        let mut decided: BTreeMap<u32, &Action> = BTreeMap::new();
        for entry in entries {
            reading.take(entry, &mut decided);
        }
        reading.fault_free_per_s = judge.fault_free_per_s(&reading.truths);
        reading
    }

    fn take(&mut self, entry: &'a Entry, decided: &mut BTreeMap<u32, &'a Action>) {
        let at = entry.t_ns;
        match &entry.event {
            EpisodeEvent::World(_) | EpisodeEvent::Alternative(_) | EpisodeEvent::Message(_) => {}
            EpisodeEvent::Truth(truth) => self.truths.push(truth),
            EpisodeEvent::TaskStarted { agent, .. } => {
                self.root = Some(agent);
                self.evaluations.push(at);
            }
            EpisodeEvent::Decision { step, action, think_ns, continued, .. } => {
                self.decided(at, *step, *think_ns, *continued);
                decided.insert(*step, action);
            }
            EpisodeEvent::ManagerDecision { step, think_ns, continued, .. } => {
                self.decided(at, *step, *think_ns, *continued);
            }
            EpisodeEvent::Misstep { step, think_ns, continued, .. } => {
                self.missteps += 1;
                self.decided(at, *step, *think_ns, *continued);
            }
            EpisodeEvent::Answer { rejected: true, .. } => self.rejected += 1,
            EpisodeEvent::Answer { step, rejected: false, .. } => {
                if let Some(Action::Write(write)) = decided.get(step) {
                    self.writes.push((at, *step, write));
                }
            }
            EpisodeEvent::ModelCall { tokens_in, tokens_out, cost_micro_usd, .. } => {
                for (sum, more) in self.model_use.iter_mut().zip([tokens_in, tokens_out, cost_micro_usd]) {
                    *sum += more;
                }
            }
            EpisodeEvent::Delegated { assignments, .. } => self.rounds.push(assignments),
            EpisodeEvent::State { component, description } => {
                let now = description.as_deref();
                self.states.entry(component).or_insert((now, now)).1 = now;
            }
            // What the members of a group say of their own components is for their manager to judge.
            EpisodeEvent::Declared { agent, .. } | EpisodeEvent::Reported { agent, .. }
                if self.root.is_some_and(|root| root != agent) => {}
            EpisodeEvent::Declared { declaration, .. } => {
                self.judged.extend(self.evaluations.len().checked_sub(1));
                self.declarations.push((at, declaration));
            }
            EpisodeEvent::Reported { conclusion, .. } => {
                self.judged.extend(self.evaluations.len().checked_sub(1));
                self.reported.extend(self.evaluations.len().checked_sub(1));
                self.reports.push((at, conclusion));
            }
            EpisodeEvent::Branch(branch) => {
                if branch.without_step.is_none() && branch.without_task.is_none() {
                    self.idle_branches.push(branch);
                }
            }
            EpisodeEvent::Ended { reason } => self.ended = Some(*reason),
        }
    }

    fn decided(&mut self, at: SimTime, step: u32, think_ns: u64, continued: bool) {
        self.steps += u32::from(!continued);
        self.decisions.push((at, step));
        self.think_ns += think_ns;
    }
}
