//! A queue that fails: an episode is void where nothing could be right any more, and nobody waits for ever for what is lost.

use std::sync::Arc;

use agents::episode::{self, Cast, Log};
use agents::mechanism::Mechanism;
use agents::message::{Address, Envelope};
use agents::model::Message;
use agents::policy::chat::ChatSettings;
use agents::policy::{Chat, GroupManager, Noop};
use agents::prompts::Prompts;
use agents::queue::{
    Acknowledgement, DeadLetter, Delivery, DeliveryTag, InProcess, MessageQueue, Settings, TraceEvent,
};
use serde_json::json;
use sim::environment::{Unavailable, ready};
use sim::episode::{EndReason, Entry, EpisodeEvent, MessageEvent, MessageState};
use sim::time::{SimDuration, SimTime};

use crate::play::{set_up, shipped};
use crate::puppet::{Puppet, call};

/// A call of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Publish,
    Receive,
    Acknowledge,
    DeadLetters,
    Purge,
}

/// What is wrong with a queue.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    /// Its broker is gone after so many calls of a kind.
    Gone(Call, u32),
    /// It loses the message with this number when it is to be received.
    Loses(u64),
    /// It says this of every acknowledgement.
    Says(Acknowledgement),
    /// It does not know an address.
    Without(&'static str),
}

/// A queue that does one thing wrong.
struct Faulty {
    queue: InProcess,
    wrong: Wrong,
    calls: u32,
}

