//! The connection to the broker: made anew whenever it is lost, with the exchanges and queues declared again.
//!
//! Every operation is tried again on a new connection, so each may reach the broker twice; those who use it see to it
//! that nothing is done twice ([`super`]).

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Acker, BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use sim::environment::Unavailable;

use crate::message::Address;

/// How often to look whether the connection is still there while something is under way.
const LOOK: Duration = Duration::from_millis(100);

/// Where the broker is, and how patient to be with it, on the machine's clock.
#[derive(Clone)]
pub struct Broker {
    /// `amqp://USER:PASSWORD@HOST:PORT/VIRTUAL-HOST`. It is never printed.
    pub uri: String,
    /// What the exchanges and queues are named after: `sockpit.NAME` and more. One name is one set of queues, so two
    /// episodes need two names, and the processes of one episode the same.
    pub name: String,
    /// How long one operation may take.
    pub patience: Duration,
    /// How often an operation is tried again, each time on a new connection.
    pub retries: u32,
    /// How long to wait before the first retry; before each one more it is twice as long.
    pub first_pause: Duration,
    /// But no longer than this.
    pub longest_pause: Duration,
}

impl Broker {
    /// A broker that may be away for about half a minute.
    pub fn new(uri: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            name: name.into(),
            patience: Duration::from_secs(30),
            retries: 12,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
        }
    }
}

/// What the exchanges and queues are called.
pub(super) struct Names {
    exchange: ShortString,
    dead_exchange: ShortString,
    dead_queue: ShortString,
    queues: BTreeMap<Address, ShortString>,
}

impl Names {
    pub(super) fn new<'a>(
        episode: &str,
        addresses: impl IntoIterator<Item = &'a Address>,
    ) -> Result<Self, Unavailable> {
        let name = |text: String| {
            ShortString::try_new(text.as_str())
                .map_err(|error| Unavailable(format!("the broker cannot have a queue named {text}: {error}")))
        };
        let queue = |address: &Address| -> Result<(Address, ShortString), Unavailable> {
            Ok((address.clone(), name(format!("sockpit.{episode}.{address}"))?))
        };
        Ok(Self {
            exchange: name(format!("sockpit.{episode}"))?,
            dead_exchange: name(format!("sockpit.{episode}.dead"))?,
            dead_queue: name(format!("sockpit.{episode}.dead"))?,
            queues: addresses.into_iter().map(queue).collect::<Result<_, Unavailable>>()?,
        })
    }

    /// Declares everything; what is there already stays.
    async fn declare(&self, channel: &Channel, delivery_limit: u32) -> lapin::Result<()> {
        let lasting = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let none = FieldTable::default;
        channel.exchange_declare(self.exchange.clone(), ExchangeKind::Direct, lasting, none()).await?;
        channel.exchange_declare(self.dead_exchange.clone(), ExchangeKind::Fanout, lasting, none()).await?;
        // A classic queue: it is looked through, and a quorum queue would count that as deliveries.
        channel.queue_declare(self.dead_queue.clone(), QueueDeclareOptions::durable(), none()).await?;
        self.bind(channel, &self.dead_queue, &self.dead_exchange).await?;
        for queue in self.queues.values() {
            let arguments = self.arguments(delivery_limit);
            channel.queue_declare(queue.clone(), QueueDeclareOptions::durable(), arguments).await?;
            self.bind(channel, queue, &self.exchange).await?;
        }
        Ok(())
    }

    async fn bind(&self, channel: &Channel, queue: &ShortString, exchange: &ShortString) -> lapin::Result<()> {
        let (key, options) = (queue.clone(), QueueBindOptions::default());
        channel.queue_bind(queue.clone(), exchange.clone(), key, options, FieldTable::default()).await
    }

    /// A queue that counts deliveries, and gives up a message only when it is safe among the dead letters.
    fn arguments(&self, delivery_limit: u32) -> FieldTable {
        let text = |text: &str| AMQPValue::LongString(LongString::from(text));
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), text("quorum"));
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(i64::from(delivery_limit)));
        arguments.insert("x-dead-letter-exchange".into(), text(self.dead_exchange.as_str()));
        arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
        arguments.insert("x-overflow".into(), text("reject-publish"));
        arguments
    }
}

