//! The queue on a `RabbitMQ` broker (3.10 or later), for agents in several processes.
//!
//! ```text
//!  publish ─▶ exchange sockpit.NAME ─▶ sockpit.NAME.ADDRESS ─get─▶ Ledger ─▶ the receiver
//!                                        │ delivery limit            │ deadline, too often, rejected, unreadable
//!                                        ▼                           ▼
//!                             exchange sockpit.NAME.dead ─▶ queue sockpit.NAME.dead
//! ```
//!
//! Each address has a durable quorum queue, which counts deliveries and gives up what is delivered too often; messages
//! are persistent, publishing waits for the broker's confirmation, and acknowledgements are given by hand. A connection
//! that is lost is made again, with pauses that grow, and what was under way is tried again.
//!
//! Nothing is lost and nothing done twice, since
//! - what was published without a confirmation is published once more, and the copy is dropped by its id where it is
//!   received;
//! - what is held when the connection is lost goes back into its queue. When it comes out again its receiver, who still
//!   works on it, is not troubled: only the right to acknowledge it passes to the new connection. If it comes out after
//!   it was acknowledged, it is dropped;
//! - what goes to the dead letters is confirmed there before it is acknowledged where it was.
//!
//! All this holds as long as each address is received in one process, and for the life of that process: an envelope
//! whose receiver's process dies is delivered again to its successor, however much of it had been done.
//!
//! Time is the world's here too: the broker's clock plays no part, deadlines and timeouts are looked after by the
//! process that published or received the envelope. Only the waiting for the broker itself is on the machine's clock.
//! The futures need a tokio runtime with its drivers for input, output and time.

mod dead_letters;
mod letter;
mod link;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use sim::environment::Unavailable;
use sim::time::SimTime;

use super::ledger::{Admission, Ledger, State};
use super::{
    Acknowledgement, DeadLetter, DeadLetterReason, Delivery, DeliveryTag, MessageQueue, RedeliveryReason, Settings,
    TraceEvent,
};
use crate::message::{Address, Envelope};

pub use link::Broker;
use link::{Claim, Fetched, Link, Names};

/// How often to look for what the broker has yet to put back after a connection was lost, and how long to wait between.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_millis(50);

/// A message queue on a broker.
pub struct RabbitMq {
    ledger: Ledger,
    link: Link,
    /// The claims of what is held, by id.
    claims: BTreeMap<u64, Claim>,
    /// What has come out of the broker in search of something else, and is next.
    fetched: BTreeMap<Address, VecDeque<Fetched>>,
    /// What is done with, but may come out of the broker once more.
    owed: BTreeSet<u64>,
    /// The ids that have been seen among the broker's dead letters.
    seen_dead: BTreeSet<u64>,
    unreadable: Vec<Unreadable>,
}

/// Something in the queue of an address that is no envelope for it. It lies among the broker's dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Whose queue it was in.
    pub of: Address,
    /// What is wrong with it.
    pub why: String,
}

impl RabbitMq {
    /// Connects to a broker, and declares the queues of these addresses. All processes of an episode must name the same
    /// addresses and settings.
    ///
    /// # Errors
    /// The broker cannot be reached, or refuses.
    pub async fn connect(
        broker: Broker,
        addresses: impl IntoIterator<Item = Address>,
        settings: Settings,
    ) -> Result<Self, Unavailable> {
        let addresses: BTreeSet<Address> = addresses.into_iter().collect();
        let names = Names::new(&broker.name, &addresses)?;
        // The broker counts how often a message came back, the settings how often it went out.
        let link = Link::connect(broker, names, settings.max_deliveries.saturating_sub(1)).await?;
        Ok(Self {
            ledger: Ledger::new(addresses, settings),
            link,
            claims: BTreeMap::new(),
            fetched: BTreeMap::new(),
            owed: BTreeSet::new(),
            seen_dead: BTreeSet::new(),
            unreadable: Vec::new(),
        })
    }

    /// What was found since the last call that is no envelope.
    pub fn drain_unreadable(&mut self) -> Vec<Unreadable> {
        std::mem::take(&mut self.unreadable)
    }

    /// Removes the exchanges and queues of this name from the broker, and all that is in them.
    ///
    /// # Errors
    /// The broker is lost.
    pub async fn delete(mut self) -> Result<(), Unavailable> {
        self.link.delete().await
    }

