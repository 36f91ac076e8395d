//! The queue beside a model that is obviously right: one list of all envelopes, searched from the front for everything.
//!
//! Both get the same calls, made by chance: publishing, receiving, acknowledging in time, late or never (a receiver that
//! crashed), releasing, rejecting, time passing. Each call must come to the same, and the trace, played back, must give
//! the state that the model is in.

use std::collections::BTreeMap;

use agents::message::Address;
use agents::queue::{
    Acknowledgement, DeadLetter, DeadLetterReason, DeliveryTag, InProcess, MessageQueue, Occurrence, TraceEvent,
};
use proptest::prelude::*;
use sim::time::{SimDuration, SimTime};

use super::{SETTINGS, agent, issue, now, queue};

/// One call, or time that passes. Envelopes, addresses and deliveries are chosen by number among those there are.
#[derive(Clone, Copy, Debug)]
enum Call {
    Publish(usize),
    PublishAgain(usize),
    Receive(usize),
    Acknowledge(usize),
    Extend(usize),
    Release(usize),
    Reject(usize),
    Expire,
    Pass(u64),
}

fn call() -> impl Strategy<Value = Call> {
    let any = 0..1_000_usize;
    prop_oneof![
        6 => any.clone().prop_map(Call::Publish),
        1 => any.clone().prop_map(Call::PublishAgain),
        10 => any.clone().prop_map(Call::Receive),
        4 => any.clone().prop_map(Call::Acknowledge),
        1 => any.clone().prop_map(Call::Extend),
        1 => any.clone().prop_map(Call::Release),
        1 => any.prop_map(Call::Reject),
        1 => Just(Call::Expire),
        4 => (0..8_u64).prop_map(Call::Pass),
        1 => (8..60_u64).prop_map(Call::Pass),
    ]
}

/// The last address is nobody's.
fn addresses() -> [Address; 4] {
    [Address::Manager, agent("a"), agent("b"), agent("nobody")]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Queued,
    /// In the delivery of this number, until then.
    Held(usize, SimTime),
    Acknowledged,
    Dead,
}

#[derive(Debug)]
struct Record {
    to: Address,
    sent_at: SimTime,
    deliveries: u32,
    state: State,
}

/// Envelopes have their places in this list as ids.
#[derive(Debug, Default)]
struct Model {
    records: Vec<Record>,
    /// The envelope of each delivery.
    deliveries: Vec<usize>,
    now: SimTime,
}

impl Model {
    fn publish(&mut self, to: Address) {
        let state = if to == agent("nobody") { State::Dead } else { State::Queued };
        self.records.push(Record { to, sent_at: self.now, deliveries: 0, state });
    }

    /// When something must happen to an envelope by itself.
    fn due(&self, id: usize) -> Option<SimTime> {
        let record = &self.records[id];
        match record.state {
            State::Queued => Some(record.sent_at + SETTINGS.time_to_live),
            State::Held(_, until) => Some(until),
            State::Acknowledged | State::Dead => None,
        }
    }

    fn next_expiry(&self) -> Option<SimTime> {
        (0..self.records.len()).filter_map(|id| self.due(id)).min()
    }

    fn expire(&mut self) {
        for id in 0..self.records.len() {
            while self.due(id).is_some_and(|at| at <= self.now) {
                match self.records[id].state {
                    State::Held(..) => self.take_back(id),
                    _ => self.records[id].state = State::Dead,
                }
            }
        }
    }

    fn take_back(&mut self, id: usize) {
        let record = &mut self.records[id];
        record.state = if record.deliveries == SETTINGS.max_deliveries { State::Dead } else { State::Queued };
    }

    fn receive(&mut self, of: &Address) -> Option<(usize, u32)> {
        self.expire();
        let held = |record: &&Record| record.to == *of && matches!(record.state, State::Held(..));
        if self.records.iter().filter(held).count() == SETTINGS.prefetch {
            return None;
        }
        let id = self.records.iter().position(|record| record.to == *of && record.state == State::Queued)?;
        let record = &mut self.records[id];
        record.deliveries += 1;
        record.state = State::Held(self.deliveries.len(), self.now + SETTINGS.visibility_timeout);
        self.deliveries.push(id);
        Some((id, record.deliveries))
    }

