//! `NetworkChaos`: who is hit, and what TCP makes of it.

use sim::ids::ContainerIx;
use sim::time::SimDuration;
use sim::traffic::{Bandwidth, Direction, Netem, NetworkEffect, NetworkFault, NodeSpec, Phase, ProcessSpec};
use sim::units::Bytes;

use super::{BACK, FRONT, MS, check_close, counts, mean, pair_world};
use crate::small_world::{SmallWorld, at, users};

fn fault(
    sources: &[ContainerIx],
    targets: &[ContainerIx],
    direction: Direction,
    effect: NetworkEffect,
) -> NetworkFault {
    NetworkFault { sources: sources.to_vec(), targets: targets.to_vec(), direction, effect }
}

fn netem(delay: SimDuration, jitter: SimDuration, loss: f64) -> NetworkEffect {
    NetworkEffect::Netem(Netem { delay, jitter, loss })
}

/// What one request of the pair takes on average under a fault, in milliseconds; without one it is 10.
fn check(client: &str, fault: &NetworkFault, expected: f64) {
    let mut world = pair_world(client, 512, "one", 1);
    world.traffic.impair_network(world.now, fault);
    world.run(at(9_990));
    let (sent, ok, ..) = counts(&world);
    assert_eq!((sent, ok), (9, 9), "{fault:?}");
    check_close(mean(&world), expected, 0.001, &format!("{client} {fault:?}"));
}

#[test]
fn delay_hits_what_a_pod_sends_and_targets_are_known_to_servers_only() {
    let delay = netem(MS * 50, SimDuration::ZERO, 0.0);
    // The back sends a SYN-ACK and an answer; the front sends SYN and request to it, and a SYN-ACK and an answer to its user.
    check("", &fault(&[BACK], &[], Direction::To, delay), 110.0);
    check("", &fault(&[FRONT], &[], Direction::To, delay), 210.0);
    check("connections: {pool: {}}", &fault(&[BACK], &[], Direction::To, delay), 10.0 + 50.0 + 50.0 / 9.0);
    // The front sends to the Service's address, which is not the back's.
    check("", &fault(&[FRONT], &[BACK], Direction::To, delay), 10.0);
    check("", &fault(&[FRONT], &[BACK], Direction::From, delay), 110.0);
    check("", &fault(&[FRONT], &[BACK], Direction::Both, delay), 110.0);
    check("", &fault(&[BACK], &[FRONT], Direction::To, delay), 110.0);
    check("", &fault(&[BACK], &[FRONT], Direction::From, delay), 10.0);
}

#[test]
fn several_faults_add_up_unless_each_has_a_target() {
    let delay = |ms| netem(MS * ms, SimDuration::ZERO, 0.0);
    let mut world = pair_world("", 512, "one", 1);
    for (targets, ms) in [(&[][..], 10), (&[], 20), (&[FRONT], 100), (&[FRONT], 40)] {
        world.traffic.impair_network(world.now, &fault(&[BACK], targets, Direction::To, delay(ms)));
    }
    world.run(at(9_990));
    check_close(mean(&world), 10.0 + 2.0 * (10.0 + 20.0 + 40.0), 0.001, "the last of those with a target");
}

#[test]
fn jitter_spreads_the_delay_and_never_sends_before_now() {
    for (delay, jitter, expected, within) in [(50, 50, 110.0, 1.0), (0, 100, 10.0 + 2.0 * 25.0, 1.0)] {
        let mut world = pair_world("", 512, "eager", 2);
        let effect = netem(MS * delay, MS * jitter, 0.0);
        world.traffic.impair_network(world.now, &fault(&[BACK], &[], Direction::To, effect));
        world.run(at(1_200_000));
        check_close(mean(&world), expected, within, &format!("{delay} ± {jitter}"));
    }
}