impl Faulty {
    fn call(&mut self, call: Call) -> Result<(), Unavailable> {
        match self.wrong {
            Wrong::Gone(fails, after) if fails == call => {
                self.calls += 1;
                if self.calls > after { Err(Unavailable("the broker is gone".to_owned())) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }
}

impl MessageQueue for Faulty {
    async fn publish(&mut self, envelope: Envelope) -> Result<(), Unavailable> {
        self.call(Call::Publish)?;
        self.queue.publish(envelope).await
    }

    async fn receive(&mut self, of: &Address, now: SimTime) -> Result<Option<Delivery>, Unavailable> {
        self.call(Call::Receive)?;
        let received = self.queue.receive(of, now).await?;
        match (received, self.wrong) {
            (Some(delivery), Wrong::Loses(id)) if delivery.envelope.id == id => {
                self.queue.reject(delivery.tag, now, "lost").await?;
                self.queue.receive(of, now).await
            }
            (received, _) => Ok(received),
        }
    }

    async fn acknowledge(&mut self, tag: DeliveryTag, now: SimTime) -> Result<Acknowledgement, Unavailable> {
        self.call(Call::Acknowledge)?;
        let worth = self.queue.acknowledge(tag, now).await?;
        if let Wrong::Says(other) = self.wrong { Ok(other) } else { Ok(worth) }
    }

    fn extend(&mut self, tag: DeliveryTag, now: SimTime) {
        self.queue.extend(tag, now);
    }

    async fn release(&mut self, tag: DeliveryTag, now: SimTime, why: &str) -> Result<(), Unavailable> {
        self.queue.release(tag, now, why).await
    }

    async fn reject(&mut self, tag: DeliveryTag, now: SimTime, why: &str) -> Result<(), Unavailable> {
        self.queue.reject(tag, now, why).await
    }

    fn next_expiry(&self) -> Option<SimTime> {
        self.queue.next_expiry()
    }

    async fn expire(&mut self, now: SimTime) -> Result<(), Unavailable> {
        self.queue.expire(now).await
    }

    async fn drain_dead_letters(&mut self, now: SimTime) -> Result<Vec<DeadLetter>, Unavailable> {
        self.call(Call::DeadLetters)?;
        self.queue.drain_dead_letters(now).await
    }

    async fn purge(&mut self, now: SimTime) -> Result<Vec<DeadLetter>, Unavailable> {
        self.call(Call::Purge)?;
        self.queue.purge(now).await
    }

    fn duplicates(&self) -> u64 {
        self.queue.duplicates()
    }

    fn drain_trace(&mut self) -> Vec<TraceEvent> {
        self.queue.drain_trace()
    }
}

/// What came of an episode in which a manager gives work to two agents, and what it was told then.
struct Played {
    outcome: Result<(), String>,
    entries: Vec<Entry>,
    told: Vec<String>,
}

fn play(wrong: Wrong) -> Played {
    let work = |component: &str| json!({"component": component, "text": "How are you?", "goal": "check-health"});
    let manager = Puppet::in_order(vec![
        Ok(call("assign_tasks", &json!({"tasks": [work("catalogue"), work("front-end")]}))),
        Ok(call("conclude", &json!({"healthy": false}))),
    ]);
    let settings = ChatSettings { mechanism: Mechanism::Managed, ..ChatSettings::default() };
    let chat = Chat::<GroupManager>::new(manager.clone(), Arc::new(Prompts::default()), settings);
    let cast = Cast::of_agents(|_| Box::new(Noop)).under(chat);
    let patience = SimDuration::from_secs(10_000);
    let known = ["maintainer", "manager", "agent/catalogue", "agent/front-end"]
        .into_iter()
        .filter(|name| !matches!(wrong, Wrong::Without(unknown) if unknown == *name))
        .map(|name| name.parse::<Address>().expect("an address"));
    let settings = Settings { visibility_timeout: patience, time_to_live: patience, ..Settings::default() };
    let queue = Faulty { queue: InProcess::new(known, settings), wrong, calls: 0 };
    let loaded = shipped("acv/high/reduce-cpu");
    let (outcome, entries) = set_up(&loaded, Some(Mechanism::Managed), 1, |setup, mut world| {
        let mut log = Log::new(None);
        let outcome = ready(episode::play_over(&mut world, &setup, cast, queue, None, &mut log));
        (outcome, log.into_entries())
    });
    let told = manager.asked().pop().into_iter().flat_map(|request| request.messages);
    let told = told.filter_map(|message| match message {
        Message::Tool { text, .. } => Some(text),
        _ => None,
    });
    Played { outcome: outcome.map_err(|why| why.to_string()), told: told.collect(), entries }
}

fn reason(entries: &[Entry]) -> Option<EndReason> {
    match entries.last()?.event {
        EpisodeEvent::Ended { reason } => Some(reason),
        _ => None,
    }
}

fn dead_letters(entries: &[Entry]) -> Vec<u64> {
    let dead = entries.iter().filter_map(|entry| match &entry.event {
        EpisodeEvent::Message(MessageEvent { message, state: MessageState::DeadLettered { .. }, .. }) => Some(*message),
        _ => None,
    });
    dead.collect()
}

#[test]
fn what_cannot_be_right_any_more_is_void() {
    let twice = "a message was delivered and dealt with twice: what was done counts twice";
    let table = [
        // The maintainer's task, two of the manager's, two reports, the conclusion.
        (Wrong::Gone(Call::Publish, 0), "the broker is gone"),
        (Wrong::Gone(Call::Publish, 5), "the broker is gone"),
        (Wrong::Gone(Call::Receive, 0), "the broker is gone"),
        (Wrong::Gone(Call::Receive, 20), "the broker is gone"),
        (Wrong::Gone(Call::Acknowledge, 0), "the broker is gone"),
        (Wrong::Gone(Call::Acknowledge, 5), "the broker is gone"),
        (Wrong::Gone(Call::DeadLetters, 0), "the broker is gone"),
        (Wrong::Gone(Call::Purge, 0), "the broker is gone"),
        (Wrong::Says(Acknowledgement::Again), twice),
        (Wrong::Loses(1), "the maintainer's task was lost: it was not delivered: its receiver refused it: lost"),
        (Wrong::Loses(6), "the maintainer's task was lost: its report did not arrive: its receiver refused it: lost"),
        (Wrong::Without("manager"), "the task did not get to manager: nobody has its address"),
        (
            Wrong::Without("maintainer"),
            "manager can tell maintainer nothing, not even that its report is lost: nobody has its address",
        ),
    ];
    for (wrong, why) in table {
        let played = play(wrong);
        assert_eq!(played.outcome, Err(why.to_owned()), "{wrong:?}");
        assert_eq!(reason(&played.entries), None, "{wrong:?}: a void log does not end");
    }
}

#[test]
fn nobody_waits_for_ever_for_what_is_lost() {
    let table = [
        (Wrong::Loses(0), vec![], "front-end reports: healthy"),
        // The manager's second task, and the second report.
        (Wrong::Loses(3), vec![3], "front-end has no report: it was not delivered: its receiver refused it: lost"),
        (Wrong::Loses(5), vec![5], "front-end has no report: its report did not arrive: its receiver refused it: lost"),
        (Wrong::Without("agent/front-end"), vec![3], "front-end has no report: nobody has its address"),
    ];
    for (wrong, dead, second) in table {
        let played = play(wrong);
        assert_eq!(played.outcome, Ok(()), "{wrong:?}");
        assert_eq!(played.told, [format!("catalogue reports: healthy\n{second}")], "{wrong:?}");
        assert_eq!(dead_letters(&played.entries), dead, "{wrong:?}: it is in the log");
        assert_eq!(reason(&played.entries), Some(EndReason::Completed), "{wrong:?}");
    }
}

/// What was done for a message that the queue had given up is done all the same.
#[test]
fn an_acknowledgement_that_comes_too_late_changes_nothing() {
    let (late, plain) = (play(Wrong::Says(Acknowledgement::TooLate)), play(Wrong::Loses(0)));
    assert_eq!((late.outcome, plain.outcome), (Ok(()), Ok(())));
    assert_eq!(late.told, plain.told);
    assert_eq!(late.entries, plain.entries);
}
