//! The queue within one process: plain data, the same calls give the same trace.

use std::collections::{BTreeMap, VecDeque};

use sim::environment::Unavailable;
use sim::time::SimTime;

use super::ledger::{Admission, Ledger, State};
use super::{
    Acknowledgement, DeadLetter, DeadLetterReason, Delivery, DeliveryTag, MessageQueue, RedeliveryReason, Settings,
    TraceEvent,
};
use crate::message::{Address, Envelope};

/// A message queue in memory. A clone goes on by itself.
#[derive(Clone, Debug)]
pub struct InProcess {
    ledger: Ledger,
    /// The ids that wait, in the order in which they were published.
    queues: BTreeMap<Address, VecDeque<u64>>,
}

impl InProcess {
    /// A queue between these addresses.
    pub fn new(addresses: impl IntoIterator<Item = Address>, settings: Settings) -> Self {
        let queues: BTreeMap<_, _> = addresses.into_iter().map(|address| (address, VecDeque::new())).collect();
        Self { ledger: Ledger::new(queues.keys().cloned().collect(), settings), queues }
    }

    /// How many envelopes wait for an address.
    pub fn waiting(&self, of: &Address) -> usize {
        let waits = |id: &&u64| self.ledger.state(**id) == State::Queued;
        self.queues.get(of).map_or(0, |queue| queue.iter().filter(waits).count())
    }

    /// Queues an envelope where it was before, ahead of all that was published later.
    fn queue_again(&mut self, id: u64) {
        let (ledger, sequence) = (&self.ledger, self.ledger.sequence(id));
        if let Some(queue) = self.queues.get_mut(ledger.receiver(id)) {
            queue.insert(queue.partition_point(|other| ledger.sequence(*other) < sequence), id);
        }
    }

    fn take_back(&mut self, id: u64, now: SimTime, reason: RedeliveryReason) {
        if self.ledger.take_back(id, now, reason).is_none() {
            self.queue_again(id);
        }
    }

    fn expire_now(&mut self, now: SimTime) {
        loop {
            let overdue = self.ledger.overdue(now);
            if overdue.is_empty() {
                return;
            }
            for id in overdue {
                self.expire_one(id, now);
            }
        }
    }

    fn expire_one(&mut self, id: u64, now: SimTime) {
        if matches!(self.ledger.state(id), State::Held { .. }) {
            return self.take_back(id, now, RedeliveryReason::TimedOut);
        }
        if let Some(queue) = self.queues.get_mut(self.ledger.receiver(id)) {
            queue.retain(|other| *other != id);
        }
        let deliveries = self.ledger.deliveries(id);
        self.ledger.give_up(id, now, DeadLetterReason::NobodyTookIt { deliveries });
    }
}

impl MessageQueue for InProcess {
    async fn publish(&mut self, envelope: Envelope) -> Result<(), Unavailable> {
        let (id, to) = (envelope.id, envelope.to.clone());
        if self.ledger.admit(envelope) == Admission::Queue {
            self.queues.entry(to).or_default().push_back(id);
        }
        Ok(())
    }

    async fn receive(&mut self, of: &Address, now: SimTime) -> Result<Option<Delivery>, Unavailable> {
        self.expire_now(now);
        let Some(queue) = self.queues.get_mut(of).filter(|_| !self.ledger.is_busy(of)) else { return Ok(None) };
        while let Some(id) = queue.pop_front() {
            if self.ledger.state(id) == State::Queued {
                return Ok(Some(self.ledger.deliver(id, now)));
            }
            // It was acknowledged after its visibility timeout.
            self.ledger.duplicate(id, now);
        }
        Ok(None)
    }

    async fn acknowledge(&mut self, tag: DeliveryTag, now: SimTime) -> Result<Acknowledgement, Unavailable> {
        Ok(self.ledger.acknowledge(tag, now))
    }

    fn extend(&mut self, tag: DeliveryTag, now: SimTime) {
        self.ledger.extend(tag, now);
    }

    async fn release(&mut self, tag: DeliveryTag, now: SimTime, why: &str) -> Result<(), Unavailable> {
        if let Some(id) = self.ledger.held(tag) {
            self.take_back(id, now, RedeliveryReason::Released { why: why.to_owned() });
        }
        Ok(())
    }

    async fn reject(&mut self, tag: DeliveryTag, now: SimTime, why: &str) -> Result<(), Unavailable> {
        if let Some(id) = self.ledger.held(tag) {
            self.ledger.give_up(id, now, DeadLetterReason::Rejected { why: why.to_owned() });
        }
        Ok(())
    }

    fn next_expiry(&self) -> Option<SimTime> {
        self.ledger.next_expiry()
    }

    async fn expire(&mut self, now: SimTime) -> Result<(), Unavailable> {
        self.expire_now(now);
        Ok(())
    }

    async fn drain_dead_letters(&mut self, _now: SimTime) -> Result<Vec<DeadLetter>, Unavailable> {
        Ok(self.ledger.drain_dead_letters())
    }

    async fn purge(&mut self, now: SimTime) -> Result<Vec<DeadLetter>, Unavailable> {
        self.queues.values_mut().for_each(VecDeque::clear);
        for id in self.ledger.open_ids() {
            let deliveries = self.ledger.deliveries(id);
            self.ledger.give_up(id, now, DeadLetterReason::EpisodeOver { deliveries });
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
