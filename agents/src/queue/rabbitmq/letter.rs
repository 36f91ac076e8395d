//! Envelopes as the broker's messages: the body is the envelope's own form, and what the broker and people who look
//! into it need stands beside it in properties and headers.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};

use crate::message::{Address, Envelope};
use crate::queue::{DeadLetterReason, RedeliveryReason, Settings};

/// The reason why a message is among the dead letters, as JSON.
const REASON: &str = "x-sockpit-reason";

/// The same in words.
const WORDS: &str = "x-sockpit-reason-in-words";

/// Delivery mode of a message that survives the broker.
const PERSISTENT: u8 = 2;

/// The properties of an envelope on its way.
pub(super) fn properties(envelope: &Envelope) -> BasicProperties {
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type(ShortString::from("application/json"))
        .with_message_id(ShortString::from(envelope.id.to_string()))
        .with_correlation_id(ShortString::from(envelope.correlation.to_string()))
        .with_type(ShortString::from(envelope.kind().name()))
}

/// The properties of an envelope among the dead letters.
pub(super) fn properties_of_dead(envelope: &Envelope, reason: &DeadLetterReason) -> BasicProperties {
    let mut headers = FieldTable::default();
    if let Ok(json) = serde_json::to_string(reason) {
        headers.insert(REASON.into(), text(&json));
    }
    headers.insert(WORDS.into(), text(&reason.to_string()));
    properties(envelope).with_headers(headers)
}

/// The properties, among the dead letters, of what is no envelope.
pub(super) fn properties_of_unreadable(why: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert(WORDS.into(), text(why));
    BasicProperties::default().with_delivery_mode(PERSISTENT).with_headers(headers)
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

/// Reads a message in the queue of an address.
pub(super) fn read(of: &Address, body: &[u8]) -> Result<Envelope, String> {
    let envelope = Envelope::from_wire(body).map_err(|error| error.to_string())?;
    if envelope.to == *of { Ok(envelope) } else { Err(format!("it is addressed to {}", envelope.to)) }
}

/// How often a message had been delivered before, as a quorum queue counts.
pub(super) fn deliveries(headers: &FieldTable) -> u32 {
    let count = headers.inner().get("x-delivery-count").and_then(AMQPValue::as_long_long_int);
    count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
}

/// Why a message is among the dead letters: in the words of who put it there, or else in the broker's.
pub(super) fn reason(headers: &FieldTable, settings: &Settings) -> DeadLetterReason {
    let header = |name: &str| match headers.inner().get(name) {
        Some(AMQPValue::LongString(text)) => Some(text.to_string()),
        _ => None,
    };
    if let Some(reason) = header(REASON).and_then(|json| serde_json::from_str(&json).ok()) {
        return reason;
    }
    match header("x-first-death-reason").as_deref() {
        Some("delivery_limit") => DeadLetterReason::DeliveredTooOften {
            deliveries: settings.max_deliveries,
            last: RedeliveryReason::ReceiverLost,
        },
        other => DeadLetterReason::Rejected { why: format!("the broker says: {}", other.unwrap_or("nothing")) },
    }
}
