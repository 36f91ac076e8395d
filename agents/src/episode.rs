//! One episode: a scenario played once with one seed and one policy.
//!
//! The world does not stop while a policy thinks. The conductor keeps an agenda of everything that
//! is due (faults, looks of the judge, evaluations, the agent's next step), advances the world to
//! the earliest, and handles what is due in a fixed order, so that the log does not depend on how
//! long anything took on the machine. On a live cluster the same loop runs on the wall clock.
//!
//! ```text
//! scenario ─▶ agenda ─▶ advance world ─▶ inject / recover ─▶ judge looks ─▶ evaluation begins ─▶ agent acts
//!                ▲                                                                                  │
//!                └────────────────────────── think time, waits ◀────────────────────────────────────┘
//! ```

mod agenda;
mod branches;
mod log;
mod oracle;

use sim::environment::{Action, Environment, Failure, Observation, Query, Stage, Unavailable};
use sim::episode::{Branch, EndReason, EpisodeEvent, Truth};
use sim::scenario::Scenario;
use sim::score::Judge;
use sim::time::{SimDuration, SimTime};

use crate::executor::Executor;
use crate::policy::{AutonomicAgent, Heard, Percept, Policy, Reply, TaskView};
use crate::render;
use agenda::{Agenda, Due};
use branches::Played;
pub use branches::{Forks, Snapshot};
pub use log::{Log, Sink};

/// What an episode is played with, beside its world and policy.
pub struct Setup<'a> {
    /// The judge, with the scenario that is played.
    pub judge: &'a Judge<'a>,
    /// The task as the agent gets it; its evaluation number is filled in.
    pub task: TaskView,
    /// Futures per decision for credit; none are played without [`Forks`].
    pub credit: u32,
    /// Whether the policy `oracle` plays: with [`Forks`], each evaluation carries out what looking ahead found best, and
    /// the policy that is given decides only where the task leaves nothing to choose.
    pub oracle: bool,
}

/// Plays an episode to its end.
///
/// What happened goes to `log` as it happens. With `forks` the counterfactual branches are played
/// at the end and logged too.
///
/// # Errors
/// The world failed: the episode is void and must not be scored.
pub async fn play<W: Environment + Stage>(
    world: &mut W,
    setup: &Setup<'_>,
    policy: &mut dyn Policy<AutonomicAgent>,
    forks: Option<Forks<W>>,
    log: &mut Log<'_>,
) -> Result<(), Unavailable> {
    world.prepare().await?;
    let mut conductor = Conductor {
        agenda: Agenda::new(setup.judge.scenario),
        executor: Executor::new(setup.task.component.clone()),
        world,
        setup,
        policy,
        forks,
        log,
        foreseen: None,
        agent: Agent::Idle,
        evaluation: 0,
        steps: 0,
        steps_left: 0,
        snapshots: Vec::new(),
        end: EndReason::Completed,
    };
    conductor.run().await
}

/// What the judge saw so far.
fn truths_of<'a>(log: &'a Log<'_>) -> Vec<&'a Truth> {
    let truths = log.entries().iter().filter_map(|entry| match &entry.event {
        EpisodeEvent::Truth(truth) => Some(&**truth),
        _ => None,
    });
    truths.collect()
}

/// What the agent is about to do.
enum Agent {
    /// It has no task at the moment.
    Idle,
    /// It has decided; the action happens when the thinking is over.
    Acting(Action),
    /// It lets time pass.
    Waiting,
}

struct Conductor<'a, 'l, W> {
    world: &'a mut W,
    setup: &'a Setup<'a>,
    policy: &'a mut dyn Policy<AutonomicAgent>,
    forks: Option<Forks<W>>,
    log: &'a mut Log<'l>,
    agenda: Agenda,
    executor: Executor,
    /// Plays what the oracle foresaw, in place of the policy.
    foreseen: Option<Box<dyn Policy<AutonomicAgent>>>,
    agent: Agent,
    evaluation: u32,
    /// Steps in the whole episode.
    steps: u32,
    /// Steps left in this evaluation.
    steps_left: u32,
    /// The world just before each accepted write.
    snapshots: Vec<Snapshot<W>>,
    end: EndReason,
}

