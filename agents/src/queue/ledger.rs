//! What is known of every envelope: the part that the implementations of the queue share.
//!
//! The ledger keeps one account per id and writes the trace; where the envelopes themselves wait is the matter of the
//! implementation. An account goes from queued to held and back, and ends once: acknowledged or given up.

use std::collections::{BTreeMap, BTreeSet};

use sim::time::SimTime;

use super::{
    Acknowledgement, DeadLetter, DeadLetterReason, Delivery, DeliveryTag, Occurrence, RedeliveryReason, Settings,
    TraceEvent,
};
use crate::message::{Address, Envelope};

/// Where an envelope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It waits for its receiver.
    Queued,
    /// Its receiver has it.
    Held {
        /// In which delivery.
        tag: DeliveryTag,
        /// Until when it must be acknowledged.
        until: SimTime,
    },
    /// It is done with.
    Acknowledged,
    /// It is a dead letter.
    GivenUp,
}

#[derive(Clone, Debug)]
struct Account {
    envelope: Envelope,
    /// The how manyth envelope it is, in the order in which the ledger came to know them.
    sequence: u64,
    deliveries: u32,
    state: State,
}

#[derive(Clone, Debug)]
pub(super) struct Ledger {
    settings: Settings,
    addresses: BTreeSet<Address>,
    accounts: BTreeMap<u64, Account>,
    /// The envelope of every delivery there ever was: acknowledgements may come late.
    tags: BTreeMap<DeliveryTag, u64>,
    trace: Vec<TraceEvent>,
    dead_letters: Vec<DeadLetter>,
    duplicates: u64,
}

impl Ledger {
    pub(super) fn new(addresses: BTreeSet<Address>, settings: Settings) -> Self {
        Self {
            settings,
            addresses,
            accounts: BTreeMap::new(),
            tags: BTreeMap::new(),
            trace: Vec::new(),
            dead_letters: Vec::new(),
            duplicates: 0,
        }
    }

    /// Takes note of a published envelope. Returns whether it is to be queued.
    pub(super) fn admit(&mut self, envelope: Envelope) -> bool {
        let (id, at) = (envelope.id, envelope.sent_at);
        if self.accounts.contains_key(&id) {
            self.duplicate(id, at);
            return false;
        }
        let unwritable = envelope.check().err();
        let exists = self.addresses.contains(&envelope.to);
        self.open(envelope);
        self.record(id, at, Occurrence::Published);
        let refused = match unwritable {
            Some(error) => Some(DeadLetterReason::Unwritable { why: error.to_string() }),
            None if !exists => Some(DeadLetterReason::NoSuchAddress),
            None => None,
        };
        match refused {
            Some(reason) => self.give_up(id, at, reason),
            None => return true,
        }
        false
    }

    fn open(&mut self, envelope: Envelope) {
        let sequence = self.accounts.len() as u64;
        self.accounts.insert(envelope.id, Account { envelope, sequence, deliveries: 0, state: State::Queued });
    }

    /// Hands a queued envelope to its receiver.
    pub(super) fn deliver(&mut self, id: u64, now: SimTime) -> Delivery {
        let tag = DeliveryTag(self.tags.len() as u64);
        self.tags.insert(tag, id);
        let until = now + self.settings.visibility_timeout;
        let account = self.account(id);
        account.deliveries += 1;
        account.state = State::Held { tag, until };
        let delivery = Delivery { tag, attempt: account.deliveries, envelope: account.envelope.clone() };
        self.record(id, now, Occurrence::Delivered { attempt: delivery.attempt });
        delivery
    }

    /// Ends the account of a delivery's envelope, unless it has ended before.
    pub(super) fn acknowledge(&mut self, tag: DeliveryTag, now: SimTime) -> Acknowledgement {
        let id = self.id(tag);
        match self.state(id) {
            State::Queued | State::Held { .. } => {
                self.account(id).state = State::Acknowledged;
                self.record(id, now, Occurrence::Acknowledged);
                Acknowledgement::First
            }
            State::Acknowledged => {
                self.duplicate(id, now);
                Acknowledgement::Again
            }
            State::GivenUp => {
                self.record(id, now, Occurrence::AcknowledgedTooLate);
                Acknowledgement::TooLate
            }
        }
    }

    /// Begins the visibility timeout of a delivery anew, if it is still held.
    pub(super) fn extend(&mut self, tag: DeliveryTag, now: SimTime) {
        if let Some(id) = self.held(tag) {
            self.account(id).state = State::Held { tag, until: now + self.settings.visibility_timeout };
        }
    }

