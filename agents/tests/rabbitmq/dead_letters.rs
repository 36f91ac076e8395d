//! What is given up lies among the dead letters, with its reason.

use std::time::Duration;

use agents::message::{Address, Envelope};
use agents::queue::rabbitmq::{RabbitMq, Unreadable};
use agents::queue::{Acknowledgement, DeadLetter, DeadLetterReason, MessageQueue, RedeliveryReason};
use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::AMQPValue;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use super::proxy::Proxy;
use super::{acknowledge, agent, at, connect, issue, nothing_is_left, port, receive, receive_soon, run, uri};

/// All dead letters there are, as soon as there are any.
async fn dead_letters_soon(queue: &mut RabbitMq) -> Vec<DeadLetter> {
    for _ in 0..200 {
        let dead = queue.drain_dead_letters(at(0)).await.expect("the broker is there");
        if !dead.is_empty() {
            return dead;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("there are no dead letters");
}

/// The broker itself, without the queue.
async fn channel() -> (Connection, Channel) {
    let connection =
        Connection::connect(&uri(port()), ConnectionProperties::default()).await.expect("the broker is there");
    let channel = connection.create_channel().await.expect("a channel");
    (connection, channel)
}

/// Takes away what lies among the broker's dead letters: the reasons in words.
async fn letters(name: &str) -> Vec<String> {
    let (_connection, channel) = channel().await;
    let mut letters = Vec::new();
    let dead = format!("sockpit.{name}.dead");
    while let Some(message) =
        channel.basic_get(dead.as_str().into(), BasicGetOptions { no_ack: true }).await.expect("the queue is there")
    {
        let headers = message.properties.headers().clone().unwrap_or_default();
        let header = |name: &str| match headers.inner().get(name) {
            Some(AMQPValue::LongString(text)) => Some(text.to_string()),
            _ => None,
        };
        let words = header("x-sockpit-reason-in-words").or_else(|| header("x-first-death-reason"));
        letters.push(words.unwrap_or_default());
    }
    letters
}

#[test]
#[ignore = "needs RabbitMQ"]
fn what_cannot_be_read_is_a_dead_letter_with_its_reason() {
    run(async {
        let manager = Address::Manager;
        let mut queue = connect("unreadable", port()).await;
        let (_connection, channel) = channel().await;
        let astray = issue(9, agent("carts")).to_wire().expect("it can travel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("it confirms");
        let bodies: [&[u8]; 3] = [b"{\"version\":9}", b"rubbish", &astray];
        for body in bodies {
            let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
            let queue = "sockpit.unreadable.manager".into();
            let confirm = channel.basic_publish("".into(), queue, options, body, properties).await.expect("it is sent");
            assert!(confirm.await.expect("it is sent").is_ack());
        }
        queue.publish(issue(1, manager.clone())).await.expect("the broker is there");
        let delivery = receive_soon(&mut queue, &manager).await;
        assert_eq!(delivery.envelope.id, 1);
        assert_eq!(acknowledge(&mut queue, &delivery).await, Acknowledgement::First);
        let unreadable = queue.drain_unreadable();
        let letters = letters("unreadable").await;
        let words = ["has version 9", "not a message", "addressed to agent/carts"];
        assert_eq!((unreadable.len(), letters.len()), (3, 3));
        for ((Unreadable { of, why }, letter), words) in unreadable.iter().zip(&letters).zip(words) {
            assert!(*of == manager && why.contains(words) && *letter == *why, "{words}: {why}, {letter}");
        }
        drop(queue);
        nothing_is_left("unreadable").await;
    });
}

#[test]
#[ignore = "needs RabbitMQ"]
fn what_is_given_up_is_a_dead_letter_with_its_reason() {
    run(async {
        let (carts, orders, user) = (agent("carts"), agent("orders"), agent("user"));
        let mut queue = connect("given-up", port()).await;
        // The fifth expires before the sixth, which is ahead of it.
        for (id, to, sent_at) in [
            (1, agent("nobody"), 0),
            (2, carts.clone(), 0),
            (3, orders.clone(), 0),
            (4, user.clone(), 0),
            (6, user.clone(), 500),
            (5, user.clone(), 0),
        ] {
            let envelope = Envelope { sent_at: at(sent_at), ..issue(id, to) };
            queue.publish(envelope).await.expect("the broker is there");
        }
        for attempt in 1..=3 {
            let delivery = receive(&mut queue, &carts, 0).await.expect("it comes again");
            assert_eq!(delivery.attempt, attempt);
            queue.release(delivery.tag, at(0), "it crashed").await.expect("the broker is there");
        }
        let delivery = receive(&mut queue, &orders, 0).await.expect("it is there");
        queue.reject(delivery.tag, at(0), "it makes no sense").await.expect("the broker is there");
        let fourth = receive(&mut queue, &user, 590).await.expect("it is there");
        assert_eq!((queue.next_expiry(), fourth.envelope.id), (Some(at(600)), 4));
        assert_eq!(queue.acknowledge(fourth.tag, at(591)).await, Ok(Acknowledgement::First));
        queue.expire(at(600)).await.expect("the broker is there");
        let sixth = receive(&mut queue, &user, 600).await.expect("it is there");
        assert_eq!((sixth.envelope.id, sixth.attempt), (6, 1));
        let left = queue.purge(at(601)).await.expect("the broker is there");
        let released = RedeliveryReason::Released { why: "it crashed".to_owned() };
        let expected = [
            (1, DeadLetterReason::NoSuchAddress),
            (2, DeadLetterReason::DeliveredTooOften { deliveries: 3, last: released }),
            (3, DeadLetterReason::Rejected { why: "it makes no sense".to_owned() }),
            (5, DeadLetterReason::NobodyTookIt { deliveries: 0 }),
            (6, DeadLetterReason::EpisodeOver { deliveries: 1 }),
        ];
        let told: Vec<_> = left.into_iter().map(|dead| (dead.envelope.id, dead.reason)).collect();
        assert_eq!(told, expected);
        // Another process hears the same from the broker, and so does whoever looks into it.
        let mut other = connect("given-up", port()).await;
        let told: Vec<_> =
            dead_letters_soon(&mut other).await.into_iter().map(|dead| (dead.envelope.id, dead.reason)).collect();
        assert_eq!(told, expected);
        assert_eq!(other.drain_dead_letters(at(0)).await, Ok(Vec::new()));
        assert_eq!(letters("given-up").await, expected.map(|(_, reason)| reason.to_string()));
        drop((queue, other));
        nothing_is_left("given-up").await;
    });
}

#[test]
#[ignore = "needs RabbitMQ"]
fn what_kills_its_consumers_is_given_up_by_the_broker_itself() {
    run(async {
        let carts = agent("carts");
        let mut conductor = connect("poison", port()).await;
        conductor.publish(issue(1, carts.clone())).await.expect("the broker is there");
        for attempt in 1..=3 {
            let proxy = Proxy::to(port());
            let mut consumer = connect("poison", proxy.port()).await;
            assert_eq!(receive_soon(&mut consumer, &carts).await.attempt, attempt);
            proxy.cut();
            drop(consumer);
        }
        let dead = dead_letters_soon(&mut conductor).await;
        let reason = DeadLetterReason::DeliveredTooOften { deliveries: 3, last: RedeliveryReason::ReceiverLost };
        assert_eq!(dead, [DeadLetter { envelope: issue(1, carts), reason }]);
        assert_eq!(letters("poison").await, ["delivery_limit"]);
        assert_eq!(conductor.purge(at(0)).await, Ok(Vec::new()));
        drop(conductor);
        nothing_is_left("poison").await;
    });
}
