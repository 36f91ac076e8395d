//! The same seed and answers give the same bytes; a fork goes on as its original would.

use std::sync::Arc;

use agents::policy::{Random, runbook};
use sim::environment::{Environment, Fork, Observation, Query, Stage, ready};
use sim::episode::{EpisodeEvent, Truth, WorldEvent};
use sim::time::{SimDuration, SimTime};
use sim::world::Twin;

use crate::play::{Episode, shipped, steps};

const SCENARIO: &str = "acv/low/cpu-stress";

#[test]
fn a_seed_gives_the_same_log_again_and_on_two_threads_at_once() {
    let loaded = shipped(SCENARIO);
    let played = |seed| Episode::play(&loaded, seed, Box::new(runbook())).bytes();
    let first = played(1);
    assert!(first == played(1), "the second time the log is another one");
    assert!(first != played(2), "the seed changes nothing");
    let at_once = std::thread::scope(|scope| {
        let threads = [1, 2, 1, 2].map(|seed| scope.spawn(move || played(seed)));
        threads.map(|thread| thread.join().expect("it plays"))
    });
    assert!(at_once[0] == first && at_once[2] == first, "on a busy machine the log is another one");
    assert!(at_once[1] == at_once[3] && at_once[1] != first, "threads mix their worlds up");
}

#[test]
fn the_random_policy_is_as_random_as_its_seed() {
    let loaded = shipped(SCENARIO);
    let played = |seed| Episode::play(&loaded, 1, Box::new(Random::new(seed))).bytes();
    assert!(played(3) == played(3) && played(3) != played(4));
}

/// Two policies on one seed meet the same users and demands until one of them changes the world, however
/// much either looks around or waits.
#[test]
fn policies_share_their_chance_until_the_first_write() {
    let loaded = shipped(SCENARIO);
    let look = "- action: {observe: {describe: {component: catalogue}}}\n\
                - action: {observe: {metrics: {promql: up}}}\n\
                - after: 7s\n  action: {observe: {logs: {of: catalogue, tail: 10}}}\n";
    let report = "- action: {report: {healthy: true}}\n";
    let write = "- action: {write: {scale: {component: catalogue, replicas: 2}}}\n";
    let idle = Episode::play(&loaded, 7, steps(report));
    let curious = Episode::play(&loaded, 7, steps(&format!("{look}{look}{write}{report}")));
    let written = curious.entries.iter().find_map(|entry| match &entry.event {
        EpisodeEvent::Answer { text, .. } if text.ends_with("scaled") => Some(entry.t_ns),
        _ => None,
    });
    let written = written.expect("it scales");
    let until =
        |episode: &Episode| -> Vec<Truth> { episode.truths().filter(|truth| truth.to <= written).cloned().collect() };
    assert!(until(&idle).len() > 30 && until(&idle) == until(&curious));
    assert!(idle.truths().any(|truth| truth.client_sent > 200));
    assert!(!idle.truths().eq(curious.truths()), "the write changes the world");
}

/// Everything that can be seen of a world and that its judge sees.
#[derive(Debug, PartialEq)]
struct Trace {
    truths: Vec<Truth>,
    journal: Vec<WorldEvent>,
    pods: Vec<Observation>,
    /// Bits of every sample, so that stale markers are equal to themselves.
    samples: Vec<(String, Vec<(i64, u64)>)>,
}

fn at(seconds: u64) -> SimTime {
    SimTime::ZERO + SimDuration::from_secs(seconds)
}

/// Plays a world on until `until`, in the judge's intervals.
fn trace(world: &mut Twin, until: u64) -> Trace {
    let (mut truths, mut pods) = (Vec::new(), Vec::new());
    while world.now() < at(until) {
        ready(world.advance(world.now() + SimDuration::from_secs(5))).expect("the twin is always there");
        truths.push(ready(world.truth()).expect("the twin is always there"));
        let all = ready(world.observe(&Query::ListPods { component: None }));
        pods.push(all.expect("pods can be listed"));
    }
    let journal = world.drain_journal();
    let store = world.store();
    let samples = store.series().map(|series| {
        let samples = store.samples(series, i64::MIN, i64::MAX);
        (format!("{:?}", store.labels(series)), samples.map(|s| (s.t_ms, s.value.to_bits())).collect())
    });
    Trace { truths, journal, pods, samples: samples.collect() }
}

/// Stressed for ten seconds.
fn world(seed: u64) -> Twin {
    let loaded = shipped(SCENARIO);
    let mut world = Twin::new(&loaded.app, &Arc::new(loaded.scenario.value), seed);
    ready(world.prepare()).expect("the twin is always there");
    ready(world.advance(at(120))).expect("the twin is always there");
    ready(world.inject(0)).expect("the fault can be injected");
    ready(world.advance(at(130))).expect("the twin is always there");
    world
}

#[test]
fn a_fork_goes_on_as_the_original_would() {
    let mut original = world(1);
    let mut fork = original.fork();
    // In turns, so that they would disturb each other if they shared anything that changes.
    let halfway = (trace(&mut fork, 160), trace(&mut original, 160));
    let end = (trace(&mut original, 200), trace(&mut fork, 200));
    assert!(halfway.0 == halfway.1 && end.0 == end.1, "the fork went another way");
    let mut alone = world(1);
    let unforked = (trace(&mut alone, 160), trace(&mut alone, 200));
    assert!(unforked == (halfway.1, end.0), "being forked changed the original");
    assert!(unforked.1.truths.iter().all(|truth| truth.client_sent > 0));
    assert!(unforked.1.samples.len() > 100);
}

#[test]
fn futures_differ_from_each_other_and_repeat_themselves() {
    let original = world(1);
    let future = |key| trace(&mut original.fork_with_future(key), 200);
    let (first, second) = (future(0), future(1));
    assert!(first == future(0), "a future does not repeat itself");
    assert!(first.truths != second.truths, "two futures are the same");
    assert!(first.truths != trace(&mut original.fork(), 200).truths, "a future is the present");
}