impl<W: Environment + Stage> Conductor<'_, '_, W> {
    async fn run(&mut self) -> Result<(), Unavailable> {
        while let Some((at, due)) = self.agenda.next() {
            self.world.advance(at).await?;
            self.log_world(at);
            self.handle(at, due).await?;
        }
        // Somebody still had something to do when time was up.
        if !matches!(self.agent, Agent::Idle) || self.agenda.is_waiting_to_evaluate() {
            self.end = EndReason::TimeBudget;
        }
        let end = self.world.now();
        self.log_states(end).await?;
        for branch in self.branches(end).await? {
            self.log.push(end, EpisodeEvent::Branch(Box::new(branch)));
        }
        self.log.push(end, EpisodeEvent::Ended { reason: self.end });
        Ok(())
    }

    fn scenario(&self) -> &Scenario {
        self.setup.judge.scenario
    }

    /// The counterfactual branches, if the world can be split.
    async fn branches(&self, end: SimTime) -> Result<Vec<Branch>, Unavailable> {
        let Some(forks) = &self.forks else { return Ok(Vec::new()) };
        let truths = truths_of(self.log);
        let played = Played {
            judge: self.setup.judge,
            forks,
            snapshots: &self.snapshots,
            truths: &truths,
            futures: self.setup.credit,
            end,
        };
        branches::play(&played).await
    }

    /// Records what the components that a check of the end state may ask for look like now.
    async fn log_states(&mut self, at: SimTime) -> Result<(), Unavailable> {
        for component in self.scenario().task.described() {
            let query = Query::Describe { component: component.clone() };
            let description = match self.world.observe(&query).await {
                Ok(Observation::Description(description)) => Some(description),
                Err(Failure::Unavailable(failure)) => return Err(failure),
                _ => None,
            };
            self.log.push(at, EpisodeEvent::State { component, description });
        }
        Ok(())
    }

    fn log_world(&mut self, at: SimTime) {
        for event in self.world.drain_journal() {
            self.log.push(at, EpisodeEvent::World(event));
        }
    }

    async fn handle(&mut self, at: SimTime, due: Due) -> Result<(), Unavailable> {
        match due {
            Due::Inject(fault) => self.world.inject(fault).await?,
            Due::Recover(fault) => self.world.recover(fault).await?,
            Due::Judge => {
                let truth = self.world.truth().await?;
                self.log.push(at, EpisodeEvent::Truth(Box::new(truth)));
            }
            Due::LookAtAlert => {
                let firing = self.alert_has_result().await?;
                self.agenda.alert_seen(at, firing);
            }
            Due::Evaluation => {
                if self.evaluation == 0 {
                    self.log_states(at).await?;
                }
                self.begin_evaluation(at).await?;
            }
            Due::Agent => self.step(at).await?,
        }
        self.log_world(at);
        Ok(())
    }

    async fn alert_has_result(&mut self) -> Result<bool, Unavailable> {
        let Some(query) = self.agenda.alert_query() else { return Ok(false) };
        match self.executor.execute(self.world, &Action::Observe(query)).await? {
            Reply::Seen(Observation::Metrics(data)) => {
                Ok(data["result"].as_array().is_some_and(|series| !series.is_empty()))
            }
            _ => Ok(false),
        }
    }

    async fn begin_evaluation(&mut self, at: SimTime) -> Result<(), Unavailable> {
        self.evaluation += 1;
        self.steps_left = self.scenario().budget.steps;
        self.log.push(
            at,
            EpisodeEvent::TaskStarted {
                agent: self.setup.task.component.clone(),
                evaluation: self.evaluation,
                text: self.setup.task.text.clone(),
            },
        );
        let task = TaskView { evaluation: self.evaluation, ..self.setup.task.clone() };
        self.foreseen = if self.setup.oracle { self.foresee(&task).await? } else { None };
        self.decide(at, Heard::Task(Box::new(task))).await;
        Ok(())
    }