    fn acknowledge(&mut self, delivery: usize) -> Acknowledgement {
        let state = &mut self.records[self.deliveries[delivery]].state;
        match state {
            State::Acknowledged => Acknowledgement::Again,
            State::Dead => Acknowledgement::TooLate,
            State::Queued | State::Held(..) => {
                *state = State::Acknowledged;
                Acknowledgement::First
            }
        }
    }

    /// The envelope of a delivery, if its receiver still has it.
    fn held(&self, delivery: usize) -> Option<usize> {
        let id = self.deliveries[delivery];
        matches!(self.records[id].state, State::Held(holder, _) if holder == delivery).then_some(id)
    }
}

/// Both, and what they have done so far.
struct Pair {
    queue: InProcess,
    model: Model,
    tags: Vec<DeliveryTag>,
    acknowledged: Vec<usize>,
    trace: Vec<TraceEvent>,
    dead: Vec<usize>,
}

impl Pair {
    fn new() -> Self {
        let (queue, model) = (queue(), Model::default());
        Self { queue, model, tags: Vec::new(), acknowledged: Vec::new(), trace: Vec::new(), dead: Vec::new() }
    }

    fn call(&mut self, call: Call) {
        let time = self.model.now;
        let (published, delivered) = (self.model.records.len(), self.model.deliveries.len());
        match call {
            Call::Publish(n) => {
                let to = addresses()[n % 4].clone();
                now(self.queue.publish(issue(published as u64, to.clone(), time)));
                self.model.publish(to);
            }
            Call::PublishAgain(n) if published > 0 => {
                let (id, before) = (n % published, self.queue.duplicates());
                now(self.queue.publish(issue(id as u64, self.model.records[id].to.clone(), time)));
                assert_eq!(self.queue.duplicates(), before + 1);
            }
            Call::Receive(n) => self.receive(&addresses()[n % 4]),
            Call::Expire => {
                now(self.queue.expire(time));
                self.model.expire();
            }
            Call::Pass(seconds) => self.model.now += SimDuration::from_secs(seconds),
            Call::Acknowledge(n) if delivered > 0 => self.acknowledge(n % delivered),
            Call::Extend(n) if delivered > 0 => {
                let delivery = n % delivered;
                self.queue.extend(self.tags[delivery], time);
                if let Some(id) = self.model.held(delivery) {
                    self.model.records[id].state = State::Held(delivery, time + SETTINGS.visibility_timeout);
                }
            }
            Call::Release(n) if delivered > 0 => {
                let delivery = n % delivered;
                now(self.queue.release(self.tags[delivery], time, "it crashed"));
                if let Some(id) = self.model.held(delivery) {
                    self.model.take_back(id);
                }
            }
            Call::Reject(n) if delivered > 0 => {
                let delivery = n % delivered;
                now(self.queue.reject(self.tags[delivery], time, "it makes no sense"));
                if let Some(id) = self.model.held(delivery) {
                    self.model.records[id].state = State::Dead;
                }
            }
            Call::PublishAgain(_) | Call::Acknowledge(_) | Call::Extend(_) | Call::Release(_) | Call::Reject(_) => {}
        }
        self.compare();
    }

    fn receive(&mut self, of: &Address) {
        let delivery = now(self.queue.receive(of, self.model.now));
        let got = delivery.as_ref().map(|delivery| (delivery.envelope.id as usize, delivery.attempt));
        assert_eq!(got, self.model.receive(of));
        self.tags.extend(delivery.map(|delivery| delivery.tag));
    }

    fn acknowledge(&mut self, delivery: usize) {
        let acknowledgement = now(self.queue.acknowledge(self.tags[delivery], self.model.now));
        assert_eq!(acknowledgement, self.model.acknowledge(delivery));
        if acknowledgement == Acknowledgement::First {
            self.acknowledged.push(self.model.deliveries[delivery]);
        }
    }

    /// Compares what can be seen of the state.
    fn compare(&mut self) {
        self.trace.extend(self.queue.drain_trace());
        self.dead
            .extend(now(self.queue.drain_dead_letters(self.model.now)).iter().map(|dead| dead.envelope.id as usize));
        assert_eq!(self.queue.next_expiry(), self.model.next_expiry());
        for of in addresses() {
            let waits = |record: &&Record| record.to == of && record.state == State::Queued;
            assert_eq!(self.queue.waiting(&of), self.model.records.iter().filter(waits).count());
        }
        self.check_ends();
        let places: Vec<Place> = self.model.records.iter().map(|record| Place::from(record.state)).collect();
        assert_eq!(play_back(&self.trace), places);
    }

