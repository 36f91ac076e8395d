//! The dead letters: what is put among the broker's, and what is learnt from them.

use sim::environment::Unavailable;
use sim::time::SimTime;

use super::link::Fetched;
use super::{RabbitMq, letter};
use crate::message::Envelope;
use crate::queue::DeadLetterReason;
use crate::queue::ledger::State;

impl RabbitMq {
    /// Makes an envelope a dead letter, here and at the broker.
    pub(super) async fn give_up(&mut self, id: u64, now: SimTime, reason: DeadLetterReason) -> Result<(), Unavailable> {
        self.ledger.give_up(id, now, reason.clone());
        self.bury(id, &reason).await
    }

    /// Puts an envelope that was given up among the broker's dead letters, and then ends it where it was.
    pub(super) async fn bury(&mut self, id: u64, reason: &DeadLetterReason) -> Result<(), Unavailable> {
        let envelope = self.ledger.envelope(id);
        // What cannot be written was never at the broker.
        if let Ok(body) = envelope.to_wire() {
            self.link.bury(&letter::properties_of_dead(envelope, reason), &body).await?;
        }
        if let Some(claim) = self.claims.remove(&id) {
            self.end(id, Some(claim)).await;
        }
        Ok(())
    }

    /// Looks through the broker's dead letters, and takes note of those that were given up by itself or elsewhere.
    pub(super) async fn look_at_dead_letters(&mut self, now: SimTime) -> Result<(), Unavailable> {
        let mut letters = Vec::new();
        while let Some(fetched) = self.link.get_dead().await? {
            letters.push(fetched);
        }
        for Fetched { body, headers, claim } in letters {
            if let Ok(envelope) = Envelope::from_wire(&body) {
                let reason = letter::reason(&headers, self.ledger.settings());
                self.learn(envelope, reason, now);
            }
            self.link.give_back(&claim).await;
        }
        Ok(())
    }

    fn learn(&mut self, envelope: Envelope, reason: DeadLetterReason, now: SimTime) {
        let id = envelope.id;
        // Its receiver may be done with it yet.
        let held = matches!(self.ledger.find(id), Some(State::Held { .. }));
        if held || !self.seen_dead.insert(id) {
            return;
        }
        if !matches!(self.ledger.find(id), Some(State::Acknowledged | State::GivenUp)) {
            self.ledger.meet(envelope, now, 0);
            self.ledger.give_up(id, now, reason);
        }
    }
}
