//! How faults show, as the catalogue says it: not before the fault, and within the stated time after it.

use std::sync::Arc;

use datasets::faults::{Entry, Seen, catalogue};
use sim::environment::{Environment, Failure, Stage};
use sim::time::SimDuration;
use sim::world::Twin;

use super::scripts::ready;

const SEEDS: [u64; 3] = [1, 2, 3];
/// How long before the fault nothing may be seen.
const BEFORE: SimDuration = SimDuration::from_secs(60);
/// How often one looks.
const EVERY: SimDuration = SimDuration::from_secs(5);

#[test]
fn every_signature_shows_within_its_time_and_not_before() {
    let mut broken = Vec::new();
    for entry in catalogue().unwrap_or_else(|mistakes| panic!("{mistakes}")) {
        for seed in SEEDS {
            broken.extend(look(&entry, seed));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// What does not show as it should.
fn look(entry: &Entry, seed: u64) -> Vec<String> {
    let scenario = Arc::new(entry.loaded.scenario.value.clone());
    let mut twin = Twin::new(&entry.loaded.app, &scenario, seed);
    ready(twin.prepare()).unwrap_or_else(|failure| panic!("{failure}"));
    let start = scenario.faults[0].injected_at();
    let name = &entry.name;
    let mut broken = Vec::new();
    let mut at = start - BEFORE;
    while at <= start {
        ready(twin.advance(at)).unwrap_or_else(|failure| panic!("{failure}"));
        for signature in entry.shows.iter().filter(|signature| shows(&mut twin, &signature.seen)) {
            broken.push(format!("{name}, seed {seed}: at {at}, before the fault: {}", signature.seen.text()));
        }
        at += EVERY;
    }
    ready(twin.inject(0)).unwrap_or_else(|failure| panic!("{failure}"));
    let mut waiting: Vec<_> = entry.shows.iter().collect();
    let last = start + waiting.iter().map(|signature| signature.within).max().unwrap_or_default();
    let mut at = start;
    let mut later = scenario.faults.iter().enumerate().skip(1).peekable();
    while at < last {
        at += EVERY;
        while let Some((index, fault)) = later.next_if(|(_, fault)| fault.injected_at() < at) {
            ready(twin.advance(fault.injected_at())).unwrap_or_else(|failure| panic!("{failure}"));
            ready(twin.inject(index)).unwrap_or_else(|failure| panic!("{failure}"));
        }
        ready(twin.advance(at)).unwrap_or_else(|failure| panic!("{failure}"));
        waiting.retain(|signature| at > start + signature.within || !shows(&mut twin, &signature.seen));
    }
    let late = waiting
        .into_iter()
        .map(|signature| format!("{name}, seed {seed}: not within {}: {}", signature.within, signature.seen.text()));
    broken.extend(late);
    broken
}

fn shows(twin: &mut Twin, seen: &Seen) -> bool {
    match ready(twin.observe(&seen.query())) {
        Ok(answer) => seen.is_in(&answer),
        // There may be no log yet, or no container before.
        Err(Failure::Rejected(_)) => false,
        Err(Failure::Unavailable(failure)) => panic!("{failure}"),
    }
}
