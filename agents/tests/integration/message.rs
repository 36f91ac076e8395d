//! Envelopes travel as JSON with a version, and what was written by any version can be read.

use std::collections::BTreeMap;

use agents::message::{Address, Body, Envelope, Kind, WireError};
use sim::environment::{Conclusion, Goal};
use sim::time::{SimDuration, SimTime};

fn envelope(from: Address, to: Address, body: Body) -> Envelope {
    Envelope { id: 7, from, to, correlation: 3, sent_at: SimTime::ZERO + SimDuration::from_secs(2), body }
}

fn agent() -> Address {
    Address::Agent("catalogue".to_owned())
}

fn task(goal: Goal) -> Envelope {
    envelope(Address::Manager, agent(), Body::Task { text: "Do it.".to_owned(), goal, evaluation: 2 })
}

fn response(outcome: Result<Conclusion, String>) -> Envelope {
    envelope(agent(), Address::Manager, Body::Response { outcome })
}

fn values(value: f64) -> Conclusion {
    let values = BTreeMap::from([("cpu".to_owned(), value)]);
    Conclusion { healthy: true, values, mitigated: Some(true), ..Conclusion::default() }
}

#[test]
fn what_version_1_wrote_is_read_and_written_again() {
    let wire = |from: &str, to: &str, body: &str| {
        format!(
            r#"{{"version":1,"envelope":{{"id":7,"from":"{from}","to":"{to}","correlation":3,"sent_at":2000000000,"body":{body}}}}}"#
        )
    };
    let check = |envelope: &Envelope, kind: Kind, text: &str| {
        assert_eq!(Envelope::from_wire(text.as_bytes()).unwrap(), *envelope, "{text}");
        assert_eq!(String::from_utf8(envelope.to_wire().unwrap()).unwrap(), text);
        assert_eq!(envelope.kind(), kind);
    };
    let below = SimDuration::from_millis(200);
    check(
        &task(Goal::ReduceLatency { below }),
        Kind::Task,
        &wire(
            "manager",
            "agent/catalogue",
            r#"{"kind":"task","text":"Do it.","goal":{"reduce-latency":{"below":"200ms"}},"evaluation":2}"#,
        ),
    );
    check(
        &envelope(agent(), Address::Manager, Body::Issue { text: "It is not mine.".to_owned() }),
        Kind::Issue,
        &wire("agent/catalogue", "manager", r#"{"kind":"issue","text":"It is not mine."}"#),
    );
    check(
        &response(Ok(values(0.25))),
        Kind::Response,
        &wire(
            "agent/catalogue",
            "manager",
            concat!(
                r#"{"kind":"response","outcome":{"Ok":{"healthy":true,"violated":[],"root_cause_component":null,"#,
                r#""root_cause_kind":null,"values":{"cpu":0.25},"actions_taken":"","mitigated":true}}}"#
            ),
        ),
    );
    check(
        &envelope(Address::Manager, Address::Maintainer, Body::Response { outcome: Err("no steps left".to_owned()) }),
        Kind::Response,
        &wire("manager", "maintainer", r#"{"kind":"response","outcome":{"Err":"no steps left"}}"#),
    );
}

#[test]
fn what_cannot_travel_is_refused() {
    let check = |envelope: &Envelope, name: &str| {
        assert_eq!(envelope.to_wire(), Err(WireError::NotFinite(name.to_owned())));
    };
    check(&response(Ok(values(f64::NAN))), "cpu");
    check(&response(Ok(values(f64::INFINITY))), "cpu");
    check(&task(Goal::ReduceCpu { below: f64::NEG_INFINITY }), "the goal's bound");
}

#[test]
fn what_is_no_message_is_refused() {
    let good = String::from_utf8(task(Goal::Maintain).to_wire().unwrap()).unwrap();
    let check = |text: &str, says: &str| {
        let error = Envelope::from_wire(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    };
    check("", "not a message");
    check("[]", "not a message");
    check(&good[..good.len() - 1], "not a message");
    check(&good.replace("\"version\":1", "\"version\":2"), "has version 2");
    check(&good.replace("\"version\":1,", ""), "version");
    check(&good.replace("manager", "boss"), "`boss` is not an address");
    check(&good.replace("agent/catalogue", "agent/"), "`agent/` is not an address");
    check(&good.replace("\"task\"", "\"order\""), "order");
    check(&good.replace("\"correlation\":3", "\"correlation\":3,\"urgent\":true"), "urgent");
    check(&good.replace("\"evaluation\":2", "\"evaluation\":2,\"urgent\":true"), "urgent");
}

#[test]
fn addresses_are_read_as_they_are_written() {
    for address in [Address::Maintainer, Address::Manager, agent(), Address::Agent("a/b".to_owned())] {
        assert_eq!(address.to_string().parse(), Ok(address.clone()));
    }
}
