//! What the queue gives up: who did not take it, who refused it, whom it killed, and what never left.

use agents::message::{Address, Body, Envelope};
use agents::queue::MessageQueue;
use sim::environment::Goal;

use super::{at, check, in_short, issue, now, queue};

#[test]
fn what_nobody_can_or_will_take_is_a_dead_letter() {
    check(
        "
        0 publish 1 agent/nobody
        0 publish 2 agent/a
        0 publish 3 agent/b
        50 publish 4 agent/a
        60 receive agent/b 3
        61 reject 0
        62 acknowledge 0 too-late
        99 expire
        100 receive agent/a 4
        101 publish 1 agent/nobody
        ",
        "
        0 #1 published
        0 #1 dead: nobody has its address
        0 #2 published
        0 #3 published
        50 #4 published
        60 #3 delivered 1
        61 #3 dead: its receiver refused it: it makes no sense
        62 #3 duplicate
        100 #2 dead: nobody took it before its deadline
        100 #4 delivered 1
        101 #1 duplicate
        ",
    );
}

#[test]
fn what_kills_its_receivers_is_a_dead_letter() {
    check(
        "
        0 publish 1 manager
        1 receive manager 1
        11 receive manager 1
        12 release 1
        12 receive manager 1
        22 receive manager nothing
        23 acknowledge 2 too-late
        ",
        "
        0 #1 published
        1 #1 delivered 1
        11 #1 timed out
        11 #1 delivered 2
        12 #1 again: its receiver gave it back: it crashed
        12 #1 delivered 3
        22 #1 dead: never acknowledged; deliveries: 3; the last one: it was not acknowledged in time
        23 #1 duplicate
        ",
    );
}

#[test]
fn what_is_taken_back_after_its_deadline_is_not_delivered_again() {
    check(
        "
        0 publish 1 manager
        95 receive manager 1
        104 expire
        105 receive manager nothing
        ",
        "
        0 #1 published
        95 #1 delivered 1
        105 #1 timed out
        105 #1 dead: nobody took it again before its deadline; deliveries: 1
        ",
    );
}

#[test]
fn the_end_of_the_episode_tells_what_was_never_taken() {
    check(
        "
        0 publish 1 agent/b
        0 publish 2 manager
        0 publish 3 agent/a
        0 publish 4 manager
        1 receive manager 2
        1 receive agent/a 3
        2 acknowledge 1 first
        3 purge
        4 receive manager nothing
        4 acknowledge 0 too-late
        4 purge
        ",
        "
        0 #1 published
        0 #2 published
        0 #3 published
        0 #4 published
        1 #2 delivered 1
        1 #3 delivered 1
        2 #3 acknowledged
        3 #1 dead: nobody took it before the episode was over
        3 #2 dead: nobody acknowledged it before the episode was over
        3 #4 dead: nobody took it before the episode was over
        4 #2 duplicate
        ",
    );
}

#[test]
fn what_cannot_travel_is_a_dead_letter_within_one_process_too() {
    let mut queue = queue();
    let goal = Goal::ReduceCpu { below: f64::NAN };
    let body = Body::Task { text: "Use less.".to_owned(), goal, evaluation: 1 };
    now(queue.publish(Envelope { body, ..issue(1, Address::Manager, at(0)) }));
    assert_eq!(now(queue.receive(&Address::Manager, at(0))), None);
    let trace: Vec<String> = queue.drain_trace().iter().map(in_short).collect();
    assert_eq!(trace, ["0 #1 published", "0 #1 dead: it cannot travel: `the goal's bound` is not a finite number"]);
}
