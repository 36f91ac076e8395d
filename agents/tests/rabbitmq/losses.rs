//! Connections are cut, consumers die, the broker dies: nothing is lost and nothing done twice.

use std::time::Duration;

use agents::message::Address;
use agents::queue::rabbitmq::{Broker, RabbitMq};
use agents::queue::{Acknowledgement, InProcess, MessageQueue, Occurrence, RedeliveryReason, Settings};
use sim::environment::ready;

use super::proxy::{Proxy, Way};
use super::round::Round;
use super::{
    SETTINGS, acknowledge, addresses, agent, at, connect, issue, nothing_is_left, port, receive, receive_soon, run,
    script, uri,
};

/// Waits until queues that have just been declared outlive the broker: in release 3.10 a quorum queue whose broker dies in
/// the first moments of its life may be without a leader ever after, which is an error to whoever uses it.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(5)).await;
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
        settle().await;
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
        settle().await;
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
