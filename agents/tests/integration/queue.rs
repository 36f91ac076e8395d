//! The message queue within one process: nothing is lost, nothing is done twice, and the trace tells all.

mod dead_letters;
mod model;

use std::future::Future;

use agents::message::{Address, Body, Envelope};
use agents::queue::{
    Acknowledgement, DeadLetter, Delivery, InProcess, MessageQueue, Occurrence, RedeliveryReason, Settings, TraceEvent,
};
use sim::environment::{Unavailable, ready};
use sim::time::{SimDuration, SimTime};

/// Ten seconds to acknowledge, three deliveries, a hundred seconds to live, two at once.
const SETTINGS: Settings = Settings {
    visibility_timeout: SimDuration::from_secs(10),
    max_deliveries: 3,
    time_to_live: SimDuration::from_secs(100),
    prefetch: 2,
};

fn at(seconds: u64) -> SimTime {
    SimTime::ZERO + SimDuration::from_secs(seconds)
}

fn agent(component: &str) -> Address {
    Address::Agent(component.to_owned())
}

fn issue(id: u64, to: Address, sent_at: SimTime) -> Envelope {
    let body = Body::Issue { text: format!("issue {id}") };
    Envelope { id, from: Address::Maintainer, to, correlation: id, sent_at, body }
}

/// What a queue in memory answers: it is always ready, and never lost.
fn now<T>(answer: impl Future<Output = Result<T, Unavailable>>) -> T {
    ready(answer).expect("a queue in memory is never lost")
}

/// A queue between the manager and the agents `a` and `b`.
fn queue() -> InProcess {
    InProcess::new([Address::Manager, agent("a"), agent("b")], SETTINGS)
}

/// One event as the tables have it.
fn in_short(event: &TraceEvent) -> String {
    let what = match &event.what {
        Occurrence::Published => "published".to_owned(),
        Occurrence::Delivered { attempt } => format!("delivered {attempt}"),
        Occurrence::Acknowledged => "acknowledged".to_owned(),
        Occurrence::Redelivered { reason: RedeliveryReason::TimedOut } => "timed out".to_owned(),
        Occurrence::Redelivered { reason } => format!("again: {reason}"),
        Occurrence::Duplicate => "duplicate".to_owned(),
        Occurrence::DeadLettered { reason } => format!("dead: {reason}"),
    };
    format!("{} #{} {what}", event.at.0 / 1_000_000_000, event.id)
}

/// A play of a table, and what has come of it so far.
struct Play {
    queue: InProcess,
    deliveries: Vec<Delivery>,
    dead: Vec<DeadLetter>,
}

impl Play {
    fn new() -> Self {
        Self { queue: queue(), deliveries: Vec::new(), dead: Vec::new() }
    }

    /// Carries out one line such as `3 acknowledge 0 first`: the second, what is done, to which envelope (`publish`),
    /// address (`receive`) or delivery, counted from 0, and what comes of it.
    #[track_caller]
    fn step(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |word: usize| words[word].parse::<usize>().expect("a number");
        let address = |word: usize| words[word].parse::<Address>().expect("an address");
        let time = at(number(0) as u64);
        let queue = &mut self.queue;
        match words[1] {
            "publish" => now(queue.publish(issue(number(2) as u64, address(3), time))),
            "receive" => {
                let delivery = now(queue.receive(&address(2), time));
                let id = delivery.as_ref().map_or("nothing".to_owned(), |delivery| delivery.envelope.id.to_string());
                assert_eq!(id, words[3], "{line}");
                self.deliveries.extend(delivery);
            }
            "acknowledge" => {
                let worth = match now(queue.acknowledge(self.deliveries[number(2)].tag, time)) {
                    Acknowledgement::First => "first",
                    Acknowledgement::Again => "again",
                    Acknowledgement::TooLate => "too-late",
                };
                assert_eq!(worth, words[3], "{line}");
            }
            "extend" => queue.extend(self.deliveries[number(2)].tag, time),
            "release" => now(queue.release(self.deliveries[number(2)].tag, time, "it crashed")),
            "reject" => now(queue.reject(self.deliveries[number(2)].tag, time, "it makes no sense")),
            "expire" => now(queue.expire(time)),
            "purge" => self.dead.extend(now(queue.purge(time))),
            other => panic!("no such step: {other}"),
        }
    }
}

#[track_caller]
fn check(steps: &str, trace: &str) {
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    };
    let mut play = Play::new();
    for line in lines(steps) {
        play.step(&line);
    }
    let events = play.queue.drain_trace();
    assert_eq!(events.iter().map(in_short).collect::<Vec<_>>(), lines(trace));
    assert_eq!(play.queue.drain_trace(), []);
    let count = |what: fn(&Occurrence) -> bool| events.iter().filter(|event| what(&event.what)).count();
    assert_eq!(play.queue.duplicates(), count(|what| *what == Occurrence::Duplicate) as u64);
    play.dead.extend(now(play.queue.drain_dead_letters(at(0))));
    assert_eq!(play.dead.len(), count(|what| matches!(what, Occurrence::DeadLettered { .. })));
}

