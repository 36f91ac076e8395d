//! The message queue on a real broker, whose connection is cut and whose consumers die.
//!
//! `.ci/rabbitmq` starts a broker and runs this; `SOCKPIT_RABBITMQ_PORT` is the broker's port on loopback, and
//! `SOCKPIT_RABBITMQ` the script by which the tests kill and start it.

mod proxy;
mod round;

use std::future::Future;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agents::message::{Address, Body, Envelope};
use agents::queue::rabbitmq::{Broker, RabbitMq, Unreadable};
use agents::queue::{
    Acknowledgement, DeadLetter, DeadLetterReason, Delivery, InProcess, MessageQueue, Occurrence, RedeliveryReason,
    Settings,
};
use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::AMQPValue;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use proxy::{Proxy, Way};
use round::Round;
use sim::environment::ready;
use sim::time::{SimDuration, SimTime};

const SETTINGS: Settings = Settings {
    visibility_timeout: SimDuration::from_secs(60),
    max_deliveries: 3,
    time_to_live: SimDuration::from_secs(600),
    prefetch: 8,
};

/// One test at a time: one of them kills the broker.
static BROKER: Mutex<()> = Mutex::new(());

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: .ci/rabbitmq does that"))
}

fn port() -> u16 {
    variable("SOCKPIT_RABBITMQ_PORT").parse().expect("a port")
}

fn uri(port: u16) -> String {
    format!("amqp://guest:guest@127.0.0.1:{port}/%2f")
}

/// Has the script do something to the broker.
fn script(what: &str) {
    let status = Command::new(variable("SOCKPIT_RABBITMQ")).arg(what).status().expect("the script runs");
    assert!(status.success(), "{what}: {status}");
}

/// Runs a test against the broker, alone.
fn run<T>(test: impl Future<Output = T>) -> T {
    let _alone: MutexGuard<'_, ()> = BROKER.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(test)
}

fn addresses() -> Vec<Address> {
    vec![Address::Maintainer, Address::Manager, agent("carts"), agent("orders"), agent("user")]
}

fn agent(component: &str) -> Address {
    Address::Agent(component.to_owned())
}

fn at(seconds: u64) -> SimTime {
    SimTime::ZERO + SimDuration::from_secs(seconds)
}

fn issue(id: u64, to: Address) -> Envelope {
    let body = Body::Issue { text: format!("issue {id}") };
    Envelope { id, from: Address::Maintainer, to, correlation: id, sent_at: at(0), body }
}

async fn connect(name: &str, port: u16) -> RabbitMq {
    RabbitMq::connect(Broker::new(uri(port), name), addresses(), SETTINGS).await.expect("the broker is there")
}

async fn receive(queue: &mut RabbitMq, of: &Address, seconds: u64) -> Option<Delivery> {
    queue.receive(of, at(seconds)).await.expect("the broker is there")
}