    /// Takes a held envelope from its receiver. Returns whether it is to be queued again; if not, it is given up.
    pub(super) fn take_back(&mut self, id: u64, now: SimTime, reason: RedeliveryReason) -> bool {
        let deliveries = self.deliveries(id);
        if deliveries >= self.settings.max_deliveries {
            self.give_up(id, now, DeadLetterReason::DeliveredTooOften { deliveries, last: reason });
            return false;
        }
        self.account(id).state = State::Queued;
        self.record(id, now, Occurrence::Redelivered { reason });
        true
    }

    /// Makes a queued or held envelope a dead letter.
    pub(super) fn give_up(&mut self, id: u64, now: SimTime, reason: DeadLetterReason) {
        let account = self.account(id);
        account.state = State::GivenUp;
        let envelope = account.envelope.clone();
        self.dead_letters.push(DeadLetter { envelope, reason: reason.clone() });
        self.record(id, now, Occurrence::DeadLettered { reason });
    }

    /// Gives up everything that has not ended.
    pub(super) fn give_up_all(&mut self, now: SimTime) {
        let mut open: Vec<(u64, u64)> = self.open_accounts().map(|(id, account)| (account.sequence, id)).collect();
        open.sort_unstable();
        for (_, id) in open {
            let deliveries = self.deliveries(id);
            self.give_up(id, now, DeadLetterReason::EpisodeOver { deliveries });
        }
    }

    /// Takes note that a copy of an envelope was dropped.
    pub(super) fn duplicate(&mut self, id: u64, now: SimTime) {
        self.duplicates += 1;
        self.record(id, now, Occurrence::Duplicate);
    }

    fn record(&mut self, id: u64, at: SimTime, what: Occurrence) {
        let Envelope { from, to, correlation, body, .. } = &self.accounts[&id].envelope;
        self.trace.push(TraceEvent {
            at,
            what,
            id,
            kind: body.kind(),
            from: from.clone(),
            to: to.clone(),
            correlation: *correlation,
        });
    }

    fn account(&mut self, id: u64) -> &mut Account {
        self.accounts.get_mut(&id).expect("an account is opened before anything happens to its envelope")
    }

    fn open_accounts(&self) -> impl Iterator<Item = (u64, &Account)> {
        let open = |account: &Account| matches!(account.state, State::Queued | State::Held { .. });
        self.accounts.iter().map(|(id, account)| (*id, account)).filter(move |(_, account)| open(account))
    }

    /// The envelope of a delivery.
    pub(super) fn id(&self, tag: DeliveryTag) -> u64 {
        self.tags[&tag]
    }

    /// The envelope of a delivery, if its receiver still holds it.
    pub(super) fn held(&self, tag: DeliveryTag) -> Option<u64> {
        let id = self.id(tag);
        matches!(self.state(id), State::Held { tag: holder, .. } if holder == tag).then_some(id)
    }

    pub(super) fn state(&self, id: u64) -> State {
        self.accounts[&id].state
    }

    pub(super) fn deliveries(&self, id: u64) -> u32 {
        self.accounts[&id].deliveries
    }

    pub(super) fn sequence(&self, id: u64) -> u64 {
        self.accounts[&id].sequence
    }

    pub(super) fn receiver(&self, id: u64) -> &Address {
        &self.accounts[&id].envelope.to
    }

    /// Whether an address holds as much as it may.
    pub(super) fn is_busy(&self, address: &Address) -> bool {
        let holds = |account: &Account| matches!(account.state, State::Held { .. }) && account.envelope.to == *address;
        self.accounts.values().filter(|account| holds(account)).count() >= self.settings.prefetch
    }

    /// What has to be taken back or given up by when, with its id.
    fn due(&self) -> impl Iterator<Item = (SimTime, u64)> {
        self.open_accounts().map(|(id, account)| match account.state {
            State::Held { until, .. } => (until, id),
            _ => (self.settings.deadline(&account.envelope), id),
        })
    }

    pub(super) fn next_expiry(&self) -> Option<SimTime> {
        self.due().map(|(at, _)| at).min()
    }

    /// The envelopes that are to be taken back or given up by now, in the order of when they were.
    pub(super) fn overdue(&self, now: SimTime) -> Vec<u64> {
        let mut overdue: Vec<(SimTime, u64)> = self.due().filter(|(at, _)| *at <= now).collect();
        overdue.sort_unstable();
        overdue.into_iter().map(|(_, id)| id).collect()
    }

    pub(super) fn duplicates(&self) -> u64 {
        self.duplicates
    }

    pub(super) fn drain_dead_letters(&mut self) -> Vec<DeadLetter> {
        std::mem::take(&mut self.dead_letters)
    }

    pub(super) fn drain_trace(&mut self) -> Vec<TraceEvent> {
        std::mem::take(&mut self.trace)
    }
}