#[test]
fn envelopes_arrive_once_and_in_order() {
    check(
        "
        0 publish 1 manager
        0 publish 2 agent/a
        1 publish 3 manager
        2 receive manager 1
        2 receive manager 3
        2 receive manager nothing
        3 acknowledge 1 first
        3 receive agent/b nothing
        4 acknowledge 0 first
        4 receive agent/a 2
        5 acknowledge 2 first
        6 receive agent/a nothing
        ",
        "
        0 #1 published
        0 #2 published
        1 #3 published
        2 #1 delivered 1
        2 #3 delivered 1
        3 #3 acknowledged
        4 #1 acknowledged
        4 #2 delivered 1
        5 #2 acknowledged
        ",
    );
}

#[test]
fn a_receiver_holds_no_more_than_it_may() {
    check(
        "
        0 publish 1 manager
        0 publish 2 manager
        0 publish 3 manager
        0 receive manager 1
        0 receive manager 2
        0 receive manager nothing
        0 acknowledge 1 first
        0 receive manager 3
        ",
        "
        0 #1 published
        0 #2 published
        0 #3 published
        0 #1 delivered 1
        0 #2 delivered 1
        0 #2 acknowledged
        0 #3 delivered 1
        ",
    );
}

#[test]
fn what_is_not_acknowledged_in_time_comes_again_ahead_of_the_rest() {
    check(
        "
        0 publish 1 manager
        0 publish 2 manager
        1 receive manager 1
        10 receive manager 2
        11 receive manager 1
        ",
        "
        0 #1 published
        0 #2 published
        1 #1 delivered 1
        10 #2 delivered 1
        11 #1 timed out
        11 #1 delivered 2
        ",
    );
}

#[test]
fn a_receiver_that_says_that_it_works_is_given_time() {
    check(
        "
        0 publish 1 manager
        0 receive manager 1
        9 extend 0
        18 extend 0
        27 receive manager nothing
        28 expire
        28 extend 0
        30 receive manager 1
        ",
        "
        0 #1 published
        0 #1 delivered 1
        28 #1 timed out
        30 #1 delivered 2
        ",
    );
}

#[test]
fn released_envelopes_come_in_the_order_of_publication() {
    check(
        "
        0 publish 1 agent/a
        0 publish 2 agent/a
        0 publish 3 agent/a
        0 receive agent/a 1
        0 receive agent/a 2
        1 release 1
        1 release 0
        2 receive agent/a 1
        2 receive agent/a 2
        2 acknowledge 2 first
        2 acknowledge 3 first
        2 receive agent/a 3
        3 release 0
        ",
        "
        0 #1 published
        0 #2 published
        0 #3 published
        0 #1 delivered 1
        0 #2 delivered 1
        1 #2 again: its receiver gave it back: it crashed
        1 #1 again: its receiver gave it back: it crashed
        2 #1 delivered 2
        2 #2 delivered 2
        2 #1 acknowledged
        2 #2 acknowledged
        2 #3 delivered 1
        ",
    );
}

#[test]
fn what_is_acknowledged_late_is_done_and_its_copy_is_dropped() {
    check(
        "
        0 publish 1 manager
        0 receive manager 1
        10 expire
        11 acknowledge 0 first
        12 receive manager nothing
        13 acknowledge 0 again
        ",
        "
        0 #1 published
        0 #1 delivered 1
        10 #1 timed out
        11 #1 acknowledged
        12 #1 duplicate
        13 #1 duplicate
        ",
    );
}

#[test]
fn what_two_receivers_do_counts_once() {
    check(
        "
        0 publish 1 manager
        0 receive manager 1
        10 receive manager 1
        11 acknowledge 0 first
        12 acknowledge 1 again
        13 release 1
        13 reject 1
        30 receive manager nothing
        ",
        "
        0 #1 published
        0 #1 delivered 1
        10 #1 timed out
        10 #1 delivered 2
        11 #1 acknowledged
        12 #1 duplicate
        ",
    );
}

#[test]
fn what_is_published_twice_is_delivered_once() {
    check(
        "
        0 publish 1 manager
        1 publish 1 manager
        2 receive manager 1
        2 receive manager nothing
        3 acknowledge 0 first
        4 publish 1 manager
        5 receive manager nothing
        ",
        "
        0 #1 published
        1 #1 duplicate
        2 #1 delivered 1
        3 #1 acknowledged
        4 #1 duplicate
        ",
    );
}

#[test]
fn a_clone_goes_on_by_itself() {
    let mut queue = queue();
    now(queue.publish(issue(1, Address::Manager, at(0))));
    let delivery = now(queue.receive(&Address::Manager, at(1))).unwrap();
    let mut branch = queue.clone();
    assert_eq!(now(branch.acknowledge(delivery.tag, at(2))), Acknowledgement::First);
    assert_eq!(now(queue.receive(&Address::Manager, at(11))).map(|again| again.attempt), Some(2));
    assert_eq!(now(branch.receive(&Address::Manager, at(11))), None);
}

#[test]
fn the_trace_is_written_and_read() {
    let mut play = Play::new();
    for line in ["0 publish 1 manager", "0 receive manager 1", "1 release 0", "2 receive manager 1", "20 purge"] {
        play.step(line);
    }
    let trace = play.queue.drain_trace();
    let text = serde_json::to_string(&trace).unwrap();
    assert_eq!(serde_json::from_str::<Vec<TraceEvent>>(&text).unwrap(), trace);
    assert!(text.starts_with(concat!(
        r#"[{"at":0,"what":"published","id":1,"kind":"issue","from":"maintainer","to":"manager","correlation":1},"#,
        r#"{"at":0,"what":{"delivered":{"attempt":1}},"#
    )));
}
