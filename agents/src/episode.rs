//! One episode: a scenario played once with one seed and one cast of policies.
//!
//! The world does not stop while a policy thinks. The conductor keeps an agenda of everything that
//! is due (faults, looks of the judge, evaluations, the agents' next turns), advances the world to
//! the earliest, and handles what is due in a fixed order, so that the log does not depend on how
//! long anything took on the machine. What agents tell each other goes through the message queue.
//! On a live cluster the same loop runs on the wall clock.
//!
//! ```text
//! scenario ─▶ agenda ─▶ advance world ─▶ inject / recover ─▶ judge looks ─▶ evaluation begins ─▶ turns
//!                ▲                                                                                │
//!                │        mail is delivered, everybody who heard something decides at once ◀──────┘
//!                └────────────────────────── think time, waits ◀──┘
//! ```
//!
//! - `agenda`: what is due when; `seat`: who plays; `work`: how tasks and answers travel; `decide`: decisions,
//!   made together; `act`: what was decided is carried out; `post`: the queue and its entries in the log.

mod act;
mod agenda;
mod branches;
mod decide;
mod log;
mod oracle;
mod post;
mod seat;
mod work;

use sim::app::App;
use sim::environment::{Component, Environment, Failure, MetricQuery, Observation, Query, Stage, Unavailable};
use sim::episode::{Branch, EndReason, Entry, EpisodeEvent, Truth};
use sim::scenario::Scenario;
use sim::score::Judge;
use sim::time::SimTime;

use crate::mechanism::Mechanism;
use crate::message::Address;
use crate::policy::{AutonomicAgent, GroupManager, GroupTaskView, Policy, TaskView};
use crate::queue::{InProcess, MessageQueue, Settings};
use agenda::{Agenda, Due};
use branches::Played;
pub use branches::{Forks, Snapshot};
pub use log::{Log, Sink};
use post::Post;
pub use seat::Cast;
use seat::Seat;

/// What an episode is played with, beside its world and its policies.
pub struct Setup<'a> {
    /// The judge, with the scenario that is played.
    pub judge: &'a Judge<'a>,
    /// The task as an agent gets it; component, words, goal and evaluation are filled in.
    pub task: TaskView,
    /// The task as the manager gets it; words, goal and evaluation are filled in.
    pub group: GroupTaskView,
    /// Who gets the task, and whom agents may turn to.
    pub mechanism: Mechanism,
    /// The components whose agents take part beside those of the task, where the mechanism has others: in a group without
    /// a manager, and where an agent may raise an issue.
    pub others: Vec<Component>,
    /// Steps for one task.
    pub steps: u32,
    /// Futures per decision for credit; none are played without [`Forks`].
    pub credit: u32,
    /// Whether the policy `oracle` plays: with [`Forks`], each task of an agent carries out what looking ahead found best,
    /// and the policy that is given decides only where the task leaves nothing to choose.
    pub oracle: bool,
}

impl<'a> Setup<'a> {
    /// What the judge's scenario is played with: without credit, and not by the oracle. Without a mechanism a group's task
    /// is managed, and any other goes straight to its agent.
    pub fn new(judge: &'a Judge<'a>, app: &App, mechanism: Option<Mechanism>) -> Self {
        let scenario = judge.scenario;
        let others: Vec<Component> = app.objects.deployments.iter().map(|d| d.meta.name.clone()).collect();
        let own = if scenario.task.group.is_empty() { Mechanism::Solo } else { Mechanism::Managed };
        Self {
            judge,
            task: TaskView::of(scenario, app),
            group: GroupTaskView::of(scenario, &others),
            mechanism: mechanism.unwrap_or(own),
            others,
            steps: scenario.budget.steps,
            credit: 0,
            oracle: false,
        }
    }

    /// The components whose agents take part, each once.
    fn components(&self) -> Vec<Component> {
        let task = &self.judge.scenario.task;
        let grouped = !task.group.is_empty();
        let mut components = match self.mechanism {
            Mechanism::Solo => vec![task.agent.clone()],
            Mechanism::Managed | Mechanism::Peers => task.members().to_vec(),
        };
        let has_others = match self.mechanism {
            Mechanism::Solo => false,
            Mechanism::Managed => !grouped,
            Mechanism::Peers => true,
        };
        let others = self.others.iter().filter(|_| has_others);
        for other in others {
            if !components.contains(other) {
                components.push(other.clone());
            }
        }
        components
    }

    /// Everybody's address, the maintainer's first.
    fn addresses(&self) -> Vec<Address> {
        let agents = self.components().into_iter().map(Address::Agent);
        [Address::Maintainer, Address::Manager].into_iter().chain(agents).collect()
    }

    /// A queue in this process between everybody who takes part.
    pub fn queue(&self) -> InProcess {
        // Work may take as long as the episode: what is held so long is not lost.
        let patience = self.judge.scenario.horizon().since(SimTime::ZERO) * 2;
        let settings = Settings { visibility_timeout: patience, time_to_live: patience, ..Settings::default() };
        InProcess::new(self.addresses(), settings)
    }
}

/// Plays an episode to its end, with a message queue in this process.
///
/// What happened goes to `log` as it happens. With `forks` the counterfactual branches are played
/// at the end and logged too.
///
/// # Errors
/// The world failed: the episode is void and must not be scored.
pub async fn play<W: Environment + Stage>(
    world: &mut W,
    setup: &Setup<'_>,
    cast: Cast<'_>,
    forks: Option<Forks<W>>,
    log: &mut Log<'_>,
) -> Result<(), Unavailable> {
    let queue = setup.queue();
    play_over(world, setup, cast, queue, forks, log).await
}

