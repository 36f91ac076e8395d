//! What must hold under all faults at once, at random times.

use proptest::prelude::*;
use sim::ids::ContainerIx;
use sim::time::SimDuration;
use sim::traffic::{
    Bandwidth, ClientPolicy, Defect, Direction, DiskFault, HttpAction, HttpFault, HttpFaultIx, HttpTarget, Leak, Netem,
    NetworkEffect, NetworkFault, NetworkFaultIx, NodeSpec, ProcessSpec, WorkloadIx,
};
use sim::units::Bytes;

use super::MS;
use crate::small_world::{SmallWorld, users};

/// A shop with every kind of client, a database with a disk and data, a broker and its consumer.
const SHOP: &str = "
services:
  shop:
    port: 80
    runtime: {model: threads, max_threads: 8, backlog: 4}
    memory: {base: 10Mi}
    clients:
      db: {connections: {pool: {max_open: 3}}, timeout: 300ms, retries: 1, retry_backoff: 20ms}
      cart: {connections: shared, connect_timeout: 500ms}
      broker: {timeout: 1s}
    endpoints:
      - request: POST /
        program:
          - cpu: {mean: 1ms, variation: 0.5}
          - parallel:
              await_timeout: 400ms
              branches:
                - [{call: {to: db, request: find}}]
                - [{call: {to: cart, request: GET /cart, on_failure: continue}}]
          - call: {to: db, request: save}
          - publish: {broker: broker, queue: work, on_failure: continue}
  cart:
    port: 80
    runtime: {model: event-loop}
    memory: {base: 10Mi}
    clients: {db: {}}
    endpoints: [{request: GET /cart, answer_size: 40Ki, program: [{call: {to: db, request: find}}, {cpu: {mean: 1ms}}]}]
  db:
    port: 81
    runtime: {model: goroutines}
    memory: {base: 10Mi}
    disk: {path: /data, when_full: {wait: 50ms}}
    endpoints:
      - {request: find, disk: {reads: 1}, growth: {scans: 1us}, program: [{cpu: {mean: 1ms, variation: 1}}]}
      - {request: save, disk: {writes: 1}, growth: {adds: 1}, program: [{cpu: {mean: 1ms, variation: 1}}]}
  broker:
    port: 82
    runtime: {model: goroutines}
    memory: {base: 10Mi}
    endpoints: [{request: publish, program: [{cpu: {mean: 100us}}]}, {request: ack, program: [{cpu: {mean: 50us}}]}]
  worker:
    port: 83
    runtime: {model: threads}
    memory: {base: 10Mi}
    consumes: [{broker: broker, queue: work, concurrency: 2, program: [{cpu: {mean: 2ms}}]}]
user_classes:
  buyer: {wait: {between: {min: 1ms, max: 30ms}}, timeout: 2s, tasks: [{name: buy, requests: [{request: POST /}]}]}
";

const SERVICES: [&str; 5] = ["shop", "cart", "db", "broker", "worker"];

#[derive(Clone, Debug)]
enum Blow {
    Network(u32, Option<u32>, Direction, NetworkEffect),
    MendNetwork,
    Http(u32, HttpTarget, HttpAction),
    MendHttp,
    Disk(u32, DiskFault),
    Leak(u32, u64),
    Defect(usize, f64),
    Age(u32, Option<u64>),
    Retries(u8),
    Kill(u32),
    Lose(u32),
}

fn effects() -> impl Strategy<Value = NetworkEffect> {
    let netem = (0..300_u64, 0..100_u64, prop::sample::select(vec![0.0, 0.05, 0.5, 1.0]))
        .prop_map(|(delay, jitter, loss)| NetworkEffect::Netem(Netem { delay: MS * delay, jitter: MS * jitter, loss }));
    let bandwidth = (1_000..1_000_000_u64, 1_000..100_000_u64, 100..20_000_u64).prop_map(|(rate, limit, buffer)| {
        NetworkEffect::Bandwidth(Bandwidth { rate, limit: Bytes(limit), buffer: Bytes(buffer) })
    });
    prop_oneof![3 => netem, 1 => bandwidth, 1 => Just(NetworkEffect::Partition)]
}

fn blows() -> impl Strategy<Value = Vec<(u64, Blow)>> {
    let direction = prop::sample::select(vec![Direction::To, Direction::From, Direction::Both]);
    let action = prop_oneof![Just(HttpAction::Abort), (1..900_u64).prop_map(|ms| HttpAction::Delay(MS * ms))];
    let target = prop::sample::select(vec![HttpTarget::Request, HttpTarget::Response]);
    let disk = (0..200_u64, prop::sample::select(vec![0.0, 0.3, 1.0])).prop_map(|(ms, full)| DiskFault {
        read_latency: MS * ms,
        write_latency: MS * ms,
        delayed: 0.5,
        full,
    });
    let blow = prop_oneof![
        6 => (0..5_u32, prop::option::of(0..5_u32), direction, effects())
            .prop_map(|(source, target, direction, effect)| Blow::Network(source, target, direction, effect)),
        4 => Just(Blow::MendNetwork),
        3 => (0..5_u32, target, action).prop_map(|(at, target, action)| Blow::Http(at, target, action)),
        2 => Just(Blow::MendHttp),
        2 => (0..5_u32, disk).prop_map(|(at, fault)| Blow::Disk(at, fault)),
        1 => (0..5_u32, 0..100_u64).prop_map(|(at, mebibytes)| Blow::Leak(at, mebibytes)),
        1 => (0..5_usize, prop::sample::select(vec![1.0, 5.0])).prop_map(|(at, factor)| Blow::Defect(at, factor)),
        1 => (0..5_u32, prop::option::of(0..10_000_u64)).prop_map(|(at, documents)| Blow::Age(at, documents)),
        1 => (0..4_u8).prop_map(Blow::Retries),
        2 => (0..5_u32).prop_map(Blow::Kill),
        1 => (0..5_u32).prop_map(Blow::Lose),
    ];
    prop::collection::vec((1..600_u64, blow), 1..25)
}