#[test]
fn a_pod_that_comes_later_is_not_hit_and_a_new_container_is() {
    let mut world = pair_world("", 512, "one", 1);
    let delay = netem(MS * 50, SimDuration::ZERO, 0.0);
    let everything = world.traffic.impair_network(world.now, &fault(&[BACK], &[], Direction::To, delay));
    world.run(at(3_500));
    check_close(mean(&world), 110.0, 0.001, "hit");
    world.traffic.kill(world.now, &mut world.queue, BACK);
    let successor = ProcessSpec { replaces: Some(BACK), ..world.spec("back") };
    let next = world.traffic.start(world.now, &mut world.queue, successor);
    world.traffic.reset_statistics();
    world.run(at(6_500));
    check_close(mean(&world), 110.0, 0.001, "the same pod");
    world.traffic.kill(world.now, &mut world.queue, next);
    world.forget(BACK);
    world.start("back");
    world.traffic.reset_statistics();
    world.run(at(9_500));
    check_close(mean(&world), 10.0, 0.001, "another pod");
    world.traffic.mend_network(world.now, &mut world.queue, everything);
}

#[test]
fn a_lost_segment_comes_again_as_the_kernel_sends_it() {
    // The request at 2 s is lost, and what is sent of it again, until the fault ends.
    for (ends_after, arrives_after) in [(150, 200), (250, 400), (450, 800), (850, 1_600), (1_700, 3_200)] {
        let mut world = pair_world("connections: {pool: {}}", 512, "one", 1);
        world.run(at(1_500));
        let cut = fault(&[FRONT], &[BACK], Direction::To, NetworkEffect::Partition);
        let cut = world.traffic.impair_network(world.now, &cut);
        world.run(at(2_000 + ends_after));
        world.traffic.mend_network(world.now, &mut world.queue, cut);
        world.run(at(2_500 + arrives_after));
        let took = world.traffic.statistics().requests[0].latency.max().unwrap() * 1e3;
        check_close(took, arrives_after as f64 + 10.0, 5.0, &format!("ends after {ends_after}"));
    }
}

#[test]
fn of_many_requests_each_lost_segment_costs_its_timeout() {
    // On a kept connection a fifth of the answers is lost: one loss costs 200 ms, the next as much again, then twice …
    let mut world = pair_world("connections: {pool: {}}", 512, "eager", 1);
    world.run(at(1_500));
    let loss = netem(SimDuration::ZERO, SimDuration::ZERO, 0.2);
    world.traffic.impair_network(world.now, &fault(&[BACK], &[FRONT], Direction::To, loss));
    world.traffic.reset_statistics();
    world.run(at(3_000_000));
    let expected: f64 = 10.0 + 200.0 * (0.2 + (0..20).map(|n| 0.2_f64.powi(n + 2) * 2_f64.powi(n)).sum::<f64>());
    check_close(mean(&world), expected, expected * 0.03, "a fifth is lost");
    assert_eq!(counts(&world).2, 0, "nobody fails");
}

#[test]
fn a_lost_syn_costs_a_second() {
    let mut world = pair_world("", 512, "eager", 4);
    let loss = netem(SimDuration::ZERO, SimDuration::ZERO, 0.1);
    // Of the back's two messages the SYN-ACK costs 1 s when it is lost, the answer 200 ms.
    world.traffic.impair_network(world.now, &fault(&[BACK], &[], Direction::To, loss));
    world.run(at(3_000_000));
    let expected = 10.0 + 1_000.0 * 0.111 + 200.0 * (0.1 + 0.0125);
    check_close(mean(&world), expected, expected * 0.06, "a tenth is lost");
}

#[test]
fn a_long_answer_needs_round_trips_and_recovers_fast() {
    let delay = netem(MS * 100, SimDuration::ZERO, 0.0);
    // 30 segments are rounds of 10 and 20, a round trip of 100 ms apart.
    for (segments, rounds) in [(1, 1), (10, 1), (11, 2), (30, 2), (31, 3), (70, 3), (71, 4)] {
        let mut world = pair_world("connections: {pool: {}}", segments * 1_448, "one", 1);
        world.run(at(1_500));
        world.traffic.reset_statistics();
        world.traffic.impair_network(world.now, &fault(&[BACK], &[], Direction::To, delay));
        world.run(at(9_990));
        check_close(mean(&world), 10.0 + 100.0 * f64::from(rounds), 0.001, &format!("{segments} segments"));
    }
    // Of ten segments one is lost now and then, which those behind it tell within a round trip: far from 200 ms.
    let mut world = pair_world("connections: {pool: {}}", 14_480, "eager", 1);
    world.run(at(1_500));
    world.traffic.reset_statistics();
    let loss = netem(MS * 10, SimDuration::ZERO, 0.01);
    world.traffic.impair_network(world.now, &fault(&[BACK], &[], Direction::To, loss));
    world.run(at(600_000));
    let quantile = |q| world.traffic.statistics().requests[0].latency.quantile(q).unwrap() * 1e3;
    check_close(quantile(0.5), 20.0, 0.1, "most");
    assert!(quantile(0.95) < 40.0, "one in ten has a loss, one in ten of these at its end: {}", quantile(0.95));
    assert!(quantile(0.999) > 200.0, "{}", quantile(0.999));
}