/// The right to settle a message that came out of the broker; it ends with the connection.
pub(super) struct Claim {
    acker: Acker,
    connection: u64,
}

/// A message that came out of the broker.
pub(super) struct Fetched {
    pub(super) body: Vec<u8>,
    pub(super) headers: FieldTable,
    pub(super) claim: Claim,
}

struct Open {
    channel: Channel,
    // The channel lives as long as its connection does.
    connection: Connection,
}

/// The connection.
pub(super) struct Link {
    broker: Broker,
    names: Names,
    delivery_limit: u32,
    open: Option<Open>,
    /// How many connections there have been.
    connections: u64,
}

impl Link {
    pub(super) async fn connect(broker: Broker, names: Names, delivery_limit: u32) -> Result<Self, Unavailable> {
        let mut link = Self { broker, names, delivery_limit, open: None, connections: 0 };
        link.again_and_again("connect", async |_: &Channel, _: &Names| Ok(())).await?;
        Ok(link)
    }

    /// Puts a message into the queue of an address. Returns whether there is such a queue.
    pub(super) async fn publish(
        &mut self,
        to: &Address,
        properties: &BasicProperties,
        body: &[u8],
    ) -> Result<bool, Unavailable> {
        self.again_and_again("publish", async |channel: &Channel, names: &Names| match names.queues.get(to) {
            Some(queue) => send(channel, &names.exchange, queue, properties, body).await,
            None => Ok(false),
        })
        .await
    }

    /// Puts a message among the dead letters.
    pub(super) async fn bury(&mut self, properties: &BasicProperties, body: &[u8]) -> Result<(), Unavailable> {
        let operation = async |channel: &Channel, names: &Names| {
            send(channel, &names.dead_exchange, &names.dead_queue, properties, body).await
        };
        let buried = self.again_and_again("publish a dead letter", operation).await?;
        let gone = || Unavailable("the message broker has lost the queue of dead letters".to_owned());
        buried.then_some(()).ok_or_else(gone)
    }

    /// Takes the next message out of the queue of an address; it stays the broker's until it is acknowledged.
    ///
    /// Asked for one by one (`basic.get`), since a message that was published and confirmed must be there at once, or
    /// what an episode does would depend on the network's speed; how many are out at once is for the caller to bound.
    pub(super) async fn get(&mut self, of: &Address) -> Result<Option<Fetched>, Unavailable> {
        let operation = async |channel: &Channel, names: &Names| match names.queues.get(of) {
            Some(queue) => channel.basic_get(queue.clone(), BasicGetOptions::default()).await,
            None => Ok(None),
        };
        let message = self.again_and_again("get", operation).await?;
        Ok(message.map(|message| self.fetched(message)))
    }

    /// Takes the next message out of the queue of dead letters.
    pub(super) async fn get_dead(&mut self) -> Result<Option<Fetched>, Unavailable> {
        let operation = async |channel: &Channel, names: &Names| {
            channel.basic_get(names.dead_queue.clone(), BasicGetOptions::default()).await
        };
        let message = self.again_and_again("get a dead letter", operation).await?;
        Ok(message.map(|message| self.fetched(message)))
    }

    fn fetched(&self, message: lapin::message::BasicGetMessage) -> Fetched {
        let delivery = message.delivery;
        Fetched {
            headers: delivery.properties.headers().clone().unwrap_or_default(),
            claim: Claim { acker: delivery.acker, connection: self.connections },
            body: delivery.data,
        }
    }

    /// Whether the broker still counts a message as being out under this claim.
    pub(super) fn is_alive(&self, claim: &Claim) -> bool {
        self.open.is_some() && claim.connection == self.connections && claim.acker.usable()
    }

    /// Ends a message. Returns whether that was sent; if the connection is lost meanwhile the broker may deliver the
    /// message once more all the same.
    pub(super) async fn acknowledge(&mut self, claim: &Claim) -> bool {
        let settling = claim.acker.ack(BasicAckOptions::default());
        self.is_alive(claim) && self.settle(settling).await
    }

