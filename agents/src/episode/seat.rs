//! Who plays: a seat for each agent of an episode, with its policy and what it is doing.

use std::collections::VecDeque;

use sim::environment::{Action, Component, Conclusion, Goal, ManagerAction};
use sim::episode::{EpisodeEvent, MANAGER};
use sim::scenario::Script;

use crate::message::Address;
use crate::policy::{self, AutonomicAgent, GroupAnswer, GroupManager, Heard, ManagerHeard, Noop, Policy, Reply, Role};
use crate::queue::{Delivery, DeliveryTag};

/// Makes what decides for the agent of a component.
type AgentOf<'p> = dyn FnMut(&Component) -> Box<dyn Policy<AutonomicAgent> + 'p> + 'p;

/// The policies that play an episode.
pub struct Cast<'p> {
    /// Decides for the group manager, where there is one.
    pub(super) manager: Option<Box<dyn Policy<GroupManager> + 'p>>,
    /// Makes what decides for the agent of a component.
    pub(super) agents: Box<AgentOf<'p>>,
}

impl<'p> Cast<'p> {
    /// Agents without a manager.
    pub fn of_agents(agents: impl FnMut(&Component) -> Box<dyn Policy<AutonomicAgent> + 'p> + 'p) -> Self {
        Self { manager: None, agents: Box::new(agents) }
    }

    /// The one agent of an episode in solo mode. Should there be others, they do nothing.
    pub fn solo(agent: impl Policy<AutonomicAgent> + 'p) -> Self {
        let mut agent = Some(agent);
        Self::of_agents(move |_| match agent.take() {
            Some(agent) => Box::new(agent),
            None => Box::new(Noop),
        })
    }

    /// A hierarchy that plays a script.
    pub fn of_script(script: &'p Script) -> Self {
        let agents = |component: &Component| -> Box<dyn Policy<AutonomicAgent>> {
            Box::new(policy::script(script.steps_of(component).to_vec()))
        };
        Self::of_agents(agents).under(policy::group::script(script))
    }

    /// The same agents under a manager.
    #[must_use]
    pub fn under(self, manager: impl Policy<GroupManager> + 'p) -> Self {
        Self { manager: Some(Box::new(manager)), ..self }
    }
}

/// Who has a turn. Equal times are handled in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// The group manager.
    Manager,
    /// The agent with this number.
    Agent(usize),
}

/// One agent of the episode.
pub(super) struct Seat<'p, R: Role> {
    pub(super) address: Address,
    pub(super) policy: Box<dyn Policy<R> + 'p>,
    pub(super) job: Option<Job<R>>,
    pub(super) doing: Doing<R>,
    /// Tasks and issues that wait until the one at hand is done.
    pub(super) backlog: VecDeque<Delivery>,
}

/// What an agent works at.
pub(super) struct Job<R: Role> {
    pub(super) delivery: DeliveryTag,
    /// The task's or issue's own number.
    pub(super) message: u64,
    pub(super) from: Address,
    pub(super) steps_left: u32,
    /// Number of its last decision.
    pub(super) step: u32,
    /// Decisions in a row that were made together with one step.
    pub(super) continued: u32,
    /// Plays what the oracle foresaw, in place of the policy.
    pub(super) foreseen: Option<Box<dyn Policy<R>>>,
}

impl<R: Role> Job<R> {
    /// The work that a message brings.
    pub(super) fn of(delivery: &Delivery, steps: u32) -> Self {
        Self {
            delivery: delivery.tag,
            message: delivery.envelope.id,
            from: delivery.envelope.from.clone(),

            steps_left: steps,
            step: 0,
            continued: 0,
            foreseen: None,
        }
    }
}

/// Work that was left: whose it was, and to whom the answer goes.
pub(super) struct Left {
    pub(super) address: Address,
    pub(super) from: Address,
    /// The task or issue.
    pub(super) message: u64,
    pub(super) delivery: DeliveryTag,
}

/// What an agent does at the moment.
pub(super) enum Doing<R: Role> {
    /// It has no task.
    Idle,
    /// It has heard something, and decides as soon as everything else of this moment has happened.
    Hearing(R::Heard),
    /// It has decided; the action happens when the thinking is over.
    Acting(R::Action),
    /// It thought and found nothing that could be done; it hears why when the thinking is over.
    Stumbling(String),
    /// Its budget of tokens is used up: its work ends when the thinking is over.
    Spent,
    /// It lets time pass.
    Waiting,
    /// It waits for others.
    Awaiting(Vec<Awaited>),
}

/// An answer that is waited for.
pub(super) struct Awaited {
    /// The task or issue that asks for it.
    pub(super) message: u64,
    /// Who owes it.
    pub(super) of: Address,
    pub(super) goal: Goal,
    pub(super) outcome: Option<Result<Conclusion, String>>,
}

impl<'p, R: Role> Seat<'p, R> {
    pub(super) fn new(address: Address, policy: Box<dyn Policy<R> + 'p>) -> Self {
        Self { address, policy, job: None, doing: Doing::Idle, backlog: VecDeque::new() }
    }