    /// What the oracle has to play in this evaluation, if the world can be split and there is something to choose.
    async fn foresee(&mut self, task: &TaskView) -> Result<Option<Box<dyn Policy<AutonomicAgent>>>, Unavailable> {
        let Some(forks) = &self.forks else { return Ok(None) };
        let judge = self.setup.judge;
        let truths = truths_of(self.log);
        let end = oracle::ahead_until(judge.scenario.hold, self.world.now());
        let played = Played { judge, forks, snapshots: &[], truths: &truths, futures: 0, end };
        let script = oracle::foresee(&played, self.world, task).await?;
        Ok(script.map(|script| Box::new(crate::policy::script(script)) as Box<dyn Policy<AutonomicAgent>>))
    }

    /// Lets the policy decide on its next step, if the budget has one left.
    async fn decide(&mut self, now: SimTime, heard: Heard) {
        if self.steps_left == 0 {
            return self.end_evaluation(now, EndReason::StepBudget);
        }
        if now > SimTime::ZERO + self.scenario().budget.time {
            return self.end_evaluation(now, EndReason::TimeBudget);
        }
        let percept = Percept { now, steps_left: self.steps_left, heard };
        let decision = match &mut self.foreseen {
            Some(foreseen) => foreseen.decide(&percept).await,
            None => self.policy.decide(&percept).await,
        };
        self.steps += 1;
        self.steps_left -= 1;
        let (read, written) = decision.tokens.map_or((0, 0), |t| (t.input, t.output));
        let think = self.scenario().thinking.charge(read, written).unwrap_or(SimDuration::ZERO);
        self.log.push(
            now,
            EpisodeEvent::Decision {
                agent: self.setup.task.component.clone(),
                step: self.steps,
                action: decision.action.clone(),
                think_ns: think.0,
            },
        );
        self.agent = Agent::Acting(decision.action);
        self.agenda.agent_at(now + think);
    }

    fn end_evaluation(&mut self, now: SimTime, reason: EndReason) {
        self.agent = Agent::Idle;
        self.end = reason;
        self.agenda.evaluation_ended(now, self.setup.judge.scenario);
    }

    /// The agent's thinking or waiting is over.
    async fn step(&mut self, now: SimTime) -> Result<(), Unavailable> {
        let agent = self.setup.task.component.clone();
        let reply = match std::mem::replace(&mut self.agent, Agent::Idle) {
            Agent::Idle => return Ok(()),
            Agent::Waiting => Reply::Noted,
            Agent::Acting(Action::Wait(length)) => {
                self.agent = Agent::Waiting;
                self.agenda.agent_at(now + length);
                return Ok(());
            }
            Agent::Acting(Action::Declare(declaration)) => {
                self.log.push(now, EpisodeEvent::Declared { agent, declaration });
                Reply::Noted
            }
            Agent::Acting(Action::Report(conclusion)) => {
                self.log.push(now, EpisodeEvent::Reported { agent, conclusion });
                self.end_evaluation(now, EndReason::Completed);
                return Ok(());
            }
            Agent::Acting(action) => self.touch_world(now, &action).await?,
        };
        self.decide(now, Heard::Answer(reply)).await;
        Ok(())
    }

    async fn touch_world(&mut self, now: SimTime, action: &Action) -> Result<Reply, Unavailable> {
        let before = match (&self.forks, action) {
            (Some(forks), Action::Write(write)) => Some(((forks.fork)(self.world), write.clone())),
            _ => None,
        };
        let reply = self.executor.execute(self.world, action).await?;
        if let (Some((world, write)), Reply::Done(_)) = (before, &reply) {
            self.snapshots.push(Snapshot { step: self.steps, at: now, write, world });
        }
        self.log.push(
            now,
            EpisodeEvent::Answer {
                agent: self.setup.task.component.clone(),
                step: self.steps,
                rejected: matches!(reply, Reply::Rejected(_)),
                text: render::reply(&reply, now),
            },
        );
        Ok(reply)
    }
}
