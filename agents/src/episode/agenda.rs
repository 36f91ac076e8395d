//! What is due when: the order in which an episode unfolds.

use std::collections::BTreeMap;

use sim::scenario::{Alert, Heartbeat, Scenario, Trigger};
use sim::time::{SimDuration, SimTime};

use super::seat::Who;

/// How often Prometheus evaluates alerting rules (`evaluation_interval` of the shipped app).
const ALERT_EVERY: SimDuration = SimDuration::from_secs(15);

/// Something that is due. Equal times are handled in the order of the variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A fault begins.
    Inject(usize),
    /// A fault ends by itself.
    Recover(usize),
    /// The judge looks at the interval that ends now.
    Judge,
    /// The alert's expression is looked at.
    LookAtAlert,
    /// Whoever is to do it gets the task.
    Evaluation,
    /// Somebody's thinking or waiting is over.
    Turn(Who),
}

/// An alert that has not fired yet.
struct AlertWatch {
    rule: Alert,
    next_look: SimTime,
    /// Since when its expression has had a result without a break.
    pending_since: Option<SimTime>,
}

/// The agenda of one episode.
pub(super) struct Agenda {
    /// Fixed times, latest first.
    faults: Vec<(SimTime, Due)>,
    judge_every: SimDuration,
    next_judge: SimTime,
    /// When the next evaluation begins; none while one is going on or when all are done.
    next_evaluation: Option<SimTime>,
    first_evaluation: SimTime,
    heartbeat: Heartbeat,
    begun: u32,
    alert: Option<AlertWatch>,
    /// When whose thinking or waiting is over.
    turns: BTreeMap<Who, SimTime>,
    /// When an agent may not begin anything any more.
    deadline: SimTime,
    end: SimTime,
}

impl Agenda {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let mut faults: Vec<(SimTime, Due)> = Vec::new();
        for (index, fault) in scenario.faults.iter().enumerate() {
            faults.push((fault.injected_at(), Due::Inject(index)));
            if let Some(end) = fault.ends_at() {
                faults.push((end, Due::Recover(index)));
            }
        }
        faults.sort_by(|a, b| b.cmp(a));
        let start = SimTime::ZERO + scenario.task.start;
        let once = Heartbeat { every: SimDuration::ZERO, times: 1 };
        let (next_evaluation, heartbeat, alert) = match &scenario.task.trigger {
            Trigger::Once => (Some(start), once, None),
            Trigger::Heartbeat(heartbeat) => (Some(start), *heartbeat, None),
            Trigger::Alert(alert) => {
                let rule = alert.clone();
                (None, once, Some(AlertWatch { rule, next_look: start, pending_since: None }))
            }
        };
        let deadline = SimTime::ZERO + scenario.budget.time;
        Self {
            faults,
            judge_every: scenario.judging_interval,
            next_judge: SimTime::ZERO + scenario.judging_interval,
            next_evaluation,
            first_evaluation: start,
            heartbeat,
            begun: 0,
            alert,
            turns: BTreeMap::new(),
            deadline,
            // Until the last evaluation ends, the end is what the budget allows at most.
            end: scenario.horizon(),
        }
    }

    /// The agenda of a branch that begins at `from`: faults and the judge, no agent.
    pub(super) fn without_agent(scenario: &Scenario, from: SimTime, end: SimTime) -> Self {
        let mut agenda = Self::new(scenario);
        // What happened at that very moment happened before the branch began.
        agenda.faults.retain(|(at, _)| *at > from);
        agenda.next_judge = SimTime((from.0 / agenda.judge_every.0 + 1) * agenda.judge_every.0);
        agenda.next_evaluation = None;
        agenda.alert = None;
        agenda.end = end;
        agenda
    }

    /// The earliest thing that is due; none at the end of the episode.
    pub(super) fn peek(&self) -> Option<(SimTime, Due)> {
        let turn = self.turns.iter().map(|(who, at)| (*at, Due::Turn(*who))).min();
        let candidates = [
            self.faults.last().copied(),
            Some((self.next_judge, Due::Judge)),
            self.alert.as_ref().map(|alert| (alert.next_look, Due::LookAtAlert)),
            self.next_evaluation.map(|at| (at, Due::Evaluation)),
            turn,
        ];
        candidates.into_iter().flatten().min().filter(|(at, _)| *at <= self.end)
    }

    /// Takes the earliest thing that is due off the agenda; none at the end of the episode.
    pub(super) fn next(&mut self) -> Option<(SimTime, Due)> {
        let (at, due) = self.peek()?;
        match due {
            Due::Inject(_) | Due::Recover(_) => {
                self.faults.pop();
            }
            Due::Judge => self.next_judge += self.judge_every,
            Due::LookAtAlert => {
                if let Some(alert) = &mut self.alert {
                    alert.next_look += ALERT_EVERY;
                }
            }
            Due::Evaluation => {
                self.next_evaluation = None;
                self.alert = None;
                self.begun += 1;
            }
            Due::Turn(who) => self.no_turn(who),
        }
        Some((at, due))
    }

    /// Somebody goes on then.
    pub(super) fn turn_at(&mut self, who: Who, at: SimTime) {
        self.turns.insert(who, at);
    }

    /// Somebody has nothing to go on with.
    pub(super) fn no_turn(&mut self, who: Who) {
        self.turns.remove(&who);
    }

    /// An evaluation is over: the next one follows its clock, or the hold time begins.
    pub(super) fn evaluation_ended(&mut self, now: SimTime, scenario: &Scenario) {
        self.turns.clear();
        if self.begun < self.heartbeat.times && now <= self.deadline {
            let planned = self.first_evaluation + self.heartbeat.every * u64::from(self.begun);
            self.next_evaluation = Some(planned.max(now));
        } else {
            // What an agent still finishes after its time does not move the end of all time.
            self.end = scenario.end_after(now.min(self.deadline));
        }
    }

    /// Whether an evaluation has yet to begin that the scenario promises.
    pub(super) fn is_waiting_to_evaluate(&self) -> bool {
        self.next_evaluation.is_some()
    }

    /// What is asked to find out whether the alert fires.
    pub(super) fn alert_expression(&self) -> Option<String> {
        self.alert.as_ref().map(|alert| alert.rule.promql.clone())
    }

    /// Whether the expression had a result at this look; once it has had one for as long as the rule
    /// says, the agent is woken.
    pub(super) fn alert_seen(&mut self, now: SimTime, has_result: bool) {
        let Some(alert) = &mut self.alert else { return };
        alert.pending_since = has_result.then(|| alert.pending_since.unwrap_or(now));
        if alert.pending_since.is_some_and(|since| now.since(since) >= alert.rule.lasting) {
            self.next_evaluation = Some(now);
        }
    }
}
