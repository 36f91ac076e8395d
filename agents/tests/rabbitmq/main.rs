//! The message queue on a real broker, whose connection is cut and whose consumers die.
//!
//! `.ci/rabbitmq` starts a broker and runs this; `SOCKPIT_RABBITMQ_PORT` is the broker's port on loopback, and
//! `SOCKPIT_RABBITMQ` the script by which the tests kill and start it.

mod arrivals;
mod dead_letters;
mod losses;
mod proxy;
mod round;

use std::future::Future;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agents::message::{Address, Body, Envelope};
use agents::queue::rabbitmq::{Broker, RabbitMq};
use agents::queue::{Acknowledgement, Delivery, MessageQueue, Settings};
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

/// Checks with a queue of its own that nothing is left at the broker, and removes what is named so.
async fn nothing_is_left(name: &str) {
    let mut queue = connect(name, port()).await;
    for of in addresses() {
        assert_eq!(receive(&mut queue, &of, 0).await, None, "{name}");
    }
    assert_eq!(queue.purge(at(0)).await.expect("the broker is there"), [], "{name}");
    queue.delete().await.expect("the broker is there");
}
