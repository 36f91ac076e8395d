//! Faults of the data plane: what each does exactly, in worlds of two or three services, and what must hold under all of
//! them.

mod conservation;
mod disk;
mod environment;
mod http;
mod logs;
mod metastable;
mod network;
mod policy;
mod wear;

use sim::ids::ContainerIx;
use sim::time::SimDuration;
use sim::traffic::NodeSpec;

use crate::small_world::{SmallWorld, at, users};

const MS: SimDuration = SimDuration::MILLISECOND;

/// A front that calls a back, whose answer takes 10 ms and `{size}` bytes. `{client}` is how the front connects. `one` asks
/// every second, and waits 10 minutes.
fn pair(client: &str, size: u64) -> String {
    "
services:
  front:
    port: 80
    runtime: {model: event-loop}
    memory: {base: 10Mi}
    clients: {back: {CLIENT}}
    endpoints: [{request: GET /, program: [{call: {to: back, request: GET /, on_status: pass, on_failure: {respond: 503}}}]}]
  back:
    port: 81
    runtime: {model: threads}
    memory: {base: 10Mi}
    endpoints: [{request: GET /, answer_size: SIZE, program: [{cpu: {mean: 10ms}}]}]
user_classes:
  one: {wait: {paced: 1s}, timeout: 10m, tasks: [{name: get, requests: [{request: GET /}]}]}
  eager: {wait: {constant: 0s}, timeout: 10m, tasks: [{name: get, requests: [{request: GET /}]}]}
"
    .replace("{CLIENT}", &format!("{{{client}}}"))
    .replace("SIZE", &size.to_string())
}

const FRONT: ContainerIx = ContainerIx(0);
const BACK: ContainerIx = ContainerIx(1);

/// The pair with users of a class from the first second on.
fn pair_world(client: &str, size: u64, class: &str, count: u32) -> SmallWorld {
    let mut world = SmallWorld::new(&pair(client, size), &[NodeSpec::default()], 1);
    assert_eq!((world.start("front"), world.start("back")), (FRONT, BACK));
    let mut load = users(class, "front", count, 1e6);
    load.start = SimDuration::SECOND;
    world.load(&load);
    world.run(at(999));
    world
}

/// Requests so far: sent, answered well, with a server's error, not answered.
fn counts(world: &SmallWorld) -> (u64, u64, u64, u64) {
    assert_eq!(world.traffic.check_conservation(), Ok(()));
    let request = &world.traffic.statistics().requests[0];
    (request.sent, request.ok, request.server_errors, request.unanswered)
}

/// How long requests took on average, in milliseconds.
fn mean(world: &SmallWorld) -> f64 {
    world.traffic.statistics().requests[0].latency.mean().map_or(f64::NAN, |seconds| seconds * 1e3)
}

fn check_close(found: f64, expected: f64, within: f64, what: &str) {
    assert!((found - expected).abs() <= within, "{what}: {found}, expected {expected}");
}
