//! How work comes and goes: mail is collected, a task begins, its report goes back to who gave it.

use sim::environment::{Conclusion, Environment, Goal, Stage, Unavailable};
use sim::episode::{EndReason, EpisodeEvent};
use sim::time::SimTime;

use super::post::{Lost, Post};
use super::seat::{Awaited, Doing, Job, Plays, Seat, Who};
use super::{Conductor, Log};
use crate::mechanism::Mechanism;
use crate::message::{Address, Body};
use crate::policy::{GroupTaskView, Heard, ManagerHeard, TaskView};
use crate::queue::{Delivery, MessageQueue};

/// What is told to who sent a message that comes too late.
const OVER: &str = "the evaluation is over";

/// Why work ended without a report.
pub(super) enum Unreported {
    /// A budget was used up.
    UsedUp(EndReason),
    /// It is an issue for who gave the task.
    Issue(String),
}

impl Unreported {
    fn reason(&self) -> EndReason {
        match self {
            Self::UsedUp(reason) => *reason,
            Self::Issue(_) => EndReason::Completed,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::UsedUp(EndReason::StepBudget) => "its budget of steps was used up before it reported".into(),
            Self::UsedUp(EndReason::TokenBudget) => "its budget of tokens was used up before it reported".into(),
            Self::UsedUp(_) => "its time was used up before it reported".into(),
            Self::Issue(text) => format!("it could not solve it: {text}"),
        }
    }
}

