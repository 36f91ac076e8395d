//! The message queue as the conductor uses it: every message has a number, and what happens to it goes to the log.
//!
//! Nobody waits for ever for what the queue has given up: a message that is refused as it is sent is told to its sender
//! ([`Sent::refused`]), and one that is lost later is handed over by [`Post::lost`], to whoever waits for its answer. What
//! the maintainer waits for cannot be answered by anybody else, so that the episode is void without it. It is void too where
//! the queue says that a message was dealt with twice, since what was done then counts twice; that it gave a message up
//! which was dealt with all the same is in the log (`duplicate`, after `dead_lettered`), and its answer counts if somebody
//! still waits for it.

use sim::environment::Unavailable;
use sim::episode::{EpisodeEvent, MessageEvent, MessageKind, MessageState};
use sim::time::SimTime;

use super::Log;
use crate::message::{Address, Body, Envelope, Kind};
use crate::queue::{Acknowledgement, DeadLetter, Delivery, DeliveryTag, MessageQueue, Occurrence, TraceEvent};
use crate::render;

/// A queue, and how many messages went into it.
pub(super) struct Post<Q> {
    queue: Q,
    published: u64,
    /// Whether the queue has told of dead letters that were not looked at.
    has_given_up: bool,
    /// Those that were looked at, and not told to anybody.
    lost: Vec<DeadLetter>,
}

/// A message that the queue has given up.
pub(super) struct Lost {
    /// The task or issue that it is, or to which it belongs.
    pub(super) correlation: u64,
    /// Who waits for an answer to that.
    pub(super) waiting: Address,
    /// What is to be told.
    pub(super) why: String,
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
        Self { queue, published: 0, has_given_up: false, lost: Vec::new() }
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
        self.has_given_up = false;
        self.lost.extend(self.queue.drain_dead_letters(now).await?);
        let own = self.lost.iter().position(|dead| dead.envelope.id == id);
        Ok(Sent { id, refused: own.map(|own| self.lost.remove(own).reason.to_string()) })
    }

    /// What the queue has given up since this was last asked, but for what was refused as it was sent.
    pub(super) async fn lost(&mut self, now: SimTime) -> Result<Vec<Lost>, Unavailable> {
        if std::mem::take(&mut self.has_given_up) {
            self.lost.extend(self.queue.drain_dead_letters(now).await?);
        }
        Ok(std::mem::take(&mut self.lost).into_iter().map(told_of).collect())
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
    ///
    /// # Errors
    /// The queue failed, or says that this was done before.
    pub(super) async fn acknowledge(
        &mut self,
        tag: DeliveryTag,
        now: SimTime,
        log: &mut Log<'_>,
    ) -> Result<(), Unavailable> {
        let worth = self.queue.acknowledge(tag, now).await?;
        self.log_trace(now, "", log);
        match worth {
            // That it comes too late is in the trace.
            Acknowledgement::First | Acknowledgement::TooLate => Ok(()),
            Acknowledgement::Again => {
                Err(Unavailable("a message was delivered and dealt with twice: what was done counts twice".to_owned()))
            }
        }
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
        // Its dead letters are in the trace, and nobody waits for an answer to them any more.
        self.queue.purge(now).await?;
        self.log_trace(now, "", log);
        Ok(())
    }

    fn log_trace(&mut self, now: SimTime, text: &str, log: &mut Log<'_>) {
        for event in self.queue.drain_trace() {
            self.has_given_up |= matches!(event.what, Occurrence::DeadLettered { .. });
            log.push(now, EpisodeEvent::Message(told(event, text)));
        }
    }
}

/// Who has to hear of a dead letter, and what.
fn told_of(dead: DeadLetter) -> Lost {
    let DeadLetter { envelope: Envelope { from, to, correlation, body, .. }, reason } = dead;
    match body {
        Body::Task { .. } | Body::Issue { .. } => {
            Lost { correlation, waiting: from, why: format!("it was not delivered: {reason}") }
        }
        Body::Response { .. } => Lost { correlation, waiting: to, why: format!("its report did not arrive: {reason}") },
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
