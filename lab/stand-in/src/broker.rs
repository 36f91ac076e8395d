//! Message queues, for a service that others publish to.
//!
//! A consumer asks for the next message of a queue on a connection of its own, and by asking it acknowledges the one
//! before. What it has not acknowledged when its connection ends returns to the head of its queue. Queues live in
//! memory and end with the process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use sim::ids::ServiceIx;
use sim::program::{Attributes, Programs};
use tokio::sync::Notify;

use crate::handler::Job;
use crate::process::Process;
use crate::wire;

/// The queues of this service.
#[derive(Debug)]
pub(crate) struct Broker {
    queues: Vec<Queue>,
}

/// One queue.
#[derive(Debug)]
pub(crate) struct Queue {
    name: String,
    /// The path that consumers ask.
    path: String,
    messages: Mutex<VecDeque<Attributes>>,
    arrived: Notify,
}

/// What a consumer at the other end of a connection has and did not acknowledge: queue, message.
pub(crate) type Unacknowledged = Mutex<Vec<(usize, Attributes)>>;

impl Broker {
    pub(crate) fn new(programs: &Programs, service: ServiceIx) -> Self {
        let mine = programs.queues.iter().filter(|(broker, _)| *broker == service);
        let queues = mine.map(|(_, name)| Queue {
            name: name.clone(),
            path: wire::queue_path(name),
            messages: Mutex::default(),
            arrived: Notify::new(),
        });
        Self { queues: queues.collect() }
    }

    /// Takes a message.
    pub(crate) fn publish(&self, name: &str, message: Attributes) {
        if let Some(queue) = self.queues.iter().find(|queue| queue.name == name) {
            queue.messages.lock().expect(NO_PANIC).push_back(message);
            queue.arrived.notify_one();
        }
    }

    /// The queue that consumers ask for at a path.
    pub(crate) fn at(&self, path: &str) -> Option<usize> {
        self.queues.iter().position(|queue| queue.path == path)
    }

    /// Messages that wait, by queue.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (&str, usize)> {
        self.queues.iter().map(|queue| (queue.name.as_str(), queue.messages.lock().expect(NO_PANIC).len()))
    }

    /// Waits for the next message of a queue.
    async fn take(&self, queue: usize, unacknowledged: &Unacknowledged) -> Attributes {
        let Queue { messages, arrived, .. } = &self.queues[queue];
        loop {
            let arrival = arrived.notified();
            if let Some(message) = messages.lock().expect(NO_PANIC).pop_front() {
                unacknowledged.lock().expect(NO_PANIC).push((queue, message));
                return message;
            }
            arrival.await;
        }
    }

    /// The connection of a consumer has ended.
    pub(crate) fn lose(&self, unacknowledged: &Unacknowledged) {
        for (queue, message) in unacknowledged.lock().expect(NO_PANIC).drain(..).rev() {
            let queue = &self.queues[queue];
            queue.messages.lock().expect(NO_PANIC).push_front(message);
            queue.arrived.notify_one();
        }
    }
}

/// A consumer asks for its next message: the one before is acknowledged, which may cost the broker something.
pub(crate) async fn next(process: &Arc<Process>, queue: usize, unacknowledged: &Unacknowledged) -> Attributes {
    let handled = std::mem::take(&mut *unacknowledged.lock().expect(NO_PANIC));
    for (_, message) in handled {
        if let Some(ack) = process.service().ack {
            let work = Job::new(process, message).request(ack, process.memory.enter());
            process.stage.handler(work).await;
        }
    }
    process.broker.take(queue, unacknowledged).await
}

const NO_PANIC: &str = "nobody panics while he holds it";