    /// The next message of an address.
    async fn next(&mut self, of: &Address) -> Result<Option<Fetched>, Unavailable> {
        while let Some(fetched) = self.fetched.get_mut(of).and_then(VecDeque::pop_front) {
            // What came over a connection that is lost comes again.
            if self.link.is_alive(&fetched.claim) {
                return Ok(Some(fetched));
            }
        }
        self.link.get(of).await
    }

    /// Reads a message of an address. What is no envelope for it goes to the dead letters.
    async fn read(&mut self, of: &Address, fetched: Fetched) -> Result<Option<Read>, Unavailable> {
        match letter::read(of, &fetched.body) {
            Ok(envelope) => {
                let deliveries = letter::deliveries(&fetched.headers);
                Ok(Some(Read { envelope, deliveries, claim: fetched.claim }))
            }
            Err(why) => {
                self.link.bury(&letter::properties_of_unreadable(&why), &fetched.body).await?;
                self.link.acknowledge(&fetched.claim).await;
                self.unreadable.push(Unreadable { of: of.clone(), why });
                Ok(None)
            }
        }
    }

    /// Decides what becomes of an envelope that has come out of the broker. Returns its id if it waits for its receiver;
    /// its claim is kept then.
    async fn take(&mut self, read: Read, now: SimTime) -> Option<u64> {
        let Read { envelope, deliveries, claim } = read;
        let id = envelope.id;
        let is_out = self.claims.get(&id).is_some_and(|claim| self.link.is_alive(claim));
        match self.ledger.find(id) {
            Some(State::Held { .. }) if !is_out => {
                self.claims.insert(id, claim);
                None
            }
            None | Some(State::Queued | State::Elsewhere) if !is_out => {
                self.ledger.meet(envelope, now, deliveries);
                self.claims.insert(id, claim);
                Some(id)
            }
            _ => {
                self.ledger.duplicate(id, now);
                self.end(id, Some(claim)).await;
                None
            }
        }
    }

    /// Ends a message at the broker, or takes note that it will come out once more.
    async fn end(&mut self, id: u64, claim: Option<Claim>) {
        let ended = match claim {
            Some(claim) => self.link.acknowledge(&claim).await,
            None => false,
        };
        if ended {
            self.owed.remove(&id);
        } else {
            self.owed.insert(id);
        }
    }

    /// Whether something is out over a connection that is lost, or not yet put back from there.
    fn is_owed_something(&self) -> bool {
        !self.owed.is_empty() || self.claims.values().any(|claim| !self.link.is_alive(claim))
    }

    /// Takes everything out of the broker that there is.
    async fn take_all(&mut self, now: SimTime) -> Result<(), Unavailable> {
        for of in self.ledger.addresses().clone() {
            while let Some(fetched) = self.next(&of).await? {
                if let Some(read) = self.read(&of, fetched).await? {
                    self.take(read, now).await;
                }
            }
        }
        Ok(())
    }

    async fn take_back(&mut self, id: u64, now: SimTime, reason: RedeliveryReason) -> Result<(), Unavailable> {
        if let Some(reason) = self.ledger.take_back(id, now, reason) {
            return self.bury(id, &reason).await;
        }
        if let Some(claim) = self.claims.remove(&id) {
            self.link.give_back(&claim).await;
        }
        Ok(())
    }

    /// Gives up an envelope that has waited for too long, if it still waits at the broker.
    async fn expire_waiting(&mut self, id: u64, now: SimTime) -> Result<(), Unavailable> {
        let of = self.ledger.receiver(id).clone();
        let mut passed = VecDeque::new();
        let mut found = None;
        while let Some(fetched) = self.next(&of).await? {
            if letter::read(&of, &fetched.body).is_ok_and(|envelope| envelope.id == id) {
                found = Some(fetched.claim);
                break;
            }
            passed.push_back(fetched);
        }
        let rest = self.fetched.entry(of).or_default();
        passed.append(rest);
        *rest = passed;
        let Some(claim) = found else {
            self.ledger.lose(id);
            return Ok(());
        };
        self.claims.insert(id, claim);
        let deliveries = self.ledger.deliveries(id);
        self.give_up(id, now, DeadLetterReason::NobodyTookIt { deliveries }).await
    }
}

/// An envelope that has come out of the broker.
struct Read {
    envelope: Envelope,
    /// How often it had been delivered before.
    deliveries: u32,
    claim: Claim,
}