#[derive(Clone)]
struct Shop {
    world: SmallWorld,
    /// By service: its latest container.
    containers: [ContainerIx; 5],
    network: Vec<NetworkFaultIx>,
    http: Vec<HttpFaultIx>,
}

impl Shop {
    fn new(seed: u64) -> Self {
        let node = NodeSpec { local_latency: SimDuration::from_micros(100), ..NodeSpec::default() };
        let mut world = SmallWorld::new(SHOP, &[node], seed);
        let containers = SERVICES.map(|service| world.start(service));
        world.load(&users("buyer", "shop", 12, 100.0));
        Self { world, containers, network: Vec::new(), http: Vec::new() }
    }

    fn strike(&mut self, blow: &Blow) {
        let (now, pick) = (self.world.now, |at: u32| self.containers[at as usize]);
        let (traffic, queue) = (&mut self.world.traffic, &mut self.world.queue);
        match blow {
            Blow::Network(source, target, direction, effect) => {
                let targets: Vec<_> = target.iter().map(|&at| pick(at)).collect();
                let fault =
                    NetworkFault { sources: vec![pick(*source)], targets, direction: *direction, effect: *effect };
                self.network.push(traffic.impair_network(now, &fault));
            }
            Blow::MendNetwork => {
                if let Some(fault) = self.network.pop() {
                    traffic.mend_network(now, queue, fault);
                }
            }
            Blow::Http(at, target, action) => {
                let (containers, target, action) = (vec![pick(*at)], *target, *action);
                let fault = HttpFault { containers, target, port: 80, path: None, method: None, code: None, action };
                self.http.push(traffic.impair_http(fault));
            }
            Blow::MendHttp => {
                if let Some(fault) = self.http.pop() {
                    traffic.mend_http(fault);
                }
            }
            Blow::Disk(at, fault) => traffic.impair_disk(now, pick(*at), *fault),
            Blow::Leak(at, mebibytes) => {
                let per_second = Bytes::from_mebibytes(*mebibytes);
                traffic.set_leak(now, queue, pick(*at), Leak { per_request: Bytes(100), per_second });
            }
            Blow::Defect(at, cost_factor) => {
                let service = traffic.programs().service(SERVICES[*at]).expect("the shop has it");
                traffic.set_defect(now, queue, service, Defect { cost_factor: *cost_factor, leak: Leak::default() });
            }
            Blow::Age(at, documents) => traffic.age(now, pick(*at), *documents),
            Blow::Retries(retries) => {
                let [shop, db] = ["shop", "db"].map(|name| traffic.programs().service(name).expect("it is there"));
                let policy = traffic.client_policy(shop, db).expect("the shop calls its database");
                traffic.set_client_policy(shop, db, ClientPolicy { retries: *retries, ..policy });
            }
            Blow::Kill(at) => {
                traffic.kill(now, queue, pick(*at));
                self.replace(*at, true);
            }
            Blow::Lose(at) => {
                traffic.lose(now, queue, pick(*at));
                self.world.forget(self.containers[*at as usize]);
                self.replace(*at, false);
            }
        }
    }

    /// Another container in the place of a dead one, in its pod or in another.
    fn replace(&mut self, at: u32, in_its_pod: bool) {
        let dead = self.containers[at as usize];
        let spec = self.world.spec(SERVICES[at as usize]);
        self.containers[at as usize] = if in_its_pod {
            let spec = ProcessSpec { replaces: Some(dead), ..spec };
            self.world.traffic.start(self.world.now, &mut self.world.queue, spec)
        } else {
            self.world.start_with(spec)
        };
    }

    fn play(&mut self, blows: &[(u64, Blow)]) {
        for (after, blow) in blows {
            let next = self.world.now + MS * *after;
            self.world.run(next);
            self.strike(blow);
            assert_eq!(self.world.traffic.check_conservation(), Ok(()), "{blow:?}");
        }
    }

    fn summary(&self) -> String {
        let requests: Vec<_> =
            self.world.traffic.statistics().requests.iter().map(|r| (r.sent, r.ok, r.latency.mean())).collect();
        let containers: Vec<_> =
            (0..self.world.traffic.container_count() as u32).map(|ix| self.world.stats(ix)).collect();
        format!("{requests:?} {containers:?} {:?}", self.world.notices)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// No request is lost or ends twice; a clone goes on as the original; and once everything is mended and nobody asks
    /// any more, all user requests have ended.
    #[test]
    fn requests_are_conserved_under_every_fault(seed in 0..1000_u64, blows in blows()) {
        let mut shop = Shop::new(seed);
        let (first, second) = blows.split_at(blows.len() / 2);
        shop.play(first);
        let mut fork = shop.clone();
        shop.play(second);
        fork.play(second);
        prop_assert_eq!(shop.summary(), fork.summary());
        while let Some(fault) = shop.network.pop() {
            shop.world.traffic.mend_network(shop.world.now, &mut shop.world.queue, fault);
        }
        while let Some(fault) = shop.http.pop() {
            shop.world.traffic.mend_http(fault);
        }
        let now = shop.world.now;
        shop.world.traffic.stop_workload(now, WorkloadIx(0));
        shop.world.run(now + SimDuration::from_secs(3));
        prop_assert_eq!(shop.world.traffic.check_conservation(), Ok(()));
        prop_assert_eq!(shop.world.traffic.waiting_requests(), 0);
    }
}
