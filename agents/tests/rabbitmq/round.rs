//! One round of the hierarchy: the maintainer gives the manager a task, the manager gives three agents one each and
//! waits for their responses, and answers.

use agents::message::{Address, Body, Envelope};
use agents::queue::{Acknowledgement, Delivery, MessageQueue, Occurrence, TraceEvent};
use sim::environment::{Conclusion, Goal};
use sim::time::{SimDuration, SimTime};

use super::agent;

/// What came of a round.
#[derive(Debug, PartialEq)]
pub(crate) struct Round {
    /// The ids of the envelopes that were acknowledged and counted, in this order.
    pub(crate) done: Vec<u64>,
    pub(crate) trace: Vec<TraceEvent>,
}

/// A round under way.
struct Play<'q, Q> {
    queue: &'q mut Q,
    now: SimTime,
    done: Vec<u64>,
}

impl Round {
    /// Plays a round. Panics if anything does not arrive, or anything is left.
    pub(crate) async fn play(queue: &mut impl MessageQueue) -> Self {
        let mut play = Play { queue, now: SimTime::ZERO, done: Vec::new() };
        play.send(1, Address::Maintainer, Address::Manager, 1, task()).await;
        let whole = play.receive(&Address::Manager).await;
        let agents = ["carts", "orders", "user"].map(agent);
        for (id, to) in (2..).zip(&agents) {
            play.send(id, Address::Manager, to.clone(), id, task()).await;
        }
        for (id, of) in (5..).zip(&agents) {
            let part = play.receive(of).await;
            play.send(id, of.clone(), Address::Manager, part.envelope.correlation, response()).await;
            play.acknowledge(&part).await;
        }
        for _ in &agents {
            let answer = play.receive(&Address::Manager).await;
            play.acknowledge(&answer).await;
        }
        play.send(8, Address::Manager, Address::Maintainer, 1, response()).await;
        play.acknowledge(&whole).await;
        let last = play.receive(&Address::Maintainer).await;
        play.acknowledge(&last).await;
        let left = play.queue.purge(play.now).await.expect("the broker is there");
        assert_eq!(left, []);
        Self { done: play.done, trace: play.queue.drain_trace() }
    }

    /// The trace without what a cut connection adds.
    pub(crate) fn without_repeats(&self) -> Vec<TraceEvent> {
        let new = |event: &&TraceEvent| !matches!(event.what, Occurrence::Duplicate | Occurrence::Redelivered { .. });
        let first = |event: &TraceEvent| match event.what {
            Occurrence::Delivered { .. } => TraceEvent { what: Occurrence::Delivered { attempt: 1 }, ..event.clone() },
            _ => event.clone(),
        };
        self.trace.iter().filter(new).map(first).collect()
    }
}

fn task() -> Body {
    Body::Task { text: "See to it.".to_owned(), goal: Goal::Maintain, evaluation: 1 }
}

fn response() -> Body {
    Body::Response { outcome: Ok(Conclusion { healthy: true, ..Conclusion::default() }) }
}

impl<Q: MessageQueue> Play<'_, Q> {
    async fn send(&mut self, id: u64, from: Address, to: Address, correlation: u64, body: Body) {
        self.now += SimDuration::SECOND;
        let envelope = Envelope { id, from, to, correlation, sent_at: self.now, body };
        self.queue.publish(envelope).await.expect("the broker is there");
    }

    /// What comes next for an address.
    async fn receive(&mut self, of: &Address) -> Delivery {
        self.now += SimDuration::SECOND;
        let delivery = self.queue.receive(of, self.now).await.expect("the broker is there");
        delivery.unwrap_or_else(|| panic!("nothing came for {of}"))
    }

    async fn acknowledge(&mut self, delivery: &Delivery) {
        let acknowledgement = self.queue.acknowledge(delivery.tag, self.now).await.expect("the broker is there");
        assert_eq!(acknowledgement, Acknowledgement::First, "{delivery:?}");
        self.done.push(delivery.envelope.id);
    }
}