impl MessageQueue for RabbitMq {
    async fn publish(&mut self, envelope: Envelope) -> Result<(), Unavailable> {
        let (id, at) = (envelope.id, envelope.sent_at);
        match self.ledger.admit(envelope) {
            Admission::Drop => return Ok(()),
            Admission::GivenUp(reason) => return self.bury(id, &reason).await,
            Admission::Queue => {}
        }
        let envelope = self.ledger.envelope(id);
        let body = envelope.to_wire().map_err(|error| Unavailable(error.to_string()))?;
        if self.link.publish(&envelope.to, &letter::properties(envelope), &body).await? {
            return Ok(());
        }
        self.give_up(id, at, DeadLetterReason::NoSuchAddress).await
    }

    async fn receive(&mut self, of: &Address, now: SimTime) -> Result<Option<Delivery>, Unavailable> {
        self.expire(now).await?;
        if !self.ledger.addresses().contains(of) || self.ledger.is_busy(of) {
            return Ok(None);
        }
        for _ in 0..TRIES {
            while let Some(fetched) = self.next(of).await? {
                let Some(read) = self.read(of, fetched).await? else { continue };
                let Some(id) = self.take(read, now).await else { continue };
                match self.ledger.refusal(id, now) {
                    Some(reason) => self.give_up(id, now, reason).await?,
                    None => return Ok(Some(self.ledger.deliver(id, now))),
                }
            }
            if !self.link.was_lost() || self.ledger.waiting(of).is_empty() {
                return Ok(None);
            }
            tokio::time::sleep(PAUSE).await;
        }
        for id in self.ledger.waiting(of) {
            self.ledger.lose(id);
        }
        Ok(None)
    }

    async fn acknowledge(&mut self, tag: DeliveryTag, now: SimTime) -> Result<Acknowledgement, Unavailable> {
        let acknowledgement = self.ledger.acknowledge(tag, now);
        if acknowledgement == Acknowledgement::First {
            let id = self.ledger.id(tag);
            let claim = self.claims.remove(&id);
            self.end(id, claim).await;
        }
        Ok(acknowledgement)
    }

    fn extend(&mut self, tag: DeliveryTag, now: SimTime) {
        self.ledger.extend(tag, now);
    }

    async fn release(&mut self, tag: DeliveryTag, now: SimTime, why: &str) -> Result<(), Unavailable> {
        match self.ledger.held(tag) {
            Some(id) => self.take_back(id, now, RedeliveryReason::Released { why: why.to_owned() }).await,
            None => Ok(()),
        }
    }

    async fn reject(&mut self, tag: DeliveryTag, now: SimTime, why: &str) -> Result<(), Unavailable> {
        match self.ledger.held(tag) {
            Some(id) => self.give_up(id, now, DeadLetterReason::Rejected { why: why.to_owned() }).await,
            None => Ok(()),
        }
    }

    fn next_expiry(&self) -> Option<SimTime> {
        self.ledger.next_expiry()
    }

    async fn expire(&mut self, now: SimTime) -> Result<(), Unavailable> {
        loop {
            let overdue = self.ledger.overdue(now);
            if overdue.is_empty() {
                return Ok(());
            }
            for id in overdue {
                match self.ledger.state(id) {
                    State::Held { .. } => self.take_back(id, now, RedeliveryReason::TimedOut).await?,
                    _ => self.expire_waiting(id, now).await?,
                }
            }
        }
    }

    async fn drain_dead_letters(&mut self, now: SimTime) -> Result<Vec<DeadLetter>, Unavailable> {
        self.look_at_dead_letters(now).await?;
        Ok(self.ledger.drain_dead_letters())
    }

    async fn purge(&mut self, now: SimTime) -> Result<Vec<DeadLetter>, Unavailable> {
        for _ in 0..TRIES {
            self.take_all(now).await?;
            if !self.is_owed_something() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.look_at_dead_letters(now).await?;
        for id in self.ledger.open_ids() {
            let held = matches!(self.ledger.state(id), State::Held { .. });
            if held || self.claims.contains_key(&id) {
                let deliveries = self.ledger.deliveries(id);
                self.give_up(id, now, DeadLetterReason::EpisodeOver { deliveries }).await?;
            } else {
                self.ledger.lose(id);
            }
        }
        Ok(self.ledger.drain_dead_letters())
    }

    fn duplicates(&self) -> u64 {
        self.ledger.duplicates()
    }

    fn drain_trace(&mut self) -> Vec<TraceEvent> {
        self.ledger.drain_trace()
    }
}
