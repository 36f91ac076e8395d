//! Message queues at a broker, and the consumers that handle their messages.
//!
//! A *subscription* ties one consumer of one container to a queue of one broker container. At most
//! `concurrency` of its messages are unacknowledged at once (AMQP's prefetch). When the consumer
//! dies they return to the head of the queue; when the broker dies, queues and messages are gone
//! (a non-durable queue) and consumers subscribe anew. What was handled in an earlier *epoch* of a
//! subscription cannot be acknowledged any more.
//!
//! A message that a broker hands out takes no time on the network. Where packets do not get through (a partition), the
//! broker keeps it; loss and delay show on what is published and acknowledged only.

use std::collections::VecDeque;

use super::job::{Caller, Job, State};
use super::{Event, Host, Traffic, Work};
use crate::chance::Key;
use crate::engine::Queue;
use crate::ids::{ContainerIx, ServiceIx};
use crate::log::Said;
use crate::program::{Attributes, Consumer, NONE};
use crate::time::SimDuration;

/// How long a consumer waits before it tries its broker again (`recoveryInterval` of Spring's
/// listener containers).
const RECOVERY_INTERVAL: SimDuration = SimDuration::from_secs(5);

#[derive(Clone, Copy, Debug)]
struct Message {
    key: Key,
    attributes: Attributes,
}

/// A queue in one broker container.
#[derive(Clone, Debug)]
pub(super) struct MessageQueue {
    /// Which of the programs' queues.
    number: u32,
    messages: VecDeque<Message>,
    /// Subscriptions, in turn.
    consumers: VecDeque<u32>,
}

/// One consumer's tie to its broker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscription {
    consumer: ContainerIx,
    spec: Consumer,
    /// The broker container, while it is connected; else [`NONE`].
    broker: u32,
    epoch: u32,
    unacknowledged: u32,
    is_over: bool,
}

impl Traffic {
    /// A container listens: its consumers subscribe.
    pub(super) fn add_subscriptions<E: Host>(
        &mut self,
        queue: &mut Queue<E>,
        consumer: ContainerIx,
        service: ServiceIx,
    ) {
        let programs = self.programs.clone();
        for &spec in &programs.services[service.index()].consumers {
            let ix = self.subscriptions.len() as u32;
            self.subscriptions.push(Subscription {
                consumer,
                spec,
                broker: NONE,
                epoch: 0,
                unacknowledged: 0,
                is_over: false,
            });
            self.subscribe(queue, ix);
        }
    }

