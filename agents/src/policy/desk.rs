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
use sim::environment::{Action, Conclusion, Declaration, MetricQuery, Observation, Query, Write};
use sim::time::{SimDuration, SimTime};

use super::{AutonomicAgent, Deciding, Decision, Heard, Percept, Policy, Reply, TaskView};

/// What lies between a procedure and the one who runs it.
#[derive(Default)]
struct Slot {
    now: SimTime,
    steps_left: u32,
    action: Option<Action>,
    reply: Option<Reply>,
}

/// Where a procedure asks for steps.
#[derive(Clone)]
pub(crate) struct Desk(Rc<RefCell<Slot>>);

impl Desk {
    /// The world's clock.
    pub(crate) fn now(&self) -> SimTime {
        self.0.borrow().now
    }

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
            slot.now = percept.now;
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