/// Receives, where the broker may need a moment to notice that a connection is gone.
async fn receive_soon(queue: &mut RabbitMq, of: &Address) -> Delivery {
    for _ in 0..200 {
        if let Some(delivery) = receive(queue, of, 0).await {
            return delivery;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("nothing came for {of}");
}

async fn acknowledge(queue: &mut RabbitMq, delivery: &Delivery) -> Acknowledgement {
    queue.acknowledge(delivery.tag, at(0)).await.expect("the broker is there")
}

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

/// Checks with a queue of its own that nothing is left at the broker, and removes what is named so.
async fn nothing_is_left(name: &str) {
    let mut queue = connect(name, port()).await;
    for of in addresses() {
        assert_eq!(receive(&mut queue, &of, 0).await, None, "{name}");
    }
    assert_eq!(queue.purge(at(0)).await.expect("the broker is there"), [], "{name}");
    queue.delete().await.expect("the broker is there");
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

/// Plays a round whose connection is cut after so many bytes one way, and checks that what is done is what is done
/// without a cut.
async fn check_cut(name: &str, expected: &Round, way: Way, bytes: u64) {
    let proxy = Proxy::to(port());
    proxy.cut_after(way, bytes);
    let mut queue = connect(name, proxy.port()).await;
    let round = Round::play(&mut queue).await;
    assert_eq!(proxy.cuts(), 1, "{name}");
    assert_eq!(round.done, expected.done, "{name}");
    assert_eq!(round.without_repeats(), expected.without_repeats(), "{name}");
    drop(queue);
    nothing_is_left(name).await;
}

#[test]
#[ignore = "needs RabbitMQ"]
fn wherever_the_connection_is_cut_nothing_is_lost_and_nothing_done_twice() {
    run(async {
        let expected = ready(Round::play(&mut InProcess::new(addresses(), SETTINGS)));
        let proxy = Proxy::to(port());
        let mut queue = connect("cut-0", proxy.port()).await;
        let connected = [Way::ToBroker, Way::FromBroker].map(|way| (way, proxy.passed(way)));
        Round::play(&mut queue).await;
        let ends = connected.map(|(way, start)| (way, start, proxy.passed(way)));
        drop(queue);
        nothing_is_left("cut-0").await;
        for (way, start, end) in ends {
            assert!(end > start + 1_000, "{way:?}: {start} to {end}");
            for cut in 0..12 {
                // As long as the name of the round that is not cut, since names are among the bytes.
                let name = format!("cut-{}", char::from(b'a' + cut));
                check_cut(&name, &expected, way, start + 1 + (end - start - 2) * u64::from(cut) / 11).await;
            }
        }
    });
}

#[test]
#[ignore = "needs RabbitMQ"]
fn a_receiver_keeps_what_it_holds_when_the_connection_is_cut() {
    run(async {
        let (proxy, manager) = (Proxy::to(port()), Address::Manager);
        let mut queue = connect("held", proxy.port()).await;
        for id in [1, 2, 3] {
            queue.publish(issue(id, manager.clone())).await.expect("the broker is there");
        }
        let first = receive(&mut queue, &manager, 0).await.expect("the first");
        let second = receive(&mut queue, &manager, 0).await.expect("the second");
        proxy.cut();
        // Acknowledged before it came out again, held while it comes out again.
        assert_eq!(acknowledge(&mut queue, &first).await, Acknowledgement::First);
        let third = receive_soon(&mut queue, &manager).await;
        assert_eq!((third.envelope.id, third.attempt), (3, 1));
        assert_eq!(acknowledge(&mut queue, &second).await, Acknowledgement::First);
        assert_eq!(acknowledge(&mut queue, &third).await, Acknowledgement::First);
        assert_eq!(queue.purge(at(0)).await.expect("the broker is there"), []);
        drop(queue);
        nothing_is_left("held").await;
    });
}

#[test]
#[ignore = "needs RabbitMQ"]
fn what_a_dead_consumer_held_goes_to_its_successor() {
    run(async {
        let (proxy, carts) = (Proxy::to(port()), agent("carts"));
        let mut conductor = connect("died", port()).await;
        for id in [1, 2, 3] {
            conductor.publish(issue(id, carts.clone())).await.expect("the broker is there");
        }
        let mut consumer = connect("died", proxy.port()).await;
        let first = receive(&mut consumer, &carts, 0).await.expect("the first");
        assert_eq!(acknowledge(&mut consumer, &first).await, Acknowledgement::First);
        let second = receive(&mut consumer, &carts, 0).await.expect("the second");
        assert_eq!((second.envelope.id, second.attempt), (2, 1));
        // As the kernel ends the connections of a process that is killed.
        proxy.cut();
        drop(consumer);
        let mut successor = connect("died", port()).await;
        let mut got = Vec::new();
        for _ in 0..2 {
            let delivery = receive_soon(&mut successor, &carts).await;
            got.push((delivery.envelope.id, delivery.attempt));
            assert_eq!(acknowledge(&mut successor, &delivery).await, Acknowledgement::First);
        }
        got.sort_unstable();
        assert_eq!(got, [(2, 2), (3, 1)]);
        let lost = Occurrence::Redelivered { reason: RedeliveryReason::ReceiverLost };
        assert!(successor.drain_trace().iter().any(|event| event.id == 2 && event.what == lost));
        // The conductor waits for nothing that others have taken.
        assert_eq!(conductor.purge(at(0)).await.expect("the broker is there"), []);
        assert_eq!(conductor.next_expiry(), None);
        drop((conductor, successor));
        nothing_is_left("died").await;
    });
}

#[test]
#[ignore = "needs RabbitMQ"]
fn what_was_confirmed_survives_the_death_of_the_broker() {
    run(async {
        let manager = Address::Manager;
        let mut queue = connect("killed", port()).await;
        for id in [1, 2, 3] {
            queue.publish(issue(id, manager.clone())).await.expect("the broker is there");
        }
        let first = receive(&mut queue, &manager, 0).await.expect("the first");
        script("kill");
        script("start");
        queue.publish(issue(4, manager.clone())).await.expect("the broker is back");
        let mut got = Vec::new();
        for _ in 0..3 {
            let delivery = receive_soon(&mut queue, &manager).await;
            got.push((delivery.envelope.id, delivery.attempt));
            assert_eq!(acknowledge(&mut queue, &delivery).await, Acknowledgement::First);
        }
        assert_eq!(got, [(2, 1), (3, 1), (4, 1)]);
        assert_eq!(acknowledge(&mut queue, &first).await, Acknowledgement::First);
        assert_eq!(queue.purge(at(0)).await.expect("the broker is there"), []);
        drop(queue);
        nothing_is_left("killed").await;
    });
}

#[test]
#[ignore = "needs RabbitMQ"]
fn a_broker_that_stays_away_is_an_error_and_no_hang() {
    run(async {
        let proxy = Proxy::to(port());
        let hasty = Broker { retries: 2, ..Broker::new(uri(proxy.port()), "away") };
        let mut queue = RabbitMq::connect(hasty, addresses(), SETTINGS).await.expect("the broker is there");
        script("kill");
        let error = queue.receive(&Address::Manager, at(0)).await.expect_err("the broker is away");
        script("start");
        assert!(error.0.contains("the message broker is lost"), "{error}");
        assert!(!error.0.contains("guest"), "the password is in the message: {error}");
        // Who is patient waits until the queues are back, and then the hasty one finds them too.
        drop(connect("away", port()).await);
        assert_eq!(receive(&mut queue, &Address::Manager, 0).await, None);
        drop(queue);
        nothing_is_left("away").await;
    });
}

#[test]
#[ignore = "needs RabbitMQ"]
fn a_broker_that_refuses_is_an_error_at_once() {
    run(async {
        drop(connect("refused", port()).await);
        let other = Settings { max_deliveries: 9, ..SETTINGS };
        let stranger = uri(port()).replace("guest:guest", "guest:secret");
        for (uri, settings) in [(stranger, SETTINGS), (uri(port()), other)] {
            let connecting = RabbitMq::connect(Broker::new(uri, "refused"), addresses(), settings);
            let refused =
                tokio::time::timeout(Duration::from_secs(20), connecting).await.expect("it is refused at once");
            let error = refused.err().expect("it is refused");
            assert!(error.0.contains("could not connect") && !error.0.contains("secret"), "{error}");
        }
        nothing_is_left("refused").await;
    });
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