/// The same over another message queue, that knows the address of everybody who takes part.
///
/// # Errors
/// The world or the queue failed: the episode is void and must not be scored.
pub async fn play_over<W: Environment + Stage, Q: MessageQueue>(
    world: &mut W,
    setup: &Setup<'_>,
    mut cast: Cast<'_>,
    queue: Q,
    forks: Option<Forks<W>>,
    log: &mut Log<'_>,
) -> Result<(), Unavailable> {
    world.prepare().await?;
    let agents = setup.components().into_iter().map(|component| {
        let policy = (cast.agents)(&component);
        Seat::new(Address::Agent(component), policy)
    });
    let agents = agents.collect();
    let manager = cast.manager.take().filter(|_| setup.mechanism == Mechanism::Managed);
    let mut conductor = Conductor {
        agenda: Agenda::new(setup.judge.scenario),
        world,
        setup,
        manager: manager.map(|policy| Seat::new(Address::Manager, policy)),
        agents,
        post: Post::new(queue),
        forks,
        log,
        now: SimTime::ZERO,
        evaluation: 0,
        steps: 0,
        round: 0,
        snapshots: Vec::new(),
        end: EndReason::Completed,
    };
    conductor.run().await
}

/// What the judge saw so far.
fn truths_of<'a>(log: &'a Log<'_>) -> Vec<&'a Truth> {
    log.entries().iter().filter_map(Entry::truth).collect()
}

struct Conductor<'a, 'l, 'p, W, Q> {
    world: &'a mut W,
    setup: &'a Setup<'a>,
    manager: Option<Seat<'p, GroupManager>>,
    agents: Vec<Seat<'p, AutonomicAgent>>,
    post: Post<Q>,
    forks: Option<Forks<W>>,
    log: &'a mut Log<'l>,
    agenda: Agenda,
    /// The moment that is being handled.
    now: SimTime,
    evaluation: u32,
    /// Decisions in the whole episode.
    steps: u32,
    /// Rounds of delegation in the whole episode.
    round: u32,
    /// The world just before each accepted write.
    snapshots: Vec<Snapshot<W>>,
    end: EndReason,
}

impl<W: Environment + Stage, Q: MessageQueue> Conductor<'_, '_, '_, W, Q> {
    async fn run(&mut self) -> Result<(), Unavailable> {
        loop {
            // Before time passes, everything that this moment brings has happened.
            let moment_is_over = self.agenda.peek().is_none_or(|(at, _)| at > self.now);
            if moment_is_over && self.settle().await? {
                continue;
            }
            let Some((at, due)) = self.agenda.next() else { break };
            self.world.advance(at).await?;
            self.now = at;
            self.log_world(at);
            self.handle(at, due).await?;
        }
        // Somebody still had something to do when time was up.
        if self.is_anybody_at_work() || self.agenda.is_waiting_to_evaluate() {
            self.end = EndReason::TimeBudget;
        }
        let end = self.world.now();
        self.post.purge(end, self.log).await?;
        self.log_states(end).await?;
        for branch in self.branches(end).await? {
            self.log.push(end, EpisodeEvent::Branch(Box::new(branch)));
        }
        self.log.push(end, EpisodeEvent::Ended { reason: self.end });
        Ok(())
    }

    /// Delivers mail and lets everybody decide who has heard something; whether anything happened.
    async fn settle(&mut self) -> Result<bool, Unavailable> {
        let now = self.now;
        let delivered = self.deliver(now).await?;
        let decided = self.decide(now).await?;
        Ok(delivered || decided)
    }

    fn is_anybody_at_work(&self) -> bool {
        self.manager.as_ref().is_some_and(|seat| seat.job.is_some())
            || self.agents.iter().any(|seat| seat.job.is_some())
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
            Due::Turn(who) => self.turn(who, at).await?,
        }
        self.log_world(at);
        Ok(())
    }

    async fn alert_has_result(&mut self) -> Result<bool, Unavailable> {
        let Some(promql) = self.agenda.alert_expression() else { return Ok(false) };
        let query = Query::Metrics(MetricQuery { promql, range: None, step: None });
        match self.world.observe(&query).await {
            Ok(Observation::Metrics(data)) => Ok(data["result"].as_array().is_some_and(|series| !series.is_empty())),
            Err(Failure::Unavailable(failure)) => Err(failure),
            _ => Ok(false),
        }
    }

    /// What the oracle has to play in this evaluation, if the world can be split and there is something to choose.
    async fn foresee(&mut self, task: &TaskView) -> Result<Option<Box<dyn Policy<AutonomicAgent>>>, Unavailable> {
        let Some(forks) = &self.forks else { return Ok(None) };
        let judge = self.setup.judge;
        let truths = truths_of(self.log);
        let end = oracle::ahead_until(judge.scenario.hold, self.world.now());
        let played = Played { judge, forks, snapshots: &[], truths: &truths, futures: 0, end };
        let script = oracle::foresee(&played, self.world, task).await?;
        Ok(script.map(|script| Box::new(crate::policy::script(script.steps)) as Box<dyn Policy<AutonomicAgent>>))
    }
}
