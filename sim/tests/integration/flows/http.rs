//! `HTTPChaos`: what the proxy closes or holds, on which side, on which connections.

use sim::ids::ContainerIx;
use sim::time::SimDuration;
use sim::traffic::{HttpAction, HttpFault, HttpTarget};

use super::{BACK, FRONT, MS, check_close, counts, mean, pair_world};
use crate::small_world::at;

fn fault(container: ContainerIx, target: HttpTarget, action: HttpAction) -> HttpFault {
    let port = if container == BACK { 81 } else { 80 };
    HttpFault { containers: vec![container], target, port, path: None, method: None, code: None, action }
}

/// What becomes of a request under a fault: its status, how long it takes, how many requests the back has seen.
fn check(client: &str, fault: HttpFault, ok: bool, took: f64, served: u64) {
    let mut world = pair_world(client, 512, "one", 1);
    let described = format!("{client} {fault:?}");
    world.traffic.impair_http(fault);
    world.run(at(3_990));
    let (sent, good, errors, unanswered) = counts(&world);
    assert_eq!((sent, good + errors + unanswered), (3, 3), "{described}");
    assert_eq!(good, if ok { 3 } else { 0 }, "{described}");
    check_close(mean(&world), took, 0.001, &described);
    assert_eq!(world.stats(BACK.0).served, served, "{described}");
}

#[test]
fn requests_and_answers_are_closed_or_held() {
    let delay = HttpAction::Delay(MS * 100);
    check("", fault(BACK, HttpTarget::Request, delay), true, 110.0, 3);
    check("", fault(BACK, HttpTarget::Response, delay), true, 110.0, 3);
    check("", fault(BACK, HttpTarget::Request, HttpAction::Abort), false, 0.0, 0);
    check("", fault(BACK, HttpTarget::Response, HttpAction::Abort), false, 10.0, 3);
    // The back's port as the front's destination: the proxy in the front's pod takes its calls.
    let of_front = |target, action| HttpFault { port: 81, ..fault(FRONT, target, action) };
    check("", of_front(HttpTarget::Request, delay), true, 110.0, 3);
    check("", of_front(HttpTarget::Response, HttpAction::Abort), false, 10.0, 3);
    // A client that gives up while its request is held: the back never sees it.
    check("timeout: 50ms", fault(BACK, HttpTarget::Request, delay), false, 50.0, 0);
    check("timeout: 50ms", fault(BACK, HttpTarget::Response, delay), false, 50.0, 3);
    check("timeout: 50ms, retries: 1", fault(BACK, HttpTarget::Response, delay), false, 100.0, 6);
}

#[test]
fn selectors_choose() {
    let base = || fault(BACK, HttpTarget::Response, HttpAction::Delay(MS * 100));
    let text = |text: &str| Some(text.to_owned());
    for (fault, took) in [
        (HttpFault { path: text("/"), ..base() }, 110.0),
        (HttpFault { path: text("/x*"), ..base() }, 10.0),
        (HttpFault { method: text("GET"), ..base() }, 110.0),
        (HttpFault { method: text("POST"), ..base() }, 10.0),
        (HttpFault { code: Some(200), ..base() }, 110.0),
        (HttpFault { code: Some(500), ..base() }, 10.0),
        (HttpFault { port: 80, ..base() }, 10.0),
        (HttpFault { containers: vec![FRONT, BACK], ..base() }, 210.0),
    ] {
        check("", fault, true, took, 3);
    }
}

#[test]
fn delays_add_up_and_end() {
    let mut world = pair_world("", 512, "one", 1);
    let first = world.traffic.impair_http(fault(BACK, HttpTarget::Request, HttpAction::Delay(MS * 30)));
    let second = world.traffic.impair_http(fault(BACK, HttpTarget::Request, HttpAction::Delay(MS * 50)));
    let took = |world: &mut crate::small_world::SmallWorld, until| {
        world.traffic.reset_statistics();
        world.run(at(until));
        mean(world)
    };
    check_close(took(&mut world, 2_900), 90.0, 0.001, "both");
    world.traffic.mend_http(first);
    check_close(took(&mut world, 5_900), 60.0, 0.001, "the second");
    world.traffic.mend_http(second);
    check_close(took(&mut world, 8_900), 10.0, 0.001, "none");
}

#[test]
fn a_connection_that_was_open_before_does_not_pass_the_proxy() {
    for (client, hit) in [("", true), ("connections: {pool: {}}", false), ("connections: shared", false)] {
        let mut world = pair_world(client, 512, "one", 1);
        world.run(at(2_500));
        world.traffic.reset_statistics();
        world.traffic.impair_http(fault(BACK, HttpTarget::Request, HttpAction::Abort));
        world.run(at(5_500));
        assert_eq!(counts(&world).2 > 0, hit, "{client}");
        // One that is opened later does.
        world.traffic.kill(world.now, &mut world.queue, BACK);
        world.forget(BACK);
        let back = world.start("back");
        world
            .traffic
            .impair_http(HttpFault { containers: vec![back], ..fault(BACK, HttpTarget::Request, HttpAction::Abort) });
        world.traffic.reset_statistics();
        world.run(at(8_500));
        assert_eq!(counts(&world).1, 0, "{client}");
    }
}

#[test]
fn an_aborted_call_closes_its_own_connection_only() {
    // Two users, one connection each; aborts of answers that are 200.
    let mut world = pair_world("connections: {pool: {}}", 512, "one", 2);
    let abort = HttpFault { code: Some(200), ..fault(BACK, HttpTarget::Response, HttpAction::Abort) };
    let ix = world.traffic.impair_http(abort);
    world.run(at(3_500));
    let (_, ok, errors, _) = counts(&world);
    assert_eq!((ok, errors), (0, 6));
    world.traffic.mend_http(ix);
    let later = world.now + SimDuration::from_secs(3);
    world.run(later);
    assert_eq!(counts(&world).1, 6);
}