    /// A consumer tries to reach its broker.
    pub(super) fn subscribe<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32) {
        let Subscription { consumer, spec, is_over, .. } = self.subscriptions[ix as usize];
        if is_over {
            return;
        }
        let broker = match self.look_for(consumer, spec.broker, "subscribe") {
            Ok(broker) => broker,
            Err(error) => {
                self.say(consumer.0, Said::ConsumerFailed { broker: spec.broker, queue: spec.queue, error });
                queue.schedule(self.now + RECOVERY_INTERVAL, Event::Subscribe(ix).into());
                return;
            }
        };
        let subscription = &mut self.subscriptions[ix as usize];
        subscription.broker = broker;
        subscription.epoch += 1;
        subscription.unacknowledged = 0;
        self.message_queue(broker, spec.queue).consumers.push_back(ix);
        self.work.push_back(Work::Deliver(ContainerIx(broker), spec.queue));
    }

    fn message_queue(&mut self, broker: u32, number: u32) -> &mut MessageQueue {
        let queues = &mut self.containers[broker as usize].queues;
        let at = queues.iter().position(|queue| queue.number == number).unwrap_or_else(|| {
            queues.push(MessageQueue { number, messages: VecDeque::new(), consumers: VecDeque::new() });
            queues.len() - 1
        });
        &mut queues[at]
    }

    /// A broker container has taken a message.
    pub(super) fn publish(&mut self, broker: u32, number: u32, key: Key, attributes: Attributes) {
        if self.containers[broker as usize].is_alive() {
            self.message_queue(broker, number).messages.push_back(Message { key: key.with_str("message"), attributes });
            self.work.push_back(Work::Deliver(ContainerIx(broker), number));
        }
    }

    /// Hands messages to consumers that are ready, one to each in turn.
    pub(super) fn deliver<E: Host>(&mut self, queue: &mut Queue<E>, broker: ContainerIx, number: u32) {
        if !self.containers[broker.index()].is_alive() {
            return;
        }
        while let Some(ix) = self.consumer_in_turn(broker, number) {
            let message_queue = self.message_queue(broker.0, number);
            let Some(message) = message_queue.messages.pop_front() else {
                return;
            };
            message_queue.consumers.retain(|&other| other != ix);
            message_queue.consumers.push_back(ix);
            self.handle_message(queue, ix, message);
        }
    }

    /// The first consumer in turn that can take a message: it has not too many, and packets get through to it.
    fn consumer_in_turn(&mut self, broker: ContainerIx, number: u32) -> Option<u32> {
        let mut turn = 0;
        loop {
            let ix = *self.message_queue(broker.0, number).consumers.get(turn)?;
            let subscription = &self.subscriptions[ix as usize];
            let address = |container: ContainerIx| self.containers[container.index()].address;
            if subscription.unacknowledged < subscription.spec.concurrency
                && !self.is_cut(address(subscription.consumer), address(broker))
            {
                return Some(ix);
            }
            turn += 1;
        }
    }

    /// Brokers look again for consumers that they can reach.
    pub(super) fn deliver_everywhere(&mut self) {
        for subscription in self.subscriptions.iter().filter(|subscription| subscription.broker != NONE) {
            self.work.push_back(Work::Deliver(ContainerIx(subscription.broker), subscription.spec.queue));
        }
    }

    /// The consumer's program starts on a message.
    fn handle_message<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32, message: Message) {
        let subscription = &mut self.subscriptions[ix as usize];
        subscription.unacknowledged += 1;
        let mut job = Job::new(message.key, self.now, Caller::Message(ix, subscription.epoch));
        job.attributes = message.attributes;
        job.container = subscription.consumer.0;
        job.pc = subscription.spec.entry;
        job.state = State::Blocked;
        let consumer = job.container;
        self.containers[consumer as usize].in_flight += 1;
        let job = self.jobs.add(job);
        self.check_memory(consumer);
        self.step(queue, job);
    }

    /// A message has been handled: the broker is told.
    pub(super) fn message_handled<E: Host>(&mut self, queue: &mut Queue<E>, ix: u32, epoch: u32, consumer: u32) {
        let subscription = self.subscriptions[ix as usize];
        if subscription.epoch != epoch || subscription.broker == NONE {
            return;
        }
        let Some(endpoint) = self.programs.services[subscription.spec.broker.index()].ack else {
            return self.acknowledged(ix, epoch);
        };
        let key = self.containers[consumer as usize].key.with_str("ack").with(self.now.0);
        let mut job = Job::new(key, self.now, Caller::Ack(ix, epoch));
        job.endpoint = endpoint.0;
        job.container = subscription.broker;
        job.client = self.containers[consumer as usize].address;
        let job = self.jobs.add(job);
        self.send(queue, job);
    }

    /// The broker knows that a message was handled, or is gone.
    pub(super) fn acknowledged(&mut self, ix: u32, epoch: u32) {
        let subscription = &mut self.subscriptions[ix as usize];
        if subscription.epoch == epoch && subscription.broker != NONE {
            subscription.unacknowledged -= 1;
            self.work.push_back(Work::Deliver(ContainerIx(subscription.broker), subscription.spec.queue));
        }
    }

    /// A container is dead: as a broker it loses its consumers, as a consumer it leaves its brokers.
    pub(super) fn leave_brokers<E: Host>(&mut self, queue: &mut Queue<E>, dead: u32) {
        for ix in 0..self.subscriptions.len() as u32 {
            let subscription = &mut self.subscriptions[ix as usize];
            if subscription.is_over {
                continue;
            }
            if subscription.broker == dead {
                subscription.broker = NONE;
                subscription.epoch += 1;
                queue.schedule(self.now + RECOVERY_INTERVAL, Event::Subscribe(ix).into());
            }
            if subscription.consumer.0 == dead {
                subscription.is_over = true;
                let (broker, number, epoch) = (subscription.broker, subscription.spec.queue, subscription.epoch);
                if broker != NONE {
                    self.requeue(ix, broker, number, epoch);
                }
            }
        }
    }

    /// What a dead consumer had not acknowledged returns to the head of its queue.
    fn requeue(&mut self, ix: u32, broker: u32, number: u32, epoch: u32) {
        let unhandled: Vec<_> =
            self.jobs.live().filter(|&job| self.jobs[job].caller == Caller::Message(ix, epoch)).collect();
        for &job in unhandled.iter().rev() {
            let message = Message { key: self.jobs[job].key, attributes: self.jobs[job].attributes };
            self.message_queue(broker, number).messages.push_front(message);
        }
        self.message_queue(broker, number).consumers.retain(|&other| other != ix);
        self.work.push_back(Work::Deliver(ContainerIx(broker), number));
    }

    /// Messages that wait in the queues of a broker container.
    pub fn queued_messages(&self, broker: ContainerIx) -> usize {
        self.containers[broker.index()].queues.iter().map(|queue| queue.messages.len()).sum()
    }
}