    /// No envelope ends twice, and each that has ended is known to have.
    fn check_ends(&self) {
        let mut ended: Vec<usize> = self.acknowledged.iter().chain(&self.dead).copied().collect();
        ended.sort_unstable();
        let over = |state: State| matches!(state, State::Acknowledged | State::Dead);
        let expected: Vec<usize> =
            (0..self.model.records.len()).filter(|id| over(self.model.records[*id].state)).collect();
        assert_eq!(ended, expected);
        for (ids, state) in [(&self.acknowledged, State::Acknowledged), (&self.dead, State::Dead)] {
            assert!(ids.iter().all(|id| self.model.records[*id].state == state));
        }
    }
}

/// What a trace tells of where an envelope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Queued,
    Held,
    Acknowledged,
    Dead,
}

impl From<State> for Place {
    fn from(state: State) -> Self {
        match state {
            State::Queued => Self::Queued,
            State::Held(..) => Self::Held,
            State::Acknowledged => Self::Acknowledged,
            State::Dead => Self::Dead,
        }
    }
}

/// Plays a trace back by itself, and panics where an event cannot follow what was before it.
fn play_back(trace: &[TraceEvent]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let mut attempts: BTreeMap<u64, u32> = BTreeMap::new();
    assert!(trace.is_sorted_by_key(|event| event.at));
    for event in trace {
        let id = event.id as usize;
        if event.what == Occurrence::Published {
            assert_eq!(id, places.len(), "published twice, or out of order");
            places.push(Place::Queued);
            continue;
        }
        let place = places[id];
        places[id] = match &event.what {
            Occurrence::Published => unreachable!("it has been looked at"),
            Occurrence::Delivered { attempt } => {
                let before = attempts.insert(event.id, *attempt).unwrap_or(0);
                assert_eq!((place, *attempt), (Place::Queued, before + 1), "{event:?}");
                Place::Held
            }
            Occurrence::Acknowledged => {
                assert!(matches!(place, Place::Queued | Place::Held), "{event:?}");
                Place::Acknowledged
            }
            Occurrence::Redelivered { .. } => {
                assert_eq!(place, Place::Held, "{event:?}");
                Place::Queued
            }
            Occurrence::Duplicate => place,
            Occurrence::DeadLettered { .. } => {
                assert!(matches!(place, Place::Queued | Place::Held), "{event:?}");
                Place::Dead
            }
        };
    }
    places
}

/// The ids of the first deliveries of an address.
fn first_deliveries(trace: &[TraceEvent], of: &Address) -> Vec<u64> {
    let first = |event: &&TraceEvent| event.to == *of && event.what == Occurrence::Delivered { attempt: 1 };
    trace.iter().filter(first).map(|event| event.id).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn the_queue_does_what_the_model_does(calls in proptest::collection::vec(call(), 1..120)) {
        let mut pair = Pair::new();
        for call in calls {
            pair.call(call);
        }
        for of in addresses() {
            prop_assert!(first_deliveries(&pair.trace, &of).is_sorted());
        }
        let open: Vec<usize> = (0..pair.model.records.len()).filter(|id| pair.model.due(*id).is_some()).collect();
        let left = now(pair.queue.purge(pair.model.now));
        let is_over = |dead: &DeadLetter| matches!(dead.reason, DeadLetterReason::EpisodeOver { .. });
        prop_assert!(left.iter().all(is_over));
        prop_assert_eq!(left.iter().map(|dead| dead.envelope.id as usize).collect::<Vec<_>>(), open);
        pair.trace.extend(pair.queue.drain_trace());
        prop_assert!(play_back(&pair.trace).iter().all(|place| matches!(place, Place::Acknowledged | Place::Dead)));
    }

    #[test]
    fn the_same_calls_leave_the_same_trace(calls in proptest::collection::vec(call(), 1..60)) {
        let play = || {
            let mut pair = Pair::new();
            for call in &calls {
                pair.call(*call);
            }
            serde_json::to_string(&pair.trace)
        };
        prop_assert_eq!(play().expect("a trace can be written"), play().expect("a trace can be written"));
    }
}