    /// Its name in the log.
    pub(super) fn name(&self) -> String {
        match &self.address {
            Address::Agent(component) => component.clone(),
            Address::Manager | Address::Maintainer => MANAGER.to_owned(),
        }
    }

    /// Whether it waits for an answer of `other`.
    pub(super) fn awaits(&self, other: &Address) -> bool {
        matches!(&self.doing, Doing::Awaiting(awaited) if awaited.iter().any(|a| a.of == *other && a.outcome.is_none()))
    }

    /// Notes an answer that it waits for. Once it has them all, they are handed over.
    pub(super) fn note(&mut self, message: u64, outcome: Result<Conclusion, String>) -> Option<Vec<GroupAnswer>> {
        let Doing::Awaiting(awaited) = &mut self.doing else { return None };
        if let Some(awaited) = awaited.iter_mut().find(|awaited| awaited.message == message) {
            awaited.outcome = Some(outcome);
        }
        self.all_answers()
    }

    /// The answers that it waits for, if they are all there.
    fn all_answers(&mut self) -> Option<Vec<GroupAnswer>> {
        let Doing::Awaiting(awaited) = &mut self.doing else { return None };
        if awaited.iter().any(|awaited| awaited.outcome.is_none()) {
            return None;
        }
        let answers = awaited.drain(..).filter_map(|Awaited { of, goal, outcome, .. }| {
            let component = match of {
                Address::Agent(component) => component,
                Address::Manager | Address::Maintainer => MANAGER.to_owned(),
            };
            Some(GroupAnswer { component, goal, outcome: outcome? })
        });
        Some(answers.collect())
    }

    /// The next message to deal with, if there is nothing to do.
    pub(super) fn next(&mut self) -> Option<Delivery> {
        if self.job.is_none() { self.backlog.pop_front() } else { None }
    }

    /// Leaves its work, whatever came of it.
    pub(super) fn leave(&mut self) -> Option<Left> {
        let job = self.job.take()?;
        self.doing = Doing::Idle;
        Some(Left { address: self.address.clone(), from: job.from, message: job.message, delivery: job.delivery })
    }

    /// Leaves everything as it is: the evaluation is over. What it holds is nobody's any more.
    pub(super) fn stop(&mut self) -> Vec<DeliveryTag> {
        let job = self.job.take().map(|job| job.delivery);
        self.doing = Doing::Idle;
        job.into_iter().chain(self.backlog.drain(..).map(|delivery| delivery.tag)).collect()
    }
}

impl<R: Plays> Seat<'_, R> {
    /// No answer will come to a question, for this reason; whether it was waiting for it.
    pub(super) fn hears_nothing(&mut self, question: u64, why: String) -> bool {
        let waits = |awaited: &Awaited| awaited.message == question && awaited.outcome.is_none();
        if !matches!(&self.doing, Doing::Awaiting(awaited) if awaited.iter().any(waits)) {
            return false;
        }
        if let Some(answers) = self.note(question, Err(why)) {
            self.doing = Doing::Hearing(R::answered(answers));
        }
        true
    }

    /// Waits for others. Where none of the questions could be sent, what came of that is heard at once.
    pub(super) fn wait_for(&mut self, awaited: Vec<Awaited>) {
        self.doing = Doing::Awaiting(awaited);
        if let Some(answers) = self.all_answers() {
            self.doing = Doing::Hearing(R::answered(answers));
        }
    }
}

/// What the two roles have in common where an episode treats them alike.
pub(super) trait Plays: Role {
    /// All answers that were waited for.
    fn answered(answers: Vec<GroupAnswer>) -> Self::Heard;
    /// A step came to nothing.
    fn refused(why: String) -> Self::Heard;
    /// Time has passed.
    fn noted() -> Self::Heard;
    /// The log's entry of a decision.
    fn entry(agent: String, step: u32, action: &Self::Action, think_ns: u64, continued: bool) -> EpisodeEvent;
}

impl Plays for AutonomicAgent {
    fn answered(mut answers: Vec<GroupAnswer>) -> Heard {
        // An agent asks one at a time.
        match answers.pop() {
            Some(answer) => Heard::Answer(Reply::Answered(Box::new(answer))),
            None => Self::noted(),
        }
    }

    fn refused(why: String) -> Heard {
        Heard::Answer(Reply::Rejected(why))
    }

    fn noted() -> Heard {
        Heard::Answer(Reply::Noted)
    }

    fn entry(agent: String, step: u32, action: &Action, think_ns: u64, continued: bool) -> EpisodeEvent {
        EpisodeEvent::Decision { agent, step, action: action.clone(), think_ns, continued }
    }
}

impl Plays for GroupManager {
    fn answered(answers: Vec<GroupAnswer>) -> ManagerHeard {
        ManagerHeard::Answers(answers)
    }

    fn refused(why: String) -> ManagerHeard {
        ManagerHeard::Rejected(why)
    }

    fn noted() -> ManagerHeard {
        ManagerHeard::Noted
    }

    fn entry(_: String, step: u32, action: &ManagerAction, think_ns: u64, continued: bool) -> EpisodeEvent {
        EpisodeEvent::ManagerDecision { step, action: action.clone(), think_ns, continued }
    }
}