    /// Puts a message back where it was. If the connection is lost meanwhile, the broker does that by itself.
    pub(super) async fn give_back(&mut self, claim: &Claim) -> bool {
        let settling = claim.acker.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() });
        self.is_alive(claim) && self.settle(settling).await
    }

    async fn settle(&mut self, settling: impl Future<Output = lapin::Result<bool>>) -> bool {
        let settled = matches!(tokio::time::timeout(self.broker.patience, settling).await, Ok(Ok(true)));
        if !settled {
            self.open = None;
        }
        settled
    }

    /// Whether a connection has been lost: the broker may need a moment to put back what was out.
    pub(super) const fn was_lost(&self) -> bool {
        self.connections > 1
    }

    /// Removes the exchanges and queues and all that is in them.
    pub(super) async fn delete(&mut self) -> Result<(), Unavailable> {
        self.again_and_again("delete", async |channel: &Channel, names: &Names| {
            for queue in names.queues.values().chain([&names.dead_queue]) {
                channel.queue_delete(queue.clone(), QueueDeleteOptions::default()).await?;
            }
            for exchange in [&names.exchange, &names.dead_exchange] {
                channel.exchange_delete(exchange.clone(), ExchangeDeleteOptions::default()).await?;
            }
            Ok(())
        })
        .await
    }

    async fn again_and_again<T>(
        &mut self,
        what: &str,
        operation: impl AsyncFn(&Channel, &Names) -> lapin::Result<T>,
    ) -> Result<T, Unavailable> {
        let mut pause = self.broker.first_pause;
        for left in (0..=self.broker.retries).rev() {
            let patience = self.broker.patience;
            let (failure, is_final) = match tokio::time::timeout(patience, self.once(&operation)).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => (error.to_string(), self.open.is_none() && is_refusal(&error)),
                Err(_) => (format!("no answer within {} s", patience.as_secs()), false),
            };
            self.open = None;
            if left == 0 || is_final {
                return Err(Unavailable(format!("the message broker is lost, could not {what}: {failure}")));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.broker.longest_pause);
        }
        unreachable!("the last try returns")
    }

    async fn once<T>(&mut self, operation: &impl AsyncFn(&Channel, &Names) -> lapin::Result<T>) -> lapin::Result<T> {
        if self.open.is_none() {
            let connection = Connection::connect(&self.broker.uri, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            self.names.declare(&channel, self.delivery_limit).await?;
            self.connections += 1;
            self.open = Some(Open { channel, connection });
        }
        let Open { channel, connection } = self.open.as_ref().expect("it has just been opened");
        // A get of whose answer a part has come does not end when the connection does.
        tokio::select! {
            biased;
            done = operation(channel, &self.names) => done,
            () = loss(connection) => Err(std::io::Error::other("the connection was lost").into()),
        }
    }
}

/// Waits until a connection is lost.
async fn loss(connection: &Connection) {
    while connection.status().connected() {
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether the broker refused a connection, or queues that are not as they should be: it will again.
fn is_refusal(error: &lapin::Error) -> bool {
    const ACCESS_REFUSED: u16 = 403;
    const PRECONDITION_FAILED: u16 = 406;
    match error.kind() {
        lapin::ErrorKind::ProtocolError(error) => matches!(error.get_id(), ACCESS_REFUSED | PRECONDITION_FAILED),
        _ => false,
    }
}

/// Publishes a message that survives the broker, and waits until it has it. Returns whether a queue took it.
async fn send(
    channel: &Channel,
    exchange: &ShortString,
    key: &ShortString,
    properties: &BasicProperties,
    body: &[u8],
) -> lapin::Result<bool> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let confirm = channel.basic_publish(exchange.clone(), key.clone(), options, body, properties.clone()).await?;
    match confirm.await? {
        lapin::Confirmation::Ack(returned) => Ok(returned.is_none()),
        lapin::Confirmation::Nack(_) | lapin::Confirmation::NotRequested => {
            Err(std::io::Error::other("the broker did not take the message").into())
        }
    }
}