#[test]
fn a_partition_hangs_whoever_it_hits() {
    for (direction, client, first) in [
        (Direction::To, "timeout: 3s", 3_000.0),
        (Direction::From, "timeout: 3s", 3_000.0),
        (Direction::Both, "connect_timeout: 2s", 2_000.0),
        (Direction::To, "", 131_000.0),
    ] {
        let mut world = pair_world(client, 512, "one", 1);
        let partition = fault(&[FRONT], &[BACK], direction, NetworkEffect::Partition);
        world.traffic.impair_network(world.now, &partition);
        world.run(at(140_000));
        let (_, ok, errors, _) = counts(&world);
        assert!(ok == 0 && errors > 0, "{direction:?}: {ok} {errors}");
        check_close(mean(&world), first, 1.0, &format!("{direction:?} {client}"));
    }
}

#[test]
fn a_partition_that_ends_lets_calls_under_way_through() {
    let mut world = pair_world("connections: {pool: {}}", 512, "one", 1);
    world.run(at(2_005));
    // The back is computing: its answer is what is lost.
    let cut =
        world.traffic.impair_network(world.now, &fault(&[FRONT], &[BACK], Direction::From, NetworkEffect::Partition));
    world.run(at(2_500));
    assert_eq!(counts(&world).1, 1);
    world.traffic.mend_network(world.now, &mut world.queue, cut);
    world.run(at(2_995));
    assert_eq!(counts(&world).1, 2, "retransmitted at 2.81 s");
    let took = world.traffic.statistics().requests[0].latency.quantile(1.0).unwrap() * 1e3;
    check_close(took, 810.0, 1.0, "10 ms, 200, 400 and 800 ms after it");
}

#[test]
fn what_was_sent_before_the_client_gave_up_is_still_worked_on() {
    let mut world = pair_world("connections: {pool: {}}, timeout: 150ms", 512, "one", 1);
    world.run(at(1_500));
    let served = world.stats(BACK.0).served;
    let cut =
        world.traffic.impair_network(world.now, &fault(&[FRONT], &[BACK], Direction::To, NetworkEffect::Partition));
    world.run(at(2_190));
    world.traffic.mend_network(world.now, &mut world.queue, cut);
    assert_eq!((counts(&world).2, world.stats(BACK.0).served), (1, served), "the front answered 503");
    world.run(at(2_990));
    assert_eq!(world.stats(BACK.0).served, served + 1, "for nobody");
}

#[test]
fn probes_are_hit_by_faults_without_a_target_only() {
    use sim::traffic::{Failure, Notice, ProbeCall, ProbeResult};
    let mut world = pair_world("", 512, "one", 1);
    let partition = |targets: &[_]| fault(&[BACK], targets, Direction::Both, NetworkEffect::Partition);
    for (fault, expected) in [
        (partition(&[FRONT]), ProbeResult::Connected),
        (partition(&[]), ProbeResult::Failed(Failure::TimedOut)),
        (fault(&[BACK], &[], Direction::To, netem(MS * 400, SimDuration::ZERO, 0.0)), ProbeResult::Connected),
        (
            fault(&[BACK], &[], Direction::To, netem(MS * 1_400, SimDuration::ZERO, 0.0)),
            ProbeResult::Failed(Failure::TimedOut),
        ),
    ] {
        let ix = world.traffic.impair_network(world.now, &fault);
        world.traffic.probe(world.now, &mut world.queue, 7, BACK, ProbeCall::Tcp, SimDuration::SECOND);
        let later = world.now + SimDuration::from_secs(3);
        world.run(later);
        let Some((_, Notice::ProbeDone { token: 7, result })) = world.notices.pop() else { panic!("{fault:?}") };
        assert_eq!(result, expected, "{fault:?}");
        world.traffic.mend_network(world.now, &mut world.queue, ix);
    }
}

