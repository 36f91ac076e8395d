//! Rules written as straight procedures: a procedure asks its [`Desk`] for one step after the
//! other and awaits the answers; [`Procedure`] turns it into a [`Policy`].
//!
//! The procedure is a future that is only ever polled from `decide`: it runs until it has put its
//! next action on the desk, and goes on when the answer lies there. No runtime is involved.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use sim::environment::{Action, Conclusion, Declaration, MetricQuery, Observation, Query, Write};
use sim::time::SimDuration;

use super::{AutonomicAgent, Deciding, Decision, Heard, Percept, Policy, Reply, TaskView};

/// What lies between a procedure and the one who runs it.
#[derive(Default)]
struct Slot {
    steps_left: u32,
    action: Option<Action>,
    reply: Option<Reply>,
}

/// Where a procedure asks for steps.
#[derive(Clone)]
pub(crate) struct Desk(Rc<RefCell<Slot>>);

impl Desk {
    /// Steps left of the budget.
    pub(crate) fn steps_left(&self) -> u32 {
        self.0.borrow().steps_left
    }

    /// Takes one step and waits for its answer.
    pub(crate) async fn take(&self, action: Action) -> Reply {
        self.0.borrow_mut().action = Some(action);
        poll_fn(|_| match self.0.borrow_mut().reply.take() {
            Some(reply) => Poll::Ready(reply),
            None => Poll::Pending,
        })
        .await
    }

    /// Looks; a refused look is seen as nothing.
    pub(crate) async fn see(&self, query: Query) -> Option<Observation> {
        match self.take(Action::Observe(query)).await {
            Reply::Seen(observation) => Some(observation),
            _ => None,
        }
    }

    /// The single number that an instant `PromQL` query yields; none if it yields nothing or NaN.
    pub(crate) async fn number(&self, promql: String) -> Option<f64> {
        let query = MetricQuery { promql, range: None, step: None };
        let Some(Observation::Metrics(data)) = self.see(Query::Metrics(query)).await else {
            return None;
        };
        let text = match data.get("resultType")?.as_str()? {
            "scalar" => data.get("result")?.get(1)?.as_str()?,
            _ => data.get("result")?.get(0)?.get("value")?.get(1)?.as_str()?,
        };
        text.parse::<f64>().ok().filter(|v| v.is_finite())
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
pub(crate) struct Procedure<F> {
    name: &'static str,
    start: F,
    desk: Desk,
    running: Option<Pin<Box<dyn Future<Output = Conclusion>>>>,
}

impl<F, P> Procedure<F>
where
    F: FnMut(Desk, TaskView) -> P,
    P: Future<Output = Conclusion> + 'static,
{
    /// `start` begins the procedure for a task; what it returns is the report.
    pub(crate) fn new(name: &'static str, start: F) -> Self {
        Self { name, start, desk: Desk(Rc::default()), running: None }
    }

    fn step(&mut self, percept: &Percept<Heard>) -> Action {
        {
            let mut slot = self.desk.0.borrow_mut();
            slot.steps_left = percept.steps_left;
            slot.action = None;
            slot.reply = None;
        }
        match &percept.heard {
            Heard::Task(task) => {
                self.running = Some(Box::pin((self.start)(self.desk.clone(), (**task).clone())));
            }
            Heard::Answer(reply) => self.desk.0.borrow_mut().reply = Some(reply.clone()),
        }
        let Some(procedure) = &mut self.running else {
            return Action::Report(Conclusion::default());
        };
        match procedure.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(conclusion) => {
                self.running = None;
                Action::Report(conclusion)
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

impl<F, P> Policy<AutonomicAgent> for Procedure<F>
where
    F: FnMut(Desk, TaskView) -> P,
    P: Future<Output = Conclusion> + 'static,
{
    fn name(&self) -> &str {
        self.name
    }

    fn decide<'a>(&'a mut self, percept: &'a Percept<Heard>) -> Deciding<'a, Action> {
        let action = self.step(percept);
        Box::pin(std::future::ready(Decision::without_model(action)))
    }
}
