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
    /// Another process has taken it: it is no longer this one's concern.
    #[cfg(feature = "rabbitmq")]
    Elsewhere,
}

/// What is to be done with a published envelope.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Admission {
    /// Queue it.
    Queue,
    /// Drop it: it is a copy.
    Drop,
    /// Nothing can be done with it, for this reason.
    GivenUp(DeadLetterReason),
}

#[derive(Clone, Debug)]
struct Account {
    envelope: Envelope,
    /// How many envelopes the ledger had come to know before.
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
    pub(super) fn new(addresses: BTreeSet<Address>, mut settings: Settings) -> Self {
        settings.max_deliveries = settings.max_deliveries.max(1);
        settings.prefetch = settings.prefetch.max(1);
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

    /// Takes note of a published envelope.
    pub(super) fn admit(&mut self, envelope: Envelope) -> Admission {
        let (id, at) = (envelope.id, envelope.sent_at);
        if self.accounts.contains_key(&id) {
            self.duplicate(id, at);
            return Admission::Drop;
        }
        let refused = match envelope.check() {
            Err(error) => Some(DeadLetterReason::Unwritable { why: error.to_string() }),
            Ok(()) => (!self.addresses.contains(&envelope.to)).then_some(DeadLetterReason::NoSuchAddress),
        };
        self.open(envelope);
        self.record(id, at, Occurrence::Published);
        let Some(reason) = refused else { return Admission::Queue };
        self.give_up(id, at, reason.clone());
        Admission::GivenUp(reason)
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
            State::Acknowledged => {
                self.duplicate(id, now);
                Acknowledgement::Again
            }
            State::GivenUp => {
                self.duplicate(id, now);
                Acknowledgement::TooLate
            }
            _ => {
                self.account(id).state = State::Acknowledged;
                self.record(id, now, Occurrence::Acknowledged);
                Acknowledgement::First
            }
        }
    }

    /// Begins the visibility timeout of a delivery anew, if it is still held.
    pub(super) fn extend(&mut self, tag: DeliveryTag, now: SimTime) {
        if let Some(id) = self.held(tag) {
            self.account(id).state = State::Held { tag, until: now + self.settings.visibility_timeout };
        }
    }

    /// Takes a held envelope from its receiver. It is to be queued again, unless it is given up: then the reason.
    pub(super) fn take_back(&mut self, id: u64, now: SimTime, reason: RedeliveryReason) -> Option<DeadLetterReason> {
        let deliveries = self.deliveries(id);
        if deliveries >= self.settings.max_deliveries {
            let reason = DeadLetterReason::DeliveredTooOften { deliveries, last: reason };
            self.give_up(id, now, reason.clone());
            return Some(reason);
        }
        self.account(id).state = State::Queued;
        self.record(id, now, Occurrence::Redelivered { reason });
        None
    }

    /// Makes a queued or held envelope a dead letter.
    pub(super) fn give_up(&mut self, id: u64, now: SimTime, reason: DeadLetterReason) {
        let account = self.account(id);
        account.state = State::GivenUp;
        let envelope = account.envelope.clone();
        self.dead_letters.push(DeadLetter { envelope, reason: reason.clone() });
        self.record(id, now, Occurrence::DeadLettered { reason });
    }

    /// What has not ended, in the order in which the ledger came to know it.
    pub(super) fn open_ids(&self) -> Vec<u64> {
        let mut open: Vec<(u64, u64)> = self.open_accounts().map(|(id, account)| (account.sequence, id)).collect();
        open.sort_unstable();
        open.into_iter().map(|(_, id)| id).collect()
    }

    /// Takes note of something about an envelope that no longer counts: a copy, or a late acknowledgement.
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

    /// The envelopes that are to be taken back or given up by now, in the order of when they were. What is taken back
    /// may have to be given up at once: ask again until there are none.
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

/// What only a queue between processes needs: the others publish and deliver too.
#[cfg(feature = "rabbitmq")]
impl Ledger {
    pub(super) fn addresses(&self) -> &BTreeSet<Address> {
        &self.addresses
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn envelope(&self, id: u64) -> &Envelope {
        &self.accounts[&id].envelope
    }

    /// Where an envelope is, if the ledger knows it.
    pub(super) fn find(&self, id: u64) -> Option<State> {
        self.accounts.get(&id).map(|account| account.state)
    }

    /// Takes note of an envelope that has come out of the broker, where it had been delivered so often before.
    pub(super) fn meet(&mut self, envelope: Envelope, now: SimTime, deliveries: u32) {
        let id = envelope.id;
        if self.find(id).is_none() {
            self.open(envelope);
        }
        let account = self.account(id);
        account.state = State::Queued;
        if deliveries > account.deliveries {
            account.deliveries = deliveries;
            self.record(id, now, Occurrence::Redelivered { reason: RedeliveryReason::ReceiverLost });
        }
    }

    /// What waits for an address, as far as the ledger knows.
    pub(super) fn waiting(&self, of: &Address) -> Vec<u64> {
        let waits = |account: &Account| account.state == State::Queued && account.envelope.to == *of;
        self.accounts.iter().filter(|(_, account)| waits(account)).map(|(id, _)| *id).collect()
    }

    /// Takes note that the broker no longer has an envelope that waited there.
    pub(super) fn lose(&mut self, id: u64) {
        self.account(id).state = State::Elsewhere;
    }

    /// Why an envelope that has come out of the broker must not be delivered.
    pub(super) fn refusal(&self, id: u64, now: SimTime) -> Option<DeadLetterReason> {
        let Account { envelope, deliveries, .. } = &self.accounts[&id];
        let deliveries = *deliveries;
        if deliveries >= self.settings.max_deliveries {
            Some(DeadLetterReason::DeliveredTooOften { deliveries, last: RedeliveryReason::ReceiverLost })
        } else if self.settings.deadline(envelope) <= now {
            Some(DeadLetterReason::NobodyTookIt { deliveries })
        } else {
            None
        }
    }
}
