//! The message queue between the maintainer, the group manager and the autonomic agents.
//!
//! ```text
//!  publish ──▶ queue of the receiver ──receive──▶ held by the receiver ──acknowledge──▶ done
//!                  ▲        │                       │            │
//!                  │        │ deadline,             │ timeout,   │ refuse, or delivered
//!                  │        │ no such address       │ release    │ too often
//!                  └────────┼───────────────────────┘            │
//!                           └──────────▶ dead letters ◀──────────┘
//! ```
//!
//! Terms. A *delivery* hands an envelope to its receiver, who *holds* it until it acknowledges it. An envelope that is
//! not acknowledged within the *visibility timeout* is delivered again. The *dead letters* are the envelopes that the
//! queue has given up, each with the reason.
//!
//! Invariants, of every implementation:
//! - At least once: an envelope that was published is acknowledged once, or a dead letter once, or still queued or held.
//! - Nothing twice: a copy of an envelope that is held or done with is dropped when it comes up, and its receiver never
//!   sees it.
//! - First deliveries of one address come in the order of publication, and what is delivered again comes before what
//!   was published later.
//! - Time is the world's and is told with each call; it never goes back. The queue does nothing between calls:
//!   [`MessageQueue::next_expiry`] says when to call [`MessageQueue::expire`].
//! - Everything that happens is in the trace, in order.

mod in_process;
mod ledger;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;

use std::fmt;
use std::future::Future;

use serde::{Deserialize, Serialize};
use sim::environment::Unavailable;
use sim::time::{SimDuration, SimTime};

use crate::message::{Address, Envelope, Kind};

pub use in_process::InProcess;

/// The queue as its users see it.
///
/// All methods are async for the sake of a broker; the futures of [`InProcess`] are always ready. An error means that
/// the broker is lost, and the episode is void.
pub trait MessageQueue {
    /// Takes an envelope in, at its [`Envelope::sent_at`]. One whose address does not exist, or that cannot travel,
    /// becomes a dead letter at once.
    fn publish(&mut self, envelope: Envelope) -> impl Future<Output = Result<(), Unavailable>>;

    /// Delivers the next envelope of an address, if it has one and holds fewer than [`Settings::prefetch`]. What has
    /// expired by `now` is never delivered.
    fn receive(&mut self, of: &Address, now: SimTime) -> impl Future<Output = Result<Option<Delivery>, Unavailable>>;

    /// The receiver has done what the envelope asks for.
    fn acknowledge(
        &mut self,
        tag: DeliveryTag,
        now: SimTime,
    ) -> impl Future<Output = Result<Acknowledgement, Unavailable>>;

    /// The receiver is still at work: its visibility timeout begins anew. Nothing if it no longer holds the delivery.
    fn extend(&mut self, tag: DeliveryTag, now: SimTime);

    /// The receiver could not do it, or died: the envelope is delivered again, if it was not delivered too often.
    /// Nothing if the receiver no longer holds the delivery.
    fn release(&mut self, tag: DeliveryTag, now: SimTime, why: &str) -> impl Future<Output = Result<(), Unavailable>>;

    /// Nobody will ever be able to do it: the envelope becomes a dead letter. Nothing if the receiver no longer holds
    /// the delivery.
    fn reject(&mut self, tag: DeliveryTag, now: SimTime, why: &str) -> impl Future<Output = Result<(), Unavailable>>;

    /// When [`Self::expire`] has next something to do, as far as is known; it may be in the past.
    fn next_expiry(&self) -> Option<SimTime>;

    /// Takes back what was not acknowledged in time, and gives up what nobody took in time.
    fn expire(&mut self, now: SimTime) -> impl Future<Output = Result<(), Unavailable>>;

    /// The dead letters since the last call, in the order in which they were given up.
    fn drain_dead_letters(&mut self, now: SimTime) -> impl Future<Output = Result<Vec<DeadLetter>, Unavailable>>;

    /// Ends the episode: all that is still queued or held becomes a dead letter. Returns what
    /// [`Self::drain_dead_letters`] would.
    fn purge(&mut self, now: SimTime) -> impl Future<Output = Result<Vec<DeadLetter>, Unavailable>>;

    /// How often a copy of an envelope was dropped, or one was acknowledged that had ended.
    fn duplicates(&self) -> u64;

    /// What happened since the last call, in order.
    fn drain_trace(&mut self) -> Vec<TraceEvent>;
}

/// How patient a queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a receiver may hold an envelope without a word.
    pub visibility_timeout: SimDuration,
    /// How often an envelope is delivered at most; at least once.
    pub max_deliveries: u32,
    /// How long after it was sent an envelope may wait for somebody who takes it.
    pub time_to_live: SimDuration,
    /// How many envelopes one address may hold at once.
    pub prefetch: usize,
}

