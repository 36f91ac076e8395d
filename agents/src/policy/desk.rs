//! Rules written as straight procedures: a procedure asks its [`Desk`] for one step after the
//! other and awaits the answers; [`Procedure`] turns it into a [`Policy`].
//!
//! The procedure is a future that is only ever polled from `decide`: it runs until it has put its
//! next action on the desk, and goes on when the answer lies there. No runtime is involved.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use serde_json::Value;
use sim::environment::{
    Action, Assignment, Component, Conclusion, Declaration, Goal, ManagerAction, MetricQuery, Observation, Query, Write,
};
use sim::time::{SimDuration, SimTime};

use super::{
    AutonomicAgent, Deciding, Decision, GroupAnswer, GroupManager, GroupTaskView, Heard, ManagerHeard, Percept, Policy,
    Reply, Role, TaskView,
};

/// A role whose tasks begin with one thing heard and end with a report.
pub(crate) trait Employed: Role<Heard: Clone> {
    /// What a task says.
    type Task;
    /// The task, if what was heard is one.
    fn task(heard: &Self::Heard) -> Option<Self::Task>;
    /// The step that ends a task.
    fn report(conclusion: Conclusion) -> Self::Action;
}

impl Employed for AutonomicAgent {
    type Task = TaskView;

    fn task(heard: &Heard) -> Option<TaskView> {
        match heard {
            Heard::Task(task) => Some((**task).clone()),
            Heard::Answer(_) => None,
        }
    }

    fn report(conclusion: Conclusion) -> Action {
        Action::Report(conclusion)
    }
}

impl Employed for GroupManager {
    type Task = GroupTaskView;

    fn task(heard: &ManagerHeard) -> Option<GroupTaskView> {
        match heard {
            ManagerHeard::Task(task) | ManagerHeard::Issue { group: task, .. } => Some((**task).clone()),
            _ => None,
        }
    }

    fn report(conclusion: Conclusion) -> ManagerAction {
        ManagerAction::Conclude(conclusion)
    }
}

/// What lies between a procedure and the one who runs it.
struct Slot<R: Role> {
    now: SimTime,
    steps_left: u32,
    action: Option<R::Action>,
    heard: Option<R::Heard>,
}

/// Where a procedure asks for steps.
pub(crate) struct Desk<R: Role = AutonomicAgent>(Rc<RefCell<Slot<R>>>);

impl<R: Role> Clone for Desk<R> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<R: Role> Default for Desk<R> {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(Slot { now: SimTime::ZERO, steps_left: 0, action: None, heard: None })))
    }
}

impl<R: Role> Desk<R> {
    /// The world's clock.
    pub(crate) fn now(&self) -> SimTime {
        self.0.borrow().now
    }

    /// Steps left of the budget.
    pub(crate) fn steps_left(&self) -> u32 {
        self.0.borrow().steps_left
    }

    /// Takes one step and waits for what is heard then.
    async fn step(&self, action: R::Action) -> R::Heard {
        self.0.borrow_mut().action = Some(action);
        poll_fn(|_| match self.0.borrow_mut().heard.take() {
            Some(heard) => Poll::Ready(heard),
            None => Poll::Pending,
        })
        .await
    }
}

impl Desk<GroupManager> {
    /// One round: the answers to it, or none if the round was refused.
    pub(crate) async fn delegate(&self, work: Vec<Assignment>) -> Vec<GroupAnswer> {
        match self.step(ManagerAction::Delegate(work)).await {
            ManagerHeard::Answers(answers) => answers,
            _ => Vec::new(),
        }
    }

    /// One round in which everybody gets the same.
    pub(crate) async fn give_all(&self, to: &[Component], text: &str, goal: &Goal) -> Vec<GroupAnswer> {
        let work = |component: &Component| Assignment {
            component: component.clone(),
            text: text.to_owned(),
            goal: goal.clone(),
        };
        self.delegate(to.iter().map(work).collect()).await
    }

    /// Takes a step whose answer says nothing.
    pub(crate) async fn put(&self, action: ManagerAction) {
        self.step(action).await;
    }
}

impl Desk<AutonomicAgent> {
    /// Takes one step and waits for its answer.
    pub(crate) async fn take(&self, action: Action) -> Reply {
        match self.step(action).await {
            Heard::Answer(reply) => reply,
            Heard::Task(_) => unreachable!("a new task begins a new procedure"),
        }
    }

