//! The data plane: single mechanisms, each in a world of one or two services.

use sim::time::SimDuration;
use sim::traffic::NodeSpec;

use crate::small_world::{SmallWorld, at, users};

const MS: SimDuration = SimDuration::MILLISECOND;

/// One event loop that takes 1 ms for a request.
const ONE: &str = "
services:
  web:
    port: 80
    runtime: {model: event-loop}
    memory: {base: 10Mi}
    endpoints: [{request: GET /, program: [{cpu: {mean: 1ms}}]}]
user_classes:
  one: {wait: {constant: 9ms}, tasks: [{name: get, requests: [{request: GET /}]}]}
";

#[test]
fn a_user_is_served_every_ten_milliseconds() {
    let mut world = SmallWorld::new(ONE, &[NodeSpec::default()], 1);
    world.start("web");
    world.load(&users("one", "web", 1, 1.0));
    world.run(at(10_000));
    let request = &world.traffic.statistics().requests[0];
    assert_eq!((request.sent, request.ok), (1001, 1000));
    assert_eq!(request.latency.mean(), Some(0.001));
    assert_eq!(world.stats(0).cpu.usage, MS * 1000);
    assert_eq!(world.traffic.waiting_requests(), 1);
}
