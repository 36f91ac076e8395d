//! What was decided is carried out, when the thinking is over.

use sim::environment::{
    Action, Assignment, Conclusion, Environment, Failure, Goal, ManagerAction, Observation, Query, Stage, Unavailable,
};
use sim::episode::{EndReason, EpisodeEvent, MANAGER};
use sim::time::SimTime;

use super::Conductor;
use super::branches::Snapshot;
use super::seat::{Doing, Plays, Seat, Who};
use super::work::Unreported;
use crate::executor::Executor;
use crate::mechanism::Mechanism;
use crate::message::{Address, Body};
use crate::policy::{AutonomicAgent, GroupManager, Heard, ManagerHeard, Reply};
use crate::queue::MessageQueue;
use crate::render;

/// The most pieces of work in one round.
const MOST_ASSIGNMENTS: usize = 32;

/// Why work ends of somebody who may not think any more.
const OUT_OF_TOKENS: Unreported = Unreported::UsedUp(EndReason::TokenBudget);

/// A report without the values that are no numbers: nothing was measured, and neither log nor message can hold them.
fn measured(mut conclusion: Conclusion) -> Conclusion {
    conclusion.values.retain(|_, value| value.is_finite());
    conclusion
}

impl<W: Environment + Stage, Q: MessageQueue> Conductor<'_, '_, '_, W, Q> {
    /// Somebody's thinking or waiting is over.
    pub(super) async fn turn(&mut self, who: Who, now: SimTime) -> Result<(), Unavailable> {
        match who {
            Who::Manager => self.manager_turn(now).await,
            Who::Agent(index) => self.agent_turn(index, now).await,
        }
    }

    async fn agent_turn(&mut self, index: usize, now: SimTime) -> Result<(), Unavailable> {
        let seat = &mut self.agents[index];
        let agent = seat.name();
        let heard = match std::mem::replace(&mut seat.doing, Doing::Idle) {
            Doing::Idle => return Ok(()),
            doing @ (Doing::Hearing(_) | Doing::Awaiting(_)) => {
                seat.doing = doing;
                return Ok(());
            }
            Doing::Waiting => AutonomicAgent::noted(),
            Doing::Stumbling(why) => AutonomicAgent::refused(why),
            Doing::Spent => return self.finish(Who::Agent(index), now, Err(OUT_OF_TOKENS)).await,
            Doing::Acting(Action::Wait(length)) => {
                seat.doing = Doing::Waiting;
                self.agenda.turn_at(Who::Agent(index), now + length);
                return Ok(());
            }
            Doing::Acting(Action::Declare(declaration)) => {
                self.log.push(now, EpisodeEvent::Declared { agent, declaration });
                AutonomicAgent::noted()
            }
            Doing::Acting(Action::Report(conclusion)) => {
                let conclusion = measured(conclusion);
                self.log.push(now, EpisodeEvent::Reported { agent, conclusion: conclusion.clone() });
                return self.finish(Who::Agent(index), now, Ok(conclusion)).await;
            }
            Doing::Acting(Action::Ask(assignment)) => return self.ask_peer(index, assignment, now).await,
            Doing::Acting(Action::Raise { text }) => return self.raise(index, text, now).await,
            Doing::Acting(action) => Heard::Answer(self.touch_world(index, now, &action).await?),
        };
        self.agents[index].doing = Doing::Hearing(heard);
        Ok(())
    }

    async fn touch_world(&mut self, index: usize, now: SimTime, action: &Action) -> Result<Reply, Unavailable> {
        let component = self.agents[index].name();
        let before = match (&self.forks, action) {
            (Some(forks), Action::Write(write)) => Some(((forks.fork)(self.world), write.clone())),
            _ => None,
        };
        let reply = Executor::new(component).execute(self.world, action).await?;
        let job = self.agents[index].job.as_ref();
        let step = job.map_or(0, |job| job.step);
        let task = job.filter(|job| job.from == Address::Manager).map(|job| job.message);
        if let (Some((world, write)), Reply::Done(_)) = (before, &reply) {
            self.snapshots.push(Snapshot { step, at: now, write, task, world });
        }
        let rejected = matches!(reply, Reply::Rejected(_));
        self.log_answer(now, self.agents[index].name(), step, rejected, render::reply(&reply, now));
        Ok(reply)
    }

    fn log_answer(&mut self, now: SimTime, agent: String, step: u32, rejected: bool, text: String) {
        self.log.push(now, EpisodeEvent::Answer { agent, step, rejected, text });
    }

    /// One agent asks another.
    async fn ask_peer(&mut self, index: usize, assignment: Assignment, now: SimTime) -> Result<(), Unavailable> {
        let from = self.agents[index].address.clone();
        let to = Address::Agent(assignment.component.clone());
        let refusal = if self.setup.mechanism == Mechanism::Peers {
            self.refusal(&from, &to)
        } else {
            Some("there are no peers to ask: do it yourself, or report".to_owned())
        };
        if let Some(why) = refusal {
            self.refuse_agent(index, why, now);
            return Ok(());
        }
        let body = Body::Task { text: assignment.text, goal: assignment.goal.clone(), evaluation: 1 };
        let awaited = self.ask(now, from, to, assignment.goal, body).await?;
        self.agents[index].wait_for(vec![awaited]);
        Ok(())
    }

    /// An agent hands up what it cannot solve: work that the manager gave it goes back, a task of its own becomes an issue.
    async fn raise(&mut self, index: usize, text: String, now: SimTime) -> Result<(), Unavailable> {
        let from = self.agents[index].address.clone();
        if self.manager.is_none() {
            self.refuse_agent(index, "there is no manager: do it yourself, or report".to_owned(), now);
            return Ok(());
        }
        if self.is_waiting_for(&Address::Manager, &from) {
            return self.finish(Who::Agent(index), now, Err(Unreported::Issue(text))).await;
        }
        let awaited = self.ask(now, from, Address::Manager, Goal::Maintain, Body::Issue { text }).await?;
        self.agents[index].wait_for(vec![awaited]);
        Ok(())
    }

    fn refuse_agent(&mut self, index: usize, why: String, now: SimTime) {
        let step = self.agents[index].job.as_ref().map_or(0, |job| job.step);
        let reply = Reply::Rejected(why);
        self.log_answer(now, self.agents[index].name(), step, true, render::reply(&reply, now));
        self.agents[index].doing = Doing::Hearing(Heard::Answer(reply));
    }

    /// Why nothing can be asked of somebody.
    fn refusal(&self, from: &Address, to: &Address) -> Option<String> {
        let whom = to.component().map_or(MANAGER, |component| component);
        if from == to {
            return Some("that is you".to_owned());
        }
        if !self.agents.iter().any(|seat| seat.address == *to) {
            let known: Vec<String> = self.agents.iter().map(Seat::name).collect();
            return Some(format!("there is no agent `{whom}`; the agents are: {}", known.join(", ")));
        }
        self.is_waiting_for(to, from).then(|| format!("{whom} is itself waiting for your answer"))
    }

    async fn manager_turn(&mut self, now: SimTime) -> Result<(), Unavailable> {
        let Some(seat) = &mut self.manager else { return Ok(()) };
        let step = seat.job.as_ref().map_or(0, |job| job.step);
        let agent = seat.name();
        let heard = match std::mem::replace(&mut seat.doing, Doing::Idle) {
            Doing::Idle => return Ok(()),
            doing @ (Doing::Hearing(_) | Doing::Awaiting(_)) => {
                seat.doing = doing;
                return Ok(());
            }
            Doing::Waiting => GroupManager::noted(),
            Doing::Stumbling(why) => GroupManager::refused(why),
            Doing::Spent => return self.finish(Who::Manager, now, Err(OUT_OF_TOKENS)).await,
            Doing::Acting(ManagerAction::Wait(length)) => {
                seat.doing = Doing::Waiting;
                self.agenda.turn_at(Who::Manager, now + length);
                return Ok(());
            }
            Doing::Acting(ManagerAction::Declare(declaration)) => {
                self.log.push(now, EpisodeEvent::Declared { agent, declaration });
                GroupManager::noted()
            }
            Doing::Acting(ManagerAction::Conclude(conclusion)) => {
                let conclusion = measured(conclusion);
                self.log.push(now, EpisodeEvent::Reported { agent, conclusion: conclusion.clone() });
                return self.finish(Who::Manager, now, Ok(conclusion)).await;
            }
            Doing::Acting(ManagerAction::Delegate(assignments)) => return self.delegate(assignments, step, now).await,
            Doing::Acting(ManagerAction::ReadGraph) => self.graph().await?,
        };
        self.manager_hears(heard, step, now);
        Ok(())
    }

    fn manager_hears(&mut self, heard: ManagerHeard, step: u32, now: SimTime) {
        let rejected = matches!(heard, ManagerHeard::Rejected(_));
        if rejected || matches!(heard, ManagerHeard::Graph(_)) {
            self.log_answer(now, MANAGER.to_owned(), step, rejected, render::group::heard(&heard));
        }
        if let Some(manager) = &mut self.manager {
            manager.doing = Doing::Hearing(heard);
        }
    }

    /// One round: everybody gets work, and the manager waits for all answers.
    async fn delegate(&mut self, assignments: Vec<Assignment>, step: u32, now: SimTime) -> Result<(), Unavailable> {
        let addresses = || assignments.iter().map(|work| Address::Agent(work.component.clone()));
        let refusal = match assignments.len() {
            0 => Some("a round needs at least one piece of work".to_owned()),
            n if n > MOST_ASSIGNMENTS => {
                Some(format!("a round has at most {MOST_ASSIGNMENTS} pieces of work, not {n}"))
            }
            _ => addresses().find_map(|to| self.refusal(&Address::Manager, &to)),
        };
        self.round += 1;
        self.log.push(
            now,
            EpisodeEvent::Delegated {
                agent: MANAGER.to_owned(),
                round: self.round,
                receivers: assignments.iter().map(|work| work.component.clone()).collect(),
                assignments: assignments.clone(),
            },
        );
        if let Some(why) = refusal {
            self.manager_hears(ManagerHeard::Rejected(why), step, now);
            return Ok(());
        }
        let mut awaited = Vec::new();
        for Assignment { component, text, goal } in assignments {
            let body = Body::Task { text, goal: goal.clone(), evaluation: 1 };
            awaited.push(self.ask(now, Address::Manager, Address::Agent(component), goal, body).await?);
        }
        if let Some(manager) = &mut self.manager {
            manager.wait_for(awaited);
        }
        Ok(())
    }

    /// Who calls whom, of all components that have an agent. The manager has no other look at the world.
    async fn graph(&mut self) -> Result<ManagerHeard, Unavailable> {
        let mut graph = Vec::new();
        for component in self.agents.iter().map(Seat::name).collect::<Vec<_>>() {
            match self.world.observe(&Query::Dependencies { component }).await {
                Ok(Observation::Dependencies(dependencies)) => graph.push(dependencies),
                Err(Failure::Unavailable(failure)) => return Err(failure),
                _ => {}
            }
        }
        Ok(ManagerHeard::Graph(graph))
    }
}