    /// Looks; a refused look is seen as nothing.
    pub(crate) async fn see(&self, query: Query) -> Option<Observation> {
        match self.take(Action::Observe(query)).await {
            Reply::Seen(observation) => Some(observation),
            _ => None,
        }
    }

    /// The finite numbers that an instant `PromQL` query yields, with their labels.
    pub(crate) async fn numbers(&self, promql: String) -> Vec<(BTreeMap<String, String>, f64)> {
        let query = MetricQuery { promql, range: None, step: None };
        let Some(Observation::Metrics(data)) = self.see(Query::Metrics(query)).await else {
            return Vec::new();
        };
        let number = |series: &Value| {
            let labels = series["metric"].as_object()?.iter();
            let labels = labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
            let value = series["value"][1].as_str()?.parse::<f64>().ok()?;
            value.is_finite().then_some((labels, value))
        };
        data["result"].as_array().into_iter().flatten().filter_map(number).collect()
    }

    /// The values of the first series that a range query yields, oldest first.
    pub(crate) async fn course(&self, promql: String, range: SimDuration, step: SimDuration) -> Vec<f64> {
        let query = MetricQuery { promql, range: Some(range), step: Some(step) };
        let Some(Observation::Metrics(data)) = self.see(Query::Metrics(query)).await else {
            return Vec::new();
        };
        let values = data["result"][0]["values"].as_array().cloned().unwrap_or_default();
        values.iter().filter_map(|sample| sample[1].as_str()?.parse::<f64>().ok()).filter(|v| v.is_finite()).collect()
    }

    /// Changes something; whether it was accepted.
    pub(crate) async fn write(&self, write: Write) -> bool {
        matches!(self.take(Action::Write(write)).await, Reply::Done(_))
    }

    /// Lets time pass.
    pub(crate) async fn wait(&self, length: SimDuration) {
        self.take(Action::Wait(length)).await;
    }

    /// Says what it believes.
    pub(crate) async fn declare(&self, declaration: Declaration) {
        self.take(Action::Declare(declaration)).await;
    }
}

/// A policy made of a procedure per task.
pub(crate) struct Procedure<R: Role, F> {
    name: &'static str,
    start: F,
    desk: Desk<R>,
    running: Option<Pin<Box<dyn Future<Output = Conclusion>>>>,
}

impl<R, F, P> Procedure<R, F>
where
    R: Employed,
    F: FnMut(Desk<R>, R::Task) -> P,
    P: Future<Output = Conclusion> + 'static,
{
    /// `start` begins the procedure for a task; what it returns is the report.
    pub(crate) fn new(name: &'static str, start: F) -> Self {
        Self { name, start, desk: Desk::default(), running: None }
    }

    fn step(&mut self, percept: &Percept<R::Heard>) -> R::Action {
        {
            let mut slot = self.desk.0.borrow_mut();
            slot.now = percept.now;
            slot.steps_left = percept.steps_left;
            slot.action = None;
            slot.heard = None;
        }
        match R::task(&percept.heard) {
            Some(task) => self.running = Some(Box::pin((self.start)(self.desk.clone(), task))),
            None => self.desk.0.borrow_mut().heard = Some(percept.heard.clone()),
        }
        let Some(procedure) = &mut self.running else {
            return R::report(Conclusion::default());
        };
        match procedure.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(conclusion) => {
                self.running = None;
                R::report(conclusion)
            }
            Poll::Pending => self
                .desk
                .0
                .borrow_mut()
                .action
                .take()
                .expect("a procedure awaits nothing but the answers to its own steps"),
        }
    }
}

impl<R, F, P> Policy<R> for Procedure<R, F>
where
    R: Employed,
    R::Action: 'static,
    F: FnMut(Desk<R>, R::Task) -> P,
    P: Future<Output = Conclusion> + 'static,
{
    fn name(&self) -> &str {
        self.name
    }

    fn decide<'a>(&'a mut self, percept: &'a Percept<R::Heard>) -> Deciding<'a, R::Action> {
        let action = self.step(percept);
        Box::pin(std::future::ready(Decision::without_model(action)))
    }
}
