//! What is published arrives, once and in order.

use agents::message::Address;
use agents::queue::{Acknowledgement, InProcess, MessageQueue};
use sim::environment::ready;

use super::round::Round;
use super::{SETTINGS, acknowledge, addresses, connect, issue, nothing_is_left, port, receive, run};

#[test]
#[ignore = "needs RabbitMQ"]
fn a_round_is_the_same_as_within_one_process() {
    run(async {
        let expected = ready(Round::play(&mut InProcess::new(addresses(), SETTINGS)));
        let mut queue = connect("same", port()).await;
        assert_eq!(Round::play(&mut queue).await, expected);
        drop(queue);
        nothing_is_left("same").await;
    });
}

#[test]
#[ignore = "needs RabbitMQ"]
fn many_envelopes_arrive_once_and_in_order() {
    run(async {
        let (manager, mut queue) = (Address::Manager, connect("many", port()).await);
        for id in 0..100 {
            queue.publish(issue(id, manager.clone())).await.expect("the broker is there");
        }
        for id in 0..100 {
            let delivery = receive(&mut queue, &manager, 1).await.expect("what was confirmed is there");
            assert_eq!((delivery.envelope.id, delivery.attempt), (id, 1));
            assert_eq!(acknowledge(&mut queue, &delivery).await, Acknowledgement::First);
        }
        assert_eq!(receive(&mut queue, &manager, 1).await, None);
        assert_eq!(queue.duplicates(), 0);
        drop(queue);
        nothing_is_left("many").await;
    });
}