impl<W: Environment + Stage, Q: MessageQueue> Conductor<'_, '_, '_, W, Q> {
    /// Everybody's number, in order.
    pub(super) fn seats(&self) -> impl Iterator<Item = Who> + use<W, Q> {
        let manager = self.manager.as_ref().map(|_| Who::Manager);
        manager.into_iter().chain((0..self.agents.len()).map(Who::Agent))
    }

    /// Who is given the scenario's task: the manager a group's, the agent of the component that it is about any other.
    fn root(&self) -> Address {
        let task = &self.scenario().task;
        match self.setup.mechanism {
            Mechanism::Managed if !task.group.is_empty() => Address::Manager,
            _ => Address::Agent(task.agent.clone()),
        }
    }

    /// Gives the scenario's task to who is to do it.
    pub(super) async fn begin_evaluation(&mut self, at: SimTime) -> Result<(), Unavailable> {
        self.evaluation += 1;
        let to = self.root();
        let text = self.setup.task.text.clone();
        let agent = match &to {
            Address::Agent(component) => component.clone(),
            Address::Manager | Address::Maintainer => sim::episode::MANAGER.to_owned(),
        };
        self.log.push(at, EpisodeEvent::TaskStarted { agent, evaluation: self.evaluation, text: text.clone() });
        let body = Body::Task { text, goal: self.setup.task.goal.clone(), evaluation: self.evaluation };
        let sent = self.post.publish(at, Address::Maintainer, to.clone(), None, body, self.log).await?;
        match sent.refused {
            Some(why) => Err(Unavailable(format!("the task did not get to {to}: {why}"))),
            None => Ok(()),
        }
    }

    /// Collects everybody's mail, and lets those begin who have nothing to do; whether anything came of it.
    pub(super) async fn deliver(&mut self, now: SimTime) -> Result<bool, Unavailable> {
        let mut anything = self.tell_of_losses(now).await?;
        if let Some(manager) = &mut self.manager {
            anything |= collect(manager, &mut self.post, now, self.log).await?;
            if let Some(delivery) = manager.next() {
                self.begin_manager(delivery, now).await?;
            }
        }
        for index in 0..self.agents.len() {
            anything |= collect(&mut self.agents[index], &mut self.post, now, self.log).await?;
            if let Some(delivery) = self.agents[index].next() {
                self.begin_agent(index, delivery, now).await?;
            }
        }
        Ok(anything)
    }

    /// Tells who waits for an answer that none will come, where the queue has given up the question or the answer; whether
    /// anybody had to be told.
    async fn tell_of_losses(&mut self, now: SimTime) -> Result<bool, Unavailable> {
        let mut anybody = false;
        for Lost { correlation, waiting, why } in self.post.lost(now).await? {
            anybody |= match &waiting {
                Address::Maintainer => return Err(Unavailable(format!("the maintainer's task was lost: {why}"))),
                Address::Manager => self.manager.as_mut().is_some_and(|seat| seat.hears_nothing(correlation, why)),
                Address::Agent(_) => {
                    let seat = self.agents.iter_mut().find(|seat| seat.address == waiting);
                    seat.is_some_and(|seat| seat.hears_nothing(correlation, why))
                }
            };
        }
        Ok(anybody)
    }

    async fn begin_manager(&mut self, delivery: Delivery, now: SimTime) -> Result<(), Unavailable> {
        let view = |text, goal, evaluation| GroupTaskView { text, goal, evaluation, ..self.setup.group.clone() };
        let heard = match &delivery.envelope.body {
            Body::Task { text, goal, evaluation } => {
                ManagerHeard::Task(Box::new(view(text.clone(), goal.clone(), *evaluation)))
            }
            Body::Issue { text } => {
                let from = delivery.envelope.from.component().cloned().unwrap_or_default();
                let group = Box::new(view(text.clone(), Goal::Maintain, 1));
                ManagerHeard::Issue { from, text: text.clone(), group }
            }
            Body::Response { .. } => return self.post.acknowledge(delivery.tag, now, self.log).await,
        };
        let job = Job::of(&delivery, self.setup.steps);
        if let Some(manager) = &mut self.manager {
            manager.job = Some(job);
            manager.doing = Doing::Hearing(heard);
        }
        Ok(())
    }

    async fn begin_agent(&mut self, index: usize, delivery: Delivery, now: SimTime) -> Result<(), Unavailable> {
        let Body::Task { text, goal, evaluation } = delivery.envelope.body.clone() else {
            return self.post.reject(delivery.tag, now, "issues go to the manager", self.log).await;
        };
        let component = self.agents[index].address.component().cloned().unwrap_or_default();
        let task = TaskView { component, text, goal, evaluation, ..self.setup.task.clone() };
        let foreseen = if self.setup.oracle { self.foresee(&task).await? } else { None };
        let job = Job::of(&delivery, self.setup.steps);
        let seat = &mut self.agents[index];
        seat.job = Some(Job { foreseen, ..job });
        seat.doing = Doing::Hearing(Heard::Task(Box::new(task)));
        Ok(())
    }

    /// Sends work or a question to somebody, whose answer is waited for.
    pub(super) async fn ask(
        &mut self,
        now: SimTime,
        from: Address,
        to: Address,
        goal: Goal,
        body: Body,
    ) -> Result<Awaited, Unavailable> {
        let sent = self.post.publish(now, from, to.clone(), None, body, self.log).await?;
        Ok(Awaited { message: sent.id, of: to, goal, outcome: sent.refused.map(Err) })
    }

    /// Whether `who` waits, itself or through others, for an answer of `other`: to wait for it in turn would be for ever.
    pub(super) fn is_waiting_for(&self, who: &Address, other: &Address) -> bool {
        let awaits = |who: &Address, other: &Address| match who {
            Address::Manager | Address::Maintainer => self.manager.as_ref().is_some_and(|seat| seat.awaits(other)),
            Address::Agent(_) => self.agents.iter().any(|seat| seat.address == *who && seat.awaits(other)),
        };
        let mut seen = vec![who.clone()];
        let mut next = 0;
        while let Some(who) = seen.get(next).cloned() {
            if awaits(&who, other) {
                return true;
            }
            let everybody = self.agents.iter().map(|seat| &seat.address).chain([&Address::Manager]);
            let more: Vec<Address> = everybody.filter(|a| !seen.contains(*a) && awaits(&who, a)).cloned().collect();
            seen.extend(more);
            next += 1;
        }
        false
    }

    /// Ends somebody's work: what came of it goes back to who gave it.
    pub(super) async fn finish(
        &mut self,
        who: Who,
        now: SimTime,
        outcome: Result<Conclusion, Unreported>,
    ) -> Result<(), Unavailable> {
        self.agenda.no_turn(who);
        let left = match who {
            Who::Manager => self.manager.as_mut().and_then(Seat::leave),
            Who::Agent(index) => self.agents.get_mut(index).and_then(Seat::leave),
        };
        let Some(left) = left else { return Ok(()) };
        let reason = outcome.as_ref().err().map_or(EndReason::Completed, Unreported::reason);
        let body = Body::Response { outcome: outcome.map_err(|unreported| unreported.words()) };
        let (from, task) = (left.address, Some(left.message));
        let sent = self.post.publish(now, from.clone(), left.from.clone(), task, body, self.log).await?;
        if let Some(why) = sent.refused {
            // Who waits for it must not wait for ever.
            let body = Body::Response { outcome: Err(format!("its report did not arrive: {why}")) };
            let to = left.from.clone();
            let sent = self.post.publish(now, from.clone(), to.clone(), task, body, self.log).await?;
            if let Some(why) = sent.refused {
                return Err(Unavailable(format!(
                    "{from} can tell {to} nothing, not even that its report is lost: {why}"
                )));
            }
        }
        self.post.acknowledge(left.delivery, now, self.log).await?;
        if left.from == Address::Maintainer { self.end_evaluation(now, reason).await } else { Ok(()) }
    }

    /// The maintainer has an answer: nobody goes on with what was part of it.
    async fn end_evaluation(&mut self, now: SimTime, reason: EndReason) -> Result<(), Unavailable> {
        for response in self.post.receive(&Address::Maintainer, now, self.log).await? {
            self.post.acknowledge(response.tag, now, self.log).await?;
        }
        if let Some(manager) = &mut self.manager {
            stop(manager, &mut self.post, now, self.log).await?;
        }
        for agent in &mut self.agents {
            stop(agent, &mut self.post, now, self.log).await?;
        }
        self.end = reason;
        self.agenda.evaluation_ended(now, self.setup.judge.scenario);
        Ok(())
    }
}

/// Collects the mail of one seat: answers are noted, everything else waits for its turn.
async fn collect<R: Plays, Q: MessageQueue>(
    seat: &mut Seat<'_, R>,
    post: &mut Post<Q>,
    now: SimTime,
    log: &mut Log<'_>,
) -> Result<bool, Unavailable> {
    let received = post.receive(&seat.address, now, log).await?;
    let anything = !received.is_empty();
    for delivery in received {
        let Body::Response { outcome } = &delivery.envelope.body else {
            seat.backlog.push_back(delivery);
            continue;
        };
        if let Some(answers) = seat.note(delivery.envelope.correlation, outcome.clone()) {
            seat.doing = Doing::Hearing(R::answered(answers));
        }
        post.acknowledge(delivery.tag, now, log).await?;
    }
    Ok(anything)
}

/// Stops one seat, and takes away what it has been sent.
async fn stop<R: Plays, Q: MessageQueue>(
    seat: &mut Seat<'_, R>,
    post: &mut Post<Q>,
    now: SimTime,
    log: &mut Log<'_>,
) -> Result<(), Unavailable> {
    let waiting = post.receive(&seat.address, now, log).await?;
    let held = seat.stop().into_iter().chain(waiting.iter().map(|delivery| delivery.tag));
    for tag in held {
        post.reject(tag, now, OVER, log).await?;
    }
    Ok(())
}
