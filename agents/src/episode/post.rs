//! The message queue as the conductor uses it: every message has a number, and what happens to it goes to the log.

use sim::environment::Unavailable;
use sim::episode::{EpisodeEvent, MessageEvent, MessageKind, MessageState};
use sim::time::SimTime;

use super::Log;
use crate::message::{Address, Body, Envelope, Kind};
use crate::queue::{Delivery, DeliveryTag, MessageQueue, Occurrence, TraceEvent};
use crate::render;

/// A queue, and how many messages went into it.
pub(super) struct Post<Q> {
    queue: Q,
    published: u64,
}

/// What became of a message as it was sent.
pub(super) struct Sent {
    /// Its number.
    pub(super) id: u64,
    /// Why nobody will ever get it, if so.
    pub(super) refused: Option<String>,
}

impl<Q: MessageQueue> Post<Q> {
    pub(super) fn new(queue: Q) -> Self {
        Self { queue, published: 0 }
    }

    /// Sends a message. A response says to which task or issue it belongs.
    pub(super) async fn publish(
        &mut self,
        now: SimTime,
        from: Address,
        to: Address,
        response_to: Option<u64>,
        body: Body,
        log: &mut Log<'_>,
    ) -> Result<Sent, Unavailable> {
        self.published += 1;
        let id = self.published;
        let text = words(&body);
        let correlation = response_to.unwrap_or(id);
        self.queue.publish(Envelope { id, from, to, correlation, sent_at: now, body }).await?;
        self.log_trace(now, &text, log);
        let dead = self.queue.drain_dead_letters(now).await?;
        let refused = dead.into_iter().find(|dead| dead.envelope.id == id).map(|dead| dead.reason.to_string());
        Ok(Sent { id, refused })
    }

    /// Everything that lies there for an address.
    pub(super) async fn receive(
        &mut self,
        of: &Address,
        now: SimTime,
        log: &mut Log<'_>,
    ) -> Result<Vec<Delivery>, Unavailable> {
        let mut received = Vec::new();
        while let Some(delivery) = self.queue.receive(of, now).await? {
            received.push(delivery);
        }
        self.log_trace(now, "", log);
        Ok(received)
    }

    /// A message has been dealt with.
    pub(super) async fn acknowledge(
        &mut self,
        tag: DeliveryTag,
        now: SimTime,
        log: &mut Log<'_>,
    ) -> Result<(), Unavailable> {
        self.queue.acknowledge(tag, now).await?;
        self.log_trace(now, "", log);
        Ok(())
    }

    /// A message will never be dealt with.
    pub(super) async fn reject(
        &mut self,
        tag: DeliveryTag,
        now: SimTime,
        why: &str,
        log: &mut Log<'_>,
    ) -> Result<(), Unavailable> {
        self.queue.reject(tag, now, why).await?;
        self.log_trace(now, "", log);
        Ok(())
    }

    /// The episode is over: what is left was never dealt with.
    pub(super) async fn purge(&mut self, now: SimTime, log: &mut Log<'_>) -> Result<(), Unavailable> {
        self.queue.purge(now).await?;
        self.log_trace(now, "", log);
        Ok(())
    }

    fn log_trace(&mut self, now: SimTime, text: &str, log: &mut Log<'_>) {
        for event in self.queue.drain_trace() {
            log.push(now, EpisodeEvent::Message(told(event, text)));
        }
    }
}

/// A body in words.
fn words(body: &Body) -> String {
    match body {
        Body::Task { text, .. } | Body::Issue { text } => text.clone(),
        Body::Response { outcome: Ok(conclusion) } => render::group::report(conclusion),
        Body::Response { outcome: Err(why) } => why.clone(),
    }
}

/// What the log tells of it; `text` is that of the message that was just sent.
fn told(event: TraceEvent, text: &str) -> MessageEvent {
    MessageEvent {
        message: event.id,
        of: match event.kind {
            Kind::Task => MessageKind::Task,
            Kind::Issue => MessageKind::Issue,
            Kind::Response => MessageKind::Response,
        },
        from: event.from.to_string(),
        to: event.to.to_string(),
        correlation: event.correlation,
        state: match event.what {
            Occurrence::Published => MessageState::Published { text: text.to_owned() },
            Occurrence::Delivered { attempt } => MessageState::Delivered { attempt },
            Occurrence::Acknowledged => MessageState::Acknowledged,
            Occurrence::Redelivered { reason } => MessageState::Redelivered { reason: reason.to_string() },
            Occurrence::Duplicate => MessageState::Duplicate,
            Occurrence::DeadLettered { reason } => MessageState::DeadLettered { reason: reason.to_string() },
        },
    }
}