impl Default for Settings {
    /// One minute to acknowledge or to say that the work goes on, three deliveries, an hour to live, and as many at once
    /// as any hierarchy needs.
    fn default() -> Self {
        Self {
            visibility_timeout: SimDuration::from_secs(60),
            max_deliveries: 3,
            time_to_live: SimDuration::from_secs(3600),
            prefetch: 64,
        }
    }
}

impl Settings {
    /// Until when somebody must have taken an envelope.
    pub fn deadline(&self, envelope: &Envelope) -> SimTime {
        envelope.sent_at + self.time_to_live
    }
}

/// Names one delivery, within its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeliveryTag(pub(crate) u64);

/// An envelope in the hands of its receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// What to acknowledge it by.
    pub tag: DeliveryTag,
    /// How often it has been delivered, this time included.
    pub attempt: u32,
    /// The envelope.
    pub envelope: Envelope,
}

/// What an acknowledgement was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// The envelope is done with. It counts even after the visibility timeout, as long as nothing else has ended it.
    First,
    /// The envelope had been acknowledged before: what was done now was done twice, and must not count.
    Again,
    /// The envelope is a dead letter: what was done comes too late.
    TooLate,
}

/// An envelope that the queue has given up.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// The envelope.
    pub envelope: Envelope,
    /// Why.
    pub reason: DeadLetterReason,
}

/// Why an envelope was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case", deny_unknown_fields)]
pub enum DeadLetterReason {
    /// Nobody has its address.
    NoSuchAddress,
    /// It cannot travel.
    Unwritable {
        /// What is wrong with it.
        why: String,
    },
    /// Nobody took it before its deadline.
    NobodyTookIt {
        /// How often it had been delivered before.
        deliveries: u32,
    },
    /// It was delivered as often as may be, and never acknowledged.
    DeliveredTooOften {
        /// How often.
        deliveries: u32,
        /// How the last one ended.
        last: RedeliveryReason,
    },
    /// Its receiver refused it for good.
    Rejected {
        /// The receiver's words.
        why: String,
    },
    /// The episode was over.
    EpisodeOver {
        /// How often it had been delivered: 0 if it was never taken.
        deliveries: u32,
    },
}

/// Why an envelope has to be delivered again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case", deny_unknown_fields)]
pub enum RedeliveryReason {
    /// It was not acknowledged in time.
    TimedOut,
    /// Its receiver gave it back.
    Released {
        /// The receiver's words.
        why: String,
    },
    /// The connection or the process of its receiver was lost.
    ReceiverLost,
}

impl fmt::Display for RedeliveryReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("it was not acknowledged in time"),
            Self::Released { why } => write!(f, "its receiver gave it back: {why}"),
            Self::ReceiverLost => f.write_str("its receiver was lost"),
        }
    }
}

impl fmt::Display for DeadLetterReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchAddress => f.write_str("nobody has its address"),
            Self::Unwritable { why } => write!(f, "it cannot travel: {why}"),
            Self::NobodyTookIt { deliveries: 0 } => f.write_str("nobody took it before its deadline"),
            Self::NobodyTookIt { deliveries } => {
                write!(f, "nobody took it again before its deadline; deliveries: {deliveries}")
            }
            Self::DeliveredTooOften { deliveries, last } => {
                write!(f, "never acknowledged; deliveries: {deliveries}; the last one: {last}")
            }
            Self::Rejected { why } => write!(f, "its receiver refused it: {why}"),
            Self::EpisodeOver { deliveries: 0 } => f.write_str("nobody took it before the episode was over"),
            Self::EpisodeOver { .. } => f.write_str("nobody acknowledged it before the episode was over"),
        }
    }
}

/// One thing that happened to an envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceEvent {
    /// When, on the world's clock.
    pub at: SimTime,
    /// What.
    pub what: Occurrence,
    /// [`Envelope::id`].
    pub id: u64,
    /// The kind of message.
    pub kind: Kind,
    /// [`Envelope::from`].
    pub from: Address,
    /// [`Envelope::to`].
    pub to: Address,
    /// [`Envelope::correlation`].
    pub correlation: u64,
}

/// What happened to an envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occurrence {
    /// It was taken in.
    Published,
    /// It was handed to its receiver.
    Delivered {
        /// How often it has been, this time included.
        attempt: u32,
    },
    /// It is done with.
    Acknowledged,
    /// Its receiver no longer holds it, and it is queued again.
    Redelivered {
        /// Why.
        reason: RedeliveryReason,
    },
    /// A copy of it was dropped, or it was acknowledged when it had ended.
    Duplicate,
    /// It was given up.
    DeadLettered {
        /// Why.
        reason: DeadLetterReason,
    },
}