#[test]
fn bandwidth_lets_bytes_take_time() {
    let shape =
        |rate, limit, buffer| NetworkEffect::Bandwidth(Bandwidth { rate, limit: Bytes(limit), buffer: Bytes(buffer) });
    // 20 segments with their headers are 20 * 1514 bytes: at 100 kB/s, less the 3028 that pass at once, 272.5 ms; the second
    // round of ten waits behind the first.
    let mut world = pair_world("connections: {pool: {}}", 20 * 1_448, "one", 1);
    world.run(at(1_500));
    world.traffic.reset_statistics();
    let slow = fault(&[BACK], &[], Direction::To, shape(100_000, 1 << 20, 3_028));
    let ix = world.traffic.impair_network(world.now, &slow);
    world.run(at(9_990));
    check_close(mean(&world), 10.0 + 272.52, 0.1, "20 segments");
    world.traffic.mend_network(world.now, &mut world.queue, ix);

    // A bucket that no packet fits lets nothing through; short ones pass.
    for (size, passes) in [(512, true), (1_448, false)] {
        let mut world = pair_world("connections: {pool: {}}, timeout: 900ms", size, "one", 1);
        world.run(at(1_500));
        world.traffic.reset_statistics();
        world.traffic.impair_network(world.now, &fault(&[BACK], &[], Direction::To, shape(1_000_000, 1 << 20, 1_000)));
        world.run(at(9_990));
        let (_, ok, errors, _) = counts(&world);
        assert_eq!((ok > 0, errors > 0), (passes, !passes), "{size}");
    }

    // Forty clients share the rate.
    let mut world = pair_world("connections: {pool: {}}", 14_480, "eager", 40);
    world.traffic.impair_network(world.now, &fault(&[BACK], &[], Direction::To, shape(151_400, 1 << 20, 15_140)));
    world.run(at(11_000));
    world.traffic.reset_statistics();
    world.run(at(111_000));
    let (_, ok, ..) = counts(&world);
    check_close(ok as f64, 1_000.0, 15.0, "ten answers of 15,140 bytes a second");
}

#[test]
fn messages_wait_at_the_broker_while_their_consumer_is_cut_off() {
    const PROFILE: &str = "
services:
  shop:
    port: 80
    runtime: {model: threads}
    memory: {base: 10Mi}
    endpoints: [{request: GET /, program: [{publish: {broker: broker, queue: work}}]}]
  broker:
    port: 81
    runtime: {model: goroutines}
    memory: {base: 10Mi}
    endpoints: [{request: publish, program: [{cpu: {mean: 100us}}]}, {request: ack, program: [{cpu: {mean: 50us}}]}]
  worker:
    port: 82
    runtime: {model: threads}
    memory: {base: 10Mi}
    consumes: [{broker: broker, queue: work, concurrency: 2, program: [{cpu: {mean: 1ms}}]}]
user_classes:
  one: {wait: {paced: 1s}, tasks: [{name: get, requests: [{request: GET /}]}]}
";
    let mut world = SmallWorld::new(PROFILE, &[NodeSpec::default()], 1);
    let broker = [world.start("shop"), world.start("broker")][1];
    let worker = world.start("worker");
    world.load(&users("one", "shop", 1, 1.0));
    world.run(at(5_500));
    assert_eq!(world.stats(worker.0).served, 6);
    let cut = world
        .traffic
        .impair_network(world.now, &fault(&[worker], &[broker], Direction::Both, NetworkEffect::Partition));
    world.run(at(15_500));
    assert_eq!((world.stats(worker.0).served, world.traffic.queued_messages(broker)), (6, 10));
    assert_eq!(counts(&world).1, 16, "who publishes does not notice");
    world.traffic.mend_network(world.now, &mut world.queue, cut);
    world.run(at(15_900));
    assert_eq!((world.stats(worker.0).served, world.traffic.queued_messages(broker)), (16, 0));
    assert_eq!(world.stats(worker.0).phase, Phase::Listening);
}
